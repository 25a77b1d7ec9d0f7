#include <stdio.h>
#include <string.h>

#include "wire_fixture.h"

static confab_err body(enum chat_op op, const char *json, struct chat_request **out)
{
    *out = chat_request_new(op, &alice);
    assert_non_null(*out);
    span copy = exact_copy(span_of(json));
    confab_err e = wire_decode_body(copy, *out);
    free((char *)(uintptr_t)copy.p);
    return e;
}

static void bodies_fill_the_arguments_of_their_operation(void **state)
{
    (void)state;
    struct chat_request *r = NULL;
    assert_int_equal(body(CHAT_SET_UP, "{\"setup_token\":\"t\",\"username\":\"root\",\"password\":\"p\"}", &r).code, CONFAB_OK);
    assert_span_is(r->args.token, "t");
    assert_span_is(r->args.user, "root");
    assert_span_is(r->args.password, "p");
    chat_request_free(r);
    assert_int_equal(body(CHAT_FIND_CREDENTIALS, "{\"username\":\"Bob\",\"password\":\"p\",\"cookie\":true}", &r).code, CONFAB_OK);
    assert_span_is(r->args.user, "Bob");
    assert_true(r->args.cookie);
    chat_request_free(r);
    assert_int_equal(body(CHAT_CHANGE_PASSWORD, "{\"old_password\":\"a\",\"new_password\":\"b\"}", &r).code, CONFAB_OK);
    assert_span_is(r->args.password, "a");
    assert_span_is(r->args.new_password, "b");
    chat_request_free(r);
    assert_int_equal(body(CHAT_CREATE_ROOM, "{\"room_id\":\"dev\",\"name\":\"Dev\",\"topic\":\"\",\"kind\":\"private\"}", &r).code,
                     CONFAB_OK);
    assert_span_is(r->args.room, "dev");
    assert_span_is(r->args.name, "Dev");
    assert_span_is(r->args.topic, "");
    assert_span_is(r->args.kind, "private");
    chat_request_free(r);
    assert_int_equal(body(CHAT_UPDATE_USER, "{\"disabled\":false,\"role\":\"bot\",\"display_name\":\"\"}", &r).code, CONFAB_OK);
    assert_int_equal(r->args.disabled, 0);
    assert_span_is(r->args.role, "bot");
    assert_span_is(r->args.display_name, "");
    chat_request_free(r);
    assert_int_equal(body(CHAT_UPDATE_USER, "{\"disabled\":true}", &r).code, CONFAB_OK);
    assert_int_equal(r->args.disabled, 1);
    assert_null(r->args.role.p);
    chat_request_free(r);
    assert_int_equal(body(CHAT_PUT_MEMBER, "{\"role\":\"owner\"}", &r).code, CONFAB_OK);
    assert_span_is(r->args.role, "owner");
    chat_request_free(r);
    assert_int_equal(body(CHAT_POST_MESSAGE, "{\"message\":\"m\",\"client_id\":\"c\",\"reply_to\":3}", &r).code, CONFAB_OK);
    assert_span_is(r->args.text, "m");
    assert_int_equal(r->args.reply_to, 3);
    chat_request_free(r);
    assert_int_equal(body(CHAT_MARK_READ, "{\"id\":3}", &r).code, CONFAB_OK);
    assert_int_equal(r->args.id, 3);
    chat_request_free(r);
}

static void what_the_path_said_survives_the_body(void **state)
{
    (void)state;
    struct chat_request *r = chat_request_new(CHAT_EDIT_MESSAGE, &alice);
    assert_non_null(r);
    r->args.room = arena_copy(&r->arena, SPAN_LIT("general"));
    r->args.id = 9;
    assert_int_equal(wire_decode_body(SPAN_LIT("{\"message\":\"new\"}"), r).code, CONFAB_OK);
    assert_span_is(r->args.room, "general");
    assert_int_equal(r->args.id, 9);
    assert_span_is(r->args.text, "new");
    chat_request_free(r);
}

static void absent_body_is_an_empty_object(void **state)
{
    (void)state;
    struct chat_request *r = NULL;
    assert_int_equal(body(CHAT_REFRESH_SESSION, "", &r).code, CONFAB_OK);
    assert_null(r->args.token.p);
    chat_request_free(r);
    assert_int_equal(body(CHAT_DELETE_ROOM, "", &r).code, CONFAB_OK);
    chat_request_free(r);
    assert_int_equal(body(CHAT_DELETE_ROOM, "{}", &r).code, CONFAB_OK);
    chat_request_free(r);
    confab_err e = body(CHAT_SET_UP, "", &r);
    assert_int_equal(e.code, CONFAB_MISSING_FIELD);
    assert_string_equal(confab_err_sentence(e), "setup_token is required");
    chat_request_free(r);
}

#define S129                                                                                                                               \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"                                 \
    "01234567890123456789012345678"

static const struct {
    enum chat_op op;
    const char *json;
    enum confab_code code;
    const char *field;
} refusals[] = {
    {CHAT_POST_MESSAGE, "{\"message\":\"m\",\"room_id\":\"g\"}", CONFAB_UNKNOWN_FIELD, "room_id"},
    {CHAT_POST_MESSAGE, "{\"message\":\"m\",\"mesage\":\"g\"}", CONFAB_UNKNOWN_FIELD, "mesage"},
    {CHAT_POST_MESSAGE, "{\"message\":\"m\",\"\":1}", CONFAB_UNKNOWN_FIELD, ""},
    {CHAT_POST_MESSAGE, "{\"message\":\"m\",\"ref\":1}", CONFAB_UNKNOWN_FIELD, "ref"},
    {CHAT_POST_MESSAGE, "{\"message\":\"m\",\"Message\":\"m\"}", CONFAB_UNKNOWN_FIELD, "Message"},
    {CHAT_POST_MESSAGE, "{\"message\":\"m\",\"message\":\"m\"}", CONFAB_INVALID_FIELD, "message"},
    {CHAT_POST_MESSAGE, "{\"client_id\":\"m\"}", CONFAB_MISSING_FIELD, "message"},
    {CHAT_POST_MESSAGE, "[]", CONFAB_INVALID_JSON, NULL},
    {CHAT_POST_MESSAGE, "message=m", CONFAB_INVALID_JSON, NULL},
    {CHAT_POST_MESSAGE, "{\"message\":\"\xFF\"}", CONFAB_INVALID_JSON, NULL},
    {CHAT_POST_MESSAGE, "{\"message\":\"m\"", CONFAB_INVALID_JSON, NULL},
    {CHAT_EDIT_MESSAGE, "{\"message\":\"m\",\"id\":1}", CONFAB_UNKNOWN_FIELD, "id"},
    {CHAT_GET_ME, "{\"x\":1}", CONFAB_UNKNOWN_FIELD, "x"},
    {CHAT_DELETE_ROOM, "{\"room_id\":\"g\"}", CONFAB_UNKNOWN_FIELD, "room_id"},
    {CHAT_CREATE_ROOM, "{\"room_id\":\"G\"}", CONFAB_INVALID_FIELD, "room_id"},
    {CHAT_CREATE_ROOM, "{\"name\":\"G\"}", CONFAB_MISSING_FIELD, "room_id"},
    {CHAT_CREATE_ROOM, "{\"room_id\":\"g\",\"kind\":\"direct\"}", CONFAB_INVALID_FIELD, "kind"},
    {CHAT_CREATE_ROOM, "{\"room_id\":\"g\",\"kind\":\"secret\"}", CONFAB_INVALID_FIELD, "kind"},
    {CHAT_CREATE_ROOM, "{\"room_id\":\"g\",\"name\":\"\"}", CONFAB_INVALID_FIELD, "name"},
    {CHAT_CREATE_ROOM, "{\"room_id\":\"g\",\"name\":\"" S129 "\"}", CONFAB_INVALID_FIELD, "name"},
    {CHAT_UPDATE_ROOM, "{\"topic\":null}", CONFAB_INVALID_FIELD, "topic"},
    {CHAT_UPDATE_ROOM, "{\"archived\":true}", CONFAB_UNKNOWN_FIELD, "archived"},
    {CHAT_PUT_MEMBER, "{\"role\":\"admin\"}", CONFAB_INVALID_FIELD, "role"},
    {CHAT_PUT_MEMBER, "{\"role\":\"none\"}", CONFAB_INVALID_FIELD, "role"},
    {CHAT_CREATE_USER, "{\"username\":\"x\",\"role\":\"owner\"}", CONFAB_INVALID_FIELD, "role"},
    {CHAT_CREATE_USER, "{\"username\":\"a b\"}", CONFAB_INVALID_FIELD, "username"},
    {CHAT_CREATE_USER, "{\"username\":\"a@b\"}", CONFAB_INVALID_FIELD, "username"},
    {CHAT_CREATE_USER, "{\"username\":\"\xC3\xA9\"}", CONFAB_INVALID_FIELD, "username"},
    {CHAT_CREATE_USER, "{\"username\":\"x\",\"disabled\":true}", CONFAB_UNKNOWN_FIELD, "disabled"},
    {CHAT_UPDATE_USER, "{\"disabled\":1}", CONFAB_INVALID_FIELD, "disabled"},
    {CHAT_UPDATE_USER, "{\"disabled\":\"false\"}", CONFAB_INVALID_FIELD, "disabled"},
    {CHAT_UPDATE_ME, "{\"role\":\"admin\"}", CONFAB_UNKNOWN_FIELD, "role"},
    {CHAT_UPDATE_ME, "{\"display_name\":\"" S129 "\"}", CONFAB_INVALID_FIELD, "display_name"},
    {CHAT_SET_PASSWORD, "{\"new_password\":\"\"}", CONFAB_INVALID_FIELD, "new_password"},
    {CHAT_SET_PASSWORD, "{\"password\":\"x\"}", CONFAB_UNKNOWN_FIELD, "password"},
    {CHAT_FIND_CREDENTIALS, "{\"username\":\"x\"}", CONFAB_MISSING_FIELD, "password"},
    {CHAT_FIND_CREDENTIALS, "{\"username\":\"x\",\"password\":\"p\",\"cookie\":\"yes\"}", CONFAB_INVALID_FIELD, "cookie"},
    {CHAT_MARK_READ, "{\"id\":0}", CONFAB_INVALID_FIELD, "id"},
    {CHAT_MARK_READ, "{}", CONFAB_MISSING_FIELD, "id"},
};

static void malformed_bodies_are_refused_with_code_and_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct chat_request *r = NULL;
        confab_err e = body(refusals[i].op, refusals[i].json, &r);
        if (e.code != refusals[i].code || (refusals[i].field == NULL) != (e.field == NULL) ||
            (e.field && strcmp(refusals[i].field, e.field) != 0))
            fail_msg("%s gave %s (%s), wanted %s (%s)", refusals[i].json, confab_err_word(e.code), e.field ? e.field : "-",
                     confab_err_word(refusals[i].code), refusals[i].field ? refusals[i].field : "-");
        chat_request_free(r);
    }
}

static void refused_body_leaves_the_arguments_alone(void **state)
{
    (void)state;
    struct chat_request *r = NULL;
    assert_int_equal(body(CHAT_UPDATE_ROOM, "{\"name\":\"new\",\"topic\":3}", &r).code, CONFAB_INVALID_FIELD);
    assert_null(r->args.name.p);
    chat_request_free(r);
}

static void long_unknown_names_are_cut_for_the_error(void **state)
{
    (void)state;
    struct chat_request *r = NULL;
    confab_err e = body(CHAT_POST_MESSAGE, "{\"" S129 "\":1}", &r);
    assert_int_equal(e.code, CONFAB_UNKNOWN_FIELD);
    assert_int_equal(strlen(e.field), 64);
    chat_request_free(r);
}

static void query_parameters_go_by_the_same_table(void **state)
{
    (void)state;
    struct chat_request *r = chat_request_new(CHAT_LIST_MESSAGES, &alice);
    assert_non_null(r);
    assert_int_equal(wire_decode_query(SPAN_LIT("before"), SPAN_LIT("17"), r).code, CONFAB_OK);
    assert_int_equal(wire_decode_query(SPAN_LIT("limit"), SPAN_LIT("200"), r).code, CONFAB_OK);
    assert_int_equal(r->args.before, 17);
    assert_int_equal(r->args.limit, 200);
    confab_err e = wire_decode_query(SPAN_LIT("after"), SPAN_LIT("1"), r);
    assert_int_equal(e.code, CONFAB_INVALID_FIELD);
    assert_string_equal(confab_err_sentence(e), "before and after exclude each other");
    chat_request_free(r);
    r = chat_request_new(CHAT_LIST_ROOMS, &alice);
    assert_non_null(r);
    assert_int_equal(wire_decode_query(SPAN_LIT("after"), SPAN_LIT("dev"), r).code, CONFAB_OK);
    assert_span_is(r->args.after_name, "dev");
    assert_int_equal(r->args.after, -1);
    chat_request_free(r);
    r = chat_request_new(CHAT_LIST_EVENTS, &alice);
    assert_non_null(r);
    assert_int_equal(wire_decode_query(SPAN_LIT("after"), SPAN_LIT("0"), r).code, CONFAB_OK);
    assert_int_equal(r->args.after, 0);
    chat_request_free(r);
}

static const struct {
    enum chat_op op;
    span name, value;
    enum confab_code code;
} bad_queries[] = {
    {CHAT_LIST_MESSAGES, SPAN_LIT("limit"), SPAN_LIT(""), CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("limit"), {NULL, 0}, CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("limit"), SPAN_LIT("0"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("limit"), SPAN_LIT("201"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("limit"), SPAN_LIT("+5"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("limit"), SPAN_LIT(" 5"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("limit"), SPAN_LIT("5x"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("limit"), SPAN_LIT("1e1"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("before"), SPAN_LIT("0"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("before"), SPAN_LIT("-1"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("before"), SPAN_LIT("9007199254740992"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("before"), SPAN_LIT("99999999999999999999"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("after"), SPAN_LIT("-1"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("message"), SPAN_LIT("x"), CONFAB_UNKNOWN_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT(""), SPAN_LIT("x"), CONFAB_UNKNOWN_FIELD},
    {CHAT_LIST_MESSAGES, {NULL, 0}, SPAN_LIT("x"), CONFAB_UNKNOWN_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("before\0x"), SPAN_LIT("5"), CONFAB_UNKNOWN_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("limi"), SPAN_LIT("5"), CONFAB_UNKNOWN_FIELD},
    {CHAT_LIST_MESSAGES, SPAN_LIT("limit2"), SPAN_LIT("5"), CONFAB_UNKNOWN_FIELD},
    {CHAT_LIST_AUDIT, SPAN_LIT("after"), SPAN_LIT("5"), CONFAB_UNKNOWN_FIELD},
    {CHAT_LIST_ROOMS, SPAN_LIT("after"), SPAN_LIT(""), CONFAB_INVALID_FIELD},
    {CHAT_LIST_ROOMS, SPAN_LIT("after"), SPAN_LIT("a\0b"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_ROOMS, SPAN_LIT("after"), SPAN_LIT("\xFF"), CONFAB_INVALID_FIELD},
    {CHAT_LIST_ROOMS, SPAN_LIT("before"), SPAN_LIT("a"), CONFAB_UNKNOWN_FIELD},
    {CHAT_GET_ME, SPAN_LIT("limit"), SPAN_LIT("5"), CONFAB_UNKNOWN_FIELD},
    {CHAT_POST_MESSAGE, SPAN_LIT("message"), SPAN_LIT("m"), CONFAB_UNKNOWN_FIELD},
    {CHAT_SET_PASSWORD, SPAN_LIT("new_password"), SPAN_LIT("m"), CONFAB_UNKNOWN_FIELD},
};

static void malformed_query_parameters_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_queries / sizeof bad_queries[0]; i++) {
        struct chat_request *r = chat_request_new(bad_queries[i].op, &alice);
        assert_non_null(r);
        assert_int_equal(wire_decode_query(bad_queries[i].name, bad_queries[i].value, r).code, bad_queries[i].code);
        chat_request_free(r);
    }
}

static void secrets_survive_the_round_trip_and_nothing_else_does(void **state)
{
    (void)state;
    unsigned char in[32], back[32];
    for (size_t i = 0; i < sizeof in; i++) {
        in[i] = (unsigned char)(i * 37 + 251);
    }
    buf text = {0};
    wire_encode_secret(&text, in, sizeof in);
    assert_int_equal(text.len, 43);
    assert_true(wire_decode_secret(buf_span(&text), back, sizeof back));
    assert_memory_equal(in, back, sizeof in);
    static const char *const wrong[] = {"",
                                        "A",
                                        "AAAA",
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+A",
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA A",
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(wire_decode_secret(span_of(wrong[i]), back, sizeof back));
    }
    assert_false(wire_decode_secret((span){0}, back, sizeof back));
    assert_true(wire_decode_secret(SPAN_LIT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), back, sizeof back));
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_fill_the_arguments_of_their_operation),
        cmocka_unit_test(what_the_path_said_survives_the_body),
        cmocka_unit_test(absent_body_is_an_empty_object),
        cmocka_unit_test(malformed_bodies_are_refused_with_code_and_field),
        cmocka_unit_test(refused_body_leaves_the_arguments_alone),
        cmocka_unit_test(long_unknown_names_are_cut_for_the_error),
        cmocka_unit_test(query_parameters_go_by_the_same_table),
        cmocka_unit_test(malformed_query_parameters_are_refused),
        cmocka_unit_test(secrets_survive_the_round_trip_and_nothing_else_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
