/* The live hub: loops that own WebSocket connections, rings of encoded frames per room, cursors, fan-out, heartbeats. */
#ifndef CONFAB_LIVE_H
#define CONFAB_LIVE_H

#include "chat.h"
#include "wire_token.h"

typedef struct live_hub live_hub;

struct live_config {
    chat *chat;
    store *store;
    const keyring *keys; /* borrowed for the hub's life */
    const struct settings *settings;
    int loops;
};

/* Starts the loop threads and registers as the store's and the domain's observer. Thread: main. */
CONFAB_MUST_CHECK confab_err live_start(const struct live_config *config, live_hub **out);
/* Closes every connection with 1001 and a jittered retry_after_ms, waits up to deadline_ms for the last bytes to leave. Thread: main. */
void live_drain(live_hub *h, int64_t deadline_ms);
void live_stop(live_hub *h); /* ends the loops, frees all. Accepts NULL. After http_stop, before chat_close. */

/* What the handshake already knows of a connection. Copied. */
struct live_hello {
    struct chat_actor actor;      /* user_id 0: not authenticated yet; address is always filled */
    char room[ROOM_SLUG_MAX + 1]; /* /ws/chat/{room}: joined after authentication; else "" */
};
/* Takes the descriptor of a connection whose 101 has been sent. Thread: any. Blocks: no. */
void live_adopt(live_hub *h, int fd, const struct live_hello *hello);
/* Counts a connection in before its handshake; false (nothing counted): the total or per-address limit is reached.
 * Every true must be followed by live_adopt or live_release. Thread: any. */
CONFAB_MUST_CHECK confab_err live_admit(live_hub *h, const char *address);
void live_release(live_hub *h, const char *address);

int64_t live_active_connections(const live_hub *h);
struct wire_presence;
void live_presence(live_hub *h, struct wire_presence *out); /* the functions wire asks with; Thread: any */

#endif
