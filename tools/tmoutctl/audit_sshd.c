/* Does sshd's configuration leave the policy its effect? */
#include "audit.h"

#include "sshd_text.h"
#include "sshd_words.h"

#include "../../lib/policy/duration.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Variables that decide what a shell makes of PAM_TMOUT; what a user sets
 * there comes before /etc/profile, and what root's SetEnv sets beats PAM. */
static const char *const variables[] = {"PAM_TMOUT", "TMOUT",        "POSIXLY_CORRECT",
                                        "SHELLOPTS", "BASHOPTS",     "BASH_ENV",
                                        "ENV",       "BASH_FUNC_.%%"};
enum { VARIABLES = sizeof variables / sizeof *variables };

struct sshd_facts {
    struct sshd_text text;
};

/* sshd's own values where nothing says otherwise. */
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
 * The value in force of a keyword, into value, and the line that gives it, or
 * NULL where none does.
 */
static const struct sshd_line *find_value(const struct sshd_facts *sshd, const char *keyword,
                                          char *value, size_t size)
{
    const struct sshd_line *line = sshd_text_first(&sshd->text, keyword);

    value[0] = '\0';
    if (line != NULL) {
        const char *rest = line->arguments;
        sshd_next_word(&rest, value, size);
        return line;
    }
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (strcasecmp(defaults[i].keyword, keyword) == 0)
            snprintf(value, size, "%s", defaults[i].value);
    return NULL;
}

/* How this system calls sshd's unit. */
static const char *unit(void)
{
    return access("/lib/systemd/system/ssh.service", F_OK) == 0 ? "ssh" : "sshd";
}

/* The command that makes a line say something else, or puts it in front of all
 * others where there is none: for sshd the first counts. */
static void mend_value(struct audit *audit, const struct sshd_line *line, const char *keyword,
                       const char *value)
{
    char word[PATH_MAX];

    if (line != NULL)
        audit_mend(audit, "sed -i '%us/.*/%s%s %s/' %s && sshd -t && systemctl reload %s",
                   line->line, line->in_match ? "    " : "", keyword, value,
                   shell_word(line->file, word, sizeof word), unit());
    else
        audit_mend(audit,
                   "sed -i '1i %s %s' " SSHD_CONFIG_PATH " && sshd -t && systemctl reload %s",
                   keyword, value, unit());
}

static void mend_out(struct audit *audit, const struct sshd_line *line)
{
    char word[PATH_MAX];

    audit_mend(audit, "sed -i '%us/^/# /' %s && sshd -t && systemctl reload %s", line->line,
               shell_word(line->file, word, sizeof word), unit());
}

/* Adds a finding about a line, or about the value that holds without one. */
#define ADD(audit, status, at, ...)                                                                \
    audit_add((audit), (status), (at) != NULL ? (at)->file : SSHD_CONFIG_PATH,                     \
              (at) != NULL ? (at)->line : 0, __VA_ARGS__)

/* --- can it start -------------------------------------------------------- */

static void check_readable(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;

    if (sshd->text.problem != NULL)
        audit_add(audit, AUDIT_FAIL, sshd->text.problem_file, sshd->text.problem_line, "%s",
                  sshd->text.problem);
}

static void check_keywords(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;

    for (size_t i = 0; i < sshd->text.count; i++) {
        const struct sshd_line *line = &sshd->text.line[i];
        const char *meant;
        char word[PATH_MAX];
        if (sshd_knows_word(line->keyword))
            continue;
        meant = sshd_word_meant(line->keyword);
        audit_add(audit, AUDIT_FAIL, line->file, line->line,
                  "%s is %s: sshd does not start with it%s%s%s", line->keyword,
                  ssh_client_knows_word(line->keyword) ? "a setting of the client, ssh_config(5)"
                                                       : "no keyword of sshd",
                  meant != NULL ? "; is " : "", meant != NULL ? meant : "",
                  meant != NULL ? " meant?" : "");
        if (meant == NULL)
            mend_out(audit, line);
        else
            audit_mend(audit,
                       "sed -i '%us/[A-Za-z0-9]\\{1,\\}/%s/' %s && sshd -t && "
                       "systemctl reload %s",
                       line->line, meant, shell_word(line->file, word, sizeof word), unit());
    }
}

/* --- does PAM decide ----------------------------------------------------- */

static void check_use_pam(struct audit *audit, const void *facts)
{
    char value[64];
    const struct sshd_line *line = find_value(facts, "UsePAM", value, sizeof value);

    if (strcasecmp(value, "yes") == 0)
        return;
    ADD(audit, AUDIT_FAIL, line, "UsePAM is %s: sshd never asks the module", value);
    mend_value(audit, line, "UsePAM", "yes");
}

/* The first of our variables that a pattern of sshd's lets through, or NULL. */
static const char *variable_of(const char *pattern)
{
    for (size_t i = 0; i < VARIABLES; i++)
        if (fnmatch(pattern, variables[i], 0) == 0)
            return variables[i];
    return NULL;
}

static void check_permit_user_environment(struct audit *audit, const void *facts)
{
    static const char keyword[] = "PermitUserEnvironment";
    char value[512];
    const struct sshd_line *line = find_value(facts, keyword, value, sizeof value);
    const char *rest = value, *variable = strcasecmp(value, "yes") == 0 ? variables[0] : NULL;

    if (strcasecmp(value, "no") == 0)
        return;
    /* Else it is a list of patterns. */
    while (variable == NULL && *rest != '\0') {
        char pattern[256];
        snprintf(pattern, sizeof pattern, "%.*s", (int)strcspn(rest, ","), rest);
        variable = variable_of(pattern);
        rest += strcspn(rest, ",");
        rest += *rest == ',';
    }
    if (variable == NULL)
        return;
    ADD(audit, AUDIT_FAIL, line,
        "PermitUserEnvironment is %s: users set what makes their shell skip the limit, such as "
        "POSIXLY_CORRECT",
        value);
    mend_value(audit, line, keyword, "no");
}

static void check_accept_env(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;
    char pattern[512];

    for (size_t i = 0; i < sshd->text.count; i++) {
        const struct sshd_line *line = &sshd->text.line[i];
        if (strcasecmp(line->keyword, "AcceptEnv") != 0)
            continue;
        for (const char *rest = line->arguments; sshd_next_word(&rest, pattern, sizeof pattern);) {
            const char *variable = variable_of(pattern);
            if (variable == NULL)
                continue;
            audit_add(audit, AUDIT_FAIL, line->file, line->line,
                      "AcceptEnv %s lets clients set %s, which decides whether a shell sees the "
                      "limit",
                      pattern, variable);
            mend_out(audit, line);
            break;
        }
    }
}

static void check_set_env(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;
    char assignment[512];

    for (size_t i = 0; i < sshd->text.count; i++) {
        const struct sshd_line *line = &sshd->text.line[i];
        if (strcasecmp(line->keyword, "SetEnv") != 0)
            continue;
        for (const char *rest = line->arguments;
             sshd_next_word(&rest, assignment, sizeof assignment);) {
            assignment[strcspn(assignment, "=")] = '\0';
            if (variable_of(assignment) == NULL)
                continue;
            audit_add(audit, AUDIT_FAIL, line->file, line->line,
                      "SetEnv %s comes after PAM and replaces what the module has set", assignment);
            mend_out(audit, line);
            break;
        }
    }
}

/* --- dead connections, tries, channels ----------------------------------- */

static void check_client_alive(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;
    char value[64];
    const struct sshd_line *line = find_value(sshd, "ClientAliveInterval", value, sizeof value);
    int64_t seconds;

    if (duration_parse(value, &seconds) == NULL && seconds == 0) {
        ADD(audit, AUDIT_WARN, line,
            "ClientAliveInterval is 0: connections whose client is gone stay until TCP notices");
        mend_value(audit, line, "ClientAliveInterval", "300");
    }
}

static void check_client_alive_count(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;

    for (size_t i = 0; i < sshd->text.count; i++) {
        const struct sshd_line *line = &sshd->text.line[i];
        const char *rest = line->arguments;
        char value[64];
        if (strcasecmp(line->keyword, "ClientAliveCountMax") != 0 ||
            !sshd_next_word(&rest, value, sizeof value) || strcmp(value, "0") != 0)
            continue;
        audit_add(audit, AUDIT_FAIL, line->file, line->line,
                  "ClientAliveCountMax 0 switches ClientAlive off since OpenSSH 8.2, and never "
                  "ended idle sessions");
        mend_value(audit, line, "ClientAliveCountMax", "3");
    }
}

static void check_max_auth_tries(struct audit *audit, const void *facts)
{
    char value[64], least[32], title[RULE_NAME_MAX + 32];
    const struct sshd_line *line = find_value(facts, "MaxAuthTries", value, sizeof value);
    const struct rule *strictest = NULL;

    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule *rule = &audit->policy.rule[i];
        if (rule->setting[SETTING_MAX_ATTEMPTS].set &&
            (strictest == NULL || setting_stricter(&settings[SETTING_MAX_ATTEMPTS],
                                                   rule->setting[SETTING_MAX_ATTEMPTS].value,
                                                   strictest->setting[SETTING_MAX_ATTEMPTS].value)))
            strictest = rule;
    }
    if (strictest == NULL ||
        strtoll(value, NULL, 10) <= strictest->setting[SETTING_MAX_ATTEMPTS].value)
        return;
    snprintf(least, sizeof least, "%" PRId64, strictest->setting[SETTING_MAX_ATTEMPTS].value);
    ADD(audit, AUDIT_WARN, line,
        "MaxAuthTries is %s, and max_attempts of %s %s: one connection may try more often than "
        "the user has attempts",
        value, rule_title(strictest, title, sizeof title), least);
    mend_value(audit, line, "MaxAuthTries", least);
}

/* In a Match block it has an effect from OpenSSH 10.5 on (a change of July
 * 2026); until then sshd -T shows it, and no channel obeys. */
static void check_channel_timeout(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;

    for (size_t i = 0; i < sshd->text.count; i++) {
        const struct sshd_line *line = &sshd->text.line[i];
        if (!line->in_match || strcasecmp(line->keyword, "ChannelTimeout") != 0)
            continue;
        audit_add(audit, AUDIT_FAIL, line->file, line->line,
                  "ChannelTimeout in a Match block has no effect before OpenSSH 10.5; put it "
                  "before every Match, or give these users disconnect");
        mend_out(audit, line);
    }
}

static const struct audit_check checks[] = {
    {"sshd-config", "sshd's configuration can be read, with what it includes", check_readable},
    {"sshd-keyword", "sshd knows every keyword of its configuration", check_keywords},
    {"sshd-use-pam", "sshd asks PAM", check_use_pam},
    {"sshd-user-environment", "users set no variable of ours by PermitUserEnvironment",
     check_permit_user_environment},
    {"sshd-accept-env", "clients set no variable of ours", check_accept_env},
    {"sshd-set-env", "sshd itself sets no variable of ours", check_set_env},
    {"sshd-client-alive", "connections without a client end", check_client_alive},
    {"sshd-client-alive-count", "no ClientAliveCountMax 0 switches that off",
     check_client_alive_count},
    {"sshd-max-auth-tries", "one connection has no more tries than the user has attempts",
     check_max_auth_tries},
    {"sshd-channel-timeout", "every ChannelTimeout has an effect", check_channel_timeout},
    {.id = NULL},
};

void audit_sshd(struct audit *audit)
{
    struct sshd_facts sshd;

    if (sshd_text_read("", &sshd.text) != 0)
        audit->out_of_memory = true;
    else
        audit_run(audit, checks, &sshd);
    sshd_text_free(&sshd.text);
}
