/* The writer: one thread that turns whatever is queued into one transaction, and answers after the commit. */
#include "confab/clock.h"
#include "confab/log.h"
#include "confab/metrics.h"
#include "db_store.h"

/* What this process remembers is no longer what the database holds. */
static void forget(store *s)
{
    db_cache_clear(&s->cache);
    db_names_drop(s->writer_conn, true);
}

static confab_err read_data_version(struct db_conn *c, int64_t *out)
{
    struct db_query q;
    db_start(&q, c, DB_S_data_version);
    if (db_step(&q)) *out = db_column_int(&q);
    return db_finish(&q);
}

/* *foreign: another process has committed since the last look. The writer's own commits do not count. */
static confab_err look_for_foreign(store *s, bool *foreign)
{
    int64_t version = s->data_version;
    confab_err e = read_data_version(s->writer_conn, &version);
    *foreign = !confab_failed(e) && version != s->data_version;
    s->data_version = version;
    if (*foreign) forget(s);
    return e;
}

static void announce_foreign(store *s)
{
    pthread_mutex_lock(&s->observer_lock);
    if (s->observer.on_foreign_change) s->observer.on_foreign_change(s->observer.ctx);
    pthread_mutex_unlock(&s->observer_lock);
}

/* ---- One job ---- */

static void undo_job(store_tx *tx, size_t events_before, int64_t changes_before)
{
    confab_err e = db_run(tx->conn, DB_S_rollback_to);
    if (!confab_failed(e)) e = db_run(tx->conn, DB_S_release);
    if (confab_failed(e) && !confab_failed(tx->conn->hard)) tx->conn->hard = e;
    db_batch_back(tx->batch, events_before);
    if (sqlite3_total_changes64(tx->conn->sqlite) != changes_before) forget(tx->store);
}

/* Runs the job inside the batch's transaction. A failure that spoils the transaction is left in conn->hard. */
static confab_err run_job(store_tx *tx, struct store_job *job)
{
    struct db_conn *c = tx->conn;
    size_t events_before = db_batch_mark(tx->batch);
    int64_t changes_before = sqlite3_total_changes64(c->sqlite);
    tx->now_ms = clock_wall_ms();
    bool savepoint = job->atomic;
    if (savepoint) {
        confab_err e = db_run(c, DB_S_savepoint);
        if (confab_failed(e)) return e;
    }
    confab_err result = job->run(job, tx);
    if (confab_failed(c->hard)) return c->hard;
    if (savepoint && confab_failed(result)) {
        undo_job(tx, events_before, changes_before);
    } else if (savepoint) {
        confab_err e = db_run(c, DB_S_release);
        if (confab_failed(e) && !confab_failed(c->hard)) c->hard = e; /* what it wrote is still in the transaction */
        if (confab_failed(e)) return e;
    } else if (confab_failed(result) && sqlite3_total_changes64(c->sqlite) != changes_before) {
        /* A programmer's mistake: it wrote, failed, and has no savepoint to go back to. Rather nothing than half of something. */
        LOG_ERROR("a job that is not atomic failed after it had written; its batch is rolled back",
                  LOG_STR("error", confab_err_word(result.code)));
        c->hard = confab_fail(CONFAB_INTERNAL);
    }
    return result;
}

/* ---- One batch ---- */

static confab_err commit(store *s, store_tx *tx)
{
    struct db_conn *c = s->writer_conn;
    if (confab_failed(c->hard)) return c->hard;
    if (s->purging || tx->has_purges) {
        bool more = false;
        confab_err e = db_room_purge_slice(tx, &more);
        /* After a failure not again before the next deletion or start: a damaged page of a room that is gone may cost one batch, not all.
         */
        s->purging = !confab_failed(e) && more;
        if (confab_failed(e)) return e;
    }
    confab_err e = db_run(c, DB_S_commit);
    return confab_failed(c->hard) ? c->hard : e;
}

static void roll_back(store *s)
{
    if (!sqlite3_get_autocommit(s->writer_conn->sqlite)) {
        confab_err e = db_run(s->writer_conn, DB_S_rollback);
        if (confab_failed(e)) LOG_ERROR("rollback failed", LOG_STR("error", confab_err_word(e.code)));
    }
    db_batch_clear(&s->batch);
    forget(s);
}

/* Runs the jobs of the list in one transaction. The outcome of a job is in its result; the returned error is the transaction's. */
static confab_err run_transaction(store *s, struct queue_node *first, bool *foreign)
{
    store_tx tx = {.store = s, .conn = s->writer_conn, .batch = &s->batch, .cache = &s->cache};
    s->writer_conn->hard = confab_ok();
    db_names_drop(s->writer_conn, false);
    confab_err e = db_run(s->writer_conn, DB_S_begin_write);
    if (confab_failed(e)) return e;
    e = look_for_foreign(s, foreign);
    for (struct queue_node *n = first; n && !confab_failed(e); n = n->next) {
        struct store_job *job = (struct store_job *)n;
        job->result = run_job(&tx, job);
        e = s->writer_conn->hard;
    }
    if (!confab_failed(e)) e = commit(s, &tx);
    if (confab_failed(e))
        roll_back(s);
    else
        metric_add(METRIC_DUPLICATES, tx.duplicates);
    return e;
}

static void account(store *s, size_t jobs, int64_t began_us, confab_err e)
{
    metric_observe(METRIC_COMMIT_BATCH, jobs);
    metric_observe(METRIC_COMMIT_LATENCY_US, (uint64_t)(clock_mono_us() - began_us));
    metric_add(confab_failed(e) ? METRIC_COMMITS_FAILED : METRIC_COMMITS, 1);
    if (!confab_failed(e)) metric_add(METRIC_EVENTS_APPENDED, s->batch.n);
}

static void complete(struct queue_node *first, confab_err batch_error)
{
    for (struct queue_node *n = first; n;) {
        struct queue_node *next = n->next; /* done() may free the job */
        struct store_job *job = (struct store_job *)n;
        if (confab_failed(batch_error)) job->result = batch_error;
        job->done(job);
        n = next;
    }
}

/* Announces what was committed, answers, and says that the batch is over. The observer cannot change in between. */
static void answer_batch(store *s, struct queue_node *first, confab_err batch_error)
{
    pthread_mutex_lock(&s->observer_lock);
    const struct store_observer *o = &s->observer;
    bool announced = s->batch.n > 0;
    if (announced && o->on_commit) o->on_commit(o->ctx, s->batch.events, s->batch.n);
    complete(first, batch_error);
    if (announced && o->on_batch_done) o->on_batch_done(o->ctx);
    pthread_mutex_unlock(&s->observer_lock);
}

static void run_batch(store *s, struct queue_node *first)
{
    size_t jobs = 0;
    for (struct queue_node *n = first; n; n = n->next)
        jobs++;
    metric_gauge_add(METRIC_WRITER_QUEUE, -(int64_t)jobs);
    int64_t began = clock_mono_us();
    bool foreign = false;
    confab_err e = run_transaction(s, first, &foreign);
    account(s, jobs, began, e);
    db_store_set_health(s, e);
    if (foreign) announce_foreign(s);
    answer_batch(s, first, e);
    db_batch_clear(&s->batch);
    if (!confab_failed(e)) db_checkpointer_after_commit(&s->checkpointer, s->writer_conn);
}

/* ---- Between batches ---- */

static confab_err run_probe(struct store_job *job, store_tx *tx)
{
    (void)job;
    return store_meta_put(tx, "last_probe", SPAN_LIT("1"));
}

/* While writing fails, /ready keeps requests away; so the writer finds out itself when the disk is well again. */
static void probe(store *s)
{
    struct store_job job = {.run = run_probe};
    bool foreign = false;
    job.node.next = NULL;
    confab_err e = run_transaction(s, &job.node, &foreign);
    db_store_set_health(s, e);
    if (foreign) announce_foreign(s);
    db_batch_clear(&s->batch);
}

static void purge(store *s)
{
    bool foreign = false;
    confab_err e = run_transaction(s, NULL, &foreign);
    if (confab_failed(e)) s->purging = false; /* not in a tight loop */
    db_store_set_health(s, e);
    if (foreign) announce_foreign(s);
    db_checkpointer_after_commit(&s->checkpointer, s->writer_conn);
}

static void idle(store *s)
{
    if (confab_failed(db_store_health(s))) {
        probe(s);
        return;
    }
    bool foreign = false;
    confab_err e = look_for_foreign(s, &foreign);
    if (confab_failed(e)) db_store_set_health(s, e);
    if (foreign) announce_foreign(s);
    db_checkpointer_idle(&s->checkpointer, s->writer_conn);
}

void *db_writer_main(void *arg)
{
    store *s = arg;
    for (;;) {
        struct queue_node *first = queue_wait_take(&s->writes, DB_BATCH_MAX, s->purging ? 0 : DB_IDLE_POLL_MS);
        if (first)
            run_batch(s, first);
        else if (atomic_load(&s->closing))
            break; /* closed and empty */
        else if (s->purging)
            purge(s);
        else
            idle(s);
    }
    forget(s);
    db_batch_free(&s->batch);
    return NULL;
}
