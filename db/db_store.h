/* Inside the store: its parts, and what a transaction is. Only for db/ and its tests.
 *
 * Threads: one writer, N readers, one checkpointer. The writer owns writer_conn, cache, batch and tx of its jobs; a reader owns its
 * connection. Shared: the queues (their own lock), the observer (observer_lock), health (health_lock), the checkpoint request. */
#ifndef CONFAB_DB_STORE_H
#define CONFAB_DB_STORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "confab/store.h"
#include "db_batch.h"
#include "db_cache.h"
#include "db_checkpoint.h"
#include "db_conn.h"
#include "db_folder.h"

/* Jobs in one transaction at most: bounds how long the first of them waits and how much a failed commit throws away. */
#define DB_BATCH_MAX 2000
#define DB_LOCK_WAIT_MS 1000 /* for the folder: long enough for someone who is only opening it */
#define DB_IDLE_POLL_MS 500

/* How long a transaction waits for another process that writes, before its jobs fail as BUSY. Tests shorten it before they open a store. */
extern int db_busy_timeout_ms;

struct store_tx {
    struct store *store;
    struct db_conn *conn;
    struct db_batch *batch; /* NULL: a reader's */
    struct db_cache *cache; /* NULL: a reader's */
    int64_t now_ms;
    uint64_t duplicates; /* found in this batch */
    bool has_purges;     /* a room was deleted: its log is to be removed */
};

struct db_reader {
    struct store *store;
    struct db_conn *conn;
    pthread_t thread;
};

struct store {
    struct db_folder folder;
    char epoch[EPOCH_SIZE];
    struct queue writes, reads;
    atomic_bool closing; /* set after `writes` is closed: the writer ends when it is empty */

    pthread_t writer;
    bool writer_started;
    struct db_conn *writer_conn;
    struct db_cache cache;
    struct db_batch batch;
    int64_t data_version; /* writer: as of its last look; another process's commit changes it */
    bool purging;         /* writer: a deleted room's log is still there */
    struct db_reader *readers;
    int readers_wanted; /* fixed before the first of them starts */
    int reader_count;   /* those that run */
    struct db_checkpointer checkpointer;

    pthread_mutex_t observer_lock; /* held while the observer is inside a call */
    struct store_observer observer;

    pthread_mutex_t health_lock;
    confab_err health; /* why the last write transaction failed; OK after one that did not */
};

/* Thread bodies and their parts. */
void *db_writer_main(void *store);
void *db_reader_main(void *reader);
confab_err db_store_health(store *s);             /* Thread: any */
void db_store_set_health(store *s, confab_err e); /* Thread: writer */

/* For every function that writes: OK on the writer, NEEDS_WRITER elsewhere. */
static inline confab_err db_need_writer(const store_tx *tx) { return tx->batch ? confab_ok() : confab_fail(CONFAB_NEEDS_WRITER); }

/* The packed key of the log, and back. */
static inline int64_t db_event_key(int64_t room_id, int64_t seq) { return room_id << DB_SEQ_BITS | seq; }
static inline int64_t db_room_end(int64_t room_id) { return room_id << DB_SEQ_BITS | DB_SEQ_MAX; } /* exclusive: the log ends before */
static inline int64_t db_key_seq(int64_t key) { return key & DB_SEQ_MAX; }
/* Room numbers and seqs come from clients' mouths: a wild one would reach into another room's range. */
static inline bool db_room_id_is_valid(int64_t id) { return id > 0 && id < (INT64_C(1) << (63 - DB_SEQ_BITS)); }
static inline bool db_seq_is_valid(int64_t seq) { return seq > 0 && seq < DB_SEQ_MAX; }

/* Writer: the room itself as it is remembered, whose last_seq append moves; where there is no memory to remember it, *spare filled. */
confab_err db_room_for_append(store_tx *tx, int64_t id, struct room **out, struct room *spare);

/* Removes one slice of a deleted room's log, inside the writer's transaction; *more: there is more to do. */
confab_err db_room_purge_slice(store_tx *tx, bool *more);

/* Bounded copies of columns into fixed arrays: what does not fit (an edited file) is cut off, never overrun. */
static inline void db_copy_text(span from, char *to, size_t cap)
{
    size_t n = from.n < cap ? from.n : cap - 1;
    if (n) memcpy(to, from.p, n);
    to[n] = '\0';
}

/* A growing array in an arena, for lists whose length is not known: makes room for one more. NULL: out of memory. */
void *db_list_grow(arena *a, void *items, size_t n, size_t *cap, size_t size);
/* What a caller asked for as `limit`, within reason, so that limit + 1 cannot overflow. */
static inline size_t db_limit(size_t limit) { return limit < 1 ? 1 : limit > 100000 ? 100000 : limit; }

/* Text in, checked: at most `max` bytes, INVALID_FIELD with the field's name otherwise. */
static inline confab_err db_check_text(span s, size_t max, const char *field)
{
    return s.n <= max ? confab_ok() : confab_fail_field(CONFAB_INVALID_FIELD, field, "This is too long");
}

static inline confab_err db_no_memory(void) { return confab_fail_msg(CONFAB_STORE_FAILED, "Out of memory"); }

#endif
