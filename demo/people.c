/* people.c: a connection per user. See run.h. */
#include "run.h"

#include "random.h"

#include <stdio.h>
#include <string.h>

enum {
    BACK_OFF_MIN_MS = 50,
    BACK_OFF_SPAN_MS = 350, /* doubled with each failure in a row */
    BACK_OFF_DOUBLINGS = 3,
    GIVE_UP_FAILURES = 400, /* in a row, of one person: something is wrong for good */
    ENTER_PATIENCE_S = 30,  /* for handshake and auth_success */
    JOIN_PATIENCE_S = 60,   /* for the answers to all joins */
    CLOSE_PATIENCE_S = 10,  /* for the answer to our close frame */
};

static uint32_t user_of(const run *r, const person *p) { return (uint32_t)(p - r->people); }

/* ---- coming ---- */

static void connect_now(swarm_timer *timer, void *user)
{
    run *r = user;
    person *p = (person *)((char *)timer - offsetof(person, timer));
    const swarm_target target = {.path = "/ws", .token = p->token, .user = p};
    p->conn = swarm_connect(r->swarm, &target);
    if (p->conn == NULL) {
        person_come(r, user_of(r, p), 1000);
        return;
    }
    p->state = PERSON_CONNECTING;
    p->since_ns = swarm_now_ns();
}

void person_come(run *r, uint32_t user, int64_t delay_ms)
{
    person *p = &r->people[user];
    if (!swarm_arm(r->swarm, &p->timer, delay_ms, connect_now, r)) {
        r->fatal = true;
        (void)snprintf(r->problem, sizeof r->problem, "out of memory for timers");
    }
}

/* Joins all rooms of the person: where they were, or from now on. */
static void join_rooms(run *r, person *p)
{
    size_t first = 0;
    const size_t count = ledger_cursors_of(r->ledger, user_of(r, p), &first);
    for (size_t i = first; i < first + count; i++) {
        const ledger_cursor *c = ledger_cursor_at(r->ledger, i);
        if (!frame_write_join(&r->command, r->corpus->rooms[c->room].id, c->base < 0 ? -1 : c->next - 1, r->epoch) ||
            !swarm_send_text(p->conn, r->command.at, r->command.len)) {
            return; /* on_close() follows */
        }
    }
}

static void on_auth_success(run *r, person *p, const frame *f)
{
    if (p->state != PERSON_CONNECTING) {
        return;
    }
    if (f->epoch.len >= sizeof r->epoch) {
        r->stats.unreadable_frames++;
        return;
    }
    if (r->epoch[0] == '\0') {
        memcpy(r->epoch, f->epoch.at, f->epoch.len);
    } else if (!peek_equals(f->epoch, r->epoch)) {
        r->stats.epoch_changes++;
    }
    r->stats.connects += !p->was_in;
    r->stats.reconnects += p->was_in;
    r->in_count++;
    r->server_was_reached = true;
    p->state = PERSON_IN;
    p->since_ns = swarm_now_ns();
    p->was_in = true;
    p->failures = 0;
    join_rooms(r, p);
}

/* ---- what arrives ---- */

/* The person's cursor in the frame's room; LEDGER_NONE where they have none. */
static size_t cursor_of(const run *r, const person *p, peek_span room_id)
{
    size_t first = 0;
    const uint32_t user = user_of(r, p);
    if (ledger_cursors_of(r->ledger, user, &first) == 1) { /* most people are in one room */
        const char *id = r->corpus->rooms[ledger_cursor_at(r->ledger, first)->room].id;
        return peek_equals(room_id, id) ? first : LEDGER_NONE;
    }
    const uint32_t room = ledger_find_room(r->ledger, room_id.at, room_id.len);
    return room < r->corpus->room_count ? ledger_find_cursor(r->ledger, user, room) : LEDGER_NONE;
}

static void on_joined(run *r, size_t cursor, const frame *f)
{
    seat *s = &r->seats[cursor];
    ledger_joined(r->ledger, cursor, f);
    r->stats.joins[f->recovery]++;
    r->joined_count += !s->joined;
    s->joined = true;
    s->replaying = f->recovery != FRAME_FRESH;
    speech_go(r, ledger_cursor_at(r->ledger, cursor)->room);
}

static void on_event(run *r, size_t cursor, const frame *f)
{
    r->stats.replayed += r->seats[cursor].replaying;
    if (!ledger_delivered(r->ledger, cursor, f)) {
        r->fatal = true;
        (void)snprintf(r->problem, sizeof r->problem, "no memory for the event %lld of a room", (long long)f->id);
    }
}

static void on_error(run *r, const frame *f, const char *text, size_t len)
{
    r->stats.errors++;
    (void)snprintf(r->last_error, sizeof r->last_error, "%.*s", (int)(len < 250 ? len : 250), text);
    if (f->client_id.len > 0) {
        speech_on_error(r, f);
    }
}

static void on_frame(swarm_conn *conn, void *user, const char *text, size_t len)
{
    person *p = user;
    run *r = p->timer.user; /* each timer has been armed once: that is how the person came */
    frame f;
    (void)conn;
    if (!frame_read(text, len, &f)) {
        r->stats.unreadable_frames++;
        return;
    }
    size_t cursor = LEDGER_NONE;
    if (f.kind == FRAME_MESSAGE || f.kind == FRAME_EVENT || f.kind == FRAME_JOINED || f.kind == FRAME_CAUGHT_UP) {
        cursor = cursor_of(r, p, f.room);
        if (cursor == LEDGER_NONE) { /* a room that this person never asked for */
            r->stats.unreadable_frames++;
            return;
        }
    }
    switch (f.kind) {
    case FRAME_MESSAGE:
    case FRAME_EVENT:
        on_event(r, cursor, &f);
        break;
    case FRAME_ACK:
        speech_on_ack(r, &f);
        break;
    case FRAME_JOINED:
        on_joined(r, cursor, &f);
        break;
    case FRAME_CAUGHT_UP:
        r->seats[cursor].replaying = false;
        break;
    case FRAME_AUTH_SUCCESS:
        on_auth_success(r, p, &f);
        break;
    case FRAME_ERROR:
        on_error(r, &f, text, len);
        break;
    case FRAME_EPHEMERAL:
        r->stats.ephemeral++;
        break;
    case FRAME_OTHER:
        break;
    }
}

/* ---- going, and coming back ---- */

static void leave_seats(run *r, uint32_t user)
{
    size_t first = 0;
    const size_t count = ledger_cursors_of(r->ledger, user, &first);
    for (size_t i = first; i < first + count; i++) {
        r->joined_count -= r->seats[i].joined;
        r->seats[i] = (seat){0};
        speech_on_gone(r, user, ledger_cursor_at(r->ledger, i)->room);
    }
}

static int64_t back_off_ms(run *r, const person *p)
{
    const unsigned doublings = p->failures < BACK_OFF_DOUBLINGS ? p->failures : BACK_OFF_DOUBLINGS;
    return BACK_OFF_MIN_MS + (int64_t)random_below(&r->random, (uint64_t)BACK_OFF_SPAN_MS << doublings);
}

static void on_close(swarm_conn *conn, void *user, const swarm_close_info *info)
{
    person *p = user;
    run *r = p->timer.user;
    const bool was_in = p->state == PERSON_IN;
    const uint32_t away_ms = p->away_ms;
    (void)conn;
    p->conn = NULL;
    p->state = PERSON_OUT;
    p->since_ns = swarm_now_ns();
    p->away_ms = 0;
    if (was_in) {
        r->in_count--;
        leave_seats(r, user_of(r, p));
        if (info->end == SWARM_END_CLOSED && away_ms == 0) {
            r->stats.server_closes++;
            (void)snprintf(r->last_error, sizeof r->last_error, "closed with %u %.*s", info->code,
                           (int)(info->reason_len < 200 ? info->reason_len : 200), info->reason);
        }
    } else {
        r->stats.connect_failures++;
        if (info->end == SWARM_END_REFUSED) {
            (void)snprintf(r->last_error, sizeof r->last_error, "handshake answered with HTTP %d", info->http_status);
        }
        if (++p->failures >= GIVE_UP_FAILURES) {
            r->fatal = true;
            (void)snprintf(r->problem, sizeof r->problem, "%s could not connect %d times in a row; the last problem: %.200s",
                           r->corpus->users[user_of(r, p)].name, GIVE_UP_FAILURES, r->last_error);
        }
    }
    person_come(r, user_of(r, p), away_ms > 0 ? away_ms : back_off_ms(r, p));
}

void person_drop(run *r, uint32_t user, uint32_t away_ms, bool polite)
{
    person *p = &r->people[user];
    if (p->state != PERSON_IN || p->away_ms > 0) {
        return;
    }
    r->stats.drops++;
    p->away_ms = away_ms > 0 ? away_ms : 1;
    p->since_ns = swarm_now_ns();
    if (polite) {
        swarm_close(p->conn, 1000);
    } else {
        swarm_abort(p->conn);
    }
}

static bool misses_an_answer(const run *r, uint32_t user)
{
    size_t first = 0;
    const size_t count = ledger_cursors_of(r->ledger, user, &first);
    for (size_t i = first; i < first + count; i++) {
        if (!r->seats[i].joined) {
            return true;
        }
    }
    return false;
}

void people_sweep(run *r)
{
    const int64_t now = swarm_now_ns();
    for (uint32_t user = 0; user < r->corpus->user_count; user++) {
        person *p = &r->people[user];
        const int64_t age_s = (now - p->since_ns) / 1000000000;
        /* A connection that is not open yet may just wait for its turn in the swarm. */
        const bool no_auth = p->state == PERSON_CONNECTING && age_s >= ENTER_PATIENCE_S && swarm_is_open(p->conn);
        const bool no_close = p->state == PERSON_IN && p->away_ms > 0 && age_s >= CLOSE_PATIENCE_S;
        const bool no_join = p->state == PERSON_IN && p->away_ms == 0 && age_s >= JOIN_PATIENCE_S && misses_an_answer(r, user);
        r->stats.late_joins += no_join;
        if (no_auth || no_close || no_join) {
            swarm_abort(p->conn);
        }
    }
}

const swarm_callbacks people_callbacks = {.on_open = NULL, .on_frame = on_frame, .on_close = on_close};
