/* The audit of the policy itself, and what all areas ask of it. */
#include "tests/unit/tools/tmoutctl/audit/audited_host.h"

static void a_policy_in_force(void **state)
{
    struct audited_host *host = *state;

    assert_all_pass(audit_area(host, audit_policy_checks));
    assert_true(host->audit.has_view);
    assert_true(host->audit.is_text);
}

static void an_edit_that_is_not_applied(void **state)
{
    struct audited_host *host = *state;

    put_policy(host, GOOD_POLICY "\n");
    assert_only(audit_area(host, audit_policy_checks),
                &(struct expected){CHECK_POLICY_IN_FORCE, AUDIT_FAIL, host->context.config_path, 0,
                                   "is not in force", "tmoutctl apply"});
}

static void an_edit_that_is_invalid(void **state)
{
    struct audited_host *host = *state;

    put_policy(host, "default {\n    tmuot = 20m\n}\n");
    assert_only(audit_area(host, audit_policy_checks),
                &(struct expected){CHECK_POLICY_IN_FORCE, AUDIT_FAIL, host->context.config_path, 2,
                                   "the last valid one stays in force", "Correct the policy"});
    /* The rules are those of the snapshot. */
    assert_false(host->audit.is_text);
    assert_int_equal(host->audit.policy.count, 1);
    assert_int_equal(host->audit.policy.rule[0].setting[SETTING_DISCONNECT].value, 1200);
    assert_int_equal(host->audit.policy.rule[0].line, 2); /* its first setting */
}

static void no_policy_at_all(void **state)
{
    struct audited_host *host = *state;

    remove_file(host, STATE_NAME "/policy.v1");
    put_policy(host, "broken\n");
    assert_only(audit_area(host, audit_policy_checks),
                &(struct expected){CHECK_POLICY_IN_FORCE, AUDIT_FAIL, host->context.config_path, 1,
                                   "none is in force", "Correct the policy"});
    remove_file(host, CONFIG_NAME);
    assert_only(audit_area(host, audit_policy_checks),
                &(struct expected){CHECK_POLICY_IN_FORCE, AUDIT_FAIL, host->context.config_path, 0,
                                   "none is in force", "Correct the policy"});
}

static void a_snapshot_that_is_damaged(void **state)
{
    struct audited_host *host = *state;
    char *path = real_path(host, STATE_NAME "/policy.v1");
    size_t size;
    char *image = read_bytes(path, &size);

    image[size - 20] = (char)(image[size - 20] ^ 1);
    write_bytes(path, image, size);
    assert_only(audit_area(host, audit_policy_checks),
                &(struct expected){CHECK_POLICY_IN_FORCE, AUDIT_FAIL, NULL, 0, "is damaged",
                                   "tmoutctl apply"});
    free(image);
    free(path);
}

static void rules_for_nobody(void **state)
{
    static const struct {
        const char *rule, *message;
    } cases[] = {
        {"user \"no-such-user\" { warn = 2m }\n",
         "user \"no-such-user\": this host has no such user"},
        {"group \"no-such-group\" { warn = 2m }\n", "this host has no such group"},
    };
    struct audited_host *host = *state;
    char text[512];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        snprintf(text, sizeof text, GOOD_POLICY "%s", cases[i].rule);
        put_policy(host, text);
        apply_policy(host);
        assert_only(audit_area(host, audit_policy_checks),
                    &(struct expected){CHECK_POLICY_NAMES, AUDIT_WARN, host->context.config_path, 6,
                                       cases[i].message, NO_FIX});
    }
    put_policy(host, GOOD_POLICY "user \"root\" { warn = 2m }\ngroup \"root\" { warn = 2m }\n");
    apply_policy(host);
    assert_all_pass(audit_area(host, audit_policy_checks));
}

static void rules_that_require_tmoutd(void **state)
{
    static const struct {
        const char *policy;
        const char *name; /* NULL: it is not required */
    } cases[] = {
        {"default {\n    disconnect = 20m\n}\n", "disconnect"},
        {"default {\n    disconnect_notty = 20m\n}\n", "disconnect_notty"},
        {"default {\n    max_session = 8h\n}\n", "max_session"},
        {"default {\n    leftovers = watch\n}\n", "leftovers"},
        {"default {\n    leftovers = end\n}\n", "leftovers"},
        {"default {\n    leftovers = keep\n}\n", NULL},
        {"default {\n    disconnect = none\n}\n", NULL},
        {"default {\n    tmout = 20m\n}\n", NULL},
    };
    struct audited_host *host = *state;
    char message[64];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put_policy(host, cases[i].policy);
        apply_policy(host);
        host->no_tmoutd = false;
        assert_all_pass(audit_area(host, audit_policy_checks));
        host->no_tmoutd = true;
        if (cases[i].name == NULL) {
            assert_all_pass(audit_area(host, audit_policy_checks));
            continue;
        }
        snprintf(message, sizeof message, "%s requires tmoutd", cases[i].name);
        assert_only(audit_area(host, audit_policy_checks),
                    &(struct expected){CHECK_POLICY_TMOUTD, AUDIT_FAIL, host->context.config_path,
                                       2, message, "systemctl enable --now tmoutd"});
    }
    /* Looks at the processes of this machine, whatever it finds. */
    audit_policy(start_audit(host));
}

/* --- what all areas ask ------------------------------------------------------- */

static void titles_of_rules(void **state)
{
    static const struct {
        enum rule_kind kind;
        const char *name, *title;
    } cases[] = {
        {RULE_DEFAULT, "", "default"},          {RULE_GROUP, "ops", "group \"ops\""},
        {RULE_USER, "a'b c", "user \"a'b c\""}, {RULE_GROUP, "CORP\\new", "group 'CORP\\\\new'"},
        {RULE_USER, "a\"q'", "user 'a\"q\\''"}, {RULE_USER, "${HOME}", "user '${HOME}'"},
    };
    char title[RULE_TITLE_MAX], longest[RULE_NAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct rule rule = {.kind = cases[i].kind, .name = (char *)(uintptr_t)cases[i].name};
        assert_string_equal(rule_title(&rule, title, sizeof title), cases[i].title);
    }
    memset(longest, '\\', RULE_NAME_MAX);
    longest[RULE_NAME_MAX] = '\0';
    const struct rule rule = {.kind = RULE_GROUP, .name = longest};
    assert_int_equal(strlen(rule_title(&rule, title, sizeof title)),
                     strlen("group ''") + 2 * RULE_NAME_MAX);
}

static void values_of_rules(void **state)
{
    struct audited_host *host = *state;

    put_policy(host, GOOD_POLICY "group \"ops\" { tmout = 5m   max_session = none }\n");
    const struct audit *audit = start_audit(host);
    const struct rule *ops = rule_find(&audit->policy, RULE_GROUP, "ops");

    assert_non_null(ops);
    assert_null(rule_find(&audit->policy, RULE_USER, "ops"));
    assert_int_equal(rule_value(audit, ops, SETTING_TMOUT), 300);
    assert_int_equal(rule_value(audit, ops, SETTING_DISCONNECT), 1200);
    assert_int_equal(rule_value(audit, ops, SETTING_WARN), settings[SETTING_WARN].default_value);
    assert_true(any_rule_sets(audit, SETTING_TMOUT));
    assert_false(any_rule_sets(audit, SETTING_MAX_SESSION));
    assert_false(any_rule_sets(audit, SETTING_WARN));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_HOST(a_policy_in_force),
        WITH_HOST(an_edit_that_is_not_applied),
        WITH_HOST(an_edit_that_is_invalid),
        WITH_HOST(no_policy_at_all),
        WITH_HOST(a_snapshot_that_is_damaged),
        WITH_HOST(rules_for_nobody),
        WITH_HOST(rules_that_require_tmoutd),
        cmocka_unit_test(titles_of_rules),
        WITH_HOST(values_of_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
