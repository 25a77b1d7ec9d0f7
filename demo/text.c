/* text.c: see text.h. */
#include "text.h"

#include "hash.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Length of the well-formed character at `at`, 0 where there is none (RFC 3629: no overlong form, no surrogate). */
static size_t character_len(const unsigned char *at, size_t left)
{
    const unsigned char first = at[0];
    if (first < 0x80) {
        return first == 0 ? 0 : 1;
    }
    size_t len = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (first >= 0xC2 && first <= 0xDF) {
        len = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        len = 3;
        low = first == 0xE0 ? 0xA0 : 0x80;
        high = first == 0xED ? 0x9F : 0xBF;
    } else if (first >= 0xF0 && first <= 0xF4) {
        len = 4;
        low = first == 0xF0 ? 0x90 : 0x80;
        high = first == 0xF4 ? 0x8F : 0xBF;
    }
    if (len == 0 || left < len || at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

bool text_append_repaired(bytes *out, const char *text, size_t len, size_t *out_repaired)
{
    *out_repaired = 0;
    if (!bytes_reserve(out, len * 3)) { /* U+FFFD takes three bytes */
        return false;
    }
    const unsigned char *at = (const unsigned char *)text;
    for (size_t i = 0; i < len;) {
        const size_t n = character_len(at + i, len - i);
        if (n == 0) {
            memcpy(out->at + out->len, "\xEF\xBF\xBD", 3);
            out->len += 3;
            (*out_repaired)++;
            i++;
        } else {
            memcpy(out->at + out->len, text + i, n);
            out->len += n;
            i += n;
        }
    }
    return true;
}

size_t text_escaped_len(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        n += c == '"' || c == '\\' ? 2 : c < 0x20 ? 6 : 1;
    }
    return n;
}

static bool name_may_contain(unsigned char c) { return c > ' ' && c < 0x7F && c != '~' && strchr("\"<>&@/:,#%?\\", c) == NULL; }

void text_user_name(const char *nick, size_t len, char out[TEXT_NAME_MAX + 1])
{
    enum { HASH_DIGITS = 16, ROOM_FOR_TEXT = TEXT_NAME_MAX - 1 - HASH_DIGITS };
    size_t n = 0;
    size_t cut = 0; /* where the hash goes, if it must */
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)nick[i];
        const size_t need = name_may_contain(c) ? 1 : 3;
        if (n + need > TEXT_NAME_MAX) {
            (void)snprintf(out + cut, TEXT_NAME_MAX + 1 - cut, "~%016llx", (unsigned long long)hash_add(HASH_START, nick, len));
            return;
        }
        if (need == 1) {
            out[n] = (char)c;
        } else {
            static const char digits[] = "0123456789abcdef";
            const char escaped[3] = {'~', digits[c >> 4], digits[c & 15]};
            memcpy(out + n, escaped, sizeof escaped);
        }
        n += need;
        if (n <= ROOM_FOR_TEXT) {
            cut = n;
        }
    }
    out[n] = '\0';
}

void text_room_id(const char *file_name, char out[TEXT_NAME_MAX + 1])
{
    const char *dot = strrchr(file_name, '.');
    const size_t len = dot != NULL && dot != file_name ? (size_t)(dot - file_name) : strlen(file_name);
    size_t n = 0;
    for (size_t i = 0; i < len && n < TEXT_NAME_MAX; i++) {
        char c = file_name[i];
        if (c >= 'A' && c <= 'Z') {
            c = (char)(c - 'A' + 'a');
        }
        const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        const bool punctuation = c == '.' || c == '_' || c == '-';
        if (alphanumeric || (punctuation && n > 0)) {
            out[n++] = c;
        }
    }
    if (n == 0) {
        memcpy(out, "room", 4);
        n = 4;
    }
    out[n] = '\0';
}
