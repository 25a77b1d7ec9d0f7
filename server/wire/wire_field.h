/* The one table of members that clients may send: name, type, bounds, and where the value goes. WebSocket commands, REST bodies and REST
 * query parameters are all decoded by it. Private to the wire layer. Thread: any. */
#ifndef CONFAB_WIRE_FIELD_H
#define CONFAB_WIRE_FIELD_H

#include "wire.h"
#include "wire_json.h"

/* Where values go: the request's arguments, and the one member that never becomes a request. */
struct field_values {
    struct chat_args args;
    bool typing;
};

/* All of them absent. */
extern const struct field_values field_values_absent;

/* clang-format off */
/*      name             member           type         min     max       member of field_values   rule, in words */
#define FIELD_MAP(X)                                                                                                                         \
    X(ROOM_ID,         "room_id",         ROOM_ID,      1,      64,       args.room,         "room_id must be 1 to 64 characters of a-z 0-9 . _ -, the first a letter or digit") \
    X(ID,              "id",              INT,          1,      JSON_INT_MAX, args.id,       "id must be an integer, 1 or more")             \
    X(REPLY_TO,        "reply_to",        INT,          1,      JSON_INT_MAX, args.reply_to, "reply_to must be the id of a message")         \
    X(BEFORE,          "before",          INT,          1,      JSON_INT_MAX, args.before,   "before must be an integer, 1 or more")         \
    X(AFTER,           "after",           INT,          0,      JSON_INT_MAX, args.after,    "after must be an integer, 0 or more")          \
    X(AFTER_NAME,      "after",           TEXT,         1,      64,       args.after_name,   "after must be what next said, 1 to 64 bytes")  \
    X(LIMIT,           "limit",           INT,          1,      200,      args.limit,        "limit must be an integer from 1 to 200")       \
    X(MESSAGE,         "message",         TEXT,         1,      1048576,  args.text,         "message must be a string that is not empty")   \
    X(CLIENT_ID,       "client_id",       TEXT,         1,      CLIENT_ID_MAX, args.client_id, "client_id must be a string of 1 to 64 bytes") \
    X(REACTION,        "reaction",        TEXT,         1,      REACTION_MAX, args.reaction, "reaction must be a string of 1 to 32 bytes")   \
    X(EPOCH,           "epoch",           TEXT,         1,      64,       args.epoch,        "epoch must be the string that joined gave")    \
    X(TYPING,          "typing",          BOOL,         0,      0,        typing,            "typing must be true or false")                 \
    X(TOKEN,           "token",           TEXT,         1,      4096,     args.token,        "token must be a string of 1 to 4096 bytes")    \
    X(SETUP_TOKEN,     "setup_token",     TEXT,         1,      128,      args.token,        "setup_token must be a string of 1 to 128 bytes") \
    X(REFRESH_TOKEN,   "refresh_token",   TEXT,         1,      128,      args.token,        "refresh_token must be a string of 1 to 128 bytes") \
    X(USERNAME,        "username",        USER_NAME,    1,      64,       args.user,         "username must be 1 to 64 printable ASCII characters without space and \"<>&@/:,#%?\\") \
    X(PASSWORD,        "password",        TEXT,         1,      1024,     args.password,     "password must be a string of at most 1024 bytes") \
    X(OLD_PASSWORD,    "old_password",    TEXT,         1,      1024,     args.password,     "old_password must be a string of at most 1024 bytes") \
    X(NEW_PASSWORD,    "new_password",    TEXT,         1,      1024,     args.new_password, "new_password must be a string of at most 1024 bytes") \
    X(COOKIE,          "cookie",          BOOL,         0,      0,        args.cookie,       "cookie must be true or false")                 \
    X(NAME,            "name",            TEXT,         1,      DISPLAY_MAX, args.name,      "name must be a string of 1 to 128 bytes")      \
    X(TOPIC,           "topic",           TEXT,         0,      TOPIC_MAX, args.topic,       "topic must be a string of at most 1024 bytes") \
    X(KIND,            "kind",            ROOM_KIND,    1,      16,       args.kind,         "kind must be public or private")               \
    X(DISPLAY_NAME,    "display_name",    TEXT,         0,      DISPLAY_MAX, args.display_name, "display_name must be a string of at most 128 bytes") \
    X(USER_ROLE,       "role",            USER_ROLE,    1,      16,       args.role,         "role must be admin, moderator, member or bot") \
    X(MEMBER_ROLE,     "role",            MEMBER_ROLE,  1,      16,       args.role,         "role must be owner, moderator or member")      \
    X(DISABLED,        "disabled",        TRISTATE,     0,      0,        args.disabled,     "disabled must be true or false")
/* clang-format on */

enum field_id {
#define X(name, ...) FIELD_##name,
    FIELD_MAP(X)
#undef X
        FIELD_COUNT
};

typedef uint32_t field_set; /* bit n: enum field_id n */
#define FIELD_BIT(name) ((field_set)1 << FIELD_##name)

/* The field of that member name within the set; FIELD_COUNT where there is none. */
enum field_id field_lookup(field_set among, const char *name, size_t n);
const char *field_name(enum field_id id); /* static */

/* Checks and stores a JSON value or a query parameter's text; spans borrow from what is given. INVALID_FIELD with the rule, also where
 * `before` meets `after`. */
CONFAB_MUST_CHECK confab_err field_set_json(enum field_id id, const cJSON *v, struct field_values *out);
CONFAB_MUST_CHECK confab_err field_set_text(enum field_id id, span text, struct field_values *out);
/* OK where nothing is missing, else MISSING_FIELD naming the first. */
CONFAB_MUST_CHECK confab_err field_require(field_set required, field_set present);

#endif
