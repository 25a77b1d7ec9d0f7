#include "irc.h"

#include <sodium.h>
#include <stdio.h>

#include "confab/clock.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool starts_with(span s, const char *text)
{
    size_t n = strlen(text);
    return s.n >= n && memcmp(s.p, text, n) == 0;
}

static span skip(span s, size_t n) { return (span){s.p + n, s.n - n}; }

/* "[HH:MM] " in front; -1 where it is not there. */
static int take_time(span *line)
{
    const char *p = line->p;
    if (line->n < 8 || p[0] != '[' || !is_digit(p[1]) || !is_digit(p[2]) || p[3] != ':' || !is_digit(p[4]) || !is_digit(p[5]) ||
        p[6] != ']' || p[7] != ' ') {
        return -1;
    }
    int hour = (p[1] - '0') * 10 + p[2] - '0', minute = (p[4] - '0') * 10 + p[5] - '0';
    if (hour > 23 || minute > 59) return -1;
    *line = skip(*line, 8);
    return hour * 60 + minute;
}

static void parse_spoken(span rest, struct irc_line *out)
{
    const char *end;
    if (starts_with(rest, "<") && (end = memchr(rest.p, '>', rest.n)) && end > rest.p + 1) {
        out->kind = IRC_MESSAGE;
        out->nick = (span){rest.p + 1, (size_t)(end - rest.p) - 1};
        out->text = skip(rest, out->nick.n + 2);
        if (starts_with(out->text, " ")) out->text = skip(out->text, 1);
    } else if (starts_with(rest, " * ") && (end = memchr(rest.p + 3, ' ', rest.n - 3)) && end > rest.p + 3) {
        out->kind = IRC_ACTION;
        out->nick = (span){rest.p + 3, (size_t)(end - rest.p) - 3};
        out->text = skip(rest, out->nick.n + 4);
    }
}

/* "nick [user@host]  has joined #channel" */
static void parse_notice(span rest, struct irc_line *out)
{
    const char *space = memchr(rest.p, ' ', rest.n), *close;
    if (!space || space == rest.p) return;
    span nick = {rest.p, (size_t)(space - rest.p)};
    rest = skip(rest, nick.n + 1);
    if (!starts_with(rest, "[") || !(close = memchr(rest.p, ']', rest.n))) return;
    rest = skip(rest, (size_t)(close - rest.p) + 1);
    if (starts_with(rest, "  has joined #"))
        out->kind = IRC_JOINED;
    else if (starts_with(rest, "  has left #"))
        out->kind = IRC_LEFT;
    else
        return;
    out->nick = nick;
}

void irc_parse_line(span line, struct irc_line *out)
{
    *out = (struct irc_line){.kind = IRC_OTHER, .minute = -1, .nick = {"", 0}, .text = {"", 0}};
    if (line.n && line.p[line.n - 1] == '\r') line.n--;
    if (starts_with(line, "=== ")) {
        parse_notice(skip(line, 4), out);
        return;
    }
    out->minute = take_time(&line);
    if (out->minute >= 0) parse_spoken(line, out);
}

bool irc_date_of_file(const char *path, int64_t *out_ms)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char text[32];
    if (strlen(name) < 10) return false;
    (void)snprintf(text, sizeof text, "%.10sT00:00:00Z", name); /* 20 characters */
    int64_t at = clock_parse_rfc3339(text, strlen(text));
    if (at < 0) return false;
    *out_ms = at;
    return true;
}

int64_t irc_clock_at(struct irc_clock *c, int minute)
{
    if (minute >= 0) {
        if (c->minute >= 0 && minute + 12 * 60 < c->minute) {
            c->day_ms += 86400000;
            c->minute = minute;
        } else if (minute > c->minute) {
            c->minute = minute;
        }
    }
    return c->day_ms + (int64_t)(c->minute < 0 ? 0 : c->minute) * 60000;
}

static bool name_may_contain(unsigned char c) { return c > 0x20 && c < 0x7F && !strchr("\"<>&@/:,#%?\\~", c); }

void irc_user_name(span nick, char out[USER_NAME_MAX + 1])
{
    enum { HASH_DIGITS = 16 };
    char name[3 * 256 + 1];
    size_t n = 0;
    for (size_t i = 0; i < nick.n && i < 256; i++) {
        unsigned char c = (unsigned char)nick.p[i];
        if (name_may_contain(c))
            name[n++] = (char)c;
        else
            n += (size_t)snprintf(name + n, 4, "~%02x", c);
    }
    name[n] = '\0';
    if (n > USER_NAME_MAX || nick.n > 256) {
        unsigned char hash[crypto_generichash_BYTES_MIN];
        char hex[2 * sizeof hash + 1];
        (void)crypto_generichash(hash, sizeof hash, (const unsigned char *)nick.p, nick.n, NULL, 0); /* fails for wrong sizes only */
        sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
        name[USER_NAME_MAX - 1 - HASH_DIGITS] = '~';
        memcpy(name + USER_NAME_MAX - HASH_DIGITS, hex, HASH_DIGITS);
        name[USER_NAME_MAX] = '\0';
    }
    memcpy(out, name, strlen(name) + 1);
}

/* Length of the well-formed character at p; 0: there is none. */
static size_t character_at(const char *p, size_t n)
{
    if ((unsigned char)*p < 0x80) return *p != '\0';
    for (size_t length = 2; length <= 4 && length <= n; length++) {
        if (span_is_utf8((span){p, length})) return length;
    }
    return 0;
}

size_t irc_append_repaired(buf *out, span text)
{
    size_t replaced = 0;
    for (size_t i = 0; i < text.n;) {
        size_t length = character_at(text.p + i, text.n - i);
        if (length) {
            buf_append(out, text.p + i, length);
            i += length;
        } else {
            buf_append_str(out, "\xEF\xBF\xBD");
            replaced++;
            i++;
        }
    }
    return replaced;
}
