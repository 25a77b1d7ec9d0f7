#include "http_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct http_request request;

static struct http_request *with_headers(const struct http_pair *pairs, size_t n)
{
    request = (struct http_request){.headers = n};
    for (size_t i = 0; i < n; i++)
        request.header[i] = pairs[i];
    return &request;
}
#define HEADERS(...)                                                                                                                       \
    with_headers((const struct http_pair[]){__VA_ARGS__}, sizeof((const struct http_pair[]){__VA_ARGS__}) / sizeof(struct http_pair))
#define HEADER(name, value)                                                                                                                \
    {                                                                                                                                      \
        {(name), sizeof(name) - 1}, { (value), sizeof(value) - 1 }                                                                         \
    }

static enum confab_code target(const char *path, const char *query)
{
    request = (struct http_request){0};
    return http_request_set_target(&request, span_of(path), span_of(query)).code;
}

static void assert_span(span s, const char *expected)
{
    if (!span_is(s, expected)) fail_msg("\"%.*s\" is not \"%s\"", (int)s.n, s.p ? s.p : "(absent)", expected);
}

/* ---- the target ---- */

static void a_path_is_split_first_and_decoded_then(void **state)
{
    (void)state;
    assert_int_equal(target("/api/rooms/general", NULL), CONFAB_OK);
    assert_int_equal(request.segments, 3);
    assert_span(request.segment[2], "general");
    assert_int_equal(target("/", NULL), CONFAB_OK);
    assert_int_equal(request.segments, 1);
    assert_span(request.segment[0], "");
    assert_int_equal(target("/a%2Fb/%F0%9F%91%8D/..", NULL), CONFAB_OK);
    assert_int_equal(request.segments, 3);
    assert_span(request.segment[0], "a/b");
    assert_span(request.segment[1], "\xF0\x9F\x91\x8D");
    assert_span(request.segment[2], ".."); /* a name like any other, that no route has */
    assert_int_equal(target("/a+b", NULL), CONFAB_OK);
    assert_span(request.segment[0], "a+b");
    assert_int_equal(target("/a//b/", NULL), CONFAB_OK);
    assert_int_equal(request.segments, 4);
}

static void a_path_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"/%", "/%4", "/%zz", "/%0g", "/a%00b", "/%ff", "/%c0%80", "/%ed%a0%80", "", "api", "*"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (target(bad[i], NULL) != CONFAB_INVALID_FIELD) fail_msg("%s", bad[i]);
    }
    assert_int_equal(target("/1/2/3/4/5/6/7/8/9/10", NULL), CONFAB_OK);
    assert_int_equal(target("/1/2/3/4/5/6/7/8/9/10/11", NULL), CONFAB_NOT_FOUND);
}

static void a_target_as_long_as_allowed_is_taken_and_one_byte_more_is_not(void **state)
{
    (void)state;
    static char path[HTTP_TARGET_MAX + 2];
    memset(path, 'a', HTTP_TARGET_MAX);
    path[0] = '/';
    assert_int_equal(target(path, NULL), CONFAB_OK);
    assert_int_equal(target(path, "x"), CONFAB_TOO_LARGE);
    path[HTTP_TARGET_MAX] = 'a';
    assert_int_equal(target(path, NULL), CONFAB_TOO_LARGE);
}

static void a_query_is_pairs(void **state)
{
    (void)state;
    assert_int_equal(target("/", "after=a+b&limit=5&&empty=&bare&x=1=2&%61=%26"), CONFAB_OK);
    assert_int_equal(request.query_count, 6);
    assert_span(http_request_query(&request, "after"), "a b");
    assert_span(http_request_query(&request, "limit"), "5");
    assert_span(http_request_query(&request, "empty"), "");
    assert_span(http_request_query(&request, "bare"), "");
    assert_span(http_request_query(&request, "x"), "1=2");
    assert_span(http_request_query(&request, "a"), "&");
    assert_null(http_request_query(&request, "missing").p);
    assert_int_equal(target("/", "a=%0"), CONFAB_INVALID_FIELD);
    assert_int_equal(target("/", "a=%00"), CONFAB_INVALID_FIELD);
    assert_int_equal(target("/", "1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16"), CONFAB_OK);
    assert_int_equal(target("/", "1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17"), CONFAB_INVALID_FIELD);
}

static void methods_are_words_in_capitals(void **state)
{
    (void)state;
    bool head;
    assert_int_equal(http_method_parse("GET", &head), HTTP_GET);
    assert_false(head);
    assert_int_equal(http_method_parse("HEAD", &head), HTTP_GET);
    assert_true(head);
    assert_int_equal(http_method_parse("PATCH", &head), HTTP_PATCH);
    assert_int_equal(http_method_parse("get", &head), HTTP_OTHER);
    assert_int_equal(http_method_parse("OPTIONS", &head), HTTP_OTHER);
    assert_string_equal(http_method_word(HTTP_DELETE), "DELETE");
}

/* ---- headers ---- */

static void headers_are_found_in_any_case(void **state)
{
    (void)state;
    span all[4];
    const struct http_request *r = HEADERS(HEADER("X-Forwarded-For", "1"), HEADER("host", "h"), HEADER("x-forwarded-for", "2"));
    assert_span(http_request_header(r, "Host"), "h");
    assert_span(http_request_header(r, "X-FORWARDED-FOR"), "1");
    assert_null(http_request_header(r, "Origin").p);
    assert_int_equal(http_request_headers(r, "X-Forwarded-For", all, 4), 2);
    assert_span(all[1], "2");
    assert_int_equal(http_request_headers(r, "X-Forwarded-For", all, 1), 1);
}

static void a_bearer_token_is_what_follows_the_scheme(void **state)
{
    (void)state;
    assert_span(http_bearer(SPAN_LIT("Bearer abc")), "abc");
    assert_span(http_bearer(SPAN_LIT("bearer   abc ")), "abc");
    static const char *const none[] = {"", "Bearer", "Bearer ", "Bearer   ", "Basic abc", "Bearerabc"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_null(http_bearer(span_of(none[i])).p);
    assert_null(http_bearer((span){NULL, 0}).p);
}

static void a_cookie_is_found_by_its_whole_name(void **state)
{
    (void)state;
    static const struct {
        const char *header, *value;
    } rows[] = {
        {"confab_refresh=abc", "abc"},
        {"a=1; confab_refresh=abc; b=2", "abc"},
        {"confab_refresh=\"abc\"", "abc"},
        {"confab_refresh=", ""},
        {"confab_refresh=a=b", "a=b"},
        {"xconfab_refresh=abc", NULL},
        {"confab_refresh_x=abc", NULL},
        {"confab_refresh", NULL},
        {"a=confab_refresh=abc", NULL},
        {"", NULL},
        {";;", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        span value = http_cookie(span_of(rows[i].header), "confab_refresh");
        if (rows[i].value)
            assert_span(value, rows[i].value);
        else if (value.p)
            fail_msg("%s", rows[i].header);
    }
}

static void tags_match_weakly_and_whole(void **state)
{
    (void)state;
    const span strong = SPAN_LIT("\"abc\""), weak = SPAN_LIT("W/\"abc\"");
    assert_true(http_etag_matches(SPAN_LIT("\"abc\""), strong));
    assert_true(http_etag_matches(SPAN_LIT("W/\"abc\""), strong));
    assert_true(http_etag_matches(SPAN_LIT("\"x\", \"abc\""), weak));
    assert_true(http_etag_matches(SPAN_LIT("*"), weak));
    assert_false(http_etag_matches(SPAN_LIT("\"abcd\""), strong));
    assert_false(http_etag_matches(SPAN_LIT("abc"), strong));
    assert_false(http_etag_matches(SPAN_LIT(""), strong));
}

static void only_json_is_json(void **state)
{
    (void)state;
    assert_true(http_is_json(SPAN_LIT("application/json")));
    assert_true(http_is_json(SPAN_LIT("Application/JSON ; charset=utf-8")));
    static const char *const other[] = {"", "text/plain", "application/jsonp", "application/x-www-form-urlencoded", ";application/json"};
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        assert_false(http_is_json(span_of(other[i])));
    assert_false(http_is_json((span){NULL, 0}));
}

/* ---- origins ---- */

static void origins_are_the_servers_own_or_listed(void **state)
{
    (void)state;
    static const struct {
        const char *origin, *host, *public_url, *allowed;
        bool ok;
    } rows[] = {
        {NULL, "chat.example", "", "", true}, /* no browser */
        {"http://127.0.0.1:8000", "127.0.0.1:8000", "", "", true},
        {"https://chat.example", "chat.example", "", "", true},
        {"https://chat.example", "chat.example:443", "", "", true},
        {"http://chat.example:80", "chat.example", "", "", true},
        {"https://CHAT.example", "chat.Example", "", "", true},
        {"http://[::1]:8000", "[::1]:8000", "", "", true},
        {"https://evil.example", "chat.example", "", "", false},
        {"https://chat.example.evil", "chat.example", "", "", false},
        {"https://chat.example:8443", "chat.example", "", "", false},
        {"http://127.0.0.1:9000", "127.0.0.1:8000", "", "", false},
        {"https://chat.example", "", "", "", false},
        {"https://chat.example", NULL, "", "", false},
        {"https://chat.example", "inner:8000", "https://chat.example/", "", true}, /* a proxy that rewrites Host */
        {"http://chat.example", "inner:8000", "https://chat.example", "", false},
        {"https://app.example", "chat.example", "", "https://a.example, https://app.example", true},
        {"https://app.example", "chat.example", "", "https://app.example.org", false},
        {"http://app.example", "chat.example", "", "https://app.example", false},
        {"https://anything.example", "chat.example", "", "*", true},
        {"null", "null", "", "", false},
        {"null", "chat.example", "", "https://app.example", false},
        {"null", "chat.example", "", "*", true},
        {"", "", "", "", false},
        {"chrome-extension://abc", "chat.example", "", "", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool ok = http_origin_allowed(span_of(rows[i].origin), span_of(rows[i].host), rows[i].public_url, rows[i].allowed);
        if (ok != rows[i].ok) fail_msg("row %zu: %s at %s", i, rows[i].origin, rows[i].host);
    }
}

/* ---- framing ---- */

static void a_body_has_one_clear_length_or_is_refused(void **state)
{
    (void)state;
    struct http_framing f;
    assert_int_equal(http_request_framing(HEADERS(HEADER("Host", "x")), &f).code, CONFAB_OK);
    assert_false(f.chunked);
    assert_int_equal(f.length, 0);
    assert_int_equal(http_request_framing(HEADERS(HEADER("content-length", " 65536 ")), &f).code, CONFAB_OK);
    assert_int_equal(f.length, HTTP_BODY_MAX);
    assert_int_equal(http_request_framing(HEADERS(HEADER("Content-Length", "65537")), &f).code, CONFAB_TOO_LARGE);
    assert_int_equal(http_request_framing(HEADERS(HEADER("Transfer-Encoding", "Chunked")), &f).code, CONFAB_OK);
    assert_true(f.chunked);
    static const char *const lengths[] = {"", "-1", "+1", "1x", "0x10", "1,1", "1 1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const struct http_pair pair = {SPAN_LIT("Content-Length"), span_of(lengths[i])};
        if (http_request_framing(with_headers(&pair, 1), &f).code != CONFAB_INVALID_FIELD) fail_msg("%s", lengths[i]);
    }
    static const char *const encodings[] = {"", "identity", "gzip", "gzip, chunked", "chunked, chunked", "xchunked"};
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        const struct http_pair pair = {SPAN_LIT("Transfer-Encoding"), span_of(encodings[i])};
        if (http_request_framing(with_headers(&pair, 1), &f).code != CONFAB_INVALID_FIELD) fail_msg("%s", encodings[i]);
    }
    assert_int_equal(http_request_framing(HEADERS(HEADER("Content-Length", "5"), HEADER("Transfer-Encoding", "chunked")), &f).code,
                     CONFAB_INVALID_FIELD);
    assert_int_equal(http_request_framing(HEADERS(HEADER("Content-Length", "5"), HEADER("Content-Length", "5")), &f).code,
                     CONFAB_INVALID_FIELD);
    assert_int_equal(http_request_framing(HEADERS(HEADER("Transfer-Encoding", "chunked"), HEADER("Transfer-Encoding", "chunked")), &f).code,
                     CONFAB_INVALID_FIELD);
    HEADERS(HEADER("Transfer-Encoding", "chunked"));
    request.http10 = true;
    assert_int_equal(http_request_framing(&request, &f).code, CONFAB_INVALID_FIELD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_split_first_and_decoded_then),
        cmocka_unit_test(a_path_that_cannot_be_is_refused),
        cmocka_unit_test(a_target_as_long_as_allowed_is_taken_and_one_byte_more_is_not),
        cmocka_unit_test(a_query_is_pairs),
        cmocka_unit_test(methods_are_words_in_capitals),
        cmocka_unit_test(headers_are_found_in_any_case),
        cmocka_unit_test(a_bearer_token_is_what_follows_the_scheme),
        cmocka_unit_test(a_cookie_is_found_by_its_whole_name),
        cmocka_unit_test(tags_match_weakly_and_whole),
        cmocka_unit_test(only_json_is_json),
        cmocka_unit_test(origins_are_the_servers_own_or_listed),
        cmocka_unit_test(a_body_has_one_clear_length_or_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
