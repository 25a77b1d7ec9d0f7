/* The domain: what people may do and what it does, as requests. No HTTP, no JSON, no SQL.
 *
 * A request is an operation with an actor and flat arguments. WebSocket commands and REST calls are decoded to the same
 * requests (server/wire), so a rule holds on both. A request runs on the store's writer or a reader (CHAT_OP_MAP says which).
 * The rules that are not obvious stand in docs/decisions/ (domain rules, passwords). */
#ifndef CONFAB_CHAT_H
#define CONFAB_CHAT_H

#include <stdbool.h>
#include <stdint.h>

#include "confab/settings.h"
#include "confab/store.h"

#define CHAT_SYSTEM_ID (-1)

/* Who asks. user_id 0 is "nobody yet" (login, set-up), CHAT_SYSTEM_ID the operator at the command line (may do all, events and audit say
 * "system"). Copied into each request, so that it cannot go stale under it: when the request runs, role, epoch and session are checked
 * against the store. AUTHENTICATE finds the user by `name` where user_id is 0, so claims are enough. */
struct chat_actor {
    int64_t user_id;
    int64_t session_id;  /* 0: a token made on the command line */
    int64_t token_epoch; /* as in the token; compared with the user's when the request runs */
    enum user_role role;
    char name[USER_NAME_MAX + 1];
    char address[ADDRESS_MAX + 1];
};

/* clang-format off */
/*      name             word                 mode    limit        */
#define CHAT_OP_MAP(X)                                               \
    X(POST_MESSAGE,      "post_message",      WRITE,  MESSAGE)       \
    X(EDIT_MESSAGE,      "edit_message",      WRITE,  MESSAGE)       \
    X(DELETE_MESSAGE,    "delete_message",    WRITE,  MESSAGE)       \
    X(ADD_REACTION,      "add_reaction",      WRITE,  MESSAGE)       \
    X(REMOVE_REACTION,   "remove_reaction",   WRITE,  MESSAGE)       \
    X(MARK_READ,         "mark_read",         WRITE,  NONE)          \
    X(GET_MESSAGE,       "get_message",       READ,   REST_READ)     \
    X(LIST_MESSAGES,     "list_messages",     READ,   REST_READ)     \
    X(LIST_EVENTS,       "list_events",       READ,   NONE)          \
    X(JOIN_ROOM,         "join_room",         READ,   NONE)          \
    X(LIST_ROOMS,        "list_rooms",        READ,   REST_READ)     \
    X(CREATE_ROOM,       "create_room",       WRITE,  REST_WRITE)    \
    X(GET_ROOM,          "get_room",          READ,   REST_READ)     \
    X(UPDATE_ROOM,       "update_room",       WRITE,  REST_WRITE)    \
    X(ARCHIVE_ROOM,      "archive_room",      WRITE,  REST_WRITE)    \
    X(UNARCHIVE_ROOM,    "unarchive_room",    WRITE,  REST_WRITE)    \
    X(DELETE_ROOM,       "delete_room",       WRITE,  REST_WRITE)    \
    X(LIST_MEMBERS,      "list_members",      READ,   REST_READ)     \
    X(PUT_MEMBER,        "put_member",        WRITE,  REST_WRITE)    \
    X(REMOVE_MEMBER,     "remove_member",     WRITE,  REST_WRITE)    \
    X(GET_ME,            "get_me",            READ,   REST_READ)     \
    X(UPDATE_ME,         "update_me",         WRITE,  REST_WRITE)    \
    X(LIST_SESSIONS,     "list_sessions",     READ,   REST_READ)     \
    X(REVOKE_SESSION,    "revoke_session",    WRITE,  REST_WRITE)    \
    X(LIST_USERS,        "list_users",        READ,   REST_READ)     \
    X(CREATE_USER,       "create_user",       WRITE,  REST_WRITE)    \
    X(GET_USER,          "get_user",          READ,   REST_READ)     \
    X(UPDATE_USER,       "update_user",       WRITE,  REST_WRITE)    \
    X(SET_PASSWORD,      "set_password",      WRITE,  REST_WRITE)    \
    X(REVOKE_USER,       "revoke_user",       WRITE,  REST_WRITE)    \
    X(LIST_AUDIT,        "list_audit",        READ,   REST_READ)     \
    X(AUTHENTICATE,      "authenticate",      READ,   NONE)          \
    X(FIND_CREDENTIALS,  "find_credentials",  READ,   NONE)          \
    X(CHANGE_PASSWORD,   "change_password",   WRITE,  NONE)          \
    X(CREATE_SESSION,    "create_session",    WRITE,  NONE)          \
    X(REFRESH_SESSION,   "refresh_session",   WRITE,  NONE)          \
    X(END_SESSION,       "end_session",       WRITE,  NONE)          \
    X(SET_UP,            "set_up",            WRITE,  NONE)
/* clang-format on */

enum chat_op {
#define X(name, ...) CHAT_##name,
    CHAT_OP_MAP(X)
#undef X
        CHAT_OP_COUNT
};

/* Every argument any operation takes; each uses a few. Spans borrow from the request's arena. Absent: {NULL,0}, 0 or -1 as noted. */
struct chat_args {
    span room;       /* public room id */
    int64_t room_id; /* the store's number, where the caller knows it already; 0: look `room` up. Only a live connection that has joined
                      * gives it: a POST_MESSAGE with it never makes a membership, and so needs no savepoint (the hot path) */
    int64_t id;      /* message or session; 0: absent */
    int64_t reply_to;
    int64_t before, after; /* -1: absent (0 is a valid `after`) */
    int64_t limit;         /* 0: the default, 50 */
    span text;             /* message */
    span client_id;
    span reaction;
    span user; /* public user id meant; the login name of FIND_CREDENTIALS, SET_UP, CREATE_USER */
    span name, topic, kind, role, display_name;
    span after_name; /* paging of lists sorted by name */
    span epoch;
    span password;     /* as typed, for chat_password_*; no operation reads it. In the arena: wiped in place by chat_request_free */
    span new_password; /* CREATE_USER (may be absent), SET_UP, SET_PASSWORD, CHANGE_PASSWORD: the Argon2id hash, by which the caller
                        * has replaced what was typed (anything else is refused). In the arena: wiped like password */
    span token;        /* refresh token or set-up token: its 32 bytes, or their 43 characters of base64url. In the arena: wiped */
    span agent;
    int disabled; /* -1: absent */
    bool cookie;
};

enum chat_result_kind {
    CHAT_RESULT_NONE,
    CHAT_RESULT_ACK,
    CHAT_RESULT_JOINED,
    CHAT_RESULT_READ,
    CHAT_RESULT_MESSAGE,
    CHAT_RESULT_MESSAGES,
    CHAT_RESULT_EVENTS,
    CHAT_RESULT_ROOM,
    CHAT_RESULT_ROOMS,
    CHAT_RESULT_MEMBER,
    CHAT_RESULT_MEMBERS,
    CHAT_RESULT_USER,
    CHAT_RESULT_USERS,
    CHAT_RESULT_SESSIONS,
    CHAT_RESULT_SESSION,
    CHAT_RESULT_AUDIT
};

enum chat_recovery { CHAT_RECOVERY_FRESH, CHAT_RECOVERY_RESUMED, CHAT_RECOVERY_GAP, CHAT_RECOVERY_EPOCH_CHANGED };

/* What came of it; lists live in the request's arena. Which fields count is said by `kind`. */
struct chat_result {
    enum chat_result_kind kind;
    bool created;                      /* REST: 201 */
    bool duplicate;                    /* ACK */
    bool more;                         /* lists */
    int64_t id, at_ms;                 /* ACK: seq and time of the event (a reaction that changed nothing: duplicate, seq of the message).
                                        * READ: last_read in id */
    struct room_listed room;           /* ROOM, JOINED (without unread), and the room of ACK, READ, EVENTS (slug, id) */
    struct member member;              /* MEMBER */
    struct user user;                  /* USER, SESSION */
    enum chat_recovery recovery;       /* JOINED */
    int64_t gap_from, gap_to;          /* JOINED with GAP */
    int64_t next_seq;                  /* JOINED: first event to deliver */
    char password_hash[128];           /* FIND_CREDENTIALS; wiped by chat_request_free */
    int64_t session_id;                /* SESSION: the session; */
    unsigned char refresh_token[32];   /* SESSION: the new refresh token, raw; wire encodes it */
    union {                            /* lists */
        struct message_view *messages; /* MESSAGE has one */
        struct event *events;
        struct room_listed *rooms;
        struct member *members;
        struct user *users;
        struct session *sessions;
        struct audit *audits;
    } list;
    size_t count;
};

struct chat_request {
    struct store_job job; /* first member */
    enum chat_op op;
    struct chat_actor actor;
    struct chat_args args;
    struct chat_result result;                            /* valid when job.result is OK */
    int64_t retry_after_ms;                               /* with RATE_LIMITED */
    int64_t limit_quota, limit_remaining, limit_reset_ms; /* of the strictest rate limit asked; quota 0: none was */
    arena arena;                                          /* everything the request's spans and lists point to */
    void (*reply)(struct chat_request *); /* Thread: writer, reader, or the submitter's own where refused at once. Takes the request */
    void *ctx;                            /* the submitter's */
    char ref[72];                         /* the client's ref as JSON text, or "" (wire fills and repeats it) */
    struct {                              /* the domain's own */
        struct chat *domain;
        bool ran, changed; /* changed: tell the observer of the two below */
        int64_t changed_user, changed_session;
        confab_err refusal; /* what to answer although the job has to commit (a replayed refresh token ends its session) */
    } own;
};

/* actor NULL: nobody yet. before, after and disabled start as absent (-1). NULL: out of memory. Thread: any. */
struct chat_request *chat_request_new(enum chat_op op, const struct chat_actor *actor);
void chat_actor_set_system(struct chat_actor *out);
void chat_request_free(struct chat_request *r); /* accepts NULL; wipes secrets */

typedef struct chat chat;
struct chat_config {
    store *store;
    const struct settings *settings;
};
CONFAB_MUST_CHECK confab_err chat_open(const struct chat_config *config,
                                       chat **out); /* loads limit overrides; general room and set-up are chat_bootstrap's */
void chat_close(chat *c);                           /* after the last reply, before store_close. Accepts NULL */
/* Reads the limit overrides again, in the background; for on_foreign_change and whoever wrote some. Thread: any. Blocks: no. */
void chat_reload_limits(chat *c);

/* Told after a commit that changed what a user or one of their sessions may do (role, disabled, password, revoked, logged out):
 * whoever keeps live connections asks AUTHENTICATE again for the ones concerned. session_id 0: all of the user's. chat_set_observer
 * returns when no thread is inside the old one, nor will be (any thread but the writer). Thread of the call: writer. (Changes by other
 * processes come through the store's on_foreign_change.) */
struct chat_observer {
    void *ctx;
    void (*on_user_changed)(void *ctx, int64_t user_id, int64_t session_id);
};
void chat_set_observer(chat *c, struct chat_observer o);

/* Takes the request and answers through reply(), always exactly once. Rate limits are checked here. Thread: any. Blocks: no. */
void chat_submit(chat *c, struct chat_request *r);
/* Runs it and waits; the caller keeps the request. Returns r->job.result. Thread: http worker or main. */
CONFAB_MUST_CHECK confab_err chat_call(chat *c, struct chat_request *r);

const char *chat_op_word(enum chat_op op);

/* First start of a database: makes the room `general` (once: an admin may delete it for good). Where there is no admin, a one-time set-up
 * token is made (only its hash is stored, one made by an earlier start is void) and returned as text, else out is "". Thread: main. */
CONFAB_MUST_CHECK confab_err chat_bootstrap(chat *c, char out_setup_token[64]);

/* Passwords: Argon2id. Slow and memory-hungry on purpose: never on a loop, writer or reader thread; at most two run at once (the others
 * wait). verify takes the same time where hash is "" (unknown user, or one without a password), and says false.
 *
 * A login is: limits_take(LOGIN) by address, FIND_CREDENTIALS (always OK; unknown: result.user.id 0), limits_take(LOGIN) by account,
 * chat_password_verify, and CREATE_SESSION with the found user as the actor (FORBIDDEN: the account is disabled; said only now). */
CONFAB_MUST_CHECK confab_err chat_password_hash(span password, char out[128]); /* INVALID_FIELD: shorter than 8 or longer than 1024 bytes */
bool chat_password_verify(span password, const char *hash);

#endif
