/* Our line in rc files: it is added and removed, and the file is what it was.
 * */
#include "tests/unit/tools/tmoutctl/shells/shells_tree.h"

#include "tools/tmoutctl/shells/hooks.h"

enum { BASHRC = 0, ZSHENV = 2, KSHRC = 4, CSHRC = 6 };

static void assert_added(const char *root, const struct rc_file *rc)
{
    const struct host host = {.root = root};
    struct failure failure = {""};

    if (shell_hook_add(&host, rc, &failure) != SHELL_HOOK_ADDED)
        fail_msg("%s: %s", rc->path, failure.text);
    assert_true(shell_rc_hook_line(&host, rc) > 0);
    assert_int_equal(shell_hook_add(&host, rc, &failure), SHELL_HOOK_UNCHANGED);
}

static void assert_removed(const char *root, const struct rc_file *rc)
{
    const struct host host = {.root = root};
    struct failure failure = {""};

    if (shell_hook_remove(&host, rc, &failure) != SHELL_HOOK_REMOVED)
        fail_msg("%s: %s", rc->path, failure.text);
    assert_int_equal(shell_rc_hook_line(&host, rc), 0);
    assert_int_equal(shell_hook_remove(&host, rc, &failure), SHELL_HOOK_UNCHANGED);
}

static void there_and_back(void **state)
{
    /* NULL: there is no such file. */
    static const char *const contents[] = {"# mine\n", "# mine\nexport A=1", "# mine", "\n", "",
                                           NULL};
    struct stat before, after;

    put_directory(*state, "/etc/zsh");
    for (const struct rc_file *rc = rc_files; rc->path != NULL; rc++) {
        char *path = path_in(*state, rc->path + 1);
        for (size_t i = 0; i < COUNT_OF(contents); i++) {
            if (contents[i] != NULL) {
                put(*state, rc->path, contents[i]);
                assert_int_equal(chmod(path, 0640), 0);
            }
            assert_added(*state, rc);
            assert_int_equal(stat(path, &before), 0);
            assert_int_equal(before.st_mode & 07777, contents[i] != NULL ? 0640 : 0644);
            assert_removed(*state, rc);
            assert_text_in(*state, rc->path, contents[i]);
            if (contents[i] != NULL) {
                assert_int_equal(stat(path, &after), 0);
                assert_int_equal(after.st_mode, before.st_mode);
                remove_in(*state, rc->path);
            }
        }
        free(path);
    }
}

static void our_lines(void **state)
{
    put(*state, "/etc/bash.bashrc", "a\n");
    assert_added(*state, &rc_files[BASHRC]);
    assert_text_in(*state, "/etc/bash.bashrc",
                   "a\nif [[ -r " SHELL_FRAGMENTS "/bashrc ]]; then . " SHELL_FRAGMENTS
                   "/bashrc; fi # tmoutctl shells\n");
    put(*state, "/etc/csh.cshrc", "a");
    assert_added(*state, &rc_files[CSHRC]);
    assert_text_in(*state, "/etc/csh.cshrc",
                   "a\nif (-r " SHELL_FRAGMENTS "/csh.cshrc) source " SHELL_FRAGMENTS
                   "/csh.cshrc # tmoutctl shells (no newline before)\n");
}

/* The vendor's files are never changed: a file in /etc, which replaces one, reads it. */
static void files_of_the_vendor(void **state)
{
    const struct host host = {.root = *state};

    for (const struct rc_file *rc = rc_files; rc->path != NULL; rc++) {
        char *command = NULL;
        put(*state, rc->vendor, "# theirs\n");
        put(*state, rc->path, "");
        remove_in(*state, rc->path);
        assert_true(shell_rc_file_applies(&host, rc));
        assert_string_equal(shell_rc_read(&host, rc), rc->vendor);
        assert_added(*state, rc);
        assert_string_equal(shell_rc_read(&host, rc), rc->path);
        assert_true(asprintf(&command, rc->kind == SHELL_TCSH ? "source %s;" : ". %s; fi;",
                             rc->vendor) > 0);
        char *text = text_in(*state, rc->path);
        assert_non_null(strstr(text, command));
        free(text);
        free(command);
        assert_text_in(*state, rc->vendor, "# theirs\n");
        assert_removed(*state, rc);
        assert_text_in(*state, rc->path, NULL);
        /* The vendor's reads our script itself, or only the vendor's own ones. */
        put(*state, rc->vendor, "for i in /etc/profile.d/*.sh; do . $i; done\n");
        assert_int_equal(shell_rc_hook_line(&host, rc), 1);
        put(*state, rc->vendor, "for i in /usr/etc/profile.d/*.sh; do . $i; done\n");
        assert_int_equal(shell_rc_hook_line(&host, rc), 0);
        remove_in(*state, rc->vendor);
    }
}

/* What others write after our line stays. */
static void later_edits(void **state)
{
    static const char *const before[] = {"# mine", "# mine\n"};
    char text[512];

    for (size_t i = 0; i < COUNT_OF(before); i++) {
        put(*state, "/etc/zshenv", before[i]);
        assert_added(*state, &rc_files[ZSHENV + 1]);
        char *added = text_in(*state, "/etc/zshenv");
        snprintf(text, sizeof text, "%sexport B=2\n", added);
        put(*state, "/etc/zshenv", text);
        assert_removed(*state, &rc_files[ZSHENV + 1]);
        assert_text_in(*state, "/etc/zshenv", "# mine\nexport B=2\n");
        free(added);
    }
    assert_added(*state, &rc_files[KSHRC]);
    char *added = text_in(*state, "/etc/ksh.kshrc");
    snprintf(text, sizeof text, "%s# theirs\n", added);
    put(*state, "/etc/ksh.kshrc", text);
    assert_removed(*state, &rc_files[KSHRC]);
    assert_text_in(*state, "/etc/ksh.kshrc", "# theirs\n");
    free(added);
    /* Words of ours that are not our line. */
    put(*state, "/etc/zshenv", "echo /tmout/shells/\n# tmoutctl shells\n");
    const struct host host = {.root = *state};
    struct failure failure = {""};
    assert_int_equal(shell_hook_remove(&host, &rc_files[ZSHENV + 1], &failure),
                     SHELL_HOOK_UNCHANGED);
}

static void assert_rejected(const char *root, const char *reason)
{
    const struct host host = {.root = root};
    struct failure failure = {""};

    assert_int_equal(shell_hook_add(&host, &rc_files[ZSHENV], &failure), SHELL_HOOK_FAILED);
    if (strstr(failure.text, "/etc/zsh/zshenv: ") != failure.text ||
        strstr(failure.text, reason) == NULL)
        fail_msg("\"%s\", not \"%s\"", failure.text, reason);
}

static void strange_files(void **state)
{
    char *path = path_in(*state, "etc/zsh/zshenv"), *other = path_in(*state, "etc/zsh/other");
    char *outside = path_in(*state, "srv/zshenv");

    put(*state, "/etc/zsh/other", "# other\n");
    assert_int_equal(symlink("other", path), 0);
    assert_added(*state, &rc_files[ZSHENV]); /* a link within /etc is followed */
    assert_removed(*state, &rc_files[ZSHENV]);
    assert_text_in(*state, "/etc/zsh/other", "# other\n");
    remove_in(*state, "/etc/zsh/zshenv");

    put(*state, "/srv/zshenv", "# theirs\n");
    assert_int_equal(symlink(outside, path), 0);
    assert_rejected(*state, "outside /etc; not changed");
    assert_text_in(*state, "/srv/zshenv", "# theirs\n");
    remove_in(*state, "/etc/zsh/zshenv");

    assert_int_equal(symlink("nowhere", path), 0);
    assert_rejected(*state, "No such file");
    remove_in(*state, "/etc/zsh/zshenv");
    assert_int_equal(mkfifo(path, 0644), 0);
    assert_rejected(*state, "Invalid argument");
    remove_in(*state, "/etc/zsh/zshenv");
    assert_int_equal(link(other, path), 0);
    assert_rejected(*state, "has more than one hard link; not changed");
    remove_in(*state, "/etc/zsh/zshenv");
    put_bytes(*state, "/etc/zsh/zshenv", "a\0b\n", 4);
    assert_rejected(*state, "not a text file; not changed");
    free(path);
    free(other);
    free(outside);
}

static void where_rc_files_apply(void **state)
{
    const struct host host = {.root = *state};

    assert_true(shell_rc_file_applies(&host, &rc_files[BASHRC]));
    assert_false(shell_rc_file_applies(&host, &rc_files[BASHRC + 1])); /* RHEL's */
    assert_false(shell_rc_file_applies(&host, &rc_files[ZSHENV]));
    put_directory(*state, "/etc/zsh");
    assert_true(shell_rc_file_applies(&host, &rc_files[ZSHENV]));
    assert_true(shell_rc_file_applies(&host, &rc_files[KSHRC]));
}

static void missing_fragments(void **state)
{
    const struct host host = {.root = *state};
    struct failure failure = {""};

    assert_true(shell_fragments_installed(&host, &failure));
    remove_in(*state, SHELL_FRAGMENTS "/zshenv");
    assert_false(shell_fragments_installed(&host, &failure));
    assert_string_equal(failure.text, SHELL_FRAGMENTS "/zshenv: No such file or directory");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_SHELLS(there_and_back),      WITH_SHELLS(our_lines),
        WITH_SHELLS(files_of_the_vendor), WITH_SHELLS(later_edits),
        WITH_SHELLS(strange_files),       WITH_SHELLS(where_rc_files_apply),
        WITH_SHELLS(missing_fragments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
