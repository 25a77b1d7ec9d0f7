/* The command line: the table of commands, their options, and what commands share. Thread: main. */
#ifndef CONFAB_CLI_H
#define CONFAB_CLI_H

#include "chat.h"
#include "wire_token.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 }; /* exit statuses */

/* ---- options (cli_args.c) ---- */

struct cli_option {
    const char *name;   /* "--ttl" */
    const char **value; /* takes the value that follows (also "--ttl=5"); or NULL … */
    bool *flag;         /* … for one that is given or not */
};

struct cli_args {
    const char **positional; /* borrowed from argv */
    int count;
};

/* Sorts argv (without program and command) into options and positional arguments; "--" ends the options, "-" alone is positional.
 * At least `min` and at most `max` positional ones (-1: any number). False: the mistake has been told on standard error. */
bool cli_parse(int argc, char **argv, const struct cli_option *options, size_t n, int min, int max, struct cli_args *out);
/* The candidate that was probably meant; NULL where none is near. */
const char *cli_nearest(const char *word, const char *const *candidates, size_t n);
/* "confab: …" on standard error. */
void cli_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, for an error of the layers below; `what` says what failed. Returns CLI_FAILED. */
int cli_fail(const char *what, confab_err e, const buf *problem);

/* ---- what commands work with (cli_session.c) ---- */

struct cli_session {
    struct settings settings;
    store *store;
    chat *chat;
    struct chat_actor actor; /* the system */
};

/* Settings, store and domain, beside a running server or alone. `create`: makes the database where there is none. */
bool cli_session_open(struct cli_session *s, bool create);
void cli_session_close(struct cli_session *s);
/* The signing keys; makes the first where there is none. Shared with serve. */
CONFAB_MUST_CHECK confab_err cli_load_keys(store *s, keyring **out);

/* A request by the operator; NULL (told) when memory is out. */
struct chat_request *cli_request(const struct cli_session *s, enum chat_op op);

/* Runs many requests at once, so that the writer puts them into few transactions. `make` gives the request for item i (NULL: skip it),
 * `done` sees each result, in any order, one at a time. Returns false where memory ran out. */
struct cli_batch {
    void *ctx;
    struct chat_request *(*make)(void *ctx, size_t i);
    void (*done)(void *ctx, size_t i, const struct chat_request *r);
};
bool cli_run_batch(const struct cli_session *s, const struct cli_batch *b, size_t n);

/* Names given as arguments, or with "-", one a line on standard input. Blank lines are skipped. */
struct cli_names {
    arena arena;
    const char **list;
    size_t count, cap;
};
bool cli_read_names(const struct cli_args *args, struct cli_names *out);
void cli_names_free(struct cli_names *n);

/* Without echo, asked twice where `confirm`. False: told. The caller wipes out. */
bool cli_ask_password(const char *prompt, bool confirm, char out[1025]);
/* The first line of standard input. */
bool cli_read_password(char out[1025]);

/* Progress of long work, on a terminal only. `done` of `total` units. */
struct cli_progress {
    const char *what;
    int64_t shown_us;
    bool on, drawn;
};
void cli_progress_init(struct cli_progress *p, const char *what);
void cli_progress_show(void *progress, int64_t done, int64_t total); /* a store_progress_fn */
void cli_progress_end(struct cli_progress *p);                       /* wipes the line */

/* ---- commands; each returns the exit status ---- */
typedef int cli_command(int argc, char **argv);
cli_command cli_serve, cli_user, cli_token, cli_migrate, cli_backup, cli_restore, cli_check, cli_import, cli_export;

#endif
