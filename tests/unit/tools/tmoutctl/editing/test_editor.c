/* The words of an editor's command, and which programs may be one. */
#include "tests/unit/temporary.h"

#include "tools/tmoutctl/editing/editor.h"

static void words_of_a_command(void **state)
{
    static const struct {
        const char *command;
        const char *words[5];
    } cases[] = {
        {"vi", {"vi"}},
        {"  vim  -es\t-u NONE\n", {"vim", "-es", "-u", "NONE"}},
        {"vim -c '%s/a b/c/'", {"vim", "-c", "%s/a b/c/"}},
        {"vim -c \"a 'b' c\"x", {"vim", "-c", "a 'b' cx"}},
        {"a\\ b '' \\'", {"a b", "", "'"}},
        {"a \"b\\\"c\" 'd\\e'", {"a", "b\"c", "d\\e"}},
        {"vi; $HOME `id` |", {"vi;", "$HOME", "`id`", "|"}},
        {"vi \\", {"vi", "\\"}},
    };
    struct editor editor;
    struct failure failure;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int count = 0;
        assert_int_equal(editor_split(cases[i].command, &editor, &failure), 0);
        for (; count < editor.count; count++)
            assert_string_equal(editor.argument[count], cases[i].words[count]);
        assert_null(cases[i].words[count]);
    }
}

static void commands_that_are_none(void **state)
{
    static const char *const cases[][2] = {
        {" \t\n", "names no program"},
        {"vi 'a", "has a quotation mark without its end"},
        {"vi \"a'", "has a quotation mark without its end"},
    };
    struct editor editor;
    char many[512] = "", longer[8192];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct failure failure = {""};
        assert_int_equal(editor_split(cases[i][0], &editor, &failure), -1);
        assert_string_equal(failure.text, cases[i][1]);
    }
    /* Up to the last word and byte there is room for, and one more. */
    for (int words = EDITOR_WORDS_MAX - 2; words < EDITOR_WORDS_MAX; words++) {
        struct failure failure = {""};
        memset(many, 0, sizeof many);
        for (int i = 0; i < words; i++)
            memcpy(many + 2 * i, "a ", 2);
        assert_int_equal(editor_split(many, &editor, &failure),
                         words == EDITOR_WORDS_MAX - 2 ? 0 : -1);
    }
    for (size_t length = sizeof editor.words - 4; length < sizeof editor.words + 4; length++) {
        struct failure failure = {""};
        memset(longer, 'a', length);
        longer[length] = '\0';
        if (editor_split(longer, &editor, &failure) == 0)
            assert_string_equal(editor.argument[0], longer);
        else
            assert_non_null(strstr(failure.text, "is longer than"));
    }
}

/* The first variable that is set counts, and names a program that only root, or whoever
 * runs this, can replace. */
static void which_editor(void **state)
{
    char *own = path_in(*state, "own"), *loose = path_in(*state, "loose");
    char *link = path_in(*state, "link"), *real = realpath(*state, NULL);
    struct editor editor;
    struct failure failure = {""};

    write_text(own, "#!/bin/sh\n");
    write_text(loose, "#!/bin/sh\n");
    assert_int_equal(chmod(own, 0755), 0);
    assert_int_equal(chmod(loose, 0777), 0);
    assert_int_equal(symlink(own, link), 0);
    setenv("EDITOR", "no-such-editor", 1);
    setenv("VISUAL", link, 1);
    unsetenv("SUDO_EDITOR");
    assert_int_equal(editor_find(&editor, &failure), 0);
    assert_string_equal(editor.argument[0], link);
    assert_int_equal(strncmp(editor.program, real, strlen(real)), 0);
    assert_string_equal(strrchr(editor.program, '/'), "/own");
    setenv("SUDO_EDITOR", loose, 1);
    assert_int_equal(editor_find(&editor, &failure), -1);
    assert_non_null(strstr(failure.text, "the editor that SUDO_EDITOR names: "));
    assert_non_null(strstr(failure.text, "is writable by group or others"));
    setenv("SUDO_EDITOR", "", 1);
    setenv("VISUAL", "", 1);
    setenv("EDITOR", "sh -e", 1);
    assert_int_equal(editor_find(&editor, &failure), 0);
    assert_int_equal(editor.count, 2);
    free(own);
    free(loose);
    free(link);
    free(real);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_a_command),
        cmocka_unit_test(commands_that_are_none),
        WITH_DIRECTORY(which_editor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
