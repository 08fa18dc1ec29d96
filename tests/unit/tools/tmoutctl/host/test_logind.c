/* How long logind lets a session be idle: which file counts, and time spans. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/host/logind.h"

static void time_spans(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"30", 30},        {"30min", 1800}, {"1h 30min", 5400},      {"1h30m", 5400},
        {"2 hours", 7200}, {"500ms", 1},    {"infinity", INT64_MAX}, {"1.5h", 3600},
        {"1d", 86400},     {" 0 ", 0},
    };
    static const char *const wrong[] = {"", "abc", "-1", "1x", "99999999999999999999", "1 y2k"};
    int64_t seconds;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(time_span_parse(cases[i].text, &seconds), 0);
        assert_int_equal(seconds, cases[i].seconds);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(time_span_parse(wrong[i], &seconds), -1);
}

static void assert_idle(const char *root, int64_t limit_sec, const char *file, unsigned line)
{
    struct idle_session idle;

    assert_int_equal(idle_session_read(root, &idle), 0);
    assert_int_equal(idle.limit_sec, limit_sec);
    assert_string_equal(idle.file, file);
    assert_int_equal(idle.line, line);
}

static void precedence(void **state)
{
    assert_idle(*state, INT64_MAX, "", 0);
    put(*state, "/usr/lib/systemd/logind.conf", "[Login]\nStopIdleSessionSec=1h\n");
    assert_idle(*state, 3600, "/usr/lib/systemd/logind.conf", 2);
    put(*state, "/etc/systemd/logind.conf",
        "[Other]\nStopIdleSessionSec=7\n[Login]\n#StopIdleSessionSec=8\nStopIdleSessionSecs=9\n");
    assert_idle(*state, INT64_MAX, "", 0);
    put(*state, "/usr/lib/systemd/logind.conf.d/50.conf", "[Login]\nStopIdleSessionSec = 20min\n");
    assert_idle(*state, 1200, "/usr/lib/systemd/logind.conf.d/50.conf", 2);
    put(*state, "/etc/systemd/logind.conf.d/40.conf", "[Login]\nStopIdleSessionSec=5\n");
    assert_idle(*state, 1200, "/usr/lib/systemd/logind.conf.d/50.conf", 2);
    put(*state, "/etc/systemd/logind.conf.d/50.conf", "[Login]\n\nStopIdleSessionSec=10min\n");
    assert_idle(*state, 600, "/etc/systemd/logind.conf.d/50.conf", 3);
    put(*state, "/run/systemd/logind.conf.d/60.conf", "[Login]\nStopIdleSessionSec=wrong\n");
    assert_idle(*state, 600, "/etc/systemd/logind.conf.d/50.conf", 3);
    put(*state, "/run/systemd/logind.conf.d/60.conf", "[Login]\nStopIdleSessionSec=\n");
    assert_idle(*state, INT64_MAX, "/run/systemd/logind.conf.d/60.conf", 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(time_spans),
                                              WITH_DIRECTORY(precedence)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
