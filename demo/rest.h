/* rest.h: one HTTP request at a time to a server on the loopback address. For setting up; blocks, 10 s at most per read.
 *
 * Thread: any (no state). */
#ifndef CONFAB_DEMO_REST_H
#define CONFAB_DEMO_REST_H

#include "bytes.h"

#include <stdint.h>

/* Returns the answer's status, or -1 where there was none. token, body (JSON) and out_body may be NULL; out_body is appended to. */
int rest_request(uint16_t port, const char *method, const char *path, const char *token, const char *body, bytes *out_body);

#endif
