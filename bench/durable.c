/* durable.c: senders that wait. Each says one message, waits until the server has acknowledged it, and says the next.
 *
 * With N senders up to N messages are with the server at any time, which is what it can put into one commit; one sender
 * alone shows what a single message waits for. Confab acknowledges with "ack"; for a peer, whose broadcast follows its
 * commit, the acknowledgement is the sender's own message. */
#include "load.h"
#include "proc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct durable {
    crowd *crowd;
    const load_options *options;
    int64_t *sent_ns; /* owned; per sender */
    uint64_t *number; /* owned; per sender: of its message under way */
    char *text;       /* owned */
    bool refill;      /* an acknowledged message is followed by the next */
    unsigned under_way;
    uint64_t acked;    /* since the measurement began */
    histogram latency; /* of those */
} durable;

static void name_message(char *out, size_t cap, const durable *d, const client *c)
{
    /* Sorts by time, as the SDK's do. */
    (void)snprintf(out, cap, "%012" PRIu64 "-%u", d->number[c->index], c->index);
}

static void say_next(durable *d, client *c)
{
    char client_id[48];
    d->number[c->index]++;
    name_message(client_id, sizeof client_id, d, c);
    d->sent_ns[c->index] = swarm_now_ns();
    if (!crowd_say(c, d->text, d->options->text_bytes, client_id)) {
        crowd_fail(d->crowd, "client %u cannot send", c->index);
    }
}

static bool is_acknowledgement(const durable *d, const client *c, const crowd_frame *frame)
{
    if (d->options->dialect == CROWD_CONFAB ? !peek_equals(frame->type, "ack") : !frame->is_event) {
        return false;
    }
    char client_id[48];
    name_message(client_id, sizeof client_id, d, c);
    return peek_equals(frame->client_id, client_id);
}

static void on_frame(client *c, const crowd_frame *frame)
{
    durable *d = c->crowd->config.user;
    if (d->sent_ns[c->index] == 0 || !is_acknowledgement(d, c, frame)) {
        return;
    }
    d->acked++;
    histogram_add(&d->latency, swarm_read_at_ns(c->crowd->swarm) - d->sent_ns[c->index]);
    if (d->refill) {
        say_next(d, c);
    } else {
        d->under_way--;
        d->sent_ns[c->index] = 0;
    }
}

/* Polls for `seconds`, counting anew; with 0, until nothing is under way. */
static bool run_for(durable *d, unsigned seconds)
{
    const int64_t until_ns = swarm_now_ns() + (int64_t)(seconds > 0 ? seconds : d->options->limit) * 1000000000;
    d->acked = 0;
    memset(&d->latency, 0, sizeof d->latency);
    while (d->crowd->faults.errors == 0 && (seconds > 0 || d->under_way > 0)) {
        if (swarm_now_ns() >= until_ns) {
            break;
        }
        crowd_poll(d->crowd, 10);
    }
    if (seconds == 0 && d->under_way > 0) {
        crowd_fail(d->crowd, "%u messages were never acknowledged", d->under_way);
    }
    return d->crowd->faults.errors == 0;
}

/* The commits and the events in them that the server has counted so far. */
static bool read_batches(const load_options *options, double out_counts[2])
{
    return proc_get_metric(options->port, "confab_commit_batch_size_count", &out_counts[0]) &&
           proc_get_metric(options->port, "confab_commit_batch_size_sum", &out_counts[1]);
}

static bool measure(durable *d, report *r)
{
    crowd *all = d->crowd;
    d->refill = true;
    for (unsigned i = 0; i < all->config.clients; i++) {
        d->under_way++;
        say_next(d, &all->clients[i]);
    }
    if (!run_for(d, d->options->warmup > 0 ? d->options->warmup : 1)) {
        return false;
    }
    double before[2];
    double after[2];
    const bool batches = read_batches(d->options, before);
    load_cost cost = load_cost_start(d->options);
    if (!run_for(d, d->options->seconds)) {
        return false;
    }
    load_cost_stop(&cost);
    report_number(r, "acked_per_s", (double)d->acked / cost.seconds, "acknowledged messages/s");
    report_latency(r, "", &d->latency);
    load_report_cost(r, &cost);
    if (d->options->server_pid > 0 && d->acked > 0) {
        report_number(r, "cpu_us_per_message", cost.server_cpu_s * 1e6 / (double)d->acked, "µs of server CPU");
    }
    if (batches && read_batches(d->options, after) && after[0] > before[0]) {
        report_number(r, "commits_per_s", (after[0] - before[0]) / cost.seconds, "commits/s");
        report_number(r, "mean_batch", (after[1] - before[1]) / (after[0] - before[0]), "events per commit");
    }
    d->refill = false;
    return run_for(d, 0);
}

int load_durable(const load_options *options)
{
    report r = report_start("durable", options->json);
    load_options chosen = *options;
    if (chosen.rooms == 0) {
        chosen.rooms = chosen.clients; /* every sender alone: what is measured is writing, not fan-out */
    }
    static durable d;
    d = (durable){.options = &chosen,
                  .sent_ns = calloc(chosen.clients, sizeof *d.sent_ns),
                  .number = calloc(chosen.clients, sizeof *d.number),
                  .text = malloc(chosen.text_bytes + 1)};
    d.crowd = load_new_crowd(&chosen, chosen.clients, (crowd_callbacks){.on_frame = on_frame}, &d);
    bool clean = false;
    if (d.sent_ns != NULL && d.number != NULL && d.text != NULL && d.crowd != NULL) {
        memset(d.text, 'x', chosen.text_bytes);
        report_count(&r, "senders", chosen.clients, "");
        report_count(&r, "rooms", chosen.rooms, "");
        if (load_enter_all(d.crowd, &chosen)) {
            (void)measure(&d, &r);
        }
        load_report_faults(&r, d.crowd);
        clean = crowd_is_clean(d.crowd);
    }
    crowd_free(d.crowd);
    free(d.sent_ns);
    free(d.number);
    free(d.text);
    return report_finish(&r, clean);
}
