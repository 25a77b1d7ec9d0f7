/* The one way threads talk: an intrusive queue, many producers, one or more consumers.
 *
 * Push says whether the queue was empty, so that the consumer is woken once, not once per item; the consumer takes the
 * whole list at once and works on it without the lock. */
#ifndef CONFAB_QUEUE_H
#define CONFAB_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Embed as a member; an item is in at most one queue. */
struct queue_node {
    struct queue_node *next;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* CLOCK_MONOTONIC; for consumers that block */
    struct queue_node *head, **tail;
    size_t len, max; /* max 0: unbounded (only for items bounded elsewhere) */
    bool closed;
};

enum queue_push { QUEUE_PUSHED, QUEUE_PUSHED_FIRST, QUEUE_FULL, QUEUE_CLOSED };

void queue_init(struct queue *q, size_t max);
void queue_fini(struct queue *q); /* the queue must be empty */
/* Thread: any. Takes node unless FULL or CLOSED. PUSHED_FIRST: it was empty before. Signals one blocked consumer. */
enum queue_push queue_push(struct queue *q, struct queue_node *node);
/* Takes everything (or NULL) in order of arrival, without waiting. */
struct queue_node *queue_take_all(struct queue *q);
/* Waits up to timeout_ms (-1: for ever) for something, then takes at most `most` items (0: all). NULL on time-out or when closed and empty.
 */
struct queue_node *queue_wait_take(struct queue *q, size_t most, int timeout_ms);
/* No further push succeeds; blocked consumers return. What is queued can still be taken. */
void queue_close(struct queue *q);
size_t queue_len(struct queue *q);

#endif
