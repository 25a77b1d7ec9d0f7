#include "confab/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool span_copy(span from, char *to, size_t cap)
{
    if (from.n >= cap) {
        to[0] = '\0';
        return false;
    }
    if (from.n) memcpy(to, from.p, from.n);
    to[from.n] = '\0';
    return true;
}

bool span_to_int64(span s, int64_t *out)
{
    if (!s.p || s.n == 0) return false;
    size_t i = 0;
    bool negative = s.p[0] == '-';
    if (negative) i = 1;
    if (i == s.n) return false;
    uint64_t value = 0, limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    for (; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (value > (limit - digit) / 10) return false;
        value = value * 10 + digit;
    }
    /* Negate as unsigned: -INT64_MIN does not fit. */
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

/* Length of the UTF-8 sequence at p (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF); 0 where there is none. */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
    unsigned char c = p[0];
    if (c < 0x80) return 1;
    if (c < 0xC2 || c > 0xF4) return 0;
    size_t len = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (n < len) return 0;
    unsigned char low = 0x80, high = 0xBF;
    if (c == 0xE0) low = 0xA0;
    if (c == 0xED) high = 0x9F;
    if (c == 0xF0) low = 0x90;
    if (c == 0xF4) high = 0x8F;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
    }
    return len;
}

bool span_is_utf8(span s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; i < s.n;) {
        size_t len = utf8_sequence(p + i, s.n - i);
        if (len == 0) return false;
        i += len;
    }
    return true;
}

void buf_init(buf *b) { *b = (buf){0}; }

void buf_free(buf *b)
{
    if (!b) return;
    free(b->data);
    *b = (buf){0};
}

void buf_clear(buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data) b->data[0] = '\0';
}

bool buf_reserve(buf *b, size_t more)
{
    if (b->failed) return false;
    if (b->data && more < b->cap - b->len) return true;
    if (more > SIZE_MAX / 4 || b->len > SIZE_MAX / 4) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + more + 1;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void buf_append(buf *b, const void *p, size_t n)
{
    if (!buf_reserve(b, n)) return;
    if (n) memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_append_str(buf *b, const char *s) { buf_append(b, s, strlen(s)); }
void buf_append_span(buf *b, span s) { buf_append(b, s.p, s.n); }
void buf_append_char(buf *b, char c) { buf_append(b, &c, 1); }

void buf_append_int(buf *b, int64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (v < 0) digits[--at] = '-';
    buf_append(b, digits + at, sizeof digits - at);
}

void buf_printf(buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) {
        b->failed = true;
    } else if (buf_reserve(b, (size_t)n)) {
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

const char *buf_cstr(buf *b) { return b->data ? b->data : ""; }

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(16) char data[];
};

enum { ARENA_BLOCK = 1024 };

void *arena_alloc(arena *a, size_t n)
{
    if (n > SIZE_MAX / 2) return NULL;
    n = (n + 15) & ~(size_t)15;
    struct arena_block *block = a->head;
    if (!block || block->size - block->used < n) {
        size_t size = block ? block->size * 2 : ARENA_BLOCK;
        if (size > 64 * (size_t)ARENA_BLOCK) size = 64 * (size_t)ARENA_BLOCK;
        if (size < n) size = n;
        block = malloc(sizeof *block + size);
        if (!block) return NULL;
        block->used = 0;
        block->size = size;
        block->next = a->head;
        a->head = block;
    }
    void *p = block->data + block->used;
    block->used += n;
    memset(p, 0, n);
    return p;
}

span arena_copy(arena *a, span s)
{
    if (!s.p) return (span){0};
    char *p = arena_alloc(a, s.n + 1);
    if (!p) return (span){0};
    if (s.n) memcpy(p, s.p, s.n);
    return (span){p, s.n};
}

void arena_free(arena *a)
{
    struct arena_block *block = a->head;
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    a->head = NULL;
}
