#include "wire_result.h"

#include "wire_out.h"

span result_room_slug(const struct chat_request *r)
{
    const char *slug = r->result.room.room.slug;
    return *slug ? span_of(slug) : r->args.room;
}

int64_t result_room_id(const struct chat_request *r) { return r->result.room.room.id ? r->result.room.room.id : r->args.room_id; }

int64_t result_online(const struct wire_presence *p, int64_t room_id)
{
    return p && p->room_online && room_id ? p->room_online(p->ctx, room_id) : 0;
}

void result_out_ack(buf *out, const struct chat_request *r)
{
    OUT(out, "\"room_id\":");
    out_string(out, result_room_slug(r));
    if (r->args.client_id.p) {
        OUT(out, ",\"client_id\":");
        out_string(out, r->args.client_id);
    }
    OUT(out, ",\"id\":");
    out_int(out, r->result.id);
    OUT(out, ",\"timestamp\":");
    out_time(out, r->result.at_ms);
    OUT(out, ",\"duplicate\":");
    out_bool(out, r->result.duplicate);
}

void result_out_events(buf *out, const struct chat_request *r)
{
    OUT(out, "[");
    for (size_t i = 0; i < r->result.count; i++) {
        if (i) OUT(out, ",");
        wire_encode_event(out, &r->result.list.events[i]);
    }
    OUT(out, "]");
}

static const char *recovery_word(enum chat_recovery r)
{
    switch (r) {
    case CHAT_RECOVERY_FRESH:
        return "fresh";
    case CHAT_RECOVERY_RESUMED:
        return "resumed";
    case CHAT_RECOVERY_GAP:
        return "gap";
    case CHAT_RECOVERY_EPOCH_CHANGED:
        return "epoch_changed";
    }
    return "fresh";
}

static void encode_joined(buf *out, const struct chat_request *r, const char *epoch, const struct wire_presence *p)
{
    const struct chat_result *res = &r->result;
    const struct room *room = &res->room.room;
    OUT(out, "{\"type\":\"joined\",\"room_id\":");
    out_string(out, result_room_slug(r));
    OUT(out, ",\"last_id\":");
    out_int(out, room->last_seq);
    OUT(out, ",\"first_id\":");
    out_int(out, room->first_seq);
    OUT(out, ",\"epoch\":");
    out_cstr(out, epoch);
    OUT(out, ",\"recovery\":");
    out_cstr(out, recovery_word(res->recovery));
    if (res->recovery == CHAT_RECOVERY_GAP) {
        OUT(out, ",\"gap\":{\"from\":");
        out_int(out, res->gap_from);
        OUT(out, ",\"to\":");
        out_int(out, res->gap_to);
        OUT(out, "}");
    }
    if (res->room.role != MEMBER_NONE) {
        OUT(out, ",\"role\":");
        out_cstr(out, member_role_word(res->room.role));
        OUT(out, ",\"last_read_id\":");
        out_int(out, res->room.last_read);
    }
    OUT(out, ",\"name\":");
    out_cstr(out, room->name);
    OUT(out, ",\"topic\":");
    out_cstr(out, room->topic);
    OUT(out, ",\"kind\":");
    out_cstr(out, room_kind_word(room->kind));
    OUT(out, ",\"archived\":");
    out_bool(out, room->archived);
    OUT(out, ",\"online\":");
    out_int(out, result_online(p, result_room_id(r)));
    out_ref_end(out, r->ref);
}

static void encode_history(buf *out, const struct chat_request *r)
{
    OUT(out, "{\"type\":\"history\",\"room_id\":");
    out_string(out, result_room_slug(r));
    OUT(out, ",\"events\":");
    result_out_events(out, r);
    OUT(out, ",\"more\":");
    out_bool(out, r->result.more);
    out_ref_end(out, r->ref);
}

void wire_encode_result_frame(buf *out, const struct chat_request *r, const char *epoch, const struct wire_presence *p)
{
    switch (r->result.kind) {
    case CHAT_RESULT_JOINED:
        encode_joined(out, r, epoch, p);
        return;
    case CHAT_RESULT_EVENTS:
        encode_history(out, r);
        return;
    case CHAT_RESULT_READ: {
        char slug[ROOM_SLUG_MAX + 1];
        (void)span_copy(result_room_slug(r), slug, sizeof slug);
        wire_encode_read(out, slug, r->actor.name, r->result.id, r->ref);
        return;
    }
    default: /* every other command of the table writes one event */
        OUT(out, "{\"type\":\"ack\",");
        result_out_ack(out, r);
        out_ref_end(out, r->ref);
    }
}
