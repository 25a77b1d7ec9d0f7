/* Counters, gauges and histograms in one static table; Prometheus text out. Thread: any (relaxed atomics). */
#ifndef CONFAB_METRICS_H
#define CONFAB_METRICS_H

#include <stdint.h>

#include "confab/buf.h"

/*      name                      Prometheus name                          labels                       help */
/* clang-format off */
#define METRIC_COUNTER_MAP(X)                                                                                                           \
    X(CONN_ACCEPTED,        "websocket_connections_total",            "status=\"accepted\"",       "WebSocket connections by outcome")  \
    X(CONN_REFUSED,         "websocket_connections_total",            "status=\"refused\"",        NULL)                                \
    X(CONN_AUTH_FAILED,     "websocket_connections_total",            "status=\"auth_failed\"",    NULL)                                \
    X(CONN_HANDOVER_FAILED, "websocket_connections_total",            "status=\"handover_failed\"", NULL)                               \
    X(CONN_CLOSED,          "websocket_connections_closed_total",     "",                          "WebSocket connections ended")       \
    X(MSG_RECEIVED,         "websocket_messages_total",               "type=\"received\",status=\"ok\"",    "WebSocket messages by direction and outcome") \
    X(MSG_REJECTED,         "websocket_messages_total",               "type=\"received\",status=\"error\"", NULL)                       \
    X(MSG_DELIVERED,        "websocket_messages_total",               "type=\"sent\",status=\"ok\"",        NULL)                       \
    X(BYTES_SENT,           "websocket_bytes_total",                  "direction=\"out\"",         "WebSocket payload bytes with framing") \
    X(BYTES_RECEIVED,       "websocket_bytes_total",                  "direction=\"in\"",          NULL)                                \
    X(RECOVERY_FRESH,       "confab_joins_total",                     "recovery=\"fresh\"",        "Room joins by kind of recovery")    \
    X(RECOVERY_RESUMED,     "confab_joins_total",                     "recovery=\"resumed\"",      NULL)                                \
    X(RECOVERY_GAP,         "confab_joins_total",                     "recovery=\"gap\"",          NULL)                                \
    X(RECOVERY_EPOCH,       "confab_joins_total",                     "recovery=\"epoch_changed\"", NULL)                               \
    X(REPLAY_RING_EVENTS,   "confab_replayed_events_total",           "source=\"ring\"",           "Events delivered to cursors that were behind") \
    X(REPLAY_STORE_EVENTS,  "confab_replayed_events_total",           "source=\"store\"",          NULL)                                \
    X(STORE_PAGE_READS,     "confab_store_page_reads_total",          "",                          "Pages of events read from the store for delivery") \
    X(SLOW_PAUSES,          "confab_slow_reader_pauses_total",        "",                          "Times a connection stopped being fed because it took too little") \
    X(EVENTS_APPENDED,      "confab_events_appended_total",           "",                          "Events committed to room logs")     \
    X(DUPLICATES,           "confab_duplicate_sends_total",           "",                          "Retries answered with the first result") \
    X(COMMITS,              "confab_commits_total",                   "status=\"ok\"",             "Transactions of the writer")        \
    X(COMMITS_FAILED,       "confab_commits_total",                   "status=\"error\"",          NULL)                                \
    X(HTTP_REQUESTS_OK,     "confab_http_requests_total",             "class=\"2xx\"",             "HTTP requests by class of status")  \
    X(HTTP_REQUESTS_3XX,    "confab_http_requests_total",             "class=\"3xx\"",             NULL)                                \
    X(HTTP_REQUESTS_4XX,    "confab_http_requests_total",             "class=\"4xx\"",             NULL)                                \
    X(HTTP_REQUESTS_5XX,    "confab_http_requests_total",             "class=\"5xx\"",             NULL)                                \
    X(LIMITED_MESSAGE,      "confab_rate_limited_total",              "action=\"message\"",        "Refusals by rate limits")           \
    X(LIMITED_CONNECT,      "confab_rate_limited_total",              "action=\"connect\"",        NULL)                                \
    X(LIMITED_LOGIN,        "confab_rate_limited_total",              "action=\"login\"",          NULL)                                \
    X(LIMITED_REST_WRITE,   "confab_rate_limited_total",              "action=\"rest_write\"",     NULL)                                \
    X(LIMITED_REST_READ,    "confab_rate_limited_total",              "action=\"rest_read\"",      NULL)
/* clang-format on */

/* clang-format off */
#define METRIC_GAUGE_MAP(X)                                                                                           \
    X(CONN_ACTIVE,          "websocket_active_connections",           "", "WebSocket connections open now")             \
    X(ROOMS_OPEN,           "confab_open_rooms",                      "", "Rooms with subscribers, over all loops")     \
    X(WRITER_QUEUE,         "confab_writer_queue_depth",              "", "Requests waiting for the writer")            \
    X(READER_QUEUE,         "confab_reader_queue_depth",              "", "Requests waiting for a reader")              \
    X(RING_BYTES,           "confab_ring_bytes",                      "", "Bytes of encoded frames kept for delivery")  \
    X(LIMIT_CELLS,          "confab_rate_limit_keys",                 "", "Rate-limit keys alive")
/* clang-format on */

/* Histograms: bucket bounds are powers of two from `first`, 16 of them, then +Inf; the unit is in the name. `scale` divides on output. */
/* clang-format off */
#define METRIC_HISTOGRAM_MAP(X)                                                                                                         \
    X(COMMIT_BATCH,         "confab_commit_batch_size",               1,       1.0, "Requests per commit")                              \
    X(COMMIT_LATENCY_US,    "confab_commit_latency_seconds",          64,  1000000.0, "Time of one transaction, begin to commit")       \
    X(FANOUT_LAG_US,        "confab_fanout_lag_seconds",              64,  1000000.0, "Commit to the end of the loop turn that wrote it to sockets") \
    X(CONN_DURATION_MS,     "websocket_connection_duration_seconds",  64,     1000.0, "Life of a WebSocket connection")                 \
    X(REPLAY_EVENTS,        "confab_replay_size_events",              1,       1.0, "Events a resuming cursor was behind")
/* clang-format on */

enum metric_counter {
#define X(name, ...) METRIC_##name,
    METRIC_COUNTER_MAP(X)
#undef X
        METRIC_COUNTER_COUNT
};
enum metric_gauge {
#define X(name, ...) METRIC_##name,
    METRIC_GAUGE_MAP(X)
#undef X
        METRIC_GAUGE_COUNT
};
enum metric_histogram {
#define X(name, ...) METRIC_##name,
    METRIC_HISTOGRAM_MAP(X)
#undef X
        METRIC_HISTOGRAM_COUNT
};

void metric_add(enum metric_counter c, uint64_t n);
void metric_gauge_add(enum metric_gauge g, int64_t delta);
void metric_gauge_set(enum metric_gauge g, int64_t value);
void metric_observe(enum metric_histogram h, uint64_t value);
uint64_t metric_get(enum metric_counter c);
int64_t metric_gauge_get(enum metric_gauge g);
void metric_write_prometheus(buf *out); /* text format 0.0.4, with the process's memory, CPU and descriptors */

#endif
