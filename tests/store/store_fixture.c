#include "store_fixture.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "confab/log.h"

void fixture_make_folder(char folder[64])
{
    (void)strcpy(folder, "/tmp/confab-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

void fixture_path(char out[128], const char *folder, const char *name)
{
    int n = snprintf(out, 128, "%s/%s", folder, name);
    assert_in_range(n, 1, 127);
}

void fixture_remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));) {
        char path[512];
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
        assert_int_equal(unlink(path), 0);
    }
    closedir(dir);
    assert_int_equal(rmdir(folder), 0);
}

static store *open_store(const char *folder)
{
    store *s = NULL;
    buf problem = {0};
    const struct store_config config = {.folder = folder, .readers = 2, .writer_queue = 10000, .reader_queue = 10000, .create = true};
    log_set_level(LOG_LEVEL_ERROR);
    confab_err e = store_open(&config, &s, &problem);
    if (confab_failed(e)) print_error("store_open: %s: %s\n", confab_err_word(e.code), buf_cstr(&problem));
    buf_free(&problem);
    assert_int_equal(e.code, CONFAB_OK);
    return s;
}

store *fixture_open(const char *folder) { return open_store(folder); }

int fixture_on_disk(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fixture_make_folder(f->folder);
    f->s = open_store(f->folder);
    *state = f;
    return 0;
}

int fixture_in_memory(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->s = open_store(NULL);
    *state = f;
    return 0;
}

int fixture_close(void **state)
{
    struct fixture *f = *state;
    store_close(f->s);
    if (f->folder[0]) fixture_remove_folder(f->folder);
    free(f);
    return 0;
}

struct work {
    struct store_job job; /* first member */
    work_fn *fn;
    void *ctx;
};

static confab_err run_work(struct store_job *job, store_tx *tx)
{
    struct work *w = (struct work *)job;
    return w->fn(tx, w->ctx);
}

confab_err do_write(store *s, work_fn *fn, void *ctx)
{
    struct work w = {.job = {.run = run_work}, .fn = fn, .ctx = ctx};
    return store_write_wait(s, &w.job);
}

confab_err do_write_atomic(store *s, work_fn *fn, void *ctx)
{
    struct work w = {.job = {.run = run_work, .atomic = true}, .fn = fn, .ctx = ctx};
    return store_write_wait(s, &w.job);
}

confab_err do_read(store *s, work_fn *fn, void *ctx)
{
    struct work w = {.job = {.run = run_work}, .fn = fn, .ctx = ctx};
    return store_read_wait(s, &w.job);
}

static int64_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

void wait_until(condition_fn *cond, void *ctx, const char *what)
{
    int64_t until = now_s() + 30;
    while (!cond(ctx)) {
        if (now_s() > until) fail_msg("waited in vain until %s", what);
        sched_yield();
    }
}

void check_code(confab_err e, enum confab_code expected, const char *file, int line)
{
    if (e.code != expected)
        print_error("%s:%d: expected %s, got %s: %s\n", file, line, confab_err_word(expected), confab_err_word(e.code),
                    confab_err_sentence(e));
    _assert_int_equal((unsigned long long)e.code, (unsigned long long)expected, file, line);
}

void check_span(span s, const char *text, const char *file, int line)
{
    bool equal = text ? span_is(s, text) : s.p == NULL;
    if (!equal) print_error("expected \"%s\", got \"%.*s\"\n", text ? text : "(absent)", (int)s.n, s.p ? s.p : "(absent)");
    _assert_true(equal, "span", file, line);
}

struct make_user_args {
    struct user_new in;
    struct user out;
};

static confab_err run_make_user(store_tx *tx, void *ctx)
{
    struct make_user_args *a = ctx;
    return store_user_create(tx, &a->in, &a->out);
}

struct user make_user(store *s, const char *name)
{
    struct make_user_args a = {.in = {.name = span_of(name), .role = USER_MEMBER}};
    assert_ok(do_write(s, run_make_user, &a));
    return a.out;
}

struct make_room_args {
    struct room_new in;
    struct room out;
};

static confab_err run_make_room(store_tx *tx, void *ctx)
{
    struct make_room_args *a = ctx;
    return store_room_create(tx, &a->in, &a->out);
}

struct room make_room(store *s, const char *slug)
{
    struct make_room_args a = {.in = {.slug = span_of(slug), .kind = ROOM_PUBLIC}};
    assert_ok(do_write(s, run_make_room, &a));
    return a.out;
}

confab_err run_append(store_tx *tx, void *ctx)
{
    struct append_args *a = ctx;
    return store_event_append(tx, &a->event, &a->duplicate);
}

int64_t post(store *s, const struct room *r, const struct user *u, const char *text, const char *client_id)
{
    struct append_args a = {.event = {.room_id = r->id,
                                      .kind = EVENT_MESSAGE,
                                      .actor_id = u->id,
                                      .room = span_of(r->slug),
                                      .actor = span_of(u->name),
                                      .text = span_of(text),
                                      .client_id = span_of(client_id)}};
    assert_ok(do_write(s, run_append, &a));
    return a.event.seq;
}

static bool count_event(void *ctx, const struct event *e)
{
    struct log_state *l = ctx;
    l->ordered = l->ordered && e->seq == l->last + 1;
    l->last = e->seq;
    l->count++;
    return true;
}

static confab_err run_read_log(store_tx *tx, void *ctx)
{
    struct log_state *l = ctx;
    return store_events_after(tx, l->room_id, 0, SIZE_MAX, SIZE_MAX, count_event, l);
}

struct log_state read_log(store *s, int64_t room_id)
{
    struct log_state l = {.room_id = room_id, .ordered = true};
    assert_ok(do_read(s, run_read_log, &l));
    return l;
}

void assert_clean(store *s)
{
    struct store_check_report r;
    buf problem = {0};
    confab_err e = store_check(s, &r, NULL, NULL, &problem);
    if (problem.len) print_error("check: %s\n", buf_cstr(&problem));
    buf_free(&problem);
    assert_ok(e);
    assert_int_equal(r.holes, 0);
    assert_int_equal(r.view_mismatches, 0);
    assert_int_equal(r.integrity_errors, 0);
}
