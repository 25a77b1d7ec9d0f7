#include "live_room.h"

#include <assert.h>
#include <stdlib.h>

#include "confab/log.h"
#include "confab/metrics.h"
#include "live_conn.h"
#include "live_hub.h"
#include "wire.h"

enum {
    PAGE_EVENTS = 512, /* events of one page for a cursor that is behind */
    PAGE_STRIDE = 128,
    PAGE_BYTES = 65536,
    TAIL_EVENTS_MIN = 64, /* events read when a room is opened: as many as the ring may hold, between these */
    TAIL_EVENTS_MAX = 4096,
    TYPICAL_FRAME = 160,
    IDLE_MS = 60000 /* a room without subscribers stays open so long: they may be coming back */
};

/* An event announced while the log before it is still being read. */
struct live_ahead {
    struct live_ahead *next;
    int64_t seq;
    bool erases;
    size_t n;
    char json[];
};

/* ---- Pages ---- */

static bool page_add(void *ctx, const struct event *e)
{
    struct live_page *page = ctx;
    buf json = {0};
    struct live_piece piece;
    if ((size_t)page->count == page->frames_cap) {
        size_t cap = page->frames_cap ? page->frames_cap * 2 : 32;
        struct live_piece *frames = realloc(page->frames, cap * sizeof *frames);
        if (!frames) return false;
        page->frames = frames;
        page->frames_cap = cap;
    }
    wire_encode_event(&json, e);
    bool ok = !json.failed && live_writer_frame(&page->writer, LIVE_OP_TEXT, buf_span(&json), &piece);
    buf_free(&json);
    if (!ok) return false;
    live_block_ref(piece.block);
    if (page->count == 0) page->first = e->seq;
    if (e->kind == EVENT_MESSAGE_DELETED) page->erases = true;
    page->frames[page->count++] = piece;
    return true;
}

/* Thread: reader. The frames are encoded here, not on the loop. */
static confab_err page_run(struct store_job *job, store_tx *tx)
{
    struct live_page *page = (struct live_page *)(void *)((char *)job - offsetof(struct live_page, job));
    struct room room;
    confab_err e = store_room_get(tx, page->room_id, &room);
    if (confab_failed(e)) return e;
    page->last_seq = room.last_seq;
    size_t limit = PAGE_EVENTS;
    if (page->tail) {
        size_t events = page->max_bytes / TYPICAL_FRAME;
        limit = events < TAIL_EVENTS_MIN ? TAIL_EVENTS_MIN : events > TAIL_EVENTS_MAX ? TAIL_EVENTS_MAX : events;
        page->after = room.last_seq > (int64_t)limit ? room.last_seq - (int64_t)limit : 0;
        if (page->after < room.first_seq - 1) page->after = room.first_seq - 1;
    }
    metric_add(METRIC_STORE_PAGE_READS, 1);
    return store_events_after(tx, page->room_id, page->after, limit, page->tail ? SIZE_MAX : page->max_bytes, page_add, page);
}

static void page_done(struct store_job *job)
{
    struct live_page *page = (struct live_page *)(void *)((char *)job - offsetof(struct live_page, job));
    page->result = job->result;
    live_loop_post(page->loop, &page->item);
}

static void page_free(struct live_page *page)
{
    for (int64_t i = 0; i < page->count; i++)
        live_block_unref(page->frames[i].block);
    free(page->frames);
    live_writer_fini(&page->writer);
    free(page->waiters);
    free(page);
}

/* Submits a read. Where it is refused at once the page comes back through the inbox like any other, with the error. */
static struct live_page *page_submit(struct live_room *room, int64_t after, bool tail, size_t max_bytes,
                                     void (*arrived)(struct live_loop *, struct live_item *))
{
    struct live_page *page = calloc(1, sizeof *page);
    if (!page) return NULL;
    page->item.run = arrived;
    page->job.run = page_run;
    page->job.done = page_done;
    page->loop = room->loop;
    page->room_id = room->id;
    page->after = after;
    page->tail = tail;
    page->max_bytes = max_bytes;
    room->loop->in_flight++;
    confab_err e = store_submit_read(room->loop->store, &page->job);
    if (confab_failed(e)) {
        page->result = e;
        live_loop_post(room->loop, &page->item);
    }
    return page;
}

/* ---- The end of the log ---- */

static void mark_subscribers(struct live_room *room)
{
    for (size_t i = 0; i < room->sub_count; i++) {
        struct live_conn *c = room->subs[i]->conn;
        if (!c->blocked) live_loop_mark_dirty(room->loop, c);
    }
}

static void read_tail(struct live_room *room);

/* The text of a deleted message is erased from the log, and must not live on in the ring: whoever still needs it reads the log. */
static bool append(struct live_room *room, int64_t seq, span json, bool erases)
{
    if (!live_ring_append(&room->ring, json)) return false;
    if (erases) live_ring_drop_before(&room->ring, seq);
    return true;
}

/* Takes what was announced ahead, now that the hole before it is filled. */
static void take_ahead(struct live_room *room)
{
    while (room->ahead && room->ahead->seq <= live_ring_next(&room->ring)) {
        struct live_ahead *a = room->ahead;
        if (a->seq == live_ring_next(&room->ring) && !append(room, a->seq, (span){a->json, a->n}, a->erases)) return;
        room->ahead = a->next;
        free(a);
    }
}

/* A member who is gone, and a room that is, end subscriptions: after the event that says so. */
static void end_subscriptions(struct live_room *room, const struct event *e)
{
    if (e->kind != EVENT_MEMBER_LEFT && e->kind != EVENT_ROOM_DELETED) return;
    for (size_t i = 0; i < room->sub_count; i++) {
        struct live_sub *sub = room->subs[i];
        bool concerned = e->kind == EVENT_ROOM_DELETED || sub->conn->actor.user_id == e->subject_id;
        if (concerned && sub->next_seq <= e->seq) sub->end_seq = e->seq;
    }
}

static void add_ahead(struct live_room *room, int64_t seq, span json, bool erases)
{
    struct live_ahead **at = &room->ahead;
    while (*at && (*at)->seq < seq)
        at = &(*at)->next;
    if (*at && (*at)->seq == seq) return;
    struct live_ahead *a = malloc(sizeof *a + json.n);
    if (!a) { /* the log has it */
        room->refresh_wanted = true;
        return;
    }
    a->next = *at;
    a->seq = seq;
    a->erases = erases;
    a->n = json.n;
    memcpy(a->json, json.p, json.n);
    *at = a;
}

void live_room_event(struct live_room *room, const struct event *e)
{
    buf *json = &room->loop->scratch;
    end_subscriptions(room, e);
    if (room->ready && e->seq < live_ring_next(&room->ring)) return;
    buf_clear(json);
    wire_encode_event(json, e);
    bool next = room->ready && e->seq == live_ring_next(&room->ring), erases = e->kind == EVENT_MESSAGE_DELETED;
    if (json->failed || (next && !append(room, e->seq, buf_span(json), erases))) {
        live_room_refresh(room); /* the log has it */
    } else if (next) {
        take_ahead(room);
        mark_subscribers(room);
    } else {
        add_ahead(room, e->seq, buf_span(json), erases);
        live_room_refresh(room);
    }
}

static void tail_arrived(struct live_loop *loop, struct live_item *item)
{
    struct live_page *page = (struct live_page *)(void *)item;
    struct live_room *room = map_get(&loop->rooms, page->room_id);
    assert(room && room->reading_tail);
    loop->in_flight--;
    room->reading_tail = false;
    bool more = room->refresh_wanted;
    room->refresh_wanted = false;
    if (page->result.code == CONFAB_ROOM_NOT_FOUND) { /* deleted between the join and this read */
        while (room->sub_count)
            live_conn_leave(room->subs[0]->conn, room->subs[0], "");
    } else if (confab_failed(page->result)) {
        LOG_WARN("the log's end could not be read", LOG_STR("room", room->slug), LOG_STR("error", confab_err_word(page->result.code)));
        room->refresh_wanted = true; /* the sweep tries again */
    } else {
        if (!room->ready) live_ring_init(&room->ring, (size_t)loop->settings->ring_bytes, page->count ? page->first : page->last_seq + 1);
        if (page->erases && page->first <= live_ring_next(&room->ring))
            live_ring_drop_before(&room->ring, page->first); /* as append() does */
        room->ready = true;
        for (int64_t i = 0; i < page->count; i++) {
            if (page->first + i != live_ring_next(&room->ring)) continue;
            if (!live_ring_append_piece(&room->ring, page->frames[i])) break;
        }
        take_ahead(room);
        mark_subscribers(room);
        more = more || room->ahead || (page->count && live_ring_next(&room->ring) <= page->last_seq);
    }
    page_free(page);
    if (more && !loop->stopping) read_tail(room);
}

static void read_tail(struct live_room *room)
{
    int64_t after = room->ready ? live_ring_next(&room->ring) - 1 : 0;
    size_t max_bytes = room->ready ? (size_t)4 * PAGE_BYTES : (size_t)room->loop->settings->ring_bytes;
    room->reading_tail = page_submit(room, after, !room->ready, max_bytes, tail_arrived) != NULL;
    if (!room->reading_tail) room->refresh_wanted = true;
}

void live_room_refresh(struct live_room *room)
{
    if (room->reading_tail) {
        room->refresh_wanted = true;
    } else {
        read_tail(room);
    }
}

/* ---- Cursors ---- */

static void page_arrived(struct live_loop *loop, struct live_item *item)
{
    struct live_page *page = (struct live_page *)(void *)item;
    struct live_room *room = map_get(&loop->rooms, page->room_id);
    assert(room);
    loop->in_flight--;
    struct live_page **at = &room->pages;
    while (*at != page)
        at = &(*at)->next;
    *at = page->next;
    for (size_t i = 0; i < page->waiter_count; i++) {
        struct live_sub *sub = page->waiters[i];
        if (sub) live_conn_page(sub->conn, sub, page);
    }
    page_free(page);
}

static bool page_add_waiter(struct live_page *page, struct live_sub *sub)
{
    if (page->waiter_count == page->waiter_cap) {
        size_t cap = page->waiter_cap ? page->waiter_cap * 2 : 4;
        struct live_sub **waiters = realloc(page->waiters, cap * sizeof(struct live_sub *));
        if (!waiters) return false;
        page->waiters = waiters;
        page->waiter_cap = cap;
    }
    page->waiters[page->waiter_count++] = sub;
    sub->waiting = true;
    sub->conn->waiting_page = true;
    return true;
}

/* Pages begin at multiples of PAGE_STRIDE, so that cursors near each other share one: a thousand slow readers at a thousand positions need
 * the few pages of the log they are in, not a thousand. Where long messages make such a page end before the cursor, the next begins at the
 * cursor. */
void live_room_request_page(struct live_sub *sub)
{
    struct live_room *room = sub->room;
    int64_t after = sub->next_seq - 1;
    if (!sub->page_missed) after -= after % PAGE_STRIDE;
    struct live_page *page = room->pages;
    while (page && page->after != after)
        page = page->next;
    if (!page) {
        page = page_submit(room, after, false, PAGE_BYTES, page_arrived);
        if (!page) return; /* asked again with the next flush */
        page->next = room->pages;
        room->pages = page;
    }
    (void)page_add_waiter(page, sub); /* out of memory: as above */
}

confab_err live_room_subscribe(struct live_room *room, struct live_conn *conn, int64_t next_seq, int64_t replay_until)
{
    if (room->sub_count == room->sub_cap) {
        size_t cap = room->sub_cap ? room->sub_cap * 2 : 4;
        struct live_sub **subs = realloc(room->subs, cap * sizeof(struct live_sub *));
        if (!subs) return confab_fail(CONFAB_BUSY);
        room->subs = subs;
        room->sub_cap = cap;
    }
    struct live_sub *sub = malloc(sizeof *sub);
    if (!sub) return confab_fail(CONFAB_BUSY);
    *sub = (struct live_sub){.room = room,
                             .conn = conn,
                             .next_of_conn = conn->subs,
                             .index = room->sub_count,
                             .next_seq = next_seq,
                             .replaying = true,
                             .replay_until = replay_until};
    room->subs[room->sub_count++] = sub;
    conn->subs = sub;
    conn->sub_count++;
    live_loop_mark_dirty(room->loop, conn);
    return confab_ok();
}

static void forget_waiter(struct live_room *room, const struct live_sub *sub)
{
    for (struct live_page *page = room->pages; page; page = page->next) {
        for (size_t i = 0; i < page->waiter_count; i++) {
            if (page->waiters[i] == sub) page->waiters[i] = NULL;
        }
    }
    sub->conn->waiting_page = false;
}

void live_room_move(struct live_sub *sub, int64_t next_seq, int64_t replay_until)
{
    if (sub->waiting) { /* for a page that begins where the cursor was */
        forget_waiter(sub->room, sub);
        sub->waiting = false;
    }
    sub->next_seq = next_seq;
    sub->replay_until = replay_until;
    sub->replaying = true;
    if (sub->end_seq <= replay_until) sub->end_seq = 0; /* the join was allowed after that */
    live_loop_mark_dirty(sub->room->loop, sub->conn);
}

void live_room_unsubscribe(struct live_sub *sub)
{
    struct live_room *room = sub->room;
    if (sub->waiting) forget_waiter(room, sub);
    struct live_sub **at = &sub->conn->subs;
    while (*at != sub)
        at = &(*at)->next_of_conn;
    *at = sub->next_of_conn;
    sub->conn->sub_count--;
    struct live_sub *last = room->subs[--room->sub_count];
    room->subs[sub->index] = last;
    last->index = sub->index;
    if (room->sub_count == 0) room->idle_since_ms = live_loop_now_ms(room->loop);
    free(sub);
}

void live_room_broadcast(struct live_room *room, int64_t except_user, span json)
{
    struct live_piece piece;
    if (!live_writer_frame(&room->loop->writer, LIVE_OP_TEXT, json, &piece)) return;
    live_block_ref(piece.block);
    for (size_t i = 0; i < room->sub_count; i++) {
        const struct live_sub *sub = room->subs[i];
        bool behind = sub->next_seq < live_ring_next(&room->ring);
        if (room->ready && !behind && sub->conn->actor.user_id != except_user) live_conn_send_ephemeral(sub->conn, &piece);
    }
    live_block_unref(piece.block);
}

/* ---- Life ---- */

struct live_room *live_room_open(struct live_loop *loop, int64_t room_id, const char *slug)
{
    struct live_room *room = map_get(&loop->rooms, room_id);
    if (room) return room;
    room = calloc(1, sizeof *room);
    if (!room) return NULL;
    room->loop = loop;
    room->id = room_id;
    (void)span_copy(span_of(slug), room->slug, sizeof room->slug); /* a slug fits by definition */
    room->idle_since_ms = live_loop_now_ms(loop);
    if (!map_put(&loop->rooms, room_id, room)) {
        free(room);
        return NULL;
    }
    /* Routed before the log is read: whatever is committed after the read's snapshot is announced to us. */
    if (confab_failed(live_hub_route(loop->hub, room_id, loop->index))) {
        (void)map_remove(&loop->rooms, room_id);
        free(room);
        return NULL;
    }
    metric_gauge_add(METRIC_ROOMS_OPEN, 1);
    read_tail(room);
    return room;
}

bool live_room_is_idle(const struct live_room *room, int64_t now_ms)
{
    return room->sub_count == 0 && !room->reading_tail && !room->pages && now_ms - room->idle_since_ms > IDLE_MS;
}

void live_room_free(struct live_room *room)
{
    assert(room->sub_count == 0 && !room->pages);
    live_hub_unroute(room->loop->hub, room->id, room->loop->index);
    metric_gauge_add(METRIC_ROOMS_OPEN, -1);
    live_ring_fini(&room->ring);
    while (room->ahead) {
        struct live_ahead *a = room->ahead;
        room->ahead = a->next;
        free(a);
    }
    free(room->subs);
    free(room);
}
