#include "wire_field.h"

_Static_assert(FIELD_COUNT <= 32, "field_set has 32 bits");

enum field_type {
    TYPE_TEXT,
    TYPE_ROOM_ID,
    TYPE_USER_NAME,
    TYPE_ROOM_KIND,
    TYPE_USER_ROLE,
    TYPE_MEMBER_ROLE,
    TYPE_INT,
    TYPE_BOOL,
    TYPE_TRISTATE
};

struct field {
    const char *name;
    size_t name_length;
    enum field_type type;
    int64_t min, max; /* bytes of text, or the integer itself */
    size_t offset;    /* in struct field_values */
    const char *rule, *missing;
};

static const struct field fields[FIELD_COUNT] = {
#define X(id, name, type, min, max, to, rule)                                                                                              \
    {name, sizeof(name) - 1, TYPE_##type, min, max, offsetof(struct field_values, to), rule, name " is required"},
    FIELD_MAP(X)
#undef X
};

/* A field is stored by its bytes, so its place must be of its type. */
#define SIZE_TEXT sizeof(span)
#define SIZE_ROOM_ID sizeof(span)
#define SIZE_USER_NAME sizeof(span)
#define SIZE_ROOM_KIND sizeof(span)
#define SIZE_USER_ROLE sizeof(span)
#define SIZE_MEMBER_ROLE sizeof(span)
#define SIZE_INT sizeof(int64_t)
#define SIZE_BOOL sizeof(bool)
#define SIZE_TRISTATE sizeof(int)
#define X(id, name, type, min, max, to, rule)                                                                                              \
    _Static_assert(sizeof(((struct field_values *)0)->to) == SIZE_##type, name " has a place of another type");
FIELD_MAP(X)
#undef X

const struct field_values field_values_absent = {.args = {.before = -1, .after = -1, .disabled = -1}, .typing = true};

const char *field_name(enum field_id id) { return fields[id].name; }

enum field_id field_lookup(field_set among, const char *name, size_t n)
{
    for (; among; among &= among - 1) {
        enum field_id id = (enum field_id)__builtin_ctz(among);
        if (fields[id].name_length == n && memcmp(fields[id].name, name, n) == 0) return id;
    }
    return FIELD_COUNT;
}

static confab_err refuse(const struct field *f) { return confab_fail_field(CONFAB_INVALID_FIELD, f->name, f->rule); }

static confab_err store_text(const struct field *f, span s, struct field_values *out)
{
    enum room_kind kind = ROOM_PUBLIC;
    enum user_role user = USER_MEMBER;
    enum member_role member = MEMBER_MEMBER;
    bool ok = s.p && s.n >= (size_t)f->min && s.n <= (size_t)f->max;
    switch (f->type) {
    case TYPE_ROOM_ID:
        ok = ok && room_slug_is_valid(s);
        break;
    case TYPE_USER_NAME:
        ok = ok && user_name_is_valid(s);
        break;
    case TYPE_ROOM_KIND:
        ok = ok && room_kind_parse(s, &kind) && kind != ROOM_DIRECT;
        break;
    case TYPE_USER_ROLE:
        ok = ok && user_role_parse(s, &user);
        break;
    case TYPE_MEMBER_ROLE:
        ok = ok && member_role_parse(s, &member);
        break;
    default:
        break;
    }
    if (!ok) return refuse(f);
    memcpy((char *)out + f->offset, &s, sizeof s);
    return confab_ok();
}

static confab_err store_int(const struct field *f, bool is_int, int64_t v, struct field_values *out)
{
    if (!is_int || v < f->min || v > f->max) return refuse(f);
    memcpy((char *)out + f->offset, &v, sizeof v);
    if (out->args.before >= 0 && out->args.after >= 0)
        return confab_fail_field(CONFAB_INVALID_FIELD, f->name, "before and after exclude each other");
    return confab_ok();
}

static confab_err store_bool(const struct field *f, bool is_bool, bool v, struct field_values *out)
{
    if (!is_bool) return refuse(f);
    int tristate = v;
    if (f->type == TYPE_TRISTATE)
        memcpy((char *)out + f->offset, &tristate, sizeof tristate);
    else
        memcpy((char *)out + f->offset, &v, sizeof v);
    return confab_ok();
}

confab_err field_set_json(enum field_id id, const cJSON *v, struct field_values *out)
{
    const struct field *f = &fields[id];
    int64_t n = 0;
    switch (f->type) {
    case TYPE_INT: {
        bool is_int = json_int(v, &n);
        return store_int(f, is_int, n, out);
    }
    case TYPE_BOOL:
    case TYPE_TRISTATE:
        return store_bool(f, cJSON_IsBool(v), cJSON_IsTrue(v), out);
    default:
        return store_text(f, json_string(v), out);
    }
}

confab_err field_set_text(enum field_id id, span text, struct field_values *out)
{
    const struct field *f = &fields[id];
    int64_t n = 0;
    switch (f->type) {
    case TYPE_INT: {
        bool is_int = span_to_int64(text, &n);
        return store_int(f, is_int, n, out);
    }
    case TYPE_BOOL:
    case TYPE_TRISTATE:
        return store_bool(f, span_is(text, "true") || span_is(text, "false"), span_is(text, "true"), out);
    default:
        if (text.n && (memchr(text.p, '\0', text.n) || !span_is_utf8(text))) return refuse(f);
        return store_text(f, text, out);
    }
}

confab_err field_require(field_set required, field_set present)
{
    field_set missing = required & ~present;
    if (!missing) return confab_ok();
    const struct field *f = &fields[__builtin_ctz(missing)];
    return confab_fail_field(CONFAB_MISSING_FIELD, f->name, f->missing);
}
