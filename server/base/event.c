#include "confab/event.h"

const char *event_kind_word(enum event_kind k)
{
    switch (k) {
#define X(name, number, word)                                                                                                              \
    case EVENT_##name:                                                                                                                     \
        return word;
        EVENT_KIND_MAP(X)
#undef X
    }
    return NULL;
}

struct word {
    const char *text;
    int value;
};

static const struct word user_roles[] = {
    {"bot", USER_BOT}, {"member", USER_MEMBER}, {"moderator", USER_MODERATOR}, {"admin", USER_ADMIN}, {NULL, 0}};
static const struct word member_roles[] = {{"member", MEMBER_MEMBER}, {"moderator", MEMBER_MODERATOR}, {"owner", MEMBER_OWNER}, {NULL, 0}};
static const struct word room_kinds[] = {{"public", ROOM_PUBLIC}, {"private", ROOM_PRIVATE}, {"direct", ROOM_DIRECT}, {NULL, 0}};

static const char *word_of(const struct word *words, int value)
{
    for (; words->text; words++) {
        if (words->value == value) return words->text;
    }
    return "none";
}

static int value_of(const struct word *words, span s)
{
    for (; words->text; words++) {
        if (span_is(s, words->text)) return words->value;
    }
    return 0;
}

const char *user_role_word(enum user_role r) { return word_of(user_roles, (int)r); }
const char *member_role_word(enum member_role r) { return word_of(member_roles, (int)r); }
const char *room_kind_word(enum room_kind k) { return word_of(room_kinds, (int)k); }

bool user_role_parse(span s, enum user_role *out)
{
    int value = value_of(user_roles, s);
    if (value) *out = (enum user_role)value;
    return value != 0;
}

bool member_role_parse(span s, enum member_role *out)
{
    int value = value_of(member_roles, s);
    if (value) *out = (enum member_role)value;
    return value != 0;
}

bool room_kind_parse(span s, enum room_kind *out)
{
    int value = value_of(room_kinds, s);
    if (value) *out = (enum room_kind)value;
    return value != 0;
}

bool user_name_is_valid(span s)
{
    if (!s.p || s.n < 1 || s.n > USER_NAME_MAX) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("\"<>&@/:,#%?\\", s.p[i])) return false;
    }
    return true;
}

bool room_slug_is_valid(span s)
{
    if (!s.p || s.n < 1 || s.n > ROOM_SLUG_MAX) return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alnum && (i == 0 || (c != '.' && c != '_' && c != '-'))) return false;
    }
    return true;
}
