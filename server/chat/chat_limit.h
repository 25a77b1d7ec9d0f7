/* Rate limits: GCRA, one timestamp per (action, key). Keys are users and addresses. Thread: any (sharded locks, no I/O).
 * IPv6 addresses are keyed by their /64; loopback is never limited by address. Memory is bounded: a full shard forgets the cell that was
 * not used for longest, and cells that are idle go by themselves.
 *
 * An override, by user or by role, replaces the profile's rate of the user, and spares the user the limit by address: who wrote it has
 * vouched for them. A user's own goes before the one of their role. */
#ifndef CONFAB_CHAT_LIMIT_H
#define CONFAB_CHAT_LIMIT_H

#include "chat.h"

enum limit_action { LIMIT_NONE, LIMIT_MESSAGE, LIMIT_CONNECT, LIMIT_LOGIN, LIMIT_REST_WRITE, LIMIT_REST_READ, LIMIT_ACTION_COUNT };

struct limit_rate {
    int64_t per_minute, burst;
}; /* per_minute 0: unlimited */
struct limit_verdict {
    bool allowed;
    /* Of the strictest of the cells that were asked: how many at once, how many are left now, when all are back, and, where refused, when
     * to try again (> 0). limit 0: no cell was asked. */
    int64_t limit, remaining, reset_ms, retry_after_ms;
};

typedef struct limits limits;
/* "default", "tutorial" or "unlimited". INVALID_FIELD for another one. */
CONFAB_MUST_CHECK confab_err limits_new(const char *profile, limits **out);
void limits_free(limits *l); /* accepts NULL */
/* Asks and, where all agree, takes one token from the user's cell (user_id > 0) and from the address's (address not empty; NULL: none). */
struct limit_verdict limits_take(limits *l, enum limit_action action, int64_t user_id, enum user_role role, const char *address);
void limits_set_override(limits *l, const struct limit_override *o); /* effective at once */
void limits_clear_overrides(limits *l);
void limits_replace_overrides(limits *l, const struct limit_override *list, size_t n); /* all at once; copies */
const char *limit_action_word(enum limit_action a);                                    /* "message" */

/* The list of all live cells, newest use first; for the console. Returns how many were written. */
struct limit_cell_view {
    enum limit_action action;
    char key[ADDRESS_MAX + 2];
    int64_t user_id;
    int64_t limit, remaining, reset_ms, rejections;
};
size_t limits_list(limits *l, struct limit_cell_view *out, size_t cap);
limits *chat_limits(chat *c); /* borrowed from the domain */

#endif
