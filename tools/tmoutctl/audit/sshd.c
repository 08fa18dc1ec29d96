/* Does sshd's configuration let the policy take effect? */
#include "tools/tmoutctl/audit/areas.h"

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

struct sshd_facts {
    struct sshd_text text;
    struct sshd_config effective; /* empty where sshd cannot be asked */
    struct failure failure;       /* why it cannot, else "" */
    bool has_version;
    struct sshd_version version;
    struct failure no_version; /* why it has none */
};

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
    const char *effective = sshd_config_value(&sshd->effective, keyword);

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

/* The name of sshd's systemd unit on this host. */
static const char *sshd_unit(const struct audit *audit)
{
    char path[PATH_MAX];

    host_path(audit->host, "/lib/systemd/system/ssh.service", path, sizeof path);
    return access(path, F_OK) == 0 ? "ssh" : "sshd";
}

/* The command that changes the value on a line or, where no line sets it, puts
 * one before all others: sshd uses the first. */
static void fix_value(const struct audit *audit, struct finding *finding,
                      const struct sshd_line *line, const char *keyword, const char *value)
{
    const char *unit = sshd_unit(audit);
    char word[PATH_MAX];

    if (line != NULL)
        finding_set_fix(finding, "sed -i '%us/.*/%s%s %s/' %s && sshd -t && systemctl reload %s",
                        line->line, line->in_match ? "    " : "", keyword, value,
                        shell_word(line->file, word, sizeof word), unit);
    else
        finding_set_fix(finding,
                        "sed -i '1i %s %s' " SSHD_CONFIG_PATH " && sshd -t && systemctl reload %s",
                        keyword, value, unit);
}

/* The command that comments a line out. */
static void fix_out(const struct audit *audit, struct finding *finding, const char *file,
                    unsigned line)
{
    char word[PATH_MAX];

    finding_set_fix(finding, "sed -i '%us/^/# /' %s && sshd -t && systemctl reload %s", line,
                    shell_word(file, word, sizeof word), sshd_unit(audit));
}

/* The place of the line, or of a value that no line sets. */
static void place_at(struct finding *finding, const struct sshd_line *line)
{
    finding_set_place(finding, line != NULL ? line->file : SSHD_CONFIG_PATH,
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
    char path[PATH_MAX] = SSHD_CONFIG_PATH;
    struct finding *finding;

    if (sshd->text.problem != NULL) {
        finding =
            findings_add(&audit->findings, CHECK_SSHD_CONFIG, AUDIT_FAIL, "%s", sshd->text.problem);
        finding_set_place(finding, sshd->text.problem_file, sshd->text.problem_line);
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
        finding_set_fix(finding, "mkdir -m 755 /run/sshd");
        return;
    }
    const unsigned line = place_in(sshd->failure.text, path, sizeof path);
    finding = findings_add(&audit->findings, CHECK_SSHD_CONFIG, AUDIT_FAIL,
                           "sshd's configuration cannot be queried, and sshd may not start: %s",
                           sshd->failure.text);
    finding_set_place(finding, path, line);
    finding_set_fix(finding, "sshd -t");
}

static void add_bad_option(struct audit *audit, const struct sshd_bad_option *option,
                           const struct sshd_config *builtin)
{
    const char *meant = sshd_suggest(option->keyword, builtin);
    char word[PATH_MAX];
    struct finding *finding =
        findings_add(&audit->findings, CHECK_SSHD_KEYWORD, AUDIT_FAIL,
                     "%s is %s, and keeps sshd from starting%s%s%s", option->keyword,
                     ssh_client_has_option(option->keyword) ? "a client option (ssh_config(5))"
                                                            : "not an sshd option",
                     meant != NULL ? "; did you mean " : "", meant != NULL ? meant : "",
                     meant != NULL ? "?" : "");

    finding_set_place(finding, option->file, option->line);
    if (meant == NULL)
        fix_out(audit, finding, option->file, option->line);
    else
        finding_set_fix(finding,
                        "sed -i '%us/[A-Za-z0-9]\\{1,\\}/%s/' %s && sshd -t && "
                        "systemctl reload %s",
                        option->line, meant, shell_word(option->file, word, sizeof word),
                        sshd_unit(audit));
}

static void check_sshd_keyword(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;
    struct sshd_config builtin = {0};
    struct failure failure = {""};

    if (sshd->effective.bad_count == 0)
        return;
    /* Without them the suggestions are only fewer. */
    (void)sshd_builtin(&audit->sshd, &builtin, &failure);
    for (size_t i = 0; i < sshd->effective.bad_count; i++)
        add_bad_option(audit, &sshd->effective.bad[i], &builtin);
    sshd_config_free(&builtin);
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
    place_at(finding, line);
    fix_value(audit, finding, line, "UsePAM", "yes");
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
    place_at(finding, line);
    fix_value(audit, finding, line, keyword, "no");
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
        place_at(finding, line);
        fix_out(audit, finding, line->file, line->line);
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
        place_at(finding, line);
        fix_out(audit, finding, line->file, line->line);
        return;
    }
}

static void check_sshd_set_env(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;

    for (size_t i = 0; i < sshd->text.count; i++)
        if (strcasecmp(sshd->text.line[i].keyword, "SetEnv") == 0)
            check_set_env_line(audit, &sshd->text.line[i]);
}

/* --- dead connections, tries, channels ----------------------------------- */

/* Is the first argument of the line a zero, however sshd lets it be written? It
 * goes into value. */
static bool line_is_zero(const struct sshd_line *line, char *value, size_t size)
{
    const char *rest = line->arguments;

    return sshd_next_word(&rest, value, size) && sshd_is_zero(value);
}

static void check_sshd_client_alive(struct audit *audit, const void *facts)
{
    static const char keyword[] = "ClientAliveInterval";
    const struct sshd_facts *sshd = facts;
    char value[64];
    const struct sshd_line *line = find_value(sshd, keyword, value, sizeof value);
    struct finding *finding;

    if (sshd_is_zero(value)) {
        finding = findings_add(&audit->findings, CHECK_SSHD_CLIENT_ALIVE, AUDIT_WARN,
                               "ClientAliveInterval is %s: connections to dead clients stay open "
                               "until TCP times out",
                               value);
        place_at(finding, line);
        fix_value(audit, finding, line, keyword, "300");
    }
    for (size_t i = 0; i < sshd->text.count; i++) {
        line = &sshd->text.line[i];
        if (!line->in_match || strcasecmp(line->keyword, keyword) != 0 ||
            !line_is_zero(line, value, sizeof value))
            continue;
        finding =
            findings_add(&audit->findings, CHECK_SSHD_CLIENT_ALIVE, AUDIT_WARN,
                         "ClientAliveInterval %s disables ClientAlive in this Match block", value);
        place_at(finding, line);
        fix_value(audit, finding, line, keyword, "300");
    }
}

static void check_sshd_client_alive_count(struct audit *audit, const void *facts)
{
    static const char keyword[] = "ClientAliveCountMax";
    const struct sshd_facts *sshd = facts;
    char value[64];

    for (size_t i = 0; i < sshd->text.count; i++) {
        const struct sshd_line *line = &sshd->text.line[i];
        if (strcasecmp(line->keyword, keyword) != 0 || !line_is_zero(line, value, sizeof value))
            continue;
        struct finding *finding =
            findings_add(&audit->findings, CHECK_SSHD_CLIENT_ALIVE_COUNT, AUDIT_FAIL,
                         "ClientAliveCountMax %s disables ClientAlive since OpenSSH 8.2, and never "
                         "closed idle sessions",
                         value);
        place_at(finding, line);
        fix_value(audit, finding, line, keyword, "3");
    }
}

/* The rule with the smallest max_attempts, or NULL if no rule has one. */
static const struct rule *fewest_attempts(const struct audit *audit)
{
    const enum setting_id id = SETTING_MAX_ATTEMPTS;
    const struct rule *strictest = NULL;

    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule *rule = &audit->policy.rule[i];
        if (rule->setting[id].set &&
            (strictest == NULL || setting_stricter(&settings[id], rule->setting[id].value,
                                                   strictest->setting[id].value)))
            strictest = rule;
    }
    return strictest;
}

/* Compares the value of a line, which may be NULL, with the rule's. */
static void compare_tries(struct audit *audit, const struct sshd_line *line, const char *value,
                          const struct rule *rule)
{
    const int64_t attempts = rule->setting[SETTING_MAX_ATTEMPTS].value;
    char limit[32], title[RULE_TITLE_MAX];

    if (strtoll(value, NULL, 10) <= attempts)
        return;
    snprintf(limit, sizeof limit, "%" PRId64, attempts);
    struct finding *finding =
        findings_add(&audit->findings, CHECK_SSHD_MAX_AUTH_TRIES, AUDIT_WARN,
                     "MaxAuthTries is %s, but max_attempts of %s is %s: a single connection offers "
                     "more tries than the user has attempts",
                     value, rule_title(rule, title, sizeof title), limit);
    place_at(finding, line);
    fix_value(audit, finding, line, "MaxAuthTries", limit);
}

static void check_sshd_max_auth_tries(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;
    const struct rule *strictest = fewest_attempts(audit);
    struct sshd_site_value site;
    char value[64];

    if (strictest == NULL)
        return;
    const struct sshd_line *line = find_value(facts, "MaxAuthTries", value, sizeof value);
    compare_tries(audit, line, value, strictest);
    for (size_t i = 0; i < sshd->text.count; i++)
        if (sshd_site_read(&sshd->text.line[i], &site) &&
            site.keyword->id == SETTING_MAX_AUTH_TRIES)
            compare_tries(audit, &sshd->text.line[i], site.text, strictest);
}

/* The site's own Match blocks take precedence over the default section, by
 * design: a warning, not a failure. */
static void check_sshd_match(struct audit *audit, const void *facts)
{
    const struct rule nobody = {.kind = RULE_DEFAULT};
    const struct sshd_facts *sshd = facts;
    char wanted[SETTING_TEXT_MAX];

    for (size_t i = 0; i < sshd->text.count; i++) {
        const struct sshd_line *line = &sshd->text.line[i];
        struct sshd_site_value site;
        if (!sshd_site_read(line, &site))
            continue;
        const int64_t value = rule_value(audit, &nobody, site.keyword->id);
        if (!setting_stricter(&settings[site.keyword->id], value, site.value))
            continue;
        sshd_value_format(site.keyword->id, value, "", wanted, sizeof wanted);
        struct finding *finding =
            findings_add(&audit->findings, CHECK_SSHD_MATCH, AUDIT_WARN,
                         "%s %s, in a Match block of the site's own, is looser than the policy's "
                         "default section (%s)",
                         site.keyword->keyword, site.text, wanted);
        place_at(finding, line);
        fix_value(audit, finding, line, site.keyword->keyword, wanted);
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
        place_at(finding, line);
        fix_out(audit, finding, line->file, line->line);
    }
}

/* --- what the policy has for sshd ---------------------------------------- */

/* Does any rule have a setting for sshd? */
static bool policy_has_sshd_settings(const struct audit *audit)
{
    for (size_t r = 0; r < audit->policy.count; r++)
        for (size_t k = 0; k < sshd_keyword_count; k++)
            if (audit->policy.rule[r].setting[sshd_keywords[k].id].set)
                return true;
    return false;
}

static void add_difference(struct audit *audit, const struct sshd_difference *difference)
{
    char rule[PATH_MAX + RULE_TITLE_MAX];

    sshd_difference_rule(difference, rule, sizeof rule);
    struct finding *finding = findings_add(
        &audit->findings, CHECK_SSHD_DROP_IN, AUDIT_FAIL,
        "%s for %s is %s in sshd, but %s in the policy (%s)", difference->keyword->keyword,
        difference->user != NULL ? difference->user : "all users", difference->effective,
        difference->policy, rule);
    finding->setting = difference->keyword->id;
    finding_set_place(finding, SSHD_DROP_IN, 0);
    /* sshd may read the file in between, and must not find only a part of it. */
    finding_set_fix(finding,
                    "cd /etc/ssh/sshd_config.d && tmoutctl sshd-config >00-tmout.new && "
                    "mv 00-tmout.new 00-tmout.conf && sshd -t && systemctl reload %s",
                    sshd_unit(audit));
}

/* As sshd_check(), for the policy in force. */
static int compare_with_policy(struct audit *audit, const struct sshd_facts *sshd,
                               struct sshd_check *check, struct failure *failure)
{
    struct dropin dropin = {0};
    bool known[SETTING_COUNT] = {false};
    const struct sshd_check_input input = {audit->host, &audit->sshd, &audit->view.snapshot,
                                           &dropin, known};
    int result = -1;

    /* Without one, settings that sshd has but does not print would be taken for
     * ones that it lacks, and not be compared. */
    if (!sshd->has_version) {
        *failure = sshd->no_version;
        return -1;
    }
    sshd_find_known(&sshd->version, &sshd->effective, known);
    if (dropin_collect(&audit->view.snapshot, &dropin) == 0)
        result = sshd_check(&input, check, failure);
    else
        failure_set(failure, "cannot read the compiled policy: %s", strerror(errno));
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
    if (sshd->failure.text[0] != '\0') {
        findings_add(&audit->findings, CHECK_SSHD_DROP_IN, AUDIT_WARN,
                     "cannot be compared with the policy while sshd's configuration cannot be "
                     "queried");
        return;
    }
    if (compare_with_policy(audit, sshd, &check, &failure) != 0) {
        struct finding *finding =
            findings_add(&audit->findings, CHECK_SSHD_DROP_IN, AUDIT_FAIL,
                         "cannot be compared with the policy: %s", failure.text);
        finding_set_place(finding, SSHD_DROP_IN, 0);
        finding_set_fix(finding, "tmoutctl sshd-config --check");
    }
    for (size_t i = 0; i < check.difference_count; i++)
        add_difference(audit, &check.difference[i]);
    sshd_check_free(&check);
}

static void check_sshd_installed(struct audit *audit, const void *facts)
{
    (void)facts;
    findings_add(&audit->findings, CHECK_SSHD_INSTALLED, AUDIT_WARN,
                 "%s; the checks of sshd are skipped", audit->no_sshd.text);
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
    struct sshd_facts sshd = {0};

    if (audit->no_sshd.text[0] != '\0') {
        audit_run(audit, &no_sshd_step, 1, &sshd);
        return;
    }
    if (sshd_effective(&audit->sshd, NULL, &sshd.effective, &sshd.failure) == 0)
        sshd.failure.text[0] = '\0';
    sshd.has_version = sshd_installed_version(&audit->sshd, &sshd.version, &sshd.no_version) == 0;
    if (sshd_text_read(audit->host, &sshd.text) != 0)
        audit->findings.out_of_memory = true;
    else
        audit_run(audit, sshd_steps, sizeof sshd_steps / sizeof *sshd_steps, &sshd);
    sshd_text_free(&sshd.text);
    sshd_config_free(&sshd.effective);
}
