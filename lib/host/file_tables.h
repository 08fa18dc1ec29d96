/*
 * A process's tables of open files. Its threads share one as a rule, but each may get one
 * of its own (unshare(2), CLONE_FILES), which /proc/PID/fd does not show, and the first
 * thread may have ended.
 */
#ifndef TMOUT_HOST_FILE_TABLES_H
#define TMOUT_HOST_FILE_TABLES_H

#include <dirent.h>
#include <sys/types.h>

struct file_tables {
    DIR *threads;
    pid_t last; /* the thread whose table was next, or 0 */
};

/* Returns 0, or -1 with errno. */
int file_tables_begin(struct file_tables *tables, pid_t pid);

/*
 * A thread with the next table, by whose number it is found in the place of a pid, as in
 * /proc/THREAD/fd; 0 at the end. A table may come twice, if threads with different ones
 * alternate, or if the kernel does not tell who shares one.
 */
pid_t file_tables_next(struct file_tables *tables);

void file_tables_end(struct file_tables *tables);

#endif
