/* swarm_internal.h: what swarm.c (the loop, time, life cycle) and swarm_conn.c (one connection) share.
 *
 * Sockets are registered once, edge-triggered, for reading and writing: no epoll_ctl() per state change, and a read
 * that brings less than the buffer holds is the last one for that wake-up. Every connection is on exactly one list:
 *
 *     waiting   no socket yet: max_connecting others are in their handshake
 *     running   has a socket; the next step is an event's
 *     ready     has a socket, and bytes that no event will announce again (after a pause, or a long read)
 *     ended     socket closed; on_close() is due
 *
 * Thread: the swarm's. */
#ifndef CONFAB_BENCH_SWARM_INTERNAL_H
#define CONFAB_BENCH_SWARM_INTERNAL_H

#include "bytes.h"
#include "swarm.h"
#include "timer_heap.h"
#include "ws_reader.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/queue.h>

enum {
    SWARM_READ_BUFFER = 256 * 1024, /* bytes; one for the whole swarm */
    SWARM_EVENTS = 1024,            /* handled per epoll_wait() */
};

typedef enum conn_state {
    CONN_WAITING,   /* no socket */
    CONN_HANDSHAKE, /* connecting, or waiting for the 101 */
    CONN_OPEN,
    CONN_CLOSING, /* our close frame is on its way; the server's is awaited */
    CONN_ENDED
} conn_state;

typedef TAILQ_HEAD(conn_list, swarm_conn) conn_list;

struct swarm_conn {
    TAILQ_ENTRY(swarm_conn) entry;
    conn_list *list; /* the one it is on */
    swarm *swarm;
    void *user;
    bytes out;          /* not yet taken by the socket, from out_sent on; at first the upgrade request */
    size_t out_sent;    /* bytes of out that are gone */
    bytes unread;       /* read but not delivered: the head of the answer, or what a pause left over */
    ws_reader reader;   /* partial frames */
    char *close_reason; /* owned */
    size_t close_reason_len;
    int fd; /* -1: none */
    int receive_buffer;
    int http_status;
    int sys_errno;
    uint16_t port;
    uint16_t close_code;
    conn_state state;
    swarm_end end;
    bool paused;
    bool was_open;
};

struct swarm {
    swarm_callbacks callbacks;
    conn_list waiting;
    conn_list running;
    conn_list ready;
    conn_list ended;
    timer_heap timers;
    swarm_stats stats;
    int64_t read_at_ns;
    uint64_t random; /* state of the mask generator */
    int epoll_fd;
    char host[INET_ADDRSTRLEN];
    struct in_addr address;
    uint16_t port;
    unsigned max_connecting;
    unsigned sources;
    unsigned next_source;
    bool stopping;
    bytes frame; /* scratch for the frame being written */
    struct epoll_event events[SWARM_EVENTS];
    char buffer[SWARM_READ_BUFFER];
};

/* Puts a connection on a list, taking it off the one it is on. */
void conn_move_to(swarm_conn *conn, conn_list *list);

/* Closes the socket and puts the connection up for its on_close(). The first call decides; later ones do nothing. */
void conn_end(swarm_conn *conn, swarm_end end, int sys_errno);

/* Opens the socket of a waiting connection and starts to connect. Ends the connection where that fails. */
void conn_start(swarm_conn *conn);

/* Handles what epoll reports. */
void conn_on_event(swarm_conn *conn, uint32_t events);

/* Goes on with a connection from the ready list: what was left undelivered, then the socket. */
void conn_on_ready(swarm_conn *conn);

/* A fresh mask for one client frame. */
uint32_t swarm_next_mask(swarm *s);

/* Frees a connection wherever it is; its socket too, if it has one. */
void conn_free(swarm_conn *conn);

#endif
