#include "confab/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confab/log.h"

extern char **environ;

enum setting_type { TYPE_STRING, TYPE_INT, TYPE_ENUM };

struct row {
    const char *env;
    enum setting_type type;
    size_t offset;
    const char *text_default;
    int64_t int_default, min, max;
    const char *choices, *help;
};

static const struct row rows[] = {
#define S(field, env, def, help) {env, TYPE_STRING, offsetof(struct settings, field), def, 0, 0, 0, NULL, help},
#define I(field, env, def, min, max, help) {env, TYPE_INT, offsetof(struct settings, field), NULL, def, min, max, NULL, help},
#define E(field, env, def, choices, help) {env, TYPE_ENUM, offsetof(struct settings, field), def, 0, 0, 0, choices, help},
    SETTINGS_MAP(S, I, E)
#undef S
#undef I
#undef E
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static const char config_env[] = "CONFAB_CONFIG";

/* Values read from the file, for the life of the process. Loading happens once, on the main thread. */
static arena kept;

static const char **string_at(struct settings *s, const struct row *row) { return (const char **)(void *)((char *)s + row->offset); }
static int64_t *int_at(struct settings *s, const struct row *row) { return (int64_t *)(void *)((char *)s + row->offset); }

static const struct row *row_find(span name)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (span_is(name, rows[i].env)) return &rows[i];
    }
    return NULL;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);
    for (const char *at = choices; n && at; at = strchr(at, '|')) {
        if (*at == '|') at++;
        if (strncmp(at, value, n) == 0 && (at[n] == '|' || at[n] == '\0')) return true;
    }
    return false;
}

/* `where` says where the value came from. The string outlives the settings. */
static confab_err set_value(struct settings *out, const struct row *row, const char *value, const char *where, buf *problem)
{
    int64_t number;
    switch (row->type) {
    case TYPE_STRING:
        *string_at(out, row) = value;
        return confab_ok();
    case TYPE_ENUM:
        if (!is_choice(row->choices, value)) {
            buf_printf(problem, "%s (%s) is \"%s\"; expected one of %s", row->env, where, value, row->choices);
            return confab_fail(CONFAB_INVALID_FIELD);
        }
        *string_at(out, row) = value;
        return confab_ok();
    case TYPE_INT:
        if (!span_to_int64(span_of(value), &number) || number < row->min || number > row->max) {
            buf_printf(problem, "%s (%s) is \"%s\"; expected a whole number from %lld to %lld", row->env, where, value, (long long)row->min,
                       (long long)row->max);
            return confab_fail(CONFAB_INVALID_FIELD);
        }
        *int_at(out, row) = number;
        return confab_ok();
    }
    return confab_fail(CONFAB_INTERNAL);
}

static char *trim(char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    size_t n = strlen(s);
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\n' || s[n - 1] == '\r'))
        s[--n] = '\0';
    return s;
}

static confab_err load_line(struct settings *out, char *line, const char *where, buf *problem)
{
    char *text = trim(line);
    if (*text == '\0' || *text == '#') return confab_ok();
    char *equals = strchr(text, '=');
    if (!equals) {
        buf_printf(problem, "%s: expected NAME=value", where);
        return confab_fail(CONFAB_INVALID_FIELD);
    }
    *equals = '\0';
    const struct row *row = row_find(span_of(trim(text)));
    if (!row) {
        buf_printf(problem, "%s: there is no setting %s", where, trim(text));
        return confab_fail(CONFAB_UNKNOWN_FIELD);
    }
    span value = arena_copy(&kept, span_of(trim(equals + 1)));
    if (!value.p) return confab_fail(CONFAB_INTERNAL);
    return set_value(out, row, value.p, where, problem);
}

static confab_err load_file(struct settings *out, const char *path, buf *problem)
{
    confab_err e = confab_ok();
    char *line = NULL;
    size_t cap = 0;
    int number = 0;
    FILE *f = fopen(path, "re");
    if (!f) {
        buf_printf(problem, "%s: %s: %s", config_env, path, strerror(errno));
        return confab_fail(CONFAB_INVALID_FIELD);
    }
    while (!confab_failed(e) && getline(&line, &cap, f) >= 0) {
        char where[512];
        (void)snprintf(where, sizeof where, "%s line %d", path, ++number); /* cutting a long path is fine here */
        e = load_line(out, line, where, problem);
    }
    free(line);
    (void)fclose(f); /* read only */
    return e;
}

static confab_err load_environment(struct settings *out, buf *problem)
{
    for (char **variable = environ; *variable; variable++) {
        const char *equals = strchr(*variable, '=');
        if (strncmp(*variable, "CONFAB_", 7) != 0 || !equals) continue;
        span name = {*variable, (size_t)(equals - *variable)};
        if (span_is(name, config_env)) continue;
        const struct row *row = row_find(name);
        if (!row) {
            /* Only a warning: orchestrators put variables of their own next to ours (CONFAB_SERVICE_HOST, …). */
            char name_only[64];
            (void)span_copy(name, name_only, sizeof name_only); /* never the value: it may be a secret */
            LOG_WARN("unknown setting in the environment", LOG_STR("variable", name_only));
            continue;
        }
        confab_err e = set_value(out, row, equals + 1, "environment", problem);
        if (confab_failed(e)) return e;
    }
    return confab_ok();
}

confab_err settings_load(struct settings *out, buf *problem)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].type == TYPE_INT) {
            *int_at(out, &rows[i]) = rows[i].int_default;
        } else {
            *string_at(out, &rows[i]) = rows[i].text_default;
        }
    }
    const char *path = getenv(config_env);
    if (path && *path) {
        confab_err e = load_file(out, path, problem);
        if (confab_failed(e)) return e;
    }
    return load_environment(out, problem);
}

static void append_default(buf *out, const struct row *row)
{
    if (row->type == TYPE_INT) {
        buf_append_int(out, row->int_default);
    } else {
        buf_append_str(out, row->text_default);
    }
}

void settings_write_help(buf *out)
{
    buf_append_str(out, "Settings, from the environment or from lines NAME=value of the file named by CONFAB_CONFIG:\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        buf_printf(out, "  %-35s %s", rows[i].env, rows[i].help);
        if (rows[i].choices) buf_printf(out, " (%s)", rows[i].choices);
        buf_append_str(out, " [");
        append_default(out, &rows[i]);
        buf_append_str(out, "]\n");
    }
}

static void append_allowed(buf *out, const struct row *row)
{
    if (row->type == TYPE_INT) {
        buf_printf(out, "%lld to %lld", (long long)row->min, (long long)row->max);
    } else if (row->type == TYPE_STRING) {
        buf_append_str(out, "text");
    } else {
        for (const char *c = row->choices; *c; c++) {
            if (*c == '|') {
                buf_append_str(out, ", ");
            } else {
                buf_append_char(out, *c);
            }
        }
    }
}

void settings_write_markdown(buf *out)
{
    buf_append_str(out,
                   "# Configuration\n\n"
                   "Generated by `confab config`; a test compares it with the program. Settings come from the environment, or from lines\n"
                   "`NAME=value` (`#` starts a comment) of the file named by `CONFAB_CONFIG`; the environment wins. A wrong value is\n"
                   "refused at start, by name; an unknown `CONFAB_` variable is warned of, an unknown name in the file refused.\n\n"
                   "| setting | meaning | values | default |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        buf_printf(out, "| `%s` | %s | ", rows[i].env, rows[i].help);
        append_allowed(out, &rows[i]);
        buf_append_str(out, " | ");
        if (rows[i].type == TYPE_INT || rows[i].text_default[0]) {
            buf_append_char(out, '`');
            append_default(out, &rows[i]);
            buf_append_char(out, '`');
        }
        buf_append_str(out, " |\n");
    }
}
