#include "confab/queue.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

void queue_init(struct queue *q, size_t max)
{
    pthread_condattr_t attr;
    *q = (struct queue){.max = max};
    q->tail = &q->head;
    (void)pthread_mutex_init(&q->lock, NULL); /* cannot fail on Linux with default attributes */
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&q->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
}

void queue_fini(struct queue *q)
{
    assert(!q->head);
    (void)pthread_cond_destroy(&q->wake);
    (void)pthread_mutex_destroy(&q->lock);
}

enum queue_push queue_push(struct queue *q, struct queue_node *node)
{
    enum queue_push result = QUEUE_PUSHED;
    pthread_mutex_lock(&q->lock);
    if (q->closed) {
        result = QUEUE_CLOSED;
    } else if (q->max && q->len >= q->max) {
        result = QUEUE_FULL;
    } else {
        if (!q->head) result = QUEUE_PUSHED_FIRST;
        node->next = NULL;
        *q->tail = node;
        q->tail = &node->next;
        q->len++;
        pthread_cond_signal(&q->wake);
    }
    pthread_mutex_unlock(&q->lock);
    return result;
}

/* With the lock held: takes the first `most` (0: all). */
static struct queue_node *take_locked(struct queue *q, size_t most)
{
    struct queue_node *first = q->head;
    if (!first) return NULL;
    if (most == 0 || most >= q->len) {
        q->head = NULL;
        q->tail = &q->head;
        q->len = 0;
        return first;
    }
    struct queue_node *last = first;
    for (size_t i = 1; i < most; i++)
        last = last->next;
    q->head = last->next;
    q->len -= most;
    last->next = NULL;
    return first;
}

struct queue_node *queue_take_all(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    struct queue_node *first = take_locked(q, 0);
    pthread_mutex_unlock(&q->lock);
    return first;
}

struct queue_node *queue_wait_take(struct queue *q, size_t most, int timeout_ms)
{
    struct timespec until;
    if (timeout_ms >= 0) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += timeout_ms / 1000;
        until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000L;
        }
    }
    pthread_mutex_lock(&q->lock);
    while (!q->head && !q->closed) {
        if (timeout_ms < 0) {
            pthread_cond_wait(&q->wake, &q->lock);
        } else if (pthread_cond_timedwait(&q->wake, &q->lock, &until) == ETIMEDOUT) {
            break;
        }
    }
    struct queue_node *first = take_locked(q, most);
    pthread_mutex_unlock(&q->lock);
    return first;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->wake);
    pthread_mutex_unlock(&q->lock);
}

size_t queue_len(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t len = q->len;
    pthread_mutex_unlock(&q->lock);
    return len;
}
