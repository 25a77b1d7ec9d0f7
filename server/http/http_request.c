#include "http_request.h"

#include <strings.h>

static span trim(span s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static bool equal_any_case(span s, const char *text) { return s.p && s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0; }

/* Cuts the part before `separator` off the front of *rest. False when nothing is left. */
static bool next_part(span *rest, char separator, span *out)
{
    if (!rest->p) return false;
    const char *end = memchr(rest->p, separator, rest->n);
    *out = (span){rest->p, end ? (size_t)(end - rest->p) : rest->n};
    *rest = end ? (span){end + 1, rest->n - out->n - 1} : (span){NULL, 0};
    return true;
}

/* ---- the request line ---- */

static const char *const method_words[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

enum http_method http_method_parse(const char *word, bool *out_head)
{
    *out_head = strcmp(word, "HEAD") == 0;
    if (*out_head) return HTTP_GET;
    for (int m = HTTP_GET; m < HTTP_OTHER; m++) {
        if (strcmp(word, method_words[m]) == 0) return (enum http_method)m;
    }
    return HTTP_OTHER;
}

const char *http_method_word(enum http_method m) { return m < HTTP_OTHER ? method_words[m] : "?"; }

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Decodes into the request's scratch space; the length never grows, so that HTTP_TARGET_MAX bounds it. */
static confab_err decode(struct http_request *r, span raw, bool plus_is_space, span *out)
{
    char *to = r->scratch + r->scratch_used;
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];
        if (c == '+' && plus_is_space) c = ' ';
        if (c == '%') {
            int high = i + 2 < raw.n ? hex_digit(raw.p[i + 1]) : -1, low = high >= 0 ? hex_digit(raw.p[i + 2]) : -1;
            if (low < 0) return confab_fail_msg(CONFAB_INVALID_FIELD, "The address has bad percent-encoding");
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0') return confab_fail_msg(CONFAB_INVALID_FIELD, "The address has a NUL byte");
        to[n++] = c;
    }
    *out = (span){to, n};
    if (!span_is_utf8(*out)) return confab_fail_msg(CONFAB_INVALID_FIELD, "The address is not UTF-8");
    r->scratch_used += n;
    return confab_ok();
}

static confab_err set_query(struct http_request *r, span query)
{
    span part;
    while (next_part(&query, '&', &part)) {
        if (part.n == 0) continue;
        if (r->query_count == HTTP_QUERY_MAX) return confab_fail_msg(CONFAB_INVALID_FIELD, "The address has too many parameters");
        struct http_pair *pair = &r->query[r->query_count];
        span value = part, name = {NULL, 0};
        (void)next_part(&value, '=', &name); /* a part always has a front */
        if (!value.p) value = (span){"", 0};
        confab_err e = decode(r, name, true, &pair->name);
        if (!confab_failed(e)) e = decode(r, value, true, &pair->value);
        if (confab_failed(e)) return e;
        r->query_count++;
    }
    return confab_ok();
}

confab_err http_request_set_target(struct http_request *r, span path, span query)
{
    r->path = path;
    r->segments = r->query_count = r->scratch_used = 0;
    if (path.n + query.n > HTTP_TARGET_MAX) return confab_fail_msg(CONFAB_TOO_LARGE, "The address is too long");
    if (path.n == 0 || path.p[0] != '/') return confab_fail_msg(CONFAB_INVALID_FIELD, "The address must begin with a slash");
    span rest = {path.p + 1, path.n - 1}, part;
    while (next_part(&rest, '/', &part)) {
        if (r->segments == HTTP_SEGMENTS_MAX) return confab_fail(CONFAB_NOT_FOUND);
        confab_err e = decode(r, part, false, &r->segment[r->segments]);
        if (confab_failed(e)) return e;
        r->segments++;
    }
    return set_query(r, query);
}

/* ---- headers ---- */

size_t http_request_headers(const struct http_request *r, const char *name, span *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < r->headers && n < cap; i++) {
        if (equal_any_case(r->header[i].name, name)) out[n++] = r->header[i].value;
    }
    return n;
}

span http_request_header(const struct http_request *r, const char *name)
{
    span value = {NULL, 0};
    (void)http_request_headers(r, name, &value, 1); /* none: stays absent */
    return value;
}

span http_request_query(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->query_count; i++) {
        if (span_is(r->query[i].name, name)) return r->query[i].value;
    }
    return (span){NULL, 0};
}

span http_bearer(span authorization)
{
    static const char scheme[] = "Bearer ";
    size_t n = sizeof scheme - 1;
    if (!authorization.p || authorization.n <= n || strncasecmp(authorization.p, scheme, n) != 0) return (span){NULL, 0};
    span token = trim((span){authorization.p + n, authorization.n - n});
    return token.n ? token : (span){NULL, 0};
}

span http_cookie(span header, const char *name)
{
    span part;
    while (next_part(&header, ';', &part)) {
        span value = trim(part), key = {NULL, 0};
        (void)next_part(&value, '=', &key);
        if (!span_is(key, name) || !value.p) continue;
        if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"') value = (span){value.p + 1, value.n - 2};
        return value;
    }
    return (span){NULL, 0};
}

static span without_weak(span tag) { return tag.n > 2 && tag.p[0] == 'W' && tag.p[1] == '/' ? (span){tag.p + 2, tag.n - 2} : tag; }

bool http_etag_matches(span if_none_match, span etag)
{
    span part;
    if (equal_any_case(trim(if_none_match), "*")) return true;
    while (next_part(&if_none_match, ',', &part)) { /* none of our tags holds a comma */
        if (span_equal(without_weak(trim(part)), without_weak(etag))) return true;
    }
    return false;
}

bool http_is_json(span content_type)
{
    span type;
    return next_part(&content_type, ';', &type) && equal_any_case(trim(type), "application/json");
}

bool http_has_token(span value, const char *token)
{
    span part;
    while (next_part(&value, ',', &part)) {
        if (equal_any_case(trim(part), token)) return true;
    }
    return false;
}

/* ---- origins ---- */

/* "https://host:port" of a URL, with the scheme's own port left out; absent where it is none. */
static span origin_of(span url, span *out_authority)
{
    static const struct {
        const char *scheme, *port;
    } schemes[] = {{"http://", ":80"}, {"https://", ":443"}};
    url = trim(url);
    for (size_t i = 0; url.p && i < 2; i++) {
        size_t n = strlen(schemes[i].scheme), port = strlen(schemes[i].port);
        if (url.n <= n || strncasecmp(url.p, schemes[i].scheme, n) != 0) continue;
        span authority = {url.p + n, url.n - n};
        const char *slash = memchr(authority.p, '/', authority.n);
        if (slash) authority.n = (size_t)(slash - authority.p);
        if (authority.n > port && memcmp(authority.p + authority.n - port, schemes[i].port, port) == 0) authority.n -= port;
        *out_authority = authority;
        return (span){url.p, n + authority.n};
    }
    return (span){NULL, 0};
}

static bool same_any_case(span a, span b) { return a.p && b.p && a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0; }

bool http_origin_allowed(span origin, span host, const char *public_url, const char *allowed_origins)
{
    span authority, other, part, list = span_of(allowed_origins);
    if (!origin.p) return true;
    span given = origin_of(origin, &authority);
    if (!given.p) return http_has_token(list, "*"); /* "null", extensions, apps */
    /* The Host header has no scheme: strip the port that the origin's scheme implies. */
    size_t scheme = given.n - authority.n;
    char own[320];
    if (host.p && scheme + host.n < sizeof own) {
        memcpy(own, given.p, scheme);
        memcpy(own + scheme, host.p, host.n);
        if (same_any_case(given, origin_of((span){own, scheme + host.n}, &other))) return true;
    }
    if (same_any_case(given, origin_of(span_of(public_url), &other))) return true;
    while (next_part(&list, ',', &part)) {
        part = trim(part);
        if (equal_any_case(part, "*") || same_any_case(given, origin_of(part, &other))) return true;
    }
    return false;
}

/* ---- the body's framing ---- */

static confab_err read_length(span value, size_t *out)
{
    int64_t length;
    if (value.n == 0 || value.p[0] == '-' || !span_to_int64(value, &length)) {
        return confab_fail_msg(CONFAB_INVALID_FIELD, "Content-Length must be a number");
    }
    if (length > HTTP_BODY_MAX) return confab_fail_msg(CONFAB_TOO_LARGE, "The body is larger than 64 KiB");
    *out = (size_t)length;
    return confab_ok();
}

confab_err http_request_framing(const struct http_request *r, struct http_framing *out)
{
    span length[2], encoding[2];
    size_t lengths = http_request_headers(r, "Content-Length", length, 2);
    size_t encodings = http_request_headers(r, "Transfer-Encoding", encoding, 2);
    *out = (struct http_framing){0};
    if (encodings && lengths) return confab_fail_msg(CONFAB_INVALID_FIELD, "Content-Length and Transfer-Encoding exclude each other");
    if (encodings > 1 || lengths > 1) return confab_fail_msg(CONFAB_INVALID_FIELD, "The length of the body is given twice");
    if (encodings) {
        if (!equal_any_case(trim(encoding[0]), "chunked") || r->http10) {
            return confab_fail_msg(CONFAB_INVALID_FIELD, "Transfer-Encoding must be chunked, in HTTP/1.1");
        }
        out->chunked = true;
        return confab_ok();
    }
    return lengths ? read_length(trim(length[0]), &out->length) : confab_ok();
}
