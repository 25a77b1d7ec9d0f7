/* Incoming WebSocket frames, by wslay: masks, fragments, UTF-8, control frames, close codes, size limit.
 *
 * A wslay context holds some 8 KiB of buffers, too much for each of many idle connections. So a connection borrows one from its loop's pool
 * while a frame or a fragmented message is incomplete, and has none in between. Thread: one loop. No I/O in here. */
#ifndef CONFAB_LIVE_WS_H
#define CONFAB_LIVE_WS_H

#include <stdbool.h>
#include <stddef.h>

#include "confab/buf.h"

struct live_ws_reader;

struct live_ws_pool {
    struct live_ws_reader *idle;
    size_t max_message;
    /* Called from within live_ws_feed with the feed's ctx. */
    void (*on_text)(void *ctx, span text); /* a whole message, valid UTF-8 */
    void (*on_pong)(void *ctx, span payload);
    void (*on_send)(void *ctx, const void *frame, size_t n); /* a control frame that answers (pong, close): send it as it is */
};
void live_ws_pool_fini(struct live_ws_pool *pool);

/* A connection's reading state: NULL between messages. */
struct live_ws {
    struct live_ws_reader *reader;
};

enum live_ws_state {
    LIVE_WS_OPEN,
    LIVE_WS_PEER_CLOSED, /* the peer sent a close frame; our answer went to on_send */
    LIVE_WS_FAILED       /* protocol error, bad UTF-8, binary, too big: our close frame went to on_send; read no more */
};

/* Feeds what came from the socket, in pieces of any size. Not re-entrant for one connection; live_ws_fini may not be called from within. */
enum live_ws_state live_ws_feed(struct live_ws_pool *pool, struct live_ws *ws, const void *data, size_t n, void *ctx);
/* The consumer wants no further on_text from the current feed (the connection is being closed). */
void live_ws_stop(struct live_ws *ws);
void live_ws_fini(struct live_ws *ws);

#endif
