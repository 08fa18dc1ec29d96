/* The policy that the next login will get: in force, or edited and valid. */
#ifndef TMOUT_TMOUTCTL_HOST_POLICY_VIEW_H
#define TMOUT_TMOUTCTL_HOST_POLICY_VIEW_H

#include "lib/host/account.h"
#include "lib/host/failure.h"
#include "lib/policy/resolve_account.h"
#include "lib/policy/rules.h"
#include "lib/policy/source.h"
#include "tools/tmoutctl/cli.h"

enum policy_state {
    POLICY_NONE,     /* no policy in force, and no valid one on disk */
    POLICY_IN_FORCE, /* the snapshot was made from the files on disk */
    POLICY_PENDING,  /* the files are newer and valid: the next login applies them */
    POLICY_REJECTED, /* the files are newer and invalid: the snapshot stays in force */
    POLICY_UNKNOWN   /* the files cannot be read: the snapshot stays in force */
};

struct policy_view {
    struct snapshot snapshot;    /* what logins get: the one in force, or the pending one */
    struct policy_groups groups; /* that it has rules for */
    enum policy_state state;
    bool has_applied;      /* is there a usable snapshot on disk? */
    int64_t applied_sec;   /* then since when, on the wall clock */
    struct failure reason; /* why the edit is rejected or unknown, or why a snapshot on disk is
                              unusable; else "" */
};

/*
 * Finds it as a login would: one applies a valid edit, and keeps the old
 * policy where the edit is invalid. Returns 0, and the caller ends with
 * policy_view_close(), or -1 with the reason for POLICY_NONE.
 */
int policy_view_find(const struct tmoutctl_context *context, struct policy_view *view,
                     struct failure *failure);

/*
 * Gives view->snapshot the policy that was compiled from these sources, in memory. The
 * rest of the view stays. Returns 0, and the caller ends with policy_view_close(), or -1
 * with errno.
 */
int policy_view_compiled(const struct source_set *sources, const struct policy *policy,
                         struct policy_view *view);

void policy_view_close(struct policy_view *view);

/* The decision behind it. files_valid and files_readable count only where the
 * snapshot is not current. */
enum policy_state policy_state_decide(bool has_snapshot, bool is_current, bool files_valid,
                                      bool files_readable);

/* The word for programs: "in force", "pending", "refused" or "unknown". */
const char *policy_state_word(enum policy_state state);

/* The same for people, as what follows "policy": since when, and what about an edit. */
void policy_view_describe(const struct policy_view *view, char *text, size_t size);

/* Room for policy_view_describe(). */
enum { POLICY_VIEW_TEXT_MAX = FAILURE_TEXT_MAX + 128 };

/* Sets failure to what is wrong with a snapshot that cannot be read, and what to do. */
void policy_view_damaged(const struct tmoutctl_context *context, struct failure *failure);

/* A user's settings, by the code that decides at login; it adds what groups it
 * needs to the account. Returns 0, or -1 with the reason: the snapshot is damaged,
 * or the groups cannot be looked up. */
int policy_view_resolve(const struct tmoutctl_context *context, struct policy_view *view,
                        struct account *account, struct resolution *resolution,
                        struct failure *failure);

/* Looks a user up, without their groups. Returns 0, and the caller frees the
 * account, or -1 with the reason, which names the user. */
int find_account(const char *user, struct account *account, struct failure *failure);

/* The same for whoever runs this process. */
int find_own_account(struct account *account, struct failure *failure);

#endif
