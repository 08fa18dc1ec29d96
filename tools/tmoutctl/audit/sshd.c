/* Does sshd's configuration leave the policy its effect? */
#include "tools/tmoutctl/audit/audit.h"

#include "lib/policy/bash_variables.h"
#include "tools/tmoutctl/sshd/check.h"
#include "tools/tmoutctl/sshd/installed.h"
#include "tools/tmoutctl/sshd/keywords.h"
#include "tools/tmoutctl/sshd/site.h"
#include "tools/tmoutctl/sshd/text.h"
#include "tools/tmoutctl/sshd/words.h"

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
 * The value in force of a keyword, into value: what sshd says, or what its
 * files and built-in values come to where it cannot be asked. Returns the line
 * that gives it, or NULL where none does.
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

/* Where sshd starts, it knows them all, also those that we do not. */
static const struct sshd_line *unknown_keyword(const struct sshd_facts *sshd, size_t from)
{
    for (size_t i = from; sshd->failure.text[0] != '\0' && i < sshd->text.count; i++)
        if (!sshd_knows_word(sshd->text.line[i].keyword))
            return &sshd->text.line[i];
    return NULL;
}

/* The place that sshd complains of, as `PATH line 3:` or `PATH: line 3:`, into
 * path. Returns the line, or 0 where it names none. */
static unsigned place_in(const char *reason, char *path, size_t size)
{
    const char *start = strchr(reason, '/'), *end = strstr(reason, " line ");

    if (start == NULL || end == NULL || end < start)
        return 0;
    snprintf(path, size, "%.*s", (int)(end - start), start);
    path[strcspn(path, ":")] = '\0';
    return (unsigned)strtoul(end + strlen(" line "), NULL, 10);
}

static void check_readable(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;
    char path[PATH_MAX] = SSHD_CONFIG_PATH;

    if (sshd->text.problem != NULL) {
        audit_add(audit, AUDIT_FAIL, sshd->text.problem_file, sshd->text.problem_line, "%s",
                  sshd->text.problem);
        return;
    }
    if (sshd->failure.text[0] == '\0' || unknown_keyword(sshd, 0) != NULL)
        return; /* check_keywords() says what is wrong */
    /* It makes that directory when its service starts, and asks for it even
     * to print its configuration. */
    if (strstr(sshd->failure.text, "privilege separation directory") != NULL) {
        audit_add(audit, AUDIT_WARN, NULL, 0,
                  "sshd has not been started since boot and cannot be asked (%s): what follows is "
                  "read off its files",
                  sshd->failure.text);
        audit_mend(audit, "mkdir -m 755 /run/sshd");
        return;
    }
    const unsigned line = place_in(sshd->failure.text, path, sizeof path);
    audit_add(audit, AUDIT_FAIL, path, line,
              "sshd cannot be asked for its configuration, and may not start: %s",
              sshd->failure.text);
    audit_mend(audit, "sshd -t");
}

static void check_keywords(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;

    const struct sshd_line *line;

    for (size_t i = 0; (line = unknown_keyword(sshd, i)) != NULL;
         i = (size_t)(line - sshd->text.line) + 1) {
        const char *meant = sshd_word_meant(line->keyword);
        char word[PATH_MAX];
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
    for (size_t i = 0; i < bash_variable_count; i++)
        if (fnmatch(pattern, bash_variables[i].name, 0) == 0)
            return bash_variables[i].name;
    return NULL;
}

static void check_permit_user_environment(struct audit *audit, const void *facts)
{
    static const char keyword[] = "PermitUserEnvironment";
    char value[512];
    const struct sshd_line *line = find_value(facts, keyword, value, sizeof value);
    const char *rest = value,
               *variable = strcasecmp(value, "yes") == 0 ? bash_variables[0].name : NULL;

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
    static const char keyword[] = "ClientAliveInterval";
    const struct sshd_facts *sshd = facts;
    char value[64];
    const struct sshd_line *line = find_value(sshd, keyword, value, sizeof value);

    if (sshd_is_zero(value)) {
        ADD(audit, AUDIT_WARN, line,
            "ClientAliveInterval is %s: connections whose client is gone stay until TCP notices",
            value);
        mend_value(audit, line, keyword, "300");
    }
    for (size_t i = 0; i < sshd->text.count; i++) {
        line = &sshd->text.line[i];
        const char *rest = line->arguments;
        if (!line->in_match || strcasecmp(line->keyword, keyword) != 0 ||
            !sshd_next_word(&rest, value, sizeof value) || !sshd_is_zero(value))
            continue;
        ADD(audit, AUDIT_WARN, line, "ClientAliveInterval %s switches it off for this Match block",
            value);
        mend_value(audit, line, keyword, "300");
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
            !sshd_next_word(&rest, value, sizeof value) || !sshd_is_zero(value))
            continue;
        audit_add(audit, AUDIT_FAIL, line->file, line->line,
                  "ClientAliveCountMax %s switches ClientAlive off since OpenSSH 8.2, and never "
                  "ended idle sessions",
                  value);
        mend_value(audit, line, "ClientAliveCountMax", "3");
    }
}

/* The rule whose users have the fewest attempts, or NULL: nobody's are limited. */
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

/* Reports that the value of a line, which may be NULL, is beyond rule's. */
static void compare_tries(struct audit *audit, const struct sshd_line *line, const char *value,
                          const struct rule *rule)
{
    const int64_t attempts = rule->setting[SETTING_MAX_ATTEMPTS].value;
    char least[32], title[RULE_NAME_MAX + 32];

    if (strtoll(value, NULL, 10) <= attempts)
        return;
    snprintf(least, sizeof least, "%" PRId64, attempts);
    ADD(audit, AUDIT_WARN, line,
        "MaxAuthTries is %s, and max_attempts of %s %s: one connection may try more often than "
        "the user has attempts",
        value, rule_title(rule, title, sizeof title), least);
    mend_value(audit, line, "MaxAuthTries", least);
}

static void check_max_auth_tries(struct audit *audit, const void *facts)
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

/* The site's own blocks win over the default section, as the manual has it: a
 * warning and no fault. */
static void check_match(struct audit *audit, const void *facts)
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
        audit_add(audit, AUDIT_WARN, line->file, line->line,
                  "%s %s holds for those that this Match block is about, and the policy's default "
                  "section has %s",
                  site.keyword->keyword, site.text, wanted);
        mend_value(audit, line, site.keyword->keyword, wanted);
    }
}

/* In a Match block it has an effect from OpenSSH 10.5 on (a change of July
 * 2026); until then sshd -T shows it, and no channel obeys. */
static void check_channel_timeout(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;
    const struct sshd_version works = {10, 5};

    if (sshd->has_version && !sshd_version_before(&sshd->version, &works))
        return;
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

/* --- what the policy has for sshd ---------------------------------------- */

static bool any_is_sshds(const struct audit *audit)
{
    for (size_t r = 0; r < audit->policy.count; r++)
        for (size_t k = 0; k < sshd_keyword_count; k++)
            if (audit->policy.rule[r].setting[sshd_keywords[k].id].set)
                return true;
    return false;
}

static int compare_with_policy(struct audit *audit, const struct sshd_facts *sshd,
                               struct sshd_check *check, struct failure *failure)
{
    struct dropin dropin = {0};
    bool known[SETTING_COUNT] = {false};
    const struct sshd_check_input input = {&audit->host, &audit->sshd, &audit->view.snapshot,
                                           &dropin, known};
    int result = -1;

    sshd_find_known(&sshd->version, &sshd->effective, known);
    if (dropin_collect(&audit->view.snapshot, &dropin) == 0)
        result = sshd_check(&input, check, failure);
    else
        failure_set(failure, "the compiled policy cannot be read: %s", strerror(errno));
    dropin_free(&dropin);
    return result;
}

static void check_drop_in(struct audit *audit, const void *facts)
{
    const struct sshd_facts *sshd = facts;
    struct sshd_check check = {0};
    struct failure failure = {""};
    char rule[1024];

    if (!any_is_sshds(audit))
        return;
    if (sshd->failure.text[0] != '\0') {
        audit_add(audit, AUDIT_WARN, NULL, 0,
                  "cannot be compared with the policy while sshd cannot be asked");
        return;
    }
    if (compare_with_policy(audit, sshd, &check, &failure) != 0) {
        audit_add(audit, AUDIT_FAIL, SSHD_DROP_IN, 0, "cannot be compared with the policy: %s",
                  failure.text);
        audit_mend(audit, "tmoutctl sshd-config --check");
    }
    for (size_t i = 0; i < check.difference_count; i++) {
        const struct sshd_difference *difference = &check.difference[i];
        sshd_difference_rule(difference, rule, sizeof rule);
        audit_add(audit, AUDIT_FAIL, SSHD_DROP_IN, 0,
                  "%s of %s is %s in sshd, and the policy has %s (%s)",
                  difference->keyword->keyword,
                  difference->user != NULL ? difference->user : "everybody", difference->effective,
                  difference->policy, rule);
        /* sshd is asked in between: it must not find a part of the file. */
        audit_mend(audit,
                   "cd /etc/ssh/sshd_config.d && tmoutctl sshd-config >00-tmout.new && "
                   "mv 00-tmout.new 00-tmout.conf && sshd -t && systemctl reload %s",
                   unit());
    }
    sshd_check_free(&check);
}

static const struct audit_check checks[] = {
    {"sshd-config", "sshd's files can be read, and but for keywords it takes what they say",
     check_readable},
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
    {"sshd-match", "no Match block of the site's own gives more than the policy's default section",
     check_match},
    {"sshd-channel-timeout", "every ChannelTimeout has an effect", check_channel_timeout},
    {"sshd-drop-in", "sshd goes by what the policy has for it", check_drop_in},
    {.id = NULL},
};

static void check_installed(struct audit *audit, const void *facts)
{
    (void)facts;
    audit_add(audit, AUDIT_WARN, NULL, 0, "%s; sshd is not checked", audit->no_sshd.text);
}

static const struct audit_check no_sshd_checks[] = {
    {"sshd-installed", "there is an sshd", check_installed},
    {.id = NULL},
};

void audit_sshd(struct audit *audit)
{
    struct sshd_facts sshd = {0};
    struct failure failure = {""};

    if (audit->no_sshd.text[0] != '\0') {
        audit_run(audit, no_sshd_checks, &sshd);
        return;
    }
    if (sshd_effective(&audit->sshd, NULL, &sshd.effective, &sshd.failure) == 0)
        sshd.failure.text[0] = '\0';
    sshd.has_version = sshd_installed_version(&audit->sshd, &sshd.version, &failure) == 0;
    if (sshd_text_read(audit->host.root, &sshd.text) != 0)
        audit->out_of_memory = true;
    else
        audit_run(audit, checks, &sshd);
    sshd_text_free(&sshd.text);
    sshd_config_free(&sshd.effective);
}
