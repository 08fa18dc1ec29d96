/*
 * tmoutctl audit --baseline NAME: is the policy in force at least as strict as
 * a preset, and does the host do what it says? The preset is a policy whose lines end with the
 * control that asks for them, as `tmout = 15m  # CIS 5.4.3.2`.
 */
#include "tools/tmoutctl/audit/audit.h"

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
#include <unistd.h>

struct baseline {
    const char *name;
    char *path;
    struct policy preset;
    struct text_file text; /* the same file, for the controls in its comments */
};

/* --- reading the preset --------------------------------------------------- */

/* A name and nothing that leads elsewhere. */
static bool is_plain_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

    return name[0] != '\0' && name[strspn(name, allowed)] == '\0' && strlen(name) < NAME_MAX - 5;
}

static int read_preset(struct baseline *baseline)
{
    struct source_set sources = {0};
    struct problems problems = {0};
    int result = -1;

    if (source_read_draft(baseline->path, 0, &sources, &problems) != 0 ||
        policy_compile_sources(&sources, &baseline->preset, &problems) != 0) {
        char text[1024] = "out of memory";
        const struct problem *first = problems_first_bad(&problems);
        if (first != NULL)
            problem_format(first, text, sizeof text);
        report("the preset cannot be used: %s", text);
    } else if (read_text_file(baseline->path, 0, &baseline->text) != 0) {
        report("%s: %s", baseline->path, strerror(errno));
    } else {
        result = 0;
    }
    problems_free(&problems);
    sources_free(&sources);
    return result;
}

/* The control that the comment at the end of a line names, up to a colon with
 * what it says besides, into text; "": it has none. */
static void control_of(const struct baseline *baseline, unsigned number, char *text, size_t size)
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

/* Is actual at least as strict as what is asked for? */
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
    /* Of what sshd takes globally none is stricter for the table. */
    if (setting->default_only != NULL)
        return actual < asked;
    return setting_stricter(setting, actual, asked);
}

/* What the preset asks for: one setting of one of its rules. */
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

/* What a rule says about a setting, as a policy has it. */
static void value_text(const struct rule *rule, enum setting_id id, int64_t value, char *text,
                       size_t size)
{
    if (settings[id].type == SETTING_TEXT && rule != NULL && rule->setting[id].set &&
        rule->text != NULL)
        snprintf(text, size, "%s", rule->text);
    else
        setting_format(&settings[id], value, text, size);
}

/* --- mending the policy --------------------------------------------------- */

/* How often a line has NAME and = behind it, be it in a comment. */
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

/* Is it the only thing in its line that looks like this setting, so that a
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

/* Changes the value where it stands, for a file that comes later would beat
 * one of ours, and one of ours the site's next edit. */
static void mend_line(struct audit *audit, enum setting_id id, const struct rule_setting *setting,
                      const char *asked)
{
    const char *name = settings[id].name;
    char path[PATH_MAX], word[PATH_MAX], program[512], program_word[1024];

    policy_file(audit, setting->file, path, sizeof path);
    if (!audit->is_text || settings[id].type == SETTING_TEXT ||
        !stands_alone(path, setting->line, name)) {
        mend_by_hand(audit, path, setting->line);
        return;
    }
    /* A value is a word, or in quotes of either kind (scan.c). */
    snprintf(program, sizeof program,
             "%us/\\b(%s[[:blank:]]*=[[:blank:]]*)(\"[^\"]*\"|'[^']*'|[A-Za-z0-9_.:%%@-]+)/\\1%s/",
             setting->line, name, asked);
    audit_mend(audit, "sed -i -E %s %s && tmoutctl check && tmoutctl apply",
               shell_word(program, program_word, sizeof program_word),
               shell_word(path, word, sizeof word));
}

/* Puts what no line says into a file of its own, one for each rule and
 * setting, which may be written again. */
static void mend_file(struct audit *audit, const struct demand *demand, const char *asked)
{
    const char *config = audit->context->config_path, *name = settings[demand->id].name;
    const struct rule *rule = demand->rule;
    char title[RULE_TITLE_MAX], whose[RULE_NAME_MAX + 32] = "", directory[PATH_MAX];
    char path[2 * PATH_MAX], section[RULE_TITLE_MAX + SETTING_TEXT_MAX + 64];
    char section_word[2 * sizeof section], path_word[2 * PATH_MAX];

    /* A name that is no plain word does not become a part of a path. */
    if (rule->kind != RULE_DEFAULT && is_plain_name(rule->name))
        snprintf(whose, sizeof whose, "-%s-%s", rule_kind_word(rule->kind), rule->name);
    else if (rule->kind != RULE_DEFAULT)
        snprintf(whose, sizeof whose, "-line-%u", rule->setting[demand->id].line);
    snprintf(directory, sizeof directory, "%s.d", config);
    snprintf(path, sizeof path, "%s/90-%s%s-%s.conf", directory, demand->baseline->name, whose,
             name);
    snprintf(section, sizeof section, "%s { %s = %s%s%s }", rule_title(rule, title, sizeof title),
             name, settings[demand->id].type == SETTING_TEXT ? "\"" : "", asked,
             settings[demand->id].type == SETTING_TEXT ? "\"" : "");
    audit_mend(audit, "printf '%%s\\n' %s >%s && tmoutctl check && tmoutctl apply",
               shell_word(section, section_word, sizeof section_word),
               shell_word(path, path_word, sizeof path_word));
}

/* rule is the one whose value is too loose. */
static void mend(struct audit *audit, const struct demand *demand, const struct rule *rule,
                 const char *asked)
{
    /* A preset's rule for one user or group is no reason to change what all
     * the others have. */
    const bool is_theirs =
        demand->rule->kind == RULE_DEFAULT || (rule != NULL && rule->kind == demand->rule->kind);

    if (rule != NULL && rule->setting[demand->id].set && is_theirs)
        mend_line(audit, demand->id, &rule->setting[demand->id], asked);
    else
        mend_file(audit, demand, asked);
}

/* --- the policy ----------------------------------------------------------- */

/* Measures a rule of the policy, or NULL for a default section that is not
 * there. */
static void compare(struct audit *audit, const struct demand *demand, const struct rule *rule)
{
    const struct rule_setting *asked = &demand->rule->setting[demand->id];
    const bool set = rule != NULL && rule->setting[demand->id].set;
    const int64_t actual =
        set ? rule->setting[demand->id].value : settings[demand->id].default_value;
    char path[PATH_MAX], title[RULE_TITLE_MAX], ours[SETTING_TEXT_MAX];
    char theirs[SETTING_TEXT_MAX], control[256];

    if (meets(demand, rule, actual))
        return;
    rule_title(rule != NULL ? rule : demand->rule, title, sizeof title);
    if (rule != NULL) {
        policy_file(audit, set ? rule->setting[demand->id].file : rule->file, path, sizeof path);
    } else {
        snprintf(path, sizeof path, "%s", audit->context->config_path);
    }
    value_text(rule, demand->id, actual, ours, sizeof ours);
    value_text(demand->rule, demand->id, asked->value, theirs, sizeof theirs);
    control_of(demand->baseline, asked->line, control, sizeof control);
    audit_add(audit, AUDIT_FAIL, path,
              set            ? rule->setting[demand->id].line
              : rule != NULL ? rule->line
                             : 0,
              "%s of %s is %s%s; %s asks for %s", settings[demand->id].name, title, ours,
              set ? "" : " (no line says it)", demand->baseline->name, theirs);
    audit_control(audit, control);
    mend(audit, demand, rule, theirs);
}

/* The rule of this kind and name, or NULL. */
static const struct rule *find_rule(const struct policy *policy, enum rule_kind kind,
                                    const char *name)
{
    for (size_t i = 0; i < policy->count; i++)
        if (policy->rule[i].kind == kind && strcmp(policy->rule[i].name, name) == 0)
            return &policy->rule[i];
    return NULL;
}

/* The rule that decides for the one user or group of a preset's rule. */
static const struct rule *deciding_rule(const struct policy *policy, const struct demand *demand)
{
    const struct rule *rule = find_rule(policy, demand->rule->kind, demand->rule->name);
    /* root has a limit only from a rule of his own. */
    const bool is_roots = demand->id == SETTING_MAX_ATTEMPTS && demand->rule->kind == RULE_USER &&
                          strcmp(demand->rule->name, "root") == 0;

    if (is_roots || (rule != NULL && rule->setting[demand->id].set))
        return rule;
    return find_rule(policy, RULE_DEFAULT, "");
}

/* The default section counts whether it says something or not, the other
 * rules only where they do. */
static void measure(struct audit *audit, const struct demand *demand)
{
    const struct policy *policy = &audit->policy;

    if (demand->rule->kind != RULE_DEFAULT) {
        compare(audit, demand, deciding_rule(policy, demand));
        return;
    }
    compare(audit, demand, find_rule(policy, RULE_DEFAULT, ""));
    for (size_t i = 0; i < policy->count; i++)
        if (policy->rule[i].kind != RULE_DEFAULT && policy->rule[i].setting[demand->id].set)
            compare(audit, demand, &policy->rule[i]);
}

/* --- the host ------------------------------------------------------------- */

/*
 * The checks without which settings have no effect on this host: sshd has to
 * come to the module, and the shells to the limit. What sshd itself does it is
 * asked, see compare_sshd().
 */
#define MODULE_CHECKS  "sshd-use-pam", "pam-module"
#define SESSION_CHECKS MODULE_CHECKS, "pam-session-line", "pam-session-order"
#define SHELL_CHECKS   SESSION_CHECKS, "shells-hooks", "shells-others"
#define AUTH_CHECKS    MODULE_CHECKS, "pam-auth-line", "pam-auth-order", "pam-auth-control"

enum { CHECKS_MAX = 8 };

static const char *const needed[SETTING_COUNT][CHECKS_MAX] = {
    [SETTING_TMOUT] = {SHELL_CHECKS},
    [SETTING_ENFORCE] = {SHELL_CHECKS},
    [SETTING_SESSIONS] = {SHELL_CHECKS},
    [SETTING_DISCONNECT] = {SESSION_CHECKS, "policy-tmoutd"},
    [SETTING_DISCONNECT_NOTTY] = {SESSION_CHECKS, "policy-tmoutd"},
    [SETTING_MAX_SESSION] = {SESSION_CHECKS, "policy-tmoutd"},
    [SETTING_MAX_ATTEMPTS] = {AUTH_CHECKS},
    [SETTING_ATTEMPT_WINDOW] = {AUTH_CHECKS},
    [SETTING_LOCK_TIME] = {AUTH_CHECKS},
    [SETTING_COUNT_BY] = {AUTH_CHECKS},
};

/* The first finding of a check that says more than PASS, and has this word in
 * its message; NULL: there is none. */
static const struct finding *finding_of(const struct audit *audit, const char *id, const char *word)
{
    for (size_t i = 0; i < audit->count; i++) {
        const struct finding *f = &audit->finding[i];
        if (f->status != AUDIT_PASS && strcmp(f->id, id) == 0 && f->message != NULL &&
            strstr(f->message, word) != NULL)
            return f;
    }
    return NULL;
}

/* What the policy has: `tmout is 15m or stricter`. */
static const char *met_text(const struct demand *demand, char *text, size_t size)
{
    char value[SETTING_TEXT_MAX];

    value_text(demand->rule, demand->id, demand->rule->setting[demand->id].value, value,
               sizeof value);
    snprintf(text, size, "%s is %s or stricter", settings[demand->id].name, value);
    return text;
}

/* Does a check that has failed keep the setting from having an effect? */
static void compare_checks(struct audit *audit, const struct demand *demand)
{
    char met[2 * SETTING_TEXT_MAX];

    for (const char *const *id = needed[demand->id]; *id != NULL; id++) {
        const struct finding *found = finding_of(audit, *id, "");
        if (found == NULL || found->status != AUDIT_FAIL)
            continue;
        /* The list of findings moves as it grows, their texts don't. */
        const char *cure = found->mend;
        audit_add(audit, AUDIT_FAIL, found->file, found->line,
                  "%s in the policy, and not on this host: %s: %s",
                  met_text(demand, met, sizeof met), *id, found->message);
        if (cure != NULL)
            audit_mend(audit, "%s", cure);
        return;
    }
}

/* Is what `sshd -T` prints, or NULL, as strict as what is asked for? What
 * cannot be read is not. */
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

/* Does sshd, which has settings of its own, do what is asked for? */
static void compare_sshd(struct audit *audit, const struct demand *demand, const char *keyword)
{
    const char *user = demand->rule->kind == RULE_USER ? demand->rule->name : NULL;
    const struct finding *found = finding_of(audit, "sshd-drop-in", keyword);
    char met[2 * SETTING_TEXT_MAX];
    struct failure failure = {""};
    struct sshd_config sshd = {0};

    met_text(demand, met, sizeof met);
    if (sshd_effective(&audit->sshd, user, &sshd, &failure) != 0) {
        found = finding_of(audit, "sshd-config", "");
        const char *cure = found != NULL ? found->mend : NULL;
        audit_add(audit, AUDIT_FAIL, found != NULL ? found->file : NULL,
                  found != NULL ? found->line : 0, "%s in the policy, and sshd cannot be asked: %s",
                  met, failure.text);
        if (cure != NULL)
            audit_mend(audit, "%s", cure);
    } else if (!sshd_is_enough(demand, sshd_config_value(&sshd, keyword))) {
        const char *printed = sshd_config_value(&sshd, keyword);
        const char *cure = found != NULL ? found->mend : NULL;
        audit_add(audit, AUDIT_FAIL, found != NULL ? found->file : NULL,
                  found != NULL ? found->line : 0, "%s in the policy, and in sshd %s is %s", met,
                  keyword, printed != NULL ? printed : "none");
        if (cure != NULL)
            audit_mend(audit, "%s", cure);
    }
    sshd_config_free(&sshd);
}

/* What the policy says, does the host do it? */
static void measure_host(struct audit *audit, const struct demand *demand)
{
    compare_checks(audit, demand);
    for (size_t i = 0; i < sshd_keyword_count; i++)
        if (sshd_keywords[i].id == demand->id)
            compare_sshd(audit, demand, sshd_keywords[i].keyword);
}

/* --- all of a preset ------------------------------------------------------ */

static void measure_one(struct audit *audit, const struct demand *demand)
{
    const size_t before = audit->count;
    char control[256], met[2 * SETTING_TEXT_MAX];

    measure(audit, demand);
    if (audit->count > before)
        return;
    measure_host(audit, demand);
    if (audit->count == before)
        audit_add(audit, AUDIT_PASS, NULL, 0, "%s", met_text(demand, met, sizeof met));
    control_of(demand->baseline, demand->rule->setting[demand->id].line, control, sizeof control);
    audit_control(audit, control);
}

static void measure_all(struct audit *audit, const struct baseline *baseline)
{
    for (size_t r = 0; r < baseline->preset.count; r++) {
        struct demand demand = {.baseline = baseline, .rule = &baseline->preset.rule[r]};
        for (size_t id = 0; id < SETTING_COUNT; id++) {
            demand.id = (enum setting_id)id;
            if (demand.rule->setting[id].set)
                measure_one(audit, &demand);
        }
    }
}

int audit_baseline(struct audit *audit, const char *name)
{
    struct baseline baseline = {.name = name};
    struct failure failure = {""};
    int result = -1;

    baseline.path = preset_path(PRESET_DIR, name, &failure);
    if (baseline.path == NULL) {
        report("%s", failure.text);
        return -1;
    }
    audit->check = "baseline";
    if (read_preset(&baseline) == 0) {
        measure_all(audit, &baseline);
        result = 0;
    }
    policy_free(&baseline.preset);
    free(baseline.text.text);
    free(baseline.path);
    return result;
}
