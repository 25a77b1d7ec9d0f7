/* What the writer remembers, and what makes it forget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "db_batch.h"
#include "db_cache.h"

static struct room room_of(int64_t id)
{
    struct room r = {.id = id};
    (void)snprintf(r.slug, sizeof r.slug, "room-%lld", (long long)id);
    return r;
}

static void room_is_remembered_by_number_and_slug(void **state)
{
    (void)state;
    struct db_cache c = {0};
    for (int64_t id = 1; id <= 100; id++) {
        struct room r = room_of(id);
        assert_non_null(db_cache_put_room(&c, &r));
    }
    for (int64_t id = 1; id <= 100; id++) {
        struct room r = room_of(id);
        assert_int_equal(db_cache_room(&c, id)->id, id);
        assert_ptr_equal(db_cache_room_by_slug(&c, span_of(r.slug)), db_cache_room(&c, id));
    }
    assert_null(db_cache_room(&c, 101));
    assert_null(db_cache_room_by_slug(&c, SPAN_LIT("room-101")));
    db_cache_drop_room(&c, 7);
    assert_null(db_cache_room(&c, 7));
    assert_null(db_cache_room_by_slug(&c, SPAN_LIT("room-7")));
    assert_non_null(db_cache_room_by_slug(&c, SPAN_LIT("room-8")));
    db_cache_clear(&c);
    assert_null(db_cache_room(&c, 8));
    assert_null(db_cache_room_by_slug(&c, SPAN_LIT("room-8")));
}

static void room_put_twice_is_the_newer_one(void **state)
{
    (void)state;
    struct db_cache c = {0};
    struct room r = room_of(1);
    assert_non_null(db_cache_put_room(&c, &r));
    r.last_seq = 9;
    assert_non_null(db_cache_put_room(&c, &r));
    assert_int_equal(db_cache_room(&c, 1)->last_seq, 9);
    assert_int_equal(db_cache_room_by_slug(&c, span_of(r.slug))->last_seq, 9);
    db_cache_clear(&c);
}

static void more_rooms_than_fit_are_forgotten_and_not_mixed_up(void **state)
{
    (void)state;
    struct db_cache c = {0};
    for (int64_t id = 1; id <= 20000; id++) {
        struct room r = room_of(id);
        assert_non_null(db_cache_put_room(&c, &r));
        assert_int_equal(db_cache_room_by_slug(&c, span_of(r.slug))->id, id);
    }
    assert_null(db_cache_room(&c, 1));
    assert_null(db_cache_room_by_slug(&c, SPAN_LIT("room-1")));
    assert_in_range(c.rooms.len, 1, 8192);
    db_cache_clear(&c);
}

static void membership_is_per_room_and_user(void **state)
{
    (void)state;
    struct db_cache c = {0};
    for (int64_t room = 1; room <= 50; room++) {
        for (int64_t user = 1; user <= 50; user++) {
            struct db_member m = {.role = MEMBER_MEMBER, .last_read = room * 1000 + user};
            db_cache_put_member(&c, room, user, &m);
        }
    }
    for (int64_t room = 1; room <= 50; room++)
        for (int64_t user = 1; user <= 50; user++)
            assert_int_equal(db_cache_member(&c, room, user)->last_read, room * 1000 + user);
    assert_null(db_cache_member(&c, 51, 1));
    db_cache_drop_member(&c, 3, 4);
    assert_null(db_cache_member(&c, 3, 4));
    assert_non_null(db_cache_member(&c, 4, 3));
    db_cache_clear(&c);
}

static void batch_keeps_copies_of_every_byte(void **state)
{
    (void)state;
    struct db_batch b = {0};
    static char large[600000];
    memset(large, 'L', sizeof large);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5000; i++) {
            char text[32];
            int n = snprintf(text, sizeof text, "text %d", i);
            struct event e = {.seq = i, .room = SPAN_LIT("general"), .actor = SPAN_LIT(""), .text = {text, (size_t)n}};
            if (i == 2500) e.text = (span){large, sizeof large};
            assert_true(db_batch_add(&b, &e));
            memset(text, '!', sizeof text); /* the job's own bytes are gone */
        }
        assert_int_equal(b.n, 5000);
        for (int i = 0; i < 5000; i++) {
            char text[32];
            (void)snprintf(text, sizeof text, "text %d", i);
            const struct event *e = &b.events[i];
            assert_int_equal(e->seq, i);
            assert_true(span_is(e->room, "general"));
            assert_true(e->actor.p && e->actor.n == 0);
            assert_null(e->client_id.p);
            if (i == 2500)
                assert_true(e->text.n == sizeof large && e->text.p[sizeof large - 1] == 'L');
            else
                assert_true(span_is(e->text, text));
        }
        size_t mark = 4990;
        db_batch_back(&b, mark);
        assert_int_equal(db_batch_mark(&b), mark);
        db_batch_clear(&b);
        assert_int_equal(b.n, 0);
    }
    db_batch_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_is_remembered_by_number_and_slug),
        cmocka_unit_test(room_put_twice_is_the_newer_one),
        cmocka_unit_test(more_rooms_than_fit_are_forgotten_and_not_mixed_up),
        cmocka_unit_test(membership_is_per_room_and_user),
        cmocka_unit_test(batch_keeps_copies_of_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
