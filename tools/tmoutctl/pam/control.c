#include "tools/tmoutctl/pam/control.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The names of the results, in the order of their numbers (_pam_types.h). */
static const char *const result_names[PAM_RESULTS] = {"success",
                                                      "open_err",
                                                      "symbol_err",
                                                      "service_err",
                                                      "system_err",
                                                      "buf_err",
                                                      "perm_denied",
                                                      "auth_err",
                                                      "cred_insufficient",
                                                      "authinfo_unavail",
                                                      "user_unknown",
                                                      "maxtries",
                                                      "new_authtok_reqd",
                                                      "acct_expired",
                                                      "session_err",
                                                      "cred_unavail",
                                                      "cred_expired",
                                                      "cred_err",
                                                      "no_module_data",
                                                      "conv_err",
                                                      "authtok_err",
                                                      "authtok_recover_err",
                                                      "authtok_lock_busy",
                                                      "authtok_disable_aging",
                                                      "try_again",
                                                      "ignore",
                                                      "abort",
                                                      "authtok_expired",
                                                      "module_unknown",
                                                      "bad_item",
                                                      "conv_again",
                                                      "incomplete"};

/* By the number of the action, negated. */
static const char *const action_names[] = {"ignore", "ok", "done", "bad", "die", "reset"};

/* No action was given yet. */
enum { ACTION_UNSET = -6 };

static void fill(int action[PAM_RESULTS], int with)
{
    for (int i = 0; i < PAM_RESULTS; i++)
        if (action[i] == ACTION_UNSET)
            action[i] = with;
}

/* Does *at begin with name? Then moves it past that. libpam does not ask what
 * follows the name. */
static bool take_name(const char **at, const char *name)
{
    const size_t length = strlen(name);

    if (strncmp(*at, name, length) != 0)
        return false;
    *at += length;
    return true;
}

/* A result's number, PAM_RESULTS for default, or -1. */
static int take_result(const char **at)
{
    for (int i = 0; i < PAM_RESULTS; i++)
        if (take_name(at, result_names[i]))
            return i;
    return take_name(at, "default") ? PAM_RESULTS : -1;
}

/* An action, or ACTION_UNSET where there is none. */
static int take_action(const char **at)
{
    char *end;

    for (int i = 0; i < (int)(sizeof action_names / sizeof *action_names); i++)
        if (take_name(at, action_names[i]))
            return -i;
    if (!isdigit((unsigned char)**at))
        return ACTION_UNSET;
    const unsigned long jump = strtoul(*at, &end, 10);
    *at = end;
    return jump > 0 && jump <= INT_MAX ? (int)jump : ACTION_UNSET;
}

static const char *skip_space(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

/* `result=action ...`, up to the closing bracket or the end. */
static bool parse_pairs(const char *at, int action[PAM_RESULTS])
{
    for (at = skip_space(at); *at != '\0' && *at != ']'; at = skip_space(at)) {
        const int result = take_result(&at);
        at = skip_space(at);
        if (result < 0 || *at != '=')
            return false;
        at = skip_space(at + 1);
        const int taken = take_action(&at);
        if (taken == ACTION_UNSET)
            return false;
        if (result < PAM_RESULTS)
            action[result] = taken;
        else
            fill(action, taken);
    }
    return true;
}

bool pam_control_parse(const char *control, int action[PAM_RESULTS])
{
    static const struct {
        const char *word;
        enum pam_action success, ignore, rest;
    } words[] = {{"required", ACTION_OK, ACTION_IGNORE, ACTION_BAD},
                 {"requisite", ACTION_OK, ACTION_IGNORE, ACTION_DIE},
                 {"optional", ACTION_OK, ACTION_IGNORE, ACTION_IGNORE},
                 {"sufficient", ACTION_DONE, ACTION_IGNORE, ACTION_IGNORE}};
    const char *text = control + (control[0] == '[');
    const size_t length = strcspn(text, "]");

    for (int i = 0; i < PAM_RESULTS; i++)
        action[i] = ACTION_UNSET;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].word) != length || strncasecmp(text, words[i].word, length) != 0)
            continue;
        action[PAM_SUCCESS] = words[i].success;
        action[PAM_NEW_AUTHTOK_REQD] = words[i].success;
        action[PAM_IGNORE] = words[i].ignore;
        fill(action, words[i].rest);
        return true;
    }
    const bool valid = parse_pairs(text, action);
    for (int i = 0; i < PAM_RESULTS && !valid; i++)
        action[i] = ACTION_BAD;
    fill(action, ACTION_BAD);
    return valid;
}

char *pam_control_move_jumps(const char *control, int (*moved)(int jump, const void *context),
                             const void *context)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return NULL;
    for (const char *at = control; *at != '\0';) {
        fputc(*at, out);
        if (*at++ != '=')
            continue;
        while (isspace((unsigned char)*at))
            fputc(*at++, out);
        const char *number = at;
        const int jump = take_action(&at);
        if (jump > 0)
            fprintf(out, "%d", moved(jump, context));
        else
            at = number;
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

bool pam_control_never_blocks(const char *control)
{
    int action[PAM_RESULTS];

    pam_control_parse(control, action);
    for (int i = 0; i < PAM_RESULTS; i++) {
        const bool may_be_ok = i == PAM_SUCCESS || i == PAM_NEW_AUTHTOK_REQD;
        if (action[i] != ACTION_IGNORE && !(may_be_ok && action[i] == ACTION_OK))
            return false;
    }
    return true;
}

bool pam_control_rejects_at_once(const char *control)
{
    /* What the auth line returns to root's programs (pam_tmout(8), PAM RESULTS). */
    static const int errors[] = {PAM_AUTH_ERR, PAM_SERVICE_ERR};
    int action[PAM_RESULTS];

    pam_control_parse(control, action);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (action[errors[i]] != ACTION_DIE)
            return false;
    return action[PAM_IGNORE] == ACTION_IGNORE;
}
