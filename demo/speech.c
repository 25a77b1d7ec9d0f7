/* speech.c: the reading of a file, line by line. See run.h.
 *
 * One line of a room is on its way at a time, so that the log has the lines in the order of the file whatever happens in between.
 * client_id is "line-N", the line's number in its room: it stays the same for every retry, and says which line an ack is for. */
#include "run.h"

#include "random.h"

#include <string.h>

enum {
    ACK_PATIENCE_S = 15, /* on a living connection */
    RETRY_MIN_MS = 50,   /* where the server says busy, but not for how long */
    RETRY_SPAN_MS = 100,
    RETRY_MAX_MS = 5000,
};

static uint32_t room_of(const run *r, const speech *s) { return (uint32_t)(s - r->speeches); }

static const corpus_line *line_at(const run *r, uint32_t room, size_t line)
{
    return &r->corpus->lines[r->corpus->rooms[room].first_line + line];
}

static void on_due(swarm_timer *timer, void *user)
{
    run *r = user;
    const speech *s = (const speech *)((const char *)timer - offsetof(speech, timer));
    speech_go(r, room_of(r, s));
}

void speech_go(run *r, uint32_t room)
{
    speech *s = &r->speeches[room];
    if (r->talk_start_ns == 0 || s->in_flight || s->timer.place != 0 || s->next == r->corpus->rooms[room].line_count) {
        return;
    }
    const corpus_line *line = line_at(r, room, s->next);
    const person *p = &r->people[line->user];
    if (p->state != PERSON_IN || !r->seats[ledger_find_cursor(r->ledger, line->user, room)].joined) {
        return; /* on_joined() comes back to this */
    }
    if (!frame_write_message(&r->command, r->corpus->rooms[room].id, corpus_text(r->corpus, line), line->len, s->next) ||
        !swarm_send_text(p->conn, r->command.at, r->command.len)) {
        return; /* the connection is ending: it is sent when the person is back */
    }
    r->stats.resends += s->attempts > 0;
    s->attempts++;
    s->in_flight = true;
    s->sent_ns = swarm_now_ns();
}

/* The line is done with; the next one has its turn when the pace allows it. */
static void go_on(run *r, uint32_t room)
{
    speech *s = &r->speeches[room];
    s->in_flight = false;
    s->attempts = 0;
    s->next++;
    r->done_lines++;
    if (r->options->speed > 0) {
        const int64_t due_ns = r->talk_start_ns + (int64_t)((double)s->next / r->options->speed * 1e9);
        const int64_t wait_ms = (due_ns - swarm_now_ns()) / 1000000;
        if (wait_ms > 0 && swarm_arm(r->swarm, &s->timer, wait_ms, on_due, r)) {
            mishap_on_progress(r);
            return;
        }
    }
    mishap_on_progress(r);
    speech_go(r, room);
}

/* Which line of which room a frame is about; false where it is none of ours. */
static bool find_line(const run *r, const frame *f, uint32_t *out_room, size_t *out_line)
{
    *out_room = ledger_find_room(r->ledger, f->room.at, f->room.len);
    return *out_room < r->corpus->room_count && frame_client_number(f->client_id, out_line) &&
           *out_line < r->corpus->rooms[*out_room].line_count;
}

void speech_on_ack(run *r, const frame *ack)
{
    uint32_t room = 0;
    size_t line = 0;
    if (!find_line(r, ack, &room, &line)) {
        r->stats.unreadable_frames++;
        return;
    }
    r->stats.duplicates += ack->duplicate;
    if (ledger_acked(r->ledger, room, line, ack->id) && line == r->speeches[room].next) {
        go_on(r, room);
    }
}

/* Errors that pass by themselves. */
static bool is_passing(peek_span code)
{
    static const char *const passing[] = {"rate_limited", "busy", "not_joined", "disk_full", "store_failed", "internal", "shutting_down"};
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
        if (peek_equals(code, passing[i])) {
            return true;
        }
    }
    return false;
}

void speech_on_error(run *r, const frame *error)
{
    uint32_t room = 0;
    size_t line = 0;
    if (!find_line(r, error, &room, &line) || line != r->speeches[room].next || !r->speeches[room].in_flight) {
        return;
    }
    speech *s = &r->speeches[room];
    if (!is_passing(error->code)) {
        r->stats.refused_lines++;
        go_on(r, room);
        return;
    }
    int64_t wait_ms = RETRY_MIN_MS + (int64_t)random_below(&r->random, RETRY_SPAN_MS) + error->retry_after_ms;
    if (wait_ms > RETRY_MAX_MS) {
        wait_ms = RETRY_MAX_MS;
    }
    s->in_flight = false;
    if (!swarm_arm(r->swarm, &s->timer, wait_ms, on_due, r)) {
        speech_go(r, room);
    }
}

void speech_on_gone(run *r, uint32_t user, uint32_t room)
{
    speech *s = &r->speeches[room];
    if (s->in_flight && line_at(r, room, s->next)->user == user) {
        s->in_flight = false;
    }
}

void speech_sweep(run *r)
{
    const int64_t overdue_ns = swarm_now_ns() - ACK_PATIENCE_S * INT64_C(1000000000);
    for (uint32_t room = 0; room < r->corpus->room_count; room++) {
        speech *s = &r->speeches[room];
        if (s->in_flight && s->sent_ns < overdue_ns) {
            r->stats.late_acks++;
            s->in_flight = false;
            speech_go(r, room);
        }
    }
}
