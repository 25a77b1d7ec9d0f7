/* crowd.c: see crowd.h. */
#include "crowd.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- faults ---- */

void crowd_fail(crowd *all, const char *format, ...)
{
    if (all->faults.errors++ == 0) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(all->faults.first, sizeof all->faults.first, format, args);
        va_end(args);
    }
}

bool crowd_is_clean(const crowd *all)
{
    const crowd_faults *f = &all->faults;
    return f->lost == 0 && f->doubled == 0 && f->out_of_order == 0 && f->errors == 0;
}

/* ---- entering ---- */

static void set_stage(client *c, client_stage stage)
{
    crowd *all = c->crowd;
    all->ready -= c->stage == CLIENT_READY;
    all->ready += stage == CLIENT_READY;
    all->online -= c->stage != CLIENT_OFF;
    all->online += stage != CLIENT_OFF;
    c->stage = stage;
}

/* Formats one frame and sends it. A connection that has just ended says so by on_gone. */
static bool send_format(client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool send_format(client *c, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return len > 0 && (size_t)len < sizeof text && swarm_send_text(c->conn, text, (size_t)len);
}

/* Who enters with a cursor, or nowhere, uses /ws; the others /ws/chat/ROOM, which both dialects know. */
static bool uses_many_rooms_path(const client *c) { return c->resume || c->crowd->config.rooms == 0; }

void crowd_enter(client *c, bool resume)
{
    crowd *all = c->crowd;
    char path[128] = "/ws";
    c->resume = resume && c->last_id >= 0;
    c->started_ns = swarm_now_ns();
    c->events = 0;
    if (!uses_many_rooms_path(c)) {
        (void)snprintf(path, sizeof path, "/ws/chat/%s-%u", all->config.room_prefix, c->room);
    }
    if (!c->resume) {
        c->last_id = -1;
    }
    const swarm_target target = {.path = path, .user = c};
    c->conn = swarm_connect(all->swarm, &target);
    if (c->conn == NULL) {
        crowd_fail(all, "out of memory for connections");
        return;
    }
    set_stage(c, CLIENT_CONNECTING);
}

void crowd_drop(client *c)
{
    if (c->conn != NULL) {
        swarm_set_user(c->conn, NULL);
        swarm_abort(c->conn);
        c->conn = NULL;
        set_stage(c, CLIENT_OFF);
    }
}

bool crowd_rejoin(client *c, int64_t after)
{
    const crowd *all = c->crowd;
    c->last_id = after;
    c->events = 0;
    c->resume = true;
    c->started_ns = swarm_now_ns();
    set_stage(c, CLIENT_ENTERING);
    return send_format(c, "{\"type\":\"join\",\"room_id\":\"%s-%u\",\"after\":%" PRId64 ",\"epoch\":\"%s\"}", all->config.room_prefix,
                       c->room, after, all->epoch);
}

bool crowd_say(client *c, const char *text, size_t len, const char *client_id)
{
    char room[128] = "";
    char key[128] = "";
    char frame[8192];
    if (uses_many_rooms_path(c)) {
        (void)snprintf(room, sizeof room, "\"room_id\":\"%s-%u\",", c->crowd->config.room_prefix, c->room);
    }
    if (client_id != NULL) {
        (void)snprintf(key, sizeof key, "\"client_id\":\"%s\",", client_id);
    }
    const int frame_len = snprintf(frame, sizeof frame, "{\"type\":\"chat_message\",%s%s\"message\":\"%.*s\"}", room, key, (int)len, text);
    return frame_len > 0 && (size_t)frame_len < sizeof frame && c->conn != NULL && swarm_send_text(c->conn, frame, (size_t)frame_len);
}

static void become_ready(client *c)
{
    set_stage(c, CLIENT_READY);
    if (c->crowd->config.callbacks.on_ready != NULL) {
        c->crowd->config.callbacks.on_ready(c);
    }
}

/* ---- frames ---- */

static crowd_frame read_frame(const char *text, size_t len)
{
    crowd_frame frame = {.id = -1, .last_id = -1};
    peek_walk walk = peek_start(text, len);
    peek_member m;
    while (peek_next(&walk, &m)) {
        if (peek_equals(m.name, "type") && m.depth == 1) {
            frame.type = m.value;
        } else if (peek_equals(m.name, "id")) {
            (void)peek_parse_int(m.value, &frame.id); /* left at -1 where it is no number */
            frame.is_event = m.depth == 2;
        } else if (peek_equals(m.name, "message")) {
            frame.message = m.value;
        } else if (peek_equals(m.name, "user_id")) {
            frame.user_id = m.value;
        } else if (peek_equals(m.name, "client_id")) {
            frame.client_id = m.value;
        } else if (peek_equals(m.name, "last_id")) {
            (void)peek_parse_int(m.value, &frame.last_id);
        }
    }
    return frame;
}

/* Holds an event against the one before it. */
static void check_order(client *c, const crowd_frame *frame)
{
    crowd_faults *faults = &c->crowd->faults;
    c->events++;
    if (c->last_id < 0 || frame->id == c->last_id + 1) {
        c->last_id = frame->id;
    } else if (frame->id > c->last_id) {
        faults->lost += (uint64_t)(frame->id - c->last_id - 1);
        c->last_id = frame->id;
    } else if (frame->id == c->last_id) {
        faults->doubled++;
    } else {
        faults->out_of_order++;
    }
}

static void on_auth_success(client *c, const char *text, size_t len)
{
    crowd *all = c->crowd;
    peek_span epoch;
    if (peek_string(text, len, "epoch", &epoch) && epoch.len < sizeof all->epoch) {
        memcpy(all->epoch, epoch.at, epoch.len);
        all->epoch[epoch.len] = '\0';
    }
    if (c->resume) {
        (void)crowd_rejoin(c, c->last_id); /* a failure is told by on_close */
    } else if (all->config.rooms == 0 || all->config.dialect == CROWD_PEER) {
        become_ready(c);
    }
}

static void on_recovery(client *c, const char *text, size_t len)
{
    peek_span recovery;
    if (c->resume && peek_string(text, len, "recovery", &recovery) && !peek_equals(recovery, "resumed")) {
        crowd_fail(c->crowd, "resume was answered with %.*s", (int)recovery.len, recovery.at);
    }
}

static void on_frame(swarm_conn *conn, void *user, const char *text, size_t len)
{
    (void)conn;
    client *c = user;
    if (c == NULL) {
        return;
    }
    c->crowd->frames++;
    const crowd_frame frame = read_frame(text, len);
    if (frame.is_event) {
        check_order(c, &frame);
    } else if (peek_equals(frame.type, "auth_success")) {
        on_auth_success(c, text, len);
    } else if (peek_equals(frame.type, "joined")) {
        on_recovery(c, text, len);
        if (!c->resume) {
            c->last_id = frame.last_id;
        }
    } else if (peek_equals(frame.type, "caught_up")) {
        if (c->stage == CLIENT_ENTERING) {
            become_ready(c);
        }
    } else if (peek_equals(frame.type, "error")) {
        crowd_fail(c->crowd, "%.*s", (int)len, text);
    }
    if (c->crowd->config.callbacks.on_frame != NULL) {
        c->crowd->config.callbacks.on_frame(c, &frame);
    }
}

static void on_open(swarm_conn *conn, void *user)
{
    (void)conn;
    client *c = user;
    if (c == NULL) {
        return;
    }
    char name[16];
    (void)snprintf(name, sizeof name, "u%u", c->index);
    char **tokens = c->crowd->config.tokens;
    set_stage(c, CLIENT_ENTERING);
    (void)send_format(c, "{\"type\":\"auth\",\"token\":\"%s\"}", tokens != NULL ? tokens[c->index] : name);
}

static void on_close(swarm_conn *conn, void *user, const swarm_close_info *info)
{
    static const char *const ends[] = {"closed", "eof", "aborted", "refused", "no handshake", "protocol error", "system error"};
    (void)conn;
    client *c = user;
    if (c == NULL) {
        return; /* dropped by us */
    }
    crowd *all = c->crowd;
    c->conn = NULL;
    set_stage(c, CLIENT_OFF);
    if (all->config.callbacks.on_gone != NULL) {
        all->config.callbacks.on_gone(c, info);
        return;
    }
    crowd_fail(all, "client %u: %s (code %u %.*s, status %d, %s)", c->index, ends[info->end], info->code, (int)info->reason_len,
               info->reason, info->http_status, info->sys_errno != 0 ? strerror(info->sys_errno) : "-");
}

/* ---- waiting ---- */

void crowd_poll(crowd *all, int timeout_ms)
{
    if (!swarm_poll(all->swarm, timeout_ms)) {
        crowd_fail(all, "epoll failed");
    }
}

bool crowd_wait_ready(crowd *all, unsigned count, int limit_s)
{
    const int64_t until_ns = swarm_now_ns() + (int64_t)limit_s * 1000000000;
    while (all->ready < count && all->faults.errors == 0) {
        if (swarm_now_ns() > until_ns) {
            crowd_fail(all, "only %u of %u clients were ready after %d s", all->ready, count, limit_s);
        }
        crowd_poll(all, 100);
    }
    return all->faults.errors == 0;
}

bool crowd_wait_quiet(crowd *all, int quiet_ms, int limit_s)
{
    int64_t now_ns = swarm_now_ns();
    const int64_t until_ns = now_ns + (int64_t)limit_s * 1000000000;
    int64_t last_ns = now_ns;
    uint64_t frames = all->frames;
    while (now_ns - last_ns < (int64_t)quiet_ms * 1000000) {
        crowd_poll(all, quiet_ms);
        now_ns = swarm_now_ns();
        if (all->frames != frames) {
            frames = all->frames;
            last_ns = now_ns;
        }
        if (now_ns > until_ns) {
            crowd_fail(all, "still not quiet after %d s", limit_s);
            return false;
        }
    }
    return true;
}

/* ---- life cycle ---- */

crowd *crowd_new(const crowd_config *config)
{
    crowd *all = calloc(1, sizeof *all);
    if (all == NULL) {
        (void)fprintf(stderr, "out of memory\n");
        return NULL;
    }
    all->config = *config;
    all->clients = calloc(config->clients, sizeof *all->clients);
    const swarm_config wanted = {
        .port = config->port,
        .max_connecting = config->max_connecting,
        .source_addresses = config->source_addresses,
        .callbacks = {.on_open = on_open, .on_frame = on_frame, .on_close = on_close},
    };
    all->swarm = swarm_new(&wanted);
    if (all->clients == NULL || all->swarm == NULL) {
        perror("no swarm");
        crowd_free(all);
        return NULL;
    }
    for (unsigned i = 0; i < config->clients; i++) {
        client *c = &all->clients[i];
        *c = (client){.crowd = all, .index = i, .room = config->rooms > 0 ? i % config->rooms : 0, .last_id = -1};
    }
    return all;
}

void crowd_free(crowd *all)
{
    if (all != NULL) {
        swarm_free(all->swarm);
        free(all->clients);
        free(all);
    }
}
