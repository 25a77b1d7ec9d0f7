#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs those above */

#include "confab/err.h"
#include "confab/event.h"
#include "confab/metrics.h"

static void counters_and_gauges_show_their_values(void **state)
{
    (void)state;
    buf out = {0};
    metric_add(METRIC_CONN_ACCEPTED, 3);
    metric_gauge_set(METRIC_CONN_ACTIVE, 7);
    metric_gauge_add(METRIC_CONN_ACTIVE, -2);
    metric_write_prometheus(&out);
    assert_non_null(strstr(buf_cstr(&out), "\nwebsocket_connections_total{status=\"accepted\"} 3\n"));
    assert_non_null(strstr(buf_cstr(&out), "\nwebsocket_active_connections 5\n"));
    buf_free(&out);
}

static void each_name_is_described_once(void **state)
{
    (void)state;
    buf out = {0};
    metric_write_prometheus(&out);
    const char *first = strstr(buf_cstr(&out), "# TYPE websocket_connections_total counter");
    assert_non_null(first);
    assert_null(strstr(first + 1, "# TYPE websocket_connections_total"));
    buf_free(&out);
}

static void histogram_buckets_are_cumulative_and_scaled(void **state)
{
    (void)state;
    buf out = {0};
    metric_observe(METRIC_COMMIT_BATCH, 1);
    metric_observe(METRIC_COMMIT_BATCH, 2);
    metric_observe(METRIC_COMMIT_BATCH, 1000000000);
    metric_observe(METRIC_COMMIT_LATENCY_US, 500000);
    metric_write_prometheus(&out);
    assert_non_null(strstr(buf_cstr(&out), "confab_commit_batch_size_bucket{le=\"1\"} 1\n"));
    assert_non_null(strstr(buf_cstr(&out), "confab_commit_batch_size_bucket{le=\"2\"} 2\n"));
    assert_non_null(strstr(buf_cstr(&out), "confab_commit_batch_size_bucket{le=\"32768\"} 2\n"));
    assert_non_null(strstr(buf_cstr(&out), "confab_commit_batch_size_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(buf_cstr(&out), "confab_commit_latency_seconds_sum 0.5\n"));
    buf_free(&out);
}

static void every_error_has_a_word_of_its_own_and_a_sentence(void **state)
{
    (void)state;
    for (int i = 0; i < CONFAB_CODE_COUNT; i++) {
        enum confab_code code = (enum confab_code)i;
        assert_true(confab_err_word(code)[0] != '\0');
        assert_true(confab_err_sentence(confab_fail(code))[0] != '\0');
        assert_in_range(confab_err_http_status(code), 200, 599);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(confab_err_word(code), confab_err_word((enum confab_code)j));
    }
    assert_string_equal(confab_err_word((enum confab_code)9999), "internal");
}

static void names_and_room_ids_follow_their_rules(void **state)
{
    (void)state;
    static const char *const users[] = {"alice", "|trey|", "[x]`^{}-_", "A.B", "0"};
    static const char *const not_users[] = {"", "a b", "a@b", "a/b", "tab\t", "\x7F", "\xC3\xA9", "a:b", "<x>", "a\\b", "100%"};
    static const char *const rooms[] = {"general", "2005-12-03.train-c", "0", "a_b"};
    static const char *const not_rooms[] = {"", "General", ".hidden", "-x", "a b", "a/b", "..", "\xC3\xA9"};
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++)
        assert_true(user_name_is_valid(span_of(users[i])));
    for (size_t i = 0; i < sizeof not_users / sizeof not_users[0]; i++)
        assert_false(user_name_is_valid(span_of(not_users[i])));
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
        assert_true(room_slug_is_valid(span_of(rooms[i])));
    for (size_t i = 0; i < sizeof not_rooms / sizeof not_rooms[0]; i++)
        assert_false(room_slug_is_valid(span_of(not_rooms[i])));
    char longest[66];
    memset(longest, 'a', sizeof longest);
    assert_true(user_name_is_valid((span){longest, 64}));
    assert_false(user_name_is_valid((span){longest, 65}));
    assert_true(room_slug_is_valid((span){longest, 64}));
    assert_false(room_slug_is_valid((span){longest, 65}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges_show_their_values),       cmocka_unit_test(each_name_is_described_once),
        cmocka_unit_test(histogram_buckets_are_cumulative_and_scaled), cmocka_unit_test(every_error_has_a_word_of_its_own_and_a_sentence),
        cmocka_unit_test(names_and_room_ids_follow_their_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
