/* frame.c: see frame.h. */
#include "frame.h"

#include "hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const recovery_words[FRAME_RECOVERY_COUNT] = {"fresh", "resumed", "gap", "epoch_changed"};

const char *frame_recovery_word(frame_recovery r) { return recovery_words[r]; }

/* ---- reading ---- */

/* Frames that are neither events of the log nor in this table are of no concern. */
static const struct {
    const char *type;
    frame_kind kind;
} kinds[] = {
    {"message", FRAME_MESSAGE},
    {"ack", FRAME_ACK},
    {"joined", FRAME_JOINED},
    {"caught_up", FRAME_CAUGHT_UP},
    {"member_joined", FRAME_EVENT},
    {"member_left", FRAME_EVENT},
    {"presence", FRAME_EPHEMERAL},
    {"user_joined", FRAME_EPHEMERAL},
    {"user_left", FRAME_EPHEMERAL},
    {"typing", FRAME_EPHEMERAL},
    {"auth_success", FRAME_AUTH_SUCCESS},
    {"error", FRAME_ERROR},
    {"message_edited", FRAME_EVENT},
    {"message_deleted", FRAME_EVENT},
    {"reaction_added", FRAME_EVENT},
    {"reaction_removed", FRAME_EVENT},
    {"member_role_changed", FRAME_EVENT},
    {"room_created", FRAME_EVENT},
    {"room_renamed", FRAME_EVENT},
    {"room_topic_changed", FRAME_EVENT},
    {"room_kind_changed", FRAME_EVENT},
    {"room_archived", FRAME_EVENT},
    {"room_unarchived", FRAME_EVENT},
    {"room_deleted", FRAME_EVENT},
};

static frame_kind kind_of(peek_span type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (peek_equals(type, kinds[i].type)) {
            return kinds[i].kind;
        }
    }
    return FRAME_OTHER;
}

static void take_recovery(frame *f, peek_span word)
{
    for (int r = 0; r < FRAME_RECOVERY_COUNT; r++) {
        if (peek_equals(word, recovery_words[r])) {
            f->recovery = (frame_recovery)r;
        }
    }
}

static void take_string(frame *f, const peek_member *m)
{
    if (peek_equals(m->name, "room_id")) {
        f->room = m->value;
    } else if (peek_equals(m->name, "user_id")) {
        f->user = m->value;
    } else if (peek_equals(m->name, "message")) {
        f->message = m->value;
    } else if (peek_equals(m->name, "client_id")) {
        f->client_id = m->value;
    } else if (peek_equals(m->name, "type") && m->depth == 1) {
        f->type = m->value;
    } else if (peek_equals(m->name, "recovery")) {
        take_recovery(f, m->value);
    } else if (peek_equals(m->name, "epoch")) {
        f->epoch = m->value;
    } else if (peek_equals(m->name, "code")) {
        f->code = m->value;
    }
}

static void take_number(frame *f, const peek_member *m)
{
    int64_t value = 0;
    if (!peek_parse_int(m->value, &value)) {
        return;
    }
    if (peek_equals(m->name, "id")) {
        f->id = value;
    } else if (peek_equals(m->name, "last_id")) {
        f->last_id = value;
    } else if (peek_equals(m->name, "from")) {
        f->gap_from = value;
    } else if (peek_equals(m->name, "to")) {
        f->gap_to = value;
    } else if (peek_equals(m->name, "retry_after_ms")) {
        f->retry_after_ms = value;
    }
}

static bool is_complete(const frame *f)
{
    switch (f->kind) {
    case FRAME_MESSAGE:
        return f->room.len > 0 && f->id > 0 && f->user.len > 0 && f->message.at != NULL;
    case FRAME_EVENT:
    case FRAME_ACK:
        return f->room.len > 0 && f->id > 0;
    case FRAME_JOINED:
    case FRAME_CAUGHT_UP:
        return f->room.len > 0;
    case FRAME_ERROR:
        return f->code.len > 0;
    case FRAME_OTHER:
    case FRAME_EPHEMERAL:
    case FRAME_AUTH_SUCCESS:
        return true;
    }
    return false;
}

bool frame_read(const char *text, size_t len, frame *out)
{
    peek_walk walk = peek_start(text, len);
    peek_member m;
    uint64_t hash = HASH_START;
    *out = (frame){0};
    while (peek_next(&walk, &m)) {
        if (m.kind == 's') {
            take_string(out, &m);
        } else if (m.kind == 'n') {
            take_number(out, &m);
        } else if (m.kind == 't' && peek_equals(m.name, "duplicate")) {
            out->duplicate = true;
        }
        if (!peek_equals(m.name, "client_id")) {
            hash = hash_add(hash_add(hash, m.name.at, m.name.len), m.value.at, m.value.len);
        }
    }
    out->hash = hash;
    out->kind = kind_of(out->type);
    return out->type.len > 0 && is_complete(out);
}

/* ---- writing ---- */

bool frame_write_join(bytes *out, const char *room, int64_t after, const char *epoch)
{
    char text[512];
    int len = 0;
    if (after < 0) {
        len = snprintf(text, sizeof text, "{\"type\":\"join\",\"room_id\":\"%s\"}", room);
    } else {
        len = snprintf(text, sizeof text, "{\"type\":\"join\",\"room_id\":\"%s\",\"after\":%" PRId64 ",\"epoch\":\"%s\"}", room, after,
                       epoch);
    }
    out->len = 0;
    return len > 0 && (size_t)len < sizeof text && bytes_append(out, text, (size_t)len);
}

bool frame_write_message(bytes *out, const char *room, const char *text, size_t len, size_t client_number)
{
    char head[FRAME_MESSAGE_OVERHEAD];
    const int head_len = snprintf(
        head, sizeof head, "{\"type\":\"chat_message\",\"room_id\":\"%s\",\"client_id\":\"line-%zu\",\"message\":\"", room, client_number);
    out->len = 0;
    if (head_len <= 0 || (size_t)head_len >= sizeof head || !bytes_append(out, head, (size_t)head_len) ||
        !bytes_reserve(out, 6 * len + 2)) {
        return false;
    }
    out->len += peek_escape(text, len, out->at + out->len);
    return bytes_append(out, "\"}", 2);
}

bool frame_client_number(peek_span client_id, size_t *out_number)
{
    static const char prefix[] = "line-";
    const size_t prefix_len = sizeof prefix - 1;
    int64_t number = 0;
    if (client_id.len <= prefix_len || memcmp(client_id.at, prefix, prefix_len) != 0 ||
        !peek_parse_int((peek_span){client_id.at + prefix_len, client_id.len - prefix_len}, &number) || number < 0) {
        return false;
    }
    *out_number = (size_t)number;
    return true;
}
