/* ws_reader.c: see ws_reader.h. */
#include "ws_reader.h"

#include <string.h>

/* One frame's header, as far as a server may send it. */
typedef struct ws_header {
    bool fin;
    int opcode;
    size_t header_len;
    size_t payload_len;
} ws_header;

typedef enum header_result { HEADER_OK, HEADER_SHORT, HEADER_BAD } header_result;

static header_result header_parse(const unsigned char *at, size_t len, ws_header *out)
{
    if (len < 2) {
        return HEADER_SHORT;
    }
    const bool reserved_bits = (at[0] & 0x70U) != 0;
    const bool masked = (at[1] & 0x80U) != 0;
    if (reserved_bits || masked) {
        return HEADER_BAD;
    }
    const unsigned short_len = at[1] & 0x7FU;
    const size_t length_bytes = short_len < 126 ? 0 : short_len == 126 ? 2 : 8;
    if (len < 2 + length_bytes) {
        return HEADER_SHORT;
    }
    uint64_t payload = length_bytes == 0 ? short_len : 0;
    for (size_t i = 0; i < length_bytes; i++) {
        payload = payload << 8 | at[2 + i];
    }
    if (payload > WS_READER_MAX_MESSAGE) {
        return HEADER_BAD;
    }
    out->fin = (at[0] & 0x80U) != 0;
    out->opcode = at[0] & 0x0F;
    out->header_len = 2 + length_bytes;
    out->payload_len = (size_t)payload;

    const bool control = out->opcode >= WS_CLOSE;
    if (control && (!out->fin || payload > 125)) {
        return HEADER_BAD;
    }
    const bool known = out->opcode <= WS_BINARY || (control && out->opcode <= WS_PONG);
    return known ? HEADER_OK : HEADER_BAD;
}

/* Moves bytes from the input to the kept frame until it has `want` of them. */
static ws_result frame_fill(ws_reader *reader, ws_input *input, size_t want)
{
    const size_t missing = want - reader->frame.len;
    const size_t taken = missing < input->len ? missing : input->len;
    if (!bytes_append(&reader->frame, input->at, taken)) {
        return WS_OUT_OF_MEMORY;
    }
    input->at += taken;
    input->len -= taken;
    return taken == missing ? WS_MESSAGE : WS_NEED_MORE;
}

/* Continues a frame whose beginning is kept. On WS_MESSAGE it is whole and lies in reader->frame. */
static ws_result frame_resume(ws_reader *reader, ws_input *input, ws_header *out_header)
{
    for (;;) {
        const header_result parsed = header_parse((const unsigned char *)reader->frame.at, reader->frame.len, out_header);
        if (parsed == HEADER_BAD) {
            return WS_BROKEN;
        }
        const bool short_header = parsed == HEADER_SHORT;
        const size_t want = short_header ? reader->frame.len + 1 : out_header->header_len + out_header->payload_len;
        const ws_result filled = frame_fill(reader, input, want);
        if (filled != WS_MESSAGE) {
            return filled;
        }
        if (!short_header) {
            return WS_MESSAGE;
        }
    }
}

/* Finds the next whole frame. On WS_MESSAGE *out_payload points into the input or into reader->frame. */
static ws_result frame_next(ws_reader *reader, ws_input *input, ws_header *out_header, const char **out_payload)
{
    if (reader->frame.len > 0) {
        const ws_result resumed = frame_resume(reader, input, out_header);
        if (resumed == WS_MESSAGE) {
            *out_payload = reader->frame.at + out_header->header_len;
            reader->frame_returned = true;
        }
        return resumed;
    }
    if (input->len == 0) {
        return WS_NEED_MORE;
    }
    const header_result parsed = header_parse((const unsigned char *)input->at, input->len, out_header);
    if (parsed == HEADER_BAD) {
        return WS_BROKEN;
    }
    if (parsed == HEADER_SHORT || input->len < out_header->header_len + out_header->payload_len) {
        /* The whole frame's room is reserved at once, so a large frame is not copied again and again. */
        const bool kept = (parsed == HEADER_SHORT || bytes_reserve(&reader->frame, out_header->header_len + out_header->payload_len)) &&
                          bytes_append(&reader->frame, input->at, input->len);
        input->at += input->len;
        input->len = 0;
        return kept ? WS_NEED_MORE : WS_OUT_OF_MEMORY;
    }
    *out_payload = input->at + out_header->header_len;
    input->at += out_header->header_len + out_header->payload_len;
    input->len -= out_header->header_len + out_header->payload_len;
    return WS_MESSAGE;
}

/* Adds one data frame to the message under way. WS_NEED_MORE: the message goes on. */
static ws_result message_add(ws_reader *reader, const ws_header *header, const char *payload, ws_message *out)
{
    const bool continues = header->opcode == 0;
    if (continues != (reader->opcode != 0)) {
        return WS_BROKEN;
    }
    if (!continues && header->fin) {
        *out = (ws_message){header->opcode, payload, header->payload_len};
        return WS_MESSAGE;
    }
    if (reader->message.len + header->payload_len > WS_READER_MAX_MESSAGE) {
        return WS_BROKEN;
    }
    if (!bytes_append(&reader->message, payload, header->payload_len)) {
        return WS_OUT_OF_MEMORY;
    }
    if (!continues) {
        reader->opcode = header->opcode;
    }
    if (!header->fin) {
        return WS_NEED_MORE;
    }
    *out = (ws_message){reader->opcode, reader->message.at, reader->message.len};
    reader->opcode = 0;
    reader->message_returned = true;
    return WS_MESSAGE;
}

ws_result ws_reader_next(ws_reader *reader, ws_input *input, ws_message *out_message)
{
    if (reader->message_returned) {
        bytes_fini(&reader->message);
        reader->message_returned = false;
    }
    for (;;) {
        if (reader->frame_returned) {
            bytes_fini(&reader->frame);
            reader->frame_returned = false;
        }
        ws_header header;
        const char *payload = NULL;
        ws_result result = frame_next(reader, input, &header, &payload);
        if (result != WS_MESSAGE) {
            return result;
        }
        if (header.opcode >= WS_CLOSE) {
            *out_message = (ws_message){header.opcode, payload, header.payload_len};
            return WS_MESSAGE;
        }
        result = message_add(reader, &header, payload, out_message);
        if (result != WS_NEED_MORE) {
            return result;
        }
    }
}

void ws_reader_fini(ws_reader *reader)
{
    bytes_fini(&reader->frame);
    bytes_fini(&reader->message);
    *reader = (ws_reader){0};
}

size_t ws_write_frame(char *out, int opcode, uint32_t mask, const char *data, size_t len)
{
    unsigned char *at = (unsigned char *)out;
    *at++ = (unsigned char)(0x80 | opcode);
    const size_t length_bytes = len < 126 ? 0 : len <= 0xFFFF ? 2 : 8;
    *at++ = (unsigned char)(0x80U | (length_bytes == 0 ? len : length_bytes == 2 ? 126 : 127));
    for (size_t i = length_bytes; i > 0; i--) {
        *at++ = (unsigned char)(len >> (8 * (i - 1)));
    }
    memcpy(at, &mask, sizeof mask);
    at += sizeof mask;

    const uint64_t wide_mask = (uint64_t)mask << 32 | mask;
    size_t i = 0;
    for (; i + sizeof wide_mask <= len; i += sizeof wide_mask) {
        uint64_t word;
        memcpy(&word, data + i, sizeof word);
        word ^= wide_mask;
        memcpy(at + i, &word, sizeof word);
    }
    unsigned char mask_bytes[sizeof mask];
    memcpy(mask_bytes, &mask, sizeof mask);
    for (; i < len; i++) {
        at[i] = (unsigned char)((unsigned char)data[i] ^ mask_bytes[i % sizeof mask]);
    }
    return (size_t)(at - (unsigned char *)out) + len;
}
