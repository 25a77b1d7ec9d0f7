/* frame.h: the client's half of the protocol: reads server frames in one walk, writes the few commands that the demo sends.
 *
 * Ownership: a frame's spans point into the text it was read from.  Thread: any (no state).  Units: bytes. */
#ifndef CONFAB_DEMO_FRAME_H
#define CONFAB_DEMO_FRAME_H

#include "bytes.h"
#include "peek.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum frame_kind {
    FRAME_OTHER = 0,    /* of no concern here: pong, left, history, … */
    FRAME_EPHEMERAL,    /* user_joined, user_left, typing, presence */
    FRAME_AUTH_SUCCESS, /* epoch */
    FRAME_JOINED,       /* room, last_id, epoch, recovery, gap_from, gap_to */
    FRAME_CAUGHT_UP,    /* room, last_id */
    FRAME_ACK,          /* room, id, client_id, duplicate */
    FRAME_ERROR,        /* code, room, client_id, retry_after_ms */
    FRAME_MESSAGE,      /* an event: room, id, user, message, hash */
    FRAME_EVENT         /* another event of the log: room, id, hash */
} frame_kind;

typedef enum frame_recovery { FRAME_FRESH = 0, FRAME_RESUMED, FRAME_GAP, FRAME_EPOCH_CHANGED, FRAME_RECOVERY_COUNT } frame_recovery;

typedef struct frame {
    frame_kind kind;
    peek_span type;
    peek_span room;
    peek_span user;
    peek_span message; /* still escaped */
    peek_span client_id;
    peek_span code;
    peek_span epoch;
    int64_t id; /* 0 where there is none */
    int64_t last_id;
    int64_t gap_from;
    int64_t gap_to;
    int64_t retry_after_ms;
    frame_recovery recovery;
    bool duplicate;
    /* Events: over the type and every member of data but client_id (which only its author needs to see). The same event
     * must hash the same for every reader, live or replayed. */
    uint64_t hash;
} frame;

/* Reads a frame. Returns false for text that is no frame of the protocol: no type, or an event, ack or joined without its room or id. */
bool frame_read(const char *text, size_t len, frame *out);

const char *frame_recovery_word(frame_recovery r);

/* Commands. Each replaces the content of *out. Return false when out of memory. after < 0: from now on. */
bool frame_write_join(bytes *out, const char *room, int64_t after, const char *epoch);
bool frame_write_message(bytes *out, const char *room, const char *text, size_t len, size_t client_number);

/* The number in a client_id that frame_write_message() made; false for any other client_id. */
bool frame_client_number(peek_span client_id, size_t *out_number);

/* Bytes that frame_write_message() writes at most around text that needs no escape. */
#define FRAME_MESSAGE_OVERHEAD ((size_t)192)

#endif
