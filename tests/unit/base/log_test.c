#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h> /* needs those above */

#include "confab/clock.h"
#include "confab/log.h"

/* Runs `act` with standard error going into a pipe; what it wrote is returned in `out`. */
static void captured(void (*act)(void), char *out, size_t cap)
{
    int fds[2], saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_int_equal(pipe(fds), 0);
    assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
    act();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_int_equal(close(fds[1]), 0);
    assert_int_equal(close(saved), 0);
    ssize_t n = read(fds[0], out, cap - 1);
    out[n > 0 ? n : 0] = '\0';
    assert_int_equal(close(fds[0]), 0);
}

static void log_one(void)
{
    LOG_INFO("it happened", LOG_INT("n", 42), LOG_STR("who", "a\nb\"c"), LOG_STR("plain", "word"), LOG_STR("none", NULL));
}
static void log_bare(void) { LOG_WARN("bare"); }
static void log_debug(void) { LOG_DEBUG("hidden"); }
static void log_binary(void) { LOG_INFO("bytes", LOG_STR("b", "\xFF\x01")); }

static void a_line_for_people_cannot_be_forged(void **state)
{
    (void)state;
    char out[512];
    clock_set_for_tests(0, 0);
    captured(log_one, out, sizeof out);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z info  it happened n=42 who=\"a\\u000ab\\\"c\" plain=word none=\"\"\n");
    captured(log_bare, out, sizeof out);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z warn  bare\n");
    clock_set_for_tests(-1, -1);
}

static void json_lines_are_json(void **state)
{
    (void)state;
    char out[512];
    clock_set_for_tests(0, 0);
    log_set_json(1);
    captured(log_one, out, sizeof out);
    assert_string_equal(out, "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"it happened\",\"n\":42,"
                             "\"who\":\"a\\u000ab\\\"c\",\"plain\":\"word\",\"none\":\"\"}\n");
    captured(log_binary, out, sizeof out);
    assert_string_equal(out, "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"bytes\",\"b\":\"\\u00ff\\u0001\"}\n");
    log_set_json(0);
    clock_set_for_tests(-1, -1);
}

static void a_level_below_the_least_is_silent(void **state)
{
    (void)state;
    char out[64];
    captured(log_debug, out, sizeof out);
    assert_string_equal(out, "");
    log_set_level(LOG_LEVEL_DEBUG);
    captured(log_debug, out, sizeof out);
    assert_non_null(strstr(out, "hidden"));
    log_set_level(LOG_LEVEL_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_for_people_cannot_be_forged),
        cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(a_level_below_the_least_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
