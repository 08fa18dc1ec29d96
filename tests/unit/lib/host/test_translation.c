/* Texts in the users' languages. What the catalogs say is tested where they are
 * installed. */
#include "tests/unit/check.h"

#include "lib/host/translation.h"

#include <stdlib.h>
#include <string.h>

static void without_a_translation(void **state)
{
    static const char *const locales[] = {"C", "C.UTF-8", "no such locale", "../../tmp", "xx_XX"};

    (void)state;
    for (size_t i = 0; i < sizeof locales / sizeof locales[0]; i++) {
        assert_string_equal(translation(locales[i], "a text"), "a text");
        assert_string_equal(translation_of_number(locales[i], "%u one", "%u many", 1), "%u one");
        assert_string_equal(translation_of_number(locales[i], "%u one", "%u many", 0), "%u many");
    }
    assert_int_equal(setenv("LC_ALL", "also none", 1), 0);
    assert_string_equal(translation("", "a text"), "a text");
    assert_int_equal(unsetenv("LC_ALL"), 0);
}

static void conversions(void **state)
{
    static const char *const same[][2] = {{"", ""},         {"a", "b"},
                                          {"%s", "in %s."}, {"%u of %s", "%u von %s"},
                                          {"5%%", "%%5"},   {"%", "%"}};
    static const char *const different[][2] = {{"%s", "%d"},       {"%s", ""},     {"", "%n"},
                                               {"%u %s", "%s %u"}, {"%s", "%s%n"}, {"%s", "%5s"},
                                               {"%s", "%1$s"},     {"%s", "%"},    {"%u", "%lu"},
                                               {"%s", "%*s"},      {"%", "%s"}};

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        assert_true(conversions_are_same(same[i][0], same[i][1]));
    for (size_t i = 0; i < sizeof different / sizeof different[0]; i++)
        assert_false(conversions_are_same(different[i][0], different[i][1]));
}

#define ENVIRONMENT(text) text, sizeof text /* with the last NUL */

static void in_an_environment(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *locale;
    } rows[] = {
        {ENVIRONMENT("LANG=de_DE.UTF-8"), "de_DE.UTF-8"},
        {ENVIRONMENT("A=1\0LANG=de_DE.UTF-8\0B=2"), "de_DE.UTF-8"},
        {ENVIRONMENT("LANG=de_DE\0LC_ALL=fr_FR@euro\0LC_MESSAGES=it_IT"), "fr_FR@euro"},
        {ENVIRONMENT("LANG=de_DE\0LC_MESSAGES=it_IT"), "it_IT"},
        {ENVIRONMENT("LC_ALL=\0LANG=de_DE"), "de_DE"},
        {ENVIRONMENT("LC_ALL=C\0LANG=de_DE"), "C"},
        {ENVIRONMENT("XLANG=de_DE"), ""},
        {ENVIRONMENT("LANGUAGE=de"), ""},
        {ENVIRONMENT("LANG"), ""},
        {ENVIRONMENT("LANG=../../tmp/x"), ""},
        {ENVIRONMENT("LANG=..de"), ""},
        {ENVIRONMENT("LANG=a;b"), ""},
        {ENVIRONMENT("LANG=de\n"), ""},
        {ENVIRONMENT("LANG=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
         ""},
        {"LANG=de_DE", sizeof "LANG=de_DE" - 1, ""}, /* cut off */
        {"LANG=de_DE\0LC_", sizeof "LANG=de_DE\0LC_" - 1, "de_DE"},
        {"", 0, ""},
        {"\0\0", 2, ""},
    };
    char locale[LOCALE_NAME_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        locale_in_environment(rows[i].bytes, rows[i].size, locale);
        assert_string_equal(locale, rows[i].locale);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_translation),
        cmocka_unit_test(conversions),
        cmocka_unit_test(in_an_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
