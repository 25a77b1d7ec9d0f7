#include "db_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { STEP_PAGES = 512, COMPLAINTS_TOLD = 5 };

static confab_err tell(buf *problem, const char *what, const char *path, const char *why)
{
    if (problem && problem->len == 0) {
        buf_append_str(problem, what);
        buf_append_str(problem, " ");
        buf_append_str(problem, path);
        buf_append_str(problem, ": ");
        buf_append_str(problem, why);
    }
    return confab_fail(CONFAB_STORE_FAILED);
}

/* ---- Checking ---- */

static void complain(buf *problem, int64_t nth, const char *text)
{
    if (!problem || nth > COMPLAINTS_TOLD) return;
    if (problem->len) buf_append_str(problem, "; ");
    buf_append_str(problem, text);
}

static confab_err count_rows(sqlite3 *db, const char *sql, const char *fine, const char *about, int64_t *complaints, buf *problem)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(s);
        if (rc != SQLITE_ROW) break;
        const char *text = (const char *)sqlite3_column_text(s, 0);
        if (fine && text && strcmp(text, fine) == 0) continue;
        complain(problem, ++*complaints, about ? about : text ? text : "?");
    }
    (void)sqlite3_finalize(s); /* repeats the step's error */
    return db_error(rc);
}

confab_err db_copy_verify(sqlite3 *db, int64_t *complaints, buf *problem)
{
    *complaints = 0;
    confab_err e = count_rows(db, "PRAGMA integrity_check(100)", "ok", NULL, complaints, problem);
    if (!confab_failed(e))
        e = count_rows(db, "PRAGMA foreign_key_check", NULL, "a row refers to one that is not there", complaints, problem);
    return e;
}

/* ---- Copying ---- */

static confab_err make_file(const char *path, buf *problem)
{
    (void)unlink(path); /* left over from an interrupted copy */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return tell(problem, "cannot make", path, strerror(errno));
    close(fd);
    return confab_ok();
}

/* With the snapshot held by `from`, so that a writer's commits neither show nor make the copy begin anew. */
static confab_err copy_pages(sqlite3 *from, sqlite3 *to, store_progress_fn *progress, void *ctx)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (!b) return db_error(sqlite3_errcode(to));
    int rc;
    do {
        rc = sqlite3_backup_step(b, STEP_PAGES);
        int64_t total = sqlite3_backup_pagecount(b);
        if (progress) progress(ctx, total - sqlite3_backup_remaining(b), total);
    } while (rc == SQLITE_OK);
    int end = sqlite3_backup_finish(b);
    return db_error(end != SQLITE_OK ? end : rc);
}

static confab_err copy_snapshot(sqlite3 *from, sqlite3 *to, store_progress_fn *progress, void *ctx, buf *problem)
{
    int64_t tables = 0;
    confab_err e = db_exec(from, "BEGIN", problem);
    if (confab_failed(e)) return e;
    e = db_pragma_int(from, "SELECT count(*) FROM sqlite_schema", &tables); /* BEGIN alone takes no snapshot */
    if (!confab_failed(e)) e = copy_pages(from, to, progress, ctx);
    confab_err end = db_exec(from, "COMMIT", NULL);
    return confab_failed(e) ? e : end;
}

static confab_err put_epoch(sqlite3 *db, const char *epoch)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, "UPDATE meta SET value = ?1 WHERE name = 'epoch'", -1, &s, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_blob64(s, 1, epoch, strlen(epoch), SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_step(s);
    (void)sqlite3_finalize(s); /* repeats the step's error */
    return db_error(rc);
}

static confab_err check_copy(sqlite3 *to, buf *problem)
{
    int64_t complaints = 0;
    confab_err e = db_copy_verify(to, &complaints, problem);
    if (confab_failed(e)) return e;
    return complaints ? confab_fail(CONFAB_STORE_CORRUPT) : e;
}

static confab_err sync_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return confab_fail(CONFAB_STORE_FAILED);
    int rc = fsync(fd);
    int error = errno;
    close(fd);
    if (rc == 0) return confab_ok();
    return confab_fail(error == ENOSPC || error == EDQUOT ? CONFAB_DISK_FULL : CONFAB_STORE_FAILED);
}

/* Whichever side failed. */
static const char *words_of(sqlite3 *from, sqlite3 *to)
{
    if (!to) return "out of memory";
    return sqlite3_errcode(from) != SQLITE_OK && sqlite3_errcode(from) != SQLITE_DONE && sqlite3_errcode(from) != SQLITE_ROW
               ? sqlite3_errmsg(from)
               : sqlite3_errmsg(to);
}

confab_err db_copy_make(sqlite3 *from, const char *path, const char *epoch, store_progress_fn *progress, void *ctx, buf *problem)
{
    sqlite3 *to = NULL;
    confab_err e = make_file(path, problem);
    if (confab_failed(e)) return e;
    int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    e = db_error(rc);
    /* It is synced as a whole at the end; until then it is worth nothing. */
    if (!confab_failed(e)) e = db_exec(to, "PRAGMA synchronous = OFF", problem);
    if (!confab_failed(e)) e = copy_snapshot(from, to, progress, ctx, problem);
    if (!confab_failed(e)) e = db_exec(to, "PRAGMA journal_mode = DELETE", problem);
    if (!confab_failed(e) && epoch) e = put_epoch(to, epoch);
    if (!confab_failed(e)) e = check_copy(to, problem);
    if (confab_failed(e)) (void)tell(problem, "cannot copy the database to", path, words_of(from, to));
    rc = sqlite3_close(to);
    if (!confab_failed(e)) e = db_error(rc);
    if (!confab_failed(e)) e = sync_file(path);
    if (confab_failed(e)) (void)unlink(path); /* nobody may take it for a copy */
    return e;
}
