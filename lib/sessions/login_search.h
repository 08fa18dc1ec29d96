/*
 * Logins among the processes of the host, whether they are registered or not.
 *
 * A login is found by the process that opened its PAM session: one of root's,
 * running sshd or login(1). The kernel says whether it has done so: pam_loginuid
 * gave it an audit session that its parent does not have, or else an sshd has a
 * child that belongs to the user, and a login(1) one that runs the shell.
 *
 * No user can fake that or get in its way. A process of theirs is not root's in
 * every respect, what sudo or su run for them has the audit session of its parent,
 * and the program is the file that the kernel executes, whatever a process calls
 * itself. Nothing here waits for a lock that a process of a user's can hold: of
 * those, only files are read that need none. A process of another pid or user
 * namespace, or below another root directory, belongs to a container or a chroot
 * with users of its own, and is not one of this host's logins.
 */
#ifndef TMOUT_SESSIONS_LOGIN_SEARCH_H
#define TMOUT_SESSIONS_LOGIN_SEARCH_H

#include "lib/sessions/registry.h"

enum login_program { PROGRAM_OTHER, PROGRAM_SSHD, PROGRAM_DROPBEAR, PROGRAM_LOGIN };

/* What /proc says about a process. */
struct login_evidence {
    int error; /* errno if something could not be read, and the rest is not complete; 0 */
    pid_t pid;
    uint64_t start_ticks;
    bool is_root; /* all of its uids are 0 */
    enum login_program program;
    bool is_of_host; /* not of a container or chroot */
    uint32_t audit_session, parent_audit_session;
    uid_t login_uid; /* or NO_UID */
    char service[32];
    char title[128]; /* "sshd: kim [priv]"; "" if it is no sshd */
    bool has_child;
    uid_t child_uid;       /* of the first child that is not root's, or NO_UID */
    char child_title[128]; /* of that one, if it is an sshd */
};

/* All about one process. */
void login_evidence_find(pid_t pid, struct login_evidence *evidence);

enum login_verdict {
    LOGIN_NONE,      /* it is no login, or has ended */
    LOGIN_PENDING,   /* an sshd or login(1) whose user is not admitted yet */
    LOGIN_OPEN,      /* it has opened a session */
    LOGIN_UNREADABLE /* that cannot be told now */
};

/* What follows from the evidence, and for LOGIN_OPEN the uid of the user. Pure. */
enum login_verdict login_judge(const struct login_evidence *evidence, uid_t *uid);

/* A login that was found. Its user's name is a question for the name services. */
struct found_login {
    pid_t pid;
    uint64_t start_ticks;
    uint32_t audit_session;
    uid_t uid;
    bool is_ssh;
    char service[32];
};

/* The login behind evidence of which LOGIN_OPEN follows. */
struct found_login found_login_of(const struct login_evidence *evidence, uid_t uid);

/* When its process was started, on the boot clock. */
int64_t found_login_start_ms(const struct found_login *found);

/* A process that may come to be one. */
struct unsettled_process {
    pid_t pid;
    enum login_verdict verdict; /* not LOGIN_OPEN */
    int32_t error;              /* of LOGIN_UNREADABLE */
};

enum { FOUND_LOGINS_MAX = 400, UNSETTLED_MAX = 400 };

struct login_search {
    pid_t next; /* a list is full, and the search goes on with this process; or 0 */
    uint32_t count, unsettled_count;
    struct unsettled_process unsettled[UNSETTLED_MAX];
    struct found_login login[FOUND_LOGINS_MAX];
};

/*
 * Logins of the host but those of known[count] processes, which must be in ascending
 * order: from this process on in the order of pids, and no more than the list has room
 * for. Costs a look at the name of every process, and more for those that are not
 * known. Returns 0, or -1 with errno if /proc cannot be read.
 */
int login_search(const pid_t *known, size_t count, pid_t from, struct login_search *search);

/*
 * The same for these processes alone, in ascending order, from this one on: whatever else runs on
 * the host costs nothing. A process of root's that may be about to execute one of the programs is
 * unsettled here, as LOGIN_NONE.
 */
void login_search_among(const pid_t *pid, size_t count, pid_t from, struct login_search *search);

/* The record of a login that was found this way, of a user of this name. Its
 * client's address is not known, nor, for login(1), its terminal. */
void found_login_record(const struct found_login *found, const char *user, enum login_source source,
                        const struct timestamp *now, struct session_record *record);

/*
 * The terminal of a login(1), as a name below /dev; "" if it has none. May block:
 * it reads what its user's processes can keep locked. Returns 0, or -1 with
 * errno.
 */
int found_login_terminal(const struct found_login *found, char *name, size_t size);

#endif
