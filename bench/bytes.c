/* bytes.c: see bytes.h. */
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

bool bytes_reserve(bytes *b, size_t more)
{
    if (b->cap - b->len >= more) {
        return true;
    }
    size_t cap = b->cap > 0 ? b->cap : 256;
    while (cap - b->len < more) {
        cap *= 2;
    }
    char *grown = realloc(b->at, cap);
    if (grown == NULL) {
        return false;
    }
    b->at = grown;
    b->cap = cap;
    return true;
}

bool bytes_append(bytes *b, const void *data, size_t len)
{
    if (!bytes_reserve(b, len)) {
        return false;
    }
    if (len > 0) {
        memcpy(b->at + b->len, data, len);
        b->len += len;
    }
    return true;
}

void bytes_fini(bytes *b)
{
    free(b->at);
    *b = (bytes){0};
}
