/* The store in the domain's words: durable rooms, people and logs, with no SQL type in sight. SQLite stands behind it.
 *
 * Work is done in jobs. A job's run() is called with a transaction:
 *   - write jobs run one after another on the writer thread, many to one transaction (group commit). A job that fails is
 *     undone alone; the others of its batch commit. done() is called after the commit is on disk, in order of submission.
 *   - read jobs run on reader threads, each on its own snapshot.
 * Events appended in a batch are announced to the observer after the commit and before the batch's done() calls, in log order.
 *
 * Ownership: the caller owns the job and keeps it alive until done(); done() may free it. */
#ifndef CONFAB_STORE_H
#define CONFAB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "confab/buf.h"
#include "confab/err.h"
#include "confab/event.h"
#include "confab/queue.h"

typedef struct store store;
typedef struct store_tx store_tx;

struct store_config {
    const char *folder;  /* holds confab.db; made if missing. NULL: an in-memory database (tests) */
    int readers;         /* reader threads, >= 1 */
    size_t writer_queue; /* jobs waiting at most */
    size_t reader_queue;
    bool create; /* false: a missing database is NOT_FOUND */
};

/* Opens, checks and migrates under a lock, reads the epoch, starts the threads.
 * `problem` gets a sentence for people that says what to do. Errors: SCHEMA_NEWER, STORE_CORRUPT, STORE_FAILED, DISK_FULL, NOT_FOUND,
 * BUSY (the schema must change first, and another process has the database open). */
CONFAB_MUST_CHECK confab_err store_open(const struct store_config *config, store **out, buf *problem);
/* Finishes what is queued, checkpoints, closes. No job may be submitted any more. Accepts NULL. */
void store_close(store *s);
const char *store_epoch(const store *s); /* random hex, new after a restore; static for the store's life */

struct store_job {
    struct queue_node node;                                 /* the store's; first member */
    confab_err (*run)(struct store_job *job, store_tx *tx); /* Thread: writer or reader. May run again after NEEDS_WRITER */
    void (*done)(struct store_job *job);                    /* Thread: writer or reader. Must be quick and not block */
    confab_err result;                                      /* what run() said, or why the commit failed */
    bool atomic;                                            /* run() writes more than once: give it a savepoint of its own */
};

/* Thread: any. Blocks: no. Errors: BUSY (queue full; nothing taken, done() will not be called), SHUTTING_DOWN.
 * A read job whose run() fails with NEEDS_WRITER is moved to the writer's queue by the store and run again there. */
CONFAB_MUST_CHECK confab_err store_submit_write(store *s, struct store_job *job);
CONFAB_MUST_CHECK confab_err store_submit_read(store *s, struct store_job *job);
/* The same, waiting for the result; done is not used. Thread: any but loop, writer and reader. */
CONFAB_MUST_CHECK confab_err store_write_wait(store *s, struct store_job *job);
CONFAB_MUST_CHECK confab_err store_read_wait(store *s, struct store_job *job);

/* The seam to the live hub today and to other nodes later; both may be NULL. store_set_observer returns when no thread is inside the old
 * observer, nor will be: afterwards its ctx may be freed. Thread of set: any but the writer.
 * Thread: writer. Events and their bytes are valid during the call only. */
struct store_observer {
    void *ctx;
    void (*on_commit)(void *ctx, const struct event *events, size_t n);
    void (*on_batch_done)(void *ctx);     /* after the done() calls of a batch that was announced: whoever batches wake-ups wakes now */
    void (*on_foreign_change)(void *ctx); /* another process changed the database: re-read what you keep */
};
void store_set_observer(store *s, struct store_observer o);

/* Can the database be written now? Cheap; for /ready. `problem` (may be NULL) gets words where not. Thread: any. */
CONFAB_MUST_CHECK confab_err store_health(store *s, buf *problem);

/* ---- Inside a job: every call below belongs to the job's thread and is valid only during run(). ---- */

bool store_tx_is_write(const store_tx *tx);
int64_t store_tx_now_ms(const store_tx *tx); /* one wall time per job */

/* Events. Append assigns the next seq of the room (gap-free) and the time, and queues the announcement.
 * in: room_id, actor_id, kind, target, subject_id, role, text, client_id; the names (room, actor, subject) for the announcement.
 * Where (room, actor, client_id) exists already: *duplicate is true, seq and at_ms are the first one's, nothing is written. */
CONFAB_MUST_CHECK confab_err store_event_append(store_tx *tx, struct event *inout, bool *duplicate);
CONFAB_MUST_CHECK confab_err store_event_get(store_tx *tx, int64_t room_id, int64_t seq, arena *a,
                                             struct event *out); /* MESSAGE_NOT_FOUND */
/* The event that (room, actor, client_id) made before: its seq and time; *seq 0 where there is none. Lets a retry be answered with the
 * first result although the request itself would be refused by now. */
CONFAB_MUST_CHECK confab_err store_event_find_client(store_tx *tx, int64_t room_id, int64_t actor_id, span client_id, int64_t *seq,
                                                     int64_t *at_ms);
/* Erases the text of a MESSAGE and of the edits that target it from the log (the rows and their seq stay). */
CONFAB_MUST_CHECK confab_err store_event_erase(store_tx *tx, int64_t room_id, int64_t seq);
/* Events with after < seq, ascending, at most `limit` of them and about `max_bytes` of text (at least one).
 * Return false from `each` to stop. Spans are valid during the call. */
typedef bool store_event_fn(void *ctx, const struct event *e);
CONFAB_MUST_CHECK confab_err store_events_after(store_tx *tx, int64_t room_id, int64_t after, size_t limit, size_t max_bytes,
                                                store_event_fn *each, void *ctx);

/* Messages as people see them, ascending. before/after: exclusive seq; before 0, after -1: none (after 0: from the start).
 * With neither, the newest `limit`.
 * Deleted ones are included as such. *more: there are further ones in the direction of paging. */
CONFAB_MUST_CHECK confab_err store_messages_page(store_tx *tx, int64_t room_id, int64_t reader_id, int64_t before, int64_t after,
                                                 size_t limit, arena *a, struct message_view **out, size_t *n, bool *more);
CONFAB_MUST_CHECK confab_err store_message_get(store_tx *tx, int64_t room_id, int64_t reader_id, int64_t seq, arena *a,
                                               struct message_view *out); /* MESSAGE_NOT_FOUND */
/* The materialised side of an edit, deletion or reaction; the caller appends the event in the same job. */
CONFAB_MUST_CHECK confab_err store_message_set_text(store_tx *tx, int64_t room_id, int64_t seq, span text, int64_t edited_ms);
CONFAB_MUST_CHECK confab_err store_message_set_deleted(store_tx *tx, int64_t room_id, int64_t seq);
CONFAB_MUST_CHECK confab_err store_reaction_set(store_tx *tx, int64_t room_id, int64_t seq, int64_t user_id, span reaction, bool on,
                                                bool *changed);

/* Rooms. */
struct room_new {
    span slug, name, topic;
    enum room_kind kind;
};
struct room_patch {
    span name, topic;
    enum room_kind kind;
    int archived;
}; /* absent span, kind 0, archived -1: leave as it is */
CONFAB_MUST_CHECK confab_err store_room_create(store_tx *tx, const struct room_new *in, struct room *out); /* ROOM_EXISTS */
CONFAB_MUST_CHECK confab_err store_room_find(store_tx *tx, span slug, struct room *out);                   /* ROOM_NOT_FOUND */
CONFAB_MUST_CHECK confab_err store_room_get(store_tx *tx, int64_t id, struct room *out);                   /* ROOM_NOT_FOUND */
CONFAB_MUST_CHECK confab_err store_room_update(store_tx *tx, int64_t id, const struct room_patch *patch);
CONFAB_MUST_CHECK confab_err store_room_delete(store_tx *tx, int64_t id); /* with its log */
/* Deletes events with seq <= upto and moves first_seq; the log never loses its newest event. For retention and tests. */
CONFAB_MUST_CHECK confab_err store_room_trim(store_tx *tx, int64_t id, int64_t upto);
struct room_listed {
    struct room room;
    enum member_role role;
    int64_t last_read, unread;
};
/* Rooms whose slug sorts after `after` (absent: from the start): public ones and those `user_id` is a member of; all with `all`. */
CONFAB_MUST_CHECK confab_err store_room_list(store_tx *tx, int64_t user_id, bool all, span after, size_t limit, arena *a,
                                             struct room_listed **out, size_t *n, bool *more);
/* Messages of others after last_read, counted over the newest STORE_UNREAD_WINDOW events at most: a badge says "999+", and nobody's list
 * of rooms may cost a walk through a million events. */
#define STORE_UNREAD_WINDOW 1000
CONFAB_MUST_CHECK confab_err store_room_unread(store_tx *tx, int64_t room_id, int64_t user_id, int64_t last_read, int64_t *unread);

/* Members. Get gives role MEMBER_NONE where there is none. A new member has read what was there before. Read marks stay within the log. */
CONFAB_MUST_CHECK confab_err store_member_get(store_tx *tx, int64_t room_id, int64_t user_id, struct member *out);
CONFAB_MUST_CHECK confab_err store_member_put(store_tx *tx, int64_t room_id, int64_t user_id, enum member_role role);
CONFAB_MUST_CHECK confab_err store_member_remove(store_tx *tx, int64_t room_id, int64_t user_id);
CONFAB_MUST_CHECK confab_err store_member_set_read(store_tx *tx, int64_t room_id, int64_t user_id, int64_t seq,
                                                   int64_t *now_at); /* never goes back */
CONFAB_MUST_CHECK confab_err store_member_list(store_tx *tx, int64_t room_id, span after, size_t limit, arena *a, struct member **out,
                                               size_t *n, bool *more);
CONFAB_MUST_CHECK confab_err store_member_count_owners(store_tx *tx, int64_t room_id, int64_t *out);

/* Users. */
struct user_new {
    span name, display_name, password_hash;
    enum user_role role;
}; /* absent hash: cannot log in by password */
struct user_patch {
    span display_name;
    int disabled;
    enum user_role role;
}; /* absent, -1, 0: leave as it is */
CONFAB_MUST_CHECK confab_err store_user_create(store_tx *tx, const struct user_new *in, struct user *out); /* USER_EXISTS */
CONFAB_MUST_CHECK confab_err store_user_find(store_tx *tx, span name, struct user *out);                   /* USER_NOT_FOUND; any case */
CONFAB_MUST_CHECK confab_err store_user_get(store_tx *tx, int64_t id, struct user *out);                   /* USER_NOT_FOUND */
CONFAB_MUST_CHECK confab_err store_user_update(store_tx *tx, int64_t id, const struct user_patch *patch);
CONFAB_MUST_CHECK confab_err store_user_password_hash(store_tx *tx, int64_t id, char out[128]); /* "" where there is none */
CONFAB_MUST_CHECK confab_err store_user_set_password_hash(store_tx *tx, int64_t id, const char *hash);
CONFAB_MUST_CHECK confab_err store_user_bump_token_epoch(store_tx *tx, int64_t id);
CONFAB_MUST_CHECK confab_err store_user_list(store_tx *tx, span after, size_t limit, arena *a, struct user **out, size_t *n, bool *more);
CONFAB_MUST_CHECK confab_err store_user_count_admins(store_tx *tx, int64_t *out); /* enabled ones */

/* Sessions: refresh tokens, kept as 32-byte hashes only. */
#define STORE_HASH_SIZE 32
struct session {
    int64_t id, user_id, created_ms, used_ms, expires_ms;
    char address[ADDRESS_MAX + 1];
    char agent[129];
};
CONFAB_MUST_CHECK confab_err store_session_create(store_tx *tx, const struct session *in, const unsigned char hash[STORE_HASH_SIZE],
                                                  int64_t *out_id);
/* *rotated_out: the hash is one that was rotated away (a stolen or replayed token). SESSION_EXPIRED where unknown. */
CONFAB_MUST_CHECK confab_err store_session_find(store_tx *tx, const unsigned char hash[STORE_HASH_SIZE], struct session *out,
                                                bool *rotated_out);
CONFAB_MUST_CHECK confab_err store_session_rotate(store_tx *tx, int64_t id, const unsigned char hash[STORE_HASH_SIZE], int64_t expires_ms);
CONFAB_MUST_CHECK confab_err store_session_get(store_tx *tx, int64_t id, struct session *out); /* SESSION_EXPIRED */
CONFAB_MUST_CHECK confab_err store_session_delete(store_tx *tx, int64_t id);
CONFAB_MUST_CHECK confab_err store_session_delete_of_user(store_tx *tx, int64_t user_id, int64_t except_id);
CONFAB_MUST_CHECK confab_err store_session_list(store_tx *tx, int64_t user_id, arena *a, struct session **out, size_t *n);

/* Signing keys (Ed25519 seeds); kid is the public key's PASERK id, "k4.pid." and 44 characters. The newest not retired signs; all verify.
 */
struct signing_key {
    char kid[64];
    unsigned char seed[32];
    int64_t created_ms;
    bool retired;
};
CONFAB_MUST_CHECK confab_err store_key_add(store_tx *tx, const struct signing_key *in);
CONFAB_MUST_CHECK confab_err store_key_list(store_tx *tx, arena *a, struct signing_key **out, size_t *n); /* newest first */

/* Rate-limit overrides, by user or by role; they replace the profile's values. */
struct limit_override {
    int64_t user_id;
    enum user_role role;
    char action[16];
    int64_t per_minute, burst;
}; /* user_id 0: for the role */
CONFAB_MUST_CHECK confab_err store_limit_put(store_tx *tx, const struct limit_override *in);
CONFAB_MUST_CHECK confab_err store_limit_delete(store_tx *tx, int64_t user_id, enum user_role role, const char *action);
CONFAB_MUST_CHECK confab_err store_limit_list(store_tx *tx, arena *a, struct limit_override **out, size_t *n);

/* Audit: who did what to whom, from where. */
struct audit {
    int64_t id, at_ms;
    span actor, action, target, address, detail;
};
CONFAB_MUST_CHECK confab_err store_audit_add(store_tx *tx, const struct audit *in);
CONFAB_MUST_CHECK confab_err store_audit_list(store_tx *tx, int64_t before, size_t limit, arena *a, struct audit **out, size_t *n,
                                              bool *more);

/* Small named values (the set-up token's hash, …). Get gives an absent span where there is none; put with an absent value deletes. */
CONFAB_MUST_CHECK confab_err store_meta_get(store_tx *tx, const char *name, arena *a, span *out);
CONFAB_MUST_CHECK confab_err store_meta_put(store_tx *tx, const char *name, span value);

/* ---- For the command line, beside a running server or alone. `progress` may be NULL. Thread: main. ---- */
typedef void store_progress_fn(void *ctx, int64_t done, int64_t total);
CONFAB_MUST_CHECK confab_err store_backup(store *s, const char *file, store_progress_fn *progress, void *ctx, buf *problem);
/* Puts `file` in place of the folder's database, with a new epoch. Refused (BUSY) while a server has it open. */
CONFAB_MUST_CHECK confab_err store_restore(const char *folder, const char *file, store_progress_fn *progress, void *ctx, buf *problem);
/* Integrity, schema, and for each room: seq without a hole, materialised view equal to what the log yields. */
struct store_check_report {
    int64_t rooms, events, holes, view_mismatches, integrity_errors;
};
CONFAB_MUST_CHECK confab_err store_check(store *s, struct store_check_report *out, store_progress_fn *progress, void *ctx, buf *problem);
struct store_schema {
    int64_t version, newest_known;
};
CONFAB_MUST_CHECK confab_err store_schema_version(store *s, struct store_schema *out);
/* Imported events carry their own time; otherwise as store_event_append. */
CONFAB_MUST_CHECK confab_err store_event_import(store_tx *tx, struct event *inout, bool *duplicate);

#endif
