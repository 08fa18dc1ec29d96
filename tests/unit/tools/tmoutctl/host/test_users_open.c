/* What is refused to programs that users start: nothing, where nobody is asked. That of somebody
 * who is asked is in tests/e2e/audit_pam.t, as it takes root. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/host/users_open.h"

#include <unistd.h>

static void nothing_is_refused(void **state)
{
    const uid_t uid = getuid();

    (void)state;
    assert_false(users_open_is_refused("/proc/self/exe"));
    assert_false(users_open_is_refused("/nonexistent"));
    assert_false(users_open_is_refused("/"));
    assert_int_equal(getuid(), uid);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
