/*
 * tmoutctl audit --baseline NAME: is the policy at least as strict as a preset,
 * and does the host enforce it? The preset is a policy whose lines end with the
 * control that asks for them, as `tmout = 15m  # CIS 5.4.3.2`.
 */
#include "tools/tmoutctl/audit/areas.h"
#include "tools/tmoutctl/audit/patch.h"
#include "tools/tmoutctl/audit/policy_fix.h"

#include "tools/tmoutctl/host/preset_file.h"
#include "tools/tmoutctl/sshd/installed.h"
#include "tools/tmoutctl/sshd/keywords.h"
#include "tools/tmoutctl/sshd/site.h"
#include "tools/tmoutctl/host/text_file.h"

#include "lib/policy/compile.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct baseline {
    const char *name;
    char *path;
    struct policy preset;
    struct text_file text; /* the same file, for the controls in its comments */
};

/* --- reading the preset --------------------------------------------------- */

/* Returns 0, or -1 with the reason. */
static int read_baseline(const struct audit *audit, struct baseline *baseline,
                         struct failure *failure)
{
    struct source_set sources = {0};
    struct problems problems = {0};
    int result = -1;

    if (source_read_draft(baseline->path, audit->owner, &sources, &problems) != 0 ||
        policy_compile_sources(&sources, &baseline->preset, &problems) != 0) {
        char text[FAILURE_TEXT_MAX] = "out of memory";
        const struct problem *first = problems_first_bad(&problems);
        if (first != NULL)
            problem_format(first, text, sizeof text);
        failure_set(failure, "cannot use the preset: %s", text);
    } else if (read_text_file(baseline->path, 0, &baseline->text) != 0) {
        failure_set(failure, "%s: %s", baseline->path, strerror(errno));
    } else {
        result = 0;
    }
    problems_free(&problems);
    sources_free(&sources);
    return result;
}

/* The control that the comment at the end of a line names, up to a colon and
 * any explanation, into text; "" if it has none. */
static void line_control(const struct baseline *baseline, unsigned number, char *text, size_t size)
{
    text[0] = '\0';
    for (struct text_line line = {0}; next_text_line(&baseline->text, &line);) {
        if (line.number != number)
            continue;
        const char *comment = memchr(line.start, '#', (size_t)(line.end - line.start));
        if (comment == NULL)
            return;
        comment++;
        while (comment < line.end && (*comment == ' ' || *comment == '\t'))
            comment++;
        snprintf(text, size, "%.*s", (int)(line.end - comment), comment);
        text[strcspn(text, ":\r")] = '\0';
        return;
    }
}

/* --- comparing ------------------------------------------------------------ */

/* What a preset asks for: one setting of one of its rules. */
struct demand {
    const struct baseline *baseline;
    const struct rule *rule;
    enum setting_id id;
    struct policy_wishes *wishes;
};

static bool meets(const struct demand *demand, const struct rule *rule, int64_t actual)
{
    const int64_t asked = demand->rule->setting[demand->id].value;

    if (settings[demand->id].type != SETTING_TEXT)
        return setting_is_enough(&settings[demand->id], actual, asked);
    return rule != NULL && rule->setting[demand->id].set && rule->text != NULL &&
           demand->rule->text != NULL && strcmp(rule->text, demand->rule->text) == 0;
}

/* A value of a setting as a policy would have it; rule is the one that has it. */
static void value_text(const struct rule *rule, enum setting_id id, int64_t value, char *text,
                       size_t size)
{
    if (settings[id].type == SETTING_TEXT && rule != NULL && rule->setting[id].set &&
        rule->text != NULL)
        snprintf(text, size, "%s", rule->text);
    else
        setting_format(&settings[id], value, text, size);
}

/* Wishes that the policy gave the finding's rule what is asked for. rule is the one
 * whose value is too loose; one of the preset's for one user or group is no reason
 * to change what all others have. */
static void wish_for(struct findings *findings, const struct demand *demand,
                     const struct rule *rule, struct finding *finding, const char *asked)
{
    const bool is_theirs = rule != NULL && rule->setting[demand->id].set &&
                           (demand->rule->kind == RULE_DEFAULT || rule->kind == demand->rule->kind);
    struct policy_wish wish = {.finding = finding,
                               .kind = is_theirs ? rule->kind : demand->rule->kind,
                               .name = is_theirs ? rule->name : demand->rule->name,
                               .id = demand->id};

    snprintf(wish.value, sizeof wish.value, "%s", asked);
    finding_set_remediation(finding, "Set %s to %s, and apply the policy.",
                            settings[demand->id].name, asked);
    if (policy_wishes_add(demand->wishes, &wish) != 0)
        findings->out_of_memory = true;
}

/* --- the policy ----------------------------------------------------------- */

/* Compares a rule of the policy, or NULL for a default section that is not
 * there, with what is asked. */
static void compare_rule(struct audit *audit, const struct demand *demand, const struct rule *rule)
{
    const struct rule_setting *asked = &demand->rule->setting[demand->id];
    const struct rule_setting *ours =
        rule != NULL && rule->setting[demand->id].set ? &rule->setting[demand->id] : NULL;
    const int64_t actual = ours != NULL ? ours->value : settings[demand->id].default_value;
    char path[PATH_MAX], title[RULE_TITLE_MAX], our_text[SETTING_TEXT_MAX];
    char asked_text[SETTING_TEXT_MAX], control[256];

    if (meets(demand, rule, actual))
        return;
    value_text(rule, demand->id, actual, our_text, sizeof our_text);
    value_text(demand->rule, demand->id, asked->value, asked_text, sizeof asked_text);
    struct finding *finding =
        findings_add(&audit->findings, CHECK_BASELINE, AUDIT_FAIL,
                     "%s of %s is %s%s; %s requires %s", settings[demand->id].name,
                     rule_title(rule != NULL ? rule : demand->rule, title, sizeof title), our_text,
                     ours != NULL ? "" : " (not set)", demand->baseline->name, asked_text);
    finding->setting = demand->id;
    if (rule == NULL)
        finding_set_place(finding, audit->context->config_path, 0);
    else
        finding_set_place(
            finding, policy_file(audit, ours != NULL ? ours->file : rule->file, path, sizeof path),
            ours != NULL ? ours->line : rule->line);
    line_control(demand->baseline, asked->line, control, sizeof control);
    finding_set_control(finding, control);
    wish_for(&audit->findings, demand, rule, finding, asked_text);
}

/* The rule that decides for the one user or group of a preset's rule. */
static const struct rule *deciding_rule(const struct policy *policy, const struct demand *demand)
{
    const struct rule *rule = rule_find(policy, demand->rule->kind, demand->rule->name);
    /* Only a rule for user root limits root's attempts. */
    const bool is_roots = demand->id == SETTING_MAX_ATTEMPTS && demand->rule->kind == RULE_USER &&
                          strcmp(demand->rule->name, "root") == 0;

    if (is_roots || (rule != NULL && rule->setting[demand->id].set))
        return rule;
    return rule_find(policy, RULE_DEFAULT, "");
}

/* The default section counts whether it sets the value or not, the other rules
 * only where they do. */
static void compare_policy(struct audit *audit, const struct demand *demand)
{
    const struct policy *policy = &audit->policy;

    if (demand->rule->kind != RULE_DEFAULT) {
        compare_rule(audit, demand, deciding_rule(policy, demand));
        return;
    }
    compare_rule(audit, demand, rule_find(policy, RULE_DEFAULT, ""));
    for (size_t i = 0; i < policy->count; i++)
        if (policy->rule[i].kind != RULE_DEFAULT && policy->rule[i].setting[demand->id].set)
            compare_rule(audit, demand, &policy->rule[i]);
}

/* --- the host ------------------------------------------------------------- */

/*
 * The checks that must not fail for a setting to take effect on this host:
 * sshd has to call the module, and the shells have to get the limit. What sshd
 * enforces itself, compare_sshd() asks it.
 */
#define MODULE_CHECKS  CHECK_SSHD_USE_PAM, CHECK_PAM_MODULE
#define SESSION_CHECKS MODULE_CHECKS, CHECK_PAM_SESSION_LINE, CHECK_PAM_SESSION_ORDER

enum needs { NEEDS_NOTHING, NEEDS_SHELLS, NEEDS_TMOUTD, NEEDS_AUTH, NEEDS_KINDS };
enum { NEEDED_CHECKS_MAX = 8 };

/* Each list ends with AUDIT_CHECKS. */
static const enum audit_check needed_checks[NEEDS_KINDS][NEEDED_CHECKS_MAX] = {
    [NEEDS_NOTHING] = {AUDIT_CHECKS},
    [NEEDS_SHELLS] = {SESSION_CHECKS, CHECK_SHELLS_HOOKS, CHECK_SHELLS_LIMIT, CHECK_SHELLS_OTHERS,
                      AUDIT_CHECKS},
    [NEEDS_TMOUTD] = {SESSION_CHECKS, CHECK_POLICY_TMOUTD, AUDIT_CHECKS},
    [NEEDS_AUTH] = {MODULE_CHECKS, CHECK_PAM_AUTH_LINE, CHECK_PAM_AUTH_ORDER,
                    CHECK_PAM_AUTH_CONTROL, AUDIT_CHECKS},
};

static const enum needs setting_needs[SETTING_COUNT] = {
    [SETTING_TMOUT] = NEEDS_SHELLS,
    [SETTING_ENFORCE] = NEEDS_SHELLS,
    [SETTING_SESSIONS] = NEEDS_SHELLS,
    [SETTING_DISCONNECT] = NEEDS_TMOUTD,
    [SETTING_DISCONNECT_NOTTY] = NEEDS_TMOUTD,
    [SETTING_MAX_SESSION] = NEEDS_TMOUTD,
    [SETTING_NOTTY_ACTIVITY] = NEEDS_TMOUTD,
    [SETTING_LEFTOVERS] = NEEDS_TMOUTD,
    [SETTING_MAX_ATTEMPTS] = NEEDS_AUTH,
    [SETTING_ATTEMPT_WINDOW] = NEEDS_AUTH,
    [SETTING_LOCK_TIME] = NEEDS_AUTH,
    [SETTING_COUNT_BY] = NEEDS_AUTH,
};

/* What the policy meets: `tmout is 15m or stricter`. */
static const char *met_text(const struct demand *demand, char *text, size_t size)
{
    char value[SETTING_TEXT_MAX];

    value_text(demand->rule, demand->id, demand->rule->setting[demand->id].value, value,
               sizeof value);
    snprintf(text, size, "%s is %s or stricter", settings[demand->id].name, value);
    return text;
}

/* Gives a finding the place and remedy of its cause, which may be NULL. */
static void copy_cause(struct finding *finding, const struct finding *cause)
{
    finding_set_remediation(finding, "Make the host enforce the policy's value.");
    if (cause == NULL)
        return;
    finding_set_place(finding, cause->file, cause->line);
    if (cause->remediation != NULL)
        finding_set_remediation(finding, "%s", cause->remediation);
    finding_set_command(finding, cause->command);
    for (size_t i = 0; i < cause->edits.count; i++)
        finding_add_edit(finding, &cause->edits.item[i]);
}

/* Does a failed check keep the setting from taking effect? */
static void compare_checks(struct audit *audit, const struct demand *demand)
{
    char met[2 * SETTING_TEXT_MAX];

    for (const enum audit_check *check = needed_checks[setting_needs[demand->id]];
         *check != AUDIT_CHECKS; check++) {
        const struct finding *cause =
            findings_first(&audit->findings, *check, AUDIT_FAIL, SETTING_COUNT);
        if (cause == NULL)
            continue;
        copy_cause(findings_add(&audit->findings, CHECK_BASELINE, AUDIT_FAIL,
                                "%s in the policy, but not enforced on this host: %s: %s",
                                met_text(demand, met, sizeof met), audit_checks[*check].id,
                                cause->message),
                   cause);
        return;
    }
}

/* Is what `sshd -T` prints, which may be NULL, as strict as what is asked? What
 * cannot be parsed is not. */
static bool sshd_is_enough(const struct demand *demand, const char *printed)
{
    const struct setting *setting = &settings[demand->id];
    const int64_t asked = demand->rule->setting[demand->id].value;
    int64_t actual;

    if (sshd_value_is(demand->id, asked, demand->rule->text, printed))
        return true;
    return setting->type != SETTING_TEXT && printed != NULL &&
           setting_parse(setting, printed, &actual) == NULL &&
           setting_is_enough(&settings[demand->id], actual, asked);
}

/* Does sshd, which has settings of its own, enforce what is asked? */
static void compare_sshd(struct audit *audit, const struct demand *demand, const char *keyword)
{
    const char *user = demand->rule->kind == RULE_USER ? demand->rule->name : NULL;
    char met[2 * SETTING_TEXT_MAX];
    struct failure failure = {""};
    struct sshd_config sshd = {0};

    met_text(demand, met, sizeof met);
    if (sshd_effective(&audit->sshd, user, &sshd, &failure) != 0) {
        copy_cause(findings_add(&audit->findings, CHECK_BASELINE, AUDIT_FAIL,
                                "%s in the policy, but sshd's configuration cannot be queried: %s",
                                met, failure.text),
                   findings_first(&audit->findings, CHECK_SSHD_CONFIG, AUDIT_WARN, SETTING_COUNT));
    } else if (!sshd_is_enough(demand, sshd_config_value(&sshd, keyword))) {
        const char *printed = sshd_config_value(&sshd, keyword);
        copy_cause(findings_add(&audit->findings, CHECK_BASELINE, AUDIT_FAIL,
                                "%s in the policy, but %s is %s in sshd", met, keyword,
                                printed != NULL ? printed : "none"),
                   findings_first(&audit->findings, CHECK_SSHD_DROP_IN, AUDIT_WARN, demand->id));
    }
    sshd_config_free(&sshd);
}

/* Does the host enforce what the policy has? */
static void compare_host(struct audit *audit, const struct demand *demand)
{
    compare_checks(audit, demand);
    for (size_t i = 0; i < sshd_keyword_count; i++)
        if (sshd_keywords[i].id == demand->id)
            compare_sshd(audit, demand, sshd_keywords[i].keyword);
}

/* --- all of a preset ------------------------------------------------------ */

static void compare_demand(struct audit *audit, const struct demand *demand)
{
    const size_t before = audit->findings.count;
    char control[256], met[2 * SETTING_TEXT_MAX];

    compare_policy(audit, demand);
    if (audit->findings.count > before)
        return;
    compare_host(audit, demand);
    if (audit->findings.count == before)
        findings_add(&audit->findings, CHECK_BASELINE, AUDIT_PASS, "%s",
                     met_text(demand, met, sizeof met));
    line_control(demand->baseline, demand->rule->setting[demand->id].line, control, sizeof control);
    for (size_t i = before; i < audit->findings.count; i++)
        finding_set_control(audit->findings.item[i], control);
}

typedef void compare_function(struct audit *audit, const struct demand *demand);

/* Compares all that the preset asks for, and grants the wishes. */
static void compare_preset(struct audit *audit, const struct baseline *baseline,
                           compare_function *compare)
{
    struct policy_wishes wishes = {0};

    for (size_t r = 0; r < baseline->preset.count; r++) {
        struct demand demand = {
            .baseline = baseline, .rule = &baseline->preset.rule[r], .wishes = &wishes};
        for (size_t id = 0; id < SETTING_COUNT; id++) {
            demand.id = (enum setting_id)id;
            if (demand.rule->setting[id].set)
                compare(audit, &demand);
        }
    }
    policy_wishes_grant(audit, &wishes);
    policy_wishes_free(&wishes);
}

/* Finds the preset and reads it. Returns 0, or -1 with the reason; it is to be closed
 * either way. */
static int baseline_open(const struct audit *audit, const char *name, struct baseline *baseline,
                         struct failure *failure)
{
    char directory[PATH_MAX];

    *baseline = (struct baseline){.name = name};
    if (host_path(audit->host, PRESET_DIR, directory, sizeof directory) != 0) {
        failure_set(failure, "%s: %s", PRESET_DIR, strerror(errno));
        return -1;
    }
    baseline->path = preset_path(directory, name, failure);
    return baseline->path != NULL ? read_baseline(audit, baseline, failure) : -1;
}

static void baseline_close(struct baseline *baseline)
{
    policy_free(&baseline->preset);
    free(baseline->text.text);
    free(baseline->path);
}

int audit_baseline_plan(struct audit *audit, const char *name, struct failure *failure)
{
    struct baseline baseline;
    struct audit trial = *audit; /* whose findings nobody sees */
    struct edits edits = {0};
    const int result = baseline_open(audit, name, &baseline, failure);

    trial.findings = (struct findings){0};
    trial.files = (struct diff_files){0};
    if (result == 0) {
        compare_preset(&trial, &baseline, compare_policy);
        patch_settle(&trial, 0);
        if (trial.findings.out_of_memory || patch_collect(&trial.findings, 0, &edits) != 0)
            audit->findings.out_of_memory = true;
        else
            policy_plan_make(audit, &edits);
    }
    edits_free(&edits);
    findings_free(&trial.findings);
    diff_files_free(&trial.files);
    baseline_close(&baseline);
    return result;
}

int audit_baseline(struct audit *audit, const char *name, struct failure *failure)
{
    struct baseline baseline;
    const int result = baseline_open(audit, name, &baseline, failure);

    if (result == 0)
        compare_preset(audit, &baseline, compare_demand);
    baseline_close(&baseline);
    return result;
}
