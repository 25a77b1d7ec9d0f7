#include "http_response.h"

#include <sodium.h>
#include <stdio.h>
#include <time.h>

#include "http_request.h"
#include "wire.h"

#define KEPT_MEMORY 65536 /* a worker keeps buffers up to this size for the next request */

void http_response_clear(struct http_response *r)
{
    buf headers = r->headers, body = r->body;
    if (body.cap > KEPT_MEMORY) buf_free(&body);
    if (headers.cap > KEPT_MEMORY) buf_free(&headers);
    buf_clear(&headers);
    buf_clear(&body);
    *r = (struct http_response){.status = 200, .headers = headers, .body = body};
}

void http_response_free(struct http_response *r)
{
    buf_free(&r->headers);
    buf_free(&r->body);
}

void http_response_add(struct http_response *r, const char *name, span value)
{
    for (size_t i = 0; i < value.n; i++) {
        if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7F) return;
    }
    buf_append_str(&r->headers, name);
    buf_append_str(&r->headers, ": ");
    buf_append_span(&r->headers, value);
    buf_append_str(&r->headers, "\r\n");
}

void http_response_problem(struct http_response *r, confab_err e, int64_t retry_after_ms)
{
    r->status = confab_err_http_status(e.code);
    r->content_type = "application/problem+json";
    r->cache_control = NULL;
    r->fixed = (span){NULL, 0};
    buf_clear(&r->body);
    wire_encode_problem(&r->body, e, retry_after_ms);
    if (retry_after_ms > 0) {
        char seconds[24];
        (void)snprintf(seconds, sizeof seconds, "%lld", (long long)((retry_after_ms + 999) / 1000)); /* 24 bytes hold any int64 */
        http_response_add(r, "Retry-After", span_of(seconds));
    }
}

span http_response_body(const struct http_response *r) { return r->fixed.p ? r->fixed : buf_span(&r->body); }

void http_response_etag(const struct http_response *r, char out[HTTP_ETAG_SIZE])
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    char hex[2 * sizeof hash + 1];
    span body = http_response_body(r);
    (void)crypto_generichash(hash, sizeof hash, (const unsigned char *)body.p, body.n, NULL, 0); /* fails for wrong sizes only */
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    (void)snprintf(out, HTTP_ETAG_SIZE, "W/\"%.24s\"", hex); /* 29 bytes */
}

void http_response_revalidate(struct http_response *r, span if_none_match, span etag)
{
    http_response_add(r, "ETag", etag);
    if (if_none_match.p && http_etag_matches(if_none_match, etag)) r->status = 304;
}

const char *http_status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 204:
        return "No Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "Status";
    }
}

/* A page may load what this server has, and nothing else; nobody may frame it. */
#define PAGE_POLICY                                                                                                                        \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; "             \
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
#define DATA_POLICY "default-src 'none'; frame-ancestors 'none'"

static void append_date(buf *out, int64_t now_ms)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm)) return;
    buf_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
               tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void http_response_encode_head(const struct http_response *r, bool keep_alive, int64_t now_ms, buf *out)
{
    bool bodiless = r->status == 204 || r->status == 304;
    buf_printf(out, "HTTP/1.1 %d %s\r\n", r->status, http_status_text(r->status));
    append_date(out, now_ms);
    if (r->content_type && !bodiless) buf_printf(out, "Content-Type: %s\r\n", r->content_type);
    if (!bodiless) buf_printf(out, "Content-Length: %zu\r\n", http_response_body(r).n);
    buf_printf(out, "Cache-Control: %s\r\n", r->cache_control ? r->cache_control : "no-store");
    buf_append_str(out, "X-Content-Type-Options: nosniff\r\n"
                        "Referrer-Policy: same-origin\r\n"
                        "Cross-Origin-Resource-Policy: same-origin\r\n"
                        "Content-Security-Policy: ");
    buf_append_str(out, r->page ? PAGE_POLICY : DATA_POLICY);
    buf_append_str(out, "\r\n");
    if (r->headers.len) buf_append(out, r->headers.data, r->headers.len);
    buf_append_str(out, keep_alive && !r->close ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}
