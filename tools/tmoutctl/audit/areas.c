#include "tools/tmoutctl/audit/areas.h"

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
    audit_swap_policy(audit);
    return baseline != NULL ? audit_baseline(audit, baseline, failure) : 0;
}
