#include "lib/sessions/login_processes.h"

#include "lib/host/array.h"
#include "lib/host/proc_children.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct family {
    struct process *process;
    size_t count;
};

static int family_append(struct family *family, const struct process *process)
{
    struct process *grown = array_grow(family->process, family->count, sizeof *grown);

    if (grown == NULL)
        return -1;
    family->process = grown;
    family->process[family->count++] = *process;
    return 0;
}

/* By then the pid may be that of another process. */
static int family_append_child(struct family *family, pid_t pid, pid_t parent)
{
    struct process child;

    if (process_read(pid, &child) != 0)
        return process_has_ended(errno) ? 0 : -1;
    return child.parent == parent ? family_append(family, &child) : 0;
}

/* The parent is passed by value, since the array moves as it grows. */
static int family_append_children(struct family *family, struct process parent)
{
    const size_t before = family->count;
    pid_t *child;
    const ssize_t count = process_children(parent.pid, &child);
    int result = 0;

    for (ssize_t i = 0; result == 0 && i < count; i++)
        result = family_append_child(family, child[i], parent.pid);
    free(child);
    if (count < 0 || result != 0)
        return -1;
    /* If the pid was reused meanwhile, these are the children of another process. */
    const int is_same = process_is_same(&parent);
    if (is_same == 0)
        family->count = before;
    return is_same < 0 ? -1 : 0;
}

/* Is this the monitor, whose child talks to the client? For a login of root the
 * process that opened the session does that itself in OpenSSH 9.2, but no
 * longer in 10.0. The title of the process tells. */
static bool is_monitor(pid_t pid)
{
    char text[256];

    return process_file(pid, "cmdline", text, sizeof text) > 0 && strstr(text, "[priv]") != NULL;
}

/* One that has ended, and that a monitor which is frozen has not waited for, talks to
 * nobody any more. Returns 0, or -1 with errno. */
static int first_living(const struct family *family, struct process *process)
{
    for (size_t i = 0; i < family->count; i++)
        if (!process_is_zombie(&family->process[i])) {
            *process = family->process[i];
            return 0;
        }
    errno = ESRCH;
    return -1;
}

static int find_connection(const struct session_record *login, struct process *connection)
{
    struct family family = {0};
    int result;

    if (process_read(login->pid, connection) != 0)
        return -1;
    if (connection->start_ticks != login->start_ticks) {
        errno = ESRCH;
        return -1;
    }
    if (!login->is_ssh || !is_monitor(login->pid))
        return 0;
    result = family_append_children(&family, *connection);
    if (result == 0)
        result = first_living(&family, connection);
    const int error = errno;
    free(family.process);
    errno = error;
    return result;
}

pid_t login_connection(const struct session_record *login)
{
    struct process connection;

    return find_connection(login, &connection) == 0 ? connection.pid : 0;
}

ssize_t login_processes(const struct session_record *login, struct process **processes)
{
    struct family family = {0};
    struct process connection;
    int result;

    *processes = NULL;
    if (find_connection(login, &connection) != 0)
        return -1;
    result = family_append(&family, &connection);
    /* Level by level: what was appended is visited in turn. */
    for (size_t next = 0; result == 0 && next < family.count; next++)
        result = family_append_children(&family, family.process[next]);
    if (result != 0 || session_check_live(login) != 0) {
        free(family.process);
        return -1;
    }
    *processes = family.process;
    return (ssize_t)family.count;
}
