#include "pam_module/user_settings.h"

#include "pam_module/log_name.h"
#include "pam_module/policy_in_force.h"

#include <errno.h>
#include <inttypes.h>
#include <security/pam_ext.h>
#include <string.h>
#include <syslog.h>

static enum user_settings_status look_up(pam_handle_t *pamh, const char *user,
                                         enum user_purpose purpose, struct account *account)
{
    char name[LOG_NAME_MAX];

    log_name(user, name, sizeof name);
    switch (account_lookup(user, false, account)) {
    case ACCOUNT_FOUND:
        return USER_SETTINGS_FOUND;
    case ACCOUNT_UNKNOWN:
        if (purpose == FOR_SESSION)
            pam_syslog(pamh, LOG_ERR,
                       "no such user; no limit could be found for the session user=%s", name);
        return USER_SETTINGS_UNKNOWN_USER;
    case ACCOUNT_ERROR:
    default:
        pam_syslog(pamh, LOG_ERR, "the user cannot be looked up: %s user=%s", strerror(errno),
                   name);
        return USER_SETTINGS_FAILED;
    }
}

/* As far as the policy's rules want to know it. */
static enum user_settings_status complete(pam_handle_t *pamh, const char *user,
                                          enum user_purpose purpose, const uint32_t *rule_count,
                                          struct account *account)
{
    enum user_settings_status status;
    char name[LOG_NAME_MAX];

    if (account->name == NULL && rule_count[RULE_GROUP] == 0 && rule_count[RULE_USER] == 0) {
        account->name = strdup(user);
        return account->name != NULL ? USER_SETTINGS_FOUND : USER_SETTINGS_FAILED;
    }
    if (account->name == NULL &&
        (status = look_up(pamh, user, purpose, account)) != USER_SETTINGS_FOUND)
        return status;
    if (rule_count[RULE_GROUP] == 0 || account->group != NULL ||
        (purpose == FOR_ATTEMPTS && account->uid == 0))
        return USER_SETTINGS_FOUND;
    if (account_find_groups(account) == 0)
        return USER_SETTINGS_FOUND;
    const int error = errno;
    log_name(user, name, sizeof name);
    pam_syslog(pamh, LOG_ERR, "the user's groups cannot be looked up: %s user=%s", strerror(error),
               name);
    return USER_SETTINGS_FAILED;
}

static void log_decision(pam_handle_t *pamh, const struct snapshot *snapshot, const char *user,
                         enum user_purpose purpose, const struct resolution *resolution)
{
    const enum setting_id id = purpose == FOR_SESSION ? SETTING_TMOUT : SETTING_MAX_ATTEMPTS;
    const struct resolved_setting *setting = &resolution->setting[id];
    char value[SETTING_TEXT_MAX], path[256] = "-";

    setting_format(&settings[id], setting->value, value, sizeof value);
    if (setting->from_rule)
        snapshot_source_path(snapshot, setting->file, path, sizeof path);
    pam_syslog(pamh, LOG_DEBUG, "limit found user=%s %s=%s rule=%s:%" PRIu32, user,
               settings[id].name, value, path, setting->line);
}

/* *damaged: the snapshot is, which has not been logged. */
static enum user_settings_status find(pam_handle_t *pamh, const struct module_args *args,
                                      const char *user, enum user_purpose purpose, bool *tried,
                                      struct user_settings *found, bool *damaged)
{
    struct account *account = &found->account;
    struct snapshot snapshot;
    enum user_settings_status status;

    *damaged = false;
    if (policy_in_force(pamh, args, &snapshot, tried) != 0)
        return USER_SETTINGS_FAILED;
    status = complete(pamh, user, purpose, snapshot.rule_count, account);
    if (status == USER_SETTINGS_FOUND &&
        resolve(&snapshot, account->name, (const char *const *)account->group, account->group_count,
                &found->resolution) != 0) {
        *damaged = true;
        status = USER_SETTINGS_FAILED;
    }
    if (status == USER_SETTINGS_FOUND && args->debug)
        log_decision(pamh, &snapshot, account->name, purpose, &found->resolution);
    snapshot_close(&snapshot);
    return status;
}

enum user_settings_status user_settings_find_named(pam_handle_t *pamh,
                                                   const struct module_args *args, const char *user,
                                                   enum user_purpose purpose,
                                                   struct user_settings *found)
{
    bool tried = false, damaged;
    enum user_settings_status status;

    *found = (struct user_settings){0};
    if (purpose == FOR_ATTEMPTS) {
        status = look_up(pamh, user, purpose, &found->account);
        if (status != USER_SETTINGS_FOUND)
            return status;
    }
    status = find(pamh, args, user, purpose, &tried, found, &damaged);
    if (damaged && policy_rebuild(pamh, args, &tried) == 0)
        status = find(pamh, args, user, purpose, &tried, found, &damaged);
    return status;
}

enum user_settings_status user_settings_find(pam_handle_t *pamh, const struct module_args *args,
                                             enum user_purpose purpose, struct user_settings *found)
{
    const char *user = NULL;

    *found = (struct user_settings){0};
    if (pam_get_user(pamh, &user, NULL) != PAM_SUCCESS || user == NULL || user[0] == '\0') {
        pam_syslog(pamh, LOG_ERR, "the application did not say who logs in");
        return USER_SETTINGS_FAILED;
    }
    return user_settings_find_named(pamh, args, user, purpose, found);
}

void user_settings_free(struct user_settings *found)
{
    account_free(&found->account);
}
