#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h> /* needs those above */

#include "confab/log.h"
#include "confab/settings.h"

/* Loads with one variable set; the problem's text is returned in `problem`. */
static confab_err load_with(const char *name, const char *value, struct settings *s, buf *problem)
{
    assert_int_equal(setenv(name, value, 1), 0);
    confab_err e = settings_load(s, problem);
    assert_int_equal(unsetenv(name), 0);
    return e;
}

static void defaults_load_from_an_empty_environment(void **state)
{
    (void)state;
    struct settings s;
    buf problem = {0};
    assert_false(confab_failed(settings_load(&s, &problem)));
    assert_int_equal(s.port, 8000);
    assert_string_equal(s.data, "./data");
    assert_string_equal(s.rate_profile, "default");
    buf_free(&problem);
}

static void a_wrong_value_is_refused_by_name_with_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *expected;
    } cases[] = {
        {"CONFAB_PORT", "eighty", "from 0 to 65535"},
        {"CONFAB_PORT", "65536", "from 0 to 65535"},
        {"CONFAB_PORT", "", "from 0 to 65535"},
        {"CONFAB_LOG", "xml", "text|json"},
        {"CONFAB_LOG", "tex", "text|json"},
        {"CONFAB_LOG", "", "text|json"},
        {"CONFAB_RATE_PROFILE", "text|json", "default|tutorial|unlimited"},
        {"CONFAB_HEARTBEAT_MS", "1", "from 200"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings s;
        buf problem = {0};
        assert_true(confab_failed(load_with(cases[i].name, cases[i].value, &s, &problem)));
        assert_non_null(strstr(buf_cstr(&problem), cases[i].name));
        assert_non_null(strstr(buf_cstr(&problem), cases[i].expected));
        buf_free(&problem);
    }
}

static void each_choice_is_accepted(void **state)
{
    (void)state;
    static const char *const profiles[] = {"default", "tutorial", "unlimited"};
    for (size_t i = 0; i < 3; i++) {
        struct settings s;
        buf problem = {0};
        assert_false(confab_failed(load_with("CONFAB_RATE_PROFILE", profiles[i], &s, &problem)));
        assert_string_equal(s.rate_profile, profiles[i]);
        buf_free(&problem);
    }
}

static void the_file_is_read_and_the_environment_wins(void **state)
{
    (void)state;
    char path[] = "/tmp/confab-settings-XXXXXX";
    static const char text[] = "# comment\n\n CONFAB_PORT = 9001 \nCONFAB_DATA=/srv/confab\n";
    struct settings s;
    buf problem = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    assert_int_equal(close(fd), 0);
    assert_int_equal(setenv("CONFAB_CONFIG", path, 1), 0);
    assert_false(confab_failed(settings_load(&s, &problem)));
    assert_int_equal(s.port, 9001);
    assert_string_equal(s.data, "/srv/confab");
    assert_false(confab_failed(load_with("CONFAB_PORT", "9002", &s, &problem)));
    assert_int_equal(s.port, 9002);
    assert_int_equal(unsetenv("CONFAB_CONFIG"), 0);
    assert_int_equal(unlink(path), 0);
    buf_free(&problem);
}

static void an_unknown_name_in_the_file_is_refused_with_its_line(void **state)
{
    (void)state;
    char path[] = "/tmp/confab-settings-XXXXXX";
    static const char text[] = "\nCONFAB_PROT=9001\n";
    struct settings s;
    buf problem = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    assert_int_equal(close(fd), 0);
    assert_true(confab_failed(load_with("CONFAB_CONFIG", path, &s, &problem)));
    assert_non_null(strstr(buf_cstr(&problem), "line 2"));
    assert_non_null(strstr(buf_cstr(&problem), "CONFAB_PROT"));
    assert_int_equal(unlink(path), 0);
    buf_free(&problem);
}

static void a_missing_file_is_refused(void **state)
{
    (void)state;
    struct settings s;
    buf problem = {0};
    assert_true(confab_failed(load_with("CONFAB_CONFIG", "/nonexistent/confab.conf", &s, &problem)));
    assert_non_null(strstr(buf_cstr(&problem), "/nonexistent/confab.conf"));
    buf_free(&problem);
}

static void help_and_documentation_name_every_setting(void **state)
{
    (void)state;
    buf help = {0}, doc = {0};
    settings_write_help(&help);
    settings_write_markdown(&doc);
#define NAME(field, env, ...)                                                                                                              \
    assert_non_null(strstr(buf_cstr(&help), env));                                                                                         \
    assert_non_null(strstr(buf_cstr(&doc), "`" env "`"));
    SETTINGS_MAP(NAME, NAME, NAME)
#undef NAME
    buf_free(&help);
    buf_free(&doc);
}

static int quiet(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR); /* an unknown CONFAB_ variable of the caller's is only warned of */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_load_from_an_empty_environment),
        cmocka_unit_test(a_wrong_value_is_refused_by_name_with_what_was_expected),
        cmocka_unit_test(each_choice_is_accepted),
        cmocka_unit_test(the_file_is_read_and_the_environment_wins),
        cmocka_unit_test(an_unknown_name_in_the_file_is_refused_with_its_line),
        cmocka_unit_test(a_missing_file_is_refused),
        cmocka_unit_test(help_and_documentation_name_every_setting),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
