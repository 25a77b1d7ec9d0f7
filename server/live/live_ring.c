#include "live_ring.h"

#include <assert.h>
#include <stdlib.h>

void live_ring_init(struct live_ring *r, size_t max_bytes, int64_t next_seq)
{
    *r = (struct live_ring){.max_bytes = max_bytes, .first = next_seq};
}

static struct live_piece *piece_at(const struct live_ring *r, size_t i) { return &r->pieces[(r->head + i) & (r->cap - 1)]; }

static void drop_oldest(struct live_ring *r)
{
    struct live_piece *oldest = piece_at(r, 0);
    r->bytes -= oldest->len;
    live_block_unref(oldest->block);
    r->head = (r->head + 1) & (r->cap - 1);
    r->count--;
    r->first++;
}

void live_ring_fini(struct live_ring *r)
{
    while (r->count)
        drop_oldest(r);
    free(r->pieces);
    live_writer_fini(&r->writer);
    *r = (struct live_ring){0};
}

static bool grow(struct live_ring *r)
{
    size_t cap = r->cap ? r->cap * 2 : 8;
    struct live_piece *pieces = malloc(cap * sizeof *pieces);
    if (!pieces) return false;
    for (size_t i = 0; i < r->count; i++)
        pieces[i] = *piece_at(r, i);
    free(r->pieces);
    r->pieces = pieces;
    r->cap = cap;
    r->head = 0;
    return true;
}

bool live_ring_append_piece(struct live_ring *r, struct live_piece frame)
{
    if (r->count == r->cap && !grow(r)) return false;
    live_block_ref(frame.block);
    *piece_at(r, r->count) = frame;
    r->count++;
    r->bytes += frame.len;
    while (r->bytes > r->max_bytes && r->count > 1)
        drop_oldest(r);
    return true;
}

bool live_ring_append(struct live_ring *r, span json)
{
    struct live_piece piece;
    return live_writer_frame(&r->writer, LIVE_OP_TEXT, json, &piece) && live_ring_append_piece(r, piece);
}

void live_ring_drop_before(struct live_ring *r, int64_t seq)
{
    while (r->count && r->first < seq)
        drop_oldest(r);
}

size_t live_ring_gather(const struct live_ring *r, int64_t from, int64_t to, size_t max_bytes, struct live_piece *out, size_t max_pieces,
                        int64_t *reached)
{
    assert(from >= r->first && to <= live_ring_next(r));
    size_t n = 0, bytes = 0;
    int64_t seq = from;
    for (; seq < to; seq++) {
        const struct live_piece *p = piece_at(r, (size_t)(seq - r->first));
        if (bytes && bytes + p->len > max_bytes) break;
        struct live_piece *last = n ? &out[n - 1] : NULL;
        if (last && last->block == p->block && last->off + last->len == p->off) {
            last->len += p->len;
        } else if (n < max_pieces) {
            out[n++] = *p;
        } else {
            break;
        }
        bytes += p->len;
    }
    *reached = seq;
    return n;
}
