/* One loop: a thread that owns its connections and rooms outright. Other threads reach it by posting items; nothing of a loop is locked. */
#ifndef CONFAB_LIVE_LOOP_H
#define CONFAB_LIVE_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "confab/map.h"
#include "confab/queue.h"
#include "live.h"
#include "live_block.h"
#include "live_ws.h"

/* Connections are pinged in so many bursts an interval, not one by one: what an idle connection costs is the loop's waking, not the ping.
 */
enum { LIVE_HEARTBEAT_SLOTS = 32 };

struct live_conn;
struct live_room;
struct live_loop;

/* Work for a loop. run() is called on the loop's thread and takes the item. */
struct live_item {
    struct queue_node node; /* first member */
    void (*run)(struct live_loop *loop, struct live_item *item);
};

struct live_loop {
    live_hub *hub;
    chat *chat;
    store *store;
    const struct settings *settings;
    int index;
    pthread_t thread;
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t prepare; /* both flush: before waiting, what timers caused; after it, what input and items caused */
    uv_check_t check;
    uv_idle_t busy;                                /* active while there is more to flush than one turn takes */
    uv_timer_t tick;                               /* once a second: presence counts, sweeps */
    uv_timer_t heartbeat;                          /* LIVE_HEARTBEAT_SLOTS times an interval: one slot's turn */
    struct live_conn *beats[LIVE_HEARTBEAT_SLOTS]; /* open connections by slot, linked by next_beat */
    unsigned beat;                                 /* the slot whose turn is next */
    struct queue inbox;
    _Atomic bool wake_owed; /* something was posted without waking */

    struct map rooms; /* room id → struct live_room, the open ones */
    struct map users; /* user id → first of the user's live_conn, linked by next_of_user */
    struct live_conn *conns, *dirty, **dirty_tail;
    size_t conn_count;
    struct live_ws_pool ws;
    struct live_writer writer; /* direct frames (answers, pings) of all connections, one after another */
    buf scratch;               /* for encoding one frame at a time */
    int64_t commit_us;         /* when the oldest commit not yet flushed was announced; 0: none */
    bool draining, stopping, reauth_wanted;
    int64_t in_flight; /* requests and pages that will come back through the inbox */
    int64_t last_reauth_ms;
    uint64_t next_conn_id;
    char read_buf[65536];
};

CONFAB_MUST_CHECK confab_err live_loop_start(struct live_loop *loop, live_hub *hub, int index, const struct live_config *config);
void live_loop_join(struct live_loop *loop);                         /* after posting the stop item: waits for the thread, frees the loop */
void live_loop_post(struct live_loop *loop, struct live_item *item); /* Thread: any. Takes the item; never refuses */

/* While held, posts of the calling thread do not wake their loops (they remember that they should have); live_loop_wake makes up for it. */
void live_loop_hold_wakes(bool hold);
void live_loop_wake(struct live_loop *loop); /* where a post left it asleep. Thread: any */

/* ---- Below: the loop's own thread only. ---- */

void live_loop_mark_dirty(struct live_loop *loop, struct live_conn *conn); /* it will be flushed at the end of this turn */
void live_loop_stop(struct live_loop *loop);            /* closes everything; the thread ends when nothing is in flight any more */
int64_t live_loop_now_ms(const struct live_loop *loop); /* monotonic, as of this turn */

#endif
