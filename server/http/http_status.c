#include "confab/clock.h"
#include "confab/metrics.h"
#include "http_handler.h"
#include "wire.h"

void http_status_health(struct http_exchange *x)
{
    const struct http_server *s = x->server;
    struct wire_health h = {.active_connections = s->config.hub ? live_active_connections(s->config.hub) : 0,
                            .uptime_s = (clock_mono_us() - s->started_us) / 1000000,
                            .version = CONFAB_VERSION};
    wire_encode_health(&x->res->body, &h);
    x->res->content_type = "application/json";
}

void http_status_ready(struct http_exchange *x)
{
    buf problem = {0};
    bool draining = atomic_load(&x->server->draining);
    bool writable = !confab_failed(store_health(x->server->config.store, &problem));
    struct wire_check checks[] = {
        {.name = "database", .ok = writable, .detail = writable ? NULL : buf_cstr(&problem)},
        {.name = "accepting", .ok = !draining, .detail = draining ? "The server is shutting down" : NULL},
    };
    wire_encode_ready(&x->res->body, writable && !draining, checks, sizeof checks / sizeof checks[0]);
    x->res->content_type = "application/json";
    x->res->status = writable && !draining ? 200 : 503;
    buf_free(&problem);
}

void http_status_metrics(struct http_exchange *x)
{
    metric_write_prometheus(&x->res->body);
    x->res->content_type = "text/plain; version=0.0.4; charset=utf-8";
}

void http_status_keys(struct http_exchange *x)
{
    keyring_encode_public(&x->res->body, x->server->config.keys);
    x->res->content_type = "application/json";
    x->res->cache_control = "public, max-age=300"; /* a new key is made long before it signs */
}
