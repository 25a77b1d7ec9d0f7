#include "db_store.h"

#include <stdlib.h>

#include "confab/log.h"
#include "confab/metrics.h"
#include "db_migrate.h"

int db_busy_timeout_ms = 5000;

/* ---- Opening, in the order of the ladder; store_close goes down the same rungs and accepts any of them ---- */

static confab_err open_conn(const store *s, enum db_role role, struct db_conn **out, buf *problem)
{
    const struct db_open o = {
        .path = s->folder.database, .role = role, .durable = !s->folder.temporary, .busy_timeout_ms = db_busy_timeout_ms};
    return db_conn_open(&o, out, problem);
}

/* Whoever finds the schema current shares the folder from here on; who has to change it must be alone. */
static confab_err bring_up_to_date(store *s, buf *problem)
{
    enum db_schema_state state = DB_SCHEMA_EMPTY;
    struct db_migrations m = db_migrations_builtin();
    confab_err e = db_folder_lock(&s->folder, DB_LOCK_SHARED, DB_LOCK_WAIT_MS, problem);
    if (!confab_failed(e)) e = db_migrate_inspect(s->folder.database, m, &state, problem);
    bool alone = !confab_failed(e) && state != DB_SCHEMA_CURRENT;
    if (alone) e = db_folder_lock(&s->folder, DB_LOCK_EXCLUSIVE, DB_LOCK_WAIT_MS, problem);
    if (!confab_failed(e)) e = open_conn(s, DB_WRITER, &s->writer_conn, problem);
    if (!confab_failed(e)) e = db_migrate_apply(s->writer_conn, m, problem);
    if (!confab_failed(e) && alone) e = db_folder_lock(&s->folder, DB_LOCK_SHARED, DB_LOCK_WAIT_MS, problem);
    return e;
}

static confab_err read_start(store *s, buf *problem)
{
    confab_err e = db_conn_prepare(s->writer_conn, problem);
    if (confab_failed(e)) return e;
    struct db_query q;
    db_start(&q, s->writer_conn, DB_S_meta_get);
    db_bind_text(&q, DB_P_name, SPAN_LIT("epoch"));
    if (db_step(&q)) db_copy_text(db_column_text(&q), s->epoch, sizeof s->epoch);
    e = db_finish(&q);
    if (!confab_failed(e) && strlen(s->epoch) != EPOCH_SIZE - 1) {
        if (problem) buf_append_str(problem, "the database has no epoch; restore a backup");
        return confab_fail(CONFAB_STORE_CORRUPT);
    }
    db_start(&q, s->writer_conn, DB_S_data_version);
    if (db_step(&q)) s->data_version = db_column_int(&q);
    return confab_failed(e) ? e : db_finish(&q);
}

static confab_err start_readers(store *s, int count, buf *problem)
{
    s->readers = calloc((size_t)count, sizeof *s->readers);
    if (!s->readers) return db_no_memory();
    s->readers_wanted = count;
    for (int i = 0; i < count; i++) {
        struct db_reader *r = &s->readers[i];
        r->store = s;
        confab_err e = open_conn(s, DB_READER, &r->conn, problem);
        if (!confab_failed(e)) e = db_conn_prepare(r->conn, problem);
        if (!confab_failed(e) && pthread_create(&r->thread, NULL, db_reader_main, r) != 0)
            e = confab_fail_msg(CONFAB_STORE_FAILED, "No thread for a reader");
        if (confab_failed(e)) {
            db_conn_close(r->conn);
            return e;
        }
        s->reader_count++;
    }
    return confab_ok();
}

static confab_err start_threads(store *s, int readers, buf *problem)
{
    struct db_conn *conn = NULL;
    confab_err e = open_conn(s, DB_WRITER, &conn, problem);
    if (!confab_failed(e)) e = db_checkpointer_start(&s->checkpointer, conn, s->writer_conn);
    if (!confab_failed(e)) e = start_readers(s, readers, problem);
    if (!confab_failed(e) && pthread_create(&s->writer, NULL, db_writer_main, s) != 0)
        e = confab_fail_msg(CONFAB_STORE_FAILED, "No thread for the writer");
    if (!confab_failed(e)) s->writer_started = true;
    return e;
}

confab_err store_open(const struct store_config *config, store **out, buf *problem)
{
    *out = NULL;
    store *s = calloc(1, sizeof *s);
    if (!s) return db_no_memory();
    queue_init(&s->writes, config->writer_queue);
    queue_init(&s->reads, config->reader_queue);
    (void)pthread_mutex_init(&s->observer_lock, NULL);
    (void)pthread_mutex_init(&s->health_lock, NULL);
    s->purging = true; /* unknown: the first look finds out */
    confab_err e = db_folder_open(config->folder, config->create, &s->folder, problem);
    if (!confab_failed(e)) e = bring_up_to_date(s, problem);
    if (!confab_failed(e)) e = read_start(s, problem);
    if (!confab_failed(e)) e = start_threads(s, config->readers < 1 ? 1 : config->readers, problem);
    if (confab_failed(e)) {
        if (problem && problem->len == 0) buf_append_str(problem, confab_err_sentence(e));
        store_close(s);
        return e;
    }
    *out = s;
    return e;
}

static void stop_readers(store *s)
{
    queue_close(&s->reads);
    for (int i = 0; i < s->reader_count; i++) {
        pthread_join(s->readers[i].thread, NULL);
        db_conn_close(s->readers[i].conn);
    }
    free(s->readers);
}

void store_close(store *s)
{
    if (!s) return;
    stop_readers(s); /* first: they may still hand jobs to the writer */
    queue_close(&s->writes);
    atomic_store(&s->closing, true);
    if (s->writer_started) pthread_join(s->writer, NULL);
    db_checkpointer_stop(&s->checkpointer);
    if (s->writer_started) {
        /* The next start needs no recovery and a copy of confab.db is whole. Others may have it open: then it is theirs to do. */
        (void)sqlite3_busy_timeout(s->writer_conn->sqlite, 0);
        (void)sqlite3_wal_checkpoint_v2(s->writer_conn->sqlite, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    db_conn_close(s->writer_conn);
    db_folder_close(&s->folder);
    queue_fini(&s->writes);
    queue_fini(&s->reads);
    (void)pthread_mutex_destroy(&s->observer_lock);
    (void)pthread_mutex_destroy(&s->health_lock);
    free(s);
}

const char *store_epoch(const store *s) { return s->epoch; }

/* ---- Jobs ---- */

static confab_err submit(struct queue *q, enum metric_gauge depth, struct store_job *job)
{
    /* Counted before it is pushed: the consumer may be done with it, and have counted it out, before push returns. */
    metric_gauge_add(depth, 1);
    enum queue_push pushed = queue_push(q, &job->node);
    if (pushed == QUEUE_PUSHED || pushed == QUEUE_PUSHED_FIRST) return confab_ok();
    metric_gauge_add(depth, -1);
    return confab_fail(pushed == QUEUE_FULL ? CONFAB_BUSY : CONFAB_SHUTTING_DOWN);
}

confab_err store_submit_write(store *s, struct store_job *job) { return submit(&s->writes, METRIC_WRITER_QUEUE, job); }
confab_err store_submit_read(store *s, struct store_job *job) { return submit(&s->reads, METRIC_READER_QUEUE, job); }

/* A job around the caller's job, whose done() wakes the caller. */
struct wait_job {
    struct store_job job; /* first member */
    struct store_job *inner;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool finished;
};

static confab_err run_inner(struct store_job *job, store_tx *tx)
{
    struct wait_job *w = (struct wait_job *)job;
    confab_err e = w->inner->run(w->inner, tx);
    w->job.atomic = w->inner->atomic; /* it may ask for it before it moves to the writer */
    return e;
}

static void wake_waiter(struct store_job *job)
{
    struct wait_job *w = (struct wait_job *)job;
    pthread_mutex_lock(&w->lock);
    w->finished = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

static confab_err wait_for(store *s, struct store_job *job, confab_err (*submit_job)(store *, struct store_job *))
{
    struct wait_job w = {.job = {.run = run_inner, .done = wake_waiter, .atomic = job->atomic}, .inner = job};
    (void)pthread_mutex_init(&w.lock, NULL);
    (void)pthread_cond_init(&w.wake, NULL);
    confab_err e = submit_job(s, &w.job);
    if (!confab_failed(e)) {
        pthread_mutex_lock(&w.lock);
        while (!w.finished)
            pthread_cond_wait(&w.wake, &w.lock);
        pthread_mutex_unlock(&w.lock);
        e = w.job.result;
    }
    job->result = e;
    (void)pthread_cond_destroy(&w.wake);
    (void)pthread_mutex_destroy(&w.lock);
    return e;
}

confab_err store_write_wait(store *s, struct store_job *job) { return wait_for(s, job, store_submit_write); }
confab_err store_read_wait(store *s, struct store_job *job) { return wait_for(s, job, store_submit_read); }

bool store_tx_is_write(const store_tx *tx) { return tx->batch != NULL; }
int64_t store_tx_now_ms(const store_tx *tx) { return tx->now_ms; }

/* ---- Observer and health ---- */

void store_set_observer(store *s, struct store_observer o)
{
    pthread_mutex_lock(&s->observer_lock);
    s->observer = o;
    pthread_mutex_unlock(&s->observer_lock);
}

confab_err db_store_health(store *s)
{
    pthread_mutex_lock(&s->health_lock);
    confab_err e = s->health;
    pthread_mutex_unlock(&s->health_lock);
    return e;
}

void db_store_set_health(store *s, confab_err e)
{
    if (e.code == CONFAB_INTERNAL) return; /* our mistake, not the disk's */
    pthread_mutex_lock(&s->health_lock);
    confab_err before = s->health;
    s->health = e;
    pthread_mutex_unlock(&s->health_lock);
    if (confab_failed(e) && !confab_failed(before))
        LOG_ERROR("the database cannot be written", LOG_STR("error", confab_err_word(e.code)), LOG_STR("text", confab_err_sentence(e)));
    if (!confab_failed(e) && confab_failed(before)) LOG_INFO("the database can be written again");
}

confab_err store_health(store *s, buf *problem)
{
    confab_err e = db_store_health(s);
    if (confab_failed(e) && problem) buf_append_str(problem, confab_err_sentence(e));
    return e;
}

void *db_list_grow(arena *a, void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) return items;
    size_t bigger = *cap ? *cap * 2 : 8;
    void *grown = arena_alloc(a, bigger * size);
    if (!grown) return NULL;
    if (n) memcpy(grown, items, n * size);
    *cap = bigger;
    return grown;
}
