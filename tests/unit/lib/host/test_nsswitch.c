/* The sources of a name service's database, as nsswitch.conf(5) lists them. */
#include "tests/unit/check.h"

#include "lib/host/nsswitch.h"

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
        {"passwd: files [SUCCESS=merge", -1, ""},
        {"passwd: ldap [NOTFOUND=return] files\n", 1, "ldap files "},
        {"passwd: ldap [!UNAVAIL=RETURN] files\n", 1, "ldap files "},
        {"passwd: ../evil\n", -1, ""},
        {"passwd: a_name_of_a_source_that_nobody_has_ever_had\n", -1, ""},
        {"passwd: a b c d e f g h i j k l m n o p\n", 1, "a b c d e f g h i j k l m n o p "},
        {"passwd: a b c d e f g h i j k l m n o p q\n", -1, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct nss_sources sources;
        char names[1024] = "";
        assert_int_equal(nsswitch_parse(cases[i].text, "passwd", &sources), cases[i].result);
        for (size_t k = 0; cases[i].result > 0 && k < sources.count; k++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s ",
                     sources.source[k].name);
        assert_string_equal(names, cases[i].names);
    }
    char *long_line = calloc(1, 1000);
    assert_non_null(long_line);
    memset(long_line, ' ', 999);
    memcpy(long_line, "passwd:", 7);
    struct nss_sources sources;
    assert_int_equal(nsswitch_parse(long_line, "passwd", &sources), -1);
    free(long_line);
}

static void says_which_answers_end_the_search(void **state)
{
    static const struct {
        const char *text;
        unsigned ends[2];
    } cases[] = {
        {"group: files sss\n", {NSS_SUCCESS, NSS_SUCCESS}},
        {"group: files [SUCCESS=continue] sss\n", {0, NSS_SUCCESS}},
        {"group: files [success = merge] sss\n", {0, NSS_SUCCESS}},
        {"group: sss [NOTFOUND=return] files\n", {NSS_SUCCESS | NSS_NOTFOUND, NSS_SUCCESS}},
        {"group: sss [ !UNAVAIL=return ] files\n", {NSS_ANSWERS & ~NSS_UNAVAIL, NSS_SUCCESS}},
        {"group: sss [SUCCESS=continue TRYAGAIN=return] files [UNAVAIL=return]\n",
         {NSS_TRYAGAIN, NSS_SUCCESS | NSS_UNAVAIL}},
        {"group: sss[NOTFOUND=return][!SUCCESS=continue]files\n", {NSS_SUCCESS, NSS_SUCCESS}},
    };
    static const char *const wrong[] = {
        "group: [SUCCESS=return] files\n", "group: files [SUCCESS]\n",
        "group: files [SUCCESS=stop]\n",   "group: files [MAYBE=return]\n",
        "group: files [SUCCESS=return\n",  "group: files [=return]\n",
    };
    struct nss_sources sources;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(nsswitch_parse(cases[i].text, "group", &sources), 1);
        assert_int_equal(sources.count, 2);
        assert_int_equal(sources.source[0].ends, cases[i].ends[0]);
        assert_int_equal(sources.source[1].ends, cases[i].ends[1]);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(nsswitch_parse(wrong[i], "group", &sources), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_the_sources),
        cmocka_unit_test(says_which_answers_end_the_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
