#include "pam_module/policy_in_force.h"

#include "pam_module/event_line.h"
#include "pam_module/refresh.h"

#include <security/pam_ext.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* Has exactly this text been rejected before? The failure then says why. */
static bool rejected_before(const struct module_args *args, struct failure *failure)
{
    struct snapshot rejected;
    struct failure unused = {""};

    if (snapshot_open(args->state_dir, SNAPSHOT_REJECTED, args->caller.effective, &rejected,
                      &unused) != SNAPSHOT_OK)
        return false;
    const bool same = snapshot_is_current(&rejected, args->config_path);
    if (same)
        snapshot_message(&rejected, failure->text, sizeof failure->text);
    snapshot_close(&rejected);
    return same;
}

/* The first line of what tmoutctl printed, without its prefix. */
static const char *first_line(char *output)
{
    static const char prefix[] = "tmoutctl: ";

    output[strcspn(output, "\n")] = '\0';
    return strncmp(output, prefix, sizeof prefix - 1) == 0 ? output + sizeof prefix - 1 : output;
}

static void log_policy_event(pam_handle_t *pamh, const struct module_args *args,
                             enum log_event event, const char *text)
{
    struct log_entry entry;

    log_entry_begin(&entry, event, LOG_ERR, "%s", text);
    log_entry_add_field(&entry, "policy", args->config_path);
    event_line(pamh, args->phase, &entry);
}

/* Has the policy compiled. What tmoutctl printed is logged: it reports each
 * problem once, to the login that comes first. */
static void refresh(pam_handle_t *pamh, const struct module_args *args)
{
    char output[1024] = "";
    const enum apply_result result = run_apply(args, output, sizeof output);

    switch (result) {
    case APPLY_DONE:
        if (args->debug)
            pam_syslog(pamh, LOG_DEBUG, "applied the changed policy");
        break;
    case APPLY_REJECTED:
    case APPLY_FAILED:
        if (output[0] != '\0')
            log_policy_event(pamh, args,
                             result == APPLY_REJECTED ? LOG_EVENT_POLICY_INVALID : LOG_EVENT_NONE,
                             first_line(output));
        break;
    case APPLY_TIMED_OUT:
        pam_syslog(pamh, LOG_ERR,
                   "cannot apply the changed policy: timed out; the last good one stays in force, "
                   "run \"tmoutctl apply\" command=%s",
                   apply_command());
        break;
    case APPLY_NOT_RUN:
    default:
        pam_syslog(pamh, LOG_ERR,
                   "cannot apply the changed policy: %s; the last good one stays in force, run "
                   "\"tmoutctl apply\" command=%s",
                   output, apply_command());
    }
}

/* A process that an ordinary user started has that user's limits and signals:
 * its compilation could be cut short. It uses the snapshot that is there. */
static bool may_refresh(const struct caller *caller)
{
    return caller->real == 0 && caller->effective == 0;
}

/* A login's look at the policy, which may include one refresh. */
struct policy_look {
    pam_handle_t *pamh;
    const struct module_args *args;
    bool may_refresh;
};

static void log_no_policy(const struct policy_look *look, const struct failure *rejection,
                          const struct failure *failure)
{
    char text[FAILURE_TEXT_MAX + 64];

    if (rejection->text[0] != '\0')
        snprintf(text, sizeof text, "no policy is in force: %s; run \"tmoutctl check\"",
                 rejection->text);
    else
        snprintf(text, sizeof text, "no policy is in force: %s; run \"tmoutctl apply\"",
                 failure->text);
    log_policy_event(look->pamh, look->args, LOG_EVENT_NO_POLICY, text);
}

/* Opens the snapshot, brought up to date. -1 has been logged. */
static int open_snapshot(struct policy_look *look, struct snapshot *snapshot)
{
    struct failure rejection = {""}, failure = {""};
    const char *state_dir = look->args->state_dir;
    enum snapshot_status status =
        snapshot_open(state_dir, SNAPSHOT_POLICY, look->args->caller.effective, snapshot, &failure);

    if (status == SNAPSHOT_OK && snapshot_is_current(snapshot, look->args->config_path))
        return 0;
    if (look->may_refresh && !rejected_before(look->args, &rejection)) {
        look->may_refresh = false;
        if (status == SNAPSHOT_OK)
            snapshot_close(snapshot);
        refresh(look->pamh, look->args);
        status = snapshot_open(state_dir, SNAPSHOT_POLICY, look->args->caller.effective, snapshot,
                               &failure);
    }
    if (status == SNAPSHOT_OK)
        return 0;
    if (status == SNAPSHOT_DENIED && look->args->caller.effective == 0)
        pam_syslog(look->pamh, LOG_ERR,
                   "SELinux or another MAC policy denied reading the policy in force: %s; run "
                   "\"tmoutctl audit --check host-mac\"",
                   failure.text);
    else
        log_no_policy(look, &rejection, &failure);
    return -1;
}

static enum policy_use use_once(struct policy_look *look, policy_user *use, void *context)
{
    struct snapshot snapshot;

    if (open_snapshot(look, &snapshot) != 0)
        return POLICY_FAILED;
    const enum policy_use result = use(&snapshot, context);
    snapshot_close(&snapshot);
    if (result == POLICY_DAMAGED)
        pam_syslog(look->pamh, LOG_ERR, "%s/%s is damaged; %s; see tmout-recovery(7)",
                   look->args->state_dir, SNAPSHOT_POLICY_NAME,
                   look->may_refresh ? "rebuilding" : "run \"tmoutctl apply\"");
    return result;
}

int policy_in_force(pam_handle_t *pamh, const struct module_args *args, policy_user *use,
                    void *context)
{
    struct policy_look look = {
        .pamh = pamh, .args = args, .may_refresh = may_refresh(&args->caller)};
    enum policy_use result = use_once(&look, use, context);

    if (result == POLICY_DAMAGED && look.may_refresh) {
        look.may_refresh = false;
        refresh(pamh, args);
        result = use_once(&look, use, context);
    }
    return result == POLICY_USED ? 0 : -1;
}
