#include "http_address.h"

#include <arpa/inet.h>
#include <stdio.h>

static const unsigned char v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

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

static bool is_port(span s)
{
    int64_t port;
    return s.n >= 1 && s.n <= 5 && s.p[0] != '-' && span_to_int64(s, &port) && port <= 65535;
}

/* Cuts brackets, port and scope off. False where what is around the address is malformed. */
static bool bare_address(span *s)
{
    if (s->n && s->p[0] == '[') {
        const char *end = memchr(s->p, ']', s->n);
        if (!end) return false;
        size_t used = (size_t)(end - s->p) + 1;
        span rest = {s->p + used, s->n - used};
        if (rest.n && (rest.p[0] != ':' || !is_port((span){rest.p + 1, rest.n - 1}))) return false;
        *s = (span){s->p + 1, used - 2};
    } else {
        const char *colon = memchr(s->p, ':', s->n);
        if (colon && !memchr(colon + 1, ':', s->n - (size_t)(colon - s->p) - 1)) { /* one colon alone: IPv4 and a port */
            size_t used = (size_t)(colon - s->p);
            if (!is_port((span){colon + 1, s->n - used - 1})) return false;
            s->n = used;
        }
    }
    const char *scope = s->n ? memchr(s->p, '%', s->n) : NULL;
    if (scope) s->n = (size_t)(scope - s->p);
    return s->n > 0;
}

/* The address alone, nothing around it. */
static bool read_address(span text, http_address *out)
{
    char copy[INET6_ADDRSTRLEN + 1];
    struct in_addr v4;
    struct in6_addr v6;
    if (memchr(text.p, '\0', text.n) || !span_copy(text, copy, sizeof copy)) return false;
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        memcpy(out->bytes, v4_prefix, sizeof v4_prefix);
        memcpy(out->bytes + 12, &v4, 4);
        return true;
    }
    if (inet_pton(AF_INET6, copy, &v6) != 1) return false;
    memcpy(out->bytes, &v6, 16);
    return true;
}

bool http_address_parse(span text, http_address *out)
{
    if (!text.p) return false;
    text = trim(text);
    return bare_address(&text) && read_address(text, out);
}

void http_address_format(const http_address *a, char out[ADDRESS_MAX + 1])
{
    bool v4 = memcmp(a->bytes, v4_prefix, sizeof v4_prefix) == 0;
    if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->bytes + 12 : a->bytes, out, ADDRESS_MAX + 1)) out[0] = '\0';
}

bool http_address_equal(const http_address *a, const http_address *b) { return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0; }

/* "10.0.0.0/8", "fd00::/8", or a single address. */
static bool network_parse(span item, http_address *base, int *bits)
{
    const char *slash = memchr(item.p, '/', item.n);
    span address = {item.p, slash ? (size_t)(slash - item.p) : item.n};
    if (!read_address(address, base)) return false;
    bool v4 = memchr(address.p, ':', address.n) == NULL;
    int64_t length = v4 ? 32 : 128;
    if (slash) {
        span digits = {slash + 1, item.n - address.n - 1};
        int64_t given;
        if (!span_to_int64(digits, &given) || given < 0 || given > length) return false;
        length = given;
    }
    *bits = (int)length + (v4 ? 96 : 0);
    return true;
}

bool http_networks_parse(const char *text, struct http_networks *out, buf *problem)
{
    out->count = 0;
    while (*text) {
        size_t n = strcspn(text, ", \t");
        span item = {text, n};
        text += n + (text[n] != '\0');
        if (n == 0) continue;
        if (out->count == HTTP_NETWORKS_MAX) {
            buf_printf(problem, "more than %d addresses", HTTP_NETWORKS_MAX);
            return false;
        }
        if (!network_parse(item, &out->list[out->count].base, &out->list[out->count].bits)) {
            buf_printf(problem, "\"%.*s\" is no address or CIDR range", (int)item.n, item.p);
            return false;
        }
        out->count++;
    }
    return true;
}

static bool same_prefix(const http_address *a, const http_address *b, int bits)
{
    size_t whole = (size_t)bits / 8;
    int rest = bits % 8;
    if (memcmp(a->bytes, b->bytes, whole) != 0) return false;
    return rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest)) == 0;
}

bool http_networks_contain(const struct http_networks *n, const http_address *a)
{
    for (size_t i = 0; i < n->count; i++) {
        if (same_prefix(a, &n->list[i].base, n->list[i].bits)) return true;
    }
    return false;
}

void http_address_of_client(const struct http_networks *trusted, const http_address *peer, const span *forwarded, size_t n,
                            http_address *out)
{
    *out = *peer;
    for (size_t i = n; i-- > 0;) {
        span value = forwarded[i];
        while (value.p) {
            if (!http_networks_contain(trusted, out)) return; /* whoever said what follows is not believed */
            const char *comma = memrchr(value.p, ',', value.n);
            span hop = comma ? (span){comma + 1, value.n - (size_t)(comma - value.p) - 1} : value;
            http_address address;
            if (!http_address_parse(hop, &address)) return;
            *out = address;
            value = comma ? (span){value.p, (size_t)(comma - value.p)} : (span){NULL, 0};
        }
    }
}
