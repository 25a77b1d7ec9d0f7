#include "db_migrate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "confab/clock.h"
#include "confab/log.h"

#define APPLICATION_ID 1128677698 /* "CFAB", as in 0001_init.sql */

struct db_migrations db_migrations_builtin(void)
{
    return (struct db_migrations){.files = confab_migrations, .count = confab_migrations_count};
}

confab_err db_epoch_generate(char out[33])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[16];
    size_t got = 0;
    while (got < sizeof bytes) {
        ssize_t n = getrandom(bytes + got, sizeof bytes - got, 0);
        if (n < 0 && errno != EINTR) return confab_fail_msg(CONFAB_STORE_FAILED, "No random numbers from the system");
        if (n > 0) got += (size_t)n;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[32] = '\0';
    return confab_ok();
}

/* ---- Looking ---- */

static confab_err refuse(enum confab_code code, const char *path, const char *why, buf *problem)
{
    if (problem) {
        buf_clear(problem);
        buf_append_str(problem, path);
        buf_append_str(problem, " ");
        buf_append_str(problem, why);
    }
    return confab_fail(code);
}

static confab_err refuse_newer(const char *path, int64_t version, int64_t known, buf *problem)
{
    if (problem) {
        buf_clear(problem);
        buf_append_str(problem, path);
        buf_append_str(problem, " has schema version ");
        buf_append_int(problem, version);
        buf_append_str(problem, ", made by a newer Confab; this one knows versions up to ");
        buf_append_int(problem, known);
        buf_append_str(problem, ". Install the newer Confab, or restore a backup made before the upgrade. Nothing was changed.");
    }
    return confab_fail(CONFAB_SCHEMA_NEWER);
}

static confab_err refuse_unreadable(const char *path, confab_err e, sqlite3 *db, buf *problem)
{
    if (e.code == CONFAB_STORE_CORRUPT)
        return refuse(CONFAB_STORE_CORRUPT, path,
                      "is damaged or is not a database. Restore a backup with `confab restore FILE`. Nothing was changed.", problem);
    if (problem) {
        buf_clear(problem);
        buf_append_str(problem, "cannot read ");
        buf_append_str(problem, path);
        buf_append_str(problem, ": ");
        buf_append_str(problem, sqlite3_errmsg(db));
    }
    return e;
}

/* The two numbers of the header say whose file it is; reading the schema finds most kinds of damage near the root. */
static confab_err inspect_open(sqlite3 *db, const char *path, struct db_migrations m, enum db_schema_state *out, buf *problem)
{
    int64_t id = 0, version = 0, tables = 0;
    confab_err e = db_pragma_int(db, "PRAGMA application_id", &id);
    if (!confab_failed(e)) e = db_pragma_int(db, "PRAGMA user_version", &version);
    if (!confab_failed(e)) e = db_pragma_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (confab_failed(e)) return refuse_unreadable(path, e, db, problem);
    if (id == 0 && version == 0 && tables == 0) {
        *out = DB_SCHEMA_EMPTY;
        return confab_ok();
    }
    if (id != APPLICATION_ID)
        return refuse(CONFAB_STORE_CORRUPT, path, "is a database of another program. Choose another folder. Nothing was changed.", problem);
    if (version > (int64_t)m.count) return refuse_newer(path, version, (int64_t)m.count, problem);
    *out = version == (int64_t)m.count ? DB_SCHEMA_CURRENT : DB_SCHEMA_OLD;
    return confab_ok();
}

confab_err db_migrate_inspect(const char *path, struct db_migrations m, enum db_schema_state *out, buf *problem)
{
    struct stat st;
    db_library_init();
    if (stat(path, &st) == 0 && st.st_size == 0) {
        *out = DB_SCHEMA_EMPTY; /* and no -wal or -shm beside it yet */
        return confab_ok();
    }
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (db) (void)sqlite3_busy_timeout(db, 5000);
    confab_err e = rc == SQLITE_OK ? inspect_open(db, path, m, out, problem) : refuse_unreadable(path, db_error(rc), db, problem);
    (void)sqlite3_close(db);
    return e;
}

/* ---- Changing ---- */

static confab_err record(struct db_conn *c, const struct embedded_file *f, int64_t version)
{
    sqlite3_stmt *s = NULL;
    int rc =
        sqlite3_prepare_v2(c->sqlite, "INSERT INTO migrations (version, name, sha256, applied_ms) VALUES (?1, ?2, ?3, ?4)", -1, &s, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 1, version);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(s, 2, f->name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(s, 3, f->sha256, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(s, 4, clock_wall_ms());
    if (rc == SQLITE_OK) rc = sqlite3_step(s);
    (void)sqlite3_finalize(s); /* repeats the step's error */
    return db_error(rc);
}

static confab_err give_epoch(struct db_conn *c)
{
    char epoch[33];
    confab_err e = db_epoch_generate(epoch);
    if (confab_failed(e)) return e;
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->sqlite, "INSERT INTO meta (name, value) VALUES ('epoch', ?1)", -1, &s, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_blob(s, 1, epoch, 32, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_step(s);
    (void)sqlite3_finalize(s); /* repeats the step's error */
    return db_error(rc);
}

/* Inside a transaction. */
static confab_err apply_one(struct db_conn *c, const struct embedded_file *f, int64_t version, buf *problem)
{
    int64_t now_at = 0;
    confab_err e = db_exec(c->sqlite, (const char *)f->data, problem);
    if (!confab_failed(e)) e = db_pragma_int(c->sqlite, "PRAGMA user_version", &now_at);
    if (!confab_failed(e) && now_at != version) e = confab_fail_msg(CONFAB_INTERNAL, "A migration does not set user_version to its number");
    if (!confab_failed(e)) e = record(c, f, version);
    if (!confab_failed(e) && version == 1) e = give_epoch(c);
    return e;
}

static confab_err check_applied(sqlite3 *db, struct db_migrations m, int64_t version, buf *problem)
{
    sqlite3_stmt *s = NULL;
    int64_t seen = 0;
    bool same = true;
    int rc = sqlite3_prepare_v2(db, "SELECT version, sha256 FROM migrations ORDER BY version", -1, &s, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(s);
        if (rc != SQLITE_ROW) break;
        const char *sum = (const char *)sqlite3_column_text(s, 1);
        int64_t v = sqlite3_column_int64(s, 0);
        same = same && v == ++seen && v <= (int64_t)m.count && sum && strcmp(sum, m.files[v - 1].sha256) == 0;
    }
    (void)sqlite3_finalize(s); /* repeats the step's error */
    if (confab_failed(db_error(rc))) return db_error(rc);
    if (same && seen == version) return confab_ok();
    if (problem) {
        buf_append_str(problem, "the database was made with migrations that differ from this program's (a development version?);"
                                " use the program that made it, or export and import. Nothing was changed.");
    }
    return confab_fail(CONFAB_STORE_CORRUPT);
}

confab_err db_migrate_apply(struct db_conn *c, struct db_migrations m, buf *problem)
{
    for (;;) {
        int64_t version = 0;
        confab_err e = db_exec(c->sqlite, "BEGIN IMMEDIATE", problem);
        if (confab_failed(e)) return e;
        e = db_pragma_int(c->sqlite, "PRAGMA user_version", &version);
        bool more = !confab_failed(e) && version < (int64_t)m.count;
        if (!confab_failed(e) && version > (int64_t)m.count) e = confab_fail(CONFAB_SCHEMA_NEWER);
        if (!confab_failed(e) && version > 0) e = check_applied(c->sqlite, m, version, problem);
        if (!confab_failed(e) && more) e = apply_one(c, &m.files[version], version + 1, problem);
        if (!confab_failed(e)) e = db_exec(c->sqlite, "COMMIT", problem);
        if (confab_failed(e)) {
            if (!sqlite3_get_autocommit(c->sqlite))
                (void)sqlite3_exec(c->sqlite, "ROLLBACK", NULL, NULL, NULL); /* the first error counts */
            return e;
        }
        if (!more) return confab_ok();
        LOG_INFO("schema migrated", LOG_INT("version", version + 1), LOG_STR("file", m.files[version].name));
    }
}
