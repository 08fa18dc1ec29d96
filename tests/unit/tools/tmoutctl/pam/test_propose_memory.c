/* Fixes for PAM are looked for when memory is short. */
#include "tests/unit/host_tree.h"
#include "tests/unit/out_of_memory.h"

#include "tools/tmoutctl/pam/propose.h"

/* What is offered must be proven; without memory, that may be nothing. */
static int read_and_propose(void *root)
{
    const struct host host = {.root = root};
    struct pam_services services;
    struct failure why = {""};
    size_t first = 0;
    int result = pam_services_read(&host, &services);

    if (result == 0 && pam_propose(&services, "sshd", PAM_TYPE_AUTH, &first, &why) != PAM_OFFERED)
        result = -1;
    pam_services_free(&services);
    return result;
}

static void every_allocation_fails_once(void **state)
{
    put(*state, "/etc/pam.d/sshd", "auth required pam_unix.so\n");
    assert_true(with_each_allocation_failing(read_and_propose, *state) > 40);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(every_allocation_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
