#include "http_ipv6.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confab/log.h"

#define SEATS                                                                                                                              \
    128 /* IPv6 connections within CivetWeb at once (live ones have left it); more would crowd the descriptors below the floor             \
         */

struct seat {
    int port;    /* the carrier's, at our end; 0: the seat is free */
    int client;  /* the client's socket until it is boarded; -1 */
    int carrier; /* our end of the carrier: keeps its port from being given to another */
    http_address address;
    int client_port;
};

struct http_ipv6 {
    struct handover *handover;
    int listening, port, carrier_port;
    pthread_t thread;
    atomic_int waiting;   /* seats whose client is not boarded */
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t freed;
    bool stopping;
    struct seat seats[SEATS];
};

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void free_seat(struct seat *seat)
{
    if (seat->client >= 0) (void)close(seat->client);
    if (seat->carrier >= 0) (void)close(seat->carrier);
    *seat = (struct seat){.client = -1, .carrier = -1};
}

static struct seat *find_seat(struct http_ipv6 *s, int port)
{
    for (int i = 0; i < SEATS; i++) {
        if (s->seats[i].port == port) return &s->seats[i];
    }
    return NULL;
}

/* ---- the accepting thread ---- */

/* An unconnected carrier with a port of its own; -1: none. */
static int open_carrier(int *out_port)
{
    struct sockaddr_in at = loopback(0);
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && getsockname(fd, (struct sockaddr *)&at, &size) == 0) {
        *out_port = ntohs(at.sin_port);
        return fd;
    }
    (void)close(fd);
    return -1;
}

/* Seats the client and sends its carrier off. Takes both descriptors. Under the lock: once the carrier has arrived, a worker may be
 * done with the seat at any time. */
static void seat_client(struct http_ipv6 *s, int client, int carrier, int port, const struct sockaddr_in6 *from)
{
    const struct sockaddr_in to = loopback(s->carrier_port);
    struct seat *seat;
    while (!(seat = find_seat(s, 0)) && !s->stopping)
        (void)pthread_cond_wait(&s->freed, &s->lock); /* others wait in the kernel */
    if (!seat) {
        (void)close(client);
        (void)close(carrier);
        return;
    }
    *seat = (struct seat){.port = port, .client = client, .carrier = carrier, .client_port = ntohs(from->sin6_port)};
    memcpy(seat->address.bytes, &from->sin6_addr, 16);
    (void)atomic_fetch_add(&s->waiting, 1); /* before the carrier can arrive, or its worker would not look here */
    if (connect(carrier, (const struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS) return;
    LOG_WARN("an IPv6 connection could not be carried", LOG_STR("reason", strerror(errno)));
    (void)atomic_fetch_sub(&s->waiting, 1);
    free_seat(seat);
}

static void take_client(struct http_ipv6 *s, int client, const struct sockaddr_in6 *from)
{
    int port = 0, on = 1, carrier = open_carrier(&port);
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* without them: slower, not wrong */
    (void)setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (carrier < 0) {
        (void)close(client);
        return;
    }
    (void)pthread_mutex_lock(&s->lock);
    seat_client(s, client, carrier, port, from);
    (void)pthread_mutex_unlock(&s->lock);
}

static void *accept_clients(void *arg)
{
    struct http_ipv6 *s = arg;
    for (;;) {
        struct sockaddr_in6 from = {0};
        socklen_t size = sizeof from;
        int client = accept4(s->listening, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            take_client(s, client, &from);
        } else if (errno == EINVAL || errno == EBADF) { /* was shut down */
            return NULL;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            LOG_WARN("cannot accept", LOG_STR("reason", strerror(errno)));
            (void)usleep(100000); /* until something is closed */
        }
    }
}

/* ---- life ---- */

static int listen_on(const http_address *address, int *port)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)*port)};
    socklen_t size = sizeof at;
    int on = 1, wait_s = 10, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    memcpy(&at.sin6_addr, address->bytes, 16);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &wait_s, sizeof wait_s) == 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
        listen(fd, 4096) == 0 && getsockname(fd, (struct sockaddr *)&at, &size) == 0) {
        *port = ntohs(at.sin6_port);
        return fd;
    }
    int reason = errno;
    (void)close(fd);
    errno = reason;
    return -1;
}

confab_err http_ipv6_start(const http_address *listen, int *port, int carrier_port, struct handover *handover, struct http_ipv6 **out,
                           buf *problem)
{
    struct http_ipv6 *s = calloc(1, sizeof *s);
    if (!s) return confab_fail(CONFAB_INTERNAL);
    for (int i = 0; i < SEATS; i++)
        s->seats[i] = (struct seat){.client = -1, .carrier = -1};
    (void)pthread_mutex_init(&s->lock, NULL); /* these two cannot fail for plain ones on Linux */
    (void)pthread_cond_init(&s->freed, NULL);
    s->handover = handover;
    s->carrier_port = carrier_port;
    s->listening = listen_on(listen, port);
    s->port = *port;
    if (s->listening >= 0 && pthread_create(&s->thread, NULL, accept_clients, s) == 0) {
        *out = s;
        return confab_ok();
    }
    buf_printf(problem, "Cannot listen on IPv6, port %d: %s", *port, s->listening < 0 ? strerror(errno) : "no thread");
    if (s->listening >= 0) (void)close(s->listening);
    s->listening = -1;
    http_ipv6_free(s);
    return confab_fail(CONFAB_INVALID_FIELD);
}

void http_ipv6_stop(struct http_ipv6 *s)
{
    if (!s) return;
    (void)pthread_mutex_lock(&s->lock);
    s->stopping = true;
    (void)pthread_cond_broadcast(&s->freed);
    (void)pthread_mutex_unlock(&s->lock);
    (void)shutdown(s->listening, SHUT_RDWR); /* wakes the thread from accept() */
    (void)pthread_join(s->thread, NULL);
    (void)close(s->listening);
    s->listening = -1;
}

void http_ipv6_free(struct http_ipv6 *s)
{
    if (!s) return;
    for (int i = 0; i < SEATS; i++)
        free_seat(&s->seats[i]);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_cond_destroy(&s->freed);
    free(s);
}

/* ---- in CivetWeb's workers ---- */

/* Puts the client in the carrier's place, where CivetWeb has accepted the carrier by now. */
static void board(struct http_ipv6 *s, struct seat *seat)
{
    const struct handover_peer carrier = {
        .address = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1}}, .port = seat->port, .local_port = s->carrier_port};
    int fd = handover_find(s->handover, &carrier);
    if (fd < 0) return;
    if (dup3(seat->client, fd, O_CLOEXEC) != fd) LOG_WARN("an IPv6 connection could not be boarded", LOG_STR("reason", strerror(errno)));
    (void)close(seat->client);
    seat->client = -1;
    (void)atomic_fetch_sub(&s->waiting, 1);
}

void http_ipv6_board(struct http_ipv6 *s)
{
    if (!s || atomic_load(&s->waiting) == 0) return;
    (void)pthread_mutex_lock(&s->lock);
    for (int i = 0; i < SEATS; i++) {
        if (s->seats[i].port != 0 && s->seats[i].client >= 0) board(s, &s->seats[i]);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

bool http_ipv6_peer(struct http_ipv6 *s, int carrier_remote_port, struct handover_peer *out)
{
    if (!s) return false;
    (void)pthread_mutex_lock(&s->lock);
    const struct seat *seat = find_seat(s, carrier_remote_port);
    bool known = seat && seat->client < 0;
    if (known) *out = (struct handover_peer){.address = seat->address, .port = seat->client_port, .local_port = s->port};
    (void)pthread_mutex_unlock(&s->lock);
    return known;
}

void http_ipv6_leave(struct http_ipv6 *s, int carrier_remote_port)
{
    if (!s) return;
    (void)pthread_mutex_lock(&s->lock);
    struct seat *seat = find_seat(s, carrier_remote_port);
    if (seat) {
        if (seat->client >= 0) (void)atomic_fetch_sub(&s->waiting, 1);
        free_seat(seat);
        (void)pthread_cond_signal(&s->freed);
    }
    (void)pthread_mutex_unlock(&s->lock);
}
