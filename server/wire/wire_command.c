#include <sodium.h>

#include "wire_field.h"
#include "wire_out.h"

/* Everything a client can ask for, once: rows with a type word are WebSocket commands, the others REST calls. */
struct command {
    const char *type; /* NULL: REST */
    enum wire_kind kind;
    enum chat_op op;              /* REQUEST and JOIN */
    field_set required, optional; /* members of the frame or the body */
    field_set query;              /* REST: parameters of the query */
};

#define F(name) FIELD_BIT(name)

/* clang-format off */
static const struct command commands[] = {
    /* WebSocket, the most frequent first */
    {"chat_message", WIRE_REQUEST, CHAT_POST_MESSAGE, F(ROOM_ID) | F(MESSAGE), F(CLIENT_ID) | F(REPLY_TO), 0},
    {"typing", WIRE_TYPING, CHAT_OP_COUNT, F(ROOM_ID), F(TYPING), 0},
    {"read", WIRE_REQUEST, CHAT_MARK_READ, F(ROOM_ID) | F(ID), 0, 0},
    {"join", WIRE_JOIN, CHAT_JOIN_ROOM, F(ROOM_ID), F(AFTER) | F(EPOCH), 0},
    {"leave", WIRE_LEAVE, CHAT_OP_COUNT, F(ROOM_ID), 0, 0},
    {"auth", WIRE_AUTH, CHAT_OP_COUNT, F(TOKEN), 0, 0},
    {"edit_message", WIRE_REQUEST, CHAT_EDIT_MESSAGE, F(ROOM_ID) | F(ID) | F(MESSAGE), F(CLIENT_ID), 0},
    {"delete_message", WIRE_REQUEST, CHAT_DELETE_MESSAGE, F(ROOM_ID) | F(ID), F(CLIENT_ID), 0},
    {"react", WIRE_REQUEST, CHAT_ADD_REACTION, F(ROOM_ID) | F(ID) | F(REACTION), 0, 0},
    {"unreact", WIRE_REQUEST, CHAT_REMOVE_REACTION, F(ROOM_ID) | F(ID) | F(REACTION), 0, 0},
    {"history", WIRE_REQUEST, CHAT_LIST_EVENTS, F(ROOM_ID), F(BEFORE) | F(AFTER) | F(LIMIT), 0},
    {"presence", WIRE_PRESENCE, CHAT_OP_COUNT, F(ROOM_ID), 0, 0},
    {"ping", WIRE_PING, CHAT_OP_COUNT, 0, 0, 0},
    {"heartbeat", WIRE_HEARTBEAT, CHAT_OP_COUNT, 0, 0, 0},
    /* REST: what stands in the path is the router's */
    {NULL, WIRE_REQUEST, CHAT_SET_UP, F(SETUP_TOKEN) | F(USERNAME) | F(PASSWORD), F(COOKIE), 0},
    {NULL, WIRE_REQUEST, CHAT_FIND_CREDENTIALS, F(USERNAME) | F(PASSWORD), F(COOKIE), 0},
    {NULL, WIRE_REQUEST, CHAT_REFRESH_SESSION, 0, F(REFRESH_TOKEN), 0},
    {NULL, WIRE_REQUEST, CHAT_END_SESSION, 0, F(REFRESH_TOKEN), 0},
    {NULL, WIRE_REQUEST, CHAT_UPDATE_ME, 0, F(DISPLAY_NAME), 0},
    {NULL, WIRE_REQUEST, CHAT_CHANGE_PASSWORD, F(OLD_PASSWORD) | F(NEW_PASSWORD), 0, 0},
    {NULL, WIRE_REQUEST, CHAT_LIST_ROOMS, 0, 0, F(AFTER_NAME) | F(LIMIT)},
    {NULL, WIRE_REQUEST, CHAT_CREATE_ROOM, F(ROOM_ID), F(NAME) | F(TOPIC) | F(KIND), 0},
    {NULL, WIRE_REQUEST, CHAT_UPDATE_ROOM, 0, F(NAME) | F(TOPIC) | F(KIND), 0},
    {NULL, WIRE_REQUEST, CHAT_LIST_MEMBERS, 0, 0, F(AFTER_NAME) | F(LIMIT)},
    {NULL, WIRE_REQUEST, CHAT_PUT_MEMBER, 0, F(MEMBER_ROLE), 0},
    {NULL, WIRE_REQUEST, CHAT_LIST_MESSAGES, 0, 0, F(BEFORE) | F(AFTER) | F(LIMIT)},
    {NULL, WIRE_REQUEST, CHAT_POST_MESSAGE, F(MESSAGE), F(CLIENT_ID) | F(REPLY_TO), 0},
    {NULL, WIRE_REQUEST, CHAT_EDIT_MESSAGE, F(MESSAGE), 0, 0},
    {NULL, WIRE_REQUEST, CHAT_LIST_EVENTS, 0, 0, F(BEFORE) | F(AFTER) | F(LIMIT)},
    {NULL, WIRE_REQUEST, CHAT_MARK_READ, F(ID), 0, 0},
    {NULL, WIRE_REQUEST, CHAT_LIST_USERS, 0, 0, F(AFTER_NAME) | F(LIMIT)},
    {NULL, WIRE_REQUEST, CHAT_CREATE_USER, F(USERNAME), F(PASSWORD) | F(USER_ROLE) | F(DISPLAY_NAME), 0},
    {NULL, WIRE_REQUEST, CHAT_UPDATE_USER, 0, F(USER_ROLE) | F(DISABLED) | F(DISPLAY_NAME), 0},
    {NULL, WIRE_REQUEST, CHAT_SET_PASSWORD, F(NEW_PASSWORD), 0, 0},
    {NULL, WIRE_REQUEST, CHAT_LIST_AUDIT, 0, 0, F(BEFORE) | F(LIMIT)},
};
/* clang-format on */

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

/* Operations without a row (GET_ME, DELETE_ROOM, …) take nothing but what stands in the path. */
static const struct command takes_nothing = {0};

static const struct command *find_type(const char *type)
{
    for (size_t i = 0; i < COMMAND_COUNT && commands[i].type; i++) {
        if (strcmp(commands[i].type, type) == 0) return &commands[i];
    }
    return NULL;
}

static const struct command *find_call(enum chat_op op)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (!commands[i].type && commands[i].op == op) return &commands[i];
    }
    return &takes_nothing;
}

/* ---- WebSocket ---- */

/* The client's ref as JSON text: what it sent, in our escaping. 64 bytes are counted with escapes, so that it fits. */
static bool copy_ref(const cJSON *v, char out[72])
{
    bool ok = false;
    int64_t n = 0;
    buf text = {0};
    if (cJSON_IsString(v))
        out_string(&text, json_string(v));
    else if (json_int(v, &n))
        out_int(&text, n);
    ok = text.len > 0 && text.len <= 66 && !text.failed && span_copy(buf_span(&text), out, 72);
    buf_free(&text);
    return ok;
}

/* The client_id as JSON text, for an error's answer; nothing where it is not one that could be stored. */
static void copy_client_id(const cJSON *v, char *out, size_t cap)
{
    span s = json_string(v);
    if (!s.p || s.n == 0 || s.n > CLIENT_ID_MAX) return;
    buf text = {0};
    out_string(&text, s);
    if (!text.failed) (void)span_copy(buf_span(&text), out, cap);
    buf_free(&text);
}

/* Members of every command, and those that an error repeats, whatever else is wrong with the frame. */
static confab_err read_envelope(const cJSON *root, const char *implied_room, struct wire_command *out, const cJSON **type)
{
    const cJSON *v = NULL, *ref = NULL;
    bool twice = false, named = false;
    cJSON_ArrayForEach(v, root)
    {
        if (strcmp(v->string, "type") == 0) {
            twice = twice || *type;
            *type = v;
        } else if (strcmp(v->string, "ref") == 0) {
            twice = twice || ref;
            ref = v;
        } else if (strcmp(v->string, "room_id") == 0) {
            span room = json_string(v);
            named = true;
            if (room_slug_is_valid(room)) (void)span_copy(room, out->room, sizeof out->room);
        } else if (strcmp(v->string, "client_id") == 0) {
            copy_client_id(v, out->client_id, sizeof out->client_id);
        }
    }
    if (!named) (void)span_copy(span_of(implied_room), out->room, sizeof out->room);
    if (ref && !copy_ref(ref, out->ref))
        return confab_fail_field(CONFAB_INVALID_FIELD, "ref", "ref must be an integer or a string of at most 64 bytes");
    if (twice) return confab_fail_msg(CONFAB_INVALID_FIELD, "A member occurs twice");
    return confab_ok();
}

/* Reads the object's members into *values; unknown ones are skipped, or refused where `strict`. */
static confab_err read_members(const cJSON *root, field_set known, bool strict, struct field_values *values, field_set *present);

static confab_err build(const struct command *c, const struct chat_actor *actor, struct field_values *values, arena *a,
                        struct wire_command *out)
{
    out->kind = c->kind;
    out->typing = values->typing;
    if (c->kind == WIRE_AUTH) {
        buf_append_span(&out->token, values->args.token);
        sodium_memzero((char *)(uintptr_t)values->args.token.p, values->args.token.n);
        return out->token.failed ? confab_fail(CONFAB_INTERNAL) : confab_ok();
    }
    if (c->kind != WIRE_REQUEST && c->kind != WIRE_JOIN) return confab_ok();
    out->request = chat_request_new(c->op, actor);
    if (!out->request) return confab_fail(CONFAB_INTERNAL);
    /* The strings that cJSON made become the request's: its arena moves over as a whole. */
    out->request->args = values->args;
    out->request->arena = *a;
    *a = (arena){0};
    memcpy(out->request->ref, out->ref, sizeof out->ref);
    return confab_ok();
}

confab_err wire_decode_command(span text, const struct chat_actor *actor, const char *implied_room, struct wire_command *out)
{
    *out = (struct wire_command){0};
    arena a = {0};
    const cJSON *root = NULL, *type = NULL;
    struct field_values values = field_values_absent;
    field_set present = 0;
    confab_err e = json_parse_object(text, &a, &root);
    if (confab_failed(e)) goto out;
    e = read_envelope(root, implied_room, out, &type);
    if (confab_failed(e)) goto out;
    const struct command *c = cJSON_IsString(type) ? find_type(type->valuestring) : NULL;
    if (!c) {
        e = confab_fail(CONFAB_UNKNOWN_TYPE);
        goto out;
    }
    field_set known = c->required | c->optional;
    e = read_members(root, known, false, &values, &present);
    if (confab_failed(e)) goto out;
    if ((known & F(ROOM_ID)) && !(present & F(ROOM_ID)) && *implied_room) {
        values.args.room = arena_copy(&a, span_of(implied_room));
        if (!values.args.room.p) {
            e = confab_fail(CONFAB_INTERNAL);
            goto out;
        }
        present |= F(ROOM_ID);
    }
    e = field_require(c->required, present);
    if (confab_failed(e)) goto out;
    e = build(c, actor, &values, &a, out);
out:
    arena_free(&a);
    return e;
}

void wire_command_fini(struct wire_command *c)
{
    if (!c) return;
    chat_request_free(c->request);
    c->request = NULL;
    if (c->token.data) sodium_memzero(c->token.data, c->token.cap);
    buf_free(&c->token);
}

/* ---- members ---- */

/* The name of the last member that was refused as unknown: a confab_err carries static text only, and a client that is told which member
 * is wrong can mend it. Valid until the next decoding on this thread, that is, while the error is answered. */
static _Thread_local char unknown_name[65];

static confab_err refuse_unknown(span name)
{
    (void)span_copy((span){name.p, name.n < sizeof unknown_name ? name.n : sizeof unknown_name - 1}, unknown_name, sizeof unknown_name);
    return confab_fail_field(CONFAB_UNKNOWN_FIELD, unknown_name, NULL);
}

static confab_err read_members(const cJSON *root, field_set known, bool strict, struct field_values *values, field_set *present)
{
    const cJSON *v = NULL;
    cJSON_ArrayForEach(v, root)
    {
        span name = span_of(v->string);
        enum field_id id = field_lookup(known, name.p, name.n);
        if (id == FIELD_COUNT) {
            if (strict) return refuse_unknown(name);
            continue;
        }
        field_set bit = (field_set)1 << id;
        if (*present & bit) return confab_fail_field(CONFAB_INVALID_FIELD, field_name(id), "A member occurs twice");
        *present |= bit;
        confab_err e = field_set_json(id, v, values);
        if (confab_failed(e)) return e;
    }
    return confab_ok();
}

/* ---- REST ---- */

confab_err wire_decode_body(span body, struct chat_request *r)
{
    const struct command *c = find_call(r->op);
    struct field_values values = {.args = r->args};
    field_set present = 0;
    if (body.n) {
        const cJSON *root = NULL;
        confab_err e = json_parse_object(body, &r->arena, &root);
        if (!confab_failed(e)) e = read_members(root, c->required | c->optional, true, &values, &present);
        if (confab_failed(e)) return e;
    }
    confab_err e = field_require(c->required, present);
    if (confab_failed(e)) return e;
    r->args = values.args;
    return confab_ok();
}

confab_err wire_decode_query(span name, span value, struct chat_request *r)
{
    enum field_id id = name.p ? field_lookup(find_call(r->op)->query, name.p, name.n) : FIELD_COUNT;
    if (id == FIELD_COUNT) return refuse_unknown(name.p ? name : SPAN_LIT(""));
    struct field_values values = {.args = r->args};
    span copy = arena_copy(&r->arena, value.p ? value : SPAN_LIT(""));
    if (!copy.p) return confab_fail(CONFAB_INTERNAL);
    confab_err e = field_set_text(id, copy, &values);
    if (confab_failed(e)) return e;
    r->args = values.args;
    return confab_ok();
}
