/* Would SELinux, Smack or AppArmor keep login programs from our state? Where they do,
 * nobody but root gets in once the auth line is there. */
#include "tools/tmoutctl/audit/areas.h"

#include "lib/paths.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct mac_facts {
    enum mac_kind kind;
    bool is_enforced;
    size_t count;
    struct mac_denial denial[16]; /* the first ones; their paths are copied */
    char path[16][PATH_MAX];
};

static void keep_denial(void *context, const struct mac_denial *denial)
{
    struct mac_facts *facts = context;

    if (facts->count == sizeof facts->denial / sizeof *facts->denial)
        return;
    snprintf(facts->path[facts->count], PATH_MAX, "%s", denial->path);
    facts->denial[facts->count] = *denial;
    facts->denial[facts->count].path = facts->path[facts->count];
    facts->count++;
}

static const char *mac_consequence(enum mac_need need)
{
    switch (need) {
    case MAC_READ_SNAPSHOT:
        return "no limit applies, and with an auth line only root gets in";
    case MAC_WRITE_LEDGERS:
        return "with an auth line, passwords of users with max_attempts are rejected";
    case MAC_WRITE_REGISTRY:
    case MAC_NEEDS:
    default:
        return "tmoutd learns of logins later, and not of their address";
    }
}

static void add_mac(struct audit *audit, const struct mac_facts *facts,
                    const struct mac_denial *denial)
{
    static const char *const names[] = {[MAC_SELINUX] = "SELinux", [MAC_SMACK] = "Smack"};
    struct finding *finding;

    if (facts->kind == MAC_APPARMOR) {
        finding =
            findings_add(&audit->findings, CHECK_HOST_MAC, AUDIT_FAIL,
                         "AppArmor confines %s, and its profile does not name %s: %s",
                         denial->program, audit->context->state_dir, mac_consequence(denial->need));
        finding_set_remediation(finding,
                                "Let the profile read and write %s and " TMOUT_SESSIONS_DIR
                                ", and run tmoutctl, then reload it.",
                                audit->context->state_dir);
        finding_set_place(finding, denial->path, 0);
        return;
    }
    finding = findings_add(
        &audit->findings, CHECK_HOST_MAC, facts->is_enforced ? AUDIT_FAIL : AUDIT_WARN,
        "%s denies %s (%s) %s access to %s%s: %s", names[facts->kind], denial->program,
        denial->domain, denial->need == MAC_READ_SNAPSHOT ? "read" : "write", denial->label,
        facts->is_enforced ? "" : ", but is permissive now", mac_consequence(denial->need));
    finding_set_place(finding, denial->path, 0);
    if (facts->kind == MAC_SMACK) {
        finding_set_remediation(finding, "Give login programs a rule for this label.");
        return;
    }
    finding_set_remediation(finding,
                            "Install the SELinux module of pam_tmout, and set the labels.");
    finding_set_command(finding, "restorecon -RF " TMOUT_DAEMON_PATH " " TMOUT_CTL_PATH
                                 " /var/lib/tmout /run/tmout");
}

void audit_mac(struct audit *audit, const struct mac_kernel *kernel)
{
    const struct mac_places places = {audit->context->state_dir, TMOUT_SESSIONS_DIR};
    struct mac_facts *facts = calloc(1, sizeof *facts);

    if (facts == NULL) {
        audit->findings.out_of_memory = true;
        return;
    }
    facts->kind =
        mac_find_denials(audit->host, kernel, &places, &facts->is_enforced, keep_denial, facts);
    for (size_t i = 0; i < facts->count; i++)
        add_mac(audit, facts, &facts->denial[i]);
    free(facts);
}
