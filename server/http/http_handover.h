/* The hand-over: moves the socket of an upgraded connection out of CivetWeb, which would hold a worker thread for as long as it lives.
 *
 * CivetWeb answers the handshake (101) and calls back on the same worker thread. There the connection's descriptor is found by its
 * addresses, duplicated for the hub, and a stand-in is put in its place (dup2): one end of a socket pair whose other end is closed.
 * CivetWeb cleans up behind it, and its worker is free; its shutdown() and close() never touch the real socket.
 *
 * A client that sends frames before it has our 101 may have had them read into CivetWeb's buffer with its request, where they would be
 * lost to the hub; such a connection is closed and counted. Mostly the kernel's count of received bytes proves that CivetWeb has read
 * the request and no more. Where it does not (a second request on the connection, unusual line ends), the stand-in holds one frame
 * that only we know, a canary, before its end-of-file: if that is the first frame CivetWeb reports, its buffer was empty.
 *
 * Own descriptors start at `floor`, so that CivetWeb's stay below it and the search is short. Fails closed: what was admitted is
 * adopted or released, exactly once, and a descriptor that is not handed over is closed.
 *
 * Thread: a CivetWeb worker, each with its own ticket; the structure itself is read-only after init but for the set of foreign
 * descriptors, which is atomic. */
#ifndef CONFAB_HTTP_HANDOVER_H
#define CONFAB_HTTP_HANDOVER_H

#include <stdatomic.h>

#include "http_address.h"
#include "live.h"

struct mg_connection;
struct mg_context;

/* Where connections go: the hub, or a test. */
struct handover_target {
    void *ctx;
    void (*adopt)(void *ctx, int fd, const struct live_hello *hello);
    void (*release)(void *ctx, const char *address);
};

#define HANDOVER_FLOOR_MAX 2048
#define HANDOVER_CANARY_SIZE 18 /* frame header and 16 random bytes */

struct handover {
    struct handover_target target;
    int floor;
    int dead_end; /* reads as end-of-file; -1 */
    unsigned char canary[HANDOVER_CANARY_SIZE];
    atomic_ulong foreign[HANDOVER_FLOOR_MAX / 64]; /* descriptors that are no connections: looked at last */
};

/* Both ends of a connection, as the kernel knows them. */
struct handover_peer {
    http_address address;
    int port, local_port;
};

/* One per worker thread; reused. The worker's thread pointer in CivetWeb points to a struct whose first member this is. */
struct handover_ticket {
    bool admitted;             /* live_admit() said yes, and nothing has answered for it yet */
    int own;                   /* duplicate for the hub, not handed over yet; -1: none */
    struct handover_peer peer; /* whose connection it is; filled before the handshake is let through */
    struct live_hello hello;
};

/* `floor` is at most HANDOVER_FLOOR_MAX. Notes the descriptors open now as foreign. INTERNAL: no descriptors are left. */
CONFAB_MUST_CHECK confab_err handover_init(struct handover *h, const struct handover_target *target, int floor);
void handover_fini(struct handover *h); /* after CivetWeb's end */
/* Registers with CivetWeb, which must have been started with tcp_nodelay, for `path` and everything below it. Whoever answers requests
 * (begin_request) lets a handshake through only with an admitted ticket; any other is refused here by closing it. */
void handover_register(struct handover *h, struct mg_context *ctx, const char *path);

void handover_ticket_init(struct handover_ticket *t);
/* At the end of every request: releases what was admitted and not adopted, closes what was not handed over. */
void handover_settle(struct handover *h, struct handover_ticket *t);

/* The descriptor below the floor that has these two ends; -1: none. */
int handover_find(struct handover *h, const struct handover_peer *peer);

#endif
