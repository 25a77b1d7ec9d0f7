/* Tokens whose signature has been verified, by a keyed digest of the whole token. An Ed25519 verification costs 50 µs, a look-up one; and
 * after a network outage everybody comes back at once with the token they had. Bounded: a newer token takes the place of an older one.
 * Belongs to one keyring and dies with it, so a key that is withdrawn takes its tokens along. Thread: any. */
#ifndef CONFAB_WIRE_TOKEN_CACHE_H
#define CONFAB_WIRE_TOKEN_CACHE_H

#include "wire_token.h"

struct token_cache;

struct token_cache *token_cache_new(void);    /* NULL: out of memory */
void token_cache_free(struct token_cache *c); /* accepts NULL */

#define TOKEN_DIGEST_SIZE 16 /* 128 bits under a random key: nobody can aim at a collision */
void token_cache_digest(const struct token_cache *c, span token, unsigned char out[TOKEN_DIGEST_SIZE]);
/* The claims of a token seen before; the caller looks at their expiry. */
bool token_cache_get(struct token_cache *c, const unsigned char digest[TOKEN_DIGEST_SIZE], struct token_claims *out);
void token_cache_put(struct token_cache *c, const unsigned char digest[TOKEN_DIGEST_SIZE], const struct token_claims *claims);

#endif
