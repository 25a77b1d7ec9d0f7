/* A disk that is full or broken at the n-th write or sync, for n = 1, 2, … until nothing fails any more: no answer is a lie, no log has
 * a hole, nothing is left half done, and the store goes on when the disk does. */
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "db_conn.h"
#include "fault_vfs.h"
#include "store_fixture.h"

enum { JOBS = 12, MOST = 400 };

struct run {
    store *s;
    struct room rooms[3];
    struct user ann;
    atomic_int done;
};

struct item {
    struct store_job job; /* first member */
    struct run *run;
    int number;
    char client_id[32];
    int64_t seq;
};

static confab_err run_item(struct store_job *job, store_tx *tx)
{
    struct item *i = (struct item *)job;
    bool duplicate;
    struct event e = {.room_id = i->run->rooms[i->number % 3].id,
                      .kind = EVENT_MESSAGE,
                      .actor_id = i->run->ann.id,
                      .text = SPAN_LIT("a message that takes a little room on the page, so that pages fill"),
                      .client_id = span_of(i->client_id)};
    confab_err err = store_event_append(tx, &e, &duplicate);
    i->seq = e.seq;
    return err;
}

static void item_done(struct store_job *job) { atomic_fetch_add(&((struct item *)job)->run->done, 1); }

static bool all_done(void *ctx) { return atomic_load(&((struct run *)ctx)->done) == JOBS; }

struct stored {
    struct run *run;
    const struct item *item;
    int64_t seq;
};

static confab_err run_find(store_tx *tx, void *ctx)
{
    struct stored *f = ctx;
    int64_t at_ms;
    return store_event_find_client(tx, f->run->rooms[f->item->number % 3].id, f->run->ann.id, span_of(f->item->client_id), &f->seq, &at_ms);
}

/* What was acknowledged is stored under the seq that was told; what failed is not there. */
static void assert_answers_are_true(struct run *r, struct item *items)
{
    for (int i = 0; i < JOBS; i++) {
        struct stored f = {.run = r, .item = &items[i]};
        assert_ok(do_read(r->s, run_find, &f));
        if (confab_failed(items[i].job.result))
            assert_int_equal(f.seq, 0);
        else
            assert_int_equal(f.seq, items[i].seq);
    }
}

static void submit_all(struct run *r, struct item *items, int round)
{
    atomic_store(&r->done, 0);
    for (int i = 0; i < JOBS; i++) {
        items[i] = (struct item){.job = {.run = run_item, .done = item_done}, .run = r, .number = i};
        (void)snprintf(items[i].client_id, sizeof items[i].client_id, "%d-%d", round, i);
        assert_ok(store_submit_write(r->s, &items[i].job));
    }
    wait_until(all_done, r, "every job is answered");
}

static bool is_healthy(void *ctx) { return !confab_failed(store_health(ctx, NULL)); }

static void assert_logs_are_whole(struct run *r)
{
    for (int i = 0; i < 3; i++)
        assert_true(read_log(r->s, r->rooms[i].id).ordered);
}

/* The n-th fails, n = 1, 2, … until the jobs pass without the fault. */
static void fail_each(int kinds, int code, enum confab_code expected)
{
    char folder[64];
    struct item items[JOBS];
    struct run r = {0};
    fixture_make_folder(folder);
    r.s = fixture_open(folder);
    r.ann = make_user(r.s, "ann");
    r.rooms[0] = make_room(r.s, "a");
    r.rooms[1] = make_room(r.s, "b");
    r.rooms[2] = make_room(r.s, "c");
    int n = 1, untouched = 0;
    for (; n < MOST && untouched < 2; n++) {
        bool some_failed = false;
        fault_vfs_arm(kinds, n, code, false);
        submit_all(&r, items, n);
        int fired = fault_vfs_fired();
        fault_vfs_disarm();
        for (int i = 0; i < JOBS; i++) {
            if (!confab_failed(items[i].job.result)) continue;
            some_failed = true;
            assert_code(items[i].job.result, expected);
        }
        if (!fired) {
            untouched++;
            assert_false(some_failed);
        }
        assert_answers_are_true(&r, items);
        /* A retry with the same client_id stores what failed and doubles nothing. */
        struct item again[JOBS];
        submit_all(&r, again, n);
        for (int i = 0; i < JOBS; i++) {
            assert_ok(again[i].job.result);
            if (!confab_failed(items[i].job.result)) assert_int_equal(again[i].seq, items[i].seq);
        }
        assert_logs_are_whole(&r);
        wait_until(is_healthy, r.s, "the store is well again");
    }
    assert_in_range(n, 4, MOST - 1); /* some n failed, and in the end none did */
    assert_clean(r.s);
    store_close(r.s);
    r.s = fixture_open(folder);
    assert_logs_are_whole(&r);
    assert_clean(r.s);
    store_close(r.s);
    fixture_remove_folder(folder);
}

static void full_disk_at_any_write_is_told_and_leaves_no_hole(void **state)
{
    (void)state;
    fail_each(FAULT_WRITE, SQLITE_FULL, CONFAB_DISK_FULL);
}

static void broken_disk_at_any_write_is_told_and_leaves_no_hole(void **state)
{
    (void)state;
    fail_each(FAULT_WRITE, SQLITE_IOERR_WRITE, CONFAB_STORE_FAILED);
}

static void failed_sync_is_never_acknowledged(void **state)
{
    (void)state;
    fail_each(FAULT_SYNC, SQLITE_IOERR_FSYNC, CONFAB_STORE_FAILED);
}

static bool is_full(void *ctx) { return store_health(ctx, NULL).code == CONFAB_DISK_FULL; }

static void full_disk_is_reported_while_it_lasts_and_recovers_by_itself(void **state)
{
    struct fixture *f = *state;
    buf problem = {0};
    struct user ann = make_user(f->s, "ann");
    struct room room = make_room(f->s, "general");
    post(f->s, &room, &ann, "before", NULL);
    assert_ok(store_health(f->s, NULL));
    fault_vfs_arm(FAULT_WRITE, 1, SQLITE_FULL, true);
    struct append_args a = {.event = {.room_id = room.id, .kind = EVENT_MESSAGE, .actor_id = ann.id, .text = SPAN_LIT("lost?")}};
    assert_code(do_write(f->s, run_append, &a), CONFAB_DISK_FULL);
    assert_true(is_full(f->s));
    assert_code(store_health(f->s, &problem), CONFAB_DISK_FULL);
    assert_true(problem.len > 0);
    buf_free(&problem);
    assert_int_equal(read_log(f->s, room.id).count, 1); /* reading goes on */
    fault_vfs_disarm();
    wait_until(is_healthy, f->s, "the store finds out that the disk has room again"); /* nobody writes meanwhile */
    assert_int_equal(post(f->s, &room, &ann, "after", NULL), 2);
    assert_clean(f->s);
}

static void duplicate_of_a_failed_commit_is_not_taken_for_stored(void **state)
{
    struct fixture *f = *state;
    struct user ann = make_user(f->s, "ann");
    struct room room = make_room(f->s, "general");
    fault_vfs_arm(FAULT_SYNC, 1, SQLITE_IOERR_FSYNC, false);
    struct append_args a = {
        .event = {.room_id = room.id, .kind = EVENT_MESSAGE, .actor_id = ann.id, .text = SPAN_LIT("x"), .client_id = SPAN_LIT("k")}};
    assert_code(do_write(f->s, run_append, &a), CONFAB_STORE_FAILED);
    fault_vfs_disarm();
    assert_ok(do_write(f->s, run_append, &a));
    assert_false(a.duplicate);
    assert_int_equal(a.event.seq, 1);
}

static void what_the_writer_remembered_of_a_failed_batch_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct room room = make_room(f->s, "general");
    struct user ann = make_user(f->s, "ann");
    fault_vfs_arm(FAULT_WRITE, 1, SQLITE_FULL, false);
    struct append_args a = {.event = {.room_id = room.id, .kind = EVENT_MESSAGE, .actor_id = ann.id, .text = SPAN_LIT("x")}};
    assert_code(do_write(f->s, run_append, &a), CONFAB_DISK_FULL);
    fault_vfs_disarm();
    assert_int_equal(post(f->s, &room, &ann, "x", NULL), 1); /* not 2: the seq of the failed one is free again */
}

static void unreadable_page_fails_the_request_and_not_the_process(void **state)
{
    struct fixture *f = *state;
    struct user ann = make_user(f->s, "ann");
    struct room room = make_room(f->s, "general");
    for (int i = 0; i < 200; i++)
        post(f->s, &room, &ann, "a message of some length, to need more pages than one", NULL);
    store_close(f->s);
    f->s = fixture_open(f->folder); /* with nothing in its page caches */
    fault_vfs_arm(FAULT_READ, 1, SQLITE_IOERR_READ, true);
    struct append_args a = {.event = {.room_id = room.id, .kind = EVENT_MESSAGE, .actor_id = ann.id, .text = SPAN_LIT("x")}};
    confab_err e = do_write(f->s, run_append, &a);
    fault_vfs_disarm();
    assert_code(e, CONFAB_STORE_FAILED);
    assert_int_equal(post(f->s, &room, &ann, "x", NULL), 201);
    assert_true(read_log(f->s, room.id).ordered);
}

/* Opening a new database fails at each of its writes in turn; the next attempt makes it, or finds it whole. */
static void opening_that_fails_anywhere_can_be_tried_again(void **state)
{
    (void)state;
    int n = 1;
    for (bool failed = true; failed && n < MOST; n++) {
        char folder[64];
        store *s = NULL;
        const struct store_config config = {.readers = 1, .writer_queue = 100, .reader_queue = 100, .create = true, .folder = folder};
        fixture_make_folder(folder);
        fault_vfs_arm(FAULT_WRITE | FAULT_SYNC, n, SQLITE_FULL, false);
        buf problem = {0};
        confab_err e = store_open(&config, &s, &problem);
        failed = fault_vfs_fired() > 0;
        fault_vfs_disarm();
        if (confab_failed(e)) {
            assert_null(s);
            assert_true(problem.len > 0);
        }
        buf_free(&problem);
        store_close(s);
        s = fixture_open(folder);
        assert_clean(s);
        assert_int_equal(strlen(store_epoch(s)), EPOCH_SIZE - 1);
        store_close(s);
        fixture_remove_folder(folder);
    }
    assert_in_range(n, 5, MOST - 1);
}

int main(void)
{
    db_library_init();
    fault_vfs_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_disk_at_any_write_is_told_and_leaves_no_hole),
        cmocka_unit_test(broken_disk_at_any_write_is_told_and_leaves_no_hole),
        cmocka_unit_test(failed_sync_is_never_acknowledged),
        cmocka_unit_test_setup_teardown(full_disk_is_reported_while_it_lasts_and_recovers_by_itself, fixture_on_disk, fixture_close),
        cmocka_unit_test_setup_teardown(duplicate_of_a_failed_commit_is_not_taken_for_stored, fixture_on_disk, fixture_close),
        cmocka_unit_test_setup_teardown(what_the_writer_remembered_of_a_failed_batch_is_forgotten, fixture_on_disk, fixture_close),
        cmocka_unit_test_setup_teardown(unreadable_page_fails_the_request_and_not_the_process, fixture_on_disk, fixture_close),
        cmocka_unit_test(opening_that_fails_anywhere_can_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
