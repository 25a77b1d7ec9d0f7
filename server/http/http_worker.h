/* CivetWeb's side of one request: into plain data, and back out. Private to http_server.c and http_worker.c.
 * Thread: the CivetWeb worker that owns the struct. */
#ifndef CONFAB_HTTP_WORKER_H
#define CONFAB_HTTP_WORKER_H

#include "http_handler.h"

struct mg_connection;

struct http_worker {
    struct handover_ticket ticket; /* first member: the hand-over finds it by the thread pointer */
    struct http_request req;
    struct http_response res;
    buf body, head; /* kept from request to request */
    bool busy;      /* counted in in_flight */
};

struct http_worker *http_worker_new(void);
void http_worker_free(struct http_worker *w);

/* Fills w->req from the connection, the body included; w->ticket.peer is known by then. On failure the connection's stream is not in
 * step any more: answer and close. */
CONFAB_MUST_CHECK confab_err http_worker_read(struct http_worker *w, const struct http_server *s, struct mg_connection *conn);
/* Sends w->res. After an answer to a request that was not read to its end, reads on for a moment, or the peer might lose the answer to
 * a reset. */
void http_worker_send(struct http_worker *w, struct http_server *s, struct mg_connection *conn, bool unread);

#endif
