#include "tools/tmoutd/inbox.h"

#include "lib/sessions/login_message.h"
#include "tools/tmoutd/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* So that other events get their turn. */
enum { MESSAGES_AT_ONCE = 64 };

#define STORED_NAME "logins"

struct inbox {
    struct loop *loop;
    struct inbox_hooks hooks;
    int fd;
    sd_event_source *source;
};

/* The socket of the process before this one, or -1. */
static int restore_socket(void)
{
    char **names = NULL;
    const int count = sd_listen_fds_with_names(1, &names);
    int fd = -1;

    for (int i = 0; i < count; i++) {
        const int given = SD_LISTEN_FDS_START + i;
        if (fd < 0 && strcmp(names[i], STORED_NAME) == 0 &&
            sd_is_socket_unix(given, SOCK_DGRAM, -1, NULL, 0) > 0)
            fd = given;
        else
            close(given);
    }
    for (int i = 0; names != NULL && names[i] != NULL; i++)
        free(names[i]);
    free(names);
    return fd;
}

static int on_message(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct inbox *inbox = userdata;

    (void)source;
    (void)fd;
    (void)events;
    loop_clock(inbox->loop);
    inbox_receive(inbox);
    return 0;
}

/* Somebody may have removed it meanwhile: then nobody would find it. */
static bool is_in_place(const char *sessions_dir)
{
    char path[PATH_MAX];

    return snprintf(path, sizeof path, "%s.socket", sessions_dir) < (int)sizeof path &&
           access(path, F_OK) == 0;
}

static void open_inbox(struct inbox *inbox, const char *sessions_dir)
{
    struct failure failure = {""};

    inbox->fd = inbox->loop->event != NULL ? restore_socket() : -1;
    if (inbox->fd >= 0 && !is_in_place(sessions_dir)) {
        close(inbox->fd);
        inbox->fd = -1;
    }
    if (inbox->fd < 0) {
        inbox->fd = login_message_listen(sessions_dir, geteuid(), &failure);
        if (inbox->fd >= 0)
            sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" STORED_NAME, (const int *)&inbox->fd,
                                   1);
    }
    if (inbox->fd < 0)
        log_line(LOG_WARNING,
                 "%s; logins whose record cannot be written are found later; see tmout-recovery(7)",
                 failure.text);
    else if (inbox->loop->event != NULL &&
             sd_event_add_io(inbox->loop->event, &inbox->source, inbox->fd, EPOLLIN, on_message,
                             inbox) < 0)
        log_line(LOG_ERR, "out of memory; logins whose record cannot be written are found later; "
                          "see tmout-recovery(7)");
}

struct inbox *inbox_new(struct loop *loop, const char *sessions_dir,
                        const struct inbox_hooks *hooks)
{
    struct inbox *inbox = calloc(1, sizeof *inbox);

    if (inbox == NULL)
        return NULL;
    *inbox = (struct inbox){.loop = loop, .hooks = *hooks, .fd = -1};
    open_inbox(inbox, sessions_dir);
    return inbox;
}

void inbox_free(struct inbox *inbox)
{
    if (inbox == NULL)
        return;
    sd_event_source_disable_unref(inbox->source);
    if (inbox->fd >= 0)
        close(inbox->fd);
    free(inbox);
}

void inbox_receive(struct inbox *inbox)
{
    struct session_record record;

    for (unsigned i = 0; i < MESSAGES_AT_ONCE && inbox->fd >= 0; i++) {
        switch (login_message_receive(inbox->fd, geteuid(), &record)) {
        case LOGIN_MESSAGE_RECORD:
            inbox->hooks.login(inbox->hooks.context, &record);
            break;
        case LOGIN_MESSAGE_NEWER:
            inbox->hooks.unreadable(inbox->hooks.context, record.pid);
            break;
        case LOGIN_MESSAGE_REJECTED:
            log_line(LOG_WARNING,
                     "ignoring a message of process %d that is no login's; see tmout-recovery(7)",
                     (int)record.pid);
            break;
        case LOGIN_MESSAGE_FAILED:
            log_line(LOG_ERR, "cannot receive logins: %s; see tmout-recovery(7)", strerror(errno));
            return;
        case LOGIN_MESSAGE_NONE:
        default:
            return;
        }
    }
}
