/* stalled.c: one member of a busy room stops reading, and later reads on.
 *
 * Three measurements of the others, each of --seconds: before, while it stalls, and after; so a drift of the machine
 * is not taken for the stall's doing. Then the load stops, and the reader must have got every event: from the same
 * connection, or, where the server gave that up (4000), by coming back with its cursor. */
#include "fanout.h"
#include "proc.h"

#include <string.h>

enum {
    SAMPLE_MS = 250,
    MAX_RETURNS = 3, /* of the reader in one run */
};

typedef struct stall {
    fanout load; /* first: fanout_on_frame() finds it through the crowd's user pointer */
    client *reader;
    const load_options *options;
    swarm_timer sampler;
    int64_t memory_start, memory_max, memory_end; /* bytes of the server's own memory, while the reader stalls */
    unsigned came_back;                           /* times the server had given the reader up, and it came back with its cursor */
    unsigned close_code;                          /* of the last of them; 0: none was sent (the socket was full) */
} stall;

static void on_gone(client *c, const swarm_close_info *info)
{
    stall *s = c->crowd->config.user;
    if (c != s->reader || s->came_back == MAX_RETURNS) {
        crowd_fail(c->crowd, "client %u lost its connection (close code %u)", c->index, info->code);
        return;
    }
    s->came_back++;
    s->close_code = info->code;
    crowd_enter(c, true);
}

static void sample_memory(swarm_timer *timer, void *user)
{
    stall *s = user;
    s->memory_end = proc_own_memory_bytes(s->options->server_pid);
    s->memory_max = s->memory_end > s->memory_max ? s->memory_end : s->memory_max;
    (void)swarm_arm(s->load.crowd->swarm, timer, SAMPLE_MS, sample_memory, s); /* it was armed before: no memory needed */
}

/* Loads the room for --seconds and lets it finish. */
static bool measure(stall *s, fanout_sample *out_sample)
{
    fanout_start(&s->load);
    return fanout_measure(&s->load, s->options, s->options->warmup, out_sample) &&
           fanout_measure(&s->load, s->options, s->options->seconds, out_sample) && fanout_drain(&s->load);
}

static bool measure_stalled(stall *s, fanout_sample *out_sample)
{
    swarm *loop = s->load.crowd->swarm;
    swarm_pause_reading(s->reader->conn);
    s->load.left_out = s->reader;
    s->memory_start = s->memory_max = proc_own_memory_bytes(s->options->server_pid);
    const bool armed = swarm_arm(loop, &s->sampler, SAMPLE_MS, sample_memory, s);
    const bool ok = armed && measure(s, out_sample);
    swarm_disarm(loop, &s->sampler);
    return ok;
}

/* Lets the reader read on until it has what the others have. */
static bool catch_up(stall *s, report *r)
{
    crowd *all = s->load.crowd;
    const int64_t target = all->clients[0].last_id;
    const int64_t behind = target - s->reader->last_id;
    const int64_t start_ns = swarm_now_ns();
    swarm_resume_reading(s->reader->conn);
    while (s->reader->last_id < target && all->faults.errors == 0) {
        if (swarm_now_ns() - start_ns > (int64_t)s->options->limit * 1000000000) {
            crowd_fail(all, "the stalled reader is still %lld events behind", (long long)(target - s->reader->last_id));
        }
        crowd_poll(all, 100);
    }
    const double seconds = (double)(swarm_now_ns() - start_ns) / 1e9;
    report_count(r, "behind", (uint64_t)behind, "events when it read again");
    report_number(r, "catch_up_s", seconds, "s");
    report_count(r, "came_back", s->came_back, "times with its cursor, the server having given it up");
    if (s->came_back > 0) {
        report_count(r, "close_code", s->close_code, "");
    }
    report_count(r, "missing", (uint64_t)(target - s->reader->last_id), "events");
    return s->reader->last_id == target && crowd_wait_ready(all, all->config.clients, (int)s->options->limit);
}

static double p99_ms(const fanout_sample *sample) { return (double)histogram_percentile_ns(&sample->latency, 0.99) / 1e6; }

static void report_samples(report *r, const stall *s, const fanout_sample sample[3])
{
    static const char *const names[] = {"before_", "stalled_", "after_"};
    static const char *const rates[] = {"before_deliveries_per_s", "stalled_deliveries_per_s", "after_deliveries_per_s"};
    for (size_t i = 0; i < 3; i++) {
        report_number(r, rates[i], (double)sample[i].deliveries / sample[i].cost.seconds, "deliveries/s");
        report_latency(r, names[i], &sample[i].latency);
    }
    const double base_ms = (p99_ms(&sample[0]) + p99_ms(&sample[2])) / 2;
    report_number(r, "p99_ratio", base_ms > 0 ? p99_ms(&sample[1]) / base_ms : 0, "stalled / mean of before and after");
    load_report_cost(r, &sample[1].cost);
    if (s->options->server_pid > 0) {
        report_number(r, "memory_start_bytes", (double)s->memory_start, "bytes of the server's own, when the stall began");
        report_number(r, "memory_max_bytes", (double)s->memory_max, "bytes, at most while it lasted");
        report_number(r, "memory_end_bytes", (double)s->memory_end, "bytes, at its end");
    }
}

int load_stalled(const load_options *options)
{
    report r = report_start("stalled", options->json);
    load_options room = *options;
    room.rooms = 1;
    static stall s;
    static fanout_sample sample[3];
    if (options->members < 3 || options->in_flight == 0 ||
        !fanout_init(&s.load, &room, (crowd_callbacks){.on_frame = fanout_on_frame, .on_gone = on_gone})) {
        return report_finish(&r, false);
    }
    crowd *all = s.load.crowd;
    s.options = &room;
    s.reader = &all->clients[options->members / 2];
    report_count(&r, "members", options->members, "");
    report_count(&r, "in_flight", options->in_flight, "messages");
    report_count(&r, "text_bytes", s.load.text_len, "bytes");
    if (load_enter_all(all, &room) && measure(&s, &sample[0]) && measure_stalled(&s, &sample[1]) && catch_up(&s, &r)) {
        s.load.left_out = NULL;
        if (measure(&s, &sample[2])) {
            report_samples(&r, &s, sample);
        }
    }
    load_report_faults(&r, all);
    const bool clean = crowd_is_clean(all);
    fanout_fini(&s.load);
    return report_finish(&r, clean);
}
