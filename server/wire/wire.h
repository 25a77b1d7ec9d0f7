/* The protocol: JSON to requests, and events, results and errors to JSON, once for WebSocket and REST alike (docs/protocol.md).
 * The only home of cJSON. Thread: any; nothing here keeps state. Encoders append to a buf and cannot fail but for memory (buf.failed). */
#ifndef CONFAB_WIRE_H
#define CONFAB_WIRE_H

#include "chat.h"

/* ---- WebSocket commands ---- */

enum wire_kind {
    WIRE_REQUEST, /* a chat request: submit it, encode its result */
    WIRE_JOIN,    /* a CHAT_JOIN_ROOM request, and then a subscription */
    WIRE_AUTH,
    WIRE_LEAVE,
    WIRE_TYPING,
    WIRE_PRESENCE,
    WIRE_PING,
    WIRE_HEARTBEAT
};

struct wire_command {
    enum wire_kind kind;
    struct chat_request *request; /* REQUEST, JOIN: owned by the taker; its args carry everything */
    char room[ROOM_SLUG_MAX + 1]; /* LEAVE, TYPING, PRESENCE, REQUEST, JOIN: as sent or implied; "" where absent */
    buf token;                    /* AUTH; wiped and freed by wire_command_fini */
    bool typing;
    char ref[72];                          /* the client's ref as JSON text, or "" */
    char client_id[CLIENT_ID_MAX * 6 + 3]; /* as JSON text, for the error answer; or "" */
};

/* Decodes one text frame. `implied_room` is "" but on /ws/chat/…  The actor is copied into the request.
 * On failure the room, ref and client_id are filled as far as they could be read, so that the error can carry them. */
CONFAB_MUST_CHECK confab_err wire_decode_command(span text, const struct chat_actor *actor, const char *implied_room,
                                                 struct wire_command *out);
void wire_command_fini(struct wire_command *c); /* frees a request that was not taken (set request to NULL when taking) */

/* ---- Frames to clients (each a whole JSON object, not framed) ---- */

/* {"type":KIND,"data":{…}}: the same bytes for everyone; also an element of REST's event lists. */
void wire_encode_event(buf *out, const struct event *e);

struct wire_hello {
    const char *user_id, *session, *epoch, *server;
    enum user_role role;
    int64_t heartbeat_ms, max_message_bytes, max_rooms, page;
};
void wire_encode_auth_success(buf *out, const struct wire_hello *h, const char *ref);

/* Who is here, as the hub knows it; both may be NULL (then counts are 0 and nobody is online). */
struct wire_presence {
    void *ctx;
    int64_t (*room_online)(void *ctx, int64_t room_id);
    bool (*user_online)(void *ctx, int64_t room_id, int64_t user_id);
};
/* The direct answer to a finished request (ack, joined, history, read). */
void wire_encode_result_frame(buf *out, const struct chat_request *r, const char *epoch, const struct wire_presence *p);
void wire_encode_error_frame(buf *out, confab_err e, const char *ref, const char *room, const char *client_id_json, int64_t retry_after_ms);

void wire_encode_caught_up(buf *out, const char *room, int64_t last_id);
void wire_encode_left(buf *out, const char *room, const char *ref);
void wire_encode_user_presence(buf *out, bool joined, const char *room, const char *user, int64_t online); /* user_joined, user_left */
void wire_encode_typing(buf *out, const char *room, const char *user, bool typing);
void wire_encode_read(buf *out, const char *room, const char *user, int64_t last_read, const char *ref);
/* users NULL: the count alone. */
void wire_encode_presence(buf *out, const char *room, int64_t online, const char *const *users, size_t n, const char *ref);
void wire_encode_pong(buf *out, bool heartbeat, int64_t now_ms, const char *ref);
/* A close reason: JSON, at most 123 bytes. retry_after_ms 0: left out. */
void wire_encode_close_reason(buf *out, enum confab_code code, int64_t retry_after_ms);

/* ---- REST ---- */

/* Reads the body's members into r->args by the operation's field table; unknown members are refused (UNKNOWN_FIELD), as are wrong
 * types (INVALID_FIELD, with .field). An absent body is an empty object. The arguments are untouched on failure. Where .field names an
 * unknown member, it is valid until the next decoding on this thread. */
CONFAB_MUST_CHECK confab_err wire_decode_body(span body, struct chat_request *r);
/* One query parameter, already percent-decoded, by the same table (before, after, limit). */
CONFAB_MUST_CHECK confab_err wire_decode_query(span name, span value, struct chat_request *r);
/* SESSION results: the caller signs the access token and hands it in. refresh_token NULL: it goes as a cookie and stays out of the body. */
struct wire_session_extra {
    const char *access_token;
    int64_t expires_in_s;
    const char *refresh_token;
};
void wire_encode_result_body(buf *out, const struct chat_request *r, const char *epoch, const struct wire_presence *p,
                             const struct wire_session_extra *session);
void wire_encode_problem(buf *out, confab_err e, int64_t retry_after_ms); /* RFC 9457 */

/* Base64url without padding of refresh and set-up tokens. */
void wire_encode_secret(buf *out, const unsigned char *bytes, size_t n);
bool wire_decode_secret(span text, unsigned char *out, size_t n); /* exactly n bytes */

/* Small documents of the server itself. */
struct wire_health {
    int64_t active_connections, uptime_s;
    const char *version;
};
void wire_encode_health(buf *out, const struct wire_health *h);
struct wire_check {
    const char *name;
    bool ok;
    const char *detail;
};
void wire_encode_ready(buf *out, bool ready, const struct wire_check *checks, size_t n);

/* JSON pieces for the few who write lines of it (export, log). */
void wire_append_string(buf *out, span s); /* quoted and escaped; invalid UTF-8 becomes U+FFFD */

#endif
