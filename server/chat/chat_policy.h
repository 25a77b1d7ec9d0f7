/* The one place that decides "may this actor do this here". Pure; table-tested over roles × actions.
 *
 * The idea: admins may do everything but speak for others and break into direct rooms; server moderators act as moderators of what they can
 * see; an archived room takes nothing more, but what takes away (delete, leave, remove) stays possible. See docs/decisions/. */
#ifndef CONFAB_CHAT_POLICY_H
#define CONFAB_CHAT_POLICY_H

#include "confab/err.h"
#include "confab/event.h"

enum policy_action {
    POLICY_SEE_ROOM,  /* know that it exists, list members */
    POLICY_READ_ROOM, /* its log */
    POLICY_JOIN_ROOM,
    POLICY_POST,
    POLICY_EDIT_MESSAGE,
    POLICY_DELETE_MESSAGE,
    POLICY_REACT,
    POLICY_CREATE_ROOM,
    POLICY_UPDATE_ROOM,
    POLICY_SET_ROOM_KIND,
    POLICY_ARCHIVE_ROOM,
    POLICY_DELETE_ROOM,
    POLICY_ADD_MEMBER,
    POLICY_REMOVE_MEMBER,
    POLICY_SET_MEMBER_ROLE,
    POLICY_ADMIN_USERS,
    POLICY_READ_AUDIT,
    POLICY_ADMIN_SERVER,
    POLICY_ACTION_COUNT
};

struct policy_question {
    enum policy_action action;
    enum user_role user_role; /* of the actor, on the server */
    bool disabled;
    enum member_role member_role; /* of the actor, in the room; NONE where none */
    enum room_kind room_kind;     /* 0: no room is concerned */
    bool room_archived;
    bool own;                     /* the message is the actor's, or the member meant is the actor */
    enum member_role target_role; /* REMOVE_MEMBER, SET_MEMBER_ROLE: of the member meant */
    enum member_role new_role;    /* ADD_MEMBER, SET_MEMBER_ROLE */
};

/* OK, or the error to tell: ROOM_NOT_FOUND where the actor may not even know, NOT_A_MEMBER, ROOM_ARCHIVED, FORBIDDEN. */
CONFAB_MUST_CHECK confab_err policy_decide(const struct policy_question *q);

#endif
