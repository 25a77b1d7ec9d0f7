#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* needs those above */

#include "confab/map.h"

enum { KEYS = 700, STEPS = 200000 };

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* The model is an array indexed by key; keys are spread so that runs of collisions form. */
static void map_agrees_with_an_array_over_many_random_steps(void **state)
{
    (void)state;
    static char values[KEYS];
    void *model[KEYS] = {0};
    struct map m = {0};
    size_t len = 0;
    for (int step = 0; step < STEPS; step++) {
        size_t k = (size_t)(next_random() % KEYS);
        int64_t key = (int64_t)k * 1048576 - 350 * 1048576;
        if (next_random() % 2) {
            len += !model[k];
            model[k] = &values[next_random() % KEYS];
            assert_true(map_put(&m, key, model[k]));
        } else {
            assert_ptr_equal(map_remove(&m, key), model[k]);
            len -= model[k] != NULL;
            model[k] = NULL;
        }
        assert_int_equal(m.len, len);
        size_t probe = (size_t)(next_random() % KEYS);
        assert_ptr_equal(map_get(&m, (int64_t)probe * 1048576 - 350 * 1048576), model[probe]);
    }
    map_free(&m);
}

static void a_walk_meets_every_value_once(void **state)
{
    (void)state;
    struct map m = {0};
    static char values[100];
    int seen[100] = {0};
    size_t at = 0;
    int64_t key;
    char *value;
    for (int64_t i = 0; i < 100; i++)
        assert_true(map_put(&m, i, &values[i]));
    while ((value = map_next(&m, &at, &key))) {
        assert_ptr_equal(value, &values[key]);
        seen[key]++;
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    map_free(&m);
}

static void an_empty_map_has_nothing(void **state)
{
    (void)state;
    struct map m = {0};
    size_t at = 0;
    assert_null(map_get(&m, 0));
    assert_null(map_remove(&m, 0));
    assert_null(map_next(&m, &at, NULL));
    map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_agrees_with_an_array_over_many_random_steps),
        cmocka_unit_test(a_walk_meets_every_value_once),
        cmocka_unit_test(an_empty_map_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
