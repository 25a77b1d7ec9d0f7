#include <stdio.h>
#include <string.h>

#include "wire_fixture.h"

#define AT 1795507200123
#define TIME "\"2026-11-24T08:00:00.123Z\""

static int64_t twelve_online(void *ctx, int64_t room_id) { return *(int64_t *)ctx + room_id; }
static bool even_users_online(void *ctx, int64_t room_id, int64_t user_id)
{
    (void)ctx;
    return room_id == 5 && user_id % 2 == 0;
}
static int64_t seven = 7;
static const struct wire_presence presence = {.ctx = &seven, .room_online = twelve_online, .user_online = even_users_online};

static struct chat_request *request(enum chat_op op, enum chat_result_kind kind)
{
    struct chat_request *r = chat_request_new(op, &alice);
    assert_non_null(r);
    r->result.kind = kind;
    r->result.room.room = (struct room){.id = 5,
                                        .slug = "general",
                                        .name = "General",
                                        .topic = "a \"topic\"",
                                        .kind = ROOM_PUBLIC,
                                        .created_ms = AT,
                                        .first_seq = 1,
                                        .last_seq = 42,
                                        .member_count = 3};
    return r;
}

static void assert_frame(struct chat_request *r, const char *want)
{
    buf b = {0};
    wire_encode_result_frame(&b, r, "9f3c", &presence);
    assert_buf_is(&b, want);
    buf_free(&b);
}

static void assert_body(struct chat_request *r, const char *want)
{
    buf b = {0};
    wire_encode_result_body(&b, r, "9f3c", &presence, NULL);
    assert_buf_is(&b, want);
    buf_free(&b);
}

static void ack_repeats_room_key_and_ref(void **state)
{
    (void)state;
    struct chat_request *r = request(CHAT_POST_MESSAGE, CHAT_RESULT_ACK);
    r->result.id = 43;
    r->result.at_ms = AT;
    assert_frame(r, "{\"type\":\"ack\",\"room_id\":\"general\",\"id\":43,\"timestamp\":" TIME ",\"duplicate\":false}");
    r->args.client_id = SPAN_LIT("k1");
    r->result.duplicate = true;
    (void)span_copy(SPAN_LIT("\"x\""), r->ref, sizeof r->ref);
    assert_frame(r, "{\"type\":\"ack\",\"room_id\":\"general\",\"client_id\":\"k1\",\"id\":43,\"timestamp\":" TIME
                    ",\"duplicate\":true,\"ref\":\"x\"}");
    assert_body(r, "{\"room_id\":\"general\",\"client_id\":\"k1\",\"id\":43,\"timestamp\":" TIME ",\"duplicate\":true}");
    r->result.room = (struct room_listed){0};
    r->args.room = SPAN_LIT("as-sent");
    assert_body(r, "{\"room_id\":\"as-sent\",\"client_id\":\"k1\",\"id\":43,\"timestamp\":" TIME ",\"duplicate\":true}");
    chat_request_free(r);
}

#define JOINED_TAIL "\"name\":\"General\",\"topic\":\"a \\\"topic\\\"\",\"kind\":\"public\",\"archived\":false,\"online\":12"

static void joined_tells_the_fate_of_the_cursor(void **state)
{
    (void)state;
    struct chat_request *r = request(CHAT_JOIN_ROOM, CHAT_RESULT_JOINED);
    (void)span_copy(SPAN_LIT("3"), r->ref, sizeof r->ref);
    assert_frame(
        r,
        "{\"type\":\"joined\",\"room_id\":\"general\",\"last_id\":42,\"first_id\":1,\"epoch\":\"9f3c\",\"recovery\":\"fresh\"," JOINED_TAIL
        ",\"ref\":3}");
    r->ref[0] = '\0';
    r->result.recovery = CHAT_RECOVERY_RESUMED;
    r->result.room.role = MEMBER_MEMBER;
    r->result.room.last_read = 40;
    assert_frame(r,
                 "{\"type\":\"joined\",\"room_id\":\"general\",\"last_id\":42,\"first_id\":1,\"epoch\":\"9f3c\",\"recovery\":\"resumed\","
                 "\"role\":\"member\",\"last_read_id\":40," JOINED_TAIL "}");
    r->result.recovery = CHAT_RECOVERY_GAP;
    r->result.gap_from = 2;
    r->result.gap_to = 9;
    assert_frame(r, "{\"type\":\"joined\",\"room_id\":\"general\",\"last_id\":42,\"first_id\":1,\"epoch\":\"9f3c\",\"recovery\":\"gap\","
                    "\"gap\":{\"from\":2,\"to\":9},\"role\":\"member\",\"last_read_id\":40," JOINED_TAIL "}");
    r->result.recovery = CHAT_RECOVERY_EPOCH_CHANGED;
    r->result.room.role = MEMBER_NONE;
    assert_frame(r, "{\"type\":\"joined\",\"room_id\":\"general\",\"last_id\":42,\"first_id\":1,\"epoch\":\"9f3c\",\"recovery\":\"epoch_"
                    "changed\"," JOINED_TAIL "}");
    chat_request_free(r);
}

static struct event two_events[2] = {{.seq = 8, .at_ms = AT, .kind = EVENT_ROOM_ARCHIVED, .room = {"general", 7}, .actor = {"alice", 5}},
                                     {.seq = 9, .at_ms = AT, .kind = EVENT_ROOM_UNARCHIVED, .room = {"general", 7}, .actor = {"bob", 3}}};
#define TWO_EVENTS                                                                                                                         \
    "[{\"type\":\"room_archived\",\"data\":{\"id\":8,\"room_id\":\"general\",\"user_id\":\"alice\",\"timestamp\":" TIME "}},"              \
    "{\"type\":\"room_unarchived\",\"data\":{\"id\":9,\"room_id\":\"general\",\"user_id\":\"bob\",\"timestamp\":" TIME "}}]"

static void events_are_history_on_one_carrier_and_a_list_on_the_other(void **state)
{
    (void)state;
    struct chat_request *r = request(CHAT_LIST_EVENTS, CHAT_RESULT_EVENTS);
    r->args.after = 7;
    assert_frame(r, "{\"type\":\"history\",\"room_id\":\"general\",\"events\":[],\"more\":false}");
    assert_body(r, "{\"items\":[],\"more\":false,\"next\":7,\"epoch\":\"9f3c\",\"first_id\":1,\"last_id\":42}");
    r->result.list.events = two_events;
    r->result.count = 2;
    r->result.more = true;
    assert_frame(r, "{\"type\":\"history\",\"room_id\":\"general\",\"events\":" TWO_EVENTS ",\"more\":true}");
    assert_body(r, "{\"items\":" TWO_EVENTS ",\"more\":true,\"next\":9,\"epoch\":\"9f3c\",\"first_id\":1,\"last_id\":42}");
    r->args.after = -1; /* the newest page, or one before a cursor: on from its older edge */
    assert_body(r, "{\"items\":" TWO_EVENTS ",\"more\":true,\"next\":8,\"epoch\":\"9f3c\",\"first_id\":1,\"last_id\":42}");
    chat_request_free(r);
}

static void read_marks_name_the_reader_on_the_socket(void **state)
{
    (void)state;
    struct chat_request *r = request(CHAT_MARK_READ, CHAT_RESULT_READ);
    r->result.id = 42;
    assert_frame(r, "{\"type\":\"read\",\"room_id\":\"general\",\"user_id\":\"alice\",\"last_read_id\":42}");
    assert_body(r, "{\"room_id\":\"general\",\"last_read_id\":42}");
    chat_request_free(r);
}

static void messages_are_listed_with_a_cursor_in_the_direction_of_paging(void **state)
{
    (void)state;
    static const struct reaction_count reactions[] = {{{"+1", 2}, 3, true}, {{"\xF0\x9F\x8E\x89", 4}, 1, false}};
    struct message_view views[] = {
        {.seq = 3, .at_ms = AT, .author = SPAN_LIT("alice"), .text = SPAN_LIT("hi"), .reactions = reactions, .reaction_count = 2},
        {.seq = 5, .at_ms = AT, .edited_ms = AT, .reply_to = 3, .author = SPAN_LIT("bob"), .text = SPAN_LIT("ho")},
        {.seq = 6, .at_ms = AT, .deleted = true, .text = SPAN_LIT("gone")},
    };
#define WHERE ",\"epoch\":\"9f3c\",\"first_id\":1,\"last_id\":42}"
#define ITEMS                                                                                                                              \
    "{\"items\":[{\"id\":3,\"room_id\":\"general\",\"user_id\":\"alice\",\"message\":\"hi\",\"timestamp\":" TIME ",\"reactions\":"         \
    "[{\"reaction\":\"+1\",\"count\":3,\"me\":true},{\"reaction\":\"\xF0\x9F\x8E\x89\",\"count\":1,\"me\":false}]},"                       \
    "{\"id\":5,\"room_id\":\"general\",\"user_id\":\"bob\",\"message\":\"ho\",\"timestamp\":" TIME ",\"edited_at\":" TIME                  \
    ",\"reply_to\":3,\"reactions\":[]},"                                                                                                   \
    "{\"id\":6,\"room_id\":\"general\",\"user_id\":null,\"message\":\"\",\"timestamp\":" TIME ",\"deleted\":true,\"reactions\":[]}]"
    struct chat_request *r = request(CHAT_LIST_MESSAGES, CHAT_RESULT_MESSAGES);
    (void)state;
    assert_body(r, "{\"items\":[],\"more\":false,\"next\":null" WHERE);
    r->result.list.messages = views;
    r->result.count = 3;
    r->result.more = true;
    assert_body(r, ITEMS ",\"more\":true,\"next\":3" WHERE);
    r->args.after = 2;
    assert_body(r, ITEMS ",\"more\":true,\"next\":6" WHERE);
    r->result.kind = CHAT_RESULT_MESSAGE;
    r->result.list.messages = &views[1];
    assert_body(r, "{\"id\":5,\"room_id\":\"general\",\"user_id\":\"bob\",\"message\":\"ho\",\"timestamp\":" TIME ",\"edited_at\":" TIME
                   ",\"reply_to\":3,\"reactions\":[]}");
    chat_request_free(r);
}

#define ROOM_HEAD                                                                                                                          \
    "{\"room_id\":\"general\",\"name\":\"General\",\"topic\":\"a "                                                                         \
    "\\\"topic\\\"\",\"kind\":\"public\",\"archived\":false,\"created_at\":" TIME                                                          \
    ",\"last_id\":42,\"first_id\":1,\"members\":3,\"online\":12"

static void rooms_tell_a_member_what_is_unread(void **state)
{
    (void)state;
    struct chat_request *r = request(CHAT_GET_ROOM, CHAT_RESULT_ROOM);
    assert_body(r, ROOM_HEAD "}");
    r->result.room.role = MEMBER_OWNER;
    r->result.room.last_read = 40;
    r->result.room.unread = 2;
    assert_body(r, ROOM_HEAD ",\"role\":\"owner\",\"last_read_id\":40,\"unread\":2}");
    struct room_listed rooms[] = {r->result.room};
    r->result.kind = CHAT_RESULT_ROOMS;
    r->result.list.rooms = rooms;
    r->result.count = 1;
    assert_body(r, "{\"items\":[" ROOM_HEAD ",\"role\":\"owner\",\"last_read_id\":40,\"unread\":2}],\"more\":false,\"next\":\"general\"}");
    chat_request_free(r);
}

static void counts_are_zero_where_nobody_can_be_asked(void **state)
{
    (void)state;
    struct chat_request *r = request(CHAT_GET_ROOM, CHAT_RESULT_ROOM);
    buf b = {0};
    wire_encode_result_body(&b, r, "9f3c", NULL, NULL);
    assert_non_null(strstr(buf_cstr(&b), "\"online\":0}"));
    buf_clear(&b);
    const struct wire_presence empty = {0};
    wire_encode_result_body(&b, r, "9f3c", &empty, NULL);
    assert_non_null(strstr(buf_cstr(&b), "\"online\":0}"));
    buf_free(&b);
    chat_request_free(r);
}

static void members_tell_who_is_here(void **state)
{
    (void)state;
    struct member members[] = {
        {.user_id = 2, .name = "bob", .display_name = "Bob", .role = MEMBER_MODERATOR, .joined_ms = AT, .last_read = 4},
        {.user_id = 3, .name = "eve", .role = MEMBER_MEMBER, .joined_ms = AT}};
    struct chat_request *r = request(CHAT_LIST_MEMBERS, CHAT_RESULT_MEMBERS);
#define BOB                                                                                                                                \
    "{\"user_id\":\"bob\",\"display_name\":\"Bob\",\"role\":\"moderator\",\"joined_at\":" TIME ",\"last_read_id\":4,\"online\":true}"
    (void)state;
    r->result.list.members = members;
    r->result.count = 2;
    assert_body(r, "{\"items\":[" BOB ",{\"user_id\":\"eve\",\"display_name\":\"\",\"role\":\"member\",\"joined_at\":" TIME
                   ",\"last_read_id\":0,\"online\":false}],\"more\":false,\"next\":\"eve\"}");
    r->result.kind = CHAT_RESULT_MEMBER;
    r->result.member = members[0];
    assert_body(r, BOB);
    chat_request_free(r);
}

static void people_sessions_and_audit_have_their_documented_shapes(void **state)
{
    (void)state;
    struct user user = {.id = 7, .name = "alice", .display_name = "Alice", .role = USER_ADMIN, .disabled = true, .created_ms = AT};
#define ALICE "{\"user_id\":\"alice\",\"display_name\":\"Alice\",\"role\":\"admin\",\"disabled\":true,\"created_at\":" TIME "}"
    struct chat_request *r = request(CHAT_GET_ME, CHAT_RESULT_USER);
    r->result.user = user;
    assert_body(r, ALICE);
    r->result.kind = CHAT_RESULT_USERS;
    r->result.list.users = &user;
    r->result.count = 1;
    assert_body(r, "{\"items\":[" ALICE "],\"more\":false,\"next\":\"alice\"}");
    struct session session = {.id = 3, .created_ms = AT, .used_ms = AT, .expires_ms = AT, .address = "::1", .agent = "x"};
    r->result.kind = CHAT_RESULT_SESSIONS;
    r->result.list.sessions = &session;
    assert_body(r, "{\"items\":[{\"id\":3,\"created_at\":" TIME ",\"last_used_at\":" TIME ",\"expires_at\":" TIME
                   ",\"address\":\"::1\",\"agent\":\"x\",\"current\":true}],\"more\":false,\"next\":null}");
    struct audit audit = {.id = 11,
                          .at_ms = AT,
                          .actor = SPAN_LIT("alice"),
                          .action = SPAN_LIT("create_user"),
                          .target = SPAN_LIT("bob"),
                          .address = SPAN_LIT("::1")};
    r->result.kind = CHAT_RESULT_AUDIT;
    r->result.list.audits = &audit;
    assert_body(r, "{\"items\":[{\"id\":11,\"at\":" TIME
                   ",\"actor\":\"alice\",\"action\":\"create_user\",\"target\":\"bob\",\"address\":\"::1\","
                   "\"detail\":\"\"}],\"more\":false,\"next\":11}");
    r->result.kind = CHAT_RESULT_NONE;
    assert_body(r, "{}");
    chat_request_free(r);
}

static void refresh_token_is_left_out_where_it_goes_as_a_cookie(void **state)
{
    (void)state;
    struct chat_request *r = request(CHAT_CREATE_SESSION, CHAT_RESULT_SESSION);
    r->result.user = (struct user){.name = "alice", .role = USER_MEMBER, .created_ms = AT};
#define USER "\"user\":{\"user_id\":\"alice\",\"display_name\":\"\",\"role\":\"member\",\"disabled\":false,\"created_at\":" TIME "}}"
    struct wire_session_extra extra = {.access_token = "v4.public.x", .expires_in_s = 900, .refresh_token = "rrr"};
    buf b = {0};
    wire_encode_result_body(&b, r, "9f3c", NULL, &extra);
    assert_buf_is(&b, "{\"access_token\":\"v4.public.x\",\"token_type\":\"Bearer\",\"expires_in\":900,\"refresh_token\":\"rrr\"," USER);
    extra.refresh_token = NULL;
    wire_encode_result_body(&b, r, "9f3c", NULL, &extra);
    assert_buf_is(&b, "{\"access_token\":\"v4.public.x\",\"token_type\":\"Bearer\",\"expires_in\":900," USER);
    buf_free(&b);
    chat_request_free(r);
}

static void health_and_readiness_have_their_documented_shapes(void **state)
{
    (void)state;
    buf b = {0};
    wire_encode_health(&b, &(struct wire_health){.active_connections = 3, .uptime_s = 60, .version = "0.1.0"});
    assert_buf_is(&b, "{\"status\":\"healthy\",\"active_connections\":3,\"uptime\":60,\"version\":\"0.1.0\"}");
    const struct wire_check checks[] = {{"database", false, "The disk is full"}, {"draining", true, NULL}};
    wire_encode_ready(&b, false, checks, 2);
    assert_buf_is(
        &b,
        "{\"status\":\"not_ready\",\"checks\":{\"database\":{\"ok\":false,\"detail\":\"The disk is full\"},\"draining\":{\"ok\":true}}}");
    wire_encode_ready(&b, true, NULL, 0);
    assert_buf_is(&b, "{\"status\":\"ready\",\"checks\":{}}");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ack_repeats_room_key_and_ref),
        cmocka_unit_test(joined_tells_the_fate_of_the_cursor),
        cmocka_unit_test(events_are_history_on_one_carrier_and_a_list_on_the_other),
        cmocka_unit_test(read_marks_name_the_reader_on_the_socket),
        cmocka_unit_test(messages_are_listed_with_a_cursor_in_the_direction_of_paging),
        cmocka_unit_test(rooms_tell_a_member_what_is_unread),
        cmocka_unit_test(counts_are_zero_where_nobody_can_be_asked),
        cmocka_unit_test(members_tell_who_is_here),
        cmocka_unit_test(people_sessions_and_audit_have_their_documented_shapes),
        cmocka_unit_test(refresh_token_is_left_out_where_it_goes_as_a_cookie),
        cmocka_unit_test(health_and_readiness_have_their_documented_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
