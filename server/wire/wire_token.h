/* Access tokens: PASETO v4.public (Ed25519). Claims sub, iat, exp, jti, and ours: role, sid, epo. The footer is {"kid":"k4.pid.…"}.
 * Source: https://github.com/paseto-standard/paseto-spec (docs/01-Protocol-Versions/Version4.md; PASERK for k4.public and k4.pid).
 * A keyring is immutable once built, but for its memory of verified signatures; replace it whole. Thread: any. */
#ifndef CONFAB_WIRE_TOKEN_H
#define CONFAB_WIRE_TOKEN_H

#include "confab/buf.h"
#include "confab/err.h"
#include "confab/event.h"
#include "confab/store.h"

#define TOKEN_KID_SIZE 64 /* "k4.pid." and 44 characters, NUL */

struct token_claims {
    char sub[USER_NAME_MAX + 1];
    enum user_role role; /* as it was when the token was made; the store's counts */
    int64_t issued_ms, expires_ms;
    int64_t session_id;  /* "sid"; 0: made on the command line */
    int64_t token_epoch; /* "epo" */
    char jti[33];
};

typedef struct keyring keyring;
/* From the store's keys, newest first: the newest not retired signs, all verify. Errors: INTERNAL (no key). */
CONFAB_MUST_CHECK confab_err keyring_new(const struct signing_key *keys, size_t n, keyring **out);
void keyring_free(keyring *k); /* wipes */
CONFAB_MUST_CHECK confab_err token_sign(const keyring *k, const struct token_claims *claims, buf *out);
/* AUTH_FAILED for anything that is not a currently valid token of one of our keys. A few minutes of clock skew in iat are accepted. */
CONFAB_MUST_CHECK confab_err token_verify(const keyring *k, span token, int64_t now_ms, struct token_claims *out);
void keyring_encode_public(buf *out, const keyring *k);           /* the body of /.well-known/confab-keys.json */
void token_key_generate(struct signing_key *out, int64_t now_ms); /* a new random key, with its kid */

/* The bare protocol, for the official test vectors: payload, footer and implicit assertion are bytes. */
CONFAB_MUST_CHECK confab_err paseto_v4_public_sign(const unsigned char secret_key[64], span payload, span footer, span implicit, buf *out);
CONFAB_MUST_CHECK confab_err paseto_v4_public_verify(const unsigned char public_key[32], span token, span footer, span implicit,
                                                     buf *out_payload);

#endif
