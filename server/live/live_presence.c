#include "live_presence.h"

#include <stdlib.h>

struct presence_user {
    int64_t connections;
    char name[];
};

struct presence_room {
    struct map users; /* user id → struct presence_user */
};

void live_presence_init(struct live_presence *p)
{
    *p = (struct live_presence){0};
    (void)pthread_mutex_init(&p->lock, NULL); /* cannot fail with default attributes */
}

static void room_free(struct presence_room *room)
{
    size_t at = 0;
    void *user;
    while ((user = map_next(&room->users, &at, NULL)))
        free(user);
    map_free(&room->users);
    free(room);
}

void live_presence_fini(struct live_presence *p)
{
    size_t at = 0;
    void *room;
    while ((room = map_next(&p->rooms, &at, NULL)))
        room_free(room);
    map_free(&p->rooms);
    (void)pthread_mutex_destroy(&p->lock);
}

static struct presence_room *room_for(struct live_presence *p, int64_t room_id)
{
    struct presence_room *room = map_get(&p->rooms, room_id);
    if (room) return room;
    room = calloc(1, sizeof *room);
    if (room && !map_put(&p->rooms, room_id, room)) {
        free(room);
        return NULL;
    }
    return room;
}

static struct presence_user *user_new(const char *name)
{
    size_t n = strlen(name) + 1;
    struct presence_user *user = malloc(sizeof *user + n);
    if (!user) return NULL;
    user->connections = 1;
    memcpy(user->name, name, n);
    return user;
}

confab_err live_presence_enter(struct live_presence *p, int64_t room_id, int64_t user_id, const char *name, bool *changed, int64_t *online)
{
    confab_err e = confab_fail(CONFAB_INTERNAL);
    pthread_mutex_lock(&p->lock);
    struct presence_room *room = room_for(p, room_id);
    if (!room) goto out;
    struct presence_user *user = map_get(&room->users, user_id);
    *changed = !user;
    if (user) {
        user->connections++;
    } else {
        user = user_new(name);
        if (!user || !map_put(&room->users, user_id, user)) {
            free(user);
            goto out;
        }
    }
    *online = (int64_t)room->users.len;
    e = confab_ok();
out:
    if (room && room->users.len == 0) room_free(map_remove(&p->rooms, room_id));
    pthread_mutex_unlock(&p->lock);
    return e;
}

void live_presence_leave(struct live_presence *p, int64_t room_id, int64_t user_id, bool *changed, int64_t *online)
{
    *changed = false;
    *online = 0;
    pthread_mutex_lock(&p->lock);
    struct presence_room *room = map_get(&p->rooms, room_id);
    struct presence_user *user = room ? map_get(&room->users, user_id) : NULL;
    if (user && --user->connections == 0) {
        free(map_remove(&room->users, user_id));
        *changed = true;
    }
    if (room) {
        *online = (int64_t)room->users.len;
        if (room->users.len == 0) room_free(map_remove(&p->rooms, room_id));
    }
    pthread_mutex_unlock(&p->lock);
}

int64_t live_presence_count(struct live_presence *p, int64_t room_id)
{
    pthread_mutex_lock(&p->lock);
    const struct presence_room *room = map_get(&p->rooms, room_id);
    int64_t n = room ? (int64_t)room->users.len : 0;
    pthread_mutex_unlock(&p->lock);
    return n;
}

bool live_presence_has(struct live_presence *p, int64_t room_id, int64_t user_id)
{
    pthread_mutex_lock(&p->lock);
    const struct presence_room *room = map_get(&p->rooms, room_id);
    bool has = room && map_get(&room->users, user_id);
    pthread_mutex_unlock(&p->lock);
    return has;
}

size_t live_presence_list(struct live_presence *p, int64_t room_id, size_t most, arena *a, const char ***out, int64_t *online)
{
    size_t n = 0, at = 0;
    const struct presence_user *user;
    *out = NULL;
    *online = 0;
    pthread_mutex_lock(&p->lock);
    const struct presence_room *room = map_get(&p->rooms, room_id);
    if (room) {
        *online = (int64_t)room->users.len;
        if (most > room->users.len) most = room->users.len;
        *out = arena_alloc(a, (most ? most : 1) * sizeof **out);
        while (*out && n < most && (user = map_next(&room->users, &at, NULL))) {
            span name = arena_copy(a, span_of(user->name));
            if (!name.p) break;
            (*out)[n++] = name.p;
        }
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}
