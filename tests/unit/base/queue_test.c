#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* needs those above */

#include "confab/queue.h"

struct item {
    struct queue_node node;
    int producer, number;
};

static void order_is_kept_and_only_the_first_push_wakes(void **state)
{
    (void)state;
    struct queue q;
    struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    queue_init(&q, 0);
    assert_int_equal(queue_push(&q, &items[0].node), QUEUE_PUSHED_FIRST);
    assert_int_equal(queue_push(&q, &items[1].node), QUEUE_PUSHED);
    assert_int_equal(queue_push(&q, &items[2].node), QUEUE_PUSHED);
    int expected = 0;
    for (struct queue_node *n = queue_take_all(&q); n; n = n->next)
        assert_int_equal(((struct item *)(void *)n)->number, expected++);
    assert_int_equal(expected, 3);
    assert_null(queue_take_all(&q));
    assert_int_equal(queue_push(&q, &items[0].node), QUEUE_PUSHED_FIRST);
    assert_non_null(queue_take_all(&q));
    queue_fini(&q);
}

static void a_full_queue_takes_nothing(void **state)
{
    (void)state;
    struct queue q;
    struct item items[3] = {{.number = 0}};
    queue_init(&q, 2);
    assert_int_equal(queue_push(&q, &items[0].node), QUEUE_PUSHED_FIRST);
    assert_int_equal(queue_push(&q, &items[1].node), QUEUE_PUSHED);
    assert_int_equal(queue_push(&q, &items[2].node), QUEUE_FULL);
    assert_int_equal(queue_len(&q), 2);
    assert_non_null(queue_wait_take(&q, 1, 0));
    assert_int_equal(queue_push(&q, &items[2].node), QUEUE_PUSHED);
    assert_non_null(queue_take_all(&q));
    queue_fini(&q);
}

static void a_closed_queue_gives_up_what_it_has_and_takes_no_more(void **state)
{
    (void)state;
    struct queue q;
    struct item a = {.number = 1}, b = {.number = 2};
    queue_init(&q, 0);
    assert_int_equal(queue_push(&q, &a.node), QUEUE_PUSHED_FIRST);
    queue_close(&q);
    assert_int_equal(queue_push(&q, &b.node), QUEUE_CLOSED);
    assert_ptr_equal(queue_wait_take(&q, 0, -1), &a.node);
    assert_null(queue_wait_take(&q, 0, -1));
    queue_fini(&q);
}

enum { PRODUCERS = 4, EACH = 20000 };

struct producer {
    struct queue *q;
    struct item *items;
    pthread_t thread;
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (int i = 0; i < EACH; i++) {
        while (queue_push(p->q, &p->items[i].node) == QUEUE_FULL) {
        }
    }
    return NULL;
}

static void nothing_is_lost_between_many_producers_and_one_consumer(void **state)
{
    (void)state;
    struct queue q;
    struct producer producers[PRODUCERS];
    int next[PRODUCERS] = {0}, total = 0;
    queue_init(&q, 1000);
    for (int p = 0; p < PRODUCERS; p++) {
        producers[p].q = &q;
        producers[p].items = calloc(EACH, sizeof(struct item));
        assert_non_null(producers[p].items);
        for (int i = 0; i < EACH; i++)
            producers[p].items[i] = (struct item){.producer = p, .number = i};
        assert_int_equal(pthread_create(&producers[p].thread, NULL, produce, &producers[p]), 0);
    }
    while (total < PRODUCERS * EACH) {
        struct queue_node *n = queue_wait_take(&q, 7, 10000);
        assert_non_null(n);
        while (n) {
            struct item *item = (struct item *)(void *)n;
            n = n->next;
            assert_int_equal(item->number, next[item->producer]++);
            total++;
        }
    }
    for (int p = 0; p < PRODUCERS; p++) {
        (void)pthread_join(producers[p].thread, NULL);
        free(producers[p].items);
    }
    assert_null(queue_take_all(&q));
    queue_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_kept_and_only_the_first_push_wakes),
        cmocka_unit_test(a_full_queue_takes_nothing),
        cmocka_unit_test(a_closed_queue_gives_up_what_it_has_and_takes_no_more),
        cmocka_unit_test(nothing_is_lost_between_many_producers_and_one_consumer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
