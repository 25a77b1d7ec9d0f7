#include "chat_policy.h"

/* The role in the room that the actor acts with. Admins act as owners everywhere. Server moderators act as moderators of public rooms
 * and of private ones they are in; a direct room is between its two people, so there they are just one of them. */
static enum member_role effective_role(const struct policy_question *q)
{
    if (q->user_role == USER_ADMIN) return MEMBER_OWNER;
    bool reaches = q->room_kind == ROOM_PUBLIC || (q->room_kind == ROOM_PRIVATE && q->member_role != MEMBER_NONE);
    if (q->user_role == USER_MODERATOR && reaches && q->member_role < MEMBER_MODERATOR) return MEMBER_MODERATOR;
    return q->member_role;
}

static confab_err see(const struct policy_question *q)
{
    if (q->room_kind == ROOM_PUBLIC || q->member_role != MEMBER_NONE || q->user_role == USER_ADMIN) return confab_ok();
    /* A private room refuses with a reason, so that people can ask to be let in; whether two people talk is nobody's business. */
    return confab_fail(q->room_kind == ROOM_PRIVATE ? CONFAB_NOT_A_MEMBER : CONFAB_ROOM_NOT_FOUND);
}

static confab_err when(bool allowed) { return allowed ? confab_ok() : confab_fail(CONFAB_FORBIDDEN); }

/* For what adds to a room's log: an archived room takes nothing more, from nobody. */
static confab_err when_open(const struct policy_question *q, bool allowed)
{
    if (!allowed) return confab_fail(CONFAB_FORBIDDEN);
    return q->room_archived ? confab_fail(CONFAB_ROOM_ARCHIVED) : confab_ok();
}

/* Joining, posting, editing, reacting: what needs a seat in the room, or (the first two) takes one. */
static confab_err decide_taking_part(const struct policy_question *q)
{
    bool member = q->member_role != MEMBER_NONE;
    switch (q->action) {
    case POLICY_JOIN_ROOM:
        if (member) return confab_ok(); /* to follow an archived room as well */
        return when_open(q, q->room_kind != ROOM_DIRECT);
    case POLICY_POST:
        return when_open(q, member || q->room_kind != ROOM_DIRECT);
    case POLICY_EDIT_MESSAGE:
        if (!q->own) return confab_fail(CONFAB_FORBIDDEN); /* nobody puts words into another's mouth, admins included */
        break;
    default:
        break; /* POLICY_REACT */
    }
    bool by_office = q->user_role == USER_ADMIN && q->room_kind != ROOM_DIRECT;
    if (!member && !by_office) return confab_fail(q->user_role == USER_ADMIN ? CONFAB_FORBIDDEN : CONFAB_NOT_A_MEMBER);
    return when_open(q, true);
}

/* Direct rooms keep their two people, their name and their kind. */
static confab_err decide_members(const struct policy_question *q, enum member_role role)
{
    if (q->room_kind == ROOM_DIRECT) return confab_fail(CONFAB_FORBIDDEN);
    switch (q->action) {
    case POLICY_ADD_MEMBER:
        return when_open(q, role >= (q->new_role > MEMBER_MEMBER ? MEMBER_OWNER : MEMBER_MODERATOR));
    case POLICY_REMOVE_MEMBER:
        return when(q->own || role == MEMBER_OWNER || (role == MEMBER_MODERATOR && role > q->target_role));
    default: /* POLICY_SET_MEMBER_ROLE: owners for everyone; oneself may step down */
        return when(role == MEMBER_OWNER || (q->own && q->new_role != MEMBER_NONE && q->new_role < q->member_role));
    }
}

static confab_err decide_room(const struct policy_question *q)
{
    confab_err e = see(q);
    if (confab_failed(e)) return e;
    enum member_role role = effective_role(q);
    switch (q->action) {
    case POLICY_SEE_ROOM:
    case POLICY_READ_ROOM:
        return confab_ok();
    case POLICY_JOIN_ROOM:
    case POLICY_POST:
    case POLICY_EDIT_MESSAGE:
    case POLICY_REACT:
        return decide_taking_part(q);
    case POLICY_DELETE_MESSAGE:
        return when(q->own || role >= MEMBER_MODERATOR); /* takes away: fine where archived */
    case POLICY_UPDATE_ROOM:
        return when_open(q, role >= MEMBER_MODERATOR && q->room_kind != ROOM_DIRECT);
    case POLICY_SET_ROOM_KIND:
        return when_open(q, role == MEMBER_OWNER && q->room_kind != ROOM_DIRECT);
    case POLICY_ARCHIVE_ROOM:
    case POLICY_DELETE_ROOM:
        return when(role == MEMBER_OWNER && (q->room_kind != ROOM_DIRECT || q->user_role == USER_ADMIN));
    case POLICY_ADD_MEMBER:
    case POLICY_REMOVE_MEMBER:
    case POLICY_SET_MEMBER_ROLE:
        return decide_members(q, role);
    default:
        return confab_fail(CONFAB_FORBIDDEN);
    }
}

confab_err policy_decide(const struct policy_question *q)
{
    if (q->disabled || q->user_role < USER_BOT || q->user_role > USER_ADMIN) return confab_fail(CONFAB_FORBIDDEN);
    switch (q->action) {
    case POLICY_CREATE_ROOM:
        return confab_ok();
    case POLICY_ADMIN_USERS:
    case POLICY_READ_AUDIT:
    case POLICY_ADMIN_SERVER:
        return when(q->user_role == USER_ADMIN);
    default:
        return decide_room(q);
    }
}
