/* The one table of what the server answers: method, pattern, handler, operation. Thread: any; static data. */
#ifndef CONFAB_HTTP_ROUTER_H
#define CONFAB_HTTP_ROUTER_H

#include "chat.h"
#include "http_request.h"

struct http_exchange;
typedef void http_handler(struct http_exchange *x);

struct http_route {
    enum http_method method;
    const char *pattern; /* literal segments and {room_id} {user_id} {id} {reaction} {name} */
    http_handler *handler;
    enum chat_op op; /* what http_api_handle() runs; CHAT_OP_COUNT where the handler knows by itself */
    int status;      /* of success; 204 sends no body */
    const char *doc;
};

/* What stood in the pattern's places; absent spans where the pattern has no such place. */
struct http_params {
    span room_id, user_id, id, reaction, name;
};

/* The route for the request's segments and method. NULL: *out_allowed is a set of bits (1 << enum http_method) of the methods that
 * the path knows; 0: the path is unknown. */
const struct http_route *http_route_find(const struct http_request *r, struct http_params *out, unsigned *out_allowed);
/* "GET, HEAD, POST" for the Allow header. */
void http_route_write_allow(unsigned allowed, buf *out);
/* http_write_routes() is declared in http.h. */

#endif
