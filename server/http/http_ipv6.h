/* IPv6 for a CivetWeb that was built without it (Debian's is): its accept() has room for an IPv4 address only.
 *
 * Our own thread accepts IPv6 clients. For each it opens a carrier: a loopback connection to a port that CivetWeb listens on for this
 * alone. When a CivetWeb worker begins with a connection, and before it reads, the client's socket is put in the place of the
 * carrier's (dup). From then on CivetWeb serves the client as any other; only the peer's address has to be asked here, by the
 * carrier's port. */
#ifndef CONFAB_HTTP_IPV6_H
#define CONFAB_HTTP_IPV6_H

#include "confab/err.h"
#include "http_handover.h"

struct http_ipv6;

/* Listens on an IPv6 address. *port 0 picks one. `carrier_port`: CivetWeb's, on 127.0.0.1. `handover` finds descriptors.
 * Errors: INVALID_FIELD with words in `problem`. Thread: main. */
CONFAB_MUST_CHECK confab_err http_ipv6_start(const http_address *listen, int *port, int carrier_port, struct handover *handover,
                                             struct http_ipv6 **out, buf *problem);
void http_ipv6_stop(struct http_ipv6 *s); /* after CivetWeb's accepting has ended, before its workers' end. Accepts NULL */
void http_ipv6_free(struct http_ipv6 *s); /* after CivetWeb's end. Accepts NULL */

/* A worker begins with a connection, which may be a carrier: puts every client that waits in its carrier's place. Cheap where none
 * waits. Thread: worker. */
void http_ipv6_board(struct http_ipv6 *s);
/* Whose connection CivetWeb means by this carrier; false: a stranger came in by the carriers' port. Thread: worker. */
bool http_ipv6_peer(struct http_ipv6 *s, int carrier_remote_port, struct handover_peer *out);
/* CivetWeb is done with the carrier's connection. Thread: worker. */
void http_ipv6_leave(struct http_ipv6 *s, int carrier_remote_port);

#endif
