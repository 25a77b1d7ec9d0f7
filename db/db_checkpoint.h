/* Moves what is committed from the write-ahead log into the database file, beside the writer, and keeps that log bounded.
 *
 * The bulk is copied by a thread of its own while the writer goes on. It can never catch up with a busy writer, and the log can only
 * start again from its beginning when everything is copied; so the writer copies the small rest itself, between two batches.
 * Past a hard limit the writer also waits shortly for readers to let go of the log. */
#ifndef CONFAB_DB_CHECKPOINT_H
#define CONFAB_DB_CHECKPOINT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "db_conn.h"

/* Lengths of the log, in pages of 4 KiB. A page that is written often is copied once per round: with 1,000 busy rooms, 16 MiB
 * between rounds cost 18 us of CPU per post, 64 MiB 12 us. */
struct db_checkpoint_limits {
    int soft; /* start copying */
    int hard; /* wait for readers, shortly */
    int rest; /* what the writer may copy itself without a stall worth mentioning */
};
extern struct db_checkpoint_limits db_checkpoint_limits; /* tests make them small before they open a store */

struct db_checkpointer {
    struct db_checkpoint_limits limits;
    pthread_t thread;
    bool started;
    struct db_conn *conn; /* the thread's */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool wanted, stop;       /* under lock */
    atomic_bool rest_wanted; /* the thread copied what it could: the writer's turn */
    int frames;              /* writer: length of the log after the last commit, in pages */
    int copied_frames;       /* writer: the length at which nothing was left to copy; -1: unknown */
    int last_frames;         /* writer: the length before that */
    int ask_at, restart_at;  /* writer: lengths at which to wake the thread, and to wait for readers */
};

/* Takes conn. Installs a commit hook on the writer's connection. On failure nothing is started and conn is closed. */
CONFAB_MUST_CHECK confab_err db_checkpointer_start(struct db_checkpointer *c, struct db_conn *conn, struct db_conn *writer);
void db_checkpointer_stop(struct db_checkpointer *c); /* accepts one that was not started */

/* Thread: writer, outside a transaction. */
void db_checkpointer_after_commit(struct db_checkpointer *c, struct db_conn *writer);
void db_checkpointer_idle(struct db_checkpointer *c, struct db_conn *writer);

#endif
