/* handshake.h: the client's half of the WebSocket opening handshake.
 *
 * Ownership: as noted.  Thread: any (no state).  Units: bytes. */
#ifndef CONFAB_BENCH_HANDSHAKE_H
#define CONFAB_BENCH_HANDSHAKE_H

#include "bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An answer whose header is longer than this is no handshake. */
#define HANDSHAKE_MAX_HEADER ((size_t)16384)

typedef enum handshake_result {
    HANDSHAKE_DONE,      /* 101, and the server computed the right Sec-WebSocket-Accept */
    HANDSHAKE_NEED_MORE, /* the header is not complete yet */
    HANDSHAKE_REFUSED,   /* a complete HTTP answer with another status */
    HANDSHAKE_BAD        /* no HTTP, no upgrade to WebSocket, or a wrong Sec-WebSocket-Accept */
} handshake_result;

/* Appends the upgrade request to *out. token and headers may be NULL; headers are whole lines ending in CRLF.
 * Returns false when out of memory. */
bool handshake_write_request(bytes *out, const char *host, uint16_t port, const char *path, const char *token, const char *headers);

/* Judges the answer so far. *out_status is the HTTP status, 0 before it is known; *out_header_len is set on
 * HANDSHAKE_DONE: what follows it are frames already. */
handshake_result handshake_parse(const char *text, size_t len, int *out_status, size_t *out_header_len);

#endif
