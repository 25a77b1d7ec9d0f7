#include "db_cache.h"

#include <stdlib.h>

/* Entries at most of each kind; a full map is emptied, which costs some re-reading and never more memory. */
enum { USERS_MAX = 1 << 16, ROOMS_MAX = 1 << 13, MEMBERS_MAX = 1 << 18, SESSIONS_MAX = 1 << 16 };

static void clear_map(struct map *m)
{
    size_t at = 0;
    for (void *v; (v = map_next(m, &at, NULL));)
        free(v);
    map_free(m);
}

static void clear_rooms(struct db_cache *c)
{
    map_free(&c->slugs);
    clear_map(&c->rooms);
}

void db_cache_clear(struct db_cache *c)
{
    clear_map(&c->users);
    clear_rooms(c);
    clear_map(&c->members);
    clear_map(&c->sessions);
}

/* Copies `size` bytes into the map's entry for key, making one where there is none. */
static void *put_copy(struct map *m, int64_t key, const void *from, size_t size)
{
    void *to = map_get(m, key);
    if (!to) {
        to = malloc(size);
        if (!to) return NULL;
        if (!map_put(m, key, to)) {
            free(to);
            return NULL;
        }
    }
    memcpy(to, from, size);
    return to;
}

const struct user *db_cache_user(const struct db_cache *c, int64_t id) { return map_get(&c->users, id); }

void db_cache_put_user(struct db_cache *c, const struct user *u)
{
    if (c->users.len >= USERS_MAX) clear_map(&c->users);
    (void)put_copy(&c->users, u->id, u, sizeof *u);
}

void db_cache_drop_user(struct db_cache *c, int64_t id) { free(map_remove(&c->users, id)); }

/* FNV-1a. Two slugs of one hash push each other out, found by comparing the slug. */
static int64_t slug_key(span slug)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < slug.n; i++)
        h = (h ^ (unsigned char)slug.p[i]) * 1099511628211u;
    return (int64_t)h;
}

struct room *db_cache_room(const struct db_cache *c, int64_t id) { return map_get(&c->rooms, id); }

struct room *db_cache_room_by_slug(const struct db_cache *c, span slug)
{
    struct room *r = map_get(&c->slugs, slug_key(slug));
    return r && span_is(slug, r->slug) ? r : NULL;
}

struct room *db_cache_put_room(struct db_cache *c, const struct room *r)
{
    if (c->rooms.len >= ROOMS_MAX) clear_rooms(c);
    struct room *kept = put_copy(&c->rooms, r->id, r, sizeof *r);
    if (kept) (void)map_put(&c->slugs, slug_key(span_of(kept->slug)), kept);
    return kept;
}

void db_cache_drop_room(struct db_cache *c, int64_t id)
{
    struct room *r = map_remove(&c->rooms, id);
    if (!r) return;
    if (db_cache_room_by_slug(c, span_of(r->slug)) == r) (void)map_remove(&c->slugs, slug_key(span_of(r->slug)));
    free(r);
}

/* Room numbers have 23 bits and user numbers far less than 40. Mixed, one to one, so that neither part clusters in the map. */
static int64_t member_key(int64_t room_id, int64_t user_id)
{
    uint64_t k = (uint64_t)room_id << 40 | (uint64_t)user_id;
    k = (k ^ (k >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    k = (k ^ (k >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (int64_t)(k ^ (k >> 31));
}

struct db_member *db_cache_member(const struct db_cache *c, int64_t room_id, int64_t user_id)
{
    return map_get(&c->members, member_key(room_id, user_id));
}

void db_cache_put_member(struct db_cache *c, int64_t room_id, int64_t user_id, const struct db_member *m)
{
    if (c->members.len >= MEMBERS_MAX) clear_map(&c->members);
    (void)put_copy(&c->members, member_key(room_id, user_id), m, sizeof *m);
}

void db_cache_drop_member(struct db_cache *c, int64_t room_id, int64_t user_id)
{
    free(map_remove(&c->members, member_key(room_id, user_id)));
}

const struct session *db_cache_session(const struct db_cache *c, int64_t id) { return map_get(&c->sessions, id); }

void db_cache_put_session(struct db_cache *c, const struct session *s)
{
    if (c->sessions.len >= SESSIONS_MAX) clear_map(&c->sessions);
    (void)put_copy(&c->sessions, s->id, s, sizeof *s);
}

void db_cache_drop_sessions(struct db_cache *c) { clear_map(&c->sessions); }
