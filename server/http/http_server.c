#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confab/clock.h"
#include "confab/log.h"
#include "http_ipv6.h"
#include "http_worker.h"

#define STOP_WAIT_MS 2500 /* for requests in progress, at most */

/* What starting and running share with CivetWeb's threads. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open; /* handlers are registered: workers may begin */
    bool starting;
    buf complaints; /* what CivetWeb said while it started */
};

struct server {
    struct http_server base; /* first member: what handlers see */
    struct gate gate;
    int listening[2];       /* CivetWeb's listening descriptors; -1 */
    struct http_ipv6 *ipv6; /* NULL: none is wanted */
    int carrier_port;       /* where its carriers arrive; 0: none */
};

static struct server *server_of(const struct mg_connection *conn) { return mg_get_user_data(mg_get_context(conn)); }
static struct http_worker *worker_of(const struct mg_connection *conn) { return mg_get_thread_pointer(conn); }

/* ---- one request ---- */

static void route(struct http_exchange *x)
{
    unsigned allowed = 0;
    x->route = http_route_find(x->req, &x->params, &allowed);
    if (x->route) {
        x->route->handler(x);
        return;
    }
    if (allowed == 0) {
        http_fail(x, CONFAB_NOT_FOUND);
        return;
    }
    buf allow = {0};
    http_route_write_allow(allowed, &allow);
    http_response_add(x->res, "Allow", buf_span(&allow));
    buf_free(&allow);
    http_fail(x, CONFAB_METHOD_NOT_ALLOWED);
}

static void log_request(const struct http_worker *w)
{
    char path[256];
    if (!span_copy(w->req.path, path, sizeof path)) path[0] = '\0'; /* the query is left out: it may hold a token */
    LOG_DEBUG("answered a request", LOG_STR("method", http_method_word(w->req.method)), LOG_STR("path", path),
              LOG_INT("status", w->res.status), LOG_STR("address", w->req.address));
}

/* Whose connection it is. False: a stranger at the carriers' port, or a peer without an address. A carrier is known by its own port:
 * what CivetWeb takes for the local port may already be the client's, where it was boarded between accept() and getsockname(). */
static bool find_peer(struct server *s, const struct mg_request_info *info, struct handover_peer *out)
{
    if (s->ipv6 && strcmp(info->remote_addr, "127.0.0.1") == 0) {
        if (http_ipv6_peer(s->ipv6, info->remote_port, out)) return true;
        if (info->server_port == s->carrier_port) return false;
    }
    out->port = info->remote_port;
    out->local_port = info->server_port;
    return http_address_parse(span_of(info->remote_addr), &out->address);
}

/* Every request comes through here, before CivetWeb does anything by itself. Returns 0 where CivetWeb is to go on with a WebSocket
 * handshake, else the status that was answered. */
static int on_begin_request(struct mg_connection *conn)
{
    struct http_server *s = &server_of(conn)->base;
    struct http_worker *w = worker_of(conn);
    if (!w || !find_peer(server_of(conn), mg_get_request_info(conn), &w->ticket.peer)) { /* no worker: memory was out when it began */
        mg_disable_connection_keep_alive(conn);
        return -1;
    }
    w->busy = true;
    (void)atomic_fetch_add(&s->in_flight, 1);
    http_response_clear(&w->res);
    confab_err e = http_worker_read(w, s, conn);
    bool unread = confab_failed(e);
    if (unread) {
        http_response_problem(&w->res, e, 0);
    } else {
        struct http_exchange x = {.server = s, .req = &w->req, .res = &w->res, .ticket = &w->ticket};
        route(&x);
        if (x.hand_over) return 0;
    }
    http_worker_send(w, s, conn, unread);
    log_request(w);
    return w->res.status;
}

static void on_end_request(const struct mg_connection *conn, int status)
{
    struct http_server *s = &server_of(conn)->base;
    struct http_worker *w = worker_of(conn);
    (void)status;
    if (!w || !w->busy) return;
    handover_settle(&s->handover, &w->ticket);
    w->busy = false;
    (void)atomic_fetch_sub(&s->in_flight, 1);
}

/* What CivetWeb refuses by itself: requests that it cannot read. */
static int on_http_error(struct mg_connection *conn, int status, const char *message)
{
    struct http_worker *w = worker_of(conn);
    confab_err e = confab_fail_msg(CONFAB_INVALID_FIELD, "The request cannot be read");
    (void)message; /* may quote the request */
    if (!w) return 1;
    bool known = find_peer(server_of(conn), mg_get_request_info(conn), &w->ticket.peer);
    if (status == 413) e = confab_fail_msg(CONFAB_TOO_LARGE, "The request's head is too large");
    if (status >= 500 && status != 505) e = confab_fail(CONFAB_INTERNAL);
    http_response_clear(&w->res);
    http_response_problem(&w->res, e, 0);
    w->req.head = w->req.keep_alive = false;
    http_worker_send(w, &server_of(conn)->base, conn, known);
    return 0;
}

/* A worker begins with a connection; nothing has been read. */
static int on_init_connection(const struct mg_connection *conn, void **data)
{
    (void)data;
    http_ipv6_board(server_of(conn)->ipv6);
    return 0;
}

static void on_connection_close(const struct mg_connection *conn)
{
    struct server *s = server_of(conn);
    const struct mg_request_info *info = mg_get_request_info(conn);
    if (info && strcmp(info->remote_addr, "127.0.0.1") == 0) http_ipv6_leave(s->ipv6, info->remote_port); /* where it is a carrier */
}

/* ---- threads and logs ---- */

static void *on_init_thread(const struct mg_context *ctx, int type)
{
    struct server *s = mg_get_user_data(ctx);
    if (type != 1) return NULL; /* the accepting thread needs nothing */
    (void)pthread_mutex_lock(&s->gate.lock);
    while (!s->gate.open)
        (void)pthread_cond_wait(&s->gate.changed, &s->gate.lock);
    (void)pthread_mutex_unlock(&s->gate.lock);
    struct http_worker *w = http_worker_new();
    if (!w) LOG_ERROR("out of memory for a worker");
    return w;
}

static void on_exit_thread(const struct mg_context *ctx, int type, void *worker)
{
    (void)ctx;
    if (type == 1) http_worker_free(worker);
}

static int on_log_message(const struct mg_connection *conn, const char *message)
{
    struct server *s = conn ? server_of(conn) : NULL;
    if (s) {
        (void)pthread_mutex_lock(&s->gate.lock);
        bool starting = s->gate.starting;
        if (starting) buf_printf(&s->gate.complaints, "%s%s", s->gate.complaints.len ? "; " : "", message);
        (void)pthread_mutex_unlock(&s->gate.lock);
        if (starting) return 1;
    }
    LOG_DEBUG("CivetWeb says", LOG_STR("message", message));
    return 1;
}

static void set_gate(struct server *s, bool open, bool starting)
{
    (void)pthread_mutex_lock(&s->gate.lock);
    s->gate.open = open;
    s->gate.starting = starting;
    (void)pthread_cond_broadcast(&s->gate.changed);
    (void)pthread_mutex_unlock(&s->gate.lock);
}

/* ---- start ---- */

/* What CONFAB_LISTEN stands for. */
struct listen_plan {
    char ports[160]; /* for CivetWeb; with IPv6, the last one is the carriers' */
    int count;       /* of them */
    bool v4, v6;
    http_address v6_address;
};

static confab_err plan_listening(const struct settings *set, struct listen_plan *out, buf *problem)
{
    static const char any4[] = "0.0.0.0";
    const char *address = strcmp(set->listen, "localhost") == 0 ? "127.0.0.1" : set->listen;
    char v4[ADDRESS_MAX + 1] = "";
    *out = (struct listen_plan){.v6 = strchr(address, ':') != NULL, .count = 1};
    unsigned char bare[16]; /* http_address_parse() would take a port as well, and drop it */
    if ((inet_pton(AF_INET, address, bare) != 1 && inet_pton(AF_INET6, address, bare) != 1) ||
        !http_address_parse(span_of(address), &out->v6_address)) {
        buf_printf(problem, "CONFAB_LISTEN is \"%s\"; expected an address, e.g. 127.0.0.1, 0.0.0.0 or ::", set->listen);
        return confab_fail(CONFAB_INVALID_FIELD);
    }
    http_address_format(&out->v6_address, v4);
    if (out->v6 && !strchr(v4, ':')) out->v6 = false; /* IPv4 in IPv6's clothes */
    out->v4 = !out->v6 || strcmp(v4, "::") == 0;
    if (out->v6) (void)snprintf(v4, sizeof v4, "%s", any4);
    if (out->v4) (void)snprintf(out->ports, sizeof out->ports, "%s:%lld", v4, (long long)set->port); /* the address was checked: it fits */
    if (out->v6) {
        size_t n = strlen(out->ports);
        (void)snprintf(out->ports + n, sizeof out->ports - n, "%s127.0.0.1:0", out->v4 ? "," : "");
        out->count = out->v4 ? 2 : 1;
    }
    return confab_ok();
}

static confab_err start_civetweb(struct server *s, const struct listen_plan *plan, buf *problem)
{
    const struct settings *set = s->base.config.settings;
    char threads[24];
    (void)snprintf(threads, sizeof threads, "%lld", (long long)set->http_threads);
    const char *options[] = {
        "listening_ports",
        plan->ports,
        "num_threads",
        threads,
        "tcp_nodelay",
        "1",
        "listen_backlog",
        "4096", /* a reconnect storm waits in the kernel, not in retries */
        "connection_queue",
        "16", /* waiting in CivetWeb: bounds the descriptors a hand-over has to look at */
        "enable_keep_alive",
        "yes",
        "keep_alive_timeout_ms",
        "1000", /* an idle connection holds a worker: not for long */
        "request_timeout_ms",
        "10000",
        "max_request_size",
        "16384", /* request line and headers */
        "decode_url",
        "no", /* http_request_set_target() does, segment by segment */
        "enable_directory_listing",
        "no",
        "enable_auth_domain_check",
        "no",
        "access_control_allow_origin",
        "",
        "access_control_allow_methods",
        "",
        "access_control_allow_headers",
        "",
        NULL,
    };
    const struct mg_callbacks callbacks = {
        .begin_request = on_begin_request,
        .end_request = on_end_request,
        .http_error = on_http_error,
        .init_connection = on_init_connection,
        .connection_close = on_connection_close,
        .log_message = on_log_message,
        /* No log_access: CivetWeb would put a line together for it, with localtime(), which is not for threads. */
        .init_thread = on_init_thread,
        .exit_thread = on_exit_thread,
    };
    set_gate(s, false, true);
    s->base.civet = mg_start(&callbacks, s, options);
    set_gate(s, false, false);
    if (s->base.civet) return confab_ok();
    buf_printf(problem, "Cannot listen on %s port %lld: %s", set->listen, (long long)set->port, buf_cstr(&s->gate.complaints));
    return confab_fail(CONFAB_INVALID_FIELD);
}

/* The descriptor that listens on this port; -1: none. */
static int find_listening(int port, int floor)
{
    for (int fd = 3; fd < floor; fd++) {
        struct sockaddr_in at = {0};
        socklen_t size = sizeof at, flag_size = sizeof(int);
        int listening = 0;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &flag_size) != 0 || !listening) continue;
        if (getsockname(fd, (struct sockaddr *)&at, &size) == 0 && at.sin_family == AF_INET && ntohs(at.sin_port) == port) return fd;
    }
    return -1;
}

static void adopt_by_hub(void *ctx, int fd, const struct live_hello *hello) { live_adopt(ctx, fd, hello); }
static void release_by_hub(void *ctx, const char *address) { live_release(ctx, address); }

/* What needs CivetWeb to be there, before its workers begin. */
static confab_err prepare(struct server *s, const struct listen_plan *plan, int *port, buf *problem)
{
    int threads = (int)s->base.config.settings->http_threads, wait_s = 10;
    int floor = 256 + 3 * threads; /* per worker: an event descriptor, a connection, and one being accepted; the rest is the store's */
    const struct handover_target hub = {.ctx = s->base.config.hub, .adopt = adopt_by_hub, .release = release_by_hub};
    struct mg_server_port ports[2];
    confab_err e = handover_init(&s->base.handover, &hub, floor > 512 ? floor : 512);
    if (confab_failed(e)) return e;
    handover_register(&s->base.handover, s->base.civet, "/ws");
    if (mg_get_server_ports(s->base.civet, plan->count, ports) != plan->count) return confab_fail(CONFAB_INTERNAL);
    for (int i = 0; i < plan->count; i++)
        s->listening[i] = find_listening(ports[i].port, s->base.handover.floor);
    *port = plan->v4 ? ports[0].port : (int)s->base.config.settings->port;
    /* Browsers open spare connections and send nothing: the kernel keeps those until bytes come, so that they hold no worker. */
    if (plan->v4 && s->listening[0] >= 0) {
        (void)setsockopt(s->listening[0], IPPROTO_TCP, TCP_DEFER_ACCEPT, &wait_s, sizeof wait_s);
    }
    if (!plan->v6) return confab_ok();
    s->carrier_port = ports[plan->count - 1].port;
    return http_ipv6_start(&plan->v6_address, port, s->carrier_port, &s->base.handover, &s->ipv6, problem);
}

static void shut_down(struct server *s)
{
    http_ipv6_stop(s->ipv6);
    /* Wakes CivetWeb's accepting thread, which would otherwise look at the stop flag every two seconds only. */
    for (int i = 0; i < 2; i++) {
        if (s->listening[i] >= 0) (void)shutdown(s->listening[i], SHUT_RDWR);
    }
    if (s->base.civet) mg_stop(s->base.civet);
    http_ipv6_free(s->ipv6);
    handover_fini(&s->base.handover);
    http_identities_fini(&s->base.identities);
    buf_free(&s->gate.complaints);
    (void)pthread_mutex_destroy(&s->gate.lock);
    (void)pthread_cond_destroy(&s->gate.changed);
    free(s);
}

confab_err http_start(const struct http_config *config, http_server **out, int *out_port, buf *problem)
{
    struct listen_plan plan;
    struct server *s = calloc(1, sizeof *s);
    if (!s) return confab_fail(CONFAB_INTERNAL);
    s->base.config = *config;
    s->base.started_us = clock_mono_us();
    s->listening[0] = s->listening[1] = s->base.handover.dead_end = -1;
    (void)pthread_mutex_init(&s->gate.lock, NULL); /* these two cannot fail for plain ones on Linux */
    (void)pthread_cond_init(&s->gate.changed, NULL);
    http_identities_init(&s->base.identities);
    confab_err e = plan_listening(config->settings, &plan, problem);
    if (!confab_failed(e) && !http_networks_parse(config->settings->trusted_proxies, &s->base.trusted, problem)) {
        buf_append_str(problem, " in CONFAB_TRUSTED_PROXIES");
        e = confab_fail(CONFAB_INVALID_FIELD);
    }
    if (!confab_failed(e)) e = start_civetweb(s, &plan, problem);
    if (!confab_failed(e)) e = prepare(s, &plan, out_port, problem);
    set_gate(s, true, false);
    if (confab_failed(e))
        shut_down(s);
    else
        *out = &s->base;
    return e;
}

/* ---- stop ---- */

void http_set_draining(http_server *s) { atomic_store(&s->draining, true); }

void http_stop(http_server *base)
{
    if (!base) return;
    atomic_store(&base->draining, true);
    int64_t until_us = clock_mono_us() + STOP_WAIT_MS * INT64_C(1000);
    while (atomic_load(&base->in_flight) > 0 && clock_mono_us() < until_us)
        (void)usleep(2000); /* CivetWeb cuts answers short once stopping */
    shut_down((struct server *)base);
}
