/* timer_heap.c: see timer_heap.h. */
#include "timer_heap.h"

#include <stdlib.h>

static void place(timer_heap *heap, size_t index, timer_entry entry)
{
    heap->at[index] = entry;
    entry.timer->place = index + 1;
}

static void sift_up(timer_heap *heap, size_t index)
{
    const timer_entry entry = heap->at[index];
    while (index > 0) {
        const size_t parent = (index - 1) / 2;
        if (heap->at[parent].due_ns <= entry.due_ns) {
            break;
        }
        place(heap, index, heap->at[parent]);
        index = parent;
    }
    place(heap, index, entry);
}

static void sift_down(timer_heap *heap, size_t index)
{
    const timer_entry entry = heap->at[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->len) {
            break;
        }
        if (child + 1 < heap->len && heap->at[child + 1].due_ns < heap->at[child].due_ns) {
            child++;
        }
        if (entry.due_ns <= heap->at[child].due_ns) {
            break;
        }
        place(heap, index, heap->at[child]);
        index = child;
    }
    place(heap, index, entry);
}

/* Puts the heap in order again after the entry at `index` has changed. */
static void settle(timer_heap *heap, size_t index)
{
    const swarm_timer *timer = heap->at[index].timer;
    sift_up(heap, index);
    sift_down(heap, timer->place - 1);
}

bool timer_heap_put(timer_heap *heap, swarm_timer *timer, int64_t due_ns)
{
    if (timer->place == 0) {
        if (heap->len == heap->cap) {
            const size_t cap = heap->cap > 0 ? heap->cap * 2 : 64;
            timer_entry *grown = realloc(heap->at, cap * sizeof *grown);
            if (grown == NULL) {
                return false;
            }
            heap->at = grown;
            heap->cap = cap;
        }
        timer->place = ++heap->len;
    }
    timer->due_ns = due_ns;
    const size_t index = timer->place - 1;
    heap->at[index] = (timer_entry){due_ns, timer};
    settle(heap, index);
    return true;
}

void timer_heap_remove(timer_heap *heap, swarm_timer *timer)
{
    if (timer->place == 0) {
        return;
    }
    const size_t index = timer->place - 1;
    timer->place = 0;
    const timer_entry last = heap->at[--heap->len];
    if (last.timer != timer) {
        place(heap, index, last);
        settle(heap, index);
    }
}

swarm_timer *timer_heap_first(const timer_heap *heap) { return heap->len > 0 ? heap->at[0].timer : NULL; }

void timer_heap_fini(timer_heap *heap)
{
    for (size_t i = 0; i < heap->len; i++) {
        heap->at[i].timer->place = 0;
    }
    free(heap->at);
    *heap = (timer_heap){0};
}
