/* A service's PAM stack with all that it includes, and pam_faillock's settings. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/host/faillock.h"
#include "tools/tmoutctl/pam/stack.h"

static void read_stack(const char *root, const char *type, struct pam_stack *stack)
{
    const struct host host = {.root = root};

    assert_int_equal(pam_stack_read(&host, "sshd", type, stack), PAM_STACK_OK);
}

static void assert_line(const struct pam_stack *stack, size_t number, const char *module,
                        const char *file, unsigned line)
{
    assert_true(number < stack->count);
    assert_string_equal(stack->line[number].module, module);
    assert_string_equal(stack->line[number].file, file);
    assert_int_equal(stack->line[number].line, line);
}

static void lines_of_one_type(void **state)
{
    struct pam_stack stack;

    put(*state, "/etc/pam.d/sshd",
        "# a comment\n"
        "\n"
        "auth required a.so one  two # three\n"
        "-AUTH\t[success=1 default=ignore]\t/lib/x/b.so\n"
        "session optional c.so\n");
    read_stack(*state, "auth", &stack);
    assert_int_equal(stack.count, 2);
    assert_null(stack.problem);
    assert_line(&stack, 0, "a.so", "/etc/pam.d/sshd", 3);
    assert_string_equal(stack.line[0].control, "required");
    assert_true(pam_line_has(&stack.line[0], "one"));
    assert_true(pam_line_has(&stack.line[0], "two"));
    assert_false(pam_line_has(&stack.line[0], "tw"));
    assert_false(pam_line_has(&stack.line[0], "three"));
    assert_line(&stack, 1, "/lib/x/b.so", "/etc/pam.d/sshd", 4);
    assert_true(pam_line_is(&stack.line[1], "b.so"));
    assert_string_equal(stack.line[1].control, "[success=1 default=ignore]");
    pam_stack_free(&stack);
    read_stack(*state, "session", &stack);
    assert_int_equal(stack.count, 1);
    assert_line(&stack, 0, "c.so", "/etc/pam.d/sshd", 5);
    pam_stack_free(&stack);
}

static void inclusion_is_followed(void **state)
{
    struct pam_stack stack;

    put(*state, "/etc/pam.d/sshd",
        "auth required first.so\n"
        "@include common-auth\n"
        "auth substack inner\n"
        "auth required last.so\n"
        "session include inner\n");
    put(*state, "/etc/pam.d/common-auth", "session required too.so\nauth required common.so\n");
    put(*state, "/usr/lib/pam.d/inner", "auth include deeper\nsession required s.so\n");
    put(*state, "/etc/pam.d/deeper", "\nauth required deep.so\n");
    read_stack(*state, "auth", &stack);
    assert_null(stack.problem);
    assert_int_equal(stack.count, 5);
    assert_line(&stack, 1, "common.so", "/etc/pam.d/common-auth", 2);
    assert_int_equal(stack.line[1].origin, 2);
    assert_int_equal(stack.line[1].level, 0);
    assert_line(&stack, 2, "", "/etc/pam.d/sshd", 3);
    assert_int_equal(stack.line[2].kind, PAM_LINE_SUBSTACK);
    assert_int_equal(stack.line[2].level, 0);
    assert_line(&stack, 3, "deep.so", "/etc/pam.d/deeper", 2);
    assert_int_equal(stack.line[3].origin, 3);
    assert_int_equal(stack.line[3].level, 1);
    assert_int_equal(stack.line[4].level, 0);
    pam_stack_free(&stack);
    read_stack(*state, "session", &stack);
    assert_int_equal(stack.count, 2);
    assert_line(&stack, 0, "too.so", "/etc/pam.d/common-auth", 1);
    assert_line(&stack, 1, "s.so", "/usr/lib/pam.d/inner", 2);
    pam_stack_free(&stack);
}

static void lines_that_are_continued(void **state)
{
    struct pam_stack stack;

    put(*state, "/etc/pam.d/sshd",
        "auth \\\n  required \\\n  a.so x\\\ny\nauth required b.so # \\\nauth required c.so");
    read_stack(*state, "auth", &stack);
    assert_int_equal(stack.count, 3);
    assert_line(&stack, 0, "a.so", "/etc/pam.d/sshd", 1);
    assert_string_equal(stack.line[0].arguments, "x y");
    assert_line(&stack, 1, "b.so", "/etc/pam.d/sshd", 5);
    assert_line(&stack, 2, "c.so", "/etc/pam.d/sshd", 6);
    pam_stack_free(&stack);
}

static void assert_problem(const char *root, unsigned line, const char *what)
{
    struct pam_stack stack;

    read_stack(root, "auth", &stack);
    assert_non_null(stack.problem);
    if (strstr(stack.problem, what) == NULL)
        fail_msg("\"%s\" has no \"%s\"", stack.problem, what);
    assert_int_equal(stack.problem_line, line);
    pam_stack_free(&stack);
}

static void what_libpam_cannot_follow(void **state)
{
    put(*state, "/etc/pam.d/sshd", "auth required a.so\n@include nowhere\n");
    assert_problem(*state, 2, "nowhere, which does not exist");
    put(*state, "/etc/pam.d/sshd", "\n@include sshd\n");
    assert_problem(*state, 2, "includes sshd recursively");
    put(*state, "/etc/pam.d/sshd", "auth substack other\n");
    put(*state, "/etc/pam.d/other", "\n\nauth include sshd\nauth include sshd\n");
    assert_problem(*state, 3, "includes sshd recursively");
    for (int i = 0; i < 20; i++) {
        char path[32], text[64];
        snprintf(path, sizeof path, "/etc/pam.d/deep%d", i);
        snprintf(text, sizeof text, "@include deep%d\n", i + 1);
        put(*state, path, text);
    }
    put(*state, "/etc/pam.d/sshd", "@include deep0\n");
    assert_problem(*state, 1, "levels deep");
    for (int i = 0; i < 14; i++) {
        char path[32], text[256] = "auth required a.so\n";
        snprintf(path, sizeof path, "/etc/pam.d/wide%d", i);
        for (int k = 0; i < 13 && k < 4; k++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "auth include wide%d\n",
                     i + 1);
        put(*state, path, text);
    }
    put(*state, "/etc/pam.d/sshd", "auth include wide0\n");
    assert_problem(*state, 0, "more than 1000 inclusions");
    put(*state, "/etc/pam.d/sshd", "\nauht required a.so\n");
    assert_problem(*state, 2, "\"auht\" is not a PAM type");
    put(*state, "/etc/pam.d/sshd", "auth required\n");
    assert_problem(*state, 1, "incomplete");
    put(*state, "/etc/pam.d/sshd", "@include\n");
    assert_problem(*state, 1, "without a file name");
    put_directory(*state, "/etc/pam.d/directory");
    put(*state, "/etc/pam.d/sshd", "@include directory\n");
    assert_problem(*state, 0, "is not a regular file");
}

static void text_of_any_kind(void **state)
{
    const struct host host = {.root = *state};
    static const char nul[] = "auth required a.so\0b.so\nauth required c.so\n";
    struct pam_stack stack;
    char *huge = malloc(300000);

    assert_int_equal(pam_stack_read(&host, "sshd", "auth", &stack), PAM_STACK_ABSENT);
    pam_stack_free(&stack);
    put_bytes(*state, "/etc/pam.d/sshd", nul, sizeof nul - 1);
    read_stack(*state, "auth", &stack);
    assert_int_equal(stack.count, 2);
    assert_line(&stack, 0, "a.so", "/etc/pam.d/sshd", 1);
    pam_stack_free(&stack);
    assert_non_null(huge);
    memset(huge, 'x', 299999);
    huge[299999] = '\0';
    put(*state, "/etc/pam.d/sshd", huge);
    assert_problem(*state, 1, "longer than 1,023 bytes");
    huge[1023] = '\0';
    put(*state, "/etc/pam.d/sshd", huge);
    assert_problem(*state, 1, "is not a PAM type");
    memcpy(huge, "auth [", 6);
    put(*state, "/etc/pam.d/sshd", huge);
    assert_problem(*state, 1, "incomplete");
    put(*state, "/etc/pam.d/sshd", "auth [a\\");
    assert_problem(*state, 1, "the file ends");
    free(huge);
}

static void faillock(void **state)
{
    const struct host host = {.root = *state};
    struct pam_stack stack;
    struct faillock faillock;

    put(*state, "/etc/pam.d/sshd", "auth required pam_unix.so deny=9\n");
    read_stack(*state, "auth", &stack);
    faillock_read(&host, &stack, &faillock);
    assert_false(faillock.used);
    pam_stack_free(&stack);

    put(*state, "/etc/pam.d/sshd", "auth required pam_faillock.so preauth unlock_time=60\n");
    put(*state, "/etc/security/faillock.conf",
        "# deny = 9\ndeny = 5\n\n  unlock_time=never\neven_deny_root\n");
    read_stack(*state, "auth", &stack);
    faillock_read(&host, &stack, &faillock);
    assert_true(faillock.used);
    assert_int_equal(faillock.deny.value, 5);
    assert_int_equal(faillock.deny.line, 2);
    assert_false(faillock.deny.on_pam_line);
    assert_string_equal(faillock.deny.file, "/etc/security/faillock.conf");
    assert_int_equal(faillock.unlock_time.value, 60);
    assert_true(faillock.unlock_time.on_pam_line);
    assert_int_equal(faillock.fail_interval.value, 900);
    assert_string_equal(faillock.fail_interval.file, "");
    assert_int_equal(faillock.even_deny_root.value, 1);
    assert_int_equal(faillock.even_deny_root.line, 5);
    pam_stack_free(&stack);

    put(*state, "/etc/pam.d/sshd", "auth required pam_faillock.so authfail conf=/etc/other.conf\n");
    put(*state, "/etc/other.conf", "unlock_time = 0\n");
    read_stack(*state, "auth", &stack);
    faillock_read(&host, &stack, &faillock);
    assert_int_equal(faillock.deny.value, 3);
    assert_int_equal(faillock.unlock_time.value, INT64_MAX);
    pam_stack_free(&stack);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(lines_of_one_type),        WITH_DIRECTORY(inclusion_is_followed),
        WITH_DIRECTORY(lines_that_are_continued), WITH_DIRECTORY(what_libpam_cannot_follow),
        WITH_DIRECTORY(text_of_any_kind),         WITH_DIRECTORY(faillock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
