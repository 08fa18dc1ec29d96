/* The installed shells, and from which file each takes the limit. */
#include "tests/unit/tools/tmoutctl/shells/shells_tree.h"

#include "tools/tmoutctl/shells/list.h"

static void kinds(void **state)
{
    static const struct {
        const char *program;
        enum shell_kind kind;
    } cases[] = {{"bash", SHELL_BASH},       {"bash5", SHELL_BASH},
                 {"rbash", SHELL_BASH},      {"zsh-5.9", SHELL_ZSH},
                 {"rzsh", SHELL_ZSH},        {"ksh", SHELL_KSH93},
                 {"ksh93", SHELL_KSH93},     {"mksh-static", SHELL_MKSH},
                 {"lksh", SHELL_MKSH},       {"tcsh", SHELL_TCSH},
                 {"csh", SHELL_CSH},         {"bsd-csh", SHELL_CSH},
                 {"dash", SHELL_DASH},       {"busybox", SHELL_ASH},
                 {"fish", SHELL_FISH},       {"yash", SHELL_YASH},
                 {"posh", SHELL_POSH},       {"nu", SHELL_NUSHELL},
                 {"pwsh", SHELL_POWERSHELL}, {"pwsh-preview", SHELL_POWERSHELL},
                 {"osh", SHELL_OSH},         {"ysh", SHELL_OSH},
                 {"elvish", SHELL_ELVISH},   {"tmux", SHELL_OTHER},
                 {"", SHELL_OTHER}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (shell_kind_of(cases[i].program) != cases[i].kind)
            fail_msg("%s is taken for %s", cases[i].program,
                     shell_traits[shell_kind_of(cases[i].program)].name);
}

static const struct shell *shell_called(const struct shell_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->shell[i].path, path) == 0)
            return &list->shell[i];
    return NULL;
}

static void assert_shell(const struct shell_list *list, const char *path, const char *login_file,
                         const char *rc_file, bool complete)
{
    const struct shell *shell = shell_called(list, path);

    if (shell == NULL)
        fail_msg("%s is not listed", path);
    if (login_file == NULL)
        assert_null(shell->login_file);
    else
        assert_string_equal(shell->login_file, login_file);
    if (rc_file == NULL)
        assert_null(shell->rc_file);
    else
        assert_string_equal(shell->rc_file, rc_file);
    assert_int_equal(shell->complete, complete);
}

static void installed_shells(void **state)
{
    const struct host host = {.root = *state};
    struct shell_list list = {0};
    char *name = path_in(*state, "usr/bin/rbash"), *other = path_in(*state, "bin/csh");

    put_directory(*state, "/usr/bin");
    put_directory(*state, "/bin/zsh"); /* not a program */
    put(*state, "/bin/fish", "not executable");
    assert_int_equal(symlink("../../bin/bash", name), 0); /* the same program */
    assert_int_equal(symlink("/outside", other), 0);
    assert_int_equal(shell_list_find(&host, &list), 0);
    assert_int_equal(list.count, 4);
    assert_shell(&list, "/bin/bash", PROFILE_SH, NULL, false);
    assert_shell(&list, "/bin/dash", NULL, NULL, true);
    assert_shell(&list, "/bin/mksh", PROFILE_SH, NULL, true);
    assert_shell(&list, "/usr/local/bin/tcsh", NULL, NULL, false);
    shell_list_free(&list);

    put(*state, "/etc/bash.bashrc", ". " SHELL_FRAGMENTS "/bashrc\n");
    put(*state, "/etc/csh.cshrc", "source " SHELL_FRAGMENTS "/csh.cshrc\n");
    assert_int_equal(shell_list_find(&host, &list), 0);
    assert_shell(&list, "/bin/bash", PROFILE_SH, "/etc/bash.bashrc", true);
    assert_shell(&list, "/usr/local/bin/tcsh", "/etc/csh.cshrc", "/etc/csh.cshrc", true);
    shell_list_free(&list);

    remove_in(*state, PROFILE_SH);
    remove_in(*state, PROFILE_CSH);
    assert_int_equal(shell_list_find(&host, &list), 0);
    assert_shell(&list, "/bin/bash", NULL, NULL, false);
    assert_shell(&list, "/bin/mksh", NULL, NULL, false);
    assert_shell(&list, "/usr/local/bin/tcsh", NULL, NULL, false);
    shell_list_free(&list);
    free(name);
    free(other);
}

static void login_shells(void **state)
{
    const struct host host = {.root = *state};
    struct login_shells shells = {0};

    assert_int_equal(login_shells_read(&host, &shells), 0);
    assert_int_equal(shells.count, 4);
    assert_true(login_shells_have(&shells, "/bin/bash"));
    assert_true(login_shells_have(&shells, "/bin/dash"));
    assert_true(login_shells_have(&shells, "/no")); /* as getusershell(3) reads "bin/no" */
    assert_true(login_shells_have(&shells, "/bin/gone"));
    assert_false(login_shells_have(&shells, "/"));
    login_shells_free(&shells);
    remove_in(*state, "/etc/shells");
    assert_int_equal(login_shells_read(&host, &shells), 0);
    assert_int_equal(shells.count, 2);
    assert_true(login_shells_have(&shells, "/bin/sh"));
    assert_true(login_shells_have(&shells, "/bin/csh"));
    login_shells_free(&shells);
}

static void timeouts(void **state)
{
    const struct host host = {.root = *state};

    assert_int_equal(shell_timeout_of(&host, "/bin/bash"), SHELL_TIMEOUT_SECONDS);
    assert_int_equal(shell_timeout_of(&host, "/usr/local/bin/tcsh"), SHELL_TIMEOUT_MINUTES);
    assert_int_equal(shell_timeout_of(&host, "/bin/dash"), SHELL_NO_TIMEOUT);
    assert_int_equal(shell_timeout_of(&host, "/bin/missing"), SHELL_NO_TIMEOUT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        WITH_SHELLS(installed_shells),
        WITH_SHELLS(login_shells),
        WITH_SHELLS(timeouts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
