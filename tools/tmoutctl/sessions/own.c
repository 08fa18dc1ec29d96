#include "tools/tmoutctl/sessions/own.h"

#include "lib/attempts/origin.h"
#include "lib/host/array.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct own_search {
    uid_t uid;
    pid_t *registered; /* processes that have a record */
    size_t registered_count;
    struct process *process; /* the user's own */
    size_t process_count;
    struct own_login *found;
    size_t found_count;
};

static bool is_registered(const struct own_search *search, pid_t pid)
{
    for (size_t i = 0; i < search->registered_count; i++)
        if (search->registered[i] == pid)
            return true;
    return false;
}

/* Does it run as the user, whoever its file in /proc belongs to? sshd's own processes
 * belong to root there. */
static bool is_of_user(pid_t pid, uid_t uid)
{
    char text[4096];
    uid_t uids[4];

    return process_file(pid, "status", text, sizeof text) > 0 && proc_text_uids(text, uids) &&
           uids[0] == uid && uids[1] == uid;
}

static int read_processes(struct own_search *search)
{
    DIR *directory = opendir("/proc");
    struct process process;
    int result = directory == NULL ? -1 : 0;

    for (struct dirent *entry; result == 0 && (entry = readdir(directory)) != NULL;) {
        const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10); /* 0 for other names */
        if (pid <= 0 || !is_of_user(pid, search->uid) || process_read(pid, &process) != 0)
            continue;
        struct process *grown = array_grow(search->process, search->process_count, sizeof *grown);
        if (grown == NULL) {
            result = -1;
            break;
        }
        search->process = grown;
        search->process[search->process_count++] = process;
    }
    if (directory != NULL)
        closedir(directory);
    return result;
}

/* The client's address, as sshd tells all processes of a session. Only its own user can
 * have changed it. */
static void find_address(pid_t pid, char *address, size_t size)
{
    static const char variable[] = "SSH_CONNECTION=";
    char text[64 * 1024];
    const ssize_t length = process_file(pid, "environ", text, sizeof text);

    address[0] = '\0';
    for (const char *at = text; length > 0 && at < text + length; at += strlen(at) + 1) {
        if (strncmp(at, variable, strlen(variable)) != 0)
            continue;
        const char *value = at + strlen(variable);
        snprintf(address, size, "%.*s", (int)strcspn(value, " "), value);
        if (origin_of_address(address).kind == ORIGIN_NETWORK)
            address[0] = '\0'; /* not an address */
    }
}

static int add_login(struct own_search *search, const struct own_login *login)
{
    struct own_login *grown = array_grow(search->found, search->found_count, sizeof *grown);

    if (grown == NULL)
        return -1;
    search->found = grown;
    search->found[search->found_count++] = *login;
    return 0;
}

/* The session that this process leads, on its terminal if it has one. */
static int add_session(struct own_search *search, struct own_login login,
                       const struct process *leader)
{
    terminal_name_of_stat(leader->terminal, login.terminal, sizeof login.terminal);
    if (login.login.is_ssh)
        find_address(leader->pid, login.login.address, sizeof login.login.address);
    return add_login(search, &login);
}

static bool leads_terminal(const struct process *process)
{
    return process->session == process->pid && process->terminal != 0;
}

/* A process of the user that a registered one has started: sshd's for the connection,
 * whose children lead the sessions, or the first one of another login. */
static int add_connection(struct own_search *search, const struct process *connection)
{
    const long ticks_per_second = sysconf(_SC_CLK_TCK);
    const size_t before = search->found_count;
    struct own_login login = {.login = {.pid = connection->parent, .uid = search->uid}};
    struct timestamp now;
    struct failure failure = {""};
    char name[64];

    if (clock_now(&now, &failure) != 0)
        return -1;
    login.login.since = now;
    login.login.since.boot_ms =
        (int64_t)(connection->start_ticks * 1000 / (uint64_t)ticks_per_second);
    login.login.since.wall_ms -= clock_elapsed_ms(login.login.since.boot_ms, now.boot_ms);
    login.login.is_ssh = process_name(connection->parent, name, sizeof name) &&
                         strncmp(name, "sshd", strlen("sshd")) == 0;
    snprintf(login.login.address, sizeof login.login.address, "%s",
             login.login.is_ssh ? "" : "local");
    /* login(1) may have opened the session that its child is in. */
    if (!login.login.is_ssh && connection->terminal != 0)
        return add_session(search, login, connection);
    for (size_t i = 0; i < search->process_count; i++) {
        const struct process *child = &search->process[i];
        if (child->parent == connection->pid && leads_terminal(child) &&
            add_session(search, login, child) != 0)
            return -1;
    }
    return search->found_count > before ? 0 : add_login(search, &login);
}

static bool is_listed(const struct own_search *search, pid_t login)
{
    for (size_t i = 0; i < search->found_count; i++)
        if (search->found[i].login.pid == login)
            return true;
    return false;
}

/* Other users' processes can be seen where root's first one can. */
static bool are_processes_hidden(void)
{
    struct process process;

    return process_read(1, &process) != 0;
}

ssize_t own_logins_find(const char *directory, uid_t uid, struct own_login **found,
                        struct failure *failure)
{
    struct own_search search = {.uid = uid};
    ssize_t count, result = -1;

    *found = NULL;
    if (are_processes_hidden()) {
        failure_set(failure, "/proc hides the processes of logins (mount option hidepid): must be "
                             "run as root");
        return -1;
    }
    count = registry_list(directory, 0, &search.registered);
    if (count < 0 || read_processes(&search) != 0)
        goto out;
    search.registered_count = (size_t)count;
    for (size_t i = 0; i < search.process_count; i++) {
        const struct process *process = &search.process[i];
        if (is_registered(&search, process->parent) && !is_listed(&search, process->parent) &&
            add_connection(&search, process) != 0)
            goto out;
    }
    result = (ssize_t)search.found_count;
    *found = search.found;
    search.found = NULL;

out:
    if (result < 0)
        failure_set(failure, "%s: %s", directory, failure_reason(errno));
    free(search.found);
    free(search.process);
    free(search.registered);
    return result;
}
