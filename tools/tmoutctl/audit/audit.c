#include "tools/tmoutctl/audit/audit.h"

#include "lib/policy/compile.h"
#include "tools/tmoutctl/host/rehearsal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A rule of the snapshot as if it had been read from the text. The snapshot
 * does not record where the rule begins: its first setting stands in for it. */
static int take_rule(void *context, enum rule_kind kind, const char *name,
                     const struct snapshot_rule *from)
{
    struct policy *policy = context;
    struct rule rule = {.kind = kind, .name = strdup(name)};

    memcpy(rule.setting, from->setting, sizeof rule.setting);
    for (size_t i = SETTING_COUNT; i-- > 0;) {
        if (rule.setting[i].set && (rule.line == 0 || rule.setting[i].line < rule.line)) {
            rule.file = rule.setting[i].file;
            rule.line = rule.setting[i].line;
        }
    }
    if (from->text[0] != '\0')
        rule.text = strdup(from->text);
    if (rule.name != NULL && (from->text[0] == '\0' || rule.text != NULL) &&
        policy_append(policy, &rule) == 0)
        return 0;
    free(rule.name);
    free(rule.text);
    return 1;
}

void audit_start(struct audit *audit)
{
    struct source_set sources = {0};
    struct problems problems = {0};
    struct failure failure = {""};

    if (sshd_find(audit->host, &audit->sshd, &audit->no_sshd) == 0)
        audit->no_sshd.text[0] = '\0';
    if (audit->host->root[0] != '\0' && sshd_copy_make(audit->host, &audit->copy, &failure) == 0)
        sshd_copy_path(&audit->copy, audit->sshd.config, sizeof audit->sshd.config);
    audit->has_view = policy_view_find(audit->context, &audit->view, &failure) == 0;
    if (!audit->has_view)
        return;
    audit->is_text = audit->view.state == POLICY_IN_FORCE || audit->view.state == POLICY_PENDING;
    if (audit->is_text)
        policy_compile(audit->context->config_path, geteuid(), &audit->policy, &sources, &problems);
    else if (snapshot_each_rule(&audit->view.snapshot, take_rule, &audit->policy) > 0)
        audit->findings.out_of_memory = true;
    sources_free(&sources);
    problems_free(&problems);
}

bool audit_names_answer(struct audit *audit, void (*ask)(void *context), void *context)
{
    return audit->no_names.text[0] == '\0' &&
           rehearse_names(ask, context, audit->policy.count, &audit->no_names) == 0;
}

void audit_swap_policy(struct audit *audit)
{
    const struct policy_plan in_force = {true, audit->view, audit->policy, audit->absent};

    if (!audit->plan.is_made)
        return;
    audit->view = audit->plan.view;
    audit->policy = audit->plan.policy;
    audit->absent = audit->plan.absent;
    audit->plan = in_force;
}

void audit_free(struct audit *audit)
{
    findings_free(&audit->findings);
    diff_files_free(&audit->files);
    sshd_copy_remove(&audit->copy);
    policy_free(&audit->policy);
    free(audit->absent);
    audit->absent = NULL;
    if (audit->has_view)
        policy_view_close(&audit->view);
    audit->has_view = false;
    if (audit->plan.is_made)
        policy_view_close(&audit->plan.view);
    policy_free(&audit->plan.policy);
    free(audit->plan.absent);
    audit->plan = (struct policy_plan){0};
}

void audit_run(struct audit *audit, const struct audit_step *steps, size_t count, const void *facts)
{
    for (size_t i = 0; i < count; i++) {
        const size_t before = audit->findings.count;
        steps[i].run(audit, facts);
        if (audit->findings.count == before)
            findings_add(&audit->findings, steps[i].check, AUDIT_PASS, "%s",
                         audit_checks[steps[i].check].passed);
    }
}

/* Single quotes take everything that double quotes would expand, with a
 * backslash before a backslash and before the quote (tmout.conf(5)). */
const char *rule_title(const struct rule *rule, char *text, size_t size)
{
    const bool single = strpbrk(rule->name, "\"\\") != NULL || strstr(rule->name, "${") != NULL;

    if (rule->kind == RULE_DEFAULT || !single) {
        const char *quote = rule->kind == RULE_DEFAULT ? "" : "\"";
        snprintf(text, size, "%s%s%s%s%s", rule_kind_word(rule->kind), quote[0] != '\0' ? " " : "",
                 quote, rule->name, quote);
        return text;
    }
    size_t used = (size_t)snprintf(text, size, "%s '", rule_kind_word(rule->kind));
    for (const char *c = rule->name; *c != '\0' && used + 4 < size; c++) {
        if (*c == '\'' || *c == '\\')
            text[used++] = '\\';
        text[used++] = *c;
    }
    text[used++] = '\'';
    text[used] = '\0';
    return text;
}

const struct rule *rule_find(const struct policy *policy, enum rule_kind kind, const char *name)
{
    for (size_t i = 0; i < policy->count; i++)
        if (policy->rule[i].kind == kind && strcmp(policy->rule[i].name, name) == 0)
            return &policy->rule[i];
    return NULL;
}

int64_t rule_value(const struct audit *audit, const struct rule *rule, enum setting_id id)
{
    const struct rule *fallback = rule_find(&audit->policy, RULE_DEFAULT, "");

    if (rule->setting[id].set)
        return rule->setting[id].value;
    return fallback != NULL && fallback->setting[id].set ? fallback->setting[id].value
                                                         : settings[id].default_value;
}

bool needs_tmoutd(enum setting_id id)
{
    return id == SETTING_DISCONNECT || id == SETTING_DISCONNECT_NOTTY ||
           id == SETTING_MAX_SESSION || id == SETTING_LEFTOVERS;
}

bool any_rule_sets(const struct audit *audit, enum setting_id id)
{
    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule_setting *setting = &audit->policy.rule[i].setting[id];
        if (setting->set && setting->value != SETTING_NONE)
            return true;
    }
    return false;
}

const char *policy_file(const struct audit *audit, uint32_t file, char *path, size_t size)
{
    snapshot_source_path(&audit->view.snapshot, file, path, size);
    return path;
}
