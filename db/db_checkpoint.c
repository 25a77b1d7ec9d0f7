#include "db_checkpoint.h"

#include "confab/log.h"

enum { ROUNDS = 4, RESTART_WAIT_MS = 100 };

struct db_checkpoint_limits db_checkpoint_limits = {.soft = 16384, .hard = 65536, .rest = 1024};

static int note_frames(void *ctx, sqlite3 *db, const char *schema, int frames)
{
    (void)db, (void)schema;
    struct db_checkpointer *c = ctx;
    c->frames = frames;
    return SQLITE_OK;
}

/* PASSIVE: copies what no reader's snapshot forbids, waits for nobody. Returns how many pages are left, or -1. */
static int copy(struct db_conn *conn, int mode, int *log_frames)
{
    int log = 0, done = 0;
    int rc = sqlite3_wal_checkpoint_v2(conn->sqlite, "main", mode, &log, &done);
    if (log_frames) *log_frames = log;
    if ((rc & 0xff) == SQLITE_BUSY) return -1; /* another one is at it */
    if (rc != SQLITE_OK) {
        /* Nothing is lost: what is committed stays in the log, and the next attempt starts where this one ended. */
        LOG_WARN("checkpoint failed", LOG_INT("code", rc), LOG_STR("text", sqlite3_errmsg(conn->sqlite)));
        return -1;
    }
    return log - done;
}

static void *run(void *arg)
{
    struct db_checkpointer *c = arg;
    pthread_mutex_lock(&c->lock);
    while (!c->stop) {
        if (!c->wanted) {
            pthread_cond_wait(&c->wake, &c->lock);
            continue;
        }
        pthread_mutex_unlock(&c->lock);
        int left = -1;
        for (int i = 0; i < ROUNDS; i++) {
            left = copy(c->conn, SQLITE_CHECKPOINT_PASSIVE, NULL);
            if (left <= c->limits.rest) break;
        }
        pthread_mutex_lock(&c->lock);
        c->wanted = false;
        if (left >= 0) atomic_store(&c->rest_wanted, true);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

confab_err db_checkpointer_start(struct db_checkpointer *c, struct db_conn *conn, struct db_conn *writer)
{
    const struct db_checkpoint_limits limits = db_checkpoint_limits;
    *c = (struct db_checkpointer){.conn = conn, .limits = limits, .copied_frames = -1, .ask_at = limits.soft, .restart_at = limits.hard};
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_cond_init(&c->wake, NULL);
    if (pthread_create(&c->thread, NULL, run, c) != 0) {
        pthread_cond_destroy(&c->wake);
        pthread_mutex_destroy(&c->lock);
        db_conn_close(conn);
        return confab_fail_msg(CONFAB_STORE_FAILED, "No thread for checkpoints");
    }
    c->started = true;
    (void)sqlite3_wal_hook(writer->sqlite, note_frames, c);
    return confab_ok();
}

void db_checkpointer_stop(struct db_checkpointer *c)
{
    if (!c->started) return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    db_conn_close(c->conn);
    c->started = false;
}

static void ask(struct db_checkpointer *c)
{
    pthread_mutex_lock(&c->lock);
    c->wanted = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

static void copy_rest(struct db_checkpointer *c, struct db_conn *writer)
{
    int log = 0;
    if (copy(writer, SQLITE_CHECKPOINT_PASSIVE, &log) == 0) c->copied_frames = log;
}

/* Readers that are never all idle keep the log from starting again although all of it is copied. */
static void restart(struct db_checkpointer *c, struct db_conn *writer)
{
    (void)sqlite3_busy_timeout(writer->sqlite, RESTART_WAIT_MS);
    (void)copy(writer, SQLITE_CHECKPOINT_RESTART, NULL);
    (void)sqlite3_busy_timeout(writer->sqlite, writer->busy_timeout_ms);
    /* A backup holds a snapshot for long; waiting for it at every commit would stall each of them. */
    c->restart_at = c->frames + c->limits.soft;
}

/* The log began anew: the thresholds count from its beginning again. */
static void notice_restart(struct db_checkpointer *c)
{
    if (c->frames < c->last_frames) {
        c->ask_at = c->limits.soft;
        c->restart_at = c->limits.hard;
        c->copied_frames = -1;
    }
    c->last_frames = c->frames;
}

void db_checkpointer_after_commit(struct db_checkpointer *c, struct db_conn *writer)
{
    if (!c->started) return;
    notice_restart(c);
    if (atomic_exchange(&c->rest_wanted, false)) {
        copy_rest(c, writer);
    } else if (c->frames >= c->restart_at) {
        restart(c, writer);
    } else if (c->frames >= c->ask_at) {
        c->ask_at = c->frames + c->limits.rest; /* not at every commit while readers keep the log from starting again */
        ask(c);
    }
}

void db_checkpointer_idle(struct db_checkpointer *c, struct db_conn *writer)
{
    if (!c->started || c->frames == 0 || c->frames == c->copied_frames) return;
    if (atomic_exchange(&c->rest_wanted, false))
        copy_rest(c, writer);
    else
        ask(c);
}
