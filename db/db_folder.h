/* The folder of a database: its paths and the lock that says who uses it.
 *
 * confab.lock is locked shared by everyone who has the database open (the server, commands beside it) and exclusively by who replaces
 * or migrates it. The lock dies with the process. */
#ifndef CONFAB_DB_FOLDER_H
#define CONFAB_DB_FOLDER_H

#include <stdbool.h>

#include "confab/buf.h"
#include "confab/err.h"

struct db_folder {
    char *path;     /* the folder */
    char *database; /* path/confab.db */
    int lock_fd;    /* -1: none */
    bool temporary; /* an "in-memory" database: a folder on a memory file system, removed at close */
};

enum db_lock { DB_LOCK_SHARED, DB_LOCK_EXCLUSIVE };

/* path NULL: a temporary folder. create: makes the folder (0700) and the database file (0600, empty) where missing; without it a
 * missing database is NOT_FOUND. On failure *out is as if closed. */
CONFAB_MUST_CHECK confab_err db_folder_open(const char *path, bool create, struct db_folder *out, buf *problem);
/* Errors: BUSY (others hold it and did not let go within wait_ms), STORE_FAILED. Changing a held lock may lose it: then BUSY. */
CONFAB_MUST_CHECK confab_err db_folder_lock(struct db_folder *f, enum db_lock how, int wait_ms, buf *problem);
void db_folder_close(struct db_folder *f); /* accepts a zeroed or closed one; removes a temporary folder */

/* path with a suffix, as a new string; NULL: out of memory. */
char *db_path_join(const char *path, const char *suffix);
/* Makes a rename in the folder of `path` durable. */
CONFAB_MUST_CHECK confab_err db_sync_folder_of(const char *path);

#endif
