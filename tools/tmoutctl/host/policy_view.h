/* The policy that the next login will find: in force, or edited and valid. */
#ifndef TMOUT_TMOUTCTL_HOST_POLICY_VIEW_H
#define TMOUT_TMOUTCTL_HOST_POLICY_VIEW_H

#include "tools/tmoutctl/cli.h"

#include "lib/host/account.h"
#include "lib/policy/resolve.h"

struct policy_view {
    struct snapshot snapshot;
    const char *state; /* in force, pending, refused, unknown: for programs */
    char note[1200];   /* the same for people */
};

/*
 * Finds it: a login applies an edit that is valid, and keeps the old policy
 * where the edit is not. Returns 0, and the caller closes view->snapshot, or
 * -1 after a message.
 */
int policy_view_find(const struct tmoutctl_context *context, struct policy_view *view);

/* A user's settings, with the code that decides at login. Returns 0, or -1
 * after a message. */
int policy_view_resolve(const struct tmoutctl_context *context, const struct policy_view *view,
                        const struct account *account, struct resolution *resolution);

/* Looks a user up, with his groups. Returns 0, and the caller frees the
 * account, or -1 after a message. */
int find_account(const char *user, struct account *account);

#endif
