/* The way of a request: answered once, limited where it is to be, told to the observer after the commit, wiped at the end. */
#include "chat_fixture.h"

/* ---- Submit ---- */

struct answers {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int count;
    pthread_t thread; /* of the last one */
};

#define ANSWERS                                                                                                                            \
    {                                                                                                                                      \
        .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER                                                                \
    }

static void on_answer(struct chat_request *r)
{
    struct answers *a = r->ctx;
    pthread_mutex_lock(&a->lock);
    a->count++;
    a->thread = pthread_self();
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
}

static void await(struct answers *a, int count)
{
    pthread_mutex_lock(&a->lock);
    while (a->count < count)
        pthread_cond_wait(&a->wake, &a->lock);
    pthread_mutex_unlock(&a->lock);
}

static struct chat_request *posting(const struct chat_actor *who, int i, struct answers *a)
{
    struct chat_request *r = request(CHAT_POST_MESSAGE, who);
    char text[16];
    snprintf(text, sizeof text, "%d", i);
    r->args.room = keep(r, "den");
    r->args.text = keep(r, text);
    r->reply = on_answer;
    r->ctx = a;
    return r;
}

static void a_request_is_answered_from_the_stores_thread(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct answers a = ANSWERS;
    struct chat_request *r = request(CHAT_GET_ME, &alice);
    r->reply = on_answer;
    r->ctx = &a;
    chat_submit(f->chat, r);
    await(&a, 1);
    CHECK(r->job.result, OK);
    assert_false(pthread_equal(a.thread, pthread_self()));
    chat_request_free(r);
}

static void messages_sent_without_waiting_keep_their_order_also_before_the_sender_is_a_member(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL), bob = make_user(f, "bob", NULL);
    struct answers a = ANSWERS;
    struct chat_request *r[50];
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    for (int i = 0; i < 50; i++)
        chat_submit(f->chat, r[i] = posting(&bob, i, &a));
    await(&a, 50);
    for (int i = 0; i < 50; i++) {
        CHECK(r[i]->job.result, OK);
        assert_int_equal(r[i]->result.id, 4 + i); /* room_created, alice, bob, then these */
        chat_request_free(r[i]);
    }
}

struct plug {
    struct store_job job;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool running, pulled, gone;
};

static confab_err hold_a_thread(struct store_job *job, store_tx *tx)
{
    struct plug *p = (struct plug *)job;
    (void)tx;
    pthread_mutex_lock(&p->lock);
    p->running = true;
    pthread_cond_broadcast(&p->wake);
    while (!p->pulled)
        pthread_cond_wait(&p->wake, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return confab_ok();
}

static void plug_done(struct store_job *job)
{
    struct plug *p = (struct plug *)job;
    pthread_mutex_lock(&p->lock);
    p->gone = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

/* Occupies threads of the store until it is pulled. */
static void plug_in(struct plug *p)
{
    *p = (struct plug){
        .job = {.run = hold_a_thread, .done = plug_done}, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
}

static void await_flag(struct plug *p, const bool *flag)
{
    pthread_mutex_lock(&p->lock);
    while (!*flag)
        pthread_cond_wait(&p->wake, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void pull(struct plug *p)
{
    pthread_mutex_lock(&p->lock);
    p->pulled = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    await_flag(p, &p->gone);
}

enum { QUEUE = 1024, MANY = QUEUE + 76 }; /* as in the fixture */

static void a_full_queue_is_answered_busy_at_once_on_the_callers_thread(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct plug plug;
    struct answers a = ANSWERS;
    static struct chat_request *r[MANY];
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    plug_in(&plug);
    CHECK(store_submit_write(f->store, &plug.job), OK);
    await_flag(&plug, &plug.running);
    for (int i = 0; i < MANY; i++)
        chat_submit(f->chat, r[i] = posting(&alice, i, &a));
    assert_int_equal(a.count, MANY - QUEUE); /* the writer stands still, so these were answered right here */
    assert_true(pthread_equal(a.thread, pthread_self()));
    pull(&plug);
    await(&a, MANY);
    assert_int_equal(a.count, MANY); /* each exactly once */
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(r[i]->job.result.code, i < QUEUE ? CONFAB_OK : CONFAB_BUSY);
        chat_request_free(r[i]);
    }
}

static void overrides_that_cannot_be_read_now_stay_as_they_are(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct plug plugs[2]; /* as many as readers */
    struct answers a = ANSWERS;
    static struct chat_request *r[QUEUE];
    struct limit_override o = {.user_id = alice.user_id, .action = "message", .per_minute = 60, .burst = 5};
    limits_set_override(chat_limits(f->chat), &o);
    for (int i = 0; i < 2; i++) {
        plug_in(&plugs[i]);
        CHECK(store_submit_read(f->store, &plugs[i].job), OK);
        await_flag(&plugs[i], &plugs[i].running);
    }
    for (int i = 0; i < QUEUE; i++) {
        r[i] = request(CHAT_GET_ME, &alice);
        r[i]->reply = on_answer;
        r[i]->ctx = &a;
        chat_submit(f->chat, r[i]);
    }
    log_set_level(LOG_LEVEL_ERROR);
    chat_reload_limits(f->chat); /* the queue is full */
    log_set_level(LOG_LEVEL_WARN);
    struct limit_verdict v = limits_take(chat_limits(f->chat), LIMIT_MESSAGE, alice.user_id, USER_MEMBER, NULL);
    assert_int_equal(v.limit, 5);
    pull(&plugs[0]);
    pull(&plugs[1]);
    await(&a, QUEUE);
    for (int i = 0; i < QUEUE; i++)
        chat_request_free(r[i]);
}

static void an_unknown_operation_is_answered_too(void **state)
{
    struct fixture *f = *state;
    CHECK(call(f, request(CHAT_OP_COUNT, NULL), NULL), INTERNAL);
    assert_string_equal(chat_op_word(CHAT_OP_COUNT), "unknown");
    assert_string_equal(chat_op_word(CHAT_POST_MESSAGE), "post_message");
    assert_string_equal(chat_op_word(CHAT_SET_UP), "set_up");
}

static void a_call_gives_the_request_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct answers a = ANSWERS;
    struct chat_request *r = request(CHAT_GET_ME, &alice);
    r->reply = on_answer;
    r->ctx = &a;
    CHECK(chat_call(f->chat, r), OK);
    assert_ptr_equal(r->reply, on_answer);
    assert_ptr_equal(r->ctx, &a);
    assert_int_equal(a.count, 0);
    CHECK(chat_call(f->chat, r), OK); /* and it can be used again */
    chat_request_free(r);
}

/* ---- Limits ---- */

static void a_user_who_posts_too_fast_is_told_when_to_come_back(void **state)
{
    struct fixture *f = *state;
    clock_set_for_tests(1764000000000, 1000000000);
    struct chat_actor alice = make_user(f, "alice", NULL);
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    struct answers a = ANSWERS;
    for (int i = 0; i < 31; i++) {
        struct chat_request *r = posting(&alice, i, &a);
        chat_submit(f->chat, r);
        await(&a, i + 1);
        assert_int_equal(r->job.result.code, i < 30 ? CONFAB_OK : CONFAB_RATE_LIMITED);
        assert_int_equal(r->limit_quota, 30);
        assert_int_equal(r->limit_remaining, i < 30 ? 29 - i : 0);
        if (i == 30) {
            assert_int_equal(r->retry_after_ms, 500);
            assert_true(pthread_equal(a.thread, pthread_self()));
        }
        chat_request_free(r);
    }
}

static void coming_back_is_never_limited(void **state)
{
    struct fixture *f = *state;
    clock_set_for_tests(1764000000000, 1000000000);
    struct chat_actor alice = make_user(f, "alice", NULL);
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    const enum chat_op free_ones[] = {CHAT_JOIN_ROOM, CHAT_LIST_EVENTS, CHAT_AUTHENTICATE};
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 2000; k++) {
            struct chat_request *r = request(free_ones[i], &alice);
            r->args.room = keep(r, "den");
            CHECK(chat_call(f->chat, r), OK);
            assert_int_equal(r->limit_quota, 0);
            chat_request_free(r);
        }
    }
}

static void the_operator_is_not_limited(void **state)
{
    struct fixture *f = *state;
    char name[16];
    clock_set_for_tests(1764000000000, 1000000000);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "user%d", i);
        (void)make_user(f, name, NULL);
    }
}

static confab_err put_limit(struct store_job *job, store_tx *tx) { return store_limit_put(tx, &((struct fixture_job *)job)->limit); }
static confab_err drop_limit(struct store_job *job, store_tx *tx)
{
    const struct limit_override *o = &((struct fixture_job *)job)->limit;
    return store_limit_delete(tx, o->user_id, o->role, o->action);
}

static int64_t quota_of(struct fixture *f, const struct chat_actor *a)
{
    struct limit_verdict v = limits_take(chat_limits(f->chat), LIMIT_MESSAGE, a->user_id, a->role, NULL);
    return v.limit;
}

static void overrides_are_read_at_open_and_again_when_told(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct fixture_job j = {.limit = {.user_id = alice.user_id, .action = "message", .per_minute = 600, .burst = 77}};
    CHECK(store_do(f, &j, put_limit), OK);
    assert_int_equal(quota_of(f, &alice), 30);
    for (int i = 0; i < 20; i++)
        chat_reload_limits(f->chat); /* many at once are one or two reads */
    chat_close(f->chat);             /* waits for them */
    struct chat_config config = {.store = f->store, .settings = &f->settings};
    CHECK(chat_open(&config, &f->chat), OK);
    assert_int_equal(quota_of(f, &alice), 77);
    CHECK(store_do(f, &j, drop_limit), OK);
    chat_reload_limits(f->chat);
    while (quota_of(f, &alice) != 30)
        sched_yield(); /* it is under way */
}

/* ---- Observer ---- */

struct witness {
    struct fixture *f;
    int64_t seen;
};

static void look_into_the_store(void *ctx, int64_t user_id, int64_t session_id)
{
    struct witness *w = ctx;
    (void)session_id;
    w->seen = user_id;
}

static void the_observer_is_told_before_the_answer(void **state)
{
    struct fixture *f = *state;
    struct chat_actor system = operator_(), bob = make_user(f, "bob", NULL);
    struct witness w = {.f = f};
    chat_set_observer(f->chat, (struct chat_observer){.ctx = &w, .on_user_changed = look_into_the_store});
    struct chat_request *r = request(CHAT_REVOKE_USER, &system);
    r->args.user = keep(r, "bob");
    CHECK(call(f, r, NULL), OK);
    assert_int_equal(w.seen, bob.user_id);
}

static void a_refused_change_tells_nobody(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ada = make_user(f, "ada", "admin");
    struct chat_request *r = request(CHAT_UPDATE_USER, &ada);
    r->args.user = keep(r, "ada");
    r->args.disabled = 1;
    CHECK(call(f, r, NULL), LAST_OWNER);
    assert_int_equal(f->changed_count, 0);
}

/* ---- Requests ---- */

static void a_new_request_has_everything_absent(void **state)
{
    (void)state;
    struct chat_request *r = request(CHAT_POST_MESSAGE, NULL);
    assert_int_equal(r->args.before, -1);
    assert_int_equal(r->args.after, -1);
    assert_int_equal(r->args.disabled, -1);
    assert_int_equal(r->actor.user_id, 0);
    assert_null(r->args.text.p);
    chat_request_free(r);
    chat_request_free(NULL);
}

static void domains_open_only_with_a_profile_that_exists(void **state)
{
    struct fixture *f = *state;
    struct settings settings = {.rate_profile = "generous"};
    struct chat_config config = {.store = f->store, .settings = &settings};
    chat *c = NULL;
    CHECK(chat_open(&config, &c), INVALID_FIELD);
    assert_null(c);
    chat_close(NULL);
}

#define LIMITED(name) cmocka_unit_test_setup_teardown(name, fixture_setup_limited, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered_from_the_stores_thread),
        TEST(messages_sent_without_waiting_keep_their_order_also_before_the_sender_is_a_member),
        TEST(a_full_queue_is_answered_busy_at_once_on_the_callers_thread),
        TEST(overrides_that_cannot_be_read_now_stay_as_they_are),
        TEST(an_unknown_operation_is_answered_too),
        TEST(a_call_gives_the_request_back_as_it_was),
        LIMITED(a_user_who_posts_too_fast_is_told_when_to_come_back),
        LIMITED(coming_back_is_never_limited),
        LIMITED(the_operator_is_not_limited),
        LIMITED(overrides_are_read_at_open_and_again_when_told),
        TEST(the_observer_is_told_before_the_answer),
        TEST(a_refused_change_tells_nobody),
        cmocka_unit_test(a_new_request_has_everything_absent),
        TEST(domains_open_only_with_a_profile_that_exists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
