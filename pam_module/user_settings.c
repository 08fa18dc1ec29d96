#include "pam_module/user_settings.h"

#include "pam_module/log_name.h"
#include "pam_module/policy_in_force.h"

#include <errno.h>
#include <inttypes.h>
#include <security/pam_ext.h>
#include <string.h>
#include <syslog.h>

/* One search for a user's settings. */
struct settings_search {
    pam_handle_t *pamh;
    const struct module_args *args;
    const char *user;
    enum user_purpose purpose;
    struct user_settings *found;
    enum user_settings_status status;
};

static enum user_settings_status look_up(const struct settings_search *search)
{
    char name[LOG_NAME_MAX];

    log_name(search->user, name, sizeof name);
    switch (account_lookup(search->user, false, &search->found->account)) {
    case ACCOUNT_FOUND:
        return USER_SETTINGS_FOUND;
    case ACCOUNT_UNKNOWN:
        if (search->purpose == FOR_SESSION)
            pam_syslog(search->pamh, LOG_ERR,
                       "no such user: cannot determine the session's limit user=%s", name);
        return USER_SETTINGS_UNKNOWN_USER;
    case ACCOUNT_ERROR:
    default:
        pam_syslog(search->pamh, LOG_ERR, "cannot look up user: %s user=%s", strerror(errno), name);
        return USER_SETTINGS_FAILED;
    }
}

static enum user_settings_status find_groups(const struct settings_search *search)
{
    char name[LOG_NAME_MAX];

    if (account_find_groups(&search->found->account) == 0)
        return USER_SETTINGS_FOUND;
    const int error = errno;
    log_name(search->user, name, sizeof name);
    pam_syslog(search->pamh, LOG_ERR, "cannot look up the user's groups: %s user=%s",
               strerror(error), name);
    return USER_SETTINGS_FAILED;
}

/* Completes the account as far as the policy's rules need it. */
static enum user_settings_status complete(const struct settings_search *search,
                                          const uint32_t *rule_count)
{
    struct account *account = &search->found->account;

    if (account->name == NULL && rule_count[RULE_GROUP] == 0 && rule_count[RULE_USER] == 0) {
        account->name = strdup(search->user);
        return account->name != NULL ? USER_SETTINGS_FOUND : USER_SETTINGS_FAILED;
    }
    if (account->name == NULL) {
        const enum user_settings_status status = look_up(search);
        if (status != USER_SETTINGS_FOUND)
            return status;
    }
    if (rule_count[RULE_GROUP] == 0 || account->group != NULL ||
        (search->purpose == FOR_ATTEMPTS && account->uid == 0))
        return USER_SETTINGS_FOUND;
    return find_groups(search);
}

static void log_decision(const struct settings_search *search, const struct snapshot *snapshot)
{
    const enum setting_id id =
        search->purpose == FOR_SESSION ? SETTING_TMOUT : SETTING_MAX_ATTEMPTS;
    const struct resolved_setting *setting = &search->found->resolution.setting[id];
    char value[SETTING_TEXT_MAX], path[256] = "-", name[LOG_NAME_MAX];

    setting_format(&settings[id], setting->value, value, sizeof value);
    if (setting->from_rule)
        snapshot_source_path(snapshot, setting->file, path, sizeof path);
    log_name(search->found->account.name, name, sizeof name);
    pam_syslog(search->pamh, LOG_DEBUG, "found limit user=%s %s=%s rule=%s:%" PRIu32, name,
               settings[id].name, value, path, setting->line);
}

static enum policy_use find_in(const struct snapshot *snapshot, void *context)
{
    struct settings_search *search = context;
    const struct account *account = &search->found->account;

    search->status = complete(search, snapshot->rule_count);
    if (search->status != USER_SETTINGS_FOUND)
        return POLICY_FAILED;
    if (resolve(snapshot, account->name, (const char *const *)account->group, account->group_count,
                &search->found->resolution) != 0) {
        search->status = USER_SETTINGS_FAILED;
        return POLICY_DAMAGED;
    }
    if (search->args->debug)
        log_decision(search, snapshot);
    return POLICY_USED;
}

enum user_settings_status user_settings_find_named(pam_handle_t *pamh,
                                                   const struct module_args *args, const char *user,
                                                   enum user_purpose purpose,
                                                   struct user_settings *found)
{
    struct settings_search search = {.pamh = pamh,
                                     .args = args,
                                     .user = user,
                                     .purpose = purpose,
                                     .found = found,
                                     .status = USER_SETTINGS_FAILED};

    *found = (struct user_settings){0};
    if (purpose == FOR_ATTEMPTS) {
        search.status = look_up(&search);
        if (search.status != USER_SETTINGS_FOUND)
            return search.status;
        search.status = USER_SETTINGS_FAILED;
    }
    policy_in_force(pamh, args, find_in, &search);
    return search.status;
}

enum user_settings_status user_settings_find(pam_handle_t *pamh, const struct module_args *args,
                                             enum user_purpose purpose, struct user_settings *found)
{
    const char *user = NULL;

    *found = (struct user_settings){0};
    if (pam_get_user(pamh, &user, NULL) != PAM_SUCCESS || user == NULL || user[0] == '\0') {
        pam_syslog(pamh, LOG_ERR, "the application did not pass a user name");
        return USER_SETTINGS_FAILED;
    }
    return user_settings_find_named(pamh, args, user, purpose, found);
}

void user_settings_free(struct user_settings *found)
{
    account_free(&found->account);
}
