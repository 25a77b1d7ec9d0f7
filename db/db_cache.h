/* What the writer remembers between jobs, so that a post costs one INSERT: people, rooms with their newest seq, memberships, sessions.
 *
 * It holds what the writer's connection would read. Whoever changes a row drops or updates it here in the same breath; a rollback
 * that undid something, or another process's commit, drops everything. Thread: writer. Pointers are valid until the next call. */
#ifndef CONFAB_DB_CACHE_H
#define CONFAB_DB_CACHE_H

#include "confab/map.h"
#include "confab/store.h"

struct db_cache {
    struct map users;    /* id -> struct user */
    struct map rooms;    /* id -> struct room */
    struct map slugs;    /* hash of the slug -> struct room, owned by `rooms` */
    struct map members;  /* (room, user) -> struct db_member */
    struct map sessions; /* id -> struct session */
};

struct db_member {
    enum member_role role; /* MEMBER_NONE is remembered too */
    int64_t joined_ms, last_read;
};

void db_cache_clear(struct db_cache *c);

const struct user *db_cache_user(const struct db_cache *c, int64_t id);
void db_cache_put_user(struct db_cache *c, const struct user *u); /* out of memory: not remembered, which is no error */
void db_cache_drop_user(struct db_cache *c, int64_t id);

struct room *db_cache_room(const struct db_cache *c, int64_t id);
struct room *db_cache_room_by_slug(const struct db_cache *c, span slug);
struct room *db_cache_put_room(struct db_cache *c, const struct room *r); /* NULL: not remembered */
void db_cache_drop_room(struct db_cache *c, int64_t id);

struct db_member *db_cache_member(const struct db_cache *c, int64_t room_id, int64_t user_id);
void db_cache_put_member(struct db_cache *c, int64_t room_id, int64_t user_id, const struct db_member *m);
void db_cache_drop_member(struct db_cache *c, int64_t room_id, int64_t user_id);

const struct session *db_cache_session(const struct db_cache *c, int64_t id);
void db_cache_put_session(struct db_cache *c, const struct session *s);
void db_cache_drop_sessions(struct db_cache *c); /* all: deletions are by user or by age */

#endif
