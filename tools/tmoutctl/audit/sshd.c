/* Does sshd's configuration let the policy take effect? */
#include "tools/tmoutctl/audit/areas.h"
#include "tools/tmoutctl/audit/patch.h"
#include "tools/tmoutctl/audit/sshd_fix.h"

#include "lib/policy/bash_variables.h"
#include "tools/tmoutctl/sshd/check.h"
#include "tools/tmoutctl/sshd/dropin.h"
#include "tools/tmoutctl/sshd/installed.h"
#include "tools/tmoutctl/sshd/keywords.h"
#include "tools/tmoutctl/sshd/site.h"
#include "tools/tmoutctl/sshd/text.h"
#include "tools/tmoutctl/sshd/suggest.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* sshd's own values where no line sets them. */
static const struct {
    const char *keyword, *value;
} defaults[] = {
    {"UsePAM", "no"},
    {"PermitUserEnvironment", "no"},
    {"ClientAliveInterval", "0"},
    {"ClientAliveCountMax", "3"},
    {"MaxAuthTries", "6"},
};

/*
 * The effective value of a keyword, into value: as sshd prints it or, where it
 * cannot be asked, as its files and built-in values imply. Returns the line
 * that sets it, or NULL where none does.
 */
static const struct sshd_line *find_value(const struct sshd_facts *sshd, const char *keyword,
                                          char *value, size_t size)
{
    const struct sshd_line *line = sshd_text_first(&sshd->text, keyword);
    /* The options that keep sshd from starting are left out there. */
    const char *effective = sshd_config_value(
        sshd->bad.bad_count > 0 ? &sshd->answers.global : &sshd->effective, keyword);

    value[0] = '\0';
    if (effective != NULL) {
        snprintf(value, size, "%s", effective);
    } else if (line != NULL) {
        const char *rest = line->arguments;
        sshd_next_word(&rest, value, size);
    } else {
        for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
            if (strcasecmp(defaults[i].keyword, keyword) == 0)
                snprintf(value, size, "%s", defaults[i].value);
    }
    return line;
}

/* The smallest max_attempts of all rules, or SETTING_NONE. */
static int64_t fewest_attempts(const struct audit *audit)
{
    int64_t fewest = SETTING_NONE;

    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule_setting *setting = &audit->policy.rule[i].setting[SETTING_MAX_ATTEMPTS];
        if (setting->set && setting->value < fewest)
            fewest = setting->value;
    }
    return fewest;
}

/* The value of a keyword that all checks accept, as it is written in sshd_config:
 * the policy's for everybody, else a usual one. text is returned. */
static const char *right_value(const struct audit *audit, enum setting_id id, char *text,
                               size_t size)
{
    const struct rule nobody = {.kind = RULE_DEFAULT};
    const int64_t attempts = fewest_attempts(audit);
    int64_t value = rule_value(audit, &nobody, id);

    if (id == SETTING_CLIENT_ALIVE_INTERVAL && value >= SETTING_OFF)
        value = 300;
    if (id == SETTING_CLIENT_ALIVE_COUNT_MAX && value >= SETTING_OFF)
        value = 3;
    if (id == SETTING_MAX_AUTH_TRIES && attempts < value)
        value = attempts;
    sshd_value_format(id, value, "", text, size);
    return text;
}

/* The place of the line, or of a value that no line sets. */
static void place_at(const struct audit *audit, struct finding *finding,
                     const struct sshd_line *line)
{
    finding_set_place(finding, line != NULL ? line->file : sshd_config_path(audit->host),
                      line != NULL ? line->line : 0);
}

/* --- can it start -------------------------------------------------------- */

/* The file that sshd's message names, as `PATH line 3:` or `PATH: line 3:`, into
 * path. Returns the line, or 0 if it names none. */
static unsigned place_in(const char *reason, char *path, size_t size)
{
    const char *start = strchr(reason, '/'), *end = strstr(reason, " line ");

    if (start == NULL || end == NULL || end < start)
        return 0;
    snprintf(path, size, "%.*s", (int)(end - start), start);
    path[strcspn(path, ":")] = '\0';
    return (unsigned)strtoul(end + strlen(" line "), NULL, 10);
}

static void check_sshd_config(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;
    char path[PATH_MAX];
    struct finding *finding;

    snprintf(path, sizeof path, "%s", sshd_config_path(audit->host));
    if (sshd->text.problem != NULL) {
        finding =
            findings_add(&audit->findings, CHECK_SSHD_CONFIG, AUDIT_FAIL, "%s", sshd->text.problem);
        finding_set_place(finding, sshd->text.problem_file, sshd->text.problem_line);
        finding_set_remediation(finding, "Correct the Include, or the file.");
        return;
    }
    if (sshd->failure.text[0] == '\0' || sshd->effective.bad_count > 0)
        return; /* check_sshd_keyword() reports what is wrong */
    /* sshd's service creates that directory when it starts, and sshd requires
     * it even to print its configuration. */
    if (strstr(sshd->failure.text, "privilege separation directory") != NULL) {
        finding = findings_add(&audit->findings, CHECK_SSHD_CONFIG, AUDIT_WARN,
                               "sshd has not been started since boot, so its configuration cannot "
                               "be queried (%s); the checks below use its files instead",
                               sshd->failure.text);
        finding_set_remediation(finding, "Start sshd, and audit again.");
        return;
    }
    const unsigned line = place_in(sshd->failure.text, path, sizeof path);
    finding = findings_add(&audit->findings, CHECK_SSHD_CONFIG, AUDIT_FAIL,
                           "sshd's configuration cannot be queried, and sshd may not start: %s",
                           sshd->failure.text);
    finding_set_place(finding, path, line);
    finding_set_remediation(finding, "Correct what sshd -t complains about.");
}

/* The line that an option is on, or NULL. */
static const struct sshd_line *line_of(const struct sshd_text *text,
                                       const struct sshd_bad_option *option)
{
    for (size_t i = 0; i < text->count; i++)
        if (text->line[i].line == option->line && strcmp(text->line[i].file, option->file) == 0)
            return &text->line[i];
    return NULL;
}

/* Is the first argument of the line a zero, however sshd lets it be written? It
 * goes into value. */
static bool line_is_zero(const struct sshd_line *line, char *value, size_t size)
{
    const char *rest = line->arguments;

    return sshd_next_word(&rest, value, size) && sshd_is_zero(value);
}

/* Corrects a misspelled option, with a value that the other checks accept; takes
 * out one that sshd does not have, or that another line sets. */
static void fix_bad_option(const struct audit *audit, const struct sshd_facts *sshd,
                           struct finding *finding, const struct sshd_line *line, const char *meant)
{
    char text[1024], value[SETTING_TEXT_MAX];

    if (meant == NULL || (!line->in_match && sshd_text_first(&sshd->text, meant) != NULL)) {
        finding_set_remediation(finding, "Remove the line.");
        sshd_fix_line(finding, line, NULL);
        return;
    }
    /* sshd_fix_line() keeps a comment. */
    const char *comment = sshd_line_comment(line->text);
    const char *from = line->arguments + strspn(line->arguments, " \t");
    const size_t length = comment[0] != '\0' ? strlen(from) - strlen(comment) : strcspn(from, "\r");
    snprintf(text, sizeof text, "%s %.*s", meant, (int)length, from);
    for (size_t i = 0; i < sshd_keyword_count; i++)
        if (strcasecmp(sshd_keywords[i].keyword, meant) == 0 &&
            line_is_zero(line, value, sizeof value))
            snprintf(text, sizeof text, "%s %s", meant,
                     right_value(audit, sshd_keywords[i].id, value, sizeof value));
    finding_set_remediation(finding, "Set %s.", text);
    sshd_fix_line(finding, line, text);
}

static void add_bad_option(struct audit *audit, const struct sshd_facts *sshd,
                           const struct sshd_bad_option *option)
{
    const char *meant = sshd_suggest(option->keyword, &sshd->builtin);
    const struct sshd_line *line = line_of(&sshd->text, option);
    struct finding *finding =
        findings_add(&audit->findings, CHECK_SSHD_KEYWORD, AUDIT_FAIL,
                     "%s is %s, and keeps sshd from starting%s%s%s", option->keyword,
                     ssh_client_has_option(option->keyword) ? "a client option (ssh_config(5))"
                                                            : "not an sshd option",
                     meant != NULL ? "; did you mean " : "", meant != NULL ? meant : "",
                     meant != NULL ? "?" : "");

    finding_set_place(finding, option->file, option->line);
    if (line != NULL)
        fix_bad_option(audit, sshd, finding, line, meant);
}

static void check_sshd_keyword(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;

    for (size_t i = 0; i < sshd->bad.bad_count; i++)
        add_bad_option(audit, sshd, &sshd->bad.bad[i]);
}

/* Is there a misspelled option, outside of every Match block, that means this one? */
static bool is_meant(const struct sshd_facts *sshd, const char *keyword)
{
    for (size_t i = 0; i < sshd->bad.bad_count; i++) {
        const struct sshd_line *line = line_of(&sshd->text, &sshd->bad.bad[i]);
        const char *meant = sshd_suggest(sshd->bad.bad[i].keyword, &sshd->builtin);
        if (line != NULL && !line->in_match && meant != NULL && strcasecmp(meant, keyword) == 0)
            return true;
    }
    return false;
}

/* --- the environment ----------------------------------------------------- */

static void check_sshd_use_pam(struct audit *audit, const void *facts)
{
    char value[64];
    const struct sshd_line *line = find_value(facts, "UsePAM", value, sizeof value);

    if (strcasecmp(value, "yes") == 0)
        return;
    struct finding *finding = findings_add(&audit->findings, CHECK_SSHD_USE_PAM, AUDIT_FAIL,
                                           "UsePAM is %s: sshd never calls the module", value);
    place_at(audit, finding, line);
    /* No patch: whom PAM's account lines refuse gets in today, and with a key those whose
     * password is locked get in only with PAM. */
    finding_set_remediation(finding, "Set UsePAM yes once the PAM stack of sshd accepts whom it "
                                     "should: it then decides about logins with keys, too.");
}

/* The first variable that affects the limit and matches sshd's pattern, or
 * NULL. */
static const char *matching_variable(const char *pattern)
{
    for (size_t i = 0; i < bash_variable_count; i++)
        if (fnmatch(pattern, bash_variables[i].name, 0) == 0)
            return bash_variables[i].name;
    return NULL;
}

static void check_sshd_user_environment(struct audit *audit, const void *facts)
{
    static const char keyword[] = "PermitUserEnvironment";
    char value[512];
    const struct sshd_line *line = find_value(facts, keyword, value, sizeof value);
    const char *rest = value,
               *variable = strcasecmp(value, "yes") == 0 ? bash_variables[0].name : NULL;

    if (strcasecmp(value, "no") == 0)
        return;
    /* Any other value is a list of patterns. */
    while (variable == NULL && *rest != '\0') {
        char pattern[256];
        snprintf(pattern, sizeof pattern, "%.*s", (int)strcspn(rest, ","), rest);
        variable = matching_variable(pattern);
        rest += strcspn(rest, ",");
        rest += *rest == ',';
    }
    if (variable == NULL)
        return;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_SSHD_USER_ENVIRONMENT, AUDIT_FAIL,
                     "PermitUserEnvironment is %s: users can set variables that make their shell "
                     "skip the limit, such as %s",
                     value, variable);
    place_at(audit, finding, line);
    sshd_fix_value(audit, finding, line, keyword, "no");
}

/* Takes the words that name one of our variables out of a line; up_to is what
 * ends the name in a word. */
static void fix_variables(struct finding *finding, const struct sshd_line *line, const char *up_to)
{
    char word[512], text[4096];
    int used = snprintf(text, sizeof text, "%s", line->keyword);
    const int without = used;

    for (const char *rest = line->arguments, *start = rest;
         sshd_next_word(&rest, word, sizeof word); start = rest) {
        start += strspn(start, " \t");
        word[strcspn(word, up_to)] = '\0';
        if (matching_variable(word) == NULL && used < (int)sizeof text)
            used += snprintf(text + used, sizeof text - (size_t)used, " %.*s", (int)(rest - start),
                             start);
    }
    finding_set_remediation(finding, used > without ? "Keep only the other variables on the line."
                                                    : "Remove the line.");
    if (used < (int)sizeof text)
        sshd_fix_line(finding, line, used > without ? text : NULL);
}

/* An AcceptEnv line that lets clients set one of our variables. */
static void check_accept_env_line(struct audit *audit, const struct sshd_line *line)
{
    char pattern[512];

    for (const char *rest = line->arguments; sshd_next_word(&rest, pattern, sizeof pattern);) {
        const char *variable = matching_variable(pattern);
        if (variable == NULL)
            continue;
        struct finding *finding =
            findings_add(&audit->findings, CHECK_SSHD_ACCEPT_ENV, AUDIT_FAIL,
                         "AcceptEnv %s lets clients set %s, with which a shell can skip the limit",
                         pattern, variable);
        place_at(audit, finding, line);
        fix_variables(finding, line, "");
        return;
    }
}

/* A SetEnv line that sets one of our variables. */
static void check_set_env_line(struct audit *audit, const struct sshd_line *line)
{
    char assignment[512];

    for (const char *rest = line->arguments;
         sshd_next_word(&rest, assignment, sizeof assignment);) {
        assignment[strcspn(assignment, "=")] = '\0';
        if (matching_variable(assignment) == NULL)
            continue;
        struct finding *finding = findings_add(
            &audit->findings, CHECK_SSHD_SET_ENV, AUDIT_FAIL,
            "SetEnv %s is applied after PAM and overrides what the module sets", assignment);
        place_at(audit, finding, line);
        fix_variables(finding, line, "=");
        return;
    }
}

static void check_sshd_accept_env(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;

    for (size_t i = 0; i < sshd->text.count; i++)
        if (strcasecmp(sshd->text.line[i].keyword, "AcceptEnv") == 0)
            check_accept_env_line(audit, &sshd->text.line[i]);
}

static void check_sshd_set_env(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;

    for (size_t i = 0; i < sshd->text.count; i++)
        if (strcasecmp(sshd->text.line[i].keyword, "SetEnv") == 0)
            check_set_env_line(audit, &sshd->text.line[i]);
}

/* --- dead connections, tries, channels ----------------------------------- */

/* Do a value as it is written and one as sshd prints it mean the same? */
static bool is_value(const struct sshd_keyword *keyword, const char *written, const char *printed)
{
    int64_t one, other;

    if (sshd_is_zero(written))
        return printed != NULL && sshd_is_zero(printed);
    return printed != NULL && setting_parse(&settings[keyword->id], written, &one) == NULL &&
           setting_parse(&settings[keyword->id], printed, &other) == NULL && one == other;
}

/*
 * Does a line in a Match block have an effect on anybody? Not if other blocks come
 * first for all users that it is about. What cannot be asked counts as yes; *asked
 * tells whether it could.
 */
static bool is_effective(const struct sshd_facts *sshd, const struct sshd_line *line,
                         const struct sshd_keyword *keyword, bool *asked)
{
    const struct sshd_answers *answers = &sshd->answers;
    char written[64];
    const char *rest = line->arguments;

    *asked = false;
    if (!answers->complete || !sshd_next_word(&rest, written, sizeof written))
        return true;
    for (size_t i = 0; i < answers->user_count; i++) {
        if (!sshd_match_applies(&sshd->text.line[line->match], &sshd->named.user[i]))
            continue;
        *asked = true;
        if (is_value(keyword, written, sshd_config_value(&answers->user[i], keyword->keyword)))
            return true;
    }
    return !*asked;
}

static void check_sshd_client_alive(struct audit *audit, const void *facts)
{
    static const struct sshd_keyword keyword = {
        SETTING_CLIENT_ALIVE_INTERVAL, "ClientAliveInterval", {0, 0}};
    const struct sshd_facts *sshd = facts;
    char value[64], right[SETTING_TEXT_MAX];
    const struct sshd_line *line = find_value(sshd, keyword.keyword, value, sizeof value);
    struct finding *finding;
    bool asked;

    right_value(audit, keyword.id, right, sizeof right);
    const bool is_misspelled = line == NULL && is_meant(sshd, keyword.keyword);
    if (sshd_is_zero(value) && !is_misspelled) {
        finding = findings_add(&audit->findings, CHECK_SSHD_CLIENT_ALIVE, AUDIT_WARN,
                               "ClientAliveInterval is %s: connections to dead clients stay open "
                               "until TCP times out",
                               value);
        place_at(audit, finding, line);
        sshd_fix_value(audit, finding, line, keyword.keyword, right);
    }
    for (size_t i = 0; i < sshd->text.count; i++) {
        line = &sshd->text.line[i];
        if (!line->in_match || strcasecmp(line->keyword, keyword.keyword) != 0 ||
            !line_is_zero(line, value, sizeof value) || !is_effective(sshd, line, &keyword, &asked))
            continue;
        finding =
            findings_add(&audit->findings, CHECK_SSHD_CLIENT_ALIVE, AUDIT_WARN,
                         "ClientAliveInterval %s disables ClientAlive in this Match block", value);
        place_at(audit, finding, line);
        sshd_fix_value(audit, finding, line, keyword.keyword, right);
    }
}

/* Has a line that is not in a Match block no effect, since sshd uses an earlier
 * one? */
static bool is_overridden(const struct sshd_facts *sshd, const struct sshd_line *line)
{
    return !line->in_match && sshd_text_first(&sshd->text, line->keyword) != line;
}

static void check_sshd_client_alive_count(struct audit *audit, const void *facts)
{
    static const struct sshd_keyword keyword = {
        SETTING_CLIENT_ALIVE_COUNT_MAX, "ClientAliveCountMax", {0, 0}};
    const struct sshd_facts *sshd = facts;
    char value[64], right[SETTING_TEXT_MAX];
    bool asked;

    right_value(audit, keyword.id, right, sizeof right);
    for (size_t i = 0; i < sshd->text.count; i++) {
        const struct sshd_line *line = &sshd->text.line[i];
        if (strcasecmp(line->keyword, keyword.keyword) != 0 ||
            !line_is_zero(line, value, sizeof value) || is_overridden(sshd, line) ||
            (line->in_match && !is_effective(sshd, line, &keyword, &asked)))
            continue;
        struct finding *finding =
            findings_add(&audit->findings, CHECK_SSHD_CLIENT_ALIVE_COUNT, AUDIT_FAIL,
                         "ClientAliveCountMax %s disables ClientAlive since OpenSSH 8.2, and never "
                         "closed idle sessions",
                         value);
        place_at(audit, finding, line);
        sshd_fix_value(audit, finding, line, keyword.keyword, right);
    }
}

/* The line that gives a user, or with NULL everybody, this value of MaxAuthTries;
 * NULL: none does. */
static const struct sshd_line *tries_line(const struct sshd_facts *sshd, const struct account *user,
                                          int64_t tries)
{
    struct sshd_site_value site;

    for (size_t i = 0; user != NULL && i < sshd->text.count; i++) {
        const struct sshd_line *line = &sshd->text.line[i];
        if (sshd_site_read(line, &site) && site.keyword->id == SETTING_MAX_AUTH_TRIES &&
            site.value == tries && sshd_match_applies(&sshd->text.line[line->match], user))
            return line;
    }
    return sshd_text_first(&sshd->text, "MaxAuthTries");
}

/* More tries than a rule allows, on a line or, with NULL, as sshd's own value;
 * whose begins with a blank, or is "". */
static void add_tries(struct audit *audit, const struct sshd_line *line, const char *tries,
                      const char *whose, const struct rule *rule, int64_t attempts)
{
    char title[RULE_TITLE_MAX], right[SETTING_TEXT_MAX];

    if (findings_have(&audit->findings, CHECK_SSHD_MAX_AUTH_TRIES,
                      line != NULL ? line->file : sshd_config_path(audit->host),
                      line != NULL ? line->line : 0))
        return;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_SSHD_MAX_AUTH_TRIES, AUDIT_WARN,
                     "MaxAuthTries is %s%s, but max_attempts of %s is %" PRId64
                     ": a single connection offers more tries than the user has attempts",
                     tries, whose, rule_title(rule, title, sizeof title), attempts);
    place_at(audit, finding, line);
    sshd_fix_value(audit, finding, line, "MaxAuthTries",
                   right_value(audit, SETTING_MAX_AUTH_TRIES, right, sizeof right));
}

/* Compares the tries that sshd gives a user, or with NULL everybody, with their
 * limit, if there is one. */
static void compare_tries(struct audit *audit, const struct sshd_facts *sshd,
                          const struct account *user, const struct sshd_config *config,
                          const struct resolved_setting *limit)
{
    const char *value = sshd_config_value(config, "MaxAuthTries");
    const struct rule rule = {.kind = limit->kind, .name = (char *)(uintptr_t)limit->name};
    char whose[RULE_NAME_MAX + 8] = "";

    if (value == NULL || limit->value == SETTING_NONE || strtoll(value, NULL, 10) <= limit->value)
        return;
    if (user != NULL)
        snprintf(whose, sizeof whose, " for %s", user->name);
    add_tries(audit, tries_line(sshd, user, strtoll(value, NULL, 10)), value, whose, &rule,
              limit->value);
}

/* The same for a line in a Match block about users whom this host does not have. */
static void compare_line_of_nobody(struct audit *audit, const struct sshd_facts *sshd,
                                   const struct sshd_line *line)
{
    const struct rule *strictest = NULL;
    struct sshd_site_value site;
    bool asked;

    if (!sshd_site_read(line, &site) || site.keyword->id != SETTING_MAX_AUTH_TRIES ||
        !is_effective(sshd, line, site.keyword, &asked) || asked)
        return;
    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule *rule = &audit->policy.rule[i];
        if (rule->setting[SETTING_MAX_ATTEMPTS].set &&
            rule->setting[SETTING_MAX_ATTEMPTS].value == fewest_attempts(audit))
            strictest = rule;
    }
    if (strictest != NULL && site.value > fewest_attempts(audit))
        add_tries(audit, line, site.text, "", strictest, fewest_attempts(audit));
}

static void check_sshd_max_auth_tries(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;
    const struct sshd_answers *answers = &sshd->answers;
    struct resolution resolution;
    struct failure failure;

    if (!audit->has_view || fewest_attempts(audit) == SETTING_NONE)
        return;
    if (resolve(&audit->view.snapshot, "", NULL, 0, &resolution) == 0)
        compare_tries(audit, sshd, NULL, &answers->global,
                      &resolution.setting[SETTING_MAX_ATTEMPTS]);
    for (size_t i = 0; i < answers->user_count; i++) {
        struct account *user = &sshd->named.user[i];
        if (policy_view_resolve(audit->context, &audit->view, user, &resolution, &failure) == 0)
            compare_tries(audit, sshd, user, &answers->user[i],
                          &resolution.setting[SETTING_MAX_ATTEMPTS]);
    }
    for (size_t i = 0; i < sshd->text.count; i++)
        compare_line_of_nobody(audit, sshd, &sshd->text.line[i]);
}

/* The site's own Match blocks take precedence over the default section, by
 * design: a warning, not a failure. */
static void check_sshd_match(struct audit *audit, const void *facts)
{
    const struct rule nobody = {.kind = RULE_DEFAULT};
    const struct sshd_facts *sshd = facts;
    char wanted[SETTING_TEXT_MAX], right[SETTING_TEXT_MAX];
    bool asked;

    for (size_t i = 0; i < sshd->text.count; i++) {
        const struct sshd_line *line = &sshd->text.line[i];
        struct sshd_site_value site;
        if (!sshd_site_read(line, &site))
            continue;
        const int64_t value = rule_value(audit, &nobody, site.keyword->id);
        if (!setting_stricter(&settings[site.keyword->id], value, site.value) ||
            !is_effective(sshd, line, site.keyword, &asked))
            continue;
        sshd_value_format(site.keyword->id, value, "", wanted, sizeof wanted);
        struct finding *finding =
            findings_add(&audit->findings, CHECK_SSHD_MATCH, AUDIT_WARN,
                         "%s %s, in a Match block of the site's own, is looser than the policy's "
                         "default section (%s)",
                         site.keyword->keyword, site.text, wanted);
        place_at(audit, finding, line);
        sshd_fix_value(audit, finding, line, site.keyword->keyword,
                       right_value(audit, site.keyword->id, right, sizeof right));
    }
}

/* In a Match block it takes effect from OpenSSH 10.5 on (a change of July
 * 2026); before that sshd -T prints it, but channels ignore it. */
static void check_sshd_channel_timeout(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;
    const struct sshd_version works = {10, 5};

    if (sshd->has_version && !sshd_version_before(&sshd->version, &works))
        return;
    for (size_t i = 0; i < sshd->text.count; i++) {
        const struct sshd_line *line = &sshd->text.line[i];
        if (!line->in_match || strcasecmp(line->keyword, "ChannelTimeout") != 0)
            continue;
        struct finding *finding =
            findings_add(&audit->findings, CHECK_SSHD_CHANNEL_TIMEOUT, AUDIT_FAIL,
                         "ChannelTimeout in a Match block has no effect before OpenSSH 10.5; put "
                         "it before every Match, or give these users disconnect");
        place_at(audit, finding, line);
        finding_set_remediation(finding, "Remove the line.");
        sshd_fix_line(finding, line, NULL);
    }
}

/* --- what the policy has for sshd ---------------------------------------- */

/* sshd may read the file in between, and must not find only a part of it. */
#define WRITE_DROP_IN                                                                              \
    "cd /etc/ssh/sshd_config.d && tmoutctl sshd-config >00-tmout.new && "                          \
    "mv 00-tmout.new 00-tmout.conf && sshd -t"

/* Does any rule have a setting for sshd? */
static bool policy_has_sshd_settings(const struct audit *audit)
{
    for (size_t r = 0; r < audit->policy.count; r++)
        for (size_t k = 0; k < sshd_keyword_count; k++)
            if (audit->policy.rule[r].setting[sshd_keywords[k].id].set)
                return true;
    return false;
}

static void add_difference(struct audit *audit, const struct sshd_facts *sshd,
                           const struct sshd_difference *difference)
{
    char rule[PATH_MAX + RULE_TITLE_MAX];
    const bool is_stricter =
        sshd_value_is_stricter(difference->keyword->id, difference->effective, difference->policy);

    sshd_difference_rule(difference, rule, sizeof rule);
    struct finding *finding = findings_add(
        &audit->findings, CHECK_SSHD_DROP_IN, is_stricter ? AUDIT_NOTE : AUDIT_FAIL,
        "%s for %s is %s in sshd, but %s in the policy (%s)", difference->keyword->keyword,
        difference->user != NULL ? difference->user : "all users", difference->effective,
        difference->policy, rule);
    finding->setting = difference->keyword->id;
    finding_set_place(finding, SSHD_DROP_IN, 0);
    if (is_stricter)
        return;
    const bool is_included = sshd_includes(&sshd->text, SSHD_DROP_IN);
    finding_set_remediation(finding, is_included
                                         ? "Write the drop-in again, and reload sshd."
                                         : "Write the drop-in, and reload sshd; sshd_config has no "
                                           "Include line, so it would have no effect yet.");
    finding_set_command(finding, WRITE_DROP_IN);
    if (!is_included)
        sshd_fix_include(audit, finding, &sshd->text);
}

/* As sshd_check(), for the policy in force and what sshd has answered. */
static int compare_with_policy(struct audit *audit, const struct sshd_facts *sshd,
                               struct sshd_check *check, struct failure *failure)
{
    const struct sshd_answers *answers = &sshd->answers;
    const struct sshd_check_answers answered = {&answers->global, sshd->named.user, answers->user,
                                                answers->user_count};
    struct dropin dropin = {0};
    bool known[SETTING_COUNT] = {false};
    const struct sshd_check_input input = {audit->host, &audit->sshd, &audit->view.snapshot,
                                           &dropin,     known,        &answered};
    int result = -1;

    /* Without one, settings that sshd has but does not print would be taken for
     * ones that it lacks, and not be compared. */
    if (!sshd->has_version || !answers->complete) {
        *failure = sshd->has_version ? answers->failure : sshd->no_version;
        return -1;
    }
    sshd_find_known(&sshd->version, &answers->global, known);
    if (dropin_collect(&audit->view.snapshot, &dropin) != 0)
        failure_set(failure, "cannot read the compiled policy: %s", strerror(errno));
    else
        result = sshd_check(&input, check, failure);
    dropin_free(&dropin);
    return result;
}

static void check_sshd_drop_in(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;
    struct sshd_check check = {0};
    struct failure failure = {""};

    if (!policy_has_sshd_settings(audit))
        return;
    if (sshd->failure.text[0] != '\0' && (sshd->bad.bad_count == 0 || !sshd->answers.complete)) {
        finding_set_remediation(
            findings_add(&audit->findings, CHECK_SSHD_DROP_IN, AUDIT_WARN,
                         "cannot be compared with the policy while sshd's configuration cannot be "
                         "queried"),
            "Correct sshd's configuration first, and audit again.");
        return;
    }
    if (compare_with_policy(audit, sshd, &check, &failure) != 0) {
        struct finding *finding =
            findings_add(&audit->findings, CHECK_SSHD_DROP_IN, AUDIT_FAIL,
                         "cannot be compared with the policy: %s", failure.text);
        finding_set_place(finding, SSHD_DROP_IN, 0);
        finding_set_remediation(finding, "Remove the reason, and compare again.");
        finding_set_command(finding, "tmoutctl sshd-config --check");
    }
    for (size_t i = 0; i < check.difference_count; i++)
        add_difference(audit, sshd, &check.difference[i]);
    sshd_check_free(&check);
}

static void check_sshd_installed(struct audit *audit, const void *facts)
{
    (void)facts;
    finding_set_remediation(findings_add(&audit->findings, CHECK_SSHD_INSTALLED, AUDIT_WARN,
                                         "%s; the checks of sshd are skipped", audit->no_sshd.text),
                            "Install sshd if this host is to be reached by SSH.");
}

static const struct audit_step sshd_steps[] = {
    {CHECK_SSHD_CONFIG, check_sshd_config},
    {CHECK_SSHD_KEYWORD, check_sshd_keyword},
    {CHECK_SSHD_USE_PAM, check_sshd_use_pam},
    {CHECK_SSHD_USER_ENVIRONMENT, check_sshd_user_environment},
    {CHECK_SSHD_ACCEPT_ENV, check_sshd_accept_env},
    {CHECK_SSHD_SET_ENV, check_sshd_set_env},
    {CHECK_SSHD_CLIENT_ALIVE, check_sshd_client_alive},
    {CHECK_SSHD_CLIENT_ALIVE_COUNT, check_sshd_client_alive_count},
    {CHECK_SSHD_MAX_AUTH_TRIES, check_sshd_max_auth_tries},
    {CHECK_SSHD_MATCH, check_sshd_match},
    {CHECK_SSHD_CHANNEL_TIMEOUT, check_sshd_channel_timeout},
    {CHECK_SSHD_DROP_IN, check_sshd_drop_in},
};

/* In place of the others where there is no sshd. */
static const struct audit_step no_sshd_step = {CHECK_SSHD_INSTALLED, check_sshd_installed};

void audit_sshd(struct audit *audit)
{
    const size_t first = audit->findings.count;
    struct sshd_facts sshd = {0};

    if (audit->no_sshd.text[0] != '\0') {
        audit_run(audit, &no_sshd_step, 1, &sshd);
        return;
    }
    if (sshd_facts_find(audit, &sshd) != 0) {
        audit->findings.out_of_memory = true;
    } else {
        /* What a file that cannot be read might set is not known. */
        audit_run(audit, sshd_steps,
                  sshd.text.blocking_file != NULL ? 1 : sizeof sshd_steps / sizeof *sshd_steps,
                  &sshd);
        patch_settle(audit, first);
        sshd_prove(audit, &sshd, first);
    }
    sshd_facts_free(&sshd);
}
