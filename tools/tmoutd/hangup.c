#include "tools/tmoutd/hangup.h"

#include "lib/host/array.h"
#include "lib/host/pidfd.h"
#include "lib/host/proc_directory.h"
#include "lib/sessions/login_processes.h"

#include <dirent.h>
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

enum {
    EXIT_MS = 500,    /* time for a shell to write its history */
    HANGUP_MS = 1000, /* time for programs to notice that the terminal is gone */
    /* Bounds for what a user can pile up to make a hang-up take long. A process
     * that is not held loses the terminal as well, but may survive. */
    HELD_MAX = 4096,
    FILES_MAX = 100 * 1000
};

/* A terminal, and what it takes to find the processes that use it. */
struct use {
    struct hangup_target target;
    struct stat terminal;
    pid_t login;         /* the process of sshd or login(1) that opened the session */
    const char *name;    /* in its directory */
    unsigned files_left; /* how many more may be examined */
};

static bool same_file(const struct stat *terminal, const struct statx *file)
{
    return S_ISCHR(file->stx_mode) && file->stx_ino == terminal->st_ino &&
           makedev(file->stx_dev_major, file->stx_dev_minor) == terminal->st_dev &&
           makedev(file->stx_rdev_major, file->stx_rdev_minor) == terminal->st_rdev;
}

/* /dev/tty is the controlling terminal of the process that opened it. */
static bool is_own_terminal(const struct statx *file)
{
    return S_ISCHR(file->stx_mode) && file->stx_rdev_major == TTYAUX_MAJOR &&
           file->stx_rdev_minor == 0;
}

/* Could this be the terminal, judging by the name under which it was opened?
 * Only the last component counts, since it may be mounted anywhere. No other
 * file is examined: one on a user's own file system may answer late or never. */
static bool may_be_terminal(const struct use *use, int directory, const char *fd)
{
    char target[PATH_MAX];
    const ssize_t n = readlinkat(directory, fd, target, sizeof target - 1);
    const char *last;

    if (n < 0)
        return false;
    target[n] = '\0';
    last = strrchr(target, '/');
    return last != NULL && (strcmp(last + 1, use->name) == 0 || strncmp(last + 1, "tty", 3) == 0 ||
                            strcmp(last + 1, "console") == 0);
}

/* A process with more files than anybody needs must not stall the daemon: when
 * the limit is reached, it counts as using the terminal. */
static bool has_open(struct use *use, pid_t pid)
{
    char path[64];
    struct dirent *entry;
    struct statx file;
    bool found = false;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return false;
    while (!found && (entry = readdir(directory)) != NULL) {
        if (use->files_left == 0)
            found = true;
        else if (entry->d_name[0] != '.' && use->files_left-- > 0)
            found = may_be_terminal(use, dirfd(directory), entry->d_name) &&
                    statx(dirfd(directory), entry->d_name, AT_STATX_DONT_SYNC,
                          STATX_TYPE | STATX_INO, &file) == 0 &&
                    (same_file(&use->terminal, &file) || is_own_terminal(&file));
    }
    closedir(directory);
    return found;
}

static bool same_mounts(pid_t a, pid_t b)
{
    char path_a[64], path_b[64];
    struct stat st_a, st_b;

    snprintf(path_a, sizeof path_a, "/proc/%d/ns/mnt", (int)a);
    snprintf(path_b, sizeof path_b, "/proc/%d/ns/mnt", (int)b);
    return stat(path_a, &st_a) == 0 && stat(path_b, &st_b) == 0 && st_a.st_ino == st_b.st_ino &&
           st_a.st_dev == st_b.st_dev;
}

/* Takes ownership of fd, even if it fails. */
static int hold_descriptor(struct hangup *hangup, int fd)
{
    int *grown = array_grow(hangup->pidfd, hangup->count, sizeof *grown);

    if (grown == NULL) {
        close(fd);
        errno = ENOMEM;
        return -1;
    }
    grown[hangup->count] = fd;
    hangup->pidfd = grown;
    hangup->count++;
    return 0;
}

/* Holds this process, and no later one with its pid. */
static int hold(struct hangup *hangup, const struct process *process)
{
    const int fd = pidfd_of(process->pid);

    if (fd < 0)
        return errno == ESRCH ? 0 : -1;
    const int is_same = process_is_same(process);
    if (is_same == 1)
        return hold_descriptor(hangup, fd);
    const int error = errno;
    close(fd);
    errno = error;
    return is_same;
}

void process_list_free(struct process_list *list)
{
    free(list->process);
    *list = (struct process_list){0};
}

/* All of them or, with errno, none: the list serves every hang-up of a turn. */
static int process_list_read(struct process_list *list)
{
    const char *name;
    int error = 0;
    DIR *directory = opendir("/proc");

    if (directory == NULL)
        return -1;
    while ((name = proc_directory_next(directory)) != NULL) {
        const pid_t pid = (pid_t)strtol(name, NULL, 10);
        struct process *grown = array_grow(list->process, list->count, sizeof *grown);
        if (grown == NULL) {
            error = ENOMEM;
            break;
        }
        list->process = grown;
        if (pid > 1 && process_read(pid, &list->process[list->count]) == 0)
            list->count++;
    }
    if (error == 0)
        error = errno; /* of the end */
    closedir(directory);
    if (error == 0)
        return 0;
    process_list_free(list);
    errno = error;
    return -1;
}

struct hangup_claim hangup_claim(const struct hangup_target *target, const struct process *process)
{
    const bool leads = process->session == process->pid;

    /* A child of sshd that led the session and gave the terminal up, to be out
     * of reach of a hang-up, but goes on using it. */
    if (process->terminal == 0)
        return (struct hangup_claim){.possible = target->connection > 0 &&
                                                 process->parent == target->connection,
                                     .if_open = true};
    if (process->terminal != target->terminal)
        return (struct hangup_claim){.possible = false};
    if (target->session >= 0)
        return (struct hangup_claim){.possible = process->session == target->session,
                                     .if_open = !leads};
    return (struct hangup_claim){.possible = true, .if_same_mounts = true, .if_open = !leads};
}

static bool uses_terminal(struct use *use, const struct process *process)
{
    const struct hangup_claim claim = hangup_claim(&use->target, process);

    return claim.possible && (!claim.if_same_mounts || same_mounts(process->pid, use->login)) &&
           (!claim.if_open || has_open(use, process->pid));
}

/* The leader comes first, then the others that use the terminal. */
static int hold_session(struct hangup *hangup, struct use *use, struct process_list *all)
{
    if (all->process == NULL && process_list_read(all) != 0)
        return -1;
    for (size_t i = 0; all->process != NULL && i < all->count && hangup->count < HELD_MAX; i++) {
        const struct process *process = &all->process[i];
        const size_t before = hangup->count;
        if (!uses_terminal(use, process))
            continue;
        if (hold(hangup, process) != 0)
            return -1;
        if (process->session == process->pid && before > 0 && hangup->count > before) {
            const int leader = hangup->pidfd[before];
            hangup->pidfd[before] = hangup->pidfd[0];
            hangup->pidfd[0] = leader;
        }
    }
    return 0;
}

int hangup_terminal(struct hangup *hangup, const struct session_record *login, unsigned index,
                    struct process_list *all, int64_t now_ms)
{
    struct use use = {.login = login->pid, .files_left = FILES_MAX};
    char path[64];
    int error;

    *hangup = (struct hangup){.next_ms = now_ms + EXIT_MS};
    terminal_path(login, index, path, sizeof path);
    hangup->terminal_fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (hangup->terminal_fd < 0)
        return -1;
    if (fstat(hangup->terminal_fd, &use.terminal) != 0)
        goto fail;
    /* Checked after opening: from then on the number cannot be reused. */
    errno = ENOENT;
    if (!login_has_terminal(login, index))
        goto fail;
    use.name = strrchr(path, '/') + 1;
    use.target = (struct hangup_target){.terminal = terminal_in_stat(use.terminal.st_rdev),
                                        .session = login_terminal_session(login, index),
                                        .connection = login_connection(login)};
    if (hold_session(hangup, &use, all) != 0)
        goto fail;
    if (hangup->count > 0) {
        pidfd_signal(hangup->pidfd[0], SIGHUP);
        pidfd_signal(hangup->pidfd[0], SIGCONT);
    }
    return 0;

fail:
    error = errno;
    hangup_free(hangup);
    errno = error;
    return -1;
}

int hangup_login(struct hangup *hangup, const struct session_record *login, int64_t now_ms)
{
    struct process *processes;
    const ssize_t count = login_processes(login, &processes);
    int result = 0, error;

    *hangup = (struct hangup){.terminal_fd = -1, .next_ms = now_ms + HANGUP_MS};
    if (count < 0)
        return -1;
    for (ssize_t i = 0; i < count && result == 0; i++)
        result = hold(hangup, &processes[i]);
    error = errno;
    free(processes);
    if (result == 0 && session_check_live(login) != 0) {
        error = errno;
        result = -1;
    }
    if (result != 0) {
        hangup_free(hangup);
        errno = error;
        return -1;
    }
    for (size_t i = 0; i < hangup->count; i++) {
        pidfd_signal(hangup->pidfd[i], i == 0 ? SIGTERM : SIGHUP);
        pidfd_signal(hangup->pidfd[i], SIGCONT);
    }
    return 0;
}

static void kill_all(const struct hangup *hangup)
{
    for (size_t i = 0; i < hangup->count; i++)
        pidfd_signal(hangup->pidfd[i], SIGKILL);
}

bool hangup_step(struct hangup *hangup, int64_t now_ms)
{
    hangup->step++;
    if (hangup->terminal_fd >= 0 && hangup->step == 1) {
        /* Every process that has it open loses it. */
        ioctl(hangup->terminal_fd, TIOCVHANGUP);
        hangup->next_ms = now_ms + HANGUP_MS;
        return false;
    }
    kill_all(hangup);
    return true;
}

void hangup_free(struct hangup *hangup)
{
    for (size_t i = 0; i < hangup->count; i++)
        close(hangup->pidfd[i]);
    free(hangup->pidfd);
    if (hangup->terminal_fd >= 0)
        close(hangup->terminal_fd);
    *hangup = (struct hangup){.terminal_fd = -1};
}
