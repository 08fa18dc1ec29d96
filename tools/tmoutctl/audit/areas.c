#include "tools/tmoutctl/audit/areas.h"

void audit_areas(struct audit *audit)
{
    audit_start(audit);
    audit_policy(audit);
    audit_pam(audit);
    audit_sshd(audit);
    audit_shells(audit);
    audit_host(audit);
    audit_attempts(audit);
}
