#include "http_handover.h"

#include <civetweb.h>
#include <fcntl.h>
#include <linux/tcp.h> /* the whole struct tcp_info; netinet/tcp.h has an old one */
#include <netinet/in.h>
#include <sodium.h>
#include <stddef.h>
#include <sys/ioctl.h>
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
    if (on)
        (void)atomic_fetch_or_explicit(&h->foreign[fd / 64], bit, memory_order_relaxed);
    else
        (void)atomic_fetch_and_explicit(&h->foreign[fd / 64], ~bit, memory_order_relaxed);
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
    struct sockaddr_storage end = {0};
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

/* Has CivetWeb read this request from the connection, and nothing else? It parses in place: the method stands at the front of its
 * buffer, and the last header's value near the request's end, where "\r\n\r\n" has become NUL, NUL, CR, NUL. If the kernel has handed
 * out exactly the bytes from there to here, there was nothing before and is nothing behind. False: not proven. */
static bool has_read_one_request(int fd, const struct mg_request_info *info)
{
    struct tcp_info tcp;
    socklen_t size = sizeof tcp;
    int unread = 0;
    if (info->num_headers == 0) return false;
    const char *end = info->http_headers[info->num_headers - 1].value;
    end += strlen(end);
    /* Unread is asked first: bytes that arrive between the two questions only make the counts differ. */
    if (ioctl(fd, FIONREAD, &unread) != 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &tcp, &size) != 0) return false;
    if (size < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof tcp.tcpi_bytes_received) return false; /* an old kernel */
    if ((int64_t)tcp.tcpi_bytes_received - unread != end + 4 - info->request_method) return false;
    return end[1] == '\0' && end[2] == '\r' && end[3] == '\0'; /* within what was read */
}

/* Puts a canary and end-of-file in the place of `fd`. False: nothing was changed. */
static bool put_canary(const struct handover *h, int fd)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
    bool ok = send(pair[1], h->canary, sizeof h->canary, MSG_NOSIGNAL) == (ssize_t)sizeof h->canary;
    (void)close(pair[1]);
    ok = ok && dup3(pair[0], fd, O_CLOEXEC) == fd;
    (void)close(pair[0]);
    return ok;
}

static struct handover_ticket *ticket_of(const struct mg_connection *conn) { return mg_get_thread_pointer(conn); }

static int on_connect(const struct mg_connection *conn, void *ctx)
{
    (void)ctx;
    return ticket_of(conn)->admitted ? 0 : 1;
}

static int on_authorize(struct mg_connection *conn, void *ctx)
{
    (void)conn;
    (void)ctx;
    return 1; /* decided already; without this CivetWeb looks for a file /.htpasswd */
}

static void adopt(struct handover *h, struct handover_ticket *t)
{
    h->target.adopt(h->target.ctx, t->own, &t->hello);
    t->own = -1;
    t->admitted = false;
}

/* The 101 is on its way. The socket is not blocking and without delay already: CivetWeb has set both. */
static void on_ready(struct mg_connection *conn, void *ctx)
{
    struct handover *h = ctx;
    struct handover_ticket *t = ticket_of(conn);
    int fd = handover_find(h, &t->peer);
    t->own = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, h->floor) : -1;
    bool empty = t->own >= 0 && has_read_one_request(fd, mg_get_request_info(conn));
    if (t->own >= 0 && !empty && put_canary(h, fd)) return; /* on_data() goes on */
    mg_disable_connection_keep_alive(conn);                 /* keeps CivetWeb from its reading loop, which holds the worker */
    if (empty && dup3(h->dead_end, fd, O_CLOEXEC) == fd) {
        adopt(h, t);
        return;
    }
    if (t->own >= 0) (void)close(t->own);
    t->own = -1;
    metric_add(METRIC_CONN_HANDOVER_FAILED, 1);
    LOG_DEBUG("a connection could not be handed over", LOG_STR("address", t->hello.actor.address));
}

/* Called with the canary where CivetWeb's buffer was empty. Returning 0 makes CivetWeb let go of the connection. */
static int on_data(struct mg_connection *conn, int bits, char *data, size_t n, void *ctx)
{
    struct handover *h = ctx;
    struct handover_ticket *t = ticket_of(conn);
    (void)bits;
    if (t->own < 0) return 0; /* not taken out: what came is the client's, and the connection is closed */
    if (n == sizeof h->canary - 2 && sodium_memcmp(data, h->canary + 2, n) == 0) {
        adopt(h, t);
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

confab_err handover_init(struct handover *h, const struct handover_target *target, int floor)
{
    int pair[2];
    memset(h, 0, sizeof *h);
    h->target = *target;
    h->floor = floor < HANDOVER_FLOOR_MAX ? floor : HANDOVER_FLOOR_MAX;
    h->dead_end = -1;
    h->canary[0] = 0x82; /* one whole binary frame, unmasked */
    h->canary[1] = HANDOVER_CANARY_SIZE - 2;
    randombytes_buf(h->canary + 2, HANDOVER_CANARY_SIZE - 2);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return confab_fail(CONFAB_INTERNAL);
    (void)close(pair[1]);
    h->dead_end = pair[0];
    for (int fd = 3; fd < h->floor; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) set_foreign(h, fd, true);
    }
    return confab_ok();
}

void handover_fini(struct handover *h)
{
    if (h->dead_end >= 0) (void)close(h->dead_end);
    h->dead_end = -1;
}

void handover_register(struct handover *h, struct mg_context *ctx, const char *path)
{
    /* CivetWeb keeps the pointers, so they are static; it never writes through them. */
    static const char *names[] = {"confab.v1"};
    static struct mg_websocket_subprotocols protocols = {.nb_subprotocols = 1, .subprotocols = names};
    mg_set_websocket_handler_with_subprotocols(ctx, path, &protocols, on_connect, on_ready, on_data, NULL, h);
    mg_set_auth_handler(ctx, path, on_authorize, NULL);
}
