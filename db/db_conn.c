#include "db_conn.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "confab/clock.h"
#include "confab/log.h"
#include "confab/map.h"
#include "db_vfs.h"

enum { STMT_ANY, STMT_WRITER, STMT_CHECK };
enum { NAMES_MAX = 100000 };

static const struct {
    const char *name, *sql;
    int role;
} statements[DB_STMT_COUNT] = {
#define ANY STMT_ANY
#define WRITER STMT_WRITER
#define CHECK STMT_CHECK
#define X(name, role, sql) [DB_S_##name] = {#name, sql, role},
    DB_STMT_MAP(X)
#undef X
#undef ANY
#undef WRITER
#undef CHECK
};

static const char *const params[DB_PARAM_COUNT] = {
#define X(name) [DB_P_##name] = ":" #name,
    DB_PARAM_MAP(X)
#undef X
};

struct db_names {
    struct map by_id; /* id -> span * in the arena */
    arena text;
};

const char *db_statement_text(enum db_stmt id) { return statements[id].sql; }
const char *db_statement_name(enum db_stmt id) { return statements[id].name; }

bool db_statement_is_for(enum db_stmt id, enum db_role role)
{
    switch (statements[id].role) {
    case STMT_WRITER:
        return role == DB_WRITER;
    case STMT_CHECK:
        return role == DB_CHECKER;
    default:
        return true;
    }
}

/* ---- The library ---- */

/* A full disk fails every statement of every batch; one line in five seconds says as much as thousands. A new code is told at once. */
static bool may_log(int code)
{
    static atomic_int last_code;
    static atomic_int_least64_t last_us;
    int64_t now = clock_mono_us();
    bool fresh = atomic_exchange(&last_code, code) != code || now - atomic_load(&last_us) >= 5000000;
    if (fresh) atomic_store(&last_us, now);
    return fresh;
}

/* SQLite explains here what a code alone does not say: which file, which constraint, why a recovery ran. */
static void log_from_sqlite(void *ctx, int rc, const char *text)
{
    (void)ctx;
    int primary = rc & 0xff;
    if (primary == SQLITE_NOTICE || primary == SQLITE_CONSTRAINT || primary == SQLITE_SCHEMA || primary == SQLITE_BUSY) {
        LOG_DEBUG("sqlite", LOG_INT("code", rc), LOG_STR("text", text));
    } else if (may_log(-rc)) {
        LOG_WARN("sqlite", LOG_INT("code", rc), LOG_STR("text", text));
    }
}

static void configure_library(void)
{
    /* Each connection has one thread at a time, so no lock on connections; the counters of memory used cost a global
     * lock per allocation. A caller that used SQLite before us keeps its settings (MISUSE), which only costs speed. */
    (void)sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_config(SQLITE_CONFIG_LOG, log_from_sqlite, NULL);
    (void)sqlite3_initialize();
}

void db_library_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, configure_library);
}

confab_err db_error(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return confab_ok();
    case SQLITE_FULL:
        return confab_fail(CONFAB_DISK_FULL);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return confab_fail_msg(CONFAB_BUSY, "Another process holds the database; try again shortly");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return confab_fail(CONFAB_STORE_CORRUPT);
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return confab_fail_msg(CONFAB_INVALID_FIELD, "A value breaks a rule of the database");
    case SQLITE_TOOBIG:
        return confab_fail(CONFAB_TOO_LARGE);
    case SQLITE_NOMEM:
        return confab_fail_msg(CONFAB_STORE_FAILED, "Out of memory in the database");
    default:
        return confab_fail(CONFAB_STORE_FAILED);
    }
}

confab_err db_exec(sqlite3 *db, const char *sql, buf *problem)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK && problem) buf_append_str(problem, sqlite3_errmsg(db));
    return db_error(rc);
}

confab_err db_pragma_int(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    else if (rc == SQLITE_DONE)
        rc = SQLITE_ERROR;
    int end = sqlite3_finalize(s);
    return db_error(end != SQLITE_OK ? end : rc);
}

/* ---- Opening ---- */

static confab_err set_up(sqlite3 *db, const struct db_open *o, buf *problem)
{
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, o->busy_timeout_ms);
    /* Untrusted schemas and files cannot reach the file system or run code through SQL; a misspelt name in double quotes is an error. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    /* Checking sorts whole logs: on disk. A request sorts what one user owns: in memory. */
    if (o->role == DB_CHECKER) return db_exec(db, "PRAGMA query_only = ON; PRAGMA cache_size = -8192", problem);
    if (o->role == DB_READER) return db_exec(db, "PRAGMA query_only = ON; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY", problem);
    /* The page size counts for a new file only and must come before WAL. Checkpoints are the store's own business. secure_delete:
     * what people delete is overwritten in the file, not only unlinked from it. */
    confab_err e = db_exec(db,
                           "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;"
                           " PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 134217728;"
                           " PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY",
                           problem);
    if (!confab_failed(e)) e = db_exec(db, o->durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF", problem);
    return e;
}

confab_err db_conn_open(const struct db_open *o, struct db_conn **out, buf *problem)
{
    *out = NULL;
    db_library_init();
    struct db_conn *c = calloc(1, sizeof *c);
    if (!c) return confab_fail_msg(CONFAB_STORE_FAILED, "Out of memory");
    c->role = o->role;
    c->busy_timeout_ms = o->busy_timeout_ms;
    confab_err e;
    int rc = sqlite3_open_v2(o->path, &c->sqlite, SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, /* the folder made the file */
                             o->durable ? db_vfs_name() : NULL);
    if (rc != SQLITE_OK) {
        e = db_error(rc);
        if (problem) buf_append_str(problem, c->sqlite ? sqlite3_errmsg(c->sqlite) : "out of memory");
    } else {
        e = set_up(c->sqlite, o, problem);
    }
    if (confab_failed(e))
        db_conn_close(c);
    else
        *out = c;
    return e;
}

static confab_err resolve_params(struct db_conn *c, enum db_stmt id)
{
    sqlite3_stmt *s = c->stmts[id].handle;
    for (int i = 1; i <= sqlite3_bind_parameter_count(s); i++) {
        const char *name = sqlite3_bind_parameter_name(s, i);
        size_t p = 0;
        while (p < DB_PARAM_COUNT && (!name || strcmp(params[p], name) != 0))
            p++;
        if (p == DB_PARAM_COUNT) return confab_fail_msg(CONFAB_INTERNAL, "A statement has a parameter that is not in the table");
        c->stmts[id].place[p] = (unsigned char)i;
    }
    return confab_ok();
}

confab_err db_conn_prepare(struct db_conn *c, buf *problem)
{
    for (int i = 0; i < DB_STMT_COUNT; i++) {
        if (!db_statement_is_for((enum db_stmt)i, c->role)) continue;
        const char *rest = "";
        int rc = sqlite3_prepare_v3(c->sqlite, statements[i].sql, -1, SQLITE_PREPARE_PERSISTENT, &c->stmts[i].handle, &rest);
        confab_err e = db_error(rc);
        if (!confab_failed(e) && *rest) e = confab_fail_msg(CONFAB_INTERNAL, "A row of the statement table holds two statements");
        if (!confab_failed(e)) e = resolve_params(c, (enum db_stmt)i);
        if (confab_failed(e)) {
            if (problem) {
                buf_append_str(problem, "statement ");
                buf_append_str(problem, statements[i].name);
                buf_append_str(problem, ": ");
                buf_append_str(problem, rc == SQLITE_OK ? confab_err_sentence(e) : sqlite3_errmsg(c->sqlite));
            }
            return e;
        }
    }
    return confab_ok();
}

static void names_free(struct db_names *n)
{
    if (!n) return;
    map_free(&n->by_id);
    arena_free(&n->text);
    free(n);
}

void db_conn_close(struct db_conn *c)
{
    if (!c) return;
    for (int i = 0; i < DB_STMT_COUNT; i++)
        (void)sqlite3_finalize(c->stmts[i].handle); /* repeats an error told before */
    names_free(c->names);
    int rc = sqlite3_close(c->sqlite);
    assert(rc == SQLITE_OK); /* a statement or backup was left open */
    (void)rc;
    free(c);
}

/* ---- Queries ---- */

void db_start(struct db_query *q, struct db_conn *c, enum db_stmt id)
{
    *q = (struct db_query){.conn = c, .id = id, .handle = c->stmts[id].handle, .rc = SQLITE_OK};
    assert(q->handle); /* a writer's statement on a reader */
}

static int place_of(struct db_query *q, enum db_param p)
{
    int place = q->conn->stmts[q->id].place[p];
    assert(place > 0);
    return place;
}

static void note_bind(struct db_query *q, int rc)
{
    if (rc != SQLITE_OK && q->rc == SQLITE_OK) q->rc = rc;
}

void db_bind_int(struct db_query *q, enum db_param p, int64_t v) { note_bind(q, sqlite3_bind_int64(q->handle, place_of(q, p), v)); }
void db_bind_null(struct db_query *q, enum db_param p) { note_bind(q, sqlite3_bind_null(q->handle, place_of(q, p))); }

void db_bind_text(struct db_query *q, enum db_param p, span v)
{
    if (!v.p)
        note_bind(q, sqlite3_bind_null(q->handle, place_of(q, p)));
    else
        note_bind(q, sqlite3_bind_text64(q->handle, place_of(q, p), v.p, v.n, SQLITE_STATIC, SQLITE_UTF8));
}

void db_bind_blob(struct db_query *q, enum db_param p, const void *v, size_t n)
{
    note_bind(q, sqlite3_bind_blob64(q->handle, place_of(q, p), v, n, SQLITE_STATIC));
}

bool db_step(struct db_query *q)
{
    if (q->rc != SQLITE_OK && q->rc != SQLITE_ROW) return false;
    q->rc = sqlite3_step(q->handle);
    q->column = 0;
    return q->rc == SQLITE_ROW;
}

int64_t db_column_int(struct db_query *q) { return sqlite3_column_int64(q->handle, q->column++); }

span db_column_text(struct db_query *q)
{
    int i = q->column++;
    const char *p = sqlite3_column_blob(q->handle, i); /* as stored: no conversion, no terminator needed */
    size_t n = (size_t)sqlite3_column_bytes(q->handle, i);
    if (!p && sqlite3_column_type(q->handle, i) != SQLITE_NULL) p = ""; /* an empty value has no address */
    return (span){p, p ? n : 0};
}

/* A statement that only reads, or that broke a constraint, has changed nothing and fails alone. Everything else that goes wrong
 * while writing leaves the transaction in doubt: it is spoilt as a whole. */
static void note_failure(struct db_query *q)
{
    int primary = q->rc & 0xff;
    if (primary == SQLITE_CONSTRAINT || primary == SQLITE_TOOBIG || primary == SQLITE_MISMATCH) return;
    if (may_log(q->rc)) {
        LOG_ERROR("database statement failed", LOG_STR("statement", statements[q->id].name), LOG_INT("code", q->rc),
                  LOG_STR("text", sqlite3_errmsg(q->conn->sqlite)));
    }
    bool alone = sqlite3_stmt_readonly(q->handle) && !sqlite3_get_autocommit(q->conn->sqlite);
    if (!alone && !confab_failed(q->conn->hard)) q->conn->hard = db_error(q->rc);
}

confab_err db_finish(struct db_query *q)
{
    bool failed = q->rc != SQLITE_OK && q->rc != SQLITE_ROW && q->rc != SQLITE_DONE;
    if (failed) note_failure(q);
    (void)sqlite3_reset(q->handle); /* repeats the step's error */
    return db_error(q->rc);
}

confab_err db_run(struct db_conn *c, enum db_stmt id)
{
    struct db_query q;
    db_start(&q, c, id);
    (void)db_step(&q);
    return db_finish(&q);
}

int64_t db_changes(const struct db_conn *c) { return sqlite3_changes64(c->sqlite); }

/* ---- Names ---- */

void db_names_drop(struct db_conn *c, bool all)
{
    if (!c->names || (!all && c->names->by_id.len < NAMES_MAX)) return;
    names_free(c->names);
    c->names = NULL;
}

confab_err db_user_name(struct db_conn *c, int64_t user_id, span *out)
{
    *out = (span){"", 0};
    if (user_id == 0) return confab_ok();
    if (!c->names) c->names = calloc(1, sizeof *c->names);
    struct db_names *names = c->names;
    if (!names) return confab_fail_msg(CONFAB_STORE_FAILED, "Out of memory");
    const span *known = map_get(&names->by_id, user_id);
    if (known) {
        *out = *known;
        return confab_ok();
    }
    struct db_query q;
    db_start(&q, c, DB_S_user_name);
    db_bind_int(&q, DB_P_id, user_id);
    span *kept = NULL;
    if (db_step(&q)) {
        span name = arena_copy(&names->text, db_column_text(&q));
        kept = name.p ? arena_alloc(&names->text, sizeof *kept) : NULL;
        if (kept) *kept = name;
        if (!kept || !map_put(&names->by_id, user_id, kept)) q.rc = SQLITE_NOMEM;
    }
    if (kept) *out = *kept;
    return db_finish(&q);
}
