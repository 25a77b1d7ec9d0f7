/* One HTTP request as plain bounded data, and the small parsers of its parts. No CivetWeb in here.
 *
 * Spans borrow from the connection's buffer and from the request's own scratch space: valid while the request is answered.
 * Thread: any; a request belongs to the worker that serves it. */
#ifndef CONFAB_HTTP_REQUEST_H
#define CONFAB_HTTP_REQUEST_H

#include "confab/buf.h"
#include "confab/err.h"
#include "confab/event.h"

#define HTTP_BODY_MAX 65536
#define HTTP_TARGET_MAX 4096 /* path and query together */
#define HTTP_SEGMENTS_MAX 10 /* the deepest route has 7 */
#define HTTP_QUERY_MAX 16    /* parameters */
#define HTTP_HEADERS_MAX 63  /* CivetWeb keeps 64 and drops the rest unseen, so 64 may be a part of more */

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OTHER };

struct http_pair {
    span name, value;
};

struct http_request {
    enum http_method method; /* HEAD is a GET … */
    bool head;               /* … whose body is left out */
    bool http10;
    bool upgrade;                    /* asks for a WebSocket */
    bool https;                      /* the client came by TLS, as a trusted proxy says */
    bool from_proxy;                 /* the peer is a trusted proxy */
    bool keep_alive;                 /* what CivetWeb will do after the answer */
    span path;                       /* as sent, without the query */
    span segment[HTTP_SEGMENTS_MAX]; /* of the path, percent-decoded: valid UTF-8 without NUL */
    size_t segments;
    struct http_pair query[HTTP_QUERY_MAX]; /* decoded likewise, '+' as space */
    size_t query_count;
    struct http_pair header[HTTP_HEADERS_MAX];
    size_t headers;
    span body;
    char address[ADDRESS_MAX + 1]; /* the client's, see http_address_of_client() */
    char scratch[HTTP_TARGET_MAX]; /* holds the decoded parts */
    size_t scratch_used;
};

enum http_method http_method_parse(const char *word, bool *out_head); /* HEAD reads as GET */
const char *http_method_word(enum http_method m);

/* Splits and decodes path and query into the request. TOO_LARGE; INVALID_FIELD for bad percent-encoding, NUL and bad UTF-8;
 * NOT_FOUND where the path is deeper than any route. `query` may be absent. */
CONFAB_MUST_CHECK confab_err http_request_set_target(struct http_request *r, span path, span query);

span http_request_header(const struct http_request *r, const char *name); /* the first of that name, any case; absent where none */
size_t http_request_headers(const struct http_request *r, const char *name, span *out, size_t cap); /* all of that name */
span http_request_query(const struct http_request *r, const char *name);                            /* absent where none */

/* The credentials of "Authorization: Bearer T"; absent for none or another scheme. */
span http_bearer(span authorization);
/* The value of one cookie among the Cookie header's; absent where there is none. */
span http_cookie(span header, const char *name);
/* Is `etag` (as we send it, quotes and W/ included) among If-None-Match's? Weak comparison; "*" matches. */
bool http_etag_matches(span if_none_match, span etag);
/* "application/json", any case, with or without parameters. */
bool http_is_json(span content_type);
/* May a page of this web origin use the server? `origin` is the Origin header's value, absent where there was none (no browser:
 * fine). Own host, public_url, or one of allowed_origins (by comma; "*" is any). */
bool http_origin_allowed(span origin, span host, const char *public_url, const char *allowed_origins);
/* Does a comma-separated header value hold this token (any case)? */
bool http_has_token(span value, const char *token);

/* How the body is framed, from the headers alone. INVALID_FIELD where it is ambiguous or malformed: both Content-Length and
 * Transfer-Encoding, several that differ, anything but digits, an encoding other than chunked. TOO_LARGE. */
struct http_framing {
    bool chunked;
    size_t length; /* where not chunked */
};
CONFAB_MUST_CHECK confab_err http_request_framing(const struct http_request *r, struct http_framing *out);

#endif
