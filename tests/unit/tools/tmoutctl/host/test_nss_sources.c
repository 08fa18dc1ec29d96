/* The sources of a name service's database, as nsswitch.conf(5) lists them. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/host/nss_sources.h"

#include <string.h>

static void lists_the_sources(void **state)
{
    static const struct {
        const char *text;
        int result;
        const char *names; /* each followed by a space */
    } cases[] = {
        {"", 0, ""},
        {"group: files\n", 0, ""},
        {"#passwd: files\n", 0, ""},
        {"passwd_compat: nis\n", 0, ""},
        {"passwd:", 1, ""},
        {"passwd: files\n", 1, "files "},
        {"passwd:files", 1, "files "},
        {"  passwd : files\tsystemd # ldap\n", 1, "files systemd "},
        {"# it\ngroup: nis\npasswd:         sss files systemd\nshadow: x\n", 1,
         "sss files systemd "},
        {"passwd: files [SUCCESS=merge] systemd\n", 1, "files systemd "},
        {"passwd: files[SUCCESS=merge NOTFOUND=continue]ldap\n", 1, "files ldap "},
        {"passwd: files [SUCCESS=merge", 1, "files "},
        {"passwd: ldap [NOTFOUND=return] files\n", -1, ""},
        {"passwd: ldap [!UNAVAIL=RETURN] files\n", -1, ""},
        {"passwd: ../evil\n", -1, ""},
        {"passwd: a_name_of_a_source_that_nobody_has_ever_had\n", -1, ""},
        {"passwd: a b c d e f g h i j k l m n o p\n", 1, "a b c d e f g h i j k l m n o p "},
        {"passwd: a b c d e f g h i j k l m n o p q\n", -1, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct nss_sources sources;
        char names[1024] = "";
        assert_int_equal(nss_sources_parse(cases[i].text, "passwd", &sources), cases[i].result);
        for (size_t k = 0; cases[i].result > 0 && k < sources.count; k++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s ", sources.name[k]);
        assert_string_equal(names, cases[i].names);
    }
    char *long_line = calloc(1, 1000);
    assert_non_null(long_line);
    memset(long_line, ' ', 999);
    memcpy(long_line, "passwd:", 7);
    struct nss_sources sources;
    assert_int_equal(nss_sources_parse(long_line, "passwd", &sources), -1);
    free(long_line);
}

static void knows_what_is_installed(void **state)
{
    (void)state;
    assert_true(nss_source_installed("files"));
    assert_false(nss_source_installed("nobody_has_this"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_the_sources),
        cmocka_unit_test(knows_what_is_installed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
