#include <stdio.h>
#include <string.h>

#include "wire_fixture.h"

#define AT 1795507200123 /* 2026-11-24T08:00:00.123Z */
#define HEAD(kind)                                                                                                                         \
    "{\"type\":\"" kind "\",\"data\":{\"id\":43,\"room_id\":\"general\",\"user_id\":\"alice\",\"timestamp\":\"2026-11-24T08:00:00.123Z\""

static struct event event_of(enum event_kind kind)
{
    return (struct event){.seq = 43, .at_ms = AT, .actor_id = 7, .kind = kind, .room = SPAN_LIT("general"), .actor = SPAN_LIT("alice")};
}

static void assert_event(const struct event *e, const char *want)
{
    buf b = {0};
    wire_encode_event(&b, e);
    assert_buf_is(&b, want);
    buf_free(&b);
}

static void message_has_text_and_only_the_members_it_needs(void **state)
{
    (void)state;
    struct event e = event_of(EVENT_MESSAGE);
    e.text = SPAN_LIT("Hello \"World\"\n\xC3\xA9");
    assert_event(&e, HEAD("message") ",\"message\":\"Hello \\\"World\\\"\\n\xC3\xA9\"}}");
    e.client_id = SPAN_LIT("k1");
    assert_event(&e, HEAD("message") ",\"message\":\"Hello \\\"World\\\"\\n\xC3\xA9\",\"client_id\":\"k1\"}}");
    e.target = 12;
    assert_event(&e, HEAD("message") ",\"message\":\"Hello \\\"World\\\"\\n\xC3\xA9\",\"client_id\":\"k1\",\"reply_to\":12}}");
}

static void deleted_message_never_shows_its_text(void **state)
{
    (void)state;
    struct event e = event_of(EVENT_MESSAGE);
    e.text = SPAN_LIT("secret");
    e.deleted = true;
    assert_event(&e, HEAD("message") ",\"message\":\"\",\"deleted\":true}}");
    e.text = (span){0};
    assert_event(&e, HEAD("message") ",\"message\":\"\",\"deleted\":true}}");
}

static void edits_deletions_and_reactions_name_their_target(void **state)
{
    (void)state;
    struct event e = event_of(EVENT_MESSAGE_EDITED);
    e.target = 9007199254740991;
    e.text = SPAN_LIT("new");
    e.client_id = SPAN_LIT("k");
    assert_event(&e, HEAD("message_edited") ",\"target_id\":9007199254740991,\"message\":\"new\"}}");
    e.kind = EVENT_MESSAGE_DELETED;
    assert_event(&e, HEAD("message_deleted") ",\"target_id\":9007199254740991}}");
    e.target = 1;
    e.text = SPAN_LIT("\xF0\x9F\x91\x8D");
    e.kind = EVENT_REACTION_ADDED;
    assert_event(&e, HEAD("reaction_added") ",\"target_id\":1,\"reaction\":\"\xF0\x9F\x91\x8D\"}}");
    e.kind = EVENT_REACTION_REMOVED;
    assert_event(&e, HEAD("reaction_removed") ",\"target_id\":1,\"reaction\":\"\xF0\x9F\x91\x8D\"}}");
}

static void membership_events_name_the_member(void **state)
{
    (void)state;
    struct event e = event_of(EVENT_MEMBER_JOINED);
    e.subject_id = 8;
    e.subject = SPAN_LIT("bob");
    e.role = MEMBER_MODERATOR;
    assert_event(&e, HEAD("member_joined") ",\"member_id\":\"bob\"}}");
    e.kind = EVENT_MEMBER_LEFT;
    assert_event(&e, HEAD("member_left") ",\"member_id\":\"bob\"}}");
    e.kind = EVENT_MEMBER_ROLE_CHANGED;
    assert_event(&e, HEAD("member_role_changed") ",\"member_id\":\"bob\",\"role\":\"moderator\"}}");
}

static void room_events_tell_the_new_value(void **state)
{
    (void)state;
    struct event e = event_of(EVENT_ROOM_CREATED);
    e.text = SPAN_LIT("General");
    assert_event(&e, HEAD("room_created") ",\"name\":\"General\"}}");
    e.kind = EVENT_ROOM_RENAMED;
    assert_event(&e, HEAD("room_renamed") ",\"name\":\"General\"}}");
    e.kind = EVENT_ROOM_TOPIC_CHANGED;
    e.text = SPAN_LIT("");
    assert_event(&e, HEAD("room_topic_changed") ",\"topic\":\"\"}}");
    e.kind = EVENT_ROOM_KIND_CHANGED;
    e.text = SPAN_LIT("private");
    assert_event(&e, HEAD("room_kind_changed") ",\"kind\":\"private\"}}");
    e.kind = EVENT_ROOM_ARCHIVED;
    assert_event(&e, HEAD("room_archived") "}}");
    e.kind = EVENT_ROOM_UNARCHIVED;
    assert_event(&e, HEAD("room_unarchived") "}}");
    e.kind = EVENT_ROOM_DELETED;
    assert_event(&e, HEAD("room_deleted") "}}");
}

static void the_system_has_no_user_id(void **state)
{
    (void)state;
    struct event e = event_of(EVENT_ROOM_ARCHIVED);
    e.actor = (span){0};
    assert_event(&e, "{\"type\":\"room_archived\",\"data\":{\"id\":43,\"room_id\":\"general\",\"user_id\":null,\"timestamp\":\"2026-11-"
                     "24T08:00:00.123Z\"}}");
}

static void every_kind_begins_with_its_word(void **state)
{
    (void)state;
    buf b = {0};
#define X(name, number, word)                                                                                                              \
    {                                                                                                                                      \
        struct event e = event_of(EVENT_##name);                                                                                           \
        wire_encode_event(&b, &e);                                                                                                         \
        assert_memory_equal(b.data, HEAD(word), sizeof(HEAD(word)) - 1);                                                                   \
        assert_string_equal(event_kind_word(EVENT_##name), word);                                                                          \
        buf_clear(&b);                                                                                                                     \
    }
    EVENT_KIND_MAP(X)
#undef X
    buf_free(&b);
}

static void ephemeral_frames_have_their_documented_bytes(void **state)
{
    (void)state;
    static const char *const users[] = {"alice", "bob"};
    buf b = {0};
    wire_encode_user_presence(&b, true, "general", "bob", 4);
    assert_buf_is(&b, "{\"type\":\"user_joined\",\"room_id\":\"general\",\"user_id\":\"bob\",\"online\":4}");
    wire_encode_user_presence(&b, false, "general", "bob", 3);
    assert_buf_is(&b, "{\"type\":\"user_left\",\"room_id\":\"general\",\"user_id\":\"bob\",\"online\":3}");
    wire_encode_typing(&b, "general", "bob", true);
    assert_buf_is(&b, "{\"type\":\"typing\",\"room_id\":\"general\",\"user_id\":\"bob\",\"typing\":true}");
    wire_encode_typing(&b, "general", "bob", false);
    assert_buf_is(&b, "{\"type\":\"typing\",\"room_id\":\"general\",\"user_id\":\"bob\",\"typing\":false}");
    wire_encode_presence(&b, "general", 1234, NULL, 0, NULL);
    assert_buf_is(&b, "{\"type\":\"presence\",\"room_id\":\"general\",\"online\":1234}");
    wire_encode_presence(&b, "general", 2, users, 2, "\"r\"");
    assert_buf_is(&b, "{\"type\":\"presence\",\"room_id\":\"general\",\"online\":2,\"users\":[\"alice\",\"bob\"],\"ref\":\"r\"}");
    wire_encode_presence(&b, "general", 0, users, 0, "");
    assert_buf_is(&b, "{\"type\":\"presence\",\"room_id\":\"general\",\"online\":0,\"users\":[]}");
    buf_free(&b);
}

static void direct_answers_have_their_documented_bytes(void **state)
{
    (void)state;
    const struct wire_hello hello = {.user_id = "alice",
                                     .session = "c-1f",
                                     .epoch = "9f3c",
                                     .server = "confab/0.1.0",
                                     .role = USER_MEMBER,
                                     .heartbeat_ms = 30000,
                                     .max_message_bytes = 16384,
                                     .max_rooms = 100,
                                     .page = 100};
    buf b = {0};
    wire_encode_auth_success(&b, &hello, "");
    assert_buf_is(&b, "{\"type\":\"auth_success\",\"user_id\":\"alice\",\"role\":\"member\",\"session\":\"c-1f\",\"epoch\":\"9f3c\","
                      "\"heartbeat_interval_ms\":30000,\"limits\":{\"max_message_bytes\":16384,\"max_rooms\":100,\"page\":100},"
                      "\"server\":\"confab/0.1.0\"}");
    wire_encode_caught_up(&b, "general", 42);
    assert_buf_is(&b, "{\"type\":\"caught_up\",\"room_id\":\"general\",\"last_id\":42}");
    wire_encode_left(&b, "general", "7");
    assert_buf_is(&b, "{\"type\":\"left\",\"room_id\":\"general\",\"ref\":7}");
    wire_encode_read(&b, "general", "alice", 42, NULL);
    assert_buf_is(&b, "{\"type\":\"read\",\"room_id\":\"general\",\"user_id\":\"alice\",\"last_read_id\":42}");
    wire_encode_pong(&b, false, AT, "\"x\"");
    assert_buf_is(&b, "{\"type\":\"pong\",\"timestamp\":\"2026-11-24T08:00:00.123Z\",\"ref\":\"x\"}");
    wire_encode_pong(&b, true, AT, "");
    assert_buf_is(&b, "{\"type\":\"heartbeat_ack\",\"timestamp\":\"2026-11-24T08:00:00.123Z\"}");
    buf_free(&b);
}

static void error_frames_carry_what_is_known(void **state)
{
    (void)state;
    buf b = {0};
    wire_encode_error_frame(&b, confab_fail(CONFAB_AUTH_TIMEOUT), NULL, NULL, NULL, 0);
    assert_buf_is(&b, "{\"type\":\"error\",\"code\":\"auth_timeout\",\"message\":\"Authentication timeout\"}");
    wire_encode_error_frame(&b, confab_fail(CONFAB_RATE_LIMITED), "9", "general", "\"k\\\"1\"", 1200);
    assert_buf_is(&b, "{\"type\":\"error\",\"code\":\"rate_limited\",\"message\":\"Rate limit exceeded\",\"retry_after_ms\":1200,"
                      "\"room_id\":\"general\",\"client_id\":\"k\\\"1\",\"ref\":9}");
    wire_encode_error_frame(&b, confab_fail_field(CONFAB_INVALID_FIELD, "id", "id must be an integer"), "", "", "", 0);
    assert_buf_is(&b, "{\"type\":\"error\",\"code\":\"invalid_field\",\"message\":\"id must be an integer\",\"field\":\"id\"}");
    buf_free(&b);
}

static void close_reasons_fit_a_close_frame(void **state)
{
    (void)state;
    buf b = {0};
    wire_encode_close_reason(&b, CONFAB_SHUTTING_DOWN, 1800);
    assert_buf_is(&b, "{\"code\":\"shutting_down\",\"retry_after_ms\":1800}");
    wire_encode_close_reason(&b, CONFAB_REVOKED, 0);
    assert_buf_is(&b, "{\"code\":\"revoked\"}");
    for (int code = 0; code < CONFAB_CODE_COUNT; code++) {
        wire_encode_close_reason(&b, (enum confab_code)code, INT64_MAX);
        assert_true(b.len <= 123);
        buf_clear(&b);
    }
    buf_free(&b);
}

static void every_error_has_a_problem_document(void **state)
{
    (void)state;
    buf b = {0}, want = {0};
#define X(name, word, status, close_code, sentence)                                                                                        \
    buf_printf(&want,                                                                                                                      \
               "{\"type\":\"https://confab.invalid/errors/%s\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\","                            \
               "\"detail\":\"%s\"}",                                                                                                       \
               word, sentence, status, word, sentence);                                                                                    \
    wire_encode_problem(&b, confab_fail(CONFAB_##name), 0);                                                                                \
    assert_buf_is(&b, buf_cstr(&want));                                                                                                    \
    buf_clear(&want);
    CONFAB_ERR_MAP(X)
#undef X
    wire_encode_problem(&b, confab_fail_field(CONFAB_UNKNOWN_FIELD, "we\"ird\x01\xFF", NULL), 0);
    assert_buf_is(&b, "{\"type\":\"https://confab.invalid/errors/unknown_field\",\"title\":\"A field is not known here\",\"status\":400,"
                      "\"code\":\"unknown_field\",\"detail\":\"A field is not known here\",\"field\":\"we\\\"ird\\u0001\xEF\xBF\xBD\"}");
    wire_encode_problem(&b, confab_fail(CONFAB_RATE_LIMITED), 250);
    assert_buf_is(&b, "{\"type\":\"https://confab.invalid/errors/rate_limited\",\"title\":\"Rate limit exceeded\",\"status\":429,"
                      "\"code\":\"rate_limited\",\"detail\":\"Rate limit exceeded\",\"retry_after_ms\":250}");
    buf_free(&b);
    buf_free(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_has_text_and_only_the_members_it_needs),
        cmocka_unit_test(deleted_message_never_shows_its_text),
        cmocka_unit_test(edits_deletions_and_reactions_name_their_target),
        cmocka_unit_test(membership_events_name_the_member),
        cmocka_unit_test(room_events_tell_the_new_value),
        cmocka_unit_test(the_system_has_no_user_id),
        cmocka_unit_test(every_kind_begins_with_its_word),
        cmocka_unit_test(ephemeral_frames_have_their_documented_bytes),
        cmocka_unit_test(direct_answers_have_their_documented_bytes),
        cmocka_unit_test(error_frames_carry_what_is_known),
        cmocka_unit_test(close_reasons_fit_a_close_frame),
        cmocka_unit_test(every_error_has_a_problem_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
