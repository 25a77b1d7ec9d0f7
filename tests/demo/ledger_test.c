/* ledger_test.c: every way in which a transcript can be wrong is noticed, and named rightly. */
#include "ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A room of two: a speaks, b answers, a speaks again. Both are members. Their cursors: */
enum { A = 0, B = 1, ROOM = 0 };

typedef struct fixture {
    corpus *corpus;
    ledger *ledger;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    const char *content = "[01:00] <a> one\n[01:00] <b> \"two\"\n[01:00] <a> three\n";
    f.corpus = corpus_new();
    assert_non_null(f.corpus);
    assert_true(corpus_add_file(f.corpus, "r.txt", content, strlen(content), 1000));
    f.ledger = ledger_new(f.corpus);
    assert_non_null(f.ledger);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    ledger_free(f->ledger);
    corpus_free(f->corpus);
    return 0;
}

static void joined(fixture *f, size_t cursor, const char *recovery, int64_t last_id)
{
    char text[256];
    frame fr;
    const int len = snprintf(text, sizeof text,
                             "{\"type\":\"joined\",\"room_id\":\"r\",\"last_id\":%d,\"recovery\":\"%s\",\"gap\":{\"from\":0,\"to\":%d}}",
                             (int)last_id, recovery, (int)last_id - 1);
    assert_true(frame_read(text, (size_t)len, &fr));
    ledger_joined(f->ledger, cursor, &fr);
}

static void deliver(fixture *f, size_t cursor, int64_t id, const char *user, const char *escaped)
{
    char text[256];
    frame fr;
    const int len =
        snprintf(text, sizeof text, "{\"type\":\"message\",\"data\":{\"id\":%d,\"room_id\":\"r\",\"user_id\":\"%s\",\"message\":\"%s\"}}",
                 (int)id, user, escaped);
    assert_true(frame_read(text, (size_t)len, &fr));
    assert_true(ledger_delivered(f->ledger, cursor, &fr));
}

/* The three lines, as the server should deliver them: ids 11, 12, 13. */
static void deliver_line(fixture *f, size_t cursor, int line)
{
    static const char *const users[] = {"a", "b", "a"};
    static const char *const texts[] = {"one", "\\\"two\\\"", "three"};
    deliver(f, cursor, 11 + line, users[line], texts[line]);
}

static void both_join(fixture *f)
{
    joined(f, A, "fresh", 10);
    joined(f, B, "fresh", 10);
}

static void ack_all(fixture *f)
{
    for (size_t line = 0; line < 3; line++) {
        assert_true(ledger_acked(f->ledger, ROOM, line, 11 + (int64_t)line));
    }
}

/* All but the given number (by its address within the verdict) must be zero, that one must be `want`. */
#define expect_only(f, member, want)                                                                                                       \
    do {                                                                                                                                   \
        ledger_verdict v_ = ledger_judge((f)->ledger);                                                                                     \
        assert_int_equal(v_.member, (want));                                                                                               \
        v_.member = 0;                                                                                                                     \
        assert_true(ledger_is_clean(&v_));                                                                                                 \
        assert_true((want) == 0 || strlen(ledger_notes((f)->ledger)) > 0);                                                                 \
    } while (0)

static void a_perfect_run_is_clean(void **state)
{
    fixture *f = *state;
    ledger_counts counts;
    both_join(f);
    for (int line = 0; line < 3; line++) {
        deliver_line(f, B, line);
        deliver_line(f, A, line);
    }
    ack_all(f);
    assert_true(ledger_is_level(f->ledger, A));
    assert_true(ledger_is_level(f->ledger, B));
    ledger_get_counts(f->ledger, &counts);
    assert_int_equal(counts.deliveries, 6);
    assert_int_equal(counts.messages, 6);
    assert_int_equal(counts.events, 3);
    assert_int_equal(counts.acked, 3);
    expect_only(f, lost, 0);
    assert_string_equal(ledger_notes(f->ledger), "");
}

static void cursors_are_found_by_user_and_room(void **state)
{
    fixture *f = *state;
    size_t first = 9;
    assert_int_equal(ledger_cursor_count(f->ledger), 2);
    assert_int_equal(ledger_cursors_of(f->ledger, 1, &first), 1);
    assert_int_equal(first, B);
    assert_int_equal(ledger_find_cursor(f->ledger, 0, ROOM), A);
    assert_int_equal(ledger_find_cursor(f->ledger, 0, 1), LEDGER_NONE);
    assert_int_equal(ledger_find_room(f->ledger, "r", 1), ROOM);
    assert_int_equal(ledger_find_room(f->ledger, "x", 1), UINT32_MAX);
}

static void an_event_that_never_came_is_lost(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (int line = 0; line < 3; line++) {
        deliver_line(f, A, line);
    }
    deliver_line(f, B, 0);
    ack_all(f);
    assert_false(ledger_is_level(f->ledger, B));
    expect_only(f, lost, 2);
}

static void an_event_that_was_jumped_over_is_lost(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (int line = 0; line < 3; line++) {
        deliver_line(f, A, line);
    }
    deliver_line(f, B, 0);
    deliver_line(f, B, 2);
    ack_all(f);
    expect_only(f, lost, 1);
}

static void a_reader_who_never_joined_lost_everything(void **state)
{
    fixture *f = *state;
    joined(f, A, "fresh", 0);
    deliver(f, A, 1, "a", "one");
    assert_true(ledger_acked(f->ledger, ROOM, 0, 1));
    const ledger_verdict v = ledger_judge(f->ledger);
    assert_int_equal(v.lost, 1);
}

static void an_event_that_came_twice_is_doubled(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (int line = 0; line < 3; line++) {
        deliver_line(f, A, line);
        deliver_line(f, B, line);
    }
    deliver_line(f, B, 1);
    ack_all(f);
    expect_only(f, doubled, 1);
}

static void an_event_that_came_late_is_out_of_order(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (int line = 0; line < 3; line++) {
        deliver_line(f, A, line);
    }
    deliver_line(f, B, 2);
    deliver_line(f, B, 1);
    deliver_line(f, B, 0);
    ack_all(f);
    expect_only(f, out_of_order, 2);
}

static void a_late_event_that_comes_again_is_doubled_too(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (int line = 0; line < 3; line++) {
        deliver_line(f, A, line);
    }
    deliver_line(f, B, 2);
    deliver_line(f, B, 0);
    deliver_line(f, B, 0);
    ack_all(f);
    const ledger_verdict v = ledger_judge(f->ledger);
    assert_int_equal(v.out_of_order, 1);
    assert_int_equal(v.doubled, 1);
    assert_int_equal(v.lost, 1);
}

static void another_text_than_other_readers_got_is_altered(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (int line = 0; line < 3; line++) {
        deliver_line(f, A, line);
    }
    deliver_line(f, B, 0);
    deliver(f, B, 12, "b", "tow");
    deliver_line(f, B, 2);
    ack_all(f);
    expect_only(f, altered, 1);
}

static void another_text_or_author_than_was_sent_is_altered(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (size_t reader = A; reader <= B; reader++) {
        deliver(f, reader, 11, "a", "one ");
        deliver(f, reader, 12, "a", "\\\"two\\\"");
        deliver_line(f, reader, 2);
    }
    ack_all(f);
    expect_only(f, altered, 2);
}

static void a_line_stored_twice_is_surplus(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (size_t reader = A; reader <= B; reader++) {
        deliver(f, reader, 11, "a", "one");
        deliver(f, reader, 12, "a", "one");
        deliver(f, reader, 13, "b", "\\\"two\\\"");
        deliver(f, reader, 14, "a", "three");
    }
    assert_true(ledger_acked(f->ledger, ROOM, 0, 11));
    assert_true(ledger_acked(f->ledger, ROOM, 1, 13));
    assert_true(ledger_acked(f->ledger, ROOM, 2, 14));
    expect_only(f, surplus, 1);
}

static void acks_against_the_order_of_the_file_are_out_of_order(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (size_t reader = A; reader <= B; reader++) {
        deliver(f, reader, 11, "b", "\\\"two\\\"");
        deliver(f, reader, 12, "a", "one");
        deliver(f, reader, 13, "a", "three");
    }
    assert_true(ledger_acked(f->ledger, ROOM, 0, 12));
    assert_true(ledger_acked(f->ledger, ROOM, 1, 11));
    assert_true(ledger_acked(f->ledger, ROOM, 2, 13));
    expect_only(f, out_of_order, 1);
}

static void a_retry_must_be_answered_with_the_same_id(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (int line = 0; line < 3; line++) {
        deliver_line(f, A, line);
        deliver_line(f, B, line);
    }
    ack_all(f);
    assert_false(ledger_acked(f->ledger, ROOM, 1, 12));
    expect_only(f, altered, 0);
    assert_false(ledger_acked(f->ledger, ROOM, 1, 14));
    expect_only(f, altered, 1);
}

static void a_reader_who_comes_back_goes_on_where_it_was(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (int line = 0; line < 3; line++) {
        deliver_line(f, A, line);
    }
    deliver_line(f, B, 0);
    ack_all(f);
    joined(f, B, "resumed", 13);
    assert_int_equal(ledger_cursor_at(f->ledger, B)->next, 12);
    deliver_line(f, B, 1);
    deliver_line(f, B, 2);
    expect_only(f, lost, 0);
}

static void replay_that_begins_too_early_is_doubled(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (int line = 0; line < 3; line++) {
        deliver_line(f, A, line);
        deliver_line(f, B, line);
    }
    ack_all(f);
    joined(f, B, "resumed", 13);
    deliver_line(f, B, 2);
    expect_only(f, doubled, 1);
}

static void a_room_that_is_shorter_than_what_was_seen_is_withdrawn(void **state)
{
    fixture *f = *state;
    both_join(f);
    for (int line = 0; line < 3; line++) {
        deliver_line(f, A, line);
        deliver_line(f, B, line);
    }
    ack_all(f);
    joined(f, B, "resumed", 11);
    expect_only(f, withdrawn, 2);
}

static void a_gap_or_a_new_epoch_is_a_loss_said_aloud(void **state)
{
    fixture *f = *state;
    ledger_counts counts;
    both_join(f);
    for (int line = 0; line < 3; line++) {
        deliver_line(f, A, line);
    }
    ack_all(f);
    joined(f, B, "gap", 13); /* 11 and 12 are gone */
    deliver_line(f, B, 2);
    expect_only(f, lost, 2);
    ledger_get_counts(f->ledger, &counts);
    assert_int_equal(counts.lost_in_gaps, 2);
    joined(f, A, "epoch_changed", 20);
    const ledger_verdict v = ledger_judge(f->ledger);
    assert_int_equal(v.lost, 2 + 7);
}

static void events_before_joined_are_stray(void **state)
{
    fixture *f = *state;
    deliver_line(f, A, 0);
    both_join(f);
    const ledger_verdict v = ledger_judge(f->ledger);
    assert_int_equal(v.stray, 1);
}

static void a_line_on_its_way_when_the_run_ends_is_no_surplus(void **state)
{
    fixture *f = *state;
    both_join(f);
    deliver_line(f, A, 0);
    deliver_line(f, B, 0);
    expect_only(f, unacked, 3);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        test(a_perfect_run_is_clean),
        test(cursors_are_found_by_user_and_room),
        test(an_event_that_never_came_is_lost),
        test(an_event_that_was_jumped_over_is_lost),
        test(a_reader_who_never_joined_lost_everything),
        test(an_event_that_came_twice_is_doubled),
        test(an_event_that_came_late_is_out_of_order),
        test(a_late_event_that_comes_again_is_doubled_too),
        test(another_text_than_other_readers_got_is_altered),
        test(another_text_or_author_than_was_sent_is_altered),
        test(a_line_stored_twice_is_surplus),
        test(acks_against_the_order_of_the_file_are_out_of_order),
        test(a_retry_must_be_answered_with_the_same_id),
        test(a_reader_who_comes_back_goes_on_where_it_was),
        test(replay_that_begins_too_early_is_doubled),
        test(a_room_that_is_shorter_than_what_was_seen_is_withdrawn),
        test(a_gap_or_a_new_epoch_is_a_loss_said_aloud),
        test(events_before_joined_are_stray),
        test(a_line_on_its_way_when_the_run_ends_is_no_surplus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
