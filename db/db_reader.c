/* Readers: threads that answer read jobs, each on its own connection and snapshot. */
#include "confab/clock.h"
#include "confab/metrics.h"
#include "db_store.h"

/* Jobs taken per wake-up at most: they share one snapshot, which is newer than each of their submissions. Few, so that no snapshot
 * stays open for long. */
enum { TAKE_MAX = 8 };

/* A reader's fair share of what waits, so that it does not sit on what another could answer. */
static size_t share(store *s)
{
    size_t n = queue_len(&s->reads) / (size_t)s->readers_wanted;
    return n < 1 ? 1 : n > TAKE_MAX ? TAKE_MAX : n;
}

static void give_to_writer(store *s, struct store_job *job)
{
    confab_err e = store_submit_write(s, job);
    if (!confab_failed(e)) return;
    job->result = e;
    job->done(job);
}

static void run_one(struct db_reader *r, struct store_job *job, confab_err snapshot)
{
    store_tx tx = {.store = r->store, .conn = r->conn, .now_ms = clock_wall_ms()};
    job->result = confab_failed(snapshot) ? snapshot : job->run(job, &tx);
    if (job->result.code == CONFAB_NEEDS_WRITER)
        give_to_writer(r->store, job);
    else
        job->done(job);
}

static void run_some(struct db_reader *r, struct queue_node *first)
{
    db_names_drop(r->conn, false);
    confab_err snapshot = db_run(r->conn, DB_S_begin_read);
    int64_t taken = 0;
    for (struct queue_node *n = first; n; taken++) {
        struct queue_node *next = n->next;
        run_one(r, (struct store_job *)n, snapshot);
        n = next;
    }
    metric_gauge_add(METRIC_READER_QUEUE, -taken);
    if (!sqlite3_get_autocommit(r->conn->sqlite)) {
        confab_err e = db_run(r->conn, DB_S_commit);
        if (confab_failed(e)) (void)db_run(r->conn, DB_S_rollback).code; /* an open snapshot would keep the log from being folded in */
    }
}

void *db_reader_main(void *arg)
{
    struct db_reader *r = arg;
    for (;;) {
        struct queue_node *first = queue_wait_take(&r->store->reads, share(r->store), -1);
        if (!first) return NULL; /* closed and empty */
        run_some(r, first);
    }
}
