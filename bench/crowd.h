/* crowd.h: many chat users on one swarm: each connects, authenticates, is in a room, and checks what it is sent.
 *
 * A client's way: OFF -> CONNECTING (handshake) -> ENTERING (auth and join are answered) -> READY. It is ready when the
 * server has said that everything up to now has been delivered: "caught_up" in the Confab dialect, "auth_success" (or
 * "caught_up" where it resumed) in the peers'.
 *
 * The guarantee is checked on every event a client gets: its id is the last one plus one. What is not, is counted.
 *
 * Ownership: the crowd owns its clients and the swarm.  Thread: the swarm's.  Callbacks run inside crowd_poll(). */
#ifndef CONFAB_BENCH_CROWD_H
#define CONFAB_BENCH_CROWD_H

#include "peek.h"
#include "swarm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum crowd_dialect {
    CROWD_CONFAB,
    CROWD_PEER /* the tutorial protocol and no more; any token is a user */
} crowd_dialect;

typedef enum client_stage { CLIENT_OFF, CLIENT_CONNECTING, CLIENT_ENTERING, CLIENT_READY } client_stage;

struct crowd;

typedef struct client {
    struct crowd *crowd;
    swarm_conn *conn; /* NULL while OFF */
    unsigned index;   /* place in crowd->clients; decides the token */
    unsigned room;
    client_stage stage;
    bool resume;        /* come with `after`: the last event seen */
    int64_t last_id;    /* id of the newest event seen, or the room's newest when it joined; -1: none */
    int64_t started_ns; /* when the present connection was asked for */
    uint64_t events;    /* received since it was asked for */
} client;

/* A server frame, read once. Spans are borrowed for the callback, and empty where the member is missing. */
typedef struct crowd_frame {
    peek_span type;
    peek_span message;
    peek_span user_id;
    peek_span client_id;
    int64_t id;      /* -1: none */
    int64_t last_id; /* -1: none */
    bool is_event;   /* part of a room's log: has "data" with an id */
} crowd_frame;

typedef struct crowd_callbacks {
    void (*on_ready)(client *c);                              /* may be NULL */
    void (*on_frame)(client *c, const crowd_frame *f);        /* every frame, after the crowd has looked at it; may be NULL */
    void (*on_gone)(client *c, const swarm_close_info *info); /* the connection is gone, c is OFF; NULL: that is a failure */
} crowd_callbacks;

typedef struct crowd_config {
    crowd_dialect dialect;
    uint16_t port;
    unsigned clients;
    unsigned rooms;            /* client i is in room i % rooms; 0: in none (Confab only) */
    const char *room_prefix;   /* room r is called PREFIX-r; borrowed for the crowd's life */
    char **tokens;             /* one per client; NULL: the token is the client's name, "u0", "u1", … ; borrowed */
    unsigned max_connecting;   /* 0: the swarm's default */
    unsigned source_addresses; /* 0: one */
    crowd_callbacks callbacks;
    void *user; /* for the callbacks: c->crowd->config.user */
} crowd_config;

/* What went wrong, counted since crowd_new(). */
typedef struct crowd_faults {
    uint64_t lost;         /* events skipped: the sum of the holes */
    uint64_t doubled;      /* events with the last id again */
    uint64_t out_of_order; /* events with an older id */
    uint64_t errors;       /* error frames, and connections that ended unasked */
    char first[160];       /* the first of the errors, in words */
} crowd_faults;

typedef struct crowd {
    crowd_config config;
    swarm *swarm;
    client *clients;
    unsigned ready;  /* clients that are READY */
    unsigned online; /* clients that are not OFF */
    uint64_t frames; /* received, ever */
    crowd_faults faults;
    char epoch[128]; /* the database's, from auth_success; empty: none */
} crowd;

/* Returns owned, or NULL with a message on stderr. */
crowd *crowd_new(const crowd_config *config);

/* Accepts NULL. Drops all connections without a word. */
void crowd_free(crowd *all);

/* Starts to connect a client that is OFF. With `resume`, it comes back with its last id. */
void crowd_enter(client *c, bool resume);

/* Drops a client's connection, as a lost network does. It is OFF at once; no callback follows. */
void crowd_drop(client *c);

/* Asks again to join from `after` on, over the open connection (Confab: a repeated join moves the cursor). */
bool crowd_rejoin(client *c, int64_t after);

/* Says something in the client's room. `text` must need no escaping; client_id may be NULL. */
bool crowd_say(client *c, const char *text, size_t len, const char *client_id);

/* Notes a failure in the faults. printf-like. */
void crowd_fail(crowd *all, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* True while nothing was lost, doubled, out of order or refused. */
bool crowd_is_clean(const crowd *all);

/* Handles what is ready, waiting at most timeout_ms. */
void crowd_poll(crowd *all, int timeout_ms);

/* Polls until `count` clients are ready. Returns false, and notes a failure, when limit_s passed or one failed. */
bool crowd_wait_ready(crowd *all, unsigned count, int limit_s);

/* Polls until nothing has come for quiet_ms. Returns false, and notes a failure, when limit_s passed first. */
bool crowd_wait_quiet(crowd *all, int quiet_ms, int limit_s);

#endif
