/* The HTTP side as a whole over a store in memory, spoken to in bytes: what is malformed on purpose no client library would send. */
#include "http.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sodium.h>

#include "confab/clock.h"
#include "confab/log.h"
#include "raw_client.h"

static struct fixture {
    struct settings settings;
    store *store;
    chat *chat;
    keyring *keys;
    live_hub *hub;
    http_server *http;
    int port;
    char setup_token[64];
    char access[1024], refresh[128]; /* of the admin, alice */
} f;

static char head[8192], body[131072];

/* ---- fixture ---- */

static confab_err add_key(struct store_job *job, store_tx *tx)
{
    struct signing_key key;
    (void)job;
    token_key_generate(&key, store_tx_now_ms(tx));
    confab_err e = store_key_add(tx, &key);
    arena a = {0};
    struct signing_key *keys;
    size_t n;
    if (!confab_failed(e)) e = store_key_list(tx, &a, &keys, &n);
    if (!confab_failed(e)) e = keyring_new(keys, n, &f.keys);
    arena_free(&a);
    return e;
}

static int start(void **state)
{
    buf problem = {0};
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    setenv("CONFAB_PORT", "0", 1);
    setenv("CONFAB_TRUSTED_PROXIES", "127.0.0.1", 1);
    setenv("CONFAB_HTTP_THREADS", "4", 1);
    assert_false(confab_failed(settings_load(&f.settings, &problem)));
    const struct store_config memory = {.folder = NULL, .readers = 1, .writer_queue = 1024, .reader_queue = 1024, .create = true};
    assert_false(confab_failed(store_open(&memory, &f.store, &problem)));
    assert_false(confab_failed(chat_open(&(struct chat_config){.store = f.store, .settings = &f.settings}, &f.chat)));
    struct store_job job = {.run = add_key};
    assert_false(confab_failed(store_write_wait(f.store, &job)));
    const struct live_config live = {.chat = f.chat, .store = f.store, .keys = f.keys, .settings = &f.settings, .loops = 1};
    assert_false(confab_failed(live_start(&live, &f.hub)));
    assert_false(confab_failed(chat_bootstrap(f.chat, f.setup_token)));
    const struct http_config http = {.chat = f.chat, .store = f.store, .hub = f.hub, .keys = f.keys, .settings = &f.settings};
    if (confab_failed(http_start(&http, &f.http, &f.port, &problem))) fail_msg("%s", buf_cstr(&problem));
    buf_free(&problem);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_stop(f.http);
    live_stop(f.hub);
    keyring_free(f.keys);
    chat_close(f.chat);
    store_close(f.store);
    return 0;
}

/* Sends bytes on a connection of its own and reads one answer into head and body; -1: closed without one. */
static int ask(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int ask(const char *fmt, ...)
{
    static char request[32768];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(request, sizeof request, fmt, args);
    va_end(args);
    assert_true(n > 0 && (size_t)n < sizeof request);
    int fd = raw_connect(f.port);
    assert_true(fd >= 0);
    (void)raw_send(fd, request, (size_t)n); /* a server may refuse before it has taken all */
    int status = raw_read_answer(fd, head, sizeof head, body, sizeof body);
    close(fd);
    return status;
}

static int post(const char *path, const char *headers, const char *json)
{
    return ask("POST %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s",
               path, strlen(json), headers, json);
}

static int get(const char *path, const char *headers)
{
    return ask("GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n", path, headers);
}

static const char *bearer(const char *token)
{
    static char line[1100];
    snprintf(line, sizeof line, "Authorization: Bearer %s\r\n", token);
    return line;
}

/* The string member of the last body; fails where there is none. */
static void take_string(const char *member, char *out, size_t cap)
{
    char needle[64];
    snprintf(needle, sizeof needle, "\"%s\":\"", member);
    const char *at = strstr(body, needle);
    if (!at) fail_msg("no %s in %s", member, body);
    at += strlen(needle);
    size_t n = strcspn(at, "\"");
    assert_true(n < cap);
    memcpy(out, at, n);
    out[n] = '\0';
}

static void assert_problem(int status, int expected_status, const char *code)
{
    char needle[64], value[128];
    if (status != expected_status) fail_msg("status %d, not %d: %s", status, expected_status, body);
    snprintf(needle, sizeof needle, "\"code\":\"%s\"", code);
    if (!strstr(body, needle)) fail_msg("no %s in %s", needle, body);
    assert_true(raw_header(head, "Content-Type", value, sizeof value));
    assert_string_equal(value, "application/problem+json");
    assert_true(raw_header(head, "X-Content-Type-Options", value, sizeof value));
}

/* ---- the first admin ---- */

static void the_set_up_token_makes_the_first_admin_once(void **state)
{
    char json[256];
    (void)state;
    assert_problem(
        post("/api/auth/setup", "",
             "{\"setup_token\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"username\":\"alice\",\"password\":\"correct horse\"}"),
        401, "auth_failed");
    snprintf(json, sizeof json, "{\"setup_token\":\"%s\",\"username\":\"alice\",\"password\":\"short\"}", f.setup_token);
    assert_problem(post("/api/auth/setup", "", json), 400, "invalid_field");
    snprintf(json, sizeof json, "{\"setup_token\":\"%s\",\"username\":\"alice\",\"password\":\"correct horse\"}", f.setup_token);
    assert_int_equal(post("/api/auth/setup", "", json), 201);
    take_string("access_token", f.access, sizeof f.access);
    take_string("refresh_token", f.refresh, sizeof f.refresh);
    assert_non_null(strstr(body, "\"role\":\"admin\""));
    assert_problem(post("/api/auth/setup", "", json), 409, "already_set_up");
}

/* ---- routes ---- */

static void what_is_unknown_or_not_allowed_is_said_as_a_problem(void **state)
{
    char allow[64];
    (void)state;
    assert_problem(get("/nowhere", ""), 404, "not_found");
    assert_problem(get("/api/../health", ""), 404, "not_found");
    assert_problem(get("/api/rooms/%2e%2e/messages", bearer(f.access)), 404, "room_not_found");
    assert_problem(get("/assets/..%2f..%2fetc%2fpasswd", ""), 404, "not_found");
    assert_problem(ask("DELETE /api/rooms HTTP/1.1\r\nHost: h\r\n\r\n"), 405, "method_not_allowed");
    assert_true(raw_header(head, "Allow", allow, sizeof allow));
    assert_string_equal(allow, "GET, HEAD, POST");
    assert_problem(ask("OPTIONS /api/rooms HTTP/1.1\r\nHost: h\r\nOrigin: http://x\r\nAccess-Control-Request-Method: GET\r\n\r\n"), 405,
                   "method_not_allowed");
    assert_false(raw_header(head, "Access-Control-Allow-Origin", allow, sizeof allow));
}

static void targets_that_cannot_be_are_refused(void **state)
{
    static char longest[6000];
    (void)state;
    assert_problem(get("/%zz", ""), 400, "invalid_field");
    assert_problem(get("/api/rooms/a%00b", ""), 400, "invalid_field");
    assert_problem(get("/%ff", ""), 400, "invalid_field");
    assert_problem(get("/api/rooms?after=%f", bearer(f.access)), 400, "invalid_field");
    assert_problem(get("/api/rooms?nonsense=1", bearer(f.access)), 400, "unknown_field");
    memset(longest, 'a', 5000);
    longest[0] = '/';
    assert_problem(get(longest, ""), 413, "too_large");
}

static void heads_that_cannot_be_are_refused(void **state)
{
    static char many[4096], large[20000];
    (void)state;
    assert_problem(ask("nonsense\r\n\r\n"), 400, "invalid_field");
    assert_problem(ask("GET / HTTP/3.0\r\nHost: h\r\n\r\n"), 400, "invalid_field");
    assert_problem(ask("GET /health HTTP/1.1\r\n\r\n"), 400, "invalid_field");
    assert_problem(ask("GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400, "invalid_field");
    assert_problem(ask("GET /health HTTP/1.1\r\nHost: h\r\nno colon here\r\n\r\n"), 400, "invalid_field");
    for (int i = 0; i < 70; i++)
        strcat(many, "X-Many: 1\r\n");
    assert_problem(get("/health", many), 413, "too_large");
    memset(large, 'x', sizeof large - 1);
    assert_problem(ask("GET /health HTTP/1.1\r\nHost: h\r\nX-Large: %s\r\n\r\n", large), 400, "invalid_field");
    assert_int_equal(ask("GET /health HTTP/1.0\r\n\r\n"), 200); /* needs no Host */
}

/* ---- bodies ---- */

static void bodies_of_two_lengths_are_refused_and_the_connection_ends(void **state)
{
    static const char *const heads[] = {
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4x\r\n",
        "Content-Length: -1\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char request[512];
        int fd = raw_connect(f.port),
            n = snprintf(request, sizeof request,
                         "POST /api/auth/login HTTP/1.1\r\nHost: h\r\n%s\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: h\r\n\r\n", heads[i]);
        assert_true(raw_send(fd, request, (size_t)n));
        size_t length = raw_read_all(fd, body, sizeof body);
        close(fd);
        if (strncmp(body, "HTTP/1.1 400 ", 13) != 0) fail_msg("row %zu: %.40s", i, body);
        if (length == 0 || strstr(body + 1, "HTTP/1.1 ")) fail_msg("row %zu answers twice", i); /* the rest was no request */
    }
}

static void bodies_are_bounded(void **state)
{
    static char large[70000];
    (void)state;
    memset(large, ' ', sizeof large);
    int fd = raw_connect(f.port);
    assert_true(
        raw_send_text(fd, "POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 70000\r\n\r\n"));
    assert_true(raw_send(fd, large, sizeof large)); /* sent in full, and the answer still arrives */
    assert_problem(raw_read_answer(fd, head, sizeof head, body, sizeof body), 413, "too_large");
    assert_true(raw_is_closed(fd));
    close(fd);
    assert_problem(ask("POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999999\r\n\r\n"), 413, "too_large");
    fd = raw_connect(f.port);
    assert_true(raw_send_text(
        fd, "POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n"));
    assert_true(raw_send(fd, large, sizeof large));
    assert_problem(raw_read_answer(fd, head, sizeof head, body, sizeof body), 413, "too_large");
    close(fd);
    /* The largest that is allowed is read, and found wanting as JSON only. */
    fd = raw_connect(f.port);
    assert_true(
        raw_send_text(fd, "POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 65536\r\n\r\n"));
    assert_true(raw_send(fd, large, 65536));
    assert_problem(raw_read_answer(fd, head, sizeof head, body, sizeof body), 400, "invalid_json");
    close(fd);
}

static void a_body_may_come_in_chunks_or_pieces(void **state)
{
    static const char chunked[] =
        "POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        "14\r\n{\"username\":\"alice\",\r\n1b\r\n\"password\":\"correct horse\"}\r\n0\r\n\r\n";
    static const char plain[] = "POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 47\r\n\r\n"
                                "{\"username\":\"alice\",\"password\":\"correct horse\"}";
    (void)state;
    int fd = raw_connect(f.port);
    assert_true(raw_send(fd, chunked, sizeof chunked - 1));
    assert_int_equal(raw_read_answer(fd, head, sizeof head, body, sizeof body), 200);
    /* The connection is still in step. */
    for (size_t i = 0; i < sizeof plain - 1; i++)
        assert_true(raw_send(fd, plain + i, 1));
    assert_int_equal(raw_read_answer(fd, head, sizeof head, body, sizeof body), 200);
    assert_true(raw_send_text(fd, "GET /health HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_int_equal(raw_read_answer(fd, head, sizeof head, body, sizeof body), 200);
    close(fd);
    assert_problem(ask("POST /api/auth/login HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 400, "invalid_field");
}

static void a_client_that_asks_first_is_told_to_go_on(void **state)
{
    (void)state;
    int fd = raw_connect(f.port);
    assert_true(raw_send_text(
        fd,
        "POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    assert_true(raw_read_head(fd, head, sizeof head) > 0);
    assert_string_equal(head, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_true(raw_send_text(fd, "{}"));
    assert_problem(raw_read_answer(fd, head, sizeof head, body, sizeof body), 400, "missing_field");
    close(fd);
}

static void bodies_are_json(void **state)
{
    (void)state;
    assert_problem(ask("POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"), 415,
                   "unsupported_media");
    assert_problem(ask("POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"), 415, "unsupported_media");
    assert_problem(post("/api/auth/login", "", "{\"username\":"), 400, "invalid_json");
    assert_problem(post("/api/auth/login", "", "{\"username\":\"a\",\"password\":\"b\",\"x\":1}"), 400, "unknown_field");
    assert_problem(post("/api/auth/login", "", "{\"username\":1,\"password\":\"b\"}"), 400, "invalid_field");
}

static void a_client_that_leaves_in_the_middle_harms_nobody(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) { /* twice the workers */
        int fd = raw_connect(f.port);
        assert_true(raw_send_text(fd, "POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{"));
        close(fd);
    }
    assert_int_equal(get("/health", ""), 200);
}

/* ---- connections ---- */

static void a_connection_serves_many_requests_until_told_otherwise(void **state)
{
    char value[32];
    (void)state;
    int fd = raw_connect(f.port);
    for (int i = 0; i < 3; i++) {
        assert_true(raw_send_text(fd, "GET /health HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_int_equal(raw_read_answer(fd, head, sizeof head, body, sizeof body), 200);
        assert_true(raw_header(head, "Connection", value, sizeof value));
        assert_string_equal(value, "keep-alive");
    }
    assert_true(raw_send_text(fd, "GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    assert_int_equal(raw_read_answer(fd, head, sizeof head, body, sizeof body), 200);
    assert_true(raw_header(head, "Connection", value, sizeof value));
    assert_string_equal(value, "close");
    assert_true(raw_is_closed(fd));
    close(fd);
    fd = raw_connect(f.port);
    assert_true(raw_send_text(fd, "GET /health HTTP/1.0\r\n\r\n"));
    assert_int_equal(raw_read_answer(fd, head, sizeof head, body, sizeof body), 200);
    assert_true(raw_is_closed(fd));
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    int fd = raw_connect(f.port);
    assert_true(raw_send_text(
        fd, "GET /health HTTP/1.1\r\nHost: h\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: h\r\n\r\nHEAD /health HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /ready HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    assert_int_equal(raw_read_answer(fd, head, sizeof head, body, sizeof body), 200);
    assert_int_equal(raw_read_answer(fd, head, sizeof head, body, sizeof body), 404);
    assert_true(raw_read_head(fd, head, sizeof head) > 0); /* no body behind it */
    assert_int_equal(raw_read_answer(fd, head, sizeof head, body, sizeof body), 200);
    assert_non_null(strstr(body, "\"database\""));
    assert_true(raw_is_closed(fd));
    close(fd);
}

static void head_is_get_without_its_body(void **state)
{
    char length[16], type[64];
    (void)state;
    int fd = raw_connect(f.port);
    assert_true(raw_send_text(fd, "HEAD /.well-known/confab-keys.json HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    size_t n = raw_read_all(fd, body, sizeof body);
    close(fd);
    assert_memory_equal(body + n - 4, "\r\n\r\n", 4);
    assert_true(raw_header(body, "Content-Length", length, sizeof length));
    assert_true(atoi(length) > 50);
    assert_true(raw_header(body, "Content-Type", type, sizeof type));
    assert_string_equal(type, "application/json");
}

/* ---- sessions ---- */

static void log_in_says_the_same_for_a_wrong_name_and_a_wrong_password(void **state)
{
    static char first[sizeof body];
    char value[128];
    (void)state;
    assert_int_equal(post("/api/auth/login", "", "{\"username\":\"ALICE\",\"password\":\"correct horse\"}"), 200);
    assert_problem(post("/api/auth/login", "", "{\"username\":\"alice\",\"password\":\"wrong horse\"}"), 401, "bad_credentials");
    assert_true(raw_header(head, "WWW-Authenticate", value, sizeof value));
    snprintf(first, sizeof first, "%s", body);
    assert_problem(post("/api/auth/login", "", "{\"username\":\"nobody\",\"password\":\"wrong horse\"}"), 401, "bad_credentials");
    assert_string_equal(body, first);
}

static void guessing_is_slowed_for_known_and_unknown_names_alike(void **state)
{
    (void)state;
    char retry[16];
    for (int known = 0; known < 2; known++) {
        const char *json = known ? "{\"username\":\"victim\",\"password\":\"x\"}" : "{\"username\":\"ghost\",\"password\":\"x\"}";
        if (known) assert_int_equal(post("/api/users", bearer(f.access), "{\"username\":\"victim\"}"), 201);
        int tries = 0;
        while (tries < 40 && post("/api/auth/login", "", json) == 401)
            tries++;
        assert_in_range(tries, 10, 20); /* ten at once; slow machines are given more meanwhile */
        assert_problem(post("/api/auth/login", "", json), 429, "rate_limited");
        assert_true(raw_header(head, "Retry-After", retry, sizeof retry));
    }
}

static void a_refresh_token_may_live_in_a_cookie_that_scripts_cannot_see(void **state)
{
    char cookie[256], headers[512], next[256];
    (void)state;
    assert_int_equal(post("/api/auth/login", "", "{\"username\":\"alice\",\"password\":\"correct horse\",\"cookie\":true}"), 200);
    assert_null(strstr(body, "refresh_token"));
    assert_true(raw_header(head, "Set-Cookie", cookie, sizeof cookie));
    assert_non_null(strstr(cookie, "; Path=/api/auth; "));
    assert_non_null(strstr(cookie, "; HttpOnly; SameSite=Strict"));
    assert_null(strstr(cookie, "Secure"));
    *strchr(cookie, ';') = '\0';
    snprintf(headers, sizeof headers, "Cookie: a=b; %s\r\nOrigin: http://evil.example\r\n", cookie);
    assert_problem(post("/api/auth/refresh", headers, "{}"), 403, "origin_refused");
    snprintf(headers, sizeof headers, "Cookie: %s\r\nOrigin: https://h\r\nX-Forwarded-Proto: https\r\n", cookie);
    assert_int_equal(post("/api/auth/refresh", headers, ""), 200);
    assert_true(raw_header(head, "Set-Cookie", next, sizeof next));
    assert_non_null(strstr(next, "; Secure"));
    assert_null(strstr(body, "refresh_token"));
    *strchr(next, ';') = '\0';
    assert_string_not_equal(next, cookie);
    snprintf(headers, sizeof headers, "Cookie: %s\r\nOrigin: http://evil.example\r\n", next);
    assert_problem(post("/api/auth/logout", headers, ""), 403, "origin_refused");
    snprintf(headers, sizeof headers, "Cookie: %s\r\n", next);
    assert_int_equal(post("/api/auth/logout", headers, ""), 204);
    assert_true(raw_header(head, "Set-Cookie", cookie, sizeof cookie));
    assert_non_null(strstr(cookie, "confab_refresh=;"));
    assert_non_null(strstr(cookie, "Max-Age=0"));
    assert_problem(post("/api/auth/refresh", headers, ""), 401, "session_expired");
    assert_true(raw_header(head, "Set-Cookie", cookie, sizeof cookie));
    assert_int_equal(post("/api/auth/logout", headers, ""), 204); /* gone already is gone */
    assert_problem(post("/api/auth/refresh", "", "{}"), 400, "missing_field");
}

static void a_session_is_listed_with_the_clients_address_as_the_proxy_says(void **state)
{
    char token[1024];
    (void)state;
    assert_int_equal(post("/api/auth/login", "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nUser-Agent: Test/1\r\n",
                          "{\"username\":\"alice\",\"password\":\"correct horse\"}"),
                     200);
    take_string("access_token", token, sizeof token);
    assert_int_equal(get("/api/me/sessions", bearer(token)), 200);
    assert_non_null(strstr(body, "\"address\":\"203.0.113.7\",\"agent\":\"Test/1\",\"current\":true"));
    assert_null(strstr(body, "6.6.6.6"));
}

static void a_password_is_changed_by_who_knows_it(void **state)
{
    char token[1024], again[1024];
    (void)state;
    assert_int_equal(post("/api/users", bearer(f.access), "{\"username\":\"carol\",\"password\":\"first password\"}"), 201);
    assert_int_equal(post("/api/auth/login", "", "{\"username\":\"carol\",\"password\":\"first password\"}"), 200);
    take_string("access_token", token, sizeof token);
    assert_problem(post("/api/me/password", bearer(token), "{\"old_password\":\"guess\",\"new_password\":\"second password\"}"), 403,
                   "forbidden");
    assert_problem(post("/api/me/password", bearer(token), "{\"old_password\":\"first password\",\"new_password\":\"short\"}"), 400,
                   "invalid_field");
    assert_int_equal(post("/api/me/password", bearer(token), "{\"old_password\":\"first password\",\"new_password\":\"second password\"}"),
                     204);
    assert_problem(post("/api/auth/login", "", "{\"username\":\"carol\",\"password\":\"first password\"}"), 401, "bad_credentials");
    assert_int_equal(post("/api/auth/login", "", "{\"username\":\"carol\",\"password\":\"second password\"}"), 200);
    take_string("access_token", again, sizeof again);
    /* Members make no users, and what is hashed for them is nothing. */
    assert_problem(post("/api/users", bearer(again), "{\"username\":\"dave\",\"password\":\"some password\"}"), 403, "forbidden");
    assert_int_equal(post("/api/users/carol/password", bearer(f.access), "{\"new_password\":\"third password\"}"), 204);
    assert_problem(get("/api/me", bearer(again)), 401, "revoked");
}

static void a_token_ends_with_its_session_at_once(void **state)
{
    char token[1024], refresh[128], json[256];
    (void)state;
    assert_problem(get("/api/me", ""), 401, "auth_required");
    assert_problem(get("/api/me", bearer("v4.public.nonsense")), 401, "auth_failed");
    assert_int_equal(post("/api/auth/login", "", "{\"username\":\"alice\",\"password\":\"correct horse\"}"), 200);
    take_string("access_token", token, sizeof token);
    take_string("refresh_token", refresh, sizeof refresh);
    assert_int_equal(get("/api/me", bearer(token)), 200);
    snprintf(json, sizeof json, "{\"refresh_token\":\"%s\"}", refresh);
    assert_int_equal(post("/api/auth/logout", "", json), 204);
    assert_problem(get("/api/me", bearer(token)), 401, "revoked");
}

/* ---- REST ---- */

static void rest_answers_carry_status_limits_and_tags(void **state)
{
    char etag[64], headers[1200], value[64];
    (void)state;
    assert_int_equal(post("/api/rooms", bearer(f.access), "{\"room_id\":\"tests\",\"name\":\"Tests\"}"), 201);
    assert_problem(post("/api/rooms", bearer(f.access), "{\"room_id\":\"tests\"}"), 409, "room_exists");
    assert_int_equal(post("/api/rooms/tests/messages", bearer(f.access), "{\"message\":\"hello\",\"client_id\":\"k1\"}"), 201);
    assert_true(raw_header(head, "RateLimit", value, sizeof value));
    assert_memory_equal(value, "\"message\";r=", 12);
    assert_true(raw_header(head, "RateLimit-Policy", value, sizeof value));
    assert_int_equal(post("/api/rooms/tests/messages", bearer(f.access), "{\"message\":\"hello\",\"client_id\":\"k1\"}"), 200);
    assert_non_null(strstr(body, "\"duplicate\":true"));
    assert_int_equal(get("/api/rooms/tests/messages?limit=1", bearer(f.access)), 200);
    assert_true(raw_header(head, "ETag", etag, sizeof etag));
    assert_memory_equal(etag, "W/\"", 3);
    snprintf(headers, sizeof headers, "%sIf-None-Match: %s\r\n", bearer(f.access), etag);
    assert_int_equal(get("/api/rooms/tests/messages?limit=1", headers), 304);
    assert_int_equal(post("/api/rooms/tests/messages", bearer(f.access), "{\"message\":\"more\"}"), 201);
    assert_int_equal(get("/api/rooms/tests/messages?limit=1", headers), 200);
    assert_problem(get("/api/rooms/tests/messages/x", bearer(f.access)), 404, "message_not_found");
    assert_problem(get("/api/rooms/tests/messages/0", bearer(f.access)), 404, "message_not_found");
    assert_int_equal(ask("DELETE /api/rooms/tests HTTP/1.1\r\nHost: h\r\n%s\r\n", bearer(f.access)), 204);
    assert_int_equal(body[0], '\0');
}

static void the_server_tells_how_it_is(void **state)
{
    char type[64];
    (void)state;
    assert_int_equal(get("/health", ""), 200);
    assert_non_null(strstr(body, "\"status\":\"healthy\""));
    assert_int_equal(get("/ready", ""), 200);
    assert_int_equal(get("/metrics", ""), 200);
    assert_non_null(strstr(body, "confab_http_requests_total{class=\"2xx\"}"));
    assert_true(raw_header(head, "Content-Type", type, sizeof type));
    assert_memory_equal(type, "text/plain; version=0.0.4", 25);
    assert_int_equal(get("/.well-known/confab-keys.json", ""), 200);
    assert_non_null(strstr(body, "k4.public."));
    assert_null(strstr(body, "k4.secret"));
}

static void pages_come_with_their_tag_and_policy(void **state)
{
    char etag[64], headers[128], policy[512];
    (void)state;
    assert_int_equal(get("/", ""), 200);
    assert_true(raw_header(head, "ETag", etag, sizeof etag));
    assert_int_equal(etag[0], '"');
    assert_true(raw_header(head, "Content-Security-Policy", policy, sizeof policy));
    assert_non_null(strstr(policy, "script-src 'self'"));
    snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", etag);
    assert_int_equal(get("/", headers), 304);
    assert_problem(get("/assets/index.html", ""), 404, "not_found"); /* its address is / */
    assert_problem(get("/assets/nothing.js", ""), 404, "not_found");
}

/* ---- handshakes ---- */

static int handshake(const char *path, const char *headers) { return ask("GET %s HTTP/1.1\r\n" RAW_HANDSHAKE "%s\r\n", path, headers); }

static void handshakes_are_refused_with_a_reason(void **state)
{
    char value[64];
    (void)state;
    assert_problem(handshake("/ws", bearer("nonsense")), 401, "auth_failed");
    assert_problem(handshake("/ws?token=nonsense", ""), 401, "auth_failed");
    assert_problem(handshake("/ws", "Origin: https://evil.example\r\n"), 403, "origin_refused");
    assert_problem(handshake("/ws/chat/No%20Room", ""), 404, "room_not_found");
    assert_problem(handshake("/ws/nowhere", ""), 404, "not_found");
    assert_problem(ask("GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n"),
                   400, "invalid_field");
    assert_problem(ask("GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
                       "13\r\nSec-WebSocket-Key: short\r\n\r\n"),
                   400, "invalid_field");
    assert_problem(ask("POST /ws HTTP/1.1\r\n" RAW_HANDSHAKE "\r\n"), 405, "method_not_allowed");
    assert_problem(ask("GET /ws HTTP/1.1\r\n" RAW_HANDSHAKE "Content-Length: 1\r\n\r\nx"), 400, "invalid_field");
    assert_int_equal(ask("GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
                         "8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
                     426);
    assert_true(raw_header(head, "Sec-WebSocket-Version", value, sizeof value));
    assert_string_equal(value, "13");
    assert_int_equal(get("/ws", ""), 426);
}

/* Reads one unmasked frame of less than 64 KiB into body. */
static bool read_frame(int fd)
{
    unsigned char h[4];
    if (!raw_read_exactly(fd, h, 2)) return false;
    size_t n = h[1];
    if (n == 126) {
        if (!raw_read_exactly(fd, h + 2, 2)) return false;
        n = (size_t)h[2] << 8 | h[3];
    }
    if (n > 0 && !raw_read_exactly(fd, body, n)) return false;
    body[n] = '\0';
    return true;
}

static void a_token_that_comes_with_the_handshake_authenticates(void **state)
{
    char request[2048];
    (void)state;
    for (int by_query = 0; by_query < 2; by_query++) {
        int fd = raw_connect(f.port);
        int n = by_query
                    ? snprintf(request, sizeof request, "GET /ws/chat/general?token=%s HTTP/1.1\r\n" RAW_HANDSHAKE "\r\n", f.access)
                    : snprintf(request, sizeof request,
                               "GET /ws/chat/general HTTP/1.1\r\n" RAW_HANDSHAKE "Origin: http://127.0.0.1\r\n%s\r\n", bearer(f.access));
        assert_true(raw_send(fd, request, (size_t)n));
        assert_true(raw_read_head(fd, head, sizeof head) > 0);
        assert_non_null(strstr(head, "HTTP/1.1 101 "));
        assert_true(read_frame(fd));
        assert_non_null(strstr(body, "\"type\":\"auth_success\""));
        assert_non_null(strstr(body, "\"user_id\":\"alice\""));
        assert_true(read_frame(fd));
        assert_non_null(strstr(body, "\"type\":\"joined\""));
        close(fd);
    }
}

/* ---- the end ---- */

static void a_draining_server_says_so_and_takes_nobody_new(void **state)
{
    char value[32];
    (void)state;
    int idle = raw_connect(f.port);
    assert_true(raw_send_text(idle, "GET /health HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_int_equal(raw_read_answer(idle, head, sizeof head, body, sizeof body), 200);
    http_set_draining(f.http);
    assert_int_equal(get("/ready", ""), 503);
    assert_non_null(strstr(body, "not_ready"));
    assert_problem(handshake("/ws", ""), 503, "shutting_down");
    assert_true(raw_header(head, "Retry-After", value, sizeof value));
    assert_true(raw_send_text(idle, "GET /health HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_int_equal(raw_read_answer(idle, head, sizeof head, body, sizeof body), 200);
    assert_true(raw_header(head, "Connection", value, sizeof value));
    assert_string_equal(value, "close");
    close(idle);
}

static void a_port_in_use_is_told_by_number(void **state)
{
    struct settings taken = f.settings;
    const struct http_config config = {.chat = f.chat, .store = f.store, .hub = f.hub, .keys = f.keys, .settings = &taken};
    http_server *second = NULL;
    buf problem = {0};
    char number[16];
    int port;
    (void)state;
    taken.port = f.port;
    assert_true(confab_failed(http_start(&config, &second, &port, &problem)));
    snprintf(number, sizeof number, "%d", f.port);
    assert_non_null(strstr(buf_cstr(&problem), number));
    assert_non_null(strstr(buf_cstr(&problem), "Address already in use"));
    buf_clear(&problem);
    static const char *const nowhere[] = {"", "127.0.0.1:80", "[::1]", "chat.example", "127.0.0.256"};
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        taken.listen = nowhere[i];
        if (!confab_failed(http_start(&config, &second, &port, &problem))) fail_msg("%s", nowhere[i]);
        assert_non_null(strstr(buf_cstr(&problem), "CONFAB_LISTEN"));
        buf_clear(&problem);
    }
    taken.listen = "127.0.0.1";
    taken.trusted_proxies = "10.0.0.0/40";
    assert_true(confab_failed(http_start(&config, &second, &port, &problem)));
    assert_non_null(strstr(buf_cstr(&problem), "CONFAB_TRUSTED_PROXIES"));
    buf_free(&problem);
}

/* ---- IPv6, which CivetWeb lacks ---- */

static int connect_v6(int port)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct timeval patience = {.tv_sec = RAW_PATIENCE_S};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
    close(fd);
    return -1;
}

/* The carriers' port: CivetWeb listens there on 127.0.0.1, on another port than the public one. */
static int find_carrier_port(int public_port)
{
    for (int fd = 3; fd < 512; fd++) {
        struct sockaddr_in at;
        socklen_t size = sizeof at, flag_size = sizeof(int);
        int listening = 0;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &flag_size) != 0 || !listening) continue;
        if (getsockname(fd, (struct sockaddr *)&at, &size) != 0 || at.sin_family != AF_INET) continue;
        int port = ntohs(at.sin_port);
        if (port != public_port && port != f.port) return port;
    }
    return -1;
}

static void clients_come_by_ipv6_as_by_ipv4(void **state)
{
    enum { CLIENTS = 40 }; /* ten times the workers */
    struct settings both = f.settings;
    const struct http_config config = {.chat = f.chat, .store = f.store, .hub = f.hub, .keys = f.keys, .settings = &both};
    http_server *server = NULL;
    buf problem = {0};
    char request[2048], token[1024], all[64];
    int port, fd[CLIENTS];
    (void)state;
    while (live_active_connections(f.hub) > 0)
        sched_yield(); /* of the tests before */
    int before = raw_count_descriptors();
    both.listen = "::";
    if (confab_failed(http_start(&config, &server, &port, &problem))) {
        print_message("skipped: %s\n", buf_cstr(&problem));
        buf_free(&problem);
        return;
    }
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = i % 4 ? connect_v6(port) : raw_connect(port);
        assert_true(fd[i] >= 0);
        int n = i % 2 ? snprintf(request, sizeof request, "GET /ws HTTP/1.1\r\n" RAW_HANDSHAKE "%s\r\n", bearer(f.access))
                      : snprintf(request, sizeof request, "GET /health HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_true(raw_send(fd[i], request, (size_t)n));
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 2) {
            assert_true(raw_read_head(fd[i], head, sizeof head) > 0);
            assert_non_null(strstr(head, " 101 "));
            assert_true(read_frame(fd[i]));
            assert_non_null(strstr(body, "\"type\":\"auth_success\""));
        } else {
            assert_int_equal(raw_read_answer(fd[i], head, sizeof head, body, sizeof body), 200);
        }
        close(fd[i]);
    }
    /* The domain sees the client's own address. */
    int one = connect_v6(port);
    static const char json[] = "{\"username\":\"alice\",\"password\":\"correct horse\"}";
    int n = snprintf(request, sizeof request,
                     "POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     sizeof json - 1, json);
    assert_true(raw_send(one, request, (size_t)n));
    assert_int_equal(raw_read_answer(one, head, sizeof head, body, sizeof body), 200);
    take_string("access_token", token, sizeof token);
    close(one);
    assert_int_equal(get("/api/me/sessions", bearer(token)), 200);
    assert_non_null(strstr(body, "\"address\":\"::1\""));
    /* Nobody else gets in by the carriers' port. */
    int carrier_port = find_carrier_port(port);
    assert_true(carrier_port > 0);
    int stranger = raw_connect(carrier_port);
    assert_true(raw_send_text(stranger, "GET /health HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_int_equal(raw_read_all(stranger, all, sizeof all), 0);
    close(stranger);
    http_stop(server);
    while (raw_count_descriptors() > before)
        sched_yield(); /* the hub closes what its clients closed */
    buf_free(&problem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_set_up_token_makes_the_first_admin_once), /* the others are alice */
        cmocka_unit_test(what_is_unknown_or_not_allowed_is_said_as_a_problem),
        cmocka_unit_test(targets_that_cannot_be_are_refused),
        cmocka_unit_test(heads_that_cannot_be_are_refused),
        cmocka_unit_test(bodies_of_two_lengths_are_refused_and_the_connection_ends),
        cmocka_unit_test(bodies_are_bounded),
        cmocka_unit_test(a_body_may_come_in_chunks_or_pieces),
        cmocka_unit_test(a_client_that_asks_first_is_told_to_go_on),
        cmocka_unit_test(bodies_are_json),
        cmocka_unit_test(a_client_that_leaves_in_the_middle_harms_nobody),
        cmocka_unit_test(a_connection_serves_many_requests_until_told_otherwise),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(head_is_get_without_its_body),
        cmocka_unit_test(log_in_says_the_same_for_a_wrong_name_and_a_wrong_password),
        cmocka_unit_test(a_refresh_token_may_live_in_a_cookie_that_scripts_cannot_see),
        cmocka_unit_test(a_session_is_listed_with_the_clients_address_as_the_proxy_says),
        cmocka_unit_test(a_password_is_changed_by_who_knows_it),
        cmocka_unit_test(a_token_ends_with_its_session_at_once),
        cmocka_unit_test(rest_answers_carry_status_limits_and_tags),
        cmocka_unit_test(the_server_tells_how_it_is),
        cmocka_unit_test(pages_come_with_their_tag_and_policy),
        cmocka_unit_test(handshakes_are_refused_with_a_reason),
        cmocka_unit_test(a_token_that_comes_with_the_handshake_authenticates),
        cmocka_unit_test(clients_come_by_ipv6_as_by_ipv4),
        cmocka_unit_test(guessing_is_slowed_for_known_and_unknown_names_alike), /* late: it uses up the address's logins */
        cmocka_unit_test(a_port_in_use_is_told_by_number),
        cmocka_unit_test(a_draining_server_says_so_and_takes_nobody_new), /* last */
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, start, stop);
}
