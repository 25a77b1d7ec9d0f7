#include "chat_fixture.h"
#include "confab/metrics.h"

/* alice owns the public room "den" and the private "attic"; bob is a member of both; carol of neither; mo is a server moderator, ada an
 * admin. */
struct people {
    struct chat_actor alice, bob, carol, mo, ada;
};

static struct people settle(struct fixture *f)
{
    struct people p = {make_user(f, "alice", NULL), make_user(f, "bob", NULL), make_user(f, "carol", NULL), make_user(f, "mo", "moderator"),
                       make_user(f, "ada", "admin")};
    CHECK(create_room(f, &p.alice, "den", "public", NULL), OK);
    CHECK(create_room(f, &p.alice, "attic", "private", NULL), OK);
    CHECK(put_member(f, &p.alice, "den", "bob", NULL, NULL), OK);
    CHECK(put_member(f, &p.alice, "attic", "bob", NULL, NULL), OK);
    return p;
}

/* ---- Post ---- */

static void a_message_is_acknowledged_announced_and_visible(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result ack;
    CHECK(post(f, &p.bob, "den", "hello", "k1", &ack), OK);
    assert_int_equal(ack.kind, CHAT_RESULT_ACK);
    assert_false(ack.duplicate);
    assert_true(ack.at_ms > 0);
    assert_string_equal(ack.room.room.slug, "den");
    const struct announced *a = last_announced(f);
    assert_int_equal(a->kind, EVENT_MESSAGE);
    assert_int_equal(a->seq, ack.id);
    assert_int_equal(a->actor_id, p.bob.user_id);
    assert_string_equal(a->actor, "bob");
    assert_string_equal(a->room, "den");
    assert_string_equal(a->text, "hello");
    struct chat_request *keeper;
    struct message_view v = view_of(f, &p.alice, "den", ack.id, &keeper);
    assert_true(span_is(v.text, "hello") && span_is(v.author, "bob"));
    assert_int_equal(v.at_ms, ack.at_ms);
    chat_request_free(keeper);
}

static void bytes_of_a_message_come_back_as_they_were(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result ack;
    const char *text = " \x03"
                       "04red\x0f \t\r\n\xe2\x82\xac '; DROP TABLE \xf0\x9f\x98\x80 ";
    CHECK(post(f, &p.bob, "den", text, NULL, &ack), OK);
    struct chat_request *keeper;
    assert_true(span_is(view_of(f, &p.alice, "den", ack.id, &keeper).text, text));
    chat_request_free(keeper);
}

static void the_text_is_checked(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    CHECK_FIELD(post(f, &p.bob, "den", NULL, NULL, NULL), MISSING_FIELD, "message");
    CHECK_FIELD(post(f, &p.bob, "den", "", NULL, NULL), INVALID_FIELD, "message");
    CHECK_FIELD(post(f, &p.bob, "den", "bad \xff utf-8", NULL, NULL), INVALID_FIELD, "message");
    struct chat_request *r = request(CHAT_POST_MESSAGE, &p.bob);
    r->args.room = keep(r, "den");
    r->args.text = arena_copy(&r->arena, (span){"a\0b", 3});
    CHECK_FIELD(call(f, r, NULL), INVALID_FIELD, "message");
    char *big = malloc(16386);
    assert_non_null(big);
    memset(big, 'x', 16385);
    big[16385] = 0;
    CHECK_FIELD(post(f, &p.bob, "den", big, NULL, NULL), TOO_LARGE, "message");
    big[16384] = 0;
    CHECK(post(f, &p.bob, "den", big, NULL, NULL), OK);
    free(big);
}

static void the_client_id_is_checked(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    char id[CLIENT_ID_MAX + 2];
    memset(id, 'k', sizeof id);
    id[CLIENT_ID_MAX + 1] = 0;
    CHECK_FIELD(post(f, &p.bob, "den", "x", id, NULL), INVALID_FIELD, "client_id");
    id[CLIENT_ID_MAX] = 0;
    CHECK(post(f, &p.bob, "den", "x", id, NULL), OK);
    CHECK_FIELD(post(f, &p.bob, "den", "x", "", NULL), INVALID_FIELD, "client_id");
    CHECK_FIELD(post(f, &p.bob, "den", "x", "tab\t", NULL), INVALID_FIELD, "client_id");
    CHECK_FIELD(post(f, &p.bob, "den", "x", "\xc3\xa9", NULL), INVALID_FIELD, "client_id");
    CHECK_FIELD(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", 4, "x", "", NULL), INVALID_FIELD, "client_id");
    CHECK_FIELD(on_message(f, CHAT_DELETE_MESSAGE, &p.bob, "den", 4, NULL, "", NULL), INVALID_FIELD, "client_id");
}

static void the_room_has_to_exist_and_be_named(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    CHECK(post(f, &p.bob, "cellar", "x", NULL, NULL), ROOM_NOT_FOUND);
    CHECK(post(f, &p.bob, "No Such Room!", "x", NULL, NULL), ROOM_NOT_FOUND);
    CHECK_FIELD(post(f, &p.bob, NULL, "x", NULL, NULL), MISSING_FIELD, "room_id");
}

static void posting_to_a_public_room_joins_it_first(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result ack;
    size_t before = f->announced_count;
    CHECK(post(f, &p.carol, "den", "hi", "k", &ack), OK);
    assert_int_equal(f->announced_count, before + 2);
    assert_int_equal(f->announced[before].kind, EVENT_MEMBER_JOINED);
    assert_string_equal(f->announced[before].subject, "carol");
    assert_int_equal(f->announced[before].role, MEMBER_MEMBER);
    assert_int_equal(f->announced[before + 1].kind, EVENT_MESSAGE);
    assert_int_equal(ack.id, f->announced[before].seq + 1);
    CHECK(post(f, &p.carol, "den", "again", NULL, NULL), OK);
    assert_int_equal(f->announced_count, before + 3);
}

static void a_refused_first_post_makes_no_membership(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    size_t before = f->announced_count;
    struct chat_request *r = request(CHAT_POST_MESSAGE, &p.carol);
    r->args.room = keep(r, "den");
    r->args.text = keep(r, "hi");
    r->args.reply_to = 999;
    CHECK_FIELD(call(f, r, NULL), MESSAGE_NOT_FOUND, "reply_to");
    assert_int_equal(f->announced_count, before);
    struct chat_result room;
    CHECK(on_room(f, CHAT_GET_ROOM, &p.carol, "den", &room), OK);
    assert_int_equal(room.room.role, MEMBER_NONE);
}

static void a_connection_that_was_removed_does_not_rejoin_by_posting(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result room;
    CHECK(on_room(f, CHAT_GET_ROOM, &p.bob, "den", &room), OK);
    for (int i = 0; i < 2; i++) {
        struct chat_request *r = request(CHAT_POST_MESSAGE, &p.bob);
        r->args.room_id = room.room.room.id; /* as a joined connection posts */
        r->args.text = keep(r, "hi");
        confab_err e = call(f, r, NULL);
        if (i == 0) {
            CHECK(e, OK);
            CHECK(remove_member(f, &p.alice, "den", "bob"), OK);
        } else {
            CHECK(e, NOT_A_MEMBER);
        }
    }
}

static void strangers_are_refused_in_private_rooms_with_a_reason(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    CHECK(post(f, &p.carol, "attic", "hi", NULL, NULL), NOT_A_MEMBER);
    CHECK(post(f, &p.mo, "attic", "hi", NULL, NULL), NOT_A_MEMBER);
    CHECK(post(f, &p.bob, "attic", "hi", NULL, NULL), OK);
}

static void an_archived_room_takes_no_message(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    CHECK(on_room(f, CHAT_ARCHIVE_ROOM, &p.alice, "den", NULL), OK);
    CHECK(post(f, &p.bob, "den", "x", NULL, NULL), ROOM_ARCHIVED);
    CHECK(post(f, &p.carol, "den", "x", NULL, NULL), ROOM_ARCHIVED);
    CHECK(post(f, &p.ada, "den", "x", NULL, NULL), ROOM_ARCHIVED);
}

static void a_reply_names_a_message_of_the_room(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result first, other, ack;
    CHECK(post(f, &p.bob, "den", "question", NULL, &first), OK);
    CHECK(post(f, &p.bob, "attic", "elsewhere", NULL, &other), OK);
    struct {
        int64_t to;
        enum confab_code code;
    } cases[] = {{first.id, CONFAB_OK},
                 {1, CONFAB_MESSAGE_NOT_FOUND} /* room_created */,
                 {-1, CONFAB_MESSAGE_NOT_FOUND},
                 {500, CONFAB_MESSAGE_NOT_FOUND}};
    for (size_t i = 0; i < 4; i++) {
        struct chat_request *r = request(CHAT_POST_MESSAGE, &p.alice);
        r->args.room = keep(r, "den");
        r->args.text = keep(r, "answer");
        r->args.reply_to = cases[i].to;
        assert_int_equal(call(f, r, &ack).code, cases[i].code);
        if (i == 0) assert_int_equal(last_announced(f)->target, first.id);
    }
}

/* ---- Retries ---- */

static void a_retry_returns_the_first_result(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result first, again;
    CHECK(post(f, &p.bob, "den", "hello", "k1", &first), OK);
    size_t announced = f->announced_count;
    uint64_t counted = metric_get(METRIC_DUPLICATES);
    CHECK(post(f, &p.bob, "den", "another", "k2", NULL), OK);
    announced++;
    assert_int_equal(metric_get(METRIC_DUPLICATES), counted);
    CHECK(post(f, &p.bob, "den", "hello", "k1", &again), OK);
    assert_int_equal(metric_get(METRIC_DUPLICATES), counted + 1);
    assert_true(again.duplicate);
    assert_int_equal(again.id, first.id);
    assert_int_equal(again.at_ms, first.at_ms);
    assert_int_equal(f->announced_count, announced);
}

static void a_client_id_is_the_users_and_the_rooms_own(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result r;
    CHECK(post(f, &p.bob, "den", "hello", "k1", NULL), OK);
    CHECK(post(f, &p.alice, "den", "hello", "k1", &r), OK);
    assert_false(r.duplicate);
    CHECK(post(f, &p.bob, "attic", "hello", "k1", &r), OK);
    assert_false(r.duplicate);
}

static void expect_first(struct fixture *f, const struct chat_actor *a, const char *room, const struct chat_result *first)
{
    struct chat_result again;
    CHECK(post(f, a, room, "hello", "k1", &again), OK);
    assert_true(again.duplicate);
    assert_int_equal(again.id, first->id);
    assert_int_equal(again.at_ms, first->at_ms);
}

static void a_retry_is_answered_whatever_has_become_of_message_room_and_sender(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result first;
    CHECK(post(f, &p.bob, "attic", "hello", "k1", &first), OK);
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "attic", first.id, "edited", NULL, NULL), OK);
    expect_first(f, &p.bob, "attic", &first);
    CHECK(on_message(f, CHAT_DELETE_MESSAGE, &p.alice, "attic", first.id, NULL, NULL, NULL), OK);
    expect_first(f, &p.bob, "attic", &first);
    CHECK(remove_member(f, &p.alice, "attic", "bob"), OK);
    expect_first(f, &p.bob, "attic", &first);
    CHECK(on_room(f, CHAT_ARCHIVE_ROOM, &p.alice, "attic", NULL), OK);
    expect_first(f, &p.bob, "attic", &first);
    CHECK(post(f, &p.bob, "attic", "another", "k2", NULL), NOT_A_MEMBER);
    CHECK(on_room(f, CHAT_DELETE_ROOM, &p.alice, "attic", NULL), OK);
    CHECK(post(f, &p.bob, "attic", "hello", "k1", NULL), ROOM_NOT_FOUND);
}

static void a_retry_by_someone_who_has_left_does_not_bring_them_back(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result first, room;
    CHECK(post(f, &p.bob, "den", "hello", "k1", &first), OK);
    CHECK(remove_member(f, &p.bob, "den", "bob"), OK);
    uint64_t counted = metric_get(METRIC_DUPLICATES);
    expect_first(f, &p.bob, "den", &first);
    assert_int_equal(metric_get(METRIC_DUPLICATES), counted + 1);
    CHECK(on_room(f, CHAT_GET_ROOM, &p.bob, "den", &room), OK);
    assert_int_equal(room.room.role, MEMBER_NONE);
}

static void retries_of_edits_and_deletions_are_answered_too(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result message, edit, again, gone;
    CHECK(post(f, &p.bob, "den", "helo", NULL, &message), OK);
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", message.id, "hello", "e1", &edit), OK);
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", message.id, "later", NULL, NULL), OK);
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", message.id, "hello", "e1", &again), OK);
    assert_true(again.duplicate);
    assert_int_equal(again.id, edit.id);
    struct chat_request *keeper; /* the retry did not undo the later edit */
    assert_true(span_is(view_of(f, &p.bob, "den", message.id, &keeper).text, "later"));
    chat_request_free(keeper);
    CHECK(on_message(f, CHAT_DELETE_MESSAGE, &p.bob, "den", message.id, NULL, "d1", &gone), OK);
    CHECK(on_message(f, CHAT_DELETE_MESSAGE, &p.bob, "den", message.id, NULL, "d1", &again), OK);
    assert_true(again.duplicate);
    assert_int_equal(again.id, gone.id);
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", message.id, "hello", "e1", &again), OK);
    assert_int_equal(again.id, edit.id);
    CHECK(on_message(f, CHAT_DELETE_MESSAGE, &p.bob, "den", message.id, NULL, "d2", NULL), MESSAGE_DELETED);
}

static void a_client_id_that_was_used_for_something_else_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result message, ack;
    CHECK(post(f, &p.bob, "den", "words", "k1", &message), OK);
    size_t announced = f->announced_count;
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", message.id, "other words", "k1", &ack), OK);
    assert_true(ack.duplicate);
    CHECK(on_message(f, CHAT_DELETE_MESSAGE, &p.bob, "den", message.id, NULL, "k1", &ack), OK);
    assert_true(ack.duplicate);
    assert_int_equal(ack.id, message.id);
    assert_int_equal(f->announced_count, announced);
    struct chat_request *keeper;
    assert_true(span_is(view_of(f, &p.bob, "den", message.id, &keeper).text, "words"));
    chat_request_free(keeper);
}

/* ---- Edit ---- */

static void an_edit_changes_the_text_and_appends_an_event(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result message, ack;
    CHECK(post(f, &p.bob, "den", "helo", NULL, &message), OK);
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", message.id, "hello", NULL, &ack), OK);
    assert_int_equal(ack.id, message.id + 1);
    assert_int_equal(last_announced(f)->kind, EVENT_MESSAGE_EDITED);
    assert_int_equal(last_announced(f)->target, message.id);
    struct chat_request *keeper;
    struct message_view v = view_of(f, &p.alice, "den", message.id, &keeper);
    assert_true(span_is(v.text, "hello"));
    assert_int_equal(v.edited_ms, ack.at_ms);
    chat_request_free(keeper);
}

static void only_the_author_edits_and_only_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result message;
    CHECK(post(f, &p.bob, "den", "mine", NULL, &message), OK);
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.alice, "den", message.id, "x", NULL, NULL), FORBIDDEN);
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.ada, "den", message.id, "x", NULL, NULL), FORBIDDEN);
    CHECK_FIELD(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", message.id, "", NULL, NULL), INVALID_FIELD, "message");
    CHECK_FIELD(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", 0, "x", NULL, NULL), MISSING_FIELD, "id");
    CHECK_FIELD(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", -4, "x", NULL, NULL), INVALID_FIELD, "id");
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", 1, "x", NULL, NULL), MESSAGE_NOT_FOUND); /* room_created */
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", 999, "x", NULL, NULL), MESSAGE_NOT_FOUND);
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.carol, "attic", 2, "x", NULL, NULL), NOT_A_MEMBER); /* before the message is looked up */
    CHECK(remove_member(f, &p.bob, "den", "bob"), OK);
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", message.id, "x", NULL, NULL), NOT_A_MEMBER);
}

/* ---- Delete ---- */

static void a_deletion_erases_the_text_from_log_and_view(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result message;
    CHECK(post(f, &p.bob, "den", "secret", NULL, &message), OK);
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", message.id, "secret too", NULL, NULL), OK);
    CHECK(on_message(f, CHAT_DELETE_MESSAGE, &p.bob, "den", message.id, NULL, NULL, NULL), OK);
    assert_int_equal(last_announced(f)->kind, EVENT_MESSAGE_DELETED);
    assert_int_equal(last_announced(f)->target, message.id);
    struct chat_request *keeper;
    struct message_view v = view_of(f, &p.alice, "den", message.id, &keeper);
    assert_true(v.deleted);
    assert_int_equal(v.text.n, 0);
    chat_request_free(keeper);
    struct chat_request *r = request(CHAT_LIST_EVENTS, &p.alice);
    r->args.room = keep(r, "den");
    r->args.after = message.id - 1;
    CHECK(chat_call(f->chat, r), OK);
    assert_int_equal(r->result.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(r->result.list.events[i].text.n, 0);
    assert_true(r->result.list.events[0].deleted);
    chat_request_free(r);
}

static void who_may_delete_what_others_wrote(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    const struct {
        const struct chat_actor *who;
        const char *room;
        enum confab_code code;
    } cases[] = {
        {&p.carol, "den", CONFAB_FORBIDDEN},
        {&p.alice, "den", CONFAB_OK},
        {&p.mo, "den", CONFAB_OK},
        {&p.ada, "den", CONFAB_OK},
        {&p.carol, "attic", CONFAB_NOT_A_MEMBER},
        {&p.mo, "attic", CONFAB_NOT_A_MEMBER},
        {&p.alice, "attic", CONFAB_OK},
        {&p.ada, "attic", CONFAB_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chat_result message;
        CHECK(post(f, &p.bob, cases[i].room, "words", NULL, &message), OK);
        assert_int_equal(on_message(f, CHAT_DELETE_MESSAGE, cases[i].who, cases[i].room, message.id, NULL, NULL, NULL).code, cases[i].code);
    }
    assert_int_equal(audit_count(f, "message_deleted", NULL), 5);
}

static void deleting_ones_own_is_no_matter_for_the_audit(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result message;
    CHECK(post(f, &p.bob, "den", "words", NULL, &message), OK);
    CHECK(remove_member(f, &p.bob, "den", "bob"), OK);
    CHECK(on_room(f, CHAT_ARCHIVE_ROOM, &p.alice, "den", NULL), OK);
    CHECK(on_message(f, CHAT_DELETE_MESSAGE, &p.bob, "den", message.id, NULL, NULL, NULL), OK); /* one's own words, always */
    assert_int_equal(audit_count(f, "message_deleted", NULL), 0);
}

static void what_is_deleted_is_neither_edited_nor_deleted_nor_reacted_to(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result message;
    CHECK(post(f, &p.bob, "den", "words", NULL, &message), OK);
    CHECK(on_message(f, CHAT_DELETE_MESSAGE, &p.bob, "den", message.id, NULL, NULL, NULL), OK);
    CHECK(on_message(f, CHAT_EDIT_MESSAGE, &p.bob, "den", message.id, "x", NULL, NULL), MESSAGE_DELETED);
    CHECK(on_message(f, CHAT_DELETE_MESSAGE, &p.bob, "den", message.id, NULL, NULL, NULL), MESSAGE_DELETED);
    CHECK(on_message(f, CHAT_ADD_REACTION, &p.bob, "den", message.id, "x", NULL, NULL), MESSAGE_DELETED);
}

/* ---- React ---- */

static void reactions_are_counted_once_per_person(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result message, ack;
    CHECK(post(f, &p.bob, "den", "words", NULL, &message), OK);
    CHECK(on_message(f, CHAT_ADD_REACTION, &p.alice, "den", message.id, "+1", NULL, &ack), OK);
    assert_int_equal(ack.id, message.id + 1);
    assert_int_equal(last_announced(f)->kind, EVENT_REACTION_ADDED);
    assert_string_equal(last_announced(f)->text, "+1");
    CHECK(on_message(f, CHAT_ADD_REACTION, &p.bob, "den", message.id, "+1", NULL, NULL), OK);
    size_t announced = f->announced_count;
    CHECK(on_message(f, CHAT_ADD_REACTION, &p.alice, "den", message.id, "+1", NULL, &ack), OK);
    assert_true(ack.duplicate);
    assert_int_equal(ack.id, message.id);
    assert_int_equal(f->announced_count, announced);
    struct chat_request *keeper;
    struct message_view v = view_of(f, &p.alice, "den", message.id, &keeper);
    assert_int_equal(v.reaction_count, 1);
    assert_int_equal(v.reactions[0].count, 2);
    assert_true(v.reactions[0].me);
    chat_request_free(keeper);
    CHECK(on_message(f, CHAT_REMOVE_REACTION, &p.alice, "den", message.id, "+1", NULL, &ack), OK);
    assert_false(ack.duplicate);
    assert_int_equal(last_announced(f)->kind, EVENT_REACTION_REMOVED);
    CHECK(on_message(f, CHAT_REMOVE_REACTION, &p.alice, "den", message.id, "+1", NULL, &ack), OK);
    assert_true(ack.duplicate);
}

static void reactions_are_checked(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result message;
    CHECK(post(f, &p.bob, "den", "words", NULL, &message), OK);
    CHECK_FIELD(on_message(f, CHAT_ADD_REACTION, &p.bob, "den", message.id, NULL, NULL, NULL), MISSING_FIELD, "reaction");
    const char *const bad[] = {"", "a b", "\x01", "\xff", "123456789012345678901234567890123"};
    for (size_t i = 0; i < 5; i++)
        CHECK_FIELD(on_message(f, CHAT_ADD_REACTION, &p.bob, "den", message.id, bad[i], NULL, NULL), INVALID_FIELD, "reaction");
    CHECK(on_message(f, CHAT_ADD_REACTION, &p.bob, "den", message.id, "12345678901234567890123456789012", NULL, NULL), OK);
    CHECK(on_message(f, CHAT_ADD_REACTION, &p.carol, "den", message.id, "+1", NULL, NULL), NOT_A_MEMBER);
    struct chat_actor system = operator_();
    CHECK(on_message(f, CHAT_ADD_REACTION, &system, "den", message.id, "+1", NULL, NULL), FORBIDDEN);
}

static void different_reactions_on_a_message_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result message;
    char reaction[16];
    CHECK(post(f, &p.bob, "den", "words", NULL, &message), OK);
    for (int i = 0; i < 64; i++) {
        snprintf(reaction, sizeof reaction, "r%d", i);
        CHECK(on_message(f, CHAT_ADD_REACTION, &p.bob, "den", message.id, reaction, NULL, NULL), OK);
    }
    CHECK_FIELD(on_message(f, CHAT_ADD_REACTION, &p.alice, "den", message.id, "new", NULL, NULL), INVALID_FIELD, "reaction");
    CHECK(on_message(f, CHAT_ADD_REACTION, &p.alice, "den", message.id, "r0", NULL, NULL), OK);
}

/* ---- Read marks ---- */

static void the_read_mark_goes_forward_only(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result a, b, r;
    CHECK(post(f, &p.alice, "den", "one", NULL, &a), OK);
    CHECK(post(f, &p.alice, "den", "two", NULL, &b), OK);
    CHECK(on_room(f, CHAT_GET_ROOM, &p.bob, "den", &r), OK);
    assert_int_equal(r.room.unread, 2);
    CHECK(on_message(f, CHAT_MARK_READ, &p.bob, "den", b.id, NULL, NULL, &r), OK);
    assert_int_equal(r.kind, CHAT_RESULT_READ);
    assert_int_equal(r.id, b.id);
    assert_int_equal(r.room.last_read, b.id);
    assert_string_equal(r.room.room.slug, "den");
    CHECK(on_message(f, CHAT_MARK_READ, &p.bob, "den", a.id, NULL, NULL, &r), OK);
    assert_int_equal(r.id, b.id);
    CHECK(on_room(f, CHAT_GET_ROOM, &p.bob, "den", &r), OK);
    assert_int_equal(r.room.unread, 0);
    assert_int_equal(r.room.last_read, b.id);
}

static void the_read_mark_is_checked(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    CHECK_FIELD(on_message(f, CHAT_MARK_READ, &p.bob, "den", 999, NULL, NULL, NULL), INVALID_FIELD, "id");
    CHECK_FIELD(on_message(f, CHAT_MARK_READ, &p.bob, "den", 0, NULL, NULL, NULL), MISSING_FIELD, "id");
    CHECK(on_message(f, CHAT_MARK_READ, &p.carol, "den", 1, NULL, NULL, NULL), NOT_A_MEMBER);
    CHECK(on_message(f, CHAT_MARK_READ, &p.carol, "attic", 1, NULL, NULL, NULL), NOT_A_MEMBER);
}

/* ---- Races: requests that were sent before either was answered ---- */

struct pending {
    struct chat_request *requests[2];
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int answered;
};

static void on_answer(struct chat_request *r)
{
    struct pending *p = r->ctx;
    pthread_mutex_lock(&p->lock);
    p->answered++;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static struct chat_request *about(struct pending *p, enum chat_op op, const struct chat_actor *a, int64_t id, const char *text)
{
    struct chat_request *r = request(op, a);
    r->args.room = keep(r, "den");
    r->args.id = id;
    r->args.text = keep(r, text);
    r->reply = on_answer;
    r->ctx = p;
    return r;
}

static void race(struct fixture *f, struct pending *p)
{
    chat_submit(f->chat, p->requests[0]);
    chat_submit(f->chat, p->requests[1]);
    pthread_mutex_lock(&p->lock);
    while (p->answered < 2)
        pthread_cond_wait(&p->wake, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void of_two_edits_at_once_the_later_one_stands(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result message;
    CHECK(post(f, &p.bob, "den", "words", NULL, &message), OK);
    struct pending race_ = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
    race_.requests[0] = about(&race_, CHAT_EDIT_MESSAGE, &p.bob, message.id, "first");
    race_.requests[1] = about(&race_, CHAT_EDIT_MESSAGE, &p.bob, message.id, "second");
    race(f, &race_);
    CHECK(race_.requests[0]->job.result, OK);
    CHECK(race_.requests[1]->job.result, OK);
    assert_int_equal(race_.requests[1]->result.id, race_.requests[0]->result.id + 1);
    struct chat_request *keeper;
    assert_true(span_is(view_of(f, &p.bob, "den", message.id, &keeper).text, "second"));
    chat_request_free(keeper);
    chat_request_free(race_.requests[0]);
    chat_request_free(race_.requests[1]);
}

static void an_edit_behind_a_deletion_comes_too_late(void **state)
{
    struct fixture *f = *state;
    struct people p = settle(f);
    struct chat_result message;
    CHECK(post(f, &p.bob, "den", "words", NULL, &message), OK);
    struct pending race_ = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
    race_.requests[0] = about(&race_, CHAT_DELETE_MESSAGE, &p.alice, message.id, NULL);
    race_.requests[1] = about(&race_, CHAT_EDIT_MESSAGE, &p.bob, message.id, "too late");
    race(f, &race_);
    CHECK(race_.requests[0]->job.result, OK);
    CHECK(race_.requests[1]->job.result, MESSAGE_DELETED);
    struct chat_request *keeper;
    assert_int_equal(view_of(f, &p.bob, "den", message.id, &keeper).text.n, 0);
    chat_request_free(keeper);
    chat_request_free(race_.requests[0]);
    chat_request_free(race_.requests[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_acknowledged_announced_and_visible),
        TEST(bytes_of_a_message_come_back_as_they_were),
        TEST(the_text_is_checked),
        TEST(the_client_id_is_checked),
        TEST(the_room_has_to_exist_and_be_named),
        TEST(posting_to_a_public_room_joins_it_first),
        TEST(a_refused_first_post_makes_no_membership),
        TEST(a_connection_that_was_removed_does_not_rejoin_by_posting),
        TEST(strangers_are_refused_in_private_rooms_with_a_reason),
        TEST(an_archived_room_takes_no_message),
        TEST(a_reply_names_a_message_of_the_room),
        TEST(a_retry_returns_the_first_result),
        TEST(a_client_id_is_the_users_and_the_rooms_own),
        TEST(a_retry_is_answered_whatever_has_become_of_message_room_and_sender),
        TEST(a_retry_by_someone_who_has_left_does_not_bring_them_back),
        TEST(retries_of_edits_and_deletions_are_answered_too),
        TEST(a_client_id_that_was_used_for_something_else_changes_nothing),
        TEST(an_edit_changes_the_text_and_appends_an_event),
        TEST(only_the_author_edits_and_only_what_is_there),
        TEST(a_deletion_erases_the_text_from_log_and_view),
        TEST(who_may_delete_what_others_wrote),
        TEST(deleting_ones_own_is_no_matter_for_the_audit),
        TEST(what_is_deleted_is_neither_edited_nor_deleted_nor_reacted_to),
        TEST(reactions_are_counted_once_per_person),
        TEST(reactions_are_checked),
        TEST(different_reactions_on_a_message_are_bounded),
        TEST(the_read_mark_goes_forward_only),
        TEST(the_read_mark_is_checked),
        TEST(of_two_edits_at_once_the_later_one_stands),
        TEST(an_edit_behind_a_deletion_comes_too_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
