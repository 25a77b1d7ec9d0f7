#include "db_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* SQLite's unix VFS takes less than 128 KiB per write: it masks the length to 17 bits. */
enum { HOLD_BYTES = 124 * 1024 };

struct vfs_file {
    sqlite3_file base;  /* first member */
    sqlite3_file *real; /* behind this struct, in the same allocation */
    bool is_log;
    char *held;          /* HOLD_BYTES; NULL until the first write to a log, or where there is no memory for it */
    sqlite3_int64 start; /* offset in the file of the first byte held */
    int n;               /* bytes held */
};

static struct {
    sqlite3_vfs vfs, *real;
    bool registered;
} own;

static struct vfs_file *file_of(sqlite3_file *f) { return (struct vfs_file *)f; }

/* Passes on what is held. After an error it is gone: the transaction fails and its frames will be written anew. */
static int flush(struct vfs_file *f)
{
    if (f->n == 0) return SQLITE_OK;
    int n = f->n;
    f->n = 0;
    return f->real->pMethods->xWrite(f->real, f->held, n, f->start);
}

static int v_write(sqlite3_file *base, const void *p, int n, sqlite3_int64 at)
{
    struct vfs_file *f = file_of(base);
    if (f->is_log && !f->held) f->held = malloc(HOLD_BYTES);
    bool fits = f->held && n <= HOLD_BYTES;
    if (f->n > 0 && (!fits || at != f->start + f->n || f->n + n > HOLD_BYTES)) {
        int rc = flush(f);
        if (rc != SQLITE_OK) return rc;
    }
    if (!fits) return f->real->pMethods->xWrite(f->real, p, n, at);
    if (f->n == 0) f->start = at;
    memcpy(f->held + f->n, p, (size_t)n);
    f->n += n;
    return SQLITE_OK;
}

static int v_read(sqlite3_file *base, void *p, int n, sqlite3_int64 at)
{
    struct vfs_file *f = file_of(base);
    int rc = flush(f);
    return rc != SQLITE_OK ? rc : f->real->pMethods->xRead(f->real, p, n, at);
}

static int v_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct vfs_file *f = file_of(base);
    int rc = flush(f);
    return rc != SQLITE_OK ? rc : f->real->pMethods->xTruncate(f->real, size);
}

static int v_sync(sqlite3_file *base, int flags)
{
    struct vfs_file *f = file_of(base);
    int rc = flush(f);
    return rc != SQLITE_OK ? rc : f->real->pMethods->xSync(f->real, flags);
}

static int v_size(sqlite3_file *base, sqlite3_int64 *out)
{
    struct vfs_file *f = file_of(base);
    int rc = flush(f);
    return rc != SQLITE_OK ? rc : f->real->pMethods->xFileSize(f->real, out);
}

static int v_close(sqlite3_file *base)
{
    struct vfs_file *f = file_of(base);
    int rc = flush(f), end = f->real->pMethods->xClose(f->real);
    free(f->held);
    f->held = NULL;
    return rc != SQLITE_OK ? rc : end;
}

/* What SQLite asks of every file and we only hand on. */
#define REAL(f) (file_of(f)->real)
static int v_lock(sqlite3_file *f, int how) { return REAL(f)->pMethods->xLock(REAL(f), how); }
static int v_unlock(sqlite3_file *f, int how) { return REAL(f)->pMethods->xUnlock(REAL(f), how); }
static int v_check_lock(sqlite3_file *f, int *out) { return REAL(f)->pMethods->xCheckReservedLock(REAL(f), out); }
static int v_control(sqlite3_file *f, int op, void *arg) { return REAL(f)->pMethods->xFileControl(REAL(f), op, arg); }
static int v_sector(sqlite3_file *f) { return REAL(f)->pMethods->xSectorSize(REAL(f)); }
static int v_device(sqlite3_file *f) { return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f)); }
static int v_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, out);
}
static int v_shm_lock(sqlite3_file *f, int at, int n, int flags) { return REAL(f)->pMethods->xShmLock(REAL(f), at, n, flags); }
static void v_shm_barrier(sqlite3_file *f) { REAL(f)->pMethods->xShmBarrier(REAL(f)); }
static int v_shm_unmap(sqlite3_file *f, int del) { return REAL(f)->pMethods->xShmUnmap(REAL(f), del); }

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* no memory mapping: an I/O error must be an error, not a SIGBUS */
    .xClose = v_close,
    .xRead = v_read,
    .xWrite = v_write,
    .xTruncate = v_truncate,
    .xSync = v_sync,
    .xFileSize = v_size,
    .xLock = v_lock,
    .xUnlock = v_unlock,
    .xCheckReservedLock = v_check_lock,
    .xFileControl = v_control,
    .xSectorSize = v_sector,
    .xDeviceCharacteristics = v_device,
    .xShmMap = v_shm_map,
    .xShmLock = v_shm_lock,
    .xShmBarrier = v_shm_barrier,
    .xShmUnmap = v_shm_unmap,
};

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out_flags)
{
    (void)vfs;
    struct vfs_file *f = file_of(base);
    *f = (struct vfs_file){.real = (sqlite3_file *)(f + 1), .is_log = (flags & SQLITE_OPEN_WAL) != 0};
    int rc = own.real->xOpen(own.real, name, f->real, flags, out_flags);
    f->base.pMethods = f->real->pMethods ? &methods : NULL; /* SQLite closes what has methods, whether it opened or not */
    return rc;
}

static void do_register(void)
{
    own.real = sqlite3_vfs_find(NULL);
    if (!own.real) return;
    own.vfs = *own.real; /* names, time and randomness are the real one's */
    own.vfs.zName = "confab";
    own.vfs.pNext = NULL;
    own.vfs.szOsFile = (int)sizeof(struct vfs_file) + own.real->szOsFile;
    own.vfs.xOpen = v_open;
    own.registered = sqlite3_vfs_register(&own.vfs, 0) == SQLITE_OK;
}

const char *db_vfs_name(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, do_register);
    return own.registered ? own.vfs.zName : NULL;
}
