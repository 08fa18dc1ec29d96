/*
 * One user whose logins are watched: the limits that the policy sets for them,
 * which a helper looks up, and their terminals that appear in /dev/pts, which
 * could be any login's.
 */
#ifndef TMOUT_TMOUTD_USER_H
#define TMOUT_TMOUTD_USER_H

#include "tools/tmoutd/login.h"
#include "tools/tmoutd/look.h"

LIST_HEAD(login_list, login);

struct user {
    LIST_ENTRY(user) link; /* for whoever keeps them, as the next one */
    uint64_t key;
    struct loop *loop;
    const char *state_dir;
    char name[sizeof((struct session_record *)NULL)->user];
    bool is_ssh;              /* of all the logins here: others have other limits */
    uid_t registered_uid;     /* in the records of all the logins here, or NO_UID */
    uid_t uid;                /* or NO_UID: not known yet, or in doubt */
    struct user *same_uid;    /* the next one with this uid, by whoever keeps them */
    struct login_list logins; /* the latest first */
    unsigned login_count;
    /* Limits. */
    bool has_limits;
    uint64_t policy; /* snapshot_identity() of where they came from */
    struct user_limits limits;
    bool lookup_failed; /* last time */
    bool is_in_doubt;   /* the name service says another uid than the records */
    int64_t lookup_ms;  /* look them up then */
    unsigned checks;    /* of limits that have become looser: how many are left */
    struct inquiry *looking_up;
    struct alarm lookup_alarm;
    /* Called when another uid has become known, or none is any more (NO_UID), before it is
     * set; and with the failure
     * each time that the policy cannot be opened, or with NULL when it can. */
    void (*identified)(void *context, struct user *user, uid_t uid);
    void (*policy_failed)(void *context, const struct failure *failure);
    void (*limits_found)(void *context, struct user *user); /* by looking them up */
    void *context;
    /* Terminals whose login is not known. */
    unsigned wanted[WANTED_MAX], wanted_count;
    bool has_more_wanted; /* than there is room for */
    int64_t searched_ms;  /* until when the last search lasted, and a pause after it */
    struct inquiry *searching;
    struct alarm search_alarm;
};

/* NULL without memory. */
struct user *user_new(struct loop *loop, const char *state_dir, const struct session_record *login);

/* It must have no logins any more. */
void user_free(struct user *user);

void user_add_login(struct user *user, struct login *login);
void user_remove_login(struct login *login);

/*
 * What the record of one of their logins says about them: the uid and, while nothing
 * else is known, the limits. If these come from the policy in force, nothing has to be
 * looked up.
 */
void user_take_record(struct user *user, const struct session_record *record, bool is_in_force);

/* Looks the limits up again: the policy may have changed. */
void user_look_up(struct user *user);

/* This terminal of the user has appeared, or may be sshd's by now. */
void user_search_terminal(struct user *user, unsigned index);

#endif
