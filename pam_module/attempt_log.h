/*
 * What is logged about attempts: one line an event, a human sentence and then
 * key=value for programs.
 */
#ifndef TMOUT_PAM_MODULE_ATTEMPT_LOG_H
#define TMOUT_PAM_MODULE_ATTEMPT_LOG_H

#include "pam_module/attempt.h"

/* A failure; a success leaves that to the application. And what else the end
 * of the attempt has changed. */
void attempt_log_end(pam_handle_t *pamh, const struct attempt_request *request, bool success,
                     const struct attempt_report *report);

/* What a new attempt has found: failures of others that broke off, a lock that
 * they made, a lock ended. */
void attempt_log_changes(pam_handle_t *pamh, const struct attempt_request *request,
                         const struct attempt_report *report);

void attempt_log_rejection(pam_handle_t *pamh, const struct attempt_request *request,
                           const struct attempt_report *report);

/* The ledger is not as it should be: reason; what follows from it. */
void attempt_log_ledger(pam_handle_t *pamh, const struct attempt_request *request,
                        const char *state_dir, const char *what, const char *reason);

#endif
