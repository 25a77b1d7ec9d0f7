#include "live_ws.h"

#include <stdint.h>
#include <stdlib.h>

#include <wslay/wslay.h>

/* One wslay context, with what is needed to know when it is between messages: wslay itself does not say. */
struct live_ws_reader {
    struct live_ws_reader *next_idle;
    struct live_ws_pool *pool;
    wslay_event_context_ptr wslay;
    const unsigned char *data; /* the current feed */
    size_t left;
    void *ctx;
    uint64_t fed, framed; /* bytes fed since borrowed; bytes of the frames begun */
    bool in_frame, in_message, failed, stopped;
    bool violated; /* a violation for which wslay closes without a code */
    /* wslay writes header and payload of a control frame (at most 127 bytes) by separate calls; joined here. */
    unsigned char outgoing[512];
    size_t outgoing_len;
};

static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *to, size_t n, int flags, void *user_data)
{
    struct live_ws_reader *r = user_data;
    (void)flags; /* wslay passes none */
    if (r->left == 0) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (n > r->left) n = r->left;
    memcpy(to, r->data, n);
    r->data += n;
    r->left -= n;
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr wslay, const uint8_t *data, size_t n, int flags, void *user_data)
{
    struct live_ws_reader *r = user_data;
    (void)flags;                                    /* wslay passes none */
    if (n > sizeof r->outgoing - r->outgoing_len) { /* cannot be: each message is answered before the next is read */
        wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    memcpy(r->outgoing + r->outgoing_len, data, n);
    r->outgoing_len += n;
    return (ssize_t)n;
}

static void on_frame_start(wslay_event_context_ptr wslay, const struct wslay_event_on_frame_recv_start_arg *arg, void *user_data)
{
    struct live_ws_reader *r = user_data;
    (void)wslay;
    /* A client's frame: 2 bytes, the longer length where needed (wslay refuses a longer form than needed), 4 bytes of mask. */
    r->framed += arg->payload_length + 6u + (arg->payload_length < 126 ? 0u : arg->payload_length < 65536 ? 2u : 8u);
    r->in_frame = true;
    if (!wslay_is_ctrl_frame(arg->opcode)) r->in_message = !arg->fin;
}

static void on_frame_end(wslay_event_context_ptr wslay, void *user_data)
{
    struct live_ws_reader *r = user_data;
    (void)wslay;
    r->in_frame = false;
}

/* wslay names no code where a frame's head breaks the protocol, nor for a close frame of one byte: it is 1002. */
static void add_close_code(struct live_ws_reader *r)
{
    static const unsigned char bare[] = {0x88, 0}, coded[] = {0x88, 2, WSLAY_CODE_PROTOCOL_ERROR >> 8, WSLAY_CODE_PROTOCOL_ERROR & 0xFF};
    unsigned char *end = r->outgoing + r->outgoing_len;
    if (r->outgoing_len < sizeof bare || sizeof r->outgoing - r->outgoing_len < sizeof coded) return;
    if (memcmp(end - sizeof bare, bare, sizeof bare) != 0) return;
    memcpy(end - sizeof bare, coded, sizeof coded);
    r->outgoing_len += sizeof coded - sizeof bare;
}

/* Sends what wslay has queued (pongs, close), each feed's worth as one piece. */
static void flush_control(struct live_ws_reader *r)
{
    while (wslay_event_want_write(r->wslay)) {
        r->outgoing_len = 0;
        if (wslay_event_send(r->wslay) != 0) r->failed = true;
        if (r->violated) add_close_code(r);
        if (r->outgoing_len) r->pool->on_send(r->ctx, r->outgoing, r->outgoing_len);
        if (r->failed) return;
    }
}

static void on_message(wslay_event_context_ptr wslay, const struct wslay_event_on_msg_recv_arg *arg, void *user_data)
{
    struct live_ws_reader *r = user_data;
    if (r->stopped) return;
    switch (arg->opcode) {
    case WSLAY_TEXT_FRAME:
        r->pool->on_text(r->ctx, (span){arg->msg ? (const char *)arg->msg : "", arg->msg_length});
        break;
    case WSLAY_PONG:
        r->pool->on_pong(r->ctx, (span){(const char *)arg->msg, arg->msg_length});
        break;
    case WSLAY_BINARY_FRAME:
        r->failed = true;
        /* A failure to queue leaves `failed`, which closes all the same. */
        (void)wslay_event_queue_close(wslay, WSLAY_CODE_UNSUPPORTED_DATA, NULL, 0);
        wslay_event_shutdown_read(wslay);
        break;
    case WSLAY_CONNECTION_CLOSE:
        r->violated = arg->msg_length == 1; /* half a code */
        break;
    default:
        break; /* pings are answered by wslay, as are close frames */
    }
    /* Answer each ping as it comes, so that a flood of them cannot pile up in wslay's queue. */
    flush_control(r);
}

static struct live_ws_reader *reader_new(struct live_ws_pool *pool)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .on_frame_recv_start_callback = on_frame_start,
        .on_frame_recv_end_callback = on_frame_end,
        .on_msg_recv_callback = on_message,
    };
    struct live_ws_reader *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->pool = pool;
    if (wslay_event_context_server_init(&r->wslay, &callbacks, r) != 0) {
        free(r);
        return NULL;
    }
    wslay_event_config_set_max_recv_msg_length(r->wslay, pool->max_message);
    return r;
}

static void reader_free(struct live_ws_reader *r)
{
    wslay_event_context_free(r->wslay);
    free(r);
}

static struct live_ws_reader *reader_borrow(struct live_ws_pool *pool)
{
    struct live_ws_reader *r = pool->idle;
    if (!r) return reader_new(pool);
    pool->idle = r->next_idle;
    r->fed = r->framed = 0;
    r->stopped = false;
    return r;
}

static bool reader_is_between_messages(const struct live_ws_reader *r)
{
    return r->fed == r->framed && !r->in_frame && !r->in_message && !r->stopped;
}

enum live_ws_state live_ws_feed(struct live_ws_pool *pool, struct live_ws *ws, const void *data, size_t n, void *ctx)
{
    if (!ws->reader) ws->reader = reader_borrow(pool);
    struct live_ws_reader *r = ws->reader;
    if (!r) return LIVE_WS_FAILED;
    r->data = data;
    r->left = n;
    r->ctx = ctx;
    r->fed += n;
    if (wslay_event_recv(r->wslay) != 0) r->failed = r->violated = true;
    flush_control(r);
    r->data = NULL;
    r->left = 0;
    r->ctx = NULL;
    if (wslay_event_get_close_received(r->wslay)) return LIVE_WS_PEER_CLOSED;
    if (r->failed || !wslay_event_get_read_enabled(r->wslay)) return LIVE_WS_FAILED;
    if (reader_is_between_messages(r)) {
        r->next_idle = pool->idle;
        pool->idle = r;
        ws->reader = NULL;
    }
    return LIVE_WS_OPEN;
}

void live_ws_stop(struct live_ws *ws)
{
    if (ws->reader) ws->reader->stopped = true;
}

void live_ws_fini(struct live_ws *ws)
{
    if (ws->reader) reader_free(ws->reader);
    ws->reader = NULL;
}

void live_ws_pool_fini(struct live_ws_pool *pool)
{
    while (pool->idle) {
        struct live_ws_reader *r = pool->idle;
        pool->idle = r->next_idle;
        reader_free(r);
    }
}
