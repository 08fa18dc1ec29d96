/* Which file a name means. */
#include "tests/unit/temporary.h"

#include "tools/tmoutctl/editing/target.h"

static void names_of_drop_ins(void **state)
{
    static const char *const cases[][2] = {
        {"site", "/tmout.conf.d/site.conf"},
        {"site.conf", "/tmout.conf.d/site.conf"},
        {"50-a b.conf", "/tmout.conf.d/50-a b.conf"},
        {"site.conf.bak", "/tmout.conf.d/site.conf.bak.conf"},
        {NULL, "/tmout.conf"},
        {"tmout.conf", "/tmout.conf"},
        {"tmout", "/tmout.conf.d/tmout.conf"},
    };
    char *config = path_in(*state, "tmout.conf"), *drop_ins = path_in(*state, "tmout.conf.d");
    char *drop_in = path_in(drop_ins, "tmout.conf");
    struct edit_file file;
    struct failure failure = {""};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(edit_file_find(config, cases[i][0], &file, &failure), 0);
        assert_string_equal(file.path + strlen(*state), cases[i][1]);
        assert_string_equal(file.name, strrchr(file.path, '/') + 1);
        assert_int_equal(file.is_drop_in, strstr(cases[i][1], ".d/") != NULL);
        assert_int_equal(strncmp(file.path, file.directory, strlen(file.directory)), 0);
    }
    assert_int_equal(edit_file_find(config, config, &file, &failure), 0);
    assert_false(file.is_drop_in);
    assert_int_equal(edit_file_find(config, drop_in, &file, &failure), 0);
    assert_string_equal(file.path, drop_in);
    /* Where there is such a drop-in, the name is its. */
    assert_int_equal(mkdir(drop_ins, 0755), 0);
    write_text(drop_in, "");
    assert_int_equal(edit_file_find(config, "tmout.conf", &file, &failure), 0);
    assert_string_equal(file.path, drop_in);
    assert_int_equal(edit_file_find("/tmout.conf", NULL, &file, &failure), 0);
    assert_string_equal(file.directory, "/");
    free(config);
    free(drop_ins);
    free(drop_in);
}

static void names_of_none(void **state)
{
    static const char *const names[] = {
        "",
        ".conf",
        ".x",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        "/c.conf.d/x/y.conf",
        "a\033[2J",
        "a\nb",
        "a\x80",
        "/c.conf.d",
        "/c.conf.d/",
        "/c.conf.d/x",
        "/c.conf.d/.x.conf",
    };
    char longer[512];
    struct edit_file file;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct failure failure = {""};
        if (edit_file_find("/c.conf", names[i], &file, &failure) == 0)
            fail_msg("\"%s\" is %s", names[i], file.path);
        assert_string_not_equal(failure.text, "");
        assert_null(strpbrk(failure.text, "\033\n\x80"));
    }
    for (size_t length = 200; length < 300; length++) {
        struct failure failure = {""};
        memset(longer, 'a', length);
        longer[length] = '\0';
        /* With ".conf", and what a temporary name adds. */
        assert_int_equal(edit_file_find("/c.conf", longer, &file, &failure) == 0,
                         length + strlen(".conf.XXXXXX") <= 255);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(names_of_drop_ins),
        cmocka_unit_test(names_of_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
