#include "chat_fixture.h"

/* A public room with ROOM_CREATED (1), the owner's MEMBER_JOINED (2), and messages "m3" … "m<last>". */
static struct chat_actor fill_room(struct fixture *f, int last)
{
    struct chat_actor alice = make_user(f, "alice", NULL);
    char text[16];
    CHECK(create_room(f, &alice, "den", NULL, NULL), OK);
    for (int i = 3; i <= last; i++) {
        snprintf(text, sizeof text, "m%d", i);
        CHECK(post(f, &alice, "den", text, NULL, NULL), OK);
    }
    return alice;
}

static struct chat_request *page(struct fixture *f, enum chat_op op, const struct chat_actor *a, int64_t before, int64_t after,
                                 int64_t limit)
{
    struct chat_request *r = request(op, a);
    r->args.room = keep(r, "den");
    r->args.before = before;
    r->args.after = after;
    r->args.limit = limit;
    CHECK(chat_call(f->chat, r), OK);
    return r;
}

static int64_t seq_at(const struct chat_request *r, size_t i)
{
    return r->op == CHAT_LIST_EVENTS ? r->result.list.events[i].seq : r->result.list.messages[i].seq;
}

struct expectation {
    int64_t before, after, limit, first, last;
    bool more;
};

static void expect_pages(struct fixture *f, enum chat_op op, const struct chat_actor *a, const struct expectation *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct chat_request *r = page(f, op, a, e[i].before, e[i].after, e[i].limit);
        size_t count = e[i].first ? (size_t)(e[i].last - e[i].first + 1) : 0;
        if (r->result.count != count || r->result.more != e[i].more)
            fail_msg("case %zu: %zu of them, more %d", i, r->result.count, r->result.more);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(seq_at(r, k), e[i].first + (int64_t)k);
        chat_request_free(r);
    }
}

static void events_are_paged_both_ways_without_a_hole(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = fill_room(f, 20);
    static const struct expectation cases[] = {
        {-1, 0, 5, 1, 5, true},     {-1, 5, 5, 6, 10, true},   {-1, 15, 5, 16, 20, false}, {-1, 15, 4, 16, 19, true},
        {-1, 20, 5, 0, 0, false},   {-1, 999, 5, 0, 0, false}, {21, -1, 5, 16, 20, true},  {16, -1, 5, 11, 15, true},
        {6, -1, 5, 1, 5, false},    {7, -1, 5, 2, 6, true},    {3, -1, 5, 1, 2, false},    {1, -1, 5, 0, 0, false},
        {999, -1, 5, 16, 20, true}, {-1, -1, 5, 16, 20, true}, {-1, -1, 0, 1, 20, false},  {-1, 0, 200, 1, 20, false},
    };
    expect_pages(f, CHAT_LIST_EVENTS, &alice, cases, sizeof cases / sizeof *cases);
}

static void messages_are_paged_both_ways(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = fill_room(f, 20);
    static const struct expectation cases[] = {
        {-1, -1, 5, 16, 20, true},  {16, -1, 5, 11, 15, true}, {8, -1, 5, 3, 7, false}, {-1, 0, 5, 3, 7, true},
        {-1, 15, 5, 16, 20, false}, {-1, 20, 5, 0, 0, false},  {3, -1, 5, 0, 0, false}, {-1, 0, 200, 3, 20, false},
    };
    expect_pages(f, CHAT_LIST_MESSAGES, &alice, cases, sizeof cases / sizeof *cases);
}

static void an_event_carries_names_and_text(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = fill_room(f, 2);
    CHECK(post(f, &alice, "den", "words", "k1", NULL), OK);
    struct chat_request *r = page(f, CHAT_LIST_EVENTS, &alice, -1, 0, 10);
    assert_int_equal(r->result.kind, CHAT_RESULT_EVENTS);
    assert_string_equal(r->result.room.room.slug, "den");
    assert_int_equal(r->result.room.room.last_seq, 3);
    assert_int_equal(r->result.room.room.first_seq, 1);
    const struct event *e = r->result.list.events;
    assert_int_equal(e[0].kind, EVENT_ROOM_CREATED);
    assert_true(span_is(e[0].text, "den"));
    assert_int_equal(e[1].kind, EVENT_MEMBER_JOINED);
    assert_true(span_is(e[1].subject, "alice") && span_is(e[1].actor, "alice"));
    assert_int_equal(e[1].role, MEMBER_OWNER);
    assert_int_equal(e[2].kind, EVENT_MESSAGE);
    assert_true(span_is(e[2].text, "words") && span_is(e[2].client_id, "k1") && span_is(e[2].room, "den") && span_is(e[2].actor, "alice"));
    chat_request_free(r);
}

static void wrong_cursors_and_limits_are_refused(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = fill_room(f, 3);
    static const struct {
        int64_t before, after, limit;
        const char *field;
    } cases[] = {{0, -1, 0, "before"}, {-2, -1, 0, "before"},  {-1, -2, 0, "after"},
                 {5, 5, 0, "before"},  {-1, -1, 201, "limit"}, {-1, -1, -1, "limit"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const enum chat_op ops[] = {CHAT_LIST_EVENTS, CHAT_LIST_MESSAGES};
        for (int k = 0; k < 2; k++) {
            struct chat_request *r = request(ops[k], &alice);
            r->args.room = keep(r, "den");
            r->args.before = cases[i].before;
            r->args.after = cases[i].after;
            r->args.limit = cases[i].limit;
            CHECK_FIELD(call(f, r, NULL), INVALID_FIELD, cases[i].field);
        }
    }
}

static void a_public_log_is_open_and_a_private_one_is_not(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = fill_room(f, 3), bob = make_user(f, "bob", NULL);
    const enum chat_op ops[] = {CHAT_LIST_EVENTS, CHAT_LIST_MESSAGES, CHAT_GET_MESSAGE};
    CHECK(create_room(f, &alice, "attic", "private", NULL), OK);
    CHECK(post(f, &alice, "attic", "secret", NULL, NULL), OK);
    for (int i = 0; i < 3; i++) {
        const char *const rooms[] = {"den", "attic", "cellar"};
        const enum confab_code codes[] = {CONFAB_OK, CONFAB_NOT_A_MEMBER, CONFAB_ROOM_NOT_FOUND};
        for (int k = 0; k < 3; k++) {
            struct chat_request *r = request(ops[i], &bob);
            r->args.room = keep(r, rooms[k]);
            r->args.id = ops[i] == CHAT_GET_MESSAGE ? 3 : 0;
            assert_int_equal(call(f, r, NULL).code, codes[k]);
        }
    }
}

static void one_message_is_found_by_its_id(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = fill_room(f, 3);
    struct chat_request *keeper;
    struct message_view v = view_of(f, &alice, "den", 3, &keeper);
    assert_true(span_is(v.text, "m3"));
    chat_request_free(keeper);
    CHECK(on_message(f, CHAT_GET_MESSAGE, &alice, "den", 2, NULL, NULL, NULL), MESSAGE_NOT_FOUND);
    CHECK(on_message(f, CHAT_GET_MESSAGE, &alice, "den", 99, NULL, NULL, NULL), MESSAGE_NOT_FOUND);
    CHECK_FIELD(on_message(f, CHAT_GET_MESSAGE, &alice, "den", 0, NULL, NULL, NULL), MISSING_FIELD, "id");
}

static confab_err trim_run(struct store_job *job, store_tx *tx)
{
    struct fixture_job *j = (struct fixture_job *)job;
    return store_room_trim(tx, j->room_id, j->number);
}

static void paging_back_ends_where_retention_begins(void **state)
{
    struct fixture *f = *state;
    struct chat_actor alice = fill_room(f, 20);
    struct chat_result room;
    CHECK(on_room(f, CHAT_GET_ROOM, &alice, "den", &room), OK);
    struct fixture_job trim = {.room_id = room.room.room.id, .number = 10};
    CHECK(store_do(f, &trim, trim_run), OK);
    static const struct expectation cases[] = {
        {16, -1, 5, 11, 15, false}, {17, -1, 5, 12, 16, true}, {15, -1, 10, 11, 14, false},
        {11, -1, 5, 0, 0, false},   {5, -1, 5, 0, 0, false},
    };
    expect_pages(f, CHAT_LIST_EVENTS, &alice, cases, sizeof cases / sizeof *cases);
}

/* Large messages: pages stay near a MiB, and still join up. */
static void pages_of_large_messages_are_bounded_and_join_up(void **state)
{
    struct fixture *f = *state;
    f->settings.max_message_bytes = 400000;
    struct chat_actor alice = fill_room(f, 2);
    char *big = malloc(300001);
    assert_non_null(big);
    memset(big, 'x', 300000);
    big[300000] = 0;
    for (int i = 3; i <= 12; i++)
        CHECK(post(f, &alice, "den", big, NULL, NULL), OK);
    free(big);
    int64_t seen = 13, pages = 0;
    for (bool more = true; more; pages++) {
        struct chat_request *r = page(f, CHAT_LIST_EVENTS, &alice, seen, -1, 200);
        size_t bytes = 0;
        assert_true(r->result.count > 0);
        assert_int_equal(seq_at(r, r->result.count - 1), seen - 1);
        for (size_t i = 0; i < r->result.count; i++) {
            bytes += r->result.list.events[i].text.n;
            assert_int_equal(seq_at(r, i), seen - (int64_t)(r->result.count - i));
        }
        assert_in_range(bytes, 1, 1100000);
        seen = seq_at(r, 0);
        more = r->result.more;
        chat_request_free(r);
    }
    assert_int_equal(seen, 1);
    assert_in_range(pages, 3, 5);
    for (int64_t after = 0; after < 12;) {
        struct chat_request *r = page(f, CHAT_LIST_EVENTS, &alice, -1, after, 200);
        assert_true(r->result.count > 0);
        assert_int_equal(seq_at(r, 0), after + 1);
        after = seq_at(r, r->result.count - 1);
        assert_int_equal(r->result.more, after < 12);
        chat_request_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(events_are_paged_both_ways_without_a_hole),
        TEST(messages_are_paged_both_ways),
        TEST(an_event_carries_names_and_text),
        TEST(wrong_cursors_and_limits_are_refused),
        TEST(a_public_log_is_open_and_a_private_one_is_not),
        TEST(one_message_is_found_by_its_id),
        TEST(paging_back_ends_where_retention_begins),
        TEST(pages_of_large_messages_are_bounded_and_join_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
