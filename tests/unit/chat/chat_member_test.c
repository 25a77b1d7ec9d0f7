#include "chat_fixture.h"

struct people {
    struct chat_actor alice, bob, carol, mo, ada;
};

static struct people settle(struct fixture *f)
{
    struct people p = {make_user(f, "alice", NULL), make_user(f, "bob", NULL), make_user(f, "carol", NULL), make_user(f, "mo", "moderator"),
                       make_user(f, "ada", "admin")};
    CHECK(create_room(f, &p.alice, "den", "public", NULL), OK);
    CHECK(create_room(f, &p.alice, "attic", "private", NULL), OK);
    return p;
}

static enum member_role role_in(struct fixture *f, const struct chat_actor *a, const char *slug)
{
    struct chat_result r;
    confab_err e = on_room(f, CHAT_GET_ROOM, a, slug, &r);
    return confab_failed(e) ? MEMBER_NONE : r.room.role;
}

static void an_owner_adds_a_member_with_a_role(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result r;
    CHECK(post(f, &p.alice, "attic", "before", NULL, NULL), OK);
    CHECK(put_member(f, &p.alice, "attic", "bob", "moderator", &r), OK);
    assert_true(r.created);
    assert_int_equal(r.kind, CHAT_RESULT_MEMBER);
    assert_int_equal(r.member.role, MEMBER_MODERATOR);
    assert_string_equal(r.member.name, "bob");
    const struct announced *a = last_announced(f);
    assert_int_equal(a->kind, EVENT_MEMBER_JOINED);
    assert_string_equal(a->actor, "alice");
    assert_string_equal(a->subject, "bob");
    assert_int_equal(a->role, MEMBER_MODERATOR);
    assert_int_equal(audit_count(f, "member_added", "bob"), 1);
    struct chat_result room;
    CHECK(on_room(f, CHAT_GET_ROOM, &p.bob, "attic", &room), OK);
    assert_int_equal(room.room.unread, 0);
}

static void putting_oneself_into_a_public_room_joins_it(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result r;
    CHECK(put_member(f, &p.bob, "den", "bob", NULL, &r), OK);
    assert_int_equal(r.member.role, MEMBER_MEMBER);
    assert_int_equal(audit_count(f, "member_added", "bob"), 0);
    CHECK(put_member(f, &p.bob, "den", "bob", NULL, &r), OK); /* again: as it is */
    assert_false(r.created);
    CHECK(put_member(f, &p.carol, "den", "carol", "owner", NULL), FORBIDDEN);
    CHECK(put_member(f, &p.carol, "attic", "carol", NULL, NULL), NOT_A_MEMBER);
    assert_int_equal(role_in(f, &p.carol, "den"), MEMBER_NONE);
}

static void who_and_what_is_put_has_to_exist(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    CHECK(put_member(f, &p.alice, "den", "nobody", NULL, NULL), USER_NOT_FOUND);
    CHECK(put_member(f, &p.alice, "cellar", "bob", NULL, NULL), ROOM_NOT_FOUND);
    CHECK_FIELD(put_member(f, &p.alice, "den", NULL, NULL, NULL), MISSING_FIELD, "user_id");
    CHECK_FIELD(put_member(f, &p.alice, "den", "bob", "king", NULL), INVALID_FIELD, "role");
    CHECK_FIELD(put_member(f, &p.alice, "den", "bob", "", NULL), INVALID_FIELD, "role");
    CHECK(put_member(f, &p.bob, "den", "carol", NULL, NULL), FORBIDDEN);
    CHECK(on_room(f, CHAT_ARCHIVE_ROOM, &p.alice, "den", NULL), OK);
    CHECK(put_member(f, &p.alice, "den", "bob", NULL, NULL), ROOM_ARCHIVED);
}

static void roles_are_changed_by_owners_and_told(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result r;
    CHECK(put_member(f, &p.bob, "den", "bob", NULL, NULL), OK);
    CHECK(put_member(f, &p.carol, "den", "carol", NULL, NULL), OK);
    CHECK(put_member(f, &p.alice, "den", "bob", "moderator", &r), OK);
    assert_false(r.created);
    assert_int_equal(r.member.role, MEMBER_MODERATOR);
    assert_int_equal(last_announced(f)->kind, EVENT_MEMBER_ROLE_CHANGED);
    assert_int_equal(last_announced(f)->role, MEMBER_MODERATOR);
    assert_string_equal(last_announced(f)->subject, "bob");
    assert_int_equal(audit_count(f, "member_role_changed", "bob"), 1);
    size_t before = f->announced_count;
    CHECK(put_member(f, &p.carol, "den", "bob", "moderator", NULL), OK); /* as it is already: nothing is asked for */
    CHECK(put_member(f, &p.carol, "den", "bob", NULL, NULL), OK);
    assert_int_equal(f->announced_count, before);
    CHECK(put_member(f, &p.bob, "den", "carol", "moderator", NULL), FORBIDDEN);
    CHECK(put_member(f, &p.bob, "den", "bob", "owner", NULL), FORBIDDEN);
    CHECK(put_member(f, &p.bob, "den", "bob", "member", NULL), OK); /* stepping down needs no leave */
    CHECK(put_member(f, &p.ada, "den", "bob", "owner", NULL), OK);
    assert_int_equal(role_in(f, &p.bob, "den"), MEMBER_OWNER);
}

static void the_last_owner_neither_goes_nor_steps_down(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    CHECK(put_member(f, &p.alice, "den", "alice", "member", NULL), LAST_OWNER);
    CHECK(remove_member(f, &p.alice, "den", "alice"), LAST_OWNER);
    CHECK(put_member(f, &p.ada, "den", "alice", "moderator", NULL), LAST_OWNER);
    CHECK(remove_member(f, &p.ada, "den", "alice"), LAST_OWNER);
    CHECK(put_member(f, &p.alice, "den", "bob", "owner", NULL), OK);
    CHECK(put_member(f, &p.alice, "den", "alice", "member", NULL), OK);
    CHECK(remove_member(f, &p.alice, "den", "alice"), OK);
    CHECK(remove_member(f, &p.bob, "den", "bob"), LAST_OWNER);
}

static void leaving_is_told_and_ends_what_one_could_see(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result r;
    CHECK(put_member(f, &p.alice, "attic", "bob", NULL, NULL), OK);
    CHECK(remove_member(f, &p.bob, "attic", "bob"), OK);
    assert_int_equal(last_announced(f)->kind, EVENT_MEMBER_LEFT);
    assert_string_equal(last_announced(f)->subject, "bob");
    assert_int_equal(last_announced(f)->subject_id, p.bob.user_id);
    assert_int_equal(audit_count(f, "member_removed", NULL), 0);
    CHECK(on_room(f, CHAT_GET_ROOM, &p.bob, "attic", NULL), NOT_A_MEMBER);
    CHECK(remove_member(f, &p.bob, "attic", "bob"), NOT_A_MEMBER);
    CHECK(on_room(f, CHAT_GET_ROOM, &p.alice, "attic", &r), OK);
    assert_int_equal(r.room.room.member_count, 1);
    CHECK(remove_member(f, &p.bob, "den", "bob"), NOT_A_MEMBER);
}

static void removing_follows_rank_and_is_audited(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    CHECK(put_member(f, &p.alice, "den", "bob", "moderator", NULL), OK);
    CHECK(put_member(f, &p.carol, "den", "carol", NULL, NULL), OK);
    CHECK(remove_member(f, &p.carol, "den", "bob"), FORBIDDEN);
    CHECK(remove_member(f, &p.bob, "den", "alice"), FORBIDDEN);
    CHECK(remove_member(f, &p.mo, "den", "bob"), FORBIDDEN); /* a server moderator is a moderator like bob */
    CHECK(remove_member(f, &p.bob, "den", "carol"), OK);
    CHECK(remove_member(f, &p.bob, "den", "carol"), NOT_FOUND);
    CHECK(remove_member(f, &p.alice, "den", "bob"), OK);
    CHECK(remove_member(f, &p.alice, "den", "nobody"), USER_NOT_FOUND);
    assert_int_equal(audit_count(f, "member_removed", NULL), 2);
}

static void an_archived_room_lets_people_go_but_not_come(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    CHECK(put_member(f, &p.bob, "den", "bob", NULL, NULL), OK);
    CHECK(on_room(f, CHAT_ARCHIVE_ROOM, &p.alice, "den", NULL), OK);
    CHECK(put_member(f, &p.carol, "den", "carol", NULL, NULL), ROOM_ARCHIVED);
    CHECK(remove_member(f, &p.bob, "den", "bob"), OK);
}

static void the_members_are_listed_by_pages_to_those_who_see_the_room(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    CHECK(put_member(f, &p.alice, "attic", "bob", NULL, NULL), OK);
    CHECK(put_member(f, &p.alice, "attic", "carol", NULL, NULL), OK);
    struct chat_request *r = request(CHAT_LIST_MEMBERS, &p.bob);
    r->args.room = keep(r, "attic");
    r->args.limit = 2;
    CHECK(chat_call(f->chat, r), OK);
    assert_int_equal(r->result.kind, CHAT_RESULT_MEMBERS);
    assert_int_equal(r->result.count, 2);
    assert_true(r->result.more);
    assert_string_equal(r->result.list.members[0].name, "alice");
    assert_int_equal(r->result.list.members[0].role, MEMBER_OWNER);
    chat_request_free(r);
    r = request(CHAT_LIST_MEMBERS, &p.bob);
    r->args.room = keep(r, "attic");
    r->args.after_name = keep(r, "bob");
    CHECK(chat_call(f->chat, r), OK);
    assert_int_equal(r->result.count, 1);
    assert_string_equal(r->result.list.members[0].name, "carol");
    chat_request_free(r);
    CHECK(on_room(f, CHAT_LIST_MEMBERS, &p.mo, "attic", NULL), NOT_A_MEMBER);
    CHECK(on_room(f, CHAT_LIST_MEMBERS, &p.mo, "den", NULL), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_owner_adds_a_member_with_a_role),
        TEST(putting_oneself_into_a_public_room_joins_it),
        TEST(who_and_what_is_put_has_to_exist),
        TEST(roles_are_changed_by_owners_and_told),
        TEST(the_last_owner_neither_goes_nor_steps_down),
        TEST(leaving_is_told_and_ends_what_one_could_see),
        TEST(removing_follows_rank_and_is_audited),
        TEST(an_archived_room_lets_people_go_but_not_come),
        TEST(the_members_are_listed_by_pages_to_those_who_see_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
