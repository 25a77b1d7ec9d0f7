/* Who somebody is: claims against the store, credentials, a new password, and the first admin. */
#include <sodium.h>

#include "chat_internal.h"

confab_err auth_authenticate(struct turn *t)
{
    const struct chat_actor *actor = &t->r->actor;
    struct user *u = &t->r->result.user;
    confab_err e;
    if (actor->user_id > 0)
        e = store_user_get(t->tx, actor->user_id, u);
    else if (actor->user_id == 0 && actor->name[0])
        e = store_user_find(t->tx, span_of(actor->name), u);
    else
        return confab_fail(CONFAB_AUTH_REQUIRED);
    if (e.code == CONFAB_USER_NOT_FOUND) return confab_fail(CONFAB_AUTH_FAILED);
    if (!confab_failed(e)) e = turn_check_live(t, u);
    if (!confab_failed(e)) t->r->result.kind = CHAT_RESULT_USER;
    return e;
}

/* Says nothing about whether there is such a user: the caller verifies against "" then, and takes as long. */
confab_err auth_find_credentials(struct turn *t)
{
    struct chat_result *result = &t->r->result;
    if (!t->r->args.user.p) return confab_fail_field(CONFAB_MISSING_FIELD, "username", NULL);
    confab_err e = store_user_find(t->tx, t->r->args.user, &result->user);
    if (e.code == CONFAB_USER_NOT_FOUND) {
        memset(&result->user, 0, sizeof result->user);
        return confab_ok();
    }
    return confab_failed(e) ? e : store_user_password_hash(t->tx, result->user.id, result->password_hash);
}

/* The other sessions end, and their access tokens with them (a token is asked for its session). The token epoch stays: raising it would
 * throw out the very session that the change came from, and tokens of the command line, which no password ever opened. */
confab_err auth_change_password(struct turn *t)
{
    if (t->me.id == 0) return confab_fail(CONFAB_USER_NOT_FOUND);
    char hash[128];
    confab_err e = field_take_hash(t->r->args.new_password, hash);
    if (!confab_failed(e)) e = store_user_set_password_hash(t->tx, t->me.id, hash);
    if (!confab_failed(e)) e = store_session_delete_of_user(t->tx, t->me.id, t->r->actor.session_id);
    if (!confab_failed(e)) turn_changed(t, t->me.id, 0);
    return confab_failed(e) ? e : turn_audit(t, "password_changed", span_of(t->me.name), (span){0});
}

/* ---- Set-up ---- */

#define SETUP_META "setup_token" /* hex of the token's hash */
#define SETUP_HEX (STORE_HASH_SIZE * 2 + 1)

static void setup_hex(const unsigned char secret[CHAT_SECRET_SIZE], char out[SETUP_HEX])
{
    unsigned char hash[STORE_HASH_SIZE];
    secret_hash(secret, hash);
    sodium_bin2hex(out, SETUP_HEX, hash, sizeof hash);
}

static confab_err check_setup_token(struct turn *t)
{
    unsigned char secret[CHAT_SECRET_SIZE] = {0};
    char given[SETUP_HEX];
    span stored = {0};
    if (!t->r->args.token.p) return confab_fail_field(CONFAB_MISSING_FIELD, "setup_token", NULL);
    bool decoded = field_decode_secret(t->r->args.token, secret);
    setup_hex(secret, given);
    sodium_memzero(secret, sizeof secret);
    confab_err e = store_meta_get(t->tx, SETUP_META, &t->r->arena, &stored);
    if (confab_failed(e)) return e;
    bool right = decoded && stored.p && stored.n == SETUP_HEX - 1 && sodium_memcmp(stored.p, given, SETUP_HEX - 1) == 0;
    return right ? confab_ok() : confab_fail_msg(CONFAB_AUTH_FAILED, "The set-up token is wrong or has been used");
}

confab_err auth_set_up(struct turn *t)
{
    const struct chat_args *args = &t->r->args;
    struct user_new in = {.name = args->user, .display_name = args->user, .password_hash = args->new_password, .role = USER_ADMIN};
    int64_t admins = 0;
    char hash[128];
    confab_err e = store_user_count_admins(t->tx, &admins);
    if (!confab_failed(e) && admins > 0) e = confab_fail(CONFAB_ALREADY_SET_UP);
    if (!confab_failed(e)) e = check_setup_token(t);
    if (confab_failed(e)) return e;
    if (!args->user.p) return confab_fail_field(CONFAB_MISSING_FIELD, "username", NULL);
    if (!user_name_is_valid(args->user)) return confab_fail_field(CONFAB_INVALID_FIELD, "username", NULL);
    e = field_take_hash(args->new_password, hash);
    if (!confab_failed(e)) e = store_user_create(t->tx, &in, &t->me);
    if (!confab_failed(e)) e = store_meta_put(t->tx, SETUP_META, (span){0});
    if (!confab_failed(e)) e = turn_audit(t, "set_up", args->user, (span){0});
    if (!confab_failed(e)) e = session_begin(t, &t->me);
    t->r->result.created = true;
    return e;
}

/* ---- First start ---- */

struct bootstrap {
    struct store_job job; /* first member */
    arena arena;
    unsigned char secret[CHAT_SECRET_SIZE];
    bool made;
};

static confab_err make_general(store_tx *tx, arena *a)
{
    span done = {0};
    struct room room;
    confab_err e = store_meta_get(tx, "bootstrapped", a, &done);
    if (confab_failed(e) || done.p) return e;
    e = store_room_find(tx, SPAN_LIT("general"), &room);
    if (e.code == CONFAB_ROOM_NOT_FOUND) {
        struct room_new in = {.slug = SPAN_LIT("general"), .name = SPAN_LIT("General"), .topic = SPAN_LIT(""), .kind = ROOM_PUBLIC};
        e = store_room_create(tx, &in, &room);
        if (confab_failed(e)) return e;
        struct event created = {.room_id = room.id, .kind = EVENT_ROOM_CREATED, .room = in.slug, .actor = SPAN_LIT(""), .text = in.name};
        bool duplicate = false;
        e = store_event_append(tx, &created, &duplicate);
    }
    return confab_failed(e) ? e : store_meta_put(tx, "bootstrapped", SPAN_LIT("1"));
}

static confab_err run_bootstrap(struct store_job *job, store_tx *tx)
{
    struct bootstrap *b = (struct bootstrap *)job;
    int64_t admins = 0;
    confab_err e = make_general(tx, &b->arena);
    if (!confab_failed(e)) e = store_user_count_admins(tx, &admins);
    if (confab_failed(e)) return e;
    if (admins > 0) return store_meta_put(tx, SETUP_META, (span){0});
    char hex[SETUP_HEX];
    randombytes_buf(b->secret, sizeof b->secret);
    setup_hex(b->secret, hex);
    b->made = true;
    return store_meta_put(tx, SETUP_META, span_of(hex));
}

confab_err chat_bootstrap(chat *c, char out_setup_token[64])
{
    struct bootstrap b = {.job = {.run = run_bootstrap, .atomic = true}};
    confab_err e = store_write_wait(c->store, &b.job);
    if (!confab_failed(e)) {
        out_setup_token[0] = 0;
        if (b.made) sodium_bin2base64(out_setup_token, 64, b.secret, sizeof b.secret, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    }
    arena_free(&b.arena);
    sodium_memzero(b.secret, sizeof b.secret);
    return e;
}
