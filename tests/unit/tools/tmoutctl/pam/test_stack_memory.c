/* PAM stacks are read when memory is short. */
#include "tests/unit/host_tree.h"
#include "tests/unit/out_of_memory.h"

#include "tools/tmoutctl/pam/stack.h"

static int read_and_free(void *root)
{
    const struct host host = {.root = root};
    struct pam_stack stack;
    const enum pam_stack_status status = pam_stack_read(&host, "sshd", "auth", &stack);

    for (size_t i = 0; i < stack.count; i++)
        assert_true(stack.line[i].control != NULL && stack.line[i].module != NULL &&
                    stack.line[i].arguments != NULL && stack.line[i].file != NULL);
    pam_stack_free(&stack);
    return status == PAM_STACK_OK ? 0 : -1;
}

static void every_allocation_fails_once(void **state)
{
    put(*state, "/etc/pam.d/sshd",
        "auth requisite pam_tmout.so\n@include common-auth\nauth substack inner\nauth nonsense\n");
    put(*state, "/etc/pam.d/common-auth",
        "auth [success=1 default=ignore] \\\n  pam_unix.so nullok\nauth requisite pam_deny.so\n");
    put(*state, "/etc/pam.d/inner", "auth required pam_env.so\nauth include missing\n");
    assert_true(with_each_allocation_failing(read_and_free, *state) > 4 * 4);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(every_allocation_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
