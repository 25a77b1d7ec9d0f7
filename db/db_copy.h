/* Copies of whole databases: what backup and restore share. Paths are of files without anyone's lock; thread: main. */
#ifndef CONFAB_DB_COPY_H
#define CONFAB_DB_COPY_H

#include "confab/store.h"
#include "db_conn.h"

/* Copies the database behind `from` into the new file `to` (0600), page by page, while others write: it is the state at the start of the
 * call. The copy is one plain file without -wal, checked, and on disk. On failure nothing is left of it.
 * epoch (may be NULL): put into the copy. */
CONFAB_MUST_CHECK confab_err db_copy_make(sqlite3 *from, const char *to, const char *epoch, store_progress_fn *progress, void *ctx,
                                          buf *problem);
/* PRAGMA integrity_check and foreign_key_check: how many complaints; the first ones go to problem. */
CONFAB_MUST_CHECK confab_err db_copy_verify(sqlite3 *db, int64_t *complaints, buf *problem);

#endif
