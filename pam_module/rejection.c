#include "pam_module/rejection.h"

#include "lib/host/translation.h"
#include "lib/policy/duration.h"
#include "pam_module/attempt.h"

#include <security/pam_ext.h>

/* What pam_unix asks for after a wrong password: a rejection must not be
 * quicker, or it would reveal that the user exists. */
enum { REJECTION_DELAY_US = 2 * 1000 * 1000 };

void delay_rejection(pam_handle_t *pamh)
{
    pam_fail_delay(pamh, REJECTION_DELAY_US);
}

static void tell_why(pam_handle_t *pamh, int flags, const struct module_args *args,
                     const struct attempt_request *request, const struct attempt_report *report)
{
    char left[64];

    if (((unsigned)flags & PAM_SILENT) != 0 ||
        (request->login.origin.kind != ORIGIN_LOCAL && !args->tell))
        return;
    if (report->admission == REJECTED_BUSY) {
        pam_error(pamh, "%s",
                  translation("", "Too many login attempts in progress for this account. "
                                  "Try again later."));
    } else if (report->lock_left_ms == SETTING_FOREVER) {
        pam_error(pamh,
                  translation_of_number("",
                                        "Account locked after %u failed login. "
                                        "Contact your administrator.",
                                        "Account locked after %u failed logins. "
                                        "Contact your administrator.",
                                        report->failures),
                  report->failures);
    } else {
        duration_format((report->lock_left_ms + 999) / 1000, left, sizeof left);
        pam_error(pamh,
                  translation_of_number(
                      "", "Account locked after %u failed login. Try again in %s.",
                      "Account locked after %u failed logins. Try again in %s.", report->failures),
                  report->failures, left);
    }
}

int attempt_or_rejection(pam_handle_t *pamh, int flags, const struct module_args *args,
                         const struct attempt_request *request)
{
    struct attempt_report report = {0};
    const int result = attempt_begin(pamh, args, request, &report);

    if (result == PAM_IGNORE)
        return result;
    delay_rejection(pamh);
    if (result == PAM_AUTH_ERR)
        tell_why(pamh, flags, args, request, &report);
    return result;
}
