#include "cli.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

/* What is told goes to standard error, and here nowhere, for as long as a call lasts: the test's own words go there too. */
static int mute(void)
{
    int saved = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
    assert_true(saved >= 0 && nowhere >= 0 && dup2(nowhere, STDERR_FILENO) >= 0);
    close(nowhere);
    return saved;
}

static void unmute(int saved)
{
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
}

enum { WORDS = 8 };

static bool parse(const char *const *words, int min, int max, const char **ttl, bool *flag, struct cli_args *out)
{
    static char *argv[WORDS + 1];
    const struct cli_option options[] = {{"--ttl", ttl, NULL}, {"--no-password", NULL, flag}};
    int argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc]; /* cli_parse moves the pointers, not the letters */
    *ttl = NULL;
    *flag = false;
    int saved = mute();
    bool ok = cli_parse(argc, argv, options, 2, min, max, out);
    unmute(saved);
    return ok;
}

static void options_and_names_may_stand_in_any_order(void **state)
{
    static const char *const lines[][WORDS] = {
        {"--ttl", "5", "a", "--no-password", "b"},
        {"a", "b", "--no-password", "--ttl=5"},
        {"--no-password", "a", "--ttl", "5", "--", "b"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct cli_args args;
        const char *ttl;
        bool flag;
        assert_true(parse(lines[i], 2, 2, &ttl, &flag, &args));
        assert_int_equal(args.count, 2);
        assert_string_equal(args.positional[0], "a");
        assert_string_equal(args.positional[1], "b");
        assert_string_equal(ttl, "5");
        assert_true(flag);
    }
}

static void a_dash_and_what_follows_two_are_names(void **state)
{
    static const char *const line[] = {"-", "--", "--ttl", "-x", NULL};
    struct cli_args args;
    const char *ttl;
    bool flag;
    (void)state;
    assert_true(parse(line, 0, -1, &ttl, &flag, &args));
    assert_int_equal(args.count, 3);
    assert_string_equal(args.positional[0], "-");
    assert_string_equal(args.positional[1], "--ttl");
    assert_string_equal(args.positional[2], "-x");
    assert_null(ttl);
}

static void mistakes_are_refused(void **state)
{
    static const char *const lines[][WORDS] = {
        {"a", "--tll", "5"}, {"a", "-t", "5"}, {"a", "--ttl"}, {"a", "--no-password=yes"}, {NULL}, {"a", "b", "c"}, {"a", "--ttl5"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct cli_args args;
        const char *ttl;
        bool flag;
        if (parse(lines[i], 1, 2, &ttl, &flag, &args)) fail_msg("row %zu was taken", i);
    }
}

static void the_nearest_word_is_guessed_and_a_far_one_is_not(void **state)
{
    static const char *const words[] = {"serve", "user", "token", "restore", "version"};
    static const struct {
        const char *typed, *meant;
    } rows[] = {
        {"serv", "serve"},      {"sevre", "serve"},   {"usr", "user"}, {"tokne", "token"}, {"restor", "restore"},
        {"versoin", "version"}, {"frobnicate", NULL}, {"xyz", NULL},   {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *near = cli_nearest(rows[i].typed, words, sizeof words / sizeof words[0]);
        if (!rows[i].meant ? near != NULL : !near || strcmp(near, rows[i].meant) != 0) fail_msg("%s: %s", rows[i].typed, near ? near : "-");
    }
}

static void names_come_from_arguments_and_from_lines(void **state)
{
    static const char *given[] = {"first", "-", "last"};
    const struct cli_args args = {.positional = given, .count = 3};
    struct cli_names names;
    int ends[2], saved = dup(STDIN_FILENO);
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "one\r\n\ntwo\nthree", 15), 15);
    close(ends[1]);
    assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
    close(ends[0]);
    assert_true(cli_read_names(&args, &names));
    assert_int_equal(names.count, 5);
    assert_string_equal(names.list[0], "first");
    assert_string_equal(names.list[1], "one");
    assert_string_equal(names.list[2], "two");
    assert_string_equal(names.list[3], "three");
    assert_string_equal(names.list[4], "last");
    cli_names_free(&names);
    assert_true(dup2(saved, STDIN_FILENO) >= 0);
    close(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_names_may_stand_in_any_order),
        cmocka_unit_test(a_dash_and_what_follows_two_are_names),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(the_nearest_word_is_guessed_and_a_far_one_is_not),
        cmocka_unit_test(names_come_from_arguments_and_from_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
