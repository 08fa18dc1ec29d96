#include "pam_module/user_settings.h"

#include "pam_module/log_name.h"
#include "pam_module/policy_in_force.h"
#include "pam_module/registration.h"

#include <errno.h>
#include <inttypes.h>
#include <security/pam_ext.h>
#include <string.h>
#include <syslog.h>

/* One search for a user's settings. */
struct settings_search {
    pam_handle_t *pamh;
    const struct module_args *args;
    struct known_user *user;
    enum user_purpose purpose;
    struct user_settings *found;
    enum user_settings_status status;
};

static enum user_settings_status look_up(const struct settings_search *search)
{
    const enum account_status status = known_user_look_up(search->user);
    const int error = errno;
    char name[LOG_NAME_MAX];

    if (status == ACCOUNT_FOUND) {
        search->found->account = &search->user->account;
        return USER_SETTINGS_FOUND;
    }
    log_name(search->user->asked_name, name, sizeof name);
    if (status == ACCOUNT_UNKNOWN) {
        if (search->purpose == FOR_SESSION)
            pam_syslog(
                search->pamh, LOG_ERR,
                "no such user: cannot determine the session's limit; see tmout-recovery(7) user=%s",
                name);
        return USER_SETTINGS_UNKNOWN_USER;
    }
    pam_syslog(search->pamh, LOG_ERR, "cannot look up user: %s; see tmout-recovery(7) user=%s",
               strerror(error), name);
    return USER_SETTINGS_FAILED;
}

static enum policy_use groups_unknown(const struct settings_search *search, int error)
{
    char name[LOG_NAME_MAX];
    struct failure why = {""};

    account_groups_failure(&search->user->account, error, &why);
    log_name(search->user->asked_name, name, sizeof name);
    pam_syslog(search->pamh, LOG_ERR,
               "cannot look up the user's groups: %s; run \"tmoutctl audit --check policy-groups\" "
               "user=%s",
               why.text, name);
    return POLICY_FAILED;
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
    log_name(search->user->account.name, name, sizeof name);
    pam_syslog(search->pamh, LOG_DEBUG, "found limit user=%s %s=%s rule=%s:%" PRIu32, name,
               settings[id].name, value, path, setting->line);
}

/* Asks the name services only for what the rules need. */
static enum policy_use find_in(const struct snapshot *snapshot, void *context)
{
    struct settings_search *search = context;
    struct account *account = &search->user->account;
    struct resolution *resolution = &search->found->resolution;
    enum account_rules rules;

    if (snapshot->rule_count[RULE_GROUP] + snapshot->rule_count[RULE_USER] > 0) {
        search->status = look_up(search);
        if (search->status != USER_SETTINGS_FOUND)
            return POLICY_FAILED;
    }
    search->status = USER_SETTINGS_FAILED;
    if (search->purpose == FOR_ATTEMPTS && account->uid == 0)
        rules = resolve(snapshot, account->name, NULL, 0, resolution) == 0 ? ACCOUNT_RESOLVED
                                                                           : ACCOUNT_POLICY_DAMAGED;
    else
        rules = resolve_account(snapshot, search->user->groups, account, resolution);
    if (rules == ACCOUNT_GROUPS_UNKNOWN)
        return groups_unknown(search, errno);
    if (rules == ACCOUNT_POLICY_DAMAGED)
        return POLICY_DAMAGED;
    search->found->account = account;
    search->status = USER_SETTINGS_FOUND;
    search->found->uid = search->user->state == USER_FOUND ? account->uid : NO_UID;
    search->found->policy = snapshot_identity(snapshot);
    if (search->purpose == FOR_SESSION)
        user_limits_find(snapshot, &search->found->resolution, is_ssh_login(search->pamh),
                         &search->found->limits);
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
                                     .user = known_user(pamh, user),
                                     .purpose = purpose,
                                     .found = found,
                                     .status = USER_SETTINGS_FAILED};

    *found = (struct user_settings){0};
    if (search.user == NULL)
        return USER_SETTINGS_FAILED;
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
        pam_syslog(pamh, LOG_ERR,
                   "the application did not pass a user name; see tmout-recovery(7)");
        return USER_SETTINGS_FAILED;
    }
    return user_settings_find_named(pamh, args, user, purpose, found);
}
