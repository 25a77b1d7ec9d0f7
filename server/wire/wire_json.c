#include "wire_json.h"

#include <pthread.h>
#include <stdlib.h>

/* ---- cJSON's memory: the arena of the parse in progress on this thread, else malloc ---- */

static _Thread_local arena *parsing; /* set only during cJSON_ParseWithLengthOpts */

static void *hook_alloc(size_t n) { return parsing ? arena_alloc(parsing, n) : malloc(n); }
static void hook_free(void *p)
{
    /* While an arena is set, cJSON frees only what it has just taken from it (a failed parse). */
    if (!parsing) free(p);
}

static void install_hooks(void)
{
    cJSON_Hooks hooks = {hook_alloc, hook_free};
    cJSON_InitHooks(&hooks);
}

/* ---- the lexical pass ---- */

struct scan {
    const char *p, *end;
    int depth, values;
    unsigned char seen; /* all bytes of strings, or-ed: is there anything but ASCII? */
};

static bool is_digit(const char *p, const char *end) { return p < end && *p >= '0' && *p <= '9'; }

static bool is_hex4(const char *p, const char *end)
{
    if (end - p < 4) return false;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) return false;
    }
    return true;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (is_digit(p, end)) {
        p++;
    }
    return p;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? and nothing that cJSON would read on with; short, for cJSON copies it into 64 bytes. */
static bool scan_number(struct scan *s)
{
    const char *p = s->p, *end = s->end;
    if (*p == '-') p++;
    if (!is_digit(p, end)) return false;
    p = *p == '0' ? p + 1 : skip_digits(p, end);
    if (p < end && *p == '.') {
        if (!is_digit(++p, end)) return false;
        p = skip_digits(p, end);
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        if (!is_digit(p, end)) return false;
        p = skip_digits(p, end);
    }
    if (p - s->p > 48 || (p < end && !memchr(" \t\r\n,]}", *p, 7))) return false;
    s->p = p;
    return true;
}

/* From behind the opening quote to behind the closing one. */
static confab_err scan_string(struct scan *s)
{
    const char *p = s->p, *end = s->end;
    for (;;) {
        for (; p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20; p++) {
            s->seen |= (unsigned char)*p;
        }
        if (p == end || (unsigned char)*p < 0x20) return confab_fail(CONFAB_INVALID_JSON);
        if (*p == '"') break;
        if (++p == end) return confab_fail(CONFAB_INVALID_JSON);
        if (*p == 'u') {
            if (!is_hex4(p + 1, end)) return confab_fail(CONFAB_INVALID_JSON);
            if (memcmp(p + 1, "0000", 4) == 0) return confab_fail_msg(CONFAB_INVALID_FIELD, "Text must not contain a NUL character");
            p += 4;
        } else if (!memchr("\"\\/bfnrt", *p, 8)) {
            return confab_fail(CONFAB_INVALID_JSON);
        }
        p++;
    }
    s->p = p + 1;
    return confab_ok();
}

static confab_err scan_bracket(struct scan *s, char c)
{
    s->p++;
    if (c == '}' || c == ']') return --s->depth < 0 ? confab_fail(CONFAB_INVALID_JSON) : confab_ok();
    if (++s->depth > JSON_DEPTH_MAX) return confab_fail_msg(CONFAB_INVALID_FIELD, "The JSON is nested too deeply");
    s->values++;
    return confab_ok();
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) {
        p++;
    }
    return p;
}

/* Which token starts with this byte? Grammar is cJSON's business; here only what it would let through. */
static confab_err scan_token(struct scan *s)
{
    char c = *s->p;
    switch (c) {
    case '"':
        s->p++;
        return scan_string(s);
    case '{':
    case '}':
    case '[':
    case ']':
        return scan_bracket(s, c);
    case ',':
        s->p++;
        if (++s->values > JSON_VALUES_MAX) return confab_fail_msg(CONFAB_INVALID_FIELD, "The JSON has too many values");
        return confab_ok();
    case ':':
        s->p++;
        return confab_ok();
    case 't':
    case 'f':
    case 'n':
        while (s->p < s->end && *s->p >= 'a' && *s->p <= 'z') {
            s->p++;
        }
        return confab_ok();
    default:
        return (c == '-' || (c >= '0' && c <= '9')) && scan_number(s) ? confab_ok() : confab_fail(CONFAB_INVALID_JSON);
    }
}

/* The text is one object from its first to its last byte, and nothing in it is more than cJSON is strict about. */
static confab_err scan_object(span text)
{
    struct scan s = {.p = text.p, .end = text.p + text.n};
    s.p = skip_space(s.p, s.end);
    if (s.p == s.end || *s.p != '{') return confab_fail(CONFAB_INVALID_JSON);
    do {
        confab_err e = scan_token(&s);
        if (confab_failed(e)) return e;
        s.p = skip_space(s.p, s.end);
    } while (s.p < s.end && s.depth > 0);
    if (s.depth != 0 || s.p != s.end) return confab_fail(CONFAB_INVALID_JSON);
    return s.seen < 0x80 || span_is_utf8(text) ? confab_ok() : confab_fail(CONFAB_INVALID_JSON);
}

confab_err json_parse_object(span text, arena *a, const cJSON **out_root)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!text.p) return confab_fail(CONFAB_INVALID_JSON);
    confab_err e = scan_object(text);
    if (confab_failed(e)) return e;
    (void)pthread_once(&once, install_hooks);
    parsing = a;
    const cJSON *root = cJSON_ParseWithLengthOpts(text.p, text.n, NULL, 0);
    parsing = NULL;
    if (!cJSON_IsObject(root)) return confab_fail(CONFAB_INVALID_JSON);
    *out_root = root;
    return confab_ok();
}

const cJSON *json_find(const cJSON *object, const char *name, bool *duplicate)
{
    const cJSON *found = NULL, *v = NULL;
    cJSON_ArrayForEach(v, object)
    {
        if (strcmp(v->string, name) != 0) continue;
        if (found) *duplicate = true;
        found = v;
    }
    return found;
}

span json_string(const cJSON *v) { return cJSON_IsString(v) ? span_of(v->valuestring) : (span){0}; }

bool json_int(const cJSON *v, int64_t *out)
{
    if (!cJSON_IsNumber(v)) return false;
    double d = v->valuedouble;
    if (!(d >= -(double)JSON_INT_MAX && d <= (double)JSON_INT_MAX)) return false;
    int64_t n = (int64_t)d;
    if ((double)n != d) return false;
    *out = n;
    return true;
}
