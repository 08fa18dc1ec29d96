/*
 * tmoutctl prune: removes the ledgers of users who no longer exist. A timer runs
 * it: nothing else would ever remove them.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "lib/attempts/ledger_remove.h"
#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/host/user_attempts.h"
#include "tools/tmoutctl/host/user_directory.h"
#include "tools/tmoutctl/print.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What became of the ledgers. */
struct pruned {
    unsigned removed, in_use;
    unsigned unknown; /* of users whom a name service failed to look up */
    unsigned failed;
};

/* Nobody knows which rules applied to a user who is gone: their lock holds as long
 * as it would for anybody. */
static int tighten_by_rule(void *context, enum rule_kind kind, const char *name,
                           const struct snapshot_rule *rule)
{
    struct resolution *strictest = context;

    (void)kind;
    (void)name;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (rule->setting[i].set &&
            setting_stricter(&settings[i], rule->setting[i].value, strictest->setting[i].value))
            strictest->setting[i].value = rule->setting[i].value;
    return 0;
}

/* Returns 0, or -1 after a message. */
static int strictest_limits(const struct tmoutctl_context *context, const struct policy_view *view,
                            struct attempt_limits *limits)
{
    struct resolution strictest;
    struct failure failure = {""};

    if (resolve(&view->snapshot, "", NULL, 0, &strictest) != 0 ||
        snapshot_each_rule(&view->snapshot, tighten_by_rule, &strictest) != 0) {
        policy_view_damaged(context, &failure);
        report("%s", failure.text);
        return -1;
    }
    if (strictest.setting[SETTING_MAX_ATTEMPTS].value == SETTING_NONE)
        strictest.setting[SETTING_MAX_ATTEMPTS].value = 1; /* was limited when it was written */
    strictest.setting[SETTING_MAX_ATTEMPTS].from_rule = true;
    strictest.setting[SETTING_MAX_ATTEMPTS].kind = RULE_USER;
    attempt_limits_find(&strictest, 0, limits);
    return 0;
}

static void prune_user(const struct tmoutctl_context *context, const struct directory_user *user,
                       const struct attempt_limits *limits, struct pruned *pruned)
{
    const unsigned uid = (unsigned)user->account.uid;
    struct failure failure = {""};

    if (user->status == ACCOUNT_FOUND)
        return;
    if (user->status == ACCOUNT_ERROR) {
        if (pruned->unknown++ == 0)
            report("cannot look up uid %u: %s; keeping the ledger of every user who cannot be "
                   "looked up",
                   uid, strerror(user->error));
        return;
    }
    switch (ledger_remove(context->state_dir, user->account.uid, geteuid(), limits, &failure)) {
    case LEDGER_REMOVED:
        pruned->removed++;
        break;
    case LEDGER_IN_USE:
        pruned->in_use++;
        break;
    case LEDGER_REMOVAL_FAILED:
    default:
        report("%s/" LEDGER_DIRECTORY "/%u: %s", context->state_dir, uid, failure.text);
        pruned->failed++;
    }
}

static int prune_all(const struct tmoutctl_context *context, const struct attempt_limits *limits,
                     struct pruned *pruned)
{
    struct user_directory users = {0};
    struct failure failure = {""};
    uid_t *uid = NULL;
    const ssize_t count = ledger_users(context->state_dir, &uid, &failure);
    int result = -1;

    if (count < 0) {
        report("%s", failure.text);
        return -1;
    }
    ledger_remove_strays(context->state_dir, geteuid());
    if (user_directory_find(uid, (size_t)count, &users) == 0) {
        for (size_t i = 0; i < users.count; i++)
            prune_user(context, &users.user[i], limits, pruned);
        result = 0;
    } else {
        report("out of memory");
    }
    user_directory_free(&users);
    free(uid);
    return result;
}

static int print_pruned(const struct tmoutctl_context *context, const struct pruned *pruned)
{
    const int status = pruned->unknown + pruned->failed > 0 ? TMOUTCTL_FAILURE : TMOUTCTL_FINE;

    if (context->json)
        return print_json(json_pack("{s:i, s:i, s:i, s:i}", "removed", (int)pruned->removed,
                                    "in_use", (int)pruned->in_use, "unknown", (int)pruned->unknown,
                                    "failed", (int)pruned->failed),
                          status);
    if (context->quiet)
        return status;
    printf("ledgers of deleted users: %u removed, %u kept because they are locked or in use\n",
           pruned->removed, pruned->in_use);
    return finish(status);
}

static int run_prune(const struct tmoutctl_context *context, const struct verb_arguments *arguments)
{
    struct attempt_limits limits = {0};
    struct policy_view view;
    struct pruned pruned = {0};
    struct failure failure = {""};

    (void)arguments;
    if (!may_read_attempts(context))
        return cli_must_be_root();
    if (policy_view_find(context, &view, &failure) != 0)
        return report_as(REPORT_POLICY, "%s", failure.text);
    const bool done =
        strictest_limits(context, &view, &limits) == 0 && prune_all(context, &limits, &pruned) == 0;
    policy_view_close(&view);
    return done ? print_pruned(context, &pruned) : TMOUTCTL_FAILURE;
}

const struct verb verb_prune = {
    .name = "prune",
    .usage = "[--quiet]",
    .summary = "remove the attempt ledgers of deleted users",
    .help = "Removes the ledgers of login attempts of users who no longer exist, unless they\n"
            "are locked or in use. Where a name service fails, it removes none that this\n"
            "service might know. tmout-prune.timer runs it daily. Must be run as root.",
    .json_version = 1,
    .run = run_prune,
};
