/* How the host stands, in a few numbers: what `tmoutctl status` prints. */
#ifndef TMOUT_TMOUTCTL_STATUS_FACTS_H
#define TMOUT_TMOUTCTL_STATUS_FACTS_H

#include "tools/tmoutctl/audit/audit.h"
#include "tools/tmoutctl/host/session_table.h"

/* End with status_free(). */
struct status_facts {
    struct audit audit;           /* with the policy, the fleet, and whether tmoutd is running */
    size_t found[AUDIT_FAIL + 1]; /* findings by enum audit_status */
    struct session_table sessions;
    size_t logins; /* that are registered, where there is a policy; a login may have several rows */
    bool enforced; /* does tmoutd end any of them? */
    const struct session_row *next; /* then the one that ends first, or NULL */
    size_t locked;                  /* users with a lock, where there is a policy */
    struct failure rejecting;       /* why every password is rejected, else "" */
    size_t rejected;                /* users whose passwords are rejected because of their ledger */
    char first_rejected[64];        /* the first of them */
    struct failure first_fault;     /* their ledger's fault, as in struct user_attempts */
    bool incomplete;                /* something could not be read, after a message */
};

/* Finds all of it. Returns 0, or -1 after a message: out of memory. */
int status_find(const struct tmoutctl_context *context, struct status_facts *facts);

void status_free(struct status_facts *facts);

/* Is all as it should be? */
bool status_is_fine(const struct status_facts *facts);

/* The state of the policy, POLICY_NONE included. */
enum policy_state status_policy_state(const struct status_facts *facts);

/* How many findings say that PAM does not call the module as it should? */
size_t status_pam_failures(const struct status_facts *facts);

#endif
