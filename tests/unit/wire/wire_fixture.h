/* What the wire tests share. Include last. */
#ifndef WIRE_FIXTURE_H
#define WIRE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* needs those above */

#include "wire.h"

static const struct chat_actor alice = {.user_id = 7, .session_id = 3, .role = USER_MEMBER, .name = "alice", .address = "127.0.0.1"};

/* A copy of exactly these bytes on the heap, so that a checker sees a read beyond them. Free .p. */
static inline span exact_copy(span s)
{
    char *p = malloc(s.n ? s.n : 1);
    assert_non_null(p);
    if (s.n) memcpy(p, s.p, s.n);
    return (span){p, s.n};
}

static inline confab_err decode_on(span text, const char *implied_room, struct wire_command *c)
{
    span copy = exact_copy(text);
    confab_err e = wire_decode_command(copy, &alice, implied_room, c);
    free((char *)(uintptr_t)copy.p);
    return e;
}

static inline void assert_span_is(span got, const char *want)
{
    assert_non_null(got.p);
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

/* The buffer's text; empties the buffer's memory into the test's assertion message. */
static inline void assert_buf_is(buf *b, const char *want)
{
    assert_false(b->failed);
    assert_string_equal(buf_cstr(b), want);
    buf_clear(b);
}

#endif
