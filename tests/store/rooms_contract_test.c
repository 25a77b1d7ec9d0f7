/* Rooms, members, read marks and lists: the store's contract, one body for any engine. */
#include <string.h>

#include "store_fixture.h"

/* ---- Rooms ---- */

struct room_args {
    struct room_new in;
    struct room_patch patch;
    int64_t id;
    span slug;
    struct room out;
};

static confab_err run_create_room(store_tx *tx, void *ctx)
{
    struct room_args *a = ctx;
    return store_room_create(tx, &a->in, &a->out);
}

static confab_err run_find_room(store_tx *tx, void *ctx)
{
    struct room_args *a = ctx;
    return store_room_find(tx, a->slug, &a->out);
}

static confab_err run_get_room(store_tx *tx, void *ctx)
{
    struct room_args *a = ctx;
    return store_room_get(tx, a->id, &a->out);
}

static confab_err run_update_room(store_tx *tx, void *ctx)
{
    struct room_args *a = ctx;
    confab_err e = store_room_update(tx, a->id, &a->patch);
    return confab_failed(e) ? e : store_room_get(tx, a->id, &a->out);
}

static confab_err run_delete_room(store_tx *tx, void *ctx)
{
    struct room_args *a = ctx;
    return store_room_delete(tx, a->id);
}

static void room_is_found_by_slug_and_by_number(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct room_args a = {.in = {.slug = SPAN_LIT("general"), .name = SPAN_LIT("General"), .topic = SPAN_LIT("All"), .kind = ROOM_PRIVATE}};
    assert_ok(do_write(s, run_create_room, &a));
    struct room made = a.out;
    assert_string_equal(made.slug, "general");
    assert_string_equal(made.name, "General");
    assert_string_equal(made.topic, "All");
    assert_int_equal(made.kind, ROOM_PRIVATE);
    assert_int_equal(made.first_seq, 1);
    assert_int_equal(made.last_seq, 0);
    assert_int_equal(made.member_count, 0);
    assert_true(made.created_ms > 0);
    a = (struct room_args){.id = made.id, .slug = SPAN_LIT("general")};
    assert_ok(do_read(s, run_find_room, &a));
    assert_memory_equal(&a.out, &made, sizeof made);
    assert_ok(do_read(s, run_get_room, &a));
    assert_memory_equal(&a.out, &made, sizeof made);
    assert_ok(do_write(s, run_find_room, &a));
    assert_memory_equal(&a.out, &made, sizeof made);
    a.slug = SPAN_LIT("nowhere");
    a.id = 99;
    assert_code(do_read(s, run_find_room, &a), CONFAB_ROOM_NOT_FOUND);
    assert_code(do_write(s, run_find_room, &a), CONFAB_ROOM_NOT_FOUND);
    assert_code(do_read(s, run_get_room, &a), CONFAB_ROOM_NOT_FOUND);
    a.id = INT64_MAX;
    assert_code(do_read(s, run_get_room, &a), CONFAB_ROOM_NOT_FOUND);
}

static void room_id_is_unique(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct room_args a = {.in = {.slug = SPAN_LIT("general"), .kind = ROOM_PUBLIC}};
    assert_ok(do_write(s, run_create_room, &a));
    assert_code(do_write(s, run_create_room, &a), CONFAB_ROOM_EXISTS);
}

static void room_update_changes_what_is_given_and_nothing_else(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct room_args a = {.in = {.slug = SPAN_LIT("general"), .name = SPAN_LIT("G"), .topic = SPAN_LIT("T"), .kind = ROOM_PUBLIC}};
    assert_ok(do_write(s, run_create_room, &a));
    a.id = a.out.id;
    a.patch = (struct room_patch){.name = SPAN_LIT("New"), .archived = -1};
    assert_ok(do_write(s, run_update_room, &a));
    assert_string_equal(a.out.name, "New");
    assert_string_equal(a.out.topic, "T");
    assert_int_equal(a.out.kind, ROOM_PUBLIC);
    assert_false(a.out.archived);
    a.patch = (struct room_patch){.topic = {"", 0}, .kind = ROOM_PRIVATE, .archived = 1};
    assert_ok(do_write(s, run_update_room, &a));
    assert_string_equal(a.out.name, "New");
    assert_string_equal(a.out.topic, "");
    assert_int_equal(a.out.kind, ROOM_PRIVATE);
    assert_true(a.out.archived);
    a.id = 99;
    assert_code(do_write(s, run_update_room, &a), CONFAB_ROOM_NOT_FOUND);
}

static void names_that_are_too_long_are_refused_by_field(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    static char longish[TOPIC_MAX + 2];
    memset(longish, 'x', sizeof longish);
    struct room_args a = {.in = {.slug = SPAN_LIT("general"), .topic = {longish, TOPIC_MAX + 1}, .kind = ROOM_PUBLIC}};
    confab_err e = do_write(s, run_create_room, &a);
    assert_code(e, CONFAB_INVALID_FIELD);
    assert_string_equal(e.field, "topic");
    a.in.topic = (span){longish, TOPIC_MAX};
    assert_ok(do_write(s, run_create_room, &a));
    assert_int_equal(strlen(a.out.topic), TOPIC_MAX);
}

static bool purge_is_over(void *ctx)
{
    struct store_check_report r;
    return !confab_failed(store_check(ctx, &r, NULL, NULL, NULL)) && r.integrity_errors == 0;
}

static void deleted_room_is_gone_at_once_and_its_number_never_returns(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann");
    struct room_args a = {.in = {.slug = SPAN_LIT("general"), .kind = ROOM_PUBLIC}};
    assert_ok(do_write(s, run_create_room, &a));
    struct room old = a.out;
    for (int i = 0; i < 1500; i++)
        post(s, &old, &ann, "hello", NULL);
    a.id = old.id;
    assert_ok(do_write_atomic(s, run_delete_room, &a));
    assert_code(do_write_atomic(s, run_delete_room, &a), CONFAB_ROOM_NOT_FOUND);
    assert_code(do_read(s, run_get_room, &a), CONFAB_ROOM_NOT_FOUND);
    struct append_args late = {.event = {.room_id = old.id, .kind = EVENT_MESSAGE}};
    assert_code(do_write(s, run_append, &late), CONFAB_ROOM_NOT_FOUND);
    assert_ok(do_write(s, run_create_room, &a));
    assert_true(a.out.id > old.id);
    assert_int_equal(a.out.last_seq, 0);
    assert_int_equal(post(s, &a.out, &ann, "first again", NULL), 1);
    wait_until(purge_is_over, s, "the old log is removed");
    assert_clean(s);
}

/* ---- Members ---- */

struct member_args {
    int64_t room_id, user_id, seq, now_at;
    enum member_role role;
    struct member out;
    int64_t owners;
};

static confab_err run_put(store_tx *tx, void *ctx)
{
    struct member_args *a = ctx;
    return store_member_put(tx, a->room_id, a->user_id, a->role);
}

static confab_err run_get_member(store_tx *tx, void *ctx)
{
    struct member_args *a = ctx;
    return store_member_get(tx, a->room_id, a->user_id, &a->out);
}

static confab_err run_remove(store_tx *tx, void *ctx)
{
    struct member_args *a = ctx;
    return store_member_remove(tx, a->room_id, a->user_id);
}

static confab_err run_set_read(store_tx *tx, void *ctx)
{
    struct member_args *a = ctx;
    return store_member_set_read(tx, a->room_id, a->user_id, a->seq, &a->now_at);
}

static confab_err run_count_owners(store_tx *tx, void *ctx)
{
    struct member_args *a = ctx;
    return store_member_count_owners(tx, a->room_id, &a->owners);
}

static void membership_comes_changes_and_goes(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann"), bob = make_user(s, "bob");
    struct room room = make_room(s, "general");
    struct member_args a = {.room_id = room.id, .user_id = ann.id, .role = MEMBER_OWNER};
    assert_ok(do_read(s, run_get_member, &a));
    assert_int_equal(a.out.role, MEMBER_NONE);
    assert_ok(do_write(s, run_get_member, &a));
    assert_int_equal(a.out.role, MEMBER_NONE);
    assert_ok(do_write_atomic(s, run_put, &a));
    assert_ok(do_write(s, run_get_member, &a));
    assert_int_equal(a.out.role, MEMBER_OWNER);
    assert_string_equal(a.out.name, "ann");
    assert_ok(do_read(s, run_count_owners, &a));
    assert_int_equal(a.owners, 1);
    a.role = MEMBER_MODERATOR;
    assert_ok(do_write_atomic(s, run_put, &a));
    assert_ok(do_read(s, run_get_member, &a));
    assert_int_equal(a.out.role, MEMBER_MODERATOR);
    assert_true(a.out.joined_ms > 0);
    assert_ok(do_read(s, run_count_owners, &a));
    assert_int_equal(a.owners, 0);
    a.user_id = bob.id;
    assert_ok(do_write_atomic(s, run_put, &a));
    struct room_args r = {.id = room.id};
    assert_ok(do_write(s, run_get_room, &r));
    assert_int_equal(r.out.member_count, 2);
    assert_ok(do_write_atomic(s, run_remove, &a));
    assert_ok(do_write(s, run_get_member, &a));
    assert_int_equal(a.out.role, MEMBER_NONE);
    assert_ok(do_read(s, run_get_room, &r));
    assert_int_equal(r.out.member_count, 1);
    a.user_id = 4711;
    assert_code(do_write_atomic(s, run_put, &a), CONFAB_USER_NOT_FOUND);
    a.room_id = 4711;
    assert_code(do_write_atomic(s, run_put, &a), CONFAB_ROOM_NOT_FOUND);
    assert_clean(s);
}

struct unread_args {
    int64_t room_id, user_id, last_read, unread;
};

static confab_err run_unread(store_tx *tx, void *ctx)
{
    struct unread_args *a = ctx;
    return store_room_unread(tx, a->room_id, a->user_id, a->last_read, &a->unread);
}

static void read_mark_never_goes_back_nor_past_the_end(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann"), bob = make_user(s, "bob");
    struct room room = make_room(s, "general");
    for (int i = 0; i < 3; i++)
        post(s, &room, &bob, "before she came", NULL);
    struct member_args a = {.room_id = room.id, .user_id = ann.id, .role = MEMBER_MEMBER};
    assert_ok(do_write_atomic(s, run_put, &a));
    assert_ok(do_read(s, run_get_member, &a));
    assert_int_equal(a.out.last_read, 3);
    for (int i = 0; i < 5; i++)
        post(s, &room, &bob, "hello", NULL);
    a.seq = 6;
    assert_ok(do_write(s, run_set_read, &a));
    assert_int_equal(a.now_at, 6);
    a.seq = 4;
    assert_ok(do_write(s, run_set_read, &a));
    assert_int_equal(a.now_at, 6);
    a.seq = 1000000;
    assert_ok(do_write(s, run_set_read, &a));
    assert_int_equal(a.now_at, 8);
    assert_ok(do_read(s, run_get_member, &a));
    assert_int_equal(a.out.last_read, 8);
    a.user_id = bob.id;
    assert_code(do_write(s, run_set_read, &a), CONFAB_NOT_A_MEMBER);
}

static void unread_counts_the_messages_of_others_up_to_its_window(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann"), bob = make_user(s, "bob");
    struct room room = make_room(s, "general");
    struct append_args joined = {.event = {.room_id = room.id, .kind = EVENT_MEMBER_JOINED, .actor_id = bob.id}};
    assert_ok(do_write(s, run_append, &joined));
    post(s, &room, &ann, "mine", NULL);
    for (int i = 0; i < 5; i++)
        post(s, &room, &bob, "hers", NULL);
    struct unread_args u = {.room_id = room.id, .user_id = ann.id};
    assert_ok(do_read(s, run_unread, &u));
    assert_int_equal(u.unread, 5);
    u.last_read = 4;
    assert_ok(do_read(s, run_unread, &u));
    assert_int_equal(u.unread, 3);
    u.last_read = INT64_MAX;
    assert_ok(do_read(s, run_unread, &u));
    assert_int_equal(u.unread, 0);
    for (int i = 0; i < STORE_UNREAD_WINDOW; i++)
        post(s, &room, &bob, "many", NULL);
    u.last_read = 0;
    assert_ok(do_read(s, run_unread, &u));
    assert_int_equal(u.unread, STORE_UNREAD_WINDOW);
}

struct list_args {
    int64_t room_id, user_id;
    bool all, more;
    span after;
    size_t limit, n;
    arena a;
    struct room_listed *rooms;
    struct member *members;
};

static confab_err run_list_rooms(store_tx *tx, void *ctx)
{
    struct list_args *l = ctx;
    return store_room_list(tx, l->user_id, l->all, l->after, l->limit, &l->a, &l->rooms, &l->n, &l->more);
}

static confab_err run_list_members(store_tx *tx, void *ctx)
{
    struct list_args *l = ctx;
    return store_member_list(tx, l->room_id, l->after, l->limit, &l->a, &l->members, &l->n, &l->more);
}

static void room_list_shows_public_rooms_and_ones_own(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct user ann = make_user(s, "ann"), bob = make_user(s, "bob");
    static const struct {
        const char *slug;
        enum room_kind kind;
        bool member;
    } rooms[] = {{"a-public", ROOM_PUBLIC, false},    {"b-own", ROOM_PRIVATE, true},   {"c-others", ROOM_PRIVATE, false},
                 {"d-own-public", ROOM_PUBLIC, true}, {"e-direct", ROOM_DIRECT, true}, {"f-public", ROOM_PUBLIC, false}};
    for (size_t i = 0; i < 6; i++) {
        struct room_args r = {.in = {.slug = span_of(rooms[i].slug), .kind = rooms[i].kind}};
        assert_ok(do_write(s, run_create_room, &r));
        struct member_args m = {.room_id = r.out.id, .user_id = ann.id, .role = MEMBER_MEMBER};
        if (rooms[i].member) assert_ok(do_write_atomic(s, run_put, &m));
        post(s, &r.out, &bob, "hello", NULL);
    }
    struct list_args l = {.user_id = ann.id, .limit = 3};
    assert_ok(do_read(s, run_list_rooms, &l));
    assert_int_equal(l.n, 3);
    assert_true(l.more);
    assert_string_equal(l.rooms[0].room.slug, "a-public");
    assert_int_equal(l.rooms[0].role, MEMBER_NONE);
    assert_int_equal(l.rooms[0].unread, 0);
    assert_string_equal(l.rooms[1].room.slug, "b-own");
    assert_int_equal(l.rooms[1].role, MEMBER_MEMBER);
    assert_int_equal(l.rooms[1].unread, 1);
    assert_int_equal(l.rooms[1].room.last_seq, 1);
    assert_string_equal(l.rooms[2].room.slug, "d-own-public");
    l.after = SPAN_LIT("d-own-public");
    assert_ok(do_read(s, run_list_rooms, &l));
    assert_int_equal(l.n, 2);
    assert_false(l.more);
    assert_string_equal(l.rooms[0].room.slug, "e-direct");
    assert_string_equal(l.rooms[1].room.slug, "f-public");
    l.after = (span){0};
    l.all = true;
    l.limit = 100;
    assert_ok(do_read(s, run_list_rooms, &l));
    assert_int_equal(l.n, 6);
    arena_free(&l.a);
}

static void members_are_paged_by_name_in_any_case(void **state)
{
    store *s = ((struct fixture *)*state)->s;
    struct room room = make_room(s, "general"), other = make_room(s, "other");
    static const char *const names[] = {"dora", "Bob", "ann", "Cid"};
    for (size_t i = 0; i < 4; i++) {
        struct user u = make_user(s, names[i]);
        struct member_args m = {.room_id = room.id, .user_id = u.id, .role = MEMBER_MEMBER};
        assert_ok(do_write_atomic(s, run_put, &m));
        m.room_id = other.id;
        if (i == 0) assert_ok(do_write_atomic(s, run_put, &m));
    }
    struct list_args l = {.room_id = room.id, .limit = 3};
    assert_ok(do_read(s, run_list_members, &l));
    assert_int_equal(l.n, 3);
    assert_true(l.more);
    assert_string_equal(l.members[0].name, "ann");
    assert_string_equal(l.members[1].name, "Bob");
    assert_string_equal(l.members[2].name, "Cid");
    l.after = SPAN_LIT("CID");
    assert_ok(do_read(s, run_list_members, &l));
    assert_int_equal(l.n, 1);
    assert_false(l.more);
    assert_string_equal(l.members[0].name, "dora");
    arena_free(&l.a);
}

#define ROOM_TESTS(setup)                                                                                                                  \
    cmocka_unit_test_setup_teardown(room_is_found_by_slug_and_by_number, setup, fixture_close),                                            \
        cmocka_unit_test_setup_teardown(room_id_is_unique, setup, fixture_close),                                                          \
        cmocka_unit_test_setup_teardown(room_update_changes_what_is_given_and_nothing_else, setup, fixture_close),                         \
        cmocka_unit_test_setup_teardown(names_that_are_too_long_are_refused_by_field, setup, fixture_close),                               \
        cmocka_unit_test_setup_teardown(deleted_room_is_gone_at_once_and_its_number_never_returns, setup, fixture_close),                  \
        cmocka_unit_test_setup_teardown(membership_comes_changes_and_goes, setup, fixture_close),                                          \
        cmocka_unit_test_setup_teardown(read_mark_never_goes_back_nor_past_the_end, setup, fixture_close),                                 \
        cmocka_unit_test_setup_teardown(unread_counts_the_messages_of_others_up_to_its_window, setup, fixture_close),                      \
        cmocka_unit_test_setup_teardown(room_list_shows_public_rooms_and_ones_own, setup, fixture_close),                                  \
        cmocka_unit_test_setup_teardown(members_are_paged_by_name_in_any_case, setup, fixture_close)

int main(void)
{
    const struct CMUnitTest on_disk[] = {ROOM_TESTS(fixture_on_disk)};
    const struct CMUnitTest in_memory[] = {ROOM_TESTS(fixture_in_memory)};
    int failed = cmocka_run_group_tests_name("rooms on disk", on_disk, NULL, NULL);
    return failed + cmocka_run_group_tests_name("rooms in memory", in_memory, NULL, NULL);
}
