#include "wire_token.h"

#include <sodium.h>
#include <stdlib.h>

#include "confab/clock.h"
#include "wire_json.h"
#include "wire_out.h"
#include "wire_paseto.h"
#include "wire_token_cache.h"

enum { SKEW_MS = 5 * 60 * 1000, FOOTER_MAX = 256 };

struct key {
    char kid[TOKEN_KID_SIZE];
    unsigned char public_key[crypto_sign_PUBLICKEYBYTES];
    unsigned char secret_key[crypto_sign_SECRETKEYBYTES];
};

struct keyring {
    size_t count, signer;
    struct token_cache *verified;
    struct key keys[];
};

/* ---- keys ---- */

static void key_init(struct key *k, const unsigned char seed[32])
{
    (void)crypto_sign_seed_keypair(k->public_key, k->secret_key, seed); /* every seed is a key: it cannot fail */
    paserk_public_id(k->public_key, k->kid);
}

confab_err keyring_new(const struct signing_key *keys, size_t n, keyring **out)
{
    if (sodium_init() < 0 || n == 0 || n > 4096) return confab_fail(CONFAB_INTERNAL);
    struct keyring *k = calloc(1, sizeof *k + n * sizeof k->keys[0]);
    if (!k) return confab_fail(CONFAB_INTERNAL);
    k->verified = token_cache_new();
    if (!k->verified) {
        free(k);
        return confab_fail(CONFAB_INTERNAL);
    }
    k->count = n;
    k->signer = n;
    for (size_t i = 0; i < n; i++) {
        key_init(&k->keys[i], keys[i].seed);
        if (k->signer == n && !keys[i].retired) k->signer = i;
    }
    if (k->signer == n) {
        keyring_free(k);
        return confab_fail_msg(CONFAB_INTERNAL, "There is no signing key in use");
    }
    *out = k;
    return confab_ok();
}

void keyring_free(keyring *k)
{
    if (!k) return;
    token_cache_free(k->verified);
    sodium_memzero(k->keys, k->count * sizeof k->keys[0]);
    free(k);
}

void token_key_generate(struct signing_key *out, int64_t now_ms)
{
    struct key k;
    *out = (struct signing_key){.created_ms = now_ms};
    if (sodium_init() < 0) abort(); /* no randomness, and so no key: what randombytes_buf would do as well */
    randombytes_buf(out->seed, sizeof out->seed);
    key_init(&k, out->seed);
    (void)span_copy(span_of(k.kid), out->kid, sizeof out->kid);
    sodium_memzero(&k, sizeof k);
}

void keyring_encode_public(buf *out, const keyring *k)
{
    OUT(out, "{\"keys\":[");
    for (size_t i = 0; i < k->count; i++) {
        if (i) OUT(out, ",");
        OUT(out, "{\"kid\":");
        out_cstr(out, k->keys[i].kid);
        OUT(out, ",\"algorithm\":\"v4.public\",\"public_key\":\"");
        paserk_append_public(out, k->keys[i].public_key);
        OUT(out, "\",\"active\":");
        out_bool(out, i == k->signer);
        OUT(out, "}");
    }
    OUT(out, "]}");
}

/* ---- signing ---- */

confab_err token_sign(const keyring *k, const struct token_claims *claims, buf *out)
{
    const struct key *key = &k->keys[k->signer];
    buf payload = {0}, footer = {0};
    OUT(&payload, "{\"sub\":");
    out_cstr(&payload, claims->sub);
    OUT(&payload, ",\"iat\":");
    out_time(&payload, claims->issued_ms);
    OUT(&payload, ",\"exp\":");
    out_time(&payload, claims->expires_ms);
    OUT(&payload, ",\"jti\":");
    out_cstr(&payload, claims->jti);
    OUT(&payload, ",\"role\":");
    out_cstr(&payload, user_role_word(claims->role));
    OUT(&payload, ",\"sid\":");
    out_int(&payload, claims->session_id);
    OUT(&payload, ",\"epo\":");
    out_int(&payload, claims->token_epoch);
    OUT(&payload, "}");
    OUT(&footer, "{\"kid\":");
    out_cstr(&footer, key->kid);
    OUT(&footer, "}");
    confab_err e = payload.failed || footer.failed
                       ? confab_fail(CONFAB_INTERNAL)
                       : paseto_v4_public_sign(key->secret_key, buf_span(&payload), buf_span(&footer), (span){0}, out);
    buf_free(&payload);
    buf_free(&footer);
    return e;
}

/* ---- verifying ---- */

static bool claim_text(const cJSON *root, const char *name, char *out, size_t cap)
{
    bool twice = false;
    span s = json_string(json_find(root, name, &twice));
    return s.p && !twice && s.n > 0 && span_copy(s, out, cap);
}

/* A time in RFC 3339. Absent: true with *out untouched, where it may be. */
static bool claim_time(const cJSON *root, const char *name, bool required, int64_t *out)
{
    bool twice = false;
    const cJSON *v = json_find(root, name, &twice);
    if (!v) return !required;
    span s = json_string(v);
    int64_t at = s.p ? clock_parse_rfc3339(s.p, s.n) : -1;
    if (at < 0 || twice) return false;
    *out = at;
    return true;
}

/* A number that is not negative; absent reads as 0. */
static bool claim_int(const cJSON *root, const char *name, int64_t *out)
{
    bool twice = false;
    const cJSON *v = json_find(root, name, &twice);
    *out = 0;
    return !v || (!twice && json_int(v, out) && *out >= 0);
}

static bool read_claims(span payload, int64_t now_ms, struct token_claims *out)
{
    arena a = {0};
    const cJSON *root = NULL;
    struct token_claims c = {0};
    int64_t not_before = 0;
    char role[16];
    bool ok = !confab_failed(json_parse_object(payload, &a, &root)) && claim_text(root, "sub", c.sub, sizeof c.sub) &&
              user_name_is_valid(span_of(c.sub)) && claim_text(root, "jti", c.jti, sizeof c.jti) &&
              claim_text(root, "role", role, sizeof role) && user_role_parse(span_of(role), &c.role) &&
              claim_time(root, "iat", true, &c.issued_ms) && claim_time(root, "exp", true, &c.expires_ms) &&
              claim_time(root, "nbf", false, &not_before) && claim_int(root, "sid", &c.session_id) &&
              claim_int(root, "epo", &c.token_epoch);
    ok = ok && now_ms < c.expires_ms && c.issued_ms <= now_ms + SKEW_MS && not_before <= now_ms + SKEW_MS;
    if (ok) *out = c;
    arena_free(&a);
    return ok;
}

/* The key that the footer names; NULL where it names none of ours. The footer is read before it is verified, so it is kept small. */
static const struct key *find_key(const keyring *k, span footer)
{
    arena a = {0};
    const cJSON *root = NULL;
    char kid[TOKEN_KID_SIZE];
    const struct key *found = NULL;
    if (footer.n <= FOOTER_MAX && !confab_failed(json_parse_object(footer, &a, &root)) && claim_text(root, "kid", kid, sizeof kid)) {
        for (size_t i = 0; i < k->count && !found; i++) {
            if (strcmp(k->keys[i].kid, kid) == 0) found = &k->keys[i];
        }
    }
    arena_free(&a);
    return found;
}

static confab_err verify_signature(const keyring *k, span token, int64_t now_ms, struct token_claims *out)
{
    buf footer = {0}, payload = {0};
    span body, footer_text;
    confab_err e = confab_fail(CONFAB_AUTH_FAILED);
    if (!paseto_split(token, &body, &footer_text)) goto out;
    if (footer_text.p) {
        const struct key *key = base64url_decode(footer_text, &footer) ? find_key(k, buf_span(&footer)) : NULL;
        if (key) e = paseto_v4_public_verify(key->public_key, token, buf_span(&footer), (span){0}, &payload);
    } else {
        for (size_t i = 0; i < k->count && e.code == CONFAB_AUTH_FAILED; i++) {
            e = paseto_v4_public_verify(k->keys[i].public_key, token, (span){0}, (span){0}, &payload);
        }
    }
    if (!confab_failed(e) && !read_claims(buf_span(&payload), now_ms, out)) e = confab_fail(CONFAB_AUTH_FAILED);
out:
    buf_free(&footer);
    buf_free(&payload);
    return e;
}

confab_err token_verify(const keyring *k, span token, int64_t now_ms, struct token_claims *out)
{
    unsigned char digest[TOKEN_DIGEST_SIZE];
    struct token_claims known;
    token_cache_digest(k->verified, token, digest);
    if (token_cache_get(k->verified, digest, &known)) {
        if (now_ms >= known.expires_ms || known.issued_ms > now_ms + SKEW_MS) return confab_fail(CONFAB_AUTH_FAILED);
        *out = known;
        return confab_ok();
    }
    confab_err e = verify_signature(k, token, now_ms, out);
    if (!confab_failed(e)) token_cache_put(k->verified, digest, out);
    return e;
}
