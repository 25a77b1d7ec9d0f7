/* peek.h: reads single members out of a server frame, without a JSON tree.
 *
 * A load generator looks at two or three members of each of a hundred thousand frames a second. These functions walk
 * the text once and stop at the member asked for. They trust the server to send JSON: on malformed text they find
 * nothing, and never read outside text[0..len).
 *
 * Which member: the first with that name in document order, at any depth ("id" of {"type":"message","data":{"id":7}}
 * is 7). Only names count: text inside string values, escaped quotes included, is never taken for a member. Names are
 * compared as they stand in the frame (no frame of the protocol escapes its names).
 *
 * Ownership: results point into the text.  Thread: any (no state).  Units: bytes. */
#ifndef CONFAB_BENCH_PEEK_H
#define CONFAB_BENCH_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct peek_span {
    const char *at; /* borrowed, not NUL terminated */
    size_t len;
} peek_span;

/* One member met while walking a frame. A value that is an object or array starts at its bracket, has length 1, and
 * the walk goes on inside it. A string value has no quotes and is still escaped. */
typedef struct peek_member {
    peek_span name;
    peek_span value;
    char kind; /* 's'tring, 'n'umber, 'o'bject, 'a'rray, 't'rue, 'f'alse, 'z' for null */
    int depth; /* 1: member of the outermost object */
} peek_member;

typedef struct peek_walk {
    const char *at;
    const char *end;
    int depth;
} peek_walk;

/* Starts a walk over all members, in document order, through all depths. Borrows text until the walk ends. */
peek_walk peek_start(const char *text, size_t len);

/* Steps to the next member. Returns false at the end (or at malformed text). */
bool peek_next(peek_walk *walk, peek_member *out_member);

/* The string member `name`, still escaped. Returns false where there is none; *out_value is then untouched. */
bool peek_string(const char *text, size_t len, const char *name, peek_span *out_value);

/* The integer member `name`. Returns false where there is none or it does not fit. */
bool peek_int(const char *text, size_t len, const char *name, int64_t *out_value);

/* The member `name` is the literal true. */
bool peek_true(const char *text, size_t len, const char *name);

/* The frame's "type" equals `type`. The cheap first question about any frame. */
bool peek_is_type(const char *text, size_t len, const char *type);

/* A span equals a C string. */
bool peek_equals(peek_span span, const char *word);

/* A number's digits as an integer; false where it is no integer or does not fit. */
bool peek_parse_int(peek_span span, int64_t *out_value);

/* Turns the inside of a JSON string into UTF-8. Writes at most span.len bytes to out (so out may be the span's own
 * memory, where that is writable). Returns the length, or SIZE_MAX for a broken escape. Lone surrogates become U+FFFD. */
size_t peek_unescape(peek_span span, char *out);

/* Writes text as the inside of a JSON string (no quotes around it). out needs 6 * len bytes. Returns the length. */
size_t peek_escape(const char *text, size_t len, char *out);

#endif
