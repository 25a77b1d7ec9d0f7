/* swarm_test.c: the client engine against scripted servers in the same thread.
 *
 * No test sleeps: each step polls the swarm until its condition holds, and fails after WAIT_MS. */
#include "swarm.h"
#include "ws_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 10000 };

#define ACCEPTED                                                                                                                           \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"                                                    \
    "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

/* ---- the swarm against a scripted server ---- */

typedef struct fixture {
    swarm *swarm;
    int listener;
    uint16_t port;
    int peer; /* the server's end of the newest connection, -1: none */
    swarm_conn *conn;
    unsigned opened, closed;
    char frames[512]; /* every text received, each followed by '|' */
    swarm_close_info info;
    char reason[64];
    bool pause_on_frame, abort_on_frame;
} fixture;

static void note_open(swarm_conn *conn, void *user)
{
    fixture *f = user;
    f->opened++;
    assert_true(swarm_is_open(conn));
}

static void note_frame(swarm_conn *conn, void *user, const char *text, size_t len)
{
    fixture *f = user;
    const size_t used = strlen(f->frames);
    assert_true(used + len + 2 < sizeof f->frames);
    (void)snprintf(f->frames + used, sizeof f->frames - used, "%.*s|", (int)len, text);
    if (f->pause_on_frame) {
        swarm_pause_reading(conn);
    }
    if (f->abort_on_frame) {
        swarm_abort(conn);
    }
}

static void note_close(swarm_conn *conn, void *user, const swarm_close_info *info)
{
    fixture *f = user;
    (void)conn;
    f->closed++;
    f->info = *info;
    (void)snprintf(f->reason, sizeof f->reason, "%.*s", (int)info->reason_len, info->reason);
}

static int listen_on_loopback(uint16_t *out_port)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->peer = -1;
    f->listener = listen_on_loopback(&f->port);
    const swarm_config config = {
        .port = f->port,
        .max_connecting = 2,
        .source_addresses = 3,
        .callbacks = {.on_open = note_open, .on_frame = note_frame, .on_close = note_close},
    };
    f->swarm = swarm_new(&config);
    assert_non_null(f->swarm);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    swarm_free(f->swarm);
    close(f->listener);
    if (f->peer >= 0) {
        close(f->peer);
    }
    free(f);
    return 0;
}

/* Polls until the condition holds. */
#define WAIT_FOR(f, condition)                                                                                                             \
    do {                                                                                                                                   \
        const int64_t until = swarm_now_ns() + (int64_t)WAIT_MS * 1000000;                                                                 \
        while (!(condition)) {                                                                                                             \
            if (swarm_now_ns() > until) {                                                                                                  \
                fail_msg("still waiting for: %s", #condition);                                                                             \
            }                                                                                                                              \
            assert_true(swarm_poll((f)->swarm, 1));                                                                                        \
        }                                                                                                                                  \
    } while (0)

static void connect_one(fixture *f)
{
    const swarm_target target = {.path = "/ws?x=1", .token = "T0", .headers = "X-Test: 1\r\n", .user = f};
    f->conn = swarm_connect(f->swarm, &target);
    assert_non_null(f->conn);
}

/* Receives what is there into buffer, at most up to `cap` bytes in all. Returns true, to stand in a condition. */
static bool peer_take(const fixture *f, char *buffer, size_t cap, size_t *len)
{
    const ssize_t n = *len < cap ? recv(f->peer, buffer + *len, cap - *len, 0) : 0;
    *len += n > 0 ? (size_t)n : 0;
    return true;
}

/* Accepts the connection and reads its request. */
static void accept_request(fixture *f)
{
    WAIT_FOR(f, (f->peer = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
    char request[2048] = "";
    size_t len = 0;
    WAIT_FOR(f, peer_take(f, request, sizeof request - 1, &len) && strstr(request, "\r\n\r\n") != NULL);
    assert_int_equal(strncmp(request, "GET /ws?x=1 HTTP/1.1\r\n", 22), 0);
    assert_non_null(strstr(request, "\r\nAuthorization: Bearer T0\r\nX-Test: 1\r\n\r\n"));
}

static void peer_send(fixture *f, const void *data, size_t len) { assert_int_equal(send(f->peer, data, len, MSG_NOSIGNAL), (ssize_t)len); }

static void open_one(fixture *f)
{
    connect_one(f);
    accept_request(f);
    peer_send(f, ACCEPTED, strlen(ACCEPTED));
    WAIT_FOR(f, f->opened == 1);
}

/* Receives one client frame of at most 125 bytes, unmasks it into out, and returns its opcode. */
static int peer_receive(fixture *f, char *out)
{
    char frame[6 + 125];
    size_t len = 0;
    WAIT_FOR(f, peer_take(f, frame, 2, &len) && len == 2);
    const size_t text_len = frame[1] & 0x7F;
    WAIT_FOR(f, peer_take(f, frame, 6 + text_len, &len) && len == 6 + text_len);
    for (size_t i = 0; i < text_len; i++) {
        out[i] = (char)(frame[6 + i] ^ frame[2 + i % 4]);
    }
    out[text_len] = '\0';
    return frame[0] & 0x0F;
}

static void frames_behind_the_handshake_are_delivered(void **state)
{
    fixture *f = *state;
    connect_one(f);
    accept_request(f);
    bytes stream = {0};
    assert_true(bytes_append(&stream, ACCEPTED, strlen(ACCEPTED)));
    assert_true(bytes_append(&stream, "\x81\x03one\x81\x03two", 10));
    for (size_t i = 0; i < stream.len; i++) { /* one byte at a time */
        peer_send(f, stream.at + i, 1);
        assert_true(swarm_poll(f->swarm, 0));
    }
    bytes_fini(&stream);
    WAIT_FOR(f, strcmp(f->frames, "one|two|") == 0);
    assert_int_equal(f->opened, 1);
    swarm_stats stats;
    swarm_get_stats(f->swarm, &stats);
    assert_int_equal(stats.open, 1);
    assert_int_equal(stats.frames_in, 2);
    assert_int_equal(stats.bytes_queued, 0);
}

static void pings_are_answered_and_text_is_sent(void **state)
{
    fixture *f = *state;
    char text[128];
    open_one(f);
    peer_send(f,
              "\x89\x04"
              "beat",
              6);
    assert_int_equal(peer_receive(f, text), WS_PONG);
    assert_string_equal(text, "beat");
    assert_true(swarm_send_text(f->conn, "hello", 5));
    assert_int_equal(peer_receive(f, text), WS_TEXT);
    assert_string_equal(text, "hello");
}

static void a_paused_reader_gets_the_rest_after_resuming(void **state)
{
    fixture *f = *state;
    open_one(f);
    f->pause_on_frame = true;
    peer_send(f,
              "\x81\x01"
              "a"
              "\x81\x01"
              "b"
              "\x81\x01",
              8); /* the third frame is cut */
    WAIT_FOR(f, strcmp(f->frames, "a|") == 0);
    peer_send(f, "c", 1);
    close(f->peer); /* even the hang-up waits for the reader */
    f->peer = -1;
    for (int i = 0; i < 20; i++) {
        assert_true(swarm_poll(f->swarm, 0));
    }
    assert_string_equal(f->frames, "a|");
    swarm_resume_reading(f->conn);
    WAIT_FOR(f, strcmp(f->frames, "a|b|") == 0);
    assert_int_equal(f->closed, 0);
    swarm_resume_reading(f->conn);
    WAIT_FOR(f, strcmp(f->frames, "a|b|c|") == 0);
    swarm_resume_reading(f->conn);
    WAIT_FOR(f, f->closed == 1);
    assert_int_equal(f->info.end, SWARM_END_EOF);
}

static void text_for_a_full_socket_is_kept_and_sent_later(void **state)
{
    fixture *f = *state;
    static char text[65536];
    open_one(f);
    size_t sent = 0;
    while (swarm_queued_bytes(f->conn) == 0) {
        assert_true(swarm_send_text(f->conn, text, sizeof text));
        sent += sizeof text + 14;
        assert_true(sent < (size_t)1 << 30);
    }
    assert_true(swarm_send_text(f->conn, "end", 3));
    sent += 3 + 6;
    size_t received = 0;
    char *sink = malloc(sent + 1);
    assert_non_null(sink);
    WAIT_FOR(f, peer_take(f, sink, sent + 1, &received) && received >= sent);
    assert_int_equal(received, sent);
    free(sink);
    assert_int_equal(swarm_queued_bytes(f->conn), 0);
    swarm_stats stats;
    swarm_get_stats(f->swarm, &stats);
    assert_int_equal(stats.bytes_queued, 0);
}

static void the_servers_close_is_answered_and_told(void **state)
{
    fixture *f = *state;
    char text[128];
    open_one(f);
    peer_send(f,
              "\x81\x01"
              "a"
              "\x88\x06\x0F\xA0"
              "slow",
              11);
    assert_int_equal(peer_receive(f, text), WS_CLOSE);
    assert_memory_equal(text, "\x0F\xA0", 2);
    WAIT_FOR(f, f->closed == 1);
    assert_string_equal(f->frames, "a|");
    assert_int_equal(f->info.end, SWARM_END_CLOSED);
    assert_int_equal(f->info.code, 4000);
    assert_string_equal(f->reason, "slow");
}

static void our_close_waits_for_the_servers(void **state)
{
    fixture *f = *state;
    char text[128];
    open_one(f);
    swarm_close(f->conn, 1000);
    assert_false(swarm_send_text(f->conn, "x", 1));
    assert_int_equal(peer_receive(f, text), WS_CLOSE);
    assert_int_equal(f->closed, 0);
    peer_send(f,
              "\x81\x01"
              "a"
              "\x88\x00",
              5);
    WAIT_FOR(f, f->closed == 1);
    assert_string_equal(f->frames, "");
    assert_int_equal(f->info.code, 1005);
}

static void an_abort_in_a_callback_stops_delivery(void **state)
{
    fixture *f = *state;
    open_one(f);
    f->abort_on_frame = true;
    peer_send(f,
              "\x81\x01"
              "a"
              "\x81\x01"
              "b",
              6);
    WAIT_FOR(f, f->closed == 1);
    assert_string_equal(f->frames, "a|");
    assert_int_equal(f->info.end, SWARM_END_ABORTED);
}

static void refusals_are_told_with_their_cause(void **state)
{
    fixture *f = *state;
    connect_one(f);
    accept_request(f);
    peer_send(f, "HTTP/1.1 401 No\r\n\r\n", 19);
    WAIT_FOR(f, f->closed == 1);
    assert_int_equal(f->info.end, SWARM_END_REFUSED);
    assert_int_equal(f->info.http_status, 401);
    assert_false(f->info.was_open);

    uint16_t dead_port = 0;
    close(listen_on_loopback(&dead_port));
    const swarm_target target = {.path = "/", .port = dead_port, .user = f};
    assert_non_null(swarm_connect(f->swarm, &target));
    WAIT_FOR(f, f->closed == 2);
    assert_int_equal(f->info.end, SWARM_END_SYSTEM);
    assert_int_equal(f->info.sys_errno, ECONNREFUSED);
    assert_int_equal(f->opened, 0);
    assert_false(swarm_run(f->swarm, -1)); /* nothing left: returns at once */
}

static void only_so_many_handshakes_are_under_way(void **state)
{
    fixture *f = *state;
    swarm_conn *conns[5];
    const swarm_target target = {.path = "/", .user = f};
    for (size_t i = 0; i < 5; i++) {
        conns[i] = swarm_connect(f->swarm, &target);
        assert_non_null(conns[i]);
    }
    swarm_stats stats;
    assert_true(swarm_poll(f->swarm, 0));
    swarm_get_stats(f->swarm, &stats);
    assert_int_equal(stats.connecting, 2);
    assert_int_equal(stats.waiting, 3);
    swarm_abort(conns[0]); /* one under way */
    swarm_abort(conns[4]); /* one that waits */
    WAIT_FOR(f, f->closed == 2);
    assert_true(swarm_poll(f->swarm, 0));
    swarm_get_stats(f->swarm, &stats);
    assert_int_equal(stats.connecting, 2);
    assert_int_equal(stats.waiting, 1);
}

static void only_loopback_can_be_reached(void **state)
{
    (void)state;
    const char *hosts[] = {"10.0.0.1", "localhost", "128.0.0.1", ""};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        assert_null(swarm_new(&(swarm_config){.host = hosts[i], .port = 1}));
        assert_int_equal(errno, EINVAL);
    }
}

/* ---- timers ---- */

static size_t fired;
static int64_t last_due;

static void note_fire(swarm_timer *timer, void *user)
{
    assert_ptr_equal(user, &fired);
    assert_true(timer->due_ns >= last_due);
    assert_int_equal(timer->place, 0);
    last_due = timer->due_ns;
    fired++;
}

static void timers_fire_once_in_order(void **state)
{
    (void)state;
    swarm *s = swarm_new(&(swarm_config){.port = 1});
    assert_non_null(s);
    enum { TIMERS = 200 };
    swarm_timer timers[TIMERS] = {0};
    fired = 0;
    last_due = 0;
    for (size_t i = 0; i < TIMERS; i++) {
        assert_true(swarm_arm(s, &timers[i], (int64_t)(i * 7919 % 23), note_fire, &fired));
    }
    for (size_t i = 0; i < TIMERS; i += 3) { /* some move */
        assert_true(swarm_arm(s, &timers[i], (int64_t)(i % 11), note_fire, &fired));
    }
    size_t disarmed = 0;
    for (size_t i = 1; i < TIMERS; i += 4, disarmed++) {
        swarm_disarm(s, &timers[i]);
        swarm_disarm(s, &timers[i]);
    }
    assert_false(swarm_run(s, -1)); /* ends by itself: no timer is left */
    assert_int_equal(fired, TIMERS - disarmed);
    swarm_free(s);
}

int main(void)
{
#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SERVED(frames_behind_the_handshake_are_delivered),    SERVED(pings_are_answered_and_text_is_sent),
        SERVED(a_paused_reader_gets_the_rest_after_resuming), SERVED(text_for_a_full_socket_is_kept_and_sent_later),
        SERVED(the_servers_close_is_answered_and_told),       SERVED(our_close_waits_for_the_servers),
        SERVED(an_abort_in_a_callback_stops_delivery),        SERVED(refusals_are_told_with_their_cause),
        SERVED(only_so_many_handshakes_are_under_way),        cmocka_unit_test(only_loopback_can_be_reached),
        cmocka_unit_test(timers_fire_once_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
