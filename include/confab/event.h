/* The vocabulary of the log: identifiers, roles, kinds of events, and the plain structs that cross layers. */
#ifndef CONFAB_EVENT_H
#define CONFAB_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "confab/buf.h"

#define USER_NAME_MAX 64 /* bytes without NUL */
#define ROOM_SLUG_MAX 64
#define DISPLAY_MAX 128
#define TOPIC_MAX 1024
#define REACTION_MAX 32
#define CLIENT_ID_MAX 64
#define ADDRESS_MAX 46 /* an IPv6 address as text */
#define EPOCH_SIZE 33  /* 32 hex digits and NUL */

/* Numbers are stored; never renumber. Higher is mightier, so comparison works, except BOT, which is a member. */
enum user_role { USER_BOT = 1, USER_MEMBER = 2, USER_MODERATOR = 3, USER_ADMIN = 4 };
enum member_role { MEMBER_NONE = 0, MEMBER_MEMBER = 1, MEMBER_MODERATOR = 2, MEMBER_OWNER = 3 };
enum room_kind { ROOM_PUBLIC = 1, ROOM_PRIVATE = 2, ROOM_DIRECT = 3 };

/*      name              number  word on the wire */
/* clang-format off */
#define EVENT_KIND_MAP(X)                                                                                             \
    X(MESSAGE,              1, "message")                                                                             \
    X(MESSAGE_EDITED,       2, "message_edited")                                                                      \
    X(MESSAGE_DELETED,      3, "message_deleted")                                                                     \
    X(REACTION_ADDED,       4, "reaction_added")                                                                      \
    X(REACTION_REMOVED,     5, "reaction_removed")                                                                    \
    X(MEMBER_JOINED,        6, "member_joined")                                                                       \
    X(MEMBER_LEFT,          7, "member_left")                                                                         \
    X(MEMBER_ROLE_CHANGED,  8, "member_role_changed")                                                                 \
    X(ROOM_CREATED,         9, "room_created")                                                                        \
    X(ROOM_RENAMED,        10, "room_renamed")                                                                        \
    X(ROOM_TOPIC_CHANGED,  11, "room_topic_changed")                                                                  \
    X(ROOM_KIND_CHANGED,   12, "room_kind_changed")                                                                   \
    X(ROOM_ARCHIVED,       13, "room_archived")                                                                       \
    X(ROOM_UNARCHIVED,     14, "room_unarchived")                                                                     \
    X(ROOM_DELETED,        15, "room_deleted")
/* clang-format on */

enum event_kind {
#define X(name, number, word) EVENT_##name = number,
    EVENT_KIND_MAP(X)
#undef X
};

/* One event of a room's log. Spans borrow; who hands an event over says for how long. */
struct event {
    int64_t room_id;    /* the store's number of the room */
    int64_t seq;        /* 1, 2, 3 … per room, without a hole */
    int64_t at_ms;      /* wall time */
    int64_t actor_id;   /* who did it; 0: the system */
    int64_t target;     /* seq of the message meant (edit, delete, reaction), or replied to (message); 0: none */
    int64_t subject_id; /* the member meant (member_*); 0: none */
    enum event_kind kind;
    bool deleted;          /* MESSAGE only: text has been erased since */
    enum member_role role; /* MEMBER_ROLE_CHANGED (and MEMBER_JOINED): the new role */
    span room;             /* public room id ("general") */
    span actor;            /* public user id; empty: the system */
    span subject;          /* public user id of the subject, or empty */
    span text;             /* message, reaction, name, topic or kind, by `kind` */
    span client_id;        /* MESSAGE, MESSAGE_EDITED, MESSAGE_DELETED: the sender's key, or absent */
};

struct user {
    int64_t id;
    char name[USER_NAME_MAX + 1]; /* the public user id */
    char display_name[DISPLAY_MAX + 1];
    enum user_role role;
    bool disabled;
    int64_t created_ms;
    int64_t token_epoch; /* access tokens with an older one are void */
};

struct room {
    int64_t id;
    char slug[ROOM_SLUG_MAX + 1]; /* the public room id */
    char name[DISPLAY_MAX + 1];
    char topic[TOPIC_MAX + 1];
    enum room_kind kind;
    bool archived;
    int64_t created_ms;
    int64_t first_seq; /* oldest event retained (1, unless retention removed some) */
    int64_t last_seq;  /* newest event; 0: none yet */
    int64_t member_count;
};

struct member {
    int64_t user_id;
    char name[USER_NAME_MAX + 1];
    char display_name[DISPLAY_MAX + 1];
    enum member_role role; /* MEMBER_NONE: is not a member */
    int64_t joined_ms;
    int64_t last_read; /* seq */
};

/* What people see of a message: the log's MESSAGE event with its edits, deletion and reactions applied. */
struct reaction_count {
    span reaction;
    int64_t count;
    bool me; /* the reader is among them */
};
struct message_view {
    int64_t seq, at_ms, edited_ms; /* edited_ms 0: never */
    int64_t reply_to, author_id;
    bool deleted;
    span author, text;
    const struct reaction_count *reactions;
    size_t reaction_count;
};

const char *event_kind_word(enum event_kind k); /* "message"; NULL for an unknown number */
const char *user_role_word(enum user_role r);
const char *member_role_word(enum member_role r);
const char *room_kind_word(enum room_kind k);
bool user_role_parse(span s, enum user_role *out);     /* false: not one, *out untouched */
bool member_role_parse(span s, enum member_role *out); /* "owner", "moderator", "member" */
bool room_kind_parse(span s, enum room_kind *out);
bool user_name_is_valid(span s); /* rules in docs/protocol.md */
bool room_slug_is_valid(span s);

#endif
