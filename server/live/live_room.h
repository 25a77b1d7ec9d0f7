/* A room as one loop sees it: the ring of its newest events, its subscribers, and reads from the store for cursors that fell out of the
 * ring.
 *
 * Invariants: the ring holds events without a hole up to the newest this loop knows. A subscription's next_seq only grows, by one per
 * event handed to the connection, so nothing is skipped, doubled or reordered, wherever the event came from.
 * Thread: the loop's. */
#ifndef CONFAB_LIVE_ROOM_H
#define CONFAB_LIVE_ROOM_H

#include "confab/event.h"
#include "live_loop.h"
#include "live_ring.h"

/* A cursor: (connection, room, next_seq). */
struct live_sub {
    struct live_room *room;
    struct live_conn *conn;
    struct live_sub *next_of_conn;
    size_t index;         /* in room->subs */
    int64_t next_seq;     /* the first event not yet handed to the connection */
    bool replaying;       /* caught_up has not been told yet */
    int64_t replay_until; /* tell it when this event has been handed over (or at once, where next_seq is beyond) */
    int64_t end_seq;      /* > 0: the subscription ends after this event (the user left, the room was deleted) */
    bool waiting;         /* a page for this cursor is being read */
    bool page_missed;     /* the last page ended before next_seq */
};

struct live_room {
    struct live_loop *loop;
    int64_t id;
    char slug[ROOM_SLUG_MAX + 1];
    struct live_ring ring;
    bool ready; /* the ring is filled to the log's end as of opening */
    bool reading_tail;
    bool refresh_wanted;      /* the log grew elsewhere while its end was being read */
    struct live_ahead *ahead; /* commits announced beyond a hole, ascending; taken once the hole has been read */
    struct live_page *pages;  /* reads in progress for cursors below the ring; waiters share one */
    struct live_sub **subs;
    size_t sub_count, sub_cap;
    int64_t presence_due_ms; /* > 0: tell the number of people present then */
    int64_t idle_since_ms;   /* with no subscriber */
};

/* The open room, opened if it is not. NULL: out of memory. */
struct live_room *live_room_open(struct live_loop *loop, int64_t room_id, const char *slug);
void live_room_free(struct live_room *room); /* at the loop's end, and by the sweep; no subscriber, no read in progress */
bool live_room_is_idle(const struct live_room *room, int64_t now_ms);

/* A commit was announced for the room: appends, or notes a hole and reads it. */
void live_room_event(struct live_room *room, const struct event *e);
/* The log may have grown behind our back (another process): read on from the ring's end. */
void live_room_refresh(struct live_room *room);

CONFAB_MUST_CHECK confab_err live_room_subscribe(struct live_room *room, struct live_conn *conn, int64_t next_seq, int64_t replay_until);
/* Puts the cursor elsewhere, as a repeated join asks. */
void live_room_move(struct live_sub *sub, int64_t next_seq, int64_t replay_until);
void live_room_unsubscribe(struct live_sub *sub); /* frees it; the room stays open for a while */

/* Makes a page for sub's cursor, which is below the ring, arrive at its connection (live_conn_page). */
void live_room_request_page(struct live_sub *sub);
/* Ephemeral: to every subscriber that is not behind, but to except_user's. */
void live_room_broadcast(struct live_room *room, int64_t except_user, span json);

/* A page read from the store: whole frames of consecutive events. */
struct live_page {
    struct live_item item; /* back to the loop */
    struct store_job job;
    struct live_loop *loop;
    struct live_page *next; /* in room->pages */
    int64_t room_id, after;
    bool erases; /* a message was deleted in there */
    bool tail;   /* the newest events rather than those after `after` (opening a room) */
    size_t max_bytes;
    confab_err result;
    int64_t first, count;      /* seqs first … first + count - 1 */
    int64_t last_seq;          /* the room's, in the same snapshot */
    struct live_piece *frames; /* one per event, of `writer`'s blocks; each holds a reference */
    size_t frames_cap;
    struct live_writer writer;
    struct live_sub **waiters;
    size_t waiter_count, waiter_cap;
};

#endif
