#include "wire_token_cache.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

enum { ENTRIES = 16384 }; /* a power of two; 2.5 MiB, resident only where used */

struct entry {
    unsigned char digest[TOKEN_DIGEST_SIZE];
    struct token_claims claims; /* sub "": free */
};

struct token_cache {
    pthread_mutex_t lock;
    unsigned char key[crypto_generichash_KEYBYTES];
    struct entry entries[ENTRIES];
};

struct token_cache *token_cache_new(void)
{
    struct token_cache *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    (void)pthread_mutex_init(&c->lock, NULL); /* cannot fail with default attributes */
    randombytes_buf(c->key, sizeof c->key);
    return c;
}

void token_cache_free(struct token_cache *c)
{
    if (!c) return;
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

void token_cache_digest(const struct token_cache *c, span token, unsigned char out[TOKEN_DIGEST_SIZE])
{
    /* Cannot fail with these sizes. */
    (void)crypto_generichash(out, TOKEN_DIGEST_SIZE, (const unsigned char *)token.p, token.n, c->key, sizeof c->key);
}

static struct entry *entry_of(struct token_cache *c, const unsigned char digest[TOKEN_DIGEST_SIZE])
{
    uint32_t slot;
    memcpy(&slot, digest, sizeof slot);
    return &c->entries[slot & (ENTRIES - 1)];
}

bool token_cache_get(struct token_cache *c, const unsigned char digest[TOKEN_DIGEST_SIZE], struct token_claims *out)
{
    pthread_mutex_lock(&c->lock);
    const struct entry *e = entry_of(c, digest);
    bool found = e->claims.sub[0] && memcmp(e->digest, digest, TOKEN_DIGEST_SIZE) == 0;
    if (found) *out = e->claims;
    pthread_mutex_unlock(&c->lock);
    return found;
}

void token_cache_put(struct token_cache *c, const unsigned char digest[TOKEN_DIGEST_SIZE], const struct token_claims *claims)
{
    pthread_mutex_lock(&c->lock);
    struct entry *e = entry_of(c, digest);
    memcpy(e->digest, digest, TOKEN_DIGEST_SIZE);
    e->claims = *claims;
    pthread_mutex_unlock(&c->lock);
}
