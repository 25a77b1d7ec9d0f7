#include "live_block.h"

#include <assert.h>
#include <stdlib.h>

#include "confab/metrics.h"

enum { BLOCK_MIN = 1024, BLOCK_MAX = 32768 };

struct live_block *live_block_new(size_t cap)
{
    struct live_block *b = malloc(sizeof *b + cap);
    if (!b) return NULL;
    b->refs = 1;
    b->len = 0;
    b->cap = cap;
    metric_gauge_add(METRIC_RING_BYTES, (int64_t)cap);
    return b;
}

void live_block_ref(struct live_block *b) { b->refs++; }

void live_block_unref(struct live_block *b)
{
    if (!b) return;
    assert(b->refs > 0);
    if (--b->refs > 0) return;
    metric_gauge_add(METRIC_RING_BYTES, -(int64_t)b->cap);
    free(b);
}

size_t live_frame_size(size_t payload) { return payload + (payload < 126 ? 2 : payload < 65536 ? 4 : 10); }

void live_frame_append(struct live_block *b, int opcode, span payload)
{
    assert(b->cap - b->len >= live_frame_size(payload.n));
    unsigned char *p = (unsigned char *)b->data + b->len;
    *p++ = (unsigned char)(0x80 | opcode);
    if (payload.n < 126) {
        *p++ = (unsigned char)payload.n;
    } else {
        int width = payload.n < 65536 ? 2 : 8;
        *p++ = width == 2 ? 126 : 127;
        for (int shift = (width - 1) * 8; shift >= 0; shift -= 8)
            *p++ = (unsigned char)((uint64_t)payload.n >> shift);
    }
    if (payload.n) memcpy(p, payload.p, payload.n);
    b->len += live_frame_size(payload.n);
}

/* Makes sure that `need` bytes fit into the current block; blocks grow with use, so that a quiet room costs little. */
static bool writer_reserve(struct live_writer *w, size_t need)
{
    if (w->block && w->block->cap - w->block->len >= need) return true;
    size_t cap = w->block ? w->block->cap * 2 : BLOCK_MIN;
    if (cap > BLOCK_MAX) cap = BLOCK_MAX;
    if (cap < need) cap = need;
    struct live_block *fresh = live_block_new(cap);
    if (!fresh) return false;
    live_block_unref(w->block);
    w->block = fresh;
    return true;
}

bool live_writer_frame(struct live_writer *w, int opcode, span payload, struct live_piece *out)
{
    size_t size = live_frame_size(payload.n);
    if (size > UINT32_MAX || !writer_reserve(w, size)) return false;
    *out = (struct live_piece){w->block, (uint32_t)w->block->len, (uint32_t)size};
    live_frame_append(w->block, opcode, payload);
    return true;
}

bool live_writer_bytes(struct live_writer *w, const void *p, size_t n, struct live_piece *out)
{
    if (n > UINT32_MAX || !writer_reserve(w, n)) return false;
    *out = (struct live_piece){w->block, (uint32_t)w->block->len, (uint32_t)n};
    memcpy(w->block->data + w->block->len, p, n);
    w->block->len += n;
    return true;
}

void live_writer_fini(struct live_writer *w)
{
    live_block_unref(w->block);
    w->block = NULL;
}
