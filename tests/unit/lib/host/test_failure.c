/* Why something could not be done. */
#include "tests/unit/check.h"

#include "lib/host/failure.h"

static void what_denies_root(void **state)
{
    (void)state;
    assert_string_equal(failure_reason(ENOENT), strerror(ENOENT));
    if (geteuid() != 0) {
        assert_string_equal(failure_reason(EACCES), strerror(EACCES));
        return;
    }
    assert_string_equal(failure_reason(EACCES), "denied by SELinux or another MAC policy");
    assert_int_equal(seteuid(65534), 0);
    assert_string_equal(failure_reason(EACCES), strerror(EACCES));
    assert_int_equal(seteuid(0), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(what_denies_root)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
