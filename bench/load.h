/* load.h: what the scenarios of confab-load share: options, samples of the server's cost, the faults in a report.
 *
 * Thread: main.  Units: as the names say. */
#ifndef CONFAB_BENCH_LOAD_H
#define CONFAB_BENCH_LOAD_H

#include "crowd.h"
#include "report.h"

#include <sys/types.h>

typedef struct load_options {
    uint16_t port;
    crowd_dialect dialect;
    pid_t server_pid; /* 0: the server's cost is not measured */
    bool json;
    unsigned rooms;
    unsigned members;    /* per room */
    unsigned in_flight;  /* messages under way per room */
    unsigned clients;    /* connections, clients or senders, where they are not rooms × members */
    unsigned missed;     /* messages missed per client in a storm */
    unsigned seconds;    /* measured time */
    unsigned warmup;     /* seconds before that */
    unsigned limit;      /* seconds that any one step may take */
    unsigned text_bytes; /* length of a message's text */
    unsigned connecting; /* handshakes under way at once */
    unsigned sources;    /* loopback source addresses */
    const char *room_prefix;
    char **tokens; /* owned by main; NULL: names serve as tokens */
    size_t token_count;
} load_options;

/* The scenarios. Each prints its report and returns the exit status. */
int load_join(const load_options *options);
int load_fanout(const load_options *options);
int load_stalled(const load_options *options);
int load_idle(const load_options *options);
int load_storm(const load_options *options);
int load_durable(const load_options *options);

/* Makes a crowd of `clients` in options->rooms rooms. Returns owned, or NULL with a message on stderr. */
crowd *load_new_crowd(const load_options *options, unsigned clients, crowd_callbacks callbacks, void *user);

/* Connects all clients and waits until each is ready and the joins' events have been delivered. */
bool load_enter_all(crowd *all, const load_options *options);

/* Cost over a span of time: filled by load_cost_start(), completed by load_cost_stop(). */
typedef struct load_cost {
    pid_t server_pid;
    double seconds;
    double server_cpu_s;
    double own_cpu_s;
} load_cost;

load_cost load_cost_start(const load_options *options);
void load_cost_stop(load_cost *cost);

/* Adds server_cpu_share and client_cpu_share: CPU seconds per second; and warns where the client was the bottleneck. */
void load_report_cost(report *r, const load_cost *cost);

/* Adds rss_before_bytes, rss_bytes and rss_kib_per_connection; nothing without a server pid. */
void load_report_memory(report *r, const load_options *options, int64_t before_bytes, unsigned connections);

/* Adds lost, doubled, out_of_order and errors, with the first error in words. */
void load_report_faults(report *r, const crowd *all);

#endif
