/*
 * tmoutctl audit --baseline NAME: is the policy at least as strict as a preset,
 * and does the host enforce it? The preset is a policy whose lines end with the
 * control that asks for them, as `tmout = 15m  # CIS 5.4.3.2`.
 */
#include "tools/tmoutctl/audit/areas.h"

#include "tools/tmoutctl/host/preset_file.h"
#include "tools/tmoutctl/sshd/installed.h"
#include "tools/tmoutctl/sshd/keywords.h"
#include "tools/tmoutctl/host/text_file.h"

#include "lib/policy/compile.h"
#include "lib/policy/sshd_values.h"

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

/* Can the name be part of a file name? */
static bool is_plain_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

    return name[0] != '\0' && name[strspn(name, allowed)] == '\0' && strlen(name) < NAME_MAX - 5;
}

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

/* Is actual at least as strict as asked? */
static bool is_enough(enum setting_id id, int64_t actual, int64_t asked)
{
    const struct setting *setting = &settings[id];

    if (actual == asked)
        return true;
    if (setting->type == SETTING_STARTUPS) {
        struct startups ours, theirs;
        return startups_unpack(actual, &ours) && startups_unpack(asked, &theirs) &&
               ours.start <= theirs.start && ours.rate >= theirs.rate && ours.full <= theirs.full;
    }
    /* For settings that sshd has globally, the table knows no stricter value. */
    if (setting->default_only != NULL)
        return actual < asked;
    return setting_stricter(setting, actual, asked);
}

/* What a preset asks for: one setting of one of its rules. */
struct demand {
    const struct baseline *baseline;
    const struct rule *rule;
    enum setting_id id;
};

static bool meets(const struct demand *demand, const struct rule *rule, int64_t actual)
{
    const int64_t asked = demand->rule->setting[demand->id].value;

    if (settings[demand->id].type != SETTING_TEXT)
        return is_enough(demand->id, actual, asked);
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

/* --- fixing the policy ---------------------------------------------------- */

/* How often a line has `NAME =`, even in a comment. */
static unsigned settings_in(const struct text_line *line, const char *name)
{
    const size_t length = strlen(name);
    unsigned count = 0;

    for (const char *at = line->start; at + length < line->end; at++) {
        const bool begins = at == line->start || (at[-1] != '_' && !isalnum((unsigned char)at[-1]));
        const char *after = at + length;
        if (!begins || strncmp(at, name, length) != 0)
            continue;
        while (after < line->end && (*after == ' ' || *after == '\t'))
            after++;
        count += after < line->end && *after == '=';
    }
    return count;
}

/* Is the setting the only thing on its line that looks like it, so that a
 * command can find it? */
static bool stands_alone(const char *path, unsigned number, const char *name)
{
    struct text_file file;
    bool alone = false;

    if (read_text_file(path, 0, &file) != 0)
        return false;
    for (struct text_line line = {0}; next_text_line(&file, &line);)
        if (line.number == number)
            alone = settings_in(&line, name) == 1;
    free(file.text);
    return alone;
}

/* Changes the value in place: a file that is read later would override one of
 * ours, and one of ours would override the site's next edit. */
static void fix_line(const struct audit *audit, struct finding *finding, enum setting_id id,
                     const struct rule_setting *setting, const char *asked)
{
    const char *name = settings[id].name;
    char path[PATH_MAX], word[PATH_MAX], program[512], program_word[1024];

    policy_file(audit, setting->file, path, sizeof path);
    if (!audit->is_text || settings[id].type == SETTING_TEXT ||
        !stands_alone(path, setting->line, name)) {
        finding_set_fix_by_hand(finding, path, setting->line);
        return;
    }
    /* A value is a word, or quoted either way (scan.c). */
    snprintf(program, sizeof program,
             "%us/\\b(%s[[:blank:]]*=[[:blank:]]*)(\"[^\"]*\"|'[^']*'|[A-Za-z0-9_.:%%@-]+)/\\1%s/",
             setting->line, name, asked);
    finding_set_fix(finding, "sed -i -E %s %s && tmoutctl check && tmoutctl apply",
                    shell_word(program, program_word, sizeof program_word),
                    shell_word(path, word, sizeof word));
}

/* The path of a file for the preset's rule and setting in the policy's drop-in
 * directory. A rule's name that is not a plain word does not become part of it.
 * */
static void own_file_path(const struct audit *audit, const struct demand *demand, char *path,
                          size_t size)
{
    const struct rule *rule = demand->rule;
    char whose[RULE_NAME_MAX + 32] = "";

    if (rule->kind != RULE_DEFAULT && is_plain_name(rule->name))
        snprintf(whose, sizeof whose, "-%s-%s", rule_kind_word(rule->kind), rule->name);
    else if (rule->kind != RULE_DEFAULT)
        snprintf(whose, sizeof whose, "-line-%u", rule->setting[demand->id].line);
    snprintf(path, size, "%s.d/90-%s%s-%s.conf", audit->context->config_path,
             demand->baseline->name, whose, settings[demand->id].name);
}

/* Puts what no line sets into a file of its own, one for each rule and setting,
 * which can be written again. */
static void fix_in_own_file(const struct audit *audit, struct finding *finding,
                            const struct demand *demand, const char *asked)
{
    const char *quote = settings[demand->id].type == SETTING_TEXT ? "\"" : "";
    char title[RULE_TITLE_MAX], path[2 * PATH_MAX], path_word[2 * PATH_MAX];
    char section[RULE_TITLE_MAX + SETTING_TEXT_MAX + 64], section_word[2 * sizeof section];

    own_file_path(audit, demand, path, sizeof path);
    snprintf(section, sizeof section, "%s { %s = %s%s%s }",
             rule_title(demand->rule, title, sizeof title), settings[demand->id].name, quote, asked,
             quote);
    finding_set_fix(finding, "printf '%%s\\n' %s >%s && tmoutctl check && tmoutctl apply",
                    shell_word(section, section_word, sizeof section_word),
                    shell_word(path, path_word, sizeof path_word));
}

/* rule is the one whose value is too loose. */
static void fix_policy(const struct audit *audit, struct finding *finding,
                       const struct demand *demand, const struct rule *rule, const char *asked)
{
    /* A preset's rule for one user or group does not justify changing what all
     * others have. */
    const bool is_theirs =
        demand->rule->kind == RULE_DEFAULT || (rule != NULL && rule->kind == demand->rule->kind);

    if (rule != NULL && rule->setting[demand->id].set && is_theirs)
        fix_line(audit, finding, demand->id, &rule->setting[demand->id], asked);
    else
        fix_in_own_file(audit, finding, demand, asked);
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
    fix_policy(audit, finding, demand, rule, asked_text);
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
    [NEEDS_SHELLS] = {SESSION_CHECKS, CHECK_SHELLS_HOOKS, CHECK_SHELLS_OTHERS, AUDIT_CHECKS},
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

/* Gives a finding the place and fix of its cause, which may be NULL. */
static void copy_cause(struct finding *finding, const struct finding *cause)
{
    if (cause == NULL)
        return;
    finding_set_place(finding, cause->file, cause->line);
    if (cause->fix != NULL)
        finding_set_fix(finding, "%s", cause->fix);
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
           setting_parse(setting, printed, &actual) == NULL && is_enough(demand->id, actual, asked);
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

static void compare_preset(struct audit *audit, const struct baseline *baseline)
{
    for (size_t r = 0; r < baseline->preset.count; r++) {
        struct demand demand = {.baseline = baseline, .rule = &baseline->preset.rule[r]};
        for (size_t id = 0; id < SETTING_COUNT; id++) {
            demand.id = (enum setting_id)id;
            if (demand.rule->setting[id].set)
                compare_demand(audit, &demand);
        }
    }
}

int audit_baseline(struct audit *audit, const char *name, struct failure *failure)
{
    struct baseline baseline = {.name = name};
    char directory[PATH_MAX];
    int result = -1;

    if (host_path(audit->host, PRESET_DIR, directory, sizeof directory) != 0) {
        failure_set(failure, "%s: %s", PRESET_DIR, strerror(errno));
        return -1;
    }
    baseline.path = preset_path(directory, name, failure);
    if (baseline.path == NULL)
        return -1;
    if (read_baseline(audit, &baseline, failure) == 0) {
        compare_preset(audit, &baseline);
        result = 0;
    }
    policy_free(&baseline.preset);
    free(baseline.text.text);
    free(baseline.path);
    return result;
}
