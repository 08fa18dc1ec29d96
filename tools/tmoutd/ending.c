#include "tools/tmoutd/ending.h"

#include "lib/host/array.h"
#include "lib/host/pidfd.h"
#include "lib/host/proc_children.h"
#include "lib/sessions/login_processes.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* PID_FS_MAGIC of linux/magic.h, which is younger than many headers. */
enum { PIDFD_FILE_SYSTEM = 0x50494446 };

/* A descendant more has no pidfd of its own. sshd has one child for each channel. */
enum { CHILDREN_HELD_MAX = 64 };

struct descendant {
    pid_t pid, parent;
    int pidfd; /* of the connection's own children, else -1 */
};

struct descendants {
    struct descendant *process;
    size_t count;
    int error; /* of what could not be read, or 0 */
};

size_t ending_list_size(const struct ending_list *list)
{
    return offsetof(struct ending_list, process) + list->count * sizeof list->process[0];
}

/* The mark of the process that pidfd holds; 0 if there is none. An audit session is
 * the login's alone. */
static uint64_t mark_of(pid_t pid, int pidfd)
{
    struct statfs file_system;
    struct process process;
    struct stat st;

    if (fstatfs(pidfd, &file_system) == 0 && file_system.f_type == PIDFD_FILE_SYSTEM)
        return fstat(pidfd, &st) == 0 ? st.st_ino : 0;
    const uint32_t audit_session = process_audit_session(pid);
    if (audit_session != NO_AUDIT_SESSION)
        return (uint64_t)audit_session + 1;
    return process_read(pid, &process) == 0 ? process.start_ticks : 0;
}

/* A pidfd of a process that has this parent, or -1 with errno. */
static int hold_child(pid_t pid, pid_t parent)
{
    const int pidfd = pidfd_of(pid);
    const pid_t now = pidfd >= 0 ? process_parent(pid) : -1;

    if (pidfd < 0 || now == parent)
        return pidfd;
    const int error = now < 0 ? errno : ESRCH;
    close(pidfd);
    errno = error;
    return -1;
}

static void append_children(struct descendants *all, pid_t parent)
{
    pid_t *child;
    const ssize_t count = process_children(parent, &child);

    if (count < 0)
        all->error = errno != 0 ? errno : EIO;
    for (ssize_t i = 0; i < count; i++) {
        struct descendant *grown = array_grow(all->process, all->count, sizeof *grown);
        if (grown == NULL) {
            all->error = ENOMEM;
            break;
        }
        all->process = grown;
        all->process[all->count++] = (struct descendant){child[i], parent, -1};
    }
    free(child);
}

/* Level by level: what was appended is visited in turn. What cannot be read is
 * left out, rather than everything. The connection may end at any time, and its
 * children then have another parent: they are held from the beginning. */
static struct descendants descendants_of(pid_t connection)
{
    struct descendants all = {0};

    append_children(&all, connection);
    for (size_t i = 0; i < all.count && i < CHILDREN_HELD_MAX; i++)
        all.process[i].pidfd = hold_child(all.process[i].pid, connection);
    for (size_t next = 0; next < all.count; next++)
        append_children(&all, all.process[next].pid);
    return all;
}

/* Notes a process that has not ended: until then its number is its own. */
static void note_process(struct ending_list *list, pid_t pid, int pidfd)
{
    const uint64_t mark = mark_of(pid, pidfd);

    if (pidfd_signal(pidfd, 0) == 0)
        list->process[list->count++] = (struct process_identity){pid, mark};
}

/* Signals a process, if it is still that one's child. Without it, it has ended, or
 * its parent has, and it is nobody's any more. */
static void hang_up_process(const struct descendant *process, struct ending_list *list)
{
    const int pidfd =
        process->pidfd >= 0 ? process->pidfd : hold_child(process->pid, process->parent);

    if (pidfd < 0) {
        if (!process_has_ended(errno))
            list->error = errno;
        return;
    }
    if (list->count == ENDING_LIST_MAX) {
        pidfd_signal(pidfd, SIGKILL);
    } else {
        pidfd_signal(pidfd, SIGHUP);
        pidfd_signal(pidfd, SIGCONT);
        note_process(list, process->pid, pidfd);
    }
    close(pidfd);
}

void ending_begin(const void *input, int fd, struct answer *answer)
{
    static struct ending_list list;
    const struct session_record *login = input;
    const pid_t connection = login_connection(login);

    (void)fd;
    list.count = 0;
    if (connection == 0) {
        answer_fail(answer, session_check_live(login) != 0 ? errno : EAGAIN);
        return;
    }
    struct descendants all = descendants_of(connection);
    if (all.count == 0 && all.error != 0) {
        answer_fail(answer, all.error);
        return;
    }
    list.error = all.error;
    /* Children first: a parent that has ended is nobody's any more. */
    for (size_t i = all.count; i-- > 0;)
        hang_up_process(&all.process[i], &list);
    free(all.process);
    answer_put(answer, &list, ending_list_size(&list));
}

/* False with errno if it could not be killed, or is not there any more. */
static bool kill_process(const struct process_identity *process)
{
    const int pidfd = pidfd_of(process->pid);

    if (pidfd < 0)
        return false;
    const bool is_same = mark_of(process->pid, pidfd) == process->mark;
    const bool is_killed = !is_same || pidfd_signal(pidfd, SIGKILL) == 0;
    const int error = errno;
    close(pidfd);
    errno = error;
    return is_killed;
}

void ending_kill(const void *input, int fd, struct answer *answer)
{
    const struct ending_list *list = input;
    int error = 0;

    (void)fd;
    for (uint32_t i = 0; i < list->count; i++)
        if (!kill_process(&list->process[i]) && !process_has_ended(errno))
            error = errno;
    if (error != 0)
        answer_fail(answer, error);
}
