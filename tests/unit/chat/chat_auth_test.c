#include "chat_fixture.h"

#include <sodium.h>

struct login {
    struct chat_actor actor; /* with the session */
    unsigned char token[32];
};

static struct login log_in(struct fixture *f, const char *name)
{
    struct login l = {.actor = actor_of(f, name)};
    struct chat_result r;
    struct chat_request *q = request(CHAT_CREATE_SESSION, &l.actor);
    q->args.agent = keep(q, "test/1.0");
    CHECK(call(f, q, &r), OK);
    l.actor.session_id = r.session_id;
    memcpy(l.token, r.refresh_token, 32);
    return l;
}

static confab_err with_token(struct fixture *f, enum chat_op op, const unsigned char token[32], struct chat_result *out)
{
    struct chat_request *r = request(op, NULL);
    r->args.token = arena_copy(&r->arena, (span){(const char *)token, 32});
    return call(f, r, out);
}

static confab_err authenticate(struct fixture *f, const struct chat_actor *a, struct chat_result *out)
{
    return call(f, request(CHAT_AUTHENTICATE, a), out);
}

/* ---- Authenticate ---- */

static void claims_are_enough_to_authenticate(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", "moderator");
    struct chat_actor claims = {.token_epoch = alice.token_epoch, .name = "alice"};
    struct chat_result r;
    CHECK(authenticate(f, &claims, &r), OK);
    assert_int_equal(r.kind, CHAT_RESULT_USER);
    assert_int_equal(r.user.id, alice.user_id);
    assert_int_equal(r.user.role, USER_MODERATOR);
}

static void claims_that_no_longer_hold_are_refused(void **state)
{
    struct fixture *f = *state;
    struct login alice = (make_user(f, "alice", NULL), log_in(f, "alice")), bob = (make_user(f, "bob", NULL), log_in(f, "bob"));
    struct chat_actor a = {0};
    CHECK(authenticate(f, &a, NULL), AUTH_REQUIRED);
    a = (struct chat_actor){.name = "nobody"};
    CHECK(authenticate(f, &a, NULL), AUTH_FAILED);
    a = (struct chat_actor){.user_id = 4711};
    CHECK(authenticate(f, &a, NULL), AUTH_FAILED);
    CHECK(authenticate(f, &alice.actor, NULL), OK);
    a = alice.actor;
    a.token_epoch++;
    CHECK(authenticate(f, &a, NULL), REVOKED);
    a = alice.actor;
    a.session_id = bob.actor.session_id; /* somebody else's session */
    CHECK(authenticate(f, &a, NULL), REVOKED);
    a.session_id = 4711;
    CHECK(authenticate(f, &a, NULL), REVOKED);
    CHECK(with_token(f, CHAT_END_SESSION, alice.token, NULL), OK);
    CHECK(authenticate(f, &alice.actor, NULL), REVOKED);
    CHECK(call(f, request(CHAT_GET_ME, &alice.actor), NULL), REVOKED);
    CHECK(create_room(f, &alice.actor, "den", NULL, NULL), REVOKED);
}

static void credentials_of_the_unknown_look_like_those_of_the_passwordless(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct chat_result r;
    struct chat_request *q = request(CHAT_FIND_CREDENTIALS, NULL);
    q->args.user = keep(q, "nobody");
    CHECK(call(f, q, &r), OK);
    assert_int_equal(r.user.id, 0);
    assert_string_equal(r.password_hash, "");
    q = request(CHAT_FIND_CREDENTIALS, NULL);
    q->args.user = keep(q, "ALICE");
    CHECK(call(f, q, &r), OK);
    assert_int_equal(r.user.id, alice.user_id);
    assert_string_equal(r.password_hash, "");
    CHECK_FIELD(call(f, request(CHAT_FIND_CREDENTIALS, NULL), NULL), MISSING_FIELD, "username");
}

/* ---- Sessions ---- */

static void a_login_makes_a_session_that_is_listed_and_audited(void **state)
{
    struct fixture *f = *state;
    make_user(f, "alice", NULL);
    struct login l = log_in(f, "alice");
    struct chat_request *r = request(CHAT_LIST_SESSIONS, &l.actor);
    CHECK(chat_call(f->chat, r), OK);
    assert_int_equal(r->result.kind, CHAT_RESULT_SESSIONS);
    assert_int_equal(r->result.count, 1);
    const struct session *s = r->result.list.sessions;
    assert_int_equal(s->id, l.actor.session_id);
    assert_string_equal(s->agent, "test/1.0");
    assert_string_equal(s->address, "192.0.2.1");
    assert_int_equal(s->expires_ms - s->created_ms, 3600 * 1000);
    chat_request_free(r);
    assert_int_equal(audit_count(f, "login", "alice"), 1);
}

static void an_agent_is_cut_at_a_character_and_kept_in_one_line(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    char long_one[140];
    memset(long_one, 'a', sizeof long_one - 1);
    memcpy(long_one + 127, "\xe2\x82\xac", 3);
    long_one[139] = 0;
    const char *const agents[] = {long_one, "two\nlines", "bad \xff", ""};
    const size_t lengths[] = {127, 0, 0, 0};
    for (size_t i = 0; i < 4; i++) {
        struct chat_request *q = request(CHAT_CREATE_SESSION, &alice);
        q->args.agent = keep(q, agents[i]);
        struct chat_result made;
        CHECK(call(f, q, &made), OK);
        struct chat_request *r = request(CHAT_LIST_SESSIONS, &alice);
        CHECK(chat_call(f->chat, r), OK);
        for (size_t k = 0; k < r->result.count; k++) {
            if (r->result.list.sessions[k].id == made.session_id) assert_int_equal(strlen(r->result.list.sessions[k].agent), lengths[i]);
        }
        chat_request_free(r);
    }
}

static void a_refresh_exchanges_the_token_and_keeps_the_session(void **state)
{
    struct fixture *f = *state;
    make_user(f, "alice", NULL);
    struct login l = log_in(f, "alice");
    struct chat_result first, second;
    CHECK(with_token(f, CHAT_REFRESH_SESSION, l.token, &first), OK);
    assert_int_equal(first.kind, CHAT_RESULT_SESSION);
    assert_int_equal(first.session_id, l.actor.session_id);
    assert_string_equal(first.user.name, "alice");
    assert_memory_not_equal(first.refresh_token, l.token, 32);
    CHECK(with_token(f, CHAT_REFRESH_SESSION, first.refresh_token, &second), OK);
    assert_memory_not_equal(second.refresh_token, first.refresh_token, 32);
    CHECK(authenticate(f, &l.actor, NULL), OK);
}

static void a_token_may_come_as_text(void **state)
{
    struct fixture *f = *state;
    make_user(f, "alice", NULL);
    struct login l = log_in(f, "alice");
    char text[64];
    sodium_bin2base64(text, sizeof text, l.token, 32, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    struct chat_request *r = request(CHAT_REFRESH_SESSION, NULL);
    r->args.token = keep(r, text);
    CHECK(call(f, r, NULL), OK);
}

static void a_token_that_comes_twice_ends_the_session_for_both(void **state)
{
    struct fixture *f = *state;
    make_user(f, "alice", NULL);
    struct login l = log_in(f, "alice"), other = log_in(f, "alice");
    struct chat_result next;
    CHECK(with_token(f, CHAT_REFRESH_SESSION, l.token, &next), OK);
    CHECK(with_token(f, CHAT_REFRESH_SESSION, l.token, NULL), SESSION_EXPIRED); /* the thief, or the one who was robbed */
    CHECK(with_token(f, CHAT_REFRESH_SESSION, next.refresh_token, NULL), SESSION_EXPIRED);
    CHECK(authenticate(f, &l.actor, NULL), REVOKED);
    assert_int_equal(f->changed_count, 1);
    assert_int_equal(f->changed_user[0], l.actor.user_id);
    assert_int_equal(f->changed_session[0], l.actor.session_id);
    assert_int_equal(audit_count(f, "session_token_reused", "alice"), 1);
    CHECK(with_token(f, CHAT_REFRESH_SESSION, other.token, NULL), OK); /* the other session has done nothing wrong */
}

static void a_token_that_is_none_is_refused(void **state)
{
    struct fixture *f = *state;
    const unsigned char zeros[32] = {0};
    CHECK(with_token(f, CHAT_REFRESH_SESSION, zeros, NULL), SESSION_EXPIRED);
    CHECK_FIELD(call(f, request(CHAT_REFRESH_SESSION, NULL), NULL), MISSING_FIELD, "refresh_token");
    const char *const bad[] = {"", "short", "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
    for (size_t i = 0; i < 4; i++) {
        struct chat_request *r = request(CHAT_REFRESH_SESSION, NULL);
        r->args.token = keep(r, bad[i]);
        CHECK(call(f, r, NULL), SESSION_EXPIRED);
    }
}

static void a_session_that_was_not_used_ends_by_itself(void **state)
{
    struct fixture *f = *state;
    int64_t now = 1764000000000;
    clock_set_for_tests(now, 1000000);
    make_user(f, "alice", NULL);
    struct login l = log_in(f, "alice");
    struct chat_result r;
    clock_set_for_tests(now + 3599 * 1000, 1000000);
    CHECK(with_token(f, CHAT_REFRESH_SESSION, l.token, &r), OK); /* and lives on from here */
    clock_set_for_tests(now + 7198 * 1000, 1000000);
    CHECK(with_token(f, CHAT_REFRESH_SESSION, r.refresh_token, &r), OK);
    clock_set_for_tests(now + 7198 * 1000 + 3600 * 1000, 1000000);
    CHECK(with_token(f, CHAT_REFRESH_SESSION, r.refresh_token, NULL), SESSION_EXPIRED);
    CHECK(authenticate(f, &l.actor, NULL), REVOKED);
}

static void logging_out_ends_one_session_and_is_fine_twice(void **state)
{
    struct fixture *f = *state;
    make_user(f, "alice", NULL);
    struct login l = log_in(f, "alice"), other = log_in(f, "alice");
    CHECK(with_token(f, CHAT_END_SESSION, l.token, NULL), OK);
    assert_int_equal(f->changed_session[0], l.actor.session_id);
    CHECK(with_token(f, CHAT_END_SESSION, l.token, NULL), OK);
    assert_int_equal(f->changed_count, 1);
    CHECK(authenticate(f, &l.actor, NULL), REVOKED);
    CHECK(authenticate(f, &other.actor, NULL), OK);
    CHECK(call(f, request(CHAT_END_SESSION, &other.actor), NULL), OK); /* by the access token alone */
    CHECK(authenticate(f, &other.actor, NULL), REVOKED);
    CHECK(call(f, request(CHAT_END_SESSION, NULL), NULL), AUTH_REQUIRED);
    struct chat_actor by_token = actor_of(f, "alice"); /* made on the command line: there is no session to end */
    CHECK_FIELD(call(f, request(CHAT_END_SESSION, &by_token), NULL), MISSING_FIELD, "refresh_token");
    assert_int_equal(audit_count(f, "logout", "alice"), 2);
}

static void one_revokes_ones_own_sessions_only(void **state)
{
    struct fixture *f = *state;
    make_user(f, "alice", NULL);
    make_user(f, "bob", NULL);
    struct login alice = log_in(f, "alice"), second = log_in(f, "alice"), bob = log_in(f, "bob");
    struct chat_request *r = request(CHAT_REVOKE_SESSION, &alice.actor);
    r->args.id = bob.actor.session_id;
    CHECK(call(f, r, NULL), NOT_FOUND);
    r = request(CHAT_REVOKE_SESSION, &alice.actor);
    r->args.id = second.actor.session_id;
    CHECK(call(f, r, NULL), OK);
    assert_int_equal(f->changed_user[0], alice.actor.user_id);
    assert_int_equal(f->changed_session[0], second.actor.session_id);
    CHECK(authenticate(f, &second.actor, NULL), REVOKED);
    CHECK(authenticate(f, &bob.actor, NULL), OK);
    r = request(CHAT_REVOKE_SESSION, &alice.actor);
    r->args.id = second.actor.session_id;
    CHECK(call(f, r, NULL), NOT_FOUND);
    CHECK_FIELD(call(f, request(CHAT_REVOKE_SESSION, &alice.actor), NULL), MISSING_FIELD, "id");
}

static void sessions_of_one_user_are_bounded(void **state)
{
    struct fixture *f = *state;
    int64_t now = 1764000000000;
    make_user(f, "alice", NULL);
    struct login first = {0};
    for (int i = 0; i < 101; i++) {
        clock_set_for_tests(now + i, 1000000);
        struct login l = log_in(f, "alice");
        if (i == 0) first = l;
    }
    CHECK(authenticate(f, &first.actor, NULL), REVOKED); /* unused for longest: it made place */
    struct chat_result r;
    struct chat_actor alice = actor_of(f, "alice");
    CHECK(call(f, request(CHAT_LIST_SESSIONS, &alice), &r), OK);
    assert_int_equal(r.count, 100);
    clock_set_for_tests(now + 2 * 3600 * 1000, 1000000);
    (void)log_in(f, "alice"); /* sessions that are over are cleared away */
    CHECK(call(f, request(CHAT_LIST_SESSIONS, &alice), &r), OK);
    assert_int_equal(r.count, 1);
}

static void the_unknown_make_no_session(void **state)
{
    struct fixture *f = *state;
    struct chat_actor ghost = {.user_id = 4711};
    CHECK(call(f, request(CHAT_CREATE_SESSION, &ghost), NULL), AUTH_FAILED);
    CHECK(call(f, request(CHAT_CREATE_SESSION, NULL), NULL), AUTH_FAILED);
}

static void a_changed_password_ends_the_other_sessions_only(void **state)
{
    struct fixture *f = *state;
    make_user(f, "alice", NULL);
    struct login mine = log_in(f, "alice"), other = log_in(f, "alice");
    struct chat_request *r = request(CHAT_CHANGE_PASSWORD, &mine.actor);
    struct chat_result found;
    r->args.new_password = keep(r, HASH);
    CHECK(call(f, r, NULL), OK);
    CHECK(authenticate(f, &mine.actor, NULL), OK);
    CHECK(with_token(f, CHAT_REFRESH_SESSION, mine.token, NULL), OK);
    CHECK(authenticate(f, &other.actor, NULL), REVOKED);
    CHECK(with_token(f, CHAT_REFRESH_SESSION, other.token, NULL), SESSION_EXPIRED);
    assert_int_equal(f->changed_user[0], mine.actor.user_id);
    assert_int_equal(f->changed_session[0], 0);
    r = request(CHAT_FIND_CREDENTIALS, NULL);
    r->args.user = keep(r, "alice");
    CHECK(call(f, r, &found), OK);
    assert_string_equal(found.password_hash, HASH);
    assert_int_equal(audit_count(f, "password_changed", "alice"), 1);
    CHECK_FIELD(call(f, request(CHAT_CHANGE_PASSWORD, &mine.actor), NULL), MISSING_FIELD, "new_password");
    CHECK(call(f, request(CHAT_CHANGE_PASSWORD, NULL), NULL), AUTH_REQUIRED);
}

/* ---- First start ---- */

static confab_err set_up(struct fixture *f, const char *token, const char *name, struct chat_result *out)
{
    struct chat_request *r = request(CHAT_SET_UP, NULL);
    r->args.token = keep(r, token);
    r->args.user = keep(r, name);
    r->args.new_password = keep(r, HASH);
    return call(f, r, out);
}

static void the_first_start_makes_general_and_a_way_in(void **state)
{
    struct fixture *f = *state;
    char token[64];
    struct chat_result r;
    CHECK(chat_bootstrap(f->chat, token), OK);
    assert_int_equal(strlen(token), 43);
    assert_int_equal(last_announced(f)->kind, EVENT_ROOM_CREATED);
    CHECK(set_up(f, token, "ada", &r), OK);
    assert_true(r.created);
    assert_int_equal(r.kind, CHAT_RESULT_SESSION);
    assert_int_equal(r.user.role, USER_ADMIN);
    struct chat_actor ada = actor_of(f, "ada");
    ada.session_id = r.session_id;
    CHECK(authenticate(f, &ada, NULL), OK);
    CHECK(with_token(f, CHAT_REFRESH_SESSION, r.refresh_token, NULL), OK);
    CHECK(on_room(f, CHAT_GET_ROOM, &ada, "general", &r), OK);
    assert_string_equal(r.room.room.name, "General");
    assert_int_equal(audit_count(f, "set_up", "ada"), 1);
}

static confab_err look_for_setup_token(struct store_job *job, store_tx *tx)
{
    struct fixture_job *j = (struct fixture_job *)job;
    arena a = {0};
    span stored = {0};
    confab_err e = store_meta_get(tx, "setup_token", &a, &stored);
    j->number = stored.p ? (int64_t)stored.n : -1;
    arena_free(&a);
    return e;
}

static void of_the_setup_token_only_a_hash_is_kept_and_in_the_end_nothing(void **state)
{
    struct fixture *f = *state;
    struct fixture_job j = {.number = 0};
    char token[64];
    CHECK(chat_bootstrap(f->chat, token), OK);
    CHECK(store_do(f, &j, look_for_setup_token), OK);
    assert_int_equal(j.number, 64);
    CHECK(set_up(f, token, "ada", NULL), OK);
    CHECK(store_do(f, &j, look_for_setup_token), OK);
    assert_int_equal(j.number, -1);
}

static void a_setup_token_works_once(void **state)
{
    struct fixture *f = *state;
    char token[64], again[64];
    CHECK(chat_bootstrap(f->chat, token), OK);
    CHECK(set_up(f, token, "ada", NULL), OK);
    CHECK(set_up(f, token, "eve", NULL), ALREADY_SET_UP);
    CHECK(chat_bootstrap(f->chat, again), OK);
    assert_string_equal(again, "");
    CHECK(set_up(f, token, "eve", NULL), ALREADY_SET_UP);
}

static void each_start_without_an_admin_makes_a_new_token_and_voids_the_old(void **state)
{
    struct fixture *f = *state;
    char first[64], second[64];
    CHECK(chat_bootstrap(f->chat, first), OK);
    size_t announced = f->announced_count;
    CHECK(chat_bootstrap(f->chat, second), OK);
    assert_string_not_equal(first, second);
    assert_int_equal(f->announced_count, announced); /* one `general`, not two */
    CHECK(set_up(f, first, "ada", NULL), AUTH_FAILED);
    CHECK(set_up(f, second, "ada", NULL), OK);
}

static void set_up_is_checked(void **state)
{
    struct fixture *f = *state;
    char token[64];
    CHECK(set_up(f, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "ada", NULL), AUTH_FAILED); /* before the first start */
    CHECK(chat_bootstrap(f->chat, token), OK);
    CHECK(set_up(f, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "ada", NULL), AUTH_FAILED);
    CHECK(set_up(f, "short", "ada", NULL), AUTH_FAILED);
    CHECK_FIELD(set_up(f, NULL, "ada", NULL), MISSING_FIELD, "setup_token");
    CHECK_FIELD(set_up(f, token, NULL, NULL), MISSING_FIELD, "username");
    CHECK_FIELD(set_up(f, token, "a b", NULL), INVALID_FIELD, "username");
    struct chat_request *r = request(CHAT_SET_UP, NULL);
    r->args.token = keep(r, token);
    r->args.user = keep(r, "ada");
    CHECK_FIELD(call(f, r, NULL), MISSING_FIELD, "new_password");
    make_user(f, "ada", NULL);
    CHECK(set_up(f, token, "ada", NULL), USER_EXISTS);
    CHECK(set_up(f, token, "eve", NULL), OK); /* none of those used the token up */
}

static void an_admin_from_the_command_line_closes_the_set_up(void **state)
{
    struct fixture *f = *state;
    char token[64];
    CHECK(chat_bootstrap(f->chat, token), OK);
    make_user(f, "ada", "admin");
    CHECK(set_up(f, token, "eve", NULL), ALREADY_SET_UP);
}

static void general_may_be_deleted_for_good(void **state)
{
    struct fixture *f = *state;
    char token[64];
    CHECK(chat_bootstrap(f->chat, token), OK);
    struct chat_actor ada = make_user(f, "ada", "admin");
    CHECK(on_room(f, CHAT_DELETE_ROOM, &ada, "general", NULL), OK);
    CHECK(chat_bootstrap(f->chat, token), OK);
    CHECK(on_room(f, CHAT_GET_ROOM, &ada, "general", NULL), ROOM_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(claims_are_enough_to_authenticate),
        TEST(claims_that_no_longer_hold_are_refused),
        TEST(credentials_of_the_unknown_look_like_those_of_the_passwordless),
        TEST(a_login_makes_a_session_that_is_listed_and_audited),
        TEST(an_agent_is_cut_at_a_character_and_kept_in_one_line),
        TEST(a_refresh_exchanges_the_token_and_keeps_the_session),
        TEST(a_token_may_come_as_text),
        TEST(a_token_that_comes_twice_ends_the_session_for_both),
        TEST(a_token_that_is_none_is_refused),
        TEST(a_session_that_was_not_used_ends_by_itself),
        TEST(logging_out_ends_one_session_and_is_fine_twice),
        TEST(one_revokes_ones_own_sessions_only),
        TEST(sessions_of_one_user_are_bounded),
        TEST(the_unknown_make_no_session),
        TEST(a_changed_password_ends_the_other_sessions_only),
        TEST(the_first_start_makes_general_and_a_way_in),
        TEST(of_the_setup_token_only_a_hash_is_kept_and_in_the_end_nothing),
        TEST(a_setup_token_works_once),
        TEST(each_start_without_an_admin_makes_a_new_token_and_voids_the_old),
        TEST(set_up_is_checked),
        TEST(an_admin_from_the_command_line_closes_the_set_up),
        TEST(general_may_be_deleted_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
