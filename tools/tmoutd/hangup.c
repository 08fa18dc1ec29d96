#include "hangup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    TO_LEAVE_MS = 500,  /* for a shell to write its history */
    TO_NOTICE_MS = 1000 /* for programs to notice that the terminal is gone */
};

/* RHEL 9's C library has no wrappers yet. */
static void send_signal(int pidfd, int signal_number)
{
    syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0);
}

/* The kernel's own way to write a device number in /proc/PID/stat. */
static uint32_t device_in_stat(dev_t device)
{
    return (minor(device) & 0xff) | major(device) << 8 | (minor(device) & ~0xffU) << 12;
}

static bool has_open(pid_t pid, dev_t device)
{
    char path[64 + NAME_MAX];
    struct dirent *entry;
    struct stat st;
    bool found = false;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return false;
    while (!found && (entry = readdir(directory)) != NULL) {
        snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)pid, entry->d_name);
        found = entry->d_name[0] != '.' && stat(path, &st) == 0 && S_ISCHR(st.st_mode) &&
                st.st_rdev == device;
    }
    closedir(directory);
    return found;
}

/* Holds the process that was looked at, and no later one of its number. */
static int hold(struct hangup *hangup, const struct process *process)
{
    int error;
    int *grown = reallocarray(hangup->pidfd, hangup->count + 1, sizeof *grown);

    if (grown == NULL)
        return -1;
    hangup->pidfd = grown;
    const int fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (fd < 0)
        return errno == ESRCH ? 0 : -1;
    const int is_same = process_is_same(process);
    if (is_same == 1) {
        hangup->pidfd[hangup->count++] = fd;
        return 0;
    }
    error = errno;
    close(fd);
    errno = error;
    return is_same;
}

/* sshd's child that led the session and gave the terminal up, to be out of a
 * hang-up's reach, but goes on using it. */
static bool has_given_up(const struct process *process, pid_t connection, dev_t device)
{
    return process->terminal == 0 && connection > 0 && process->parent == connection &&
           has_open(process->pid, device);
}

void process_list_free(struct process_list *list)
{
    free(list->process);
    *list = (struct process_list){0};
}

static int process_list_read(struct process_list *list)
{
    size_t room = 0;
    struct dirent *entry;
    DIR *directory = opendir("/proc");

    if (directory == NULL)
        return -1;
    while ((entry = readdir(directory)) != NULL) {
        const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (list->count == room) {
            room = room == 0 ? 256 : 2 * room;
            struct process *grown = reallocarray(list->process, room, sizeof *grown);
            if (grown == NULL)
                break;
            list->process = grown;
        }
        if (pid > 1 && process_read(pid, &list->process[list->count]) == 0)
            list->count++;
    }
    closedir(directory);
    return entry == NULL ? 0 : -1;
}

/* Uses the terminal, in its session or having left it; a nohup job, say, does
 * not, and lives on. */
static bool belongs_to(const struct process *process, pid_t connection, dev_t device)
{
    if (process->terminal != device_in_stat(device))
        return has_given_up(process, connection, device);
    return process->session == process->pid || has_open(process->pid, device);
}

/* The leader comes first; then those of its session that use the terminal. */
static int hold_session(struct hangup *hangup, const struct session_record *login, dev_t device,
                        struct process_list *all)
{
    const pid_t connection = login_connection(login);

    if (all->process == NULL && process_list_read(all) != 0)
        return -1;
    for (size_t i = 0; i < all->count; i++) {
        const struct process *process = &all->process[i];
        if (!belongs_to(process, connection, device))
            continue;
        if (hold(hangup, process) != 0)
            return -1;
        if (process->session == process->pid && hangup->count > 1) {
            const int leader = hangup->pidfd[hangup->count - 1];
            hangup->pidfd[hangup->count - 1] = hangup->pidfd[0];
            hangup->pidfd[0] = leader;
        }
    }
    return 0;
}

static bool still_owns(const struct session_record *login, unsigned index)
{
    unsigned now[LOGIN_TERMINALS_MOST];
    const int count = login_terminals(login, now);

    for (int i = 0; i < count; i++)
        if (now[i] == index)
            return true;
    return false;
}

int hangup_terminal(struct hangup *hangup, const struct session_record *login, unsigned index,
                    struct process_list *all, int64_t now_ms)
{
    char path[64];
    struct stat st;
    int error;

    *hangup = (struct hangup){.next_ms = now_ms + TO_LEAVE_MS};
    terminal_path(login, index, path, sizeof path);
    hangup->terminal_fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (hangup->terminal_fd < 0)
        return -1;
    if (fstat(hangup->terminal_fd, &st) != 0)
        goto fail;
    /* Opened first: from here on the number cannot go to somebody else. */
    errno = ENOENT;
    if (!still_owns(login, index) || hold_session(hangup, login, st.st_rdev, all) != 0)
        goto fail;
    if (hangup->count > 0) {
        send_signal(hangup->pidfd[0], SIGHUP);
        send_signal(hangup->pidfd[0], SIGCONT);
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

    *hangup = (struct hangup){.terminal_fd = -1, .next_ms = now_ms + TO_NOTICE_MS};
    if (count < 0)
        return -1;
    for (ssize_t i = 0; i < count && result == 0; i++)
        result = hold(hangup, &processes[i]);
    error = errno;
    free(processes);
    if (result == 0 && !session_is_live(login)) {
        error = ENOENT;
        result = -1;
    }
    if (result != 0) {
        hangup_free(hangup);
        errno = error;
        return -1;
    }
    for (size_t i = 0; i < hangup->count; i++) {
        send_signal(hangup->pidfd[i], i == 0 ? SIGTERM : SIGHUP);
        send_signal(hangup->pidfd[i], SIGCONT);
    }
    return 0;
}

static void kill_all(const struct hangup *hangup)
{
    for (size_t i = 0; i < hangup->count; i++)
        send_signal(hangup->pidfd[i], SIGKILL);
}

bool hangup_step(struct hangup *hangup, int64_t now_ms)
{
    hangup->step++;
    if (hangup->terminal_fd >= 0 && hangup->step == 1) {
        /* Takes the terminal from every process that has it open. */
        ioctl(hangup->terminal_fd, TIOCVHANGUP);
        hangup->next_ms = now_ms + TO_NOTICE_MS;
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
