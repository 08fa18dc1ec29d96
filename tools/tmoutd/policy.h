/* The policy in force, for the users whose logins are watched. */
#ifndef TMOUT_TMOUTD_POLICY_H
#define TMOUT_TMOUTD_POLICY_H

#include "lib/host/failure.h"
#include "lib/sessions/registry.h"
#include "lib/sessions/watch_limits.h"
#include "tools/tmoutd/answer.h"

struct policy_question {
    const char *state_dir; /* in memory that is older than all helpers */
    char user[sizeof((struct session_record *)NULL)->user];
    bool is_ssh;
};

struct policy_answer {
    bool has_policy, has_limits;
    struct failure failure; /* why there is no policy, or no limits */
    uid_t uid;
    uint64_t identity; /* snapshot_identity() */
    struct user_limits limits;
};

/*
 * Runs in a helper. Opens the policy in force, looks the user up, and answers with
 * the limits that it sets for their logins. input: struct policy_question. Answers
 * with a struct policy_answer.
 */
void policy_look_up(const void *input, int fd, struct answer *answer);

#endif
