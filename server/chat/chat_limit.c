/* A cell holds one time: the theoretical arrival time (TAT) of GCRA, "when the debt of this key is paid". A request moves it on by the
 * interval of the rate; it may lie at most interval × burst ahead of now. Nothing is ever counted down, so idle cells cost no work.
 *
 * Cells live in shards, each with one lock, a hash index and a list by last use. Links are indexes, so that the array can grow. */
#include "chat_limit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "confab/clock.h"
#include "confab/metrics.h"

#define SHARDS 16u
#define SHARD_CELLS_MAX 8192u /* 131,072 cells, about 10 MiB, at most */
#define SHARD_CELLS_FIRST 32u
#define IDLE_US (10 * 60 * 1000000LL) /* a cell without debt is kept so long, for the console */
#define NS_PER_MINUTE 60000000000LL
#define PER_MINUTE_MAX 60000000LL
#define BURST_MAX 10000000LL /* × NS_PER_MINUTE stays far below 2^63 */
#define NONE UINT32_MAX
#define ROLES (USER_ADMIN + 1)

enum key_kind { KEY_USER = 1, KEY_IPV4, KEY_IPV6, KEY_OTHER };

struct key {
    unsigned char bytes[8]; /* user id, IPv4 address, or the /64 of an IPv6 address */
    unsigned char kind, action;
    unsigned char zero[6]; /* the whole struct is hashed and compared */
};

struct cell {
    struct key key;
    int64_t tat_ns;
    int64_t used_us;
    int64_t rejections;
    int64_t interval_ns, burst; /* as when it was asked last; for the list */
    uint32_t chain;             /* next of the same bucket */
    uint32_t newer, older;      /* by last use; `newer` links the free ones */
};

struct shard {
    pthread_mutex_t lock;
    struct cell *cells;
    uint32_t *buckets;  /* `cap` of them, a power of two */
    uint32_t cap, used; /* cells[0..used) are or were in use */
    uint32_t count;     /* in use now */
    uint32_t free, newest, oldest;
};

struct limits {
    const struct limit_profile *profile;
    unsigned char hash_key[crypto_shorthash_KEYBYTES];
    struct shard shards[SHARDS];

    atomic_bool overridden;          /* spares the lock while there are no overrides */
    pthread_rwlock_t overrides_lock; /* guards what follows; never taken while a shard's lock is held */
    struct limit_override *overrides;
    size_t override_count, override_cap;
};

struct limit_profile {
    const char *name;
    struct limit_rate user[LIMIT_ACTION_COUNT], address[LIMIT_ACTION_COUNT];
};

/* Default: a person in a hurry never meets them, a loop does. An address may be a school, so it has ten times a user's. LOGIN is asked per
 * account and per address: guessing is slowed, and whoever owns the account is let in again within seconds. */
#define PEOPLE_BY_USER [LIMIT_CONNECT] = {60, 30}, [LIMIT_LOGIN] = {10, 10}, [LIMIT_REST_WRITE] = {120, 60}, [LIMIT_REST_READ] = {600, 200}
#define PEOPLE_BY_ADDRESS                                                                                                                  \
    [LIMIT_CONNECT] = {600, 300}, [LIMIT_LOGIN] = {30, 20}, [LIMIT_REST_WRITE] = {1200, 600}, [LIMIT_REST_READ] = {6000, 2000}

static const struct limit_profile profiles[] = {
    {"default", {[LIMIT_MESSAGE] = {120, 30}, PEOPLE_BY_USER}, {[LIMIT_MESSAGE] = {1200, 300}, PEOPLE_BY_ADDRESS}},
    {"tutorial", {[LIMIT_MESSAGE] = {10, 10}, PEOPLE_BY_USER}, {[LIMIT_MESSAGE] = {1200, 300}, PEOPLE_BY_ADDRESS}},
    {"unlimited", {{0, 0}}, {{0, 0}}},
};

static const char *const action_words[LIMIT_ACTION_COUNT] = {"none", "message", "connect", "login", "rest_write", "rest_read"};

const char *limit_action_word(enum limit_action a) { return (unsigned)a < LIMIT_ACTION_COUNT ? action_words[a] : "none"; }

/* ---- Life ---- */

confab_err limits_new(const char *profile, limits **out)
{
    const struct limit_profile *found = NULL;
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
        if (strcmp(profiles[i].name, profile) == 0) found = &profiles[i];
    }
    if (!found) return confab_fail_field(CONFAB_INVALID_FIELD, "rate_profile", "A rate profile is default, tutorial or unlimited");
    limits *l = sodium_init() < 0 ? NULL : calloc(1, sizeof *l);
    if (!l) return confab_fail(CONFAB_INTERNAL);
    l->profile = found;
    crypto_shorthash_keygen(l->hash_key);
    pthread_rwlock_init(&l->overrides_lock, NULL);
    for (unsigned i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&l->shards[i].lock, NULL);
        l->shards[i].free = l->shards[i].newest = l->shards[i].oldest = NONE;
    }
    *out = l;
    return confab_ok();
}

void limits_free(limits *l)
{
    if (!l) return;
    for (unsigned i = 0; i < SHARDS; i++) {
        metric_gauge_add(METRIC_LIMIT_CELLS, -(int64_t)l->shards[i].count);
        free(l->shards[i].cells);
        free(l->shards[i].buckets);
        pthread_mutex_destroy(&l->shards[i].lock);
    }
    pthread_rwlock_destroy(&l->overrides_lock);
    free(l->overrides);
    free(l);
}

/* ---- Overrides ---- */

static bool same_subject(const struct limit_override *a, const struct limit_override *b)
{
    return a->user_id == b->user_id && (a->user_id != 0 || a->role == b->role) && strcmp(a->action, b->action) == 0;
}

/* The caller holds overrides_lock for writing. Out of memory: the override is not in force; the next reload tries again. */
static void put_override(limits *l, const struct limit_override *o)
{
    for (size_t i = 0; i < l->override_count; i++) {
        if (!same_subject(&l->overrides[i], o)) continue;
        l->overrides[i] = *o;
        return;
    }
    if (l->override_count == l->override_cap) {
        size_t cap = l->override_cap ? l->override_cap * 2 : 16;
        struct limit_override *grown = realloc(l->overrides, cap * sizeof *grown);
        if (!grown) return;
        l->overrides = grown;
        l->override_cap = cap;
    }
    l->overrides[l->override_count++] = *o;
}

void limits_set_override(limits *l, const struct limit_override *o)
{
    pthread_rwlock_wrlock(&l->overrides_lock);
    put_override(l, o);
    atomic_store(&l->overridden, l->override_count > 0);
    pthread_rwlock_unlock(&l->overrides_lock);
}

void limits_replace_overrides(limits *l, const struct limit_override *list, size_t n)
{
    pthread_rwlock_wrlock(&l->overrides_lock);
    l->override_count = 0;
    for (size_t i = 0; i < n; i++)
        put_override(l, &list[i]);
    atomic_store(&l->overridden, l->override_count > 0);
    pthread_rwlock_unlock(&l->overrides_lock);
}

void limits_clear_overrides(limits *l) { limits_replace_overrides(l, NULL, 0); }

/* True where an override decides: *rate is it. A handful of rows that an admin wrote by hand, so they are walked. */
static bool find_override(limits *l, enum limit_action action, int64_t user_id, enum user_role role, struct limit_rate *rate)
{
    if (!atomic_load_explicit(&l->overridden, memory_order_acquire)) return false;
    const char *word = limit_action_word(action);
    bool found = false, own = false;
    pthread_rwlock_rdlock(&l->overrides_lock);
    for (size_t i = 0; i < l->override_count && !own; i++) {
        const struct limit_override *o = &l->overrides[i];
        if (strcmp(o->action, word) != 0 || (o->user_id ? o->user_id != user_id : o->role != role)) continue;
        *rate = (struct limit_rate){o->per_minute, o->burst};
        found = true;
        own = o->user_id != 0;
    }
    pthread_rwlock_unlock(&l->overrides_lock);
    return found;
}

/* ---- Keys ---- */

static struct key key_of_user(enum limit_action action, int64_t user_id)
{
    struct key k = {.kind = KEY_USER, .action = (unsigned char)action};
    memcpy(k.bytes, &user_id, sizeof user_id);
    return k;
}

static void take_ipv4(struct key *k, const unsigned char *bytes)
{
    k->kind = KEY_IPV4;
    memcpy(k->bytes, bytes, 4);
}

/* False: a loopback address, which is never limited. What is no address at all shares one cell. */
static bool key_of_address(enum limit_action action, const char *address, struct key *out)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, loopback[16] = {[15] = 1};
    struct key k = {.kind = KEY_OTHER, .action = (unsigned char)action};
    unsigned char b[16];
    if (inet_pton(AF_INET, address, b) == 1) {
        take_ipv4(&k, b);
    } else if (inet_pton(AF_INET6, address, b) == 1) {
        if (memcmp(b, loopback, 16) == 0) return false;
        if (memcmp(b, mapped, sizeof mapped) == 0) {
            take_ipv4(&k, b + 12);
        } else {
            k.kind = KEY_IPV6; /* who has one address of a /64 has them all */
            memcpy(k.bytes, b, 8);
        }
    }
    if (k.kind == KEY_IPV4 && k.bytes[0] == 127) return false;
    *out = k;
    return true;
}

static uint64_t hash_key(const limits *l, const struct key *k)
{
    unsigned char out[crypto_shorthash_BYTES];
    uint64_t h;
    crypto_shorthash(out, (const unsigned char *)k, sizeof *k, l->hash_key);
    memcpy(&h, out, sizeof h);
    return h;
}

/* ---- A shard: the caller holds its lock ---- */

static void list_unlink(struct shard *s, uint32_t i)
{
    struct cell *c = &s->cells[i];
    if (c->newer != NONE)
        s->cells[c->newer].older = c->older;
    else
        s->newest = c->older;
    if (c->older != NONE)
        s->cells[c->older].newer = c->newer;
    else
        s->oldest = c->newer;
}

static void list_push_newest(struct shard *s, uint32_t i)
{
    struct cell *c = &s->cells[i];
    c->newer = NONE;
    c->older = s->newest;
    if (s->newest != NONE)
        s->cells[s->newest].newer = i;
    else
        s->oldest = i;
    s->newest = i;
}

static uint32_t *bucket_of(struct shard *s, uint64_t hash) { return &s->buckets[(hash >> 8) & (s->cap - 1)]; }

static void forget(const limits *l, struct shard *s, uint32_t i)
{
    uint32_t *link = bucket_of(s, hash_key(l, &s->cells[i].key));
    while (*link != i)
        link = &s->cells[*link].chain;
    *link = s->cells[i].chain;
    list_unlink(s, i);
    s->cells[i].newer = s->free;
    s->free = i;
    s->count--;
    metric_gauge_add(METRIC_LIMIT_CELLS, -1);
}

static bool is_idle(const struct cell *c, int64_t now_us) { return c->used_us + IDLE_US <= now_us && c->tat_ns <= now_us * 1000; }

static void forget_idle(const limits *l, struct shard *s, int64_t now_us, unsigned most)
{
    while (most-- && s->oldest != NONE && is_idle(&s->cells[s->oldest], now_us))
        forget(l, s, s->oldest);
}

static bool grow(const limits *l, struct shard *s)
{
    uint32_t cap = s->cap ? s->cap * 2 : SHARD_CELLS_FIRST;
    struct cell *cells = realloc(s->cells, cap * sizeof *cells);
    if (!cells) return false;
    s->cells = cells;
    uint32_t *buckets = malloc(cap * sizeof *buckets);
    if (!buckets) return false;
    free(s->buckets);
    s->buckets = buckets;
    s->cap = cap;
    memset(buckets, 0xff, cap * sizeof *buckets); /* NONE */
    for (uint32_t i = s->newest; i != NONE; i = cells[i].older) {
        uint32_t *bucket = bucket_of(s, hash_key(l, &cells[i].key));
        cells[i].chain = *bucket;
        *bucket = i;
    }
    return true;
}

/* An index of a place that nobody uses, or NONE (out of memory). */
static uint32_t take_place(const limits *l, struct shard *s)
{
    if (s->free == NONE && s->used == s->cap && (s->cap == SHARD_CELLS_MAX || !grow(l, s)) && s->oldest != NONE) forget(l, s, s->oldest);
    if (s->free != NONE) {
        uint32_t i = s->free;
        s->free = s->cells[i].newer;
        return i;
    }
    return s->used < s->cap ? s->used++ : NONE;
}

/* The cell of a key, made where there is none, now the newest. NONE: out of memory. */
static uint32_t touch(const limits *l, struct shard *s, const struct key *k, uint64_t hash, int64_t now_us)
{
    uint32_t i = s->cap ? *bucket_of(s, hash) : NONE;
    while (i != NONE && memcmp(&s->cells[i].key, k, sizeof *k) != 0)
        i = s->cells[i].chain;
    if (i != NONE) {
        list_unlink(s, i);
    } else {
        forget_idle(l, s, now_us, 2); /* each newcomer clears away two at most: the work is spread, and they cannot pile up */
        i = take_place(l, s);
        if (i == NONE) return NONE;
        uint32_t *bucket = bucket_of(s, hash);
        s->cells[i] = (struct cell){.key = *k, .chain = *bucket};
        *bucket = i;
        s->count++;
        metric_gauge_add(METRIC_LIMIT_CELLS, 1);
    }
    list_push_newest(s, i);
    s->cells[i].used_us = now_us;
    return i;
}

/* ---- Taking ---- */

struct ask {
    struct key key;
    uint64_t hash;
    struct shard *shard;
    int64_t interval_ns, burst;
    uint32_t cell;
    int64_t tat_ns; /* if it is taken */
    bool refused;
};

static int64_t clamp(int64_t v, int64_t least, int64_t most) { return v < least ? least : v > most ? most : v; }

static void prepare(limits *l, struct ask *a, struct limit_rate rate)
{
    a->hash = hash_key(l, &a->key);
    a->shard = &l->shards[a->hash % SHARDS];
    a->interval_ns = NS_PER_MINUTE / clamp(rate.per_minute, 1, PER_MINUTE_MAX);
    a->burst = clamp(rate.burst, 1, BURST_MAX);
}

/* The debt of a cell now, in time; where the burst has shrunk since, what lies beyond it is forgiven. */
static int64_t debt_ns(const struct cell *c, int64_t interval_ns, int64_t burst, int64_t now_ns)
{
    return clamp(c->tat_ns - now_ns, 0, interval_ns * burst);
}

static void look(const limits *l, struct ask *a, int64_t now_us, struct limit_verdict *v)
{
    a->cell = touch(l, a->shard, &a->key, a->hash, now_us);
    if (a->cell == NONE) return; /* out of memory: better to serve than to refuse everybody */
    struct cell *c = &a->shard->cells[a->cell];
    c->interval_ns = a->interval_ns;
    c->burst = a->burst;
    int64_t debt = debt_ns(c, a->interval_ns, a->burst, now_us * 1000);
    int64_t room = a->interval_ns * a->burst - debt; /* of time, before this one */
    c->tat_ns = now_us * 1000 + debt;
    a->tat_ns = now_us * 1000 + debt + a->interval_ns;
    a->refused = room < a->interval_ns;
    if (a->refused) {
        c->rejections++;
        v->allowed = false;
        int64_t wait_ms = (a->interval_ns - room + 999999) / 1000000;
        if (wait_ms > v->retry_after_ms) v->retry_after_ms = wait_ms;
    }
    int64_t remaining = a->refused ? -1 : room / a->interval_ns - 1; /* -1: stricter than a cell that has none left */
    if (v->limit == 0 || remaining < v->remaining) {
        v->limit = a->burst;
        v->remaining = remaining;
        v->reset_ms = (debt + (a->refused ? 0 : a->interval_ns) + 999999) / 1000000;
    }
}

/* Both shards are locked at once, the lower address first, so that either all asked cells give or none. */
static void lock_both(struct shard *a, struct shard *b, bool lock)
{
    int (*const turn)(pthread_mutex_t *) = lock ? pthread_mutex_lock : pthread_mutex_unlock;
    if (a > b) {
        struct shard *swap = a;
        a = b;
        b = swap;
    }
    turn(&a->lock);
    if (b != a) turn(&b->lock);
}

static const enum metric_counter refusal_metrics[LIMIT_ACTION_COUNT] = {
    [LIMIT_MESSAGE] = METRIC_LIMITED_MESSAGE,       [LIMIT_CONNECT] = METRIC_LIMITED_CONNECT,     [LIMIT_LOGIN] = METRIC_LIMITED_LOGIN,
    [LIMIT_REST_WRITE] = METRIC_LIMITED_REST_WRITE, [LIMIT_REST_READ] = METRIC_LIMITED_REST_READ,
};

struct limit_verdict limits_take(limits *l, enum limit_action action, int64_t user_id, enum user_role role, const char *address)
{
    struct limit_verdict v = {.allowed = true};
    if (action <= LIMIT_NONE || action >= LIMIT_ACTION_COUNT) return v;
    struct ask asks[2];
    size_t n = 0;
    struct limit_rate rate = l->profile->user[action];
    bool vouched = user_id > 0 && find_override(l, action, user_id, role, &rate);
    if (user_id > 0 && rate.per_minute > 0) {
        asks[n] = (struct ask){.key = key_of_user(action, user_id)};
        prepare(l, &asks[n++], rate);
    }
    rate = l->profile->address[action];
    if (!vouched && address && *address && rate.per_minute > 0) {
        asks[n] = (struct ask){0};
        if (key_of_address(action, address, &asks[n].key)) prepare(l, &asks[n++], rate);
    }
    if (n == 0) return v;

    lock_both(asks[0].shard, asks[n - 1].shard, true);
    int64_t now_us = clock_mono_us(); /* under the lock, so that it never goes back for a cell */
    for (size_t i = 0; i < n; i++)
        look(l, &asks[i], now_us, &v);
    for (size_t i = 0; v.allowed && i < n; i++) {
        if (asks[i].cell != NONE) asks[i].shard->cells[asks[i].cell].tat_ns = asks[i].tat_ns;
    }
    lock_both(asks[0].shard, asks[n - 1].shard, false);
    if (v.remaining < 0) v.remaining = 0;
    if (!v.allowed) metric_add(refusal_metrics[action], 1);
    return v;
}

/* ---- The list ---- */

struct listed {
    struct limit_cell_view view;
    int64_t used_us;
};

static void describe(const struct cell *c, int64_t now_us, struct listed *out)
{
    int64_t debt = debt_ns(c, c->interval_ns, c->burst, now_us * 1000);
    *out = (struct listed){.used_us = c->used_us};
    struct limit_cell_view *v = &out->view;
    v->action = (enum limit_action)c->key.action;
    v->limit = c->burst;
    v->remaining = (c->interval_ns * c->burst - debt) / c->interval_ns;
    v->reset_ms = (debt + 999999) / 1000000;
    v->rejections = c->rejections;
    unsigned char b[16] = {0};
    switch ((enum key_kind)c->key.kind) {
    case KEY_USER:
        memcpy(&v->user_id, c->key.bytes, sizeof v->user_id);
        break;
    case KEY_IPV4:
        inet_ntop(AF_INET, c->key.bytes, v->key, sizeof v->key);
        break;
    case KEY_IPV6:
        memcpy(b, c->key.bytes, 8);
        inet_ntop(AF_INET6, b, v->key, sizeof v->key);
        memcpy(v->key + strlen(v->key), "/64", 4); /* half of the address is zeros, so there is room */
        break;
    case KEY_OTHER:
        v->key[0] = '?';
        break;
    }
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = ((const struct listed *)a)->used_us, y = ((const struct listed *)b)->used_us;
    return (x < y) - (x > y);
}

size_t limits_list(limits *l, struct limit_cell_view *out, size_t cap)
{
    struct listed *all = NULL;
    size_t n = 0;
    for (unsigned k = 0; k < SHARDS; k++) {
        struct shard *s = &l->shards[k];
        pthread_mutex_lock(&s->lock);
        int64_t now_us = clock_mono_us();
        forget_idle(l, s, now_us, SHARD_CELLS_MAX);
        struct listed *grown = s->count ? realloc(all, (n + s->count) * sizeof *all) : all;
        if (grown) all = grown;
        for (uint32_t i = s->newest; i != NONE && (grown || !s->count); i = s->cells[i].older)
            describe(&s->cells[i], now_us, &all[n++]);
        pthread_mutex_unlock(&s->lock);
    }
    if (n) qsort(all, n, sizeof *all, newest_first);
    if (n > cap) n = cap;
    for (size_t i = 0; i < n; i++)
        out[i] = all[i].view;
    free(all);
    return n;
}
