#include "cli.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "confab/clock.h"
#include "confab/log.h"

/* ---- settings, store, domain ---- */

bool cli_session_open(struct cli_session *s, bool create)
{
    buf problem = {0};
    *s = (struct cli_session){0};
    chat_actor_set_system(&s->actor);
    confab_err e = settings_load(&s->settings, &problem);
    if (confab_failed(e)) {
        (void)cli_fail("settings", e, &problem);
        goto out;
    }
    log_set_level(LOG_LEVEL_WARN); /* the command's own words are enough */
    const struct store_config config = {
        .folder = s->settings.data, .readers = 1, .writer_queue = (size_t)s->settings.writer_queue, .reader_queue = 1024, .create = create};
    e = store_open(&config, &s->store, &problem);
    if (confab_failed(e)) {
        (void)cli_fail("the database", e, &problem);
        goto out;
    }
    e = chat_open(&(struct chat_config){.store = s->store, .settings = &s->settings}, &s->chat);
    if (confab_failed(e)) (void)cli_fail("the database", e, NULL);
out:
    buf_free(&problem);
    if (confab_failed(e)) cli_session_close(s);
    return !confab_failed(e);
}

void cli_session_close(struct cli_session *s)
{
    chat_close(s->chat);
    store_close(s->store);
    s->chat = NULL;
    s->store = NULL;
}

/* ---- signing keys ---- */

struct keys_job {
    struct store_job job; /* first member */
    arena arena;
    struct signing_key *keys;
    size_t count;
};

/* On the writer, so that two processes that start at once agree on one key. */
static confab_err run_keys(struct store_job *job, store_tx *tx)
{
    struct keys_job *k = (struct keys_job *)job;
    confab_err e = store_key_list(tx, &k->arena, &k->keys, &k->count);
    if (confab_failed(e) || k->count > 0) return e;
    struct signing_key fresh;
    token_key_generate(&fresh, store_tx_now_ms(tx));
    e = store_key_add(tx, &fresh);
    sodium_memzero(&fresh, sizeof fresh);
    return confab_failed(e) ? e : store_key_list(tx, &k->arena, &k->keys, &k->count);
}

confab_err cli_load_keys(store *s, keyring **out)
{
    struct keys_job k = {.job = {.run = run_keys}};
    confab_err e = store_write_wait(s, &k.job);
    if (!confab_failed(e)) e = keyring_new(k.keys, k.count, out);
    if (k.keys) sodium_memzero(k.keys, k.count * sizeof *k.keys);
    arena_free(&k.arena);
    return e;
}

/* ---- requests ---- */

struct chat_request *cli_request(const struct cli_session *s, enum chat_op op)
{
    struct chat_request *r = chat_request_new(op, &s->actor);
    if (!r) cli_complain("out of memory");
    return r;
}

enum { IN_FLIGHT = 512 };

struct flight {
    pthread_mutex_t lock;
    pthread_cond_t landed;
    struct chat_request *arrived; /* linked by ctx */
    size_t under_way;
};

struct passenger {
    struct flight *flight;
    struct chat_request *next;
    size_t item;
};

static void on_reply(struct chat_request *r)
{
    struct passenger *p = r->ctx;
    struct flight *f = p->flight;
    (void)pthread_mutex_lock(&f->lock);
    p->next = f->arrived;
    f->arrived = r;
    (void)pthread_cond_signal(&f->landed);
    (void)pthread_mutex_unlock(&f->lock);
}

static bool send_one(const struct cli_session *s, const struct cli_batch *b, struct flight *f, size_t i)
{
    struct chat_request *r = b->make(b->ctx, i);
    if (!r) return true;
    struct passenger *p = arena_alloc(&r->arena, sizeof *p);
    if (!p) {
        chat_request_free(r);
        return false;
    }
    *p = (struct passenger){.flight = f, .item = i};
    r->ctx = p;
    r->reply = on_reply;
    f->under_way++;
    chat_submit(s->chat, r);
    return true;
}

/* Takes what has arrived; waits for something where all places are taken or nothing more will be sent. */
static void land(const struct cli_batch *b, struct flight *f, bool wait)
{
    (void)pthread_mutex_lock(&f->lock);
    while (wait && !f->arrived)
        (void)pthread_cond_wait(&f->landed, &f->lock);
    struct chat_request *r = f->arrived;
    f->arrived = NULL;
    (void)pthread_mutex_unlock(&f->lock);
    while (r) {
        struct passenger *p = r->ctx;
        struct chat_request *next = p->next;
        b->done(b->ctx, p->item, r);
        chat_request_free(r);
        f->under_way--;
        r = next;
    }
}

bool cli_run_batch(const struct cli_session *s, const struct cli_batch *b, size_t n)
{
    struct flight f = {.lock = PTHREAD_MUTEX_INITIALIZER, .landed = PTHREAD_COND_INITIALIZER};
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        while (f.under_way >= IN_FLIGHT)
            land(b, &f, true);
        ok = send_one(s, b, &f, i);
    }
    while (f.under_way > 0)
        land(b, &f, true);
    if (!ok) cli_complain("out of memory");
    return ok;
}

/* ---- names ---- */

static bool add_name(struct cli_names *n, span name)
{
    if (n->count == n->cap) {
        size_t cap = n->cap ? n->cap * 2 : 64;
        const char **list = realloc(n->list, cap * sizeof *list);
        if (!list) return false;
        n->list = list;
        n->cap = cap;
    }
    span copy = arena_copy(&n->arena, name);
    if (!copy.p) return false;
    n->list[n->count++] = copy.p;
    return true;
}

static bool read_lines(struct cli_names *n)
{
    char *line = NULL;
    size_t cap = 0;
    bool ok = true;
    for (ssize_t length; ok && (length = getline(&line, &cap, stdin)) >= 0;) {
        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            length--;
        if (length > 0) ok = add_name(n, (span){line, (size_t)length});
    }
    free(line);
    return ok;
}

bool cli_read_names(const struct cli_args *args, struct cli_names *out)
{
    bool ok = true;
    *out = (struct cli_names){0};
    for (int i = 0; i < args->count && ok; i++) {
        const char *word = args->positional[i];
        ok = strcmp(word, "-") == 0 ? read_lines(out) : add_name(out, span_of(word));
    }
    if (!ok) cli_complain("out of memory");
    return ok;
}

void cli_names_free(struct cli_names *n)
{
    free(n->list);
    arena_free(&n->arena);
    *n = (struct cli_names){0};
}

/* ---- passwords ---- */

static bool read_line(FILE *from, char out[1025])
{
    if (!fgets(out, 1025, from)) return false;
    size_t n = strlen(out);
    bool whole = n > 0 && out[n - 1] == '\n';
    if (!whole && n == 1024) return false;
    while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r'))
        out[--n] = '\0';
    return true;
}

bool cli_read_password(char out[1025])
{
    if (read_line(stdin, out)) return true;
    cli_complain("no password of at most 1024 bytes on standard input");
    return false;
}

static bool ask_once(FILE *terminal, const char *prompt, char out[1025])
{
    struct termios saved, silent;
    int fd = fileno(terminal);
    if (tcgetattr(fd, &saved) != 0) return false;
    silent = saved;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    if (fprintf(terminal, "%s: ", prompt) < 0 || fflush(terminal) != 0 || tcsetattr(fd, TCSAFLUSH, &silent) != 0) return false;
    bool ok = read_line(terminal, out);
    (void)tcsetattr(fd, TCSAFLUSH, &saved); /* what else could be done */
    (void)fputc('\n', terminal);
    return ok;
}

bool cli_ask_password(const char *prompt, bool confirm, char out[1025])
{
    char again[1025] = "";
    FILE *terminal = fopen("/dev/tty", "r+e");
    if (!terminal) {
        cli_complain("no terminal to ask for a password; give --password-stdin");
        return false;
    }
    bool ok = ask_once(terminal, prompt, out) && (!confirm || ask_once(terminal, "Once more", again));
    (void)fclose(terminal);
    if (!ok)
        cli_complain("no password was given");
    else if (confirm && strcmp(out, again) != 0) {
        cli_complain("the two passwords differ");
        ok = false;
    }
    sodium_memzero(again, sizeof again);
    return ok;
}

/* ---- progress ---- */

void cli_progress_init(struct cli_progress *p, const char *what)
{
    *p = (struct cli_progress){.what = what, .on = isatty(STDERR_FILENO) == 1};
}

void cli_progress_show(void *progress, int64_t done, int64_t total)
{
    static const char full[] = "##############################";
    struct cli_progress *p = progress;
    int64_t now = clock_mono_us();
    if (!p->on || (p->drawn && now - p->shown_us < 100000)) return;
    p->shown_us = now;
    p->drawn = true;
    if (total > 0) {
        int64_t capped = done < total ? done : total;
        (void)fprintf(stderr, "\r%s [%-30.*s] %3d %%", p->what, (int)(capped * 30 / total), full, (int)(capped * 100 / total));
    } else {
        (void)fprintf(stderr, "\r%s %lld", p->what, (long long)done);
    }
}

void cli_progress_end(struct cli_progress *p)
{
    if (p->drawn) (void)fputs("\r\033[K", stderr);
    p->drawn = false;
}
