/* confab serve: builds the parts in order, waits for a signal, drains, tears down in reverse. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli.h"
#include "confab/log.h"
#include "http.h"
#include "live.h"

struct app {
    struct settings settings;
    store *store;
    chat *chat;
    keyring *keys;
    live_hub *hub;
    http_server *http;
    int port;
    char setup_token[64];
};

static void start_logging(const struct settings *s)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(s->log_level, levels[i]) == 0) log_set_level((enum log_level)i);
    }
    log_set_json(strcmp(s->log, "json") == 0);
}

/* A connection is a descriptor: take what the system gives. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) LOG_WARN("the descriptor limit could not be raised", LOG_STR("reason", strerror(errno)));
    if (limit.rlim_max < 4096) LOG_WARN("few descriptors are allowed, so few can connect", LOG_INT("limit", limit.rlim_max));
}

static int loops_of(const struct settings *s)
{
    if (s->loops > 0) return (int)s->loops;
    long spare = sysconf(_SC_NPROCESSORS_ONLN) - 1; /* one is left to the writer and to HTTP */
    return spare < 1 ? 1 : spare > 4 ? 4 : (int)spare;
}

static confab_err start_domain(struct app *a, buf *problem)
{
    const struct store_config config = {.folder = a->settings.data,
                                        .readers = (int)a->settings.readers,
                                        .writer_queue = (size_t)a->settings.writer_queue,
                                        .reader_queue = 8192,
                                        .create = true};
    confab_err e = store_open(&config, &a->store, problem);
    if (confab_failed(e)) return e;
    e = chat_open(&(struct chat_config){.store = a->store, .settings = &a->settings}, &a->chat);
    if (!confab_failed(e)) e = cli_load_keys(a->store, &a->keys);
    return e;
}

static confab_err start(struct app *a, buf *problem)
{
    confab_err e = start_domain(a, problem);
    if (confab_failed(e)) return e;
    /* The hub observes the store and the domain, which must be told before the first request. */
    const struct live_config live = {
        .chat = a->chat, .store = a->store, .keys = a->keys, .settings = &a->settings, .loops = loops_of(&a->settings)};
    e = live_start(&live, &a->hub);
    if (!confab_failed(e)) e = chat_bootstrap(a->chat, a->setup_token);
    if (confab_failed(e)) return e;
    const struct http_config http = {.chat = a->chat, .store = a->store, .hub = a->hub, .keys = a->keys, .settings = &a->settings};
    return http_start(&http, &a->http, &a->port, problem);
}

/* The last thing that may fail is behind us when this runs: every part accepts NULL. */
static void stop(struct app *a)
{
    http_stop(a->http);
    live_stop(a->hub);
    keyring_free(a->keys);
    chat_close(a->chat);
    store_close(a->store);
}

/* Where a person at this machine finds the server. */
static void append_url(const struct app *a, buf *out)
{
    const char *listen = a->settings.listen;
    bool any = strcmp(listen, "0.0.0.0") == 0 || strcmp(listen, "::") == 0, v6 = !any && strchr(listen, ':');
    if (v6)
        buf_printf(out, "http://[%s]:%d", listen, a->port);
    else
        buf_printf(out, "http://%s:%d", any ? "127.0.0.1" : listen, a->port);
}

static void announce(const struct app *a)
{
    buf url = {0};
    append_url(a, &url);
    (void)printf("Confab " CONFAB_VERSION " listening on %s\n", buf_cstr(&url));
    if (a->setup_token[0]) {
        span base = a->settings.public_url[0] ? span_of(a->settings.public_url) : buf_span(&url);
        while (base.n && base.p[base.n - 1] == '/')
            base.n--;
        (void)printf("Set-up link (once): %.*s/setup#%s\n", (int)base.n, base.p, a->setup_token);
    }
    (void)fflush(stdout);
    buf_free(&url);
}

/* ---- signals ---- */

static sigset_t ending_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    return set;
}

static void exit_at_once(int signal) { _exit(128 + signal); }

/* The first signal asks for an orderly end, a second one for an end. */
static void wait_for_end(void)
{
    sigset_t set = ending_signals();
    const struct sigaction again = {.sa_handler = exit_at_once};
    int signal = 0;
    while (sigwait(&set, &signal) != 0)
        continue;
    (void)sigaction(SIGTERM, &again, NULL);
    (void)sigaction(SIGINT, &again, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    LOG_INFO("shutting down", LOG_STR("signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"));
}

int cli_serve(int argc, char **argv)
{
    struct cli_args args;
    struct app a = {0};
    buf problem = {0};
    sigset_t set = ending_signals();
    if (!cli_parse(argc, argv, NULL, 0, 0, 0, &args)) return CLI_USAGE;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* before the first thread, which inherits it */
    confab_err e = settings_load(&a.settings, &problem);
    if (!confab_failed(e)) {
        start_logging(&a.settings);
        raise_descriptor_limit();
        e = start(&a, &problem);
    }
    if (!confab_failed(e)) {
        announce(&a);
        wait_for_end();
        http_set_draining(a.http);
        live_drain(a.hub, a.settings.drain_ms * 6 / 10); /* the rest is for requests in progress and the store */
    }
    int status = confab_failed(e) ? cli_fail("cannot start", e, &problem) : CLI_OK;
    stop(&a);
    buf_free(&problem);
    if (status == CLI_OK) LOG_INFO("stopped");
    return status;
}
