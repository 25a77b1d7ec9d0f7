/* rest.c: see rest.h. */
#include "rest.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { TIMEOUT_S = 10, HEAD_MAX = 2048 };

static int connect_to(uint16_t port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout); /* without them: a hang instead of a failure */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        const ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* The connection is closed by the server (we ask for it), so the answer ends where the stream does. */
static bool receive_all(int fd, bytes *answer)
{
    for (;;) {
        if (!bytes_reserve(answer, 4096)) {
            return false;
        }
        const ssize_t n = recv(fd, answer->at + answer->len, 4096, 0);
        if (n < 0) {
            return false;
        }
        if (n == 0) {
            return true;
        }
        answer->len += (size_t)n;
    }
}

static int parse_answer(const bytes *answer, bytes *out_body)
{
    int status = -1;
    const char *body = answer->len > 12 ? memmem(answer->at, answer->len, "\r\n\r\n", 4) : NULL;
    if (body == NULL || memcmp(answer->at, "HTTP/1.", 7) != 0) {
        return -1;
    }
    status = (answer->at[9] - '0') * 100 + (answer->at[10] - '0') * 10 + (answer->at[11] - '0');
    body += 4;
    if (out_body != NULL && !bytes_append(out_body, body, answer->len - (size_t)(body - answer->at))) {
        return -1;
    }
    return status;
}

int rest_request(uint16_t port, const char *method, const char *path, const char *token, const char *body, bytes *out_body)
{
    char head[HEAD_MAX];
    bytes answer = {0};
    int status = -1;
    const size_t body_len = body != NULL ? strlen(body) : 0;
    const int head_len = snprintf(
        head, sizeof head,
        "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n%s%s%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
        method, path, port, token != NULL ? "Authorization: Bearer " : "", token != NULL ? token : "", token != NULL ? "\r\n" : "",
        body_len);
    const int fd = head_len > 0 && (size_t)head_len < sizeof head ? connect_to(port) : -1;
    if (fd < 0) {
        return -1;
    }
    if (send_all(fd, head, (size_t)head_len) && (body_len == 0 || send_all(fd, body, body_len)) && receive_all(fd, &answer)) {
        status = parse_answer(&answer, out_body);
    }
    bytes_fini(&answer);
    (void)close(fd);
    return status;
}
