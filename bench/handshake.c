/* handshake.c: see handshake.h. */
#include "handshake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The pair of RFC 6455, section 1.3. The key is not secret and need not vary for a server to prove that it computes
 * the answer; a constant one spares this program a SHA-1. */
#define HANDSHAKE_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define HANDSHAKE_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

bool handshake_write_request(bytes *out, const char *host, uint16_t port, const char *path, const char *token, const char *headers)
{
    char *request = NULL;
    const int len = asprintf(&request,
                             "GET %s HTTP/1.1\r\n"
                             "Host: %s:%u\r\n"
                             "Upgrade: websocket\r\n"
                             "Connection: Upgrade\r\n"
                             "Sec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: " HANDSHAKE_KEY "\r\n"
                             "%s%s%s%s\r\n",
                             path, host, (unsigned)port, token != NULL ? "Authorization: Bearer " : "", token != NULL ? token : "",
                             token != NULL ? "\r\n" : "", headers != NULL ? headers : "");
    if (len < 0) {
        return false;
    }
    const bool appended = bytes_append(out, request, (size_t)len);
    free(request);
    return appended;
}

/* The value of the first header line `name`, blanks trimmed; NULL where there is none. */
static const char *header_find(const char *head, size_t head_len, const char *name, size_t *out_len)
{
    const size_t name_len = strlen(name);
    const char *end = head + head_len;
    const char *line = memmem(head, head_len, "\r\n", 2);
    while (line != NULL && end - line > 2) {
        line += 2;
        const char *line_end = memmem(line, (size_t)(end - line), "\r\n", 2);
        if (line_end == NULL) {
            return NULL;
        }
        const size_t len = (size_t)(line_end - line);
        if (len > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0) {
            const char *value = line + name_len + 1;
            while (value < line_end && (*value == ' ' || *value == '\t')) {
                value++;
            }
            while (line_end > value && (line_end[-1] == ' ' || line_end[-1] == '\t')) {
                line_end--;
            }
            *out_len = (size_t)(line_end - value);
            return value;
        }
        line = line_end;
    }
    return NULL;
}

static bool header_is(const char *head, size_t head_len, const char *name, const char *wanted, bool fold_case)
{
    size_t len = 0;
    const char *value = header_find(head, head_len, name, &len);
    if (value == NULL || len != strlen(wanted)) {
        return false;
    }
    return (fold_case ? strncasecmp(value, wanted, len) : memcmp(value, wanted, len)) == 0;
}

handshake_result handshake_parse(const char *text, size_t len, int *out_status, size_t *out_header_len)
{
    *out_status = 0;
    const char *blank = memmem(text, len, "\r\n\r\n", 4);
    if (blank == NULL) {
        return len > HANDSHAKE_MAX_HEADER ? HANDSHAKE_BAD : HANDSHAKE_NEED_MORE;
    }
    const size_t head_len = (size_t)(blank - text) + 4;
    if (head_len < sizeof "HTTP/1.1 101" || memcmp(text, "HTTP/1.", 7) != 0 || text[8] != ' ') {
        return HANDSHAKE_BAD;
    }
    int status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return HANDSHAKE_BAD;
        }
        status = status * 10 + (text[i] - '0');
    }
    *out_status = status;
    if (status != 101) {
        return HANDSHAKE_REFUSED;
    }
    if (!header_is(text, head_len, "Upgrade", "websocket", true) ||
        !header_is(text, head_len, "Sec-WebSocket-Accept", HANDSHAKE_ACCEPT, false)) {
        return HANDSHAKE_BAD;
    }
    *out_header_len = head_len;
    return HANDSHAKE_DONE;
}
