#include "lib/sessions/leftovers.h"

#include "lib/host/census.h"
#include "lib/host/file_tables.h"
#include "lib/host/pidfd.h"
#include "lib/host/proc_directory.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- the rule ------------------------------------------------------------------ */

/* Does it consist of these two, with something in between? */
static bool is_between(const char *name, size_t length, const char *prefix, const char *suffix)
{
    const size_t before = strlen(prefix), after = strlen(suffix);

    return length > before + after && memcmp(name, prefix, before) == 0 &&
           memcmp(name + length - after, suffix, after) == 0;
}

/* The outermost unit that says something: what is below it is its own business. */
static enum process_place place_of_path(const char *path, size_t size, char scope[SCOPE_MAX])
{
    for (size_t from = 0, to; from < size; from = to + 1) {
        for (to = from; to < size && path[to] != '/'; to++)
            ;
        const char *name = path + from;
        const size_t length = to - from;
        if (is_between(name, length, "session-", ".scope") && length < SCOPE_MAX) {
            memcpy(scope, name, length);
            scope[length] = '\0';
            return PLACE_SESSION;
        }
        if (is_between(name, length, "", ".scope") || is_between(name, length, "user@", ".service"))
            return PLACE_UNIT;
    }
    return PLACE_NO_UNIT;
}

enum process_place process_place(const char *text, char scope[SCOPE_MAX])
{
    enum process_place place = PLACE_NO_UNIT;

    scope[0] = '\0';
    for (const char *line = text; *line != '\0';) {
        const size_t size = strcspn(line, "\n");
        const char *path = memchr(line, '/', size);
        /* Version 2, or the hierarchy of version 1 that is systemd's own. */
        if (path != NULL &&
            (strncmp(line, "0::", 3) == 0 || strstr(line, ":name=systemd:") == strchr(line, ':'))) {
            const enum process_place found =
                place_of_path(path, size - (size_t)(path - line), scope);
            if (found != PLACE_NO_UNIT)
                place = found;
        }
        line += size + (line[size] == '\n');
    }
    return place;
}

bool trace_is_usable(const struct login_trace *trace)
{
    return trace->audit_session != NO_AUDIT_SESSION || trace->scope[0] != '\0';
}

bool is_leftover(const struct login_trace *trace, const struct leftover_evidence *evidence)
{
    if (evidence->audit_session != trace->audit_session || !trace_is_usable(trace))
        return false;
    switch (evidence->place) {
    case PLACE_SESSION:
        return trace->scope[0] == '\0' || strcmp(trace->scope, evidence->scope) == 0;
    case PLACE_NO_UNIT:
        return trace->scope[0] == '\0' && trace->uid != 0 && trace->uid != NO_UID &&
               evidence->uid == trace->uid;
    case PLACE_UNIT:
    default:
        return false;
    }
}

/* --- looking at processes ------------------------------------------------------- */

static void place_of_process(pid_t pid, enum process_place *place, char scope[SCOPE_MAX])
{
    char text[4096];

    scope[0] = '\0';
    *place = process_file(pid, "cgroup", text, sizeof text) > 0 ? process_place(text, scope)
                                                                : PLACE_NO_UNIT;
}

void login_trace_read(const struct session_record *login, struct login_trace *trace)
{
    enum process_place place;

    *trace = (struct login_trace){.audit_session = login->audit_session, .uid = login->uid};
    if (trace->audit_session == NO_AUDIT_SESSION)
        trace->audit_session = process_audit_session(login->pid);
    place_of_process(login->pid, &place, trace->scope);
}

/* The owner of its directory is its effective uid, or root if it has had privileges. */
static uid_t uid_of_process(pid_t pid, uid_t wanted)
{
    char path[64], text[2048];
    uid_t uid[4];
    struct stat st;

    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (stat(path, &st) == 0 && st.st_uid == wanted)
        return wanted;
    if (process_file(pid, "status", text, sizeof text) <= 0 || !proc_text_uids(text, uid) ||
        uid[0] != uid[1] || uid[0] != uid[2] || uid[0] != uid[3])
        return NO_UID;
    return uid[0];
}

static bool was_left_behind(const struct login_trace *trace, pid_t pid)
{
    struct leftover_evidence evidence = {.audit_session = process_audit_session(pid),
                                         .uid = NO_UID};

    if (evidence.audit_session != trace->audit_session)
        return false; /* the usual case, which costs least */
    place_of_process(pid, &evidence.place, evidence.scope);
    if (evidence.place == PLACE_NO_UNIT)
        evidence.uid = uid_of_process(pid, trace->uid);
    return is_leftover(trace, &evidence);
}

/* Many logins that end at the same time share a list of all processes. */
static struct census audit_sessions = {.number_of = process_audit_session};

void leftovers_prepare(void)
{
    struct census_part nobody;

    (void)census_find(&audit_sessions, NO_AUDIT_SESSION, CENSUS_SHARED_MS, &nobody);
}

/* Finds the processes with this audit session. One in the list that has ended since may
 * have left a child, which only another list has. */
static int find_listed(uint32_t audit_session, int64_t max_age_ms, struct census_part *listed)
{
    if (census_find(&audit_sessions, audit_session, max_age_ms, listed) != 0)
        return -1;
    for (size_t i = 0; max_age_ms > 0 && i < listed->count; i++)
        if (process_audit_session(listed->entry[i].pid) != audit_session)
            return census_find(&audit_sessions, audit_session, 0, listed);
    return 0;
}

/* Calls a function for each process that was left behind, by a list that is at most
 * this old. The pidfd belongs to the caller of that function. Returns 0, or -1 with
 * errno. */
static int for_each_leftover(const struct login_trace *trace, int64_t max_age_ms,
                             void (*function)(void *context, pid_t pid, int pidfd), void *context)
{
    struct census_part listed;

    if (!trace_is_usable(trace))
        return 0;
    if (find_listed(trace->audit_session, max_age_ms, &listed) != 0)
        return -1;
    for (size_t i = 0; i < listed.count; i++) {
        const pid_t pid = listed.entry[i].pid;
        if (pid == getpid() || pid == getppid() || !was_left_behind(trace, pid))
            continue;
        const int pidfd = pidfd_of(pid);
        /* By now the pid may be that of another process. */
        if (pidfd >= 0 && was_left_behind(trace, pid))
            function(context, pid, pidfd);
        if (pidfd >= 0)
            close(pidfd);
    }
    return 0;
}

static bool has_ended(int pidfd)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};

    return poll(&end, 1, 0) == 1;
}

/* --- ending them ------------------------------------------------------------------ */

struct signalling {
    const int *signals; /* up to 0 */
    ssize_t count;
};

static void signal_leftover(void *context, pid_t pid, int pidfd)
{
    struct signalling *signalling = context;

    (void)pid;
    if (has_ended(pidfd))
        return;
    for (const int *signal_number = signalling->signals; *signal_number != 0; signal_number++)
        pidfd_signal(pidfd, *signal_number);
    signalling->count++;
}

static ssize_t signal_leftovers(const struct login_trace *trace, const int *signals)
{
    struct signalling signalling = {.signals = signals};

    return for_each_leftover(trace, CENSUS_SHARED_MS, signal_leftover, &signalling) == 0
               ? signalling.count
               : -1;
}

/* All signals in one pass: whoever ends of the first one makes the list useless. */
ssize_t leftovers_terminate(const struct login_trace *trace)
{
    static const int signals[] = {SIGHUP, SIGTERM, SIGCONT, 0};

    return signal_leftovers(trace, signals);
}

struct stopping {
    ssize_t count;
    size_t moving;
};

/* Could it have started another process since it was signalled last? */
static bool is_moving(pid_t pid)
{
    char text[2048];

    return process_file(pid, "status", text, sizeof text) > 0 && proc_text_is_moving(text);
}

static void stop_leftover(void *context, pid_t pid, int pidfd)
{
    struct stopping *stopping = context;

    if (has_ended(pidfd))
        return;
    stopping->count++;
    if (is_moving(pid))
        stopping->moving++;
    pidfd_signal(pidfd, SIGSTOP);
}

ssize_t leftovers_stop(const struct login_trace *trace, size_t *moving)
{
    struct stopping stopping = {0};

    if (for_each_leftover(trace, CENSUS_SHARED_MS, stop_leftover, &stopping) != 0)
        return -1;
    *moving = stopping.moving;
    return stopping.count;
}

ssize_t leftovers_kill(const struct login_trace *trace)
{
    return signal_leftovers(trace, (const int[]){SIGKILL, 0});
}

/* --- their terminals ---------------------------------------------------------------- */

struct listing {
    const struct login_trace *trace;
    struct leftover_terminal *terminal;
    struct leftovers_found found;
    int error; /* of a process whose terminals are not known */
};

/* Only the master of a pseudo terminal has a tty-index, so that this file says
 * enough. Unlike the link in /proc/PID/fd, it never blocks. */
static bool is_master(pid_t pid, const char *fd, unsigned *index)
{
    char name[16 + NAME_MAX], text[1024];

    snprintf(name, sizeof name, "fdinfo/%s", fd);
    return process_file(pid, name, text, sizeof text) > 0 && proc_text_tty_index(text, index);
}

/* The number may be that of a terminal in a devpts of the user's own. In that of
 * the host, nobody can give a terminal away. */
static bool is_terminal_of(unsigned index, uid_t uid)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/dev/pts/%u", index);
    return stat(path, &st) == 0 && st.st_uid == uid;
}

static void list_terminal(struct listing *listing, pid_t pid, unsigned index)
{
    struct process process;

    if (!is_terminal_of(index, listing->trace->uid) ||
        listing->found.terminal_count == LEFTOVER_TERMINALS_MAX)
        return;
    if (process_read(pid, &process) == 0) {
        listing->terminal[listing->found.terminal_count++] = (struct leftover_terminal){
            .index = index, .pid = pid, .start_ticks = process.start_ticks};
        listing->found.witness = pid;
    } else if (!process_has_ended(errno)) {
        listing->error = errno;
    }
}

/* What one of its threads has open. */
static void list_terminals_of_thread(struct listing *listing, pid_t pid, pid_t thread)
{
    unsigned index;
    const char *fd;
    DIR *directory = proc_directory_open(thread, "fdinfo");

    if (directory == NULL) {
        if (!process_has_ended(errno))
            listing->error = errno;
        return;
    }
    while ((fd = proc_directory_next(directory)) != NULL)
        if (is_master(thread, fd, &index))
            list_terminal(listing, pid, index);
    closedir(directory);
}

static void list_terminals(void *context, pid_t pid, int pidfd)
{
    struct listing *listing = context;
    struct file_tables tables;
    pid_t thread;

    if (has_ended(pidfd))
        return;
    listing->found.process_count++;
    if (listing->found.witness == 0)
        listing->found.witness = pid;
    if (file_tables_begin(&tables, pid) != 0) {
        if (!process_has_ended(errno))
            listing->error = errno;
        return;
    }
    while ((thread = file_tables_next(&tables)) > 0)
        list_terminals_of_thread(listing, pid, thread);
    file_tables_end(&tables);
}

int leftovers_find(const struct login_trace *trace,
                   struct leftover_terminal terminal[LEFTOVER_TERMINALS_MAX],
                   struct leftovers_found *found)
{
    struct listing listing = {.trace = trace, .terminal = terminal};

    *found = (struct leftovers_found){0};
    if (for_each_leftover(trace, CENSUS_SHARED_MS, list_terminals, &listing) != 0)
        return -1;
    *found = listing.found;
    errno = listing.error;
    return listing.error == 0 ? 0 : -1;
}
