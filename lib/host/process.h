/* What /proc tells of a process. */
#ifndef TMOUT_PROCESS_H
#define TMOUT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* No audit session, as the kernel says it. */
#define NO_AUDIT_SESSION UINT32_MAX

struct process {
    pid_t pid, parent, session;
    uint32_t terminal;    /* the controlling one as a device number, or 0 */
    uint64_t start_ticks; /* since boot: with the pid, it names the process for good */
};

/* Returns 0, or -1 with errno, ENOENT or ESRCH if there is no such process.
 * pid 0 is the caller's own. */
int process_read(pid_t pid, struct process *process);

/* The audit session that a login was given, which setsid(), double forks and
 * sudo leave as it is; NO_AUDIT_SESSION where there is none. */
uint32_t process_audit_session(pid_t pid);

/* The uid that a login gave to all its processes, whatever they have become
 * since. False where there is none. */
bool process_login_uid(pid_t pid, uid_t *uid);

#endif
