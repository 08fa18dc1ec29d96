/* tmoutctl unlock USER: forgets the user's failed logins and lifts their locks, on this host and
 * in the store that the hosts of a fleet share. */
#include "tools/tmoutctl/verbs/verbs.h"

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
};

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
}

static json_t *cleared_json(const struct unlocking *done)
{
    if (!done->fleet.asked)
        return json_null();
    return json_pack("{s:b, s:b, s:I, s:o}", "cleared", done->fleet.done, "was_locked",
                     done->fleet.was_locked, "failures", (json_int_t)done->fleet.failures, "reason",
                     json_text_or_null(done->why.text[0] != '\0' ? done->why.text : NULL));
}

static json_t *unlocked_json(const char *user, const struct unlocking *done)
{
    return json_pack("{s:o, s:b, s:I, s:b, s:o, s:o}", "user", json_text(user), "was_locked",
                     done->here.locked, "failures", (json_int_t)done->here.failures, "replaced",
                     done->here.replaced, "note",
                     json_text_or_null(done->note.text[0] != '\0' ? done->note.text : NULL),
                     "fleet", cleared_json(done));
}

static int run_unlock(const struct tmoutctl_context *context,
                      const struct verb_arguments *arguments)
{
    const char *user = arguments->operand;
    struct unlocking done = {.note = {""}, .why = {""}};
    int status = TMOUTCTL_FINE;
    uid_t uid;

    if (!may_read_attempts(context))
        return cli_must_be_root();
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
    if (context->json)
        return print_json(unlocked_json(user, &done), status);
    if (context->quiet)
        return status;
    print_unlocked(user, &done);
    return finish(status);
}

const struct verb verb_unlock = {
    .name = "unlock",
    .usage = "USER",
    .summary = "forget a user's failed logins and lift their locks",
    .help = "Forgets the user's failed logins and lifts every lock, local and over the\n"
            "network, and where hosts share attempts those in the store, too. What other\n"
            "hosts have counted for themselves stays. A damaged ledger is replaced. USER may\n"
            "be a number, for a user who no longer exists. Must be run as root.",
    .operand = "USER",
    .operand_required = true,
    .json_version = 1,
    .run = run_unlock,
};
