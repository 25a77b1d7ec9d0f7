/* The hand-over, against a real CivetWeb in this process and a hub that only writes down what it gets. */
#include "http_handover.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <civetweb.h>
#include <cmocka.h>
#include <sodium.h>

#include "confab/metrics.h"
#include "raw_client.h"

enum { THREADS = 4, FLOOR = 512, CROWD = 200 };

struct worker {
    struct handover_ticket ticket; /* first member, as handover wants it */
};

/* The hub's stand-in. */
struct hub {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int fd[2 * CROWD];
    char room[2 * CROWD][ROOM_SLUG_MAX + 1];
    int adopted, released, admitted;
};

struct fixture {
    struct handover handover;
    struct hub hub;
    struct mg_context *civet;
    int port;
};

static struct fixture *fixture;

static void adopt(void *ctx, int fd, const struct live_hello *hello)
{
    struct hub *h = ctx;
    pthread_mutex_lock(&h->lock);
    h->fd[h->adopted] = fd;
    memcpy(h->room[h->adopted], hello->room, sizeof hello->room);
    h->adopted++;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

static void release(void *ctx, const char *address)
{
    struct hub *h = ctx;
    pthread_mutex_lock(&h->lock);
    if (strcmp(address, "test") == 0) h->released++;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

/* Waits until that many connections have met their end, one way or the other. */
static void await(int adopted_and_released)
{
    struct hub *h = &fixture->hub;
    struct timespec until;
    int late = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RAW_PATIENCE_S;
    pthread_mutex_lock(&h->lock);
    while (h->adopted + h->released < adopted_and_released && !late)
        late = pthread_cond_timedwait(&h->changed, &h->lock, &until);
    int seen = h->adopted + h->released;
    pthread_mutex_unlock(&h->lock);
    assert_int_equal(seen, adopted_and_released);
}

/* Lets every handshake on /ws/chat/NAME through, with the name as its room; /ws/refused is left without a ticket. */
static int on_begin_request(struct mg_connection *conn)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct worker *w = mg_get_thread_pointer(conn);
    struct fixture *f = mg_get_user_data(mg_get_context(conn));
    const char *uri = mg_get_request_info(conn)->local_uri_raw;
    if (strcmp(uri, "/plain") == 0) {
        mg_write(conn, answer, sizeof answer - 1);
        return 200;
    }
    if (strncmp(uri, "/ws/chat/", 9) == 0) {
        w->ticket.admitted = true;
        snprintf(w->ticket.hello.room, sizeof w->ticket.hello.room, "%.64s", uri + 9);
        snprintf(w->ticket.hello.actor.address, sizeof w->ticket.hello.actor.address, "test");
        w->ticket.peer = (struct handover_peer){.port = mg_get_request_info(conn)->remote_port, .local_port = f->port};
        if (!http_address_parse(span_of(mg_get_request_info(conn)->remote_addr), &w->ticket.peer.address)) abort();
        pthread_mutex_lock(&f->hub.lock);
        f->hub.admitted++;
        pthread_mutex_unlock(&f->hub.lock);
    }
    return 0;
}

static void on_end_request(const struct mg_connection *conn, int status)
{
    struct worker *w = mg_get_thread_pointer(conn);
    (void)status;
    handover_settle(&fixture->handover, &w->ticket);
}

static void *on_init_thread(const struct mg_context *ctx, int type)
{
    (void)ctx;
    if (type != 1) return NULL;
    struct worker *w = calloc(1, sizeof *w);
    handover_ticket_init(&w->ticket);
    return w;
}

static void on_exit_thread(const struct mg_context *ctx, int type, void *worker)
{
    (void)ctx;
    if (type == 1) free(worker);
}

static int on_log(const struct mg_connection *conn, const char *message)
{
    (void)conn;
    (void)message;
    return 1;
}

static void start_with_floor(int floor)
{
    const char *options[] = {"listening_ports",   "127.0.0.1:0", "num_threads", "4",  "tcp_nodelay", "1", "listen_backlog", "1024",
                             "enable_keep_alive", "yes",         "decode_url",  "no", NULL};
    const struct mg_callbacks callbacks = {.begin_request = on_begin_request,
                                           .end_request = on_end_request,
                                           .init_thread = on_init_thread,
                                           .exit_thread = on_exit_thread,
                                           .log_message = on_log};
    struct mg_server_port port;
    fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    pthread_mutex_init(&fixture->hub.lock, NULL);
    pthread_cond_init(&fixture->hub.changed, NULL);
    fixture->civet = mg_start(&callbacks, fixture, options);
    assert_non_null(fixture->civet);
    const struct handover_target target = {.ctx = &fixture->hub, .adopt = adopt, .release = release};
    assert_false(confab_failed(handover_init(&fixture->handover, &target, floor)));
    handover_register(&fixture->handover, fixture->civet, "/ws");
    assert_int_equal(mg_get_server_ports(fixture->civet, 1, &port), 1);
    fixture->port = port.port; /* nobody has connected before this */
}

static int set_up(void **state)
{
    (void)state;
    start_with_floor(FLOOR);
    return 0;
}

/* CivetWeb looks every two seconds whether it is to stop; a listening socket that was shut down wakes it. */
static void stop_civetweb(void)
{
    for (int fd = 3; fd < FLOOR; fd++) {
        int listening = 0;
        socklen_t size = sizeof listening;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening) shutdown(fd, SHUT_RDWR);
    }
    mg_stop(fixture->civet);
    handover_fini(&fixture->handover);
}

static int tear_down(void **state)
{
    (void)state;
    stop_civetweb();
    for (int i = 0; i < fixture->hub.adopted; i++)
        close(fixture->hub.fd[i]);
    pthread_mutex_destroy(&fixture->hub.lock);
    pthread_cond_destroy(&fixture->hub.changed);
    free(fixture);
    return 0;
}

static int ask(const char *path, const char *behind, size_t behind_size)
{
    char request[1024];
    int fd = raw_connect(fixture->port);
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" RAW_HANDSHAKE "\r\n", path);
    assert_true(fd >= 0);
    memcpy(request + n, behind, behind_size);
    assert_true(raw_send(fd, request, (size_t)n + behind_size));
    return fd;
}

static void the_upgraded_socket_works_outside_of_civetweb(void **state)
{
    (void)state;
    char head[1024], bytes[6];
    int fd = ask("/ws/chat/general", "", 0);
    assert_true(raw_read_head(fd, head, sizeof head) > 0);
    assert_non_null(strstr(head, "HTTP/1.1 101 "));
    assert_non_null(strstr(head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    await(1);
    int own = fixture->hub.fd[0], on = 0;
    socklen_t size = sizeof on;
    assert_int_equal(fixture->hub.released, 0);
    assert_string_equal(fixture->hub.room[0], "general");
    assert_true(own >= FLOOR);
    assert_true(fcntl(own, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(own, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(getsockopt(own, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    assert_true(on);
    assert_int_equal(send(own, "to you", 6, 0), 6);
    assert_true(raw_read_exactly(fd, bytes, 6));
    assert_memory_equal(bytes, "to you", 6);
    assert_true(raw_send_text(fd, "and back"));
    shutdown(fd, SHUT_WR);
    char all[16];
    fcntl(own, F_SETFL, 0); /* this reader may wait */
    assert_int_equal(raw_read_all(own, all, sizeof all), 8);
    assert_string_equal(all, "and back");
    close(fd);
}

static void the_subprotocol_is_chosen_where_it_is_offered(void **state)
{
    (void)state;
    char head[1024];
    int fd = raw_connect(fixture->port);
    assert_true(raw_send_text(fd, "GET /ws/chat/a HTTP/1.1\r\n" RAW_HANDSHAKE "Sec-WebSocket-Protocol: other, confab.v1\r\n\r\n"));
    assert_true(raw_read_head(fd, head, sizeof head) > 0);
    assert_non_null(strstr(head, "Sec-WebSocket-Protocol: confab.v1\r\n"));
    close(fd);
    fd = raw_connect(fixture->port);
    assert_true(raw_send_text(fd, "GET /ws/chat/a HTTP/1.1\r\n" RAW_HANDSHAKE "Sec-WebSocket-Protocol: other\r\n\r\n"));
    assert_true(raw_read_head(fd, head, sizeof head) > 0);
    assert_null(strstr(head, "Sec-WebSocket-Protocol"));
    close(fd);
}

static void a_crowd_gets_its_sockets_each_its_own_while_workers_stay_free(void **state)
{
    (void)state;
    int fd[CROWD];
    char head[1024], path[64], name[ROOM_SLUG_MAX + 1];
    for (int i = 0; i < CROWD; i++) {
        snprintf(path, sizeof path, "/ws/chat/room-%03d", i);
        fd[i] = ask(path, "", 0);
    }
    for (int i = 0; i < CROWD; i++) {
        assert_true(raw_read_head(fd[i], head, sizeof head) > 0);
        assert_non_null(strstr(head, " 101 "));
    }
    await(CROWD);
    assert_int_equal(fixture->hub.adopted, CROWD); /* fifty times the threads that CivetWeb has */
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(send(fixture->hub.fd[i], fixture->hub.room[i], 8, 0), 8);
    for (int i = 0; i < CROWD; i++) {
        assert_true(raw_read_exactly(fd[i], name, 8));
        snprintf(path, sizeof path, "room-%03d", i);
        assert_memory_equal(name, path, 8);
        close(fd[i]);
    }
}

/* Requests of which the count of bytes proves nothing: the canary decides. */
static void handshakes_in_unusual_clothes_are_handed_over_too(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "\r\nGET /ws/chat/a HTTP/1.1\r\n" RAW_HANDSHAKE "\r\n",
        "GET /ws/chat/a HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: "
        "dGhlIHNhbXBsZSBub25jZQ==\n\n",
        "GET /ws/chat/a HTTP/1.1\r\n" RAW_HANDSHAKE "X-Last: \r\n\r\n",
        "GET /plain HTTP/1.1\r\nHost: h\r\n\r\nGET /ws/chat/a HTTP/1.1\r\n" RAW_HANDSHAKE "\r\n",
    };
    const int count = (int)(sizeof requests / sizeof requests[0]);
    for (int i = 0; i < count; i++) {
        char head[1024], byte;
        int fd = raw_connect(fixture->port);
        assert_true(raw_send_text(fd, requests[i]));
        assert_true(raw_read_head(fd, head, sizeof head) > 0);
        if (strstr(head, " 200 ")) {
            assert_true(raw_read_exactly(fd, head, 2));
            assert_true(raw_read_head(fd, head, sizeof head) > 0);
        }
        assert_non_null(strstr(head, " 101 "));
        await(i + 1);
        assert_int_equal(fixture->hub.adopted, i + 1);
        assert_int_equal(send(fixture->hub.fd[i], "!", 1, 0), 1);
        assert_true(raw_read_exactly(fd, &byte, 1));
        close(fd);
    }
}

static void what_a_client_sends_ahead_of_the_answer_closes_it(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } early[] = {
        {"\x81\x80\x01\x02\x03\x04", 6}, /* a whole frame */
        {"\x81\x82\x01\x02\x03\x04xy\x81\x80\x01\x02\x03\x04", 14},
        {"\x81", 1},                                                      /* a part of a header */
        {"\x81\x85\x01\x02\x03\x04x", 7},                                 /* a part of a frame */
        {"\x82\x10", 2},                                                  /* the header of a frame as long as the canary */
        {"\x81\xFF\x00\x00\x00\x00\x01\x00\x00\x00\x01\x02\x03\x04", 14}, /* 16 MiB announced */
        {"GET / HTTP/1.1\r\n\r\n", 18},
    };
    const int count = (int)(sizeof early / sizeof early[0]);
    uint64_t failed = metric_get(METRIC_CONN_HANDOVER_FAILED);
    for (int i = 0; i < count; i++) {
        char head[1024];
        int fd = ask("/ws/chat/early", early[i].bytes, early[i].n);
        assert_true(raw_read_head(fd, head, sizeof head) > 0);
        if (!raw_is_closed(fd)) fail_msg("row %d stays open", i);
        close(fd);
    }
    await(count);
    assert_int_equal(fixture->hub.released, count);
    assert_int_equal(metric_get(METRIC_CONN_HANDOVER_FAILED) - failed, count);
}

static void clients_that_vanish_leave_nothing_behind(void **state)
{
    (void)state;
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int before = raw_count_descriptors();
    for (int i = 0; i < CROWD; i++) {
        int fd = ask("/ws/chat/gone", "", 0);
        if (i % 2) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    char head[1024];
    int last = ask("/ws/chat/last", "", 0); /* CivetWeb takes connections in order, so the others have been taken */
    assert_true(raw_read_head(last, head, sizeof head) > 0);
    close(last);
    /* A reset before the request is read leaves nothing to admit. */
    struct hub *h = &fixture->hub;
    pthread_mutex_lock(&h->lock);
    while (strcmp(h->adopted ? h->room[h->adopted - 1] : "", "last") != 0)
        pthread_cond_wait(&h->changed, &h->lock);
    int admitted = h->admitted;
    pthread_mutex_unlock(&h->lock);
    await(admitted);
    for (int i = 0; i < h->adopted; i++)
        close(h->fd[i]);
    h->adopted = 0;
    stop_civetweb(); /* waits until what is being closed is closed */
    assert_true(raw_count_descriptors() <= before);
    free(fixture);
    start_with_floor(FLOOR); /* for the tear-down */
}

static void a_handshake_without_a_ticket_is_closed_unanswered(void **state)
{
    (void)state;
    char all[64];
    int fd = ask("/ws/refused", "", 0);
    assert_int_equal(raw_read_all(fd, all, sizeof all), 0);
    close(fd);
    assert_int_equal(fixture->hub.adopted + fixture->hub.released, 0);
}

static void without_descriptors_it_fails_closed_and_frees_the_workers(void **state)
{
    (void)state;
    struct rlimit saved, few;
    char head[1024], body[64];
    uint64_t failed = metric_get(METRIC_CONN_HANDOVER_FAILED);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
    few = saved;
    few.rlim_cur = FLOOR; /* none is left from the floor upwards */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < 2 * THREADS; i++) {
        int fd = ask("/ws/chat/none", "", 0);
        assert_true(raw_read_head(fd, head, sizeof head) > 0);
        assert_true(raw_is_closed(fd));
        close(fd);
    }
    await(2 * THREADS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
    assert_int_equal(fixture->hub.released, 2 * THREADS);
    assert_int_equal(metric_get(METRIC_CONN_HANDOVER_FAILED) - failed, 2 * THREADS);
    int fd = raw_connect(fixture->port);
    assert_true(raw_send_text(fd, "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(raw_read_answer(fd, head, sizeof head, body, sizeof body), 200);
    close(fd);
}

/* ---- the search ---- */

/* A connected pair on loopback; the server's end is *accepted. */
static int connected_pair(int listener, int *accepted)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    int fd = raw_connect(ntohs(at.sin_port));
    *accepted = accept(listener, NULL, NULL);
    assert_true(fd >= 0 && *accepted >= 0);
    return fd;
}

static int port_of(int fd)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    return ntohs(at.sin_port);
}

static void the_search_finds_one_connection_by_its_two_ends(void **state)
{
    (void)state;
    struct handover h;
    const struct handover_target none = {0};
    http_address loopback, other;
    int taken[2];
    assert_false(confab_failed(handover_init(&h, &none, FLOOR)));
    assert_true(http_address_parse(SPAN_LIT("127.0.0.1"), &loopback));
    assert_true(http_address_parse(SPAN_LIT("127.0.0.2"), &other));
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 4), 0);
    int a = connected_pair(listener, &taken[0]), b = connected_pair(listener, &taken[1]), local = port_of(listener);
    const struct {
        struct handover_peer peer;
        int fd;
    } rows[] = {
        {{loopback, port_of(a), local}, taken[0]},
        {{loopback, port_of(b), local}, taken[1]},
        {{loopback, local, port_of(b)}, b}, /* the client's own end */
        {{other, port_of(b), local}, -1},
        {{loopback, port_of(b), local + 1}, -1},
        {{loopback, local, local}, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(handover_find(&h, &rows[i].peer), rows[i].fd);
    /* Descriptors that were open at the start are looked at all the same, last: one may have become a connection's since. */
    struct handover later;
    assert_false(confab_failed(handover_init(&later, &none, FLOOR)));
    assert_int_equal(handover_find(&later, &rows[0].peer), taken[0]);
    handover_fini(&h);
    handover_fini(&later);
    close(a), close(b), close(taken[0]), close(taken[1]), close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_upgraded_socket_works_outside_of_civetweb, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_subprotocol_is_chosen_where_it_is_offered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_crowd_gets_its_sockets_each_its_own_while_workers_stay_free, set_up, tear_down),
        cmocka_unit_test_setup_teardown(handshakes_in_unusual_clothes_are_handed_over_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_client_sends_ahead_of_the_answer_closes_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clients_that_vanish_leave_nothing_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_handshake_without_a_ticket_is_closed_unanswered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_descriptors_it_fails_closed_and_frees_the_workers, set_up, tear_down),
        cmocka_unit_test(the_search_finds_one_connection_by_its_two_ends),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
