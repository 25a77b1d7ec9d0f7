/* Backup under load, restore, and what `confab check` finds. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_fixture.h"

struct load {
    store *s;
    struct room room;
    struct user ann;
    atomic_bool stop;
    atomic_int posted;
};

static void *post_on(void *arg)
{
    struct load *l = arg;
    while (!atomic_load(&l->stop)) {
        struct append_args a = {.event = {.room_id = l->room.id,
                                          .kind = EVENT_MESSAGE,
                                          .actor_id = l->ann.id,
                                          .text = SPAN_LIT("meanwhile, people go on talking, and every commit is newer than the copy")}};
        if (confab_failed(do_write(l->s, run_append, &a))) break;
        atomic_fetch_add(&l->posted, 1);
    }
    return NULL;
}

static bool has_posted(void *ctx) { return atomic_load(&((struct load *)ctx)->posted) >= 3; }

struct told {
    int64_t done, total;
    int calls;
    struct load *load;
};

static void note_progress(void *ctx, int64_t done, int64_t total)
{
    struct told *t = ctx;
    t->done = done;
    t->total = total;
    t->calls++;
    if (t->load) { /* somebody commits between each two steps of the copy */
        int before = atomic_load(&t->load->posted);
        while (atomic_load(&t->load->posted) == before && !atomic_load(&t->load->stop))
            (void)usleep(100);
    }
}

static void backup_finishes_while_others_write_without_pause(void **state)
{
    struct fixture *f = *state;
    struct load l = {.s = f->s, .room = make_room(f->s, "general"), .ann = make_user(f->s, "ann")};
    struct told t = {.load = &l};
    char copy[64], path[128];
    pthread_t thread;
    fixture_make_folder(copy);
    fixture_path(path, copy, "confab.db"); /* as a database of its own */
    for (int i = 0; i < 100; i++) {
        static char large[60000];
        memset(large, 'x', sizeof large - 1);
        post(f->s, &l.room, &l.ann, large, NULL); /* 6 MB: several steps */
    }
    assert_int_equal(pthread_create(&thread, NULL, post_on, &l), 0);
    wait_until(has_posted, &l, "the load runs");
    buf problem = {0};
    confab_err e = store_backup(f->s, path, note_progress, &t, &problem);
    atomic_store(&l.stop, true);
    pthread_join(thread, NULL);
    if (problem.len) print_error("%s\n", buf_cstr(&problem));
    buf_free(&problem);
    assert_ok(e);
    assert_true(t.calls >= 3);
    assert_true(t.done == t.total && t.total > 1000);
    fixture_path(path, copy, "confab.db-wal");
    assert_int_equal(access(path, F_OK), -1); /* one file is all */
    store *b = fixture_open(copy);
    assert_string_equal(store_epoch(b), store_epoch(f->s));
    struct log_state lb = read_log(b, l.room.id), lf = read_log(f->s, l.room.id);
    assert_true(lb.ordered && lb.count >= 100 && lb.count <= lf.count);
    assert_clean(b);
    store_close(b);
    assert_clean(f->s);
    fixture_remove_folder(copy);
}

static void backup_replaces_an_old_one_and_never_the_database(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct stat st;
    buf problem = {0};
    (void)make_room(f->s, "general");
    fixture_path(path, f->folder, "backup.db");
    FILE *old = fopen(path, "wb");
    assert_non_null(old);
    (void)fputs("yesterday's", old);
    assert_int_equal(fclose(old), 0);
    assert_ok(store_backup(f->s, path, NULL, NULL, &problem));
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 4096);
    assert_int_equal(st.st_mode & 0777, 0600);
    fixture_path(path, f->folder, "confab.db");
    assert_true(confab_failed(store_backup(f->s, path, NULL, NULL, &problem)));
    assert_non_null(strstr(buf_cstr(&problem), "the database itself"));
    buf_clear(&problem);
    fixture_path(path, f->folder, "no/such/folder.db");
    assert_true(confab_failed(store_backup(f->s, path, NULL, NULL, &problem)));
    assert_non_null(strstr(buf_cstr(&problem), "No such file"));
    buf_free(&problem);
    assert_clean(f->s);
}

static void restore_is_refused_while_anyone_has_the_database_open(void **state)
{
    struct fixture *f = *state;
    char path[128];
    buf problem = {0};
    fixture_path(path, f->folder, "backup.db");
    assert_ok(store_backup(f->s, path, NULL, NULL, NULL));
    assert_code(store_restore(f->folder, path, NULL, NULL, &problem), CONFAB_BUSY);
    assert_non_null(strstr(buf_cstr(&problem), "another process uses the database"));
    buf_free(&problem);
    assert_clean(f->s);
}

static void restore_brings_back_the_old_content_with_a_new_epoch(void **state)
{
    struct fixture *f = *state;
    char path[128], epoch[EPOCH_SIZE];
    struct told t = {0};
    struct user ann = make_user(f->s, "ann");
    struct room room = make_room(f->s, "general");
    for (int i = 0; i < 5; i++)
        post(f->s, &room, &ann, "in the backup", NULL);
    (void)strcpy(epoch, store_epoch(f->s));
    fixture_path(path, f->folder, "backup.db");
    assert_ok(store_backup(f->s, path, NULL, NULL, NULL));
    for (int i = 0; i < 5; i++)
        post(f->s, &room, &ann, "after it", NULL);
    store_close(f->s);
    assert_ok(store_restore(f->folder, path, note_progress, &t, NULL));
    assert_true(t.calls > 0 && t.done == t.total);
    f->s = fixture_open(f->folder);
    assert_string_not_equal(store_epoch(f->s), epoch);
    assert_int_equal(read_log(f->s, room.id).count, 5);
    assert_int_equal(post(f->s, &room, &ann, "goes on", NULL), 6);
    assert_clean(f->s);
    fixture_path(path, f->folder, "confab.db.before-restore");
    assert_int_equal(access(path, F_OK), 0); /* a mistake can be undone */
}

static void log_of_the_old_database_is_not_taken_for_the_new_ones(void **state)
{
    struct fixture *f = *state;
    char path[128], wal[128], kept[128];
    struct user ann = make_user(f->s, "ann");
    struct room room = make_room(f->s, "general");
    fixture_path(path, f->folder, "backup.db");
    assert_ok(store_backup(f->s, path, NULL, NULL, NULL));
    post(f->s, &room, &ann, "only in the log of the old one", NULL);
    /* A -wal as a killed server leaves it, beside a database that cannot be opened any more. */
    fixture_path(wal, f->folder, "confab.db-wal");
    fixture_path(kept, f->folder, "wal.copy");
    char command[512];
    (void)snprintf(command, sizeof command, "cp %s %s", wal, kept);
    assert_int_equal(system(command), 0);
    store_close(f->s);
    assert_int_equal(rename(kept, wal), 0);
    char database[128];
    fixture_path(database, f->folder, "confab.db");
    FILE *junk = fopen(database, "wb");
    assert_non_null(junk);
    (void)fputs("ruined", junk);
    assert_int_equal(fclose(junk), 0);
    assert_ok(store_restore(f->folder, path, NULL, NULL, NULL));
    f->s = fixture_open(f->folder);
    assert_int_equal(read_log(f->s, room.id).count, 0);
    assert_clean(f->s);
}

static void restore_of_a_bad_file_changes_nothing(void **state)
{
    struct fixture *f = *state;
    char path[128];
    buf problem = {0};
    struct user ann = make_user(f->s, "ann");
    struct room room = make_room(f->s, "general");
    post(f->s, &room, &ann, "still here", NULL);
    store_close(f->s);
    fixture_path(path, f->folder, "missing.db");
    assert_code(store_restore(f->folder, path, NULL, NULL, &problem), CONFAB_NOT_FOUND);
    fixture_path(path, f->folder, "bad.db");
    FILE *bad = fopen(path, "wb");
    assert_non_null(bad);
    for (int i = 0; i < 1000; i++)
        (void)fputs("not a database", bad);
    assert_int_equal(fclose(bad), 0);
    buf_clear(&problem);
    assert_code(store_restore(f->folder, path, NULL, NULL, &problem), CONFAB_STORE_CORRUPT);
    assert_non_null(strstr(buf_cstr(&problem), "is damaged or is not a database"));
    buf_clear(&problem);
    fixture_path(path, f->folder, "confab.db");
    assert_code(store_restore(f->folder, path, NULL, NULL, &problem), CONFAB_INVALID_FIELD);
    buf_free(&problem);
    f->s = fixture_open(f->folder);
    assert_int_equal(read_log(f->s, room.id).count, 1);
}

static void restore_into_an_empty_folder_makes_a_server_anew(void **state)
{
    struct fixture *f = *state;
    char path[128], folder[64];
    struct user ann = make_user(f->s, "ann");
    struct room room = make_room(f->s, "general");
    post(f->s, &room, &ann, "moved house", NULL);
    fixture_path(path, f->folder, "backup.db");
    assert_ok(store_backup(f->s, path, NULL, NULL, NULL));
    fixture_make_folder(folder);
    assert_ok(store_restore(folder, path, NULL, NULL, NULL));
    store *s = fixture_open(folder);
    assert_int_equal(read_log(s, room.id).count, 1);
    store_close(s);
    fixture_remove_folder(folder);
}

/* ---- Check ---- */

static void sql(const char *folder, const char *text)
{
    char path[128];
    sqlite3 *db = NULL;
    fixture_path(path, folder, "confab.db");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    int rc = sqlite3_exec(db, text, NULL, NULL, NULL);
    if (rc != SQLITE_OK) print_error("%s: %s\n", text, sqlite3_errmsg(db));
    assert_int_equal(rc, SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

struct wrong {
    const char *what; /* done to the database behind the store's back */
    int holes, views, errors;
};

/* Each on a database of its own: ann's message 1 and edit 2, her message 3 with a reaction 4, a deleted message 5. */
static const struct wrong wrongs[] = {
    {"DELETE FROM events WHERE seq = 4", 1, 1, 0},                /* and the reaction has no event any more */
    {"UPDATE rooms SET first_seq = 0 + 3 WHERE id = 1", 1, 1, 0}, /* the edit's event lies before the cut: the view has no origin */
    {"UPDATE message_views SET text = 'forged' WHERE event_id & 0xFF = 1", 0, 2, 0},
    {"DELETE FROM message_views WHERE deleted = 1", 0, 1, 0},
    {"INSERT INTO reactions SELECT id, 'x', 1 FROM events WHERE seq = 1", 0, 1, 0},
    {"UPDATE events SET text = 'back again' WHERE seq = 5", 0, 0, 1},
    {"INSERT INTO events (id, at_ms, kind, actor_id) VALUES ((77 << 40) + 1, 0, 1, 0)", 0, 0, 1},
    {"UPDATE rooms SET member_count = 9", 0, 0, 1},
    {"UPDATE members SET user_name = 'other'", 0, 0, 1},
    {"CREATE INDEX surprise ON events (at_ms)", 0, 0, 1},
    {"PRAGMA foreign_keys = OFF; DELETE FROM users", 0, 0, 2}, /* a membership of nobody, under no name */
};

static confab_err run_story(store_tx *tx, void *ctx)
{
    struct room *room = ctx;
    bool duplicate, changed;
    int64_t id = room->id;
    struct user ann;
    struct event e[6] = {
        {.room_id = id, .kind = EVENT_MESSAGE, .text = SPAN_LIT("one")},
        {.room_id = id, .kind = EVENT_MESSAGE_EDITED, .target = 1, .text = SPAN_LIT("ONE")},
        {.room_id = id, .kind = EVENT_MESSAGE, .text = SPAN_LIT("two")},
        {.room_id = id, .kind = EVENT_REACTION_ADDED, .target = 3, .text = SPAN_LIT("+1")},
        {.room_id = id, .kind = EVENT_MESSAGE, .text = SPAN_LIT("three")},
        {.room_id = id, .kind = EVENT_MESSAGE_DELETED, .target = 5},
    };
    confab_err err = store_user_find(tx, SPAN_LIT("ann"), &ann);
    for (int i = 0; i < 6 && !confab_failed(err); i++) {
        e[i].actor_id = ann.id;
        err = store_event_append(tx, &e[i], &duplicate);
    }
    if (!confab_failed(err)) err = store_message_set_text(tx, id, 1, SPAN_LIT("ONE"), e[1].at_ms);
    if (!confab_failed(err)) err = store_reaction_set(tx, id, 3, ann.id, SPAN_LIT("+1"), true, &changed);
    if (!confab_failed(err)) err = store_event_erase(tx, id, 5);
    if (!confab_failed(err)) err = store_message_set_deleted(tx, id, 5);
    if (!confab_failed(err)) err = store_member_put(tx, id, ann.id, MEMBER_OWNER);
    return err;
}

static void check_finds_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        char folder[64];
        struct store_check_report r;
        buf problem = {0};
        fixture_make_folder(folder);
        store *s = fixture_open(folder);
        (void)make_user(s, "ann");
        struct room room = make_room(s, "general");
        assert_ok(do_write_atomic(s, run_story, &room));
        assert_clean(s);
        sql(folder, wrongs[i].what);
        assert_ok(store_check(s, &r, NULL, NULL, &problem));
        if (r.holes != wrongs[i].holes || r.view_mismatches != wrongs[i].views || r.integrity_errors != wrongs[i].errors)
            print_error("%s: %s\n", wrongs[i].what, buf_cstr(&problem));
        assert_int_equal(r.holes, wrongs[i].holes);
        assert_int_equal(r.view_mismatches, wrongs[i].views);
        assert_int_equal(r.integrity_errors, wrongs[i].errors);
        assert_true(problem.len > 0);
        buf_free(&problem);
        store_close(s);
        fixture_remove_folder(folder);
    }
}

static void check_of_a_damaged_page_is_a_finding(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct store_check_report r;
    buf problem = {0};
    struct user ann = make_user(f->s, "ann");
    struct room room = make_room(f->s, "general");
    for (int i = 0; i < 500; i++)
        post(f->s, &room, &ann, "enough for a few pages of messages", NULL);
    store_close(f->s);
    fixture_path(path, f->folder, "confab.db");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)st.st_size - 2 * 4096, SEEK_SET), 0);
    for (int i = 0; i < 4096; i++)
        (void)putc(0x5a, file);
    assert_int_equal(fclose(file), 0);
    f->s = fixture_open(f->folder); /* the damage is far from the root: found when it is met */
    assert_ok(store_check(f->s, &r, NULL, NULL, &problem));
    assert_true(r.integrity_errors > 0);
    assert_true(problem.len > 0);
    buf_free(&problem);
}

int main(void)
{
#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, fixture_on_disk, fixture_close)
    const struct CMUnitTest tests[] = {
        ON_DISK(backup_finishes_while_others_write_without_pause),
        ON_DISK(backup_replaces_an_old_one_and_never_the_database),
        ON_DISK(restore_is_refused_while_anyone_has_the_database_open),
        ON_DISK(restore_brings_back_the_old_content_with_a_new_epoch),
        ON_DISK(log_of_the_old_database_is_not_taken_for_the_new_ones),
        ON_DISK(restore_of_a_bad_file_changes_nothing),
        ON_DISK(restore_into_an_empty_folder_makes_a_server_anew),
        cmocka_unit_test(check_finds_what_is_wrong),
        ON_DISK(check_of_a_damaged_page_is_a_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
