/* storm.c: everybody comes back at once, each with a cursor that is --missed events behind.
 *
 * All clients enter and are dropped; one member of each room says what the others miss; then all come back. The time
 * runs from the first connect to the last client that has caught up. A second round, over the connections then open,
 * moves every cursor back again by a repeated join: replay alone, without handshakes and tokens. */
#include "load.h"
#include "proc.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW = 64 /* messages under way while the missed ones are said */ };

typedef struct storm {
    crowd *crowd;
    const load_options *options;
    int64_t *heads;    /* owned; newest id of each room before the missed messages */
    unsigned *said;    /* owned; missed messages said in each room so far */
    unsigned *arrived; /* owned; and of those, how many the sayer has received */
    char *text;        /* owned */
    bool speaking;
    int64_t start_ns; /* of the round */
    int64_t last_ns;  /* when the newest client had caught up */
    histogram caught_up;
} storm;

/* ---- saying what is missed ---- */

static void say_more(storm *s, client *c)
{
    while (s->said[c->room] < s->options->missed && s->said[c->room] - s->arrived[c->room] < WINDOW) {
        s->said[c->room]++;
        if (!crowd_say(c, s->text, s->options->text_bytes, NULL)) {
            crowd_fail(s->crowd, "client %u cannot send", c->index);
            return;
        }
    }
}

static void on_frame(client *c, const crowd_frame *frame)
{
    storm *s = c->crowd->config.user;
    if (s->speaking && frame->is_event && peek_equals(frame->type, "message")) {
        s->arrived[c->room]++;
        say_more(s, c);
    }
}

static bool all_said(const storm *s)
{
    for (unsigned room = 0; room < s->options->rooms; room++) {
        if (s->arrived[room] < s->options->missed) {
            return false;
        }
    }
    return true;
}

/* Polls until the condition holds, at most --limit seconds. */
static bool wait_for(storm *s, bool (*condition)(const storm *s), const char *what)
{
    const int64_t until_ns = swarm_now_ns() + (int64_t)s->options->limit * 1000000000;
    while (!condition(s) && s->crowd->faults.errors == 0) {
        if (swarm_now_ns() > until_ns) {
            crowd_fail(s->crowd, "%s: not within %u s", what, s->options->limit);
        }
        crowd_poll(s->crowd, 100);
    }
    return s->crowd->faults.errors == 0;
}

/* The first member of each room says the missed messages, alone in it. */
static bool say_missed(storm *s)
{
    crowd *all = s->crowd;
    s->speaking = true;
    for (unsigned room = 0; room < s->options->rooms; room++) {
        crowd_enter(&all->clients[room], true);
    }
    if (!crowd_wait_ready(all, s->options->rooms, (int)s->options->limit)) {
        return false;
    }
    for (unsigned room = 0; room < s->options->rooms; room++) {
        say_more(s, &all->clients[room]);
    }
    const bool ok = wait_for(s, all_said, "saying the missed messages");
    s->speaking = false;
    for (unsigned room = 0; room < s->options->rooms; room++) {
        crowd_drop(&all->clients[room]);
    }
    return ok;
}

/* ---- the rounds ---- */

static void on_ready(client *c)
{
    storm *s = c->crowd->config.user;
    s->last_ns = swarm_read_at_ns(c->crowd->swarm);
    histogram_add(&s->caught_up, s->last_ns - s->start_ns);
}

static bool server_has_noticed(const storm *s)
{
    double active = 0;
    return !proc_get_metric(s->options->port, "websocket_active_connections", &active) || active == 0;
}

/* Everybody enters, notes the newest id of the room, and is dropped. */
static bool enter_and_drop(storm *s)
{
    crowd *all = s->crowd;
    if (!load_enter_all(all, s->options)) {
        return false;
    }
    for (unsigned i = 0; i < all->config.clients; i++) {
        client *c = &all->clients[i];
        if (i < s->options->rooms) {
            s->heads[c->room] = c->last_id > 0 ? c->last_id : 0; /* a peer that has no message yet has told no id */
        }
        if (c->last_id > 0 && c->last_id != s->heads[c->room]) {
            crowd_fail(all, "client %u is at %lld, its room at %lld", i, (long long)c->last_id, (long long)s->heads[c->room]);
        }
        c->last_id = s->heads[c->room];
        crowd_drop(c);
    }
    return wait_for(s, server_has_noticed, "the server notices that all are gone");
}

/* Runs one round and reports it. `again`: over the open connections. */
static bool run_round(storm *s, report *r, bool again)
{
    crowd *all = s->crowd;
    memset(&s->caught_up, 0, sizeof s->caught_up);
    load_cost cost = load_cost_start(s->options);
    s->start_ns = swarm_now_ns();
    for (unsigned i = 0; i < all->config.clients; i++) {
        client *c = &all->clients[i];
        if (again) {
            (void)crowd_rejoin(c, s->heads[c->room]); /* a failure ends the connection, which is noted */
        } else {
            c->last_id = s->heads[c->room];
            crowd_enter(c, true);
        }
    }
    if (!crowd_wait_ready(all, all->config.clients, (int)s->options->limit)) {
        return false;
    }
    load_cost_stop(&cost);
    uint64_t wrong = 0;
    for (unsigned i = 0; i < all->config.clients; i++) {
        const client *c = &all->clients[i];
        wrong += c->events != s->options->missed || c->last_id != s->heads[c->room] + s->options->missed;
    }
    const double seconds = (double)(s->last_ns - s->start_ns) / 1e9;
    const double replayed = (double)all->config.clients * s->options->missed;
    report_number(r, again ? "replay_s" : "storm_s", seconds,
                  again ? "s, over open connections" : "s from the first connect to the last caught up");
    report_number(r, again ? "replay_per_s" : "storm_per_s", replayed / seconds, "replayed messages/s");
    report_number(r, again ? "replay_server_cpu_s" : "storm_server_cpu_s", cost.server_cpu_s, "s");
    report_number(r, again ? "replay_client_cpu_s" : "storm_client_cpu_s", cost.own_cpu_s, "s");
    report_latency(r, again ? "replay_" : "storm_", &s->caught_up);
    report_count(r, again ? "replay_wrong_clients" : "storm_wrong_clients", wrong, "clients without exactly the missed messages");
    if (wrong > 0) {
        crowd_fail(all, "%llu clients did not get exactly what they missed", (unsigned long long)wrong);
    }
    return wrong == 0;
}

int load_storm(const load_options *options)
{
    report r = report_start("storm", options->json);
    if (options->rooms == 0 || options->clients < options->rooms) {
        (void)fprintf(stderr, "storm needs --rooms, and no more of them than --clients\n");
        return report_finish(&r, false);
    }
    static storm s;
    s = (storm){.options = options,
                .heads = calloc(options->rooms, sizeof *s.heads),
                .said = calloc(options->rooms, sizeof *s.said),
                .arrived = calloc(options->rooms, sizeof *s.arrived),
                .text = malloc(options->text_bytes + 1)};
    s.crowd = load_new_crowd(options, options->clients, (crowd_callbacks){.on_ready = on_ready, .on_frame = on_frame}, &s);
    bool clean = false;
    if (s.heads != NULL && s.said != NULL && s.arrived != NULL && s.text != NULL && s.crowd != NULL) {
        memset(s.text, 'x', options->text_bytes);
        report_count(&r, "clients", options->clients, "");
        report_count(&r, "rooms", options->rooms, "");
        report_count(&r, "missed", options->missed, "messages each");
        if (enter_and_drop(&s) && say_missed(&s) && run_round(&s, &r, false)) {
            (void)run_round(&s, &r, true);
        }
        load_report_faults(&r, s.crowd);
        clean = crowd_is_clean(s.crowd);
    }
    crowd_free(s.crowd);
    free(s.heads);
    free(s.said);
    free(s.arrived);
    free(s.text);
    return report_finish(&r, clean);
}
