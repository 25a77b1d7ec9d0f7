/* One WebSocket connection: the socket, what it has joined, what is on its way out. Thread: its loop's.
 *
 * Life: adopted → AUTH (waiting for a token) → OPEN → CLOSING (our close frame is on its way, we wait for the peer's) → gone. Memory is
 * freed when both handles are closed and no call is pending; a reference is held by each request that is being answered (live_conn_ref). */
#ifndef CONFAB_LIVE_CONN_H
#define CONFAB_LIVE_CONN_H

#include "live_loop.h"
#include "live_room.h"

enum live_conn_state { LIVE_CONN_AUTH, LIVE_CONN_OPEN, LIVE_CONN_CLOSING, LIVE_CONN_GONE };

/* A command's text, kept while an earlier command of the connection must finish first (authentication, join). */
struct live_held {
    struct live_held *next;
    size_t n;
    char text[];
};

struct live_conn {
    uv_tcp_t tcp; /* first member */
    uv_timer_t timer;
    int fd; /* tcp's, which owns it */
    struct live_loop *loop;
    struct live_conn *prev, *next; /* all of the loop */
    struct live_conn *next_dirty;
    struct live_conn *prev_of_user, *next_of_user;
    struct live_conn *prev_beat, *next_beat; /* its heartbeat slot's */
    unsigned beat_slot;
    bool beating; /* is in a slot */
    uint64_t id;
    uint32_t refs; /* pending calls, and one for each open handle */
    enum live_conn_state state;
    bool dirty, blocked, paused, close_sent, peer_closed, counted_user;
    bool failed, shut; /* failed: the peer broke the protocol, what it sends is read for nothing; shut: told that nothing more comes */

    struct live_ws ws;
    struct chat_actor actor;
    char room[ROOM_SLUG_MAX + 1]; /* joined by itself after authentication, and implied; "" where none */
    struct live_sub *subs;
    uint32_t sub_count, calls; /* calls: requests in flight */
    bool waiting_page;         /* one read for a cursor of this connection at a time */
    int exclusive;             /* > 0: authentication or join in flight; commands are held */
    struct live_held *held, **held_tail;

    struct live_piece *out;             /* direct frames, and what the socket did not take; each holds a reference */
    uint32_t out_len, out_cap, writing; /* writing: the first pieces are in uv_write's hands */
    size_t out_bytes, blocked_left;     /* blocked_left: bytes unsent when last looked, to see progress */

    int64_t opened_ms, last_seen_ms, last_progress_ms, last_typing_ms;
    int64_t ping_sent_us, rtt_us;
};

/* Takes fd. On failure everything is undone and fd closed. */
void live_conn_adopt(struct live_loop *loop, int fd, const struct live_hello *hello);
void live_conn_ref(struct live_conn *c);
void live_conn_unref(struct live_conn *c);

/* Queues a text frame; it leaves at the end of the turn. Nothing happens on a connection that is closing. */
void live_conn_send(struct live_conn *c, span json);
/* The same for a frame nobody misses: dropped where the connection is behind. */
void live_conn_send_ephemeral(struct live_conn *c, const struct live_piece *frame);
/* Writes what there is: answers first, then each cursor's events. */
void live_conn_flush(struct live_conn *c);

/* Sends a close frame with the code's close code and a JSON reason, then closes when the peer answers or after a while. */
void live_conn_close(struct live_conn *c, enum confab_code code, int64_t retry_after_ms);
void live_conn_close_status(struct live_conn *c, int status, enum confab_code code, int64_t retry_after_ms);
/* At once, without a word. */
void live_conn_abort(struct live_conn *c);

/* Reads or stops reading, by what is held, in flight and unsent. */
void live_conn_update_reading(struct live_conn *c);
void live_conn_start_heartbeat(struct live_conn *c); /* from authentication on, until it is gone */
void live_conn_heartbeat(struct live_conn *c);       /* its slot's turn: ping, or close what does not answer or take anything */
void live_conn_init_pool(struct live_ws_pool *pool, size_t max_message); /* a loop's pool of readers, calling back into this module */

/* A page arrived (or failed) for a cursor of this connection. */
void live_conn_page(struct live_conn *c, struct live_sub *sub, struct live_page *page);
struct live_sub *live_conn_find_sub(const struct live_conn *c, span slug);
/* Ends a subscription with presence and a `left` frame (ref may be ""). */
void live_conn_leave(struct live_conn *c, struct live_sub *sub, const char *ref);

/* ---- live_session.c: what the connection's messages mean. ---- */
void live_session_begin(struct live_conn *c); /* after adoption: authenticated already, or waits */
void live_session_auth_timeout(struct live_conn *c);
void live_session_text(struct live_conn *c, span text); /* one command */
void live_session_resume(struct live_conn *c);          /* held commands, while nothing exclusive is in flight */
void live_session_reauthenticate(struct live_conn *c);  /* rights may have changed: ask again, close where they are gone */
void live_session_end(struct live_conn *c);             /* the connection goes: leave all rooms */

#endif
