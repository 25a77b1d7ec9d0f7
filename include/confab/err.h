/* One error type for the whole program, and the one table of what can go wrong.
 *
 * The table yields the enum, the stable machine word, the HTTP status, the WebSocket close code (0: the connection
 * stays open), the sentence a person reads, docs/errors.md, and a test that each row is unique and documented. */
#ifndef CONFAB_ERR_H
#define CONFAB_ERR_H

#include <stdbool.h>

/*      name                word                 HTTP  close  sentence */
/* clang-format off */
#define CONFAB_ERR_MAP(X)                                                                                             \
    X(OK,                  "ok",                  200,    0, "OK")                                                    \
    X(INVALID_JSON,        "invalid_json",        400,    0, "Invalid JSON format")                                   \
    X(UNKNOWN_TYPE,        "unknown_type",        400,    0, "Unknown message type")                                  \
    X(MISSING_FIELD,       "missing_field",       400,    0, "A required field is missing")                           \
    X(INVALID_FIELD,       "invalid_field",       400,    0, "A field has the wrong type or value")                   \
    X(UNKNOWN_FIELD,       "unknown_field",       400,    0, "A field is not known here")                             \
    X(AUTH_REQUIRED,       "auth_required",       401, 1008, "Authentication required")                               \
    X(AUTH_TIMEOUT,        "auth_timeout",        401, 1008, "Authentication timeout")                                \
    X(AUTH_FAILED,         "auth_failed",         401, 1008, "Authentication failed")                                 \
    X(ALREADY_AUTH,        "already_authenticated", 409,  0, "This connection is authenticated already")              \
    X(BAD_CREDENTIALS,     "bad_credentials",     401,    0, "User name or password is wrong")                        \
    X(SESSION_EXPIRED,     "session_expired",     401,    0, "The session has ended; log in again")                   \
    X(FORBIDDEN,           "forbidden",           403,    0, "You may not do this here")                              \
    X(NOT_A_MEMBER,        "not_a_member",        403,    0, "You are not a member of this room")                     \
    X(NOT_JOINED,          "not_joined",          409,    0, "Join the room first")                                   \
    X(ORIGIN_REFUSED,      "origin_refused",      403,    0, "This web origin may not connect")                       \
    X(NOT_FOUND,           "not_found",           404,    0, "There is no such thing")                                \
    X(ROOM_NOT_FOUND,      "room_not_found",      404,    0, "There is no such room")                                 \
    X(USER_NOT_FOUND,      "user_not_found",      404,    0, "There is no such user")                                 \
    X(MESSAGE_NOT_FOUND,   "message_not_found",   404,    0, "There is no such message")                              \
    X(METHOD_NOT_ALLOWED,  "method_not_allowed",  405,    0, "This method is not allowed here")                       \
    X(ROOM_EXISTS,         "room_exists",         409,    0, "A room with this id exists already")                    \
    X(USER_EXISTS,         "user_exists",         409,    0, "A user with this name exists already")                  \
    X(ROOM_ARCHIVED,       "room_archived",       409,    0, "The room is archived")                                  \
    X(MESSAGE_DELETED,     "message_deleted",     409,    0, "The message has been deleted")                          \
    X(LAST_OWNER,          "last_owner",          409,    0, "The last owner or admin cannot go or be demoted")       \
    X(ALREADY_SET_UP,      "already_set_up",      409,    0, "This server has been set up already")                   \
    X(TOO_LARGE,           "too_large",           413,    0, "This is too large")                                     \
    X(MESSAGE_TOO_BIG,     "message_too_big",     413, 1009, "The frame is larger than the limit")                    \
    X(UNSUPPORTED_MEDIA,   "unsupported_media",   415,    0, "The body must be application/json")                     \
    X(TOO_MANY_ROOMS,      "too_many_rooms",      429,    0, "This connection has joined too many rooms")             \
    X(RATE_LIMITED,        "rate_limited",        429,    0, "Rate limit exceeded")                                   \
    X(TOO_MANY_CONNECTIONS, "too_many_connections", 503, 4502, "Too many connections")                                \
    X(INTERNAL,            "internal",            500, 1011, "Internal error")                                        \
    X(BUSY,                "busy",                503,    0, "The server is busy; try again shortly")                 \
    X(DISK_FULL,           "disk_full",           503,    0, "The disk is full; nothing was stored")                  \
    X(STORE_FAILED,        "store_failed",        503,    0, "The database cannot be used; nothing was stored")       \
    X(STORE_CORRUPT,       "store_corrupt",       500,    0, "The database is damaged")                               \
    X(SCHEMA_NEWER,        "schema_newer",        500,    0, "The database was made by a newer Confab")               \
    X(SHUTTING_DOWN,       "shutting_down",       503, 1001, "The server is shutting down")                           \
    X(SLOW_CONSUMER,       "slow_consumer",       503, 4000, "The connection took nothing for too long")              \
    X(PONG_TIMEOUT,        "pong_timeout",        503, 4001, "The connection did not answer a ping")                  \
    X(REVOKED,             "revoked",             401, 4500, "The session was revoked")                               \
    X(REMOVED,             "removed",             403, 4501, "An admin closed this connection")                       \
    X(NEEDS_WRITER,        "needs_writer",        500,    0, "Internal: the request must run on the writer")
/* clang-format on */

enum confab_code {
#define X(name, word, http, close_code, sentence) CONFAB_##name,
    CONFAB_ERR_MAP(X)
#undef X
        CONFAB_CODE_COUNT
};

/* An outcome: a code and, where it helps, a static sentence more precise than the table's (never freed, may be NULL),
 * and the name of the offending field (static, may be NULL). Passed by value. */
typedef struct confab_err {
    enum confab_code code;
    const char *message;
    const char *field;
} confab_err;

#define CONFAB_MUST_CHECK __attribute__((warn_unused_result))

static inline confab_err confab_ok(void) { return (confab_err){.code = CONFAB_OK}; }
static inline confab_err confab_fail(enum confab_code code) { return (confab_err){.code = code}; }
static inline confab_err confab_fail_msg(enum confab_code code, const char *static_message)
{
    return (confab_err){.code = code, .message = static_message};
}
static inline confab_err confab_fail_field(enum confab_code code, const char *field, const char *static_message)
{
    return (confab_err){.code = code, .message = static_message, .field = field};
}
static inline bool confab_failed(confab_err e) { return e.code != CONFAB_OK; }

/* Thread: any. All return static data and accept any code; an unknown one reads as INTERNAL. */
const char *confab_err_word(enum confab_code code); /* "rate_limited" */
const char *confab_err_sentence(confab_err e);      /* e.message, or the table's sentence */
int confab_err_http_status(enum confab_code code);  /* 429 */
int confab_err_close_code(enum confab_code code);   /* 0: leave the connection open */

#endif
