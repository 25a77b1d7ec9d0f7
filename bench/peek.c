/* peek.c: see peek.h. */
#include "peek.h"

#include <string.h>

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Finds the quote that ends a string whose inside begins at `at`; NULL where there is none. */
static const char *string_end(const char *at, const char *end)
{
    while (at < end) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        if (quote == NULL) {
            return NULL;
        }
        /* An odd run of backslashes before it: the quote belongs to the text. */
        const char *run = quote;
        while (run > at && run[-1] == '\\') {
            run--;
        }
        if (((quote - run) & 1) == 0) {
            return quote;
        }
        at = quote + 1;
    }
    return NULL;
}

peek_walk peek_start(const char *text, size_t len) { return (peek_walk){.at = text, .end = text + len, .depth = 0}; }

/* Steps over brackets, commas, blanks and bare values (inside arrays) to the next string's opening quote. */
static bool walk_to_string(peek_walk *walk)
{
    for (; walk->at < walk->end; walk->at++) {
        const char c = *walk->at;
        if (c == '"') {
            return true;
        }
        walk->depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    }
    return false;
}

static char kind_of(char first)
{
    switch (first) {
    case 't':
    case 'f':
        return first;
    case 'n':
        return 'z';
    default:
        return 'n';
    }
}

/* Reads the value at walk->at. Containers are entered, everything else is stepped over. */
static bool walk_value(peek_walk *walk, peek_member *out)
{
    const char *at = walk->at;
    out->value = (peek_span){at, 1};
    switch (*at) {
    case '"': {
        const char *close = string_end(at + 1, walk->end);
        if (close == NULL) {
            return false;
        }
        out->kind = 's';
        out->value = (peek_span){at + 1, (size_t)(close - at - 1)};
        walk->at = close + 1;
        return true;
    }
    case '{':
    case '[':
        out->kind = *at == '{' ? 'o' : 'a';
        return true; /* the walk goes on at the bracket, which counts the depth */
    default:
        while (at < walk->end && *at != ',' && *at != '}' && *at != ']' && !is_blank(*at)) {
            at++;
        }
        out->value.len = (size_t)(at - walk->at);
        out->kind = kind_of(*walk->at);
        walk->at = at;
        return out->value.len > 0;
    }
}

bool peek_next(peek_walk *walk, peek_member *out_member)
{
    while (walk_to_string(walk)) {
        const char *name = walk->at + 1;
        const char *name_end = string_end(name, walk->end);
        if (name_end == NULL) {
            return false;
        }
        const char *at = name_end + 1;
        while (at < walk->end && is_blank(*at)) {
            at++;
        }
        if (at == walk->end || *at != ':') { /* a string in an array */
            walk->at = at;
            continue;
        }
        at++;
        while (at < walk->end && is_blank(*at)) {
            at++;
        }
        if (at == walk->end) {
            return false;
        }
        out_member->name = (peek_span){name, (size_t)(name_end - name)};
        out_member->depth = walk->depth;
        walk->at = at;
        return walk_value(walk, out_member);
    }
    return false;
}

/* The first member called `name`, of any kind. */
static bool find(const char *text, size_t len, const char *name, peek_member *out)
{
    peek_walk walk = peek_start(text, len);
    while (peek_next(&walk, out)) {
        if (peek_equals(out->name, name)) {
            return true;
        }
    }
    return false;
}

bool peek_string(const char *text, size_t len, const char *name, peek_span *out_value)
{
    peek_member member;
    if (!find(text, len, name, &member) || member.kind != 's') {
        return false;
    }
    *out_value = member.value;
    return true;
}

bool peek_int(const char *text, size_t len, const char *name, int64_t *out_value)
{
    peek_member member;
    return find(text, len, name, &member) && member.kind == 'n' && peek_parse_int(member.value, out_value);
}

bool peek_true(const char *text, size_t len, const char *name)
{
    peek_member member;
    return find(text, len, name, &member) && member.kind == 't' && peek_equals(member.value, "true");
}

bool peek_is_type(const char *text, size_t len, const char *type)
{
    peek_span value;
    return peek_string(text, len, "type", &value) && peek_equals(value, type);
}

bool peek_equals(peek_span span, const char *word) { return strlen(word) == span.len && memcmp(span.at, word, span.len) == 0; }

bool peek_parse_int(peek_span span, int64_t *out_value)
{
    const bool negative = span.len > 0 && span.at[0] == '-';
    size_t i = negative ? 1 : 0;
    if (i == span.len || span.len - i > 18) { /* 18 digits always fit */
        return false;
    }
    int64_t value = 0;
    for (; i < span.len; i++) {
        if (span.at[i] < '0' || span.at[i] > '9') {
            return false;
        }
        value = value * 10 + (span.at[i] - '0');
    }
    *out_value = negative ? -value : value;
    return true;
}

/* ---- escapes ---- */

/* Four hex digits; -1 where they are not. */
static long hex4(const char *at, const char *end)
{
    if (end - at < 4) {
        return -1;
    }
    long value = 0;
    for (int i = 0; i < 4; i++) {
        const char c = at[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static size_t utf8_put(char *out, unsigned long point)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    const size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    const unsigned lead = len == 2 ? 0xC0 : len == 3 ? 0xE0 : 0xF0;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    out[0] = (char)(lead | point);
    return len;
}

/* The \uXXXX (or surrogate pair) whose digits begin at *at. Moves *at behind it; false where it is broken. */
static bool unicode_escape(const char **at, const char *end, unsigned long *out_point)
{
    const long first = hex4(*at, end);
    if (first < 0) {
        return false;
    }
    *at += 4;
    *out_point = (unsigned long)first;
    if (first >= 0xD800 && first <= 0xDFFF) {
        *out_point = 0xFFFD;
        const bool pair = first < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u';
        const long second = pair ? hex4(*at + 2, end) : -1;
        if (second >= 0xDC00 && second <= 0xDFFF) {
            *out_point = 0x10000UL + ((unsigned long)(first - 0xD800) << 10) + (unsigned long)(second - 0xDC00);
            *at += 6;
        }
    }
    return true;
}

size_t peek_unescape(peek_span span, char *out)
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    const char *at = span.at;
    const char *end = span.at + span.len;
    size_t len = 0;
    while (at < end) {
        if (*at != '\\') {
            out[len++] = *at++;
            continue;
        }
        if (++at == end) {
            return SIZE_MAX;
        }
        const char c = *at++;
        const char *simple = memchr(escapes, c, sizeof escapes - 1);
        unsigned long point = 0;
        if (simple != NULL) {
            out[len++] = meant[simple - escapes];
        } else if (c == 'u' && unicode_escape(&at, end, &point)) {
            len += utf8_put(out + len, point);
        } else {
            return SIZE_MAX;
        }
    }
    return len;
}

size_t peek_escape(const char *text, size_t len, char *out)
{
    static const char hex[] = "0123456789abcdef";
    char *to = out;
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c >= 0x20) {
            *to++ = (char)c;
        } else {
            const char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 0xF]};
            memcpy(to, escape, sizeof escape);
            to += sizeof escape;
        }
    }
    return (size_t)(to - out);
}
