/* The lines of the log, and how often they are written. */
#include "tests/unit/tools/tmoutd/log_capture.h"

#include "tools/tmoutd/log.h"
#include "tools/tmoutd/log_text.h"

#include <syslog.h>

static const struct user_limits limits = {
    .terminal = {600000, 3600000, 60000},
    .notty = {300000, 3600000, 0},
    .rule = {[RULE_OF_DISCONNECT] = "/etc/a.conf:1",
             [RULE_OF_AGE] = "/etc/a.conf:2",
             [RULE_OF_NOTTY] = "/etc/a.conf:3"},
};

static const struct session_record login = {
    .user = "kim", .service = "sshd", .address = "192.0.2.1"};

static void assert_line(enum watch_reason reason, enum limit_rule idle_rule, const char *terminal,
                        int64_t idle_ms, const char *expected)
{
    const struct disconnect disconnect = {&login, terminal, reason, idle_rule, idle_ms};
    struct log_entry entry;

    log_text_disconnect(&disconnect, &limits, &entry);
    assert_string_equal(entry.text, expected);
    assert_int_equal(entry.event, LOG_EVENT_DISCONNECTED);
    assert_int_equal(entry.priority, LOG_NOTICE);
}

static void disconnects(void **state)
{
    (void)state;
    assert_line(REASON_IDLE, RULE_OF_DISCONNECT, "pts/3", 601999,
                "disconnected, idle for too long user=kim address=192.0.2.1 service=sshd "
                "terminal=pts/3 idle=10m1s limit=10m setting=disconnect rule=/etc/a.conf:1");
    assert_line(REASON_IDLE, RULE_OF_NOTTY, "-", 300000,
                "disconnected, idle for too long user=kim address=192.0.2.1 service=sshd "
                "terminal=- idle=5m limit=5m setting=disconnect_notty rule=/etc/a.conf:3");
    assert_line(REASON_AGE, RULE_OF_DISCONNECT, "pts/3", 1000,
                "disconnected, the login has reached its maximum age user=kim address=192.0.2.1 "
                "service=sshd terminal=pts/3 idle=1s limit=1h setting=max_session "
                "rule=/etc/a.conf:2");
}

/* The last activity may be a few seconds in the future. */
static void negative_idle_time(void **state)
{
    (void)state;
    assert_line(REASON_AGE, RULE_OF_NOTTY, "-", -7000,
                "disconnected, the login has reached its maximum age user=kim address=192.0.2.1 "
                "service=sshd terminal=- idle=0 limit=1h setting=max_session "
                "rule=/etc/a.conf:2");
}

static void conditions_are_logged_when_they_begin(void **state)
{
    bool lasts = false;

    (void)state;
    assert_false(log_begins(&lasts, false));
    assert_true(log_begins(&lasts, true));
    assert_false(log_begins(&lasts, true));
    assert_false(log_begins(&lasts, false));
    assert_true(log_begins(&lasts, true));
}

static void lines(void **state)
{
    (void)state;
    log_clear();
    log_line(LOG_ERR, "%s %d%%", "a line", 7);
    assert_string_equal(logged, "<3> a line 7%\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disconnects),
        cmocka_unit_test(negative_idle_time),
        cmocka_unit_test(conditions_are_logged_when_they_begin),
        cmocka_unit_test(lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
