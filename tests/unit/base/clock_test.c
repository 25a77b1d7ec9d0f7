#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h> /* needs those above */

#include "confab/clock.h"

static void formats_as_rfc_3339_with_milliseconds(void **state)
{
    (void)state;
    char out[CLOCK_RFC3339_SIZE];
    assert_int_equal(clock_format_rfc3339(0, out), 24);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z");
    (void)clock_format_rfc3339(951782399999, out);
    assert_string_equal(out, "2000-02-28T23:59:59.999Z");
    (void)clock_format_rfc3339(951868800000, out);
    assert_string_equal(out, "2000-03-01T00:00:00.000Z");
    (void)clock_format_rfc3339(-1, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999Z");
    (void)clock_format_rfc3339(INT64_MAX, out);
    assert_string_equal(out, "9999-12-31T23:59:59.999Z");
    (void)clock_format_rfc3339(INT64_MIN, out);
    assert_string_equal(out, "0000-01-01T00:00:00.000Z");
}

/* Against the C library, one odd step at a time, over some four hundred years. */
static void agrees_with_gmtime_and_parses_back(void **state)
{
    (void)state;
    for (int64_t ms = 0; ms < INT64_C(13000000000000); ms += INT64_C(7777777777)) {
        char out[CLOCK_RFC3339_SIZE], wanted[64];
        time_t s = (time_t)(ms / 1000);
        struct tm tm;
        assert_non_null(gmtime_r(&s, &tm));
        (void)strftime(wanted, sizeof wanted, "%Y-%m-%dT%H:%M:%S", &tm);
        (void)clock_format_rfc3339(ms, out);
        assert_memory_equal(out, wanted, 19);
        assert_int_equal(clock_parse_rfc3339(out, 24), ms);
    }
}

static void parses_zones_and_fractions_and_refuses_the_rest(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"1970-01-01T00:00:01Z", 1000},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1970-01-01T00:00:00.5Z", 500},
        {"1970-01-01T00:00:00.123456Z", 123},
        {"1969-12-31T23:00:00-01:00", -1},
        {"1970-01-01T00:00:00", -1},
        {"1970-01-01", -1},
        {"1970-13-01T00:00:00Z", -1},
        {"1970-01-32T00:00:00Z", -1},
        {"1970-01-01T24:00:00Z", -1},
        {"1970-01-01T00:00:00.Z", -1},
        {"1970-01-01T00:00:00Zjunk", -1},
        {"1970-01-01T00:00:00+1:00", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(clock_parse_rfc3339(cases[i].text, strlen(cases[i].text)), cases[i].ms);
    }
}

static void the_clock_stands_still_for_tests(void **state)
{
    (void)state;
    clock_set_for_tests(1234, 5678);
    assert_int_equal(clock_wall_ms(), 1234);
    assert_int_equal(clock_mono_us(), 5678);
    clock_set_for_tests(-1, -1);
    assert_true(clock_wall_ms() > INT64_C(1700000000000));
    int64_t before = clock_mono_us();
    assert_true(clock_mono_us() >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_as_rfc_3339_with_milliseconds),
        cmocka_unit_test(agrees_with_gmtime_and_parses_back),
        cmocka_unit_test(parses_zones_and_fractions_and_refuses_the_rest),
        cmocka_unit_test(the_clock_stands_still_for_tests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
