/* Backup beside a running server, and putting a backup in place of a database that nobody uses. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confab/log.h"
#include "db_copy.h"
#include "db_migrate.h"
#include "db_store.h"

static confab_err tell(buf *problem, enum confab_code code, const char *what, const char *path)
{
    if (problem && problem->len == 0) {
        buf_append_str(problem, what);
        buf_append_str(problem, " ");
        buf_append_str(problem, path);
    }
    return confab_fail(code);
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static confab_err move(const char *from, const char *to, buf *problem)
{
    if (rename(from, to) != 0) return tell(problem, CONFAB_STORE_FAILED, strerror(errno), to);
    return db_sync_folder_of(to);
}

confab_err store_backup(store *s, const char *file, store_progress_fn *progress, void *ctx, buf *problem)
{
    if (same_file(file, s->folder.database)) return tell(problem, CONFAB_INVALID_FIELD, "this is the database itself:", file);
    struct db_conn *from = NULL;
    /* Under another name until it is whole, so that a backup of yesterday is replaced by a good one or not at all. */
    char *partial = db_path_join(file, ".partial");
    if (!partial) return db_no_memory();
    const struct db_open o = {.path = s->folder.database, .role = DB_READER, .busy_timeout_ms = db_busy_timeout_ms};
    confab_err e = db_conn_open(&o, &from, problem);
    if (!confab_failed(e)) e = db_copy_make(from->sqlite, partial, NULL, progress, ctx, problem);
    db_conn_close(from);
    if (!confab_failed(e)) {
        e = move(partial, file, problem);
        if (confab_failed(e)) (void)unlink(partial); /* it is not the backup that was asked for */
    }
    free(partial);
    return e;
}

/* ---- Restore ---- */

static confab_err copy_in(const char *file, const char *to, store_progress_fn *progress, void *ctx, buf *problem)
{
    enum db_schema_state state = DB_SCHEMA_EMPTY;
    char epoch[EPOCH_SIZE];
    confab_err e = access(file, R_OK) == 0 ? confab_ok() : tell(problem, CONFAB_NOT_FOUND, "there is no readable file", file);
    if (!confab_failed(e)) e = db_migrate_inspect(file, db_migrations_builtin(), &state, problem);
    if (!confab_failed(e) && state == DB_SCHEMA_EMPTY) e = tell(problem, CONFAB_STORE_CORRUPT, "this is an empty database:", file);
    if (!confab_failed(e)) e = db_epoch_generate(epoch);
    if (confab_failed(e)) return e;
    sqlite3 *from = NULL;
    int rc = sqlite3_open_v2(file, &from, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    e = rc == SQLITE_OK ? db_copy_make(from, to, epoch, progress, ctx, problem) : tell(problem, db_error(rc).code, "cannot open", file);
    (void)sqlite3_close(from); /* only read */
    return e;
}

static bool has_content(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0;
}

/* The old database is kept, with its log: a -wal left beside the new file would be taken for the new file's. */
static confab_err move_old_away(const struct db_folder *f, buf *problem)
{
    static const char *const suffixes[] = {"-wal", ""};
    confab_err e = confab_ok();
    char *shm = db_path_join(f->database, "-shm"), *kept = db_path_join(f->database, ".before-restore");
    if (!shm || !kept) e = db_no_memory();
    for (size_t i = 0; i < 2 && !confab_failed(e); i++) {
        char *from = db_path_join(f->database, suffixes[i]), *to = db_path_join(kept, suffixes[i]);
        if (!from || !to)
            e = db_no_memory();
        else if (has_content(from))
            e = move(from, to, problem);
        else if (unlink(to) != 0 && errno != ENOENT) /* what an earlier restore kept does not belong to this one */
            e = tell(problem, CONFAB_STORE_FAILED, strerror(errno), to);
        free(from);
        free(to);
    }
    if (!confab_failed(e)) (void)unlink(shm); /* a cache; mostly not there */
    free(shm);
    free(kept);
    return e;
}

/* So that the kept file is whole by itself, where the old database is well enough for it. */
static void fold_log_in(const char *path)
{
    sqlite3 *old = NULL;
    if (sqlite3_open_v2(path, &old, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK)
        (void)sqlite3_wal_checkpoint_v2(old, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL); /* else the -wal is kept beside it */
    (void)sqlite3_close(old);
}

confab_err store_restore(const char *folder, const char *file, store_progress_fn *progress, void *ctx, buf *problem)
{
    struct db_folder f;
    char *fresh = NULL;
    db_library_init();
    confab_err e = db_folder_open(folder, true, &f, problem);
    if (confab_failed(e)) return e;
    e = db_folder_lock(&f, DB_LOCK_EXCLUSIVE, 0, problem);
    if (confab_failed(e)) goto out;
    if (same_file(file, f.database)) {
        e = tell(problem, CONFAB_INVALID_FIELD, "this is the database itself:", file);
        goto out;
    }
    fresh = db_path_join(f.database, ".restoring");
    e = fresh ? copy_in(file, fresh, progress, ctx, problem) : db_no_memory();
    if (confab_failed(e)) goto out;
    fold_log_in(f.database);
    e = move_old_away(&f, problem);
    if (!confab_failed(e)) e = move(fresh, f.database, problem);
    if (confab_failed(e))
        (void)unlink(fresh); /* the old one is where it was, or beside it as .before-restore */
    else
        LOG_INFO("database restored", LOG_STR("from", file));
out:
    if (confab_failed(e) && problem && problem->len == 0) buf_append_str(problem, confab_err_sentence(e));
    free(fresh);
    db_folder_close(&f);
    return e;
}
