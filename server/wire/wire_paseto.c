#include "wire_paseto.h"

#include <sodium.h>

#include "wire.h"

enum { ALPHABET = sodium_base64_VARIANT_URLSAFE_NO_PADDING, SIGNATURE = crypto_sign_BYTES };

void base64url_append(buf *out, const void *p, size_t n)
{
    if (n > SIZE_MAX / 4 || !buf_reserve(out, n / 3 * 4 + 5)) {
        out->failed = true;
        return;
    }
    (void)sodium_bin2base64(out->data + out->len, out->cap - out->len, p, n, ALPHABET);
    out->len += strlen(out->data + out->len);
}

bool base64url_decode(span text, buf *out)
{
    size_t n = 0;
    /* A length of 1 mod 4 stands for no whole byte. sodium checks the alphabet and that unused trailing bits are zero. */
    if (!text.p || text.n % 4 == 1 || !buf_reserve(out, text.n / 4 * 3 + 3)) return false;
    if (sodium_base642bin((unsigned char *)out->data + out->len, out->cap - out->len - 1, text.p, text.n, NULL, &n, NULL, ALPHABET) != 0)
        return false;
    out->len += n;
    out->data[out->len] = '\0';
    return true;
}

/* Pre-authentication encoding: the number of pieces, then each with its length, as little-endian 64-bit numbers with the top bit clear. */
static void append_le64(buf *out, uint64_t v)
{
    v &= INT64_MAX;
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++, v >>= 8) {
        bytes[i] = (unsigned char)(v & 0xFF);
    }
    buf_append(out, bytes, sizeof bytes);
}

static void append_pae(buf *out, span message, span footer, span implicit)
{
    const span pieces[] = {SPAN_LIT(PASETO_HEADER), message, footer, implicit};
    append_le64(out, 4);
    for (size_t i = 0; i < 4; i++) {
        append_le64(out, pieces[i].n);
        buf_append_span(out, pieces[i]);
    }
}

confab_err paseto_v4_public_sign(const unsigned char secret_key[64], span payload, span footer, span implicit, buf *out)
{
    buf signed_text = {0}, body = {0};
    unsigned char signature[SIGNATURE];
    append_pae(&signed_text, payload, footer, implicit);
    confab_err e = confab_fail(CONFAB_INTERNAL);
    if (signed_text.failed) goto out;
    if (crypto_sign_detached(signature, NULL, (const unsigned char *)signed_text.data, signed_text.len, secret_key) != 0) goto out;
    buf_append_span(&body, payload);
    buf_append(&body, signature, sizeof signature);
    if (body.failed) goto out;
    buf_append_str(out, PASETO_HEADER);
    base64url_append(out, body.data, body.len);
    if (footer.n) {
        buf_append_char(out, '.');
        base64url_append(out, footer.p, footer.n);
    }
    if (!out->failed) e = confab_ok();
out:
    buf_free(&signed_text);
    buf_free(&body);
    return e;
}

bool paseto_split(span token, span *out_body, span *out_footer)
{
    const size_t head = sizeof PASETO_HEADER - 1;
    if (!token.p || token.n <= head || token.n > PASETO_TOKEN_MAX || memcmp(token.p, PASETO_HEADER, head) != 0) return false;
    span rest = {token.p + head, token.n - head};
    const char *dot = memchr(rest.p, '.', rest.n);
    *out_body = dot ? (span){rest.p, (size_t)(dot - rest.p)} : rest;
    *out_footer = dot ? (span){dot + 1, (size_t)(rest.p + rest.n - dot - 1)} : (span){0};
    return !dot || out_footer->n > 0;
}

confab_err paseto_v4_public_verify(const unsigned char public_key[32], span token, span footer, span implicit, buf *out_payload)
{
    buf body = {0}, signed_text = {0}, foot = {0};
    span body_text, footer_text;
    confab_err e = confab_fail(CONFAB_AUTH_FAILED);
    if (!paseto_split(token, &body_text, &footer_text) || !base64url_decode(body_text, &body) || body.len < SIGNATURE) goto out;
    if (footer_text.p && !base64url_decode(footer_text, &foot)) goto out;
    if (foot.len != footer.n || (footer.n && sodium_memcmp(foot.data, footer.p, footer.n) != 0)) goto out;
    span payload = {body.data, body.len - SIGNATURE};
    append_pae(&signed_text, payload, footer, implicit);
    if (signed_text.failed) goto out;
    const unsigned char *signature = (const unsigned char *)body.data + payload.n;
    if (crypto_sign_verify_detached(signature, (const unsigned char *)signed_text.data, signed_text.len, public_key) != 0) goto out;
    buf_append_span(out_payload, payload);
    e = out_payload->failed ? confab_fail(CONFAB_INTERNAL) : confab_ok();
out:
    buf_free(&body);
    buf_free(&signed_text);
    buf_free(&foot);
    return e;
}

/* ---- PASERK ---- */

void paserk_append_public(buf *out, const unsigned char public_key[32])
{
    buf_append_str(out, "k4.public.");
    base64url_append(out, public_key, 32);
}

void paserk_public_id(const unsigned char public_key[32], char out[TOKEN_KID_SIZE])
{
    static const char head[] = "k4.pid.k4.public."; /* the id's own prefix, then the text of the key */
    enum { HEAD = sizeof head - 1, ID_HEAD = 7, KEY_TEXT = 43 };
    unsigned char hash[33];
    char text[HEAD + KEY_TEXT + 1];
    memcpy(text, head, HEAD);
    (void)sodium_bin2base64(text + HEAD, sizeof text - HEAD, public_key, 32, ALPHABET);
    /* It fails for lengths out of 16 to 64 only. */
    (void)crypto_generichash(hash, sizeof hash, (const unsigned char *)text, HEAD + KEY_TEXT, NULL, 0);
    memcpy(out, head, ID_HEAD);
    (void)sodium_bin2base64(out + ID_HEAD, TOKEN_KID_SIZE - ID_HEAD, hash, sizeof hash, ALPHABET);
}

/* ---- refresh and set-up tokens ---- */

void wire_encode_secret(buf *out, const unsigned char *bytes, size_t n) { base64url_append(out, bytes, n); }

bool wire_decode_secret(span text, unsigned char *out, size_t n)
{
    buf bytes = {0};
    bool ok = text.n <= n / 3 * 4 + 4 && base64url_decode(text, &bytes) && bytes.len == n;
    if (ok) memcpy(out, bytes.data, n);
    if (bytes.data) sodium_memzero(bytes.data, bytes.cap);
    buf_free(&bytes);
    return ok;
}
