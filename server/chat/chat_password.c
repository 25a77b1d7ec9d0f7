/* Passwords: Argon2id by libsodium, at the cost that OWASP names as the least: 19 MiB, two passes (docs/decisions/). */
#include <pthread.h>
#include <sodium.h>

#include "chat_internal.h"

#define PASSWORD_MIN 8
#define PASSWORD_MAX 1024
#define PASSWORD_PASSES 2
#define PASSWORD_MEMORY ((size_t)19456 * 1024)
#define PASSWORDS_AT_ONCE 2

_Static_assert(crypto_pwhash_STRBYTES == 128, "password hashes are kept in 128 bytes");

/* A hash of nobody's password at our cost: what an unknown user's is verified against, so that the answer takes as long. */
static const char nobody[crypto_pwhash_STRBYTES] =
    "$argon2id$v=19$m=19456,t=2,p=1$bK0stK4d0n00lJbKQRdqvQ$xbclbI0EwQRq/T0V8IJ3BYvu1eQx1+IghvYBEZq1W/g";

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_free = PTHREAD_COND_INITIALIZER;
static int gate_inside; /* guarded by gate_lock */

static void gate_enter(void)
{
    pthread_mutex_lock(&gate_lock);
    while (gate_inside == PASSWORDS_AT_ONCE)
        pthread_cond_wait(&gate_free, &gate_lock);
    gate_inside++;
    pthread_mutex_unlock(&gate_lock);
}

static void gate_leave(void)
{
    pthread_mutex_lock(&gate_lock);
    gate_inside--;
    pthread_cond_signal(&gate_free);
    pthread_mutex_unlock(&gate_lock);
}

confab_err chat_password_hash(span password, char out[128])
{
    if (!password.p || password.n < PASSWORD_MIN || password.n > PASSWORD_MAX)
        return confab_fail_field(CONFAB_INVALID_FIELD, "password", "A password is 8 to 1024 bytes long");
    if (sodium_init() < 0) return confab_fail(CONFAB_INTERNAL);
    char hash[crypto_pwhash_STRBYTES];
    gate_enter();
    int failed = crypto_pwhash_str(hash, password.p, password.n, PASSWORD_PASSES, PASSWORD_MEMORY);
    gate_leave();
    if (failed) return confab_fail_msg(CONFAB_INTERNAL, "There is not enough memory to hash a password");
    memcpy(out, hash, sizeof hash);
    return confab_ok();
}

bool chat_password_verify(span password, const char *hash)
{
    if (sodium_init() < 0) return false;
    char stored[crypto_pwhash_STRBYTES];
    bool known = hash && *hash && span_copy(span_of(hash), stored, sizeof stored);
    if (!password.p || password.n > PASSWORD_MAX) { /* cannot be right; still, take the time */
        password = SPAN_LIT("");
        known = false;
    }
    gate_enter();
    int wrong = crypto_pwhash_str_verify(known ? stored : nobody, password.p, password.n);
    gate_leave();
    return wrong == 0 && known;
}

/* Zero: at our cost; one: a good one at another cost; -1: not an Argon2id hash. */
bool password_is_hash(const char s[128]) { return crypto_pwhash_str_needs_rehash(s, PASSWORD_PASSES, PASSWORD_MEMORY) >= 0; }
