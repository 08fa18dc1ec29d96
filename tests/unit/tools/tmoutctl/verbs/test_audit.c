/* tmoutctl audit: what it prints of its findings, and its exit status. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"
#include "tests/unit/tools/tmoutctl/captured.h"

#include "tools/tmoutctl/host/preset_file.h"
#include "tools/tmoutctl/verbs/verbs.h"

#define SSHD_PAM    "/etc/pam.d/sshd"
#define SSHD_CONFIG "/etc/ssh/sshd_config"

enum { OPTION_BASELINE, OPTION_CHECK, OPTION_PATCH };

static int audit(struct audited_host *host, const char *baseline, struct captured *captured)
{
    const struct verb_arguments arguments = {.option = {[OPTION_BASELINE] = baseline}};

    return verb_run_with(&verb_audit, &host->context, &arguments, captured);
}

static void assert_prints(struct audited_host *host, const char *baseline, int status,
                          const char *part)
{
    struct captured captured;
    const int got = audit(host, baseline, &captured);

    if (strstr(captured.out, part) == NULL)
        fail_msg("\"%s\" has no \"%s\"", captured.out, part);
    assert_string_equal(captured.err, "");
    assert_int_equal(got, status);
    captured_free(&captured);
}

/* Nothing that depends on the machine of this test: tmoutd is not needed. */
static void put_plain_policy(struct audited_host *host)
{
    put_policy(host, "default {\n    max_attempts = 5\n}\n");
    apply_policy(host);
}

/* All but those that need a host without sshd, a baseline, or a fleet. */
enum {
    FLEET_CHECKS = CHECK_BASELINE - CHECK_FLEET_CONFIG,
    CHECKS_HERE = AUDIT_CHECKS - 2 - FLEET_CHECKS
};

static void findings_as_text(void **state)
{
    struct audited_host *host = *state;
    char total[64];

    put_plain_policy(host);
    assert_prints(host, NULL, TMOUTCTL_FINE, "PASS  sshd-use-pam            sshd uses PAM\n");
    snprintf(total, sizeof total, "\n0 failed, 0 warnings, %d passed\n", CHECKS_HERE);
    assert_prints(host, NULL, TMOUTCTL_FINE, total);
    put(host->root, "/proc/sys/dev/tty/legacy_tiocsti", "1\n");
    snprintf(total, sizeof total, "\n0 failed, 1 warning, %d passed\n", CHECKS_HERE - 1);
    assert_prints(host, NULL, TMOUTCTL_FINE, total);
    put(host->root, SSHD_PAM, GOOD_STACK SESSION_LINE);
    assert_prints(host, NULL, TMOUTCTL_NO,
                  "FAIL  pam-twice               " SSHD_PAM ":5: is the second session line");
    put(host->root, SSHD_CONFIG, "UsePAM yes\nAcceptEnv LANG *\n");
    assert_prints(host, NULL, TMOUTCTL_NO,
                  SSHD_CONFIG ":2: AcceptEnv * lets clients set POSIXLY_CORRECT, with which a "
                              "shell can skip the limit\n"
                              "      fix: Keep only the other variables on the line.\n"
                              "      --- a" SSHD_CONFIG "\n      +++ b" SSHD_CONFIG "\n"
                              "      @@ -1,2 +1,2 @@\n       UsePAM yes\n"
                              "      -AcceptEnv LANG *\n      +AcceptEnv LANG\n");
    put_policy(host, "default {\n    max_attempts = 4\n}\n");
    remove_file(host, STATE_NAME "/policy.v1");
    assert_prints(host, NULL, TMOUTCTL_NO, "\n      run: tmoutctl apply\n");
}

static void only_what_is_wrong(void **state)
{
    struct audited_host *host = *state;
    struct captured captured;

    put_plain_policy(host);
    host->context.quiet = true;
    assert_int_equal(audit(host, NULL, &captured), TMOUTCTL_FINE);
    assert_string_equal(captured.out, "");
    captured_free(&captured);
    put(host->root, SSHD_PAM, GOOD_STACK "auth include a\x1b[31mb\n");
    assert_int_equal(audit(host, NULL, &captured), TMOUTCTL_NO);
    assert_string_equal(captured.out,
                        "FAIL  pam-stack               " SSHD_PAM
                        ":5: includes a?[31mb, which does not exist\n"
                        "      fix: Correct the line, or the file that it includes.\n");
    captured_free(&captured);
}

/* The finding of this check in the JSON array. */
static const json_t *find_row(const json_t *list, const char *id)
{
    size_t i;
    const json_t *row;

    json_array_foreach (list, i, row) {
        if (strcmp(json_string_value(json_object_get(row, "id")), id) == 0)
            return row;
    }
    fail_msg("no %s", id);
    return NULL;
}

static void assert_key(const json_t *row, const char *key, const char *value)
{
    assert_string_equal(json_string_value(json_object_get(row, key)), value);
}

/* Only its findings count, and an unknown one is an error. */
static void one_check(void **state)
{
    struct audited_host *host = *state;
    struct captured captured;
    struct verb_arguments arguments = {.option = {[OPTION_CHECK] = "sshd-accept-env"}};

    put_plain_policy(host);
    put(host->root, SSHD_CONFIG, "UsePAM yes\nAcceptEnv LANG *\n");
    assert_int_equal(verb_run_with(&verb_audit, &host->context, &arguments, &captured),
                     TMOUTCTL_NO);
    assert_non_null(strstr(captured.out, "\n1 failed, 0 warnings, 0 passed\n"));
    captured_free(&captured);
    arguments.option[OPTION_CHECK] = "host-mac";
    assert_int_equal(verb_run_with(&verb_audit, &host->context, &arguments, &captured),
                     TMOUTCTL_FINE);
    assert_non_null(strstr(captured.out, "\n0 failed, 0 warnings, 1 passed\n"));
    captured_free(&captured);
    arguments.option[OPTION_CHECK] = "host-";
    assert_int_equal(verb_run_with(&verb_audit, &host->context, &arguments, &captured),
                     TMOUTCTL_FAILURE);
    assert_non_null(strstr(captured.err, "there is no check \"host-\""));
    captured_free(&captured);
}

#define ACCEPT_ENV_PATCH                                                                           \
    "--- a" SSHD_CONFIG "\n+++ b" SSHD_CONFIG                                                      \
    "\n@@ -1,2 +1,2 @@\n UsePAM yes\n-AcceptEnv LANG *\n+AcceptEnv LANG\n"

/* Nothing but the patch, and nothing where there is none. */
static void one_patch(void **state)
{
    struct audited_host *host = *state;
    struct captured captured;
    const struct verb_arguments arguments = {.option = {[OPTION_PATCH] = ""}};

    put_plain_policy(host);
    assert_int_equal(verb_run_with(&verb_audit, &host->context, &arguments, &captured),
                     TMOUTCTL_FINE);
    assert_string_equal(captured.out, "");
    captured_free(&captured);
    put(host->root, SSHD_CONFIG, "UsePAM yes\nAcceptEnv LANG *\n");
    assert_int_equal(verb_run_with(&verb_audit, &host->context, &arguments, &captured),
                     TMOUTCTL_NO);
    assert_string_equal(captured.out, ACCEPT_ENV_PATCH);
    captured_free(&captured);
}

static void findings_as_json(void **state)
{
    struct audited_host *host = *state;
    struct captured captured;

    put_plain_policy(host);
    put(host->root, SSHD_CONFIG, "UsePAM yes\nAcceptEnv LANG *\n");
    host->context.json = true;
    assert_int_equal(audit(host, NULL, &captured), TMOUTCTL_NO);
    json_t *document = json_loads(captured.out, 0, NULL);
    const json_t *list = json_object_get(document, "findings");
    assert_int_equal(json_integer_value(json_object_get(document, "version")), 1);
    assert_int_equal(json_array_size(list), CHECKS_HERE);
    const json_t *row = find_row(list, "sshd-accept-env");
    assert_int_equal(json_object_size(row), 9);
    assert_key(row, "status", "FAIL");
    assert_key(row, "file", SSHD_CONFIG);
    assert_key(row, "remediation", "Keep only the other variables on the line.");
    assert_key(row, "patch", ACCEPT_ENV_PATCH);
    assert_key(document, "patch", ACCEPT_ENV_PATCH);
    assert_true(json_is_null(json_object_get(row, "command")));
    assert_int_equal(json_integer_value(json_object_get(row, "line")), 2);
    assert_true(json_is_null(json_object_get(row, "control")));
    row = find_row(list, "pam-jump");
    assert_key(row, "status", "PASS");
    assert_key(row, "message", audit_checks[CHECK_PAM_JUMP].passed);
    assert_true(json_is_null(json_object_get(row, "file")));
    assert_true(json_is_null(json_object_get(row, "line")));
    assert_true(json_is_null(json_object_get(row, "remediation")));
    assert_true(json_is_null(json_object_get(row, "patch")));
    json_decref(document);
    captured_free(&captured);
}

/* A patch is the bytes of the file, or it is not there. */
static void a_patch_that_json_cannot_have(void **state)
{
    struct audited_host *host = *state;
    struct captured captured;

    put_plain_policy(host);
    put(host->root, SSHD_CONFIG, "# l\xe4nger\nUsePAM yes\nAcceptEnv TMOUT\n");
    host->context.json = true;
    assert_int_equal(audit(host, NULL, &captured), TMOUTCTL_NO);
    json_t *document = json_loads(captured.out, 0, NULL);
    assert_true(json_is_null(json_object_get(document, "patch")));
    const json_t *row = find_row(json_object_get(document, "findings"), "sshd-accept-env");
    assert_true(json_is_null(json_object_get(row, "patch")));
    assert_true(json_is_string(json_object_get(row, "remediation")));
    json_decref(document);
    captured_free(&captured);
}

static void a_baseline(void **state)
{
    struct audited_host *host = *state;
    struct captured captured;

    put_plain_policy(host);
    put(host->root, PRESET_DIR "/xyz.conf", "default {\n    max_attempts = 4 # XYZ 5.3: why\n}\n");
    host->context.quiet = true;
    assert_prints(host, "xyz", TMOUTCTL_NO, "FAIL  baseline                XYZ 5.3: ");
    assert_int_equal(audit(host, "nothing", &captured), TMOUTCTL_FAILURE);
    assert_string_equal(captured.out, "");
    assert_non_null(strstr(captured.err, "nothing"));
    captured_free(&captured);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_HOST(findings_as_text), WITH_HOST(only_what_is_wrong),
        WITH_HOST(one_check),        WITH_HOST(one_patch),
        WITH_HOST(findings_as_json), WITH_HOST(a_patch_that_json_cannot_have),
        WITH_HOST(a_baseline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
