#include "pam_module/known_users.h"

#include <errno.h>
#include <security/pam_ext.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define DATA_NAME "pam_tmout_users"

struct known_users {
    struct known_user *first;
    struct policy_groups groups;
};

static void known_user_free(struct known_user *user)
{
    account_free(&user->account);
    free(user->asked_name);
    free(user);
}

/* At pam_end(). */
static void forget_users(pam_handle_t *pamh, void *data, int status)
{
    struct known_users *known = data;

    (void)pamh;
    (void)status;
    while (known->first != NULL) {
        struct known_user *user = known->first;
        known->first = user->next;
        known_user_free(user);
    }
    policy_groups_free(&known->groups);
    free(known);
}

static struct known_users *users_of(pam_handle_t *pamh)
{
    const void *data = NULL;
    struct known_users *known;

    if (pam_get_data(pamh, DATA_NAME, &data) == PAM_SUCCESS && data != NULL)
        return (struct known_users *)data;
    known = calloc(1, sizeof *known);
    if (known != NULL && pam_set_data(pamh, DATA_NAME, known, forget_users) != PAM_SUCCESS) {
        free(known);
        known = NULL;
    }
    return known;
}

static struct known_user *add_user(struct known_users *known, const char *name)
{
    struct known_user *user = calloc(1, sizeof *user);

    if (user == NULL)
        return NULL;
    user->asked_name = strdup(name);
    user->account.name = strdup(name);
    if (user->asked_name == NULL || user->account.name == NULL) {
        known_user_free(user);
        return NULL;
    }
    user->groups = &known->groups;
    user->next = known->first;
    known->first = user;
    return user;
}

struct known_user *known_user(pam_handle_t *pamh, const char *name)
{
    struct known_users *known = users_of(pamh);
    struct known_user *user = known != NULL ? known->first : NULL;

    while (user != NULL && strcmp(user->asked_name, name) != 0)
        user = user->next;
    if (user == NULL && known != NULL)
        user = add_user(known, name);
    if (user == NULL)
        pam_syslog(pamh, LOG_ERR, "cannot look up user: out of memory; see tmout-recovery(7)");
    return user;
}

enum account_status known_user_look_up(struct known_user *user)
{
    struct account account;
    enum account_status status;

    if (user->state != USER_NOT_ASKED)
        return user->state == USER_FOUND ? ACCOUNT_FOUND : ACCOUNT_UNKNOWN;
    status = account_lookup(user->asked_name, false, &account);
    if (status == ACCOUNT_FOUND) {
        account_free(&user->account);
        user->account = account;
        user->state = USER_FOUND;
    } else if (status == ACCOUNT_UNKNOWN) {
        user->state = USER_UNKNOWN;
    }
    return status;
}
