#include "pam_module/policy_in_force.h"

#include "pam_module/refresh.h"

#include <security/pam_ext.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* Has exactly this text been refused before? reason then says why. */
static bool rejected_before(const struct module_args *args, struct failure *failure)
{
    struct snapshot refused;
    struct failure wrong = {""};
    bool same;

    if (snapshot_open(args->state_dir, SNAPSHOT_REJECTED, geteuid(), &refused, &wrong) !=
        SNAPSHOT_OK)
        return false;
    same = snapshot_is_current(&refused, args->config_path);
    if (same)
        snapshot_message(&refused, failure->text, sizeof failure->text);
    snapshot_close(&refused);
    return same;
}

/* One line of what tmoutctl said, without its prefix. */
static const char *first_line(char *text)
{
    static const char prefix[] = "tmoutctl: ";

    text[strcspn(text, "\n")] = '\0';
    return strncmp(text, prefix, sizeof prefix - 1) == 0 ? text + sizeof prefix - 1 : text;
}

/* Has the policy compiled. What tmoutctl had to say is logged: it says each
 * thing once, to the login that comes first. */
static void refresh(pam_handle_t *pamh, const struct module_args *args)
{
    char said[1024] = "";

    switch (run_apply(args, said, sizeof said)) {
    case APPLY_DONE:
        if (args->debug)
            pam_syslog(pamh, LOG_DEBUG, "the policy has changed and was applied");
        break;
    case APPLY_REJECTED:
    case APPLY_FAILED:
        if (said[0] != '\0')
            pam_syslog(pamh, LOG_ERR, "%s", first_line(said));
        break;
    case APPLY_TIMED_OUT:
        pam_syslog(pamh, LOG_ERR,
                   "the changed policy could not be applied in time; the last good one stays in "
                   "force, run tmoutctl apply command=%s",
                   apply_command());
        break;
    case APPLY_NOT_RUN:
    default:
        pam_syslog(pamh, LOG_ERR,
                   "the changed policy could not be applied: %s; the last good one stays in force "
                   "command=%s",
                   said, apply_command());
    }
}

/* A process that an ordinary user started runs under his limits and signals:
 * what it compiled could be cut short. It takes what is there. */
static bool may_refresh(void)
{
    return getuid() == 0 && geteuid() == 0;
}

int policy_in_force(pam_handle_t *pamh, const struct module_args *args, struct snapshot *snapshot,
                    bool *tried)
{
    struct failure refusal = {""}, failure = {""};
    enum snapshot_status status =
        snapshot_open(args->state_dir, SNAPSHOT_POLICY, geteuid(), snapshot, &failure);

    if (status == SNAPSHOT_OK && snapshot_is_current(snapshot, args->config_path))
        return 0;
    if (may_refresh() && !*tried && !rejected_before(args, &refusal)) {
        *tried = true;
        if (status == SNAPSHOT_OK)
            snapshot_close(snapshot);
        refresh(pamh, args);
        status = snapshot_open(args->state_dir, SNAPSHOT_POLICY, geteuid(), snapshot, &failure);
    }
    if (status == SNAPSHOT_OK)
        return 0;
    if (refusal.text[0] != '\0')
        pam_syslog(pamh, LOG_ERR, "no policy is in force: %s", refusal.text);
    else
        pam_syslog(pamh, LOG_ERR, "no policy is in force: %s; run tmoutctl apply", failure.text);
    return -1;
}

int policy_rebuild(pam_handle_t *pamh, const struct module_args *args, bool *tried)
{
    const bool may = may_refresh() && !*tried;

    pam_syslog(pamh, LOG_ERR, "%s/%s: is damaged; %s", args->state_dir, SNAPSHOT_POLICY_NAME,
               may ? "it is made anew" : "run tmoutctl apply");
    if (!may)
        return -1;
    *tried = true;
    refresh(pamh, args);
    return 0;
}
