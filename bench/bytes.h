/* bytes.h: a growable run of bytes. Zeroed is empty.
 *
 * Ownership: the struct owns its memory.  Thread: one at a time.  Units: bytes. */
#ifndef CONFAB_BENCH_BYTES_H
#define CONFAB_BENCH_BYTES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bytes {
    char *at; /* owned; NULL while cap is 0 */
    size_t len;
    size_t cap;
} bytes;

/* Makes room for `more` bytes after the present ones. Returns false when out of memory (nothing changes). */
bool bytes_reserve(bytes *b, size_t more);

/* Copies data to the end. Returns false when out of memory (nothing changes). */
bool bytes_append(bytes *b, const void *data, size_t len);

/* Frees the memory; empty again. */
void bytes_fini(bytes *b);

#endif
