/* The origin of attempts: which addresses share one, and which texts are not
 * addresses. */
#include "tests/unit/check.h"

#include "lib/attempts/origin.h"

#include <string.h>

static void assert_reads_as(const char *address, const char *expected)
{
    const struct origin origin = origin_of_address(address);
    char text[ORIGIN_TEXT_MAX];

    origin_format(&origin, text, sizeof text);
    if (strcmp(text, expected) != 0)
        fail_msg("\"%s\" is %s, not %s", address, text, expected);
}

static void assert_kind(const char *address, enum origin_kind kind)
{
    if (origin_of_address(address).kind != kind)
        fail_msg("\"%s\" is of kind %u, not %u", address, (unsigned)origin_of_address(address).kind,
                 (unsigned)kind);
}

/* These numbers are in ledgers on disk. */
static void numbers_never_change(void **state)
{
    (void)state;
    assert_int_equal(ORIGIN_NONE, 0);
    assert_int_equal(ORIGIN_LOCAL, 1);
    assert_int_equal(ORIGIN_NETWORK, 2);
    assert_int_equal(ORIGIN_IPV4, 3);
    assert_int_equal(ORIGIN_IPV6, 4);
    assert_int_equal(ORIGIN_IPV6_56, 5);
    assert_int_equal(ORIGIN_IPV6_48, 6);
    assert_int_equal(ORIGIN_IPV6_32, 7);
    assert_int_equal(ORIGIN_OTHER_IPV4, 8);
    assert_int_equal(ORIGIN_OTHER_IPV6, 9);
    assert_int_equal(sizeof(struct origin), 20);
}

static void parses_ipv4(void **state)
{
    (void)state;
    assert_kind("192.0.2.1", ORIGIN_IPV4);
    assert_reads_as("192.0.2.1", "192.0.2.1");
    assert_reads_as("0.0.0.0", "0.0.0.0");
    assert_reads_as("255.255.255.255", "255.255.255.255");
    assert_reads_as("127.0.0.1", "127.0.0.1");

    const struct origin origin = origin_of_address("192.0.2.1");
    static const unsigned char expected[16] = {192, 0, 2, 1};
    assert_memory_equal(origin.address, expected, sizeof expected); /* the rest is zero */
}

/* One host has an entire /64. */
static void ipv6_origin_is_the_64_network(void **state)
{
    static const unsigned char expected[16] = {0x20, 0x01, 0x0d, 0xb8, 0xa, 0xb, 0xc, 0xd};
    const struct origin origin = origin_of_address("2001:db8:a0b:c0d:1:2:3:4");

    (void)state;
    assert_int_equal(origin.kind, ORIGIN_IPV6);
    assert_memory_equal(origin.address, expected, sizeof expected);
    assert_reads_as("2001:db8::1", "2001:db8::/64");
    assert_reads_as("2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64");
    assert_reads_as("2001:DB8:0:0:1234:5678:9abc:def0", "2001:db8::/64");
    assert_reads_as("2001:db8:0:1::1", "2001:db8:0:1::/64");
    assert_reads_as("::1", "::/64");
    assert_reads_as("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::/64");
    assert_reads_as("0000:0000:0000:0000:0000:0000:255.255.255.255", "::/64");
}

static void ignores_zones(void **state)
{
    char text[300] = "fe80::1%";

    (void)state;
    assert_reads_as("fe80::1%eth0", "fe80::/64");
    assert_reads_as("fe80::1%", "fe80::/64");
    assert_reads_as("fe80::2%some-other.interface", "fe80::/64");
    assert_reads_as("::ffff:192.0.2.7%eth0", "192.0.2.7");
    memset(text + 8, 'z', sizeof text - 9);
    text[sizeof text - 1] = '\0';
    assert_reads_as(text, "fe80::/64");
    /* IPv4 has no zones */
    assert_kind("192.0.2.1%eth0", ORIGIN_NETWORK);
    assert_kind("%eth0", ORIGIN_NETWORK);
    assert_kind("%", ORIGIN_NETWORK);
}

/* The same host, whichever notation the socket shows. */
static void ipv4_mapped_ipv6_is_ipv4(void **state)
{
    static const char *const mapped[] = {"::ffff:192.0.2.1", "::FFFF:192.0.2.1", "::ffff:c000:201",
                                         "0:0:0:0:0:ffff:192.0.2.1",
                                         "0000:0000:0000:0000:0000:ffff:192.0.2.1"};
    const struct origin plain = origin_of_address("192.0.2.1");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(mapped); i++) {
        const struct origin origin = origin_of_address(mapped[i]);
        assert_memory_equal(&origin, &plain, sizeof plain);
    }
    /* only in this notation */
    assert_kind("::192.0.2.1", ORIGIN_IPV6);
    assert_kind("::fffe:192.0.2.1", ORIGIN_IPV6);
    assert_kind("1::ffff:192.0.2.1", ORIGIN_IPV6);
    assert_kind("64:ff9b::192.0.2.1", ORIGIN_IPV6);
}

static void rejects_other_texts(void **state)
{
    static const char *const junk[] = {"",
                                       " ",
                                       "UNKNOWN",
                                       "localhost",
                                       "192.0.2",
                                       "192.0.2.1.",
                                       ".192.0.2.1",
                                       "192.0.2.1 ",
                                       " 192.0.2.1",
                                       "192.0.2.1\n",
                                       "192.0.2.256",
                                       "192.0.2.-1",
                                       "0xc0.0.2.1",
                                       "3221225985",
                                       "192.0.2.1/32",
                                       "192.0.2.1:22",
                                       "[2001:db8::1]",
                                       "2001:db8::1/64",
                                       "2001:db8::1::",
                                       "2001:db8:::1",
                                       "2001:db8::12345",
                                       "1:2:3:4:5:6:7",
                                       "1:2:3:4:5:6:7:8:9",
                                       "2001:db8::g",
                                       ":",
                                       ":::",
                                       "2001:db8::1 ",
                                       "%n%n%s",
                                       "../../etc/passwd"};
    static const struct origin network = {.kind = ORIGIN_NETWORK};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(junk); i++) {
        const struct origin origin = origin_of_address(junk[i]);
        if (memcmp(&origin, &network, sizeof network) != 0)
            fail_msg("\"%s\" was taken for an address", junk[i]);
    }
}

/* Texts of every length around those of an address, and far longer. */
static void rejects_long_texts(void **state)
{
    char text[5000];

    (void)state;
    for (size_t size = 1; size < sizeof text; size += size < 70 ? 1 : 501) {
        memset(text, '1', sizeof text);
        text[size] = '\0';
        assert_kind(text, ORIGIN_NETWORK);
        memset(text, ':', size);
        if (size != 2) /* "::" is an address */
            assert_kind(text, ORIGIN_NETWORK);
        memset(text, '0', size);
        text[size - 1] = '%';
        assert_kind(text, ORIGIN_NETWORK);
    }
}

static void formats_origins(void **state)
{
    const struct origin local = {.kind = ORIGIN_LOCAL}, network = {.kind = ORIGIN_NETWORK};
    struct origin origin = {.kind = ORIGIN_IPV6};
    char text[ORIGIN_TEXT_MAX];

    (void)state;
    origin_format(&local, text, sizeof text);
    assert_string_equal(text, "local");
    origin_format(&network, text, sizeof text);
    assert_string_equal(text, "network");
    /* the longest text */
    memset(origin.address, 0xfe, sizeof origin.address);
    origin_format(&origin, text, sizeof text);
    assert_string_equal(text, "fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe/64");
    origin.kind = ORIGIN_IPV4;
    origin_format(&origin, text, sizeof text);
    assert_string_equal(text, "254.254.254.254");
    /* text that does not fit into the buffer is truncated */
    memset(text, 'x', sizeof text);
    origin_format(&origin, text, 8);
    assert_string_equal(text, "254.254");
    assert_int_equal(text[8], 'x');
}

static void assert_text(const struct origin *origin, const char *expected)
{
    char text[ORIGIN_TEXT_MAX];

    origin_format(origin, text, sizeof text);
    assert_string_equal(text, expected);
}

static void networks_of_ipv6(void **state)
{
    const struct origin origin = origin_of_address("2001:db8:1234:5678:9::1");
    const struct origin other[] = {
        origin_of_address("2001:db8:1234:56ff::"), origin_of_address("2001:db8:1234:ff00::"),
        origin_of_address("2001:db8:ffff::"), origin_of_address("2001:db9::")};
    const uint32_t kinds[] = {ORIGIN_IPV6, ORIGIN_IPV6_56, ORIGIN_IPV6_48, ORIGIN_IPV6_32};
    static const char *const texts[] = {"2001:db8:1234:5678::/64", "2001:db8:1234:5600::/56",
                                        "2001:db8:1234::/48", "2001:db8::/32"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const struct origin network = origin_network(&origin, kinds[i]);
        assert_text(&network, texts[i]);
        assert_true(origin_is_ipv6(&network));
        assert_true(origin_covers(&network, &origin));
        assert_int_equal(origin_covers(&origin, &network), i == 0);
        for (unsigned k = 0; k < 4; k++)
            assert_int_equal(origin_covers(&network, &other[k]), k < i);
    }
}

static void ipv4_covers_only_itself(void **state)
{
    const struct origin one = origin_of_address("192.0.2.1"), two = origin_of_address("192.0.2.2");
    const struct origin v6 = origin_of_address("c000:201::");

    (void)state;
    assert_true(origin_covers(&one, &one));
    assert_false(origin_covers(&one, &two));
    assert_false(origin_covers(&one, &v6) || origin_covers(&v6, &one));
    assert_false(origin_is_ipv6(&one));
    assert_text(&(struct origin){.kind = ORIGIN_OTHER_IPV4}, "other IPv4 addresses");
    assert_text(&(struct origin){.kind = ORIGIN_OTHER_IPV6}, "other IPv6 addresses");
}

/* 0 is for entries of which nobody knows the origin. */
static void tags_are_never_0(void **state)
{
    unsigned same = 0;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        const struct origin origin = {
            .kind = ORIGIN_IPV4,
            .address = {10, (unsigned char)(i >> 16), (unsigned char)(i >> 8), (unsigned char)i}};
        const struct origin first = {.kind = ORIGIN_IPV4, .address = {192, 0, 2, 1}};
        assert_int_not_equal(origin_tag(&origin), 0);
        same += origin_tag(&origin) == origin_tag(&first);
    }
    assert_in_range(same, 0, 12); /* of 65535, so about three */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_never_change),
        cmocka_unit_test(networks_of_ipv6),
        cmocka_unit_test(ipv4_covers_only_itself),
        cmocka_unit_test(tags_are_never_0),
        cmocka_unit_test(parses_ipv4),
        cmocka_unit_test(ipv6_origin_is_the_64_network),
        cmocka_unit_test(ignores_zones),
        cmocka_unit_test(ipv4_mapped_ipv6_is_ipv4),
        cmocka_unit_test(rejects_other_texts),
        cmocka_unit_test(rejects_long_texts),
        cmocka_unit_test(formats_origins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
