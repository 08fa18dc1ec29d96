#include "tools/tmoutctl/audit/areas.h"

#include <string.h>

int audit_areas(struct audit *audit, const char *baseline, struct failure *failure)
{
    audit_start(audit);
    audit_policy(audit);
    if (baseline != NULL && audit_baseline_plan(audit, baseline, failure) != 0)
        return -1;
    audit_swap_policy(audit);
    audit_pam(audit);
    audit_sshd(audit);
    audit_shells(audit);
    audit_host(audit);
    audit_attempts(audit);
    audit_fleet(audit);
    audit_swap_policy(audit);
    return baseline != NULL ? audit_baseline(audit, baseline, failure) : 0;
}

/* By how the names of their checks begin. */
static const struct {
    const char *prefix;
    void (*run)(struct audit *audit);
    bool needs_policy; /* what audit_policy() finds */
} areas[] = {
    {"policy-", audit_policy, false}, {"pam-", audit_pam, true},
    {"sshd-", audit_sshd, true},      {"shells-", audit_shells, true},
    {"host-", audit_host, false},     {"attempts-", audit_attempts, true},
    {"fleet-", audit_fleet, true},
};

int audit_one_check(struct audit *audit, const char *id, struct failure *failure)
{
    bool is_known = false;

    for (size_t i = 0; i < AUDIT_CHECKS; i++)
        is_known = is_known || strcmp(id, audit_checks[i].id) == 0;
    audit_start(audit);
    for (size_t i = 0; is_known && i < sizeof areas / sizeof *areas; i++) {
        if (strncmp(id, areas[i].prefix, strlen(areas[i].prefix)) != 0)
            continue;
        if (areas[i].needs_policy)
            audit_policy(audit);
        areas[i].run(audit);
        findings_keep(&audit->findings, id);
        return 0;
    }
    failure_set(failure,
                is_known ? "the check \"%s\" needs --baseline" : "there is no check \"%s\"", id);
    return -1;
}
