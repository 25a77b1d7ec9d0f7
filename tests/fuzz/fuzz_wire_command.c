/* One WebSocket text frame. The first byte says whether a room is implied by the address. */
#include <string.h>

#include "fuzz.h"
#include "wire.h"

static void check_args(const struct chat_args *a)
{
    FUZZ_CHECK(room_slug_is_valid(a->room));
    const span texts[] = {a->text, a->client_id, a->reaction, a->epoch};
    const size_t most[] = {1048576, CLIENT_ID_MAX, REACTION_MAX, 64};
    for (size_t i = 0; i < 4; i++) {
        if (!texts[i].p) continue;
        FUZZ_CHECK(texts[i].n >= 1 && texts[i].n <= most[i]);
        FUZZ_CHECK(span_is_utf8(texts[i]) && !memchr(texts[i].p, '\0', texts[i].n));
    }
    FUZZ_CHECK(a->limit >= 0 && a->limit <= 200);
    FUZZ_CHECK(a->id >= 0 && a->reply_to >= 0 && a->before >= -1 && a->before != 0 && a->after >= -1);
    FUZZ_CHECK(a->before < 0 || a->after < 0);
}

/* Whatever came in, the answer is one valid command's worth of JSON: our own decoder must be able to read it back. */
static void check_error_frame(const struct wire_command *c, confab_err e)
{
    struct chat_actor nobody = {0};
    struct wire_command back;
    buf frame = {0};
    wire_encode_error_frame(&frame, e, c->ref, c->room, c->client_id, 1);
    FUZZ_CHECK(!frame.failed && span_is_utf8(buf_span(&frame)));
    /* "error" is no command, so a well-formed frame is answered with exactly that. */
    FUZZ_CHECK(wire_decode_command(buf_span(&frame), &nobody, "", &back).code == CONFAB_UNKNOWN_TYPE);
    FUZZ_CHECK(strcmp(back.ref, c->ref) == 0 && strcmp(back.room, c->room) == 0 && strcmp(back.client_id, c->client_id) == 0);
    wire_command_fini(&back);
    buf_free(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct chat_actor actor = {.user_id = 1, .role = USER_MEMBER, .name = "alice"};
    if (size == 0) return 0;
    struct wire_command c;
    confab_err e = wire_decode_command((span){(const char *)data + 1, size - 1}, &actor, data[0] & 1 ? "implied" : "", &c);
    if (confab_failed(e)) {
        FUZZ_CHECK(e.code == CONFAB_INVALID_JSON || e.code == CONFAB_UNKNOWN_TYPE || e.code == CONFAB_MISSING_FIELD ||
                   e.code == CONFAB_INVALID_FIELD);
        FUZZ_CHECK(!c.request);
        check_error_frame(&c, e);
    } else if (c.kind == WIRE_REQUEST || c.kind == WIRE_JOIN) {
        FUZZ_CHECK(c.request && span_is(c.request->args.room, c.room) && strcmp(c.ref, c.request->ref) == 0);
        check_args(&c.request->args);
    } else {
        FUZZ_CHECK(!c.request);
        FUZZ_CHECK(c.kind != WIRE_AUTH || (c.token.len >= 1 && c.token.len <= 4096));
        FUZZ_CHECK((c.kind != WIRE_LEAVE && c.kind != WIRE_TYPING && c.kind != WIRE_PRESENCE) || room_slug_is_valid(span_of(c.room)));
    }
    wire_command_fini(&c);
    return 0;
}
