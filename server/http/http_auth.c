#include <sodium.h>
#include <stdio.h>

#include "chat_limit.h"
#include "confab/clock.h"
#include "http_handler.h"
#include "wire.h"

#define COOKIE "confab_refresh"
#define SECRET_SIZE 32

/* ---- passwords ----
 *
 * Argon2id takes a worker thread for a while, and the domain lets two run at once. So that logins cannot take every worker, half of
 * them may wait for it; further ones are told to come back. */

static bool begin_hashing(struct http_exchange *x)
{
    int most = (int)x->server->config.settings->http_threads / 2;
    if (atomic_fetch_add(&x->server->hashing, 1) < (most > 1 ? most : 1)) return true;
    (void)atomic_fetch_sub(&x->server->hashing, 1);
    http_api_refuse(x, confab_fail(CONFAB_BUSY), 1000);
    return false;
}

static void end_hashing(struct http_exchange *x) { (void)atomic_fetch_sub(&x->server->hashing, 1); }

/* Puts the hash of a typed password into new_password, where the domain expects it. What was typed, in the request's arena, is wiped. */
static bool hash_password(struct http_exchange *x, struct chat_request *r, span typed)
{
    char hash[128];
    if (!begin_hashing(x)) return false;
    confab_err e = chat_password_hash(typed, hash);
    end_hashing(x);
    if (!confab_failed(e)) {
        r->args.new_password = arena_copy(&r->arena, span_of(hash));
        if (!r->args.new_password.p) e = confab_fail(CONFAB_INTERNAL);
    }
    sodium_memzero(hash, sizeof hash);
    if (typed.p) sodium_memzero((char *)(uintptr_t)typed.p, typed.n);
    if (confab_failed(e)) http_api_refuse(x, e, 0);
    return !confab_failed(e);
}

/* False: the password is wrong, or the problem (too busy) has been answered and *out_answered says so. */
static bool password_is_right(struct http_exchange *x, span typed, const char *hash, bool *out_answered)
{
    *out_answered = !begin_hashing(x);
    if (*out_answered) return false;
    bool right = chat_password_verify(typed, hash);
    end_hashing(x);
    return right;
}

/* ---- limits ---- */

static bool take_login(struct http_exchange *x, int64_t user_id, enum user_role role, const char *address)
{
    struct limit_verdict v = limits_take(chat_limits(x->server->config.chat), LIMIT_LOGIN, user_id, role, address);
    if (!v.allowed) http_api_refuse(x, confab_fail(CONFAB_RATE_LIMITED), v.retry_after_ms);
    return v.allowed;
}

/* An unknown name has a cell of its own too (far above the numbers of users), or the limit would tell which names exist. */
static int64_t account_key(const struct user *found, span name)
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    char lower[USER_NAME_MAX];
    uint64_t number;
    if (found->id != 0) return found->id;
    for (size_t i = 0; i < name.n && i < sizeof lower; i++) {
        lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]);
    }
    size_t n = name.n < sizeof lower ? name.n : sizeof lower;
    (void)crypto_generichash(hash, sizeof hash, (const unsigned char *)lower, n, NULL, 0); /* fails for wrong sizes only */
    memcpy(&number, hash, sizeof number);
    return (int64_t)(number >> 2 | UINT64_C(1) << 62);
}

/* ---- sessions ---- */

static struct chat_actor nobody(const struct http_exchange *x)
{
    struct chat_actor actor = {0};
    (void)span_copy(span_of(x->req->address), actor.address, sizeof actor.address); /* both have ADDRESS_MAX */
    return actor;
}

static struct chat_actor somebody(const struct http_exchange *x, const struct user *u)
{
    struct chat_actor actor = nobody(x);
    actor.user_id = u->id;
    actor.role = u->role;
    actor.token_epoch = u->token_epoch;
    (void)span_copy(span_of(u->name), actor.name, sizeof actor.name); /* both have USER_NAME_MAX */
    return actor;
}

/* What the list of sessions shows: the browser's name, cut to size at a character's border. */
static span agent_of(const struct http_exchange *x)
{
    span agent = http_request_header(x->req, "User-Agent");
    if (agent.n > 128) agent.n = 128;
    for (int i = 0; i < 4 && agent.n && !span_is_utf8(agent); i++)
        agent.n--;
    return span_is_utf8(agent) ? agent : (span){NULL, 0};
}

static void set_cookie(struct http_exchange *x, const char *value, int64_t max_age_s)
{
    static const char https[] = "https://";
    bool secure = x->req->https || strncmp(x->server->config.settings->public_url, https, sizeof https - 1) == 0;
    char line[256];
    (void)snprintf(line, sizeof line, COOKIE "=%s; Path=/api/auth; Max-Age=%lld; HttpOnly; SameSite=Strict%s", value, (long long)max_age_s,
                   secure ? "; Secure" : ""); /* a token has 43 characters: it fits */
    http_response_add(x->res, "Set-Cookie", span_of(line));
    sodium_memzero(line, sizeof line);
}

static confab_err sign(const struct http_exchange *x, const struct chat_result *result, buf *out)
{
    const struct http_config *c = &x->server->config;
    unsigned char random[16];
    struct token_claims claims = {.role = result->user.role, .session_id = result->session_id, .token_epoch = result->user.token_epoch};
    (void)span_copy(span_of(result->user.name), claims.sub, sizeof claims.sub); /* both have USER_NAME_MAX */
    claims.issued_ms = clock_wall_ms();
    claims.expires_ms = claims.issued_ms + c->settings->access_ttl_s * 1000;
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(claims.jti, sizeof claims.jti, random, sizeof random);
    return token_sign(c->keys, &claims, out);
}

/* Answers with the SESSION that the request made. */
static void answer_session(struct http_exchange *x, const struct chat_request *r, bool as_cookie)
{
    const struct settings *s = x->server->config.settings;
    buf access = {0}, refresh = {0};
    confab_err e = sign(x, &r->result, &access);
    wire_encode_secret(&refresh, r->result.refresh_token, SECRET_SIZE);
    if (!confab_failed(e) && (access.failed || refresh.failed)) e = confab_fail(CONFAB_INTERNAL);
    if (confab_failed(e)) {
        http_api_refuse(x, e, 0);
        goto out;
    }
    struct wire_session_extra extra = {
        .access_token = buf_cstr(&access), .expires_in_s = s->access_ttl_s, .refresh_token = as_cookie ? NULL : buf_cstr(&refresh)};
    wire_encode_result_body(&x->res->body, r, store_epoch(x->server->config.store), NULL, &extra);
    x->res->status = x->route->status;
    x->res->content_type = "application/json";
    if (as_cookie) set_cookie(x, buf_cstr(&refresh), s->refresh_ttl_s);
out:
    if (refresh.data) sodium_memzero(refresh.data, refresh.cap);
    buf_free(&access);
    buf_free(&refresh);
}

/* ---- handlers ---- */

void http_auth_set_up(struct http_exchange *x)
{
    struct chat_actor actor = nobody(x);
    struct chat_request *r = http_api_request(x, CHAT_SET_UP, &actor);
    if (!r) return;
    r->args.agent = agent_of(x);
    if (take_login(x, 0, USER_MEMBER, actor.address) && hash_password(x, r, r->args.password) && http_api_call(x, r)) {
        answer_session(x, r, r->args.cookie);
    }
    chat_request_free(r);
}

static void begin_session(struct http_exchange *x, const struct user *u, bool as_cookie)
{
    struct chat_actor actor = somebody(x, u);
    struct chat_request *r = chat_request_new(CHAT_CREATE_SESSION, &actor);
    if (!r) {
        http_fail(x, CONFAB_INTERNAL);
        return;
    }
    r->args.agent = agent_of(x);
    if (http_api_call(x, r)) answer_session(x, r, as_cookie);
    chat_request_free(r);
}

void http_auth_log_in(struct http_exchange *x)
{
    struct chat_actor actor = nobody(x);
    struct chat_request *r = http_api_request(x, CHAT_FIND_CREDENTIALS, &actor);
    const struct user *found;
    bool answered = false;
    if (!r) return;
    if (r->args.cookie && !http_api_check_origin(x)) goto out;
    if (!take_login(x, 0, USER_MEMBER, actor.address) || !http_api_call(x, r)) goto out;
    found = &r->result.user;
    if (!take_login(x, account_key(found, r->args.user), found->id ? found->role : USER_MEMBER, "")) goto out;
    if (password_is_right(x, r->args.password, r->result.password_hash, &answered) && found->id != 0) {
        begin_session(x, found, r->args.cookie);
    } else if (!answered) {
        http_api_refuse(x, confab_fail(CONFAB_BAD_CREDENTIALS), 0);
    }
out:
    chat_request_free(r);
}

/* A request about a session, by the refresh token in its body or in the cookie; NULL: the problem has been answered. */
static struct chat_request *session_request(struct http_exchange *x, enum chat_op op, bool *out_by_cookie)
{
    struct chat_actor actor = nobody(x);
    struct chat_request *r = http_api_request(x, op, &actor);
    if (!r) return NULL;
    r->args.agent = agent_of(x);
    *out_by_cookie = !r->args.token.p;
    if (!*out_by_cookie) return r;
    span cookie = http_cookie(http_request_header(x->req, "Cookie"), COOKIE);
    if (!cookie.p || cookie.n == 0) {
        http_api_refuse(x, confab_fail_field(CONFAB_MISSING_FIELD, "refresh_token", "refresh_token is required, or its cookie"), 0);
    } else if (http_api_check_origin(x)) {
        r->args.token = arena_copy(&r->arena, cookie);
        if (r->args.token.p) return r;
        http_fail(x, CONFAB_INTERNAL);
    }
    chat_request_free(r);
    return NULL;
}

void http_auth_refresh(struct http_exchange *x)
{
    bool by_cookie = false;
    struct chat_request *r = session_request(x, CHAT_REFRESH_SESSION, &by_cookie);
    if (!r) return;
    if (http_api_call(x, r)) {
        answer_session(x, r, by_cookie);
    } else if (by_cookie && x->res->status == 401) {
        set_cookie(x, "", 0); /* it will never be good again */
    }
    chat_request_free(r);
}

void http_auth_log_out(struct http_exchange *x)
{
    bool by_cookie = false;
    struct chat_request *r = session_request(x, CHAT_END_SESSION, &by_cookie);
    if (!r) return;
    confab_err e = chat_call(x->server->config.chat, r);
    /* A session that is gone already is logged out, which is what was asked for. */
    if (confab_failed(e) && confab_err_http_status(e.code) != 401) {
        http_api_refuse(x, e, r->retry_after_ms);
    } else {
        x->res->status = 204;
        if (by_cookie) set_cookie(x, "", 0);
    }
    chat_request_free(r);
}

/* Is `typed` the actor's own password? Answers the problem where not. */
static bool check_own_password(struct http_exchange *x, const struct chat_actor *actor, span typed)
{
    bool right = false, answered = false;
    struct chat_actor asking = nobody(x);
    struct chat_request *r = chat_request_new(CHAT_FIND_CREDENTIALS, &asking);
    if (!r) {
        http_fail(x, CONFAB_INTERNAL);
        return false;
    }
    r->args.user = span_of(actor->name);
    if (http_api_call(x, r)) {
        right = password_is_right(x, typed, r->result.password_hash, &answered);
        if (!right && !answered) {
            http_api_refuse(x, confab_fail_field(CONFAB_FORBIDDEN, "old_password", "The old password is wrong"), 0);
        }
    }
    chat_request_free(r);
    return right;
}

void http_auth_change_password(struct http_exchange *x)
{
    struct chat_actor actor;
    if (!http_api_actor(x, &actor)) return;
    struct chat_request *r = http_api_request(x, CHAT_CHANGE_PASSWORD, &actor);
    if (!r) return;
    /* The same cell as logging in: a stolen access token must not become a way to try passwords. */
    if (take_login(x, actor.user_id, actor.role, actor.address) && check_own_password(x, &actor, r->args.password) &&
        hash_password(x, r, r->args.new_password) && http_api_call(x, r)) {
        x->res->status = 204;
    }
    chat_request_free(r);
}

/* Only for admins is a password hashed: it costs too much to do it for everyone and have the domain refuse afterwards. */
static bool is_admin(struct http_exchange *x, struct chat_actor *actor)
{
    if (!http_api_actor(x, actor)) return false;
    confab_err e = http_identity_confirm(x->server->config.chat, actor);
    if (!confab_failed(e) && actor->role != USER_ADMIN) e = confab_fail(CONFAB_FORBIDDEN);
    if (confab_failed(e)) http_api_refuse(x, e, 0);
    return !confab_failed(e);
}

void http_auth_create_user(struct http_exchange *x)
{
    struct chat_actor actor;
    if (!is_admin(x, &actor)) return;
    struct chat_request *r = http_api_request(x, CHAT_CREATE_USER, &actor);
    if (!r) return;
    if ((!r->args.password.p || hash_password(x, r, r->args.password)) && http_api_call(x, r)) {
        wire_encode_result_body(&x->res->body, r, store_epoch(x->server->config.store), NULL, NULL);
        x->res->status = x->route->status;
        x->res->content_type = "application/json";
    }
    chat_request_free(r);
}

void http_auth_set_password(struct http_exchange *x)
{
    struct chat_actor actor;
    if (!is_admin(x, &actor)) return;
    struct chat_request *r = http_api_request(x, CHAT_SET_PASSWORD, &actor);
    if (!r) return;
    if (hash_password(x, r, r->args.new_password) && http_api_call(x, r)) x->res->status = 204;
    chat_request_free(r);
}
