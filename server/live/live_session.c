/* What the messages of a connection mean: authentication, commands, answers. Handlers never touch the socket. */
#include <stdlib.h>

#include "confab/clock.h"
#include "confab/log.h"
#include "confab/metrics.h"
#include "live_conn.h"
#include "live_hub.h"
#include "wire.h"

enum { TYPING_INTERVAL_MS = 500, PRESENCE_NAMES_MAX = 1000, PRESENCE_SINGLE_MAX = 100 };

/* A request on its way to the domain and back. Owns the request; holds a reference to the connection. */
struct live_call {
    struct live_item item; /* first member */
    struct live_conn *conn;
    struct chat_request *request;
    struct chat_request *then; /* CHAT_JOIN_ROOM on behalf of a post into a room not joined yet: the post */
    bool exclusive;
    void (*finish)(struct live_conn *c, struct live_call *call); /* on the loop; the connection is not gone */
};

/* ---- Answers ---- */

static void send_scratch(struct live_conn *c)
{
    if (c->loop->scratch.failed) {
        buf_free(&c->loop->scratch);
        live_conn_abort(c);
        return;
    }
    live_conn_send(c, buf_span(&c->loop->scratch));
}

static buf *scratch(struct live_conn *c)
{
    buf_clear(&c->loop->scratch);
    return &c->loop->scratch;
}

static void send_error(struct live_conn *c, confab_err e, const char *ref, const char *room, const char *client_id, int64_t retry_after_ms)
{
    metric_add(METRIC_MSG_REJECTED, 1);
    wire_encode_error_frame(scratch(c), e, ref, room, client_id, retry_after_ms);
    send_scratch(c);
}

/* The client's key as JSON text, for the error that answers it. */
static void send_request_error(struct live_conn *c, const struct chat_request *r, confab_err e)
{
    buf key = {0};
    char room[ROOM_SLUG_MAX + 1];
    if (r->args.client_id.p) wire_append_string(&key, r->args.client_id);
    (void)span_copy(r->args.room, room, sizeof room); /* a longer one was refused, and is left out */
    send_error(c, e, r->ref, room, key.failed ? "" : buf_cstr(&key), r->retry_after_ms);
    buf_free(&key);
}

/* ---- Calls ---- */

static void call_free(struct live_call *call)
{
    chat_request_free(call->request);
    chat_request_free(call->then);
    free(call);
}

static void call_on_loop(struct live_loop *loop, struct live_item *item)
{
    struct live_call *call = (struct live_call *)(void *)item;
    struct live_conn *c = call->conn;
    loop->in_flight--;
    c->calls--;
    if (call->exclusive) c->exclusive--;
    if (c->state != LIVE_CONN_GONE) call->finish(c, call);
    bool resume = call->exclusive;
    call_free(call);
    if (c->state != LIVE_CONN_GONE) {
        if (resume) live_session_resume(c);
        live_conn_update_reading(c);
    }
    live_conn_unref(c);
}

/* Thread: writer, reader, or the loop itself where the request was refused at once. */
static void on_reply(struct chat_request *r)
{
    struct live_call *call = r->ctx;
    live_loop_post(call->conn->loop, &call->item);
}

/* Takes the requests. An exclusive call holds back the connection's further commands until it is answered. */
static void submit(struct live_conn *c, struct chat_request *r, struct chat_request *then, bool exclusive,
                   void (*finish)(struct live_conn *, struct live_call *))
{
    struct live_call *call = calloc(1, sizeof *call);
    if (!call) {
        send_request_error(c, then ? then : r, confab_fail(CONFAB_BUSY));
        chat_request_free(r);
        chat_request_free(then);
        return;
    }
    *call = (struct live_call){.item.run = call_on_loop, .conn = c, .request = r, .then = then, .exclusive = exclusive, .finish = finish};
    r->ctx = call;
    r->reply = on_reply;
    live_conn_ref(c);
    c->calls++;
    c->loop->in_flight++;
    if (exclusive) c->exclusive++;
    chat_submit(c->loop->chat, r);
}

/* ---- Presence ---- */

static void announce(struct live_conn *c, struct live_room *room, bool joined, int64_t online)
{
    if (online > PRESENCE_SINGLE_MAX) {
        int64_t wait_ms = online * 2 < 2000 ? 2000 : online * 2;
        int64_t due = live_loop_now_ms(c->loop) + wait_ms;
        if (!room->presence_due_ms) room->presence_due_ms = due;
        return;
    }
    wire_encode_user_presence(scratch(c), joined, room->slug, c->actor.name, online);
    if (!c->loop->scratch.failed) live_hub_broadcast(c->loop->hub, room->id, c->actor.user_id, buf_span(&c->loop->scratch));
}

static void leave_quietly(struct live_conn *c, struct live_sub *sub)
{
    bool changed;
    int64_t online;
    live_presence_leave(&c->loop->hub->presence, sub->room->id, c->actor.user_id, &changed, &online);
    if (changed) announce(c, sub->room, false, online);
    live_room_unsubscribe(sub);
}

void live_conn_leave(struct live_conn *c, struct live_sub *sub, const char *ref)
{
    wire_encode_left(scratch(c), sub->room->slug, ref);
    send_scratch(c);
    if (c->state != LIVE_CONN_GONE) leave_quietly(c, sub);
}

/* ---- Join ---- */

static enum metric_counter recovery_metric(enum chat_recovery recovery)
{
    switch (recovery) {
    case CHAT_RECOVERY_RESUMED:
        return METRIC_RECOVERY_RESUMED;
    case CHAT_RECOVERY_GAP:
        return METRIC_RECOVERY_GAP;
    case CHAT_RECOVERY_EPOCH_CHANGED:
        return METRIC_RECOVERY_EPOCH;
    case CHAT_RECOVERY_FRESH:
        break;
    }
    return METRIC_RECOVERY_FRESH;
}

/* Places the cursor; a room joined again only moves it. */
static confab_err place_cursor(struct live_conn *c, const struct chat_result *result)
{
    const struct room *info = &result->room.room;
    struct live_sub *sub = live_conn_find_sub(c, span_of(info->slug));
    if (sub) {
        live_room_move(sub, result->next_seq, info->last_seq);
        return confab_ok();
    }
    if (c->sub_count >= c->loop->settings->max_rooms_per_connection) return confab_fail(CONFAB_TOO_MANY_ROOMS);
    struct live_room *room = live_room_open(c->loop, info->id, info->slug);
    if (!room) return confab_fail(CONFAB_BUSY);
    confab_err e = live_room_subscribe(room, c, result->next_seq, info->last_seq);
    if (confab_failed(e)) return e;
    bool changed;
    int64_t online;
    e = live_presence_enter(&c->loop->hub->presence, info->id, c->actor.user_id, c->actor.name, &changed, &online);
    if (confab_failed(e)) {
        live_room_unsubscribe(live_conn_find_sub(c, span_of(info->slug)));
        return e;
    }
    if (changed) announce(c, room, true, online);
    return confab_ok();
}

static void finish_request(struct live_conn *c, struct live_call *call);

static void submit_then(struct live_conn *c, struct live_call *call)
{
    struct chat_request *then = call->then;
    call->then = NULL;
    submit(c, then, NULL, false, finish_request);
}

static void finish_join(struct live_conn *c, struct live_call *call)
{
    struct chat_request *r = call->request;
    if (c->state != LIVE_CONN_OPEN) return;
    confab_err e = r->job.result;
    if (!confab_failed(e)) e = place_cursor(c, &r->result);
    if (c->state != LIVE_CONN_OPEN) return;
    if (confab_failed(e)) {
        /* The post is asked all the same: it may be the retry of one that was acknowledged when its sender was still let in. */
        if (call->then && confab_failed(r->job.result)) {
            submit_then(c, call);
            return;
        }
        send_request_error(c, call->then ? call->then : r, e);
        bool own_room = c->room[0] && span_is(r->args.room, c->room) && !live_conn_find_sub(c, r->args.room);
        /* On /ws/chat/{room} there is nothing else to stay for. */
        if (own_room && c->state == LIVE_CONN_OPEN) live_conn_close_status(c, 1008, e.code, 0);
        return;
    }
    metric_add(recovery_metric(r->result.recovery), 1);
    int64_t behind = r->result.room.room.last_seq - r->result.next_seq + 1;
    if (r->args.after >= 0 && behind >= 0) metric_observe(METRIC_REPLAY_EVENTS, (uint64_t)behind);
    struct wire_presence presence;
    live_presence(c->loop->hub, &presence);
    wire_encode_result_frame(scratch(c), r, store_epoch(c->loop->store), &presence);
    send_scratch(c);
    if (call->then && c->state == LIVE_CONN_OPEN) submit_then(c, call);
}

static void join_room(struct live_conn *c, const char *slug)
{
    struct chat_request *r = chat_request_new(CHAT_JOIN_ROOM, &c->actor);
    if (r) r->args.room = arena_copy(&r->arena, span_of(slug));
    if (!r || !r->args.room.p) {
        chat_request_free(r);
        live_conn_close(c, CONFAB_INTERNAL, 1000);
        return;
    }
    submit(c, r, NULL, true, finish_join);
}

/* A post into a room that the connection has not joined: joins first. */
static void join_and_post(struct live_conn *c, struct chat_request *post)
{
    struct chat_request *r = chat_request_new(CHAT_JOIN_ROOM, &c->actor);
    if (r) r->args.room = arena_copy(&r->arena, post->args.room);
    if (!r || !r->args.room.p) {
        chat_request_free(r);
        send_request_error(c, post, confab_fail(CONFAB_BUSY));
        chat_request_free(post);
        return;
    }
    submit(c, r, post, true, finish_join);
}

/* ---- Requests ---- */

static void finish_request(struct live_conn *c, struct live_call *call)
{
    struct chat_request *r = call->request;
    if (c->state != LIVE_CONN_OPEN) return;
    if (confab_failed(r->job.result)) {
        send_request_error(c, r, r->job.result);
        int close_code = confab_err_close_code(r->job.result.code);
        if (close_code && close_code != 1001 && close_code != 1011) live_conn_close(c, r->job.result.code, 0);
        return;
    }
    struct wire_presence presence;
    live_presence(c->loop->hub, &presence);
    wire_encode_result_frame(scratch(c), r, store_epoch(c->loop->store), &presence);
    send_scratch(c);
    if (r->op == CHAT_MARK_READ && c->state == LIVE_CONN_OPEN) {
        wire_encode_read(scratch(c), r->result.room.room.slug, c->actor.name, r->result.id, "");
        if (!c->loop->scratch.failed) live_hub_send_user(c->loop->hub, c->actor.user_id, c->id, buf_span(&c->loop->scratch));
    }
}

static void take_request(struct live_conn *c, struct wire_command *command)
{
    struct chat_request *r = command->request;
    const struct live_sub *sub = live_conn_find_sub(c, r->args.room);
    command->request = NULL;
    if (sub) {
        r->args.room_id = sub->room->id;
    } else if (r->op == CHAT_POST_MESSAGE) {
        join_and_post(c, r);
        return;
    }
    submit(c, r, NULL, false, finish_request);
}

/* ---- Authentication ---- */

static void finish_authentication(struct live_conn *c, struct live_call *call);

static void fail_authentication(struct live_conn *c, enum confab_code code, const char *ref)
{
    metric_add(METRIC_CONN_AUTH_FAILED, 1);
    send_error(c, confab_fail(code), ref, "", "", 0);
    if (c->state != LIVE_CONN_GONE) live_conn_close_status(c, 1008, code, 0);
}

void live_session_auth_timeout(struct live_conn *c) { fail_authentication(c, CONFAB_AUTH_TIMEOUT, ""); }

/* Asks the domain whether what the token says still holds. */
static void authenticate(struct live_conn *c, const struct chat_actor *claimed, const char *ref)
{
    struct chat_request *r = chat_request_new(CHAT_AUTHENTICATE, claimed);
    if (!r) {
        live_conn_close(c, CONFAB_INTERNAL, 1000);
        return;
    }
    r->args.user = arena_copy(&r->arena, span_of(claimed->name));
    memcpy(r->ref, ref, sizeof r->ref);
    submit(c, r, NULL, true, finish_authentication);
}

static void take_token(struct live_conn *c, const struct wire_command *command)
{
    struct token_claims claims;
    struct chat_actor actor = c->actor;
    confab_err e = token_verify(c->loop->hub->config.keys, buf_span(&command->token), clock_wall_ms(), &claims);
    if (confab_failed(e)) {
        fail_authentication(c, CONFAB_AUTH_FAILED, command->ref);
        return;
    }
    memcpy(actor.name, claims.sub, sizeof actor.name);
    actor.role = claims.role;
    actor.session_id = claims.session_id;
    actor.token_epoch = claims.token_epoch;
    authenticate(c, &actor, command->ref);
}

static void link_user(struct live_conn *c)
{
    struct live_conn *first = map_get(&c->loop->users, c->actor.user_id);
    c->next_of_user = first;
    if (first) first->prev_of_user = c;
    /* Out of memory: the connection only misses what is sent to all of a user's. */
    if (!map_put(&c->loop->users, c->actor.user_id, c)) {
        c->next_of_user = NULL;
        if (first) first->prev_of_user = NULL;
    }
}

static void unlink_user(struct live_conn *c)
{
    if (c->next_of_user) c->next_of_user->prev_of_user = c->prev_of_user;
    if (c->prev_of_user) {
        c->prev_of_user->next_of_user = c->next_of_user;
    } else if (map_get(&c->loop->users, c->actor.user_id) == c) {
        if (!c->next_of_user || !map_put(&c->loop->users, c->actor.user_id, c->next_of_user)) {
            (void)map_remove(&c->loop->users, c->actor.user_id);
        }
    }
    c->next_of_user = c->prev_of_user = NULL;
}

static void send_hello(struct live_conn *c, const char *ref)
{
    const struct settings *s = c->loop->settings;
    char session[24];
    buf b = {0};
    buf_printf(&b, "c-%llx", (unsigned long long)c->id);
    (void)span_copy(buf_span(&b), session, sizeof session); /* 18 characters at most */
    buf_free(&b);
    struct wire_hello hello = {.user_id = c->actor.name,
                               .session = session,
                               .epoch = store_epoch(c->loop->store),
                               .server = "confab/" CONFAB_VERSION,
                               .role = c->actor.role,
                               .heartbeat_ms = s->heartbeat_ms,
                               .max_message_bytes = s->max_message_bytes,
                               .max_rooms = s->max_rooms_per_connection,
                               .page = 200};
    wire_encode_auth_success(scratch(c), &hello, ref);
    send_scratch(c);
}

static void finish_authentication(struct live_conn *c, struct live_call *call)
{
    const struct chat_request *r = call->request;
    if (c->state >= LIVE_CONN_CLOSING) return;
    if (confab_failed(r->job.result)) {
        bool passing = r->job.result.code == CONFAB_BUSY || r->job.result.code == CONFAB_STORE_FAILED;
        if (c->state == LIVE_CONN_OPEN) {
            if (!passing) live_conn_close(c, CONFAB_REVOKED, 0);
        } else if (passing) {
            live_conn_close_status(c, 1013, CONFAB_BUSY, 1000);
        } else {
            fail_authentication(c, CONFAB_AUTH_FAILED, r->ref);
        }
        return;
    }
    const struct user *user = &r->result.user;
    if (c->state == LIVE_CONN_OPEN) { /* asked again: the role may be another one now */
        c->actor.role = user->role;
        return;
    }
    confab_err e = live_hub_count_user(c->loop->hub, user->id);
    if (confab_failed(e)) {
        send_error(c, e, r->ref, "", "", 0);
        if (c->state != LIVE_CONN_GONE) live_conn_close(c, e.code, 0);
        return;
    }
    c->counted_user = true;
    c->actor = r->actor;
    c->actor.user_id = user->id;
    c->actor.role = user->role;
    memcpy(c->actor.name, user->name, sizeof c->actor.name);
    link_user(c);
    c->state = LIVE_CONN_OPEN;
    live_conn_start_heartbeat(c);
    send_hello(c, r->ref);
    if (c->room[0] && c->state == LIVE_CONN_OPEN) join_room(c, c->room);
}

void live_session_reauthenticate(struct live_conn *c)
{
    if (c->state != LIVE_CONN_OPEN) return;
    struct chat_request *r = chat_request_new(CHAT_AUTHENTICATE, &c->actor);
    if (!r) return; /* rights are checked with each request all the same */
    r->args.user = arena_copy(&r->arena, span_of(c->actor.name));
    submit(c, r, NULL, false, finish_authentication);
}

void live_session_begin(struct live_conn *c)
{
    if (c->actor.user_id != 0) { /* the handshake carried a token, verified there */
        static const char no_ref[sizeof((struct chat_request *)0)->ref];
        authenticate(c, &c->actor, no_ref);
    }
}

/* ---- Commands ---- */

static void take_typing(struct live_conn *c, const struct wire_command *command)
{
    struct live_sub *sub = live_conn_find_sub(c, span_of(command->room));
    int64_t now = live_loop_now_ms(c->loop);
    if (!sub) {
        send_error(c, confab_fail(CONFAB_NOT_JOINED), command->ref, command->room, "", 0);
        return;
    }
    /* More often than this tells nobody anything. "Stopped" always passes. */
    if (command->typing && now - c->last_typing_ms < TYPING_INTERVAL_MS) return;
    if (!command->typing && c->last_typing_ms == 0) return;
    c->last_typing_ms = command->typing ? now : 0;
    wire_encode_typing(scratch(c), sub->room->slug, c->actor.name, command->typing);
    if (!c->loop->scratch.failed) live_hub_broadcast(c->loop->hub, sub->room->id, c->actor.user_id, buf_span(&c->loop->scratch));
}

static void take_presence(struct live_conn *c, const struct wire_command *command)
{
    const struct live_sub *sub = live_conn_find_sub(c, span_of(command->room));
    if (!sub) {
        send_error(c, confab_fail(CONFAB_NOT_JOINED), command->ref, command->room, "", 0);
        return;
    }
    arena a = {0};
    const char **names;
    int64_t online;
    size_t n = live_presence_list(&c->loop->hub->presence, sub->room->id, PRESENCE_NAMES_MAX, &a, &names, &online);
    wire_encode_presence(scratch(c), sub->room->slug, online, names, n, command->ref);
    send_scratch(c);
    arena_free(&a);
}

static void take_leave(struct live_conn *c, const struct wire_command *command)
{
    struct live_sub *sub = live_conn_find_sub(c, span_of(command->room));
    if (sub) {
        live_conn_leave(c, sub, command->ref);
    } else {
        send_error(c, confab_fail(CONFAB_NOT_JOINED), command->ref, command->room, "", 0);
    }
}

static void take_command(struct live_conn *c, struct wire_command *command)
{
    metric_add(METRIC_MSG_RECEIVED, 1);
    switch (command->kind) {
    case WIRE_AUTH:
        send_error(c, confab_fail(CONFAB_ALREADY_AUTH), command->ref, "", "", 0);
        break;
    case WIRE_JOIN: {
        struct chat_request *r = command->request;
        command->request = NULL;
        submit(c, r, NULL, true, finish_join);
        break;
    }
    case WIRE_REQUEST:
        take_request(c, command);
        break;
    case WIRE_LEAVE:
        take_leave(c, command);
        break;
    case WIRE_TYPING:
        take_typing(c, command);
        break;
    case WIRE_PRESENCE:
        take_presence(c, command);
        break;
    case WIRE_PING:
    case WIRE_HEARTBEAT:
        wire_encode_pong(scratch(c), command->kind == WIRE_HEARTBEAT, clock_wall_ms(), command->ref);
        send_scratch(c);
        break;
    }
}

static void run_text(struct live_conn *c, span text)
{
    struct wire_command command;
    confab_err e = wire_decode_command(text, &c->actor, c->room, &command);
    if (c->state == LIVE_CONN_AUTH) {
        if (!confab_failed(e) && command.kind == WIRE_AUTH) {
            take_token(c, &command);
        } else {
            fail_authentication(c, CONFAB_AUTH_REQUIRED, command.ref);
        }
    } else if (confab_failed(e)) {
        send_error(c, e, command.ref, command.room, command.client_id, 0);
    } else {
        take_command(c, &command);
    }
    wire_command_fini(&command);
}

/* Keeps a command for later. Reading pauses with it, so only what one read brought can pile up. */
static void hold(struct live_conn *c, span text)
{
    struct live_held *h = malloc(sizeof *h + text.n);
    if (!h) {
        live_conn_close(c, CONFAB_INTERNAL, 1000);
        return;
    }
    h->next = NULL;
    h->n = text.n;
    memcpy(h->text, text.p, text.n);
    *c->held_tail = h;
    c->held_tail = &h->next;
    live_conn_update_reading(c);
}

void live_session_text(struct live_conn *c, span text)
{
    if (c->state >= LIVE_CONN_CLOSING) return;
    if (c->exclusive || c->held) {
        hold(c, text);
    } else {
        run_text(c, text);
    }
}

void live_session_resume(struct live_conn *c)
{
    while (c->held && !c->exclusive && c->state < LIVE_CONN_CLOSING) {
        struct live_held *h = c->held;
        c->held = h->next;
        if (!c->held) c->held_tail = &c->held;
        run_text(c, (span){h->text, h->n});
        free(h);
    }
}

void live_session_end(struct live_conn *c)
{
    while (c->subs)
        leave_quietly(c, c->subs);
    if (c->counted_user) {
        unlink_user(c);
        live_hub_uncount_user(c->loop->hub, c->actor.user_id);
        c->counted_user = false;
    }
}
