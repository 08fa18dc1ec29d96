/* Is the policy on disk the one in force, and can its rules take effect here? */
#include "tools/tmoutctl/audit/areas.h"

#include "tools/tmoutctl/host/daemon.h"
#include "tools/tmoutctl/host/groups.h"
#include "tools/tmoutctl/print_problems.h"
#include "lib/paths.h"

#include "lib/policy/compile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NSSWITCH "/etc/nsswitch.conf"

/* The first error in the policy's text, if there is one. */
static void add_rejected(struct audit *audit)
{
    const char *config = audit->context->config_path;
    struct policy policy = {0};
    struct source_set sources = {0};
    struct problems problems = {0};
    char summary[1024];

    policy_compile(config, geteuid(), &policy, &sources, &problems);
    const struct problem *first = problems_first_bad(&problems);
    if (first != NULL && first->file != NULL)
        snprintf(summary, sizeof summary, "%s", first->text);
    else
        summarize_problems(&problems, summary, sizeof summary);
    const char *file = first != NULL && first->file != NULL ? first->file : config;
    const unsigned line = first != NULL ? first->line : 0;
    struct finding *finding = findings_add(
        &audit->findings, CHECK_POLICY_IN_FORCE, AUDIT_FAIL, "%s; the policy is invalid, and %s",
        summary, audit->has_view ? "the last valid one stays in force" : "none is in force");
    finding_set_place(finding, file, line);
    finding_set_remediation(finding, "Correct the policy; tmoutctl check lists all errors.");
    problems_free(&problems);
    sources_free(&sources);
    policy_free(&policy);
}

static void check_policy_in_force(struct audit *audit, const void *facts)
{
    const char *config = audit->context->config_path;
    char text[POLICY_VIEW_TEXT_MAX];
    struct finding *finding;

    (void)facts;
    if (!audit->has_view || audit->view.state == POLICY_REJECTED) {
        add_rejected(audit);
    } else if (audit->view.state != POLICY_IN_FORCE) {
        policy_view_describe(&audit->view, text, sizeof text);
        finding = findings_add(&audit->findings, CHECK_POLICY_IN_FORCE, AUDIT_FAIL,
                               "the policy on disk is not in force: %s", text);
        finding_set_place(finding, config, 0);
        finding_set_remediation(finding, "Apply the policy on disk.");
        finding_set_command(finding, "tmoutctl apply");
    } else if (!snapshot_is_intact(&audit->view.snapshot)) {
        finding = findings_add(&audit->findings, CHECK_POLICY_IN_FORCE, AUDIT_FAIL,
                               "%s/%s is damaged", audit->context->state_dir, SNAPSHOT_POLICY_NAME);
        finding_set_remediation(finding, "Compile the policy again.");
        finding_set_command(finding, "tmoutctl apply");
    }
}

/* What the name service says of the names in the rules. */
struct rule_names {
    const struct policy *policy;
    struct rule_name {
        enum account_status status;
        int error; /* of ACCOUNT_ERROR */
    } * name;      /* of policy->rule[], shared with the child that asks */
};

static struct rule_name rule_name_find(const struct rule *rule)
{
    struct rule_name found = {ACCOUNT_FOUND, 0};
    struct account account = {0};

    if (rule->kind == RULE_GROUP)
        found.status = group_lookup(rule->name);
    else if (rule->kind == RULE_USER)
        found.status = account_lookup(rule->name, false, &account);
    found.error = errno;
    account_free(&account);
    return found;
}

static void rule_names_find(void *context)
{
    const struct rule_names *names = context;

    for (size_t i = 0; i < names->policy->count; i++)
        names->name[i] = rule_name_find(&names->policy->rule[i]);
}

static void add_silent_names(struct audit *audit)
{
    finding_set_remediation(findings_add(&audit->findings, CHECK_POLICY_NAMES, AUDIT_WARN,
                                         "the names in the rules could not be asked for: %s",
                                         audit->no_names.text),
                            ASK_AGAIN);
}

static void compare_name(struct audit *audit, const struct rule *rule, const struct rule_name *name)
{
    char title[RULE_TITLE_MAX], path[PATH_MAX];
    struct finding *finding;

    rule_title(rule, title, sizeof title);
    if (name->status == ACCOUNT_FOUND)
        return;
    if (name->status == ACCOUNT_UNKNOWN) {
        finding = findings_add(&audit->findings, CHECK_POLICY_NAMES, AUDIT_WARN,
                               "%s: this host has no such %s, so the rule has no effect", title,
                               rule_kind_word(rule->kind));
        finding_set_remediation(finding, "Name one that exists, or remove the rule.");
    } else {
        finding = findings_add(&audit->findings, CHECK_POLICY_NAMES, AUDIT_WARN,
                               "%s: the name service could not be asked: %s", title,
                               strerror(name->error));
        finding_set_remediation(finding, ASK_AGAIN);
    }
    finding_set_place(finding, policy_file(audit, rule->file, path, sizeof path), rule->line);
}

static void check_policy_names(struct audit *audit, const void *facts)
{
    const size_t count = audit->policy.count, size = (count + 1) * sizeof(struct rule_name);
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct rule_names names = {&audit->policy, shared};

    (void)facts;
    free(audit->absent);
    audit->absent = calloc(count + 1, sizeof *audit->absent);
    if (shared == MAP_FAILED || audit->absent == NULL) {
        audit->findings.out_of_memory = true;
    } else if (!audit_names_answer(audit, rule_names_find, &names)) {
        add_silent_names(audit);
    } else {
        for (size_t i = 0; i < count; i++) {
            compare_name(audit, &audit->policy.rule[i], &names.name[i]);
            audit->absent[i] = names.name[i].status == ACCOUNT_UNKNOWN;
        }
    }
    if (shared != MAP_FAILED)
        munmap(shared, size);
}

/* Why the groups of root, who is in every directory, cannot be listed; "" if they can. */
static void groups_list(void *context)
{
    struct failure *why = context;
    struct account account = {0};

    if (account_lookup("root", false, &account) == ACCOUNT_FOUND &&
        account_list_groups(&account) != 0)
        account_groups_failure(&account, errno, why);
    account_free(&account);
}

/* A source that is listed and fails, as a directory that was never set up, might know
 * a stricter rule's group: so says the module, too. */
static void check_policy_groups(struct audit *audit, const void *facts)
{
    struct failure *why =
        mmap(NULL, sizeof *why, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool has_group_rule = false;

    (void)facts;
    for (size_t i = 0; i < audit->policy.count; i++)
        has_group_rule = has_group_rule || audit->policy.rule[i].kind == RULE_GROUP;
    if (why == MAP_FAILED) {
        audit->findings.out_of_memory = true;
        return;
    }
    /* check_policy_names() reports names that do not answer at all. */
    if (has_group_rule && audit_names_answer(audit, groups_list, why) && why->text[0] != '\0') {
        struct finding *finding = findings_add(
            &audit->findings, CHECK_POLICY_GROUPS, AUDIT_FAIL,
            "%s: as the policy has rules for groups, passwords of everyone but root are rejected",
            why->text);
        finding_set_place(finding, NSSWITCH, 0);
        finding_set_remediation(
            finding, "Make this source of groups answer, or take it out of " NSSWITCH ".");
    }
    munmap(why, sizeof *why);
}

/* The first setting of a rule that only tmoutd enforces, or NULL. */
static const struct rule_setting *tmoutd_setting(const struct rule *rule, const char **name)
{
    for (size_t id = 0; id < SETTING_COUNT; id++) {
        const struct rule_setting *setting = &rule->setting[id];
        *name = settings[id].name;
        if (needs_tmoutd((enum setting_id)id) && setting->set &&
            setting->value != settings[id].default_value)
            return setting;
    }
    return NULL;
}

static void check_policy_tmoutd(struct audit *audit, const void *facts)
{
    const struct rule_setting *setting = NULL;
    const char *name;
    char path[PATH_MAX];

    (void)facts;
    if (audit->tmoutd_is_running)
        return;
    for (size_t r = 0; setting == NULL && r < audit->policy.count; r++)
        setting = tmoutd_setting(&audit->policy.rule[r], &name);
    if (setting == NULL)
        return;
    struct finding *finding = findings_add(&audit->findings, CHECK_POLICY_TMOUTD, AUDIT_FAIL,
                                           "%s requires tmoutd, which is not running", name);
    finding_set_place(finding, policy_file(audit, setting->file, path, sizeof path), setting->line);
    finding_set_remediation(finding, "Start tmoutd, now and at every boot.");
    finding_set_command(finding, "systemctl enable --now tmoutd");
}

static const struct audit_step policy_steps[] = {
    {CHECK_POLICY_IN_FORCE, check_policy_in_force},
    {CHECK_POLICY_NAMES, check_policy_names},
    {CHECK_POLICY_GROUPS, check_policy_groups},
    {CHECK_POLICY_TMOUTD, check_policy_tmoutd},
};

void audit_policy_checks(struct audit *audit)
{
    audit_run(audit, policy_steps, sizeof policy_steps / sizeof *policy_steps, NULL);
}

void audit_policy(struct audit *audit)
{
    audit->tmoutd_is_running = tmoutd_is_running();
    audit_policy_checks(audit);
}
