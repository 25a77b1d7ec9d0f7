#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs those above */

#include "live_presence.h"

static bool enter(struct live_presence *p, int64_t room, int64_t user, const char *name, int64_t *online)
{
    bool changed = false;
    assert_false(confab_failed(live_presence_enter(p, room, user, name, &changed, online)));
    return changed;
}

static void a_user_comes_with_the_first_connection_and_goes_with_the_last(void **state)
{
    (void)state;
    struct live_presence p;
    int64_t online;
    bool changed;
    live_presence_init(&p);
    assert_true(enter(&p, 1, 10, "alice", &online));
    assert_int_equal(online, 1);
    assert_false(enter(&p, 1, 10, "alice", &online));
    assert_true(enter(&p, 1, 11, "bob", &online));
    assert_int_equal(online, 2);
    live_presence_leave(&p, 1, 10, &changed, &online);
    assert_false(changed);
    assert_true(live_presence_has(&p, 1, 10));
    live_presence_leave(&p, 1, 10, &changed, &online);
    assert_true(changed);
    assert_int_equal(online, 1);
    assert_false(live_presence_has(&p, 1, 10));
    live_presence_fini(&p);
}

static void rooms_do_not_see_each_other(void **state)
{
    (void)state;
    struct live_presence p;
    int64_t online;
    live_presence_init(&p);
    assert_true(enter(&p, 1, 10, "alice", &online));
    assert_true(enter(&p, 2, 10, "alice", &online));
    assert_int_equal(live_presence_count(&p, 1), 1);
    assert_int_equal(live_presence_count(&p, 3), 0);
    assert_false(live_presence_has(&p, 3, 10));
    live_presence_fini(&p);
}

static void leaving_twice_or_from_nowhere_changes_nothing(void **state)
{
    (void)state;
    struct live_presence p;
    int64_t online;
    bool changed;
    live_presence_init(&p);
    live_presence_leave(&p, 1, 10, &changed, &online);
    assert_false(changed);
    assert_int_equal(online, 0);
    assert_true(enter(&p, 1, 10, "alice", &online));
    live_presence_leave(&p, 1, 11, &changed, &online);
    assert_false(changed);
    assert_int_equal(online, 1);
    live_presence_fini(&p);
}

static void the_list_is_bounded_and_tells_the_whole_number(void **state)
{
    (void)state;
    struct live_presence p;
    int64_t online;
    arena a = {0};
    const char **names;
    live_presence_init(&p);
    for (int64_t i = 1; i <= 100; i++)
        assert_true(enter(&p, 1, i, "someone", &online));
    assert_int_equal(live_presence_list(&p, 1, 7, &a, &names, &online), 7);
    assert_int_equal(online, 100);
    assert_string_equal(names[6], "someone");
    assert_int_equal(live_presence_list(&p, 2, 7, &a, &names, &online), 0);
    assert_int_equal(online, 0);
    arena_free(&a);
    live_presence_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_comes_with_the_first_connection_and_goes_with_the_last),
        cmocka_unit_test(rooms_do_not_see_each_other),
        cmocka_unit_test(leaving_twice_or_from_nowhere_changes_nothing),
        cmocka_unit_test(the_list_is_bounded_and_tells_the_whole_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
