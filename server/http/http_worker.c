#include "http_worker.h"

#include <civetweb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "confab/clock.h"
#include "confab/metrics.h"

#define BODY_PIECE 64                      /* read at once: CivetWeb does not come back before it has all of it, however slowly it drips */
#define BODY_TIME_US 15000000              /* for the whole body */
#define LINGER_BYTES ((size_t)1024 * 1024) /* taken from a peer that goes on sending after it was refused */
#define LINGER_TIME_US 500000

struct http_worker *http_worker_new(void)
{
    struct http_worker *w = calloc(1, sizeof *w);
    if (w) handover_ticket_init(&w->ticket);
    return w;
}

void http_worker_free(struct http_worker *w)
{
    if (!w) return;
    http_response_free(&w->res);
    buf_free(&w->body);
    buf_free(&w->head);
    free(w);
}

/* ---- reading ---- */

static bool holds(span value, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= value.n; i++) {
        if (strncasecmp(value.p + i, word, n) == 0) return true;
    }
    return false;
}

/* Mirrors what CivetWeb decides about the connection, because the answer has to say it. */
static bool will_keep_alive(const struct http_request *r, span connection)
{
    if (holds(connection, "upgrade")) return false;
    return connection.p ? http_has_token(connection, "keep-alive") : !r->http10;
}

static void read_addresses(struct http_request *r, const struct http_server *s, const http_address *peer)
{
    http_address client;
    span forwarded[HTTP_HEADERS_MAX]; /* all of them: the proxy's own word is the last */
    r->from_proxy = http_networks_contain(&s->trusted, peer);
    size_t n = http_request_headers(r, "X-Forwarded-For", forwarded, HTTP_HEADERS_MAX);
    http_address_of_client(&s->trusted, peer, forwarded, n, &client);
    http_address_format(&client, r->address);
    r->https = r->from_proxy && http_has_token(http_request_header(r, "X-Forwarded-Proto"), "https");
}

static confab_err read_head(struct http_worker *w, const struct http_server *s, const struct mg_request_info *info)
{
    struct http_request *r = &w->req;
    if (info->num_headers > HTTP_HEADERS_MAX) return confab_fail_msg(CONFAB_TOO_LARGE, "The request has too many headers");
    for (int i = 0; i < info->num_headers; i++) {
        r->header[i] = (struct http_pair){span_of(info->http_headers[i].name), span_of(info->http_headers[i].value)};
    }
    r->headers = (size_t)info->num_headers;
    r->method = http_method_parse(info->request_method, &r->head);
    r->http10 = strcmp(info->http_version, "1.0") == 0;
    span connection = http_request_header(r, "Connection");
    r->upgrade = holds(connection, "upgrade") && holds(http_request_header(r, "Upgrade"), "websocket");
    r->keep_alive = will_keep_alive(r, connection);
    read_addresses(r, s, &w->ticket.peer.address);
    span hosts[2];
    size_t n = http_request_headers(r, "Host", hosts, 2);
    if (n > 1 || (n == 0 && !r->http10)) return confab_fail_msg(CONFAB_INVALID_FIELD, "The request must have one Host header");
    return http_request_set_target(r, span_of(info->local_uri_raw), span_of(info->query_string));
}

/* Reads what the framing says, or until the end of the chunks. */
static confab_err read_body(struct http_worker *w, struct mg_connection *conn, const struct http_framing *framing)
{
    int64_t until_us = clock_mono_us() + BODY_TIME_US;
    size_t most = framing->chunked ? HTTP_BODY_MAX + 1 : framing->length;
    while (w->body.len < most) {
        size_t want = most - w->body.len < BODY_PIECE ? most - w->body.len : BODY_PIECE;
        if (!buf_reserve(&w->body, BODY_PIECE)) return confab_fail(CONFAB_INTERNAL);
        int n = mg_read(conn, w->body.data + w->body.len, want);
        if (n < 0 || (n == 0 && !framing->chunked)) return confab_fail_msg(CONFAB_INVALID_FIELD, "The body ended early");
        if (n == 0) break; /* the last chunk */
        w->body.len += (size_t)n;
        if (clock_mono_us() > until_us) return confab_fail_msg(CONFAB_INVALID_FIELD, "The body came too slowly");
    }
    return w->body.len > HTTP_BODY_MAX ? confab_fail_msg(CONFAB_TOO_LARGE, "The body is larger than 64 KiB") : confab_ok();
}

confab_err http_worker_read(struct http_worker *w, const struct http_server *s, struct mg_connection *conn)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct http_request *r = &w->req;
    struct http_framing framing;
    buf_clear(&w->body);
    r->body = (span){NULL, 0};
    r->path = (span){"", 0}; /* what is not read below must not be the last request's */
    r->method = HTTP_OTHER;
    r->address[0] = '\0';
    r->segments = r->query_count = r->headers = 0;
    r->keep_alive = false;
    r->head = false;
    confab_err e = read_head(w, s, mg_get_request_info(conn));
    if (!confab_failed(e)) e = http_request_framing(r, &framing);
    if (confab_failed(e)) return e;
    if (!framing.chunked && framing.length == 0) return confab_ok();
    span expect = http_request_header(r, "Expect");
    if (!r->http10 && expect.p && http_has_token(expect, "100-continue") && mg_write(conn, go_on, sizeof go_on - 1) <= 0) {
        return confab_fail_msg(CONFAB_INVALID_FIELD, "The client has gone");
    }
    e = read_body(w, conn, &framing);
    if (!confab_failed(e)) r->body = buf_span(&w->body);
    return e;
}

/* ---- answering ---- */

static void count(int status)
{
    static const enum metric_counter by_class[] = {METRIC_HTTP_REQUESTS_OK, METRIC_HTTP_REQUESTS_3XX, METRIC_HTTP_REQUESTS_4XX,
                                                   METRIC_HTTP_REQUESTS_5XX};
    int class = status / 100;
    if (class >= 2 && class <= 5) metric_add(by_class[class - 2], 1);
}

/* Takes what the peer still sends: closing with unread bytes makes a reset, which can overtake the answer. */
static void linger(struct http_server *s, const struct handover_peer *peer)
{
    int fd = handover_find(&s->handover, peer);
    int64_t until_us = clock_mono_us() + LINGER_TIME_US;
    if (fd < 0 || shutdown(fd, SHUT_WR) != 0) return;
    for (size_t taken = 0; taken < LINGER_BYTES;) {
        char dropped[16384];
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left_us = until_us - clock_mono_us();
        if (left_us <= 0 || poll(&p, 1, (int)(left_us / 1000) + 1) <= 0) return;
        ssize_t n = recv(fd, dropped, sizeof dropped, MSG_DONTWAIT);
        if (n <= 0) return;
        taken += (size_t)n;
    }
}

void http_worker_send(struct http_worker *w, struct http_server *s, struct mg_connection *conn, bool unread)
{
    struct http_response *res = &w->res;
    if (res->body.failed || res->headers.failed) { /* out of memory on the way: say so with what there is */
        http_response_clear(res);
        http_response_problem(res, confab_fail(CONFAB_INTERNAL), 0);
    }
    bool keep = w->req.keep_alive && !unread && !atomic_load(&s->draining);
    span body = http_response_body(res);
    bool with_body = !w->req.head && res->status != 204 && res->status != 304 && body.n > 0;
    bool in_one = with_body && body.n <= 16384;
    buf_clear(&w->head);
    http_response_encode_head(res, keep, clock_wall_ms(), &w->head);
    if (in_one) buf_append_span(&w->head, body);
    if (!keep || res->close) mg_disable_connection_keep_alive(conn);
    bool sent = !w->head.failed && mg_write(conn, w->head.data, w->head.len) == (int)w->head.len;
    if (sent && with_body && !in_one) sent = mg_write(conn, body.p, body.n) == (int)body.n;
    if (!sent) mg_disable_connection_keep_alive(conn); /* the peer is gone, too slow, or memory is out */
    count(res->status);
    if (sent && unread) linger(s, &w->ticket.peer);
}
