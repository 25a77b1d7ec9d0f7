#include "http_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "confab/buf.h"

static void assert_reads_as(const char *text, const char *expected)
{
    http_address a;
    char out[ADDRESS_MAX + 1];
    if (!http_address_parse(span_of(text), &a)) fail_msg("not taken: %s", text);
    http_address_format(&a, out);
    assert_string_equal(out, expected);
}

static void addresses_are_read_in_every_form_that_proxies_write(void **state)
{
    (void)state;
    assert_reads_as("10.0.0.1", "10.0.0.1");
    assert_reads_as("  10.0.0.1\t", "10.0.0.1");
    assert_reads_as("10.0.0.1:65535", "10.0.0.1");
    assert_reads_as("::ffff:10.0.0.1", "10.0.0.1");
    assert_reads_as("2001:DB8::1", "2001:db8::1");
    assert_reads_as("[2001:db8::1]", "2001:db8::1");
    assert_reads_as("[2001:db8::1]:443", "2001:db8::1");
    assert_reads_as("fe80::1%eth0", "fe80::1");
    assert_reads_as("::1", "::1");
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "unknown",
                                      "10.0.0",
                                      "10.0.0.256",
                                      "10.0.0.1:",
                                      "10.0.0.1:65536",
                                      "10.0.0.1:-1",
                                      "[::1",
                                      "[::1]80",
                                      "[::1]:x",
                                      "::1::2",
                                      "_hidden",
                                      "1.2.3.4/8",
                                      "[]",
                                      "%eth0",
                                      "0x7f.1",
                                      "10.0.0.1:80:80",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        http_address a;
        if (http_address_parse(span_of(bad[i]), &a)) fail_msg("taken: %s", bad[i]);
    }
    http_address a;
    assert_false(http_address_parse((span){NULL, 0}, &a));
    assert_false(http_address_parse((span){"10.0.0.1\0x", 10}, &a));
}

static void networks_of(const char *text, struct http_networks *out)
{
    buf problem = {0};
    if (!http_networks_parse(text, out, &problem)) fail_msg("%s", buf_cstr(&problem));
    buf_free(&problem);
}

static bool contains(const struct http_networks *n, const char *text)
{
    http_address a;
    assert_true(http_address_parse(span_of(text), &a));
    return http_networks_contain(n, &a);
}

static void ranges_hold_what_their_prefix_says(void **state)
{
    (void)state;
    struct http_networks n;
    networks_of("10.0.0.0/8, 192.168.1.77 172.16.0.0/12,fd00::/8,2001:db8::5", &n);
    assert_int_equal(n.count, 5);
    static const struct {
        const char *address;
        bool in;
    } rows[] = {
        {"10.0.0.0", true},        {"10.255.255.255", true}, {"11.0.0.0", false},      {"9.255.255.255", false}, {"192.168.1.77", true},
        {"192.168.1.78", false},   {"172.16.0.0", true},     {"172.31.255.255", true}, {"172.32.0.0", false},    {"172.15.255.255", false},
        {"fd00::1", true},         {"fdff:ffff::1", true},   {"fe00::1", false},       {"2001:db8::5", true},    {"2001:db8::6", false},
        {"::ffff:10.1.2.3", true}, {"::10.1.2.3", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (contains(&n, rows[i].address) != rows[i].in) fail_msg("%s", rows[i].address);
    }
}

static void a_range_of_no_bits_holds_its_whole_family_and_an_empty_list_nothing(void **state)
{
    (void)state;
    struct http_networks n;
    networks_of("0.0.0.0/0", &n);
    assert_true(contains(&n, "203.0.113.9"));
    assert_false(contains(&n, "2001:db8::1"));
    networks_of("::/0", &n);
    assert_true(contains(&n, "203.0.113.9"));
    assert_true(contains(&n, "2001:db8::1"));
    networks_of("", &n);
    assert_false(contains(&n, "127.0.0.1"));
    networks_of(" , ,, ", &n);
    assert_int_equal(n.count, 0);
}

static void a_wrong_range_is_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"10.0.0.0/33",   "10.0.0.0/-1",   "10.0.0.0/", "fd00::/129",
                                      "proxy.example", "10.0.0.1:80/8", "[::1]/8",   "/8"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct http_networks n;
        buf problem = {0};
        char text[64];
        assert_true(span_copy(span_of(bad[i]), text, sizeof text));
        if (http_networks_parse(text, &n, &problem)) fail_msg("taken: %s", bad[i]);
        assert_non_null(strstr(buf_cstr(&problem), bad[i]));
        buf_free(&problem);
    }
}

static void more_ranges_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    buf text = {0}, problem = {0};
    struct http_networks n;
    for (int i = 0; i < HTTP_NETWORKS_MAX; i++)
        buf_printf(&text, "10.0.0.%d,", i);
    assert_true(http_networks_parse(buf_cstr(&text), &n, &problem));
    buf_append_str(&text, "10.1.0.0");
    assert_false(http_networks_parse(buf_cstr(&text), &n, &problem));
    buf_free(&text);
    buf_free(&problem);
}

static void assert_client(const char *trusted, const char *peer, const char *const *headers, size_t n, const char *expected)
{
    struct http_networks networks;
    http_address peer_address, client;
    span values[4];
    char out[ADDRESS_MAX + 1];
    networks_of(trusted, &networks);
    assert_true(http_address_parse(span_of(peer), &peer_address));
    for (size_t i = 0; i < n; i++)
        values[i] = span_of(headers[i]);
    http_address_of_client(&networks, &peer_address, values, n, &client);
    http_address_format(&client, out);
    assert_string_equal(out, expected);
}

static void forwarded_addresses_are_believed_from_trusted_proxies_only(void **state)
{
    (void)state;
    static const struct {
        const char *trusted, *peer, *header, *client;
    } rows[] = {
        {"", "203.0.113.9", "1.2.3.4", "203.0.113.9"},                       /* nobody is trusted */
        {"10.0.0.0/8", "203.0.113.9", "1.2.3.4", "203.0.113.9"},             /* the peer is not */
        {"10.0.0.0/8", "10.0.0.1", "1.2.3.4", "1.2.3.4"},                    /* it is */
        {"10.0.0.0/8", "10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"},           /* a client's own claim stands left */
        {"10.0.0.0/8", "10.0.0.1", "6.6.6.6, 1.2.3.4 ,10.0.0.2", "1.2.3.4"}, /* two proxies */
        {"10.0.0.0/8", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"},        /* all of them trusted: the first */
        {"10.0.0.0/8", "10.0.0.1", "1.2.3.4, unknown", "10.0.0.1"},          /* a hop that is no address */
        {"10.0.0.0/8", "10.0.0.1", "1.2.3.4, rubbish, 10.0.0.2", "10.0.0.2"},
        {"10.0.0.0/8", "10.0.0.1", "", "10.0.0.1"},
        {"10.0.0.0/8", "10.0.0.1", ",", "10.0.0.1"},
        {"10.0.0.0/8", "::ffff:10.0.0.1", "1.2.3.4:5555", "1.2.3.4"}, /* dual-stack peer, port behind the hop */
        {"::1", "::1", "[2001:db8::7]:1234", "2001:db8::7"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_client(rows[i].trusted, rows[i].peer, &rows[i].header, 1, rows[i].client);
    }
    assert_client("10.0.0.0/8", "10.0.0.1", NULL, 0, "10.0.0.1");
}

static void several_forwarding_headers_read_as_one_list(void **state)
{
    (void)state;
    static const char *const two[] = {"6.6.6.6, 1.2.3.4", "10.0.0.2"};
    assert_client("10.0.0.0/8", "10.0.0.1", two, 2, "1.2.3.4");
    static const char *const other[] = {"1.2.3.4", "7.7.7.7"};
    assert_client("10.0.0.0/8", "10.0.0.1", other, 2, "7.7.7.7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_in_every_form_that_proxies_write),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(ranges_hold_what_their_prefix_says),
        cmocka_unit_test(a_range_of_no_bits_holds_its_whole_family_and_an_empty_list_nothing),
        cmocka_unit_test(a_wrong_range_is_named),
        cmocka_unit_test(more_ranges_than_there_is_room_for_are_refused),
        cmocka_unit_test(forwarded_addresses_are_believed_from_trusted_proxies_only),
        cmocka_unit_test(several_forwarding_headers_read_as_one_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
