/*
 * tmoutctl unlock USER [--fleet]: forgets the user's failed logins and lifts their locks, on this
 * host and in the store that the hosts of a fleet share; with --fleet, on all of its hosts.
 * tmoutctl unlock --from-fleet: does on this host what another one was told so.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "lib/policy/duration.h"
#include "tools/tmoutctl/host/fleet_mark.h"
#include "tools/tmoutctl/host/fleet_view.h"
#include "tools/tmoutctl/host/user_attempts.h"
#include "tools/tmoutctl/print.h"

#include <stdio.h>

/* What was done, here and in the store. */
struct unlocking {
    struct ledger_unlocked here;
    struct failure note; /* about the ledger */
    struct fleet_cleared fleet;
    struct failure why; /* the fleet could not be asked */
    bool is_told;       /* all hosts of it */
    struct failure untold;
};

enum { OPTION_FLEET, OPTION_FROM_FLEET };

static void print_unlocked(const char *user, const struct unlocking *done)
{
    const struct ledger_unlocked *here = &done->here;
    const struct fleet_cleared *fleet = &done->fleet;

    if (here->replaced)
        printf("%s is unlocked; the ledger was replaced: %s\n", user, done->note.text);
    else if (here->locked)
        printf("%s is unlocked\n", user);
    else if (here->failures > 0)
        printf("%s was not locked; failed logins cleared\n", user);
    else
        printf("%s was not locked\n", user);
    if (fleet->done && fleet->was_locked)
        printf("%s is unlocked in the fleet's store\n", user);
    else if (fleet->done && fleet->failures > 0)
        printf("%s was not locked in the fleet's store; failed logins cleared\n", user);
    else if (fleet->done)
        printf("%s was not locked in the fleet's store\n", user);
    if (done->is_told)
        printf("the other hosts will unlock %s within a minute or two, if they have the "
               "same " FLEET_UNLOCK_KEY_NAME "\n",
               user);
}

static json_t *cleared_json(const struct unlocking *done)
{
    if (!done->fleet.asked)
        return json_null();
    const struct failure *why = done->why.text[0] != '\0' ? &done->why : &done->untold;

    return json_pack("{s:b, s:b, s:I, s:b, s:o}", "cleared", done->fleet.done, "was_locked",
                     done->fleet.was_locked, "failures", (json_int_t)done->fleet.failures, "told",
                     done->is_told, "reason",
                     json_text_or_null(why->text[0] != '\0' ? why->text : NULL));
}

static json_t *unlocked_json(const char *user, const struct unlocking *done)
{
    return json_pack("{s:o, s:b, s:I, s:b, s:o, s:o}", "user", json_text(user), "was_locked",
                     done->here.locked, "failures", (json_int_t)done->here.failures, "replaced",
                     done->here.replaced, "note",
                     json_text_or_null(done->note.text[0] != '\0' ? done->note.text : NULL),
                     "fleet", cleared_json(done));
}

/* Tells the other hosts. Returns an exit status, after a message unless it is TMOUTCTL_FINE. */
static int tell_fleet(const struct tmoutctl_context *context, const char *user,
                      struct unlocking *done)
{
    if (!done->fleet.asked) {
        failure_set(&done->untold, "the policy gives %s no fleet_attempts", user);
    } else if (done->fleet.done && fleet_tell_unlocked(context, user, &done->untold) == 0) {
        done->is_told = true;
        return TMOUTCTL_FINE;
    }
    if (done->untold.text[0] != '\0')
        report("the other hosts are not told: %s; see \"Unlock on all hosts\" in tmoutctl(8)",
               done->untold.text);
    return TMOUTCTL_FAILURE;
}

/* --- as told by another host ---------------------------------------------------------------- */

struct telling {
    const struct tmoutctl_context *context;
    json_t *unlocked; /* with --json */
    int rejected;
    int status; /* TMOUTCTL_NO: somebody is not unlocked */
};

static void reject_future(struct telling *telling, const char *user, int64_t ahead_ms)
{
    char ahead[64];

    duration_format(ahead_ms / 1000, ahead, sizeof ahead);
    report(
        "%s is not unlocked: by this host's clock, another host was told so %s from now; set the "
        "clocks right, and run \"tmoutctl unlock %s --fleet\" again",
        user, ahead, user);
    telling->rejected++;
    telling->status = TMOUTCTL_NO;
}

static void unlock_told(void *with, const struct fleet_mark *mark, int64_t ahead_ms)
{
    struct telling *telling = with;
    struct ledger_unlocked undone;
    struct failure failure = {""};

    if (ahead_ms > 0) {
        reject_future(telling, mark->user, ahead_ms);
        return;
    }
    if (unlock_user_as_told(telling->context, mark->user, mark->unlocked_ms, &undone, &failure) !=
        0)
        telling->status = TMOUTCTL_NO;
    if (failure.text[0] != '\0')
        report("%s", failure.text);
    if (undone.failures == 0 && !undone.locked)
        return;
    if (telling->context->json)
        telling->unlocked =
            json_add_row(telling->unlocked,
                         json_pack("{s:o, s:b, s:I}", "user", json_text(mark->user), "was_locked",
                                   undone.locked, "failures", (json_int_t)undone.failures));
    else if (!telling->context->quiet)
        printf("%s is unlocked, as another host was told\n", mark->user);
}

static int unlock_as_told(const struct tmoutctl_context *context)
{
    struct telling telling = {.context = context, .status = TMOUTCTL_FINE};
    struct fleet_unlock_key key;
    struct failure failure = {""};

    /* Nobody else tells of that. */
    if (fleet_unlock_key_read(context, &key, &failure) != 0) {
        report("%s", failure.text);
        return TMOUTCTL_NO;
    }
    telling.unlocked = context->json ? json_array() : NULL;
    const int wrong = fleet_each_unlocked(context, &key, unlock_told, &telling, &failure);
    fleet_unlock_key_wipe(&key);
    if (wrong < 0 && !context->quiet)
        report("%s", failure.text);
    if (wrong > 0)
        report("%d marks of unlocked users were not made with this host's " FLEET_UNLOCK_KEY_NAME
               ": nothing was unlocked by them; compare the hosts' keys",
               wrong);
    if (wrong != 0)
        telling.status = wrong < 0 ? TMOUTCTL_FAILURE : TMOUTCTL_NO;
    if (context->json)
        return print_json(json_pack("{s:o, s:i}", "unlocked", telling.unlocked, "rejected",
                                    telling.rejected + (wrong > 0 ? wrong : 0)),
                          telling.status);
    return telling.status;
}

/* --- the command ---------------------------------------------------------------------------- */

static int run_unlock(const struct tmoutctl_context *context,
                      const struct verb_arguments *arguments)
{
    const char *user = arguments->operand;
    struct unlocking done = {.note = {""}, .why = {""}, .untold = {""}};
    int status = TMOUTCTL_FINE;
    uid_t uid;

    if (user == NULL && arguments->option[OPTION_FROM_FLEET] == NULL)
        return cli_usage_error(&verb_unlock, "missing operand USER");
    if (user != NULL && arguments->option[OPTION_FROM_FLEET] != NULL)
        return cli_usage_error(&verb_unlock, "extra operand '%s'", user);
    if (!may_read_attempts(context))
        return cli_must_be_root();
    if (user == NULL)
        return unlock_as_told(context);
    if (find_uid(user, &uid, &done.note) != 0 ||
        unlock_user(context, user, uid, &done.here, &done.note) != 0) {
        report("%s", done.note.text);
        return TMOUTCTL_FAILURE;
    }
    if (fleet_clear_user(context, user, &done.fleet, &done.why) != 0) {
        report("%s is not unlocked in the fleet's store: %s; see \"tmoutctl fleet\"", user,
               done.why.text);
        status = TMOUTCTL_FAILURE;
    }
    if (arguments->option[OPTION_FLEET] != NULL &&
        tell_fleet(context, user, &done) != TMOUTCTL_FINE)
        status = TMOUTCTL_FAILURE;
    if (context->json)
        return print_json(unlocked_json(user, &done), status);
    if (context->quiet)
        return status;
    print_unlocked(user, &done);
    return finish(status);
}

static const struct verb_option options[] = {
    [OPTION_FLEET] = {"fleet", NULL, "on the fleet's other hosts, too", 1},
    [OPTION_FROM_FLEET] = {"from-fleet", NULL, "unlock whom other hosts have unlocked with --fleet",
                           1},
    {NULL, NULL, NULL, 0},
};

const struct verb verb_unlock = {
    .name = "unlock",
    .usage = "USER [--fleet] | --from-fleet",
    .summary = "forget a user's failed logins and lift their locks",
    .help = "Forgets the user's failed logins and lifts every lock, local and over the\n"
            "network, and where hosts share attempts those in the store, too. With --fleet,\n"
            "the other hosts forget what they have counted for themselves until now: their\n"
            "timers run \"tmoutctl unlock --from-fleet\" every minute. A damaged ledger is\n"
            "replaced. USER may be a number, for a user who no longer exists. Must be run as\n"
            "root.",
    .operand = "USER",
    .json_version = 1,
    .options = options,
    .run = run_unlock,
};
