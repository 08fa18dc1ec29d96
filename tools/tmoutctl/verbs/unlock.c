/*
 * tmoutctl unlock USER: forgets his failed logins and lifts every lock that
 * they made. It has to work whatever state the ledger and the policy are in.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "tools/tmoutctl/host/user_attempts.h"
#include "tools/tmoutctl/print.h"

#include "lib/attempts/ledger.h"
#include "lib/host/account.h"
#include "lib/host/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

/* By name, or by number where the user is gone and his ledger is not. */
static int find_uid(const char *user, uid_t *uid)
{
    struct account account;
    char *end = NULL;

    switch (account_lookup(user, false, &account)) {
    case ACCOUNT_FOUND:
        *uid = account.uid;
        account_free(&account);
        return 0;
    case ACCOUNT_UNKNOWN:
        break;
    case ACCOUNT_ERROR:
    default:
        report("%s cannot be looked up: %s; unlock also takes the number of a user", user,
               strerror(errno));
    }
    errno = 0;
    const unsigned long number = strtoul(user, &end, 10);
    if (user[0] >= '0' && user[0] <= '9' && *end == '\0' && errno == 0 && number < (uid_t)-1) {
        *uid = (uid_t)number;
        return 0;
    }
    report("there is no user \"%s\"", user);
    return -1;
}

/* The user's limit for the log, "-" where there is none or no policy tells. */
static void limit_text(const struct tmoutctl_context *context, const char *user, char *text,
                       size_t size)
{
    struct attempt_limits limits;
    struct resolution resolution;
    struct snapshot snapshot;
    struct account account;
    struct failure failure = {""};

    snprintf(text, size, "-");
    if (snapshot_open(context->state_dir, SNAPSHOT_POLICY, geteuid(), &snapshot, &failure) !=
        SNAPSHOT_OK)
        return;
    if (account_lookup(user, true, &account) == ACCOUNT_FOUND) {
        if (resolve(&snapshot, account.name, (const char *const *)account.group,
                    account.group_count, &resolution) == 0 &&
            attempt_limits_find(&resolution, account.uid, &limits))
            snprintf(text, size, "%u", limits.max_attempts);
        account_free(&account);
    }
    snapshot_close(&snapshot);
}

static void log_unlock(const struct tmoutctl_context *context, const char *user,
                       const struct ledger_unlocked *forgotten)
{
    char limit[16];

    limit_text(context, user, limit, sizeof limit);
    openlog("tmoutctl", LOG_PID, LOG_AUTHPRIV);
    syslog(LOG_NOTICE,
           "unlocked user=%s address=local service=tmoutctl failures=%u max_attempts=%s locked=%s "
           "by_uid=%u",
           user, forgotten->failures, limit, forgotten->locked ? "yes" : "no", (unsigned)getuid());
    closelog();
}

static int unlock(const struct tmoutctl_context *context, const char *user, uid_t uid)
{
    struct ledger_unlocked forgotten;
    struct timestamp now;
    struct failure failure = {""};

    if (clock_now(&now, &failure) != 0) {
        report("%s", failure.text);
        return TMOUTCTL_FAILURE;
    }
    switch (ledger_unlock(context->state_dir, uid, geteuid(), &now, &forgotten, &failure)) {
    case LEDGER_OK:
        break;
    case LEDGER_ABSENT:
        forgotten = (struct ledger_unlocked){0};
        break;
    default:
        report("%s/" LEDGER_DIRECTORY "/%u: %s", context->state_dir, (unsigned)uid, failure.text);
        return TMOUTCTL_FAILURE;
    }
    if (forgotten.failures > 0 || forgotten.locked || forgotten.replaced)
        log_unlock(context, user, &forgotten);
    if (context->quiet)
        return TMOUTCTL_FINE;
    if (forgotten.replaced)
        printf("%s is unlocked; the ledger was %s and begins anew\n", user, failure.text);
    else if (forgotten.locked)
        printf("%s is unlocked\n", user);
    else if (forgotten.failures > 0)
        printf("%s was not locked; the failed attempts are forgotten\n", user);
    else
        printf("%s was not locked\n", user);
    return finish(TMOUTCTL_FINE);
}

static int run_unlock(const struct tmoutctl_context *context,
                      const struct verb_arguments *arguments)
{
    uid_t uid;

    if (!attempts_are_ours(context)) {
        report("must be run as root");
        return TMOUTCTL_FAILURE;
    }
    if (find_uid(arguments->operand, &uid) != 0)
        return TMOUTCTL_FAILURE;
    return unlock(context, arguments->operand, uid);
}

const struct verb verb_unlock = {
    .name = "unlock",
    .usage = "USER",
    .summary = "forget a user's failed logins and lift their locks",
    .help = "Forgets the user's failed logins and lifts every lock, local and over the network.\n"
            "A damaged ledger is replaced. USER may be a number, for a user who no longer\n"
            "exists. Must be run as root.",
    .operand = "USER",
    .operand_required = true,
    .run = run_unlock,
};
