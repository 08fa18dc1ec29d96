/*
 * What the kernel writes into the files of /proc/PID, from text to struct.
 * Pure: whoever reads the files hands the text in (procfs.h does). A text that
 * does not have the form given in proc(5) yields false, never a guess.
 */
#ifndef TMOUT_HOST_PROC_TEXT_H
#define TMOUT_HOST_PROC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
    pid_t pid, parent, session;
    char state;            /* a letter as in proc(5) */
    uint32_t terminal;     /* the controlling one as a device number, or 0 */
    uint64_t start_ticks;  /* since boot: with the pid, it names the process for good */
    uint64_t minor_faults; /* its own: each fork(2) leads to some, as pages become shared */
};

/* stat. On false *process is unchanged. */
bool proc_text_stat(const char *text, struct process *process);

/* status: the real, effective, saved and file system uid. */
bool proc_text_uids(const char *text, uid_t uid[4]);

/* status: the parent's pid. */
bool proc_text_parent(const char *text, pid_t *parent);

/* status: does it run, or wait for a processor? False also if it cannot be told. */
bool proc_text_is_runnable(const char *text);

/* status: can it start another process before it is continued, or the kernel is done with
 * it? The first thread may have ended before the others. False if it cannot be told. */
bool proc_text_is_moving(const char *text);

/* What a thread got of the processors. */
struct cpu_use {
    uint64_t ran_ns, waited_ns; /* waited: for a processor, as of when it last got one */
    uint64_t turns;             /* how often it got one */
};

/* schedstat: of the first thread of a process. */
bool proc_text_cpu_use(const char *text, struct cpu_use *use);

/* Bytes that passed through system calls. */
struct io_bytes {
    uint64_t read, written;
};

/* io: of a process and of its children that it has waited for; task/TID/io: of a thread
 * alone. */
bool proc_text_io(const char *text, struct io_bytes *bytes);

/* fdinfo/FD of the master side of a pseudo terminal: the terminal's number in
 * /dev/pts. */
bool proc_text_tty_index(const char *text, unsigned *index);

/* sessionid, loginuid: false also where the audit subsystem has set none. */
bool proc_text_audit_number(const char *text, uint32_t *number);

/*
 * task/TID/children: the pids, one a call. *rest starts at the beginning of the
 * text, which is overwritten. Returns 0 at the end, and at what is no pid.
 */
pid_t proc_text_next_child(char **rest);

/*
 * The controlling terminal in stat is a device number in the kernel's old
 * notation (proc(5), tty_nr): these two translate it in either direction.
 *
 * The name below /dev, "" for a device that is no pseudo terminal and no
 * virtual console.
 */
void terminal_name_of_stat(uint32_t terminal, char *name, size_t size);

uint32_t terminal_in_stat(dev_t device);

#endif
