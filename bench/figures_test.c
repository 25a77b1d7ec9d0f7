/* figures_test.c: percentiles are what they claim to be. */
#include "histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_near(int64_t value, int64_t expected)
{
    const int64_t allowed = expected / 60 + 1; /* a bucket is 1/64 of its power of two wide */
    if (llabs(value - expected) > allowed) {
        fail_msg("%lld is not near %lld", (long long)value, (long long)expected);
    }
}

static void percentiles_are_within_a_bucket(void **state)
{
    (void)state;
    static histogram h;
    for (int64_t i = 1; i <= 100000; i++) {
        histogram_add(&h, i * 1000);
    }
    assert_int_equal(h.count, 100000);
    assert_near(histogram_percentile_ns(&h, 0.50), 50000000);
    assert_near(histogram_percentile_ns(&h, 0.99), 99000000);
    assert_near(histogram_percentile_ns(&h, 0.0), 1000);
    assert_int_equal(histogram_percentile_ns(&h, 1.0), 100000000);
}

static void every_magnitude_has_its_bucket(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 63; bit++) {
        static histogram h;
        h = (histogram){0};
        const int64_t value = (int64_t)1 << bit;
        histogram_add(&h, value - 1);
        histogram_add(&h, value);
        histogram_add(&h, value);
        histogram_add(&h, INT64_MAX);
        assert_near(histogram_percentile_ns(&h, 0.5), value);
        assert_int_equal(h.max_ns, INT64_MAX);
    }
}

static void empty_and_negative_are_zero(void **state)
{
    (void)state;
    static histogram h;
    assert_int_equal(histogram_percentile_ns(&h, 0.99), 0);
    histogram_add(&h, -5);
    assert_int_equal(histogram_percentile_ns(&h, 0.99), 0);
    assert_int_equal(h.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_within_a_bucket),
        cmocka_unit_test(every_magnitude_has_its_bucket),
        cmocka_unit_test(empty_and_negative_are_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
