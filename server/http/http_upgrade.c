#include "chat_limit.h"
#include "confab/metrics.h"
#include "http_handler.h"

/* Everything about a WebSocket handshake that can be refused is refused here, with an HTTP status, before CivetWeb answers it. */

static void refuse(struct http_exchange *x, confab_err e, int64_t retry_after_ms)
{
    metric_add(confab_err_http_status(e.code) == 401 ? METRIC_CONN_AUTH_FAILED : METRIC_CONN_REFUSED, 1);
    http_api_refuse(x, e, retry_after_ms);
    x->res->close = true;
}

static bool is_base64_of_16_bytes(span key)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (key.n != 24 || key.p[22] != '=' || key.p[23] != '=') return false;
    for (size_t i = 0; i < 22; i++) {
        if (key.p[i] == '\0' || !strchr(alphabet, key.p[i])) return false;
    }
    return true;
}

/* A well-formed handshake of RFC 6455? Answers where not. */
static bool check_handshake(struct http_exchange *x)
{
    const struct http_request *req = x->req;
    if (!req->upgrade || !span_is(http_request_header(req, "Sec-WebSocket-Version"), "13")) {
        x->res->status = 426;
        x->res->close = true;
        http_response_add(x->res, "Upgrade", SPAN_LIT("websocket"));
        http_response_add(x->res, "Sec-WebSocket-Version", SPAN_LIT("13"));
        metric_add(METRIC_CONN_REFUSED, req->upgrade);
        return false;
    }
    if (!req->head && !req->http10 && req->body.n == 0 && is_base64_of_16_bytes(http_request_header(req, "Sec-WebSocket-Key"))) return true;
    refuse(x, confab_fail_msg(CONFAB_INVALID_FIELD, "This is no WebSocket handshake"), 0);
    return false;
}

static bool take_connect(struct http_exchange *x, int64_t user_id, enum user_role role, const char *address)
{
    struct limit_verdict v = limits_take(chat_limits(x->server->config.chat), LIMIT_CONNECT, user_id, role, address);
    if (!v.allowed) refuse(x, confab_fail(CONFAB_RATE_LIMITED), v.retry_after_ms);
    return v.allowed;
}

/* Who connects, where a token came with the request; user_id stays 0 where none did. Answers where it is bad. */
static bool identify(struct http_exchange *x, struct chat_actor *out)
{
    span token = http_bearer(http_request_header(x->req, "Authorization"));
    if (!token.p) token = http_request_query(x->req, "token");
    if (!token.p) {
        *out = (struct chat_actor){0};
        (void)span_copy(span_of(x->req->address), out->address, sizeof out->address); /* both have ADDRESS_MAX */
        return true;
    }
    confab_err e = http_identity_claim(x->server->config.keys, token, x->req->address, out);
    if (!confab_failed(e)) e = http_identity_confirm(x->server->config.chat, out);
    if (confab_failed(e)) {
        refuse(x, e, 0);
        return false;
    }
    return take_connect(x, out->user_id, out->role, "");
}

void http_upgrade_handle(struct http_exchange *x)
{
    const struct http_server *s = x->server;
    const struct settings *settings = s->config.settings;
    struct live_hello *hello = &x->ticket->hello;
    if (!check_handshake(x)) return;
    if (atomic_load(&s->draining)) {
        refuse(x, confab_fail(CONFAB_SHUTTING_DOWN), 1000);
        return;
    }
    if (!http_origin_allowed(http_request_header(x->req, "Origin"), http_request_header(x->req, "Host"), settings->public_url,
                             settings->allowed_origins)) {
        refuse(x, confab_fail(CONFAB_ORIGIN_REFUSED), 0);
        return;
    }
    hello->room[0] = '\0';
    if (x->params.room_id.p && (!room_slug_is_valid(x->params.room_id) || !span_copy(x->params.room_id, hello->room, sizeof hello->room))) {
        refuse(x, confab_fail(CONFAB_ROOM_NOT_FOUND), 0);
        return;
    }
    if (!take_connect(x, 0, USER_MEMBER, x->req->address) || !identify(x, &hello->actor)) return;
    confab_err e = live_admit(s->config.hub, x->req->address);
    if (confab_failed(e)) {
        refuse(x, e, 5000);
        return;
    }
    x->ticket->admitted = x->hand_over = true;
}
