/* The HTTP side: CivetWeb serves REST and pages and answers WebSocket handshakes, then hands the socket to the hub. */
#ifndef CONFAB_HTTP_H
#define CONFAB_HTTP_H

#include "chat.h"
#include "live.h"
#include "wire_token.h"

typedef struct http_server http_server;

struct http_config {
    chat *chat;
    store *store;
    live_hub *hub;
    const keyring *keys;
    const struct settings *settings;
};

/* Listens; `out_port` is the port in use (settings port 0 picks one). Thread: main. */
CONFAB_MUST_CHECK confab_err http_start(const struct http_config *config, http_server **out, int *out_port, buf *problem);
void http_set_draining(http_server *s); /* /ready answers 503 from now on; new handshakes are refused */
void http_stop(http_server *s);         /* waits for requests in progress. Accepts NULL */

void http_write_routes(buf *out); /* everything the server answers, a line `METHOD PATTERN` each. Thread: any */

#endif
