/* swarm.h: thousands of WebSocket clients in one thread.
 *
 * The benchmark (bench/load.c) and the demo (demo/) are clients of a chat server and must cost far less than the server
 * they measure. A swarm is one epoll set, one read buffer for all its connections and a little memory per connection;
 * a frame that arrives whole is handed over where it was read, without a copy and without an allocation.
 *
 * Thread: a swarm and everything in it belong to one thread. Different swarms may live on different threads.
 * Re-entrance: callbacks run inside swarm_poll() and swarm_run() only. They may call every function of this header
 *   except swarm_poll(), swarm_run() and swarm_free().
 * Reach: loopback only. A load generator that cannot be pointed at somebody else's machine needs no further guard.
 * Units: times are nanoseconds of CLOCK_MONOTONIC where the name ends in _ns, milliseconds where it ends in _ms.
 *
 * Related: bench/peek.h reads members of server frames and escapes text, bench/ws_reader.h is the frame parser. */
#ifndef CONFAB_BENCH_SWARM_H
#define CONFAB_BENCH_SWARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct swarm swarm;           /* one epoll set and its connections */
typedef struct swarm_conn swarm_conn; /* one WebSocket connection */

/* Why a connection ended. */
typedef enum swarm_end {
    SWARM_END_CLOSED = 0, /* close frames were exchanged; code and reason are the server's */
    SWARM_END_EOF,        /* the server hung up without a close frame */
    SWARM_END_ABORTED,    /* swarm_abort() */
    SWARM_END_REFUSED,    /* the handshake was answered with another status than 101 (http_status) */
    SWARM_END_HANDSHAKE,  /* the answer was no WebSocket handshake, or Sec-WebSocket-Accept was wrong */
    SWARM_END_PROTOCOL,   /* the server broke RFC 6455 */
    SWARM_END_SYSTEM,     /* a system call failed (sys_errno); ECONNREFUSED, ECONNRESET, … */
} swarm_end;

/* How a connection ended; valid during on_close() only. */
typedef struct swarm_close_info {
    swarm_end end;
    int http_status;    /* status of the handshake's answer, 0 where there was none */
    int sys_errno;      /* errno for SWARM_END_SYSTEM, else 0 */
    uint16_t code;      /* close code of the server's close frame, 1005 where it had none, 0 without such a frame */
    const char *reason; /* close reason, not NUL terminated; borrowed */
    size_t reason_len;  /* bytes */
    bool was_open;      /* on_open() had been called */
} swarm_close_info;

/* What happens to a connection. Every started connection ends in exactly one on_close(), after which its pointer is
 * dead. Any of them may be NULL. */
typedef struct swarm_callbacks {
    /* The handshake is done: status 101 and the right Sec-WebSocket-Accept. */
    void (*on_open)(swarm_conn *conn, void *user);
    /* One whole text message (fragments are put together). text is borrowed, not NUL terminated. */
    void (*on_frame)(swarm_conn *conn, void *user, const char *text, size_t len);
    void (*on_close)(swarm_conn *conn, void *user, const swarm_close_info *info);
} swarm_callbacks;

typedef struct swarm_config {
    const char *host;          /* IPv4 loopback address; NULL is "127.0.0.1" */
    uint16_t port;             /* default port of the connections */
    unsigned max_connecting;   /* handshakes under way at once; more wait their turn; 0 is 256 */
    unsigned source_addresses; /* clients spread over 127.0.0.1 … 127.0.0.N, about 28,000 ports each; 0 is 1, at most 250 */
    swarm_callbacks callbacks;
} swarm_config;

/* One connection to make. Strings are copied. */
typedef struct swarm_target {
    const char *path;    /* request target, "/ws/chat/general"; required */
    const char *token;   /* sent as "Authorization: Bearer …"; NULL: none */
    const char *headers; /* further header lines, each ending in CRLF; NULL: none */
    uint16_t port;       /* 0: the swarm's */
    int receive_buffer;  /* SO_RCVBUF in bytes, for readers that stall; 0: the system's */
    void *user;          /* handed to the callbacks */
} swarm_target;

typedef struct swarm_stats {
    size_t open;           /* handshake done, not ended */
    size_t connecting;     /* handshake under way */
    size_t waiting;        /* waiting for a handshake slot */
    uint64_t frames_in;    /* text messages received, ever */
    uint64_t bytes_in;     /* bytes received, ever, framing and handshakes included */
    uint64_t frames_out;   /* text messages accepted by swarm_send_text(), ever */
    uint64_t reads;        /* recv() calls that brought bytes, ever */
    uint64_t bytes_queued; /* bytes waiting in user space for full sockets, now */
} swarm_stats;

/* A one-shot timer in the caller's memory. Zero it once; the fields belong to the swarm while it is armed.
 * The memory must outlive the armed timer. */
typedef struct swarm_timer {
    void (*fire)(struct swarm_timer *timer, void *user);
    void *user;
    int64_t due_ns;
    size_t place; /* 1 + index in the heap; 0: not armed */
} swarm_timer;

/* ---- life cycle ---- */

/* Makes an empty swarm. Returns owned, or NULL with errno set (EINVAL: host is no IPv4 loopback address). */
swarm *swarm_new(const swarm_config *config);

/* Closes all sockets at once and frees everything. Calls no callback. Accepts NULL. */
void swarm_free(swarm *s);

/* ---- connections ---- */

/* Queues a connection; never blocks. Returns the connection (owned by the swarm until its on_close), or NULL when out
 * of memory. All later trouble, a refused connect included, arrives in on_close(). */
swarm_conn *swarm_connect(swarm *s, const swarm_target *target);

/* Sends one text message, masked. What the socket does not take is copied and sent when it does.
 * Returns false when the connection is not open (no longer, or not yet) or memory ran out. */
bool swarm_send_text(swarm_conn *conn, const char *text, size_t len);

/* Starts the closing handshake: no message is sent or delivered after this; on_close follows the server's answer.
 * A connection that is not open yet is aborted. */
void swarm_close(swarm_conn *conn, uint16_t code);

/* Drops the connection without a word, as a lost network does; the kernel sends FIN, or RST where bytes were unread.
 * on_close (SWARM_END_ABORTED) comes in the current or next swarm_poll(). */
void swarm_abort(swarm_conn *conn);

/* Stops reading from the socket: the kernel's buffers fill and the server meets a reader that takes nothing. No
 * frame is delivered while paused, pings stay unanswered, and a connection that the server ends is noticed only after
 * swarm_resume_reading(). The rest of an already read batch is kept, not delivered. */
void swarm_pause_reading(swarm_conn *conn);
void swarm_resume_reading(swarm_conn *conn);

bool swarm_is_open(const swarm_conn *conn);
void *swarm_user(const swarm_conn *conn);
void swarm_set_user(swarm_conn *conn, void *user);
swarm *swarm_of(const swarm_conn *conn);

/* Bytes that wait in user space because the socket is full. */
size_t swarm_queued_bytes(const swarm_conn *conn);

/* ---- time ---- */

/* Arms (or moves) a timer to fire once, delay_ms from now, in swarm_poll(). Returns false when out of memory. */
bool swarm_arm(swarm *s, swarm_timer *timer, int64_t delay_ms, void (*fire)(swarm_timer *timer, void *user), void *user);

/* Disarms; a timer that is not armed is left alone. */
void swarm_disarm(swarm *s, swarm_timer *timer);

/* CLOCK_MONOTONIC now. */
int64_t swarm_now_ns(void);

/* When the bytes of the frame being delivered were read; outside on_frame(): when the swarm last woke up. Costs nothing. */
int64_t swarm_read_at_ns(const swarm *s);

/* ---- running ---- */

/* Waits up to timeout_ms (0: not at all; negative: until something happens) and handles what is ready.
 * Returns false when epoll itself failed (errno set). */
bool swarm_poll(swarm *s, int timeout_ms);

/* Polls until swarm_stop(), timeout_ms have passed (negative: no limit), or no connection and no armed timer is left.
 * Returns true for swarm_stop(), false otherwise. */
bool swarm_run(swarm *s, int64_t timeout_ms);

/* Makes the running swarm_run() return after the current round; from a callback. */
void swarm_stop(swarm *s);

/* Fills *out_stats. Costs nothing: counters only. */
void swarm_get_stats(const swarm *s, swarm_stats *out_stats);

#endif
