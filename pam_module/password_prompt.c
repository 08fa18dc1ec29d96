#include "pam_module/password_prompt.h"

#include <libintl.h>
#include <stdio.h>
#include <string.h>

static bool has_word(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasestr(text, *words) != NULL)
            return true;
    return false;
}

/* In the user's language libpam's own prompts are those of its translation. */
static bool is_libpams(const char *text, const char *prompt)
{
    return strcmp(text, dgettext("Linux-PAM", prompt)) == 0;
}

static bool is_login_password(const char *text)
{
    static const char *const words[] = {"password", "passphrase", NULL};
    static const char *const one_time[] = {"one-time", "one time", "otp", "oath", "token", NULL};

    return is_libpams(text, "Password: ") || (has_word(text, words) && !has_word(text, one_time));
}

static bool is_current_password(const char *text)
{
    static const char *const words[] = {"current", "old password", "(old)", NULL};

    return is_libpams(text, "Current password: ") || has_word(text, words);
}

static bool is_password(const char *text, enum attempt_purpose purpose)
{
    return purpose == ATTEMPT_LOGIN ? is_login_password(text) : is_current_password(text);
}

static bool is_hidden(const struct pam_message *message)
{
    return message->msg_style == PAM_PROMPT_ECHO_OFF && message->msg != NULL;
}

/* The same text, as far as it was kept. */
static bool repeats(const struct prompt_history *history, const char *text)
{
    return history->hidden[0] != '\0' &&
           strncmp(history->hidden, text, sizeof history->hidden - 1) == 0;
}

bool prompts_for_another(const struct prompt_history *history, enum attempt_purpose purpose,
                         bool is_forgotten, int count, const struct pam_message **message)
{
    for (int i = 0; i < count; i++) {
        if (!is_hidden(message[i]))
            continue;
        const char *text = message[i]->msg;
        if (purpose == ATTEMPT_LOGIN && repeats(history, text))
            return true;
        if (history->has_password &&
            (is_password(text, purpose) || (purpose == ATTEMPT_LOGIN && is_forgotten)))
            return true;
    }
    return false;
}

void prompts_answered(struct prompt_history *history, enum attempt_purpose purpose, int count,
                      const struct pam_message **message)
{
    for (int i = 0; i < count; i++) {
        if (!is_hidden(message[i]))
            continue;
        snprintf(history->hidden, sizeof history->hidden, "%s", message[i]->msg);
        if (is_password(message[i]->msg, purpose))
            history->has_password = true;
    }
}
