/* Which presets there are, and that a name never leads elsewhere. */
#include "tests/unit/temporary.h"

#include "tools/tmoutctl/host/preset_file.h"

static void put_file(const char *directory, const char *name)
{
    char *path = path_in(directory, name);

    write_text(path, "# a preset\n");
    free(path);
}

static void lists_sorted_names(void **state)
{
    static const char *const files[] = {"b.conf", "a-1.conf", ".hidden.conf",
                                        ".conf",  "c.txt",    "conf"};
    struct preset_list list = {0};
    struct failure failure = {""};

    for (size_t i = 0; i < COUNT_OF(files); i++)
        put_file(*state, files[i]);
    assert_int_equal(preset_list_read(*state, &list, &failure), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.name[0], "a-1");
    assert_string_equal(list.name[1], "b");
    preset_list_free(&list);
    assert_int_equal(list.count, 0);
    assert_null(list.name);
}

static void finds_by_exact_name(void **state)
{
    struct failure failure = {""};

    put_file(*state, "cis-rhel9.conf");
    char *expected = path_in(*state, "cis-rhel9.conf");
    char *path = preset_path(*state, "cis-rhel9", &failure);
    assert_string_equal(path, expected);
    assert_string_equal(failure.text, "");
    free(path);
    free(expected);
}

static void explains_unknown_names(void **state)
{
    static const char *const names[] = {
        "", ".", "..", "../a", "./cis-rhel9", "cis-rhel9.conf", "*", "cis-rhel9\n"};
    struct failure failure = {""};

    assert_null(preset_path(*state, "x", &failure));
    assert_non_null(strstr(failure.text, "unknown preset \"x\"; "));
    assert_non_null(strstr(failure.text, "has no presets"));

    put_file(*state, "cis-rhel9.conf");
    put_file(*state, "stig-rhel9.conf");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_null(preset_path(*state, names[i], &failure));
    assert_null(preset_path(*state, "cis-rhel", &failure));
    assert_string_equal(failure.text, "unknown preset \"cis-rhel\"; did you mean \"cis-rhel9\"? "
                                      "(available: cis-rhel9, stig-rhel9)");
    assert_null(preset_path(*state, "nothing-like-it", &failure));
    assert_string_equal(failure.text,
                        "unknown preset \"nothing-like-it\" (available: cis-rhel9, stig-rhel9)");
}

static void names_a_missing_directory(void **state)
{
    struct preset_list list = {0};
    struct failure failure = {""};

    (void)state;
    assert_int_equal(preset_list_read("/nonexistent/presets", &list, &failure), -1);
    assert_string_equal(failure.text, "/nonexistent/presets: No such file or directory");
    assert_null(preset_path("/nonexistent/presets", "x", &failure));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(lists_sorted_names),
        WITH_DIRECTORY(finds_by_exact_name),
        WITH_DIRECTORY(explains_unknown_names),
        cmocka_unit_test(names_a_missing_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
