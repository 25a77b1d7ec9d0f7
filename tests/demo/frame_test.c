/* frame_test.c: server frames read, commands written. */
#include "frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static frame read_frame(const char *text)
{
    frame f;
    assert_true(frame_read(text, strlen(text), &f));
    return f;
}

static void a_message_event_is_read_whole(void **state)
{
    (void)state;
    const frame f = read_frame("{\"type\":\"message\",\"data\":{\"id\":43,\"room_id\":\"general\",\"user_id\":\"alice\","
                               "\"timestamp\":\"2026-11-24T08:00:00.123Z\",\"message\":\"say \\\"id\\\":7\",\"client_id\":\"line-3\"}}");
    assert_int_equal(f.kind, FRAME_MESSAGE);
    assert_int_equal(f.id, 43);
    assert_true(peek_equals(f.room, "general"));
    assert_true(peek_equals(f.user, "alice"));
    assert_true(peek_equals(f.message, "say \\\"id\\\":7"));
}

static void the_hash_covers_everything_but_the_client_id(void **state)
{
    (void)state;
    const frame a =
        read_frame("{\"type\":\"message\",\"data\":{\"id\":1,\"room_id\":\"r\",\"user_id\":\"u\",\"message\":\"x\",\"client_id\":\"k\"}}");
    const frame b = read_frame("{\"type\":\"message\",\"data\":{\"id\":1,\"room_id\":\"r\",\"user_id\":\"u\",\"message\":\"x\"}}");
    const frame c = read_frame("{\"type\":\"message\",\"data\":{\"id\":1,\"room_id\":\"r\",\"user_id\":\"u\",\"message\":\"y\"}}");
    const frame d = read_frame("{\"type\":\"message\",\"data\":{\"id\":2,\"room_id\":\"r\",\"user_id\":\"u\",\"message\":\"x\"}}");
    assert_int_equal(a.hash, b.hash);
    assert_int_not_equal(b.hash, c.hash);
    assert_int_not_equal(b.hash, d.hash);
}

static void joined_tells_recovery_and_gap(void **state)
{
    (void)state;
    const frame f =
        read_frame("{\"type\":\"joined\",\"room_id\":\"r\",\"last_id\":42,\"first_id\":1,\"epoch\":\"9f3c\",\"recovery\":\"gap\","
                   "\"gap\":{\"from\":3,\"to\":9},\"role\":\"member\"}");
    assert_int_equal(f.kind, FRAME_JOINED);
    assert_int_equal(f.recovery, FRAME_GAP);
    assert_int_equal(f.gap_from, 3);
    assert_int_equal(f.gap_to, 9);
    assert_int_equal(f.last_id, 42);
    assert_true(peek_equals(f.epoch, "9f3c"));
    assert_int_equal(read_frame("{\"type\":\"joined\",\"room_id\":\"r\",\"recovery\":\"resumed\"}").recovery, FRAME_RESUMED);
    assert_int_equal(read_frame("{\"type\":\"joined\",\"room_id\":\"r\",\"recovery\":\"epoch_changed\"}").recovery, FRAME_EPOCH_CHANGED);
}

static void acks_and_errors_are_read(void **state)
{
    (void)state;
    const frame ack = read_frame("{\"type\":\"ack\",\"room_id\":\"r\",\"client_id\":\"line-17\",\"id\":5,\"duplicate\":true}");
    size_t number = 0;
    assert_int_equal(ack.kind, FRAME_ACK);
    assert_true(ack.duplicate);
    assert_true(frame_client_number(ack.client_id, &number));
    assert_int_equal(number, 17);
    assert_false(read_frame("{\"type\":\"ack\",\"room_id\":\"r\",\"id\":5,\"duplicate\":false}").duplicate);
    const frame error = read_frame("{\"type\":\"error\",\"code\":\"busy\",\"message\":\"wait\",\"retry_after_ms\":1200}");
    assert_int_equal(error.kind, FRAME_ERROR);
    assert_true(peek_equals(error.code, "busy"));
    assert_int_equal(error.retry_after_ms, 1200);
}

static void other_events_count_as_events_and_the_rest_does_not(void **state)
{
    (void)state;
    assert_int_equal(read_frame("{\"type\":\"member_joined\",\"data\":{\"id\":2,\"room_id\":\"r\",\"member_id\":\"u\"}}").kind,
                     FRAME_EVENT);
    assert_int_equal(read_frame("{\"type\":\"user_joined\",\"room_id\":\"r\",\"user_id\":\"u\",\"online\":4}").kind, FRAME_EPHEMERAL);
    assert_int_equal(read_frame("{\"type\":\"pong\"}").kind, FRAME_OTHER);
    assert_int_equal(read_frame("{\"type\":\"auth_success\",\"epoch\":\"e\"}").kind, FRAME_AUTH_SUCCESS);
}

static void incomplete_frames_are_refused(void **state)
{
    (void)state;
    const char *broken[] = {
        "",
        "{}",
        "nonsense",
        "{\"type\":7}",
        "{\"type\":\"message\",\"data\":{\"id\":1,\"room_id\":\"r\",\"user_id\":\"u\"}}",
        "{\"type\":\"message\",\"data\":{\"id\":0,\"room_id\":\"r\",\"user_id\":\"u\",\"message\":\"x\"}}",
        "{\"type\":\"member_joined\",\"data\":{\"room_id\":\"r\"}}",
        "{\"type\":\"ack\",\"id\":4}",
        "{\"type\":\"joined\"}",
        "{\"type\":\"error\"}",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        frame f;
        assert_false(frame_read(broken[i], strlen(broken[i]), &f));
    }
}

static void expect_bytes(const bytes *b, const char *want)
{
    assert_int_equal(b->len, strlen(want));
    assert_memory_equal(b->at, want, b->len);
}

static void commands_are_written_as_the_protocol_says(void **state)
{
    (void)state;
    bytes out = {0};
    assert_true(frame_write_join(&out, "r", -1, "e"));
    expect_bytes(&out, "{\"type\":\"join\",\"room_id\":\"r\"}");
    assert_true(frame_write_join(&out, "r", 0, "e"));
    expect_bytes(&out, "{\"type\":\"join\",\"room_id\":\"r\",\"after\":0,\"epoch\":\"e\"}");
    assert_true(frame_write_message(&out, "r", "a\"\\\x08\n\xC3\xA9", 7, 12));
    expect_bytes(&out,
                 "{\"type\":\"chat_message\",\"room_id\":\"r\",\"client_id\":\"line-12\",\"message\":\"a\\\"\\\\\\u0008\\u000a\xC3\xA9\"}");
    bytes_fini(&out);
}

static void text_survives_the_way_out_and_back(void **state)
{
    (void)state;
    char text[400];
    char back[sizeof text * 8];
    size_t len = 0;
    for (int c = 1; c < 128; c++) {
        text[len++] = (char)c;
    }
    memcpy(text + len, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9);
    len += 9;
    bytes out = {0};
    peek_span message = {0};
    assert_true(frame_write_message(&out, "r", text, len, 1));
    assert_true(peek_string(out.at, out.len, "message", &message));
    assert_int_equal(peek_unescape(message, back), len);
    assert_memory_equal(back, text, len);
    bytes_fini(&out);
}

static void only_own_client_ids_have_a_number(void **state)
{
    (void)state;
    const char *foreign[] = {"", "line-", "line-x", "line--1", "17", "LINE-1", "line-1234567890123456789012"};
    size_t number = 0;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        assert_false(frame_client_number((peek_span){foreign[i], strlen(foreign[i])}, &number));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_event_is_read_whole),
        cmocka_unit_test(the_hash_covers_everything_but_the_client_id),
        cmocka_unit_test(joined_tells_recovery_and_gap),
        cmocka_unit_test(acks_and_errors_are_read),
        cmocka_unit_test(other_events_count_as_events_and_the_rest_does_not),
        cmocka_unit_test(incomplete_frames_are_refused),
        cmocka_unit_test(commands_are_written_as_the_protocol_says),
        cmocka_unit_test(text_survives_the_way_out_and_back),
        cmocka_unit_test(only_own_client_ids_have_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
