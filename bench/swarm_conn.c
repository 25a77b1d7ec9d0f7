/* swarm_conn.c: one connection of a swarm, from the connect to the close. See swarm_internal.h. */
#include "handshake.h"
#include "swarm_internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READS_IN_A_ROW = 8,     /* full buffers taken from one socket before the others get their turn */
    CLOSE_CODE_NONE = 1005, /* RFC 6455: a close frame without a code */
};

/* ---- being on a list, and ending ---- */

void conn_move_to(swarm_conn *conn, conn_list *list)
{
    if (conn->list != NULL) {
        TAILQ_REMOVE(conn->list, conn, entry);
    }
    TAILQ_INSERT_TAIL(list, conn, entry);
    conn->list = list;
}

static void close_socket(swarm_conn *conn)
{
    if (conn->fd >= 0) {
        close(conn->fd); /* leaves the epoll set by itself */
        conn->fd = -1;
    }
}

void conn_free(swarm_conn *conn)
{
    close_socket(conn);
    TAILQ_REMOVE(conn->list, conn, entry);
    bytes_fini(&conn->out);
    bytes_fini(&conn->unread);
    ws_reader_fini(&conn->reader);
    free(conn->close_reason);
    free(conn);
}

void conn_end(swarm_conn *conn, swarm_end end, int sys_errno)
{
    swarm_stats *stats = &conn->swarm->stats;
    if (conn->state == CONN_ENDED) {
        return;
    }
    stats->waiting -= conn->state == CONN_WAITING;
    stats->connecting -= conn->state == CONN_HANDSHAKE;
    stats->open -= conn->was_open;
    stats->bytes_queued -= swarm_queued_bytes(conn);
    close_socket(conn);
    conn->state = CONN_ENDED;
    conn->end = end;
    conn->sys_errno = sys_errno;
    conn_move_to(conn, &conn->swarm->ended);
}

void swarm_abort(swarm_conn *conn) { conn_end(conn, SWARM_END_ABORTED, 0); }

/* ---- writing ---- */

/* Sends what the socket takes of data. Returns how much that was; a failure ends the connection and returns -1. */
static ssize_t conn_send(swarm_conn *conn, const char *data, size_t len)
{
    ssize_t sent = 0;
    do {
        sent = send(conn->fd, data, len, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == EAGAIN) {
        return 0;
    }
    if (sent < 0) {
        conn_end(conn, SWARM_END_SYSTEM, errno);
    }
    return sent;
}

/* Sends on with what waits in conn->out; what the socket does not take now, the next edge of EPOLLOUT does. */
static void conn_flush(swarm_conn *conn)
{
    const ssize_t sent = conn_send(conn, conn->out.at + conn->out_sent, swarm_queued_bytes(conn));
    if (sent < 0) {
        return;
    }
    conn->out_sent += (size_t)sent;
    conn->swarm->stats.bytes_queued -= (size_t)sent;
    if (conn->out_sent == conn->out.len) {
        bytes_fini(&conn->out);
        conn->out_sent = 0;
    }
}

/* Sends one masked frame, keeping what the socket does not take. Returns false when that ended the connection. */
static bool conn_send_frame(swarm_conn *conn, int opcode, const char *data, size_t len)
{
    swarm *s = conn->swarm;
    s->frame.len = 0;
    if (!bytes_reserve(&s->frame, WS_CLIENT_HEADER_MAX + len)) {
        conn_end(conn, SWARM_END_SYSTEM, ENOMEM);
        return false;
    }
    const size_t frame_len = ws_write_frame(s->frame.at, opcode, swarm_next_mask(s), data, len);
    const ssize_t sent = conn->out.len > 0 ? 0 : conn_send(conn, s->frame.at, frame_len);
    if (sent < 0) {
        return false;
    }
    const size_t left = frame_len - (size_t)sent;
    if (left > 0 && !bytes_append(&conn->out, s->frame.at + sent, left)) {
        conn_end(conn, SWARM_END_SYSTEM, ENOMEM);
        return false;
    }
    s->stats.bytes_queued += left;
    return true;
}

bool swarm_send_text(swarm_conn *conn, const char *text, size_t len)
{
    if (conn->state != CONN_OPEN || !conn_send_frame(conn, WS_TEXT, text, len)) {
        return false;
    }
    conn->swarm->stats.frames_out++;
    return true;
}

size_t swarm_queued_bytes(const swarm_conn *conn) { return conn->out.len - conn->out_sent; }

static bool conn_send_close(swarm_conn *conn, uint16_t code)
{
    const char payload[2] = {(char)(code >> 8), (char)(code & 0xFF)};
    return conn_send_frame(conn, WS_CLOSE, payload, code == CLOSE_CODE_NONE ? 0 : sizeof payload);
}

void swarm_close(swarm_conn *conn, uint16_t code)
{
    if (conn->state == CONN_WAITING || conn->state == CONN_HANDSHAKE) {
        swarm_abort(conn);
    } else if (conn->state == CONN_OPEN && conn_send_close(conn, code)) {
        conn->state = CONN_CLOSING;
        swarm_resume_reading(conn);
    }
}

/* ---- reading ---- */

/* The server's close frame: remembers what it says and answers it. */
static void take_close(swarm_conn *conn, const ws_message *message)
{
    conn->close_code = CLOSE_CODE_NONE;
    if (message->len >= 2) {
        const unsigned char *code = (const unsigned char *)message->data;
        conn->close_code = (uint16_t)(code[0] << 8 | code[1]);
        conn->close_reason_len = message->len - 2;
        conn->close_reason = malloc(conn->close_reason_len + 1);
        if (conn->close_reason == NULL) {
            conn_end(conn, SWARM_END_SYSTEM, ENOMEM);
            return;
        }
        memcpy(conn->close_reason, message->data + 2, conn->close_reason_len);
    }
    if (conn->state == CONN_CLOSING || conn_send_close(conn, conn->close_code)) {
        conn_end(conn, SWARM_END_CLOSED, 0);
    }
}

static void take_message(swarm_conn *conn, const ws_message *message)
{
    swarm *s = conn->swarm;
    switch (message->opcode) {
    case WS_TEXT:
        if (conn->state == CONN_OPEN) {
            s->stats.frames_in++;
            if (s->callbacks.on_frame != NULL) {
                s->callbacks.on_frame(conn, conn->user, message->data, message->len);
            }
        }
        break;
    case WS_PING:
        if (conn->state == CONN_OPEN) {
            (void)conn_send_frame(conn, WS_PONG, message->data, message->len); /* a failure has ended the connection */
        }
        break;
    case WS_CLOSE:
        take_close(conn, message);
        break;
    case WS_PONG:
        break;
    default: /* binary: no server of this protocol sends it */
        conn_end(conn, SWARM_END_PROTOCOL, 0);
        break;
    }
}

/* Delivers frames until the bytes are used up, the reader pauses (the rest is kept), or the connection ends. */
static void take_frames(swarm_conn *conn, const char *data, size_t len)
{
    ws_input input = {data, len};
    while (conn->state != CONN_ENDED && !conn->paused) {
        ws_message message;
        switch (ws_reader_next(&conn->reader, &input, &message)) {
        case WS_MESSAGE:
            take_message(conn, &message);
            break;
        case WS_NEED_MORE:
            return;
        case WS_BROKEN:
            conn_end(conn, SWARM_END_PROTOCOL, 0);
            return;
        case WS_OUT_OF_MEMORY:
            conn_end(conn, SWARM_END_SYSTEM, ENOMEM);
            return;
        }
    }
    if (conn->state != CONN_ENDED && !bytes_append(&conn->unread, input.at, input.len)) {
        conn_end(conn, SWARM_END_SYSTEM, ENOMEM);
    }
}

static void open_conn(swarm_conn *conn)
{
    swarm *s = conn->swarm;
    conn->state = CONN_OPEN;
    conn->was_open = true;
    s->stats.connecting--;
    s->stats.open++;
    if (s->callbacks.on_open != NULL) {
        s->callbacks.on_open(conn, conn->user);
    }
}

/* Judges the handshake's answer; what follows it are the first frames. */
static void take_answer(swarm_conn *conn, const char *data, size_t len)
{
    size_t header_len = 0;
    switch (handshake_parse(data, len, &conn->http_status, &header_len)) {
    case HANDSHAKE_NEED_MORE:
        if (!bytes_append(&conn->unread, data, len)) {
            conn_end(conn, SWARM_END_SYSTEM, ENOMEM);
        }
        break;
    case HANDSHAKE_REFUSED:
        conn_end(conn, SWARM_END_REFUSED, 0);
        break;
    case HANDSHAKE_BAD:
        conn_end(conn, SWARM_END_HANDSHAKE, 0);
        break;
    case HANDSHAKE_DONE:
        open_conn(conn);
        take_frames(conn, data + header_len, len - header_len);
        break;
    }
}

/* Takes freshly read bytes, after those that an earlier read left over. */
static void take_bytes(swarm_conn *conn, const char *data, size_t len)
{
    bytes joined = {0};
    if (conn->unread.len > 0) {
        joined = conn->unread;
        conn->unread = (bytes){0};
        if (!bytes_append(&joined, data, len)) {
            conn_end(conn, SWARM_END_SYSTEM, ENOMEM);
        }
        data = joined.at;
        len = joined.len;
    }
    if (conn->state == CONN_HANDSHAKE) {
        take_answer(conn, data, len);
    } else {
        take_frames(conn, data, len);
    }
    bytes_fini(&joined);
}

/* Reads until the socket is empty. `all`: a short read is no proof of that, a hang-up may lie behind it. */
static void conn_read(swarm_conn *conn, bool all)
{
    swarm *s = conn->swarm;
    for (int reads = 0; conn->state != CONN_ENDED && !conn->paused; reads++) {
        if (reads == READS_IN_A_ROW) {
            conn_move_to(conn, &s->ready);
            return;
        }
        const ssize_t n = recv(conn->fd, s->buffer, sizeof s->buffer, 0);
        if (n > 0) {
            s->read_at_ns = swarm_now_ns();
            s->stats.reads++;
            s->stats.bytes_in += (size_t)n;
            take_bytes(conn, s->buffer, (size_t)n);
            if ((size_t)n < sizeof s->buffer && !all) {
                return;
            }
        } else if (n == 0) {
            conn_end(conn, conn->state == CONN_HANDSHAKE ? SWARM_END_HANDSHAKE : SWARM_END_EOF, 0);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            conn_end(conn, SWARM_END_SYSTEM, errno);
        }
    }
}

void conn_on_ready(swarm_conn *conn)
{
    if (conn->unread.len > 0 && conn->state != CONN_HANDSHAKE) {
        take_bytes(conn, "", 0);
    }
    conn_read(conn, true);
}

void conn_on_event(swarm_conn *conn, uint32_t events)
{
    const uint32_t hang_up = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    if (conn->state == CONN_ENDED) {
        return; /* ended by a callback earlier in this batch */
    }
    if ((events & EPOLLOUT) != 0 && (events & EPOLLERR) == 0 && conn->out.len > 0) {
        conn_flush(conn);
    }
    if ((events & EPOLLIN) != 0 || hang_up != 0) {
        conn_read(conn, hang_up != 0);
    }
}

void swarm_pause_reading(swarm_conn *conn) { conn->paused = true; }

void swarm_resume_reading(swarm_conn *conn)
{
    if (conn->paused && conn->fd >= 0) {
        conn_move_to(conn, &conn->swarm->ready);
    }
    conn->paused = false;
}

/* ---- connecting ---- */

/* Takes the next source address in turn. With one only, the kernel chooses by itself. */
static bool bind_source(swarm *s, int fd)
{
    if (s->sources <= 1) {
        return true;
    }
    const int on = 1; /* the port is chosen at connect(), so one port can serve several destinations */
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + s->next_source++ % s->sources);
    return setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0 &&
           bind(fd, (const struct sockaddr *)&source, sizeof source) == 0;
}

/* Returns false with errno set. */
static bool open_socket(swarm_conn *conn)
{
    swarm *s = conn->swarm;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) {
        return false;
    }
    const int on = 1;
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* without it: slower, not wrong */
    if (conn->receive_buffer > 0 && setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUF, &conn->receive_buffer, sizeof conn->receive_buffer) != 0) {
        return false;
    }
    const struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(conn->port), .sin_addr = s->address};
    if (!bind_source(s, conn->fd) || (connect(conn->fd, (const struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS)) {
        return false;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = conn}};
    return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) == 0;
}

void conn_start(swarm_conn *conn)
{
    swarm *s = conn->swarm;
    s->stats.waiting--;
    s->stats.connecting++;
    conn->state = CONN_HANDSHAKE;
    conn_move_to(conn, &s->running);
    if (!open_socket(conn)) {
        conn_end(conn, SWARM_END_SYSTEM, errno);
    }
}

swarm_conn *swarm_connect(swarm *s, const swarm_target *target)
{
    swarm_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        return NULL;
    }
    conn->swarm = s;
    conn->user = target->user;
    conn->fd = -1;
    conn->receive_buffer = target->receive_buffer;
    conn->port = target->port != 0 ? target->port : s->port;
    if (!handshake_write_request(&conn->out, s->host, conn->port, target->path, target->token, target->headers)) {
        free(conn);
        return NULL;
    }
    s->stats.bytes_queued += conn->out.len;
    s->stats.waiting++;
    conn_move_to(conn, &s->waiting);
    return conn;
}

bool swarm_is_open(const swarm_conn *conn) { return conn->state == CONN_OPEN; }

void *swarm_user(const swarm_conn *conn) { return conn->user; }

void swarm_set_user(swarm_conn *conn, void *user) { conn->user = user; }

swarm *swarm_of(const swarm_conn *conn) { return conn->swarm; }
