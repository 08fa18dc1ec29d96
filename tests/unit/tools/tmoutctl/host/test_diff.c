/* Edits as a unified diff: what it looks like, and what patch(1) makes of it. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/host/diff.h"
#include "tools/tmoutctl/host/subprocess.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

enum { EDITS_MAX = 4, PATCH_TIMEOUT_MS = 60 * 1000 };

static char path[] = "/etc/file";

/* The diff of these edits, to be freed; NULL with errno if there is none. */
static char *diff_of(const char *root, const struct edits *edits)
{
    const struct host host = {.root = root};
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    struct diff_files files = {0};
    const int result = diff_print(to, &host, edits, &files), saved = errno;
    assert_int_equal(fclose(to), 0);
    diff_files_free(&files);
    errno = saved;
    if (result == 0)
        return text;
    free(text);
    return NULL;
}

/* --- its text ------------------------------------------------------------- */

static const struct diff_case {
    const char *before;
    struct edit edit[EDITS_MAX]; /* ends with line 0 and no text */
    const char *diff;            /* without the names; NULL: there is none */
} cases[] = {
    {"a\nb\nc\nd\ne\nf\ng\n",
     {{EDIT_REPLACE, path, 4, "x"}},
     "@@ -1,7 +1,7 @@\n a\n b\n c\n-d\n+x\n e\n f\n g\n"},
    {"a\n", {{EDIT_INSERT, path, EDIT_END, "x"}}, "@@ -1 +1,2 @@\n a\n+x\n"},
    {"a\nb\n", {{EDIT_DELETE, path, 1, NULL}}, "@@ -1,2 +1 @@\n-a\n b\n"},
    /* What is removed comes before what is added. */
    {"a\nb\n",
     {{EDIT_REPLACE, path, 1, "x"}, {EDIT_REPLACE, path, 2, "y"}},
     "@@ -1,2 +1,2 @@\n-a\n-b\n+x\n+y\n"},
    {"a\nb",
     {{EDIT_INSERT, path, EDIT_END, "x"}},
     "@@ -1,2 +1,3 @@\n a\n-b\n\\ No newline at end of file\n+b\n+x\n"
     "\\ No newline at end of file\n"},
    {"a\r\n", {{EDIT_REPLACE, path, 1, "x"}}, "@@ -1 +1 @@\n-a\r\n+x\r\n"},
    /* Two hunks, and one where they would share context. */
    {"a\nb\nc\nd\ne\nf\ng\nh\ni\n",
     {{EDIT_REPLACE, path, 1, "x"}, {EDIT_REPLACE, path, 9, "y"}},
     "@@ -1,4 +1,4 @@\n-a\n+x\n b\n c\n d\n@@ -6,4 +6,4 @@\n f\n g\n h\n-i\n+y\n"},
    {"a\nb\nc\nd\ne\nf\ng\nh\n",
     {{EDIT_REPLACE, path, 1, "x"}, {EDIT_REPLACE, path, 8, "y"}},
     "@@ -1,8 +1,8 @@\n-a\n+x\n b\n c\n d\n e\n f\n g\n-h\n+y\n"},
    /* More context, so that the hunk fits in one place only. */
    {"1\na\na\na\na\na\na\na\na\nb\n",
     {{EDIT_INSERT, path, 6, "x"}},
     "@@ -1,10 +1,11 @@\n 1\n a\n a\n a\n a\n+x\n a\n a\n a\n a\n b\n"},
    /* patch would remove a file that becomes empty, and fill an empty one twice. */
    {"", {{EDIT_INSERT, path, EDIT_END, "x"}}, NULL},
    {"a\n", {{EDIT_DELETE, path, 1, NULL}}, NULL},
    /* No line differs from another. */
    {"a\na\na\n", {{EDIT_DELETE, path, 2, NULL}}, NULL},
    /* At both ends of a short file: two hunks, of which each has its end. */
    {"a\nb\nc\n",
     {{EDIT_INSERT, path, 1, "x"}, {EDIT_INSERT, path, EDIT_END, "y"}},
     "@@ -1 +1,2 @@\n+x\n a\n@@ -3 +4,2 @@\n c\n+y\n"},
    /* No change. */
    {"a\n", {{EDIT_REPLACE, path, 1, "a"}}, ""},
};

static void the_text_of_a_diff(void **state)
{
    static const char names[] = "--- a/etc/file\n+++ b/etc/file\n";

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct edits edits = {0};
        for (const struct edit *e = cases[i].edit; e->line > 0 || e->text != NULL; e++)
            assert_int_equal(edits_add(&edits, e), 0);
        put(*state, path, cases[i].before);
        char *diff = diff_of(*state, &edits), *expected = NULL;
        if (diff == NULL) {
            assert_null(cases[i].diff);
            edits_free(&edits);
            continue;
        }
        assert_non_null(cases[i].diff);
        assert_true(
            asprintf(&expected, "%s%s", cases[i].diff[0] != '\0' ? names : "", cases[i].diff) >= 0);
        assert_string_equal(diff, expected);
        free(expected);
        free(diff);
        edits_free(&edits);
    }
}

static void files_in_the_order_of_their_names(void **state)
{
    static char second[] = "/etc/second", new[] = "/etc/a new one";
    struct edits edits = {0};

    put(*state, path, "a\n");
    put(*state, second, "a\n");
    assert_int_equal(edits_add(&edits, &(struct edit){EDIT_REPLACE, second, 1, "x"}), 0);
    assert_int_equal(edits_add(&edits, &(struct edit){EDIT_INSERT, new, EDIT_END, "x"}), 0);
    assert_int_equal(edits_add(&edits, &(struct edit){EDIT_REPLACE, path, 1, "x"}), 0);
    char *diff = diff_of(*state, &edits);
    assert_string_equal(diff, "diff --git a/etc/a new one b/etc/a new one\nnew file mode 100644\n"
                              "--- /dev/null\n+++ b/etc/a new one\t\n@@ -0,0 +1 @@\n+x\n"
                              "--- a/etc/file\n+++ b/etc/file\n@@ -1 +1 @@\n-a\n+x\n"
                              "--- a/etc/second\n+++ b/etc/second\n@@ -1 +1 @@\n-a\n+x\n");
    free(diff);
    edits_free(&edits);
}

/* --- what patch makes of it ------------------------------------------------- */

/* Runs patch(1) on the tree. Returns its exit status. */
static int run_patch(const char *root, const char *option)
{
    char *file = path_in(root, "patch"), *rejects = path_in(root, "rejects");
    const char *const argv[] = {
        "/usr/bin/patch", "--batch", "-s", "-p1", "-N", "-d", root, "-i", file, "-r",
        rejects,          option,    NULL};
    struct subprocess answer = {0};

    assert_int_equal(subprocess_run(argv, PATCH_TIMEOUT_MS, &answer), 0);
    const int status = answer.status;
    subprocess_free(&answer);
    free(rejects);
    free(file);
    return status;
}

static void assert_file(const char *root, const char *text)
{
    const struct host host = {.root = root};
    struct text_file file;

    if (host_read_text(&host, path, 0, TEXT_FILE_SIZE_MAX, &file) != 0) {
        assert_null(text);
        return;
    }
    assert_non_null(text);
    assert_string_equal(file.text, text);
    free(file.text);
}

/* A random number below that. */
static unsigned below(unsigned *seed, unsigned limit)
{
    return (unsigned)rand_r(seed) % limit;
}

/* A few lines with many repetitions, of which the last may lack its newline. */
static char *random_text(unsigned *seed)
{
    const char *ending = below(seed, 4) == 0 ? "\r\n" : "\n";
    const unsigned lines = below(seed, 40), kinds = 1 + below(seed, 6);
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    for (unsigned i = 0; i < lines; i++)
        fprintf(to, "%c%s", 'a' + (char)below(seed, kinds),
                i + 1 == lines && below(seed, 3) == 0 ? "" : ending);
    fclose(to);
    return text;
}

static void random_edits(unsigned *seed, const char *text, struct edits *edits)
{
    static char *const new_text[] = {"a", "b", "x", "x\na", ""};
    unsigned lines = 0;

    for (const char *c = text; *c != '\0'; c++)
        lines += *c == '\n' || c[1] == '\0';
    for (unsigned count = 1 + below(seed, 5), i = 0; i < count; i++) {
        struct edit edit = {.kind = (enum edit_kind)below(seed, 3), .file = path};
        edit.line = lines > 0 ? 1 + below(seed, lines) : EDIT_END;
        if (lines == 0 || below(seed, 6) == 0)
            edit = (struct edit){.kind = EDIT_INSERT, .file = path};
        if (edit.kind != EDIT_DELETE)
            edit.text = new_text[below(seed, COUNT_OF(new_text))];
        if (!edits_conflict(edits, &edit))
            assert_int_equal(edits_add(edits, &edit), 0);
    }
}

/* The file's text with the edits, to be freed. */
static char *edited_text(const char *root, const struct edits *edits)
{
    const struct host host = {.root = root, .edits = edits};
    struct text_file file;

    assert_int_equal(host_read_text(&host, path, 0, TEXT_FILE_SIZE_MAX, &file), 0);
    return file.text;
}

/* patch makes the change, makes it once, and undoes it. Returns false where the
 * edits have no diff. */
static bool patch_works(const char *root, const struct edits *edits, const char *before)
{
    char *after = edited_text(root, edits), *diff = diff_of(root, edits);
    const bool has_diff = diff != NULL, changed = strcmp(before, after) != 0;

    if (!has_diff) {
        assert_int_equal(errno, ENOTUNIQ);
    } else if (!changed) {
        assert_string_equal(diff, "");
    } else {
        put(root, "/patch", diff);
        assert_int_equal(run_patch(root, NULL), 0);
        assert_file(root, after);
        run_patch(root, NULL);
        assert_file(root, after);
        assert_int_equal(run_patch(root, "-R"), 0);
        assert_file(root, before);
    }
    free(diff);
    free(after);
    return has_diff;
}

static void patch_makes_the_change_and_undoes_it(void **state)
{
    const unsigned rounds = is_slow() ? 5 : 80;
    unsigned seed = 14, without = 0;

    for (unsigned round = 0; round < rounds; round++) {
        struct edits edits = {0};
        char *before = random_text(&seed);
        put(*state, path, before);
        random_edits(&seed, before, &edits);
        without += !patch_works(*state, &edits, before);
        free(before);
        edits_free(&edits);
    }
    /* Files of equal lines only. */
    assert_true(without <= rounds / 4);
}

/* Meanwhile someone has edited the file: the hunk fits where it belongs, or
 * nowhere. */
static void patch_changes_the_right_line_or_none(void **state)
{
    static const char before[] = "Match User a\n  X 1\n  Y 2\n  Z 3\nMatch User b\n  X 1\n  Y 2\n"
                                 "  Z 3\nMatch User c\n  X 1\n  Y 2\n  Z 3\n";
    static const char *const added[] = {"# one\n", "# one\n# two\n# three\n# four\n",
                                        "Match User d\n  X 1\n  Y 2\n  Z 3\n"};
    struct edits edits = {0};
    char *text = NULL;

    assert_int_equal(edits_add(&edits, &(struct edit){EDIT_REPLACE, path, 7, "  Y 9"}), 0);
    for (size_t i = 0; i < COUNT_OF(added); i++) {
        put(*state, path, before);
        char *diff = diff_of(*state, &edits);
        put(*state, "/patch", diff);
        assert_true(asprintf(&text, "%s%s", added[i], before) > 0);
        put(*state, path, text);
        if (run_patch(*state, NULL) == 0)
            memcpy(strstr(strstr(text, "User b"), "Y 2"), "Y 9", 3);
        assert_file(*state, text);
        free(text);
        free(diff);
    }
    edits_free(&edits);
}

static void a_file_keeps_its_mode(void **state)
{
    struct edits edits = {0};
    char *full = path_in(*state, path + 1);
    struct stat status;

    put(*state, path, "a\n");
    assert_int_equal(chmod(full, 0640), 0);
    assert_int_equal(edits_add(&edits, &(struct edit){EDIT_REPLACE, path, 1, "x"}), 0);
    assert_true(patch_works(*state, &edits, "a\n"));
    assert_int_equal(stat(full, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    edits_free(&edits);
    free(full);
}

/* Whatever the umask: others may have to read the file, and not to write it. */
static void a_new_file_is_readable(void **state)
{
    static const mode_t masks[] = {0, 002, 077};
    struct edits edits = {0};
    char *full = path_in(*state, path + 1);
    struct stat status;

    put_directory(*state, "/etc");
    assert_int_equal(edits_add(&edits, &(struct edit){EDIT_INSERT, path, EDIT_END, "x"}), 0);
    for (size_t i = 0; i < COUNT_OF(masks); i++) {
        unlink(full);
        char *diff = diff_of(*state, &edits);
        put(*state, "/patch", diff);
        const mode_t old = umask(masks[i]);
        assert_int_equal(run_patch(*state, NULL), 0);
        umask(old);
        assert_file(*state, "x\n");
        assert_int_equal(stat(full, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0644);
        assert_int_equal(run_patch(*state, "-R"), 0);
        assert_file(*state, NULL);
        free(diff);
    }
    edits_free(&edits);
    free(full);
}

/* --- which files it may change ----------------------------------------------- */

static void the_file_behind_a_path(void **state)
{
    const struct host host = {.root = *state};
    char *link_path = path_in(*state, "etc/link"), *hard = path_in(*state, "etc/hard");
    char *full = path_in(*state, path + 1), *out = path_in(*state, "etc/out");
    char *nowhere = path_in(*state, "etc/nowhere"), real[PATH_MAX];

    put(*state, path, "a\n");
    assert_null(diff_target(&host, path, real));
    assert_string_equal(real, path);
    assert_int_equal(symlink("../etc/file", link_path), 0);
    assert_null(diff_target(&host, "/etc/link", real));
    assert_string_equal(real, path);
    assert_null(diff_target(&host, "/etc/new", real));
    assert_string_equal(real, "/etc/new");
    assert_int_equal(symlink("gone", nowhere), 0);
    assert_string_equal(diff_target(&host, "/etc/nowhere", real), "it cannot be accessed");
    assert_null(diff_target(&host, "/gone/gone/new", real));
    assert_string_equal(real, "/gone/gone/new");
    assert_int_equal(symlink("/etc/passwd", out), 0);
    assert_string_equal(diff_target(&host, "/etc/out", real), "it is a link that leads elsewhere");
    assert_string_equal(diff_target(&host, "/etc", real), "it is not a regular file");
    put(*state, "/etc/a\nb", "a\n");
    assert_non_null(diff_target(&host, "/etc/a\nb", real));
    assert_int_equal(link(full, hard), 0);
    assert_string_equal(diff_target(&host, path, real), "it has more than one hard link");
    free(nowhere);
    free(out);
    free(full);
    free(hard);
    free(link_path);
}

#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, temporary_make, temporary_remove)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_TREE(the_text_of_a_diff),
        WITH_TREE(files_in_the_order_of_their_names),
        WITH_TREE(patch_makes_the_change_and_undoes_it),
        WITH_TREE(patch_changes_the_right_line_or_none),
        WITH_TREE(a_file_keeps_its_mode),
        WITH_TREE(a_new_file_is_readable),
        WITH_TREE(the_file_behind_a_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
