/* parse_test.c: the client's parsers, fed in pieces of every size and with what a server must not send. */
#include "handshake.h"
#include "peek.h"
#include "ws_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ACCEPTED                                                                                                                           \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"                                                    \
    "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

/* ---- ws_reader ---- */

/* Appends a server frame. */
static void put_frame(bytes *out, bool fin, int opcode, const char *data, size_t len)
{
    unsigned char head[10] = {(unsigned char)((fin ? 0x80 : 0) | opcode)};
    size_t head_len = 2;
    if (len < 126) {
        head[1] = (unsigned char)len;
    } else {
        const size_t width = len <= 0xFFFF ? 2 : 8;
        head[1] = width == 2 ? 126 : 127;
        for (size_t i = 0; i < width; i++) {
            head[2 + i] = (unsigned char)(len >> (8 * (width - 1 - i)));
        }
        head_len += width;
    }
    assert_true(bytes_append(out, head, head_len));
    assert_true(bytes_append(out, data, len));
}

/* Feeds a stream in chunks; writes what comes out as "opcode:length:sum " words, so that two runs can be compared. */
static void feed(const bytes *stream, size_t chunk, char *out, size_t out_cap)
{
    ws_reader reader = {0};
    size_t used = 0;
    out[0] = '\0';
    for (size_t at = 0; at < stream->len; at += chunk) {
        const size_t len = stream->len - at < chunk ? stream->len - at : chunk;
        char *copy = malloc(len); /* exactly as long as the chunk: a sanitizer sees every byte read beyond it */
        assert_non_null(copy);
        memcpy(copy, stream->at + at, len);
        ws_input input = {copy, len};
        ws_message message;
        ws_result result = WS_NEED_MORE;
        while ((result = ws_reader_next(&reader, &input, &message)) == WS_MESSAGE) {
            unsigned sum = 0;
            for (size_t i = 0; i < message.len; i++) {
                sum = sum * 31 + (unsigned char)message.data[i];
            }
            used += (size_t)snprintf(out + used, out_cap - used, "%d:%zu:%u ", message.opcode, message.len, sum);
            assert_true(used < out_cap);
        }
        assert_int_equal(result, WS_NEED_MORE);
        assert_int_equal(input.len, 0);
        free(copy);
    }
    assert_int_equal(reader.opcode, 0);
    ws_reader_fini(&reader);
}

static void frames_in_pieces_of_any_size_come_out_whole(void **state)
{
    (void)state;
    static char text[70000];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)('a' + i % 23);
    }
    bytes stream = {0};
    const size_t sizes[] = {0, 1, 2, 125, 126, 127, 65535, 65536, 70000, 5};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        put_frame(&stream, true, WS_TEXT, text, sizes[i]);
    }
    put_frame(&stream, false, WS_TEXT, text, 300);
    put_frame(&stream, true, WS_PING, "beat", 4);
    put_frame(&stream, false, 0, "", 0);
    put_frame(&stream, true, 0, text, 9);
    put_frame(&stream, true, WS_TEXT, "after", 5);
    put_frame(&stream, true, WS_CLOSE,
              "\x03\xe8"
              "bye",
              5);

    char whole[2048];
    feed(&stream, stream.len, whole, sizeof whole);
    assert_non_null(strstr(whole, "9:4:"));
    assert_non_null(strstr(whole, " 1:309:"));
    const size_t chunks[] = {1, 2, 3, 7, 125, 128, 4096, 65536};
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        char pieces[2048];
        feed(&stream, chunks[i], pieces, sizeof pieces);
        assert_string_equal(pieces, whole);
    }
    bytes_fini(&stream);
}

static void whole_frame_is_returned_where_it_lies(void **state)
{
    (void)state;
    bytes stream = {0};
    put_frame(&stream, true, WS_TEXT, "one", 3);
    put_frame(&stream, true, WS_TEXT, "two", 3);
    ws_reader reader = {0};
    ws_input input = {stream.at, stream.len};
    ws_message message;
    assert_int_equal(ws_reader_next(&reader, &input, &message), WS_MESSAGE);
    assert_ptr_equal(message.data, stream.at + 2);
    assert_int_equal(ws_reader_next(&reader, &input, &message), WS_MESSAGE);
    assert_ptr_equal(message.data, stream.at + 7);
    assert_int_equal(ws_reader_next(&reader, &input, &message), WS_NEED_MORE);
    assert_null(reader.frame.at);
    assert_null(reader.message.at);
    bytes_fini(&stream);
}

static void broken_frames_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *data;
        size_t len;
    } cases[] = {
        {"masked", "\x81\x80\0\0\0\0", 6},
        {"reserved bit", "\xC1\x00", 2},
        {"unknown opcode", "\x83\x00", 2},
        {"unknown control opcode", "\x8B\x00", 2},
        {"control frame in fragments", "\x09\x00", 2},
        {"long control frame", "\x89\x7E\x00\x80", 4},
        {"continuation of nothing", "\x80\x00", 2},
        {"second start", "\x01\x01x\x81\x01y", 6},
        {"too large", "\x81\x7F\0\0\0\0\x7F\xFF\xFF\xFF", 10},
        {"length with the sign bit", "\x81\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t chunk = 1; chunk <= cases[i].len; chunk++) {
            ws_reader reader = {0};
            ws_result result = WS_NEED_MORE;
            for (size_t at = 0; at < cases[i].len && result == WS_NEED_MORE; at += chunk) {
                const size_t left = cases[i].len - at;
                ws_input input = {cases[i].data + at, left < chunk ? left : chunk};
                ws_message message;
                result = ws_reader_next(&reader, &input, &message);
            }
            if (result != WS_BROKEN) {
                fail_msg("accepted: %s, in chunks of %zu", cases[i].what, chunk);
            }
            ws_reader_fini(&reader);
        }
    }
}

static void client_frames_are_masked(void **state)
{
    (void)state;
    static char text[70000];
    memset(text, 'x', sizeof text);
    static char frame[sizeof text + WS_CLIENT_HEADER_MAX];
    const struct {
        size_t len, header;
    } cases[] = {{0, 6}, {1, 6}, {7, 6}, {125, 6}, {126, 8}, {65535, 8}, {65536, 14}, {70000, 14}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const size_t len = ws_write_frame(frame, WS_TEXT, 0xA1B2C3D4U, text, cases[i].len);
        assert_int_equal(len, cases[i].header + cases[i].len);
        assert_int_equal((unsigned char)frame[0], 0x81);
        assert_true((frame[1] & 0x80) != 0);
        const char *mask = frame + cases[i].header - 4;
        for (size_t k = 0; k < cases[i].len; k++) {
            assert_int_equal(frame[cases[i].header + k] ^ mask[k % 4], 'x');
        }
    }
}

/* ---- handshake ---- */

static void handshake_answer_is_judged(void **state)
{
    (void)state;
    int status = 0;
    size_t header_len = 0;
    const char *good = ACCEPTED;
    for (size_t len = 0; len < strlen(good); len++) {
        assert_int_equal(handshake_parse(good, len, &status, &header_len), HANDSHAKE_NEED_MORE);
    }
    assert_int_equal(handshake_parse(good, strlen(good), &status, &header_len), HANDSHAKE_DONE);
    assert_int_equal(header_len, strlen(good));

    const char *refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(handshake_parse(refused, strlen(refused), &status, &header_len), HANDSHAKE_REFUSED);
    assert_int_equal(status, 401);

    const char *bad[] = {
        "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
        "HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(handshake_parse(bad[i], strlen(bad[i]), &status, &header_len), HANDSHAKE_BAD);
    }
}

/* ---- peek ---- */

#define EVENT                                                                                                                              \
    "{\"type\": \"message\" ,\"data\":{\"message\":\"say \\\"id\\\":9, \\\\\\\"type\\\\\", \"id\":-43,"                                    \
    "\"tags\":[\"id\",7,{\"deep\":1}],\"more\":true,\"topic\":null,\"client_id\":\"k\\u00e91\"}}"

static void members_are_found_by_name_and_not_inside_text(void **state)
{
    (void)state;
    const char *text = EVENT;
    const size_t len = strlen(text);
    int64_t number = 0;
    peek_span span = {0};
    assert_true(peek_is_type(text, len, "message"));
    assert_false(peek_is_type(text, len, "messages"));
    assert_true(peek_int(text, len, "id", &number));
    assert_int_equal(number, -43);
    assert_true(peek_int(text, len, "deep", &number));
    assert_int_equal(number, 1);
    assert_true(peek_true(text, len, "more"));
    assert_false(peek_true(text, len, "topic"));
    assert_false(peek_int(text, len, "client_id", &number));
    assert_false(peek_string(text, len, "missing", &span));
    assert_true(peek_string(text, len, "client_id", &span));
    assert_true(peek_equals(span, "k\\u00e91"));

    peek_walk walk = peek_start(text, len);
    peek_member member;
    char seen[256] = "";
    size_t used = 0;
    while (peek_next(&walk, &member)) {
        used +=
            (size_t)snprintf(seen + used, sizeof seen - used, "%.*s%c%d ", (int)member.name.len, member.name.at, member.kind, member.depth);
        assert_true(used < sizeof seen);
    }
    assert_string_equal(seen, "types1 datao1 messages2 idn2 tagsa2 deepn4 moret2 topicz2 client_ids2 ");
}

static void cut_off_frames_are_never_read_beyond(void **state)
{
    (void)state;
    for (size_t len = 0; len < strlen(EVENT); len++) {
        char *copy = malloc(len + (len == 0));
        assert_non_null(copy);
        memcpy(copy, EVENT, len);
        peek_walk walk = peek_start(copy, len);
        peek_member member;
        while (peek_next(&walk, &member)) {
            assert_true(member.value.at + member.value.len <= copy + len);
        }
        free(copy);
    }
}

static void escapes_are_undone_and_made(void **state)
{
    (void)state;
    const struct {
        const char *json, *text;
    } cases[] = {
        {"plain", "plain"},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
        {"\\u0041\\u00e9\\u20AC\\ud83d\\ude00", "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
        {"\\ud83d!\\ude00", "\xEF\xBF\xBD!\xEF\xBF\xBD"},
    };
    char out[128];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const size_t len = peek_unescape((peek_span){cases[i].json, strlen(cases[i].json)}, out);
        assert_int_equal(len, strlen(cases[i].text));
        assert_memory_equal(out, cases[i].text, len);
    }
    const char *broken[] = {"\\", "\\x", "\\u12", "\\u12g4"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        assert_true(peek_unescape((peek_span){broken[i], strlen(broken[i])}, out) == SIZE_MAX);
    }
    char every[256];
    for (size_t i = 0; i < sizeof every; i++) {
        every[i] = (char)i;
    }
    char escaped[6 * sizeof every];
    char back[sizeof escaped];
    const size_t escaped_len = peek_escape(every, sizeof every, escaped);
    assert_int_equal(peek_unescape((peek_span){escaped, escaped_len}, back), sizeof every);
    assert_memory_equal(back, every, sizeof every);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_in_pieces_of_any_size_come_out_whole),
        cmocka_unit_test(whole_frame_is_returned_where_it_lies),
        cmocka_unit_test(broken_frames_are_refused),
        cmocka_unit_test(client_frames_are_masked),
        cmocka_unit_test(handshake_answer_is_judged),
        cmocka_unit_test(members_are_found_by_name_and_not_inside_text),
        cmocka_unit_test(cut_off_frames_are_never_read_beyond),
        cmocka_unit_test(escapes_are_undone_and_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
