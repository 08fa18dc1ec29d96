/* tmoutctl unlock USER: forgets the user's failed logins and lifts their locks. */
#include "tools/tmoutctl/verbs/verbs.h"

#include "tools/tmoutctl/host/user_attempts.h"
#include "tools/tmoutctl/print.h"

#include <stdio.h>

static void print_unlocked(const char *user, const struct ledger_unlocked *undone,
                           const struct failure *damage)
{
    if (undone->replaced)
        printf("%s is unlocked; the ledger was replaced: %s\n", user, damage->text);
    else if (undone->locked)
        printf("%s is unlocked\n", user);
    else if (undone->failures > 0)
        printf("%s was not locked; failed logins cleared\n", user);
    else
        printf("%s was not locked\n", user);
}

static json_t *unlocked_json(const char *user, const struct ledger_unlocked *undone,
                             const struct failure *note)
{
    return json_pack("{s:o, s:b, s:I, s:b, s:o}", "user", json_text(user), "was_locked",
                     undone->locked, "failures", (json_int_t)undone->failures, "replaced",
                     undone->replaced, "note",
                     json_text_or_null(note->text[0] != '\0' ? note->text : NULL));
}

static int run_unlock(const struct tmoutctl_context *context,
                      const struct verb_arguments *arguments)
{
    const char *user = arguments->operand;
    struct ledger_unlocked undone;
    struct failure failure = {""};
    uid_t uid;

    if (!may_read_attempts(context))
        return cli_must_be_root();
    if (find_uid(user, &uid, &failure) != 0 ||
        unlock_user(context, user, uid, &undone, &failure) != 0) {
        report("%s", failure.text);
        return TMOUTCTL_FAILURE;
    }
    if (context->json)
        return print_json(unlocked_json(user, &undone, &failure), TMOUTCTL_FINE);
    if (context->quiet)
        return TMOUTCTL_FINE;
    print_unlocked(user, &undone, &failure);
    return finish(TMOUTCTL_FINE);
}

const struct verb verb_unlock = {
    .name = "unlock",
    .usage = "USER",
    .summary = "forget a user's failed logins and lift their locks",
    .help = "Forgets the user's failed logins and lifts every lock, local and over the\n"
            "network. A damaged ledger is replaced. USER may be a number, for a user who no\n"
            "longer exists. Must be run as root.",
    .operand = "USER",
    .operand_required = true,
    .json_version = 1,
    .run = run_unlock,
};
