/* timer_heap.h: armed timers, the next one first.
 *
 * Ownership: borrows the timers (each knows its place); owns the array.  Thread: one at a time. */
#ifndef CONFAB_BENCH_TIMER_HEAP_H
#define CONFAB_BENCH_TIMER_HEAP_H

#include "swarm.h"

typedef struct timer_entry {
    int64_t due_ns; /* the timer's, here so that a comparison touches no timer */
    swarm_timer *timer;
} timer_entry;

typedef struct timer_heap {
    timer_entry *at; /* owned; a binary heap by due_ns */
    size_t len;
    size_t cap;
} timer_heap;

/* Adds the timer, or moves it if it is in already. Returns false when out of memory (an armed timer always moves). */
bool timer_heap_put(timer_heap *heap, swarm_timer *timer, int64_t due_ns);

/* Takes the timer out; one that is not in is left alone. */
void timer_heap_remove(timer_heap *heap, swarm_timer *timer);

/* The timer that is due first, or NULL. */
swarm_timer *timer_heap_first(const timer_heap *heap);

/* Disarms all and frees the array. */
void timer_heap_fini(timer_heap *heap);

#endif
