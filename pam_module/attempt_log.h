/*
 * What is logged about attempts: one line per event, a sentence for people
 * followed by key=value for programs.
 */
#ifndef TMOUT_PAM_MODULE_ATTEMPT_LOG_H
#define TMOUT_PAM_MODULE_ATTEMPT_LOG_H

#include "lib/attempts/ledger.h"
#include "pam_module/attempt_request.h"
#include "pam_module/fleet_admission.h"

#include <security/pam_modules.h>

/* The end of an attempt: a failure (applications log successes themselves), and
 * what else was found and changed then. */
void attempt_log_end(pam_handle_t *pamh, const struct attempt_request *request, bool success,
                     const struct attempt_report *report);

/* What a new attempt has found: abandoned ones of other processes, the lock that
 * they caused, a lock that has expired. */
void attempt_log_changes(pam_handle_t *pamh, const struct attempt_request *request,
                         const struct attempt_report *report);

void attempt_log_rejection(pam_handle_t *pamh, const struct attempt_request *request,
                           const struct attempt_report *report);

/* A module has asked with this prompt, which names neither a password nor a second
 * factor, and it is counted as one for a password. */
void attempt_log_prompt(pam_handle_t *pamh, const struct attempt_request *request,
                        const char *prompt);

/* The fleet, and not this host, has rejected it; why: it is away. */
void attempt_log_fleet(pam_handle_t *pamh, const struct attempt_request *request,
                       enum fleet_verdict verdict, const struct fleet_answer *answer,
                       const char *why);

/* This host has admitted it without the fleet. */
void attempt_log_alone(pam_handle_t *pamh, const struct attempt_request *request,
                       const struct attempt_report *report, const char *why);

/* Another process did not release the ledger's lock: there is a copy now. */
void attempt_log_stuck(pam_handle_t *pamh, const struct attempt_request *request,
                       const char *state_dir);

/* Something is wrong with the ledger: what (the text of a ledger's struct
 * failure), and what the module does about it. */
void attempt_log_ledger(pam_handle_t *pamh, const struct attempt_request *request,
                        const char *state_dir, const char *reason, const char *consequence);

#endif
