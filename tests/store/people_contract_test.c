/* Users, sessions and what is kept beside them: the store's contract, one body for any engine. */
#include <string.h>

#include "store_fixture.h"

/* ---- Users ---- */

struct user_args {
    struct user_new in;
    struct user_patch patch;
    int64_t id, admins;
    span name;
    struct user out;
    char hash[128];
};

static confab_err run_create_user(store_tx *tx, void *ctx)
{
    struct user_args *a = ctx;
    return store_user_create(tx, &a->in, &a->out);
}

static confab_err run_find_user(store_tx *tx, void *ctx)
{
    struct user_args *a = ctx;
    return store_user_find(tx, a->name, &a->out);
}

static confab_err run_get_user(store_tx *tx, void *ctx)
{
    struct user_args *a = ctx;
    return store_user_get(tx, a->id, &a->out);
}

static confab_err run_update_user(store_tx *tx, void *ctx)
{
    struct user_args *a = ctx;
    confab_err e = store_user_update(tx, a->id, &a->patch);
    return confab_failed(e) ? e : store_user_get(tx, a->id, &a->out);
}

static confab_err run_get_hash(store_tx *tx, void *ctx)
{
    struct user_args *a = ctx;
    return store_user_password_hash(tx, a->id, a->hash);
}

static confab_err run_set_hash(store_tx *tx, void *ctx)
{
    struct user_args *a = ctx;
    return store_user_set_password_hash(tx, a->id, a->hash);
}

static confab_err run_bump(store_tx *tx, void *ctx)
{
    struct user_args *a = ctx;
    confab_err e = store_user_bump_token_epoch(tx, a->id);
    return confab_failed(e) ? e : store_user_get(tx, a->id, &a->out);
}

static confab_err run_admins(store_tx *tx, void *ctx)
{
    struct user_args *a = ctx;
    return store_user_count_admins(tx, &a->admins);
}

static void user_is_found_in_any_case_and_unique_in_any_case(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user_args a = {
        .in = {.name = SPAN_LIT("Ann"), .display_name = SPAN_LIT("Ann A."), .password_hash = SPAN_LIT("$argon2id$x"), .role = USER_ADMIN}};
    assert_ok(do_write(s, run_create_user, &a));
    assert_string_equal(a.out.name, "Ann");
    assert_string_equal(a.out.display_name, "Ann A.");
    assert_int_equal(a.out.role, USER_ADMIN);
    assert_false(a.out.disabled);
    int64_t id = a.out.id;
    a.in.name = SPAN_LIT("aNN");
    assert_code(do_write(s, run_create_user, &a), CONFAB_USER_EXISTS);
    a.name = SPAN_LIT("ANN");
    assert_ok(do_read(s, run_find_user, &a));
    assert_int_equal(a.out.id, id);
    assert_string_equal(a.out.name, "Ann");
    a.id = id;
    assert_ok(do_read(s, run_get_hash, &a));
    assert_string_equal(a.hash, "$argon2id$x");
    a.name = SPAN_LIT("nobody");
    assert_code(do_read(s, run_find_user, &a), CONFAB_USER_NOT_FOUND);
    a.id = 4711;
    assert_code(do_read(s, run_get_user, &a), CONFAB_USER_NOT_FOUND);
    assert_code(do_read(s, run_get_hash, &a), CONFAB_USER_NOT_FOUND);
    assert_code(do_write(s, run_bump, &a), CONFAB_USER_NOT_FOUND);
}

static void user_without_a_password_has_an_empty_hash(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user_args a = {.id = make_user(s, "bot").id};
    (void)strcpy(a.hash, "something");
    assert_ok(do_read(s, run_get_hash, &a));
    assert_string_equal(a.hash, "");
    (void)strcpy(a.hash, "$argon2id$new");
    assert_ok(do_write(s, run_set_hash, &a));
    a.hash[0] = '\0';
    assert_ok(do_write(s, run_get_hash, &a));
    assert_string_equal(a.hash, "$argon2id$new");
}

static void user_update_changes_what_is_given_and_nothing_else(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user_args a = {.in = {.name = SPAN_LIT("ann"), .display_name = SPAN_LIT("A"), .role = USER_ADMIN}};
    assert_ok(do_write(s, run_create_user, &a));
    a.id = a.out.id;
    assert_ok(do_read(s, run_admins, &a));
    assert_int_equal(a.admins, 1);
    a.patch = (struct user_patch){.disabled = 1};
    assert_ok(do_write(s, run_update_user, &a));
    assert_true(a.out.disabled);
    assert_int_equal(a.out.role, USER_ADMIN);
    assert_ok(do_read(s, run_admins, &a));
    assert_int_equal(a.admins, 0); /* a disabled admin is none */
    a.patch = (struct user_patch){.display_name = SPAN_LIT("B"), .disabled = -1, .role = USER_MEMBER};
    assert_ok(do_write(s, run_update_user, &a));
    assert_true(a.out.disabled);
    assert_string_equal(a.out.display_name, "B");
    assert_int_equal(a.out.role, USER_MEMBER);
    int64_t before = a.out.token_epoch;
    assert_ok(do_write(s, run_bump, &a));
    assert_int_equal(a.out.token_epoch, before + 1);
    assert_ok(do_read(s, run_get_user, &a));
    assert_int_equal(a.out.token_epoch, before + 1);
}

struct list_args {
    bool more;
    span after;
    size_t limit, n;
    arena a;
    struct user *users;
};

static confab_err run_list_users(store_tx *tx, void *ctx)
{
    struct list_args *l = ctx;
    return store_user_list(tx, l->after, l->limit, &l->a, &l->users, &l->n, &l->more);
}

static void users_are_paged_by_name(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    (void)make_user(s, "cid");
    (void)make_user(s, "Ann");
    (void)make_user(s, "bob");
    struct list_args l = {.limit = 2};
    assert_ok(do_read(s, run_list_users, &l));
    assert_int_equal(l.n, 2);
    assert_true(l.more);
    assert_string_equal(l.users[0].name, "Ann");
    assert_string_equal(l.users[1].name, "bob");
    l.after = SPAN_LIT("bob");
    assert_ok(do_read(s, run_list_users, &l));
    assert_int_equal(l.n, 1);
    assert_false(l.more);
    arena_free(&l.a);
}

/* ---- Sessions and keys ---- */

struct session_args {
    struct session in, out, *list;
    unsigned char hash[STORE_HASH_SIZE];
    int64_t id, expires_ms, except_id, user_id;
    bool rotated_out;
    arena a;
    size_t n;
};

static confab_err run_create_session(store_tx *tx, void *ctx)
{
    struct session_args *a = ctx;
    return store_session_create(tx, &a->in, a->hash, &a->id);
}

static confab_err run_find_session(store_tx *tx, void *ctx)
{
    struct session_args *a = ctx;
    return store_session_find(tx, a->hash, &a->out, &a->rotated_out);
}

static confab_err run_get_session(store_tx *tx, void *ctx)
{
    struct session_args *a = ctx;
    return store_session_get(tx, a->id, &a->out);
}

static confab_err run_rotate(store_tx *tx, void *ctx)
{
    struct session_args *a = ctx;
    return store_session_rotate(tx, a->id, a->hash, a->expires_ms);
}

static confab_err run_delete_session(store_tx *tx, void *ctx)
{
    struct session_args *a = ctx;
    return store_session_delete(tx, a->id);
}

static confab_err run_delete_sessions(store_tx *tx, void *ctx)
{
    struct session_args *a = ctx;
    return store_session_delete_of_user(tx, a->user_id, a->except_id);
}

static confab_err run_list_sessions(store_tx *tx, void *ctx)
{
    struct session_args *a = ctx;
    return store_session_list(tx, a->user_id, &a->a, &a->list, &a->n);
}

static int64_t make_session(store *s, int64_t user_id, unsigned char mark, int64_t expires_ms)
{
    struct session_args a = {.in = {.user_id = user_id, .expires_ms = expires_ms, .address = "192.0.2.1", .agent = "test"}};
    memset(a.hash, mark, sizeof a.hash);
    assert_ok(do_write_atomic(s, run_create_session, &a));
    return a.id;
}

#define FAR_FUTURE INT64_C(4000000000000)

static void session_is_found_by_its_hash(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct session_args a = {.id = make_session(s, ann.id, 1, FAR_FUTURE)};
    memset(a.hash, 1, sizeof a.hash);
    assert_ok(do_read(s, run_find_session, &a));
    assert_false(a.rotated_out);
    assert_int_equal(a.out.id, a.id);
    assert_int_equal(a.out.user_id, ann.id);
    assert_string_equal(a.out.address, "192.0.2.1");
    assert_string_equal(a.out.agent, "test");
    assert_true(a.out.expires_ms == FAR_FUTURE);
    assert_ok(do_read(s, run_get_session, &a));
    assert_ok(do_write(s, run_get_session, &a));
    memset(a.hash, 2, sizeof a.hash);
    assert_code(do_read(s, run_find_session, &a), CONFAB_SESSION_EXPIRED);
}

static void rotated_hash_is_known_as_such(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct session_args a = {.id = make_session(s, ann.id, 1, FAR_FUTURE), .expires_ms = FAR_FUTURE + 1};
    for (unsigned char mark = 2; mark <= 4; mark++) {
        memset(a.hash, mark, sizeof a.hash);
        assert_ok(do_write_atomic(s, run_rotate, &a));
    }
    assert_ok(do_read(s, run_find_session, &a));
    assert_false(a.rotated_out);
    assert_true(a.out.expires_ms == FAR_FUTURE + 1);
    for (unsigned char mark = 1; mark <= 3; mark++) {
        memset(a.hash, mark, sizeof a.hash);
        assert_ok(do_read(s, run_find_session, &a));
        assert_true(a.rotated_out);
        assert_int_equal(a.out.id, a.id);
    }
    a.id = 4711;
    assert_code(do_write_atomic(s, run_rotate, &a), CONFAB_SESSION_EXPIRED);
    a.id = a.out.id;
    assert_ok(do_write_atomic(s, run_delete_session, &a));
    assert_code(do_read(s, run_find_session, &a), CONFAB_SESSION_EXPIRED); /* its old hashes went with it */
    assert_code(do_write(s, run_get_session, &a), CONFAB_SESSION_EXPIRED);
}

static void sessions_of_a_user_end_but_for_one(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann"), bob = make_user(s, "bob");
    int64_t first = make_session(s, ann.id, 1, FAR_FUTURE), kept = make_session(s, ann.id, 2, FAR_FUTURE);
    int64_t others = make_session(s, bob.id, 3, FAR_FUTURE);
    struct session_args a = {.user_id = ann.id, .except_id = kept, .id = first};
    assert_ok(do_write(s, run_get_session, &a)); /* the writer knows it now */
    assert_ok(do_write_atomic(s, run_delete_sessions, &a));
    assert_ok(do_read(s, run_list_sessions, &a));
    assert_int_equal(a.n, 1);
    assert_int_equal(a.list[0].id, kept);
    assert_code(do_write(s, run_get_session, &a), CONFAB_SESSION_EXPIRED);
    a.id = others;
    assert_ok(do_write(s, run_get_session, &a));
    arena_free(&a.a);
}

static void logging_in_sweeps_up_expired_sessions(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct session_args a = {.user_id = ann.id, .id = make_session(s, ann.id, 1, 1000)};
    assert_ok(do_read(s, run_list_sessions, &a));
    assert_int_equal(a.n, 1);
    int64_t again = make_session(s, ann.id, 2, FAR_FUTURE);
    assert_true(again > a.id); /* numbers never return */
    assert_ok(do_read(s, run_list_sessions, &a));
    assert_int_equal(a.n, 1);
    assert_int_equal(a.list[0].id, again);
    arena_free(&a.a);
}

struct key_args {
    struct signing_key in, *list;
    arena a;
    size_t n;
};

static confab_err run_add_key(store_tx *tx, void *ctx)
{
    struct key_args *a = ctx;
    return store_key_add(tx, &a->in);
}

static confab_err run_list_keys(store_tx *tx, void *ctx)
{
    struct key_args *a = ctx;
    return store_key_list(tx, &a->a, &a->list, &a->n);
}

static void keys_come_newest_first(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct key_args a = {.in = {.kid = "k4.pid.old", .created_ms = 1000, .retired = true}};
    memset(a.in.seed, 7, sizeof a.in.seed);
    assert_ok(do_write(s, run_add_key, &a));
    a.in = (struct signing_key){.kid = "k4.pid.new", .created_ms = 2000};
    memset(a.in.seed, 8, sizeof a.in.seed);
    assert_ok(do_write(s, run_add_key, &a));
    assert_ok(do_read(s, run_list_keys, &a));
    assert_int_equal(a.n, 2);
    assert_memory_equal(&a.list[0], &a.in, sizeof a.in);
    assert_string_equal(a.list[1].kid, "k4.pid.old");
    assert_true(a.list[1].retired);
    assert_int_equal(a.list[1].seed[31], 7);
    arena_free(&a.a);
}

/* ---- Limits, audit, small values ---- */

struct limit_args {
    struct limit_override in, *list;
    arena a;
    size_t n;
};

static confab_err run_put_limit(store_tx *tx, void *ctx)
{
    struct limit_args *a = ctx;
    return store_limit_put(tx, &a->in);
}

static confab_err run_delete_limit(store_tx *tx, void *ctx)
{
    struct limit_args *a = ctx;
    return store_limit_delete(tx, a->in.user_id, a->in.role, a->in.action);
}

static confab_err run_list_limits(store_tx *tx, void *ctx)
{
    struct limit_args *a = ctx;
    return store_limit_list(tx, &a->a, &a->list, &a->n);
}

static void limit_override_replaces_and_goes(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct limit_args a = {.in = {.user_id = 5, .action = "message", .per_minute = 60, .burst = 10}};
    assert_ok(do_write(s, run_put_limit, &a));
    a.in.per_minute = 120;
    assert_ok(do_write(s, run_put_limit, &a));
    a.in = (struct limit_override){.role = USER_BOT, .action = "message", .per_minute = 1, .burst = 1};
    assert_ok(do_write(s, run_put_limit, &a));
    assert_ok(do_read(s, run_list_limits, &a));
    assert_int_equal(a.n, 2);
    assert_int_equal(a.list[0].role, USER_BOT);
    assert_int_equal(a.list[1].user_id, 5);
    assert_int_equal(a.list[1].per_minute, 120);
    assert_string_equal(a.list[1].action, "message");
    assert_ok(do_write(s, run_delete_limit, &a));
    assert_ok(do_read(s, run_list_limits, &a));
    assert_int_equal(a.n, 1);
    arena_free(&a.a);
}

struct audit_args {
    struct audit in, *list;
    int64_t before;
    size_t limit, n;
    bool more;
    arena a;
};

static confab_err run_add_audit(store_tx *tx, void *ctx)
{
    struct audit_args *a = ctx;
    return store_audit_add(tx, &a->in);
}

static confab_err run_list_audit(store_tx *tx, void *ctx)
{
    struct audit_args *a = ctx;
    return store_audit_list(tx, a->before, a->limit, &a->a, &a->list, &a->n, &a->more);
}

static void audit_is_read_newest_first_in_pages(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct audit_args a = {
        .in = {.actor = SPAN_LIT("ann"), .action = SPAN_LIT("user.disable"), .target = SPAN_LIT("bob"), .address = SPAN_LIT("192.0.2.1")}};
    for (int64_t i = 1; i <= 5; i++) {
        a.in.at_ms = i;
        assert_ok(do_write(s, run_add_audit, &a));
    }
    a.limit = 2;
    assert_ok(do_read(s, run_list_audit, &a));
    assert_int_equal(a.n, 2);
    assert_true(a.more);
    assert_int_equal(a.list[0].at_ms, 5);
    assert_span(a.list[0].actor, "ann");
    assert_span(a.list[0].detail, "");
    a.before = a.list[1].id;
    a.limit = 10;
    assert_ok(do_read(s, run_list_audit, &a));
    assert_int_equal(a.n, 3);
    assert_false(a.more);
    arena_free(&a.a);
}

struct meta_args {
    const char *name;
    span value;
    arena a;
};

static confab_err run_put_meta(store_tx *tx, void *ctx)
{
    struct meta_args *m = ctx;
    return store_meta_put(tx, m->name, m->value);
}

static confab_err run_get_meta(store_tx *tx, void *ctx)
{
    struct meta_args *m = ctx;
    return store_meta_get(tx, m->name, &m->a, &m->value);
}

static void small_values_are_bytes_and_can_be_empty_or_absent(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct meta_args m = {.name = "thing"};
    m.value = SPAN_LIT("x");
    assert_ok(do_read(s, run_get_meta, &m));
    assert_span(m.value, NULL);
    m.value = (span){"a\0b", 3};
    assert_ok(do_write(s, run_put_meta, &m));
    assert_ok(do_read(s, run_get_meta, &m));
    assert_int_equal(m.value.n, 3);
    assert_memory_equal(m.value.p, "a\0b", 3);
    m.value = (span){"", 0};
    assert_ok(do_write(s, run_put_meta, &m));
    assert_ok(do_read(s, run_get_meta, &m));
    assert_span(m.value, "");
    m.value = (span){0};
    assert_ok(do_write(s, run_put_meta, &m));
    assert_ok(do_read(s, run_get_meta, &m));
    assert_span(m.value, NULL);
    arena_free(&m.a);
}

#define PEOPLE_TESTS(setup)                                                                                                                \
    cmocka_unit_test_setup_teardown(user_is_found_in_any_case_and_unique_in_any_case, setup, fixture_close),                               \
        cmocka_unit_test_setup_teardown(user_without_a_password_has_an_empty_hash, setup, fixture_close),                                  \
        cmocka_unit_test_setup_teardown(user_update_changes_what_is_given_and_nothing_else, setup, fixture_close),                         \
        cmocka_unit_test_setup_teardown(users_are_paged_by_name, setup, fixture_close),                                                    \
        cmocka_unit_test_setup_teardown(session_is_found_by_its_hash, setup, fixture_close),                                               \
        cmocka_unit_test_setup_teardown(rotated_hash_is_known_as_such, setup, fixture_close),                                              \
        cmocka_unit_test_setup_teardown(sessions_of_a_user_end_but_for_one, setup, fixture_close),                                         \
        cmocka_unit_test_setup_teardown(logging_in_sweeps_up_expired_sessions, setup, fixture_close),                                      \
        cmocka_unit_test_setup_teardown(keys_come_newest_first, setup, fixture_close),                                                     \
        cmocka_unit_test_setup_teardown(limit_override_replaces_and_goes, setup, fixture_close),                                           \
        cmocka_unit_test_setup_teardown(audit_is_read_newest_first_in_pages, setup, fixture_close),                                        \
        cmocka_unit_test_setup_teardown(small_values_are_bytes_and_can_be_empty_or_absent, setup, fixture_close)

int main(void)
{
    const struct CMUnitTest on_disk[] = {PEOPLE_TESTS(fixture_on_disk)};
    const struct CMUnitTest in_memory[] = {PEOPLE_TESTS(fixture_in_memory)};
    int failed = cmocka_run_group_tests_name("people on disk", on_disk, NULL, NULL);
    return failed + cmocka_run_group_tests_name("people in memory", in_memory, NULL, NULL);
}
