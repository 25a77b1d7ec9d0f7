/* What handlers see of the server, and the handlers. Private to the http layer. */
#ifndef CONFAB_HTTP_HANDLER_H
#define CONFAB_HTTP_HANDLER_H

#include <stdatomic.h>

#include "http.h"
#include "http_address.h"
#include "http_handover.h"
#include "http_identity.h"
#include "http_request.h"
#include "http_response.h"
#include "http_router.h"

struct http_server {
    struct http_config config;
    struct http_networks trusted; /* proxies */
    struct http_identities identities;
    struct handover handover;
    int64_t started_us;
    atomic_bool draining;
    atomic_int in_flight; /* requests being answered */
    atomic_int hashing;   /* workers in password work */
    struct http_listener *listener;
    struct mg_context *civet;
};

/* One request being answered. Lives on the worker's stack. */
struct http_exchange {
    struct http_server *server;
    struct http_request *req;
    struct http_response *res;
    const struct http_route *route;
    struct http_params params;
    struct handover_ticket *ticket; /* for a WebSocket handshake */
    bool hand_over;                 /* nothing is answered here: CivetWeb goes on with the handshake */
};

static inline void http_fail(struct http_exchange *x, enum confab_code code) { http_response_problem(x->res, confab_fail(code), 0); }

/* Every REST operation of the domain: the route's op with parameters, query and body as its arguments. */
http_handler http_api_handle;
/* Passwords and sessions (http_auth.c). */
http_handler http_auth_set_up, http_auth_log_in, http_auth_refresh, http_auth_log_out, http_auth_change_password;
http_handler http_auth_create_user, http_auth_set_password;
/* Embedded pages. */
http_handler http_page_index, http_page_setup, http_page_asset, http_page_favicon;
/* The server itself. */
http_handler http_status_health, http_status_ready, http_status_metrics, http_status_keys;
/* /ws and /ws/chat/{room_id}. */
http_handler http_upgrade_handle;

/* ---- shared by the handlers of requests to the domain (http_api.c) ---- */

/* Who asks, from the bearer token; answers 401 and returns false where that is nobody. The domain checks the actor again when the
 * request runs (role, disabled, revoked), so a token that has become void since is refused there. */
bool http_api_actor(struct http_exchange *x, struct chat_actor *out);
/* A new request with address, path parameters, query and body filled in; NULL: the problem has been answered. */
struct chat_request *http_api_request(struct http_exchange *x, enum chat_op op, const struct chat_actor *actor);
/* Runs it; false: the problem has been answered. */
bool http_api_call(struct http_exchange *x, struct chat_request *r);
/* Answers with the problem, and what belongs beside it: WWW-Authenticate, Retry-After. */
void http_api_refuse(struct http_exchange *x, confab_err e, int64_t retry_after_ms);
/* Is this request from a page that may use the server? Answers 403 where not. For requests that a cookie authenticates. */
bool http_api_check_origin(struct http_exchange *x);

#endif
