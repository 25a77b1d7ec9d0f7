#include "irc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "confab/clock.h"

static void assert_span(span s, const char *expected)
{
    if (!span_is(s, expected)) fail_msg("\"%.*s\" is not \"%s\"", (int)s.n, s.p, expected);
}

static void lines_are_taken_apart_by_their_form(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum irc_kind kind;
        int minute;
        const char *nick, *text;
    } rows[] = {
        {"[00:00] <Matt|> hello there", IRC_MESSAGE, 0, "Matt|", "hello there"},
        {"[23:59] <a>  two spaces", IRC_MESSAGE, 1439, "a", " two spaces"},
        {"[12:34] <a>", IRC_MESSAGE, 754, "a", ""},
        {"[12:34] <a> x > y <b> z\r", IRC_MESSAGE, 754, "a", "x > y <b> z"},
        {"[12:34]  * nick does it", IRC_ACTION, 754, "nick", "does it"},
        {"=== topyli [~juha@dsl.dial.inet.fi]  has left #ubuntu []", IRC_LEFT, -1, "topyli", ""},
        {"=== tuxx [~tuxx@0x50a5a424.tele.dk]  has joined #ubuntu", IRC_JOINED, -1, "tuxx", ""},
        {"=== [x] [n=a@b]  has joined #ubuntu", IRC_JOINED, -1, "[x]", ""},
        {"=== usual is now known as ubuntor", IRC_OTHER, -1, "", ""},
        {"=== Matt| scrolls up", IRC_OTHER, -1, "", ""},
        {"=== mode/#ubuntu [+o Seveas]  by ChanServ", IRC_OTHER, -1, "", ""},
        {"=== x has joined #ubuntu", IRC_OTHER, -1, "", ""},
        {"=== ", IRC_OTHER, -1, "", ""},
        {"[05:12] -bot:#ubuntu- happy", IRC_OTHER, 312, "", ""},
        {"[01:09] (soundray/#ubuntu) thomas: x", IRC_OTHER, 69, "", ""},
        {"[24:00] <a> x", IRC_OTHER, -1, "", ""},
        {"[12:60] <a> x", IRC_OTHER, -1, "", ""},
        {"[12:34] <> x", IRC_OTHER, 754, "", ""},
        {"[12:34] <a", IRC_OTHER, 754, "", ""},
        {"[12:34]", IRC_OTHER, -1, "", ""},
        {"", IRC_OTHER, -1, "", ""},
        {"\r", IRC_OTHER, -1, "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct irc_line out;
        irc_parse_line(span_of(rows[i].line), &out);
        if (out.kind != rows[i].kind || out.minute != rows[i].minute) fail_msg("%s", rows[i].line);
        assert_span(out.nick, rows[i].nick);
        assert_span(out.text, rows[i].text);
    }
}

static void a_file_is_dated_by_its_name(void **state)
{
    (void)state;
    int64_t ms = 0;
    assert_true(irc_date_of_file("2004-11-15_03.txt", &ms));
    assert_int_equal(ms, clock_parse_rfc3339("2004-11-15T00:00:00Z", 20));
    assert_true(irc_date_of_file("/logs/x-1/2012-02-29", &ms));
    assert_int_equal(ms, clock_parse_rfc3339("2012-02-29T00:00:00Z", 20));
    ms = 7;
    assert_false(irc_date_of_file("ubuntu.log", &ms));
    assert_false(irc_date_of_file("2004-11-15/ubuntu.log", &ms));
    assert_false(irc_date_of_file("2004-13-15.txt", &ms));
    assert_false(irc_date_of_file("2004-1-1", &ms));
    assert_int_equal(ms, 7);
}

static void time_goes_on_over_midnight_and_never_back(void **state)
{
    (void)state;
    struct irc_clock c = {.day_ms = 1000000000000, .minute = -1};
    const int64_t day = 1000000000000, minute = 60000;
    assert_int_equal(irc_clock_at(&c, -1), day); /* before the first time: midnight */
    assert_int_equal(irc_clock_at(&c, 1430), day + 1430 * minute);
    assert_int_equal(irc_clock_at(&c, 1425), day + 1430 * minute); /* a clock that was set back */
    assert_int_equal(irc_clock_at(&c, -1), day + 1430 * minute);
    assert_int_equal(irc_clock_at(&c, 5), day + 86400000 + 5 * minute);
    assert_int_equal(irc_clock_at(&c, 720), day + 86400000 + 720 * minute);
}

static void every_nick_gives_a_valid_name_of_its_own(void **state)
{
    (void)state;
    char name[USER_NAME_MAX + 1], other[USER_NAME_MAX + 1];
    irc_user_name(SPAN_LIT("Matt|"), name);
    assert_string_equal(name, "Matt|");
    irc_user_name(SPAN_LIT("a\\b"), name);
    assert_string_equal(name, "a~5cb");
    irc_user_name(SPAN_LIT("a/b"), other);
    assert_string_not_equal(name, other);
    char longest[301];
    memset(longest, 'x', sizeof longest);
    for (size_t n = 1; n <= 300; n++) {
        irc_user_name((span){longest, n}, name);
        if (!user_name_is_valid(span_of(name))) fail_msg("%zu: %s", n, name);
    }
    irc_user_name((span){longest, 299}, other);
    assert_string_not_equal(name, other);
    for (int c = 1; c < 256; c++) {
        char nick[3] = {'a', (char)c, '\0'};
        irc_user_name((span){nick, 2}, name);
        if (!user_name_is_valid(span_of(name))) fail_msg("%d: %s", c, name);
    }
}

static void assert_repaired(span text, const char *expected, size_t replaced)
{
    buf out = {0};
    assert_int_equal(irc_append_repaired(&out, text), replaced);
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
}

static void bytes_that_are_no_text_become_replacement_characters(void **state)
{
    (void)state;
    assert_repaired(SPAN_LIT("plain"), "plain", 0);
    assert_repaired(SPAN_LIT("h\xC3\xA9llo \xF0\x9F\x98\x80"), "h\xC3\xA9llo \xF0\x9F\x98\x80", 0);
    assert_repaired(SPAN_LIT("h\xE9llo"), "h\xEF\xBF\xBDllo", 1);                         /* Latin-1 */
    assert_repaired(SPAN_LIT("\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD", 2);                 /* overlong */
    assert_repaired(SPAN_LIT("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 3); /* a surrogate */
    assert_repaired(SPAN_LIT("a\0b"),
                    "a\xEF\xBF\xBD"
                    "b",
                    1);
    assert_repaired(SPAN_LIT("\xF0\x9F\x98"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 3); /* cut */
    assert_repaired(SPAN_LIT("\x03"
                             "4red\x1F"),
                    "\x03"
                    "4red\x1F",
                    0); /* control bytes are text */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_taken_apart_by_their_form),
        cmocka_unit_test(a_file_is_dated_by_its_name),
        cmocka_unit_test(time_goes_on_over_midnight_and_never_back),
        cmocka_unit_test(every_nick_gives_a_valid_name_of_its_own),
        cmocka_unit_test(bytes_that_are_no_text_become_replacement_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
