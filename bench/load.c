/* load.c: confab-load, the load generator. See usage() and load.h. */
#include "load.h"

#include "proc.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- scenarios ---- */

static const struct scenario {
    const char *name;
    int (*run)(const load_options *options);
    const char *what;
} scenarios[] = {
    {"join", load_join, "every client joins its room once and leaves the line (makes the memberships)"},
    {"fanout", load_fanout, "--rooms × --members, --in-flight messages per room: deliveries/s, latency, cost"},
    {"stalled", load_stalled, "a room under load, in which one member stops reading for a while"},
    {"idle", load_idle, "--clients connect and keep quiet: connects/s, memory and CPU of the server"},
    {"storm", load_storm, "--clients come back at once, each having missed --missed messages"},
    {"durable", load_durable, "--clients send one message after the other: acknowledged messages/s"},
};

/* ---- shared steps ---- */

crowd *load_new_crowd(const load_options *options, unsigned clients, crowd_callbacks callbacks, void *user)
{
    if (options->tokens != NULL && options->token_count < clients) {
        (void)fprintf(stderr, "%u clients need as many tokens; the file has %zu\n", clients, options->token_count);
        return NULL;
    }
    const crowd_config config = {
        .dialect = options->dialect,
        .port = options->port,
        .clients = clients,
        .rooms = options->rooms,
        .room_prefix = options->room_prefix,
        .tokens = options->tokens,
        .max_connecting = options->connecting,
        .source_addresses = options->sources,
        .callbacks = callbacks,
        .user = user,
    };
    return crowd_new(&config);
}

bool load_enter_all(crowd *all, const load_options *options)
{
    for (unsigned i = 0; i < all->config.clients; i++) {
        crowd_enter(&all->clients[i], false);
    }
    return crowd_wait_ready(all, all->config.clients, (int)options->limit) && crowd_wait_quiet(all, 500, (int)options->limit);
}

load_cost load_cost_start(const load_options *options)
{
    return (load_cost){
        .server_pid = options->server_pid,
        .seconds = -(double)swarm_now_ns() / 1e9,
        .server_cpu_s = -(double)proc_cpu_ns(options->server_pid) / 1e9,
        .own_cpu_s = -(double)proc_own_cpu_ns() / 1e9,
    };
}

void load_cost_stop(load_cost *cost)
{
    cost->seconds += (double)swarm_now_ns() / 1e9;
    cost->server_cpu_s += (double)proc_cpu_ns(cost->server_pid) / 1e9;
    cost->own_cpu_s += (double)proc_own_cpu_ns() / 1e9;
}

void load_report_cost(report *r, const load_cost *cost)
{
    const double client_share = cost->own_cpu_s / cost->seconds;
    if (cost->server_pid > 0) {
        report_number(r, "server_cpu_share", cost->server_cpu_s / cost->seconds, "of a core");
    }
    report_number(r, "client_cpu_share", client_share, client_share > 0.95 ? "of a core: the client is the bottleneck" : "of a core");
}

void load_report_memory(report *r, const load_options *options, int64_t before_bytes, unsigned connections)
{
    if (options->server_pid > 0) {
        const int64_t now_bytes = proc_resident_bytes(options->server_pid);
        report_number(r, "rss_before_bytes", (double)before_bytes, "bytes");
        report_number(r, "rss_bytes", (double)now_bytes, "bytes");
        report_number(r, "rss_kib_per_connection", (double)(now_bytes - before_bytes) / 1024 / connections, "KiB");
    }
}

void load_report_faults(report *r, const crowd *all)
{
    report_count(r, "lost", all->faults.lost, "events");
    report_count(r, "doubled", all->faults.doubled, "events");
    report_count(r, "out_of_order", all->faults.out_of_order, "events");
    report_count(r, "errors", all->faults.errors, "");
    if (all->faults.errors > 0) {
        report_text(r, "first_error", all->faults.first);
    }
}

/* ---- join ---- */

/* A member who stayed would be sent every later join, so each leaves as soon as it is in. */
static void leave_at_once(client *c)
{
    unsigned *done = c->crowd->config.user;
    (*done)++;
    crowd_drop(c);
}

int load_join(const load_options *options)
{
    unsigned done = 0;
    report r = report_start("join", options->json);
    crowd *all = load_new_crowd(options, options->clients, (crowd_callbacks){.on_ready = leave_at_once}, &done);
    if (all == NULL) {
        return report_finish(&r, false);
    }
    const int64_t start_ns = swarm_now_ns();
    for (unsigned i = 0; i < options->clients; i++) {
        crowd_enter(&all->clients[i], false);
    }
    while (done < options->clients && all->faults.errors == 0) {
        if (swarm_now_ns() - start_ns > (int64_t)options->limit * 1000000000) {
            crowd_fail(all, "only %u of %u clients joined in %u s", done, options->clients, options->limit);
        }
        crowd_poll(all, 100);
    }
    report_count(&r, "clients", done, "");
    report_number(&r, "joins_per_s", done / ((double)(swarm_now_ns() - start_ns) / 1e9), "joins/s");
    load_report_faults(&r, all);
    const bool clean = crowd_is_clean(all);
    crowd_free(all);
    return report_finish(&r, clean);
}

/* ---- command line ---- */

enum {
    OPT_URL = 1,
    OPT_ROOMS,
    OPT_MEMBERS,
    OPT_IN_FLIGHT,
    OPT_CLIENTS,
    OPT_MISSED,
    OPT_SECONDS,
    OPT_WARMUP,
    OPT_LIMIT,
    OPT_TEXT,
    OPT_CONNECTING,
    OPT_SOURCES,
    OPT_PREFIX,
    OPT_TOKENS,
    OPT_DIALECT,
    OPT_SERVER_PID,
    OPT_JSON,
    OPT_HELP
};

static const struct option long_options[] = {
    {"url", required_argument, NULL, OPT_URL},
    {"rooms", required_argument, NULL, OPT_ROOMS},
    {"members", required_argument, NULL, OPT_MEMBERS},
    {"in-flight", required_argument, NULL, OPT_IN_FLIGHT},
    {"clients", required_argument, NULL, OPT_CLIENTS},
    {"connections", required_argument, NULL, OPT_CLIENTS},
    {"senders", required_argument, NULL, OPT_CLIENTS},
    {"missed", required_argument, NULL, OPT_MISSED},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"warmup", required_argument, NULL, OPT_WARMUP},
    {"limit", required_argument, NULL, OPT_LIMIT},
    {"text", required_argument, NULL, OPT_TEXT},
    {"connecting", required_argument, NULL, OPT_CONNECTING},
    {"sources", required_argument, NULL, OPT_SOURCES},
    {"room-prefix", required_argument, NULL, OPT_PREFIX},
    {"tokens", required_argument, NULL, OPT_TOKENS},
    {"dialect", required_argument, NULL, OPT_DIALECT},
    {"server-pid", required_argument, NULL, OPT_SERVER_PID},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static void usage(FILE *out)
{
    (void)fprintf(out, "usage: confab-load SCENARIO --url ws://127.0.0.1:PORT [OPTION...]\n\nscenarios:\n");
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        (void)fprintf(out, "  %-8s %s\n", scenarios[i].name, scenarios[i].what);
    }
    (void)fprintf(out, "\noptions:\n"
                       "  --tokens FILE        lines of NAME TOKEN; without it, \"u0\", \"u1\", … are the tokens\n"
                       "  --dialect D          confab (default), or peer: the tutorial protocol and no more\n"
                       "  --rooms R            rooms PREFIX-0 … PREFIX-(R-1), which must exist; client i is in room i mod R\n"
                       "  --room-prefix P      default: bench\n"
                       "  --members M          clients per room (fanout, stalled)\n"
                       "  --in-flight F        messages under way per room (fanout, stalled)\n"
                       "  --clients N          (also --connections, --senders) clients in all (join, idle, storm, durable)\n"
                       "  --missed K           messages each client missed (storm)\n"
                       "  --text BYTES         length of each message's text\n"
                       "  --seconds S          measured time;  --warmup S  time before it;  --limit S  for any one step\n"
                       "  --connecting C       handshakes under way at once;  --sources A  loopback source addresses\n"
                       "  --server-pid PID     measure that process's CPU and memory\n"
                       "  --json               text to stderr, one line of JSON to stdout\n\n"
                       "Exit status: 0, 1 where something was lost, doubled, out of order or failed, 2 for wrong usage.\n");
}

/* Parses a whole number of 0 to `max`. Exits with 2 on anything else: a wrong command line has one fate. */
static unsigned number(const char *name, const char *text, unsigned long max)
{
    char *end = NULL;
    errno = 0;
    const unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value > max) {
        (void)fprintf(stderr, "--%s: a whole number up to %lu expected, not \"%s\"\n", name, max, text);
        exit(2);
    }
    return (unsigned)value;
}

static uint16_t port_of(const char *url)
{
    static const char scheme[] = "ws://127.0.0.1:";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0) {
        (void)fprintf(stderr, "--url: %sPORT expected, not \"%s\"\n", scheme, url);
        exit(2);
    }
    char digits[8];
    (void)snprintf(digits, sizeof digits, "%.*s", (int)strcspn(url + sizeof scheme - 1, "/"), url + sizeof scheme - 1);
    return (uint16_t)number("url", digits, 65535);
}

static crowd_dialect dialect_of(const char *word)
{
    if (strcmp(word, "confab") != 0 && strcmp(word, "peer") != 0) {
        (void)fprintf(stderr, "--dialect: confab or peer expected, not \"%s\"\n", word);
        exit(2);
    }
    return strcmp(word, "peer") == 0 ? CROWD_PEER : CROWD_CONFAB;
}

/* Reads lines of NAME TOKEN, or TOKEN alone, into *out_tokens, owned by the caller. Exits with 2 where the file is not readable. */
static size_t read_tokens(const char *path, char ***out_tokens)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t cap = 0;
    size_t count = 0;
    size_t room = 0;
    char **tokens = NULL;
    while (file != NULL && getline(&line, &cap, file) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        const char *blank = strchr(line, ' ');
        const char *token = blank != NULL ? blank + 1 : line;
        if (count == room) {
            room = room > 0 ? 2 * room : 1024;
            char **grown = realloc(tokens, room * sizeof *tokens);
            if (grown == NULL) {
                break;
            }
            tokens = grown;
        }
        tokens[count] = strdup(token);
        if (tokens[count] == NULL) {
            break;
        }
        count++;
    }
    free(line);
    if (file == NULL || fclose(file) != 0 || count == 0) {
        (void)fprintf(stderr, "--tokens: %s: no tokens\n", path);
        exit(2);
    }
    *out_tokens = tokens;
    return count;
}

static void free_tokens(load_options *o)
{
    for (size_t i = 0; i < o->token_count; i++) {
        free(o->tokens[i]);
    }
    free(o->tokens);
    o->tokens = NULL;
    o->token_count = 0;
}

static void set_option(load_options *o, int option, const char *name, const char *value)
{
    switch (option) {
    case OPT_URL:
        o->port = port_of(value);
        break;
    case OPT_ROOMS:
        o->rooms = number(name, value, 100000);
        break;
    case OPT_MEMBERS:
        o->members = number(name, value, 100000);
        break;
    case OPT_IN_FLIGHT:
        o->in_flight = number(name, value, 4096);
        break;
    case OPT_CLIENTS:
        o->clients = number(name, value, 100000);
        break;
    case OPT_MISSED:
        o->missed = number(name, value, 1000000);
        break;
    case OPT_SECONDS:
        o->seconds = number(name, value, 3600);
        break;
    case OPT_WARMUP:
        o->warmup = number(name, value, 3600);
        break;
    case OPT_LIMIT:
        o->limit = number(name, value, 3600);
        break;
    case OPT_TEXT:
        o->text_bytes = number(name, value, 4000);
        break;
    case OPT_CONNECTING:
        o->connecting = number(name, value, 20000);
        break;
    case OPT_SOURCES:
        o->sources = number(name, value, 250);
        break;
    case OPT_PREFIX:
        o->room_prefix = value;
        break;
    case OPT_TOKENS:
        o->token_count = read_tokens(value, &o->tokens);
        break;
    case OPT_DIALECT:
        o->dialect = dialect_of(value);
        break;
    case OPT_SERVER_PID:
        o->server_pid = (pid_t)number(name, value, 1UL << 30);
        break;
    case OPT_JSON:
        o->json = true;
        break;
    case OPT_HELP:
        usage(stdout);
        exit(0);
    default:
        usage(stderr);
        exit(2);
    }
}

static const struct scenario *find_scenario(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof scenarios / sizeof scenarios[0]; i++) {
        if (strcmp(scenarios[i].name, name) == 0) {
            return &scenarios[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    load_options options = {
        .members = 20,
        .in_flight = 1,
        .clients = 1000,
        .missed = 100,
        .seconds = 10,
        .warmup = 2,
        .limit = 120,
        .text_bytes = 80,
        .connecting = 256,
        .sources = 4,
        .room_prefix = "bench",
    };
    int at = 0;
    int option = 0;
    while ((option = getopt_long(argc, argv, "h", long_options, &at)) != -1) {
        set_option(&options, option == 'h' ? OPT_HELP : option, long_options[at].name, optarg);
    }
    const struct scenario *scenario = find_scenario(optind < argc ? argv[optind] : NULL);
    int status = 2;
    if (scenario != NULL && options.port != 0 && optind + 1 == argc) {
        status = scenario->run(&options);
    } else {
        usage(stderr);
    }
    free_tokens(&options);
    return status;
}
