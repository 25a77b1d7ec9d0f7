/* A store for one test, on disk or in memory, and short words for running work in it. */
#ifndef CONFAB_TESTS_STORE_FIXTURE_H
#define CONFAB_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "confab/store.h"

struct fixture {
    store *s;
    char folder[64]; /* "" in memory */
};

/* cmocka's set-up and tear-down of one test; state becomes a struct fixture *. */
int fixture_on_disk(void **state);
int fixture_in_memory(void **state);
int fixture_close(void **state);

/* A folder of its own, and its removal with what is in it (one level). */
void fixture_make_folder(char folder[64]);
void fixture_remove_folder(const char *folder);
void fixture_path(char out[128], const char *folder, const char *name);
/* Fails the test with the store's words where it cannot be opened. */
store *fixture_open(const char *folder);

/* Runs fn in a transaction of its own and returns what became of it. */
typedef confab_err work_fn(store_tx *tx, void *ctx);
confab_err do_write(store *s, work_fn *fn, void *ctx);
confab_err do_write_atomic(store *s, work_fn *fn, void *ctx);
confab_err do_read(store *s, work_fn *fn, void *ctx);

/* Waits until cond holds; fails the test after ten seconds. cond is asked, never slept for. */
typedef bool condition_fn(void *ctx);
void wait_until(condition_fn *cond, void *ctx, const char *what);

#define assert_ok(e) assert_code((e), CONFAB_OK)
#define assert_code(e, expected) check_code((e), (expected), __FILE__, __LINE__)
void check_code(confab_err e, enum confab_code expected, const char *file, int line);
#define assert_span(s, text) check_span((s), (text), __FILE__, __LINE__)
void check_span(span s, const char *text, const char *file, int line);

/* Makers that must succeed. */
struct user make_user(store *s, const char *name);
struct room make_room(store *s, const char *slug);
/* Appends a message; returns its seq. client_id may be NULL. */
int64_t post(store *s, const struct room *r, const struct user *u, const char *text, const char *client_id);
/* Appends any event given; returns the store's answer. */
struct append_args {
    struct event event; /* in and out */
    bool duplicate;     /* out */
};
confab_err run_append(store_tx *tx, void *append_args);
/* What stands in the room's log, by the store's own reading: count, and whether 1, 2, 3 … without a hole. */
struct log_state {
    int64_t room_id, count, last;
    bool ordered;
};
struct log_state read_log(store *s, int64_t room_id);
/* `confab check` finds nothing. */
void assert_clean(store *s);

#endif
