/* Network addresses: parsing, CIDR ranges, and whose word about a client's address is believed. Thread: any; nothing here keeps state. */
#ifndef CONFAB_HTTP_ADDRESS_H
#define CONFAB_HTTP_ADDRESS_H

#include <stdbool.h>

#include "confab/buf.h"
#include "confab/event.h"

/* One address. IPv4 is kept in its IPv6-mapped form, so that ::ffff:10.0.0.1 and 10.0.0.1 are one and the same. */
typedef struct http_address {
    unsigned char bytes[16];
} http_address;

/* "10.0.0.1", "2001:db8::1", "[2001:db8::1]", with or without a port behind ("10.0.0.1:80", "[::1]:80"); a scope ("%eth0") is
 * dropped. False where it is none of these, *out untouched. */
bool http_address_parse(span text, http_address *out);
void http_address_format(const http_address *a, char out[ADDRESS_MAX + 1]);
bool http_address_equal(const http_address *a, const http_address *b);

#define HTTP_NETWORKS_MAX 64
struct http_networks {
    struct {
        http_address base;
        int bits;
    } list[HTTP_NETWORKS_MAX];
    size_t count;
};

/* Addresses and CIDR ranges, separated by commas and spaces; an empty text is an empty list.
 * False: `problem` says which part is wrong. */
bool http_networks_parse(const char *text, struct http_networks *out, buf *problem);
bool http_networks_contain(const struct http_networks *n, const http_address *a);

/* Who the client is: the peer itself, or, where the peer is a trusted proxy, the rightmost hop of X-Forwarded-For that is not one
 * (every hop appends what it saw, so anything left of an untrusted hop is hearsay). `forwarded` holds the header's values in order of
 * appearance. A hop that is no address ends the search; the nearest good one counts. */
void http_address_of_client(const struct http_networks *trusted, const http_address *peer, const span *forwarded, size_t n,
                            http_address *out);

#endif
