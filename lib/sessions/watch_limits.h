/* The limits that the policy sets for the logins of a user. */
#ifndef TMOUT_SESSIONS_WATCH_LIMITS_H
#define TMOUT_SESSIONS_WATCH_LIMITS_H

#include "lib/policy/resolve.h"
#include "lib/sessions/schedule.h"

enum limit_rule {
    RULE_OF_DISCONNECT,
    RULE_OF_AGE,
    RULE_OF_NOTTY,
    RULE_OF_LEFTOVERS,
    LIMIT_RULE_COUNT
};

struct user_limits {
    struct watch_limits terminal; /* of a terminal */
    struct watch_limits notty;    /* of a login without one */
    bool any_activity;            /* output counts as well as input */
    bool only_client;             /* without a terminal, only what the client sends counts */
    enum leftovers leftovers;
    char rule[LIMIT_RULE_COUNT][320]; /* "FILE:LINE", by enum limit_rule; "-" if none */
};

/*
 * The limits of a login of this user, over SSH or not: with `sessions = ssh`
 * the policy does not cover others. snapshot is the one that the resolution
 * came from.
 */
void user_limits_find(const struct snapshot *snapshot, const struct resolution *resolution,
                      bool is_ssh, struct user_limits *limits);

/* Would these end anything later, or leave it alone, that those would end? */
bool user_limits_are_looser(const struct user_limits *these, const struct user_limits *those);

#endif
