#include "live_loop.h"

#include <stdlib.h>

#include "confab/clock.h"
#include "confab/log.h"
#include "confab/metrics.h"
#include "live_conn.h"
#include "live_hub.h"
#include "live_room.h"
#include "wire.h"

enum { TICK_MS = 1000, REAUTH_INTERVAL_MS = 2000, SWEEP_ROOMS = 256 };

int64_t live_loop_now_ms(const struct live_loop *loop) { return (int64_t)uv_now(&loop->uv); }

static _Thread_local bool wakes_held;

void live_loop_hold_wakes(bool hold) { wakes_held = hold; }

void live_loop_wake(struct live_loop *loop)
{
    if (atomic_exchange(&loop->wake_owed, false)) (void)uv_async_send(&loop->wake); /* fails only on a closing handle */
}

void live_loop_post(struct live_loop *loop, struct live_item *item)
{
    /* Unbounded here because what is posted is bounded where it begins: connections, requests in flight, the writer's queue. */
    if (queue_push(&loop->inbox, &item->node) != QUEUE_PUSHED_FIRST) return; /* whoever was first wakes, or owes it */
    atomic_store(&loop->wake_owed, true);
    if (!wakes_held) live_loop_wake(loop);
}

static void run_inbox(struct live_loop *loop)
{
    struct queue_node *node = queue_take_all(&loop->inbox);
    while (node) {
        struct live_item *item = (struct live_item *)(void *)node;
        node = node->next; /* before run(), which takes the item */
        item->run(loop, item);
    }
}

static void close_handles(struct live_loop *loop)
{
    if (uv_is_closing((uv_handle_t *)&loop->wake)) return;
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_close((uv_handle_t *)&loop->busy, NULL);
    uv_close((uv_handle_t *)&loop->tick, NULL);
    uv_close((uv_handle_t *)&loop->heartbeat, NULL);
}

static void on_wake(uv_async_t *async)
{
    struct live_loop *loop = async->data;
    run_inbox(loop);
    if (loop->stopping && loop->in_flight == 0) close_handles(loop);
}

void live_loop_mark_dirty(struct live_loop *loop, struct live_conn *conn)
{
    if (conn->dirty || conn->state == LIVE_CONN_GONE) return;
    conn->dirty = true;
    conn->next_dirty = NULL;
    live_conn_ref(conn);
    *loop->dirty_tail = conn;
    loop->dirty_tail = &conn->next_dirty;
}

static void on_busy(uv_idle_t *idle) { (void)idle; /* its being active keeps the loop from waiting */ }

/* Each dirty connection once. What becomes dirty meanwhile has its turn in the next round, after reading. */
static void flush(struct live_loop *loop)
{
    struct live_conn *c = loop->dirty;
    if (!c) return;
    loop->dirty = NULL;
    loop->dirty_tail = &loop->dirty;
    while (c) {
        struct live_conn *next = c->next_dirty;
        c->dirty = false;
        if (c->state != LIVE_CONN_GONE) live_conn_flush(c);
        live_conn_unref(c);
        c = next;
    }
    if (loop->commit_us) {
        metric_observe(METRIC_FANOUT_LAG_US, (uint64_t)(clock_mono_us() - loop->commit_us));
        loop->commit_us = 0;
    }
    if (loop->dirty) {
        (void)uv_idle_start(&loop->busy, on_busy); /* cannot fail */
    } else {
        (void)uv_idle_stop(&loop->busy);
    }
}

static void on_prepare(uv_prepare_t *handle) { flush(handle->data); }
static void on_check(uv_check_t *handle) { flush(handle->data); }

/* ---- The tick ---- */

static void tell_presence(struct live_room *room)
{
    buf *b = &room->loop->scratch;
    room->presence_due_ms = 0;
    buf_clear(b);
    wire_encode_presence(b, room->slug, live_presence_count(&room->loop->hub->presence, room->id), NULL, 0, "");
    if (!b->failed) live_hub_broadcast(room->loop->hub, room->id, 0, buf_span(b));
}

static void sweep_rooms(struct live_loop *loop, int64_t now)
{
    struct live_room *room, *idle[SWEEP_ROOMS];
    size_t at = 0, n = 0;
    while ((room = map_next(&loop->rooms, &at, NULL))) {
        if (room->presence_due_ms && now >= room->presence_due_ms) tell_presence(room);
        if (room->refresh_wanted && !room->reading_tail) live_room_refresh(room);
        if (n < SWEEP_ROOMS && live_room_is_idle(room, now)) idle[n++] = room;
    }
    for (size_t i = 0; i < n; i++) { /* after the walk: the map must not change during it */
        (void)map_remove(&loop->rooms, idle[i]->id);
        live_room_free(idle[i]);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct live_loop *loop = timer->data;
    int64_t now = live_loop_now_ms(loop);
    sweep_rooms(loop, now);
    if (loop->reauth_wanted && now - loop->last_reauth_ms >= REAUTH_INTERVAL_MS) {
        loop->reauth_wanted = false;
        loop->last_reauth_ms = now;
        for (struct live_conn *c = loop->conns; c; c = c->next)
            live_session_reauthenticate(c);
    }
}

static void on_heartbeat(uv_timer_t *timer)
{
    struct live_loop *loop = timer->data;
    struct live_conn *next;
    for (struct live_conn *c = loop->beats[loop->beat]; c; c = next) {
        next = c->next_beat; /* the heartbeat may end the connection */
        live_conn_heartbeat(c);
    }
    loop->beat = (loop->beat + 1) % LIVE_HEARTBEAT_SLOTS;
}

/* ---- Life ---- */

static void *run(void *arg)
{
    struct live_loop *loop = arg;
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* returns when the last handle is closed */
    return NULL;
}

/* Everything of the loop that is not a handle. No connection is left. */
static void fini(struct live_loop *loop)
{
    size_t at = 0;
    struct live_room *room;
    run_inbox(loop); /* what came too late: items know from `stopping` that they only clean up */
    while ((room = map_next(&loop->rooms, &at, NULL)))
        live_room_free(room);
    map_free(&loop->rooms);
    map_free(&loop->users);
    live_ws_pool_fini(&loop->ws);
    live_writer_fini(&loop->writer);
    buf_free(&loop->scratch);
    queue_fini(&loop->inbox);
}

confab_err live_loop_start(struct live_loop *loop, live_hub *hub, int index, const struct live_config *config)
{
    *loop = (struct live_loop){.hub = hub, .chat = config->chat, .store = config->store, .settings = config->settings, .index = index};
    loop->dirty_tail = &loop->dirty;
    if (uv_loop_init(&loop->uv) != 0) return confab_fail(CONFAB_INTERNAL);
    queue_init(&loop->inbox, 0);
    live_conn_init_pool(&loop->ws, (size_t)config->settings->max_message_bytes);
    loop->wake.data = loop->prepare.data = loop->check.data = loop->tick.data = loop->heartbeat.data = loop;
    if (uv_async_init(&loop->uv, &loop->wake, on_wake) != 0) {
        (void)uv_loop_close(&loop->uv);
        fini(loop);
        return confab_fail(CONFAB_INTERNAL);
    }
    /* None of these can fail on an open loop. */
    (void)uv_prepare_init(&loop->uv, &loop->prepare);
    (void)uv_check_init(&loop->uv, &loop->check);
    (void)uv_idle_init(&loop->uv, &loop->busy);
    (void)uv_timer_init(&loop->uv, &loop->tick);
    (void)uv_prepare_start(&loop->prepare, on_prepare);
    (void)uv_check_start(&loop->check, on_check);
    (void)uv_timer_start(&loop->tick, on_tick, TICK_MS, TICK_MS);
    uint64_t beat_ms = (uint64_t)config->settings->heartbeat_ms / LIVE_HEARTBEAT_SLOTS;
    (void)uv_timer_init(&loop->uv, &loop->heartbeat);
    (void)uv_timer_start(&loop->heartbeat, on_heartbeat, beat_ms, beat_ms);
    if (pthread_create(&loop->thread, NULL, run, loop) != 0) {
        live_loop_stop(loop);
        (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
        (void)uv_loop_close(&loop->uv);
        fini(loop);
        return confab_fail(CONFAB_INTERNAL);
    }
    return confab_ok();
}

void live_loop_stop(struct live_loop *loop)
{
    loop->stopping = true;
    while (loop->conns)
        live_conn_abort(loop->conns);
    if (loop->in_flight == 0) close_handles(loop);
}

void live_loop_join(struct live_loop *loop)
{
    (void)pthread_join(loop->thread, NULL);
    if (uv_loop_close(&loop->uv) != 0) LOG_ERROR("a loop ended with open handles", LOG_INT("loop", loop->index));
    fini(loop);
}
