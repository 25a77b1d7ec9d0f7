#include "wire_out.h"

#include "wire.h"

/* Frames that go to many, or that come from the hub itself: events of the log, ephemera, errors, close reasons. */

static void out_event_head(buf *b, enum event_kind kind)
{
    switch (kind) {
#define X(name, number, word)                                                                                                              \
    case EVENT_##name:                                                                                                                     \
        OUT(b, "{\"type\":\"" word "\",\"data\":{\"id\":");                                                                                \
        return;
        EVENT_KIND_MAP(X)
#undef X
    }
    OUT(b, "{\"type\":\"unknown\",\"data\":{\"id\":");
}

static void out_message_data(buf *b, const struct event *e)
{
    OUT(b, ",\"message\":");
    out_string(b, e->deleted ? SPAN_LIT("") : e->text);
    if (e->deleted) OUT(b, ",\"deleted\":true");
    if (e->client_id.p) {
        OUT(b, ",\"client_id\":");
        out_string(b, e->client_id);
    }
    if (e->target) {
        OUT(b, ",\"reply_to\":");
        out_int(b, e->target);
    }
}

static void out_target(buf *b, int64_t target)
{
    OUT(b, ",\"target_id\":");
    out_int(b, target);
}

static void out_member(buf *b, const struct event *e)
{
    OUT(b, ",\"member_id\":");
    out_string(b, e->subject);
}

/* What only this kind of event has. */
static void out_event_data(buf *b, const struct event *e)
{
    switch (e->kind) {
    case EVENT_MESSAGE:
        out_message_data(b, e);
        break;
    case EVENT_MESSAGE_EDITED:
        out_target(b, e->target);
        OUT(b, ",\"message\":");
        out_string(b, e->text);
        break;
    case EVENT_MESSAGE_DELETED:
        out_target(b, e->target);
        break;
    case EVENT_REACTION_ADDED:
    case EVENT_REACTION_REMOVED:
        out_target(b, e->target);
        OUT(b, ",\"reaction\":");
        out_string(b, e->text);
        break;
    case EVENT_MEMBER_JOINED:
    case EVENT_MEMBER_LEFT:
        out_member(b, e);
        break;
    case EVENT_MEMBER_ROLE_CHANGED:
        out_member(b, e);
        OUT(b, ",\"role\":");
        out_cstr(b, member_role_word(e->role));
        break;
    case EVENT_ROOM_CREATED:
    case EVENT_ROOM_RENAMED:
        OUT(b, ",\"name\":");
        out_string(b, e->text);
        break;
    case EVENT_ROOM_TOPIC_CHANGED:
        OUT(b, ",\"topic\":");
        out_string(b, e->text);
        break;
    case EVENT_ROOM_KIND_CHANGED:
        OUT(b, ",\"kind\":");
        out_string(b, e->text);
        break;
    case EVENT_ROOM_ARCHIVED:
    case EVENT_ROOM_UNARCHIVED:
    case EVENT_ROOM_DELETED:
        break;
    }
}

void wire_encode_event(buf *out, const struct event *e)
{
    /* One growth at most, where nothing needs escaping: names of members, braces, numbers and the time take less than 256 bytes. */
    (void)out_room(out, 256 + e->room.n + e->actor.n + e->subject.n + e->text.n + e->client_id.n);
    out_event_head(out, e->kind);
    out_int(out, e->seq);
    OUT(out, ",\"room_id\":");
    out_string(out, e->room);
    OUT(out, ",\"user_id\":");
    if (e->actor.n)
        out_string(out, e->actor);
    else
        OUT(out, "null");
    OUT(out, ",\"timestamp\":");
    out_time(out, e->at_ms);
    out_event_data(out, e);
    OUT(out, "}}");
}

/* ---- ephemera and small answers ---- */

void wire_encode_auth_success(buf *out, const struct wire_hello *h, const char *ref)
{
    OUT(out, "{\"type\":\"auth_success\",\"user_id\":");
    out_cstr(out, h->user_id);
    OUT(out, ",\"role\":");
    out_cstr(out, user_role_word(h->role));
    OUT(out, ",\"session\":");
    out_cstr(out, h->session);
    OUT(out, ",\"epoch\":");
    out_cstr(out, h->epoch);
    OUT(out, ",\"heartbeat_interval_ms\":");
    out_int(out, h->heartbeat_ms);
    OUT(out, ",\"limits\":{\"max_message_bytes\":");
    out_int(out, h->max_message_bytes);
    OUT(out, ",\"max_rooms\":");
    out_int(out, h->max_rooms);
    OUT(out, ",\"page\":");
    out_int(out, h->page);
    OUT(out, "},\"server\":");
    out_cstr(out, h->server);
    out_ref_end(out, ref);
}

/* `{"type":WORD,"room_id":ROOM` */
#define OUT_ROOM_HEAD(b, word, room)                                                                                                       \
    do {                                                                                                                                   \
        OUT(b, "{\"type\":\"" word "\",\"room_id\":");                                                                                     \
        out_cstr(b, room);                                                                                                                 \
    } while (0)

void wire_encode_caught_up(buf *out, const char *room, int64_t last_id)
{
    OUT_ROOM_HEAD(out, "caught_up", room);
    OUT(out, ",\"last_id\":");
    out_int(out, last_id);
    OUT(out, "}");
}

void wire_encode_left(buf *out, const char *room, const char *ref)
{
    OUT_ROOM_HEAD(out, "left", room);
    out_ref_end(out, ref);
}

void wire_encode_user_presence(buf *out, bool joined, const char *room, const char *user, int64_t online)
{
    if (joined)
        OUT_ROOM_HEAD(out, "user_joined", room);
    else
        OUT_ROOM_HEAD(out, "user_left", room);
    OUT(out, ",\"user_id\":");
    out_cstr(out, user);
    OUT(out, ",\"online\":");
    out_int(out, online);
    OUT(out, "}");
}

void wire_encode_typing(buf *out, const char *room, const char *user, bool typing)
{
    OUT_ROOM_HEAD(out, "typing", room);
    OUT(out, ",\"user_id\":");
    out_cstr(out, user);
    OUT(out, ",\"typing\":");
    out_bool(out, typing);
    OUT(out, "}");
}

void wire_encode_read(buf *out, const char *room, const char *user, int64_t last_read, const char *ref)
{
    OUT_ROOM_HEAD(out, "read", room);
    OUT(out, ",\"user_id\":");
    out_cstr(out, user);
    OUT(out, ",\"last_read_id\":");
    out_int(out, last_read);
    out_ref_end(out, ref);
}

void wire_encode_presence(buf *out, const char *room, int64_t online, const char *const *users, size_t n, const char *ref)
{
    OUT_ROOM_HEAD(out, "presence", room);
    OUT(out, ",\"online\":");
    out_int(out, online);
    if (users) {
        OUT(out, ",\"users\":[");
        for (size_t i = 0; i < n; i++) {
            if (i) OUT(out, ",");
            out_cstr(out, users[i]);
        }
        OUT(out, "]");
    }
    out_ref_end(out, ref);
}

void wire_encode_pong(buf *out, bool heartbeat, int64_t now_ms, const char *ref)
{
    if (heartbeat)
        OUT(out, "{\"type\":\"heartbeat_ack\",\"timestamp\":");
    else
        OUT(out, "{\"type\":\"pong\",\"timestamp\":");
    out_time(out, now_ms);
    out_ref_end(out, ref);
}

/* ---- errors ---- */

void wire_encode_error_frame(buf *out, confab_err e, const char *ref, const char *room, const char *client_id_json, int64_t retry_after_ms)
{
    OUT(out, "{\"type\":\"error\",\"code\":");
    out_cstr(out, confab_err_word(e.code));
    OUT(out, ",\"message\":");
    out_cstr(out, confab_err_sentence(e));
    if (e.field) {
        OUT(out, ",\"field\":");
        out_cstr(out, e.field);
    }
    if (retry_after_ms > 0) {
        OUT(out, ",\"retry_after_ms\":");
        out_int(out, retry_after_ms);
    }
    if (room && *room) {
        OUT(out, ",\"room_id\":");
        out_cstr(out, room);
    }
    if (client_id_json && *client_id_json) {
        OUT(out, ",\"client_id\":");
        out_raw(out, client_id_json, strlen(client_id_json));
    }
    out_ref_end(out, ref);
}

void wire_encode_close_reason(buf *out, enum confab_code code, int64_t retry_after_ms)
{
    OUT(out, "{\"code\":");
    out_cstr(out, confab_err_word(code));
    if (retry_after_ms > 0) {
        OUT(out, ",\"retry_after_ms\":");
        out_int(out, retry_after_ms);
    }
    OUT(out, "}");
}

void wire_encode_problem(buf *out, confab_err e, int64_t retry_after_ms)
{
    OUT(out, "{\"type\":\"https://confab.invalid/errors/");
    buf_append_str(out, confab_err_word(e.code));
    OUT(out, "\",\"title\":");
    out_cstr(out, confab_err_sentence(confab_fail(e.code)));
    OUT(out, ",\"status\":");
    out_int(out, confab_err_http_status(e.code));
    OUT(out, ",\"code\":");
    out_cstr(out, confab_err_word(e.code));
    OUT(out, ",\"detail\":");
    out_cstr(out, confab_err_sentence(e));
    if (e.field) {
        OUT(out, ",\"field\":");
        out_cstr(out, e.field);
    }
    if (retry_after_ms > 0) {
        OUT(out, ",\"retry_after_ms\":");
        out_int(out, retry_after_ms);
    }
    OUT(out, "}");
}
