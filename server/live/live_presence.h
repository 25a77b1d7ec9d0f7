/* Who is here: per room, the users with at least one connection that has joined it, over all loops. Ephemeral; nothing is stored.
 * Thread: any (one lock, held for a look-up). */
#ifndef CONFAB_LIVE_PRESENCE_H
#define CONFAB_LIVE_PRESENCE_H

#include <pthread.h>

#include "confab/buf.h"
#include "confab/err.h"
#include "confab/map.h"

struct live_presence {
    pthread_mutex_t lock;
    struct map rooms; /* room id → struct presence_room */
};

void live_presence_init(struct live_presence *p);
void live_presence_fini(struct live_presence *p);

/* A connection joins or leaves. *changed: the user came with this connection, or went with it; *online: distinct users now. */
CONFAB_MUST_CHECK confab_err live_presence_enter(struct live_presence *p, int64_t room_id, int64_t user_id, const char *name, bool *changed,
                                                 int64_t *online);
void live_presence_leave(struct live_presence *p, int64_t room_id, int64_t user_id, bool *changed, int64_t *online);

int64_t live_presence_count(struct live_presence *p, int64_t room_id);
bool live_presence_has(struct live_presence *p, int64_t room_id, int64_t user_id);
/* Names of at most `most` users, copied into the arena. Returns how many; *online is the whole number. */
size_t live_presence_list(struct live_presence *p, int64_t room_id, size_t most, arena *a, const char ***out, int64_t *online);

#endif
