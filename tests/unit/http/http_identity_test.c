#include "http_identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <sodium.h>

#include "confab/clock.h"

static struct http_identities identities;
static keyring *keys;

static int set_up(void **state)
{
    struct signing_key key;
    (void)state;
    token_key_generate(&key, clock_wall_ms());
    http_identities_init(&identities);
    return confab_failed(keyring_new(&key, 1, &keys)) ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_identities_fini(&identities);
    keyring_free(keys);
    return 0;
}

static void a_name_that_was_put_is_known_and_no_other(void **state)
{
    (void)state;
    assert_int_equal(http_identities_get(&identities, "alice"), 0);
    assert_int_equal(http_identities_get(&identities, ""), 0);
    http_identities_put(&identities, "alice", 7);
    assert_int_equal(http_identities_get(&identities, "alice"), 7);
    assert_int_equal(http_identities_get(&identities, "Alice"), 0);
}

static void names_that_share_a_place_are_never_taken_for_each_other(void **state)
{
    (void)state;
    for (int i = 1; i <= 4 * HTTP_IDENTITIES; i++) { /* four times what there is room for */
        char name[16];
        snprintf(name, sizeof name, "user%d", i);
        http_identities_put(&identities, name, i);
    }
    int known = 0;
    for (int i = 1; i <= 4 * HTTP_IDENTITIES; i++) {
        char name[16];
        snprintf(name, sizeof name, "user%d", i);
        int64_t id = http_identities_get(&identities, name);
        if (id != 0) {
            assert_int_equal(id, i);
            known++;
        }
    }
    assert_in_range(known, 1, HTTP_IDENTITIES);
}

static void a_token_claims_an_actor_and_anything_else_is_nobody(void **state)
{
    struct chat_actor actor;
    struct token_claims claims = {
        .sub = "bob", .role = USER_MODERATOR, .session_id = 5, .token_epoch = 3, .jti = "0123456789abcdef0123456789abcdef"};
    buf token = {0};
    (void)state;
    claims.issued_ms = clock_wall_ms();
    claims.expires_ms = claims.issued_ms + 60000;
    assert_false(confab_failed(token_sign(keys, &claims, &token)));
    assert_int_equal(http_identity_claim(keys, buf_span(&token), "10.0.0.1", &actor).code, CONFAB_OK);
    assert_string_equal(actor.name, "bob");
    assert_string_equal(actor.address, "10.0.0.1");
    assert_int_equal(actor.user_id, 0); /* the store has not been asked */
    assert_int_equal(actor.role, USER_MODERATOR);
    assert_int_equal(actor.session_id, 5);
    assert_int_equal(actor.token_epoch, 3);
    assert_int_equal(http_identity_claim(keys, (span){NULL, 0}, "", &actor).code, CONFAB_AUTH_REQUIRED);
    assert_int_equal(http_identity_claim(keys, SPAN_LIT(""), "", &actor).code, CONFAB_AUTH_FAILED);
    token.data[20] ^= 1;
    assert_int_equal(http_identity_claim(keys, buf_span(&token), "", &actor).code, CONFAB_AUTH_FAILED);
    buf_free(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_that_was_put_is_known_and_no_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_share_a_place_are_never_taken_for_each_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_token_claims_an_actor_and_anything_else_is_nobody, set_up, tear_down),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
