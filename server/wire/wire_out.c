#include "wire_out.h"

#include "confab/clock.h"
#include "wire.h"

void out_int(buf *b, int64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (v < 0) digits[--at] = '-';
    out_raw(b, digits + at, sizeof digits - at);
}

/* Eight bytes at once: nonzero where one of them is a control character, a quote, a backslash or not ASCII. */
static uint64_t word_needs_care(uint64_t w)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
    uint64_t control = (w - ones * 0x20) & ~w, zero = ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
    /* A borrow may raise a false alarm in a byte above a true one, never hide one: the bytewise loop looks again. */
    return (control | zero | w) & highs;
}

/* How many bytes from p on can be copied as they are. */
static size_t clean_run(const char *p, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        if (word_needs_care(w)) break;
    }
    for (; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
    }
    return i;
}

/* The UTF-8 sequence at p. Returns its length and sets *valid; where it is none, the length of the bytes that U+FFFD stands for
 * (the longest prefix of a possible sequence, at least 1), as WHATWG and Unicode recommend. */
static size_t utf8_step(const unsigned char *p, size_t n, bool *valid)
{
    unsigned char c = p[0], low = 0x80, high = 0xBF;
    size_t len = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4, i = 1;
    *valid = false;
    if (c < 0xC2 || c > 0xF4) return 1;
    if (c == 0xE0) low = 0xA0;
    if (c == 0xED) high = 0x9F;
    if (c == 0xF0) low = 0x90;
    if (c == 0xF4) high = 0x8F;
    for (; i < len && i < n && p[i] >= low && p[i] <= high; i++) {
        low = 0x80;
        high = 0xBF;
    }
    *valid = i == len;
    return i;
}

static void out_escape(buf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    static const char short_forms[0x20] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c >= 0x20 || short_forms[c]) {
        text[1] = c >= 0x20 ? (char)c : short_forms[c];
        out_raw(b, text, 2);
    } else {
        out_raw(b, text, 6);
    }
}

/* The rest of a string from its first byte that needs care. */
static void out_string_slow(buf *b, const char *p, size_t n)
{
    size_t from = 0, i = 0;
    while (i < n) {
        unsigned char c = (unsigned char)p[i];
        bool valid = false;
        size_t step = 1;
        if (c >= 0x80) {
            step = utf8_step((const unsigned char *)p + i, n - i, &valid);
        } else if (c >= 0x20 && c != '"' && c != '\\') {
            step = clean_run(p + i, n - i);
            valid = true;
        }
        if (!valid) {
            out_raw(b, p + from, i - from);
            if (c >= 0x80)
                OUT(b, "\xEF\xBF\xBD");
            else
                out_escape(b, c);
            from = i + step;
        }
        i += step;
    }
    out_raw(b, p + from, n - from);
}

void out_string(buf *b, span s)
{
    size_t clean = s.n ? clean_run(s.p, s.n) : 0;
    char *at = out_room(b, s.n + 2);
    if (!at) return;
    at[0] = '"';
    if (clean) memcpy(at + 1, s.p, clean);
    b->len += 1 + clean;
    if (clean < s.n) out_string_slow(b, s.p + clean, s.n - clean);
    OUT(b, "\"");
}

void out_cstr(buf *b, const char *s) { out_string(b, span_of(s)); }

void out_time(buf *b, int64_t wall_ms)
{
    char text[CLOCK_RFC3339_SIZE + 1];
    text[0] = '"';
    size_t n = clock_format_rfc3339(wall_ms, text + 1);
    text[n + 1] = '"';
    out_raw(b, text, n + 2);
}

void out_ref_end(buf *b, const char *ref)
{
    if (ref && *ref) {
        OUT(b, ",\"ref\":");
        out_raw(b, ref, strlen(ref));
    }
    OUT(b, "}");
}

void wire_append_string(buf *out, span s) { out_string(out, s); }
