/* How long the store takes for a post, beside the least that SQLite could do: a bare loop of inserts with the same batches on the same
 * disk. Not a test. Usage: store_bench [FOLDER] [POSTS] [BATCH [ROOMS]]
 *
 * A post is what the domain asks of the store: look up the author, the room and the membership, append. */
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "confab/clock.h"
#include "confab/log.h"
#include "confab/store.h"

enum { SENDERS = 1000, MAX_ROOMS = 1000, MAX_BATCH = 1000 };

enum ids { IDS_BY_TIME, IDS_RANDOM };

struct bench {
    store *store;
    int64_t users[SENDERS], rooms[MAX_ROOMS];
    char slugs[MAX_ROOMS][24];
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int waiting;
    bool gate_open;
};

struct post {
    struct store_job job;
    struct bench *bench;
    int sender, room;
    char client_id[32];
};

static const char text[] = "hello, this is a chat message of about seventy bytes, as people write.";

static int64_t cpu_us(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000LL + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

static void must(confab_err e, const char *what)
{
    if (!confab_failed(e)) return;
    (void)fprintf(stderr, "%s: %s\n", what, confab_err_sentence(e));
    exit(1);
}

static confab_err run_post(struct store_job *job, store_tx *tx)
{
    struct post *p = (struct post *)job;
    struct bench *b = p->bench;
    struct user u;
    struct room r;
    struct member m;
    bool duplicate = false;
    confab_err e = store_user_get(tx, b->users[p->sender], &u);
    if (!confab_failed(e)) e = store_room_find(tx, span_of(b->slugs[p->room]), &r);
    if (!confab_failed(e)) e = store_member_get(tx, r.id, u.id, &m);
    if (confab_failed(e)) return e;
    struct event event = {.room_id = r.id,
                          .kind = EVENT_MESSAGE,
                          .actor_id = u.id,
                          .room = span_of(r.slug),
                          .actor = span_of(u.name),
                          .text = SPAN_LIT(text),
                          .client_id = span_of(p->client_id)};
    return store_event_append(tx, &event, &duplicate);
}

static void post_done(struct store_job *job)
{
    struct bench *b = ((struct post *)job)->bench;
    must(job->result, "post");
    pthread_mutex_lock(&b->lock);
    if (--b->waiting == 0) pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

/* Holds the writer until the whole batch is queued, so that the batch is one transaction. */
static confab_err run_gate(struct store_job *job, store_tx *tx)
{
    struct bench *b = ((struct post *)job)->bench;
    (void)tx;
    pthread_mutex_lock(&b->lock);
    while (!b->gate_open)
        pthread_cond_wait(&b->wake, &b->lock);
    pthread_mutex_unlock(&b->lock);
    return confab_ok();
}

static confab_err run_setup(struct store_job *job, store_tx *tx)
{
    struct bench *b = ((struct post *)job)->bench;
    char name[24];
    confab_err e = confab_ok();
    for (int i = 0; i < SENDERS && !confab_failed(e); i++) {
        struct user u;
        (void)snprintf(name, sizeof name, "user%d", i);
        struct user_new in = {.name = span_of(name), .role = USER_MEMBER};
        e = store_user_create(tx, &in, &u);
        b->users[i] = u.id;
    }
    for (int i = 0; i < MAX_ROOMS && !confab_failed(e); i++) {
        struct room r;
        (void)snprintf(b->slugs[i], sizeof b->slugs[i], "room%d", i);
        struct room_new in = {.slug = span_of(b->slugs[i]), .kind = ROOM_PUBLIC};
        e = store_room_create(tx, &in, &r);
        b->rooms[i] = r.id;
    }
    return e;
}

static void one_batch(struct bench *b, struct post *posts, int batch)
{
    struct post gate = {.job = {.run = run_gate, .done = post_done}, .bench = b};
    b->waiting = batch + (batch > 1);
    b->gate_open = false;
    if (batch > 1) must(store_submit_write(b->store, &gate.job), "submit");
    for (int i = 0; i < batch; i++)
        must(store_submit_write(b->store, &posts[i].job), "submit");
    pthread_mutex_lock(&b->lock);
    b->gate_open = true;
    pthread_cond_broadcast(&b->wake);
    while (b->waiting > 0)
        pthread_cond_wait(&b->wake, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

struct page {
    struct store_job job;
    int64_t room_id, after, n;
    size_t bytes;
};

static bool count_event(void *ctx, const struct event *e)
{
    struct page *p = ctx;
    p->n++;
    p->after = e->seq;
    p->bytes += e->text.n + e->actor.n;
    return true;
}

static confab_err run_read(struct store_job *job, store_tx *tx)
{
    struct page *p = (struct page *)job;
    return store_events_after(tx, p->room_id, p->after, 100, SIZE_MAX, count_event, p);
}

/* The log of the first room, in pages of 100, as a client that catches up reads it; each page is a job of its own. */
static void measure_reads(struct bench *b)
{
    struct page p = {.job = {.run = run_read}, .room_id = b->rooms[0]};
    int64_t began = clock_mono_us(), cpu = cpu_us(), total = 0;
    for (int round = 0; round < 5; round++) {
        p.after = 0;
        for (;;) {
            p.n = 0;
            must(store_read_wait(b->store, &p.job), "read");
            if (p.n == 0) break;
            total += p.n;
        }
    }
    (void)printf("reads  pages of 100                        %8.2f us wall  %6.2f us cpu per event\n",
                 (double)(clock_mono_us() - began) / (double)total, (double)(cpu_us() - cpu) / (double)total);
}

static void measure_store(const char *folder, int rooms, int batch, int total, enum ids ids)
{
    struct bench b = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
    char path[512];
    static struct post posts[MAX_BATCH];
    buf problem = {0};
    (void)snprintf(path, sizeof path, "%s/bench-XXXXXX", folder);
    if (!mkdtemp(path)) must(confab_fail(CONFAB_STORE_FAILED), path);
    struct store_config config = {.folder = path, .readers = 1, .writer_queue = 65536, .reader_queue = 1024, .create = true};
    must(store_open(&config, &b.store, &problem), "open");
    struct post setup = {.job = {.run = run_setup}, .bench = &b};
    must(store_write_wait(b.store, &setup.job), "set-up");
    unsigned seed = 1;
    int64_t began = clock_mono_us(), cpu = cpu_us();
    for (int done = 0; done < total; done += batch) {
        for (int i = 0; i < batch; i++) {
            int n = done + i;
            posts[i] = (struct post){.job = {.run = run_post, .done = post_done}, .bench = &b, .sender = n % SENDERS, .room = n % rooms};
            if (ids == IDS_BY_TIME)
                (void)snprintf(posts[i].client_id, sizeof posts[i].client_id, "%011x-%06x", 100000 + n / 60,
                               (unsigned)rand_r(&seed) & 0xffffffu);
            else
                (void)snprintf(posts[i].client_id, sizeof posts[i].client_id, "%08x%08x%04x", (unsigned)rand_r(&seed),
                               (unsigned)rand_r(&seed), (unsigned)rand_r(&seed) & 0xffffu);
        }
        one_batch(&b, posts, batch);
    }
    double wall = (double)(clock_mono_us() - began) / total, used = (double)(cpu_us() - cpu) / total;
    (void)printf("store  rooms %4d  batch %4d  ids %-7s  %8.2f us wall  %6.2f us cpu per post\n", rooms, batch,
                 ids == IDS_BY_TIME ? "by time" : "random", wall, used);
    if (batch == 1000 && ids == IDS_BY_TIME) measure_reads(&b);
    store_close(b.store);
    static const char *const files[] = {"confab.db", "confab.db-wal", "confab.db-shm", "confab.lock"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char file[600];
        (void)snprintf(file, sizeof file, "%s/%s", path, files[i]);
        (void)unlink(file);
    }
    (void)rmdir(path);
    buf_free(&problem);
}

static void sql(sqlite3 *db, const char *s)
{
    if (sqlite3_exec(db, s, NULL, NULL, NULL) != SQLITE_OK) must(confab_fail(CONFAB_STORE_FAILED), sqlite3_errmsg(db));
}

/* One table, one integer key, no index, no thread, synchronous=FULL. */
static void measure_bare(const char *folder, int batch, int total)
{
    char path[512], side[520];
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    (void)snprintf(path, sizeof path, "%s/bare-%d.db", folder, (int)getpid());
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) exit(1);
    sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536");
    sql(db, "CREATE TABLE log (seq INTEGER PRIMARY KEY, room INTEGER, actor INTEGER, at INTEGER, text TEXT) STRICT");
    if (sqlite3_prepare_v2(db, "INSERT INTO log (room, actor, at, text) VALUES (1, ?1, ?2, ?3)", -1, &s, NULL) != SQLITE_OK) exit(1);
    int64_t began = clock_mono_us(), cpu = cpu_us();
    for (int done = 0; done < total; done += batch) {
        sql(db, "BEGIN IMMEDIATE");
        for (int i = 0; i < batch; i++) {
            sqlite3_bind_int(s, 1, i);
            sqlite3_bind_int64(s, 2, 1770000000000 + done);
            sqlite3_bind_text(s, 3, text, sizeof text - 1, SQLITE_STATIC);
            if (sqlite3_step(s) != SQLITE_DONE) exit(1);
            sqlite3_reset(s);
        }
        sql(db, "COMMIT");
    }
    (void)printf("bare              batch %4d               %8.2f us wall  %6.2f us cpu per row\n", batch,
                 (double)(clock_mono_us() - began) / total, (double)(cpu_us() - cpu) / total);
    sqlite3_finalize(s);
    sqlite3_close(db);
    (void)unlink(path);
    (void)snprintf(side, sizeof side, "%s-wal", path);
    (void)unlink(side);
    (void)snprintf(side, sizeof side, "%s-shm", path);
    (void)unlink(side);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    int most = argc > 2 ? atoi(argv[2]) : 200000, only_batch = argc > 3 ? atoi(argv[3]) : 0, only_rooms = argc > 4 ? atoi(argv[4]) : 0;
    static const int batches[] = {1, 10, 50, 100, 1000};
    static const int rooms[] = {1, 50, 1000};
    log_set_level(LOG_LEVEL_WARN);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        if (only_batch && only_batch != batches[i]) continue;
        int total = batches[i] * 2000 < most ? batches[i] * 2000 : most;
        total -= total % batches[i];
        measure_bare(folder, batches[i], total);
        for (size_t r = 0; r < sizeof rooms / sizeof rooms[0]; r++)
            if (!only_rooms || only_rooms == rooms[r]) measure_store(folder, rooms[r], batches[i], total, IDS_BY_TIME);
        if (!only_rooms) measure_store(folder, 1, batches[i], total, IDS_RANDOM);
    }
    return 0;
}
