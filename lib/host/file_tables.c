#include "lib/host/file_tables.h"

#include "lib/host/proc_directory.h"

#include <linux/kcmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int file_tables_begin(struct file_tables *tables, pid_t pid)
{
    *tables = (struct file_tables){.threads = proc_directory_open(pid, "task")};
    return tables->threads != NULL ? 0 : -1;
}

static bool share_table(pid_t a, pid_t b)
{
    return syscall(SYS_kcmp, a, b, KCMP_FILES, 0UL, 0UL) == 0;
}

pid_t file_tables_next(struct file_tables *tables)
{
    const char *name;

    while ((name = proc_directory_next(tables->threads)) != NULL) {
        const pid_t thread = (pid_t)strtol(name, NULL, 10);
        if (tables->last != 0 && share_table(tables->last, thread))
            continue;
        tables->last = thread;
        return thread;
    }
    return 0;
}

void file_tables_end(struct file_tables *tables)
{
    proc_directory_close(tables->threads);
}
