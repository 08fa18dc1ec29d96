#include "tools/tmoutd/hangup.h"

#include "lib/host/census.h"
#include "lib/host/file_tables.h"
#include "lib/host/pidfd.h"
#include "lib/host/proc_children.h"
#include "lib/host/proc_directory.h"
#include "lib/host/procfs.h"
#include "lib/sessions/login_processes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/major.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A process with more files than anybody needs counts as using the terminal. */
enum { FILES_MAX = 100 * 1000 };

/* A terminal, and what it takes to find the processes that use it. */
struct use {
    const struct hangup_terminal *terminal;
    const char *name; /* in its directory */
    unsigned files_left;
};

/* --- the terminal -------------------------------------------------------------- */

static void signal_process(pid_t pid, pid_t session, const int *signals)
{
    const int pidfd = pidfd_of(pid);

    if (pidfd < 0)
        return;
    /* Asked while the process is held: it is one of this session, whoever had the
     * number before. */
    if (getsid(pid) == session)
        for (; *signals != 0; signals++)
            pidfd_signal(pidfd, *signals);
    close(pidfd);
}

void hangup_begin(const void *input, int fd, struct answer *answer)
{
    const struct hangup_target *target = input;
    static const int signals[] = {SIGHUP, SIGCONT, 0};
    const int terminal = login_terminal_open(&target->login, target->index);
    struct stat st;

    (void)fd;
    if (terminal < 0) {
        answer_fail(answer, errno);
        return;
    }
    const pid_t session = login_terminal_session(&target->login, target->index);
    if (fstat(terminal, &st) != 0) {
        answer_fail(answer, errno);
    } else {
        if (session > 0)
            signal_process(session, session, signals);
        answer_put(answer,
                   &(struct hangup_terminal){.file_system = st.st_dev,
                                             .device = st.st_rdev,
                                             .inode = st.st_ino,
                                             .session = session},
                   sizeof(struct hangup_terminal));
    }
    close(terminal);
}

void hangup_line(const void *input, int fd, struct answer *answer)
{
    const struct hangup_target *target = input;
    const int terminal = login_terminal_open(&target->login, target->index);

    (void)fd;
    if (terminal < 0) {
        answer_fail(answer, errno);
        return;
    }
    /* Another session that got the same number meanwhile is not to be hung up. */
    const pid_t session = login_terminal_session(&target->login, target->index);
    if (session > 0 && session != target->terminal.session)
        answer_fail(answer, ENOENT);
    else if (ioctl(terminal, TIOCVHANGUP) != 0)
        answer_fail(answer, errno);
    close(terminal);
}

/* --- who uses it --------------------------------------------------------------- */

static bool same_file(const struct hangup_terminal *terminal, const struct statx *file)
{
    return S_ISCHR(file->stx_mode) && file->stx_ino == terminal->inode &&
           makedev(file->stx_dev_major, file->stx_dev_minor) == terminal->file_system &&
           makedev(file->stx_rdev_major, file->stx_rdev_minor) == terminal->device;
}

/* /dev/tty is the controlling terminal of the process that opened it. */
static bool is_own_terminal(const struct statx *file)
{
    return S_ISCHR(file->stx_mode) && file->stx_rdev_major == TTYAUX_MAJOR &&
           file->stx_rdev_minor == 0;
}

/* Could this be the terminal, judging by the name under which it was opened?
 * Only the last component counts, since it may be mounted anywhere. No other
 * file is examined: it could be on a file system that never answers. */
static bool may_be_terminal(const struct use *use, int directory, const char *fd)
{
    static const char gone[] = " (deleted)";
    char target[PATH_MAX];
    const ssize_t n = readlinkat(directory, fd, target, sizeof target - 1);
    const char *last;

    if (n < 0)
        return false;
    target[n] = '\0';
    last = strrchr(target, '/');
    if ((size_t)n >= sizeof gone && strcmp(target + n - (sizeof gone - 1), gone) == 0)
        target[n - (ssize_t)(sizeof gone - 1)] = '\0';
    return last != NULL && (strcmp(last + 1, use->name) == 0 || strncmp(last + 1, "tty", 3) == 0 ||
                            strcmp(last + 1, "console") == 0);
}

static bool thread_has_open(struct use *use, pid_t thread)
{
    const char *fd;
    struct statx file;
    bool found = false;
    DIR *directory = proc_directory_open(thread, "fd");

    if (directory == NULL)
        return false;
    while (!found && (fd = proc_directory_next(directory)) != NULL) {
        if (use->files_left == 0)
            found = true;
        else if (use->files_left-- > 0)
            found = may_be_terminal(use, dirfd(directory), fd) &&
                    statx(dirfd(directory), fd, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO,
                          &file) == 0 &&
                    (same_file(use->terminal, &file) || is_own_terminal(&file));
    }
    closedir(directory);
    return found;
}

static bool has_open(struct use *use, pid_t pid)
{
    struct file_tables tables;
    pid_t thread;
    bool found = false;

    if (file_tables_begin(&tables, pid) != 0)
        return false;
    while (!found && (thread = file_tables_next(&tables)) > 0)
        found = thread_has_open(use, thread);
    file_tables_end(&tables);
    return found;
}

/* --- the processes ------------------------------------------------------------- */

struct killing {
    const struct hangup_target *target;
    struct use *use; /* NULL: all members of the session */
};

static const int kill_signals[] = {SIGKILL, 0};

/* False if it is no member of the session any more. */
static bool kill_member(const struct killing *killing, pid_t pid)
{
    const pid_t session = killing->target->terminal.session;

    if (getsid(pid) != session)
        return false;
    if (pid == session || killing->use == NULL || has_open(killing->use, pid))
        signal_process(pid, session, kill_signals);
    return true;
}

static uint32_t number_of_session(pid_t pid)
{
    return (uint32_t)getsid(pid);
}

/* Kills the members in a list. False if it is not good any more: a member that has
 * ended since may have left a child, which is only in another list. */
static bool kill_listed(const struct killing *killing, const struct census_part *members)
{
    const pid_t session = killing->target->terminal.session;
    bool is_good = members->count > 0 || getsid(session) != session;

    for (size_t i = 0; i < members->count; i++)
        if (!kill_member(killing, members->entry[i].pid))
            is_good = false;
    return is_good;
}

static struct census sessions = {.number_of = number_of_session};

void hangup_prepare(void)
{
    struct census_part nobody;

    (void)census_find(&sessions, 0, CENSUS_SHARED_MS, &nobody);
}

/* Many terminals that are hung up at the same time share a list of all processes. */
static int kill_members(const struct killing *killing)
{
    const uint32_t session = (uint32_t)killing->target->terminal.session;
    struct census_part members;

    if (census_find(&sessions, session, CENSUS_SHARED_MS, &members) != 0)
        return -1;
    if (kill_listed(killing, &members))
        return 0;
    if (census_find(&sessions, session, 0, &members) != 0)
        return -1;
    kill_listed(killing, &members);
    return 0;
}

/* A child of sshd that led the session and gave the terminal up, to be out of
 * reach of a hang-up, but goes on using it. */
static int kill_hidden(const struct killing *killing, pid_t connection)
{
    pid_t *child = NULL;
    const ssize_t count = process_children(connection, &child);

    for (ssize_t i = 0; i < count; i++)
        if (has_open(killing->use, child[i]))
            signal_process(child[i], getsid(child[i]), kill_signals);
    free(child);
    return count < 0 && !process_has_ended(errno) ? -1 : 0;
}

static int kill_users(struct killing *killing)
{
    const struct hangup_target *target = killing->target;
    const pid_t connection = login_connection(&target->login);

    if (connection > 0 && killing->use != NULL && kill_hidden(killing, connection) != 0)
        return -1;
    return target->terminal.session > 0 ? kill_members(killing) : 0;
}

void hangup_kill(const void *input, int fd, struct answer *answer)
{
    const struct hangup_target *target = input;
    struct use use = {.terminal = &target->terminal, .files_left = FILES_MAX};
    struct killing killing = {target, &use};
    char path[64];

    (void)fd;
    terminal_path(&target->login, target->index, path, sizeof path);
    use.name = strrchr(path, '/') + 1;
    if (kill_users(&killing) != 0)
        answer_fail(answer, errno);
}

void hangup_kill_all(const void *input, int fd, struct answer *answer)
{
    struct killing killing = {input, NULL};

    (void)fd;
    if (kill_users(&killing) != 0)
        answer_fail(answer, errno);
}
