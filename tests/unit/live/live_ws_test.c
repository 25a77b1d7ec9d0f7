/* The reading side, driven as wslay's own tests are: a scripted feed in chunks of any size, and an accumulator of what came of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* needs those above */

#include "live_ws.h"

/* What came of a feed, as one line: T(text) P(pong) S(hex of a control frame). */
struct fixture {
    struct live_ws_pool pool;
    struct live_ws ws;
    buf got;
};

static void on_text(void *ctx, span text)
{
    struct fixture *f = ctx;
    if (text.n > 40) {
        buf_printf(&f->got, "T(%zu bytes)", text.n);
    } else {
        buf_printf(&f->got, "T(%.*s)", (int)text.n, text.p);
    }
}

static void on_pong(void *ctx, span payload)
{
    struct fixture *f = ctx;
    buf_printf(&f->got, "P(%.*s)", (int)payload.n, payload.p);
}

static void on_send(void *ctx, const void *frame, size_t n)
{
    struct fixture *f = ctx;
    buf_append_str(&f->got, "S(");
    for (size_t i = 0; i < n; i++)
        buf_printf(&f->got, "%02x", ((const unsigned char *)frame)[i]);
    buf_append_str(&f->got, ")");
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){.pool = {.max_message = 70000, .on_text = on_text, .on_pong = on_pong, .on_send = on_send}};
}

static void end(struct fixture *f)
{
    live_ws_fini(&f->ws);
    live_ws_pool_fini(&f->pool);
    buf_free(&f->got);
}

/* A client's frame: masked with 0x5A, 0x17, 0xC3, 0x01. */
static void frame(buf *out, unsigned first, span payload)
{
    static const unsigned char mask[4] = {0x5A, 0x17, 0xC3, 0x01};
    buf_append_char(out, (char)first);
    if (payload.n < 126) {
        buf_append_char(out, (char)(0x80 | payload.n));
    } else if (payload.n < 65536) {
        buf_append_char(out, (char)(0x80 | 126));
        buf_append_char(out, (char)(payload.n >> 8));
        buf_append_char(out, (char)payload.n);
    } else {
        buf_append_char(out, (char)(0x80 | 127));
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_append_char(out, (char)((uint64_t)payload.n >> shift));
    }
    buf_append(out, mask, 4);
    for (size_t i = 0; i < payload.n; i++)
        buf_append_char(out, (char)(payload.p[i] ^ mask[i & 3]));
}

/* Feeds everything in chunks of `chunk` bytes until a feed ends the connection. */
static enum live_ws_state feed(struct fixture *f, const buf *bytes, size_t chunk)
{
    for (size_t at = 0; at < bytes->len; at += chunk) {
        size_t n = bytes->len - at < chunk ? bytes->len - at : chunk;
        enum live_ws_state s = live_ws_feed(&f->pool, &f->ws, bytes->data + at, n, f);
        if (s != LIVE_WS_OPEN) return s;
    }
    return LIVE_WS_OPEN;
}

static void expect(const buf *bytes, enum live_ws_state state, const char *wanted)
{
    static const size_t chunks[] = {1, 2, 3, 7, 64, 4096, SIZE_MAX / 2};
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        struct fixture f;
        begin(&f);
        assert_int_equal(feed(&f, bytes, chunks[i]), state);
        assert_string_equal(buf_cstr(&f.got), wanted);
        if (state == LIVE_WS_OPEN) assert_null(f.ws.reader); /* everything is whole: the reader is back in the pool */
        end(&f);
    }
}

static void messages_arrive_whole_however_they_are_cut(void **state)
{
    (void)state;
    buf b = {0};
    char *large = malloc(66000);
    assert_non_null(large);
    memset(large, 'y', 66000);
    frame(&b, 0x81, SPAN_LIT("one"));
    frame(&b, 0x81, SPAN_LIT(""));
    frame(&b, 0x81, (span){large, 300});
    frame(&b, 0x81, (span){large, 66000});
    frame(&b, 0x81, SPAN_LIT("\xC3\xA9"));
    expect(&b, LIVE_WS_OPEN, "T(one)T()T(300 bytes)T(66000 bytes)T(\xC3\xA9)");
    free(large);
    buf_free(&b);
}

static void fragments_are_joined_around_control_frames(void **state)
{
    (void)state;
    buf b = {0};
    frame(&b, 0x01, SPAN_LIT("he"));
    frame(&b, 0x89, SPAN_LIT("now"));
    frame(&b, 0x00, SPAN_LIT("ll"));
    frame(&b, 0x8A, SPAN_LIT("late"));
    frame(&b, 0x80, SPAN_LIT("o"));
    expect(&b, LIVE_WS_OPEN, "S(8a036e6f77)P(late)T(hello)");
    buf_free(&b);
}

static void a_character_may_be_cut_by_fragments(void **state)
{
    (void)state;
    buf b = {0};
    frame(&b, 0x01, SPAN_LIT("\xE2\x82"));
    frame(&b, 0x80, SPAN_LIT("\xAC"));
    expect(&b, LIVE_WS_OPEN, "T(\xE2\x82\xAC)");
    buf_free(&b);
}

static void bad_utf8_closes_with_1007(void **state)
{
    (void)state;
    buf b = {0};
    frame(&b, 0x81, SPAN_LIT("\xC3\x28"));
    expect(&b, LIVE_WS_FAILED, "S(880203ef)");
    buf_clear(&b);
    frame(&b, 0x81, SPAN_LIT("\xE2\x82")); /* ends in the middle of a character */
    expect(&b, LIVE_WS_FAILED, "S(880203ef)");
    buf_free(&b);
}

static void a_message_beyond_the_limit_closes_with_1009_before_it_is_read(void **state)
{
    (void)state;
    static const char header[] = {(char)0x81, (char)0xFF, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 2, 3, 4, 'x'};
    buf b = {0};
    buf_append(&b, header, sizeof header);
    expect(&b, LIVE_WS_FAILED, "S(880203f1)");
    buf_free(&b);
}

static void fragments_cannot_add_up_beyond_the_limit(void **state)
{
    (void)state;
    buf b = {0};
    char *part = malloc(60000);
    assert_non_null(part);
    memset(part, 'z', 60000);
    frame(&b, 0x01, (span){part, 60000});
    frame(&b, 0x00, (span){part, 60000});
    expect(&b, LIVE_WS_FAILED, "S(880203f1)");
    free(part);
    buf_free(&b);
}

static void binary_frames_close_with_1003(void **state)
{
    (void)state;
    buf b = {0};
    frame(&b, 0x82, SPAN_LIT("\x00\x01"));
    expect(&b, LIVE_WS_FAILED, "S(880203eb)");
    buf_free(&b);
}

static void what_breaks_the_protocol_closes_with_1002(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } cases[] = {
        {"\x81\x03"
         "abc",
         5},                              /* not masked */
        {"\xC1\x80\x01\x02\x03\x04", 6},  /* a reserved bit */
        {"\x80\x81\x01\x02\x03\x04q", 7}, /* a continuation of nothing */
        {"\x09\x80\x01\x02\x03\x04", 6},  /* a fragmented ping */
        {"\x89\xFE\x00\x7E", 4},          /* a ping of 126 bytes */
        {"\x81\xFE\x00\x02", 4},          /* a length in a longer form than needed */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf b = {0};
        buf_append(&b, cases[i].bytes, cases[i].n);
        expect(&b, LIVE_WS_FAILED, "S(880203ea)");
        buf_free(&b);
    }
}

static void a_close_frame_is_answered_with_its_code(void **state)
{
    (void)state;
    buf b = {0};
    frame(&b, 0x81, SPAN_LIT("bye"));
    frame(&b, 0x88, SPAN_LIT("\x03\xE8"));
    expect(&b, LIVE_WS_PEER_CLOSED, "T(bye)S(880203e8)");
    buf_free(&b);
}

static void a_close_frame_with_half_a_code_is_answered_with_1002(void **state)
{
    (void)state;
    buf b = {0};
    frame(&b, 0x88, SPAN_LIT("\x03"));
    expect(&b, LIVE_WS_PEER_CLOSED, "S(880203ea)");
    buf_clear(&b);
    frame(&b, 0x88, SPAN_LIT("")); /* without any is fine */
    expect(&b, LIVE_WS_PEER_CLOSED, "S(8800)");
    buf_free(&b);
}

static void many_connections_share_one_reader(void **state)
{
    (void)state;
    struct fixture f;
    struct live_ws ws[50] = {{0}};
    buf b = {0};
    begin(&f);
    frame(&b, 0x81, SPAN_LIT("hi"));
    for (int i = 0; i < 50; i++) {
        assert_int_equal(live_ws_feed(&f.pool, &ws[i], b.data, b.len, &f), LIVE_WS_OPEN);
        assert_null(ws[i].reader);
    }
    struct live_ws_reader *only = f.pool.idle;
    assert_non_null(only);
    /* In the middle of a frame it is borrowed; the next connection gets another one. */
    assert_int_equal(live_ws_feed(&f.pool, &ws[0], b.data, 3, &f), LIVE_WS_OPEN);
    assert_ptr_equal(ws[0].reader, only);
    assert_int_equal(live_ws_feed(&f.pool, &ws[1], b.data, b.len, &f), LIVE_WS_OPEN);
    assert_null(ws[1].reader);
    assert_int_equal(live_ws_feed(&f.pool, &ws[0], b.data + 3, b.len - 3, &f), LIVE_WS_OPEN);
    assert_null(ws[0].reader);
    buf_free(&b);
    end(&f);
}

static void after_stop_no_further_message_of_the_feed_is_told(void **state)
{
    (void)state;
    struct fixture f;
    buf b = {0};
    begin(&f);
    frame(&b, 0x01, SPAN_LIT("first "));
    assert_int_equal(feed(&f, &b, b.len), LIVE_WS_OPEN);
    live_ws_stop(&f.ws);
    buf_clear(&b);
    frame(&b, 0x80, SPAN_LIT("half"));
    frame(&b, 0x81, SPAN_LIT("second"));
    assert_int_equal(feed(&f, &b, b.len), LIVE_WS_OPEN);
    assert_string_equal(buf_cstr(&f.got), "");
    buf_free(&b);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_whole_however_they_are_cut),
        cmocka_unit_test(fragments_are_joined_around_control_frames),
        cmocka_unit_test(a_character_may_be_cut_by_fragments),
        cmocka_unit_test(bad_utf8_closes_with_1007),
        cmocka_unit_test(a_message_beyond_the_limit_closes_with_1009_before_it_is_read),
        cmocka_unit_test(fragments_cannot_add_up_beyond_the_limit),
        cmocka_unit_test(binary_frames_close_with_1003),
        cmocka_unit_test(what_breaks_the_protocol_closes_with_1002),
        cmocka_unit_test(a_close_frame_is_answered_with_its_code),
        cmocka_unit_test(a_close_frame_with_half_a_code_is_answered_with_1002),
        cmocka_unit_test(many_connections_share_one_reader),
        cmocka_unit_test(after_stop_no_further_message_of_the_feed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
