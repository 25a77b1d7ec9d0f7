/* The way of a request through the domain: limits, the store's queue, the actor, the handler, the answer. */
#include "chat.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "chat_internal.h"
#include "confab/log.h"

/* ---- Operations ---- */

enum op_mode { OP_READ, OP_WRITE };
enum op_savepoint { OP_ONE_WRITE, OP_MANY_WRITES, OP_MANY_BY_NAME }; /* BY_NAME: unless args.room_id is given, see chat_args */
enum op_actor { OP_KNOWN, OP_ANYBODY };                              /* KNOWN: checked before the handler runs */

static const struct {
    const char *word;
    enum op_mode mode;
    enum limit_action limit;
} ops[CHAT_OP_COUNT] = {
#define X(name, word, mode, action) {word, OP_##mode, LIMIT_##action},
    CHAT_OP_MAP(X)
#undef X
};

static const struct {
    chat_handler *run;
    enum op_savepoint savepoint;
    enum op_actor actor;
} handlers[CHAT_OP_COUNT] = {
    [CHAT_POST_MESSAGE] = {message_post, OP_MANY_BY_NAME, OP_KNOWN},
    [CHAT_EDIT_MESSAGE] = {message_edit, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_DELETE_MESSAGE] = {message_delete, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_ADD_REACTION] = {message_react, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_REMOVE_REACTION] = {message_unreact, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_MARK_READ] = {message_mark_read, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_GET_MESSAGE] = {history_get_message, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_LIST_MESSAGES] = {history_list_messages, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_LIST_EVENTS] = {history_list_events, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_JOIN_ROOM] = {room_join, OP_ONE_WRITE, OP_KNOWN}, /* asks for a savepoint where it needs one */
    [CHAT_LIST_ROOMS] = {room_list, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_CREATE_ROOM] = {room_create, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_GET_ROOM] = {room_get, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_UPDATE_ROOM] = {room_update, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_ARCHIVE_ROOM] = {room_archive, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_UNARCHIVE_ROOM] = {room_unarchive, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_DELETE_ROOM] = {room_delete, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_LIST_MEMBERS] = {member_list, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_PUT_MEMBER] = {member_put, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_REMOVE_MEMBER] = {member_remove, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_GET_ME] = {user_get_me, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_UPDATE_ME] = {user_update_me, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_LIST_SESSIONS] = {session_list, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_REVOKE_SESSION] = {session_revoke, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_LIST_USERS] = {user_list, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_CREATE_USER] = {user_create, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_GET_USER] = {user_get, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_UPDATE_USER] = {user_update, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_SET_PASSWORD] = {user_set_password, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_REVOKE_USER] = {user_revoke, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_LIST_AUDIT] = {user_list_audit, OP_ONE_WRITE, OP_KNOWN},
    [CHAT_AUTHENTICATE] = {auth_authenticate, OP_ONE_WRITE, OP_ANYBODY},
    [CHAT_FIND_CREDENTIALS] = {auth_find_credentials, OP_ONE_WRITE, OP_ANYBODY},
    [CHAT_CHANGE_PASSWORD] = {auth_change_password, OP_MANY_WRITES, OP_KNOWN},
    [CHAT_CREATE_SESSION] = {session_create, OP_MANY_WRITES, OP_ANYBODY},
    [CHAT_REFRESH_SESSION] = {session_refresh, OP_MANY_WRITES, OP_ANYBODY},
    [CHAT_END_SESSION] = {session_end, OP_MANY_WRITES, OP_ANYBODY},
    [CHAT_SET_UP] = {auth_set_up, OP_MANY_WRITES, OP_ANYBODY},
};

static bool is_op(enum chat_op op) { return (unsigned)op < CHAT_OP_COUNT; }

const char *chat_op_word(enum chat_op op) { return is_op(op) ? ops[op].word : "unknown"; }

/* ---- Requests ---- */

struct chat_request *chat_request_new(enum chat_op op, const struct chat_actor *actor)
{
    struct chat_request *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->op = op;
    if (actor) r->actor = *actor;
    r->args.before = r->args.after = -1;
    r->args.disabled = -1;
    return r;
}

/* The bytes are the arena's, which is ours; the span only promises not to write through it. */
static void wipe(span s)
{
    if (s.p && s.n) sodium_memzero((char *)(uintptr_t)s.p, s.n);
}

void chat_request_free(struct chat_request *r)
{
    if (!r) return;
    wipe(r->args.password);
    wipe(r->args.new_password);
    wipe(r->args.token);
    sodium_memzero(r->result.password_hash, sizeof r->result.password_hash);
    sodium_memzero(r->result.refresh_token, sizeof r->result.refresh_token);
    arena_free(&r->arena);
    free(r);
}

void chat_actor_set_system(struct chat_actor *out) { *out = (struct chat_actor){.user_id = CHAT_SYSTEM_ID, .role = USER_ADMIN}; }

/* ---- Running: on the store's threads ---- */

static confab_err run(struct store_job *job, store_tx *tx)
{
    struct chat_request *r = (struct chat_request *)job;
    if (r->own.ran) { /* again, after NEEDS_WRITER */
        memset(&r->result, 0, sizeof r->result);
        r->own.changed = false;
        r->own.refusal = confab_ok();
    }
    r->own.ran = true;
    struct turn t = {.c = r->own.domain, .r = r, .tx = tx};
    confab_err e = handlers[r->op].actor == OP_KNOWN ? turn_check_actor(&t) : confab_ok();
    return confab_failed(e) ? e : handlers[r->op].run(&t);
}

static void finish(struct store_job *job)
{
    struct chat_request *r = (struct chat_request *)job;
    const chat *c = r->own.domain;
    if (!confab_failed(r->job.result)) {
        if (r->own.changed && c->observer.on_user_changed)
            c->observer.on_user_changed(c->observer.ctx, r->own.changed_user, r->own.changed_session);
        if (confab_failed(r->own.refusal)) r->job.result = r->own.refusal;
    }
    r->reply(r);
}

static confab_err check_limit(chat *c, struct chat_request *r)
{
    enum limit_action action = ops[r->op].limit;
    if (action == LIMIT_NONE || r->actor.user_id == CHAT_SYSTEM_ID) return confab_ok();
    struct limit_verdict v = limits_take(c->limits, action, r->actor.user_id, r->actor.role, r->actor.address);
    r->limit_quota = v.limit;
    r->limit_remaining = v.remaining;
    r->limit_reset_ms = v.reset_ms;
    r->retry_after_ms = v.retry_after_ms;
    return v.allowed ? confab_ok() : confab_fail(CONFAB_RATE_LIMITED);
}

static bool needs_savepoint(const struct chat_request *r)
{
    enum op_savepoint s = handlers[r->op].savepoint;
    return s == OP_MANY_WRITES || (s == OP_MANY_BY_NAME && r->args.room_id == 0);
}

void chat_submit(chat *c, struct chat_request *r)
{
    assert(r->reply);
    confab_err e = is_op(r->op) ? check_limit(c, r) : confab_fail(CONFAB_INTERNAL);
    if (!confab_failed(e)) {
        memset(&r->own, 0, sizeof r->own);
        r->own.domain = c;
        r->job.run = run;
        r->job.done = finish;
        r->job.atomic = needs_savepoint(r);
        e = ops[r->op].mode == OP_WRITE ? store_submit_write(c->store, &r->job) : store_submit_read(c->store, &r->job);
        if (!confab_failed(e)) return; /* r may be gone already */
    }
    r->job.result = e;
    r->reply(r);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool done;
};

static void wake(struct chat_request *r)
{
    struct waiter *w = r->ctx;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

confab_err chat_call(chat *c, struct chat_request *r)
{
    struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
    void (*reply)(struct chat_request *) = r->reply;
    void *ctx = r->ctx;
    r->reply = wake;
    r->ctx = &w;
    chat_submit(c, r);
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.wake, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.wake);
    pthread_mutex_destroy(&w.lock);
    r->reply = reply;
    r->ctx = ctx;
    return r->job.result;
}

/* ---- Limit overrides ---- */

struct reload {
    struct store_job job; /* first member */
    chat *c;
    arena arena;
    struct limit_override *list;
    size_t n;
};

static confab_err run_reload(struct store_job *job, store_tx *tx)
{
    struct reload *r = (struct reload *)job;
    return store_limit_list(tx, &r->arena, &r->list, &r->n);
}

static void apply_reload(struct reload *r, confab_err e)
{
    if (confab_failed(e))
        LOG_WARN("rate-limit overrides could not be read", LOG_STR("why", confab_err_sentence(e)));
    else
        limits_replace_overrides(r->c->limits, r->list, r->n);
}

static void reload_submit(chat *c);

/* Asked again meanwhile: once more, since what was read may be older than what was asked for. One read is under way at any time, so that
 * an old one cannot overtake. */
static void finish_reload(struct store_job *job)
{
    struct reload *r = (struct reload *)job;
    chat *c = r->c;
    apply_reload(r, job->result);
    arena_free(&r->arena);
    free(r);
    pthread_mutex_lock(&c->lock);
    bool again = c->reloads > 1;
    c->reloads = again ? 1 : 0;
    if (!again) pthread_cond_broadcast(&c->idle);
    pthread_mutex_unlock(&c->lock);
    if (again) reload_submit(c);
}

static void reload_submit(chat *c)
{
    struct reload *r = calloc(1, sizeof *r);
    confab_err e = confab_fail(CONFAB_INTERNAL);
    if (r) {
        *r = (struct reload){.job = {.run = run_reload, .done = finish_reload}, .c = c};
        e = store_submit_read(c->store, &r->job);
        if (!confab_failed(e)) return;
    }
    LOG_WARN("rate-limit overrides could not be read", LOG_STR("why", confab_err_sentence(e)));
    free(r);
    pthread_mutex_lock(&c->lock);
    c->reloads = 0;
    pthread_cond_broadcast(&c->idle);
    pthread_mutex_unlock(&c->lock);
}

void chat_reload_limits(chat *c)
{
    pthread_mutex_lock(&c->lock);
    bool first = c->reloads++ == 0;
    pthread_mutex_unlock(&c->lock);
    if (first) reload_submit(c);
}

/* ---- Life ---- */

confab_err chat_open(const struct chat_config *config, chat **out)
{
    chat *c = sodium_init() < 0 ? NULL : calloc(1, sizeof *c);
    if (!c) return confab_fail(CONFAB_INTERNAL);
    c->store = config->store;
    c->settings = config->settings;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->idle, NULL);
    confab_err e = limits_new(config->settings->rate_profile, &c->limits);
    if (!confab_failed(e)) {
        struct reload r = {.job = {.run = run_reload}, .c = c};
        e = store_read_wait(c->store, &r.job);
        if (!confab_failed(e)) apply_reload(&r, e);
        arena_free(&r.arena);
    }
    if (confab_failed(e)) {
        chat_close(c);
        return e;
    }
    *out = c;
    return e;
}

void chat_close(chat *c)
{
    if (!c) return;
    pthread_mutex_lock(&c->lock);
    while (c->reloads > 0)
        pthread_cond_wait(&c->idle, &c->lock);
    pthread_mutex_unlock(&c->lock);
    pthread_cond_destroy(&c->idle);
    pthread_mutex_destroy(&c->lock);
    limits_free(c->limits);
    free(c);
}

void chat_set_observer(chat *c, struct chat_observer o) { c->observer = o; }
limits *chat_limits(chat *c) { return c->limits; }
