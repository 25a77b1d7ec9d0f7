/* sqlite_loop.c: confab-sqlite-loop, the yardstick for durable writes: what SQLite alone makes of this disk.
 *
 * One thread, one table, one prepared INSERT, WAL and synchronous=FULL, `batch` rows a transaction. No server can
 * acknowledge more messages a second with the same batches; how near it comes is its share of the yardstick. */
#include <errno.h>
#include <getopt.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_BYTES = 80, MAX_ROOMS = 100000 };

typedef struct loop {
    sqlite3 *db;
    sqlite3_stmt *insert;
    long rooms;
    int64_t rows; /* inserted so far: row n goes to room n % rooms, with the next seq there */
} loop;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool run_sql(loop *l, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(l->db, sql, NULL, NULL, &message) == SQLITE_OK) {
        return true;
    }
    (void)fprintf(stderr, "%s: %s\n", sql, message);
    sqlite3_free(message);
    return false;
}

static bool open_loop(loop *l, const char *path)
{
    if (access(path, F_OK) == 0) {
        (void)fprintf(stderr, "%s exists; the loop writes to a new file only\n", path);
        return false;
    }
    if (sqlite3_open(path, &l->db) != SQLITE_OK) {
        (void)fprintf(stderr, "%s: %s\n", path, sqlite3_errmsg(l->db));
        return false;
    }
    return run_sql(l, "PRAGMA journal_mode = WAL") && run_sql(l, "PRAGMA synchronous = FULL") &&
           run_sql(l, "CREATE TABLE events (room_id TEXT NOT NULL, seq INTEGER NOT NULL, user_id TEXT NOT NULL,"
                      " at_ms INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (room_id, seq)) STRICT, WITHOUT ROWID") &&
           sqlite3_prepare_v3(l->db, "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5)", -1, SQLITE_PREPARE_PERSISTENT, &l->insert, NULL) ==
               SQLITE_OK;
}

static bool insert_row(loop *l)
{
    static char text[TEXT_BYTES];
    if (text[0] == '\0') {
        memset(text, 'x', sizeof text);
    }
    char room[32];
    char user[32];
    const int room_len = snprintf(room, sizeof room, "bench-%lld", (long long)(l->rows % l->rooms));
    const int user_len = snprintf(user, sizeof user, "user-%lld", (long long)(l->rows % 1000));
    const bool ok = sqlite3_bind_text(l->insert, 1, room, room_len, SQLITE_STATIC) == SQLITE_OK &&
                    sqlite3_bind_int64(l->insert, 2, l->rows / l->rooms + 1) == SQLITE_OK &&
                    sqlite3_bind_text(l->insert, 3, user, user_len, SQLITE_STATIC) == SQLITE_OK &&
                    sqlite3_bind_int64(l->insert, 4, (sqlite3_int64)time(NULL) * 1000) == SQLITE_OK &&
                    sqlite3_bind_text(l->insert, 5, text, sizeof text, SQLITE_STATIC) == SQLITE_OK &&
                    sqlite3_step(l->insert) == SQLITE_DONE;
    l->rows++;
    return sqlite3_reset(l->insert) == SQLITE_OK && ok;
}

static bool commit_batch(loop *l, long batch)
{
    bool ok = run_sql(l, "BEGIN IMMEDIATE");
    for (long i = 0; i < batch && ok; i++) {
        ok = insert_row(l);
    }
    return ok && run_sql(l, "COMMIT");
}

/* Runs one batch size for `seconds` after a tenth of that as a warm-up. Returns rows a second; negative: it failed. */
static double measure(loop *l, long batch, double seconds)
{
    double until = now_s() + seconds / 10;
    while (now_s() < until) {
        if (!commit_batch(l, batch)) {
            return -1;
        }
    }
    const int64_t rows = l->rows;
    const double start = now_s();
    until = start + seconds;
    while (now_s() < until) {
        if (!commit_batch(l, batch)) {
            return -1;
        }
    }
    return (double)(l->rows - rows) / (now_s() - start);
}

static long parse_number(const char *text, long max, char **out_end)
{
    errno = 0;
    const long value = strtol(text, out_end, 10);
    return errno == 0 && *out_end != text && value >= 1 && value <= max ? value : -1;
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: confab-sqlite-loop --db NEW-FILE [--batches 1,10,100,1000] [--seconds 3] [--rooms 1] [--json]\n"
                          "Inserts rows into a new SQLite file (WAL, synchronous=FULL) and prints rows/s for each batch size.\n");
    return 2;
}

/* Measures every size of the list. With json, one line {"batches":[{"batch":1,"rows_per_s":…},…]}. */
static bool run_list(loop *l, const char *list, double seconds, bool json)
{
    const char *separator = "";
    bool ok = true;
    if (json) {
        (void)printf("{\"batches\":[");
    }
    for (const char *at = list; ok && *at != '\0';) {
        char *end = NULL;
        const long batch = parse_number(at, 1000000, &end);
        const double rate = batch > 0 ? measure(l, batch, seconds) : -1;
        ok = rate >= 0;
        if (ok) {
            (void)fprintf(json ? stderr : stdout, "  batch %-8ld %12.0f rows/s\n", batch, rate);
        }
        if (ok && json) {
            (void)printf("%s{\"batch\":%ld,\"rows_per_s\":%.0f}", separator, batch, rate);
            separator = ",";
        }
        at = end + (*end == ',');
    }
    if (json) {
        (void)printf("],\"ok\":%s}\n", ok ? "true" : "false");
    }
    return ok;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"db", required_argument, NULL, 'd'},    {"batches", required_argument, NULL, 'b'}, {"seconds", required_argument, NULL, 's'},
        {"rooms", required_argument, NULL, 'r'}, {"json", no_argument, NULL, 'j'},          {0},
    };
    const char *path = NULL;
    const char *batches = "1,10,100,1000";
    long seconds = 3;
    bool json = false;
    char *end = "";
    loop l = {.rooms = 1};
    for (int option = 0; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'd':
            path = optarg;
            break;
        case 'b':
            batches = optarg;
            break;
        case 's':
            seconds = parse_number(optarg, 600, &end);
            break;
        case 'r':
            l.rooms = parse_number(optarg, MAX_ROOMS, &end);
            break;
        case 'j':
            json = true;
            break;
        default:
            return usage();
        }
    }
    if (path == NULL || seconds < 1 || l.rooms < 1 || *end != '\0' || optind != argc) {
        return usage();
    }
    const bool ok = open_loop(&l, path) && run_list(&l, batches, (double)seconds, json);
    (void)sqlite3_finalize(l.insert);
    (void)sqlite3_close(l.db);
    return ok ? 0 : 1;
}
