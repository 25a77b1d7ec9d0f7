/* One SQLite connection: opening it safely, its prepared statements, and the way every query is run.
 *
 * A connection belongs to one thread at a time. A query is start, bind…, step…, column…, finish, in one scope:
 *
 *     struct db_query q;
 *     db_start(&q, conn, DB_S_user_name);
 *     db_bind_int(&q, DB_P_id, id);
 *     if (db_step(&q)) name = db_column_text(&q);     // borrowed until the next step or finish: copy it
 *     confab_err e = db_finish(&q);
 *
 * Binding errors are kept and returned by finish, so that the steps in between need no checks. */
#ifndef CONFAB_DB_CONN_H
#define CONFAB_DB_CONN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "confab/buf.h"
#include "confab/err.h"
#include "db_stmt.h"

enum db_role {
    DB_READER,  /* query_only: cannot write whatever it runs */
    DB_CHECKER, /* the same, with the statements that check */
    DB_WRITER
};

struct db_names; /* names of users, which never change */

struct db_conn {
    sqlite3 *sqlite;
    enum db_role role;
    int busy_timeout_ms;
    struct {
        sqlite3_stmt *handle;                /* NULL: not prepared on this connection */
        unsigned char place[DB_PARAM_COUNT]; /* where a named parameter stands; 0: it has none of this name */
    } stmts[DB_STMT_COUNT];
    struct db_names *names;
    confab_err hard; /* writer: a statement failed in a way that spoils the transaction; reset by its owner */
};

struct db_query {
    struct db_conn *conn;
    enum db_stmt id;
    sqlite3_stmt *handle;
    int column; /* the next one to be read */
    int rc;     /* the last SQLite code */
};

/* Settings of the library as a whole; may be called often, counts once. Before any other use of SQLite. Thread: any. */
void db_library_init(void);

/* Opens `path` without statements. Errors: STORE_FAILED, STORE_CORRUPT, DISK_FULL. On failure *out is NULL. */
struct db_open {
    const char *path;
    enum db_role role;
    bool durable; /* false: synchronous=OFF, for throw-away databases */
    int busy_timeout_ms;
};
CONFAB_MUST_CHECK confab_err db_conn_open(const struct db_open *o, struct db_conn **out, buf *problem);
/* Prepares every statement of the role. A failure is a programmer's mistake or a damaged schema. */
CONFAB_MUST_CHECK confab_err db_conn_prepare(struct db_conn *c, buf *problem);
void db_conn_close(struct db_conn *c); /* accepts NULL */

void db_start(struct db_query *q, struct db_conn *c, enum db_stmt id);
void db_bind_int(struct db_query *q, enum db_param p, int64_t v);
void db_bind_text(struct db_query *q, enum db_param p, span v); /* borrowed until finish; an absent span is NULL */
void db_bind_blob(struct db_query *q, enum db_param p, const void *v, size_t n);
void db_bind_null(struct db_query *q, enum db_param p);
bool db_step(struct db_query *q);                           /* true: there is a row */
int64_t db_column_int(struct db_query *q);                  /* columns are read in order */
span db_column_text(struct db_query *q);                    /* absent where NULL */
CONFAB_MUST_CHECK confab_err db_finish(struct db_query *q); /* resets; says how it went */
/* For a statement without rows or parameters. */
CONFAB_MUST_CHECK confab_err db_run(struct db_conn *c, enum db_stmt id);
int64_t db_changes(const struct db_conn *c); /* rows the last statement wrote itself */

/* The one place where SQLite's codes become ours. */
confab_err db_error(int rc);
const char *db_statement_text(enum db_stmt id);
const char *db_statement_name(enum db_stmt id);
bool db_statement_is_for(enum db_stmt id, enum db_role role);

/* One value, for the few pragmas outside the table (opening, migrating, checking). `sql` is a literal. */
CONFAB_MUST_CHECK confab_err db_pragma_int(sqlite3 *db, const char *sql, int64_t *out);
CONFAB_MUST_CHECK confab_err db_exec(sqlite3 *db, const char *sql, buf *problem);

/* The name of a user, from memory or from the table; empty for 0 and for one that is not there. Valid until db_names_drop. */
CONFAB_MUST_CHECK confab_err db_user_name(struct db_conn *c, int64_t user_id, span *out);
/* Forgets names when there are too many of them, or all (after a rollback: a new user's number may go to another). */
void db_names_drop(struct db_conn *c, bool all);

#endif
