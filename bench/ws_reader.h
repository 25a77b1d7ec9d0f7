/* ws_reader.h: the client's half of RFC 6455 framing: bytes in, whole messages out.
 *
 * A message that lies whole in the bytes given is returned where it lies. Only what is left over at the end of a read,
 * and messages in fragments, are copied and kept until the rest comes; an idle reader holds no memory.
 *
 * Ownership: the reader owns what it keeps; messages are borrowed until the next call.  Thread: one at a time.
 * Units: bytes. */
#ifndef CONFAB_BENCH_WS_READER_H
#define CONFAB_BENCH_WS_READER_H

#include "bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Above this a message is an error: no server frame of a chat is that large. */
#define WS_READER_MAX_MESSAGE ((size_t)16 << 20)

enum { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

typedef struct ws_reader {
    bytes frame;           /* the beginning of a frame whose end has not come yet */
    bytes message;         /* the fragments of a message so far */
    int opcode;            /* of the message in fragments; 0: none is under way */
    bool frame_returned;   /* the last message returned lies in .frame: drop it at the next call */
    bool message_returned; /* the same for .message */
} ws_reader;

/* What is left of the bytes of one read; ws_reader_next() moves it on. */
typedef struct ws_input {
    const char *at;
    size_t len;
} ws_input;

typedef struct ws_message {
    int opcode;       /* WS_TEXT, WS_BINARY, WS_CLOSE, WS_PING or WS_PONG */
    const char *data; /* borrowed until the next call on this reader, or until the input's memory changes */
    size_t len;
} ws_message;

typedef enum ws_result {
    WS_MESSAGE,      /* *out_message is a whole message; call again, there may be more */
    WS_NEED_MORE,    /* all of the input is used up */
    WS_BROKEN,       /* the server broke the protocol; nothing more can be read */
    WS_OUT_OF_MEMORY /* the reader could not keep a partial frame */
} ws_result;

/* Takes the next message from *input. A zeroed ws_reader is a fresh one. */
ws_result ws_reader_next(ws_reader *reader, ws_input *input, ws_message *out_message);

/* Frees what is kept; the reader is fresh again. */
void ws_reader_fini(ws_reader *reader);

/* The room a client's text frame needs around `len` bytes of text, at most. */
#define WS_CLIENT_HEADER_MAX 14

/* Writes one masked client frame (FIN set) to out, which has WS_CLIENT_HEADER_MAX + len bytes. Returns its length. */
size_t ws_write_frame(char *out, int opcode, uint32_t mask, const char *data, size_t len);

#endif
