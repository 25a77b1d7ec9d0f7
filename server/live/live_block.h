/* Bytes on their way to sockets: blocks of encoded WebSocket frames, written once, shared by reference.
 *
 * A block is append-only while its maker fills it and immutable for everyone else, so one encoding serves a whole room.
 * Reference counts are plain: a block belongs to one loop (a reader thread may fill it before handing it over). */
#ifndef CONFAB_LIVE_BLOCK_H
#define CONFAB_LIVE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "confab/buf.h"

struct live_block {
    size_t refs, len, cap;
    char data[];
};

/* Whole frames, or the rest of one, of a block. Who stores a piece holds a reference to its block. */
struct live_piece {
    struct live_block *block;
    uint32_t off, len;
};

enum { LIVE_OP_TEXT = 1, LIVE_OP_CLOSE = 8, LIVE_OP_PING = 9, LIVE_FRAME_HEADER_MAX = 10 };

struct live_block *live_block_new(size_t cap); /* one reference; NULL: out of memory */
void live_block_ref(struct live_block *b);
void live_block_unref(struct live_block *b); /* accepts NULL */

/* An unmasked server frame (RFC 6455, section 5.2): its length with header, and the bytes themselves. */
size_t live_frame_size(size_t payload);
void live_frame_append(struct live_block *b, int opcode, span payload); /* there must be room: live_frame_size */

/* Where frames are appended one after another: the current block, replaced by a larger one when full. */
struct live_writer {
    struct live_block *block;
};
/* Appends a frame; false: out of memory, nothing appended. The piece borrows: take a reference before the next append. */
bool live_writer_frame(struct live_writer *w, int opcode, span payload, struct live_piece *out);
/* Appends bytes that are frames already. */
bool live_writer_bytes(struct live_writer *w, const void *p, size_t n, struct live_piece *out);
void live_writer_fini(struct live_writer *w);

#endif
