/* run.c: the phases of a run. See run.h. */
#include "run.h"

#include "progress.h"
#include "report.h"
#include "setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    MAX_TEXT = 16384 - 192, /* the server's default limits.max_message_bytes, less what frame_write_message() puts around it */
    FILES_OF_OUR_OWN = 64,
    READY_TIMEOUT_MS = 60000,
    STOP_TIMEOUT_MS = 60000,
    SOURCE_ADDRESSES = 8, /* one has about 28,000 ports, and closed connections keep theirs for a minute */
    CONNECTING_MAX = 256,
    POLL_MS = 20,
    TICK_MS = 100,
    QUIET_MS = 300, /* nothing more comes for so long: the end */
};

static bool problem(run *r, const char *text)
{
    (void)snprintf(r->problem, sizeof r->problem, "%.500s", text);
    return false;
}

static double seconds_since(int64_t ns) { return (double)(swarm_now_ns() - ns) / 1e9; }

/* ---- before ---- */

static bool raise_descriptor_limit(run *r)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return problem(r, "cannot read the descriptor limit");
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* checked by what follows */
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < r->corpus->user_count + FILES_OF_OUR_OWN) {
        (void)snprintf(r->problem, sizeof r->problem,
                       "%zu connections need more descriptors than the limit, %llu (ulimit -Hn); take fewer files (--files)",
                       r->corpus->user_count, (unsigned long long)limit.rlim_cur);
        return false;
    }
    return true;
}

static bool prepare(run *r)
{
    const options *o = r->options;
    r->corpus = corpus_load(o->corpus, o->files, MAX_TEXT, r->problem, sizeof r->problem);
    if (r->corpus == NULL || !raise_descriptor_limit(r)) {
        return false;
    }
    report_corpus(r->corpus);
    r->ledger = ledger_new(r->corpus);
    r->people = calloc(r->corpus->user_count, sizeof *r->people);
    r->speeches = calloc(r->corpus->room_count, sizeof *r->speeches);
    r->seats = r->ledger != NULL ? calloc(ledger_cursor_count(r->ledger), sizeof *r->seats) : NULL;
    r->random = o->seed ^ UINT64_C(0x5DEECE66D);
    if (r->seats == NULL || r->people == NULL || r->speeches == NULL ||
        !plan_make(&r->plan, o->seed, r->corpus->user_count, r->corpus->line_count, o->kills)) {
        return problem(r, "out of memory");
    }
    return true;
}

static bool start_server(run *r)
{
    progress_show("starting the server");
    if (!host_init(&r->host, r->options->confab, r->options->port, r->options->keep) || !host_start(&r->host) ||
        !host_wait_ready(&r->host, READY_TIMEOUT_MS)) {
        return problem(r, r->host.problem);
    }
    return true;
}

/* ---- waiting ---- */

static void show_progress(run *r, const char *phase)
{
    char line[256];
    char a[PROGRESS_NUMBER_MAX];
    char b[PROGRESS_NUMBER_MAX];
    char c[PROGRESS_NUMBER_MAX];
    char d[PROGRESS_NUMBER_MAX];
    ledger_counts counts;
    ledger_get_counts(r->ledger, &counts);
    const double seconds = seconds_since(r->shown_ns);
    const double rate = seconds > 0 ? (double)(counts.deliveries - r->shown_deliveries) / seconds : 0;
    r->shown_deliveries = counts.deliveries;
    r->shown_ns = swarm_now_ns();
    (void)snprintf(line, sizeof line, "%-10s %3zu %%  %s lines  %s deliveries/s  %s of %zu in  %llu kills  %s reconnects", phase,
                   r->done_lines * 100 / r->corpus->line_count, progress_number(r->done_lines, a), progress_number((uint64_t)rate, b),
                   progress_number(r->in_count, c), r->corpus->user_count, (unsigned long long)r->stats.kills,
                   progress_number(r->stats.reconnects, d));
    progress_show(line);
}

/* Grows with everything that moves. */
static uint64_t movement(const run *r)
{
    ledger_counts counts;
    ledger_get_counts(r->ledger, &counts);
    return counts.deliveries + counts.acked + r->stats.connects + r->stats.reconnects + r->stats.joins[FRAME_FRESH] +
           r->stats.joins[FRAME_RESUMED] + r->stats.kills + r->stats.crashes;
}

/* Runs the swarm until done(), which is asked at each tick. False with r->problem, or when stalled (result.stalled). */
static bool run_until(run *r, const char *phase, bool (*done)(run *))
{
    uint64_t moved = movement(r);
    int64_t moved_ns = swarm_now_ns();
    int64_t tick_ns = 0;
    for (;;) {
        if (!swarm_poll(r->swarm, POLL_MS)) {
            return problem(r, "epoll failed");
        }
        if (r->fatal) {
            return false;
        }
        if (host_is_interrupted()) {
            return problem(r, "interrupted");
        }
        const int64_t now = swarm_now_ns();
        if (now < tick_ns) {
            continue;
        }
        tick_ns = now + TICK_MS * INT64_C(1000000);
        people_sweep(r);
        speech_sweep(r);
        mishap_sweep(r);
        if (movement(r) != moved) {
            moved = movement(r);
            moved_ns = now;
        }
        if (done(r)) {
            return true;
        }
        if (now - moved_ns > (int64_t)r->options->patience_s * 1000000000) {
            r->result.stalled = true;
            return false;
        }
        if (progress_is_due()) {
            show_progress(r, phase);
        }
    }
}

/* ---- the phases ---- */

static bool everybody_is_there(run *r) { return r->joined_count == ledger_cursor_count(r->ledger); }

static bool everybody_is_level(run *r)
{
    if (r->done_lines < r->corpus->line_count || !mishap_is_over(r) || !everybody_is_there(r)) {
        return false;
    }
    for (size_t i = 0; i < ledger_cursor_count(r->ledger); i++) {
        if (!ledger_is_level(r->ledger, i) || r->seats[i].replaying) {
            return false;
        }
    }
    return true;
}

/* Nothing has come for a while: what is doubled at the very end would have. */
static bool it_is_quiet(run *r)
{
    ledger_counts counts;
    ledger_get_counts(r->ledger, &counts);
    if (counts.deliveries != r->quiet_deliveries || r->quiet_ns == 0) {
        r->quiet_deliveries = counts.deliveries;
        r->quiet_ns = swarm_now_ns();
    }
    return swarm_now_ns() - r->quiet_ns > QUIET_MS * INT64_C(1000000);
}

static bool connect_everybody(run *r)
{
    const int64_t start = swarm_now_ns();
    const swarm_config config = {
        .port = r->host.port,
        .max_connecting = CONNECTING_MAX,
        .source_addresses = SOURCE_ADDRESSES,
        .callbacks = people_callbacks,
    };
    r->swarm = swarm_new(&config);
    if (r->swarm == NULL) {
        return problem(r, "out of memory");
    }
    for (uint32_t user = 0; user < r->corpus->user_count; user++) {
        person_come(r, user, 0);
    }
    const bool done = run_until(r, "connecting", everybody_is_there);
    r->result.connect_s = seconds_since(start);
    return done;
}

static bool talk(run *r)
{
    ledger_counts before;
    ledger_get_counts(r->ledger, &before);
    r->talk_start_ns = swarm_now_ns();
    mishap_on_progress(r); /* what is due at line 0 */
    for (uint32_t room = 0; room < r->corpus->room_count; room++) {
        speech_go(r, room);
    }
    const bool done = run_until(r, "talking", everybody_is_level);
    r->result.talk_s = seconds_since(r->talk_start_ns);
    ledger_counts after;
    ledger_get_counts(r->ledger, &after);
    r->result.talk_deliveries = after.deliveries - before.deliveries;
    return done && run_until(r, "listening", it_is_quiet);
}

/* A new process answers, so that nothing comes from the memory of the old one. */
static bool read_back(run *r)
{
    progress_show("stopping the server, and starting it once more");
    r->result.clean_stop = host_stop(&r->host, STOP_TIMEOUT_MS);
    if (!host_start(&r->host) || !host_wait_ready(&r->host, READY_TIMEOUT_MS)) {
        return problem(r, r->host.problem);
    }
    progress_show("reading every room back");
    const int64_t start = swarm_now_ns();
    const bool done = readback_all(r);
    r->result.readback_s = seconds_since(start);
    return done;
}

static void judge(run *r, bool finished)
{
    run_result *e = &r->result;
    const run_stats *s = &r->stats;
    ledger_get_counts(r->ledger, &e->counts);
    e->verdict = ledger_judge(r->ledger);
    for (size_t i = 0; i < r->corpus->room_count; i++) {
        e->expected_messages += r->corpus->rooms[i].line_count * r->corpus->rooms[i].member_count;
    }
    e->passed = finished && !e->stalled && ledger_is_clean(&e->verdict) && e->counts.messages == e->expected_messages &&
                e->readback_lines == r->corpus->line_count &&
                e->readback_wrong + e->readback_missing + e->readback_surplus + e->readback_holes == 0 &&
                s->crashes + s->refused_lines + s->unreadable_frames + s->epoch_changes == 0 && s->kills == r->options->kills &&
                e->clean_stop;
}

bool run_all(run *r, const options *o)
{
    *r = (run){.options = o};
    const int64_t start = swarm_now_ns();
    if (!prepare(r) || !start_server(r) || !setup_all(r)) {
        return false;
    }
    r->result.setup_s = seconds_since(start);
    bool finished = connect_everybody(r) && talk(r);
    swarm_free(r->swarm);
    r->swarm = NULL;
    if (host_is_interrupted()) {
        return false;
    }
    finished = finished && read_back(r);
    if (host_is_interrupted()) {
        return false;
    }
    progress_clear();
    judge(r, finished);
    return true;
}

void run_free(run *r)
{
    swarm_free(r->swarm);
    host_fini(&r->host);
    for (size_t i = 0; r->people != NULL && i < r->corpus->user_count; i++) {
        free(r->people[i].token);
    }
    free(r->people);
    free(r->seats);
    free(r->speeches);
    free(r->admin_token);
    bytes_fini(&r->command);
    plan_free(&r->plan);
    ledger_free(r->ledger);
    corpus_free(r->corpus);
    *r = (run){0};
}
