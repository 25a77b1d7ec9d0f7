/* idle.c: many connections that keep quiet: how fast they come, what each costs in memory, and what all cost in CPU. */
#include "load.h"
#include "proc.h"

/* Polls for `seconds`, so that pings are answered. */
static bool keep_quiet(crowd *all, unsigned seconds)
{
    const int64_t until_ns = swarm_now_ns() + (int64_t)seconds * 1000000000;
    while (swarm_now_ns() < until_ns && all->faults.errors == 0) {
        crowd_poll(all, 100);
    }
    return all->faults.errors == 0;
}

int load_idle(const load_options *options)
{
    report r = report_start("idle", options->json);
    crowd *all = load_new_crowd(options, options->clients, (crowd_callbacks){0}, NULL);
    if (all == NULL) {
        return report_finish(&r, false);
    }
    report_count(&r, "clients", options->clients, "");
    report_count(&r, "rooms", options->rooms, "");
    const int64_t before_bytes = proc_resident_bytes(options->server_pid);
    load_cost connecting = load_cost_start(options);
    for (unsigned i = 0; i < options->clients; i++) {
        crowd_enter(&all->clients[i], false);
    }
    if (crowd_wait_ready(all, options->clients, (int)options->limit)) {
        load_cost_stop(&connecting);
        report_number(&r, "connects_per_s", options->clients / connecting.seconds, "connects/s, authenticated and in the room");
        if (options->server_pid > 0) {
            report_number(&r, "connect_cpu_us", connecting.server_cpu_s * 1e6 / options->clients, "server CPU per connect, in µs");
        }
        load_report_cost(&r, &connecting);
        if (crowd_wait_quiet(all, 1000, (int)options->limit)) {
            load_report_memory(&r, options, before_bytes, options->clients);
            const uint64_t frames = all->frames;
            load_cost quiet = load_cost_start(options);
            (void)keep_quiet(all, options->seconds);
            load_cost_stop(&quiet);
            report_number(&r, "idle_seconds", quiet.seconds, "s");
            report_number(&r, "idle_cpu_share", quiet.server_cpu_s / quiet.seconds, "of a core, heartbeats included");
            report_count(&r, "idle_frames", all->frames - frames, "text frames received meanwhile");
        }
    }
    load_report_faults(&r, all);
    const bool clean = crowd_is_clean(all);
    crowd_free(all);
    return report_finish(&r, clean);
}
