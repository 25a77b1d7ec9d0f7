/* Logs: one line per event, for people on a terminal, JSON lines with CONFAB_LOG=json. Never a token, password or message body.
 * Thread: any. A line is written by one write(2) to standard error.
 *
 *     LOG_INFO("connection closed", LOG_INT("code", 1001), LOG_STR("user", name));
 */
#ifndef CONFAB_LOG_H
#define CONFAB_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log_field {
    const char *key;
    const char *str; /* NULL: the number counts */
    int64_t num;
};

static inline struct log_field log_field_str(const char *key, const char *value)
{
    return (struct log_field){.key = key, .str = value ? value : ""};
}
#define LOG_STR(k, v) (log_field_str((k), (v)))
#define LOG_INT(k, v) ((struct log_field){.key = (k), .num = (int64_t)(v)})

/* `what` is a sentence fragment in plain words, a literal. Strings are escaped; control characters cannot forge a line. */
void log_write(enum log_level level, const char *what, const struct log_field *fields, size_t n);
void log_set_level(enum log_level level);
void log_set_json(int on);

#define LOG_AT(level, what, ...)                                                                                                           \
    log_write((level), (what), (const struct log_field[]){{0}, ##__VA_ARGS__} + 1,                                                         \
              sizeof((const struct log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_field) - 1)
#define LOG_DEBUG(what, ...) LOG_AT(LOG_LEVEL_DEBUG, what, ##__VA_ARGS__)
#define LOG_INFO(what, ...) LOG_AT(LOG_LEVEL_INFO, what, ##__VA_ARGS__)
#define LOG_WARN(what, ...) LOG_AT(LOG_LEVEL_WARN, what, ##__VA_ARGS__)
#define LOG_ERROR(what, ...) LOG_AT(LOG_LEVEL_ERROR, what, ##__VA_ARGS__)

#endif
