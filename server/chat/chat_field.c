#include <sodium.h>

#include "chat_internal.h"

confab_err field_check_message(span text, int64_t max_bytes)
{
    if (!text.p) return confab_fail_field(CONFAB_MISSING_FIELD, "message", NULL);
    if (text.n == 0) return confab_fail_field(CONFAB_INVALID_FIELD, "message", "A message cannot be empty");
    if (text.n > (size_t)max_bytes) return confab_fail_field(CONFAB_TOO_LARGE, "message", "The message is longer than the limit");
    if (!span_is_utf8(text)) return confab_fail_field(CONFAB_INVALID_FIELD, "message", "A message must be UTF-8");
    /* U+0000 ends a string in too many places on its way to people. Other control characters are the clients' to show as they like. */
    if (memchr(text.p, 0, text.n)) return confab_fail_field(CONFAB_INVALID_FIELD, "message", "A message cannot contain U+0000");
    return confab_ok();
}

confab_err field_check_client_id(span id)
{
    if (!id.p) return confab_ok();
    bool fine = id.n >= 1 && id.n <= CLIENT_ID_MAX;
    for (size_t i = 0; fine && i < id.n; i++)
        fine = id.p[i] >= ' ' && id.p[i] <= '~';
    return fine ? confab_ok() : confab_fail_field(CONFAB_INVALID_FIELD, "client_id", "A client_id is 1 to 64 printable ASCII characters");
}

/* Control characters, in ASCII; UTF-8 above that is not looked into. */
static bool has_byte_below(span s, char first_allowed)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((s.p[i] >= 0 && s.p[i] < first_allowed) || s.p[i] == 0x7f) return true;
    }
    return false;
}

confab_err field_check_reaction(span reaction)
{
    if (!reaction.p) return confab_fail_field(CONFAB_MISSING_FIELD, "reaction", NULL);
    if (reaction.n < 1 || reaction.n > REACTION_MAX || !span_is_utf8(reaction) || has_byte_below(reaction, '!'))
        return confab_fail_field(CONFAB_INVALID_FIELD, "reaction", "A reaction is 1 to 32 bytes of UTF-8 without spaces");
    return confab_ok();
}

confab_err field_check_line(span s, size_t min, size_t max, const char *field)
{
    if (!s.p) return confab_ok();
    if (s.n > max) return confab_fail_field(CONFAB_INVALID_FIELD, field, "This is too long");
    if (s.n < min) return confab_fail_field(CONFAB_INVALID_FIELD, field, "This cannot be empty");
    if (!span_is_utf8(s) || has_byte_below(s, ' ')) return confab_fail_field(CONFAB_INVALID_FIELD, field, "This must be one line of UTF-8");
    return confab_ok();
}

confab_err field_take_hash(span hash, char out[128])
{
    if (!hash.p) return confab_fail_field(CONFAB_MISSING_FIELD, "new_password", NULL);
    /* A caller that forgot to hash must not get a password stored as it was typed. */
    if (span_copy(hash, out, 128) && password_is_hash(out)) return confab_ok();
    return confab_fail_msg(CONFAB_INTERNAL, "A password was not hashed before it was handed in");
}

confab_err field_take_limit(int64_t asked, size_t *out)
{
    if (asked < 0 || asked > CHAT_PAGE_MAX) return confab_fail_field(CONFAB_INVALID_FIELD, "limit", "A limit is 1 to 200");
    *out = asked ? (size_t)asked : CHAT_PAGE_DEFAULT;
    return confab_ok();
}

confab_err field_check_id(int64_t id)
{
    if (id == 0) return confab_fail_field(CONFAB_MISSING_FIELD, "id", NULL);
    return id > 0 ? confab_ok() : confab_fail_field(CONFAB_INVALID_FIELD, "id", NULL);
}

bool field_decode_secret(span token, unsigned char out[CHAT_SECRET_SIZE])
{
    if (token.p && token.n == CHAT_SECRET_SIZE) {
        memcpy(out, token.p, CHAT_SECRET_SIZE);
        return true;
    }
    size_t n = 0;
    return token.p && token.n == CHAT_SECRET_TEXT &&
           sodium_base642bin(out, CHAT_SECRET_SIZE, token.p, token.n, NULL, &n, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
           n == CHAT_SECRET_SIZE;
}
