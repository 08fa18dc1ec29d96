/* tmoutctl status: what it prints of a host's facts, and its exit status. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"
#include "tests/unit/tools/tmoutctl/captured.h"

#include "tools/tmoutctl/verbs/verbs.h"

#define SSHD_PAM "/etc/pam.d/sshd"
#define PLAIN    "default {\n    max_attempts = 5\n}\n"

enum { OPTION_OPENMETRICS };

/* Nothing that depends on the machine of this test: tmoutd is not needed. */
static void put_plain_policy(struct audited_host *host)
{
    put_policy(host, PLAIN);
    apply_policy(host);
}

static void assert_status(struct audited_host *host, bool metrics, int status, const char *part)
{
    const struct verb_arguments arguments = {
        .option = {[OPTION_OPENMETRICS] = metrics ? "" : NULL}};
    struct captured captured;
    const int got = verb_run_with(&verb_status, &host->context, &arguments, &captured);

    assert_contains(captured.out, part);
    assert_string_equal(captured.err, "");
    assert_int_equal(got, status);
    captured_free(&captured);
}

static void all_is_well(void **state)
{
    struct audited_host *host = *state;
    char part[512];

    put_plain_policy(host);
    snprintf(part, sizeof part, "\n            %s\nPAM       lines in place\n",
             host->context.config_path);
    assert_status(host, false, TMOUTCTL_FINE, part);
    assert_status(host, false, TMOUTCTL_FINE,
                  "\nlogins    0\nattempts  0 users locked\naudit     0 failed\n");
    assert_status(host, true, TMOUTCTL_FINE,
                  "# TYPE tmout_policy_in_force gauge\ntmout_policy_in_force 1\n");
    assert_status(host, true, TMOUTCTL_FINE, "tmout_audit_findings{status=\"fail\"} 0\n# EOF\n");
}

static void two_checks_that_fail(void **state)
{
    struct audited_host *host = *state;

    put_plain_policy(host);
    put(host->root, SSHD_PAM, GOOD_STACK SESSION_LINE);
    put(host->root, "/proc/sys/dev/tty/legacy_tiocsti", "1\n");
    assert_status(host, false, TMOUTCTL_NO, "\nPAM       1 check failed\n");
    assert_status(host, false, TMOUTCTL_NO,
                  "\naudit     1 failed: pam-twice; 1 warning (tmoutctl audit explains)\n");
}

static void no_policy(void **state)
{
    struct audited_host *host = *state;

    remove_file(host, STATE_NAME "/policy.v1");
    put_policy(host, "broken\n");
    assert_status(host, false, TMOUTCTL_NO, "policy    none in force: ");
    assert_status(host, true, TMOUTCTL_NO, "\ntmout_policy_in_force 0\n");
    assert_status(host, true, TMOUTCTL_NO, "\ntmout_policy_rejected 1\n");
}

static void as_json(void **state)
{
    struct audited_host *host = *state;
    const struct verb_arguments none = {0};

    put_plain_policy(host);
    json_t *value = verb_json(&verb_status, &host->context, &none);
    assert_int_equal(json_number_at(value, "version"), 1);
    assert_true(json_is_true(json_object_get(value, "fine")));
    assert_string_equal(json_text_at(json_object_get(value, "policy"), "state"), "in force");
    json_decref(value);
    remove_file(host, STATE_NAME "/policy.v1");
    put_policy(host, "broken\n");
    value = verb_json(&verb_status, &host->context, &none);
    assert_string_equal(json_text_at(json_object_get(value, "policy"), "state"), "none");
    assert_string_equal(json_text_at(json_object_get(value, "policy"), "since_time"), "null");
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOST(all_is_well),
        WITH_HOST(two_checks_that_fail),
        WITH_HOST(no_policy),
        WITH_HOST(as_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
