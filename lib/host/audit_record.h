/*
 * Records for auditd, in the form of pam_faillock's, which ausearch(8) and
 * aureport(8) know. Without libaudit nothing is sent.
 */
#ifndef TMOUT_HOST_AUDIT_RECORD_H
#define TMOUT_HOST_AUDIT_RECORD_H

#include <sys/types.h>

enum audit_event {
    AUDIT_EVENT_LOCKED,       /* ANOM_LOGIN_FAILURES and RESP_ACCT_LOCK */
    AUDIT_EVENT_LOCK_EXPIRED, /* RESP_ACCT_UNLOCK_TIMED */
    AUDIT_EVENT_UNLOCKED      /* USER_MGMT, by an administrator */
};

/* Whose attempts these are, and where they came from; NULL where that is not known.
 * No text may contain blanks or quotes. */
struct audit_subject {
    uid_t uid;
    const char *user;    /* for AUDIT_EVENT_UNLOCKED */
    const char *address; /* numeric, or a name, which is not looked up */
    const char *terminal;
};

/* Returns 0, also where the kernel or the container has no audit system; or -1 with
 * errno. */
int audit_record(enum audit_event event, const struct audit_subject *subject);

#endif
