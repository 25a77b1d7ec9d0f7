#include "wire_out.h"
#include "wire_result.h"

/* Bodies of REST answers. */

static void encode_room(buf *out, const struct room_listed *l, const struct wire_presence *p)
{
    const struct room *room = &l->room;
    OUT(out, "{\"room_id\":");
    out_cstr(out, room->slug);
    OUT(out, ",\"name\":");
    out_cstr(out, room->name);
    OUT(out, ",\"topic\":");
    out_cstr(out, room->topic);
    OUT(out, ",\"kind\":");
    out_cstr(out, room_kind_word(room->kind));
    OUT(out, ",\"archived\":");
    out_bool(out, room->archived);
    OUT(out, ",\"created_at\":");
    out_time(out, room->created_ms);
    OUT(out, ",\"last_id\":");
    out_int(out, room->last_seq);
    OUT(out, ",\"first_id\":");
    out_int(out, room->first_seq);
    OUT(out, ",\"members\":");
    out_int(out, room->member_count);
    OUT(out, ",\"online\":");
    out_int(out, result_online(p, room->id));
    if (l->role != MEMBER_NONE) {
        OUT(out, ",\"role\":");
        out_cstr(out, member_role_word(l->role));
        OUT(out, ",\"last_read_id\":");
        out_int(out, l->last_read);
        OUT(out, ",\"unread\":");
        out_int(out, l->unread);
    }
    OUT(out, "}");
}

static void encode_member(buf *out, const struct member *m, int64_t room_id, const struct wire_presence *p)
{
    OUT(out, "{\"user_id\":");
    out_cstr(out, m->name);
    OUT(out, ",\"display_name\":");
    out_cstr(out, m->display_name);
    OUT(out, ",\"role\":");
    out_cstr(out, member_role_word(m->role));
    OUT(out, ",\"joined_at\":");
    out_time(out, m->joined_ms);
    OUT(out, ",\"last_read_id\":");
    out_int(out, m->last_read);
    OUT(out, ",\"online\":");
    out_bool(out, p && p->user_online && room_id && p->user_online(p->ctx, room_id, m->user_id));
    OUT(out, "}");
}

static void encode_user(buf *out, const struct user *u)
{
    OUT(out, "{\"user_id\":");
    out_cstr(out, u->name);
    OUT(out, ",\"display_name\":");
    out_cstr(out, u->display_name);
    OUT(out, ",\"role\":");
    out_cstr(out, user_role_word(u->role));
    OUT(out, ",\"disabled\":");
    out_bool(out, u->disabled);
    OUT(out, ",\"created_at\":");
    out_time(out, u->created_ms);
    OUT(out, "}");
}

static void encode_message(buf *out, const struct message_view *m, span room)
{
    OUT(out, "{\"id\":");
    out_int(out, m->seq);
    OUT(out, ",\"room_id\":");
    out_string(out, room);
    OUT(out, ",\"user_id\":");
    if (m->author.n)
        out_string(out, m->author);
    else
        OUT(out, "null");
    OUT(out, ",\"message\":");
    out_string(out, m->deleted ? SPAN_LIT("") : m->text);
    OUT(out, ",\"timestamp\":");
    out_time(out, m->at_ms);
    if (m->edited_ms) {
        OUT(out, ",\"edited_at\":");
        out_time(out, m->edited_ms);
    }
    if (m->deleted) OUT(out, ",\"deleted\":true");
    if (m->reply_to) {
        OUT(out, ",\"reply_to\":");
        out_int(out, m->reply_to);
    }
    OUT(out, ",\"reactions\":[");
    for (size_t i = 0; i < m->reaction_count; i++) {
        if (i) OUT(out, ",");
        OUT(out, "{\"reaction\":");
        out_string(out, m->reactions[i].reaction);
        OUT(out, ",\"count\":");
        out_int(out, m->reactions[i].count);
        OUT(out, ",\"me\":");
        out_bool(out, m->reactions[i].me);
        OUT(out, "}");
    }
    OUT(out, "]}");
}

static void encode_session_row(buf *out, const struct session *s, int64_t current_id)
{
    OUT(out, "{\"id\":");
    out_int(out, s->id);
    OUT(out, ",\"created_at\":");
    out_time(out, s->created_ms);
    OUT(out, ",\"last_used_at\":");
    out_time(out, s->used_ms);
    OUT(out, ",\"expires_at\":");
    out_time(out, s->expires_ms);
    OUT(out, ",\"address\":");
    out_cstr(out, s->address);
    OUT(out, ",\"agent\":");
    out_cstr(out, s->agent);
    OUT(out, ",\"current\":");
    out_bool(out, s->id == current_id);
    OUT(out, "}");
}

static void encode_audit(buf *out, const struct audit *a)
{
    OUT(out, "{\"id\":");
    out_int(out, a->id);
    OUT(out, ",\"at\":");
    out_time(out, a->at_ms);
    OUT(out, ",\"actor\":");
    out_string(out, a->actor);
    OUT(out, ",\"action\":");
    out_string(out, a->action);
    OUT(out, ",\"target\":");
    out_string(out, a->target);
    OUT(out, ",\"address\":");
    out_string(out, a->address);
    OUT(out, ",\"detail\":");
    out_string(out, a->detail);
    OUT(out, "}");
}

static void encode_session(buf *out, const struct chat_request *r, const struct wire_session_extra *x)
{
    OUT(out, "{\"access_token\":");
    out_cstr(out, x ? x->access_token : "");
    OUT(out, ",\"token_type\":\"Bearer\",\"expires_in\":");
    out_int(out, x ? x->expires_in_s : 0);
    if (x && x->refresh_token) {
        OUT(out, ",\"refresh_token\":");
        out_cstr(out, x->refresh_token);
    }
    OUT(out, ",\"user\":");
    encode_user(out, &r->result.user);
    OUT(out, "}");
}

/* ---- lists ---- */

static void encode_item(buf *out, const struct chat_request *r, size_t i, const struct wire_presence *p)
{
    const struct chat_result *res = &r->result;
    switch (res->kind) {
    case CHAT_RESULT_MESSAGES:
        encode_message(out, &res->list.messages[i], result_room_slug(r));
        break;
    case CHAT_RESULT_EVENTS:
        wire_encode_event(out, &res->list.events[i]);
        break;
    case CHAT_RESULT_ROOMS:
        encode_room(out, &res->list.rooms[i], p);
        break;
    case CHAT_RESULT_MEMBERS:
        encode_member(out, &res->list.members[i], result_room_id(r), p);
        break;
    case CHAT_RESULT_USERS:
        encode_user(out, &res->list.users[i]);
        break;
    case CHAT_RESULT_SESSIONS:
        encode_session_row(out, &res->list.sessions[i], r->actor.session_id);
        break;
    case CHAT_RESULT_AUDIT:
        encode_audit(out, &res->list.audits[i]);
        break;
    default:
        OUT(out, "null");
    }
}

/* The cursor of the following page: the edge of this one in the direction of paging; null where there is nothing to go on from. */
static void encode_next(buf *out, const struct chat_request *r)
{
    const struct chat_result *res = &r->result;
    size_t last = res->count - 1, edge = r->args.after >= 0 ? last : 0;
    if (res->count == 0) {
        if ((res->kind == CHAT_RESULT_MESSAGES || res->kind == CHAT_RESULT_EVENTS) && r->args.after >= 0)
            out_int(out, r->args.after);
        else
            OUT(out, "null");
        return;
    }
    switch (res->kind) {
    case CHAT_RESULT_MESSAGES:
        out_int(out, res->list.messages[edge].seq);
        break;
    case CHAT_RESULT_EVENTS:
        out_int(out, res->list.events[edge].seq);
        break;
    case CHAT_RESULT_ROOMS:
        out_cstr(out, res->list.rooms[last].room.slug);
        break;
    case CHAT_RESULT_MEMBERS:
        out_cstr(out, res->list.members[last].name);
        break;
    case CHAT_RESULT_USERS:
        out_cstr(out, res->list.users[last].name);
        break;
    case CHAT_RESULT_AUDIT:
        out_int(out, res->list.audits[last].id);
        break;
    default:
        OUT(out, "null");
    }
}

static void encode_list(buf *out, const struct chat_request *r, const char *epoch, const struct wire_presence *p)
{
    OUT(out, "{\"items\":[");
    for (size_t i = 0; i < r->result.count; i++) {
        if (i) OUT(out, ",");
        encode_item(out, r, i, p);
    }
    OUT(out, "],\"more\":");
    out_bool(out, r->result.more);
    OUT(out, ",\"next\":");
    encode_next(out, r);
    if (r->result.kind == CHAT_RESULT_EVENTS || r->result.kind == CHAT_RESULT_MESSAGES) { /* where the log stood, in the same snapshot */
        OUT(out, ",\"epoch\":");
        out_cstr(out, epoch);
        OUT(out, ",\"first_id\":");
        out_int(out, r->result.room.room.first_seq);
        OUT(out, ",\"last_id\":");
        out_int(out, r->result.room.room.last_seq);
    }
    OUT(out, "}");
}

static void encode_read_body(buf *out, const struct chat_request *r)
{
    OUT(out, "{\"room_id\":");
    out_string(out, result_room_slug(r));
    OUT(out, ",\"last_read_id\":");
    out_int(out, r->result.id);
    OUT(out, "}");
}

void wire_encode_result_body(buf *out, const struct chat_request *r, const char *epoch, const struct wire_presence *p,
                             const struct wire_session_extra *session)
{
    switch (r->result.kind) {
    case CHAT_RESULT_NONE:
        OUT(out, "{}");
        break;
    case CHAT_RESULT_ACK:
        OUT(out, "{");
        result_out_ack(out, r);
        OUT(out, "}");
        break;
    case CHAT_RESULT_READ:
        encode_read_body(out, r);
        break;
    case CHAT_RESULT_MESSAGE:
        encode_message(out, &r->result.list.messages[0], result_room_slug(r));
        break;
    case CHAT_RESULT_JOINED:
    case CHAT_RESULT_ROOM:
        encode_room(out, &r->result.room, p);
        break;
    case CHAT_RESULT_MEMBER:
        encode_member(out, &r->result.member, result_room_id(r), p);
        break;
    case CHAT_RESULT_USER:
        encode_user(out, &r->result.user);
        break;
    case CHAT_RESULT_SESSION:
        encode_session(out, r, session);
        break;
    case CHAT_RESULT_MESSAGES:
    case CHAT_RESULT_EVENTS:
    case CHAT_RESULT_ROOMS:
    case CHAT_RESULT_MEMBERS:
    case CHAT_RESULT_USERS:
    case CHAT_RESULT_SESSIONS:
    case CHAT_RESULT_AUDIT:
        encode_list(out, r, epoch, p);
        break;
    }
}

/* ---- documents of the server itself ---- */

void wire_encode_health(buf *out, const struct wire_health *h)
{
    OUT(out, "{\"status\":\"healthy\",\"active_connections\":");
    out_int(out, h->active_connections);
    OUT(out, ",\"uptime\":");
    out_int(out, h->uptime_s);
    OUT(out, ",\"version\":");
    out_cstr(out, h->version);
    OUT(out, "}");
}

void wire_encode_ready(buf *out, bool ready, const struct wire_check *checks, size_t n)
{
    if (ready)
        OUT(out, "{\"status\":\"ready\",\"checks\":{");
    else
        OUT(out, "{\"status\":\"not_ready\",\"checks\":{");
    for (size_t i = 0; i < n; i++) {
        if (i) OUT(out, ",");
        out_cstr(out, checks[i].name);
        OUT(out, ":{\"ok\":");
        out_bool(out, checks[i].ok);
        if (checks[i].detail) {
            OUT(out, ",\"detail\":");
            out_cstr(out, checks[i].detail);
        }
        OUT(out, "}");
    }
    OUT(out, "}}");
}
