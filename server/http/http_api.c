#include <stdio.h>

#include "chat_limit.h"
#include "http_handler.h"
#include "wire.h"

/* ---- limits in headers (draft-ietf-httpapi-ratelimit-headers) ---- */

static enum limit_action limit_of(enum chat_op op)
{
    static const enum limit_action actions[CHAT_OP_COUNT] = {
#define X(name, word, mode, limit) [CHAT_##name] = LIMIT_##limit,
        CHAT_OP_MAP(X)
#undef X
    };
    return actions[op];
}

static void add_limit_headers(struct http_response *res, const struct chat_request *r)
{
    char text[128];
    if (r->limit_quota <= 0) return;
    const char *word = limit_action_word(limit_of(r->op));
    (void)snprintf(text, sizeof text, "\"%s\";q=%lld", word, (long long)r->limit_quota); /* words are short: it fits */
    http_response_add(res, "RateLimit-Policy", span_of(text));
    (void)snprintf(text, sizeof text, "\"%s\";r=%lld;t=%lld", word, (long long)(r->limit_remaining > 0 ? r->limit_remaining : 0),
                   (long long)((r->limit_reset_ms + 999) / 1000));
    http_response_add(res, "RateLimit", span_of(text));
}

/* ---- refusals ---- */

void http_api_refuse(struct http_exchange *x, confab_err e, int64_t retry_after_ms)
{
    if (confab_err_http_status(e.code) == 401) {
        bool had_token = http_request_header(x->req, "Authorization").p != NULL;
        http_response_add(x->res, "WWW-Authenticate",
                          had_token ? SPAN_LIT("Bearer realm=\"confab\", error=\"invalid_token\"") : SPAN_LIT("Bearer realm=\"confab\""));
    }
    if (retry_after_ms == 0 && (e.code == CONFAB_BUSY || e.code == CONFAB_DISK_FULL || e.code == CONFAB_STORE_FAILED)) {
        retry_after_ms = 1000;
    }
    http_response_problem(x->res, e, retry_after_ms);
}

bool http_api_check_origin(struct http_exchange *x)
{
    const struct settings *s = x->server->config.settings;
    if (http_origin_allowed(http_request_header(x->req, "Origin"), http_request_header(x->req, "Host"), s->public_url,
                            s->allowed_origins)) {
        return true;
    }
    http_fail(x, CONFAB_ORIGIN_REFUSED);
    return false;
}

/* ---- who asks ---- */

bool http_api_actor(struct http_exchange *x, struct chat_actor *out)
{
    struct http_server *s = x->server;
    span token = http_bearer(http_request_header(x->req, "Authorization"));
    confab_err e = http_identity_claim(s->config.keys, token, x->req->address, out);
    if (!confab_failed(e)) {
        out->user_id = http_identities_get(&s->identities, out->name);
        if (out->user_id != 0) return true;
        e = http_identity_confirm(s->config.chat, out);
    }
    if (confab_failed(e)) {
        http_api_refuse(x, e, 0);
        return false;
    }
    http_identities_put(&s->identities, out->name, out->user_id);
    return true;
}

/* ---- the request ---- */

/* The values of the path. A malformed one names nothing that could exist, so the answer is 404, as for one that is merely absent. */
static confab_err fill_path(const struct http_params *p, struct chat_args *args)
{
    if (p->room_id.p) {
        if (!room_slug_is_valid(p->room_id)) return confab_fail(CONFAB_ROOM_NOT_FOUND);
        args->room = p->room_id;
    }
    if (p->user_id.p) {
        if (!user_name_is_valid(p->user_id)) return confab_fail(CONFAB_USER_NOT_FOUND);
        args->user = p->user_id;
    }
    if (p->id.p && (!span_to_int64(p->id, &args->id) || args->id <= 0)) {
        return confab_fail(p->room_id.p ? CONFAB_MESSAGE_NOT_FOUND : CONFAB_NOT_FOUND);
    }
    args->reaction = p->reaction.p ? p->reaction : args->reaction;
    return confab_ok();
}

static bool takes_body(const struct http_request *req)
{
    return req->method == HTTP_POST || req->method == HTTP_PUT || req->method == HTTP_PATCH;
}

static confab_err fill(const struct http_exchange *x, struct chat_request *r)
{
    const struct http_request *req = x->req;
    if (takes_body(req)) {
        if (req->body.n && !http_is_json(http_request_header(req, "Content-Type"))) return confab_fail(CONFAB_UNSUPPORTED_MEDIA);
        confab_err e = wire_decode_body(req->body, r);
        if (confab_failed(e)) return e;
    }
    for (size_t i = 0; i < req->query_count; i++) {
        confab_err e = wire_decode_query(req->query[i].name, req->query[i].value, r);
        if (confab_failed(e)) return e;
    }
    return fill_path(&x->params, &r->args);
}

struct chat_request *http_api_request(struct http_exchange *x, enum chat_op op, const struct chat_actor *actor)
{
    struct chat_request *r = chat_request_new(op, actor);
    if (!r) {
        http_fail(x, CONFAB_INTERNAL);
        return NULL;
    }
    confab_err e = fill(x, r);
    if (!confab_failed(e)) return r;
    chat_request_free(r);
    http_api_refuse(x, e, 0);
    return NULL;
}

bool http_api_call(struct http_exchange *x, struct chat_request *r)
{
    confab_err e = chat_call(x->server->config.chat, r);
    add_limit_headers(x->res, r);
    if (!confab_failed(e)) return true;
    http_api_refuse(x, e, r->retry_after_ms);
    return false;
}

/* ---- the answer ---- */

static void encode_body(struct http_exchange *x, const struct chat_request *r)
{
    struct wire_presence presence = {0};
    const struct http_config *c = &x->server->config;
    if (c->hub) live_presence(c->hub, &presence);
    wire_encode_result_body(&x->res->body, r, store_epoch(c->store), &presence, NULL);
    x->res->content_type = "application/json";
}

static void answer(struct http_exchange *x, const struct chat_request *r)
{
    x->res->status = x->route->status;
    if (x->res->status == 204) return;
    if (x->res->status == 201 && r->result.duplicate) x->res->status = 200;
    encode_body(x, r);
    if (x->req->method == HTTP_GET && !x->res->body.failed) {
        char etag[HTTP_ETAG_SIZE];
        http_response_etag(x->res, etag);
        x->res->cache_control = "private, no-cache";
        http_response_revalidate(x->res, http_request_header(x->req, "If-None-Match"), span_of(etag));
    }
}

void http_api_handle(struct http_exchange *x)
{
    struct chat_actor actor;
    if (!http_api_actor(x, &actor)) return;
    struct chat_request *r = http_api_request(x, x->route->op, &actor);
    if (r && http_api_call(x, r)) answer(x, r);
    chat_request_free(r);
}
