#include "chat_fixture.h"

static confab_err create_user(struct fixture *f, const struct chat_actor *a, const char *name, const char *role, const char *hash,
                              struct chat_result *out)
{
    struct chat_request *r = request(CHAT_CREATE_USER, a);
    r->args.user = keep(r, name);
    r->args.role = keep(r, role);
    r->args.new_password = keep(r, hash);
    return call(f, r, out);
}

static confab_err update(struct fixture *f, const struct chat_actor *a, const char *name, const char *role, int disabled,
                         const char *display_name, struct chat_result *out)
{
    struct chat_request *r = request(CHAT_UPDATE_USER, a);
    r->args.user = keep(r, name);
    r->args.role = keep(r, role);
    r->args.disabled = disabled;
    r->args.display_name = keep(r, display_name);
    return call(f, r, out);
}

static confab_err on_user(struct fixture *f, enum chat_op op, const struct chat_actor *a, const char *name, struct chat_result *out)
{
    struct chat_request *r = request(op, a);
    r->args.user = keep(r, name);
    if (op == CHAT_SET_PASSWORD) r->args.new_password = keep(r, HASH);
    return call(f, r, out);
}

static confab_err whoami(struct fixture *f, const struct chat_actor *a, struct chat_result *out)
{
    return call(f, request(CHAT_GET_ME, a), out);
}

static int64_t session_of(struct fixture *f, struct chat_actor *a)
{
    struct chat_result r;
    CHECK(call(f, request(CHAT_CREATE_SESSION, a), &r), OK);
    return r.session_id;
}

/* ---- Everyone ---- */

static void one_sees_and_names_oneself(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct chat_result r;
    CHECK(whoami(f, &alice, &r), OK);
    assert_int_equal(r.kind, CHAT_RESULT_USER);
    assert_string_equal(r.user.name, "alice");
    assert_string_equal(r.user.display_name, "alice");
    struct chat_request *q = request(CHAT_UPDATE_ME, &alice);
    q->args.display_name = keep(q, "Alice \xc3\x84.");
    CHECK(call(f, q, &r), OK);
    assert_string_equal(r.user.display_name, "Alice \xc3\x84.");
    q = request(CHAT_UPDATE_ME, &alice);
    CHECK(call(f, q, &r), OK);
    assert_string_equal(r.user.display_name, "Alice \xc3\x84.");
    q = request(CHAT_UPDATE_ME, &alice);
    q->args.display_name = keep(q, "");
    CHECK(call(f, q, &r), OK);
    assert_string_equal(r.user.display_name, "alice");
    q = request(CHAT_UPDATE_ME, &alice);
    q->args.display_name = keep(q, "two\nlines");
    CHECK_FIELD(call(f, q, &r), INVALID_FIELD, "display_name");
}

static void everyone_may_look_somebody_up(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct chat_result r;
    make_user(f, "Bob", "bot");
    CHECK(on_user(f, CHAT_GET_USER, &alice, "bob", &r), OK);
    assert_string_equal(r.user.name, "Bob");
    assert_int_equal(r.user.role, USER_BOT);
    CHECK(on_user(f, CHAT_GET_USER, &alice, "nobody", NULL), USER_NOT_FOUND);
    CHECK_FIELD(on_user(f, CHAT_GET_USER, &alice, NULL, NULL), MISSING_FIELD, "user_id");
}

static void nobody_and_the_unknown_and_the_revoked_are_turned_away(void **state)
{
    struct fixture *f = *state;
    struct chat_actor nobody = {0}, ghost = {.user_id = 4711}, alice = make_user(f, "alice", NULL), stale = alice;
    stale.token_epoch--;
    CHECK(whoami(f, &nobody, NULL), AUTH_REQUIRED);
    CHECK(whoami(f, &ghost, NULL), AUTH_FAILED);
    CHECK(whoami(f, &stale, NULL), REVOKED);
    stale.token_epoch += 2; /* of a database that has been set back */
    CHECK(whoami(f, &stale, NULL), REVOKED);
    CHECK(create_room(f, &stale, "den", NULL, NULL), REVOKED);
    CHECK(whoami(f, &alice, NULL), OK);
}

/* ---- Admins ---- */

static void what_admins_do_is_for_admins(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL), mo = make_user(f, "mo", "moderator");
    const struct chat_actor *const others[] = {&alice, &mo};
    for (int i = 0; i < 2; i++) {
        CHECK(create_user(f, others[i], "new", NULL, NULL, NULL), FORBIDDEN);
        CHECK(update(f, others[i], "alice", "admin", -1, NULL, NULL), FORBIDDEN);
        CHECK(on_user(f, CHAT_SET_PASSWORD, others[i], "alice", NULL), FORBIDDEN);
        CHECK(on_user(f, CHAT_REVOKE_USER, others[i], "mo", NULL), FORBIDDEN);
        CHECK(call(f, request(CHAT_LIST_USERS, others[i]), NULL), FORBIDDEN);
        CHECK(call(f, request(CHAT_LIST_AUDIT, others[i]), NULL), FORBIDDEN);
    }
}

static void an_admin_makes_users(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ada = make_user(f, "ada", "admin");
    struct chat_result r;
    CHECK(create_user(f, &ada, "bob", "bot", HASH, &r), OK);
    assert_true(r.created);
    assert_string_equal(r.user.name, "bob");
    assert_string_equal(r.user.display_name, "bob");
    assert_int_equal(r.user.role, USER_BOT);
    CHECK(create_user(f, &ada, "BOB", NULL, NULL, NULL), USER_EXISTS);
    CHECK_FIELD(create_user(f, &ada, NULL, NULL, NULL, NULL), MISSING_FIELD, "username");
    CHECK_FIELD(create_user(f, &ada, "b@b", NULL, NULL, NULL), INVALID_FIELD, "username");
    CHECK_FIELD(create_user(f, &ada, "eve", "queen", NULL, NULL), INVALID_FIELD, "role");
    assert_int_equal(audit_count(f, "user_created", "bob"), 1);
}

static void a_password_that_was_not_hashed_is_never_stored(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ada = make_user(f, "ada", "admin");
    CHECK(create_user(f, &ada, "bob", NULL, "correct horse", NULL), INTERNAL);
    CHECK(create_user(f, &ada, "bob", NULL, "$argon2id$v=19$m=19456,t=2,p=1$", NULL), INTERNAL);
    struct chat_request *r = request(CHAT_SET_PASSWORD, &ada);
    r->args.user = keep(r, "ada");
    r->args.new_password = keep(r, "correct horse");
    CHECK(call(f, r, NULL), INTERNAL);
    r = request(CHAT_SET_PASSWORD, &ada);
    r->args.user = keep(r, "ada");
    CHECK_FIELD(call(f, r, NULL), MISSING_FIELD, "new_password");
}

static void disabling_ends_everything_at_once(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ada = make_user(f, "ada", "admin"), bob = make_user(f, "bob", NULL);
    struct chat_result r;
    (void)session_of(f, &bob);
    CHECK(update(f, &ada, "bob", NULL, 1, NULL, &r), OK);
    assert_true(r.user.disabled);
    assert_int_equal(f->changed_count, 1);
    assert_int_equal(f->changed_user[0], bob.user_id);
    assert_int_equal(f->changed_session[0], 0);
    CHECK(whoami(f, &bob, NULL), REVOKED);
    CHECK(create_room(f, &bob, "den", NULL, NULL), REVOKED);
    CHECK(call(f, request(CHAT_CREATE_SESSION, &bob), NULL), FORBIDDEN);
    CHECK(update(f, &ada, "bob", NULL, 0, NULL, NULL), OK);
    CHECK(whoami(f, &bob, NULL), REVOKED); /* the old token stays void */
    bob = actor_of(f, "bob");
    CHECK(whoami(f, &bob, NULL), OK);
    CHECK(call(f, request(CHAT_LIST_SESSIONS, &bob), &r), OK);
    assert_int_equal(r.count, 0);
    assert_int_equal(audit_count(f, "user_updated", "bob"), 2);
}

static void a_new_role_counts_at_once_and_with_the_old_token(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ada = make_user(f, "ada", "admin"), bob = make_user(f, "bob", NULL);
    CHECK(update(f, &ada, "bob", "admin", -1, NULL, NULL), OK);
    assert_int_equal(f->changed_user[f->changed_count - 1], bob.user_id);
    CHECK(create_user(f, &bob, "new", NULL, NULL, NULL), OK); /* bob.role still says member: the store's counts */
    CHECK(update(f, &ada, "bob", "member", -1, NULL, NULL), OK);
    bob.role = USER_ADMIN;
    CHECK(create_user(f, &bob, "newer", NULL, NULL, NULL), FORBIDDEN);
}

static void an_update_that_changes_nothing_tells_nobody(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ada = make_user(f, "ada", "admin"), bob = make_user(f, "bob", NULL);
    struct chat_result r;
    CHECK(update(f, &ada, "bob", "member", 0, "bob", &r), OK);
    CHECK(update(f, &ada, "bob", NULL, -1, NULL, &r), OK);
    assert_string_equal(r.user.name, "bob");
    assert_int_equal(f->changed_count, 0);
    assert_int_equal(audit_count(f, "user_updated", NULL), 0);
    CHECK(update(f, &ada, "bob", NULL, -1, "Robert", &r), OK);
    assert_string_equal(r.user.display_name, "Robert");
    assert_int_equal(f->changed_count, 0); /* a name changes nobody's rights */
    CHECK_FIELD(update(f, &ada, "bob", "king", -1, NULL, NULL), INVALID_FIELD, "role");
    CHECK(update(f, &ada, "nobody", NULL, 1, NULL, NULL), USER_NOT_FOUND);
    CHECK(whoami(f, &bob, NULL), OK);
}

static void the_last_admin_neither_goes_nor_steps_down(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ada = make_user(f, "ada", "admin");
    struct chat_actor system = operator_();
    CHECK(update(f, &ada, "ada", "member", -1, NULL, NULL), LAST_OWNER);
    CHECK(update(f, &ada, "ada", NULL, 1, NULL, NULL), LAST_OWNER);
    CHECK(update(f, &system, "ada", NULL, 1, NULL, NULL), LAST_OWNER);
    make_user(f, "eve", "admin");
    CHECK(update(f, &ada, "eve", NULL, 1, NULL, NULL), OK);
    CHECK(update(f, &ada, "ada", "moderator", -1, NULL, NULL), LAST_OWNER); /* a disabled one does not count */
    CHECK(update(f, &ada, "eve", "member", -1, NULL, NULL), OK);            /* … nor is it protected */
    make_user(f, "max", "admin");
    CHECK(update(f, &ada, "ada", "moderator", -1, NULL, NULL), OK);
}

static void a_password_set_by_an_admin_ends_all_sessions(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ada = make_user(f, "ada", "admin"), bob = make_user(f, "bob", NULL);
    struct chat_result r;
    (void)session_of(f, &bob);
    CHECK(on_user(f, CHAT_SET_PASSWORD, &ada, "bob", NULL), OK);
    CHECK(whoami(f, &bob, NULL), REVOKED);
    assert_int_equal(f->changed_user[f->changed_count - 1], bob.user_id);
    struct chat_request *q = request(CHAT_FIND_CREDENTIALS, NULL);
    q->args.user = keep(q, "bob");
    CHECK(call(f, q, &r), OK);
    assert_string_equal(r.password_hash, HASH);
    assert_int_equal(audit_count(f, "password_set", "bob"), 1);
}

static void revoking_ends_sessions_and_tokens_but_not_the_account(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ada = make_user(f, "ada", "admin"), bob = make_user(f, "bob", NULL);
    bob.session_id = session_of(f, &bob);
    CHECK(on_user(f, CHAT_REVOKE_USER, &ada, "bob", NULL), OK);
    CHECK(whoami(f, &bob, NULL), REVOKED);
    assert_int_equal(f->changed_user[f->changed_count - 1], bob.user_id);
    assert_int_equal(audit_count(f, "user_revoked", "bob"), 1);
    bob = actor_of(f, "bob");
    CHECK(whoami(f, &bob, NULL), OK);
}

static void users_are_listed_by_pages(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ada = make_user(f, "ada", "admin");
    make_user(f, "bob", NULL);
    make_user(f, "carol", NULL);
    struct chat_request *r = request(CHAT_LIST_USERS, &ada);
    r->args.after_name = keep(r, "ada");
    r->args.limit = 1;
    CHECK(chat_call(f->chat, r), OK);
    assert_int_equal(r->result.kind, CHAT_RESULT_USERS);
    assert_int_equal(r->result.count, 1);
    assert_true(r->result.more);
    assert_string_equal(r->result.list.users[0].name, "bob");
    chat_request_free(r);
}

static void pages_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ada = make_user(f, "ada", "admin");
    const enum chat_op lists[] = {CHAT_LIST_USERS, CHAT_LIST_AUDIT, CHAT_LIST_ROOMS, CHAT_LIST_MEMBERS};
    const int64_t wrong[] = {201, -1, INT64_MAX};
    CHECK(create_room(f, &ada, "den", NULL, NULL), OK);
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 3; k++) {
            struct chat_request *r = request(lists[i], &ada);
            r->args.room = keep(r, "den");
            r->args.limit = wrong[k];
            CHECK_FIELD(call(f, r, NULL), INVALID_FIELD, "limit");
        }
    }
}

static void the_audit_says_who_did_what_from_where_newest_first(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ada = make_user(f, "ada", "admin");
    CHECK(create_user(f, &ada, "bob", NULL, HASH, NULL), OK);
    CHECK(update(f, &ada, "bob", "moderator", 1, NULL, NULL), OK);
    struct chat_request *r = request(CHAT_LIST_AUDIT, &ada);
    r->args.limit = 2;
    CHECK(chat_call(f->chat, r), OK);
    assert_int_equal(r->result.kind, CHAT_RESULT_AUDIT);
    assert_int_equal(r->result.count, 2);
    assert_true(r->result.more);
    const struct audit *a = r->result.list.audits;
    assert_true(span_is(a[0].action, "user_updated") && span_is(a[0].actor, "ada") && span_is(a[0].target, "bob"));
    assert_true(span_is(a[0].detail, "role moderator, disabled") && span_is(a[0].address, "192.0.2.1"));
    assert_true(span_is(a[1].action, "user_created"));
    assert_true(a[0].at_ms > 0);
    int64_t before = a[1].id;
    chat_request_free(r);
    r = request(CHAT_LIST_AUDIT, &ada);
    r->args.before = before;
    CHECK(chat_call(f->chat, r), OK);
    assert_int_equal(r->result.count, 1); /* ada herself, made by the operator */
    assert_true(span_is(r->result.list.audits[0].actor, "system"));
    for (size_t i = 0; i < r->result.count; i++)
        assert_null(memmem(r->result.list.audits[i].detail.p, r->result.list.audits[i].detail.n, "argon", 5));
    chat_request_free(r);
    r = request(CHAT_LIST_AUDIT, &ada);
    r->args.before = 0;
    CHECK_FIELD(call(f, r, NULL), INVALID_FIELD, "before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_sees_and_names_oneself),
        TEST(everyone_may_look_somebody_up),
        TEST(nobody_and_the_unknown_and_the_revoked_are_turned_away),
        TEST(what_admins_do_is_for_admins),
        TEST(an_admin_makes_users),
        TEST(a_password_that_was_not_hashed_is_never_stored),
        TEST(disabling_ends_everything_at_once),
        TEST(a_new_role_counts_at_once_and_with_the_old_token),
        TEST(an_update_that_changes_nothing_tells_nobody),
        TEST(the_last_admin_neither_goes_nor_steps_down),
        TEST(a_password_set_by_an_admin_ends_all_sessions),
        TEST(revoking_ends_sessions_and_tokens_but_not_the_account),
        TEST(users_are_listed_by_pages),
        TEST(pages_are_bounded),
        TEST(the_audit_says_who_did_what_from_where_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
