/* What people say: post, edit, delete, react, mark as read.
 *
 * A retry (same user, room and client_id) is answered with the first result even where the write would be refused by now: the message has
 * been edited or deleted, the room archived, the sender removed. The sender needs to learn that the message was stored, and learns nothing
 * else. Only a room that is gone, or an account that may not speak to us at all, ends that. */
#include "chat_internal.h"
#include "confab/metrics.h"

static confab_err ack(struct turn *t, int64_t seq, int64_t at_ms, bool duplicate)
{
    struct chat_result *result = &t->r->result;
    result->kind = CHAT_RESULT_ACK;
    result->id = seq;
    result->at_ms = at_ms;
    result->duplicate = duplicate;
    return confab_ok();
}

/* Answers with what (actor, client_id) did before in the entered room; *found false: nothing. */
static confab_err ack_earlier(struct turn *t, bool *found)
{
    *found = false;
    if (!t->room || !t->r->args.client_id.p) return confab_ok();
    int64_t seq = 0, at_ms = 0;
    confab_err e = store_event_find_client(t->tx, t->room->id, t->me.id, t->r->args.client_id, &seq, &at_ms);
    if (confab_failed(e) || seq == 0) return e;
    *found = true;
    metric_add(METRIC_DUPLICATES, 1); /* those that append finds are counted by the store */
    return ack(t, seq, at_ms, true);
}

/* The last word on a write that is refused: is it a retry of one that was taken? */
static confab_err refuse_or_ack_earlier(struct turn *t, confab_err refusal)
{
    switch (refusal.code) {
    case CONFAB_NOT_A_MEMBER:
    case CONFAB_ROOM_NOT_FOUND:
    case CONFAB_ROOM_ARCHIVED:
    case CONFAB_FORBIDDEN:
    case CONFAB_MESSAGE_DELETED:
    case CONFAB_MESSAGE_NOT_FOUND:
        break;
    default:
        return refusal;
    }
    bool found;
    confab_err e = ack_earlier(t, &found);
    if (confab_failed(e)) return e;
    return found ? confab_ok() : refusal;
}

static confab_err check_reply_to(struct turn *t)
{
    int64_t seq = t->r->args.reply_to;
    if (seq == 0) return confab_ok();
    struct event target;
    confab_err e = seq < 0 ? confab_fail(CONFAB_MESSAGE_NOT_FOUND) : store_event_get(t->tx, t->room->id, seq, &t->r->arena, &target);
    if (!confab_failed(e) && target.kind != EVENT_MESSAGE) e = confab_fail(CONFAB_MESSAGE_NOT_FOUND);
    if (e.code == CONFAB_MESSAGE_NOT_FOUND) e.field = "reply_to";
    return e;
}

/* A sender without a seat takes one, unless this is the retry of a message from before they left. */
static confab_err take_seat(struct turn *t, bool *answered)
{
    *answered = false;
    if (t->my_role != MEMBER_NONE || t->me.id == 0) return confab_ok();
    /* Without a savepoint (a connection that had joined: they were removed a moment ago) there is no taking one. */
    if (!t->r->job.atomic) return confab_fail(CONFAB_NOT_A_MEMBER);
    confab_err e = ack_earlier(t, answered);
    if (confab_failed(e) || *answered) return e;
    return turn_join(t);
}

static confab_err post(struct turn *t)
{
    const struct chat_args *args = &t->r->args;
    confab_err e = field_check_message(args->text, t->c->settings->max_message_bytes);
    if (!confab_failed(e)) e = field_check_client_id(args->client_id);
    if (!confab_failed(e)) e = turn_enter_and_decide(t, POLICY_POST);
    if (!confab_failed(e)) e = check_reply_to(t);
    bool answered = false;
    if (!confab_failed(e)) e = take_seat(t, &answered);
    if (confab_failed(e) || answered) return e;

    struct event message = turn_event(t, EVENT_MESSAGE);
    message.text = args->text;
    message.target = args->reply_to;
    message.client_id = args->client_id;
    bool duplicate = false;
    e = turn_append(t, &message, &duplicate);
    return confab_failed(e) ? e : ack(t, message.seq, message.at_ms, duplicate);
}

confab_err message_post(struct turn *t)
{
    confab_err e = post(t);
    return confab_failed(e) ? refuse_or_ack_earlier(t, e) : e;
}

/* Loads the message that args.id means and asks whether the actor may do this to it. */
static confab_err reach_message(struct turn *t, enum policy_action action, struct message_view *out, bool *own)
{
    confab_err e = field_check_id(t->r->args.id);
    if (!confab_failed(e)) e = turn_enter_and_decide(t, POLICY_READ_ROOM);
    if (!confab_failed(e)) e = store_message_get(t->tx, t->room->id, t->me.id, t->r->args.id, &t->r->arena, out);
    if (confab_failed(e)) return e;
    struct policy_question q = turn_question(t, action);
    *own = q.own = t->me.id != 0 && out->author_id == t->me.id;
    e = policy_decide(&q);
    if (confab_failed(e)) return e;
    return out->deleted ? confab_fail(CONFAB_MESSAGE_DELETED) : confab_ok();
}

static confab_err edit(struct turn *t)
{
    const struct chat_args *args = &t->r->args;
    struct message_view view;
    bool own, duplicate = false;
    confab_err e = field_check_message(args->text, t->c->settings->max_message_bytes);
    if (!confab_failed(e)) e = field_check_client_id(args->client_id);
    if (!confab_failed(e)) e = reach_message(t, POLICY_EDIT_MESSAGE, &view, &own);
    if (confab_failed(e)) return e;

    struct event edited = turn_event(t, EVENT_MESSAGE_EDITED);
    edited.target = args->id;
    edited.text = args->text;
    edited.client_id = args->client_id;
    e = turn_append(t, &edited, &duplicate);
    if (!confab_failed(e) && !duplicate) e = store_message_set_text(t->tx, t->room->id, args->id, args->text, edited.at_ms);
    return confab_failed(e) ? e : ack(t, edited.seq, edited.at_ms, duplicate);
}

confab_err message_edit(struct turn *t)
{
    confab_err e = edit(t);
    return confab_failed(e) ? refuse_or_ack_earlier(t, e) : e;
}

/* The text goes from the log and from the view; that it was there, and who took it away, stays. */
static confab_err erase(struct turn *t, const struct message_view *view, bool own)
{
    int64_t seq = t->r->args.id;
    confab_err e = store_event_erase(t->tx, t->room->id, seq);
    if (!confab_failed(e)) e = store_message_set_deleted(t->tx, t->room->id, seq);
    if (confab_failed(e) || own) return e;
    buf detail = {0};
    buf_append_str(&detail, "message ");
    buf_append_int(&detail, seq);
    buf_append_str(&detail, " of ");
    buf_append_span(&detail, view->author);
    e = detail.failed ? confab_fail(CONFAB_INTERNAL) : turn_audit(t, "message_deleted", span_of(t->room->slug), buf_span(&detail));
    buf_free(&detail);
    return e;
}

static confab_err delete (struct turn *t)
{
    struct message_view view;
    bool own, duplicate = false;
    confab_err e = field_check_client_id(t->r->args.client_id);
    if (!confab_failed(e)) e = reach_message(t, POLICY_DELETE_MESSAGE, &view, &own);
    if (confab_failed(e)) return e;

    struct event deleted = turn_event(t, EVENT_MESSAGE_DELETED);
    deleted.target = t->r->args.id;
    deleted.client_id = t->r->args.client_id;
    e = turn_append(t, &deleted, &duplicate);
    if (!confab_failed(e) && !duplicate) e = erase(t, &view, own);
    return confab_failed(e) ? e : ack(t, deleted.seq, deleted.at_ms, duplicate);
}

confab_err message_delete(struct turn *t)
{
    confab_err e = delete (t);
    return confab_failed(e) ? refuse_or_ack_earlier(t, e) : e;
}

static bool is_one_too_many(const struct message_view *view, span reaction)
{
    for (size_t i = 0; i < view->reaction_count; i++) {
        if (span_equal(view->reactions[i].reaction, reaction)) return false;
    }
    return view->reaction_count >= CHAT_REACTIONS_MAX;
}

static confab_err react(struct turn *t, bool on)
{
    const struct chat_args *args = &t->r->args;
    struct message_view view;
    bool own, changed = false, duplicate = false;
    confab_err e = field_check_reaction(args->reaction);
    if (!confab_failed(e)) e = reach_message(t, POLICY_REACT, &view, &own);
    if (confab_failed(e)) return e;
    if (t->me.id == 0) return confab_fail(CONFAB_FORBIDDEN); /* a reaction is somebody's */
    if (on && is_one_too_many(&view, args->reaction))
        return confab_fail_field(CONFAB_INVALID_FIELD, "reaction", "The message has too many different reactions");

    e = store_reaction_set(t->tx, t->room->id, args->id, t->me.id, args->reaction, on, &changed);
    if (confab_failed(e)) return e;
    if (!changed) return ack(t, args->id, store_tx_now_ms(t->tx), true);
    struct event reaction = turn_event(t, on ? EVENT_REACTION_ADDED : EVENT_REACTION_REMOVED);
    reaction.target = args->id;
    reaction.text = args->reaction;
    e = turn_append(t, &reaction, &duplicate);
    return confab_failed(e) ? e : ack(t, reaction.seq, reaction.at_ms, false);
}

confab_err message_react(struct turn *t) { return react(t, true); }
confab_err message_unreact(struct turn *t) { return react(t, false); }

confab_err message_mark_read(struct turn *t)
{
    confab_err e = field_check_id(t->r->args.id);
    if (!confab_failed(e)) e = turn_enter_and_decide(t, POLICY_READ_ROOM);
    if (confab_failed(e)) return e;
    if (t->my_role == MEMBER_NONE) return confab_fail(CONFAB_NOT_A_MEMBER);
    if (t->r->args.id > t->room->last_seq) return confab_fail_field(CONFAB_INVALID_FIELD, "id", "The room has no such event yet");
    int64_t now_at = 0;
    e = store_member_set_read(t->tx, t->room->id, t->me.id, t->r->args.id, &now_at);
    if (confab_failed(e)) return e;
    t->membership.last_read = now_at;
    turn_fill_listed(t);
    t->r->result.kind = CHAT_RESULT_READ;
    t->r->result.id = now_at;
    return confab_ok();
}
