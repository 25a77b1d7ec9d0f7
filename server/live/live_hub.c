#include "live_hub.h"

#include <stdlib.h>
#include <unistd.h>

#include "confab/clock.h"
#include "confab/log.h"
#include "confab/metrics.h"
#include "live_conn.h"
#include "live_room.h"
#include "wire.h"

/* ---- Routes: which loops have a room open ---- */

confab_err live_hub_route(live_hub *h, int64_t room_id, int loop_index)
{
    pthread_mutex_lock(&h->routes_lock);
    uintptr_t mask = (uintptr_t)map_get(&h->routes, room_id) | (uintptr_t)1 << loop_index;
    bool ok = map_put(&h->routes, room_id, (void *)mask);
    pthread_mutex_unlock(&h->routes_lock);
    return ok ? confab_ok() : confab_fail(CONFAB_BUSY);
}

void live_hub_unroute(live_hub *h, int64_t room_id, int loop_index)
{
    pthread_mutex_lock(&h->routes_lock);
    uintptr_t mask = (uintptr_t)map_get(&h->routes, room_id) & ~((uintptr_t)1 << loop_index);
    if (mask) {
        (void)map_put(&h->routes, room_id, (void *)mask); /* replaces; needs no memory */
    } else {
        (void)map_remove(&h->routes, room_id);
    }
    pthread_mutex_unlock(&h->routes_lock);
}

/* ---- Commits ---- */

/* The events of one commit, copied once and shared by the loops that want any of them. */
struct commit {
    _Atomic int refs;
    int64_t announced_us;
    size_t n;
    struct event *events;
    arena memory;
};

struct commit_item {
    struct live_item item; /* first member */
    struct commit *commit;
};

static void commit_unref(struct commit *commit)
{
    if (atomic_fetch_sub(&commit->refs, 1) > 1) return;
    arena_free(&commit->memory);
    free(commit);
}

static void commit_on_loop(struct live_loop *loop, struct live_item *item)
{
    struct commit *commit = ((struct commit_item *)(void *)item)->commit;
    free(item);
    if (!loop->stopping) {
        if (!loop->commit_us) loop->commit_us = commit->announced_us;
        for (size_t i = 0; i < commit->n; i++) {
            struct live_room *room = map_get(&loop->rooms, commit->events[i].room_id);
            if (room) live_room_event(room, &commit->events[i]);
        }
    }
    commit_unref(commit);
}

static void copy_event(struct commit *commit, const struct event *e)
{
    arena *a = &commit->memory;
    struct event *copy = &commit->events[commit->n++];
    *copy = *e;
    copy->room = arena_copy(a, e->room);
    copy->actor = arena_copy(a, e->actor);
    copy->subject = arena_copy(a, e->subject);
    copy->text = arena_copy(a, e->text);
    copy->client_id = arena_copy(a, e->client_id);
}

static void refresh_on_loop(struct live_loop *loop, struct live_item *item)
{
    size_t at = 0;
    struct live_room *room;
    free(item);
    if (loop->stopping) return;
    while ((room = map_next(&loop->rooms, &at, NULL)))
        live_room_refresh(room);
}

static void foreign_on_loop(struct live_loop *loop, struct live_item *item)
{
    loop->reauth_wanted = true;
    refresh_on_loop(loop, item);
}

static bool post_run(struct live_loop *loop, void (*run)(struct live_loop *, struct live_item *))
{
    struct live_item *item = malloc(sizeof *item);
    if (!item) return false;
    item->run = run;
    live_loop_post(loop, item);
    return true;
}

/* A commit that cannot be handed over for want of memory is not lost, it is in the log; but nobody would look. So the handing over is tried
 * until it succeeds: a refresh needs a few bytes. */
static void post_refresh(struct live_loop *loop)
{
    while (!post_run(loop, refresh_on_loop))
        (void)usleep(1000);
}

/* Which loops want anything of this commit. */
static uintptr_t commit_mask(live_hub *h, const struct event *events, size_t n)
{
    uintptr_t mask = 0;
    pthread_mutex_lock(&h->routes_lock);
    for (size_t i = 0; i < n; i++)
        mask |= (uintptr_t)map_get(&h->routes, events[i].room_id);
    pthread_mutex_unlock(&h->routes_lock);
    return mask;
}

/* Thread: writer. From here to on_batch_done loops are not woken: commit and answers reach them together, and leave in one write. */
static void on_commit(void *ctx, const struct event *events, size_t n)
{
    live_hub *h = ctx;
    live_loop_hold_wakes(true);
    uintptr_t mask = commit_mask(h, events, n);
    if (!mask) return;
    struct commit *commit = calloc(1, sizeof *commit);
    if (commit) commit->events = arena_alloc(&commit->memory, n * sizeof *commit->events);
    bool whole = commit && commit->events;
    if (whole) {
        atomic_init(&commit->refs, 1);
        commit->announced_us = clock_mono_us();
        for (size_t i = 0; i < n; i++)
            copy_event(commit, &events[i]);
        for (size_t i = 0; i < n; i++)
            whole = whole && (commit->events[i].text.p || !events[i].text.p);
    }
    for (int i = 0; i < h->loop_count; i++) {
        if (!(mask >> i & 1)) continue;
        struct commit_item *item = whole ? malloc(sizeof *item) : NULL;
        if (!item) {
            post_refresh(&h->loops[i]);
            continue;
        }
        item->item.run = commit_on_loop;
        item->commit = commit;
        atomic_fetch_add(&commit->refs, 1);
        live_loop_post(&h->loops[i], &item->item);
    }
    if (whole) {
        commit_unref(commit);
    } else if (commit) {
        arena_free(&commit->memory);
        free(commit);
    }
}

/* Thread: writer. */
static void on_batch_done(void *ctx)
{
    live_hub *h = ctx;
    live_loop_hold_wakes(false);
    for (int i = 0; i < h->loop_count; i++)
        live_loop_wake(&h->loops[i]);
}

/* Thread: writer. Another process wrote to the database: logs may have grown, rights may have changed. */
static void on_foreign_change(void *ctx)
{
    live_hub *h = ctx;
    chat_reload_limits(h->config.chat);
    for (int i = 0; i < h->loop_count; i++) {
        if (!post_run(&h->loops[i], foreign_on_loop)) post_refresh(&h->loops[i]);
    }
}

/* ---- Users ---- */

struct user_item {
    struct live_item item; /* first member */
    int64_t user_id, session_id;
    uint64_t except_conn;
    size_t n;
    char json[];
};

static void reauth_on_loop(struct live_loop *loop, struct live_item *item)
{
    const struct user_item *u = (struct user_item *)(void *)item;
    struct live_conn *c = loop->stopping ? NULL : map_get(&loop->users, u->user_id);
    for (; c; c = c->next_of_user) {
        if (u->session_id == 0 || u->session_id == c->actor.session_id) live_session_reauthenticate(c);
    }
    free(item);
}

/* Thread: writer. */
static void on_user_changed(void *ctx, int64_t user_id, int64_t session_id)
{
    live_hub *h = ctx;
    for (int i = 0; i < h->loop_count; i++) {
        struct user_item *u = malloc(sizeof *u);
        if (!u) { /* requests are refused all the same; the sweep closes what is open */
            (void)post_run(&h->loops[i], foreign_on_loop);
            continue;
        }
        *u = (struct user_item){.item.run = reauth_on_loop, .user_id = user_id, .session_id = session_id};
        live_loop_post(&h->loops[i], &u->item);
    }
}

static void user_frame_on_loop(struct live_loop *loop, struct live_item *item)
{
    const struct user_item *u = (struct user_item *)(void *)item;
    struct live_conn *next, *c = loop->stopping ? NULL : map_get(&loop->users, u->user_id);
    for (; c; c = next) {
        next = c->next_of_user; /* sending may end a connection */
        if (c->id != u->except_conn) live_conn_send(c, (span){u->json, u->n});
    }
    free(item);
}

void live_hub_send_user(live_hub *h, int64_t user_id, uint64_t except_conn, span json)
{
    for (int i = 0; i < h->loop_count; i++) {
        struct user_item *u = malloc(sizeof *u + json.n);
        if (!u) return; /* ephemeral */
        *u = (struct user_item){.item.run = user_frame_on_loop, .user_id = user_id, .except_conn = except_conn, .n = json.n};
        memcpy(u->json, json.p, json.n);
        live_loop_post(&h->loops[i], &u->item);
    }
}

confab_err live_hub_count_user(live_hub *h, int64_t user_id)
{
    confab_err e = confab_ok();
    pthread_mutex_lock(&h->counts_lock);
    intptr_t n = (intptr_t)map_get(&h->user_counts, user_id);
    if (n >= h->config.settings->max_connections_per_user) {
        e = confab_fail(CONFAB_TOO_MANY_CONNECTIONS);
    } else if (!map_put(&h->user_counts, user_id, (void *)(n + 1))) {
        e = confab_fail(CONFAB_BUSY);
    }
    pthread_mutex_unlock(&h->counts_lock);
    return e;
}

void live_hub_uncount_user(live_hub *h, int64_t user_id)
{
    pthread_mutex_lock(&h->counts_lock);
    intptr_t n = (intptr_t)map_get(&h->user_counts, user_id);
    if (n > 1) {
        (void)map_put(&h->user_counts, user_id, (void *)(n - 1)); /* replaces; needs no memory */
    } else {
        (void)map_remove(&h->user_counts, user_id);
    }
    pthread_mutex_unlock(&h->counts_lock);
}

/* ---- Ephemeral frames ---- */

struct broadcast_item {
    struct live_item item; /* first member */
    int64_t room_id, except_user;
    size_t n;
    char json[];
};

static void broadcast_on_loop(struct live_loop *loop, struct live_item *item)
{
    const struct broadcast_item *b = (struct broadcast_item *)(void *)item;
    struct live_room *room = loop->stopping ? NULL : map_get(&loop->rooms, b->room_id);
    if (room) live_room_broadcast(room, b->except_user, (span){b->json, b->n});
    free(item);
}

void live_hub_broadcast(live_hub *h, int64_t room_id, int64_t except_user, span json)
{
    pthread_mutex_lock(&h->routes_lock);
    uintptr_t mask = (uintptr_t)map_get(&h->routes, room_id);
    pthread_mutex_unlock(&h->routes_lock);
    for (int i = 0; i < h->loop_count; i++) {
        if (!(mask >> i & 1)) continue;
        struct broadcast_item *b = malloc(sizeof *b + json.n);
        if (!b) return; /* ephemeral */
        *b = (struct broadcast_item){.item.run = broadcast_on_loop, .room_id = room_id, .except_user = except_user, .n = json.n};
        memcpy(b->json, json.p, json.n);
        live_loop_post(&h->loops[i], &b->item);
    }
}

static int64_t presence_online(void *ctx, int64_t room_id) { return live_presence_count(&((live_hub *)ctx)->presence, room_id); }

static bool presence_has(void *ctx, int64_t room_id, int64_t user_id)
{
    return live_presence_has(&((live_hub *)ctx)->presence, room_id, user_id);
}

void live_presence(live_hub *h, struct wire_presence *out)
{
    *out = (struct wire_presence){.ctx = h, .room_online = presence_online, .user_online = presence_has};
}

/* ---- Admission ---- */

static int64_t address_key(const char *address)
{
    uint64_t key = UINT64_C(14695981039346656037); /* FNV-1a; a collision only shares a limit */
    for (const unsigned char *p = (const unsigned char *)address; *p; p++)
        key = (key ^ *p) * UINT64_C(1099511628211);
    return (int64_t)key;
}

confab_err live_admit(live_hub *h, const char *address)
{
    int64_t per_address = h->config.settings->max_connections_per_address;
    if (atomic_load(&h->draining)) return confab_fail(CONFAB_SHUTTING_DOWN);
    if (atomic_fetch_add(&h->admitted, 1) >= h->max_connections) {
        atomic_fetch_sub(&h->admitted, 1);
        return confab_fail(CONFAB_TOO_MANY_CONNECTIONS);
    }
    if (!per_address) return confab_ok();
    confab_err e = confab_ok();
    pthread_mutex_lock(&h->counts_lock);
    intptr_t n = (intptr_t)map_get(&h->address_counts, address_key(address));
    if (n >= per_address) {
        e = confab_fail(CONFAB_TOO_MANY_CONNECTIONS);
    } else if (!map_put(&h->address_counts, address_key(address), (void *)(n + 1))) {
        e = confab_fail(CONFAB_BUSY);
    }
    pthread_mutex_unlock(&h->counts_lock);
    if (confab_failed(e)) atomic_fetch_sub(&h->admitted, 1);
    return e;
}

void live_release(live_hub *h, const char *address)
{
    atomic_fetch_sub(&h->admitted, 1);
    if (!h->config.settings->max_connections_per_address) return;
    pthread_mutex_lock(&h->counts_lock);
    intptr_t n = (intptr_t)map_get(&h->address_counts, address_key(address));
    if (n > 1) {
        (void)map_put(&h->address_counts, address_key(address), (void *)(n - 1)); /* replaces; needs no memory */
    } else {
        (void)map_remove(&h->address_counts, address_key(address));
    }
    pthread_mutex_unlock(&h->counts_lock);
}

void live_hub_closed(live_hub *h, const char *address)
{
    atomic_fetch_sub(&h->active, 1);
    live_release(h, address);
}

int64_t live_active_connections(const live_hub *h) { return atomic_load(&h->active); }

struct adopt_item {
    struct live_item item; /* first member */
    int fd;
    struct live_hello hello;
};

static void adopt_on_loop(struct live_loop *loop, struct live_item *item)
{
    struct adopt_item *a = (struct adopt_item *)(void *)item;
    if (loop->stopping) {
        (void)close(a->fd);
        live_hub_closed(loop->hub, a->hello.actor.address);
    } else {
        live_conn_adopt(loop, a->fd, &a->hello);
    }
    free(a);
}

void live_adopt(live_hub *h, int fd, const struct live_hello *hello)
{
    struct adopt_item *a = malloc(sizeof *a);
    if (!a) {
        (void)close(fd);
        live_release(h, hello->actor.address);
        return;
    }
    *a = (struct adopt_item){.item.run = adopt_on_loop, .fd = fd, .hello = *hello};
    atomic_fetch_add(&h->active, 1);
    unsigned next = atomic_fetch_add(&h->next_loop, 1);
    live_loop_post(&h->loops[next % (unsigned)h->loop_count], &a->item);
}

/* ---- Life ---- */

static void stop_on_loop(struct live_loop *loop, struct live_item *item)
{
    free(item);
    live_loop_stop(loop);
}

static void stop_loops(live_hub *h, int count)
{
    for (int i = 0; i < count; i++) {
        while (!post_run(&h->loops[i], stop_on_loop))
            (void)usleep(1000); /* must be told, whatever the memory */
    }
    for (int i = 0; i < count; i++)
        live_loop_join(&h->loops[i]);
}

static void hub_free(live_hub *h)
{
    map_free(&h->routes);
    map_free(&h->user_counts);
    map_free(&h->address_counts);
    live_presence_fini(&h->presence);
    (void)pthread_mutex_destroy(&h->routes_lock);
    (void)pthread_mutex_destroy(&h->counts_lock);
    free(h);
}

/* What the descriptor limit leaves for connections; the rest is for files, HTTP and the loops. */
static int64_t connection_limit(const struct settings *s)
{
    static const long reserved = 600;
    if (s->max_connections) return s->max_connections;
    long descriptors = sysconf(_SC_OPEN_MAX);
    return descriptors > 2 * reserved ? descriptors - reserved : reserved;
}

confab_err live_start(const struct live_config *config, live_hub **out)
{
    int count = config->loops < 1 ? 1 : config->loops > LIVE_LOOPS_MAX ? LIVE_LOOPS_MAX : config->loops;
    live_hub *h = calloc(1, sizeof *h + (size_t)count * sizeof h->loops[0]);
    if (!h) return confab_fail(CONFAB_INTERNAL);
    h->config = *config;
    h->loop_count = count;
    h->max_connections = connection_limit(config->settings);
    live_presence_init(&h->presence);
    (void)pthread_mutex_init(&h->routes_lock, NULL); /* cannot fail with default attributes */
    (void)pthread_mutex_init(&h->counts_lock, NULL);
    for (int i = 0; i < count; i++) {
        confab_err e = live_loop_start(&h->loops[i], h, i, config);
        if (confab_failed(e)) {
            stop_loops(h, i);
            hub_free(h);
            return e;
        }
    }
    store_set_observer(config->store, (struct store_observer){h, on_commit, on_batch_done, on_foreign_change});
    chat_set_observer(config->chat, (struct chat_observer){h, on_user_changed});
    *out = h;
    return confab_ok();
}

static void drain_on_loop(struct live_loop *loop, struct live_item *item)
{
    free(item);
    loop->draining = true;
    /* Spread the return over as long as the handshakes take, at 2,000 a second. */
    int64_t spread_ms = 500 + (int64_t)loop->conn_count / 2;
    struct live_conn *next;
    for (struct live_conn *c = loop->conns; c; c = next) {
        next = c->next;
        uint64_t random = (c->id + (uint64_t)clock_mono_us()) * UINT64_C(0x9E3779B97F4A7C15) >> 33;
        live_conn_close(c, CONFAB_SHUTTING_DOWN, 250 + (int64_t)(random % (uint64_t)spread_ms));
    }
}

void live_drain(live_hub *h, int64_t deadline_ms)
{
    int64_t until = clock_mono_us() + deadline_ms * 1000;
    atomic_store(&h->draining, true);
    for (int i = 0; i < h->loop_count; i++)
        (void)post_run(&h->loops[i], drain_on_loop); /* out of memory: they are closed without a word */
    while (atomic_load(&h->active) > 0 && clock_mono_us() < until)
        (void)usleep(5000);
}

void live_stop(live_hub *h)
{
    if (!h) return;
    /* After these return no thread is or will be inside the hub's callbacks. */
    store_set_observer(h->config.store, (struct store_observer){0});
    chat_set_observer(h->config.chat, (struct chat_observer){0});
    stop_loops(h, h->loop_count);
    hub_free(h);
}
