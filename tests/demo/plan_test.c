/* plan_test.c: drops and kills are what the seed says, and spread over the run. */
#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_fifth_of_the_readers_drops_one_to_three_times(void **state)
{
    (void)state;
    unsigned times[1000] = {0};
    plan p;
    assert_true(plan_make(&p, 42, 1000, 5000, 0));
    for (size_t i = 0; i < p.drop_count; i++) {
        assert_true(p.drops[i].user < 1000);
        assert_true(p.drops[i].at_line < 5000);
        assert_true(i == 0 || p.drops[i - 1].at_line <= p.drops[i].at_line);
        times[p.drops[i].user]++;
    }
    unsigned dropping = 0;
    for (size_t i = 0; i < 1000; i++) {
        assert_true(times[i] <= PLAN_DROPS_MAX);
        dropping += times[i] > 0;
    }
    assert_int_equal(dropping, 200);
    plan_free(&p);
}

static void kills_fall_one_into_each_equal_part(void **state)
{
    (void)state;
    plan p;
    assert_true(plan_make(&p, 7, 10, 2500, 25));
    assert_int_equal(p.kill_count, 25);
    for (size_t i = 0; i < 25; i++) {
        assert_in_range(p.kills[i].at_line, i * 100, i * 100 + 99);
    }
    plan_free(&p);
}

static void the_same_seed_gives_the_same_plan_and_another_seed_another(void **state)
{
    (void)state;
    plan a;
    plan b;
    plan c;
    assert_true(plan_make(&a, 1, 500, 9000, 5));
    assert_true(plan_make(&b, 1, 500, 9000, 5));
    assert_true(plan_make(&c, 2, 500, 9000, 5));
    assert_int_equal(a.drop_count, b.drop_count);
    for (size_t i = 0; i < a.drop_count; i++) {
        assert_int_equal(a.drops[i].at_line, b.drops[i].at_line);
        assert_int_equal(a.drops[i].user, b.drops[i].user);
        assert_int_equal(a.drops[i].away_ms, b.drops[i].away_ms);
    }
    assert_memory_equal(a.kills, b.kills, 5 * sizeof *a.kills);
    assert_memory_not_equal(a.kills, c.kills, 5 * sizeof *a.kills);
    plan_free(&a);
    plan_free(&b);
    plan_free(&c);
}

static void tiny_runs_have_a_plan_too(void **state)
{
    (void)state;
    plan p;
    assert_true(plan_make(&p, 3, 1, 1, 4));
    assert_int_equal(p.kill_count, 4);
    assert_true(p.drop_count >= 1);
    assert_int_equal(p.drops[0].at_line, 0);
    plan_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fifth_of_the_readers_drops_one_to_three_times),
        cmocka_unit_test(kills_fall_one_into_each_equal_part),
        cmocka_unit_test(the_same_seed_gives_the_same_plan_and_another_seed_another),
        cmocka_unit_test(tiny_runs_have_a_plan_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
