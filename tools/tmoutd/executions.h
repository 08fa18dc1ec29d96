/*
 * Which processes execute certain programs, as fanotify(7) reports: inotify says only
 * that somebody did. It takes Linux 5.0 and CAP_SYS_ADMIN.
 */
#ifndef TMOUT_TMOUTD_EXECUTIONS_H
#define TMOUT_TMOUTD_EXECUTIONS_H

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

/* A process is about to execute one of them; 0: some did, and it is not known which. */
typedef void (*execution_function)(void *context, pid_t pid);

struct executions {
    int fd; /* or -1: nothing is reported */
    execution_function executed;
    void *context;
};

/* Calls executed from this event loop. */
void executions_open(struct executions *executions, sd_event *event, execution_function executed,
                     void *context);
void executions_close(struct executions *executions);

/* Reports executions of the file that is there now. False if that is not possible. */
bool executions_watch(const struct executions *executions, const char *path);

#endif
