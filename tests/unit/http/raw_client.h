/* A client that speaks bytes: what it sends is what a test says, malformed or not. */
#ifndef TESTS_RAW_CLIENT_H
#define TESTS_RAW_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RAW_PATIENCE_S 20 /* a test that waits so long has failed */

static inline int raw_connect(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = RAW_PATIENCE_S};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
    (void)close(fd);
    return -1;
}

static inline bool raw_send(int fd, const void *bytes, size_t n)
{
    for (size_t sent = 0; sent < n;) {
        ssize_t k = send(fd, (const char *)bytes + sent, n - sent, MSG_NOSIGNAL);
        if (k <= 0) return false;
        sent += (size_t)k;
    }
    return true;
}

static inline bool raw_send_text(int fd, const char *text) { return raw_send(fd, text, strlen(text)); }

/* Reads until `out` holds a whole head (returns its length, blank line included); 0: the peer closed or was silent before that. */
static inline size_t raw_read_head(int fd, char *out, size_t cap)
{
    size_t n = 0;
    while (n + 1 < cap) {
        if (recv(fd, out + n, 1, 0) != 1) return 0;
        out[++n] = '\0';
        if (n >= 4 && memcmp(out + n - 4, "\r\n\r\n", 4) == 0) return n;
    }
    return 0;
}

/* Everything until the peer closes; NUL-terminated. Returns its length; what does not fit is dropped. */
static inline size_t raw_read_all(int fd, char *out, size_t cap)
{
    size_t n = 0;
    char piece[4096];
    for (ssize_t k; (k = recv(fd, piece, sizeof piece, 0)) > 0;) {
        size_t take = (size_t)k < cap - 1 - n ? (size_t)k : cap - 1 - n;
        memcpy(out + n, piece, take);
        n += take;
    }
    out[n] = '\0';
    return n;
}

static inline bool raw_read_exactly(int fd, void *out, size_t n) { return recv(fd, out, n, MSG_WAITALL) == (ssize_t)n; }

/* True when the peer has closed (or reset) and nothing more comes. */
static inline bool raw_is_closed(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* The value of a header within a head; false where it is not there. */
static inline bool raw_header(const char *head, const char *name, char *out, size_t cap)
{
    size_t n = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, n) != 0 || line[2 + n] != ':') continue;
        const char *value = line + 3 + n + strspn(line + 3 + n, " ");
        size_t length = strcspn(value, "\r");
        if (length >= cap) return false;
        memcpy(out, value, length);
        out[length] = '\0';
        return true;
    }
    return false;
}

/* One answer with Content-Length: status, head and body. -1: none came. */
static inline int raw_read_answer(int fd, char *head, size_t head_cap, char *body, size_t body_cap)
{
    char length[32];
    int status = -1;
    if (raw_read_head(fd, head, head_cap) == 0 || sscanf(head, "HTTP/1.1 %d", &status) != 1) return -1;
    size_t n = 0;
    if (raw_header(head, "Content-Length", length, sizeof length) && sscanf(length, "%zu", &n) != 1) return -1;
    if (n >= body_cap) return -1;
    if (n && !raw_read_exactly(fd, body, n)) return -1;
    body[n] = '\0';
    return status;
}

#define RAW_HANDSHAKE                                                                                                                      \
    "Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                                        \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* Descriptors this process has open. */
static inline int raw_count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += dup2(fd, fd) == fd;
    return count;
}

#endif
