/* One password at the user's ledger: asking whether it may be checked, and
 * settling what became of it. Everything that happens there is logged here. */
#ifndef TMOUT_PAM_MODULE_ADMISSION_H
#define TMOUT_PAM_MODULE_ADMISSION_H

#include "lib/attempts/ledger.h"
#include "lib/policy/module_args.h"
#include "pam_module/attempt_request.h"
#include "pam_module/fleet_admission.h"

#include <security/pam_modules.h>
#include <stdbool.h>

struct attempt_admission {
    pam_handle_t *pamh;
    struct attempt_request request; /* request.user points to user */
    char *user, *state_dir;
    struct timestamp start;
    struct ledger ledger;
    struct fleet_admission fleet;
    uid_t owner; /* of the state */
    pid_t pid;   /* only the process that was admitted may settle, never a child */
    bool in_flight;
    bool fleet_rejects; /* and not this host; has been logged */
};

/* Fills *admission; the request is copied. Returns 0, or -1 with nothing to free. */
int admission_init(struct attempt_admission *admission, pam_handle_t *pamh,
                   const struct module_args *args, const struct attempt_request *request);
void admission_free(struct attempt_admission *admission);

/*
 * Asks for an attempt, and waits while too many others are in flight. Returns
 * PAM_IGNORE if the password may be checked now, PAM_AUTH_ERR if not, with the
 * reason in *report, and PAM_SERVICE_ERR on an error.
 */
int admission_ask(struct attempt_admission *admission, struct attempt_report *report);

/* Settles an attempt that is in flight; does nothing in a forked child. If
 * anything goes wrong, the slot is later found without an owner, which counts as
 * failed. */
void admission_settle(struct attempt_admission *admission, bool success);

#endif
