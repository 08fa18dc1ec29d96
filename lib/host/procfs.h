/* What /proc shows about a process. */
#ifndef TMOUT_HOST_PROCFS_H
#define TMOUT_HOST_PROCFS_H

#include "lib/host/proc_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The kernel's value for "no audit session". */
#define NO_AUDIT_SESSION UINT32_MAX

/* Returns 0, or -1 with errno, ENOENT or ESRCH if there is no such process.
 * pid 0 is the caller's own. */
int process_read(pid_t pid, struct process *process);

/* Does it still exist, and not another one with the same pid? 1 or 0, or -1 with
 * errno if that could not be read. */
int process_is_same(const struct process *process);

/* Reads a small file in its /proc directory as text. Returns the number of
 * bytes, or -1 with errno. pid 0 is the caller's own. */
ssize_t process_file(pid_t pid, const char *name, char *text, size_t size);

/* Does this errno of reading /proc mean that there is no such process, as opposed
 * to a failure? */
bool process_has_ended(int error);

/* The audit session that a login was given, which setsid(), double forks and
 * sudo leave as it is; NO_AUDIT_SESSION where there is none. */
uint32_t process_audit_session(pid_t pid);

/* Has it ended, and only waits for its parent to notice? */
bool process_is_zombie(const struct process *process);

/* Is it root's in every respect? Neither its owner in /proc nor its name
 * proves that. */
bool process_is_roots(pid_t pid);

/* Could it be? False if it has ended, or another user owns it in /proc. Reads nothing,
 * and waits for nothing. */
bool process_may_be_roots(pid_t pid);

/* Does it run, or wait for a processor? And what did its first thread get of them?
 * False if that cannot be read. Neither waits for anything. */
bool process_is_runnable(pid_t pid);
bool process_cpu_use(pid_t pid, struct cpu_use *use);

/* The name of its program, as the kernel knows it, into name; false if there
 * is no such process. */
bool process_name(pid_t pid, char *name, size_t size);

/* The uid that a login gave to all its processes, whatever they have become
 * since. False where there is none. */
bool process_login_uid(pid_t pid, uid_t *uid);

#endif
