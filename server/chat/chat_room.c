/* Rooms: join, list, create, change, archive, delete. */
#include "chat_internal.h"

/* ---- Join: a member comes back with a cursor, or somebody becomes a member ---- */

/* Where the cursor goes. `known_last` is the newest event before this request: a cursor beyond it has seen a future that this database
 * never had (it was restored from a backup with its epoch, or the client made the number up), so the client has to start over. */
static void set_recovery(struct turn *t, int64_t known_last)
{
    const struct chat_args *args = &t->r->args;
    struct chat_result *result = &t->r->result;
    const struct room *room = t->room;
    result->next_seq = room->last_seq + 1;
    if (args->after == -1) {
        result->recovery = CHAT_RECOVERY_FRESH;
    } else if ((args->epoch.p && !span_is(args->epoch, store_epoch(t->c->store))) || args->after > known_last) {
        result->recovery = CHAT_RECOVERY_EPOCH_CHANGED;
    } else if (args->after + 1 < room->first_seq) {
        result->recovery = CHAT_RECOVERY_GAP;
        result->gap_from = args->after + 1;
        result->gap_to = room->first_seq - 1;
        result->next_seq = room->first_seq;
    } else {
        result->recovery = CHAT_RECOVERY_RESUMED;
        result->next_seq = args->after + 1;
    }
}

confab_err room_join(struct turn *t)
{
    if (t->r->args.after < -1) return confab_fail_field(CONFAB_INVALID_FIELD, "after", "A cursor is an id, or 0 for the start");
    confab_err e = turn_enter_and_decide(t, POLICY_JOIN_ROOM);
    if (confab_failed(e)) return e;
    int64_t known_last = t->room->last_seq;
    if (t->my_role == MEMBER_NONE && t->me.id != 0) {
        if (!store_tx_is_write(t->tx)) {
            t->r->job.atomic = true; /* a membership is several writes; the second run has a savepoint */
            return confab_fail(CONFAB_NEEDS_WRITER);
        }
        e = turn_join(t);
        if (confab_failed(e)) return e;
    }
    turn_fill_listed(t);
    set_recovery(t, known_last);
    t->r->result.kind = CHAT_RESULT_JOINED;
    t->r->result.member = t->membership;
    return confab_ok();
}

/* ---- Looking ---- */

confab_err room_list(struct turn *t)
{
    struct chat_result *result = &t->r->result;
    size_t limit;
    confab_err e = field_take_limit(t->r->args.limit, &limit);
    if (!confab_failed(e))
        e = store_room_list(t->tx, t->me.id, turn_is_system(t), t->r->args.after_name, limit, &t->r->arena, &result->list.rooms,
                            &result->count, &result->more);
    if (!confab_failed(e)) result->kind = CHAT_RESULT_ROOMS;
    return e;
}

/* The result becomes the room as it is now. */
static confab_err answer_room(struct turn *t)
{
    struct chat_result *result = &t->r->result;
    confab_err e = store_room_get(t->tx, t->room->id, t->room);
    if (confab_failed(e)) return e;
    turn_fill_listed(t);
    if (t->my_role != MEMBER_NONE) e = store_room_unread(t->tx, t->room->id, t->me.id, t->membership.last_read, &result->room.unread);
    result->kind = CHAT_RESULT_ROOM;
    return e;
}

confab_err room_get(struct turn *t)
{
    confab_err e = turn_enter_and_decide(t, POLICY_SEE_ROOM);
    return confab_failed(e) ? e : answer_room(t);
}

/* ---- Create ---- */

/* Direct rooms are not made by hand, and a room does not become one. */
static confab_err parse_kind(span kind, enum room_kind *out)
{
    if (!kind.p) return confab_ok();
    enum room_kind parsed;
    if (!room_kind_parse(kind, &parsed) || parsed == ROOM_DIRECT)
        return confab_fail_field(CONFAB_INVALID_FIELD, "kind", "A room is public or private");
    *out = parsed;
    return confab_ok();
}

static confab_err check_name_and_topic(const struct chat_args *args)
{
    confab_err e = field_check_line(args->name, 1, DISPLAY_MAX, "name");
    return confab_failed(e) ? e : field_check_line(args->topic, 0, TOPIC_MAX, "topic");
}

static confab_err append_text(struct turn *t, enum event_kind kind, span text)
{
    struct event e = turn_event(t, kind);
    e.text = text;
    bool duplicate = false;
    return turn_append(t, &e, &duplicate);
}

static confab_err check_new_room(const struct chat_args *args)
{
    if (!args->room.p) return confab_fail_field(CONFAB_MISSING_FIELD, "room_id", NULL);
    if (!room_slug_is_valid(args->room))
        return confab_fail_field(CONFAB_INVALID_FIELD, "room_id",
                                 "A room id is 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit");
    return check_name_and_topic(args);
}

confab_err room_create(struct turn *t)
{
    const struct chat_args *args = &t->r->args;
    struct room_new in = {.slug = args->room, .name = args->name.p ? args->name : args->room, .topic = args->topic, .kind = ROOM_PUBLIC};
    if (!in.topic.p) in.topic = SPAN_LIT("");
    confab_err e = check_new_room(args);
    if (!confab_failed(e)) e = parse_kind(args->kind, &in.kind);
    if (!confab_failed(e)) e = turn_decide_server(t, POLICY_CREATE_ROOM);
    if (!confab_failed(e)) e = store_room_create(t->tx, &in, &t->r->result.room.room);
    if (confab_failed(e)) return e;
    t->room = &t->r->result.room.room;
    e = append_text(t, EVENT_ROOM_CREATED, in.name);
    if (!confab_failed(e) && t->me.id != 0) e = turn_admit(t, &t->me, MEMBER_OWNER);
    if (!confab_failed(e) && t->me.id != 0) e = store_member_get(t->tx, t->room->id, t->me.id, &t->membership);
    t->my_role = t->membership.role;
    if (!confab_failed(e)) e = turn_audit(t, "room_created", args->room, span_of(room_kind_word(in.kind)));
    if (!confab_failed(e)) e = answer_room(t);
    t->r->result.created = true;
    return e;
}

/* ---- Change ---- */

static confab_err append_changes(struct turn *t, const struct room_patch *patch)
{
    confab_err e = confab_ok();
    if (patch->name.p) e = append_text(t, EVENT_ROOM_RENAMED, patch->name);
    if (!confab_failed(e) && patch->topic.p) e = append_text(t, EVENT_ROOM_TOPIC_CHANGED, patch->topic);
    if (!confab_failed(e) && patch->kind) e = append_text(t, EVENT_ROOM_KIND_CHANGED, span_of(room_kind_word(patch->kind)));
    if (!confab_failed(e) && patch->kind)
        e = turn_audit(t, "room_kind_changed", span_of(t->room->slug), span_of(room_kind_word(patch->kind)));
    return e;
}

confab_err room_update(struct turn *t)
{
    const struct chat_args *args = &t->r->args;
    struct room_patch patch = {.name = args->name, .topic = args->topic, .archived = -1};
    confab_err e = check_name_and_topic(args);
    if (!confab_failed(e)) e = parse_kind(args->kind, &patch.kind);
    if (!confab_failed(e)) e = turn_enter_and_decide(t, POLICY_UPDATE_ROOM);
    if (confab_failed(e)) return e;
    /* What stays as it is makes no event. */
    if (patch.name.p && span_is(patch.name, t->room->name)) patch.name = (span){0};
    if (patch.topic.p && span_is(patch.topic, t->room->topic)) patch.topic = (span){0};
    if (patch.kind == t->room->kind) patch.kind = 0;
    if (patch.kind) e = turn_decide(t, POLICY_SET_ROOM_KIND);
    if (!confab_failed(e) && (patch.name.p || patch.topic.p || patch.kind)) {
        e = store_room_update(t->tx, t->room->id, &patch);
        if (!confab_failed(e)) e = append_changes(t, &patch);
    }
    return confab_failed(e) ? e : answer_room(t);
}

static confab_err set_archived(struct turn *t, bool archived)
{
    confab_err e = turn_enter_and_decide(t, POLICY_ARCHIVE_ROOM);
    if (confab_failed(e)) return e;
    if (t->room->archived == archived) return answer_room(t);
    struct room_patch patch = {.archived = archived};
    struct event event = turn_event(t, archived ? EVENT_ROOM_ARCHIVED : EVENT_ROOM_UNARCHIVED);
    bool duplicate = false;
    e = store_room_update(t->tx, t->room->id, &patch);
    if (!confab_failed(e)) e = turn_append(t, &event, &duplicate);
    if (!confab_failed(e)) e = turn_audit(t, archived ? "room_archived" : "room_unarchived", span_of(t->room->slug), (span){0});
    return confab_failed(e) ? e : answer_room(t);
}

confab_err room_archive(struct turn *t) { return set_archived(t, true); }
confab_err room_unarchive(struct turn *t) { return set_archived(t, false); }

/* The event goes with the log; it is appended for those who are in the room now. */
confab_err room_delete(struct turn *t)
{
    confab_err e = turn_enter_and_decide(t, POLICY_DELETE_ROOM);
    if (confab_failed(e)) return e;
    struct event event = turn_event(t, EVENT_ROOM_DELETED);
    bool duplicate = false;
    e = turn_append(t, &event, &duplicate);
    if (!confab_failed(e)) e = store_room_delete(t->tx, t->room->id);
    if (!confab_failed(e)) e = turn_audit(t, "room_deleted", span_of(t->room->slug), (span){0});
    return e;
}
