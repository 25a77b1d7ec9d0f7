/* Every setting in one table: name, environment variable, type, default, bounds, help. From it come --help, validation,
 * docs/configuration.md and the console's view. Read once at start; a wrong value is refused by name. */
#ifndef CONFAB_SETTINGS_H
#define CONFAB_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "confab/buf.h"
#include "confab/err.h"

/* S: string, I: integer with bounds, E: one of a list.
 *   kind, field, environment, default, min, max, choices, help */
/* clang-format off */
#define SETTINGS_MAP(S, I, E)                                                                                                            \
    S(data,                "CONFAB_DATA",               "./data",    "Folder of the database; made if it is missing")                    \
    S(listen,              "CONFAB_LISTEN",             "127.0.0.1", "Address to listen on; 0.0.0.0 or :: for all")                      \
    I(port,                "CONFAB_PORT",               8000, 0, 65535, "Port to listen on; 0 picks a free one and prints it")           \
    E(log,                 "CONFAB_LOG",                "text", "text|json", "Form of the log lines on standard error")                  \
    E(log_level,           "CONFAB_LOG_LEVEL",          "info", "debug|info|warn|error", "Least level that is logged")                   \
    E(rate_profile,        "CONFAB_RATE_PROFILE",       "default", "default|tutorial|unlimited", "Rate limits: for people; 10 messages a minute; none (benchmarks)") \
    S(trusted_proxies,     "CONFAB_TRUSTED_PROXIES",    "", "Addresses or CIDR ranges, by comma, whose X-Forwarded-For is believed")     \
    S(allowed_origins,     "CONFAB_ALLOWED_ORIGINS",    "", "Web origins, by comma, that may connect besides the server's own; * for any") \
    S(public_url,          "CONFAB_PUBLIC_URL",         "", "How people reach the server, for printed links, e.g. https://chat.example.org") \
    I(max_connections,     "CONFAB_MAX_CONNECTIONS",    0, 0, 1000000, "WebSocket connections at most; 0: what the descriptor limit allows") \
    I(max_connections_per_user, "CONFAB_MAX_CONNECTIONS_PER_USER", 100, 1, 1000000, "WebSocket connections of one user")                 \
    I(max_connections_per_address, "CONFAB_MAX_CONNECTIONS_PER_ADDRESS", 0, 0, 1000000, "WebSocket connections of one address; 0: no limit") \
    I(max_message_bytes,   "CONFAB_MAX_MESSAGE_BYTES",  16384, 256, 1048576, "Largest WebSocket frame and message text taken")           \
    I(max_rooms_per_connection, "CONFAB_MAX_ROOMS_PER_CONNECTION", 200, 1, 100000, "Rooms one connection may join")                      \
    I(auth_timeout_ms,     "CONFAB_AUTH_TIMEOUT_MS",    10000, 100, 600000, "Time a connection has to authenticate")                     \
    I(heartbeat_ms,        "CONFAB_HEARTBEAT_MS",       30000, 200, 3600000, "Interval of WebSocket pings; two missed close")            \
    I(send_timeout_ms,     "CONFAB_SEND_TIMEOUT_MS",    120000, 500, 3600000, "A connection that takes nothing for so long is closed")   \
    I(ring_bytes,          "CONFAB_RING_BYTES",         262144, 4096, 1073741824, "Encoded frames kept in memory per open room and loop")  \
    I(loops,               "CONFAB_LOOPS",              0, 0, 64, "Threads that serve live connections; 0: processors less one, 1 to 4") \
    I(http_threads,        "CONFAB_HTTP_THREADS",       16, 2, 256, "Threads that serve HTTP requests and handshakes")                   \
    I(readers,             "CONFAB_READERS",            2, 1, 32, "Threads that read from the database")                                 \
    I(writer_queue,        "CONFAB_WRITER_QUEUE",       65536, 16, 1048576, "Writes waiting at most; more are refused as busy")          \
    I(access_ttl_s,        "CONFAB_ACCESS_TTL_S",       900, 10, 86400, "Life of an access token")                                       \
    I(refresh_ttl_s,       "CONFAB_REFRESH_TTL_S",      2592000, 60, 31536000, "Life of a refresh token that is not used")               \
    I(drain_ms,            "CONFAB_DRAIN_MS",           10000, 0, 600000, "Time to finish on SIGTERM")
/* clang-format on */

struct settings {
#define SETTING_S(field, env, def, help) const char *field;
#define SETTING_I(field, env, def, min, max, help) int64_t field;
#define SETTING_E(field, env, def, choices, help) const char *field;
    SETTINGS_MAP(SETTING_S, SETTING_I, SETTING_E)
#undef SETTING_S
#undef SETTING_I
#undef SETTING_E
};

/* Fills *out from defaults, then the file named by CONFAB_CONFIG (lines `CONFAB_NAME=value`, # comments), then the environment.
 * On failure writes to *problem what was wrong, where, and what was expected. An unknown CONFAB_ variable is logged as a warning.
 * Strings live as long as the process. Thread: main, once. */
CONFAB_MUST_CHECK confab_err settings_load(struct settings *out, buf *problem);
void settings_write_help(buf *out);     /* for --help */
void settings_write_markdown(buf *out); /* docs/configuration.md */

#endif
