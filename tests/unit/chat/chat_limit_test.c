#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat_limit.h"
#include "confab/clock.h"
#include "confab/metrics.h"

#define SECOND 1000000LL

static int64_t now_us;

static void set_clock(int64_t us)
{
    now_us = us;
    clock_set_for_tests(us / 1000, us);
}

static int stop_the_clock(void **state)
{
    limits *l = NULL;
    set_clock(1000 * SECOND);
    if (confab_failed(limits_new("default", &l))) return -1;
    *state = l;
    return 0;
}

static int let_it_run(void **state)
{
    limits_free(*state);
    clock_set_for_tests(-1, -1);
    return 0;
}

static bool allowed(limits *l, enum limit_action action, int64_t user, const char *address)
{
    return limits_take(l, action, user, USER_MEMBER, address).allowed;
}

static int take_while_allowed(limits *l, enum limit_action action, int64_t user, const char *address)
{
    int n = 0;
    while (n < 100000 && allowed(l, action, user, address))
        n++;
    return n;
}

static void put_override(limits *l, int64_t user, enum user_role role, const char *action, int64_t per_minute, int64_t burst)
{
    struct limit_override o = {.user_id = user, .role = role, .per_minute = per_minute, .burst = burst};
    snprintf(o.action, sizeof o.action, "%s", action);
    limits_set_override(l, &o);
}

/* ---- The rate ---- */

static void a_burst_is_served_and_then_one_at_a_time(void **state)
{
    limits *l = *state;
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 1, NULL), 30);
    set_clock(now_us + SECOND / 2); /* 120 a minute: one each half second */
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 1, NULL), 1);
    set_clock(now_us + 60 * SECOND);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 1, NULL), 30);
}

static void after_retry_after_it_is_allowed_and_a_millisecond_sooner_it_is_not(void **state)
{
    limits *l = *state;
    take_while_allowed(l, LIMIT_MESSAGE, 1, NULL);
    set_clock(now_us + 123456);
    struct limit_verdict v = limits_take(l, LIMIT_MESSAGE, 1, USER_MEMBER, NULL);
    assert_false(v.allowed);
    assert_true(v.retry_after_ms > 0);
    int64_t refused_at = now_us;
    set_clock(refused_at + (v.retry_after_ms - 1) * 1000);
    assert_false(allowed(l, LIMIT_MESSAGE, 1, NULL));
    set_clock(refused_at + v.retry_after_ms * 1000);
    assert_true(allowed(l, LIMIT_MESSAGE, 1, NULL));
}

static void the_verdict_says_what_is_left_and_when_all_is_back(void **state)
{
    limits *l = *state;
    struct limit_verdict v = limits_take(l, LIMIT_MESSAGE, 1, USER_MEMBER, NULL);
    assert_int_equal(v.limit, 30);
    assert_int_equal(v.remaining, 29);
    assert_int_equal(v.reset_ms, 500);
    take_while_allowed(l, LIMIT_MESSAGE, 1, NULL);
    v = limits_take(l, LIMIT_MESSAGE, 1, USER_MEMBER, NULL);
    assert_int_equal(v.remaining, 0);
    assert_int_equal(v.reset_ms, 15000);
    assert_int_equal(v.retry_after_ms, 500);
}

/* A bucket that is refilled: the textbook's other way to say the same, exact in integers. A token is 60e9 units; a nanosecond brings
 * per_minute of them. */
struct bucket {
    int64_t per_minute, burst, level, last_ns;
};

static bool bucket_take(struct bucket *b, int64_t now_ns)
{
    const int64_t token = 60000000000LL;
    __int128 level = (__int128)b->level + (__int128)(now_ns - b->last_ns) * b->per_minute;
    __int128 full = (__int128)b->burst * token;
    b->level = (int64_t)(level > full ? full : level);
    b->last_ns = now_ns;
    if (b->level < token) return false;
    b->level -= token;
    return true;
}

static void gcra_agrees_with_a_bucket_on_random_traffic(void **state)
{
    limits *l = *state;
    /* Rates whose interval is a whole number of nanoseconds, so that both are exact. */
    static const int64_t rates[] = {1, 2, 3, 5, 6, 8, 10, 12, 30, 60, 100, 120, 600, 1000, 6000, 60000};
    struct bucket buckets[16];
    srand(20261124);
    for (int i = 0; i < 16; i++) {
        buckets[i] = (struct bucket){.per_minute = rates[i], .burst = 1 + rand() % 20, .last_ns = now_us * 1000};
        buckets[i].level = buckets[i].burst * 60000000000LL;
        put_override(l, 100 + i, 0, "message", rates[i], buckets[i].burst);
    }
    int agreed[2] = {0, 0};
    for (int step = 0; step < 200000; step++) {
        int i = rand() % 16;
        if (rand() % 3 == 0) set_clock(now_us + rand() % (rand() % 50 ? 20000 : 120 * SECOND));
        bool expected = bucket_take(&buckets[i], now_us * 1000);
        if (allowed(l, LIMIT_MESSAGE, 100 + i, NULL) != expected)
            fail_msg("step %d, %d a minute: bucket says %d", step, (int)rates[i], expected);
        agreed[expected]++;
    }
    assert_true(agreed[0] > 10000 && agreed[1] > 10000); /* both happened */
}

static void the_tutorial_profile_takes_ten_messages_and_tells_to_wait(void **state)
{
    (void)state;
    limits *l = NULL;
    assert_int_equal(limits_new("tutorial", &l).code, CONFAB_OK);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 1, "192.0.2.1"), 10);
    assert_int_equal(limits_take(l, LIMIT_MESSAGE, 1, USER_MEMBER, "192.0.2.1").retry_after_ms, 6000);
    set_clock(now_us + 60 * SECOND);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 1, "192.0.2.1"), 10);
    limits_free(l);
}

static void the_unlimited_profile_never_refuses_and_keeps_no_cells(void **state)
{
    (void)state;
    limits *l = NULL;
    struct limit_cell_view views[4];
    assert_int_equal(limits_new("unlimited", &l).code, CONFAB_OK);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 1, "192.0.2.1"), 100000);
    assert_int_equal(limits_list(l, views, 4), 0);
    assert_int_equal(limits_take(l, LIMIT_MESSAGE, 1, USER_MEMBER, NULL).limit, 0);
    limits_free(l);
}

static void an_unknown_profile_is_refused(void **state)
{
    (void)state;
    limits *l = NULL;
    assert_int_equal(limits_new("generous", &l).code, CONFAB_INVALID_FIELD);
    assert_null(l);
}

static void what_has_no_action_or_nobody_to_count_is_not_limited(void **state)
{
    limits *l = *state;
    assert_int_equal(take_while_allowed(l, LIMIT_NONE, 1, "192.0.2.1"), 100000);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 0, ""), 100000);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, CHAT_SYSTEM_ID, NULL), 100000);
}

/* ---- Keys ---- */

static void users_and_actions_have_cells_of_their_own(void **state)
{
    limits *l = *state;
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 1, NULL), 30);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 2, NULL), 30);
    assert_int_equal(take_while_allowed(l, LIMIT_REST_WRITE, 1, NULL), 60);
}

static void an_address_is_limited_whoever_comes_from_it(void **state)
{
    limits *l = *state;
    int n = 0;
    while (n < 1000 && allowed(l, LIMIT_LOGIN, 1000 + n, "192.0.2.1"))
        n++;
    assert_int_equal(n, 20);
    assert_true(allowed(l, LIMIT_LOGIN, 5, "192.0.2.2"));
}

static void where_one_cell_refuses_the_other_gives_nothing(void **state)
{
    limits *l = *state;
    take_while_allowed(l, LIMIT_LOGIN, 1, NULL); /* the account is used up; the address is not */
    for (int i = 0; i < 50; i++)
        assert_false(allowed(l, LIMIT_LOGIN, 1, "192.0.2.1"));
    assert_int_equal(take_while_allowed(l, LIMIT_LOGIN, 0, "192.0.2.1"), 20);
    set_clock(now_us + 6 * SECOND); /* one more for each: a refusal by the address costs the account nothing */
    take_while_allowed(l, LIMIT_LOGIN, 0, "192.0.2.1");
    assert_false(allowed(l, LIMIT_LOGIN, 1, "192.0.2.1"));
    assert_true(allowed(l, LIMIT_LOGIN, 1, NULL));
}

static void the_strictest_cell_is_the_one_told(void **state)
{
    limits *l = *state;
    struct limit_verdict v = limits_take(l, LIMIT_LOGIN, 1, USER_MEMBER, "192.0.2.1");
    assert_int_equal(v.limit, 10);
    assert_int_equal(v.remaining, 9);
    take_while_allowed(l, LIMIT_LOGIN, 0, "192.0.2.1");
    v = limits_take(l, LIMIT_LOGIN, 1, USER_MEMBER, "192.0.2.1");
    assert_false(v.allowed);
    assert_int_equal(v.limit, 20);
    assert_int_equal(v.remaining, 0);
}

static void loopback_is_never_limited(void **state)
{
    limits *l = *state;
    static const char *const addresses[] = {"127.0.0.1", "127.200.3.4", "::1", "::ffff:127.0.0.1"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(take_while_allowed(l, LIMIT_LOGIN, 0, addresses[i]), 100000);
}

static void a_whole_ipv6_64_is_one_key(void **state)
{
    limits *l = *state;
    char address[ADDRESS_MAX + 1];
    int n = 0;
    do
        snprintf(address, sizeof address, "2001:db8:1:2::%x", ++n);
    while (n < 1000 && allowed(l, LIMIT_LOGIN, 0, address));
    assert_int_equal(n, 21);
    assert_true(allowed(l, LIMIT_LOGIN, 0, "2001:db8:1:3::1"));
}

static void an_ipv4_address_in_ipv6_clothes_is_the_same_key(void **state)
{
    limits *l = *state;
    take_while_allowed(l, LIMIT_LOGIN, 0, "192.0.2.7");
    assert_false(allowed(l, LIMIT_LOGIN, 0, "::ffff:192.0.2.7"));
    assert_true(allowed(l, LIMIT_LOGIN, 0, "::ffff:192.0.2.8"));
}

static void what_is_no_address_shares_one_cell(void **state)
{
    limits *l = *state;
    take_while_allowed(l, LIMIT_LOGIN, 0, "nonsense");
    assert_false(allowed(l, LIMIT_LOGIN, 0, "other nonsense"));
}

/* ---- Overrides ---- */

static void an_override_of_the_user_goes_before_the_one_of_the_role(void **state)
{
    limits *l = *state;
    put_override(l, 0, USER_MEMBER, "message", 60, 5);
    put_override(l, 7, 0, "message", 60, 3);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 7, NULL), 3);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 8, NULL), 5);
    int n = 0;
    while (limits_take(l, LIMIT_MESSAGE, 9, USER_BOT, NULL).allowed)
        n++;
    assert_int_equal(n, 30);
    assert_int_equal(take_while_allowed(l, LIMIT_REST_WRITE, 7, NULL), 60); /* another action */
}

static void an_override_spares_the_limit_by_address(void **state)
{
    limits *l = *state;
    put_override(l, 7, 0, "message", 60000, 5000);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 7, "192.0.2.1"), 5000);
}

static void an_override_by_role_spares_no_address_without_a_user(void **state)
{
    limits *l = *state;
    put_override(l, 0, USER_MEMBER, "login", 0, 0);
    assert_int_equal(take_while_allowed(l, LIMIT_LOGIN, 0, "192.0.2.1"), 20);
    assert_int_equal(take_while_allowed(l, LIMIT_LOGIN, 5, "192.0.2.1"), 100000);
}

static void an_override_of_zero_means_unlimited(void **state)
{
    limits *l = *state;
    put_override(l, 7, 0, "message", 0, 0);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 7, "192.0.2.1"), 100000);
}

static void an_override_also_limits_where_the_profile_does_not(void **state)
{
    (void)state;
    limits *l = NULL;
    assert_int_equal(limits_new("unlimited", &l).code, CONFAB_OK);
    put_override(l, 7, 0, "message", 60, 2);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 7, NULL), 2);
    limits_free(l);
}

static void overrides_take_effect_at_once_and_end_when_cleared(void **state)
{
    limits *l = *state;
    put_override(l, 1, 0, "message", 1, 60); /* a debt of an hour */
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 1, NULL), 60);
    put_override(l, 1, 0, "message", 60, 2); /* replaces it; what lies beyond the new burst is forgiven */
    assert_false(allowed(l, LIMIT_MESSAGE, 1, NULL));
    set_clock(now_us + SECOND);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 1, NULL), 1);
    limits_clear_overrides(l);
    assert_true(allowed(l, LIMIT_MESSAGE, 1, NULL));
}

static void replacing_overrides_drops_those_that_are_gone(void **state)
{
    limits *l = *state;
    put_override(l, 1, 0, "message", 60, 1);
    struct limit_override list[2] = {{.user_id = 2, .action = "message", .per_minute = 60, .burst = 4},
                                     {.role = USER_ADMIN, .action = "message", .per_minute = 60, .burst = 6}};
    limits_replace_overrides(l, list, 2);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 1, NULL), 30);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 2, NULL), 4);
    int n = 0;
    while (limits_take(l, LIMIT_MESSAGE, 3, USER_ADMIN, NULL).allowed)
        n++;
    assert_int_equal(n, 6);
}

static void absurd_overrides_are_brought_within_bounds(void **state)
{
    limits *l = *state;
    put_override(l, 1, 0, "message", INT64_MAX, INT64_MAX);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 1, NULL), 100000);
    put_override(l, 2, 0, "message", 1, INT64_MIN);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 2, NULL), 1);
}

/* ---- The list and its bounds ---- */

static void the_list_shows_every_key_newest_first(void **state)
{
    limits *l = *state;
    struct limit_cell_view v[8];
    take_while_allowed(l, LIMIT_MESSAGE, 42, NULL);
    set_clock(now_us + 1);
    assert_true(allowed(l, LIMIT_LOGIN, 0, "192.0.2.1"));
    set_clock(now_us + 1);
    assert_true(allowed(l, LIMIT_CONNECT, 0, "2001:db8:1:2:3:4:5:6"));
    assert_int_equal(limits_list(l, v, 8), 3);
    assert_string_equal(v[0].key, "2001:db8:1:2::/64");
    assert_int_equal(v[0].action, LIMIT_CONNECT);
    assert_string_equal(v[1].key, "192.0.2.1");
    assert_int_equal(v[1].limit, 20);
    assert_int_equal(v[1].remaining, 19);
    assert_string_equal(v[2].key, "");
    assert_int_equal(v[2].user_id, 42);
    assert_int_equal(v[2].rejections, 1);
    assert_int_equal(v[2].remaining, 0);
    assert_int_equal(limits_list(l, v, 1), 1);
    assert_int_equal(v[0].action, LIMIT_CONNECT);
    set_clock(now_us + 1);
    assert_true(allowed(l, LIMIT_LOGIN, 0, "nonsense"));
    assert_int_equal(limits_list(l, v, 1), 1);
    assert_string_equal(v[0].key, "?");
}

static void idle_cells_go_by_themselves(void **state)
{
    limits *l = *state;
    struct limit_cell_view v[8];
    assert_true(allowed(l, LIMIT_MESSAGE, 1, NULL));
    set_clock(now_us + 601 * SECOND);
    assert_true(allowed(l, LIMIT_MESSAGE, 2, NULL));
    assert_int_equal(limits_list(l, v, 8), 1);
    assert_int_equal(v[0].user_id, 2);
}

static void a_cell_in_debt_is_kept_however_long_it_rests(void **state)
{
    limits *l = *state;
    struct limit_cell_view v[8];
    put_override(l, 1, 0, "message", 1, 60);
    take_while_allowed(l, LIMIT_MESSAGE, 1, NULL);
    set_clock(now_us + 1200 * SECOND);
    assert_int_equal(limits_list(l, v, 8), 1);
    assert_int_equal(take_while_allowed(l, LIMIT_MESSAGE, 1, NULL), 20);
}

static void the_number_of_cells_is_bounded_and_the_newest_stay(void **state)
{
    limits *l = *state;
    char address[ADDRESS_MAX + 1];
    for (int i = 0; i < 200000; i++) {
        snprintf(address, sizeof address, "10.%d.%d.%d", i >> 16, (i >> 8) & 255, i & 255);
        assert_true(allowed(l, LIMIT_CONNECT, 0, address));
    }
    size_t cap = 200000;
    struct limit_cell_view *v = calloc(cap, sizeof *v);
    assert_non_null(v);
    size_t n = limits_list(l, v, cap);
    assert_in_range(n, 100000, 131072);
    assert_int_equal(metric_gauge_get(METRIC_LIMIT_CELLS), n);
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found = found || strcmp(v[i].key, address) == 0;
    assert_true(found);
    free(v);
}

static void growing_forgets_nobody(void **state)
{
    limits *l = *state;
    for (int i = 1; i <= 5000; i++)
        assert_int_equal(take_while_allowed(l, LIMIT_LOGIN, i, NULL), 10);
    for (int i = 1; i <= 5000; i++)
        assert_false(allowed(l, LIMIT_LOGIN, i, NULL));
}

static void refusals_are_counted_by_action(void **state)
{
    limits *l = *state;
    uint64_t before = metric_get(METRIC_LIMITED_LOGIN), other = metric_get(METRIC_LIMITED_MESSAGE);
    take_while_allowed(l, LIMIT_LOGIN, 1, NULL);
    assert_int_equal(metric_get(METRIC_LIMITED_LOGIN), before + 1);
    assert_int_equal(metric_get(METRIC_LIMITED_MESSAGE), other);
}

static void every_action_has_a_word(void **state)
{
    (void)state;
    assert_string_equal(limit_action_word(LIMIT_REST_READ), "rest_read");
    assert_string_equal(limit_action_word(LIMIT_ACTION_COUNT), "none");
    for (int i = 1; i < LIMIT_ACTION_COUNT; i++)
        assert_true(strlen(limit_action_word((enum limit_action)i)) < sizeof((struct limit_override *)0)->action);
}

/* ---- Threads ---- */

struct taker {
    limits *l;
    int user_takes, address_takes;
};

static void *take_many(void *ctx)
{
    struct taker *t = ctx;
    char address[ADDRESS_MAX + 1];
    for (int i = 0; i < 2000; i++) {
        snprintf(address, sizeof address, "198.51.100.%d", i % 50);
        t->user_takes += allowed(t->l, LIMIT_MESSAGE, 1, NULL);
        t->address_takes += allowed(t->l, LIMIT_LOGIN, 1000 + i % 7, address);
    }
    return NULL;
}

static void threads_together_get_no_more_than_the_burst(void **state)
{
    limits *l = *state;
    pthread_t threads[4];
    struct taker takers[4];
    int users = 0, addresses = 0;
    for (int i = 0; i < 4; i++) {
        takers[i] = (struct taker){.l = l};
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &takers[i]), 0);
    }
    for (int i = 0; i < 50; i++) {
        struct limit_cell_view v[4];
        (void)limits_list(l, v, 4); /* beside them, for the races */
        put_override(l, 9999, 0, "message", 60, i + 1);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        users += takers[i].user_takes;
        addresses += takers[i].address_takes;
    }
    assert_int_equal(users, 30);
    assert_int_equal(addresses, 70); /* seven accounts of ten each; the fifty addresses allow more */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stop_the_clock, let_it_run)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_burst_is_served_and_then_one_at_a_time),
        TEST(after_retry_after_it_is_allowed_and_a_millisecond_sooner_it_is_not),
        TEST(the_verdict_says_what_is_left_and_when_all_is_back),
        TEST(gcra_agrees_with_a_bucket_on_random_traffic),
        TEST(the_tutorial_profile_takes_ten_messages_and_tells_to_wait),
        TEST(the_unlimited_profile_never_refuses_and_keeps_no_cells),
        TEST(an_unknown_profile_is_refused),
        TEST(what_has_no_action_or_nobody_to_count_is_not_limited),
        TEST(users_and_actions_have_cells_of_their_own),
        TEST(an_address_is_limited_whoever_comes_from_it),
        TEST(where_one_cell_refuses_the_other_gives_nothing),
        TEST(the_strictest_cell_is_the_one_told),
        TEST(loopback_is_never_limited),
        TEST(a_whole_ipv6_64_is_one_key),
        TEST(an_ipv4_address_in_ipv6_clothes_is_the_same_key),
        TEST(what_is_no_address_shares_one_cell),
        TEST(an_override_of_the_user_goes_before_the_one_of_the_role),
        TEST(an_override_spares_the_limit_by_address),
        TEST(an_override_by_role_spares_no_address_without_a_user),
        TEST(an_override_of_zero_means_unlimited),
        TEST(an_override_also_limits_where_the_profile_does_not),
        TEST(overrides_take_effect_at_once_and_end_when_cleared),
        TEST(replacing_overrides_drops_those_that_are_gone),
        TEST(absurd_overrides_are_brought_within_bounds),
        TEST(the_list_shows_every_key_newest_first),
        TEST(idle_cells_go_by_themselves),
        TEST(a_cell_in_debt_is_kept_however_long_it_rests),
        TEST(the_number_of_cells_is_bounded_and_the_newest_stay),
        TEST(growing_forgets_nobody),
        TEST(refusals_are_counted_by_action),
        TEST(every_action_has_a_word),
        TEST(threads_together_get_no_more_than_the_burst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
