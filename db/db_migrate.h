/* The schema: applies the numbered migrations, checks what was applied, refuses a database that is newer than the program. */
#ifndef CONFAB_DB_MIGRATE_H
#define CONFAB_DB_MIGRATE_H

#include "confab/embed.h"
#include "db_conn.h"

/* Migrations sorted by name: "0001_init.sql" is version 1, and so on without a hole. */
struct db_migrations {
    const struct embedded_file *files;
    size_t count;
};
struct db_migrations db_migrations_builtin(void);

enum db_schema_state { DB_SCHEMA_EMPTY, DB_SCHEMA_OLD, DB_SCHEMA_CURRENT };

/* Looks at a database file through a connection that cannot write, so that a refused one stays as it was.
 * Errors: SCHEMA_NEWER, STORE_CORRUPT (not a database, not ours, or damaged), STORE_FAILED, each with words for people. */
CONFAB_MUST_CHECK confab_err db_migrate_inspect(const char *path, struct db_migrations m, enum db_schema_state *out, buf *problem);

/* Brings the connection's database to the newest version, each migration in a transaction of its own, and gives a new database its epoch.
 * The caller holds the folder exclusively where the state is not CURRENT. Checks that applied migrations are the ones we know. */
CONFAB_MUST_CHECK confab_err db_migrate_apply(struct db_conn *c, struct db_migrations m, buf *problem);

/* A new random epoch, as 32 hex digits. */
CONFAB_MUST_CHECK confab_err db_epoch_generate(char out[33]);

#endif
