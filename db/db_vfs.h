/* The system's files, with one difference: what SQLite appends to the write-ahead log piece by piece (a 24-byte header and a page, for
 * each page) leaves in large writes. A commit that touches 50 rooms costs 3 system calls instead of 110.
 *
 * Only for connections with synchronous=FULL: SQLite then syncs the log before it tells other connections of a commit, and a sync, a
 * read, a size and a close pass on what is held back first. Nobody can ask for a byte that is still here. */
#ifndef CONFAB_DB_VFS_H
#define CONFAB_DB_VFS_H

/* Registers it over the default VFS of the moment of the first call, and returns its name for sqlite3_open_v2; NULL (the default) where
 * that fails. Thread: any. */
const char *db_vfs_name(void);

#endif
