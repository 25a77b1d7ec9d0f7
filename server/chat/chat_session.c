/* Sessions: a refresh token, kept as its BLAKE2b-256 only, that is exchanged for the next one each time it is used.
 *
 * A token that was exchanged already and comes again is in two hands; as nobody can tell which is the thief's, the session ends. That has
 * to be committed although the request is refused: hence own.refusal. */
#include <sodium.h>

#include "chat_internal.h"

void secret_hash(const unsigned char secret[CHAT_SECRET_SIZE], unsigned char out[STORE_HASH_SIZE])
{
    crypto_generichash(out, STORE_HASH_SIZE, secret, CHAT_SECRET_SIZE, NULL, 0);
}

static int64_t expiry(const struct turn *t) { return store_tx_now_ms(t->tx) + t->c->settings->refresh_ttl_s * 1000; }

static void answer_session(struct turn *t, const struct user *u, int64_t id)
{
    struct chat_result *result = &t->r->result;
    result->kind = CHAT_RESULT_SESSION;
    result->user = *u;
    result->session_id = id;
}

static void new_secret(struct turn *t, unsigned char hash[STORE_HASH_SIZE])
{
    randombytes_buf(t->r->result.refresh_token, CHAT_SECRET_SIZE);
    secret_hash(t->r->result.refresh_token, hash);
}

/* What the client says it is, cut to fit at a character's edge; anything that is not one line of UTF-8 is not kept. */
static void copy_agent(span agent, char out[129])
{
    if (agent.n > 128) {
        agent.n = 128;
        while (agent.n > 0 && ((unsigned char)agent.p[agent.n] & 0xC0) == 0x80)
            agent.n--;
    }
    if (confab_failed(field_check_line(agent, 0, 128, "agent"))) agent = (span){0};
    if (!agent.p || !span_copy(agent, out, 129)) out[0] = 0;
}

/* Sessions that are over go, and beyond the limit the one that was not used for longest. */
static confab_err make_place(struct turn *t, int64_t user_id)
{
    struct session *list = NULL;
    size_t n = 0, alive = 0;
    int64_t now = store_tx_now_ms(t->tx);
    const struct session *oldest = NULL;
    confab_err e = store_session_list(t->tx, user_id, &t->r->arena, &list, &n);
    for (size_t i = 0; !confab_failed(e) && i < n; i++) {
        if (list[i].expires_ms <= now) {
            e = store_session_delete(t->tx, list[i].id);
            continue;
        }
        alive++;
        if (!oldest || list[i].used_ms < oldest->used_ms) oldest = &list[i];
    }
    if (confab_failed(e) || alive < CHAT_SESSIONS_MAX) return e;
    turn_changed(t, user_id, oldest->id);
    return store_session_delete(t->tx, oldest->id);
}

confab_err session_begin(struct turn *t, const struct user *u)
{
    int64_t now = store_tx_now_ms(t->tx), id = 0;
    struct session s = {.user_id = u->id, .created_ms = now, .used_ms = now, .expires_ms = expiry(t)};
    unsigned char hash[STORE_HASH_SIZE];
    memcpy(s.address, t->r->actor.address, sizeof s.address);
    copy_agent(t->r->args.agent, s.agent);
    confab_err e = make_place(t, u->id);
    if (confab_failed(e)) return e;
    new_secret(t, hash);
    e = store_session_create(t->tx, &s, hash, &id);
    if (!confab_failed(e)) answer_session(t, u, id);
    return e;
}

/* The actor is the user whose password was found right. */
confab_err session_create(struct turn *t)
{
    confab_err e = store_user_get(t->tx, t->r->actor.user_id, &t->me);
    if (e.code == CONFAB_USER_NOT_FOUND) return confab_fail(CONFAB_AUTH_FAILED);
    if (confab_failed(e)) return e;
    if (t->me.disabled) return confab_fail_msg(CONFAB_FORBIDDEN, "This account is disabled");
    e = session_begin(t, &t->me);
    return confab_failed(e) ? e : turn_audit(t, "login", span_of(t->me.name), (span){0});
}

/* Finds the session of args.token and its user. SESSION_EXPIRED where there is none. */
static confab_err find_by_token(struct turn *t, struct session *s, bool *rotated_out)
{
    unsigned char secret[CHAT_SECRET_SIZE], hash[STORE_HASH_SIZE];
    bool decoded = field_decode_secret(t->r->args.token, secret);
    if (decoded) secret_hash(secret, hash);
    sodium_memzero(secret, sizeof secret);
    if (!decoded) return confab_fail(CONFAB_SESSION_EXPIRED);
    confab_err e = store_session_find(t->tx, hash, s, rotated_out);
    if (!confab_failed(e)) e = store_user_get(t->tx, s->user_id, &t->me);
    return e.code == CONFAB_USER_NOT_FOUND ? confab_fail(CONFAB_SESSION_EXPIRED) : e;
}

static confab_err delete_session(struct turn *t, const struct session *s, const char *audit)
{
    confab_err e = store_session_delete(t->tx, s->id);
    if (!confab_failed(e)) e = turn_audit(t, audit, span_of(t->me.name), (span){0});
    turn_changed(t, s->user_id, s->id);
    return e;
}

confab_err session_refresh(struct turn *t)
{
    struct session s;
    bool rotated_out = false;
    if (!t->r->args.token.p) return confab_fail_field(CONFAB_MISSING_FIELD, "refresh_token", NULL);
    confab_err e = find_by_token(t, &s, &rotated_out);
    if (confab_failed(e)) return e;
    if (rotated_out || t->me.disabled || s.expires_ms <= store_tx_now_ms(t->tx)) {
        t->r->own.refusal = confab_fail(CONFAB_SESSION_EXPIRED);
        return delete_session(t, &s, rotated_out ? "session_token_reused" : "session_expired");
    }
    unsigned char hash[STORE_HASH_SIZE];
    new_secret(t, hash);
    e = store_session_rotate(t->tx, s.id, hash, expiry(t));
    if (!confab_failed(e)) answer_session(t, &t->me, s.id);
    return e;
}

/* Logging out of what is over already is fine: the caller wanted it to be over. */
confab_err session_end(struct turn *t)
{
    struct session s;
    bool rotated_out = false;
    confab_err e;
    if (t->r->args.token.p) {
        e = find_by_token(t, &s, &rotated_out);
        if (e.code == CONFAB_SESSION_EXPIRED) return confab_ok();
    } else {
        e = turn_check_actor(t);
        if (!confab_failed(e) && t->r->actor.session_id <= 0) e = confab_fail_field(CONFAB_MISSING_FIELD, "refresh_token", NULL);
        if (!confab_failed(e)) e = store_session_get(t->tx, t->r->actor.session_id, &s);
    }
    return confab_failed(e) ? e : delete_session(t, &s, "logout");
}

confab_err session_list(struct turn *t)
{
    struct chat_result *result = &t->r->result;
    confab_err e = store_session_list(t->tx, t->me.id, &t->r->arena, &result->list.sessions, &result->count);
    if (!confab_failed(e)) result->kind = CHAT_RESULT_SESSIONS;
    return e;
}

confab_err session_revoke(struct turn *t)
{
    struct session s;
    confab_err e = field_check_id(t->r->args.id);
    if (!confab_failed(e)) e = store_session_get(t->tx, t->r->args.id, &s);
    if (e.code == CONFAB_SESSION_EXPIRED || (!confab_failed(e) && s.user_id != t->me.id))
        return confab_fail_msg(CONFAB_NOT_FOUND, "You have no such session");
    return confab_failed(e) ? e : delete_session(t, &s, "session_revoked");
}
