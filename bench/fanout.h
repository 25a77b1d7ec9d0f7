/* fanout.h: a steady load: in every room, a fixed number of messages is under way.
 *
 * A message is finished when every counted member of its room has received it; then the next member in turn says the
 * next one. So the load adapts to the server, and every delivery is measured from its send() to the read() that
 * brought it.
 *
 * Ownership: borrows the crowd.  Thread: the crowd's. */
#ifndef CONFAB_BENCH_FANOUT_H
#define CONFAB_BENCH_FANOUT_H

#include "load.h"

typedef struct fanout_room {
    uint64_t next_number; /* of its next message */
    unsigned next_sender; /* whose turn it is, among its members */
} fanout_room;

/* One message under way. */
typedef struct fanout_slot {
    uint64_t number;    /* within its room */
    unsigned remaining; /* members who have not received it; 0: the slot is free */
} fanout_slot;

typedef struct fanout {
    crowd *crowd;
    client *left_out;   /* neither sends nor counts as a receiver; NULL: nobody */
    fanout_room *rooms; /* owned */
    fanout_slot *slots; /* owned; in_flight for each room */
    unsigned in_flight;
    unsigned members;
    unsigned under_way; /* slots that are not free */
    bool refill;        /* a finished message is followed by the next */
    char *text;         /* owned; the text of the message being said */
    size_t text_len;
    uint64_t deliveries; /* counted, since the measurement began */
    histogram latency;   /* of those */
} fanout;

typedef struct fanout_sample {
    load_cost cost;
    uint64_t deliveries;
    histogram latency;
} fanout_sample;

/* Makes a crowd of rooms × members whose callbacks feed *f. Returns false with a message on stderr. */
bool fanout_init(fanout *f, const load_options *options, crowd_callbacks callbacks);
void fanout_fini(fanout *f);

/* Looks at a frame. A scenario with an on_frame of its own passes every frame on. */
void fanout_on_frame(client *c, const crowd_frame *frame);

/* Starts the load; runs it, and measures from a fresh start; lets what is under way finish. The latter two return
 * false, with the failure noted in the crowd, when nothing moved for 10 s or an error came. */
void fanout_start(fanout *f);
bool fanout_measure(fanout *f, const load_options *options, unsigned seconds, fanout_sample *out_sample);
bool fanout_drain(fanout *f);

#endif
