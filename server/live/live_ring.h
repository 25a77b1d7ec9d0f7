/* The newest events of a room as encoded frames, by seq without a hole, bounded in bytes. Thread: one loop. */
#ifndef CONFAB_LIVE_RING_H
#define CONFAB_LIVE_RING_H

#include "live_block.h"

struct live_ring {
    struct live_piece *pieces; /* circular; piece i is that of seq first + i */
    size_t cap, head, count;   /* cap is a power of two, or 0 */
    int64_t first;             /* seq of the oldest piece; with count 0: of the next to come */
    size_t bytes, max_bytes;
    struct live_writer writer;
};

void live_ring_init(struct live_ring *r, size_t max_bytes, int64_t next_seq);
void live_ring_fini(struct live_ring *r);
static inline int64_t live_ring_next(const struct live_ring *r) { return r->first + (int64_t)r->count; }

/* Appends the frame of seq live_ring_next(r), and drops the oldest ones beyond max_bytes (never the newest). false: out of memory. */
bool live_ring_append(struct live_ring *r, span json);
bool live_ring_append_piece(struct live_ring *r, struct live_piece frame); /* takes a reference of its own */

/* Drops what is older than `seq` (<= next): nothing of it is shown any more. Cursors that need it read from the store. */
void live_ring_drop_before(struct live_ring *r, int64_t seq);

/* Pieces for the events from `from` (>= first) up to and without `to` (<= next), neighbours in one block joined; at most max_pieces of them
 * and about max_bytes (always one event at least). Returns the number of pieces; *reached is the first seq not covered.
 * The pieces borrow: valid until the ring changes. */
size_t live_ring_gather(const struct live_ring *r, int64_t from, int64_t to, size_t max_bytes, struct live_piece *out, size_t max_pieces,
                        int64_t *reached);

#endif
