#include "tools/tmoutd/executions.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <unistd.h>

/* Events bring a descriptor of the file along, which nobody needs. Those that have no room, or
 * for which there is no descriptor, are lost. */
static void take_event(const struct executions *executions,
                       const struct fanotify_event_metadata *event)
{
    if (event->fd >= 0)
        close(event->fd);
    executions->executed(executions->context,
                         (event->mask & FAN_Q_OVERFLOW) != 0 || event->pid < 0 ? 0 : event->pid);
}

/* One buffer full, as of inotify's events. */
static int on_executions(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    const struct executions *executions = userdata;
    char buffer[4096] __attribute__((aligned(__alignof__(struct fanotify_event_metadata))));
    const struct fanotify_event_metadata *event = (const struct fanotify_event_metadata *)buffer;
    ssize_t size = read(fd, buffer, sizeof buffer);

    (void)source;
    (void)events;
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        executions->executed(executions->context, 0);
    for (; size > 0 && FAN_EVENT_OK(event, size); event = FAN_EVENT_NEXT(event, size))
        take_event(executions, event);
    return 0;
}

void executions_open(struct executions *executions, sd_event *event, execution_function executed,
                     void *context)
{
    const int fd =
        fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_CLOEXEC);

    *executions = (struct executions){.fd = fd, .executed = executed, .context = context};
    if (fd < 0 || sd_event_add_io(event, NULL, fd, EPOLLIN, on_executions, executions) >= 0)
        return;
    executions_close(executions);
}

void executions_close(struct executions *executions)
{
    if (executions->fd >= 0)
        close(executions->fd);
    executions->fd = -1;
}

bool executions_watch(const struct executions *executions, const char *path)
{
    return executions->fd >= 0 &&
           fanotify_mark(executions->fd, FAN_MARK_ADD, FAN_OPEN_EXEC, AT_FDCWD, path) == 0;
}
