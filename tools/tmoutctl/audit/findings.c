#include "tools/tmoutctl/audit/findings.h"

#include "tools/tmoutctl/print.h"

#include "lib/host/array.h"
#include "lib/host/checksum.h"

#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct audit_check_row audit_checks[AUDIT_CHECKS] = {
    [CHECK_POLICY_IN_FORCE] = {"policy-in-force", "the policy on disk is in force"},
    [CHECK_POLICY_NAMES] = {"policy-names", "the users and groups of all rules exist"},
    [CHECK_POLICY_GROUPS] = {"policy-groups",
                             "every source of groups answers, or no rule is for a group"},
    [CHECK_POLICY_TMOUTD] = {"policy-tmoutd", "tmoutd is running, or no rule requires it"},
    [CHECK_PAM_STACK] = {"pam-stack", "libpam can read the stacks of all services"},
    [CHECK_PAM_BAD_JUMP] = {"pam-bad-jump", "no jump goes past the end of a stack"},
    [CHECK_PAM_MODULE] = {"pam-module", "the module is installed where libpam looks for it"},
    [CHECK_PAM_MISSING_MODULE] = {"pam-missing-module", "all modules that must not fail are "
                                                        "installed"},
    [CHECK_PAM_SESSION_LINE] = {"pam-session-line", "sshd's session stack calls the module"},
    [CHECK_PAM_SESSION_ORDER] = {"pam-session-order",
                                 "no pam_env line lets users override the limit"},
    [CHECK_PAM_SESSION_CONTROL] = {"pam-session-control", "no login depends on the session line"},
    [CHECK_PAM_AUTH_LINE] = {"pam-auth-line",
                             "sshd's auth stack calls the module, or no rule limits attempts"},
    [CHECK_PAM_AUTH_ORDER] = {"pam-auth-order",
                              "no password is checked before the attempt is counted"},
    [CHECK_PAM_AUTH_CONTROL] = {"pam-auth-control", "a rejection by the auth line is final"},
    [CHECK_PAM_PROMPT] = {"pam-prompt", "the module asks for a password only where it is used"},
    [CHECK_PAM_JUMP] = {"pam-jump", "no other line bypasses the module"},
    [CHECK_PAM_TWICE] = {"pam-twice", "no stack calls the module twice"},
    [CHECK_PAM_ARGUMENTS] = {"pam-arguments", "the module accepts its arguments"},
    [CHECK_PAM_OTHER_SERVICES] = {"pam-other-services",
                                  "all other services have the lines that the policy needs"},
    [CHECK_SSHD_INSTALLED] = {"sshd-installed", "sshd is installed"},
    [CHECK_SSHD_CONFIG] = {"sshd-config", "sshd accepts its configuration"},
    [CHECK_SSHD_KEYWORD] = {"sshd-keyword", "sshd knows every keyword in its configuration"},
    [CHECK_SSHD_USE_PAM] = {"sshd-use-pam", "sshd uses PAM"},
    [CHECK_SSHD_USER_ENVIRONMENT] = {"sshd-user-environment",
                                     "PermitUserEnvironment gives users no way around the limit"},
    [CHECK_SSHD_ACCEPT_ENV] = {"sshd-accept-env",
                               "AcceptEnv gives clients no way around the limit"},
    [CHECK_SSHD_SET_ENV] = {"sshd-set-env", "SetEnv overrides nothing that the module sets"},
    [CHECK_SSHD_CLIENT_ALIVE] = {"sshd-client-alive", "connections to dead clients are closed"},
    [CHECK_SSHD_CLIENT_ALIVE_COUNT] = {"sshd-client-alive-count",
                                       "no ClientAliveCountMax 0 disables ClientAlive"},
    [CHECK_SSHD_MAX_AUTH_TRIES] = {"sshd-max-auth-tries",
                                   "MaxAuthTries does not exceed max_attempts"},
    [CHECK_SSHD_MATCH] = {"sshd-match", "no Match block of the site's own is looser than the "
                                        "policy's default section"},
    [CHECK_SSHD_CHANNEL_TIMEOUT] = {"sshd-channel-timeout", "every ChannelTimeout takes effect"},
    [CHECK_SSHD_DROP_IN] = {"sshd-drop-in", "sshd's effective configuration matches the policy"},
    [CHECK_SHELLS_HOOKS] = {"shells-hooks",
                            "every installed shell that supports a timeout gets the limit"},
    [CHECK_SHELLS_SCRIPTS] = {"shells-scripts", "our scripts in /etc/profile.d are as packaged"},
    [CHECK_SHELLS_LIMIT] = {"shells-limit", "each shell takes the limit that pam_tmout gives it"},
    [CHECK_SHELLS_OTHERS] = {"shells-others", "no other script makes TMOUT or autologout "
                                              "readonly, or sets a larger limit"},
    [CHECK_SHELLS_USERS] = {"shells-users",
                            "no user with a limit has a login shell without a timeout"},
    [CHECK_SHELLS_RULES] = {"shells-rules",
                            "disconnect backs every limit, or every shell supports a timeout"},
    [CHECK_HOST_FILES] = {"host-files", "only root can write our files and directories"},
    [CHECK_HOST_STATE] = {"host-state", "the state directory can be written"},
    [CHECK_HOST_MAC] = {"host-mac",
                        "neither SELinux, Smack nor AppArmor keeps logins from the state"},
    [CHECK_HOST_FAILLOCK] = {"host-faillock",
                             "pam_faillock is not in use, or agrees with the policy"},
    [CHECK_HOST_LOGIND] = {"host-logind", "logind ends no idle session before the policy does"},
    [CHECK_HOST_TIOCSTI] = {"host-tiocsti", "no program can fake terminal input "
                                            "(dev.tty.legacy_tiocsti is 0)"},
    [CHECK_ATTEMPTS_ORIGIN] = {"attempts-origin",
                               "each service's attempts are known to be local or from the network"},
    [CHECK_ATTEMPTS_AGAIN] = {"attempts-again", "no module asks for another password"},
    [CHECK_ATTEMPTS_SANDBOX] = {"attempts-sandbox",
                                "no service's sandbox keeps attempts from being counted"},
    [CHECK_FLEET_CONFIG] = {"fleet-config", "tmout-fleet.conf is valid"},
    [CHECK_FLEET_PASSWORD] = {"fleet-password",
                              "only root can read the store's password, and the key"},
    [CHECK_FLEET_ENCRYPTION] = {"fleet-encryption",
                                "nobody on the way to the store can read or answer"},
    [CHECK_FLEET_STORE] = {"fleet-store", "tmout-fleetd reaches the store"},
    [CHECK_FLEET_ACL] = {"fleet-acl", "the store allows this host no more than it needs"},
    [CHECK_FLEET_EVICTION] = {"fleet-eviction",
                              "the store forgets nothing when its memory is full"},
    [CHECK_FLEET_REPLICAS] = {"fleet-replicas", "the store has a replica"},
    [CHECK_FLEET_CLOCK] = {"fleet-clock", "the store's clock agrees with this host's"},
    [CHECK_FLEET_AWAY] = {"fleet-away", "the store has not been away for long"},
    [CHECK_FLEET_POLICY] = {"fleet-policy",
                            "all hosts of the fleet have the same rules about failed logins"},
    [CHECK_BASELINE] = {"baseline", "the policy is at least as strict as the baseline"},
};

const char *audit_status_word(enum audit_status status)
{
    static const char *const words[] = {
        [AUDIT_PASS] = "PASS", [AUDIT_NOTE] = "NOTE", [AUDIT_WARN] = "WARN", [AUDIT_FAIL] = "FAIL"};

    return words[status];
}

/* --- one finding --------------------------------------------------------- */

static void finding_clear(struct finding *finding)
{
    free(finding->message);
    free(finding->remediation);
    edits_free(&finding->edits);
    free(finding->diff);
    free(finding->file);
    free(finding->control);
}

/* Puts text, which is the finding's from now on, in the place of *field. */
static void finding_replace(struct finding *finding, char **field, char *text)
{
    if (text == NULL)
        finding->list->out_of_memory = true;
    free(*field);
    *field = text;
}

static uint64_t place_key(enum audit_check check, const char *file, unsigned line)
{
    uint64_t key = checksum(CHECKSUM_START, file, strlen(file));

    key = checksum(key, &check, sizeof check);
    return checksum(key, &line, sizeof line);
}

static int place_add(struct findings *findings, struct finding *finding)
{
    const uint64_t key = place_key(finding->check, finding->file, finding->line);
    const size_t earlier = (size_t)(uintptr_t)map_find(&findings->by_place, key);
    struct finding_place *grown = array_grow(findings->place, findings->places, sizeof *grown);

    if (grown == NULL)
        return -1;
    findings->place = grown;
    findings->place[findings->places++] = (struct finding_place){finding, earlier};
    return map_put(&findings->by_place, key, (void *)(uintptr_t)findings->places) ? 0 : -1;
}

void finding_set_place(struct finding *finding, const char *file, unsigned line)
{
    if (file != NULL)
        finding_replace(finding, &finding->file, strdup(file));
    finding->line = line;
    if (finding->file != NULL)
        finding->list->out_of_memory |= place_add(finding->list, finding) != 0;
}

void finding_set_remediation(struct finding *finding, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    finding_replace(finding, &finding->remediation, text);
}

void finding_add_edit(struct finding *finding, const struct edit *edit)
{
    free(finding->diff);
    finding->diff = NULL;
    if (edits_add(&finding->edits, edit) != 0)
        finding->list->out_of_memory = true;
}

void finding_add_edits(struct finding *finding, const struct edits *edits)
{
    free(finding->diff);
    finding->diff = NULL;
    if (edits_add_all(&finding->edits, edits) != 0)
        finding->list->out_of_memory = true;
}

void finding_set_command(struct finding *finding, const char *command)
{
    finding->command = command;
}

void finding_set_control(struct finding *finding, const char *control)
{
    if (control[0] != '\0')
        finding_replace(finding, &finding->control, strdup(control));
}

/* --- the list ------------------------------------------------------------ */

static struct finding *findings_grow(struct findings *findings)
{
    struct finding *added = calloc(1, sizeof *added);
    struct finding **grown = array_grow(findings->item, findings->count, sizeof *findings->item);

    if (grown != NULL)
        findings->item = grown;
    if (added == NULL || grown == NULL) {
        free(added);
        findings->out_of_memory = true;
        finding_clear(&findings->lost);
        findings->lost = (struct finding){0};
        return &findings->lost;
    }
    findings->item[findings->count++] = added;
    return added;
}

struct finding *findings_add(struct findings *findings, enum audit_check check,
                             enum audit_status status, const char *format, ...)
{
    struct finding *finding = findings_grow(findings);
    va_list arguments;

    finding->list = findings;
    finding->check = check;
    finding->status = status;
    finding->setting = SETTING_COUNT;
    va_start(arguments, format);
    if (vasprintf(&finding->message, format, arguments) < 0) {
        finding->message = NULL;
        findings->out_of_memory = true;
    }
    va_end(arguments);
    return finding;
}

const struct finding *findings_next_at(const struct findings *findings, enum audit_check check,
                                       const char *file, unsigned line, size_t *after)
{
    *after = *after > 0
                 ? findings->place[*after - 1].earlier
                 : (size_t)(uintptr_t)map_find(&findings->by_place, place_key(check, file, line));
    for (; *after > 0; *after = findings->place[*after - 1].earlier) {
        const struct finding *f = findings->place[*after - 1].finding;
        if (f->check == check && f->line == line && f->file != NULL && strcmp(f->file, file) == 0)
            return f;
    }
    return NULL;
}

bool findings_have(const struct findings *findings, enum audit_check check, const char *file,
                   unsigned line)
{
    return findings_next_at(findings, check, file, line, &(size_t){0}) != NULL;
}

const struct finding *findings_first(const struct findings *findings, enum audit_check check,
                                     enum audit_status at_least, enum setting_id setting)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *f = findings->item[i];
        if ((check == AUDIT_CHECKS || f->check == check) && f->status >= at_least &&
            (setting == SETTING_COUNT || f->setting == setting))
            return f;
    }
    return NULL;
}

void findings_keep(struct findings *findings, const char *id)
{
    size_t kept = 0;

    map_free(&findings->by_place);
    findings->places = 0;
    for (size_t i = 0; i < findings->count; i++) {
        struct finding *finding = findings->item[i];
        if (strcmp(audit_checks[finding->check].id, id) == 0) {
            findings->item[kept++] = finding;
            continue;
        }
        finding_clear(finding);
        free(finding);
    }
    findings->count = kept;
}

void findings_free(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        finding_clear(findings->item[i]);
        free(findings->item[i]);
    }
    free(findings->item);
    free(findings->place);
    map_free(&findings->by_place);
    finding_clear(&findings->lost);
    *findings = (struct findings){0};
}
