#include "lib/policy/compile.h"

#include "lib/policy/load.h"

#include <stdlib.h>
#include <string.h>

static int compare_rules(const void *left, const void *right)
{
    const struct rule *a = left, *b = right;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    const int names = strcmp(a->name, b->name);
    if (names != 0)
        return names;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return a->line < b->line ? -1 : a->line > b->line;
}

/* As in a policy: group "ops", or default. */
#define RULE_TITLE_FORMAT "%s%s%s%s"
#define RULE_TITLE(r)                                                                              \
    rule_kind_word((r)->kind), (r)->kind == RULE_DEFAULT ? "" : " \"", (r)->name,                  \
        (r)->kind == RULE_DEFAULT ? "" : "\""

/* later is the same section as earlier, in a later file: its settings win. */
static void override_rule(struct rule *earlier, struct rule *later,
                          const struct source_set *sources, struct problems *problems)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct rule_setting *winner = &later->setting[i];
        struct rule_setting *loser = &earlier->setting[i];
        if (!winner->set)
            continue;
        if (loser->set)
            problem_add(problems, PROBLEM_NOTE, sources->item[winner->file].path, winner->line,
                        "%s of " RULE_TITLE_FORMAT " overrides %s:%u", settings[i].name,
                        RULE_TITLE(later), sources->item[loser->file].path, loser->line);
        *loser = *winner;
        if (settings[i].type == SETTING_TEXT) {
            free(earlier->text);
            earlier->text = later->text;
            later->text = NULL;
        }
    }
    earlier->file = later->file;
    earlier->line = later->line;
}

/* Joins the sections of the same title in different files. */
static void merge_rules(struct policy *policy, const struct source_set *sources,
                        struct problems *problems)
{
    size_t kept = 0;

    if (policy->count > 1)
        qsort(policy->rule, policy->count, sizeof *policy->rule, compare_rules);
    for (size_t i = 0; i < policy->count; i++) {
        struct rule *rule = &policy->rule[i];
        struct rule *before = kept > 0 ? &policy->rule[kept - 1] : NULL;
        if (before == NULL || before->kind != rule->kind || strcmp(before->name, rule->name) != 0) {
            policy->rule[kept++] = *rule;
            continue;
        }
        /* Twice in one file is an error that the scan has reported. */
        if (before->file != rule->file)
            override_rule(before, rule, sources, problems);
        free(rule->name);
        free(rule->text);
    }
    policy->count = kept;
}

/* Does a section that may apply to the same user limit attempts on a host? */
static bool is_limited_elsewhere(const struct policy *policy, const struct rule *rule)
{
    for (size_t i = 0; i < policy->count; i++) {
        const struct rule *other = &policy->rule[i];
        const struct rule_setting *max = &other->setting[SETTING_MAX_ATTEMPTS];
        const bool may_apply = rule->kind != RULE_USER || other->kind != RULE_USER;
        if (other != rule && may_apply && max->set && max->value != SETTING_NONE)
            return true;
    }
    return false;
}

/* A host asks the fleet for attempts that it has admitted itself. */
static void check_fleet_attempts(const struct policy *policy, const struct source_set *sources,
                                 struct problems *problems)
{
    for (size_t i = 0; i < policy->count; i++) {
        const struct rule *rule = &policy->rule[i];
        const struct rule_setting *fleet = &rule->setting[SETTING_FLEET_ATTEMPTS];
        const struct rule_setting *max = &rule->setting[SETTING_MAX_ATTEMPTS];
        if (!fleet->set || fleet->value == SETTING_NONE)
            continue;
        const char *path = sources->item[fleet->file].path;
        if (max->set ? max->value == SETTING_NONE : !is_limited_elsewhere(policy, rule))
            problem_add(problems, PROBLEM_ERROR, path, fleet->line,
                        "fleet_attempts of " RULE_TITLE_FORMAT
                        " requires max_attempts: set it, too",
                        RULE_TITLE(rule));
        else if (max->set && fleet->value < max->value)
            problem_add(problems, PROBLEM_NOTE, path, fleet->line,
                        "fleet_attempts of " RULE_TITLE_FORMAT
                        " is smaller than max_attempts, which then has no effect on logins over "
                        "the network while the store can be reached",
                        RULE_TITLE(rule));
    }
}

int policy_compile_sources(const struct source_set *sources, struct policy *policy,
                           struct problems *problems)
{
    for (size_t i = 0; i < sources->count; i++) {
        if (sources->item[i].text != NULL &&
            load_source(&sources->item[i], (uint32_t)i, policy, problems) != 0) {
            problem_add(problems, PROBLEM_FAILURE, sources->item[i].path, 0, "out of memory");
            return -1;
        }
    }
    /* A file that an editor has truncated before it writes it again, or one with
     * all lines commented out: neither may switch every limit off. */
    if (policy->count == 0 && problems->errors == 0 && problems->failures == 0)
        problem_add(problems, PROBLEM_ERROR, sources->count > 0 ? sources->item[0].path : NULL, 0,
                    "has no section; for a policy without limits, write default { }");
    merge_rules(policy, sources, problems);
    check_fleet_attempts(policy, sources, problems);
    problems_sort(problems);
    if (problems->failures > 0)
        return -1;
    return problems->errors > 0;
}

int policy_compile(const char *config_path, uid_t owner, struct policy *policy,
                   struct source_set *sources, struct problems *problems)
{
    if (sources_read(config_path, owner, sources, problems) != 0) {
        problem_add(problems, PROBLEM_FAILURE, config_path, 0, "out of memory");
        return -1;
    }
    return policy_compile_sources(sources, policy, problems);
}
