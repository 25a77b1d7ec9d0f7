/* swarm.c: the loop of a swarm, its time and its life cycle. See swarm.h, and swarm_internal.h for how it works. */
#include "swarm_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_SOURCES = 250,
    DEFAULT_CONNECTING = 256,
    MAX_WAIT_MS = 60000, /* for one epoll_wait() */
};

/* ---- time ---- */

int64_t swarm_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t swarm_read_at_ns(const swarm *s) { return s->read_at_ns; }

bool swarm_arm(swarm *s, swarm_timer *timer, int64_t delay_ms, void (*fire)(swarm_timer *timer, void *user), void *user)
{
    timer->fire = fire;
    timer->user = user;
    return timer_heap_put(&s->timers, timer, swarm_now_ns() + delay_ms * 1000000);
}

void swarm_disarm(swarm *s, swarm_timer *timer) { timer_heap_remove(&s->timers, timer); }

static void fire_timers(swarm *s)
{
    const int64_t now = swarm_now_ns();
    swarm_timer *timer = NULL;
    while ((timer = timer_heap_first(&s->timers)) != NULL && timer->due_ns <= now) {
        timer_heap_remove(&s->timers, timer);
        timer->fire(timer, timer->user);
    }
}

/* ---- the loop ---- */

static void start_waiting(swarm *s)
{
    while (s->stats.connecting < s->max_connecting && !TAILQ_EMPTY(&s->waiting)) {
        conn_start(TAILQ_FIRST(&s->waiting));
    }
}

/* Handles those that are ready now; what becomes ready meanwhile has its turn in the next round. */
static void run_ready(swarm *s)
{
    conn_list batch = TAILQ_HEAD_INITIALIZER(batch);
    swarm_conn *conn = NULL;
    while ((conn = TAILQ_FIRST(&s->ready)) != NULL) {
        conn_move_to(conn, &batch);
    }
    while ((conn = TAILQ_FIRST(&batch)) != NULL) {
        conn_move_to(conn, &s->running);
        conn_on_ready(conn);
    }
}

static void reap_ended(swarm *s)
{
    swarm_conn *conn = NULL;
    while ((conn = TAILQ_FIRST(&s->ended)) != NULL) {
        const swarm_close_info info = {
            .end = conn->end,
            .http_status = conn->http_status,
            .sys_errno = conn->sys_errno,
            .code = conn->close_code,
            .reason = conn->close_reason != NULL ? conn->close_reason : "",
            .reason_len = conn->close_reason_len,
            .was_open = conn->was_open,
        };
        if (s->callbacks.on_close != NULL) {
            s->callbacks.on_close(conn, conn->user, &info);
        }
        conn_free(conn);
    }
}

/* How long epoll may wait: not beyond the next timer, and not at all while work is at hand. */
static int wait_ms(const swarm *s, int timeout_ms)
{
    if (!TAILQ_EMPTY(&s->ready) || !TAILQ_EMPTY(&s->ended)) {
        return 0;
    }
    const swarm_timer *timer = timer_heap_first(&s->timers);
    if (timer == NULL) {
        return timeout_ms;
    }
    const int64_t left_ns = timer->due_ns - swarm_now_ns();
    const int64_t left_ms = left_ns <= 0 ? 0 : (left_ns + 999999) / 1000000;
    if (timeout_ms >= 0 && timeout_ms < left_ms) {
        return timeout_ms;
    }
    return left_ms > MAX_WAIT_MS ? MAX_WAIT_MS : (int)left_ms;
}

bool swarm_poll(swarm *s, int timeout_ms)
{
    start_waiting(s);
    run_ready(s);
    const int count = epoll_wait(s->epoll_fd, s->events, SWARM_EVENTS, wait_ms(s, timeout_ms));
    if (count < 0 && errno != EINTR) {
        return false;
    }
    s->read_at_ns = swarm_now_ns();
    for (int i = 0; i < count; i++) {
        conn_on_event(s->events[i].data.ptr, s->events[i].events);
    }
    fire_timers(s);
    reap_ended(s);
    return true;
}

static bool has_work(const swarm *s)
{
    return !TAILQ_EMPTY(&s->waiting) || !TAILQ_EMPTY(&s->running) || !TAILQ_EMPTY(&s->ready) || !TAILQ_EMPTY(&s->ended) ||
           timer_heap_first(&s->timers) != NULL;
}

bool swarm_run(swarm *s, int64_t timeout_ms)
{
    const int64_t until_ns = timeout_ms < 0 ? INT64_MAX : swarm_now_ns() + timeout_ms * 1000000;
    s->stopping = false;
    while (!s->stopping && has_work(s)) {
        const int64_t left_ns = until_ns - swarm_now_ns();
        if (left_ns <= 0) {
            break;
        }
        const int64_t left_ms = left_ns / 1000000 + 1;
        if (!swarm_poll(s, left_ms > MAX_WAIT_MS ? MAX_WAIT_MS : (int)left_ms)) {
            break;
        }
    }
    return s->stopping;
}

void swarm_stop(swarm *s) { s->stopping = true; }

/* xorshift64: masks need to differ, not to be secret. */
uint32_t swarm_next_mask(swarm *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (uint32_t)(s->random >> 32);
}

void swarm_get_stats(const swarm *s, swarm_stats *out_stats) { *out_stats = s->stats; }

/* ---- life cycle ---- */

swarm *swarm_new(const swarm_config *config)
{
    const char *host = config->host != NULL ? config->host : "127.0.0.1";
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) != 1 || ntohl(address.s_addr) >> 24 != IN_LOOPBACKNET ||
        config->source_addresses > MAX_SOURCES) {
        errno = EINVAL;
        return NULL;
    }
    swarm *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0) {
        const int error = errno;
        free(s);
        errno = error;
        return NULL;
    }
    (void)snprintf(s->host, sizeof s->host, "%s", host); /* inet_pton() took it, so it fits */
    s->address = address;
    s->port = config->port;
    s->callbacks = config->callbacks;
    s->max_connecting = config->max_connecting > 0 ? config->max_connecting : DEFAULT_CONNECTING;
    s->sources = config->source_addresses > 0 ? config->source_addresses : 1;
    s->random = (uint64_t)swarm_now_ns() | 1;
    TAILQ_INIT(&s->waiting);
    TAILQ_INIT(&s->running);
    TAILQ_INIT(&s->ready);
    TAILQ_INIT(&s->ended);
    return s;
}

static void drop_all(conn_list *list)
{
    swarm_conn *conn = NULL;
    while ((conn = TAILQ_FIRST(list)) != NULL) {
        conn_free(conn);
    }
}

void swarm_free(swarm *s)
{
    if (s == NULL) {
        return;
    }
    drop_all(&s->waiting);
    drop_all(&s->running);
    drop_all(&s->ready);
    drop_all(&s->ended);
    timer_heap_fini(&s->timers);
    bytes_fini(&s->frame);
    close(s->epoll_fd);
    free(s);
}
