#include "http_router.h"

#include "http.h"
#include "http_handler.h"

#define NONE CHAT_OP_COUNT

static const struct http_route routes[] = {
    {HTTP_POST, "/api/auth/setup", http_auth_set_up, CHAT_SET_UP, 201, "Makes the first admin with the set-up token"},
    {HTTP_POST, "/api/auth/login", http_auth_log_in, CHAT_CREATE_SESSION, 200, "Begins a session with name and password"},
    {HTTP_POST, "/api/auth/refresh", http_auth_refresh, CHAT_REFRESH_SESSION, 200, "A new access token for a refresh token"},
    {HTTP_POST, "/api/auth/logout", http_auth_log_out, CHAT_END_SESSION, 204, "Ends the session"},

    {HTTP_GET, "/api/me", http_api_handle, CHAT_GET_ME, 200, "Oneself"},
    {HTTP_PATCH, "/api/me", http_api_handle, CHAT_UPDATE_ME, 200, "Changes one's display name"},
    {HTTP_POST, "/api/me/password", http_auth_change_password, CHAT_CHANGE_PASSWORD, 204, "Changes one's password; other sessions end"},
    {HTTP_GET, "/api/me/sessions", http_api_handle, CHAT_LIST_SESSIONS, 200, "One's sessions"},
    {HTTP_DELETE, "/api/me/sessions/{id}", http_api_handle, CHAT_REVOKE_SESSION, 204, "Ends one of them"},

    {HTTP_GET, "/api/rooms", http_api_handle, CHAT_LIST_ROOMS, 200, "The public rooms and one's own"},
    {HTTP_POST, "/api/rooms", http_api_handle, CHAT_CREATE_ROOM, 201, "Makes a room"},
    {HTTP_GET, "/api/rooms/{room_id}", http_api_handle, CHAT_GET_ROOM, 200, "One room"},
    {HTTP_PATCH, "/api/rooms/{room_id}", http_api_handle, CHAT_UPDATE_ROOM, 200, "Changes name, topic or kind"},
    {HTTP_DELETE, "/api/rooms/{room_id}", http_api_handle, CHAT_DELETE_ROOM, 204, "Deletes a room with its log"},
    {HTTP_POST, "/api/rooms/{room_id}/archive", http_api_handle, CHAT_ARCHIVE_ROOM, 200, "Nobody can post any more"},
    {HTTP_POST, "/api/rooms/{room_id}/unarchive", http_api_handle, CHAT_UNARCHIVE_ROOM, 200, "Undoes that"},

    {HTTP_GET, "/api/rooms/{room_id}/members", http_api_handle, CHAT_LIST_MEMBERS, 200, "A room's members"},
    {HTTP_PUT, "/api/rooms/{room_id}/members/{user_id}", http_api_handle, CHAT_PUT_MEMBER, 200, "Adds a member or changes the role"},
    {HTTP_DELETE, "/api/rooms/{room_id}/members/{user_id}", http_api_handle, CHAT_REMOVE_MEMBER, 204, "Removes a member; oneself: leaves"},

    {HTTP_GET, "/api/rooms/{room_id}/messages", http_api_handle, CHAT_LIST_MESSAGES, 200, "A page of messages"},
    {HTTP_POST, "/api/rooms/{room_id}/messages", http_api_handle, CHAT_POST_MESSAGE, 201, "Posts a message"},
    {HTTP_GET, "/api/rooms/{room_id}/messages/{id}", http_api_handle, CHAT_GET_MESSAGE, 200, "One message"},
    {HTTP_PATCH, "/api/rooms/{room_id}/messages/{id}", http_api_handle, CHAT_EDIT_MESSAGE, 200, "Edits it"},
    {HTTP_DELETE, "/api/rooms/{room_id}/messages/{id}", http_api_handle, CHAT_DELETE_MESSAGE, 200, "Deletes it"},
    {HTTP_PUT, "/api/rooms/{room_id}/messages/{id}/reactions/{reaction}", http_api_handle, CHAT_ADD_REACTION, 200, "Reacts"},
    {HTTP_DELETE, "/api/rooms/{room_id}/messages/{id}/reactions/{reaction}", http_api_handle, CHAT_REMOVE_REACTION, 200, "Takes it back"},
    {HTTP_GET, "/api/rooms/{room_id}/events", http_api_handle, CHAT_LIST_EVENTS, 200, "A page of the room's log"},
    {HTTP_POST, "/api/rooms/{room_id}/read", http_api_handle, CHAT_MARK_READ, 200, "Has read up to a message"},

    {HTTP_GET, "/api/users", http_api_handle, CHAT_LIST_USERS, 200, "All users (admin)"},
    {HTTP_POST, "/api/users", http_auth_create_user, CHAT_CREATE_USER, 201, "Makes a user (admin)"},
    {HTTP_GET, "/api/users/{user_id}", http_api_handle, CHAT_GET_USER, 200, "One user"},
    {HTTP_PATCH, "/api/users/{user_id}", http_api_handle, CHAT_UPDATE_USER, 200, "Changes role, name or state (admin)"},
    {HTTP_POST, "/api/users/{user_id}/password", http_auth_set_password, CHAT_SET_PASSWORD, 204, "Sets a password (admin); sessions end"},
    {HTTP_POST, "/api/users/{user_id}/revoke", http_api_handle, CHAT_REVOKE_USER, 204, "Ends all sessions and connections (admin)"},
    {HTTP_GET, "/api/audit", http_api_handle, CHAT_LIST_AUDIT, 200, "Who did what (admin)"},

    {HTTP_GET, "/ws", http_upgrade_handle, NONE, 101, "WebSocket for many rooms"},
    {HTTP_GET, "/ws/chat/{room_id}", http_upgrade_handle, NONE, 101, "WebSocket that joins this room"},

    {HTTP_GET, "/health", http_status_health, NONE, 200, "The process lives"},
    {HTTP_GET, "/ready", http_status_ready, NONE, 200, "It can serve"},
    {HTTP_GET, "/metrics", http_status_metrics, NONE, 200, "Prometheus text"},
    {HTTP_GET, "/.well-known/confab-keys.json", http_status_keys, NONE, 200, "The public keys of access tokens"},

    {HTTP_GET, "/", http_page_index, NONE, 200, "The chat page"},
    {HTTP_GET, "/setup", http_page_setup, NONE, 200, "The page of the set-up link"},
    {HTTP_GET, "/assets/{name}", http_page_asset, NONE, 200, "Parts of the pages"},
    {HTTP_GET, "/favicon.ico", http_page_favicon, NONE, 200, "The icon"},
};
enum { ROUTE_COUNT = sizeof routes / sizeof routes[0] };

/* The place in *out that a pattern's "{…}" names. */
static span *param_of(struct http_params *out, span place)
{
    if (span_is(place, "{room_id}")) return &out->room_id;
    if (span_is(place, "{user_id}")) return &out->user_id;
    if (span_is(place, "{id}")) return &out->id;
    if (span_is(place, "{reaction}")) return &out->reaction;
    return span_is(place, "{name}") ? &out->name : NULL;
}

static bool matches(const char *pattern, const struct http_request *r, struct http_params *out)
{
    size_t i = 0;
    *out = (struct http_params){0};
    while (*pattern == '/') {
        pattern++;
        span want = {pattern, strcspn(pattern, "/")};
        if (i == r->segments) return false;
        span given = r->segment[i++], *param = param_of(out, want);
        if (param ? given.n == 0 : !span_equal(want, given)) return false;
        if (param) *param = given;
        pattern += want.n;
    }
    return i == r->segments;
}

const struct http_route *http_route_find(const struct http_request *r, struct http_params *out, unsigned *out_allowed)
{
    *out_allowed = 0;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!matches(routes[i].pattern, r, out)) continue;
        if (routes[i].method == r->method) return &routes[i];
        *out_allowed |= 1u << routes[i].method;
    }
    return NULL;
}

void http_route_write_allow(unsigned allowed, buf *out)
{
    const char *separator = "";
    for (int m = HTTP_GET; m < HTTP_OTHER; m++) {
        if (!(allowed & 1u << m)) continue;
        buf_append_str(out, separator);
        buf_append_str(out, http_method_word((enum http_method)m));
        if (m == HTTP_GET) buf_append_str(out, ", HEAD");
        separator = ", ";
    }
}

void http_write_routes(buf *out)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        buf_append_str(out, http_method_word(routes[i].method));
        buf_append_char(out, ' ');
        buf_append_str(out, routes[i].pattern);
        buf_append_char(out, '\n');
    }
}
