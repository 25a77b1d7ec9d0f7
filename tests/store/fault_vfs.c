#include "fault_vfs.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>

struct fault_file {
    sqlite3_file base;  /* first member */
    sqlite3_file *real; /* behind this struct, in the same allocation */
};

static struct {
    sqlite3_vfs vfs, *real;
    atomic_int kinds, left, code, fired;
    atomic_bool lasting;
} fault;

/* 0, or the code to fail with. */
static int strike(enum fault_kind kind)
{
    if (!(atomic_load(&fault.kinds) & (int)kind)) return SQLITE_OK;
    int left = atomic_fetch_sub(&fault.left, 1);
    if (left > 1 || (left < 1 && !atomic_load(&fault.lasting))) return SQLITE_OK;
    atomic_fetch_add(&fault.fired, 1);
    return atomic_load(&fault.code);
}

void fault_vfs_arm(int kinds, int nth, int code, bool lasting)
{
    atomic_store(&fault.kinds, 0);
    atomic_store(&fault.left, nth);
    atomic_store(&fault.code, code);
    atomic_store(&fault.lasting, lasting);
    atomic_store(&fault.fired, 0);
    atomic_store(&fault.kinds, kinds);
}

void fault_vfs_disarm(void) { atomic_store(&fault.kinds, 0); }
int fault_vfs_fired(void) { return atomic_load(&fault.fired); }

static sqlite3_file *real(sqlite3_file *f) { return ((struct fault_file *)f)->real; }

static int f_close(sqlite3_file *f) { return real(f)->pMethods->xClose(real(f)); }
static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    int rc = strike(FAULT_READ);
    return rc ? rc : real(f)->pMethods->xRead(real(f), p, n, at);
}
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    int rc = strike(FAULT_WRITE);
    return rc ? rc : real(f)->pMethods->xWrite(real(f), p, n, at);
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 n) { return real(f)->pMethods->xTruncate(real(f), n); }
static int f_sync(sqlite3_file *f, int flags)
{
    int rc = strike(FAULT_SYNC);
    return rc ? rc : real(f)->pMethods->xSync(real(f), flags);
}
static int f_size(sqlite3_file *f, sqlite3_int64 *n) { return real(f)->pMethods->xFileSize(real(f), n); }
static int f_lock(sqlite3_file *f, int how) { return real(f)->pMethods->xLock(real(f), how); }
static int f_unlock(sqlite3_file *f, int how) { return real(f)->pMethods->xUnlock(real(f), how); }
static int f_reserved(sqlite3_file *f, int *out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); }
static int f_control(sqlite3_file *f, int op, void *arg) { return real(f)->pMethods->xFileControl(real(f), op, arg); }
static int f_sector(sqlite3_file *f) { return real(f)->pMethods->xSectorSize(real(f)); }
static int f_device(sqlite3_file *f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}
static int f_shm_lock(sqlite3_file *f, int at, int n, int flags) { return real(f)->pMethods->xShmLock(real(f), at, n, flags); }
static void f_shm_barrier(sqlite3_file *f) { real(f)->pMethods->xShmBarrier(real(f)); }
static int f_shm_unmap(sqlite3_file *f, int del) { return real(f)->pMethods->xShmUnmap(real(f), del); }

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* no memory mapping: every byte passes here */
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_reserved,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_device,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    (void)vfs;
    struct fault_file *file = (struct fault_file *)f;
    file->real = (sqlite3_file *)(file + 1);
    int rc = fault.real->xOpen(fault.real, name, file->real, flags, out);
    file->base.pMethods = file->real->pMethods ? &methods : NULL; /* SQLite closes what has methods, opened or not */
    return rc;
}

void fault_vfs_install(void)
{
    fault.real = sqlite3_vfs_find(NULL);
    fault.vfs = *fault.real; /* everything but opening is the real one's, which takes itself from the pointer it is given */
    fault.vfs.zName = "fault";
    fault.vfs.pNext = NULL;
    fault.vfs.szOsFile = (int)sizeof(struct fault_file) + fault.real->szOsFile;
    fault.vfs.xOpen = v_open;
    (void)sqlite3_vfs_register(&fault.vfs, 1);
}
