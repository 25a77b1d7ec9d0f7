/* ledger.c: see ledger.h. */
#include "ledger.h"

#include "hash.h"
#include "name_index.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NOTES_MAX = 30,    /* problems told in words */
    HOLES_MAX = 65536, /* ranges remembered; a run with more has failed anyhow, and late events then count as doubled */
};

/* The first copy of an event. */
typedef struct fact {
    uint64_t frame_hash; /* 0: not seen */
    uint64_t line_hash;  /* as hash_line(); 0: no message */
} fact;

typedef struct room_book {
    fact *facts; /* by id */
    size_t fact_cap;
    int64_t *line_ids; /* by line within the room; 0: not acknowledged */
    int64_t last_acked;
} room_book;

typedef struct hole {
    size_t cursor;
    int64_t from;
    int64_t to;
} hole;

struct ledger {
    const corpus *corpus;
    name_index room_index;
    room_book *rooms;
    ledger_cursor *cursors; /* by user, then room */
    size_t cursor_count;
    size_t *first_of_user; /* user_count + 1 */
    hole *holes;
    size_t hole_count;
    ledger_counts counts;
    ledger_verdict running; /* what is known to be wrong so far */
    bytes scratch;          /* unescaped text */
    bytes notes;
    unsigned note_count;
};

__attribute__((format(printf, 2, 3))) static void note(ledger *l, const char *format, ...)
{
    if (l->note_count >= NOTES_MAX) {
        return;
    }
    char line[256];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(line, sizeof line, format, args); // NOLINT(clang-analyzer-valist.Uninitialized): clang-tidy's own mistake
    va_end(args);
    if (len > 0 && bytes_reserve(&l->notes, sizeof line + 2)) {
        (void)bytes_append(&l->notes, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1); /* reserved above */
        (void)bytes_append(&l->notes, "\n", 2);
        l->notes.len--; /* the NUL is overwritten by the next note */
        l->note_count++;
    }
}

const char *ledger_notes(const ledger *l) { return l->notes.len > 0 ? l->notes.at : ""; }

/* ---- making ---- */

/* Lays the cursors out by user, then room: counts, sums up, fills. */
static bool make_cursors(ledger *l)
{
    const corpus *c = l->corpus;
    for (size_t r = 0; r < c->room_count; r++) {
        l->cursor_count += c->rooms[r].member_count;
        for (size_t m = 0; m < c->rooms[r].member_count; m++) {
            l->first_of_user[c->rooms[r].members[m] + 1]++;
        }
    }
    for (size_t u = 0; u < c->user_count; u++) {
        l->first_of_user[u + 1] += l->first_of_user[u];
    }
    l->cursors = calloc(l->cursor_count + 1, sizeof *l->cursors);
    size_t *filled = calloc(c->user_count + 1, sizeof *filled);
    if (l->cursors == NULL || filled == NULL) {
        free(filled);
        return false;
    }
    for (size_t r = 0; r < c->room_count; r++) {
        for (size_t m = 0; m < c->rooms[r].member_count; m++) {
            const uint32_t user = c->rooms[r].members[m];
            l->cursors[l->first_of_user[user] + filled[user]++] = (ledger_cursor){.user = user, .room = (uint32_t)r, .base = -1};
        }
    }
    free(filled);
    return true;
}

ledger *ledger_new(const corpus *c)
{
    ledger *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return NULL;
    }
    l->corpus = c;
    l->rooms = calloc(c->room_count + 1, sizeof *l->rooms);
    l->first_of_user = calloc(c->user_count + 2, sizeof *l->first_of_user);
    l->holes = calloc(HOLES_MAX, sizeof *l->holes);
    bool ok = l->rooms != NULL && l->first_of_user != NULL && l->holes != NULL && make_cursors(l);
    for (size_t r = 0; ok && r < c->room_count; r++) {
        bool added = false;
        l->rooms[r].line_ids = calloc(c->rooms[r].line_count, sizeof *l->rooms[r].line_ids);
        ok = l->rooms[r].line_ids != NULL && name_index_put(&l->room_index, c->rooms[r].id, strlen(c->rooms[r].id), &added) == (uint32_t)r;
    }
    if (!ok) {
        ledger_free(l);
        return NULL;
    }
    return l;
}

void ledger_free(ledger *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t r = 0; l->rooms != NULL && r < l->corpus->room_count; r++) {
        free(l->rooms[r].facts);
        free(l->rooms[r].line_ids);
    }
    free(l->rooms);
    free(l->cursors);
    free(l->first_of_user);
    free(l->holes);
    name_index_fini(&l->room_index);
    bytes_fini(&l->scratch);
    bytes_fini(&l->notes);
    free(l);
}

/* ---- look-up ---- */

size_t ledger_cursors_of(const ledger *l, uint32_t user, size_t *out_first)
{
    *out_first = l->first_of_user[user];
    return l->first_of_user[user + 1] - l->first_of_user[user];
}

const ledger_cursor *ledger_cursor_at(const ledger *l, size_t cursor) { return &l->cursors[cursor]; }

size_t ledger_cursor_count(const ledger *l) { return l->cursor_count; }

size_t ledger_find_cursor(const ledger *l, uint32_t user, uint32_t room)
{
    size_t low = l->first_of_user[user];
    size_t high = l->first_of_user[user + 1];
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (l->cursors[middle].room == room) {
            return middle;
        }
        if (l->cursors[middle].room < room) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return LEDGER_NONE;
}

uint32_t ledger_find_room(const ledger *l, const char *id, size_t len) { return name_index_find(&l->room_index, id, len); }

int64_t ledger_line_id(const ledger *l, uint32_t room, size_t line) { return l->rooms[room].line_ids[line]; }

void ledger_get_counts(const ledger *l, ledger_counts *out) { *out = l->counts; }

bool ledger_is_level(const ledger *l, size_t cursor)
{
    const ledger_cursor *c = &l->cursors[cursor];
    return c->base >= 0 && c->next > l->rooms[c->room].last_acked;
}

/* For notes. */
static const char *reader_of(const ledger *l, const ledger_cursor *c) { return l->corpus->users[c->user].name; }

static const char *room_of(const ledger *l, const ledger_cursor *c) { return l->corpus->rooms[c->room].id; }

/* ---- joins ---- */

/* The server admits that ids up to `to` will not come. */
static void lose_up_to(ledger *l, ledger_cursor *c, int64_t to, const char *why)
{
    if (to < c->next) {
        return;
    }
    note(l, "%s in %s: ids %" PRId64 " to %" PRId64 " will not come: %s", reader_of(l, c), room_of(l, c), c->next, to, why);
    l->running.lost += (uint64_t)(to - c->next + 1);
    l->counts.lost_in_gaps += (uint64_t)(to - c->next + 1);
    c->next = to + 1;
}

void ledger_joined(ledger *l, size_t cursor, const frame *joined)
{
    ledger_cursor *c = &l->cursors[cursor];
    if (c->base < 0) {
        c->base = joined->last_id;
        c->next = joined->last_id + 1;
        return;
    }
    if (joined->last_id < c->next - 1) {
        note(l, "%s in %s: came back after %" PRId64 ", but the room ends at %" PRId64, reader_of(l, c), room_of(l, c), c->next - 1,
             joined->last_id);
        l->running.withdrawn += (uint64_t)(c->next - 1 - joined->last_id);
    }
    switch (joined->recovery) {
    case FRAME_RESUMED:
        break;
    case FRAME_GAP:
        lose_up_to(l, c, joined->gap_to, "gap");
        break;
    case FRAME_FRESH:
        lose_up_to(l, c, joined->last_id, "fresh, although `after` was sent");
        break;
    case FRAME_EPOCH_CHANGED:
    case FRAME_RECOVERY_COUNT:
        lose_up_to(l, c, joined->last_id, "epoch_changed");
        break;
    }
}

/* ---- deliveries ---- */

static void open_hole(ledger *l, size_t cursor, int64_t from, int64_t to)
{
    ledger_cursor *c = &l->cursors[cursor];
    note(l, "%s in %s: expected id %" PRId64 ", got %" PRId64, reader_of(l, c), room_of(l, c), from, to + 1);
    c->holes += to - from + 1;
    if (l->hole_count < HOLES_MAX) {
        l->holes[l->hole_count++] = (hole){.cursor = cursor, .from = from, .to = to};
    }
}

/* Takes an id out of the cursor's holes; false where it lies in none. */
static bool fill_hole(ledger *l, size_t cursor, int64_t id)
{
    if (l->cursors[cursor].holes == 0) {
        return false;
    }
    for (size_t i = 0; i < l->hole_count; i++) {
        hole *h = &l->holes[i];
        if (h->cursor != cursor || id < h->from || id > h->to) {
            continue;
        }
        l->cursors[cursor].holes--;
        const hole rest = {.cursor = cursor, .from = id + 1, .to = h->to};
        h->to = id - 1;
        if (rest.from <= rest.to && h->from > h->to) {
            *h = rest;
        } else if (rest.from <= rest.to && l->hole_count < HOLES_MAX) {
            l->holes[l->hole_count++] = rest;
        } else if (h->from > h->to) {
            *h = l->holes[--l->hole_count];
        }
        return true;
    }
    return false;
}

static uint64_t hash_line(const char *user, size_t user_len, const char *text, size_t len)
{
    return hash_add(hash_add(HASH_START, user, user_len), text, len) | 1;
}

static uint64_t hash_corpus_line(const corpus *c, const corpus_line *line)
{
    const char *user = c->users[line->user].name;
    return hash_line(user, strlen(user), corpus_text(c, line), line->len);
}

/* Room for a fact with that id. */
static bool reserve_fact(room_book *book, int64_t id)
{
    if ((size_t)id < book->fact_cap) {
        return true;
    }
    size_t cap = book->fact_cap == 0 ? 1024 : book->fact_cap;
    while (cap <= (size_t)id) {
        cap *= 2;
    }
    fact *facts = realloc(book->facts, cap * sizeof *facts);
    if (facts == NULL) {
        return false;
    }
    memset(facts + book->fact_cap, 0, (cap - book->fact_cap) * sizeof *facts);
    book->facts = facts;
    book->fact_cap = cap;
    return true;
}

/* Holds a copy of an event against the first one, or keeps it as the first. */
static bool compare_copy(ledger *l, const ledger_cursor *c, const frame *event)
{
    room_book *book = &l->rooms[c->room];
    const uint64_t hash = event->hash | 1;
    if (event->id >= INT32_MAX || !reserve_fact(book, event->id)) {
        return false;
    }
    fact *first = &book->facts[event->id];
    if (first->frame_hash == hash) {
        return true;
    }
    if (first->frame_hash != 0) {
        note(l, "%s in %s: id %" PRId64 " differs from what another reader got", reader_of(l, c), room_of(l, c), event->id);
        l->running.altered++;
        return true;
    }
    first->frame_hash = hash;
    l->counts.events++;
    if (event->kind == FRAME_MESSAGE) {
        l->scratch.len = 0;
        if (!bytes_reserve(&l->scratch, event->message.len + 1)) {
            return false;
        }
        const size_t len = peek_unescape(event->message, l->scratch.at);
        first->line_hash = len == SIZE_MAX ? 1 : hash_line(event->user.at, event->user.len, l->scratch.at, len);
    }
    return true;
}

bool ledger_delivered(ledger *l, size_t cursor, const frame *event)
{
    ledger_cursor *c = &l->cursors[cursor];
    l->counts.deliveries++;
    l->counts.messages += event->kind == FRAME_MESSAGE;
    if (c->base < 0) {
        note(l, "%s in %s: got id %" PRId64 " before `joined`", reader_of(l, c), room_of(l, c), event->id);
        l->running.stray++;
        return true;
    }
    if (event->id == c->next) {
        c->next++;
    } else if (event->id > c->next) {
        open_hole(l, cursor, c->next, event->id - 1);
        c->next = event->id + 1;
    } else if (fill_hole(l, cursor, event->id)) {
        l->running.out_of_order++;
    } else {
        note(l, "%s in %s: id %" PRId64 " came again (awaited: %" PRId64 ")", reader_of(l, c), room_of(l, c), event->id, c->next);
        l->running.doubled++;
    }
    return compare_copy(l, c, event);
}

/* ---- acks ---- */

bool ledger_acked(ledger *l, uint32_t room, size_t line, int64_t id)
{
    room_book *book = &l->rooms[room];
    if (book->line_ids[line] != 0) {
        if (book->line_ids[line] != id) {
            note(l, "line %zu of %s: acknowledged with id %" PRId64 " and again with %" PRId64, line + 1, l->corpus->rooms[room].id,
                 book->line_ids[line], id);
            l->running.altered++;
        }
        return false;
    }
    book->line_ids[line] = id;
    if (id > book->last_acked) {
        book->last_acked = id;
    }
    l->counts.acked++;
    return true;
}

/* ---- the verdict ---- */

static void judge_room(ledger *l, size_t r, ledger_verdict *v)
{
    const corpus_room *room = &l->corpus->rooms[r];
    const room_book *book = &l->rooms[r];
    int64_t previous = 0;
    size_t messages = 0;
    size_t lines_seen = 0;
    size_t in_flight = 0;
    for (size_t i = 0; i < room->line_count; i++) {
        const int64_t id = book->line_ids[i];
        if (id == 0) {
            if (in_flight == 0) {
                note(l, "line %zu of %s and those after it: never acknowledged", i + 1, room->id);
            }
            v->unacked++;
            in_flight = 1; /* the first of them may be stored already; a room has one line on its way at most */
            continue;
        }
        if (id <= previous) {
            note(l, "line %zu of %s: id %" PRId64 " after %" PRId64, i + 1, room->id, id, previous);
            v->out_of_order++;
        }
        previous = id;
        if ((size_t)id >= book->fact_cap || book->facts[id].frame_hash == 0) {
            continue; /* no reader got it: each cursor counts it as lost */
        }
        lines_seen++;
        if (book->facts[id].line_hash != hash_corpus_line(l->corpus, &l->corpus->lines[room->first_line + i])) {
            note(l, "line %zu of %s: the event with its id %" PRId64 " is another one", i + 1, room->id, id);
            v->altered++;
        }
    }
    for (size_t id = 0; id < book->fact_cap; id++) {
        messages += book->facts[id].line_hash != 0;
    }
    if (messages > lines_seen + in_flight) {
        note(l, "%s: %zu messages more than acknowledged lines", room->id, messages - lines_seen - in_flight);
        v->surplus += messages - lines_seen - in_flight;
    }
}

ledger_verdict ledger_judge(ledger *l)
{
    ledger_verdict v = l->running;
    for (size_t r = 0; r < l->corpus->room_count; r++) {
        judge_room(l, r, &v);
    }
    for (size_t i = 0; i < l->cursor_count; i++) {
        const ledger_cursor *c = &l->cursors[i];
        const int64_t last = l->rooms[c->room].last_acked;
        const int64_t next = c->base < 0 ? 1 : c->next;
        v.lost += (uint64_t)c->holes;
        if (next <= last) {
            note(l, "%s in %s: has up to id %" PRId64 ", acknowledged up to %" PRId64, reader_of(l, c), room_of(l, c), next - 1, last);
            v.lost += (uint64_t)(last - next + 1);
        }
    }
    return v;
}

bool ledger_is_clean(const ledger_verdict *v)
{
    return v->lost == 0 && v->doubled == 0 && v->out_of_order == 0 && v->altered == 0 && v->withdrawn == 0 && v->surplus == 0 &&
           v->stray == 0 && v->unacked == 0;
}
