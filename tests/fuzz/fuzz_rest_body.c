/* One REST call: the first byte chooses the operation, then a line NAME=VALUE of the query, then the body. */
#include <string.h>

#include "fuzz.h"
#include "wire.h"

static void check_text(span s, size_t most)
{
    if (!s.p) return;
    FUZZ_CHECK(s.n <= most && span_is_utf8(s) && !memchr(s.p, '\0', s.n));
}

static void check_args(const struct chat_args *a)
{
    check_text(a->room, ROOM_SLUG_MAX);
    check_text(a->text, 1048576);
    check_text(a->client_id, CLIENT_ID_MAX);
    check_text(a->name, DISPLAY_MAX);
    check_text(a->topic, TOPIC_MAX);
    check_text(a->display_name, DISPLAY_MAX);
    check_text(a->after_name, 64);
    check_text(a->password, 1024);
    check_text(a->new_password, 1024);
    check_text(a->token, 128);
    FUZZ_CHECK(!a->user.p || user_name_is_valid(a->user));
    FUZZ_CHECK(!a->room.p || room_slug_is_valid(a->room));
    FUZZ_CHECK(a->limit >= 0 && a->limit <= 200 && a->disabled >= -1 && a->disabled <= 1);
    FUZZ_CHECK(a->before < 0 || a->after < 0);
}

/* The problem document must be JSON, whatever the client's bytes were: our strict parser reads it as a body with unknown members. */
static void check_problem(confab_err e)
{
    buf problem = {0};
    struct chat_request *r = chat_request_new(CHAT_GET_ME, NULL);
    FUZZ_CHECK(r);
    FUZZ_CHECK(e.code == CONFAB_INVALID_JSON || e.code == CONFAB_MISSING_FIELD || e.code == CONFAB_INVALID_FIELD ||
               e.code == CONFAB_UNKNOWN_FIELD);
    wire_encode_problem(&problem, e, 0);
    FUZZ_CHECK(!problem.failed && wire_decode_body(buf_span(&problem), r).code == CONFAB_UNKNOWN_FIELD);
    chat_request_free(r);
    buf_free(&problem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct chat_actor actor = {.user_id = 1, .role = USER_ADMIN, .name = "alice"};
    if (size == 0) return 0;
    span rest = {(const char *)data + 1, size - 1};
    const char *line = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
    span query = line ? (span){rest.p, (size_t)(line - rest.p)} : (span){0};
    span body = line ? (span){line + 1, rest.n - query.n - 1} : rest;
    struct chat_request *r = chat_request_new((enum chat_op)(data[0] % CHAT_OP_COUNT), &actor);
    FUZZ_CHECK(r);
    const char *equals = query.n ? memchr(query.p, '=', query.n) : NULL;
    if (equals) {
        span name = {query.p, (size_t)(equals - query.p)}, value = {equals + 1, query.n - name.n - 1};
        confab_err e = wire_decode_query(name, value, r);
        if (confab_failed(e)) check_problem(e);
    }
    confab_err e = wire_decode_body(body, r);
    if (confab_failed(e)) check_problem(e);
    check_args(&r->args);
    chat_request_free(r);
    return 0;
}
