/* Every statement prepares on a fresh and on a migrated database, and none of those that requests run walks a table or sorts. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "db_conn.h"
#include "db_migrate.h"
#include "store_fixture.h"

static struct db_conn *open_conn(const char *path, enum db_role role)
{
    struct db_conn *c = NULL;
    const struct db_open o = {.path = path, .role = role, .durable = true, .busy_timeout_ms = 1000};
    assert_ok(db_conn_open(&o, &c, NULL));
    return c;
}

/* Prepares all statements of a role on the file. */
static void prepare_all(const char *path)
{
    static const enum db_role roles[] = {DB_WRITER, DB_READER, DB_CHECKER};
    for (size_t i = 0; i < 3; i++) {
        struct db_conn *c = open_conn(path, roles[i]);
        buf problem = {0};
        confab_err e = db_conn_prepare(c, &problem);
        if (problem.len) print_error("%s\n", buf_cstr(&problem));
        buf_free(&problem);
        assert_ok(e);
        for (int s = 0; s < DB_STMT_COUNT; s++)
            assert_int_equal(c->stmts[s].handle != NULL, db_statement_is_for((enum db_stmt)s, roles[i]));
        db_conn_close(c);
    }
}

static void every_statement_prepares_on_a_fresh_database(void **state)
{
    struct fixture *f = *state;
    char path[128];
    fixture_path(path, f->folder, "confab.db");
    prepare_all(path);
}

static void every_statement_prepares_on_a_migrated_database(void **state)
{
    (void)state;
    char folder[64], path[128];
    buf copy = {0};
    fixture_make_folder(folder);
    fixture_path(path, folder, "confab.db");
    FILE *from = fopen(CONFAB_FIXTURES "/v1.db", "rb");
    assert_non_null(from);
    char bytes[4096];
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, from)) > 0;)
        buf_append(&copy, bytes, n);
    (void)fclose(from);
    FILE *to = fopen(path, "wb");
    assert_non_null(to);
    assert_int_equal(fwrite(copy.data, 1, copy.len, to), copy.len);
    assert_int_equal(fclose(to), 0);
    buf_free(&copy);
    store *s = fixture_open(folder);
    prepare_all(path);
    assert_clean(s);
    struct log_state l = read_log(s, 1);
    assert_true(l.ordered);
    assert_int_equal(l.count, 12); /* what tests/fixtures/make_v1.sql put there */
    store_close(s);
    fixture_remove_folder(folder);
}

/* Statements run by requests, with what each may cost. SEARCH only, unless said otherwise. */
struct hot {
    enum db_stmt stmt;
    bool may_sort; /* bounded by what one user owns, or by a handful of rows */
    bool may_scan; /* the table is small by nature */
};

static const struct hot hot[] = {
    {.stmt = DB_S_event_insert},
    {.stmt = DB_S_event_by_client},
    {.stmt = DB_S_event_get},
    {.stmt = DB_S_events_after},
    {.stmt = DB_S_event_erase},
    {.stmt = DB_S_event_erase_edits},
    {.stmt = DB_S_events_delete},
    {.stmt = DB_S_event_first},
    {.stmt = DB_S_messages_down},
    {.stmt = DB_S_messages_up},
    {.stmt = DB_S_reactions_between},
    {.stmt = DB_S_view_set_text},
    {.stmt = DB_S_view_set_deleted},
    {.stmt = DB_S_reaction_add},
    {.stmt = DB_S_reaction_remove},
    {.stmt = DB_S_reactions_clear},
    {.stmt = DB_S_room_insert},
    {.stmt = DB_S_room_by_slug},
    {.stmt = DB_S_room_by_id},
    {.stmt = DB_S_room_slug},
    {.stmt = DB_S_room_update},
    {.stmt = DB_S_room_cut},
    {.stmt = DB_S_room_delete},
    {.stmt = DB_S_room_unread, .may_scan = true}, /* "SCAN (subquery-1)": its 1,000 rows at most */
    {.stmt = DB_S_rooms_all},
    {.stmt = DB_S_rooms_public},
    {.stmt = DB_S_rooms_own, .may_sort = true},
    {.stmt = DB_S_purge_next, .may_scan = true},
    {.stmt = DB_S_member_get},
    {.stmt = DB_S_member_put},
    {.stmt = DB_S_member_remove},
    {.stmt = DB_S_member_set_read},
    {.stmt = DB_S_members_page},
    {.stmt = DB_S_member_owners},
    {.stmt = DB_S_user_insert},
    {.stmt = DB_S_user_by_id},
    {.stmt = DB_S_user_by_name},
    {.stmt = DB_S_user_name},
    {.stmt = DB_S_user_update},
    {.stmt = DB_S_user_hash},
    {.stmt = DB_S_user_set_hash},
    {.stmt = DB_S_user_bump},
    {.stmt = DB_S_users_page},
    {.stmt = DB_S_user_admins},
    {.stmt = DB_S_session_insert},
    {.stmt = DB_S_session_by_hash},
    {.stmt = DB_S_session_by_old},
    {.stmt = DB_S_session_by_id},
    {.stmt = DB_S_session_keep_old},
    {.stmt = DB_S_session_drop_old},
    {.stmt = DB_S_session_rotate},
    {.stmt = DB_S_session_delete},
    {.stmt = DB_S_sessions_delete},
    {.stmt = DB_S_sessions_expire},
    {.stmt = DB_S_sessions_of_user},
    {.stmt = DB_S_audit_page},
    {.stmt = DB_S_meta_get},
};

static bool starts_with(const char *s, const char *prefix) { return strncmp(s, prefix, strlen(prefix)) == 0; }

static int check_plan(sqlite3 *db, const struct hot *h)
{
    sqlite3_stmt *s = NULL;
    char sql[4096];
    int bad = 0;
    (void)snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", db_statement_text(h->stmt));
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(s, 3);
        bool scan = starts_with(step, "SCAN") && !h->may_scan;
        bool sort = strstr(step, "TEMP B-TREE") && !h->may_sort;
        bool automatic = strstr(step, "AUTOMATIC") != NULL;
        if (scan || sort || automatic) {
            print_error("%s: %s\n", db_statement_name(h->stmt), step);
            bad++;
        }
    }
    (void)sqlite3_finalize(s);
    return bad;
}

static void no_statement_of_a_request_scans_or_sorts(void **state)
{
    struct fixture *f = *state;
    char path[128];
    int bad = 0;
    fixture_path(path, f->folder, "confab.db");
    struct db_conn *c = open_conn(path, DB_WRITER);
    for (size_t i = 0; i < sizeof hot / sizeof hot[0]; i++)
        bad += check_plan(c->sqlite, &hot[i]);
    db_conn_close(c);
    assert_int_equal(bad, 0);
}

static void statement_of_the_writer_cannot_write_through_a_reader(void **state)
{
    struct fixture *f = *state;
    char path[128];
    fixture_path(path, f->folder, "confab.db");
    struct db_conn *c = open_conn(path, DB_READER);
    assert_int_equal(sqlite3_exec(c->sqlite, "INSERT INTO meta VALUES ('x', x'00')", NULL, NULL, NULL), SQLITE_READONLY);
    db_conn_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_statement_prepares_on_a_fresh_database, fixture_on_disk, fixture_close),
        cmocka_unit_test(every_statement_prepares_on_a_migrated_database),
        cmocka_unit_test_setup_teardown(no_statement_of_a_request_scans_or_sorts, fixture_on_disk, fixture_close),
        cmocka_unit_test_setup_teardown(statement_of_the_writer_cannot_write_through_a_reader, fixture_on_disk, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
