/* What the sources of the domain share. Not for other layers.
 *
 * A handler is called with one `turn`: the request, the transaction, and the actor as the store knows them now. It checks, asks the
 * policy, writes, and fills the result; it never replies. Checks come before the first write, so that a refusal leaves nothing behind. */
#ifndef CHAT_INTERNAL_H
#define CHAT_INTERNAL_H

#include <pthread.h>

#include "chat.h"
#include "chat_limit.h"
#include "chat_policy.h"

#define CHAT_PAGE_DEFAULT 50
#define CHAT_PAGE_MAX 200
#define CHAT_PAGE_BYTES (1024 * 1024) /* text in one page of events, about */
#define CHAT_REACTIONS_MAX 64         /* different ones on one message */
#define CHAT_SESSIONS_MAX 100         /* of one user; the one unused for longest makes place */
#define CHAT_SECRET_SIZE 32           /* refresh and set-up tokens: random bytes */
#define CHAT_SECRET_TEXT 43           /* … as base64url without padding */

struct chat {
    store *store;
    const struct settings *settings;
    limits *limits;
    struct chat_observer observer;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t idle;
    int reloads; /* reads of the overrides under way */
};

struct turn {
    chat *c;
    struct chat_request *r;
    store_tx *tx;
    struct user me;           /* the actor, fresh from the store; id 0: nobody, or the system */
    struct room *room;        /* set by turn_enter_room; points into the result */
    enum member_role my_role; /* … the actor's role in it */
    struct member membership; /* … and row */
};

typedef confab_err chat_handler(struct turn *t);

/* ---- chat_turn.c: what most handlers begin and end with ---- */

/* Loads the actor and refuses the unknown (AUTH_REQUIRED, AUTH_FAILED), the disabled and the revoked (REVOKED). */
CONFAB_MUST_CHECK confab_err turn_check_actor(struct turn *t);
CONFAB_MUST_CHECK confab_err turn_check_live(struct turn *t, const struct user *u); /* disabled, token epoch, session */
/* Loads args' room into result.room and the actor's membership. ROOM_NOT_FOUND, MISSING_FIELD; decides nothing yet. */
CONFAB_MUST_CHECK confab_err turn_enter_room(struct turn *t);
/* A question about the entered room, with what is known filled in. */
struct policy_question turn_question(const struct turn *t, enum policy_action action);
CONFAB_MUST_CHECK confab_err turn_decide(const struct turn *t, enum policy_action action); /* in the entered room */
CONFAB_MUST_CHECK confab_err turn_decide_server(const struct turn *t, enum policy_action action);
/* Enters the room and asks, in one. */
CONFAB_MUST_CHECK confab_err turn_enter_and_decide(struct turn *t, enum policy_action action);

/* An event of the entered room by the actor, names filled. */
struct event turn_event(const struct turn *t, enum event_kind kind);
/* Appends it; room->last_seq follows. */
CONFAB_MUST_CHECK confab_err turn_append(struct turn *t, struct event *e, bool *duplicate);
/* Appends an event that carries one member, for events that have no client_id. */
CONFAB_MUST_CHECK confab_err turn_append_member(struct turn *t, enum event_kind kind, const struct user *subject, enum member_role role);
/* Makes `subject` a member: row, event, read mark up to here. */
CONFAB_MUST_CHECK confab_err turn_admit(struct turn *t, const struct user *subject, enum member_role role);
/* The actor joins the entered room (the policy has agreed); membership and my_role follow. */
CONFAB_MUST_CHECK confab_err turn_join(struct turn *t);
CONFAB_MUST_CHECK confab_err turn_audit(struct turn *t, const char *action, span target, span detail);
/* Tells the observer after the commit. */
void turn_changed(struct turn *t, int64_t user_id, int64_t session_id);
bool turn_is_system(const struct turn *t);
/* Fills result.room's role and last_read from the membership. */
void turn_fill_listed(struct turn *t);

/* ---- chat_field.c: what may stand in a field. INVALID_FIELD, MISSING_FIELD, TOO_LARGE, with the protocol's name of the field ---- */

CONFAB_MUST_CHECK confab_err field_check_message(span text, int64_t max_bytes);
CONFAB_MUST_CHECK confab_err field_check_client_id(span id); /* absent is fine */
CONFAB_MUST_CHECK confab_err field_check_reaction(span reaction);
CONFAB_MUST_CHECK confab_err field_check_line(span s, size_t min, size_t max, const char *field); /* UTF-8 of one line; absent is fine */
CONFAB_MUST_CHECK confab_err field_take_hash(span hash, char out[128]);                           /* an Argon2id hash; absent is refused */
CONFAB_MUST_CHECK confab_err field_take_limit(int64_t asked, size_t *out);
CONFAB_MUST_CHECK confab_err field_check_id(int64_t id);
bool field_decode_secret(span token, unsigned char out[CHAT_SECRET_SIZE]); /* raw or base64url; false: neither */
bool password_is_hash(const char s[128]);                                  /* chat_password.c: an Argon2id hash, whole */

/* ---- chat_session.c ---- */

/* A new session of `u`: token into the result, which becomes a SESSION. The actor's address and args.agent are kept. */
CONFAB_MUST_CHECK confab_err session_begin(struct turn *t, const struct user *u);
void secret_hash(const unsigned char secret[CHAT_SECRET_SIZE], unsigned char out[STORE_HASH_SIZE]);

/* ---- The handlers, by file ---- */

chat_handler message_post, message_edit, message_delete, message_react, message_unreact, message_mark_read;       /* chat_message.c */
chat_handler history_get_message, history_list_messages, history_list_events;                                     /* chat_history.c */
chat_handler room_join, room_list, room_create, room_get, room_update, room_archive, room_unarchive, room_delete; /* chat_room.c */
chat_handler member_list, member_put, member_remove;                                                              /* chat_member.c */
chat_handler user_get_me, user_update_me, user_list, user_create, user_get, user_update, user_set_password, user_revoke,
    user_list_audit;                                                                      /* chat_user.c */
chat_handler auth_authenticate, auth_find_credentials, auth_change_password, auth_set_up; /* chat_auth.c */
chat_handler session_create, session_refresh, session_end, session_list, session_revoke;  /* chat_session.c */

#endif
