/* The answer to one request, and the one place that turns answers into bytes. No CivetWeb in here.
 * Owned by the worker that serves the request. Thread: that worker. */
#ifndef CONFAB_HTTP_RESPONSE_H
#define CONFAB_HTTP_RESPONSE_H

#include "confab/buf.h"
#include "confab/err.h"

struct http_response {
    int status;
    const char *content_type;  /* static; NULL: there is no body */
    const char *cache_control; /* static; NULL: no-store */
    bool page;                 /* a page or its parts: the policy that lets them work */
    bool close;                /* the connection ends with this answer */
    buf headers;               /* further header lines, each with its line end */
    buf body;
    span fixed; /* a body that lives elsewhere (embedded pages), instead of `body`; absent: none */
};

void http_response_clear(struct http_response *r); /* keeps the memory, unless it has become large */
void http_response_free(struct http_response *r);

/* Appends a header line. A value with a control character in it (a line end above all) is left out as a whole. */
void http_response_add(struct http_response *r, const char *name, span value);

/* Turns the answer into the problem document of `e` (RFC 9457), with its status, and Retry-After where retry_after_ms > 0.
 * Headers that were added before stay. */
void http_response_problem(struct http_response *r, confab_err e, int64_t retry_after_ms);

/* A weak tag of the body's content, W/"…". */
#define HTTP_ETAG_SIZE 32
void http_response_etag(const struct http_response *r, char out[HTTP_ETAG_SIZE]);
/* Adds the ETag and turns the answer into 304 where the client has this content already. */
void http_response_revalidate(struct http_response *r, span if_none_match, span etag);

/* The whole head: status line, headers, blank line. Security headers, Date, Content-Length and Connection are added here, to
 * every answer. `now_ms`: wall time. */
void http_response_encode_head(const struct http_response *r, bool keep_alive, int64_t now_ms, buf *out);
span http_response_body(const struct http_response *r);

const char *http_status_text(int status);

#endif
