/*
 * Kinds of users, and what the modules that tell them apart answer for each:
 * pam_localuser, pam_usertype and pam_succeed_if. Facts from their sources in
 * Linux-PAM 1.5.2 to 1.7, compared with the real modules by
 * tests/module/test_pam_users.
 */
#ifndef TMOUT_TMOUTCTL_PAM_USERS_H
#define TMOUT_TMOUTCTL_PAM_USERS_H

#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/pam/stack.h"

#include <stdbool.h>

enum pam_user_kind {
    PAM_USERS_LOCAL,     /* people in /etc/passwd */
    PAM_USERS_DIRECTORY, /* people in LDAP, Active Directory and so on */
    PAM_USERS_SYSTEM,    /* root and the accounts of services, in /etc/passwd */
    PAM_USER_KINDS
};

/* "local", "directory" or "system". */
const char *pam_user_kind_word(enum pam_user_kind kind);

/* Where the host's people begin. */
struct pam_uids {
    long long system_max; /* the last uid that pam_usertype takes for a system account */
    long long people_min; /* the first one of people: UID_MIN */
};

/* Reads them from the host's login.defs, in /etc or else in /usr/etc; 999 and 1000 if
 * it does not say. */
void pam_uids_read(const struct host *host, struct pam_uids *uids);

/* A user of whom no more is known than this. */
struct pam_user {
    enum pam_user_kind kind;
    struct pam_uids uids;
    const char *service; /* whose stack it is, or NULL: not known */
};

/*
 * May the line return this for such a user? False only if it surely does not: a
 * module that does not ask about the kind, or asks about more than that, may
 * return anything.
 */
bool pam_user_may_get(const struct pam_user *user, const struct pam_line *line, int result);

#endif
