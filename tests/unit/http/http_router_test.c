#include "http_router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http.h"

static struct http_request request;

static const struct http_route *find(enum http_method method, const char *path, struct http_params *params, unsigned *allowed)
{
    request = (struct http_request){.method = method};
    assert_int_equal(http_request_set_target(&request, span_of(path), (span){NULL, 0}).code, CONFAB_OK);
    return http_route_find(&request, params, allowed);
}

static void paths_lead_to_their_operations(void **state)
{
    (void)state;
    static const struct {
        enum http_method method;
        const char *path;
        enum chat_op op;
        const char *room, *user, *id, *reaction;
    } rows[] = {
        {HTTP_GET, "/api/me", CHAT_GET_ME, NULL, NULL, NULL, NULL},
        {HTTP_PATCH, "/api/me", CHAT_UPDATE_ME, NULL, NULL, NULL, NULL},
        {HTTP_DELETE, "/api/me/sessions/7", CHAT_REVOKE_SESSION, NULL, NULL, "7", NULL},
        {HTTP_GET, "/api/rooms", CHAT_LIST_ROOMS, NULL, NULL, NULL, NULL},
        {HTTP_POST, "/api/rooms", CHAT_CREATE_ROOM, NULL, NULL, NULL, NULL},
        {HTTP_GET, "/api/rooms/general", CHAT_GET_ROOM, "general", NULL, NULL, NULL},
        {HTTP_POST, "/api/rooms/general/archive", CHAT_ARCHIVE_ROOM, "general", NULL, NULL, NULL},
        {HTTP_PUT, "/api/rooms/general/members/bob", CHAT_PUT_MEMBER, "general", "bob", NULL, NULL},
        {HTTP_POST, "/api/rooms/general/messages", CHAT_POST_MESSAGE, "general", NULL, NULL, NULL},
        {HTTP_PATCH, "/api/rooms/general/messages/12", CHAT_EDIT_MESSAGE, "general", NULL, "12", NULL},
        {HTTP_DELETE, "/api/rooms/general/messages/12", CHAT_DELETE_MESSAGE, "general", NULL, "12", NULL},
        {HTTP_PUT, "/api/rooms/general/messages/12/reactions/%F0%9F%91%8D", CHAT_ADD_REACTION, "general", NULL, "12", "\xF0\x9F\x91\x8D"},
        {HTTP_DELETE, "/api/rooms/general/messages/12/reactions/a%2Fb", CHAT_REMOVE_REACTION, "general", NULL, "12", "a/b"},
        {HTTP_GET, "/api/rooms/general/events", CHAT_LIST_EVENTS, "general", NULL, NULL, NULL},
        {HTTP_POST, "/api/rooms/general/read", CHAT_MARK_READ, "general", NULL, NULL, NULL},
        {HTTP_PATCH, "/api/users/bob", CHAT_UPDATE_USER, NULL, "bob", NULL, NULL},
        {HTTP_POST, "/api/users/bob/revoke", CHAT_REVOKE_USER, NULL, "bob", NULL, NULL},
        {HTTP_GET, "/api/audit", CHAT_LIST_AUDIT, NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_params p;
        unsigned allowed;
        const struct http_route *route = find(rows[i].method, rows[i].path, &p, &allowed);
        if (!route || route->op != rows[i].op) fail_msg("%s", rows[i].path);
        assert_true(span_equal(p.room_id, span_of(rows[i].room)));
        assert_true(span_equal(p.user_id, span_of(rows[i].user)));
        assert_true(span_equal(p.id, span_of(rows[i].id)));
        assert_true(span_equal(p.reaction, span_of(rows[i].reaction)));
    }
}

static void unknown_paths_lead_nowhere(void **state)
{
    (void)state;
    static const char *const paths[] = {"/api",
                                        "/api/",
                                        "/api/rooms/",
                                        "/api/rooms//messages",
                                        "/api/rooms/general/",
                                        "/API/me",
                                        "/api/me/x",
                                        "/..",
                                        "/assets/",
                                        "/assets/a/b",
                                        "/assets",
                                        "/ws/",
                                        "/ws/chat",
                                        "/ws/chat/",
                                        "/ws/chat/a/b",
                                        "/wsx",
                                        "/index.html",
                                        "//",
                                        "/api/rooms/general/messages/1/reactions/",
                                        "/.well-known"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        for (int method = HTTP_GET; method <= HTTP_OTHER; method++) {
            struct http_params p;
            unsigned allowed;
            if (find((enum http_method)method, paths[i], &p, &allowed) || allowed) fail_msg("%s", paths[i]);
        }
    }
}

static void a_known_path_says_which_methods_it_has(void **state)
{
    (void)state;
    static const struct {
        const char *path, *allow;
    } rows[] = {
        {"/api/rooms", "GET, HEAD, POST"},
        {"/api/rooms/general", "GET, HEAD, PATCH, DELETE"},
        {"/api/rooms/general/members/bob", "PUT, DELETE"},
        {"/api/auth/login", "POST"},
        {"/", "GET, HEAD"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_params p;
        unsigned allowed;
        buf allow = {0};
        assert_null(find(HTTP_OTHER, rows[i].path, &p, &allowed));
        http_route_write_allow(allowed, &allow);
        assert_string_equal(buf_cstr(&allow), rows[i].allow);
        buf_free(&allow);
    }
}

static void every_operation_that_has_a_path_has_one_and_the_list_tells_it(void **state)
{
    (void)state;
    buf list = {0};
    size_t lines = 0;
    http_write_routes(&list);
    for (const char *c = buf_cstr(&list); *c; c++)
        lines += *c == '\n';
    assert_true(lines > 40);
    assert_memory_equal(list.data, "POST /api/auth/setup\n", 21);
    assert_non_null(strstr(buf_cstr(&list), "\nDELETE /api/rooms/{room_id}/messages/{id}/reactions/{reaction}\n"));
    assert_non_null(strstr(buf_cstr(&list), "\nGET /ws/chat/{room_id}\n"));
    /* No line stands twice. */
    char *copy = strdup(buf_cstr(&list)), *rest = copy;
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        char needle[256];
        snprintf(needle, sizeof needle, "\n%s\n", line);
        const char *first = strstr(buf_cstr(&list), needle);
        if (first && strstr(first + 1, needle)) fail_msg("twice: %s", line);
    }
    free(copy);
    buf_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_their_operations),
        cmocka_unit_test(unknown_paths_lead_nowhere),
        cmocka_unit_test(a_known_path_says_which_methods_it_has),
        cmocka_unit_test(every_operation_that_has_a_path_has_one_and_the_list_tells_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
