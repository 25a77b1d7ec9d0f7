#include "chat_internal.h"

bool turn_is_system(const struct turn *t) { return t->r->actor.user_id == CHAT_SYSTEM_ID; }

confab_err turn_check_live(struct turn *t, const struct user *u)
{
    const struct chat_actor *actor = &t->r->actor;
    if (u->disabled || actor->token_epoch != u->token_epoch) return confab_fail(CONFAB_REVOKED);
    /* A live connection that has joined (room_id) is told of its session's end by the observer; everyone else is looked up. */
    if (actor->session_id == 0 || t->r->args.room_id != 0) return confab_ok();
    struct session s;
    confab_err e = store_session_get(t->tx, actor->session_id, &s);
    if (e.code == CONFAB_SESSION_EXPIRED || (!confab_failed(e) && s.user_id != u->id)) return confab_fail(CONFAB_REVOKED);
    return e;
}

confab_err turn_check_actor(struct turn *t)
{
    if (turn_is_system(t)) {
        t->me.role = USER_ADMIN;
        return confab_ok();
    }
    if (t->r->actor.user_id <= 0) return confab_fail(CONFAB_AUTH_REQUIRED);
    confab_err e = store_user_get(t->tx, t->r->actor.user_id, &t->me);
    if (e.code == CONFAB_USER_NOT_FOUND) return confab_fail(CONFAB_AUTH_FAILED);
    if (confab_failed(e)) return e;
    return turn_check_live(t, &t->me);
}

confab_err turn_enter_room(struct turn *t)
{
    const struct chat_args *args = &t->r->args;
    struct room *room = &t->r->result.room.room;
    confab_err e;
    if (args->room_id) {
        e = store_room_get(t->tx, args->room_id, room);
    } else {
        if (!args->room.p) return confab_fail_field(CONFAB_MISSING_FIELD, "room_id", NULL);
        if (!room_slug_is_valid(args->room)) return confab_fail(CONFAB_ROOM_NOT_FOUND);
        e = store_room_find(t->tx, args->room, room);
    }
    if (confab_failed(e)) return e;
    t->room = room;
    t->my_role = MEMBER_NONE;
    if (t->me.id == 0) return confab_ok(); /* the system is a member of nothing */
    e = store_member_get(t->tx, room->id, t->me.id, &t->membership);
    if (!confab_failed(e)) t->my_role = t->membership.role;
    return e;
}

struct policy_question turn_question(const struct turn *t, enum policy_action action)
{
    struct policy_question q = {.action = action, .user_role = t->me.role, .disabled = t->me.disabled};
    if (t->room) {
        q.member_role = t->my_role;
        q.room_kind = t->room->kind;
        q.room_archived = t->room->archived;
    }
    return q;
}

confab_err turn_decide(const struct turn *t, enum policy_action action)
{
    struct policy_question q = turn_question(t, action);
    return policy_decide(&q);
}

confab_err turn_decide_server(const struct turn *t, enum policy_action action)
{
    struct policy_question q = {.action = action, .user_role = t->me.role, .disabled = t->me.disabled};
    return policy_decide(&q);
}

confab_err turn_enter_and_decide(struct turn *t, enum policy_action action)
{
    confab_err e = turn_enter_room(t);
    return confab_failed(e) ? e : turn_decide(t, action);
}

struct event turn_event(const struct turn *t, enum event_kind kind)
{
    return (struct event){
        .room_id = t->room->id, .kind = kind, .actor_id = t->me.id, .room = span_of(t->room->slug), .actor = span_of(t->me.name)};
}

confab_err turn_append(struct turn *t, struct event *e, bool *duplicate)
{
    confab_err err = store_event_append(t->tx, e, duplicate);
    if (!confab_failed(err) && e->seq > t->room->last_seq) t->room->last_seq = e->seq;
    return err;
}

confab_err turn_append_member(struct turn *t, enum event_kind kind, const struct user *subject, enum member_role role)
{
    struct event e = turn_event(t, kind);
    e.subject_id = subject->id;
    e.subject = span_of(subject->name);
    e.role = role;
    bool duplicate = false;
    return turn_append(t, &e, &duplicate);
}

confab_err turn_admit(struct turn *t, const struct user *subject, enum member_role role)
{
    confab_err e = store_member_put(t->tx, t->room->id, subject->id, role);
    if (confab_failed(e)) return e;
    e = turn_append_member(t, EVENT_MEMBER_JOINED, subject, role);
    if (confab_failed(e)) return e;
    t->room->member_count++;
    int64_t now_at = 0; /* what was said before they came does not count as unread */
    return store_member_set_read(t->tx, t->room->id, subject->id, t->room->last_seq, &now_at);
}

confab_err turn_join(struct turn *t)
{
    confab_err e = turn_admit(t, &t->me, MEMBER_MEMBER);
    if (confab_failed(e)) return e;
    e = store_member_get(t->tx, t->room->id, t->me.id, &t->membership);
    if (!confab_failed(e)) t->my_role = t->membership.role;
    return e;
}

confab_err turn_audit(struct turn *t, const char *action, span target, span detail)
{
    struct audit row = {.at_ms = store_tx_now_ms(t->tx),
                        .actor = turn_is_system(t) ? SPAN_LIT("system") : span_of(t->me.name),
                        .action = span_of(action),
                        .target = target,
                        .address = span_of(t->r->actor.address),
                        .detail = detail.p ? detail : SPAN_LIT("")};
    return store_audit_add(t->tx, &row);
}

void turn_changed(struct turn *t, int64_t user_id, int64_t session_id)
{
    t->r->own.changed = true;
    t->r->own.changed_user = user_id;
    t->r->own.changed_session = session_id;
}

void turn_fill_listed(struct turn *t)
{
    t->r->result.room.role = t->my_role;
    t->r->result.room.last_read = t->my_role == MEMBER_NONE ? 0 : t->membership.last_read;
}
