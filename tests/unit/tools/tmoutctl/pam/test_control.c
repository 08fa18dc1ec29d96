/* What the control of a PAM line makes of a module's results. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/pam/control.h"

static const struct {
    const char *control;
    bool never_blocks, rejects_at_once, ends_on_success;
    unsigned long jump;
} cases[] = {
    {"optional", true, false, false, 0},
    {"OPTIONAL", true, false, false, 0},
    {"required", false, false, false, 0},
    {"requisite", false, true, false, 0},
    {"Requisite", false, true, false, 0},
    {"sufficient", false, false, true, 0},
    {"unknown", false, false, false, 0},
    /* What is not named is bad. */
    {"[success=ok]", false, false, false, 0},
    {"[]", false, false, false, 0},
    {"[", false, false, false, 0},
    {"[ default=ignore ]", true, false, false, 0},
    {"[success=ok default=ignore]", true, false, false, 0},
    {"[success=ok\tnew_authtok_reqd=ok\tdefault=ignore]", true, false, false, 0},
    {"[success=ok session_err=bad default=ignore]", false, false, false, 0},
    {"[success=ok ignore=ignore]", false, false, false, 0},
    {"[success=ok nonsense default=ignore]", false, false, false, 0},
    {"[default=die]", false, false, false, 0},
    {"[success=ok ignore=ignore default=die]", false, true, false, 0},
    {"[auth_err=die service_err=die ignore=ignore]", false, true, false, 0},
    {"[auth_err=bad service_err=die ignore=ignore]", false, false, false, 0},
    {"[auth_err=die service_err=bad ignore=ignore]", false, false, false, 0},
    {"[auth_err=die service_err=die ignore=ok]", false, false, false, 0},
    {"[success=done default=ignore]", false, false, true, 0},
    {"[ignore=done default=bad]", false, false, true, 0},
    {"[success=ok default=done]", false, false, true, 0},
    {"[success=ok ignore=ignore default=done]", false, false, false, 0},
    {"[auth_err=done default=ignore]", false, false, false, 0},
    {"[success=1 default=ignore]", false, false, false, 1},
    {"[success=2 new_authtok_reqd=10 default=3]", false, false, false, 10},
    {"[default=0]", false, false, false, 0},
    {"success=7", false, false, false, 0},
};

static void every_control(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *control = cases[i].control;
        if (pam_control_never_blocks(control) != cases[i].never_blocks)
            fail_msg("%s: never blocks", control);
        if (pam_control_rejects_at_once(control) != cases[i].rejects_at_once)
            fail_msg("%s: rejects at once", control);
        if (pam_control_ends_on_success(control) != cases[i].ends_on_success)
            fail_msg("%s: ends on success", control);
        if (pam_control_jump(control) != cases[i].jump)
            fail_msg("%s: jumps over %lu", control, pam_control_jump(control));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(every_control)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
