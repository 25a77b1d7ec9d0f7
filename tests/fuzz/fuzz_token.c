/* Access tokens. The first byte chooses: the rest is a token as a stranger may send it; or a payload, or a footer, that is signed with
 * a key of the ring first, so that what lies behind the signature is reached as well. */
#include <sodium.h>
#include <string.h>

#include "fuzz.h"
#include "wire_token.h"

#define NOW INT64_C(1795507200123)

static keyring *ring;
static unsigned char secret_key[64];

static void make_ring(void)
{
    struct signing_key keys[2] = {{.created_ms = 2}, {.created_ms = 1}};
    unsigned char public_key[32];
    FUZZ_CHECK(sodium_init() >= 0);
    memset(keys[1].seed, 1, sizeof keys[1].seed);
    FUZZ_CHECK(keyring_new(keys, 2, &ring).code == CONFAB_OK);
    FUZZ_CHECK(crypto_sign_seed_keypair(public_key, secret_key, keys[1].seed) == 0);
}

static void check(span token, bool is_signed)
{
    struct token_claims c = {0};
    confab_err e = token_verify(ring, token, NOW, &c);
    if (confab_failed(e)) {
        FUZZ_CHECK(e.code == CONFAB_AUTH_FAILED && c.sub[0] == '\0');
        return;
    }
    FUZZ_CHECK(is_signed || token.n > 64);
    FUZZ_CHECK(user_name_is_valid(span_of(c.sub)) && c.jti[0]);
    FUZZ_CHECK(c.role >= USER_BOT && c.role <= USER_ADMIN);
    FUZZ_CHECK(c.expires_ms > NOW && c.session_id >= 0 && c.token_epoch >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const span payload =
        SPAN_LIT("{\"sub\":\"bob\",\"jti\":\"j\",\"role\":\"bot\",\"iat\":\"2026-11-24T08:00:00Z\",\"exp\":\"2026-11-24T09:00:00Z\"}");
    if (!ring) make_ring();
    if (size == 0) return 0;
    span rest = {(const char *)data + 1, size - 1};
    buf token = {0};
    if (data[0] % 3 == 0) {
        check(rest, false);
    } else {
        bool as_payload = data[0] % 3 == 1;
        confab_err e = paseto_v4_public_sign(secret_key, as_payload ? rest : payload, as_payload ? (span){0} : rest, (span){0}, &token);
        FUZZ_CHECK(e.code == CONFAB_OK);
        check(buf_span(&token), true);
    }
    buf_free(&token);
    return 0;
}
