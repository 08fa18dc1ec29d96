/* Changes to text files, line by line, and the files as they would be. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/host/host.h"

#include <errno.h>
#include <limits.h>

enum { EDITS_MAX = 4 };

static char path[] = "/etc/file";

/* A file's text, NULL for none; the edits; and what it would be, NULL for an
 * error. */
static const struct edit_case {
    const char *before;
    struct edit edit[EDITS_MAX]; /* ends with line 0 and no text */
    const char *after;
} cases[] = {
    {"a\nb\nc\n", {{EDIT_REPLACE, path, 2, "x"}}, "a\nx\nc\n"},
    {"a\nb\nc\n", {{EDIT_REPLACE, path, 2, "x\ny"}}, "a\nx\ny\nc\n"},
    {"a\nb\nc\n", {{EDIT_REPLACE, path, 2, ""}}, "a\n\nc\n"},
    {"a\nb\nc\n", {{EDIT_DELETE, path, 1, NULL}, {EDIT_DELETE, path, 3, NULL}}, "b\n"},
    {"a\nb\nc\n", {{EDIT_INSERT, path, 1, "x"}, {EDIT_INSERT, path, 3, "y"}}, "x\na\nb\ny\nc\n"},
    {"a\nb\n", {{EDIT_INSERT, path, EDIT_END, "x"}}, "a\nb\nx\n"},
    /* Insertions keep their order, wherever the lines are that others remove. */
    {"a\nb\n",
     {{EDIT_INSERT, path, 2, "x"}, {EDIT_DELETE, path, 1, NULL}, {EDIT_INSERT, path, 2, "y"}},
     "x\ny\nb\n"},
    /* A move. */
    {"a\nb\nc\n", {{EDIT_DELETE, path, 3, NULL}, {EDIT_INSERT, path, 1, "c"}}, "c\na\nb\n"},
    /* Line endings. */
    {"a\r\nb\r\n", {{EDIT_REPLACE, path, 1, "x"}}, "x\r\nb\r\n"},
    {"a\r\nb\r\n", {{EDIT_INSERT, path, 2, "x\ny"}}, "a\r\nx\r\ny\r\nb\r\n"},
    {"a\r\nb\r\n", {{EDIT_INSERT, path, EDIT_END, "x"}}, "a\r\nb\r\nx\r\n"},
    {"a\nb\r\nc\n", {{EDIT_REPLACE, path, 2, "x"}, {EDIT_REPLACE, path, 3, "y"}}, "a\nx\r\ny\n"},
    /* No newline at the end. */
    {"a\nb", {{EDIT_REPLACE, path, 2, "x"}}, "a\nx"},
    {"a\nb", {{EDIT_REPLACE, path, 1, "x"}}, "x\nb"},
    {"a\nb", {{EDIT_INSERT, path, 2, "x"}}, "a\nx\nb"},
    {"a\nb", {{EDIT_INSERT, path, EDIT_END, "x"}}, "a\nb\nx"},
    {"a\nb", {{EDIT_INSERT, path, EDIT_END, "x\ny"}}, "a\nb\nx\ny"},
    {"a\r\nb", {{EDIT_INSERT, path, EDIT_END, "x"}}, "a\r\nb\r\nx"},
    {"a\r\nb\r", {{EDIT_INSERT, path, EDIT_END, "x"}}, "a\r\nb\r\nx\r"},
    {"a\nb", {{EDIT_DELETE, path, 2, NULL}}, "a\n"},
    {"a\nb", {{EDIT_DELETE, path, 2, NULL}, {EDIT_INSERT, path, EDIT_END, "x"}}, "a\nx"},
    {"a", {{EDIT_DELETE, path, 1, NULL}}, ""},
    {"a", {{EDIT_INSERT, path, 1, "x"}}, "x\na"},
    /* A file that is empty, and one that does not exist. */
    {"", {{EDIT_INSERT, path, EDIT_END, "x"}}, "x\n"},
    {NULL, {{EDIT_INSERT, path, EDIT_END, "x\ny"}}, "x\ny\n"},
    /* What the file does not have, and what contradicts itself. */
    {"a\n", {{EDIT_REPLACE, path, 2, "x"}}, NULL},
    {"a\n", {{EDIT_INSERT, path, 2, "x"}}, NULL},
    {"a\n", {{EDIT_REPLACE, path, 1, "x"}, {EDIT_DELETE, path, 1, NULL}}, NULL},
    {"a\n", {{EDIT_REPLACE, path, 1, "x"}, {EDIT_REPLACE, path, 1, "y"}}, NULL},
};

/* The edits of a case, to be freed. */
static struct edits edits_of(const struct edit_case *c)
{
    struct edits edits = {0};

    for (size_t i = 0; i < EDITS_MAX && (c->edit[i].line > 0 || c->edit[i].text != NULL); i++)
        assert_int_equal(edits_add(&edits, &c->edit[i]), 0);
    return edits;
}

static void files_as_they_would_be(void **state)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct edits edits = edits_of(&cases[i]);
        const struct host host = {.root = *state, .edits = &edits};
        struct text_file file;
        char *full = path_in(*state, path + 1);

        unlink(full);
        if (cases[i].before != NULL)
            put(*state, path, cases[i].before);
        errno = 0;
        const int result = host_read_text(&host, path, 0, TEXT_FILE_SIZE_MAX, &file);
        if (cases[i].after == NULL) {
            assert_int_equal(result, -1);
            assert_int_equal(errno, ERANGE);
            assert_null(file.text);
        } else {
            assert_int_equal(result, 0);
            assert_string_equal(file.text, cases[i].after);
            assert_int_equal(file.size, strlen(cases[i].after));
        }
        free(file.text);
        free(full);
        edits_free(&edits);
    }
}

/* Kept and removed lines are the old text, kept and added ones the new. */
static void both_texts_are_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *before = cases[i].before != NULL ? cases[i].before : "";
        const struct text_file file = {.text = cases[i].before != NULL ? strdup(before) : NULL,
                                       .size = strlen(before)};
        struct edits edits = edits_of(&cases[i]);
        struct edited_text edited = {0};
        const struct host host = {.root = ""};
        char old[64] = "", new[64] = "";

        const int result = edits_run(&edits, &host, path, &file, &edited);
        assert_int_equal(result, cases[i].after != NULL ? 0 : -1);
        for (size_t k = 0; result == 0 && k < edited.count; k++) {
            assert_int_equal(strlen(edited.line[k].text), edited.line[k].size);
            if (edited.line[k].mark != EDITED_ADDED)
                strcat(old, edited.line[k].text);
            if (edited.line[k].mark != EDITED_REMOVED)
                strcat(new, edited.line[k].text);
        }
        if (result == 0) {
            assert_string_equal(old, before);
            assert_string_equal(new, cases[i].after);
            assert_int_equal(edited.changed, strcmp(before, cases[i].after) != 0);
        }
        edited_text_free(&edited);
        edits_free(&edits);
        free(file.text);
    }
}

static void equal_edits_count_once(void **state)
{
    const struct edit replace = {EDIT_REPLACE, path, 1, "x"}, same = {EDIT_REPLACE, path, 1, "x"},
                      other = {EDIT_REPLACE, path, 1, "y"}, delete = {EDIT_DELETE, path, 1, NULL},
                      insert = {EDIT_INSERT, path, 1, "y"},
                      elsewhere = {EDIT_DELETE, "/b", 1, NULL};
    struct edits edits = {0};

    (void)state;
    assert_int_equal(edits_add(&edits, &replace), 0);
    assert_int_equal(edits_add(&edits, &same), 0);
    assert_int_equal(edits.count, 1);
    assert_int_equal(edits_add(&edits, &insert), 0);
    assert_int_equal(edits.count, 2);
    assert_false(edits_conflict(&edits, &same));
    assert_true(edits_conflict(&edits, &other));
    assert_true(edits_conflict(&edits, &delete));
    assert_false(edits_conflict(&edits, &insert));
    assert_false(edits_conflict(&edits, &elsewhere));
    edits_free(&edits);
    assert_int_equal(edits.count, 0);
}

/* /etc/pam.d/system-auth may be a link into /etc/authselect. */
static void a_file_by_another_name(void **state)
{
    struct edits edits = {0};
    const struct host host = {.root = *state, .edits = &edits};
    struct text_file file;
    char *link = path_in(*state, "etc/link");

    put(*state, path, "a\n");
    assert_int_equal(symlink("file", link), 0);
    assert_int_equal(edits_add(&edits, &(struct edit){EDIT_REPLACE, "/etc/link", 1, "x"}), 0);
    assert_int_equal(host_read_text(&host, path, 0, TEXT_FILE_SIZE_MAX, &file), 0);
    assert_string_equal(file.text, "x\n");
    free(file.text);
    put(*state, "/etc/other", "a\n");
    assert_int_equal(host_read_text(&host, "/etc/other", 0, TEXT_FILE_SIZE_MAX, &file), 0);
    assert_string_equal(file.text, "a\n");
    free(file.text);
    edits_free(&edits);
    free(link);
}

/* An edit is about its own file only, and equal to those of the same file. */
static void edits_of_two_files(void **state)
{
    struct edits edits = {0}, others = {0};
    const struct host host = {.root = *state, .edits = &edits};
    struct text_file file;
    char longer[] = "/etc/a-longer-name", shorter[] = "/etc/b", text[] = "x";

    put(*state, longer, "a\n");
    put(*state, shorter, "b\n");
    assert_int_equal(edits_add(&edits, &(struct edit){EDIT_REPLACE, longer, 1, text}), 0);
    assert_int_equal(edits_add(&others, &(struct edit){EDIT_REPLACE, shorter, 1, text}), 0);
    assert_false(edits_include(&edits, &others));
    assert_int_equal(host_read_text(&host, shorter, 0, TEXT_FILE_SIZE_MAX, &file), 0);
    assert_string_equal(file.text, "b\n");
    free(file.text);
    assert_int_equal(edits_add_all(&edits, &others), 0);
    assert_int_equal(edits_add_all(&edits, &others), 0);
    assert_int_equal(edits.count, 2);
    assert_true(edits_include(&edits, &others));
    assert_int_equal(host_read_text(&host, shorter, 0, TEXT_FILE_SIZE_MAX, &file), 0);
    assert_string_equal(file.text, "x\n");
    free(file.text);
    edits_free(&others);
    edits_free(&edits);
}

static void what_cannot_be_read(void **state)
{
    struct edits edits = {0};
    const struct host host = {.root = *state, .edits = &edits};
    struct text_file file;

    assert_int_equal(host_read_text(&host, "/nowhere", 0, TEXT_FILE_SIZE_MAX, &file), -1);
    assert_int_equal(errno, ENOENT);
    assert_null(file.text);
    put(*state, path, "abc\n");
    assert_int_equal(host_read_text(&host, path, 0, 2, &file), -1);
    assert_int_equal(errno, EFBIG);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_as_they_would_be, temporary_make, temporary_remove),
        cmocka_unit_test(both_texts_are_there),
        cmocka_unit_test(equal_edits_count_once),
        cmocka_unit_test_setup_teardown(a_file_by_another_name, temporary_make, temporary_remove),
        cmocka_unit_test_setup_teardown(edits_of_two_files, temporary_make, temporary_remove),
        cmocka_unit_test_setup_teardown(what_cannot_be_read, temporary_make, temporary_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
