/* `confab check`: is the file whole, is the schema ours, is every log without a hole, do the views say what the logs say. */
#include "db_copy.h"
#include "db_migrate.h"
#include "db_store.h"

static confab_err open_checker(store *s, struct db_conn **out, buf *problem)
{
    const struct db_open o = {.path = s->folder.database, .role = DB_CHECKER, .busy_timeout_ms = db_busy_timeout_ms};
    confab_err e = db_conn_open(&o, out, problem);
    if (!confab_failed(e)) e = db_conn_prepare(*out, problem);
    if (confab_failed(e)) {
        db_conn_close(*out);
        *out = NULL;
    }
    return e;
}

static void complain(buf *problem, const char *what, const char *slug, int64_t n)
{
    if (!problem || problem->len > 4000) return;
    if (problem->len) buf_append_str(problem, "; ");
    if (slug) {
        buf_append_str(problem, "room ");
        buf_append_str(problem, slug);
        buf_append_str(problem, ": ");
    }
    buf_append_int(problem, n);
    buf_append_str(problem, " ");
    buf_append_str(problem, what);
}

/* ---- The file and the schema ---- */

/* What the migrations make of an empty database, compared object by object. */
static confab_err check_schema(struct db_conn *c, struct store_check_report *r, buf *problem)
{
    static const char *const list =
        "SELECT coalesce(group_concat(type || ':' || name || ':' || coalesce(sql, ''), char(10)), '')"
        " FROM (SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name)";
    sqlite3 *model = NULL;
    sqlite3_stmt *a = NULL, *b = NULL;
    struct db_migrations m = db_migrations_builtin();
    int rc = sqlite3_open_v2(":memory:", &model, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    for (size_t i = 0; i < m.count && rc == SQLITE_OK; i++)
        rc = sqlite3_exec(model, (const char *)m.files[i].data, NULL, NULL, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(model, list, -1, &a, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(c->sqlite, list, -1, &b, NULL);
    if (rc == SQLITE_OK && sqlite3_step(a) == SQLITE_ROW && (rc = sqlite3_step(b)) == SQLITE_ROW) {
        span x = {sqlite3_column_blob(a, 0), (size_t)sqlite3_column_bytes(a, 0)};
        span y = {sqlite3_column_blob(b, 0), (size_t)sqlite3_column_bytes(b, 0)};
        if (!span_equal(x, y)) {
            r->integrity_errors++;
            complain(problem, "difference between the database's schema and this program's", NULL, 1);
        }
    }
    (void)sqlite3_finalize(a); /* repeats the step's error */
    (void)sqlite3_finalize(b);
    (void)sqlite3_close(model);
    return db_error(rc);
}

static confab_err count(struct db_conn *c, enum db_stmt stmt, int64_t *out)
{
    struct db_query q;
    db_start(&q, c, stmt);
    int64_t n = db_step(&q) ? db_column_int(&q) : 0;
    confab_err e = db_finish(&q);
    if (!confab_failed(e)) *out = n;
    return e;
}

static confab_err check_rows(struct db_conn *c, struct store_check_report *r, buf *problem)
{
    static const struct {
        enum db_stmt stmt;
        const char *what;
    } rules[] = {
        {DB_S_check_orphans, "events of rooms that do not exist"},
        {DB_S_check_erased, "deleted messages that still have their text"},
        {DB_S_check_member_names, "memberships under a wrong name"},
        {DB_S_check_member_counts, "rooms with a wrong count of members"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        int64_t n = 0;
        confab_err e = count(c, rules[i].stmt, &n);
        if (confab_failed(e)) return e;
        if (n) complain(problem, rules[i].what, NULL, n);
        r->integrity_errors += n;
    }
    return confab_ok();
}

/* ---- The rooms ---- */

struct checked_room {
    int64_t id, first_seq, last_seq;
    char slug[ROOM_SLUG_MAX + 1];
};

static confab_err list_rooms(struct db_conn *c, arena *a, struct checked_room **out, size_t *n)
{
    struct db_query q;
    size_t cap = 0;
    confab_err e = confab_ok();
    db_start(&q, c, DB_S_check_rooms);
    while (db_step(&q)) {
        *out = db_list_grow(a, *out, *n, &cap, sizeof **out);
        if (!*out) {
            e = db_no_memory();
            break;
        }
        struct checked_room *r = &(*out)[(*n)++];
        r->id = db_column_int(&q);
        db_copy_text(db_column_text(&q), r->slug, sizeof r->slug);
        q.column += 5; /* name, topic, kind, archived, created_ms */
        r->first_seq = db_column_int(&q);
        q.column += 1; /* member_count */
        r->last_seq = db_column_int(&q);
    }
    confab_err end = db_finish(&q);
    return confab_failed(e) ? e : end;
}

static void start_room(struct db_query *q, struct db_conn *c, enum db_stmt stmt, const struct checked_room *room)
{
    db_start(q, c, stmt);
    db_bind_int(q, DB_P_lo, db_event_key(room->id, 0));
    db_bind_int(q, DB_P_hi, db_room_end(room->id));
}

static confab_err check_log(struct db_conn *c, const struct checked_room *room, struct store_check_report *r, buf *problem)
{
    struct db_query q;
    int64_t events = 0, first = 0, last = 0;
    start_room(&q, c, DB_S_check_log, room);
    if (db_step(&q)) {
        events = db_column_int(&q);
        first = db_key_seq(db_column_int(&q));
        last = db_key_seq(db_column_int(&q));
    }
    confab_err e = db_finish(&q);
    if (confab_failed(e)) return e;
    int64_t holes = events ? last - first + 1 - events : 0;
    if (events && first > room->first_seq) holes += first - room->first_seq;
    if (events && first < room->first_seq) holes += 1;            /* trimmed events that are still there */
    if (!events && room->first_seq > 1) holes += room->first_seq; /* a trimmed log keeps its newest event */
    if (holes) complain(problem, "holes in the log", room->slug, holes);
    r->events += events;
    r->holes += holes;
    return e;
}

static confab_err check_views(struct db_conn *c, const struct checked_room *room, struct store_check_report *r, buf *problem)
{
    static const enum db_stmt stmts[] = {DB_S_check_views, DB_S_check_reactions};
    int64_t wrong = 0;
    for (size_t i = 0; i < 2; i++) {
        struct db_query q;
        start_room(&q, c, stmts[i], room);
        db_bind_int(&q, DB_P_seq, room->first_seq);
        if (db_step(&q)) wrong += db_column_int(&q);
        confab_err e = db_finish(&q);
        if (confab_failed(e)) return e;
    }
    if (wrong) complain(problem, "messages or reactions that differ from the log", room->slug, wrong);
    r->view_mismatches += wrong;
    return confab_ok();
}

static confab_err check_rooms(struct db_conn *c, struct store_check_report *r, store_progress_fn *progress, void *ctx, buf *problem)
{
    arena a = {0};
    struct checked_room *rooms = NULL;
    size_t n = 0;
    int64_t total = 0;
    confab_err e = list_rooms(c, &a, &rooms, &n);
    for (size_t i = 0; i < n; i++)
        total += rooms[i].last_seq ? rooms[i].last_seq - rooms[i].first_seq + 1 : 0;
    for (size_t i = 0; i < n && !confab_failed(e); i++) {
        if (progress) progress(ctx, r->events, total);
        e = check_log(c, &rooms[i], r, problem);
        if (!confab_failed(e)) e = check_views(c, &rooms[i], r, problem);
        r->rooms++;
    }
    if (progress && !confab_failed(e)) progress(ctx, r->events, total);
    arena_free(&a);
    return e;
}

confab_err store_check(store *s, struct store_check_report *out, store_progress_fn *progress, void *ctx, buf *problem)
{
    struct db_conn *c = NULL;
    *out = (struct store_check_report){0};
    confab_err e = open_checker(s, &c, problem);
    if (confab_failed(e)) return e;
    if (progress) progress(ctx, 0, 1); /* the file as a whole comes first, and nobody knows how far that is */
    e = db_run(c, DB_S_begin_read);
    if (!confab_failed(e)) e = db_copy_verify(c->sqlite, &out->integrity_errors, problem);
    if (!confab_failed(e)) e = check_schema(c, out, problem);
    if (!confab_failed(e)) e = check_rows(c, out, problem);
    if (!confab_failed(e)) e = check_rooms(c, out, progress, ctx, problem);
    if (e.code == CONFAB_STORE_CORRUPT) {
        /* A page that cannot be read is what this command is for: it is a finding, not a failure to look. */
        out->integrity_errors++;
        if (problem && problem->len == 0) buf_append_str(problem, sqlite3_errmsg(c->sqlite));
        e = confab_ok();
    }
    db_conn_close(c);
    return e;
}

confab_err store_schema_version(store *s, struct store_schema *out)
{
    struct db_conn *c = NULL;
    int64_t version = 0;
    const struct db_open o = {.path = s->folder.database, .role = DB_READER, .busy_timeout_ms = db_busy_timeout_ms};
    confab_err e = db_conn_open(&o, &c, NULL);
    if (!confab_failed(e)) e = db_pragma_int(c->sqlite, "PRAGMA user_version", &version);
    if (!confab_failed(e)) *out = (struct store_schema){.version = version, .newest_known = (int64_t)db_migrations_builtin().count};
    db_conn_close(c);
    return e;
}
