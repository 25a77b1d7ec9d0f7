#include "confab/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "confab/buf.h"
#include "confab/clock.h"

static _Atomic int least_level = LOG_LEVEL_INFO;
static _Atomic int as_json = 0;

static const char *const level_words[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level level) { atomic_store(&least_level, (int)level); }
void log_set_json(int on) { atomic_store(&as_json, on); }

/* Quoted; control characters, quotes and backslashes escaped, so that no value can end the line or the field. Not wire's encoder: the
 * base layer knows no JSON beyond this, and bytes over 0x7E pass as they are (or as \u00xx where the text is not UTF-8). */
static void append_quoted(buf *b, const char *s)
{
    bool utf8 = span_is_utf8(span_of(s));
    buf_append_char(b, '"');
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (*p == '"' || *p == '\\') {
            buf_append_char(b, '\\');
            buf_append_char(b, (char)*p);
        } else if (*p < 0x20 || *p == 0x7F || (*p >= 0x80 && !utf8)) {
            buf_printf(b, "\\u%04x", *p);
        } else {
            buf_append_char(b, (char)*p);
        }
    }
    buf_append_char(b, '"');
}

static bool is_plain_word(const char *s)
{
    if (!*s) return false;
    for (; *s; s++) {
        if (*s <= ' ' || *s > '~' || *s == '"' || *s == '\\' || *s == '=') return false;
    }
    return true;
}

static void append_fields_json(buf *b, enum log_level level, const char *what, const struct log_field *fields, size_t n)
{
    buf_append_str(b, ",\"level\":");
    append_quoted(b, level_words[level]);
    buf_append_str(b, ",\"event\":");
    append_quoted(b, what);
    for (size_t i = 0; i < n; i++) {
        buf_append_char(b, ',');
        append_quoted(b, fields[i].key);
        buf_append_char(b, ':');
        if (fields[i].str) {
            append_quoted(b, fields[i].str);
        } else {
            buf_append_int(b, fields[i].num);
        }
    }
    buf_append_str(b, "}\n");
}

static void append_fields_text(buf *b, enum log_level level, const char *what, const struct log_field *fields, size_t n)
{
    buf_printf(b, " %-5s %s", level_words[level], what);
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, " %s=", fields[i].key);
        if (!fields[i].str) {
            buf_append_int(b, fields[i].num);
        } else if (is_plain_word(fields[i].str)) {
            buf_append_str(b, fields[i].str);
        } else {
            append_quoted(b, fields[i].str);
        }
    }
    buf_append_char(b, '\n');
}

void log_write(enum log_level level, const char *what, const struct log_field *fields, size_t n)
{
    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed)) return;
    char time[CLOCK_RFC3339_SIZE];
    buf line = {0};
    (void)clock_format_rfc3339(clock_wall_ms(), time);
    if (atomic_load_explicit(&as_json, memory_order_relaxed)) {
        buf_printf(&line, "{\"time\":\"%s\"", time);
        append_fields_json(&line, level, what, fields, n);
    } else {
        buf_append_str(&line, time);
        append_fields_text(&line, level, what, fields, n);
    }
    /* A log that cannot be written has nowhere to complain. */
    if (!line.failed) (void)!write(STDERR_FILENO, line.data, line.len);
    buf_free(&line);
}
