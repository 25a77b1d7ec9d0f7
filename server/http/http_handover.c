#include "http_handover.h"

#include <civetweb.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confab/log.h"
#include "confab/metrics.h"

/* ---- finding the descriptor ---- */

static bool is_foreign(struct handover *h, int fd)
{
    return atomic_load_explicit(&h->foreign[fd / 64], memory_order_relaxed) >> (fd % 64) & 1;
}

static void set_foreign(struct handover *h, int fd, bool on)
{
    unsigned long bit = 1ul << (fd % 64);
    if (on) (void)atomic_fetch_or_explicit(&h->foreign[fd / 64], bit, memory_order_relaxed);
    else (void)atomic_fetch_and_explicit(&h->foreign[fd / 64], ~bit, memory_order_relaxed);
}

/* Address and port of one end. False for what is no internet socket. */
static bool read_end(const struct sockaddr_storage *from, http_address *address, int *port)
{
    static const unsigned char v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)from;
        memcpy(address->bytes, v4_prefix, sizeof v4_prefix);
        memcpy(address->bytes + 12, &in->sin_addr, 4);
        *port = ntohs(in->sin_port);
        return true;
    }
    if (from->ss_family != AF_INET6) return false;
    const struct sockaddr_in6 *in6 = (const void *)from;
    memcpy(address->bytes, &in6->sin6_addr, 16);
    *port = ntohs(in6->sin6_port);
    return true;
}

static bool is_wanted(int fd, const struct handover_peer *w)
{
    struct sockaddr_storage end;
    http_address address;
    int port, type = 0;
    socklen_t size = sizeof end, type_size = sizeof type;
    if (getpeername(fd, (struct sockaddr *)&end, &size) != 0 || !read_end(&end, &address, &port)) return false;
    if (port != w->port || !http_address_equal(&address, &w->address)) return false;
    size = sizeof end;
    if (getsockname(fd, (struct sockaddr *)&end, &size) != 0 || !read_end(&end, &address, &port) || port != w->local_port) return false;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_STREAM;
}

/* Looks at the descriptors below the floor whose foreign bit is `foreign`. */
static int search(struct handover *h, const struct handover_peer *w, bool foreign)
{
    for (int fd = 3; fd < h->floor; fd++) {
        if (is_foreign(h, fd) == foreign && is_wanted(fd, w)) return fd;
    }
    return -1;
}

int handover_find(struct handover *h, const struct handover_peer *peer)
{
    int fd = search(h, peer, false);
    if (fd >= 0) return fd;
    fd = search(h, peer, true); /* a foreign descriptor was closed, and CivetWeb got its number */
    if (fd >= 0) set_foreign(h, fd, false);
    return fd;
}

/* ---- handing over ---- */

/* Puts the stand-in in the place of `fd`: canary, then end-of-file. False: nothing was changed. */
static bool put_stand_in(const struct handover *h, int fd)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
    bool ok = send(pair[1], h->canary, sizeof h->canary, MSG_NOSIGNAL) == (ssize_t)sizeof h->canary;
    (void)close(pair[1]);
    ok = ok && dup3(pair[0], fd, O_CLOEXEC) == fd;
    (void)close(pair[0]);
    return ok;
}

/* The hub's own descriptor of the connection; -1 where it could not be taken out of CivetWeb. */
static int take_out(struct handover *h, const struct handover_peer *peer)
{
    int fd = handover_find(h, peer);
    if (fd < 0) return -1;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, h->floor);
    if (own < 0) return -1;
    int flags = fcntl(own, F_GETFL), on = 1;
    bool ok = flags >= 0 && fcntl(own, F_SETFL, flags | O_NONBLOCK) == 0 &&
              setsockopt(own, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 && put_stand_in(h, fd);
    if (ok) return own;
    (void)close(own);
    return -1;
}

static struct handover_ticket *ticket_of(const struct mg_connection *conn) { return mg_get_thread_pointer(conn); }

static int on_connect(const struct mg_connection *conn, void *ctx)
{
    (void)ctx;
    return ticket_of(conn)->admitted ? 0 : 1;
}

/* The 101 is on its way. */
static void on_ready(struct mg_connection *conn, void *ctx)
{
    struct handover_ticket *t = ticket_of(conn);
    t->own = take_out(ctx, &t->peer);
    if (t->own >= 0) return;
    mg_disable_connection_keep_alive(conn); /* or CivetWeb's reading loop would keep the connection and its worker */
    metric_add(METRIC_CONN_HANDOVER_FAILED, 1);
    LOG_DEBUG("a connection could not be handed over", LOG_STR("address", t->hello.actor.address));
}

/* Called with the canary where all went well. Returning 0 makes CivetWeb let go of the connection. */
static int on_data(struct mg_connection *conn, int bits, char *data, size_t n, void *ctx)
{
    struct handover *h = ctx;
    struct handover_ticket *t = ticket_of(conn);
    (void)bits;
    if (t->own < 0) return 0; /* not taken out: what came is the client's, and the connection is closed */
    if (n == sizeof h->canary - 2 && sodium_memcmp(data, h->canary + 2, n) == 0) {
        h->target.adopt(h->target.ctx, t->own, &t->hello);
        t->own = -1;
        t->admitted = false;
        return 0;
    }
    metric_add(METRIC_CONN_HANDOVER_FAILED, 1);
    LOG_DEBUG("a client sent frames before it had the handshake's answer", LOG_STR("address", t->hello.actor.address));
    (void)close(t->own); /* settle releases it */
    t->own = -1;
    return 0;
}

void handover_ticket_init(struct handover_ticket *t)
{
    t->admitted = false;
    t->own = -1;
}

void handover_settle(struct handover *h, struct handover_ticket *t)
{
    if (t->own >= 0) { /* half a frame lay before the canary */
        metric_add(METRIC_CONN_HANDOVER_FAILED, 1);
        (void)close(t->own);
    }
    if (t->admitted) h->target.release(h->target.ctx, t->hello.actor.address);
    handover_ticket_init(t);
}

void handover_init(struct handover *h, const struct handover_target *target, int floor)
{
    memset(h, 0, sizeof *h);
    h->target = *target;
    h->floor = floor < HANDOVER_FLOOR_MAX ? floor : HANDOVER_FLOOR_MAX;
    h->canary[0] = 0x82; /* one whole binary frame, unmasked */
    h->canary[1] = HANDOVER_CANARY_SIZE - 2;
    randombytes_buf(h->canary + 2, HANDOVER_CANARY_SIZE - 2);
    for (int fd = 3; fd < h->floor; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) set_foreign(h, fd, true);
    }
}

void handover_register(struct handover *h, struct mg_context *ctx, const char *path)
{
    /* CivetWeb keeps the pointers, so they are static; it never writes through them. */
    static const char *names[] = {"confab.v1"};
    static struct mg_websocket_subprotocols protocols = {.nb_subprotocols = 1, .subprotocols = names};
    mg_set_websocket_handler_with_subprotocols(ctx, path, &protocols, on_connect, on_ready, on_data, NULL, h);
}
