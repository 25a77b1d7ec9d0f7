/* readback.c: every room once more, from its first event, by somebody who was not there. See run.h.
 *
 * Here texts are compared with the corpus byte for byte, authors by name, ids with those of the acks, and ids must be 1, 2, 3 … */
#include "run.h"

#include <stdio.h>
#include <string.h>

enum { POLL_MS = 100, PATIENCE_S = 60 };

typedef struct readback {
    run *run;
    swarm_conn *conn;
    size_t room;
    int64_t next_id;
    size_t next_line;
    bytes text; /* scratch */
    int64_t heard_ns;
    bool done;
    bool failed; /* the run's problem says why */
} readback;

static void fail(readback *b, const char *why)
{
    if (!b->failed) {
        b->failed = true;
        (void)snprintf(b->run->problem, sizeof b->run->problem, "reading back %s: %.300s", b->run->corpus->rooms[b->room].id, why);
    }
}

static void open_room(readback *b)
{
    run *r = b->run;
    b->next_id = 1;
    b->next_line = 0;
    if (!frame_write_join(&r->command, r->corpus->rooms[b->room].id, 0, r->epoch) ||
        !swarm_send_text(b->conn, r->command.at, r->command.len)) {
        fail(b, "cannot send");
    }
}

static void close_room(readback *b, const frame *caught_up)
{
    run *r = b->run;
    if (caught_up->last_id >= b->next_id) {
        r->result.readback_holes += (uint64_t)(caught_up->last_id - b->next_id + 1);
    }
    if (b->next_line < r->corpus->rooms[b->room].line_count) {
        r->result.readback_missing += r->corpus->rooms[b->room].line_count - b->next_line;
    }
    if (++b->room == r->corpus->room_count) {
        b->room--; /* stays valid for messages */
        b->done = true;
        swarm_close(b->conn, 1000);
    } else {
        open_room(b);
    }
}

static void compare_line(readback *b, const frame *f)
{
    run *r = b->run;
    const corpus_room *room = &r->corpus->rooms[b->room];
    r->result.readback_lines++;
    if (b->next_line == room->line_count) {
        r->result.readback_surplus++;
        return;
    }
    const corpus_line *line = &r->corpus->lines[room->first_line + b->next_line];
    b->text.len = 0;
    if (!bytes_reserve(&b->text, f->message.len + 1)) {
        fail(b, "out of memory");
        return;
    }
    const size_t len = peek_unescape(f->message, b->text.at);
    const bool same = len == line->len && memcmp(b->text.at, corpus_text(r->corpus, line), len) == 0 &&
                      peek_equals(f->user, r->corpus->users[line->user].name) &&
                      f->id == ledger_line_id(r->ledger, (uint32_t)b->room, b->next_line);
    r->result.readback_wrong += !same;
    b->next_line++;
}

static void take_event(readback *b, const frame *f)
{
    run *r = b->run;
    if (!peek_equals(f->room, r->corpus->rooms[b->room].id)) {
        return; /* a room that is read already, and goes on living */
    }
    if (f->id != b->next_id) {
        r->result.readback_holes += (uint64_t)(f->id > b->next_id ? f->id - b->next_id : 1);
    }
    b->next_id = f->id + 1;
    if (f->kind == FRAME_MESSAGE) {
        compare_line(b, f);
    }
}

static void on_frame(swarm_conn *conn, void *user, const char *text, size_t len)
{
    readback *b = user;
    frame f;
    (void)conn;
    b->heard_ns = swarm_now_ns();
    if (b->done || b->failed) {
        return;
    }
    if (!frame_read(text, len, &f)) {
        fail(b, "a frame that cannot be read");
    } else if (f.kind == FRAME_AUTH_SUCCESS) {
        open_room(b);
    } else if (f.kind == FRAME_JOINED && f.recovery != FRAME_RESUMED) {
        fail(b, frame_recovery_word(f.recovery));
    } else if (f.kind == FRAME_MESSAGE || f.kind == FRAME_EVENT) {
        take_event(b, &f);
    } else if (f.kind == FRAME_CAUGHT_UP && peek_equals(f.room, b->run->corpus->rooms[b->room].id)) {
        close_room(b, &f);
    } else if (f.kind == FRAME_ERROR) {
        char why[200];
        (void)snprintf(why, sizeof why, "%.*s", (int)(len < 190 ? len : 190), text);
        fail(b, why);
    }
}

static void on_close(swarm_conn *conn, void *user, const swarm_close_info *info)
{
    readback *b = user;
    (void)conn;
    (void)info;
    b->conn = NULL;
    if (!b->done) {
        fail(b, "the connection ended");
    }
}

bool readback_all(run *r)
{
    readback b = {.run = r, .heard_ns = swarm_now_ns()};
    const swarm_config config = {.port = r->host.port, .callbacks = {.on_frame = on_frame, .on_close = on_close}};
    const swarm_target target = {.path = "/ws", .token = r->admin_token, .user = &b};
    swarm *s = swarm_new(&config);
    b.conn = s != NULL ? swarm_connect(s, &target) : NULL;
    if (b.conn == NULL) {
        fail(&b, "out of memory");
    }
    while (!b.failed && b.conn != NULL) {
        if (!swarm_poll(s, POLL_MS)) {
            fail(&b, "epoll failed");
        } else if (host_is_interrupted()) {
            fail(&b, "interrupted");
        } else if (swarm_now_ns() - b.heard_ns > PATIENCE_S * INT64_C(1000000000)) {
            fail(&b, "nothing came for a minute");
        }
    }
    swarm_free(s);
    bytes_fini(&b.text);
    return !b.failed;
}
