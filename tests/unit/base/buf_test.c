#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs those above */

#include "confab/buf.h"

static void numbers_parse_to_the_last_digit_and_not_beyond(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x10", false, 0},
        {"007", true, 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t out = 4711;
        assert_int_equal(span_to_int64(span_of(cases[i].text), &out), cases[i].ok);
        assert_int_equal(out, cases[i].ok ? cases[i].value : 4711);
    }
    int64_t out;
    assert_false(span_to_int64((span){0}, &out));
}

static void integers_are_appended_in_full(void **state)
{
    (void)state;
    buf b = {0};
    buf_append_int(&b, INT64_MIN);
    buf_append_char(&b, ' ');
    buf_append_int(&b, INT64_MAX);
    buf_append_char(&b, ' ');
    buf_append_int(&b, 0);
    assert_string_equal(buf_cstr(&b), "-9223372036854775808 9223372036854775807 0");
    buf_free(&b);
}

static void utf8_refuses_what_rfc_3629_refuses(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {
        "\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
        "\xFF", "a\xE2\x82"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(span_is_utf8(span_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(span_is_utf8(span_of(bad[i])));
}

static void a_span_that_does_not_fit_leaves_an_empty_string(void **state)
{
    (void)state;
    char to[4] = "xyz";
    assert_false(span_copy(SPAN_LIT("four"), to, sizeof to));
    assert_string_equal(to, "");
    assert_true(span_copy(SPAN_LIT("abc"), to, sizeof to));
    assert_string_equal(to, "abc");
}

static void a_buffer_grows_and_stays_terminated(void **state)
{
    (void)state;
    buf b = {0};
    for (int i = 0; i < 10000; i++) {
        buf_append_char(&b, 'x');
        assert_int_equal(b.data[b.len], '\0');
    }
    buf_printf(&b, "%d-%s", 42, "end");
    assert_int_equal(b.len, 10006);
    assert_string_equal(b.data + 10000, "42-end");
    assert_false(b.failed);
    buf_free(&b);
    assert_string_equal(buf_cstr(&b), "");
}

static void a_buffer_that_cannot_grow_says_so_once_and_keeps_what_it_had(void **state)
{
    (void)state;
    buf b = {0};
    buf_append_str(&b, "kept");
    assert_false(buf_reserve(&b, SIZE_MAX / 2));
    assert_true(b.failed);
    buf_append_str(&b, "dropped");
    assert_string_equal(buf_cstr(&b), "kept");
    buf_free(&b);
}

static void arena_memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    arena a = {0};
    char *before = NULL;
    for (size_t n = 1; n < 3000; n += 37) {
        char *p = arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0x5A, n);
        if (before) assert_int_equal(*before, 0x5A);
        before = p;
    }
    span copy = arena_copy(&a, SPAN_LIT("text"));
    assert_string_equal(copy.p, "text");
    assert_null(arena_copy(&a, (span){0}).p);
    assert_non_null(arena_copy(&a, SPAN_LIT("")).p);
    arena_free(&a);
    assert_null(a.head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_parse_to_the_last_digit_and_not_beyond),
        cmocka_unit_test(integers_are_appended_in_full),
        cmocka_unit_test(utf8_refuses_what_rfc_3629_refuses),
        cmocka_unit_test(a_span_that_does_not_fit_leaves_an_empty_string),
        cmocka_unit_test(a_buffer_grows_and_stays_terminated),
        cmocka_unit_test(a_buffer_that_cannot_grow_says_so_once_and_keeps_what_it_had),
        cmocka_unit_test(arena_memory_is_zeroed_aligned_and_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
