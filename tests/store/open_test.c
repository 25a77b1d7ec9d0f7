/* Opening: what is refused, with which words, and that a refused file stays as it was. */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db_migrate.h"
#include "db_store.h"
#include "store_fixture.h"

static int make_folder(void **state)
{
    char *folder = calloc(1, 64);
    assert_non_null(folder);
    fixture_make_folder(folder);
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    fixture_remove_folder(*state);
    free(*state);
    return 0;
}

static confab_err try_open(const char *folder, bool create, store **out, buf *problem)
{
    const struct store_config config = {.folder = folder, .readers = 1, .writer_queue = 100, .reader_queue = 100, .create = create};
    buf_clear(problem);
    return store_open(&config, out, problem);
}

static void sql(const char *folder, const char *text)
{
    char path[128];
    sqlite3 *db = NULL;
    fixture_path(path, folder, "confab.db");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    int rc = sqlite3_exec(db, text, NULL, NULL, NULL);
    if (rc != SQLITE_OK) print_error("%s\n", sqlite3_errmsg(db));
    assert_int_equal(rc, SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Sum of the file's bytes, to see that nobody wrote to it. */
static uint64_t fingerprint(const char *folder, const char *name)
{
    char path[128];
    uint64_t h = 1469598103934665603u;
    fixture_path(path, folder, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    for (int c; (c = getc(f)) != EOF;)
        h = (h ^ (uint64_t)c) * 1099511628211u;
    (void)fclose(f);
    return h;
}

/* Opening fails with the code, says the words, and leaves the file's bytes alone. */
static void assert_refused(const char *folder, enum confab_code code, const char *words)
{
    store *s = NULL;
    buf problem = {0};
    uint64_t before = fingerprint(folder, "confab.db");
    assert_code(try_open(folder, true, &s, &problem), code);
    assert_null(s);
    if (!strstr(buf_cstr(&problem), words)) print_error("said: %s\n", buf_cstr(&problem));
    assert_non_null(strstr(buf_cstr(&problem), words));
    assert_true(fingerprint(folder, "confab.db") == before);
    buf_free(&problem);
}

static void missing_database_is_not_found_unless_it_may_be_made(void **state)
{
    char folder[128];
    store *s = NULL;
    buf problem = {0};
    assert_code(try_open(*state, false, &s, &problem), CONFAB_NOT_FOUND);
    assert_non_null(strstr(buf_cstr(&problem), "there is no database"));
    fixture_path(folder, *state, "deeper/still");
    assert_code(try_open(folder, true, &s, &problem), CONFAB_STORE_FAILED);
    assert_true(problem.len > 0);
    buf_free(&problem);
}

static void new_database_is_private_and_whole(void **state)
{
    char path[128];
    struct stat st;
    store *s = fixture_open(*state);
    assert_int_equal(strlen(store_epoch(s)), EPOCH_SIZE - 1);
    fixture_path(path, *state, "confab.db");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    fixture_path(path, *state, "confab.db-wal");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct store_schema schema;
    assert_ok(store_schema_version(s, &schema));
    assert_int_equal(schema.version, schema.newest_known);
    assert_clean(s);
    store_close(s);
    fixture_path(path, *state, "confab.db-wal");
    assert_int_equal(access(path, F_OK), -1); /* one file is left: a copy of it is whole */
}

static void epoch_and_content_outlive_the_process(void **state)
{
    char epoch[EPOCH_SIZE];
    store *s = fixture_open(*state);
    (void)strcpy(epoch, store_epoch(s));
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    post(s, &room, &ann, "hello", "k");
    store_close(s);
    s = fixture_open(*state);
    assert_string_equal(store_epoch(s), epoch);
    assert_int_equal(post(s, &room, &ann, "hello", "k"), 1);
    assert_int_equal(post(s, &room, &ann, "next", NULL), 2);
    store_close(s);
}

static void newer_schema_is_refused(void **state)
{
    store_close(fixture_open(*state));
    sql(*state, "PRAGMA user_version = 4711");
    assert_refused(*state, CONFAB_SCHEMA_NEWER, "has schema version 4711, made by a newer Confab");
}

static void database_of_another_program_is_refused(void **state)
{
    sql(*state, "CREATE TABLE bookmarks (url TEXT)");
    assert_refused(*state, CONFAB_STORE_CORRUPT, "is a database of another program");
}

static void file_that_is_no_database_is_refused(void **state)
{
    char path[128];
    fixture_path(path, *state, "confab.db");
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < 10000; i++)
        (void)fputs("not a database ", f);
    assert_int_equal(fclose(f), 0);
    assert_refused(*state, CONFAB_STORE_CORRUPT, "is damaged or is not a database. Restore a backup");
}

static void overwrite(const char *folder, long at, size_t n)
{
    char path[128], junk[4096];
    memset(junk, 0x5a, sizeof junk);
    fixture_path(path, folder, "confab.db");
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    while (n > 0) {
        size_t now = n < sizeof junk ? n : sizeof junk;
        assert_int_equal(fwrite(junk, 1, now, f), now);
        n -= now;
    }
    assert_int_equal(fclose(f), 0);
}

static void damaged_schema_is_refused(void **state)
{
    store_close(fixture_open(*state));
    overwrite(*state, 100, 3000); /* the root of the schema, behind a good header */
    assert_refused(*state, CONFAB_STORE_CORRUPT, "is damaged");
}

static void cut_off_file_is_refused(void **state)
{
    char path[128];
    store_close(fixture_open(*state));
    fixture_path(path, *state, "confab.db");
    assert_int_equal(truncate(path, 8192), 0);
    assert_refused(*state, CONFAB_STORE_CORRUPT, "is damaged");
}

static void changed_migration_is_refused(void **state)
{
    store_close(fixture_open(*state));
    sql(*state, "UPDATE migrations SET sha256 = 'f' || substr(sha256, 2, 62) || 'f'");
    store *s = NULL;
    buf problem = {0};
    assert_code(try_open(*state, true, &s, &problem), CONFAB_STORE_CORRUPT);
    assert_non_null(strstr(buf_cstr(&problem), "migrations that differ"));
    buf_free(&problem);
}

static confab_err run_get_epoch(store_tx *tx, void *ctx)
{
    arena a = {0};
    span epoch;
    confab_err e = store_meta_get(tx, "epoch", &a, &epoch);
    if (!confab_failed(e) && !span_is(epoch, ctx)) e = confab_fail(CONFAB_INTERNAL);
    arena_free(&a);
    return e;
}

static void second_user_of_the_folder_is_welcome(void **state)
{
    store *server = fixture_open(*state), *command = fixture_open(*state);
    struct user ann = make_user(command, "ann");
    struct room room = make_room(server, "general");
    assert_int_equal(post(command, &room, &ann, "from the command", NULL), 1);
    assert_int_equal(post(server, &room, &ann, "from the server", NULL), 2);
    assert_ok(do_read(server, run_get_epoch, (void *)(uintptr_t)store_epoch(command)));
    store_close(command);
    assert_int_equal(post(server, &room, &ann, "alone again", NULL), 3);
    assert_clean(server);
    store_close(server);
}

static bool is_healthy(void *ctx) { return !confab_failed(store_health(ctx, NULL)); }

static void database_that_another_process_holds_is_busy_and_then_free_again(void **state)
{
    char path[128];
    sqlite3 *other = NULL;
    db_busy_timeout_ms = 50;
    store *s = fixture_open(*state);
    db_busy_timeout_ms = 5000;
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    fixture_path(path, *state, "confab.db");
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct append_args a = {.event = {.room_id = room.id, .kind = EVENT_MESSAGE, .actor_id = ann.id, .text = SPAN_LIT("x")}};
    assert_code(do_write(s, run_append, &a), CONFAB_BUSY);
    assert_code(store_health(s, NULL), CONFAB_BUSY);
    assert_int_equal(read_log(s, room.id).count, 0); /* reading goes on */
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    wait_until(is_healthy, s, "the store finds the lock free");
    assert_int_equal(post(s, &room, &ann, "x", NULL), 1);
    store_close(s);
}

static bool file_has(const char *folder, const char *needle)
{
    char path[128];
    buf all = {0};
    fixture_path(path, folder, "confab.db");
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    for (int c; (c = getc(f)) != EOF;)
        buf_append_char(&all, (char)c);
    (void)fclose(f);
    bool found = memmem(all.data, all.len, needle, strlen(needle)) != NULL;
    buf_free(&all);
    return found;
}

static confab_err run_erase(store_tx *tx, void *ctx)
{
    const struct room *room = ctx;
    confab_err e = store_event_erase(tx, room->id, 1);
    return confab_failed(e) ? e : store_message_set_deleted(tx, room->id, 1);
}

static void erased_text_is_not_in_the_file_any_more(void **state)
{
    store *s = fixture_open(*state);
    struct user ann = make_user(s, "ann");
    struct room room = make_room(s, "general");
    post(s, &room, &ann, "a regrettable remark", NULL);
    post(s, &room, &ann, "something else", NULL);
    store_close(s);
    assert_true(file_has(*state, "a regrettable remark"));
    s = fixture_open(*state);
    assert_ok(do_write_atomic(s, run_erase, &room));
    store_close(s);
    assert_false(file_has(*state, "a regrettable remark"));
    assert_true(file_has(*state, "something else"));
}

/* A migration that a later release might bring. */
static const struct embedded_file later[] = {
    {.name = "0001_init.sql"},
    {.name = "0002_later.sql",
     .data = (const unsigned char *)"CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT; PRAGMA user_version = 2;",
     .size = 74,
     .sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {.name = "0003_broken.sql",
     .data = (const unsigned char *)"CREATE TABLE half (id INTEGER) STRICT; CREATE TABLE later (id INTEGER); PRAGMA user_version = 3;",
     .size = 95,
     .sha256 = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},
};

static struct db_conn *open_writer(const char *folder)
{
    char path[128];
    struct db_conn *c = NULL;
    fixture_path(path, folder, "confab.db");
    const struct db_open o = {.path = path, .role = DB_WRITER, .durable = true, .busy_timeout_ms = 1000};
    assert_ok(db_conn_open(&o, &c, NULL));
    return c;
}

static int64_t number(struct db_conn *c, const char *text)
{
    int64_t n = -1;
    assert_ok(db_pragma_int(c->sqlite, text, &n));
    return n;
}

static void migration_that_fails_leaves_no_trace_of_itself(void **state)
{
    struct embedded_file files[3];
    buf problem = {0};
    store_close(fixture_open(*state));
    files[0] = db_migrations_builtin().files[0];
    files[1] = later[1];
    files[2] = later[2];
    struct db_conn *c = open_writer(*state);
    confab_err e = db_migrate_apply(c, (struct db_migrations){files, 3}, &problem);
    assert_true(confab_failed(e));
    assert_non_null(strstr(buf_cstr(&problem), "later already exists"));
    assert_int_equal(number(c, "PRAGMA user_version"), 2); /* the good one stays */
    assert_int_equal(number(c, "SELECT count(*) FROM sqlite_schema WHERE name = 'later'"), 1);
    assert_int_equal(number(c, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
    assert_int_equal(number(c, "SELECT count(*) FROM migrations"), 2);
    db_conn_close(c);
    buf_free(&problem);
    assert_refused(*state, CONFAB_SCHEMA_NEWER, "newer Confab"); /* and this program leaves it alone */
}

static void upgrade_asks_to_be_alone(void **state)
{
    char path[128];
    store *s = NULL;
    buf problem = {0};
    fixture_path(path, *state, "confab.lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* an older server has the folder open */
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_SH), 0);
    assert_code(try_open(*state, true, &s, &problem), CONFAB_BUSY);
    assert_non_null(strstr(buf_cstr(&problem), "another process uses the database"));
    assert_int_equal(close(fd), 0);
    assert_ok(try_open(*state, true, &s, &problem));
    store_close(s);
    buf_free(&problem);
}

static void in_memory_stores_share_nothing_and_leave_nothing_behind(void **state)
{
    (void)state;
    char path[64];
    store *a = fixture_open(NULL), *b = fixture_open(NULL);
    (void)make_room(a, "general");
    (void)make_room(b, "general");
    (void)strncpy(path, a->folder.path, sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(access(path, F_OK), 0);
    store_close(a);
    store_close(b);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(missing_database_is_not_found_unless_it_may_be_made),
        IN_FOLDER(new_database_is_private_and_whole),
        IN_FOLDER(epoch_and_content_outlive_the_process),
        IN_FOLDER(newer_schema_is_refused),
        IN_FOLDER(database_of_another_program_is_refused),
        IN_FOLDER(file_that_is_no_database_is_refused),
        IN_FOLDER(damaged_schema_is_refused),
        IN_FOLDER(cut_off_file_is_refused),
        IN_FOLDER(changed_migration_is_refused),
        IN_FOLDER(second_user_of_the_folder_is_welcome),
        IN_FOLDER(migration_that_fails_leaves_no_trace_of_itself),
        IN_FOLDER(upgrade_asks_to_be_alone),
        IN_FOLDER(database_that_another_process_holds_is_busy_and_then_free_again),
        IN_FOLDER(erased_text_is_not_in_the_file_any_more),
        cmocka_unit_test(in_memory_stores_share_nothing_and_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
