/* ledger.h: what was acknowledged, what each reader got, and whether the two agree.
 *
 * The books are kept while events come in, in bounded memory (16 bytes per event of a room, 32 per reader and room):
 *   - per (reader, room) a cursor: the id that must come next. A higher one leaves a hole, a lower one is late (it fills a hole:
 *     out of order) or has come before (doubled). What the server says when a reader comes back is held against the cursor, too.
 *   - per event of a room a 64-bit hash of the first copy that any reader got (type, author, text, time: all members); every other
 *     reader's copy must have the same.
 *   - per line of the corpus the id it was acknowledged with; the event with that id must hash like the line (author and text),
 *     and ids must rise in the order of the file.
 * So each reader's transcript is compared with what was acknowledged, event by event, by id and hash; texts themselves are compared
 * byte for byte in readback.h, once per room.
 *
 * Ownership: borrows the corpus.  Thread: one at a time. */
#ifndef CONFAB_DEMO_LEDGER_H
#define CONFAB_DEMO_LEDGER_H

#include "corpus.h"
#include "frame.h"

typedef struct ledger ledger;

/* A reader's place in a room. */
typedef struct ledger_cursor {
    uint32_t user;
    uint32_t room;
    int64_t base;  /* last_id when it first joined; -1: has not joined yet. It gets what comes after. */
    int64_t next;  /* the id awaited */
    int64_t holes; /* ids below next that have not come */
} ledger_cursor;

/* What is wrong. All zero: nothing. */
typedef struct ledger_verdict {
    uint64_t lost;         /* (reader, event) pairs that were acknowledged or jumped over and never came */
    uint64_t doubled;      /* deliveries of an event to a reader who had it */
    uint64_t out_of_order; /* deliveries after a later one; and lines whose ids do not rise with the file */
    uint64_t altered;      /* deliveries that differ from the first copy, and acknowledged lines stored as something else */
    uint64_t withdrawn;    /* (reader, event) pairs that a reader had and the server, when it came back, did not */
    uint64_t surplus;      /* messages in a log that are no acknowledged line: a line stored twice */
    uint64_t stray;        /* deliveries to a reader who was not told `joined` */
    uint64_t unacked;      /* lines that were never acknowledged */
} ledger_verdict;

typedef struct ledger_counts {
    uint64_t deliveries;   /* events delivered, each to one reader; those in the verdict included */
    uint64_t messages;     /* the part of it that is messages */
    size_t events;         /* different events seen */
    size_t acked;          /* lines acknowledged */
    uint64_t lost_in_gaps; /* part of lost: the server said so itself (gap, epoch_changed) */
} ledger_counts;

ledger *ledger_new(const corpus *c); /* NULL when out of memory */
void ledger_free(ledger *l);         /* accepts NULL */

/* ---- look-up ---- */

#define LEDGER_NONE SIZE_MAX

/* The cursors of a user: *out_first … +count, ordered by room. */
size_t ledger_cursors_of(const ledger *l, uint32_t user, size_t *out_first);
const ledger_cursor *ledger_cursor_at(const ledger *l, size_t cursor);
size_t ledger_cursor_count(const ledger *l);
/* LEDGER_NONE where the user is no member of the room. */
size_t ledger_find_cursor(const ledger *l, uint32_t user, uint32_t room);
/* CORPUS index of a room by its id, NAME_INDEX_NONE where there is none. */
uint32_t ledger_find_room(const ledger *l, const char *id, size_t len);

/* ---- entries ---- */

/* `joined` came, in answer to a join with after = next - 1, or without `after` for a cursor that has no base. */
void ledger_joined(ledger *l, size_t cursor, const frame *joined);

/* An event (FRAME_MESSAGE or FRAME_EVENT) came. Returns false when out of memory. */
bool ledger_delivered(ledger *l, size_t cursor, const frame *event);

/* A line was acknowledged with an id; `line` counts within the room. Acks of the same line must agree.
 * Returns true when this is the line's first ack. */
bool ledger_acked(ledger *l, uint32_t room, size_t line, int64_t id);

/* ---- results ---- */

/* The reader has every acknowledged event of the room. */
bool ledger_is_level(const ledger *l, size_t cursor);

void ledger_get_counts(const ledger *l, ledger_counts *out);

/* Closes the books: may be called more than once (each time from what is there). */
ledger_verdict ledger_judge(ledger *l);
bool ledger_is_clean(const ledger_verdict *v);

/* The first few problems, a line each, in words; "" where there are none. */
const char *ledger_notes(const ledger *l);

/* The id a line was acknowledged with, 0 where it was not. */
int64_t ledger_line_id(const ledger *l, uint32_t room, size_t line);

#endif
