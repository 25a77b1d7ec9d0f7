#include "chat_fixture.h"

static confab_err join(struct fixture *f, const struct chat_actor *a, const char *slug, int64_t after, const char *epoch,
                       struct chat_result *out)
{
    struct chat_request *r = request(CHAT_JOIN_ROOM, a);
    r->args.room = keep(r, slug);
    r->args.after = after;
    r->args.epoch = keep(r, epoch);
    return call(f, r, out);
}

static confab_err update(struct fixture *f, const struct chat_actor *a, const char *slug, const char *name, const char *topic,
                         const char *kind, struct chat_result *out)
{
    struct chat_request *r = request(CHAT_UPDATE_ROOM, a);
    r->args.room = keep(r, slug);
    r->args.name = keep(r, name);
    r->args.topic = keep(r, topic);
    r->args.kind = keep(r, kind);
    return call(f, r, out);
}

static confab_err trim_run(struct store_job *job, store_tx *tx)
{
    struct fixture_job *j = (struct fixture_job *)job;
    return store_room_trim(tx, j->room_id, j->number);
}

/* ---- Create ---- */

static void a_new_room_has_its_maker_as_owner(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct chat_result r;
    CHECK(create_room(f, &alice, "den", NULL, &r), OK);
    assert_true(r.created);
    assert_int_equal(r.kind, CHAT_RESULT_ROOM);
    assert_string_equal(r.room.room.slug, "den");
    assert_string_equal(r.room.room.name, "den");
    assert_string_equal(r.room.room.topic, "");
    assert_int_equal(r.room.room.kind, ROOM_PUBLIC);
    assert_int_equal(r.room.room.member_count, 1);
    assert_int_equal(r.room.room.last_seq, 2);
    assert_int_equal(r.room.role, MEMBER_OWNER);
    assert_int_equal(r.room.unread, 0);
    assert_int_equal(f->announced[0].kind, EVENT_ROOM_CREATED);
    assert_int_equal(f->announced[1].kind, EVENT_MEMBER_JOINED);
    assert_int_equal(f->announced[1].role, MEMBER_OWNER);
    assert_int_equal(audit_count(f, "room_created", "den"), 1);
}

static void what_a_new_room_is_called_is_checked(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    char big[TOPIC_MAX + 2];
    memset(big, 'x', sizeof big);
    CHECK_FIELD(create_room(f, &alice, NULL, NULL, NULL), MISSING_FIELD, "room_id");
    CHECK_FIELD(create_room(f, &alice, "Den", NULL, NULL), INVALID_FIELD, "room_id");
    CHECK_FIELD(create_room(f, &alice, "-den", NULL, NULL), INVALID_FIELD, "room_id");
    CHECK_FIELD(create_room(f, &alice, "den", "direct", NULL), INVALID_FIELD, "kind");
    CHECK_FIELD(create_room(f, &alice, "den", "open", NULL), INVALID_FIELD, "kind");
    struct chat_request *r = request(CHAT_CREATE_ROOM, &alice);
    r->args.room = keep(r, "den");
    r->args.name = arena_copy(&r->arena, (span){big, DISPLAY_MAX + 1});
    CHECK_FIELD(call(f, r, NULL), INVALID_FIELD, "name");
    r = request(CHAT_CREATE_ROOM, &alice);
    r->args.room = keep(r, "den");
    r->args.name = keep(r, "");
    CHECK_FIELD(call(f, r, NULL), INVALID_FIELD, "name");
    r = request(CHAT_CREATE_ROOM, &alice);
    r->args.room = keep(r, "den");
    r->args.topic = arena_copy(&r->arena, (span){big, TOPIC_MAX + 1});
    CHECK_FIELD(call(f, r, NULL), INVALID_FIELD, "topic");
    r = request(CHAT_CREATE_ROOM, &alice);
    r->args.room = keep(r, "den");
    r->args.topic = arena_copy(&r->arena, (span){"a\0b", 3});
    CHECK_FIELD(call(f, r, NULL), INVALID_FIELD, "topic");
    r = request(CHAT_CREATE_ROOM, &alice);
    r->args.room = keep(r, "den");
    r->args.topic = keep(r, "two\nlines");
    CHECK_FIELD(call(f, r, NULL), INVALID_FIELD, "topic");
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    CHECK(create_room(f, &alice, "den", NULL, NULL), ROOM_EXISTS);
}

/* ---- Join ---- */

static void a_member_joins_without_a_write(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct chat_result r;
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    size_t announced = f->announced_count;
    CHECK(join(f, &alice, "den", -1, NULL, &r), OK);
    assert_int_equal(f->announced_count, announced);
    assert_int_equal(r.kind, CHAT_RESULT_JOINED);
    assert_int_equal(r.recovery, CHAT_RECOVERY_FRESH);
    assert_int_equal(r.next_seq, 3);
    assert_int_equal(r.room.role, MEMBER_OWNER);
    assert_int_equal(r.member.role, MEMBER_OWNER);
    assert_string_equal(r.member.name, "alice");
}

static void joining_a_public_room_makes_a_member_once(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL), bob = make_user(f, "bob", NULL);
    struct chat_result r;
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    CHECK(post(f, &alice, "den", "before bob", NULL, NULL), OK);
    CHECK(join(f, &bob, "den", -1, NULL, &r), OK);
    assert_int_equal(r.recovery, CHAT_RECOVERY_FRESH);
    assert_int_equal(r.room.role, MEMBER_MEMBER);
    assert_int_equal(r.room.room.last_seq, 4);
    assert_int_equal(r.room.room.member_count, 2);
    assert_int_equal(r.next_seq, 5);
    assert_int_equal(r.room.last_read, 4); /* what was before them is not unread */
    assert_int_equal(last_announced(f)->kind, EVENT_MEMBER_JOINED);
    assert_string_equal(last_announced(f)->subject, "bob");
    size_t announced = f->announced_count;
    CHECK(join(f, &bob, "den", 4, NULL, &r), OK);
    assert_int_equal(f->announced_count, announced);
    assert_int_equal(r.recovery, CHAT_RECOVERY_RESUMED);
}

static void a_newcomer_may_ask_for_what_was_before(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL), bob = make_user(f, "bob", NULL);
    struct chat_result r;
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    CHECK(join(f, &bob, "den", 0, NULL, &r), OK);
    assert_int_equal(r.recovery, CHAT_RECOVERY_RESUMED);
    assert_int_equal(r.next_seq, 1);
    assert_int_equal(r.room.room.last_seq, 3);
}

static void a_cursor_is_resumed_in_its_epoch_and_starts_over_in_another(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct chat_result r;
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    for (int i = 0; i < 5; i++)
        CHECK(post(f, &alice, "den", "x", NULL, NULL), OK); /* 3 to 7 */
    const char *epoch = store_epoch(f->store);
    const struct {
        int64_t after;
        const char *epoch;
        enum chat_recovery recovery;
        int64_t next;
    } cases[] = {
        {4, epoch, CHAT_RECOVERY_RESUMED, 5},
        {7, epoch, CHAT_RECOVERY_RESUMED, 8},
        {0, epoch, CHAT_RECOVERY_RESUMED, 1},
        {4, NULL, CHAT_RECOVERY_RESUMED, 5},
        {4, "00000000000000000000000000000000", CHAT_RECOVERY_EPOCH_CHANGED, 8},
        {4, "", CHAT_RECOVERY_EPOCH_CHANGED, 8},
        {8, epoch, CHAT_RECOVERY_EPOCH_CHANGED, 8}, /* a future that this database never had */
        {INT64_MAX, NULL, CHAT_RECOVERY_EPOCH_CHANGED, 8},
        {-1, "00000000000000000000000000000000", CHAT_RECOVERY_FRESH, 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(join(f, &alice, "den", cases[i].after, cases[i].epoch, &r), OK);
        assert_int_equal(r.recovery, cases[i].recovery);
        assert_int_equal(r.next_seq, cases[i].next);
    }
    CHECK_FIELD(join(f, &alice, "den", -2, NULL, NULL), INVALID_FIELD, "after");
}

static void what_retention_removed_is_told_as_a_gap(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct chat_result r;
    CHECK(create_room(f, &alice, "den", NULL, &r), OK);
    for (int i = 0; i < 5; i++)
        CHECK(post(f, &alice, "den", "x", NULL, NULL), OK);
    struct fixture_job trim = {.room_id = r.room.room.id, .number = 4};
    CHECK(store_do(f, &trim, trim_run), OK);
    CHECK(join(f, &alice, "den", 1, NULL, &r), OK);
    assert_int_equal(r.recovery, CHAT_RECOVERY_GAP);
    assert_int_equal(r.gap_from, 2);
    assert_int_equal(r.gap_to, 4);
    assert_int_equal(r.next_seq, 5);
    CHECK(join(f, &alice, "den", 4, NULL, &r), OK); /* the cursor just before the oldest misses nothing */
    assert_int_equal(r.recovery, CHAT_RECOVERY_RESUMED);
    CHECK(join(f, &alice, "den", 3, NULL, &r), OK);
    assert_int_equal(r.recovery, CHAT_RECOVERY_GAP);
    assert_int_equal(r.gap_from, 4);
}

static void rooms_one_may_not_enter_say_so(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL), bob = make_user(f, "bob", NULL), ada = make_user(f, "ada", "admin");
    struct chat_result r;
    CHECK(create_room(f, &alice, "attic", "private", NULL), OK);
    CHECK(join(f, &bob, "attic", -1, NULL, NULL), NOT_A_MEMBER);
    CHECK(join(f, &bob, "cellar", -1, NULL, NULL), ROOM_NOT_FOUND);
    CHECK_FIELD(join(f, &bob, NULL, -1, NULL, NULL), MISSING_FIELD, "room_id");
    CHECK(join(f, &ada, "attic", -1, NULL, &r), OK);
    assert_int_equal(r.room.role, MEMBER_MEMBER);
    assert_string_equal(last_announced(f)->subject, "ada"); /* an admin does not come unseen */
    CHECK(create_room(f, &alice, "old", NULL, NULL), OK);
    CHECK(on_room(f, CHAT_ARCHIVE_ROOM, &alice, "old", NULL), OK);
    CHECK(join(f, &bob, "old", -1, NULL, NULL), ROOM_ARCHIVED);
    CHECK(join(f, &alice, "old", -1, NULL, NULL), OK);
}

/* ---- Look ---- */

static void a_room_is_shown_to_those_who_may_see_it(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL), bob = make_user(f, "bob", NULL);
    struct chat_result r;
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    CHECK(create_room(f, &alice, "attic", "private", NULL), OK);
    CHECK(on_room(f, CHAT_GET_ROOM, &bob, "den", &r), OK);
    assert_int_equal(r.room.role, MEMBER_NONE);
    assert_int_equal(r.room.unread, 0);
    CHECK(on_room(f, CHAT_GET_ROOM, &bob, "attic", NULL), NOT_A_MEMBER);
    CHECK(on_room(f, CHAT_GET_ROOM, &bob, "cellar", NULL), ROOM_NOT_FOUND);
}

static void the_list_has_public_rooms_and_ones_own_by_pages(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL), bob = make_user(f, "bob", NULL);
    CHECK(create_room(f, &alice, "a", NULL, NULL), OK);
    CHECK(create_room(f, &alice, "b", "private", NULL), OK);
    CHECK(create_room(f, &alice, "c", NULL, NULL), OK);
    CHECK(create_room(f, &bob, "d", "private", NULL), OK);
    struct chat_request *r = request(CHAT_LIST_ROOMS, &bob);
    r->args.limit = 2;
    CHECK(chat_call(f->chat, r), OK);
    assert_int_equal(r->result.kind, CHAT_RESULT_ROOMS);
    assert_int_equal(r->result.count, 2);
    assert_true(r->result.more);
    assert_string_equal(r->result.list.rooms[0].room.slug, "a");
    assert_string_equal(r->result.list.rooms[1].room.slug, "c");
    chat_request_free(r);
    r = request(CHAT_LIST_ROOMS, &bob);
    r->args.after_name = keep(r, "c");
    CHECK(chat_call(f->chat, r), OK);
    assert_int_equal(r->result.count, 1);
    assert_false(r->result.more);
    assert_string_equal(r->result.list.rooms[0].room.slug, "d");
    assert_int_equal(r->result.list.rooms[0].role, MEMBER_OWNER);
    chat_request_free(r);
    r = request(CHAT_LIST_ROOMS, &bob);
    r->args.limit = 201;
    CHECK_FIELD(call(f, r, NULL), INVALID_FIELD, "limit");
}

/* ---- Change ---- */

static void each_change_makes_one_event_and_no_change_makes_none(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL);
    struct chat_result r;
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    size_t before = f->announced_count;
    CHECK(update(f, &alice, "den", "The Den", "warm", "private", &r), OK);
    assert_int_equal(f->announced_count, before + 3);
    assert_int_equal(f->announced[before].kind, EVENT_ROOM_RENAMED);
    assert_string_equal(f->announced[before].text, "The Den");
    assert_int_equal(f->announced[before + 1].kind, EVENT_ROOM_TOPIC_CHANGED);
    assert_string_equal(f->announced[before + 1].text, "warm");
    assert_int_equal(f->announced[before + 2].kind, EVENT_ROOM_KIND_CHANGED);
    assert_string_equal(f->announced[before + 2].text, "private");
    assert_string_equal(r.room.room.name, "The Den");
    assert_string_equal(r.room.room.topic, "warm");
    assert_int_equal(r.room.room.kind, ROOM_PRIVATE);
    assert_int_equal(r.room.room.last_seq, 5);
    CHECK(update(f, &alice, "den", "The Den", "warm", "private", &r), OK);
    CHECK(update(f, &alice, "den", NULL, NULL, NULL, &r), OK);
    assert_int_equal(f->announced_count, before + 3);
    CHECK(update(f, &alice, "den", NULL, "", NULL, &r), OK);
    assert_string_equal(r.room.room.topic, "");
    assert_int_equal(f->announced_count, before + 4);
    assert_int_equal(last_announced(f)->kind, EVENT_ROOM_TOPIC_CHANGED);
    CHECK(update(f, &alice, "den", "Den", NULL, NULL, &r), OK);
    assert_int_equal(f->announced_count, before + 5);
    assert_int_equal(last_announced(f)->kind, EVENT_ROOM_RENAMED);
    CHECK(update(f, &alice, "den", NULL, NULL, "public", &r), OK);
    assert_int_equal(f->announced_count, before + 6);
    assert_int_equal(audit_count(f, "room_kind_changed", "den"), 2); /* names and topics are no matter for the audit */
}

static void changes_are_for_moderators_and_the_kind_for_owners(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL), bob = make_user(f, "bob", NULL);
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    CHECK(update(f, &bob, "den", "x", NULL, NULL, NULL), FORBIDDEN);
    CHECK(put_member(f, &alice, "den", "bob", "moderator", NULL), OK);
    CHECK(update(f, &bob, "den", "x", "y", "public", NULL), OK); /* the kind stays, so nobody asks */
    size_t before = f->announced_count;
    CHECK(update(f, &bob, "den", "z", NULL, "private", NULL), FORBIDDEN);
    assert_int_equal(f->announced_count, before); /* nor is the name changed */
    CHECK_FIELD(update(f, &alice, "den", NULL, NULL, "direct", NULL), INVALID_FIELD, "kind");
    CHECK_FIELD(update(f, &alice, "den", "", NULL, NULL, NULL), INVALID_FIELD, "name");
    CHECK(on_room(f, CHAT_ARCHIVE_ROOM, &alice, "den", NULL), OK);
    CHECK(update(f, &alice, "den", "x", NULL, NULL, NULL), ROOM_ARCHIVED);
}

static void archiving_is_for_owners_and_can_be_undone(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL), bob = make_user(f, "bob", NULL);
    struct chat_result r;
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    CHECK(on_room(f, CHAT_ARCHIVE_ROOM, &bob, "den", NULL), FORBIDDEN);
    CHECK(on_room(f, CHAT_ARCHIVE_ROOM, &alice, "den", &r), OK);
    assert_true(r.room.room.archived);
    assert_int_equal(last_announced(f)->kind, EVENT_ROOM_ARCHIVED);
    size_t before = f->announced_count;
    CHECK(on_room(f, CHAT_ARCHIVE_ROOM, &alice, "den", &r), OK); /* again: fine, and nothing new */
    assert_true(r.room.room.archived);
    assert_int_equal(f->announced_count, before);
    CHECK(on_room(f, CHAT_UNARCHIVE_ROOM, &alice, "den", &r), OK);
    assert_false(r.room.room.archived);
    assert_int_equal(last_announced(f)->kind, EVENT_ROOM_UNARCHIVED);
    CHECK(post(f, &alice, "den", "back", NULL, NULL), OK);
    assert_int_equal(audit_count(f, "room_archived", "den"), 1);
    assert_int_equal(audit_count(f, "room_unarchived", "den"), 1);
}

static void deleting_a_room_tells_those_in_it_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = make_user(f, "alice", NULL), bob = make_user(f, "bob", NULL);
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    CHECK(post(f, &bob, "den", "words", NULL, NULL), OK);
    CHECK(on_room(f, CHAT_DELETE_ROOM, &bob, "den", NULL), FORBIDDEN);
    CHECK(on_room(f, CHAT_DELETE_ROOM, &alice, "den", NULL), OK);
    assert_int_equal(last_announced(f)->kind, EVENT_ROOM_DELETED);
    assert_string_equal(last_announced(f)->room, "den");
    CHECK(on_room(f, CHAT_GET_ROOM, &alice, "den", NULL), ROOM_NOT_FOUND);
    CHECK(on_room(f, CHAT_DELETE_ROOM, &alice, "den", NULL), ROOM_NOT_FOUND);
    assert_int_equal(audit_count(f, "room_deleted", "den"), 1);
    struct chat_result r;
    CHECK(create_room(f, &bob, "den", NULL, &r), OK); /* the id is free again, and the log begins anew */
    assert_int_equal(r.room.room.last_seq, 2);
}

static void the_operator_makes_rooms_that_nobody_owns(void **state)
{
    struct fixture *f = *state;
    struct chat_actor system = operator_();
    struct chat_result r;
    CHECK(create_room(f, &system, "hall", NULL, &r), OK);
    assert_int_equal(r.room.room.member_count, 0);
    assert_int_equal(r.room.room.last_seq, 1);
    assert_string_equal(f->announced[0].actor, "");
    assert_int_equal(f->announced[0].actor_id, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_room_has_its_maker_as_owner),
        TEST(what_a_new_room_is_called_is_checked),
        TEST(a_member_joins_without_a_write),
        TEST(joining_a_public_room_makes_a_member_once),
        TEST(a_newcomer_may_ask_for_what_was_before),
        TEST(a_cursor_is_resumed_in_its_epoch_and_starts_over_in_another),
        TEST(what_retention_removed_is_told_as_a_gap),
        TEST(rooms_one_may_not_enter_say_so),
        TEST(a_room_is_shown_to_those_who_may_see_it),
        TEST(the_list_has_public_rooms_and_ones_own_by_pages),
        TEST(each_change_makes_one_event_and_no_change_makes_none),
        TEST(changes_are_for_moderators_and_the_kind_for_owners),
        TEST(archiving_is_for_owners_and_can_be_undone),
        TEST(deleting_a_room_tells_those_in_it_and_leaves_nothing),
        TEST(the_operator_makes_rooms_that_nobody_owns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
