/* What goes out as a JSON string comes back as the same bytes, and as U+FFFD where it never was text. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "wire_fixture.h"

static uint32_t seed = 20260624;
static uint32_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static void append_utf8(buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_append_char(b, (char)c);
    } else if (c < 0x800) {
        buf_append_char(b, (char)(0xC0 | c >> 6));
        buf_append_char(b, (char)(0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        buf_append_char(b, (char)(0xE0 | c >> 12));
        buf_append_char(b, (char)(0x80 | (c >> 6 & 0x3F)));
        buf_append_char(b, (char)(0x80 | (c & 0x3F)));
    } else {
        buf_append_char(b, (char)(0xF0 | c >> 18));
        buf_append_char(b, (char)(0x80 | (c >> 12 & 0x3F)));
        buf_append_char(b, (char)(0x80 | (c >> 6 & 0x3F)));
        buf_append_char(b, (char)(0x80 | (c & 0x3F)));
    }
}

static uint32_t random_code_point(void)
{
    static const uint32_t edges[] = {1,    8,     9,      10,     12,     13,     31,     '"',    '\\',  '/',     0x7F,    0x80,
                                     0xFF, 0x7FF, 0x2028, 0x2029, 0xD7FF, 0xE000, 0xFFFD, 0xFFFF, 0x800, 0x10000, 0x1F600, 0x10FFFF};
    uint32_t r = next_random();
    if (r % 4 == 0) return edges[next_random() % (sizeof edges / sizeof edges[0])];
    if (r % 4 != 1) return 0x20 + next_random() % 95;
    uint32_t c = 1 + next_random() % 0x10FFFF;
    return c >= 0xD800 && c <= 0xDFFF ? 'x' : c;
}

/* Through cJSON, and through our own decoder, which is stricter. */
static void assert_comes_back(span text)
{
    buf json = {0}, command = {0};
    wire_append_string(&json, text);
    assert_false(json.failed);
    cJSON *parsed = cJSON_ParseWithLength(json.data, json.len);
    assert_true(cJSON_IsString(parsed));
    assert_int_equal(strlen(parsed->valuestring), text.n);
    assert_memory_equal(parsed->valuestring, text.p, text.n);
    cJSON_Delete(parsed);
    for (size_t i = 0; i < json.len; i++) {
        assert_true((unsigned char)json.data[i] >= 0x20);
    }
    if (text.n) {
        buf_append_str(&command, "{\"type\":\"chat_message\",\"room_id\":\"g\",\"message\":");
        buf_append_span(&command, buf_span(&json));
        buf_append_char(&command, '}');
        struct wire_command c;
        assert_int_equal(decode_on(buf_span(&command), "", &c).code, CONFAB_OK);
        assert_int_equal(c.request->args.text.n, text.n);
        assert_memory_equal(c.request->args.text.p, text.p, text.n);
        wire_command_fini(&c);
    }
    buf_free(&command);
    buf_free(&json);
}

static void random_text_comes_back_as_it_was(void **state)
{
    (void)state;
    buf text = {0};
    for (int round = 0; round < 5000; round++) {
        buf_clear(&text);
        for (uint32_t n = next_random() % 60; n > 0; n--) {
            append_utf8(&text, random_code_point());
        }
        assert_comes_back(buf_span(&text));
    }
    buf_free(&text);
}

static void every_ascii_character_survives_at_every_offset(void **state)
{
    (void)state;
    char text[24];
    for (int c = 1; c < 0x80; c++) {
        for (size_t at = 0; at < sizeof text; at++) {
            memset(text, 'a', sizeof text);
            text[at] = (char)c;
            assert_comes_back((span){text, sizeof text});
        }
    }
}

static void control_characters_have_their_short_forms(void **state)
{
    (void)state;
    buf b = {0};
    wire_append_string(&b, SPAN_LIT("\b\t\n\f\r\"\\/\x01\x1f\x7f\0z"));
    assert_buf_is(&b, "\"\\b\\t\\n\\f\\r\\\"\\\\/\\u0001\\u001f\x7f\\u0000z\"");
    wire_append_string(&b, (span){0});
    assert_buf_is(&b, "\"\"");
    wire_append_string(&b, SPAN_LIT("<script>\xE2\x80\xA8"));
    assert_buf_is(&b, "\"<script>\xE2\x80\xA8\"");
    buf_free(&b);
}

#define BAD "\xEF\xBF\xBD"

static void bytes_that_are_not_utf8_become_replacement_characters(void **state)
{
    static const struct {
        span in;
        const char *want;
    } rows[] = {
        {SPAN_LIT("\x80"), BAD},
        {SPAN_LIT("\xFF\xFE"), BAD BAD},
        {SPAN_LIT("a\xC3"), "a" BAD},
        {SPAN_LIT("\xC3(z"), BAD "(z"},
        {SPAN_LIT("\xC0\x80"), BAD BAD},                 /* overlong */
        {SPAN_LIT("\xE0\x80\x80"), BAD BAD BAD},         /* overlong: no byte continues a possible sequence */
        {SPAN_LIT("\xED\xA0\x80"), BAD BAD BAD},         /* a surrogate */
        {SPAN_LIT("\xF4\x90\x80\x80"), BAD BAD BAD BAD}, /* above U+10FFFF */
        {SPAN_LIT("\xF0\x9F\x98"), BAD},                 /* cut off: one character stands for the prefix */
        {SPAN_LIT("\xF0\x9F\x98z"), BAD "z"},
        {SPAN_LIT("\xE2\x82\xE2\x82\xAC"), BAD "\xE2\x82\xAC"},
        {SPAN_LIT("\xF8\x88\x80\x80\x80"), BAD BAD BAD BAD BAD},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf b = {0}, want = {0};
        span copy = exact_copy(rows[i].in);
        wire_append_string(&b, copy);
        buf_printf(&want, "\"%s\"", rows[i].want);
        assert_buf_is(&b, buf_cstr(&want));
        free((char *)(uintptr_t)copy.p);
        buf_free(&b);
        buf_free(&want);
    }
}

static void random_bytes_always_make_valid_json(void **state)
{
    (void)state;
    char bytes[64];
    for (int round = 0; round < 5000; round++) {
        size_t n = next_random() % sizeof bytes;
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (char)next_random();
        }
        span copy = exact_copy((span){bytes, n});
        struct event e = {.seq = 1, .kind = EVENT_MESSAGE, .room = SPAN_LIT("g"), .actor = SPAN_LIT("a"), .text = copy};
        buf b = {0};
        wire_encode_event(&b, &e);
        assert_true(span_is_utf8(buf_span(&b)));
        cJSON *parsed = cJSON_ParseWithLength(b.data, b.len);
        assert_non_null(parsed);
        assert_true(cJSON_IsString(cJSON_GetObjectItem(cJSON_GetObjectItem(parsed, "data"), "message")));
        cJSON_Delete(parsed);
        buf_free(&b);
        free((char *)(uintptr_t)copy.p);
    }
}

static void numbers_come_back_as_they_were(void **state)
{
    static const int64_t numbers[] = {1, 9, 10, 99, 100, 4294967296, 9007199254740991};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        buf b = {0};
        wire_encode_caught_up(&b, "g", numbers[i]);
        cJSON *parsed = cJSON_ParseWithLength(b.data, b.len);
        assert_true((int64_t)cJSON_GetObjectItem(parsed, "last_id")->valuedouble == numbers[i]);
        cJSON_Delete(parsed);
        buf_clear(&b);
        wire_encode_caught_up(&b, "g", -numbers[i]);
        parsed = cJSON_ParseWithLength(b.data, b.len);
        assert_true((int64_t)cJSON_GetObjectItem(parsed, "last_id")->valuedouble == -numbers[i]);
        cJSON_Delete(parsed);
        buf_free(&b);
    }
    buf b = {0};
    wire_encode_caught_up(&b, "g", INT64_MIN);
    assert_buf_is(&b, "{\"type\":\"caught_up\",\"room_id\":\"g\",\"last_id\":-9223372036854775808}");
    wire_encode_caught_up(&b, "g", 0);
    assert_buf_is(&b, "{\"type\":\"caught_up\",\"room_id\":\"g\",\"last_id\":0}");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_text_comes_back_as_it_was),
        cmocka_unit_test(every_ascii_character_survives_at_every_offset),
        cmocka_unit_test(control_characters_have_their_short_forms),
        cmocka_unit_test(bytes_that_are_not_utf8_become_replacement_characters),
        cmocka_unit_test(random_bytes_always_make_valid_json),
        cmocka_unit_test(numbers_come_back_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
