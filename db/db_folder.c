#include "db_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_POLL_MS = 20 };

char *db_path_join(const char *path, const char *suffix)
{
    size_t a = strlen(path), b = strlen(suffix);
    char *out = malloc(a + b + 1);
    if (!out) return NULL;
    memcpy(out, path, a);
    memcpy(out + a, suffix, b + 1);
    return out;
}

static confab_err tell(buf *problem, const char *what, const char *path, int error)
{
    if (problem) {
        buf_append_str(problem, what);
        buf_append_str(problem, " ");
        buf_append_str(problem, path);
        if (error) {
            buf_append_str(problem, ": ");
            buf_append_str(problem, strerror(error));
        }
    }
    return confab_fail(error == ENOSPC || error == EDQUOT ? CONFAB_DISK_FULL : CONFAB_STORE_FAILED);
}

static confab_err make_temporary(struct db_folder *out, buf *problem)
{
    static const char *const bases[] = {"/dev/shm", "/tmp"};
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        char *path = db_path_join(bases[i], "/confab-XXXXXX");
        if (!path) return tell(problem, "out of memory for", bases[i], 0);
        if (mkdtemp(path)) {
            out->path = path;
            out->temporary = true;
            return confab_ok();
        }
        free(path);
    }
    return tell(problem, "cannot make a folder in", bases[0], errno);
}

static confab_err find_folder(const char *path, bool create, struct db_folder *out, buf *problem)
{
    if (!path) return make_temporary(out, problem);
    if (create && mkdir(path, 0700) != 0 && errno != EEXIST) return tell(problem, "cannot make the folder", path, errno);
    out->path = db_path_join(path, "");
    return out->path ? confab_ok() : tell(problem, "out of memory for", path, 0);
}

/* Made by us and not by SQLite, so that it is readable by its owner only from the first moment (its -wal and -shm take after it).
 * One that exists is not opened: closing it again would drop the locks that SQLite holds on it elsewhere in this process. */
static confab_err find_database(struct db_folder *f, bool create, buf *problem)
{
    if (create || f->temporary) {
        int fd = open(f->database, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0) return errno == EEXIST ? confab_ok() : tell(problem, "cannot make", f->database, errno);
        close(fd);
        return confab_ok();
    }
    if (access(f->database, F_OK) == 0) return confab_ok();
    if (errno != ENOENT && errno != ENOTDIR) return tell(problem, "cannot open", f->database, errno);
    (void)tell(problem, "there is no database at", f->database, 0);
    return confab_fail(CONFAB_NOT_FOUND);
}

static confab_err open_lock(struct db_folder *f, buf *problem)
{
    char *path = db_path_join(f->path, "/confab.lock");
    if (!path) return tell(problem, "out of memory for", f->path, 0);
    f->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    confab_err e = f->lock_fd < 0 ? tell(problem, "cannot open", path, errno) : confab_ok();
    free(path);
    return e;
}

confab_err db_folder_open(const char *path, bool create, struct db_folder *out, buf *problem)
{
    *out = (struct db_folder){.lock_fd = -1};
    confab_err e = find_folder(path, create, out, problem);
    if (confab_failed(e)) goto out;
    out->database = db_path_join(out->path, "/confab.db");
    e = out->database ? find_database(out, create, problem) : tell(problem, "out of memory for", out->path, 0);
    if (!confab_failed(e)) e = open_lock(out, problem);
out:
    if (confab_failed(e)) db_folder_close(out);
    return e;
}

confab_err db_folder_lock(struct db_folder *f, enum db_lock how, int wait_ms, buf *problem)
{
    for (int waited_ms = 0;; waited_ms += LOCK_POLL_MS) {
        if (flock(f->lock_fd, (how == DB_LOCK_SHARED ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return confab_ok();
        if (errno != EWOULDBLOCK && errno != EINTR) return tell(problem, "cannot lock", f->path, errno);
        if (waited_ms >= wait_ms) break;
        const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
    if (problem) {
        buf_append_str(problem, how == DB_LOCK_SHARED ? "another process is replacing or migrating the database in "
                                                      : "another process uses the database in ");
        buf_append_str(problem, f->path);
        buf_append_str(problem, "; stop it (or wait for it) and try again");
    }
    return confab_fail(CONFAB_BUSY);
}

static void remove_file(const struct db_folder *f, const char *name)
{
    char *path = db_path_join(f->path, name);
    if (path) (void)unlink(path); /* most of them do not exist */
    free(path);
}

void db_folder_close(struct db_folder *f)
{
    if (!f->path) {
        *f = (struct db_folder){.lock_fd = -1};
        return;
    }
    if (f->lock_fd >= 0) close(f->lock_fd);
    if (f->temporary) {
        remove_file(f, "/confab.db");
        remove_file(f, "/confab.db-wal");
        remove_file(f, "/confab.db-shm");
        remove_file(f, "/confab.lock");
        (void)rmdir(f->path);
    }
    free(f->path);
    free(f->database);
    *f = (struct db_folder){.lock_fd = -1};
}

confab_err db_sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!folder) return confab_fail_msg(CONFAB_STORE_FAILED, "Out of memory");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0) return confab_fail(CONFAB_STORE_FAILED);
    int rc = fsync(fd);
    close(fd);
    return rc == 0 ? confab_ok() : confab_fail(CONFAB_STORE_FAILED);
}
