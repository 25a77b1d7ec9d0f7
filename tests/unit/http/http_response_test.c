#include "http_response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct http_response response;
static buf head;

static int set_up(void **state)
{
    (void)state;
    http_response_clear(&response);
    buf_clear(&head);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    http_response_free(&response);
    buf_free(&head);
    return 0;
}

static const char *encode(bool keep_alive)
{
    buf_clear(&head);
    http_response_encode_head(&response, keep_alive, 784887151000, &head);
    return buf_cstr(&head);
}

static void every_answer_says_what_it_is_and_how_far_it_may_go(void **state)
{
    (void)state;
    response.content_type = "application/json";
    buf_append_str(&response.body, "{\"a\":1}");
    assert_string_equal(encode(true), "HTTP/1.1 200 OK\r\n"
                                      "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n"
                                      "Content-Type: application/json\r\n"
                                      "Content-Length: 7\r\n"
                                      "Cache-Control: no-store\r\n"
                                      "X-Content-Type-Options: nosniff\r\n"
                                      "Referrer-Policy: same-origin\r\n"
                                      "Cross-Origin-Resource-Policy: same-origin\r\n"
                                      "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
                                      "Connection: keep-alive\r\n\r\n");
}

static void a_page_may_load_only_what_the_server_has(void **state)
{
    (void)state;
    response.page = true;
    response.fixed = SPAN_LIT("<html>");
    assert_non_null(strstr(encode(true), "\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
                                         "img-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
                                         "form-action 'self'; frame-ancestors 'none'\r\n"));
    assert_non_null(strstr(encode(true), "\r\nContent-Length: 6\r\n"));
    assert_null(strstr(encode(true), "Access-Control"));
}

static void an_answer_that_closes_says_so(void **state)
{
    (void)state;
    assert_non_null(strstr(encode(false), "\r\nConnection: close\r\n\r\n"));
    response.close = true;
    assert_non_null(strstr(encode(true), "\r\nConnection: close\r\n\r\n"));
}

static void answers_without_a_body_have_no_length(void **state)
{
    (void)state;
    response.status = 204;
    assert_null(strstr(encode(true), "Content-Length"));
    response.status = 304;
    response.content_type = "text/html";
    assert_null(strstr(encode(true), "Content-Length"));
    assert_null(strstr(encode(true), "\r\nContent-Type"));
}

static void a_value_cannot_begin_a_header_of_its_own(void **state)
{
    (void)state;
    http_response_add(&response, "Allow", SPAN_LIT("GET"));
    http_response_add(&response, "X-A", SPAN_LIT("a\r\nX-B: b"));
    http_response_add(&response, "X-C", SPAN_LIT("a\nb"));
    http_response_add(&response, "X-D", SPAN_LIT("a\0b"));
    assert_string_equal(buf_cstr(&response.headers), "Allow: GET\r\n");
}

static void a_problem_carries_its_status_and_when_to_come_back(void **state)
{
    (void)state;
    buf_append_str(&response.body, "half an answer");
    http_response_problem(&response, confab_fail(CONFAB_RATE_LIMITED), 1200);
    assert_int_equal(response.status, 429);
    assert_non_null(strstr(encode(true), "\r\nContent-Type: application/problem+json\r\n"));
    assert_non_null(strstr(encode(true), "\r\nRetry-After: 2\r\n"));
    assert_null(strstr(buf_cstr(&response.body), "half"));
    assert_non_null(strstr(buf_cstr(&response.body), "rate_limited"));
    http_response_clear(&response);
    http_response_problem(&response, confab_fail(CONFAB_NOT_FOUND), 0);
    assert_null(strstr(encode(true), "Retry-After"));
}

static void the_same_content_is_not_sent_twice(void **state)
{
    (void)state;
    char tag[HTTP_ETAG_SIZE], other[HTTP_ETAG_SIZE];
    buf_append_str(&response.body, "content");
    http_response_etag(&response, tag);
    assert_memory_equal(tag, "W/\"", 3);
    buf_append_str(&response.body, "!");
    http_response_etag(&response, other);
    assert_string_not_equal(tag, other);
    http_response_revalidate(&response, span_of(other), span_of(tag));
    assert_int_equal(response.status, 200);
    http_response_revalidate(&response, span_of(tag), span_of(tag));
    assert_int_equal(response.status, 304);
    assert_non_null(strstr(encode(true), tag));
    http_response_clear(&response);
    http_response_revalidate(&response, (span){NULL, 0}, span_of(tag));
    assert_int_equal(response.status, 200);
}

static void every_status_in_use_has_a_text(void **state)
{
    (void)state;
    for (int code = 0; code < CONFAB_CODE_COUNT; code++) {
        int status = confab_err_http_status((enum confab_code)code);
        if (strcmp(http_status_text(status), "Status") == 0) fail_msg("%d has no text", status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_answer_says_what_it_is_and_how_far_it_may_go, set_up),
        cmocka_unit_test_setup(a_page_may_load_only_what_the_server_has, set_up),
        cmocka_unit_test_setup(an_answer_that_closes_says_so, set_up),
        cmocka_unit_test_setup(answers_without_a_body_have_no_length, set_up),
        cmocka_unit_test_setup(a_value_cannot_begin_a_header_of_its_own, set_up),
        cmocka_unit_test_setup(a_problem_carries_its_status_and_when_to_come_back, set_up),
        cmocka_unit_test_setup(the_same_content_is_not_sent_twice, set_up),
        cmocka_unit_test_setup(every_status_in_use_has_a_text, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down_all);
}
