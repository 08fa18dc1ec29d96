/* tmoutctl shells: the list, the lines in rc files, and the number in our
 * scripts, in a tree with bash, tcsh and dash. */
#include "tests/unit/child.h"
#include "tests/unit/host_tree.h"
#include "tests/unit/tools/tmoutctl/captured.h"

#include "tools/tmoutctl/verbs/verbs.h"

#ifndef DATADIR
#define DATADIR "/usr/share"
#endif
#define FRAGMENTS DATADIR "/tmout/shells"

enum { OPTION_INSTALL, OPTION_REMOVE, OPTION_LITERAL, NO_OPTION };

/* A file of this tree's sources, as it is installed. */
static void put_installed(const char *root, const char *path, const char *source)
{
    char *from = path_in(TESTS "/../profile.d", source);
    size_t size;
    char *bytes = read_bytes(from, &size);

    put_bytes(root, path, bytes, size);
    free(bytes);
    free(from);
}

static void put_program(const char *root, const char *path)
{
    char *full = path_in(root, path + 1);

    put(root, path, "#!/bin/true\n");
    assert_int_equal(chmod(full, 0755), 0);
    free(full);
}

static void place_with_shells(struct verb_place *place, const char *root)
{
    place_open(place, root, "default { tmout = 5m }\n");
    put(root, "/etc/shells", "/bin/bash\n/bin/dash\n/bin/tcsh\n");
    put_program(root, "/bin/bash");
    put_program(root, "/bin/dash");
    put_program(root, "/bin/tcsh");
    put(root, "/etc/profile", "for i in /etc/profile.d/*.sh; do . $i; done\n");
    put(root, "/etc/bash.bashrc", "PS1='$ '\n");
    put(root, "/etc/csh.cshrc", "set prompt = '> '\n");
    put_installed(root, "/etc/profile.d/tmout.sh", "tmout.sh");
    put_installed(root, "/etc/profile.d/tmout.csh", "tmout.csh");
    put_installed(root, FRAGMENTS "/bashrc", "shells/bashrc");
    put_installed(root, FRAGMENTS "/csh.cshrc", "shells/csh.cshrc");
    put_installed(root, FRAGMENTS "/kshrc", "shells/kshrc");
    put_installed(root, FRAGMENTS "/zshenv", "shells/zshenv");
}

static struct verb_arguments with_option(int option)
{
    struct verb_arguments arguments = {.operand = NULL};

    if (option != NO_OPTION)
        arguments.option[option] = "";
    return arguments;
}

static int shells(const struct verb_place *place, int option, struct captured *captured)
{
    const struct verb_arguments arguments = with_option(option);

    return verb_run_with(&verb_shells, &place->context, &arguments, captured);
}

static void assert_shells(const struct verb_place *place, int option, int status, const char *out)
{
    struct captured captured;
    const int got = shells(place, option, &captured);

    assert_string_equal(captured.err, "");
    assert_string_equal(captured.out, out);
    assert_int_equal(got, status);
    captured_free(&captured);
}

static char *text_of(const char *root, const char *path)
{
    char *full = path_in(root, path + 1);
    size_t size;
    char *text = read_bytes(full, &size);

    free(full);
    return text;
}

static void lines_come_and_go(void **state)
{
    struct verb_place place;
    struct captured captured;

    place_with_shells(&place, *state);
    assert_int_equal(shells(&place, NO_OPTION, &captured), TMOUTCTL_NO);
    assert_contains(captured.out, "SHELL      KIND    TAKES A LIMIT  LOGIN SHELLS FROM  ");
    assert_contains(captured.out, "/bin/dash  dash    no timeout     -  ");
    assert_contains(captured.out, "missing");
    assert_contains(captured.out, "Where a file is missing, \"tmoutctl shells --install\" adds a ");
    captured_free(&captured);

    assert_shells(&place, OPTION_INSTALL, TMOUTCTL_FINE,
                  "/etc/bash.bashrc: added\n/etc/csh.cshrc: added\n");
    assert_shells(&place, OPTION_INSTALL, TMOUTCTL_FINE,
                  "/etc/bash.bashrc: unchanged\n/etc/csh.cshrc: unchanged\n");
    char *text = text_of(*state, "/etc/bash.bashrc");
    assert_contains(text, "PS1='$ '\n");
    assert_contains(text, FRAGMENTS "/bashrc");
    free(text);
    put(*state, "/etc/shells", "/bin/bash\n/usr/lib/a/directory/far/below/dash\n");
    put_program(*state, "/usr/lib/a/directory/far/below/dash");
    assert_int_equal(shells(&place, NO_OPTION, &captured), TMOUTCTL_FINE);
    assert_contains(captured.out, "SHELL                                KIND    TAKES");
    assert_contains(captured.out, "/bin/bash                            bash    yes  ");
    assert_contains(captured.out, "/usr/lib/a/directory/far/below/dash  dash    no timeout  ");
    assert_null(strstr(captured.out, "missing"));
    captured_free(&captured);
    put(*state, "/etc/shells", "/bin/bash\n/bin/dash\n/bin/tcsh\n");
    place.context.quiet = true;
    assert_shells(&place, NO_OPTION, TMOUTCTL_FINE, "");
    assert_shells(&place, OPTION_REMOVE, TMOUTCTL_FINE, "");
    place.context.quiet = false;
    assert_shells(&place, OPTION_REMOVE, TMOUTCTL_FINE,
                  "/etc/bash.bashrc: unchanged\n/etc/ksh.kshrc: unchanged\n"
                  "/etc/csh.cshrc: unchanged\n");
    text = text_of(*state, "/etc/bash.bashrc");
    assert_string_equal(text, "PS1='$ '\n");
    free(text);
    place_close(&place);
}

static void lines_as_json(void **state)
{
    struct verb_arguments arguments = with_option(OPTION_INSTALL);
    struct verb_place place;

    place_with_shells(&place, *state);
    json_t *answer = verb_json(&verb_shells, &place.context, &arguments);
    const json_t *files = json_object_get(answer, "files");
    assert_int_equal(json_array_size(files), 2);
    assert_string_equal(json_text_at(json_array_get(files, 0), "file"), "/etc/bash.bashrc");
    assert_string_equal(json_text_at(json_array_get(files, 0), "result"), "added");
    json_decref(answer);
    place_close(&place);
}

/* On a tree that is not the running system, files' permissions decide. */
static void try_as_a_plain_user(void *place)
{
    assert_int_equal(setgid(65534), 0);
    assert_int_equal(setuid(65534), 0);
    assert_shells(place, OPTION_REMOVE, TMOUTCTL_FINE,
                  "/etc/bash.bashrc: unchanged\n/etc/ksh.kshrc: unchanged\n"
                  "/etc/csh.cshrc: unchanged\n");
}

static void as_a_plain_user(void **state)
{
    struct verb_place place;

    if (geteuid() != 0)
        LEFT_OUT("only root can become another user");
    place_with_shells(&place, *state);
    assert_true(in_child(try_as_a_plain_user, &place));
    place_close(&place);
}

static void lines_that_cannot_be_added(void **state)
{
    struct verb_place place;
    struct captured captured;
    char *fragment = path_in(*state, FRAGMENTS "/bashrc"), *rc = path_in(*state, "etc/bash.bashrc");
    char *other = path_in(*state, "etc/other");

    place_with_shells(&place, *state);
    assert_int_equal(link(rc, other), 0);
    assert_int_equal(shells(&place, OPTION_INSTALL, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "/etc/bash.bashrc");
    assert_contains(captured.out, "/etc/csh.cshrc: added\n");
    captured_free(&captured);
    assert_int_equal(unlink(fragment), 0);
    assert_int_equal(shells(&place, OPTION_INSTALL, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, FRAGMENTS "/bashrc");
    assert_string_equal(captured.out, "");
    captured_free(&captured);
    free(fragment);
    free(rc);
    free(other);
    place_close(&place);
}

static void what_else_sets_a_limit(void **state)
{
    const struct verb_arguments none = with_option(NO_OPTION);
    struct verb_place place;
    struct captured captured;

    place_with_shells(&place, *state);
    put(*state, "/etc/profile.d/zz-site.sh", "readonly TMOUT=7200\n");
    assert_int_equal(shells(&place, OPTION_INSTALL, &captured), TMOUTCTL_FINE);
    captured_free(&captured);
    assert_int_equal(shells(&place, NO_OPTION, &captured), TMOUTCTL_NO);
    assert_contains(captured.out, "\n/etc/profile.d/zz-site.sh:1: readonly TMOUT=7200\n    ");
    captured_free(&captured);
    json_t *answer = verb_json(&verb_shells, &place.context, &none);
    assert_int_equal(json_array_size(json_object_get(answer, "shells")), 3);
    const json_t *shell = json_array_get(json_object_get(answer, "shells"), 0);
    assert_string_equal(json_text_at(shell, "shell"), "/bin/bash");
    assert_string_equal(json_text_at(shell, "kind"), "bash");
    assert_string_equal(json_text_at(shell, "limit"), "yes");
    assert_string_equal(json_text_at(shell, "login"), "/etc/profile.d/tmout.sh");
    assert_string_equal(json_text_at(shell, "rc"), "/etc/bash.bashrc");
    assert_true(json_is_true(json_object_get(shell, "ok")));
    const json_t *findings = json_object_get(answer, "findings");
    bool seen = false;
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        if (strcmp(json_text_at(finding, "file"), "/etc/profile.d/zz-site.sh") != 0)
            continue;
        seen = true;
        assert_int_equal(json_number_at(finding, "line"), 1);
        assert_int_equal(json_number_at(finding, "value"), 7200);
        assert_string_equal(json_text_at(finding, "unit"), "seconds");
        assert_string_equal(json_text_at(finding, "text"), "readonly TMOUT=7200");
        assert_true(json_is_true(json_object_get(finding, "readonly")));
        assert_true(json_is_true(json_object_get(finding, "conflict")));
    }
    assert_true(seen);
    json_decref(answer);
    place_close(&place);
}

static void the_number_in_our_scripts(void **state)
{
    const struct verb_arguments arguments = with_option(OPTION_LITERAL);
    struct verb_place place;
    struct captured captured;

    place_with_shells(&place, *state);
    assert_int_equal(shells(&place, NO_OPTION, &captured), TMOUTCTL_NO);
    assert_contains(captured.out, "\n/etc/profile.d/tmout.sh:");
    captured_free(&captured);
    assert_shells(&place, OPTION_LITERAL, TMOUTCTL_FINE,
                  "/etc/profile.d/tmout.sh: 5m, changed\n/etc/profile.d/tmout.csh: 5m, changed\n");
    assert_shells(&place, OPTION_LITERAL, TMOUTCTL_FINE,
                  "/etc/profile.d/tmout.sh: 5m, unchanged\n"
                  "/etc/profile.d/tmout.csh: 5m, unchanged\n");
    write_text(place.config, "default { tmout = 15m }\n");
    json_t *answer = verb_json(&verb_shells, &place.context, &arguments);
    const json_t *file = json_array_get(json_object_get(answer, "files"), 1);
    assert_string_equal(json_text_at(file, "file"), "/etc/profile.d/tmout.csh");
    assert_string_equal(json_text_at(file, "result"), "changed");
    assert_int_equal(json_number_at(file, "seconds"), 600);
    json_decref(answer);

    put(*state, "/etc/profile.d/tmout.csh", "# the site's own\n");
    assert_int_equal(shells(&place, OPTION_LITERAL, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "/etc/profile.d/tmout.csh");
    captured_free(&captured);
    write_text(place.config, "default { tmout = wrong }\n");
    assert_int_equal(shells(&place, OPTION_LITERAL, &captured), TMOUTCTL_FAILURE);
    assert_contains(captured.err, "tmoutctl: no policy is in force: ");
    captured_free(&captured);
    place_close(&place);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(lines_come_and_go),          WITH_DIRECTORY(lines_as_json),
        WITH_DIRECTORY(lines_that_cannot_be_added), WITH_DIRECTORY(what_else_sets_a_limit),
        WITH_DIRECTORY(the_number_in_our_scripts),  WITH_DIRECTORY(as_a_plain_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
