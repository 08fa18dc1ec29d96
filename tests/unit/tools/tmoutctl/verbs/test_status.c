/* tmoutctl status: what it prints of a host's facts, and its exit status. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"
#include "tests/unit/tools/tmoutctl/captured.h"

#include "tools/tmoutctl/verbs/verbs.h"

#define SSHD_PAM "/etc/pam.d/sshd"
#define PLAIN    "default {\n    max_attempts = 5\n}\n"

enum { OPTION_OPENMETRICS, OPTION_OUTPUT };

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

static void into_a_file(void **state)
{
    struct audited_host *host = *state;
    char *const path = path_in(host->root, "tmout.prom");
    const struct verb_arguments arguments = {
        .option = {[OPTION_OPENMETRICS] = "", [OPTION_OUTPUT] = path}};
    struct captured captured;
    struct stat st;
    char old[16] = "";

    put_plain_policy(host);
    write_text(path, "old");
    const int reader = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(reader >= 0);
    umask(077);
    assert_int_equal(verb_run_with(&verb_status, &host->context, &arguments, &captured),
                     TMOUTCTL_FINE);
    umask(022);
    assert_string_equal(captured.out, "");
    captured_free(&captured);
    const int written = open(path, O_RDONLY | O_CLOEXEC);
    char *const text = captured_text(written);
    assert_contains(text, "\n# EOF\n");
    free(text);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(read(reader, old, sizeof old), 3); /* whoever reads now sees no mixture */
    assert_string_equal(old, "old");
    close(reader);
    free(path);
}

static void into_no_file(void **state)
{
    struct audited_host *host = *state;
    struct captured captured;
    const struct verb_arguments nowhere = {
        .option = {[OPTION_OPENMETRICS] = "", [OPTION_OUTPUT] = "/nowhere/x"}};
    const struct verb_arguments alone = {.option = {[OPTION_OUTPUT] = "/nowhere/x"}};

    put_plain_policy(host);
    assert_int_equal(verb_run_with(&verb_status, &host->context, &nowhere, &captured),
                     TMOUTCTL_FAILURE);
    assert_string_equal(captured.err,
                        "tmoutctl: /nowhere/x: cannot write: No such file or directory\n");
    captured_free(&captured);
    assert_int_equal(verb_run_with(&verb_status, &host->context, &alone, &captured),
                     TMOUTCTL_FAILURE);
    assert_contains(captured.err, "option '--output' requires '--openmetrics'\n");
    captured_free(&captured);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOST(all_is_well), WITH_HOST(two_checks_that_fail), WITH_HOST(no_policy),
        WITH_HOST(as_json),     WITH_HOST(into_a_file),          WITH_HOST(into_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
