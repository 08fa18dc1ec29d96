/* What an attempt is about: who, from where, within which limits. */
#ifndef TMOUT_PAM_MODULE_ATTEMPT_REQUEST_H
#define TMOUT_PAM_MODULE_ATTEMPT_REQUEST_H

#include "lib/attempts/limits.h"
#include "pam_module/log_name.h"
#include "pam_module/login_origin.h"

#include <stdbool.h>
#include <sys/types.h>

enum attempt_purpose {
    ATTEMPT_LOGIN,          /* pam_authenticate() */
    ATTEMPT_PASSWORD_CHANGE /* pam_chauthtok(): the current password */
};

struct attempt_request {
    enum attempt_purpose purpose;
    const char *user;
    char log_name[LOG_NAME_MAX];
    uid_t uid;
    struct attempt_limits limits;
    struct fleet_limits fleet;
    struct login_origin login;
    bool was_asked; /* at a password change: for the current one, before our line was reached */
};

#endif
