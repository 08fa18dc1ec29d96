/* Edits of the policy's own text that grant what findings ask for. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"

#include "tools/tmoutctl/audit/policy_fix.h"

/* A wish, and a part of the diff that grants it; NULL: none does. */
struct wish_case {
    const char *policy;
    enum rule_kind kind;
    const char *name;
    enum setting_id id;
    const char *value, *diff;
};

static void assert_granted(struct audited_host *host, const struct wish_case *the_case)
{
    struct policy_wishes wishes = {0};
    struct policy_wish wish = {.kind = the_case->kind, .name = the_case->name, .id = the_case->id};

    put_policy(host, the_case->policy);
    struct audit *audit = start_audit(host);
    wish.finding = findings_add(&audit->findings, CHECK_POLICY_IN_FORCE, AUDIT_FAIL, "wrong");
    snprintf(wish.value, sizeof wish.value, "%s", the_case->value);
    assert_int_equal(policy_wishes_add(&wishes, &wish), 0);
    policy_wishes_grant(audit, &wishes);
    patch_settle(audit, 0);
    const char *diff = wish.finding->diff;
    if (the_case->diff == NULL ? diff != NULL
                               : diff == NULL || strstr(diff, the_case->diff) == NULL)
        fail_msg("%s: %s", the_case->policy, diff != NULL ? diff : "no edit");
    if (diff != NULL) {
        policy_plan_make(audit, &wish.finding->edits);
        assert_true(audit->plan.is_made);
        assert_non_null(rule_find(&audit->plan.policy, the_case->kind, the_case->name));
    }
    policy_wishes_free(&wishes);
    assert_false(audit->findings.out_of_memory);
}

static void wishes_that_are_granted(void **state)
{
    static const struct wish_case cases[] = {
        {"default {\n    tmout = 15m\n    max_attempts = 5 # why\n}\n", RULE_DEFAULT, "",
         SETTING_MAX_ATTEMPTS, "3", "-    max_attempts = 5 # why\n+    max_attempts = 3 # why\n"},
        {"default {\n    tmout = 15m\n}\n", RULE_DEFAULT, "", SETTING_MAX_ATTEMPTS, "3",
         "+    max_attempts = 3\n"},
        {"default {\n    tmout = 15m\n}\n", RULE_GROUP, "ops", SETTING_MAX_ATTEMPTS, "3",
         "+group \"ops\" {\n"},
        {"group \"ops\" {\n    max_attempts = 4\n}\n", RULE_GROUP, "ops", SETTING_MAX_ATTEMPTS, "3",
         "-    max_attempts = 4\n+    max_attempts = 3\n"},
        /* The text is not in force. */
        {"default {\n    tmout = 15 minutes\n}\n", RULE_DEFAULT, "", SETTING_MAX_ATTEMPTS, "3",
         NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_granted(*state, &cases[i]);
}

/* What only tmoutd enforces waits until it runs. */
static void a_wish_that_needs_tmoutd(void **state)
{
    struct audited_host *host = *state;
    struct policy_wishes wishes = {0};

    host->no_tmoutd = true;
    struct audit *audit = start_audit(host);
    struct finding *finding =
        findings_add(&audit->findings, CHECK_POLICY_IN_FORCE, AUDIT_FAIL, "wrong");
    assert_int_equal(policy_wishes_add(&wishes, &(struct policy_wish){finding, RULE_DEFAULT, "",
                                                                      SETTING_DISCONNECT, "10m"}),
                     0);
    policy_wishes_grant(audit, &wishes);
    assert_int_equal(wishes.count, 0);
    assert_int_equal(finding->edits.count, 0);
    assert_string_equal(finding->command, "systemctl enable --now tmoutd");
    policy_wishes_free(&wishes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_HOST(wishes_that_are_granted),
        WITH_HOST(a_wish_that_needs_tmoutd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
