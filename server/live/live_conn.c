#include "live_conn.h"

#include <assert.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confab/clock.h"
#include "confab/log.h"
#include "confab/metrics.h"
#include "live_hub.h"
#include "wire.h"

enum {
    FLUSH_BYTES = 65536, /* handed to one connection before the next gets its turn */
    FLUSH_PIECES = 64,
    OUT_BYTES_MAX = 1048576, /* answers that a connection lets pile up before it is no longer read from */
    LINGER_MS = 3000,        /* wait for the peer's close frame */
    CALLS_MAX = 256          /* requests in flight per connection before it is no longer read from */
};

/* ---- Life ---- */

void live_conn_ref(struct live_conn *c) { c->refs++; }

void live_conn_unref(struct live_conn *c)
{
    assert(c->refs > 0);
    if (--c->refs > 0) return;
    assert(c->state == LIVE_CONN_GONE && !c->subs && !c->dirty);
    for (uint32_t i = 0; i < c->out_len; i++)
        live_block_unref(c->out[i].block);
    free(c->out);
    live_ws_fini(&c->ws);
    free(c);
}

static void stop_heartbeat(struct live_conn *c);
static void on_timer(uv_timer_t *timer);

static void on_handle_closed(uv_handle_t *handle) { live_conn_unref(handle->data); }

static void drop_held(struct live_conn *c)
{
    while (c->held) {
        struct live_held *h = c->held;
        c->held = h->next;
        free(h);
    }
    c->held_tail = &c->held;
}

void live_conn_abort(struct live_conn *c)
{
    struct live_loop *loop = c->loop;
    if (c->state == LIVE_CONN_GONE) return;
    live_session_end(c);
    stop_heartbeat(c);
    c->state = LIVE_CONN_GONE;
    live_ws_stop(&c->ws);
    drop_held(c);
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        loop->conns = c->next;
    }
    if (c->next) c->next->prev = c->prev;
    loop->conn_count--;
    metric_gauge_add(METRIC_CONN_ACTIVE, -1);
    metric_add(METRIC_CONN_CLOSED, 1);
    metric_observe(METRIC_CONN_DURATION_MS, (uint64_t)(live_loop_now_ms(loop) - c->opened_ms));
    LOG_DEBUG("connection closed", LOG_INT("conn", c->id), LOG_STR("user", c->actor.name), LOG_STR("address", c->actor.address));
    live_hub_closed(loop->hub, c->actor.address);
    uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

/* ---- Reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct live_conn *c = handle->data;
    (void)suggested;
    /* One buffer for all connections of the loop: what is read is consumed before the next read. */
    *out = uv_buf_init(c->loop->read_buf, sizeof c->loop->read_buf);
}

static void after_feed(struct live_conn *c, enum live_ws_state state)
{
    if (c->state == LIVE_CONN_GONE) return;
    if (state == LIVE_WS_OPEN) return;
    if (state == LIVE_WS_PEER_CLOSED) c->peer_closed = true;
    if (c->state != LIVE_CONN_CLOSING) {
        /* wslay's own close frame is queued already. */
        live_session_end(c);
        c->state = LIVE_CONN_CLOSING;
        c->close_sent = true;
        (void)uv_timer_start(&c->timer, on_timer, LINGER_MS, 0); /* cannot fail: the handle is not closing */
    }
    if (state == LIVE_WS_FAILED) c->failed = true;
    live_loop_mark_dirty(c->loop, c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *in)
{
    struct live_conn *c = stream->data;
    if (n < 0) { /* end of file, or an error: either way nothing more can come or go */
        live_conn_abort(c);
        return;
    }
    if (n == 0 || c->state == LIVE_CONN_GONE) return;
    metric_add(METRIC_BYTES_RECEIVED, (uint64_t)n);
    if (c->failed) return; /* read on all the same: closing with bytes unread would reset the connection under our close frame */
    c->last_seen_ms = live_loop_now_ms(c->loop);
    live_conn_ref(c);
    after_feed(c, live_ws_feed(&c->loop->ws, &c->ws, in->base, (size_t)n, c));
    live_conn_unref(c);
}

/* Reads while the connection takes its answers and has not too much in flight; otherwise TCP holds the sender back. */
void live_conn_update_reading(struct live_conn *c)
{
    bool pause = c->blocked || c->out_bytes > OUT_BYTES_MAX || c->calls > CALLS_MAX || c->held;
    if (c->state == LIVE_CONN_GONE || pause == c->paused) return;
    c->paused = pause;
    if (pause) {
        (void)uv_read_stop((uv_stream_t *)&c->tcp); /* always succeeds */
    } else if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) {
        live_conn_abort(c);
    }
}

/* ---- Writing ---- */

static bool out_reserve(struct live_conn *c)
{
    if (c->out_len < c->out_cap) return true;
    uint32_t cap = c->out_cap ? c->out_cap * 2 : 4;
    struct live_piece *out = realloc(c->out, cap * sizeof *out);
    if (!out) return false;
    c->out = out;
    c->out_cap = cap;
    return true;
}

/* Takes a reference of its own. A frame that cannot be queued ends the connection: silence would be a hole. */
static void out_push(struct live_conn *c, struct live_piece piece)
{
    if (!out_reserve(c)) {
        live_conn_abort(c);
        return;
    }
    assert(c->out);
    struct live_piece *last = c->out_len > c->writing ? &c->out[c->out_len - 1] : NULL;
    c->out_bytes += piece.len;
    if (last && last->block == piece.block && last->off + last->len == piece.off) {
        last->len += piece.len;
        return;
    }
    live_block_ref(piece.block);
    c->out[c->out_len++] = piece;
}

static void send_frame(struct live_conn *c, int opcode, span payload)
{
    struct live_piece piece;
    if (!live_writer_frame(&c->loop->writer, opcode, payload, &piece)) {
        live_conn_abort(c);
        return;
    }
    out_push(c, piece);
    live_loop_mark_dirty(c->loop, c);
}

void live_conn_send(struct live_conn *c, span json)
{
    if (c->state >= LIVE_CONN_CLOSING) return;
    send_frame(c, LIVE_OP_TEXT, json);
}

static bool is_behind(const struct live_conn *c) { return c->blocked || c->out_bytes > FLUSH_BYTES || c->waiting_page; }

void live_conn_send_ephemeral(struct live_conn *c, const struct live_piece *frame)
{
    if (c->state != LIVE_CONN_OPEN || is_behind(c)) return;
    out_push(c, *frame);
    live_loop_mark_dirty(c->loop, c);
}

/* One turn's worth for one connection. The first `owned` pieces are out's; the others borrow from rings. */
struct gather {
    struct live_piece pieces[FLUSH_PIECES];
    size_t n, owned, bytes;
    bool more; /* there would have been more */
};

static void gather_out(struct live_conn *c, struct gather *g)
{
    while (g->n < FLUSH_PIECES && g->n < c->out_len) {
        g->pieces[g->n] = c->out[g->n];
        g->bytes += c->out[g->n].len;
        g->n++;
    }
    g->owned = g->n;
    g->more = c->out_len > g->n;
}

/* Tells that the replay is over. */
static void tell_caught_up(struct live_conn *c, struct live_sub *sub)
{
    buf *b = &c->loop->scratch;
    buf_clear(b);
    wire_encode_caught_up(b, sub->room->slug, sub->replay_until);
    sub->replaying = false;
    if (b->failed) {
        live_conn_abort(c);
    } else {
        live_conn_send(c, buf_span(b));
    }
}

/* Moves one cursor as far as this turn allows. Returns false where the connection's `out` must leave first (a page or a frame is queued).
 */
static bool gather_sub(struct live_conn *c, struct live_sub *sub, struct gather *g)
{
    struct live_ring *ring = &sub->room->ring;
    if (!sub->room->ready) return true;
    int64_t to = live_ring_next(ring);
    if (sub->replaying && sub->next_seq <= sub->replay_until && sub->replay_until + 1 < to) to = sub->replay_until + 1;
    if (sub->end_seq && sub->end_seq + 1 < to) to = sub->end_seq + 1;
    if (sub->next_seq < to && sub->next_seq < ring->first) {
        if (!c->waiting_page) live_room_request_page(sub);
        return true;
    }
    if (sub->next_seq < to) {
        if (g->n == FLUSH_PIECES || g->bytes >= FLUSH_BYTES) {
            g->more = true;
            return false;
        }
        int64_t reached;
        size_t got = live_ring_gather(ring, sub->next_seq, to, FLUSH_BYTES - g->bytes, g->pieces + g->n, FLUSH_PIECES - g->n, &reached);
        for (size_t i = 0; i < got; i++)
            g->bytes += g->pieces[g->n + i].len;
        g->n += got;
        metric_add(METRIC_MSG_DELIVERED, (uint64_t)(reached - sub->next_seq));
        if (sub->replaying) metric_add(METRIC_REPLAY_RING_EVENTS, (uint64_t)(reached - sub->next_seq));
        sub->next_seq = reached;
        if (reached < to) g->more = true;
    }
    /* What follows these events waits for the next round: it must not overtake them. */
    if (sub->replaying && sub->next_seq > sub->replay_until) g->more = true;
    if (sub->end_seq && sub->next_seq > sub->end_seq) g->more = true;
    return true;
}

static void gather_subs(struct live_conn *c, struct gather *g)
{
    struct live_sub *next;
    for (struct live_sub *sub = c->subs; sub; sub = next) {
        next = sub->next_of_conn;
        if (!gather_sub(c, sub, g)) return;
    }
}

/* Frames that follow a cursor's position: caught_up, and the end of a subscription. Only with nothing gathered, so that order holds. */
static void tell_positions(struct live_conn *c)
{
    struct live_sub *next;
    for (struct live_sub *sub = c->subs; sub; sub = next) {
        next = sub->next_of_conn;
        if (sub->room->ready && sub->replaying && sub->next_seq > sub->replay_until) tell_caught_up(c, sub);
        if (c->state != LIVE_CONN_OPEN) return;
        if (sub->end_seq && sub->next_seq > sub->end_seq) live_conn_leave(c, sub, "");
    }
}

/* Drops `sent` bytes from the front of out. */
static void out_consume(struct live_conn *c, size_t sent)
{
    uint32_t done = 0;
    while (done < c->out_len && sent >= c->out[done].len) {
        sent -= c->out[done].len;
        c->out_bytes -= c->out[done].len;
        live_block_unref(c->out[done].block);
        done++;
    }
    if (sent) {
        c->out[done].off += (uint32_t)sent;
        c->out[done].len -= (uint32_t)sent;
        c->out_bytes -= sent;
    }
    memmove(c->out, c->out + done, (c->out_len - done) * sizeof *c->out);
    c->out_len -= done;
    if (c->out_len == 0 && c->out_cap > 16) {
        free(c->out);
        c->out = NULL;
        c->out_cap = 0;
    }
}

struct write_rest {
    uv_write_t req; /* first member */
    struct live_conn *conn;
};

static void on_written(uv_write_t *req, int status)
{
    struct write_rest *w = (struct write_rest *)(void *)req;
    struct live_conn *c = w->conn;
    free(w);
    size_t bytes = 0;
    for (uint32_t i = 0; i < c->writing; i++)
        bytes += c->out[i].len;
    c->writing = 0;
    c->blocked = false;
    if (c->state != LIVE_CONN_GONE) {
        if (status < 0) {
            live_conn_abort(c);
        } else {
            metric_add(METRIC_BYTES_SENT, bytes);
            out_consume(c, bytes);
            c->last_progress_ms = live_loop_now_ms(c->loop);
            live_conn_update_reading(c);
            live_loop_mark_dirty(c->loop, c);
        }
    }
    live_conn_unref(c);
}

/* Bytes that the peer has not taken yet, those in the kernel's buffer too: that one takes more from us only when a good part of it is
 * free, so a slow peer's progress would not be seen for a long time. */
static size_t unsent(const struct live_conn *c)
{
    size_t n = uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
    int in_kernel;
    if (ioctl(c->fd, SIOCOUTQ, &in_kernel) == 0 && in_kernel > 0) n += (size_t)in_kernel;
    return n;
}

/* The socket takes no more: leaves the rest of `out` to libuv, which calls back when it is gone. Until then nothing is fed. */
static void write_rest(struct live_conn *c)
{
    uv_buf_t bufs[FLUSH_PIECES];
    struct write_rest *w = malloc(sizeof *w);
    uint32_t n = c->out_len < FLUSH_PIECES ? c->out_len : FLUSH_PIECES;
    if (!w) {
        live_conn_abort(c);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        bufs[i] = uv_buf_init(c->out[i].block->data + c->out[i].off, c->out[i].len);
    w->conn = c;
    if (uv_write(&w->req, (uv_stream_t *)&c->tcp, bufs, n, on_written) != 0) {
        free(w);
        live_conn_abort(c);
        return;
    }
    live_conn_ref(c);
    c->writing = n;
    c->blocked = true;
    c->last_progress_ms = live_loop_now_ms(c->loop);
    c->blocked_left = unsent(c);
    metric_add(METRIC_SLOW_PAUSES, 1);
    live_conn_update_reading(c);
}

/* After `sent` bytes of g went out: what is left of it becomes the front of `out`. */
static void keep_rest(struct live_conn *c, const struct gather *g, size_t sent)
{
    size_t from_out = 0;
    for (size_t i = 0; i < g->owned; i++)
        from_out += g->pieces[i].len;
    out_consume(c, sent < from_out ? sent : from_out);
    sent -= sent < from_out ? sent : from_out;
    for (size_t i = g->owned; i < g->n && c->state != LIVE_CONN_GONE; i++) {
        struct live_piece p = g->pieces[i];
        if (sent >= p.len) {
            sent -= p.len;
            continue;
        }
        p.off += (uint32_t)sent;
        p.len -= (uint32_t)sent;
        sent = 0;
        out_push(c, p);
    }
}

/* As uv_try_write, but by send(2): on a socket, write(2) goes through the file layer first, a tenth of the cost of a small frame. Only
 * with nothing in uv_write's hands. Returns bytes taken, or -errno. */
static ssize_t try_send(const struct live_conn *c, const struct gather *g)
{
    struct iovec iov[FLUSH_PIECES];
    ssize_t r;
    if (g->n == 1) {
        do {
            r = send(c->fd, g->pieces[0].block->data + g->pieces[0].off, g->pieces[0].len, MSG_NOSIGNAL | MSG_DONTWAIT);
        } while (r < 0 && errno == EINTR);
    } else {
        for (size_t i = 0; i < g->n; i++) {
            iov[i] = (struct iovec){g->pieces[i].block->data + g->pieces[i].off, g->pieces[i].len};
        }
        const struct msghdr message = {.msg_iov = iov, .msg_iovlen = g->n};
        do {
            r = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        } while (r < 0 && errno == EINTR);
    }
    return r < 0 ? -errno : r;
}

/* One write. Returns false where the connection is done for this turn. */
static bool flush_once(struct live_conn *c, struct gather *g)
{
    ssize_t r = try_send(c, g);
    if (r < 0 && r != -EAGAIN && r != -EWOULDBLOCK) {
        live_conn_abort(c);
        return false;
    }
    size_t sent = r > 0 ? (size_t)r : 0;
    metric_add(METRIC_BYTES_SENT, sent);
    keep_rest(c, g, sent);
    if (c->state == LIVE_CONN_GONE) return false;
    if (sent < g->bytes) {
        write_rest(c);
        return false;
    }
    return true;
}

/* The peer of a failed connection cannot be understood any more: it is told to go by the end of our stream, and its own ends ours. */
static void shut_sending(struct live_conn *c)
{
    uv_os_fd_t fd;
    if (c->shut) return;
    c->shut = true;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0) (void)shutdown(fd, SHUT_WR); /* an error: it is gone, which the next read tells */
}

void live_conn_flush(struct live_conn *c)
{
    size_t budget = 4 * (size_t)FLUSH_BYTES;
    while (c->state != LIVE_CONN_GONE && !c->blocked) {
        struct gather g;
        g.n = g.owned = g.bytes = 0;
        g.more = false;
        if (c->state == LIVE_CONN_OPEN) tell_positions(c);
        if (c->state == LIVE_CONN_GONE) return;
        gather_out(c, &g);
        if (c->state == LIVE_CONN_OPEN && !g.more) gather_subs(c, &g);
        if (g.n == 0) break;
        if (!flush_once(c, &g)) return;
        if (!g.more) break;
        if (budget < g.bytes) {
            live_loop_mark_dirty(c->loop, c); /* goes on in the next turn, after the others */
            return;
        }
        budget -= g.bytes;
    }
    if (c->blocked || c->state == LIVE_CONN_GONE) return;
    if (c->state == LIVE_CONN_CLOSING && c->out_len == 0 && c->peer_closed) {
        live_conn_abort(c);
    } else if (c->failed && c->out_len == 0) {
        shut_sending(c);
    } else {
        live_conn_update_reading(c);
    }
}

/* Queues what the cursor needs of the page. */
static void take_page(struct live_conn *c, struct live_sub *sub, const struct live_page *page)
{
    int64_t from = sub->next_seq, to = page->first + page->count;
    if (sub->replaying && from <= sub->replay_until && to > sub->replay_until + 1) to = sub->replay_until + 1;
    if (sub->end_seq && to > sub->end_seq + 1) to = sub->end_seq + 1;
    sub->page_missed = from >= to;
    if (from < page->first || from >= to) return;
    sub->next_seq = to; /* now: out_push may end the connection, and the subscription with it */
    metric_add(METRIC_MSG_DELIVERED, (uint64_t)(to - from));
    metric_add(METRIC_REPLAY_STORE_EVENTS, (uint64_t)(to - from));
    for (int64_t seq = from; seq < to && c->state == LIVE_CONN_OPEN; seq++)
        out_push(c, page->frames[seq - page->first]);
}

void live_conn_page(struct live_conn *c, struct live_sub *sub, struct live_page *page)
{
    sub->waiting = false;
    c->waiting_page = false;
    live_loop_mark_dirty(c->loop, c);
    if (c->state != LIVE_CONN_OPEN) return;
    if (confab_failed(page->result)) {
        /* The reader's word is not lost: the client comes back with its cursor. A room that is gone ends the subscription. */
        if (page->result.code == CONFAB_ROOM_NOT_FOUND) {
            live_conn_leave(c, sub, "");
        } else if (page->result.code != CONFAB_BUSY) { /* busy: asked again with the next flush */
            live_conn_close_status(c, 1013, page->result.code, 1000);
        }
        return;
    }
    take_page(c, sub, page);
    if (c->state != LIVE_CONN_OPEN || (page->count && page->first <= sub->next_seq)) return;
    /* Retention removed events between the join and now. */
    LOG_WARN("a cursor points to events that are gone", LOG_STR("room", sub->room->slug), LOG_INT("next", sub->next_seq));
    live_conn_close(c, CONFAB_SLOW_CONSUMER, 0); /* the new join says `gap` */
}

/* ---- Closing ---- */

void live_conn_close_status(struct live_conn *c, int status, enum confab_code code, int64_t retry_after_ms)
{
    if (c->state >= LIVE_CONN_CLOSING) return;
    char payload[125];
    buf reason = {0};
    wire_encode_close_reason(&reason, code, retry_after_ms);
    size_t n = reason.failed || reason.len > sizeof payload - 2 ? 0 : reason.len;
    payload[0] = (char)(status >> 8);
    payload[1] = (char)(status & 0xFF);
    if (n) memcpy(payload + 2, reason.data, n);
    buf_free(&reason);
    live_session_end(c);
    send_frame(c, LIVE_OP_CLOSE, (span){payload, n + 2});
    if (c->state == LIVE_CONN_GONE) return;
    c->state = LIVE_CONN_CLOSING;
    c->close_sent = true;
    drop_held(c);
    live_ws_stop(&c->ws);
    (void)uv_timer_start(&c->timer, on_timer, LINGER_MS, 0); /* cannot fail: the handle is not closing */
}

void live_conn_close(struct live_conn *c, enum confab_code code, int64_t retry_after_ms)
{
    int status = confab_err_close_code(code);
    live_conn_close_status(c, status ? status : 1011, code, retry_after_ms);
}

/* ---- Time ---- */

static void check_blocked(struct live_conn *c, int64_t now)
{
    size_t left = unsent(c);
    if (left < c->blocked_left) {
        c->blocked_left = left;
        c->last_progress_ms = now;
    } else if (now - c->last_progress_ms >= c->loop->settings->send_timeout_ms) {
        LOG_INFO("connection takes nothing", LOG_INT("conn", c->id), LOG_STR("user", c->actor.name));
        /* A close frame would wait behind what it does not take. */
        live_conn_abort(c);
    }
}

static void ping(struct live_conn *c)
{
    char stamp[8];
    c->ping_sent_us = clock_mono_us();
    memcpy(stamp, &c->ping_sent_us, sizeof stamp);
    send_frame(c, LIVE_OP_PING, (span){stamp, sizeof stamp});
}

/* The deadlines of a connection that is not open yet, or not any more. */
static void on_timer(uv_timer_t *timer)
{
    struct live_conn *c = timer->data;
    if (c->state == LIVE_CONN_AUTH) {
        live_session_auth_timeout(c);
    } else if (c->state == LIVE_CONN_CLOSING) {
        live_conn_abort(c);
    }
}

void live_conn_heartbeat(struct live_conn *c)
{
    int64_t now = live_loop_now_ms(c->loop), interval = c->loop->settings->heartbeat_ms;
    if (c->state != LIVE_CONN_OPEN) return;
    if (c->blocked) {
        check_blocked(c, now);
    } else if (!c->paused && now - c->last_seen_ms > 2 * interval + interval / 2) {
        live_conn_close(c, CONFAB_PONG_TIMEOUT, 0);
    } else {
        ping(c);
    }
}

/* A slot of its own choosing, so that connections made together are not pinged together. */
void live_conn_start_heartbeat(struct live_conn *c)
{
    c->beat_slot = (unsigned)((c->id * UINT64_C(0x9E3779B97F4A7C15) >> 33) % LIVE_HEARTBEAT_SLOTS);
    struct live_conn **head = &c->loop->beats[c->beat_slot];
    c->next_beat = *head;
    if (c->next_beat) c->next_beat->prev_beat = c;
    *head = c;
    c->beating = true;
    (void)uv_timer_stop(&c->timer); /* always succeeds */
}

static void stop_heartbeat(struct live_conn *c)
{
    if (!c->beating) return;
    c->beating = false;
    if (c->next_beat) c->next_beat->prev_beat = c->prev_beat;
    if (c->prev_beat) {
        c->prev_beat->next_beat = c->next_beat;
    } else {
        c->loop->beats[c->beat_slot] = c->next_beat;
    }
}

/* ---- Adoption ---- */

static void on_text(void *ctx, span text) { live_session_text(ctx, text); }

static void on_pong(void *ctx, span payload)
{
    struct live_conn *c = ctx;
    int64_t sent;
    if (payload.n != sizeof sent) return;
    memcpy(&sent, payload.p, sizeof sent);
    if (sent == c->ping_sent_us) c->rtt_us = clock_mono_us() - sent;
}

static void on_control(void *ctx, const void *frame, size_t n)
{
    struct live_conn *c = ctx;
    struct live_piece piece;
    if (c->state == LIVE_CONN_GONE || c->close_sent) return;
    if (!live_writer_bytes(&c->loop->writer, frame, n, &piece)) {
        live_conn_abort(c);
        return;
    }
    out_push(c, piece);
    live_loop_mark_dirty(c->loop, c);
}

void live_conn_init_pool(struct live_ws_pool *pool, size_t max_message)
{
    *pool = (struct live_ws_pool){.max_message = max_message, .on_text = on_text, .on_pong = on_pong, .on_send = on_control};
}

static void link_conn(struct live_loop *loop, struct live_conn *c)
{
    c->next = loop->conns;
    if (c->next) c->next->prev = c;
    loop->conns = c;
    loop->conn_count++;
    metric_gauge_add(METRIC_CONN_ACTIVE, 1);
    metric_add(METRIC_CONN_ACCEPTED, 1);
}

void live_conn_adopt(struct live_loop *loop, int fd, const struct live_hello *hello)
{
    struct live_conn *c = calloc(1, sizeof *c);
    if (!c || uv_tcp_init(&loop->uv, &c->tcp) != 0) { /* uv_tcp_init without flags only initialises */
        free(c);
        (void)close(fd);
        live_hub_closed(loop->hub, hello->actor.address);
        return;
    }
    c->loop = loop;
    c->id = ++loop->next_conn_id * LIVE_LOOPS_MAX + (uint64_t)loop->index;
    c->actor = hello->actor;
    c->held_tail = &c->held;
    memcpy(c->room, hello->room, sizeof c->room);
    c->opened_ms = c->last_seen_ms = c->last_progress_ms = live_loop_now_ms(loop);
    c->tcp.data = c;
    c->refs = 2;                               /* the two handles */
    (void)uv_timer_init(&loop->uv, &c->timer); /* cannot fail */
    c->timer.data = c;
    link_conn(loop, c);
    c->fd = fd;
    if (uv_tcp_open(&c->tcp, fd) != 0) {
        (void)close(fd);
        live_conn_abort(c);
        return;
    }
    (void)uv_timer_start(&c->timer, on_timer, (uint64_t)loop->settings->auth_timeout_ms, 0); /* cannot fail */
    if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) {
        live_conn_abort(c);
        return;
    }
    if (loop->draining) {
        live_conn_close(c, CONFAB_SHUTTING_DOWN, 1000);
    } else {
        live_session_begin(c);
    }
}

struct live_sub *live_conn_find_sub(const struct live_conn *c, span slug)
{
    for (struct live_sub *sub = c->subs; sub; sub = sub->next_of_conn) {
        if (span_is(slug, sub->room->slug)) return sub;
    }
    return NULL;
}
