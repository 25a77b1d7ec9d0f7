#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "chat.h"

static char hash_of_secret[128];

static int hash_once(void **state)
{
    (void)state;
    return chat_password_hash(SPAN_LIT("correct horse"), hash_of_secret).code == CONFAB_OK ? 0 : -1;
}

static void the_right_password_is_accepted_and_another_one_is_not(void **state)
{
    (void)state;
    assert_true(chat_password_verify(SPAN_LIT("correct horse"), hash_of_secret));
    assert_false(chat_password_verify(SPAN_LIT("correct horsf"), hash_of_secret));
    assert_false(chat_password_verify(SPAN_LIT("correct horse "), hash_of_secret));
}

static void a_hash_is_argon2id_and_salted(void **state)
{
    (void)state;
    char other[128];
    assert_int_equal(chat_password_hash(SPAN_LIT("correct horse"), other).code, CONFAB_OK);
    assert_memory_equal(other, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_string_not_equal(other, hash_of_secret);
    assert_true(strlen(other) < 128);
}

static void bytes_count_also_zero_ones(void **state)
{
    (void)state;
    char hash[128];
    assert_int_equal(chat_password_hash((span){"abcdefgh\0ijk", 12}, hash).code, CONFAB_OK);
    assert_false(chat_password_verify((span){"abcdefgh\0ijx", 12}, hash));
    assert_false(chat_password_verify((span){"abcdefgh", 8}, hash));
    assert_true(chat_password_verify((span){"abcdefgh\0ijk", 12}, hash));
}

static void too_short_and_too_long_passwords_are_refused_untouched(void **state)
{
    (void)state;
    static char long_one[1025];
    char hash[128] = "untouched";
    memset(long_one, 'x', sizeof long_one);
    assert_int_equal(chat_password_hash(SPAN_LIT("1234567"), hash).code, CONFAB_INVALID_FIELD);
    assert_int_equal(chat_password_hash((span){long_one, 1025}, hash).code, CONFAB_INVALID_FIELD);
    assert_int_equal(chat_password_hash((span){NULL, 0}, hash).code, CONFAB_INVALID_FIELD);
    assert_string_equal(hash, "untouched");
    assert_string_equal(chat_password_hash(SPAN_LIT("1234567"), hash).field, "password");
    assert_int_equal(chat_password_hash((span){long_one, 1024}, hash).code, CONFAB_OK);
}

static void an_unknown_user_and_a_broken_hash_are_never_right(void **state)
{
    (void)state;
    char long_hash[200];
    memset(long_hash, '$', sizeof long_hash - 1);
    long_hash[199] = 0;
    assert_false(chat_password_verify(SPAN_LIT("correct horse"), ""));
    assert_false(chat_password_verify(SPAN_LIT("correct horse"), NULL));
    assert_false(chat_password_verify(SPAN_LIT(""), ""));
    assert_false(chat_password_verify((span){NULL, 0}, hash_of_secret));
    assert_false(chat_password_verify(SPAN_LIT("correct horse"), "plain text"));
    assert_false(chat_password_verify(SPAN_LIT("correct horse"), long_hash));
}

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* not the wall: the machine may be busy with something else */
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t fastest_verify(const char *hash)
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        int64_t begin = cpu_us();
        (void)chat_password_verify(SPAN_LIT("wrong password"), hash);
        int64_t took = cpu_us() - begin;
        if (took < best) best = took;
    }
    return best;
}

static void an_unknown_user_costs_as_much_as_a_known_one(void **state)
{
    (void)state;
    int64_t known = fastest_verify(hash_of_secret), unknown = fastest_verify("");
    if (unknown < known / 2 || unknown > known * 2) fail_msg("known %ld us, unknown %ld us", (long)known, (long)unknown);
}

static void *verify(void *ctx)
{
    *(bool *)ctx = chat_password_verify(SPAN_LIT("correct horse"), hash_of_secret);
    return NULL;
}

static void more_than_two_at_once_wait_and_all_are_answered(void **state)
{
    (void)state;
    pthread_t threads[6];
    bool right[6] = {false};
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify, &right[i]), 0);
    for (int i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
        assert_true(right[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_password_is_accepted_and_another_one_is_not),
        cmocka_unit_test(a_hash_is_argon2id_and_salted),
        cmocka_unit_test(bytes_count_also_zero_ones),
        cmocka_unit_test(too_short_and_too_long_passwords_are_refused_untouched),
        cmocka_unit_test(an_unknown_user_and_a_broken_hash_are_never_right),
        cmocka_unit_test(an_unknown_user_costs_as_much_as_a_known_one),
        cmocka_unit_test(more_than_two_at_once_wait_and_all_are_answered),
    };
    return cmocka_run_group_tests(tests, hash_once, NULL);
}
