/* Untrusted names in log lines. */
#include "tests/unit/check.h"

#include "pam_module/log_name.h"

#include <string.h>

static void assert_logged(const char *name, const char *expected)
{
    char text[LOG_NAME_MAX];

    log_name(name, text, sizeof text);
    assert_string_equal(text, expected);
}

static void keeps_harmless_names(void **state)
{
    (void)state;
    assert_logged("", "");
    assert_logged("alice", "alice");
    assert_logged("EXAMPLE\\o.b-c_d$+@x.org:1", "EXAMPLE\\o.b-c_d$+@x.org:1");
    assert_logged("!~'", "!~'");
}

static void replaces_every_unsafe_byte(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        const char name[] = {'a', (char)c, 'b', '\0'};
        const bool kept = c > ' ' && c < 0x7f && c != '=' && c != '"';
        const char expected[] = {'a', kept ? (char)c : '?', 'b', '\0'};
        assert_logged(name, expected);
    }
}

/* No name can look like the end of a line or like another field. */
static void prevents_forged_lines_and_fields(void **state)
{
    (void)state;
    assert_logged("x\nfailed login user=root", "x?failed?login?user?root");
    assert_logged("x\" address=192.0.2.1", "x??address?192.0.2.1");
    assert_logged("m\xc3\xbcller", "m??ller");
}

static void truncates_long_names(void **state)
{
    char text[8];

    (void)state;
    memset(text, 'x', sizeof text);
    log_name("abcdefg", text, sizeof text);
    assert_string_equal(text, "abcdefg");
    log_name("abcdefgh", text, sizeof text);
    assert_string_equal(text, "abcdefg");
    log_name("a\n", text, 2);
    assert_string_equal(text, "a");
    assert_int_equal(text[2], 'c'); /* nothing is written beyond the given size */
    log_name("a", text, 1);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_harmless_names),
        cmocka_unit_test(replaces_every_unsafe_byte),
        cmocka_unit_test(prevents_forged_lines_and_fields),
        cmocka_unit_test(truncates_long_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
