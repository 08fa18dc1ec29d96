/* What the control of a PAM line makes of a module's results. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/pam/control.h"

#include <stdlib.h>

/* The actions for success, new_authtok_reqd, ignore, auth_err, service_err and
 * module_unknown. */
static const int asked[] = {PAM_SUCCESS,  PAM_NEW_AUTHTOK_REQD, PAM_IGNORE,
                            PAM_AUTH_ERR, PAM_SERVICE_ERR,      PAM_MODULE_UNKNOWN};
enum { ASKED = sizeof asked / sizeof *asked };

#define IGN ACTION_IGNORE
#define OK  ACTION_OK
#define DON ACTION_DONE
#define BAD ACTION_BAD
#define DIE ACTION_DIE
#define RES ACTION_RESET

static const struct {
    const char *control;
    int action[ASKED];
    bool valid, never_blocks, rejects_at_once;
} cases[] = {
    {"optional", {OK, OK, IGN, IGN, IGN, IGN}, true, true, false},
    {"OPTIONAL", {OK, OK, IGN, IGN, IGN, IGN}, true, true, false},
    {"required", {OK, OK, IGN, BAD, BAD, BAD}, true, false, false},
    {"requisite", {OK, OK, IGN, DIE, DIE, DIE}, true, false, true},
    {"[Requisite]", {OK, OK, IGN, DIE, DIE, DIE}, true, false, true},
    {"sufficient", {DON, DON, IGN, IGN, IGN, IGN}, true, false, false},
    {"unknown", {BAD, BAD, BAD, BAD, BAD, BAD}, false, false, false},
    {"require", {BAD, BAD, BAD, BAD, BAD, BAD}, false, false, false},
    /* What is not named is bad. */
    {"[success=ok]", {OK, BAD, BAD, BAD, BAD, BAD}, true, false, false},
    {"[]", {BAD, BAD, BAD, BAD, BAD, BAD}, true, false, false},
    {"[ default=ignore ]", {IGN, IGN, IGN, IGN, IGN, IGN}, true, true, false},
    {"success=ok", {OK, BAD, BAD, BAD, BAD, BAD}, true, false, false},
    {"[success=ok default=ignore]", {OK, IGN, IGN, IGN, IGN, IGN}, true, true, false},
    {"[success=ok\tnew_authtok_reqd=ok\tdefault=ignore]",
     {OK, OK, IGN, IGN, IGN, IGN},
     true,
     true,
     false},
    /* Blanks may be anywhere but in a word, and need not be there. */
    {"[ success = ok default=die ignore= ignore]",
     {OK, DIE, IGN, DIE, DIE, DIE},
     true,
     false,
     true},
    {"[success=okdefault=die]", {OK, DIE, DIE, DIE, DIE, DIE}, true, false, false},
    /* The first default counts, and what is named before or after it. */
    {"[default=bad default=ok auth_err=reset]", {BAD, BAD, BAD, RES, BAD, BAD}, true, false, false},
    {"[success=ok ignore=ignore module_unknown=ignore default=die]",
     {OK, DIE, IGN, DIE, DIE, IGN},
     true,
     false,
     true},
    {"[auth_err=die service_err=bad authinfo_unavail=die ignore=ignore]",
     {BAD, BAD, IGN, DIE, BAD, BAD},
     true,
     false,
     false},
    {"[success=done default=ignore]", {DON, IGN, IGN, IGN, IGN, IGN}, true, false, false},
    {"[success=2 new_authtok_reqd=10 default=3]", {2, 10, 3, 3, 3, 3}, true, false, false},
    {"[success=007 default=bad]", {7, BAD, BAD, BAD, BAD, BAD}, true, false, false},
    /* One mistake, and every result is a failure. */
    {"[success=ok nonsense default=ignore]", {BAD, BAD, BAD, BAD, BAD, BAD}, false, false, false},
    {"[success=okay default=ignore]", {BAD, BAD, BAD, BAD, BAD, BAD}, false, false, false},
    {"[success=0 default=ignore]", {BAD, BAD, BAD, BAD, BAD, BAD}, false, false, false},
    {"[success=-1 default=ignore]", {BAD, BAD, BAD, BAD, BAD, BAD}, false, false, false},
    {"[success=4294967297 default=ok]", {BAD, BAD, BAD, BAD, BAD, BAD}, false, false, false},
    {"[success default=ok]", {BAD, BAD, BAD, BAD, BAD, BAD}, false, false, false},
    {"[success=]", {BAD, BAD, BAD, BAD, BAD, BAD}, false, false, false},
    {"[Success=ok default=ok]", {BAD, BAD, BAD, BAD, BAD, BAD}, false, false, false},
    /* The name in older manuals; libpam's own is another. */
    {"[authtok_recovery_err=ok default=ok]", {BAD, BAD, BAD, BAD, BAD, BAD}, false, false, false},
    {"[authtok_recover_err=die default=ok]", {OK, OK, OK, OK, OK, OK}, true, false, false},
};

static void every_control(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *control = cases[i].control;
        int action[PAM_RESULTS];
        if (pam_control_parse(control, action) != cases[i].valid)
            fail_msg("%s: valid", control);
        for (size_t k = 0; k < ASKED; k++)
            if (action[asked[k]] != cases[i].action[k])
                fail_msg("%s: action %d for %d", control, action[asked[k]], asked[k]);
        if (pam_control_never_blocks(control) != cases[i].never_blocks)
            fail_msg("%s: never blocks", control);
        if (pam_control_rejects_at_once(control) != cases[i].rejects_at_once)
            fail_msg("%s: rejects at once", control);
    }
}

static int one_more(int jump, const void *context)
{
    return jump > *(const int *)context ? jump + 1 : jump;
}

static void jumps_are_moved(void **state)
{
    static const struct {
        const char *control, *moved;
    } moves[] = {{"required", "required"},
                 {"[success=2 default=ignore]", "[success=3 default=ignore]"},
                 {"[success=1 new_authtok_reqd= 2\tdefault=9]",
                  "[success=1 new_authtok_reqd= 3\tdefault=10]"},
                 {"[default=99 success=ok]", "[default=100 success=ok]"}};
    const int shorter = 1;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(moves); i++) {
        char *moved = pam_control_move_jumps(moves[i].control, one_more, &shorter);
        assert_non_null(moved);
        assert_string_equal(moved, moves[i].moved);
        free(moved);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(every_control),
                                              cmocka_unit_test(jumps_are_moved)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
