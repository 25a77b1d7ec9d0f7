/* JSON text out, by appending. Private to the wire layer; no cJSON here: a frame is encoded once and sent to thousands, so the pieces
 * are inlined and a clean string costs one scan and one memcpy. Memory is the only failure (buf.failed). Thread: any. */
#ifndef CONFAB_WIRE_OUT_H
#define CONFAB_WIRE_OUT_H

#include "confab/buf.h"

/* Room for n bytes and the NUL behind them; NULL where memory is out. */
static inline char *out_room(buf *b, size_t n)
{
    if (b->cap - b->len <= n && !buf_reserve(b, n)) return NULL;
    return b->data + b->len;
}

static inline void out_raw(buf *b, const char *p, size_t n)
{
    char *at = out_room(b, n);
    if (!at) return;
    memcpy(at, p, n);
    at[n] = '\0';
    b->len += n;
}

/* Appends a string literal as it stands. */
#define OUT(b, literal) out_raw((b), "" literal, sizeof(literal) - 1)

void out_int(buf *b, int64_t v);
void out_string(buf *b, span s);      /* quoted and escaped; an absent span is "" */
void out_cstr(buf *b, const char *s); /* the same; NULL is "" */
void out_time(buf *b, int64_t wall_ms);
static inline void out_bool(buf *b, bool v)
{
    if (v)
        OUT(b, "true");
    else
        OUT(b, "false");
}
/* `,"ref":REF` where ref (JSON text) is not "", then `}`: the end of every direct answer. */
void out_ref_end(buf *b, const char *ref);

#endif
