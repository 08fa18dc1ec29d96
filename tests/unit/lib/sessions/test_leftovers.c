/* What a login leaves behind. */
#include "tests/unit/check.h"

#include "lib/sessions/leftovers.h"

#include <signal.h>
#include <string.h>

static void places(void **state)
{
    static const struct {
        const char *text;
        enum process_place place;
        const char *scope;
    } cases[] = {
        {"", PLACE_NO_UNIT, ""},
        {"0::/\n", PLACE_NO_UNIT, ""},
        {"0::/system.slice/ssh.service\n", PLACE_NO_UNIT, ""},
        {"0::/user.slice/user-1000.slice/session-12.scope\n", PLACE_SESSION, "session-12.scope"},
        {"0::/user.slice/user-1000.slice/session-c3.scope/below\n", PLACE_SESSION,
         "session-c3.scope"},
        /* a unit of the user's manager, in a container or not */
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", PLACE_UNIT, ""},
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope\n", PLACE_UNIT,
         ""},
        {"0::/machine.slice/libpod-1.scope\n", PLACE_UNIT, ""},
        /* a user can choose names below their manager only */
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/session-12.scope/a.scope\n",
         PLACE_UNIT, ""},
        {"0::/machine.slice/debian.scope/payload/user.slice/session-3.scope\n", PLACE_UNIT, ""},
        {"0::/session-.scope\n", PLACE_UNIT, ""},
        /* version 1, and both */
        {"12:cpu:/user.slice\n1:name=systemd:/user.slice/user-0.slice/session-1.scope\n",
         PLACE_SESSION, "session-1.scope"},
        {"1:name=systemd:/user.slice/session-7.scope\n0::/user.slice/session-7.scope\n",
         PLACE_SESSION, "session-7.scope"},
        {"1:name=systemd:/user.slice/session-7.scope\n0::/\n", PLACE_SESSION, "session-7.scope"},
        {"4:memory:/x/session-1.scope\n0::/\n", PLACE_NO_UNIT, ""},
        {"0::relative", PLACE_NO_UNIT, ""},
        {"nonsense", PLACE_NO_UNIT, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char scope[SCOPE_MAX];
        memset(scope, 'x', sizeof scope);
        const enum process_place place = process_place(cases[i].text, scope);
        if (place != cases[i].place || strcmp(scope, cases[i].scope) != 0)
            fail_msg("%s: %d %s", cases[i].text, (int)place, scope);
    }
}

static void a_scope_that_is_too_long(void **state)
{
    char text[256] = "0::/session-", scope[SCOPE_MAX];

    (void)state;
    memset(text + strlen(text), '1', 100);
    strcat(text, ".scope");
    assert_int_equal(process_place(text, scope), PLACE_UNIT);
    assert_string_equal(scope, "");
}

static void who_was_left_behind(void **state)
{
    static const struct login_trace with_both = {5, 1000, "session-5.scope"},
                                    audit_only = {5, 1000, ""}, roots = {5, 0, ""},
                                    nobodys = {5, NO_UID, ""},
                                    scope_only = {NO_AUDIT_SESSION, 1000, "session-c5.scope"},
                                    neither = {NO_AUDIT_SESSION, 1000, ""};
    static const struct {
        const struct login_trace *trace;
        struct leftover_evidence evidence;
        bool is_leftover;
    } cases[] = {
        {&with_both, {5, PLACE_SESSION, "session-5.scope", NO_UID}, true},
        /* another login, even of the same user, and even in the same unit */
        {&with_both, {6, PLACE_SESSION, "session-5.scope", 1000}, false},
        {&with_both, {6, PLACE_SESSION, "session-6.scope", 1000}, false},
        {&with_both, {5, PLACE_SESSION, "session-6.scope", 1000}, false},
        {&with_both, {NO_AUDIT_SESSION, PLACE_SESSION, "session-5.scope", 1000}, false},
        /* a system service that was started by hand, a unit of the user's manager */
        {&with_both, {5, PLACE_NO_UNIT, "", 0}, false},
        {&with_both, {5, PLACE_NO_UNIT, "", 1000}, false},
        {&with_both, {5, PLACE_UNIT, "", 1000}, false},

        /* without logind: the user's own processes, and not root's */
        {&audit_only, {5, PLACE_NO_UNIT, "", 1000}, true},
        {&audit_only, {5, PLACE_NO_UNIT, "", 0}, false},
        {&audit_only, {5, PLACE_NO_UNIT, "", 1001}, false},
        {&audit_only, {5, PLACE_NO_UNIT, "", NO_UID}, false},
        {&audit_only, {6, PLACE_NO_UNIT, "", 1000}, false},
        {&audit_only, {NO_AUDIT_SESSION, PLACE_NO_UNIT, "", 1000}, false},
        {&audit_only, {5, PLACE_UNIT, "", 1000}, false},
        {&roots, {5, PLACE_NO_UNIT, "", 0}, false},
        {&nobodys, {5, PLACE_NO_UNIT, "", NO_UID}, false},
        /* with logind, but the unit is not known any more */
        {&audit_only, {5, PLACE_SESSION, "session-5.scope", 0}, true},

        /* without audit */
        {&scope_only, {NO_AUDIT_SESSION, PLACE_SESSION, "session-c5.scope", 0}, true},
        {&scope_only, {NO_AUDIT_SESSION, PLACE_SESSION, "session-c6.scope", 1000}, false},
        {&scope_only, {NO_AUDIT_SESSION, PLACE_NO_UNIT, "", 1000}, false},
        {&scope_only, {7, PLACE_SESSION, "session-c5.scope", 1000}, false},

        /* nobody can tell */
        {&neither, {NO_AUDIT_SESSION, PLACE_NO_UNIT, "", 1000}, false},
        {&neither, {NO_AUDIT_SESSION, PLACE_SESSION, "session-c5.scope", 1000}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (is_leftover(cases[i].trace, &cases[i].evidence) != cases[i].is_leftover)
            fail_msg("case %zu", i);
    assert_true(trace_is_usable(&with_both) && trace_is_usable(&audit_only) &&
                trace_is_usable(&scope_only));
    assert_false(trace_is_usable(&neither));
}

/* No process has this audit session or this unit. */
static void nothing_left_behind(void **state)
{
    static const struct login_trace trace[] = {
        {UINT32_MAX - 1, 12345, ""},
        {NO_AUDIT_SESSION, 12345, ""},
        {NO_AUDIT_SESSION, 12345, "session-nobodys.scope"},
    };
    struct leftover_terminal terminal[LEFTOVER_TERMINALS_MAX];
    struct leftovers_found found;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(trace); i++) {
        assert_int_equal(leftovers_terminate(&trace[i]), 0);
        size_t moving = 1;
        assert_int_equal(leftovers_stop(&trace[i], &moving), 0);
        assert_int_equal(moving, 0);
        assert_int_equal(leftovers_kill(&trace[i]), 0);
        assert_int_equal(leftovers_find(&trace[i], terminal, &found), 0);
        assert_int_equal(found.process_count, 0);
        assert_int_equal(found.terminal_count, 0);
    }
}

static void the_trace_of_a_login(void **state)
{
    struct session_record login = {.pid = getpid(), .audit_session = 5, .uid = 1000};
    struct login_trace trace;

    (void)state;
    login_trace_read(&login, &trace);
    assert_int_equal(trace.audit_session, 5);
    assert_int_equal(trace.uid, 1000);
    login.audit_session = NO_AUDIT_SESSION;
    login_trace_read(&login, &trace);
    assert_int_equal(trace.audit_session, process_audit_session(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(a_scope_that_is_too_long),
        cmocka_unit_test(who_was_left_behind),
        cmocka_unit_test(nothing_left_behind),
        cmocka_unit_test(the_trace_of_a_login),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
