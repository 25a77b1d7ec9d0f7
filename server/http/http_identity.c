#include "http_identity.h"

#include "confab/clock.h"

void http_identities_init(struct http_identities *h)
{
    memset(h, 0, sizeof *h);
    (void)pthread_mutex_init(&h->lock, NULL); /* cannot fail for a plain mutex on Linux */
}

void http_identities_fini(struct http_identities *h) { (void)pthread_mutex_destroy(&h->lock); }

static size_t slot_of(const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a: the table is a cache, a collision costs one read */
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash & (HTTP_IDENTITIES - 1);
}

int64_t http_identities_get(struct http_identities *h, const char *name)
{
    size_t i = slot_of(name);
    (void)pthread_mutex_lock(&h->lock);
    int64_t id = strcmp(h->slot[i].name, name) == 0 ? h->slot[i].user_id : 0;
    (void)pthread_mutex_unlock(&h->lock);
    return id;
}

void http_identities_put(struct http_identities *h, const char *name, int64_t user_id)
{
    size_t i = slot_of(name);
    (void)pthread_mutex_lock(&h->lock);
    if (span_copy(span_of(name), h->slot[i].name, sizeof h->slot[i].name)) h->slot[i].user_id = user_id;
    (void)pthread_mutex_unlock(&h->lock);
}

confab_err http_identity_claim(const keyring *keys, span token, const char *address, struct chat_actor *out)
{
    struct token_claims claims;
    if (!token.p) return confab_fail(CONFAB_AUTH_REQUIRED);
    confab_err e = token_verify(keys, token, clock_wall_ms(), &claims);
    if (confab_failed(e)) return e;
    *out = (struct chat_actor){.session_id = claims.session_id, .token_epoch = claims.token_epoch, .role = claims.role};
    bool fits =
        span_copy(span_of(claims.sub), out->name, sizeof out->name) && span_copy(span_of(address), out->address, sizeof out->address);
    return fits ? confab_ok() : confab_fail(CONFAB_AUTH_FAILED);
}

confab_err http_identity_confirm(chat *c, struct chat_actor *inout)
{
    struct chat_request *r = chat_request_new(CHAT_AUTHENTICATE, inout);
    if (!r) return confab_fail(CONFAB_INTERNAL);
    confab_err e = chat_call(c, r);
    if (!confab_failed(e)) {
        inout->user_id = r->result.user.id;
        inout->role = r->result.user.role;
    }
    chat_request_free(r);
    return e;
}
