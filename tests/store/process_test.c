/* Other processes: one that is killed with SIGKILL while it writes, several that write the same rooms at once. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.h"

enum { IN_FLIGHT = 64, ROOMS = 3, MAX_ACKS = 200000 };

/* What a writing process tells of each acknowledged message. */
struct ack {
    int64_t room_id, seq, number;
};

/* ---- The writing process: this program, called with --write FOLDER NAME COUNT ---- */

struct writer {
    store *s;
    const char *name;
    struct user me;
    struct room rooms[ROOMS];
    atomic_long acked;
};

struct message {
    struct store_job job; /* first member */
    struct writer *w;
    int64_t number, seq;
    atomic_bool free;
};

static confab_err run_message(struct store_job *job, store_tx *tx)
{
    struct message *m = (struct message *)job;
    char client_id[64];
    bool duplicate;
    (void)snprintf(client_id, sizeof client_id, "%s-%lld", m->w->name, (long long)m->number);
    struct event e = {.room_id = m->w->rooms[m->number % ROOMS].id,
                      .kind = EVENT_MESSAGE,
                      .actor_id = m->w->me.id,
                      .text = SPAN_LIT("said while the process may die at any moment"),
                      .client_id = span_of(client_id)};
    confab_err err = store_event_append(tx, &e, &duplicate);
    m->seq = e.seq;
    return err;
}

static void message_done(struct store_job *job)
{
    struct message *m = (struct message *)job;
    struct ack a = {m->w->rooms[m->number % ROOMS].id, m->seq, m->number};
    if (confab_failed(m->job.result)) _exit(3);
    if (write(STDOUT_FILENO, &a, sizeof a) != (ssize_t)sizeof a) _exit(4); /* small enough to be whole */
    atomic_fetch_add(&m->w->acked, 1);
    atomic_store(&m->free, true);
}

static confab_err run_enter(store_tx *tx, void *ctx)
{
    struct writer *w = ctx;
    confab_err e = store_user_find(tx, span_of(w->name), &w->me);
    struct user_new user = {.name = span_of(w->name), .role = USER_MEMBER};
    if (e.code == CONFAB_USER_NOT_FOUND) e = store_user_create(tx, &user, &w->me);
    for (int i = 0; i < ROOMS && !confab_failed(e); i++) {
        char slug[16];
        (void)snprintf(slug, sizeof slug, "room%d", i);
        struct room_new room = {.slug = span_of(slug), .kind = ROOM_PUBLIC};
        e = store_room_find(tx, span_of(slug), &w->rooms[i]);
        if (e.code == CONFAB_ROOM_NOT_FOUND) e = store_room_create(tx, &room, &w->rooms[i]);
    }
    return e;
}

static int write_messages(const char *folder, const char *name, int64_t first, int64_t count)
{
    static struct message messages[IN_FLIGHT];
    struct writer w = {.s = fixture_open(folder), .name = name};
    if (confab_failed(do_write_atomic(w.s, run_enter, &w))) return 2;
    for (int i = 0; i < IN_FLIGHT; i++)
        messages[i].free = true;
    for (int64_t n = 0; n < count; n++) {
        struct message *m = &messages[n % IN_FLIGHT];
        while (!atomic_load(&m->free))
            (void)usleep(50); /* this process is the load, not the test */
        *m = (struct message){.job = {.run = run_message, .done = message_done}, .w = &w, .number = first + n};
        if (confab_failed(store_submit_write(w.s, &m->job))) return 5;
    }
    store_close(w.s);
    return atomic_load(&w.acked) == count ? 0 : 6;
}

/* ---- The tests ---- */

struct child {
    pid_t pid;
    int out;
};

extern char **environ;
static const char *program; /* argv[0]: /proc/self/exe would be valgrind under valgrind */

static struct child start_writer(const char *folder, const char *name, int64_t first, int64_t count)
{
    struct child c;
    int ends[2];
    char numbers[2][32];
    posix_spawn_file_actions_t actions;
    (void)snprintf(numbers[0], sizeof numbers[0], "%lld", (long long)first);
    (void)snprintf(numbers[1], sizeof numbers[1], "%lld", (long long)count);
    char *argv[] = {(char *)(uintptr_t) "process_test",
                    (char *)(uintptr_t) "--write",
                    (char *)(uintptr_t)folder,
                    (char *)(uintptr_t)name,
                    numbers[0],
                    numbers[1],
                    NULL};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_addclose(&actions, ends[0]), 0);
    assert_int_equal(posix_spawn(&c.pid, program, &actions, NULL, argv, environ), 0);
    (void)posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(close(ends[1]), 0);
    c.out = ends[0];
    return c;
}

/* Reads acks until there are `most` or the process has ended. */
static size_t read_acks(struct child *c, struct ack *acks, size_t have, size_t most)
{
    while (have < most) {
        size_t got = 0;
        while (got < sizeof acks[0]) {
            ssize_t n = read(c->out, (char *)&acks[have] + got, sizeof acks[0] - got);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return have;
            got += (size_t)n;
        }
        have++;
    }
    return have;
}

static int wait_for(struct child *c)
{
    int status = -1;
    assert_int_equal(close(c->out), 0);
    assert_true(waitpid(c->pid, &status, 0) == c->pid);
    return status;
}

struct verify {
    const struct ack *acks;
    size_t n;
    const char *name;
    size_t missing;
};

static confab_err run_verify(store_tx *tx, void *ctx)
{
    struct verify *v = ctx;
    for (size_t i = 0; i < v->n; i++) {
        arena a = {0};
        struct event e = {0};
        char client_id[64];
        (void)snprintf(client_id, sizeof client_id, "%s-%lld", v->name, (long long)v->acks[i].number);
        confab_err err = store_event_get(tx, v->acks[i].room_id, v->acks[i].seq, &a, &e);
        if (confab_failed(err) || !span_is(e.client_id, client_id)) v->missing++;
        arena_free(&a);
    }
    return confab_ok();
}

static void assert_all_stored(store *s, const struct ack *acks, size_t n, const char *name)
{
    struct verify v = {.acks = acks, .n = n, .name = name};
    assert_ok(do_read(s, run_verify, &v));
    assert_int_equal(v.missing, 0);
}

static void every_acknowledged_message_survives_sigkill(void **state)
{
    (void)state;
    static struct ack acks[MAX_ACKS];
    char folder[64];
    size_t have = 0;
    fixture_make_folder(folder);
    for (int round = 0; round < 6; round++) {
        struct child c = start_writer(folder, "ann", round * 1000000, 10000000);
        have = read_acks(&c, acks, have, have + 1 + (size_t)round * 700);
        assert_int_equal(kill(c.pid, SIGKILL), 0);
        have = read_acks(&c, acks, have, MAX_ACKS); /* what it had told before it died */
        assert_true(WIFSIGNALED(wait_for(&c)));
        store *s = fixture_open(folder);
        assert_all_stored(s, acks, have, "ann");
        for (int64_t room = 1; room <= ROOMS; room++)
            assert_true(read_log(s, room).ordered);
        assert_clean(s);
        store_close(s);
    }
    assert_true(have > 6);
    fixture_remove_folder(folder);
}

static void note_foreign(void *ctx) { atomic_fetch_add((atomic_int *)ctx, 1); }

static bool was_told(void *ctx) { return atomic_load((atomic_int *)ctx) > 0; }

static void processes_that_write_at_once_share_the_logs(void **state)
{
    (void)state;
    enum { EACH = 1500, OWN = 300 };
    static struct ack acks[2][EACH];
    char folder[64];
    atomic_int foreign = 0;
    fixture_make_folder(folder);
    store *s = fixture_open(folder);
    struct writer me = {.s = s, .name = "server"};
    assert_ok(do_write_atomic(s, run_enter, &me));
    store_set_observer(s, (struct store_observer){.ctx = &foreign, .on_foreign_change = note_foreign});
    struct child a = start_writer(folder, "ann", 0, EACH), b = start_writer(folder, "bob", 0, EACH);
    for (int i = 0; i < OWN; i++)
        post(s, &me.rooms[i % ROOMS], &me.me, "from the server", NULL);
    assert_int_equal(read_acks(&a, acks[0], 0, EACH), EACH);
    assert_int_equal(read_acks(&b, acks[1], 0, EACH), EACH);
    assert_int_equal(wait_for(&a), 0);
    assert_int_equal(wait_for(&b), 0);
    wait_until(was_told, &foreign, "the server noticed what the others did");
    assert_all_stored(s, acks[0], EACH, "ann");
    assert_all_stored(s, acks[1], EACH, "bob");
    int64_t total = 0;
    for (int i = 0; i < ROOMS; i++) {
        struct log_state l = read_log(s, me.rooms[i].id);
        assert_true(l.ordered);
        total += l.count;
    }
    assert_int_equal(total, 2 * EACH + OWN);
    assert_clean(s);
    store_set_observer(s, (struct store_observer){0});
    store_close(s);
    fixture_remove_folder(folder);
}

/* A quiet server learns of a change although it has nothing to write itself. */
static void quiet_process_notices_what_another_changed(void **state)
{
    struct fixture *f = *state;
    atomic_int foreign = 0;
    store_set_observer(f->s, (struct store_observer){.ctx = &foreign, .on_foreign_change = note_foreign});
    store *command = fixture_open(f->folder);
    struct user ann = make_user(command, "ann");
    wait_until(was_told, &foreign, "the server noticed the new user");
    struct room room = make_room(f->s, "general");
    assert_int_equal(post(f->s, &room, &ann, "x", NULL), 1);
    /* What the server remembers of the room must give way to what the other process appended. */
    assert_int_equal(post(command, &room, &ann, "y", NULL), 2);
    assert_int_equal(post(f->s, &room, &ann, "z", NULL), 3);
    store_close(command);
    store_set_observer(f->s, (struct store_observer){0});
    assert_clean(f->s);
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc == 6 && strcmp(argv[1], "--write") == 0) return write_messages(argv[2], argv[3], atoll(argv[4]), atoll(argv[5]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_acknowledged_message_survives_sigkill),
        cmocka_unit_test(processes_that_write_at_once_share_the_logs),
        cmocka_unit_test_setup_teardown(quiet_process_notices_what_another_changed, fixture_on_disk, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
