/* Bytes: a borrowed span, a growable buffer, and an arena that dies as a whole. */
#ifndef CONFAB_BUF_H
#define CONFAB_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes: pointer and length travel together. Not NUL-terminated. {NULL,0} means "absent", {"",0} means "empty". */
typedef struct span {
    const char *p;
    size_t n;
} span;

#define SPAN_LIT(s) ((span){(s), sizeof(s) - 1})
static inline span span_of(const char *s) { return (span){s, s ? strlen(s) : 0}; }
static inline bool span_is(span a, const char *s) { return a.p && a.n == strlen(s) && memcmp(a.p, s, a.n) == 0; }
static inline bool span_equal(span a, span b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
/* Copies into a NUL-terminated array of `cap` bytes; false (and an empty string) where it does not fit. */
bool span_copy(span from, char *to, size_t cap);
/* Decimal, whole span, no sign but '-', no overflow; false otherwise, *out untouched. */
bool span_to_int64(span s, int64_t *out);
bool span_is_utf8(span s);

/* Growable bytes. Invariant: data[len] is writable whenever data != NULL, so buf_cstr is cheap.
 * An allocation failure sets `failed`, drops what was appended from then on, and is checked once at the end. */
typedef struct buf {
    char *data;
    size_t len, cap;
    bool failed;
} buf;

void buf_init(buf *b);
void buf_free(buf *b);  /* accepts NULL and an untouched {0}; leaves {0} */
void buf_clear(buf *b); /* keeps the memory */
bool buf_reserve(buf *b, size_t more);
void buf_append(buf *b, const void *p, size_t n);
void buf_append_str(buf *b, const char *s);
void buf_append_span(buf *b, span s);
void buf_append_char(buf *b, char c);
void buf_append_int(buf *b, int64_t v); /* decimal */
void buf_printf(buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *buf_cstr(buf *b); /* NUL-terminated view, valid until the next append; "" if empty */
static inline span buf_span(const buf *b) { return (span){b->data ? b->data : "", b->len}; }

/* Many small allocations with one owner. Memory is zeroed and aligned to 16; nothing is freed singly. */
typedef struct arena {
    struct arena_block *head;
} arena;

void *arena_alloc(arena *a, size_t n); /* NULL when out of memory */
span arena_copy(arena *a, span s);     /* NUL-terminated copy; {NULL,0} for an absent span or out of memory */
void arena_free(arena *a);             /* leaves it empty and usable */

#endif
