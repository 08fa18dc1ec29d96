/*
 * Does a module ask for a password, once more? Some do after a wrong one
 * (try_first_pass), and that is another attempt; a second factor is not.
 */
#ifndef TMOUT_PAM_MODULE_PASSWORD_PROMPT_H
#define TMOUT_PAM_MODULE_PASSWORD_PROMPT_H

#include "pam_module/attempt_request.h"

#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    PROMPTS_KEPT_MAX = 8, /* more than any login asks for */
    /* Second factors of one attempt: a new PIN, the same again, and the next code of a token */
    SECOND_FACTORS_MAX = 3,
    PROMPT_TEXT_MAX = 64 /* bytes of a prompt that are kept for the log */
};

/* What was asked during an attempt so far. */
struct prompt_history {
    bool has_password; /* one has been entered that may be checked */
    bool is_replaced;  /* PAM_AUTHTOK has become another one, or none, since the last prompt */
    bool has_new;      /* a new one has been asked for: it is repeated next */
    unsigned second_factors;          /* that were asked for */
    unsigned count;                   /* of the hidden prompts */
    uint64_t asked[PROMPTS_KEPT_MAX]; /* their texts, as checksums */
    /* What was taken for the password because it did not say what it is for, or "" */
    char taken_for_password[PROMPT_TEXT_MAX];
};

struct prompt_verdict {
    unsigned others; /* how many of the messages ask for another password */
    /* One that counts, or that the password counts after, though it does not say what it is
     * for; or NULL. Valid as long as the messages and the verdict are. */
    const char *unnamed;
    struct prompt_history after; /* once they have been answered */
};

/*
 * Judges the messages of one call of the conversation. A prompt that does not show
 * what is typed is for another password, unless its text says that it is for a second
 * factor (a code, a token, a PIN, in many languages, or one of the words in
 * second_factor, which commas separate; NULL: none) or for a new password. A second
 * factor counts as well if its prompt has been there before, but for its digits; if
 * there have been too many of them; or if history->is_replaced.
 */
void prompts_judge(const struct prompt_history *history, enum attempt_purpose purpose,
                   const char *second_factor, int count, const struct pam_message **message,
                   struct prompt_verdict *verdict);

#endif
