/* The write-ahead log stays bounded under constant load, whatever readers do. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "db_checkpoint.h"
#include "store_fixture.h"

enum { SOFT = 40, HARD = 120, MESSAGES = 1200 };

static int small_limits(void **state)
{
    (void)state;
    db_checkpoint_limits = (struct db_checkpoint_limits){.soft = SOFT, .hard = HARD, .rest = 20};
    return 0;
}

static long log_pages(const struct fixture *f)
{
    char path[128];
    struct stat st;
    fixture_path(path, f->folder, "confab.db-wal");
    return stat(path, &st) == 0 ? (long)(st.st_size / 4120) : 0;
}

static void post_many(struct fixture *f, const struct room *r, const struct user *u, int n)
{
    char text[2001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < n; i++)
        post(f->s, r, u, text, NULL);
}

static void log_starts_again_while_messages_keep_coming(void **state)
{
    struct fixture *f = *state;
    struct user ann = make_user(f->s, "ann");
    struct room room = make_room(f->s, "general");
    post_many(f, &room, &ann, MESSAGES); /* some 3,000 pages pass through the log */
    assert_in_range(log_pages(f), 1, 6 * HARD);
    assert_clean(f->s);
}

struct reading {
    store *s;
    int64_t room_id;
    atomic_bool stop;
};

static bool take_any(void *ctx, const struct event *e)
{
    (void)ctx, (void)e;
    return true;
}

static confab_err run_read_page(store_tx *tx, void *ctx)
{
    return store_events_after(tx, ((struct reading *)ctx)->room_id, 0, 50, SIZE_MAX, take_any, NULL);
}

static void *read_on(void *arg)
{
    struct reading *r = arg;
    while (!atomic_load(&r->stop) && !confab_failed(do_read(r->s, run_read_page, r))) {
    }
    return NULL;
}

static void log_starts_again_although_some_reader_is_always_reading(void **state)
{
    struct fixture *f = *state;
    struct user ann = make_user(f->s, "ann");
    struct room room = make_room(f->s, "general");
    struct reading r = {.s = f->s, .room_id = room.id};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &r), 0);
    post_many(f, &room, &ann, MESSAGES);
    long pages = log_pages(f);
    atomic_store(&r.stop, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(pages, 1, 6 * HARD); /* without the restart past the hard limit: some 3,000 */
    assert_clean(f->s);
}

static bool is_folded(void *ctx)
{
    char path[128];
    struct stat st;
    fixture_path(path, ((struct fixture *)ctx)->folder, "confab.db");
    return stat(path, &st) == 0 && st.st_size > 100 * 4096;
}

static void idle_store_folds_its_log_in(void **state)
{
    db_checkpoint_limits = (struct db_checkpoint_limits){.soft = 100000, .hard = 100000, .rest = 100};
    assert_int_equal(fixture_close(state), 0);
    assert_int_equal(fixture_on_disk(state), 0);
    struct fixture *f = *state;
    struct user ann = make_user(f->s, "ann");
    struct room room = make_room(f->s, "general");
    post_many(f, &room, &ann, 300);
    wait_until(is_folded, f, "the messages are in the database file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(log_starts_again_while_messages_keep_coming, fixture_on_disk, fixture_close),
        cmocka_unit_test_setup_teardown(log_starts_again_although_some_reader_is_always_reading, fixture_on_disk, fixture_close),
        cmocka_unit_test_setup_teardown(idle_store_folds_its_log_in, fixture_on_disk, fixture_close),
    };
    return cmocka_run_group_tests(tests, small_limits, NULL);
}
