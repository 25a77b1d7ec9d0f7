/* run.h: one run of the demo, and what its parts share.
 *
 *     people.c   a connection per user: connects, joins, hands on what arrives, comes back after every loss
 *     speech.c   a reading per room: sends the file's lines in order, each by its nick, until it is acknowledged
 *     mishap.c   what goes wrong on purpose: readers drop, the server is killed
 *     readback.c the end: each room read once more by somebody new
 *     run.c      the phases, one after the other
 *
 * Ownership: a run owns what it points to, unless noted.  Thread: main, inside swarm_poll(). */
#ifndef CONFAB_DEMO_RUN_H
#define CONFAB_DEMO_RUN_H

#include "corpus.h"
#include "frame.h"
#include "host.h"
#include "ledger.h"
#include "options.h"
#include "plan.h"
#include "swarm.h"

typedef enum person_state {
    PERSON_OUT = 0,    /* no connection; the timer brings one */
    PERSON_CONNECTING, /* handshake, or waiting for auth_success */
    PERSON_IN
} person_state;

typedef struct person {
    char *token;
    swarm_conn *conn;  /* NULL in PERSON_OUT */
    swarm_timer timer; /* for coming back */
    int64_t since_ns;  /* when the state was entered */
    uint32_t away_ms;  /* a planned absence that begins with the end of this connection */
    uint16_t failures; /* attempts in a row that did not get in */
    person_state state;
    bool was_in; /* before: the next time is a reconnect */
} person;

/* A person's place in a room, on the present connection; indexed like the ledger's cursors. */
typedef struct seat {
    bool joined;
    bool replaying; /* between `joined` with recovery and `caught_up` */
} seat;

typedef struct speech {
    size_t next;       /* line within the room */
    swarm_timer timer; /* the pace, or a pause before a retry */
    int64_t sent_ns;
    unsigned attempts; /* of that line */
    bool in_flight;
} speech;

typedef struct run_stats {
    uint64_t connects;         /* got in for the first time */
    uint64_t reconnects;       /* got in again */
    uint64_t connect_failures; /* attempts that did not get in (most while the server is dead) */
    uint64_t drops;            /* readers that dropped as planned */
    uint64_t kills;            /* SIGKILLs */
    uint64_t crashes;          /* ends of the server that nobody asked for */
    uint64_t server_closes;    /* connections that the living server closed */
    uint64_t joins[FRAME_RECOVERY_COUNT];
    uint64_t replayed;          /* events that came between joined and caught_up */
    uint64_t ephemeral;         /* frames outside the log */
    uint64_t duplicates;        /* acks that say duplicate */
    uint64_t resends;           /* lines sent again with the same client_id */
    uint64_t late_acks;         /* the part of them for which a living connection brought no ack in time */
    uint64_t late_joins;        /* joins that were not answered in time */
    uint64_t errors;            /* error frames */
    uint64_t refused_lines;     /* lines that the server will not take: the run has failed */
    uint64_t unreadable_frames; /* the run has failed */
    uint64_t epoch_changes;     /* the run has failed */
} run_stats;

typedef struct run_result {
    ledger_verdict verdict;
    ledger_counts counts;
    uint64_t readback_lines;    /* messages read back */
    uint64_t readback_wrong;    /* text or author differs from the corpus, or the id from the ack's */
    uint64_t readback_missing;  /* lines that are not there */
    uint64_t readback_surplus;  /* messages that are no line */
    uint64_t readback_holes;    /* ids that were skipped, repeated or in the wrong order */
    uint64_t expected_messages; /* deliveries of messages if all goes well: lines times members, summed up over the rooms */
    uint64_t talk_deliveries;   /* the part of counts.deliveries that came while talking, not while people joined */
    double setup_s;
    double connect_s;
    double talk_s; /* from the first line sent until every reader is level */
    double readback_s;
    bool stalled;    /* given up: nothing moved */
    bool clean_stop; /* SIGTERM at the end: exit code 0 in time */
    bool passed;
} run_result;

typedef struct run {
    const options *options; /* borrowed */
    corpus *corpus;
    ledger *ledger;
    plan plan;
    host host;
    swarm *swarm;
    person *people;   /* by user */
    seat *seats;      /* by cursor */
    speech *speeches; /* by room */
    char *admin_token;
    bytes command; /* scratch for frames to send */
    char epoch[64];
    run_stats stats;
    run_result result;
    uint64_t random;     /* for jitter */
    size_t in_count;     /* people in PERSON_IN */
    size_t joined_count; /* seats that are joined */
    size_t done_lines;   /* acknowledged or refused */
    size_t next_drop, next_kill;
    swarm_timer kill_timer;
    int64_t talk_start_ns;     /* 0: not talking yet */
    uint64_t shown_deliveries; /* at the last progress line, for the rate since then */
    int64_t shown_ns;
    uint64_t quiet_deliveries; /* since quiet_ns no more than these came */
    int64_t quiet_ns;
    bool kill_armed;
    bool server_was_reached; /* somebody got in since the server's last start */
    bool fatal;              /* problem says why */
    char problem[512];
    char last_error[256]; /* the last error frame that was unexpected */
} run;

/* ---- people.c ---- */

/* Lets a person come after delay_ms. */
void person_come(run *r, uint32_t user, int64_t delay_ms);
/* Drops a person's connection; they stay away for away_ms. Nothing happens where there is none. */
void person_drop(run *r, uint32_t user, uint32_t away_ms, bool polite);
/* Ends connections that got stuck. Called now and then. */
void people_sweep(run *r);
extern const swarm_callbacks people_callbacks;

/* ---- speech.c ---- */

/* Sends the room's next line, if it is due and its nick is there. Harmless at any time. */
void speech_go(run *r, uint32_t room);
void speech_on_ack(run *r, const frame *ack);
/* An error that names a line. */
void speech_on_error(run *r, const frame *error);
/* The person's connection is gone: their line on its way, if any, must be sent again. */
void speech_on_gone(run *r, uint32_t user, uint32_t room);
/* Sends lines again whose ack is overdue. Called now and then. */
void speech_sweep(run *r);

/* ---- mishap.c ---- */

/* Does what the plan has for this moment. Called after each acknowledged line. */
void mishap_on_progress(run *r);
/* Notices a server that ended by itself, and starts it again. Called now and then. */
void mishap_sweep(run *r);
bool mishap_is_over(const run *r);

/* ---- readback.c ---- */

/* Reads every room through a fresh cursor into result.readback_*. False when it could not (problem says why). */
bool readback_all(run *r);

/* ---- run.c ---- */

/* Everything. Returns true when the run went to its end, whatever the result; false with r->problem. */
bool run_all(run *r, const options *o);
void run_free(run *r);

#endif
