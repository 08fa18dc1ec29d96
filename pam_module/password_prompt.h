/*
 * Does a module ask for a password, once more? Some do after a wrong one
 * (try_first_pass), and that is another attempt; a second factor is not.
 */
#ifndef TMOUT_PAM_MODULE_PASSWORD_PROMPT_H
#define TMOUT_PAM_MODULE_PASSWORD_PROMPT_H

#include "pam_module/attempt_request.h"

#include <security/pam_appl.h>
#include <stdbool.h>

enum { PROMPT_TEXT_MAX = 128 };

/* What was asked during an attempt so far. */
struct prompt_history {
    bool has_password;            /* one has been entered that may be checked */
    char hidden[PROMPT_TEXT_MAX]; /* the last prompt without echo, "" for none */
};

/*
 * Is one of these messages a prompt for another password? At a login that is
 * one whose text asks for a password, and not for a one-time password, or that
 * repeats the last hidden prompt; is_forgotten: the password in PAM_AUTHTOK is gone,
 * and any hidden prompt replaces it. At a change of the password, where the new
 * one is asked for as well, only a prompt for the current one is.
 */
bool prompts_for_another(const struct prompt_history *history, enum attempt_purpose purpose,
                         bool is_forgotten, int count, const struct pam_message **message);

/* They have been answered. */
void prompts_answered(struct prompt_history *history, enum attempt_purpose purpose, int count,
                      const struct pam_message **message);

#endif
