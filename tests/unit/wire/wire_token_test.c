#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "wire_paseto.h"
#include "wire_token.h"

#include "wire_fixture.h"

/* ---- the official vectors: https://github.com/paseto-standard/test-vectors, v4.json and PASERK/k4.pid.json ---- */

#define PUBLIC_HEX "1eb9dbbbbc047c03fd70604e0071f0987e16b28b757225c11f00415d0e20b1a2"
#define SECRET_HEX "b4cbfb43df4ce210727d953e4a713307fa19bb7d9f85041438d9e11b942a3774" PUBLIC_HEX
#define PAYLOAD "{\"data\":\"this is a signed message\",\"exp\":\"2022-01-01T00:00:00+00:00\"}"
#define FOOTER "{\"kid\":\"zVhMiPBP9fRf2snEcT7gFTioeA9COcNy9DfgL1W60haN\"}"
#define BODY "v4.public.eyJkYXRhIjoidGhpcyBpcyBhIHNpZ25lZCBtZXNzYWdlIiwiZXhwIjoiMjAyMi0wMS0wMVQwMDowMDowMCswMDowMCJ9"
#define FOOT ".eyJraWQiOiJ6VmhNaVBCUDlmUmYyc25FY1Q3Z0ZUaW9lQTlDT2NOeTlEZmdMMVc2MGhhTiJ9"

static const struct {
    const char *name, *token, *footer, *implicit;
} good_vectors[] = {
    {"4-S-1", BODY "bg_XBBzds8lTZShVlwwKSgeKpLT3yukTw6JUz3W4h_ExsQV-P0V54zemZDcAxFaSeef1QlXEFtkqxT1ciiQEDA", "", ""},
    {"4-S-2", BODY "v3Jt8mx_TdM2ceTGoqwrh4yDFn0XsHvvV_D0DtwQxVrJEBMl0F2caAdgnpKlt4p7xBnx1HcO-SPo8FPp214HDw" FOOT, FOOTER, ""},
    {"4-S-3", BODY "NPWciuD3d0o5eXJXG5pJy-DiVEoyPYWs1YSTwWHNJq6DZD3je5gf-0M4JR9ipdUSJbIovzmBECeaWmaqcaP0DQ" FOOT, FOOTER,
     "{\"test-vector\":\"4-S-3\"}"},
};

static const struct {
    const char *name, *token, *footer, *implicit;
} bad_vectors[] = {
    {"4-F-1",
     "v4.local.vngXfCISbnKgiP6VWGuOSlYrFYU300fy9ijW33rznDYgxHNPwWluAY2Bgb0z54CUs6aYYkIJ-bOOOmJHPuX_34Agt_"
     "IPlNdGDpRdGNnBz2MpWJvB3cttheEc1uyCEYltj7w"
     "BQQYX.YXJiaXRyYXJ5LXN0cmluZy10aGF0LWlzbid0LWpzb24",
     "arbitrary-string-that-isn't-json", "{\"test-vector\":\"4-F-1\"}"},
    {"4-F-2",
     "v4.public.eyJpbnZhbGlkIjoidGhpcyBzaG91bGQgbmV2ZXIgZGVjb2RlIn22Sp4gjCaUw0c7EH84ZSm_jN_Qr41MrgLNu5LIBCzUr1pn3Z-"
     "Wukg9h3ceplWigpoHaTLcwxj0NsI1vjT"
     "h67YB" FOOT,
     FOOTER, "{\"test-vector\":\"4-F-2\"}"},
    {"4-F-3",
     "v3.local.23e_2PiqpQBPvRFKzB0zHhjmxK3sKo2grFZRRLM-U7L0a8uHxuF9RlVz3Ic6WmdUUWTxCaYycwWV1yM8gKbZB2JhygDMKvHQ7eBf8GtF0r3K0Q_"
     "gF1PXOxcOgztak1eD1dPe"
     "9rLVMSgR0nHJXeIGYVuVrVoLWQ.YXJiaXRyYXJ5LXN0cmluZy10aGF0LWlzbid0LWpzb24",
     "arbitrary-string-that-isn't-json", ""},
    {"4-F-4",
     "v4.local.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAr68PS4AXe7If_ZgesdkUMvSwscFlAl1pk5HC0e8kApeaqMfGo_"
     "7OpBnwJOAbY9V7WU6abu74MmcUE8YWAiaArVI8"
     "XJ5hOb_4v9RmDkneN0S92dx0OW4pgy7omxgf3S8c3LlQh",
     "", ""},
};

static const struct {
    const char *key, *public_text, *id;
} paserk_vectors[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "k4.public.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
     "k4.pid.S_XQmeEwHbbvRmiyfXfHYpLGjXGzjTRSDoT1YtTakWFE"},
    {"707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f", "k4.public.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjo8",
     "k4.pid.9ShR3xc8-qVJ_di0tc9nx0IDIqbatdeM2mqLFBJsKRHs"},
    {"707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e90", "k4.public.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjpA",
     "k4.pid.-nyvbaTz8U6TQz7OZWW-iB3va31iAxIpUgzUcVQVmW9A"},
};

static void unhex(const char *hex, unsigned char *out, size_t n)
{
    size_t got = 0;
    assert_int_equal(sodium_hex2bin(out, n, hex, strlen(hex), NULL, &got, NULL), 0);
    assert_int_equal(got, n);
}

static confab_err verify_text(span token, const char *footer, const char *implicit, buf *payload)
{
    unsigned char public_key[32];
    unhex(PUBLIC_HEX, public_key, sizeof public_key);
    span copy = exact_copy(token);
    confab_err e = paseto_v4_public_verify(public_key, copy, span_of(footer), span_of(implicit), payload);
    free((char *)(uintptr_t)copy.p);
    return e;
}

static void official_vectors_are_signed_byte_for_byte(void **state)
{
    (void)state;
    unsigned char secret_key[64];
    unhex(SECRET_HEX, secret_key, sizeof secret_key);
    for (size_t i = 0; i < 3; i++) {
        buf token = {0};
        confab_err e = paseto_v4_public_sign(secret_key, SPAN_LIT(PAYLOAD), span_of(good_vectors[i].footer),
                                             span_of(good_vectors[i].implicit), &token);
        assert_int_equal(e.code, CONFAB_OK);
        assert_buf_is(&token, good_vectors[i].token);
        buf_free(&token);
    }
}

static void official_vectors_verify(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        buf payload = {0};
        confab_err e = verify_text(span_of(good_vectors[i].token), good_vectors[i].footer, good_vectors[i].implicit, &payload);
        assert_int_equal(e.code, CONFAB_OK);
        assert_buf_is(&payload, PAYLOAD);
        buf_free(&payload);
    }
}

static void official_failure_vectors_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        buf payload = {0};
        confab_err e = verify_text(span_of(bad_vectors[i].token), bad_vectors[i].footer, bad_vectors[i].implicit, &payload);
        assert_int_equal(e.code, CONFAB_AUTH_FAILED);
        assert_int_equal(payload.len, 0);
        buf_free(&payload);
    }
}

static void footer_and_implicit_assertion_are_signed_too(void **state)
{
    (void)state;
    buf payload = {0};
    span s3 = span_of(good_vectors[2].token), s1 = span_of(good_vectors[0].token);
    assert_int_equal(verify_text(s3, FOOTER, "", &payload).code, CONFAB_AUTH_FAILED);
    assert_int_equal(verify_text(s3, FOOTER, "{\"test-vector\":\"4-S-2\"}", &payload).code, CONFAB_AUTH_FAILED);
    assert_int_equal(verify_text(s3, "", good_vectors[2].implicit, &payload).code, CONFAB_AUTH_FAILED);
    assert_int_equal(verify_text(s3, "{}", good_vectors[2].implicit, &payload).code, CONFAB_AUTH_FAILED);
    assert_int_equal(verify_text(s1, FOOTER, "", &payload).code, CONFAB_AUTH_FAILED);
    buf_free(&payload);
}

static void every_changed_or_missing_character_fails(void **state)
{
    (void)state;
    span token = span_of(good_vectors[1].token);
    char changed[512];
    buf payload = {0};
    for (size_t i = 0; i < token.n; i++) {
        memcpy(changed, token.p, token.n);
        changed[i] = changed[i] == 'B' ? 'C' : 'B';
        assert_int_equal(verify_text((span){changed, token.n}, FOOTER, "", &payload).code, CONFAB_AUTH_FAILED);
        assert_int_equal(verify_text((span){token.p, i}, FOOTER, "", &payload).code, CONFAB_AUTH_FAILED);
    }
    assert_int_equal(payload.len, 0);
    buf_free(&payload);
}

static void text_that_is_not_a_canonical_token_fails(void **state)
{
    static const char *const wrong[] = {
        "",
        ".",
        "..",
        "v4",
        "v4.public",
        "v4.public.",
        "v4.public..",
        "v4.public.AAAA",
        "v4.public.AAAA.",
        "V4.public.AAAA",
        "v4.Public.AAAA",
        "v3.public.AAAA",
        "v4.public.A",
        "v4.public.====",
        "Bearer v4.public.AAAA",
        " v4.public.AAAA",
        "v4.public.AAAA.AAAA.AAAA",
        "v4.public.AA AA",
    };
    (void)state;
    buf payload = {0}, token = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(verify_text(span_of(wrong[i]), "", "", &payload).code, CONFAB_AUTH_FAILED);
    }
    assert_int_equal(verify_text((span){0}, "", "", &payload).code, CONFAB_AUTH_FAILED);
    /* Padding, a dot with nothing behind it, a line break, and trailing bits that are set all stand for the same bytes: refused. */
    static const char *const tails[] = {"=", "==", ".", "\n", " "};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        buf_clear(&token);
        buf_append_str(&token, good_vectors[0].token);
        buf_append_str(&token, tails[i]);
        assert_int_equal(verify_text(buf_span(&token), "", "", &payload).code, CONFAB_AUTH_FAILED);
    }
    buf_clear(&token);
    buf_append_str(&token, "v4.public.");
    while (token.len <= PASETO_TOKEN_MAX) {
        buf_append_str(&token, "AAAA");
    }
    assert_int_equal(verify_text(buf_span(&token), "", "", &payload).code, CONFAB_AUTH_FAILED);
    buf_free(&token);
    buf_free(&payload);
}

static void base64url_is_strict_and_canonical(void **state)
{
    static const char *const wrong[] = {"A", "AAAAA", "AB", "AAB", "AA==", "AA=", "A+", "A/", "A A", "\n", "AA\n", "=", "A=", "\xC3\xA9"};
    (void)state;
    buf b = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(base64url_decode(span_of(wrong[i]), &b));
        assert_int_equal(b.len, 0);
    }
    assert_true(base64url_decode(SPAN_LIT(""), &b));
    assert_int_equal(b.len, 0);
    assert_true(base64url_decode(SPAN_LIT("Zm9vYg"), &b));
    assert_buf_is(&b, "foob");
    static const char *const rfc4648[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    for (size_t n = 0; n <= 6; n++) {
        base64url_append(&b, "foobar", n);
        assert_buf_is(&b, rfc4648[n]);
    }
    base64url_append(&b, "\xFB\xFF\xFE", 3);
    assert_buf_is(&b, "-__-");
    buf_free(&b);
}

static void paserk_vectors_give_key_text_and_id(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof paserk_vectors / sizeof paserk_vectors[0]; i++) {
        unsigned char key[32];
        char id[TOKEN_KID_SIZE];
        buf b = {0};
        unhex(paserk_vectors[i].key, key, sizeof key);
        paserk_append_public(&b, key);
        assert_buf_is(&b, paserk_vectors[i].public_text);
        paserk_public_id(key, id);
        assert_string_equal(id, paserk_vectors[i].id);
        buf_free(&b);
    }
}

/* ---- our tokens ---- */

#define NOW INT64_C(1795507200123)
#define IAT "\"iat\":\"2026-11-24T08:00:00.123Z\""
#define EXP "\"exp\":\"2026-11-24T08:15:00Z\""

static const struct token_claims claims = {.sub = "alice",
                                           .role = USER_MODERATOR,
                                           .issued_ms = NOW,
                                           .expires_ms = NOW + 900000,
                                           .session_id = 12,
                                           .token_epoch = 3,
                                           .jti = "0123456789abcdef0123456789abcdef"};

struct keys {
    struct signing_key keys[3]; /* newest first; the newest is retired */
    keyring *ring;
};

static int keys_setup(void **state)
{
    struct keys *k = calloc(1, sizeof *k);
    if (!k) return -1;
    for (int i = 0; i < 3; i++) {
        token_key_generate(&k->keys[i], NOW - i);
    }
    k->keys[0].retired = true;
    *state = k;
    return confab_failed(keyring_new(k->keys, 3, &k->ring)) ? -1 : 0;
}

static int keys_teardown(void **state)
{
    struct keys *k = *state;
    keyring_free(k->ring);
    free(k);
    return 0;
}

static void sign_raw(const struct signing_key *key, const char *payload, const char *footer, buf *out)
{
    unsigned char public_key[32], secret_key[64];
    assert_int_equal(crypto_sign_seed_keypair(public_key, secret_key, key->seed), 0);
    buf_clear(out);
    assert_int_equal(paseto_v4_public_sign(secret_key, span_of(payload), span_of(footer), (span){0}, out).code, CONFAB_OK);
}

static void a_token_brings_its_claims_back(void **state)
{
    struct keys *k = *state;
    struct token_claims got = {0};
    buf token = {0}, payload = {0};
    assert_int_equal(token_sign(k->ring, &claims, &token).code, CONFAB_OK);
    assert_int_equal(token_verify(k->ring, buf_span(&token), NOW, &got).code, CONFAB_OK);
    assert_string_equal(got.sub, "alice");
    assert_int_equal(got.role, USER_MODERATOR);
    assert_true(got.issued_ms == claims.issued_ms);
    assert_true(got.expires_ms == claims.expires_ms);
    assert_int_equal(got.session_id, 12);
    assert_int_equal(got.token_epoch, 3);
    assert_string_equal(got.jti, claims.jti);
    /* And it is what any PASETO library expects: registered claims as RFC 3339 text, the key's PASERK id in the footer. */
    unsigned char public_key[32], secret_key[64];
    char kid[TOKEN_KID_SIZE], footer[128];
    assert_int_equal(crypto_sign_seed_keypair(public_key, secret_key, k->keys[1].seed), 0);
    paserk_public_id(public_key, kid);
    assert_string_equal(kid, k->keys[1].kid);
    (void)snprintf(footer, sizeof footer, "{\"kid\":\"%s\"}", kid);
    assert_int_equal(paseto_v4_public_verify(public_key, buf_span(&token), span_of(footer), (span){0}, &payload).code, CONFAB_OK);
    assert_buf_is(&payload, "{\"sub\":\"alice\",\"iat\":\"2026-11-24T08:00:00.123Z\",\"exp\":\"2026-11-24T08:15:00.123Z\","
                            "\"jti\":\"0123456789abcdef0123456789abcdef\",\"role\":\"moderator\",\"sid\":12,\"epo\":3}");
    buf_free(&token);
    buf_free(&payload);
}

static void a_token_lives_from_issue_to_expiry(void **state)
{
    struct keys *k = *state;
    struct token_claims got;
    buf token = {0};
    assert_int_equal(token_sign(k->ring, &claims, &token).code, CONFAB_OK);
    span t = buf_span(&token);
    assert_int_equal(token_verify(k->ring, t, claims.expires_ms - 1, &got).code, CONFAB_OK);
    assert_int_equal(token_verify(k->ring, t, claims.expires_ms, &got).code, CONFAB_AUTH_FAILED);
    assert_int_equal(token_verify(k->ring, t, claims.expires_ms + 1, &got).code, CONFAB_AUTH_FAILED);
    assert_int_equal(token_verify(k->ring, t, claims.issued_ms - 300000, &got).code, CONFAB_OK);
    assert_int_equal(token_verify(k->ring, t, claims.issued_ms - 300001, &got).code, CONFAB_AUTH_FAILED);
    buf_free(&token);
}

/* Signatures verified before are remembered; nothing else may be. */
static void a_token_seen_before_is_still_held_to_its_time_and_to_every_byte(void **state)
{
    struct keys *k = *state;
    struct token_claims got = {0}, other = claims;
    buf token = {0}, late = {0};
    assert_int_equal(token_sign(k->ring, &claims, &token).code, CONFAB_OK);
    for (int i = 0; i < 2; i++) { /* the first is verified, the second remembered: the same answer */
        got = (struct token_claims){0};
        assert_int_equal(token_verify(k->ring, buf_span(&token), NOW, &got).code, CONFAB_OK);
        assert_string_equal(got.sub, "alice");
        assert_int_equal(got.session_id, 12);
        assert_true(got.expires_ms == claims.expires_ms);
    }
    for (size_t i = 0; i < token.len; i++) {
        char was = token.data[i];
        token.data[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(token_verify(k->ring, buf_span(&token), NOW, &got).code, CONFAB_AUTH_FAILED);
        token.data[i] = was;
    }
    /* One that is shown too late the first time it is shown is not remembered either. */
    (void)span_copy(span_of("bob"), other.sub, sizeof other.sub);
    assert_int_equal(token_sign(k->ring, &other, &late).code, CONFAB_OK);
    assert_int_equal(token_verify(k->ring, buf_span(&late), other.expires_ms, &got).code, CONFAB_AUTH_FAILED);
    assert_int_equal(token_verify(k->ring, buf_span(&late), other.expires_ms, &got).code, CONFAB_AUTH_FAILED);
    buf_free(&token);
    buf_free(&late);
}

static void all_keys_verify_and_the_newest_in_use_signs(void **state)
{
    struct keys *k = *state;
    struct token_claims got;
    buf token = {0}, doc = {0}, want = {0};
    for (size_t i = 0; i < 3; i++) {
        char footer[128];
        (void)snprintf(footer, sizeof footer, "{\"kid\":\"%s\"}", k->keys[i].kid);
        sign_raw(&k->keys[i], "{\"sub\":\"bob\",\"jti\":\"j\",\"role\":\"bot\"," IAT "," EXP "}", footer, &token);
        assert_int_equal(token_verify(k->ring, buf_span(&token), NOW, &got).code, CONFAB_OK);
        assert_int_equal(got.session_id, 0);
        assert_int_equal(got.token_epoch, 0);
        /* Without a footer, all keys are tried. */
        sign_raw(&k->keys[i], "{\"sub\":\"bob\",\"jti\":\"j\",\"role\":\"bot\"," IAT "," EXP "}", "", &token);
        assert_int_equal(token_verify(k->ring, buf_span(&token), NOW, &got).code, CONFAB_OK);
    }
    buf_append_str(&want, "{\"keys\":[");
    for (size_t i = 0; i < 3; i++) {
        unsigned char public_key[32], secret_key[64];
        assert_int_equal(crypto_sign_seed_keypair(public_key, secret_key, k->keys[i].seed), 0);
        buf_printf(&want, "%s{\"kid\":\"%s\",\"algorithm\":\"v4.public\",\"public_key\":\"", i ? "," : "", k->keys[i].kid);
        paserk_append_public(&want, public_key);
        buf_printf(&want, "\",\"active\":%s}", i == 1 ? "true" : "false");
    }
    buf_append_str(&want, "]}");
    keyring_encode_public(&doc, k->ring);
    assert_buf_is(&doc, buf_cstr(&want));
    buf_free(&token);
    buf_free(&doc);
    buf_free(&want);
}

static void foreign_keys_and_footers_are_refused(void **state)
{
    struct keys *k = *state;
    struct token_claims got;
    struct signing_key stranger;
    buf token = {0};
    char footer[1024];
    const char *payload = "{\"sub\":\"bob\",\"jti\":\"j\",\"role\":\"bot\"," IAT "," EXP "}";
    token_key_generate(&stranger, NOW);
    sign_raw(&stranger, payload, "", &token);
    assert_int_equal(token_verify(k->ring, buf_span(&token), NOW, &got).code, CONFAB_AUTH_FAILED);
    (void)snprintf(footer, sizeof footer, "{\"kid\":\"%s\"}", stranger.kid);
    sign_raw(&stranger, payload, footer, &token);
    assert_int_equal(token_verify(k->ring, buf_span(&token), NOW, &got).code, CONFAB_AUTH_FAILED);
    sign_raw(&k->keys[1], payload, footer, &token);
    assert_int_equal(token_verify(k->ring, buf_span(&token), NOW, &got).code, CONFAB_AUTH_FAILED);
    /* Another one of our keys is named than the one that signed. */
    (void)snprintf(footer, sizeof footer, "{\"kid\":\"%s\"}", k->keys[2].kid);
    sign_raw(&k->keys[1], payload, footer, &token);
    assert_int_equal(token_verify(k->ring, buf_span(&token), NOW, &got).code, CONFAB_AUTH_FAILED);
    static const char *const footers[] = {
        "{}", "[]", "x", "{\"kid\":1}", "{\"kid\":\"\"}", "{\"kid\":null}", "{\"kid\":\"a\",\"kid\":\"b\"}", "{\"kid\":\"\\u0000\"}"};
    for (size_t i = 0; i < sizeof footers / sizeof footers[0]; i++) {
        sign_raw(&k->keys[1], payload, footers[i], &token);
        assert_int_equal(token_verify(k->ring, buf_span(&token), NOW, &got).code, CONFAB_AUTH_FAILED);
    }
    (void)snprintf(footer, sizeof footer, "{\"kid\":\"%s\",\"x\":\"%0200d\"}", k->keys[1].kid, 0);
    sign_raw(&k->keys[1], payload, footer, &token);
    assert_int_equal(token_verify(k->ring, buf_span(&token), NOW, &got).code, CONFAB_AUTH_FAILED);
    buf_free(&token);
}

#define REST ",\"jti\":\"j\",\"role\":\"bot\"," IAT "," EXP "}"
#define WHO "{\"sub\":\"bob\",\"jti\":\"j\",\"role\":\"bot\""

/* clang-format off */
static const struct {
    const char *payload;
    bool good;
} payloads[] = {
    {WHO "," IAT "," EXP "}", true},
    {WHO "," IAT "," EXP ",\"sid\":9007199254740991,\"epo\":0}", true},
    {WHO "," IAT "," EXP ",\"nbf\":\"2026-11-24T07:00:00+00:00\",\"iss\":\"x\",\"aud\":\"y\"}", true},
    {WHO ",\"iat\":\"2026-11-24T09:00:00+01:00\"," EXP "}", true},
    {WHO ",\"iat\":\"2026-11-24T08:04:59Z\"," EXP "}", true},
    {"", false}, {"{}", false}, {"[]", false}, {"null", false}, {WHO "," IAT "," EXP, false}, {WHO "," IAT "," EXP "} ", true},
    {WHO "," IAT "," EXP "}x", false},
    {"{\"sub\":\"\"" REST, false}, {"{\"sub\":\"a b\"" REST, false}, {"{\"sub\":\"a@b\"" REST, false}, {"{\"sub\":7" REST, false}, {"{\"sub\":null" REST, false},
    {"{\"sub\":\"0123456789012345678901234567890123456789012345678901234567890123x\"" REST, false},
    {"{\"sub\":\"bob\\u0000\"" REST, false}, {"{\"sub\":\"bob\",\"sub\":\"eve\"" REST, false}, {"{\"Sub\":\"bob\"" REST, false},
    {"{\"sub\":\"bob\",\"role\":\"bot\"," IAT "," EXP "}", false}, {"{\"sub\":\"bob\",\"jti\":\"j\"," IAT "," EXP "}", false},
    {"{\"sub\":\"bob\",\"jti\":\"j\",\"role\":\"root\"," IAT "," EXP "}", false}, {"{\"sub\":\"bob\",\"jti\":\"j\",\"role\":4," IAT "," EXP "}", false},
    {"{\"sub\":\"bob\",\"jti\":\"0123456789abcdef0123456789abcdef0\",\"role\":\"bot\"," IAT "," EXP "}", false},
    {WHO "," EXP "}", false}, {WHO "," IAT "}", false}, {WHO "," IAT ",\"exp\":null}", false}, {WHO "," IAT ",\"exp\":1795507999}", false},
    {WHO "," IAT ",\"exp\":\"2026-11-24\"}", false}, {WHO "," IAT ",\"exp\":\"2026-11-24T08:15:00\"}", false}, {WHO "," IAT ",\"exp\":\"2026-11-24T07:59:59Z\"}", false},
    {WHO "," IAT ",\"exp\":\"never\"}", false}, {WHO "," IAT "," EXP "," EXP "}", false}, {WHO ",\"iat\":\"2026-11-24T08:10:00Z\"," EXP "}", false},
    {WHO "," IAT "," EXP ",\"nbf\":\"2026-11-24T08:10:00Z\"}", false}, {WHO "," IAT "," EXP ",\"nbf\":0}", false},
    {WHO "," IAT "," EXP ",\"sid\":-1}", false}, {WHO "," IAT "," EXP ",\"sid\":\"12\"}", false}, {WHO "," IAT "," EXP ",\"sid\":1.5}", false},
    {WHO "," IAT "," EXP ",\"epo\":-1}", false}, {WHO "," IAT "," EXP ",\"epo\":null}", false}, {WHO "," IAT "," EXP ",\"epo\":1,\"epo\":2}", false},
};
/* clang-format on */

static void signed_payloads_are_still_checked_claim_by_claim(void **state)
{
    struct keys *k = *state;
    buf token = {0};
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        struct token_claims got = {.sub = "untouched"};
        sign_raw(&k->keys[2], payloads[i].payload, "", &token);
        confab_err e = token_verify(k->ring, buf_span(&token), NOW, &got);
        if ((e.code == CONFAB_OK) != payloads[i].good) fail_msg("%s: %s", payloads[i].payload, confab_err_word(e.code));
        if (!payloads[i].good) assert_int_equal(e.code, CONFAB_AUTH_FAILED);
        assert_string_equal(got.sub, payloads[i].good ? "bob" : "untouched");
    }
    buf_free(&token);
}

static void a_keyring_needs_a_key_that_is_in_use(void **state)
{
    struct keys *k = *state;
    keyring *ring = NULL;
    assert_int_equal(keyring_new(NULL, 0, &ring).code, CONFAB_INTERNAL);
    assert_int_equal(keyring_new(k->keys, 1, &ring).code, CONFAB_INTERNAL);
    assert_null(ring);
    keyring_free(NULL);
}

static void generated_keys_differ(void **state)
{
    struct keys *k = *state;
    assert_memory_not_equal(k->keys[0].seed, k->keys[1].seed, 32);
    assert_string_not_equal(k->keys[0].kid, k->keys[1].kid);
    assert_int_equal(strlen(k->keys[0].kid), 51);
    assert_true(k->keys[0].created_ms == NOW);
    assert_false(k->keys[1].retired);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(official_vectors_are_signed_byte_for_byte),
        cmocka_unit_test(official_vectors_verify),
        cmocka_unit_test(official_failure_vectors_fail),
        cmocka_unit_test(footer_and_implicit_assertion_are_signed_too),
        cmocka_unit_test(every_changed_or_missing_character_fails),
        cmocka_unit_test(text_that_is_not_a_canonical_token_fails),
        cmocka_unit_test(base64url_is_strict_and_canonical),
        cmocka_unit_test(paserk_vectors_give_key_text_and_id),
        cmocka_unit_test_setup_teardown(a_token_brings_its_claims_back, keys_setup, keys_teardown),
        cmocka_unit_test_setup_teardown(a_token_lives_from_issue_to_expiry, keys_setup, keys_teardown),
        cmocka_unit_test_setup_teardown(a_token_seen_before_is_still_held_to_its_time_and_to_every_byte, keys_setup, keys_teardown),
        cmocka_unit_test_setup_teardown(all_keys_verify_and_the_newest_in_use_signs, keys_setup, keys_teardown),
        cmocka_unit_test_setup_teardown(foreign_keys_and_footers_are_refused, keys_setup, keys_teardown),
        cmocka_unit_test_setup_teardown(signed_payloads_are_still_checked_claim_by_claim, keys_setup, keys_teardown),
        cmocka_unit_test_setup_teardown(a_keyring_needs_a_key_that_is_in_use, keys_setup, keys_teardown),
        cmocka_unit_test_setup_teardown(generated_keys_differ, keys_setup, keys_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
