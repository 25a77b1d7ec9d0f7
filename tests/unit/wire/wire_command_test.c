#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "wire_fixture.h"

/* ---- what is understood ---- */

static struct chat_request *decode_request(const char *json, struct wire_command *c, enum wire_kind kind, enum chat_op op)
{
    confab_err e = decode_on(span_of(json), "", c);
    assert_string_equal(confab_err_sentence(e), "OK");
    assert_int_equal(c->kind, kind);
    assert_non_null(c->request);
    assert_int_equal(c->request->op, op);
    assert_int_equal(c->request->actor.user_id, alice.user_id);
    assert_string_equal(c->request->actor.name, "alice");
    return c->request;
}

static void chat_message_carries_room_text_key_and_reply(void **state)
{
    (void)state;
    struct wire_command c;
    struct chat_request *r =
        decode_request("{\"type\":\"chat_message\",\"room_id\":\"general\",\"message\":\"Hi \\u00e9 \\ud83d\\ude00 \\\"q\\\" \\n\","
                       "\"client_id\":\"k1\",\"reply_to\":12,\"ref\":\"r1\"}",
                       &c, WIRE_REQUEST, CHAT_POST_MESSAGE);
    assert_span_is(r->args.room, "general");
    assert_span_is(r->args.text, "Hi \xC3\xA9 \xF0\x9F\x98\x80 \"q\" \n");
    assert_span_is(r->args.client_id, "k1");
    assert_int_equal(r->args.reply_to, 12);
    assert_string_equal(c.room, "general");
    assert_string_equal(c.ref, "\"r1\"");
    assert_string_equal(c.client_id, "\"k1\"");
    assert_string_equal(r->ref, "\"r1\"");
    wire_command_fini(&c);
}

static void absent_members_read_as_absent(void **state)
{
    (void)state;
    struct wire_command c;
    struct chat_request *r =
        decode_request("{\"type\":\"chat_message\",\"room_id\":\"general\",\"message\":\"x\"}", &c, WIRE_REQUEST, CHAT_POST_MESSAGE);
    struct chat_request *fresh = chat_request_new(CHAT_POST_MESSAGE, &alice);
    assert_non_null(fresh);
    assert_null(r->args.client_id.p);
    assert_int_equal(r->args.reply_to, 0);
    assert_int_equal(r->args.before, fresh->args.before);
    assert_int_equal(r->args.after, fresh->args.after);
    assert_int_equal(r->args.disabled, fresh->args.disabled);
    assert_int_equal(r->args.limit, 0);
    assert_int_equal(r->args.room_id, 0);
    assert_string_equal(c.ref, "");
    assert_string_equal(c.client_id, "");
    chat_request_free(fresh);
    wire_command_fini(&c);
}

static void join_tells_cursor_and_epoch(void **state)
{
    (void)state;
    struct wire_command c;
    struct chat_request *r = decode_request("{\"type\":\"join\",\"room_id\":\"a.b_c-9\",\"after\":0,\"epoch\":\"9f3c\",\"ref\":-5}", &c,
                                            WIRE_JOIN, CHAT_JOIN_ROOM);
    assert_int_equal(r->args.after, 0);
    assert_span_is(r->args.epoch, "9f3c");
    assert_string_equal(c.ref, "-5");
    wire_command_fini(&c);
    r = decode_request("{\"type\":\"join\",\"room_id\":\"general\"}", &c, WIRE_JOIN, CHAT_JOIN_ROOM);
    assert_int_equal(r->args.after, -1);
    wire_command_fini(&c);
}

static void edit_delete_and_reactions_name_their_message(void **state)
{
    (void)state;
    struct wire_command c;
    struct chat_request *r =
        decode_request("{\"type\":\"edit_message\",\"room_id\":\"g\",\"id\":9007199254740991,\"message\":\"new\",\"client_id\":\"e\"}", &c,
                       WIRE_REQUEST, CHAT_EDIT_MESSAGE);
    assert_true(r->args.id == 9007199254740991);
    assert_span_is(r->args.text, "new");
    assert_span_is(r->args.client_id, "e");
    wire_command_fini(&c);
    r = decode_request("{\"type\":\"delete_message\",\"room_id\":\"g\",\"id\":2,\"client_id\":\"d\"}", &c, WIRE_REQUEST,
                       CHAT_DELETE_MESSAGE);
    assert_int_equal(r->args.id, 2);
    wire_command_fini(&c);
    r = decode_request("{\"type\":\"react\",\"room_id\":\"g\",\"id\":3,\"reaction\":\"\xF0\x9F\x91\x8D\"}", &c, WIRE_REQUEST,
                       CHAT_ADD_REACTION);
    assert_span_is(r->args.reaction, "\xF0\x9F\x91\x8D");
    wire_command_fini(&c);
    r = decode_request("{\"type\":\"unreact\",\"room_id\":\"g\",\"id\":3,\"reaction\":\"+1\"}", &c, WIRE_REQUEST, CHAT_REMOVE_REACTION);
    assert_span_is(r->args.reaction, "+1");
    wire_command_fini(&c);
}

static void history_pages_in_either_direction(void **state)
{
    (void)state;
    struct wire_command c;
    struct chat_request *r =
        decode_request("{\"type\":\"history\",\"room_id\":\"g\",\"before\":10,\"limit\":200}", &c, WIRE_REQUEST, CHAT_LIST_EVENTS);
    assert_int_equal(r->args.before, 10);
    assert_int_equal(r->args.after, -1);
    assert_int_equal(r->args.limit, 200);
    wire_command_fini(&c);
    r = decode_request("{\"type\":\"history\",\"room_id\":\"g\",\"after\":0,\"limit\":1}", &c, WIRE_REQUEST, CHAT_LIST_EVENTS);
    assert_int_equal(r->args.before, -1);
    assert_int_equal(r->args.after, 0);
    wire_command_fini(&c);
    r = decode_request("{\"type\":\"read\",\"room_id\":\"g\",\"id\":4}", &c, WIRE_REQUEST, CHAT_MARK_READ);
    assert_int_equal(r->args.id, 4);
    wire_command_fini(&c);
}

static void auth_hands_over_the_token_and_no_request(void **state)
{
    (void)state;
    struct wire_command c;
    confab_err e = decode_on(SPAN_LIT("{\"type\":\"auth\",\"token\":\"v4.public.abc\"}"), "general", &c);
    assert_false(confab_failed(e));
    assert_int_equal(c.kind, WIRE_AUTH);
    assert_null(c.request);
    assert_string_equal(buf_cstr(&c.token), "v4.public.abc");
    wire_command_fini(&c);
    assert_null(c.token.data);
}

static void commands_of_the_hub_make_no_request(void **state)
{
    static const struct {
        const char *json;
        enum wire_kind kind;
        bool typing;
    } rows[] = {
        {"{\"type\":\"leave\",\"room_id\":\"general\"}", WIRE_LEAVE, true},
        {"{\"type\":\"typing\",\"room_id\":\"general\"}", WIRE_TYPING, true},
        {"{\"type\":\"typing\",\"room_id\":\"general\",\"typing\":false}", WIRE_TYPING, false},
        {"{\"type\":\"presence\",\"room_id\":\"general\"}", WIRE_PRESENCE, true},
        {" {\"type\" : \"ping\", \"room_id\":\"general\"}\r\n\t", WIRE_PING, true},
        {"{\"room_id\":\"general\",\"type\":\"heartbeat\"}", WIRE_HEARTBEAT, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wire_command c;
        confab_err e = decode_on(span_of(rows[i].json), "", &c);
        assert_int_equal(e.code, CONFAB_OK);
        assert_int_equal(c.kind, rows[i].kind);
        assert_int_equal(c.typing, rows[i].typing);
        assert_null(c.request);
        assert_string_equal(c.room, "general");
        wire_command_fini(&c);
    }
}

static void room_of_the_address_is_implied_but_does_not_override(void **state)
{
    (void)state;
    struct wire_command c;
    assert_int_equal(decode_on(SPAN_LIT("{\"type\":\"chat_message\",\"message\":\"x\"}"), "general", &c).code, CONFAB_OK);
    assert_string_equal(c.room, "general");
    assert_span_is(c.request->args.room, "general");
    wire_command_fini(&c);
    assert_int_equal(decode_on(SPAN_LIT("{\"type\":\"chat_message\",\"room_id\":\"other\",\"message\":\"x\"}"), "general", &c).code,
                     CONFAB_OK);
    assert_string_equal(c.room, "other");
    assert_span_is(c.request->args.room, "other");
    wire_command_fini(&c);
    assert_int_equal(decode_on(SPAN_LIT("{\"type\":\"typing\"}"), "general", &c).code, CONFAB_OK);
    assert_string_equal(c.room, "general");
    wire_command_fini(&c);
}

static void unknown_members_are_ignored_whatever_they_hold(void **state)
{
    (void)state;
    struct wire_command c;
    confab_err e = decode_on(SPAN_LIT("{\"future\":{\"a\":[1,2.5e3,null,true,{\"b\":\"\\u20ac\"}]},\"type\":\"ping\",\"future\":0,"
                                      "\"limit\":\"not of this command\"}"),
                             "", &c);
    assert_int_equal(e.code, CONFAB_OK);
    assert_int_equal(c.kind, WIRE_PING);
    wire_command_fini(&c);
}

static void longest_values_are_taken(void **state)
{
    (void)state;
    char room[65], key[65], json[400];
    memset(room, 'r', 64);
    memset(key, 'k', 64);
    room[64] = key[64] = '\0';
    (void)snprintf(json, sizeof json,
                   "{\"type\":\"chat_message\",\"room_id\":\"%s\",\"message\":\"m\",\"client_id\":\"%s\",\"ref\":\"%s\"}", room, key, key);
    struct wire_command c;
    assert_int_equal(decode_on(span_of(json), "", &c).code, CONFAB_OK);
    assert_string_equal(c.room, room);
    assert_int_equal(strlen(c.ref), 66);
    assert_int_equal(strlen(c.client_id), 66);
    wire_command_fini(&c);
}

static void integral_numbers_in_any_notation_are_integers(void **state)
{
    static const struct {
        const char *json;
        int64_t want;
    } rows[] = {{"{\"type\":\"read\",\"room_id\":\"g\",\"id\":1e3}", 1000},
                {"{\"type\":\"read\",\"room_id\":\"g\",\"id\":7.0}", 7},
                {"{\"type\":\"read\",\"room_id\":\"g\",\"id\":0.5e1}", 5},
                {"{\"type\":\"read\",\"room_id\":\"g\",\"id\":20e-1}", 2}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wire_command c;
        assert_int_equal(decode_on(span_of(rows[i].json), "", &c).code, CONFAB_OK);
        assert_int_equal(c.request->args.id, rows[i].want);
        wire_command_fini(&c);
    }
}

/* ---- what is refused ---- */

struct refusal {
    const char *json;
    enum confab_code code;
    const char *field;
};

#define MSG(members) "{\"type\":\"chat_message\",\"room_id\":\"g\",\"message\":\"m\"," members "}"
#define READ(members) "{\"type\":\"read\",\"room_id\":\"g\"," members "}"
#define HIST(members) "{\"type\":\"history\",\"room_id\":\"g\"," members "}"
#define S65 "0123456789012345678901234567890123456789012345678901234567890123x"
#define S33 "0123456789012345678901234567890 x"
#define JSON CONFAB_INVALID_JSON
#define FIELD CONFAB_INVALID_FIELD
#define MISSING CONFAB_MISSING_FIELD
#define TYPE CONFAB_UNKNOWN_TYPE

/* clang-format off */
static const struct refusal refusals[] = {
    /* not JSON, or not one object */
    {"", JSON, NULL}, {" ", JSON, NULL}, {"\n\t\r ", JSON, NULL}, {"hello", JSON, NULL}, {"null", JSON, NULL}, {"true", JSON, NULL},
    {"1", JSON, NULL}, {"\"type\"", JSON, NULL}, {"[]", JSON, NULL}, {"[{\"type\":\"ping\"}]", JSON, NULL}, {"{", JSON, NULL}, {"}", JSON, NULL},
    {"{}}", JSON, NULL}, {"{]", JSON, NULL}, {"{{}}", JSON, NULL}, {"{\"type\"}", JSON, NULL}, {"{\"type\":}", JSON, NULL},
    {"{\"type\":\"ping\"", JSON, NULL}, {"{\"type\":\"ping\",", JSON, NULL}, {"{\"type\":\"ping\",}", JSON, NULL}, {"{,\"type\":\"ping\"}", JSON, NULL},
    {"{\"type\":\"ping\",,\"a\":1}", JSON, NULL}, {"{\"type\" \"ping\"}", JSON, NULL}, {"{\"type\"::\"ping\"}", JSON, NULL},
    {"{\"type\":\"ping\" \"a\":1}", JSON, NULL}, {"{type:\"ping\"}", JSON, NULL}, {"{'type':'ping'}", JSON, NULL}, {"{1:2}", JSON, NULL},
    {"{\"type\":\"ping\"}x", JSON, NULL}, {"{\"type\":\"ping\"}{}", JSON, NULL}, {"{\"type\":\"ping\"},", JSON, NULL}, {"{\"type\":\"ping\"}\x01", JSON, NULL},
    {"\xEF\xBB\xBF{\"type\":\"ping\"}", JSON, NULL}, {"\x01{\"type\":\"ping\"}", JSON, NULL}, {"{\"type\":\f\"ping\"}", JSON, NULL},
    {"{\"type\":\"ping\"/**/}", JSON, NULL}, {"//\n{\"type\":\"ping\"}", JSON, NULL}, {"{\"a\":[1,2}", JSON, NULL}, {"{\"a\":[1}]", JSON, NULL},
    {"{\"a\":[]]", JSON, NULL}, {"{\"a\":[1,]}", JSON, NULL}, {"{\"a\":[,1]}", JSON, NULL}, {"{\"a\":nul}", JSON, NULL}, {"{\"a\":nulll}", JSON, NULL},
    {"{\"a\":True}", JSON, NULL}, {"{\"a\":NaN}", JSON, NULL}, {"{\"a\":Infinity}", JSON, NULL}, {"{\"a\":undefined}", JSON, NULL},
    /* numbers that cJSON alone would take */
    {"{\"a\":01}", JSON, NULL}, {"{\"a\":-}", JSON, NULL}, {"{\"a\":-01}", JSON, NULL}, {"{\"a\":+1}", JSON, NULL}, {"{\"a\":.5}", JSON, NULL}, {"{\"a\":1.}", JSON, NULL},
    {"{\"a\":1.e5}", JSON, NULL}, {"{\"a\":1e}", JSON, NULL}, {"{\"a\":1e+}", JSON, NULL}, {"{\"a\":0x10}", JSON, NULL}, {"{\"a\":1-2}", JSON, NULL}, {"{\"a\":1 2}", JSON, NULL},
    {"{\"a\":1000000000000000000000000000000000000000000000000}", JSON, NULL}, {"{\"a\":1_000}", JSON, NULL},
    /* strings */
    {"{\"type\":\"pi\nng\"}", JSON, NULL}, {"{\"type\":\"ping\t\"}", JSON, NULL}, {"{\"type\":\"ping}", JSON, NULL}, {"{\"type\":\"ping\\\"}", JSON, NULL},
    {"{\"type\":\"\\x41\"}", JSON, NULL}, {"{\"type\":\"\\'\"}", JSON, NULL}, {"{\"type\":\"\\u12\"}", JSON, NULL}, {"{\"type\":\"\\uZZZZ\"}", JSON, NULL},
    {"{\"type\":\"\\u00zz\"}", JSON, NULL}, {"{\"type\":\"\\U0041\"}", JSON, NULL}, {"{\"type\":\"\\", JSON, NULL}, {"{\"type\":\"\\u", JSON, NULL},
    {"{\"a\":\"\\ud800\"}", JSON, NULL}, {"{\"a\":\"\\udc00\"}", JSON, NULL}, {"{\"a\":\"\\ud800x\"}", JSON, NULL}, {"{\"a\":\"\\ud800\\n\"}", JSON, NULL},
    {"{\"a\":\"\\ud800\\ud800\"}", JSON, NULL}, {"{\"a\":\"\\udc00\\ud800\"}", JSON, NULL}, {"{\"a\":\"\\ud83d\\u0041\"}", JSON, NULL},
    {"{\"a\":\"\xFF\"}", JSON, NULL}, {"{\"a\":\"\xC3\"}", JSON, NULL}, {"{\"a\":\"\x80\"}", JSON, NULL}, {"{\"a\":\"\xC0\x80\"}", JSON, NULL},
    {"{\"a\":\"\xED\xA0\x80\"}", JSON, NULL}, {"{\"a\":\"\xF4\x90\x80\x80\"}", JSON, NULL}, {"{\"a\xE2\x82\":1}", JSON, NULL}, {"{\"a\":1}\xC3\xA9", JSON, NULL},
    {"{\"type\":\"chat_message\",\"room_id\":\"g\",\"message\":\"a\\u0000b\"}", FIELD, NULL}, {"{\"a\\u0000\":1,\"type\":\"ping\"}", FIELD, NULL},
    /* type */
    {"{}", TYPE, NULL}, {"{\"room_id\":\"g\"}", TYPE, NULL}, {"{\"type\":null}", TYPE, NULL}, {"{\"type\":1}", TYPE, NULL}, {"{\"type\":[\"ping\"]}", TYPE, NULL},
    {"{\"type\":{\"type\":\"ping\"}}", TYPE, NULL}, {"{\"type\":\"\"}", TYPE, NULL}, {"{\"type\":\"PING\"}", TYPE, NULL}, {"{\"type\":\"ping \"}", TYPE, NULL},
    {"{\"type\":\"pin\"}", TYPE, NULL}, {"{\"type\":\"message\"}", TYPE, NULL}, {"{\"Type\":\"ping\"}", TYPE, NULL},
    {"{\"type\":\"ping\",\"type\":\"ping\"}", FIELD, NULL}, {"{\"type\":\"ping\",\"ref\":1,\"ref\":2}", FIELD, NULL},
    /* ref */
    {"{\"type\":\"ping\",\"ref\":1.5}", FIELD, "ref"}, {"{\"type\":\"ping\",\"ref\":9007199254740993}", FIELD, "ref"}, {"{\"type\":\"ping\",\"ref\":null}", FIELD, "ref"},
    {"{\"type\":\"ping\",\"ref\":true}", FIELD, "ref"}, {"{\"type\":\"ping\",\"ref\":{}}", FIELD, "ref"}, {"{\"type\":\"ping\",\"ref\":[1]}", FIELD, "ref"},
    {"{\"type\":\"ping\",\"ref\":\"" S65 "\"}", FIELD, "ref"}, {"{\"type\":\"ping\",\"ref\":\"\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\"}", FIELD, "ref"},
    /* members that are missing */
    {"{\"type\":\"auth\"}", MISSING, "token"}, {"{\"type\":\"join\"}", MISSING, "room_id"}, {"{\"type\":\"leave\"}", MISSING, "room_id"},
    {"{\"type\":\"chat_message\",\"message\":\"m\"}", MISSING, "room_id"}, {"{\"type\":\"chat_message\",\"room_id\":\"g\"}", MISSING, "message"},
    {"{\"type\":\"edit_message\",\"room_id\":\"g\",\"message\":\"m\"}", MISSING, "id"}, {"{\"type\":\"edit_message\",\"room_id\":\"g\",\"id\":1}", MISSING, "message"},
    {"{\"type\":\"delete_message\",\"room_id\":\"g\"}", MISSING, "id"}, {"{\"type\":\"react\",\"room_id\":\"g\",\"id\":1}", MISSING, "reaction"},
    {"{\"type\":\"unreact\",\"room_id\":\"g\",\"reaction\":\"x\"}", MISSING, "id"}, {"{\"type\":\"history\"}", MISSING, "room_id"},
    {"{\"type\":\"read\",\"room_id\":\"g\"}", MISSING, "id"}, {"{\"type\":\"typing\",\"typing\":true}", MISSING, "room_id"}, {"{\"type\":\"presence\"}", MISSING, "room_id"},
    /* members of the wrong type or value */
    {"{\"type\":\"join\",\"room_id\":null}", FIELD, "room_id"}, {"{\"type\":\"join\",\"room_id\":7}", FIELD, "room_id"}, {"{\"type\":\"join\",\"room_id\":\"\"}", FIELD, "room_id"},
    {"{\"type\":\"join\",\"room_id\":\"General\"}", FIELD, "room_id"}, {"{\"type\":\"join\",\"room_id\":\".hidden\"}", FIELD, "room_id"},
    {"{\"type\":\"join\",\"room_id\":\"a/b\"}", FIELD, "room_id"}, {"{\"type\":\"join\",\"room_id\":\"a b\"}", FIELD, "room_id"},
    {"{\"type\":\"join\",\"room_id\":\"" S65 "\"}", FIELD, "room_id"}, {"{\"type\":\"join\",\"room_id\":\"g\",\"room_id\":\"g\"}", FIELD, "room_id"},
    {"{\"type\":\"join\",\"room_id\":\"g\",\"after\":-1}", FIELD, "after"}, {"{\"type\":\"join\",\"room_id\":\"g\",\"after\":\"0\"}", FIELD, "after"},
    {"{\"type\":\"join\",\"room_id\":\"g\",\"after\":0.5}", FIELD, "after"}, {"{\"type\":\"join\",\"room_id\":\"g\",\"after\":null}", FIELD, "after"},
    {"{\"type\":\"join\",\"room_id\":\"g\",\"after\":9007199254740992}", FIELD, "after"}, {"{\"type\":\"join\",\"room_id\":\"g\",\"after\":1e400}", FIELD, "after"},
    {"{\"type\":\"join\",\"room_id\":\"g\",\"after\":-1e400}", FIELD, "after"}, {"{\"type\":\"join\",\"room_id\":\"g\",\"epoch\":\"\"}", FIELD, "epoch"},
    {"{\"type\":\"join\",\"room_id\":\"g\",\"epoch\":\"" S65 "\"}", FIELD, "epoch"}, {"{\"type\":\"join\",\"room_id\":\"g\",\"epoch\":1}", FIELD, "epoch"},
    {"{\"type\":\"chat_message\",\"room_id\":\"g\",\"message\":\"\"}", FIELD, "message"}, {"{\"type\":\"chat_message\",\"room_id\":\"g\",\"message\":5}", FIELD, "message"},
    {"{\"type\":\"chat_message\",\"room_id\":\"g\",\"message\":null}", FIELD, "message"}, {"{\"type\":\"chat_message\",\"room_id\":\"g\",\"message\":[\"m\"]}", FIELD, "message"},
    {MSG("\"message\":\"again\""), FIELD, "message"}, {MSG("\"client_id\":\"\""), FIELD, "client_id"}, {MSG("\"client_id\":1"), FIELD, "client_id"},
    {MSG("\"client_id\":\"" S65 "\""), FIELD, "client_id"}, {MSG("\"client_id\":\"a\",\"client_id\":\"b\""), FIELD, "client_id"},
    {MSG("\"reply_to\":0"), FIELD, "reply_to"}, {MSG("\"reply_to\":-3"), FIELD, "reply_to"}, {MSG("\"reply_to\":\"1\""), FIELD, "reply_to"}, {MSG("\"reply_to\":false"), FIELD, "reply_to"},
    {READ("\"id\":0"), FIELD, "id"}, {READ("\"id\":-0"), FIELD, "id"}, {READ("\"id\":1.25"), FIELD, "id"}, {READ("\"id\":{}"), FIELD, "id"}, {READ("\"id\":1e16"), FIELD, "id"},
    {READ("\"id\":1,\"id\":1"), FIELD, "id"}, {HIST("\"limit\":0"), FIELD, "limit"}, {HIST("\"limit\":201"), FIELD, "limit"}, {HIST("\"limit\":\"50\""), FIELD, "limit"},
    {HIST("\"before\":0"), FIELD, "before"}, {HIST("\"before\":5,\"after\":1"), FIELD, "after"}, {HIST("\"after\":0,\"before\":5"), FIELD, "before"},
    {"{\"type\":\"react\",\"room_id\":\"g\",\"id\":1,\"reaction\":\"\"}", FIELD, "reaction"}, {"{\"type\":\"react\",\"room_id\":\"g\",\"id\":1,\"reaction\":\"" S33 "\"}", FIELD, "reaction"},
    {"{\"type\":\"typing\",\"room_id\":\"g\",\"typing\":1}", FIELD, "typing"}, {"{\"type\":\"typing\",\"room_id\":\"g\",\"typing\":\"true\"}", FIELD, "typing"},
    {"{\"type\":\"auth\",\"token\":\"\"}", FIELD, "token"}, {"{\"type\":\"auth\",\"token\":1}", FIELD, "token"}, {"{\"type\":\"auth\",\"token\":\"a\",\"token\":\"b\"}", FIELD, "token"},
};
/* clang-format on */

static void malformed_commands_are_refused_with_code_and_field(void **state)
{
    (void)state;
    assert_true(sizeof refusals / sizeof refusals[0] >= 100);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *row = &refusals[i];
        struct wire_command c;
        confab_err e = decode_on(span_of(row->json), "", &c);
        if (e.code != row->code || (row->field == NULL) != (e.field == NULL) || (row->field && strcmp(row->field, e.field) != 0))
            fail_msg("%s\n  gave %s (%s), wanted %s (%s)", row->json, confab_err_word(e.code), e.field ? e.field : "-",
                     confab_err_word(row->code), row->field ? row->field : "-");
        assert_null(c.request);
        if (row->code == JSON) assert_string_equal(confab_err_sentence(e), "Invalid JSON format");
        if (row->code == TYPE) assert_string_equal(confab_err_sentence(e), "Unknown message type");
        wire_command_fini(&c);
    }
}

static void bytes_after_a_nul_are_not_overlooked(void **state)
{
    (void)state;
    struct wire_command c;
    assert_int_equal(decode_on(SPAN_LIT("{\"type\":\"ping\"}\0"), "", &c).code, JSON);
    assert_int_equal(decode_on(SPAN_LIT("{\"type\":\"pi\0ng\"}"), "", &c).code, JSON);
    assert_int_equal(decode_on(SPAN_LIT("\0"), "", &c).code, JSON);
    assert_int_equal(wire_decode_command((span){0}, &alice, "", &c).code, JSON);
}

static void every_prefix_of_a_command_is_refused(void **state)
{
    (void)state;
    span whole = SPAN_LIT("{\"type\":\"chat_message\",\"room_id\":\"g\",\"message\":\"\\u00e9\\ud83d\\ude00\xC3\xA9\",\"x\":[1.5e3,{\"y\":"
                          "null}],\"ref\":\"r\"}");
    for (size_t n = 0; n < whole.n; n++) {
        struct wire_command c;
        assert_int_equal(decode_on((span){whole.p, n}, "", &c).code, JSON);
    }
    struct wire_command c;
    assert_int_equal(decode_on(whole, "", &c).code, CONFAB_OK);
    wire_command_fini(&c);
}

static void depth_and_number_of_values_are_bounded(void **state)
{
    (void)state;
    char deep[2048];
    struct wire_command c;
    for (size_t levels = 1; levels < 500; levels++) {
        size_t at = (size_t)snprintf(deep, sizeof deep, "{\"type\":\"ping\",\"x\":");
        memset(deep + at, '[', levels);
        memset(deep + at + levels, ']', levels);
        deep[at + 2 * levels] = '}';
        deep[at + 2 * levels + 1] = '\0';
        assert_int_equal(decode_on(span_of(deep), "", &c).code, levels < 16 ? CONFAB_OK : FIELD);
    }
    buf many = {0};
    buf_append_str(&many, "{\"type\":\"ping\",\"x\":[0");
    for (int i = 0; i < 300; i++) {
        buf_append_str(&many, ",0");
    }
    buf_append_str(&many, "]}");
    assert_int_equal(decode_on(buf_span(&many), "", &c).code, FIELD);
    buf_free(&many);
}

static void refused_command_still_tells_room_ref_and_key(void **state)
{
    (void)state;
    struct wire_command c;
    confab_err e = decode_on(
        SPAN_LIT("{\"client_id\":\"k\\\"1\",\"ref\":\"a\\\"b\",\"type\":\"chat_message\",\"room_id\":\"general\",\"message\":7}"), "", &c);
    assert_int_equal(e.code, FIELD);
    assert_string_equal(c.room, "general");
    assert_string_equal(c.ref, "\"a\\\"b\"");
    assert_string_equal(c.client_id, "\"k\\\"1\"");
    e = decode_on(SPAN_LIT("{\"type\":\"no_such\",\"ref\":9007199254740991,\"room_id\":\"general\"}"), "", &c);
    assert_int_equal(e.code, TYPE);
    assert_string_equal(c.ref, "9007199254740991");
    assert_string_equal(c.room, "general");
    e = decode_on(SPAN_LIT("{\"type\":\"join\",\"room_id\":\"NOT VALID\"}"), "general", &c);
    assert_int_equal(e.code, FIELD);
    assert_string_equal(c.room, "");
    e = decode_on(SPAN_LIT("{\"type\":\"react\"}"), "general", &c);
    assert_int_equal(e.code, MISSING);
    assert_string_equal(c.room, "general");
}

static void *decode_many(void *arg)
{
    size_t *good = arg;
    for (int i = 0; i < 500; i++) {
        struct wire_command c;
        if (wire_decode_command(SPAN_LIT("{\"type\":\"chat_message\",\"room_id\":\"g\",\"message\":\"m\"}"), &alice, "", &c).code ==
            CONFAB_OK)
            (*good)++;
        wire_command_fini(&c);
        if (wire_decode_command(SPAN_LIT("{\"type\":\"ping\",\"x\":[1,2}"), &alice, "", &c).code == JSON) (*good)++;
    }
    return NULL;
}

static void threads_decode_side_by_side(void **state)
{
    (void)state;
    pthread_t threads[4];
    size_t good[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, decode_many, &good[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(good[i], 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chat_message_carries_room_text_key_and_reply),
        cmocka_unit_test(absent_members_read_as_absent),
        cmocka_unit_test(join_tells_cursor_and_epoch),
        cmocka_unit_test(edit_delete_and_reactions_name_their_message),
        cmocka_unit_test(history_pages_in_either_direction),
        cmocka_unit_test(auth_hands_over_the_token_and_no_request),
        cmocka_unit_test(commands_of_the_hub_make_no_request),
        cmocka_unit_test(room_of_the_address_is_implied_but_does_not_override),
        cmocka_unit_test(unknown_members_are_ignored_whatever_they_hold),
        cmocka_unit_test(longest_values_are_taken),
        cmocka_unit_test(integral_numbers_in_any_notation_are_integers),
        cmocka_unit_test(malformed_commands_are_refused_with_code_and_field),
        cmocka_unit_test(bytes_after_a_nul_are_not_overlooked),
        cmocka_unit_test(every_prefix_of_a_command_is_refused),
        cmocka_unit_test(depth_and_number_of_values_are_bounded),
        cmocka_unit_test(refused_command_still_tells_room_ref_and_key),
        cmocka_unit_test(threads_decode_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
