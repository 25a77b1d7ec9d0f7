/* Jobs, batches and the observer: the store's contract, one body for any engine. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "confab/clock.h"
#include "confab/metrics.h"
#include "store_fixture.h"

/* ---- A job that blocks the writer or a reader until it is let go, so that a test decides what a batch holds ---- */

struct gate {
    struct store_job job; /* first member */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool entered, open, finished;
};

static confab_err run_gate(struct store_job *job, store_tx *tx)
{
    struct gate *g = (struct gate *)job;
    (void)tx;
    pthread_mutex_lock(&g->lock);
    g->entered = true;
    pthread_cond_broadcast(&g->wake);
    while (!g->open)
        pthread_cond_wait(&g->wake, &g->lock);
    pthread_mutex_unlock(&g->lock);
    return confab_ok();
}

static void gate_done(struct store_job *job)
{
    struct gate *g = (struct gate *)job;
    pthread_mutex_lock(&g->lock);
    g->finished = true;
    pthread_cond_broadcast(&g->wake);
    pthread_mutex_unlock(&g->lock);
}

static void gate_shut(struct gate *g, store *s, bool writer)
{
    *g = (struct gate){.job = {.run = run_gate, .done = gate_done}, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
    assert_ok(writer ? store_submit_write(s, &g->job) : store_submit_read(s, &g->job));
    pthread_mutex_lock(&g->lock);
    while (!g->entered)
        pthread_cond_wait(&g->wake, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void gate_open(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->wake);
    while (!g->finished)
        pthread_cond_wait(&g->wake, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

/* ---- A job that appends, perhaps fails, and notes when it was done ---- */

struct log_of_calls {
    atomic_int next;
    atomic_int done;
    int order[4096];
    atomic_int announced; /* events told by the observer before */
    int announced_at_done[4096];
};

struct item {
    struct store_job job; /* first member */
    struct log_of_calls *calls;
    int number;
    int64_t room_id;
    int appends;
    enum confab_code fail_with; /* after appending; OK: succeed */
    bool fail_first;            /* before appending */
    int64_t seq;
};

static confab_err run_item(struct store_job *job, store_tx *tx)
{
    struct item *i = (struct item *)job;
    if (i->fail_first) return confab_fail(i->fail_with);
    for (int n = 0; n < i->appends; n++) {
        bool duplicate;
        struct event e = {.room_id = i->room_id, .kind = EVENT_MESSAGE, .text = SPAN_LIT("hello"), .actor = SPAN_LIT("given")};
        confab_err err = store_event_append(tx, &e, &duplicate);
        if (confab_failed(err)) return err;
        i->seq = e.seq;
    }
    return confab_fail(i->fail_with);
}

static void item_done(struct store_job *job)
{
    struct item *i = (struct item *)job;
    int at = atomic_fetch_add(&i->calls->next, 1);
    i->calls->order[at] = i->number;
    i->calls->announced_at_done[at] = atomic_load(&i->calls->announced);
    atomic_fetch_add(&i->calls->done, 1);
}

struct expect_done {
    struct log_of_calls *calls;
    int n;
};

static bool all_done(void *ctx)
{
    struct expect_done *d = ctx;
    return atomic_load(&d->calls->done) >= d->n;
}

static struct item make_item(struct log_of_calls *calls, int number, int64_t room_id)
{
    return (struct item){.job = {.run = run_item, .done = item_done}, .calls = calls, .number = number, .room_id = room_id, .appends = 1};
}

/* Submits all in one batch and waits for the last. */
static void run_as_one_batch(store *s, struct item *items, int n)
{
    struct gate g;
    gate_shut(&g, s, true);
    for (int i = 0; i < n; i++)
        assert_ok(store_submit_write(s, &items[i].job));
    gate_open(&g);
    struct expect_done d = {items[0].calls, n};
    wait_until(all_done, &d, "the batch is done");
}

static void jobs_are_done_in_order_of_submission(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    static struct log_of_calls calls;
    static struct item items[4000]; /* more than one batch takes */
    memset(&calls, 0, sizeof calls);
    struct room room = make_room(s, "general");
    for (int i = 0; i < 4000; i++)
        items[i] = make_item(&calls, i, room.id);
    run_as_one_batch(s, items, 4000);
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(calls.order[i], i);
        assert_int_equal(items[i].job.result.code, CONFAB_OK);
        assert_int_equal(items[i].seq, i + 1);
    }
    assert_clean(s);
}

static void queued_jobs_share_one_commit(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    static struct log_of_calls calls;
    static struct item items[1000];
    memset(&calls, 0, sizeof calls);
    struct room room = make_room(s, "general");
    for (int i = 0; i < 1000; i++)
        items[i] = make_item(&calls, i, room.id);
    uint64_t before = metric_get(METRIC_COMMITS), events = metric_get(METRIC_EVENTS_APPENDED);
    run_as_one_batch(s, items, 1000);
    assert_int_equal(metric_get(METRIC_COMMITS) - before, 2); /* the gate's and theirs */
    assert_int_equal(metric_get(METRIC_EVENTS_APPENDED) - events, 1000);
    assert_int_equal(metric_gauge_get(METRIC_WRITER_QUEUE), 0);
}

static void failing_job_is_undone_alone(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct log_of_calls calls = {0};
    struct item items[5];
    struct room room = make_room(s, "general");
    for (int i = 0; i < 5; i++)
        items[i] = make_item(&calls, i, room.id);
    items[1].fail_first = true;
    items[1].fail_with = CONFAB_FORBIDDEN;
    items[3].appends = 3;
    items[3].job.atomic = true;
    items[3].fail_with = CONFAB_LAST_OWNER;
    run_as_one_batch(s, items, 5);
    assert_int_equal(items[0].job.result.code, CONFAB_OK);
    assert_int_equal(items[1].job.result.code, CONFAB_FORBIDDEN);
    assert_int_equal(items[2].job.result.code, CONFAB_OK);
    assert_int_equal(items[3].job.result.code, CONFAB_LAST_OWNER);
    assert_int_equal(items[4].job.result.code, CONFAB_OK);
    assert_int_equal(items[4].seq, 3); /* the three that were undone left no hole */
    struct log_state l = read_log(s, room.id);
    assert_true(l.ordered && l.count == 3);
    assert_clean(s);
}

static void job_without_savepoint_that_fails_after_writing_spoils_its_batch_and_nothing_is_half_done(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct log_of_calls calls = {0};
    struct item items[3];
    struct room room = make_room(s, "general");
    for (int i = 0; i < 3; i++)
        items[i] = make_item(&calls, i, room.id);
    items[1].fail_with = CONFAB_FORBIDDEN;
    run_as_one_batch(s, items, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(items[i].job.result.code, CONFAB_INTERNAL);
    assert_int_equal(read_log(s, room.id).count, 0);
    assert_ok(store_health(s, NULL));
    calls = (struct log_of_calls){0};
    items[0] = make_item(&calls, 0, room.id);
    run_as_one_batch(s, items, 1);
    assert_int_equal(items[0].seq, 1);
}

/* ---- The observer ---- */

struct seen {
    struct log_of_calls *calls;
    int n;
    int64_t seqs[64];
    char room[ROOM_SLUG_MAX + 1], actor[USER_NAME_MAX + 1], text[64];
};

static void note_commit(void *ctx, const struct event *events, size_t n)
{
    struct seen *seen = ctx;
    for (size_t i = 0; i < n && seen->n < 64; i++)
        seen->seqs[seen->n++] = events[i].seq;
    (void)span_copy(events[n - 1].room, seen->room, sizeof seen->room);
    (void)span_copy(events[n - 1].actor, seen->actor, sizeof seen->actor);
    (void)span_copy(events[n - 1].text, seen->text, sizeof seen->text);
    if (seen->calls) atomic_fetch_add(&seen->calls->announced, (int)n);
}

static void commit_is_announced_in_order_before_anyone_is_answered(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct log_of_calls calls = {0};
    struct seen seen = {.calls = &calls};
    struct item items[10];
    struct room room = make_room(s, "general");
    store_set_observer(s, (struct store_observer){.ctx = &seen, .on_commit = note_commit});
    for (int i = 0; i < 10; i++)
        items[i] = make_item(&calls, i, room.id);
    items[4].job.atomic = true;
    items[4].fail_with = CONFAB_FORBIDDEN;
    run_as_one_batch(s, items, 10);
    store_set_observer(s, (struct store_observer){0});
    assert_int_equal(seen.n, 9);
    for (int i = 0; i < 9; i++)
        assert_int_equal(seen.seqs[i], i + 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(calls.announced_at_done[i], 9);
    assert_string_equal(seen.room, "general"); /* not given by the job: looked up */
    assert_string_equal(seen.actor, "given");
    assert_string_equal(seen.text, "hello");
}

static void names_that_a_job_leaves_out_are_looked_up_for_the_announcement(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct seen seen = {0};
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    store_set_observer(s, (struct store_observer){.ctx = &seen, .on_commit = note_commit});
    struct append_args a = {.event = {.room_id = room.id, .kind = EVENT_MESSAGE, .actor_id = ann.id, .text = SPAN_LIT("x")}};
    assert_ok(do_write(s, run_append, &a));
    store_set_observer(s, (struct store_observer){0});
    assert_string_equal(seen.actor, "ann");
}

static void duplicates_are_not_announced(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct seen seen = {0};
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    store_set_observer(s, (struct store_observer){.ctx = &seen, .on_commit = note_commit});
    uint64_t before = metric_get(METRIC_DUPLICATES);
    post(s, &room, &ann, "x", "k");
    post(s, &room, &ann, "x", "k");
    store_set_observer(s, (struct store_observer){0});
    assert_int_equal(seen.n, 1);
    assert_int_equal(metric_get(METRIC_DUPLICATES) - before, 1);
}

/* ---- Readers ---- */

struct mover {
    struct append_args append;
    int runs;
    bool was_write[4];
};

static confab_err run_mover(store_tx *tx, void *ctx)
{
    struct mover *m = ctx;
    m->was_write[m->runs++] = store_tx_is_write(tx);
    return store_event_append(tx, &m->append.event, &m->append.duplicate);
}

static void read_job_that_must_write_moves_to_the_writer(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct room room = make_room(s, "general");
    struct mover m = {.append = {.event = {.room_id = room.id, .kind = EVENT_MESSAGE, .text = SPAN_LIT("x")}}};
    assert_ok(do_read(s, run_mover, &m));
    assert_int_equal(m.runs, 2);
    assert_false(m.was_write[0]);
    assert_true(m.was_write[1]);
    assert_int_equal(m.append.event.seq, 1);
}

static confab_err run_look_twice(store_tx *tx, void *ctx)
{
    struct gate *g = ctx; /* its job is not used: the other thread writes while this one is inside */
    struct room r;
    confab_err e = store_room_find(tx, SPAN_LIT("general"), &r);
    if (confab_failed(e)) return e;
    int64_t before = r.last_seq;
    pthread_mutex_lock(&g->lock);
    g->entered = true;
    pthread_cond_broadcast(&g->wake);
    while (!g->open)
        pthread_cond_wait(&g->wake, &g->lock);
    pthread_mutex_unlock(&g->lock);
    e = store_room_find(tx, SPAN_LIT("general"), &r);
    if (!confab_failed(e) && r.last_seq != before) e = confab_fail(CONFAB_INTERNAL);
    return e;
}

static void *look_twice(void *arg)
{
    void **args = arg;
    confab_err e = do_read(args[0], run_look_twice, args[1]);
    return e.code == CONFAB_OK ? args[0] : NULL;
}

static void read_job_sees_one_snapshot_while_others_write(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    struct gate g = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
    void *args[] = {s, &g}, *result = NULL;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, look_twice, args), 0);
    pthread_mutex_lock(&g.lock);
    while (!g.entered)
        pthread_cond_wait(&g.wake, &g.lock);
    pthread_mutex_unlock(&g.lock);
    post(s, &room, &ann, "meanwhile", NULL);
    pthread_mutex_lock(&g.lock);
    g.open = true;
    pthread_cond_broadcast(&g.wake);
    pthread_mutex_unlock(&g.lock);
    pthread_join(thread, &result);
    assert_ptr_equal(result, s);
    assert_int_equal(read_log(s, room.id).count, 1); /* and a job submitted after the answer sees the write */
}

/* ---- Bounds ---- */

static void full_queues_say_busy_and_take_nothing(void **state)
{
    (void)state;
    store *s = NULL;
    const struct store_config config = {.folder = NULL, .readers = 1, .writer_queue = 3, .reader_queue = 2, .create = true};
    assert_ok(store_open(&config, &s, NULL));
    struct room room = make_room(s, "general");
    struct log_of_calls calls = {0};
    struct item items[6];
    struct gate w, r;
    for (int i = 0; i < 6; i++)
        items[i] = make_item(&calls, i, room.id);
    gate_shut(&w, s, true);
    gate_shut(&r, s, false);
    for (int i = 0; i < 3; i++)
        assert_ok(store_submit_write(s, &items[i].job));
    assert_code(store_submit_write(s, &items[3].job), CONFAB_BUSY);
    for (int i = 4; i < 6; i++) {
        items[i].fail_first = true;
        assert_ok(store_submit_read(s, &items[i].job));
    }
    assert_code(store_submit_read(s, &items[3].job), CONFAB_BUSY);
    struct append_args a = {.event = {.room_id = room.id, .kind = EVENT_MESSAGE}};
    assert_code(do_write(s, run_append, &a), CONFAB_BUSY);
    gate_open(&w);
    gate_open(&r);
    struct expect_done d = {&calls, 5};
    wait_until(all_done, &d, "the queued ones are done");
    assert_int_equal(read_log(s, room.id).count, 3);
    store_close(s);
}

static void closing_finishes_what_is_queued(void **state)
{
    (void)state;
    char folder[64];
    static struct log_of_calls calls;
    static struct item items[3000];
    memset(&calls, 0, sizeof calls);
    fixture_make_folder(folder);
    store *s = fixture_open(folder);
    struct room room = make_room(s, "general");
    for (int i = 0; i < 3000; i++) {
        items[i] = make_item(&calls, i, room.id);
        assert_ok(i % 3 ? store_submit_write(s, &items[i].job) : store_submit_read(s, &items[i].job)); /* these move to the writer */
    }
    store_close(s);
    assert_int_equal(calls.done, 3000);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(items[i].job.result.code, CONFAB_OK);
    s = fixture_open(folder);
    struct log_state l = read_log(s, room.id);
    assert_true(l.ordered && l.count == 3000);
    store_close(s);
    fixture_remove_folder(folder);
}

static confab_err run_note_time(store_tx *tx, void *ctx)
{
    int64_t *times = ctx;
    times[0] = store_tx_now_ms(tx);
    clock_set_for_tests(5000, 5000);
    times[1] = store_tx_now_ms(tx);
    return confab_ok();
}

static void job_has_one_time(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    int64_t times[2] = {0};
    clock_set_for_tests(4000, 4000);
    confab_err e = do_write(s, run_note_time, times);
    clock_set_for_tests(-1, -1);
    assert_ok(e);
    assert_int_equal(times[0], 4000);
    assert_int_equal(times[1], 4000);
}

#define JOB_TESTS(setup)                                                                                                                   \
    cmocka_unit_test_setup_teardown(jobs_are_done_in_order_of_submission, setup, fixture_close),                                           \
        cmocka_unit_test_setup_teardown(queued_jobs_share_one_commit, setup, fixture_close),                                               \
        cmocka_unit_test_setup_teardown(failing_job_is_undone_alone, setup, fixture_close),                                                \
        cmocka_unit_test_setup_teardown(commit_is_announced_in_order_before_anyone_is_answered, setup, fixture_close),                     \
        cmocka_unit_test_setup_teardown(names_that_a_job_leaves_out_are_looked_up_for_the_announcement, setup, fixture_close),             \
        cmocka_unit_test_setup_teardown(duplicates_are_not_announced, setup, fixture_close),                                               \
        cmocka_unit_test_setup_teardown(read_job_that_must_write_moves_to_the_writer, setup, fixture_close),                               \
        cmocka_unit_test_setup_teardown(read_job_sees_one_snapshot_while_others_write, setup, fixture_close),                              \
        cmocka_unit_test_setup_teardown(job_has_one_time, setup, fixture_close)

int main(void)
{
    const struct CMUnitTest on_disk[] = {
        JOB_TESTS(fixture_on_disk),
        cmocka_unit_test_setup_teardown(job_without_savepoint_that_fails_after_writing_spoils_its_batch_and_nothing_is_half_done,
                                        fixture_on_disk, fixture_close),
        cmocka_unit_test(full_queues_say_busy_and_take_nothing),
        cmocka_unit_test(closing_finishes_what_is_queued),
    };
    const struct CMUnitTest in_memory[] = {JOB_TESTS(fixture_in_memory)};
    int failed = cmocka_run_group_tests_name("jobs on disk", on_disk, NULL, NULL);
    return failed + cmocka_run_group_tests_name("jobs in memory", in_memory, NULL, NULL);
}
