/* A domain on an in-memory store, people in it, and everything that was announced. */
#ifndef CHAT_FIXTURE_H
#define CHAT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat.h"
#include "chat_limit.h"
#include "confab/clock.h"
#include "confab/log.h"

#define ANNOUNCED_MAX 4096
#define HASH "$argon2id$v=19$m=19456,t=2,p=1$bK0stK4d0n00lJbKQRdqvQ$xbclbI0EwQRq/T0V8IJ3BYvu1eQx1+IghvYBEZq1W/g"

struct announced {
    enum event_kind kind;
    int64_t seq, target, actor_id, subject_id;
    enum member_role role;
    char room[ROOM_SLUG_MAX + 1], actor[USER_NAME_MAX + 1], subject[USER_NAME_MAX + 1], text[64];
};

struct fixture {
    store *store;
    chat *chat;
    struct settings settings;
    pthread_mutex_t lock;
    struct announced announced[ANNOUNCED_MAX];
    size_t announced_count;
    int64_t changed_user[64], changed_session[64];
    size_t changed_count;
};

/* CHECK(call, CODE): the call's outcome is this one. */
#define CHECK(call, expected)                                                                                                              \
    do {                                                                                                                                   \
        confab_err check_e_ = (call);                                                                                                      \
        if (check_e_.code != CONFAB_##expected)                                                                                            \
            fail_msg("%s:%d: %s: expected %s, got %s (%s, %s)", __FILE__, __LINE__, #call, confab_err_word(CONFAB_##expected),             \
                     confab_err_word(check_e_.code), confab_err_sentence(check_e_), check_e_.field ? check_e_.field : "no field");         \
    } while (0)
/* … and about this field. */
#define CHECK_FIELD(call, expected, name)                                                                                                  \
    do {                                                                                                                                   \
        confab_err check_f_ = (call);                                                                                                      \
        CHECK(check_f_, expected);                                                                                                         \
        assert_non_null(check_f_.field);                                                                                                   \
        assert_string_equal(check_f_.field, name);                                                                                         \
    } while (0)

static void fixture_on_commit(void *ctx, const struct event *events, size_t n)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < n && f->announced_count < ANNOUNCED_MAX; i++) {
        const struct event *e = &events[i];
        struct announced *a = &f->announced[f->announced_count++];
        *a = (struct announced){
            .kind = e->kind, .seq = e->seq, .target = e->target, .actor_id = e->actor_id, .subject_id = e->subject_id, .role = e->role};
        (void)span_copy(e->room, a->room, sizeof a->room);
        (void)span_copy(e->actor, a->actor, sizeof a->actor);
        (void)span_copy(e->subject, a->subject, sizeof a->subject);
        (void)span_copy(e->text, a->text, sizeof a->text);
    }
    pthread_mutex_unlock(&f->lock);
}

static void fixture_on_user_changed(void *ctx, int64_t user_id, int64_t session_id)
{
    struct fixture *f = ctx;
    pthread_mutex_lock(&f->lock);
    if (f->changed_count < 64) {
        f->changed_user[f->changed_count] = user_id;
        f->changed_session[f->changed_count++] = session_id;
    }
    pthread_mutex_unlock(&f->lock);
}

static inline struct fixture *fixture_open(const char *profile)
{
    struct fixture *f = calloc(1, sizeof *f);
    buf problem = {0};
    if (!f) return NULL;
    log_set_level(LOG_LEVEL_WARN);
    pthread_mutex_init(&f->lock, NULL);
    f->settings = (struct settings){.rate_profile = profile, .max_message_bytes = 16384, .refresh_ttl_s = 3600, .access_ttl_s = 900};
    struct store_config config = {.readers = 2, .writer_queue = 1024, .reader_queue = 1024, .create = true};
    struct chat_config chat_config = {.settings = &f->settings};
    confab_err e = store_open(&config, &f->store, &problem);
    if (confab_failed(e)) fprintf(stderr, "store: %s\n", buf_cstr(&problem));
    buf_free(&problem);
    if (!confab_failed(e)) {
        store_set_observer(f->store, (struct store_observer){.ctx = f, .on_commit = fixture_on_commit});
        chat_config.store = f->store;
        e = chat_open(&chat_config, &f->chat);
    }
    if (confab_failed(e)) {
        store_close(f->store);
        free(f);
        return NULL;
    }
    chat_set_observer(f->chat, (struct chat_observer){.ctx = f, .on_user_changed = fixture_on_user_changed});
    return f;
}

static inline void fixture_close(struct fixture *f)
{
    chat_close(f->chat);
    store_close(f->store);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static inline int fixture_setup(void **state) { return (*state = fixture_open("unlimited")) ? 0 : -1; }
static inline int fixture_setup_limited(void **state) { return (*state = fixture_open("default")) ? 0 : -1; }

static inline int fixture_teardown(void **state)
{
    fixture_close(*state);
    clock_set_for_tests(-1, -1);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* ---- Requests ---- */

static inline span keep(struct chat_request *r, const char *s) { return s ? arena_copy(&r->arena, span_of(s)) : (span){0}; }

static inline struct chat_request *request(enum chat_op op, const struct chat_actor *actor)
{
    struct chat_request *r = chat_request_new(op, actor);
    assert_non_null(r);
    return r;
}

/* Runs and frees; the result (not its lists) is copied to *out where that is given. */
static inline confab_err call(struct fixture *f, struct chat_request *r, struct chat_result *out)
{
    confab_err e = chat_call(f->chat, r);
    if (out) *out = r->result;
    chat_request_free(r);
    return e;
}

static inline struct chat_actor operator_(void)
{
    struct chat_actor a;
    chat_actor_set_system(&a);
    return a;
}

/* The actor that a token of theirs would make. */
static inline struct chat_actor actor_of(struct fixture *f, const char *name)
{
    struct chat_actor claims = {0};
    struct chat_result result;
    assert_true(span_copy(span_of(name), claims.name, sizeof claims.name));
    struct chat_actor system = operator_();
    struct chat_request *r = request(CHAT_GET_USER, &system);
    r->args.user = keep(r, name);
    CHECK(call(f, r, &result), OK);
    claims.token_epoch = result.user.token_epoch;
    r = request(CHAT_AUTHENTICATE, &claims);
    CHECK(call(f, r, &result), OK);
    claims.user_id = result.user.id;
    claims.role = result.user.role;
    memcpy(claims.address, "192.0.2.1", sizeof "192.0.2.1");
    return claims;
}

static inline struct chat_actor make_user(struct fixture *f, const char *name, const char *role)
{
    struct chat_actor system = operator_();
    struct chat_request *r = request(CHAT_CREATE_USER, &system);
    r->args.user = keep(r, name);
    r->args.role = keep(r, role);
    CHECK(call(f, r, NULL), OK);
    return actor_of(f, name);
}

static inline confab_err create_room(struct fixture *f, const struct chat_actor *a, const char *slug, const char *kind,
                                     struct chat_result *out)
{
    struct chat_request *r = request(CHAT_CREATE_ROOM, a);
    r->args.room = keep(r, slug);
    r->args.kind = keep(r, kind);
    return call(f, r, out);
}

/* Any operation that takes a room and perhaps a user. */
static inline confab_err on_room(struct fixture *f, enum chat_op op, const struct chat_actor *a, const char *slug, struct chat_result *out)
{
    struct chat_request *r = request(op, a);
    r->args.room = keep(r, slug);
    return call(f, r, out);
}

static inline confab_err put_member(struct fixture *f, const struct chat_actor *a, const char *slug, const char *user, const char *role,
                                    struct chat_result *out)
{
    struct chat_request *r = request(CHAT_PUT_MEMBER, a);
    r->args.room = keep(r, slug);
    r->args.user = keep(r, user);
    r->args.role = keep(r, role);
    return call(f, r, out);
}

static inline confab_err remove_member(struct fixture *f, const struct chat_actor *a, const char *slug, const char *user)
{
    struct chat_request *r = request(CHAT_REMOVE_MEMBER, a);
    r->args.room = keep(r, slug);
    r->args.user = keep(r, user);
    return call(f, r, NULL);
}

static inline confab_err post(struct fixture *f, const struct chat_actor *a, const char *slug, const char *text, const char *client_id,
                              struct chat_result *out)
{
    struct chat_request *r = request(CHAT_POST_MESSAGE, a);
    r->args.room = keep(r, slug);
    r->args.text = keep(r, text);
    r->args.client_id = keep(r, client_id);
    return call(f, r, out);
}

static inline confab_err on_message(struct fixture *f, enum chat_op op, const struct chat_actor *a, const char *slug, int64_t id,
                                    const char *text, const char *client_id, struct chat_result *out)
{
    struct chat_request *r = request(op, a);
    r->args.room = keep(r, slug);
    r->args.id = id;
    if (op == CHAT_ADD_REACTION || op == CHAT_REMOVE_REACTION)
        r->args.reaction = keep(r, text);
    else
        r->args.text = keep(r, text);
    r->args.client_id = keep(r, client_id);
    return call(f, r, out);
}

static inline const struct announced *last_announced(struct fixture *f)
{
    assert_true(f->announced_count > 0);
    return &f->announced[f->announced_count - 1];
}

/* The message as people see it. The texts go with *keeper. */
static inline struct message_view view_of(struct fixture *f, const struct chat_actor *a, const char *slug, int64_t id,
                                          struct chat_request **keeper)
{
    struct chat_request *r = request(CHAT_GET_MESSAGE, a);
    r->args.room = keep(r, slug);
    r->args.id = id;
    CHECK(chat_call(f->chat, r), OK);
    *keeper = r;
    return r->result.list.messages[0];
}

static inline size_t audit_count(struct fixture *f, const char *action, const char *target)
{
    struct chat_actor system = operator_();
    struct chat_request *r = request(CHAT_LIST_AUDIT, &system);
    r->args.limit = 200;
    CHECK(chat_call(f->chat, r), OK);
    size_t n = 0;
    for (size_t i = 0; i < r->result.count; i++)
        n += span_is(r->result.list.audits[i].action, action) && (!target || span_is(r->result.list.audits[i].target, target));
    chat_request_free(r);
    return n;
}

/* Runs `run` as a write job of the store, for what no operation does. */
struct fixture_job {
    struct store_job job;
    int64_t room_id, number;
    struct limit_override limit;
    char name[64];
};
static inline confab_err store_do(struct fixture *f, struct fixture_job *j, confab_err (*run)(struct store_job *, store_tx *))
{
    j->job.run = run;
    j->job.atomic = true;
    return store_write_wait(f->store, &j->job);
}

#endif
