/* What the loops share: where commits go, who is here, how many connections there are. Internal to live. */
#ifndef CONFAB_LIVE_HUB_H
#define CONFAB_LIVE_HUB_H

#include "live_loop.h"
#include "live_presence.h"

enum { LIVE_LOOPS_MAX = 64 };

struct live_hub {
    struct live_config config;
    struct live_presence presence;

    pthread_mutex_t routes_lock;
    struct map routes; /* room id → bit mask of the loops where it is open */

    pthread_mutex_t counts_lock;
    struct map user_counts;    /* user id → connections, as (void *)(intptr_t) */
    struct map address_counts; /* hash of the address → connections admitted */

    _Atomic int64_t active, admitted;
    int64_t max_connections;
    _Atomic bool draining;
    _Atomic unsigned next_loop;
    int loop_count;
    struct live_loop loops[];
};

/* Thread: any. A room is routed to a loop from before the loop reads its log until it is closed there, so no commit is missed. */
CONFAB_MUST_CHECK confab_err live_hub_route(live_hub *h, int64_t room_id, int loop_index);
void live_hub_unroute(live_hub *h, int64_t room_id, int loop_index);

/* Sends a frame's JSON to everyone in the room on all loops, as an ephemeral frame (dropped for who is behind), but to except_user. */
void live_hub_broadcast(live_hub *h, int64_t room_id, int64_t except_user, span json);
/* Sends to all connections of a user on all loops but `except` (a connection id; 0: none). */
void live_hub_send_user(live_hub *h, int64_t user_id, uint64_t except_conn, span json);

/* Counts a user's authenticated connections against the limit. */
CONFAB_MUST_CHECK confab_err live_hub_count_user(live_hub *h, int64_t user_id);
void live_hub_uncount_user(live_hub *h, int64_t user_id);
/* A connection is gone: the counterpart of live_admit. */
void live_hub_closed(live_hub *h, const char *address);

#endif
