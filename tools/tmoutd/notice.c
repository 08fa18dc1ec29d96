#include "notice.h"

#include "../../lib/policy/duration.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void notice_clear(struct notice *notice)
{
    *notice = (struct notice){.fd = -1, .end_ms = NEVER_MS};
}

bool notice_is_open(const struct notice *notice)
{
    return notice->fd >= 0;
}

void notice_give(struct notice *notice, const char *path, const struct watch_decision *decision,
                 int64_t now_ms)
{
    char text[256], left[64];

    duration_format((decision->end_ms - now_ms + 999) / 1000, left, sizeof left);
    if (decision->reason == REASON_AGE)
        snprintf(text, sizeof text,
                 "\r\n\a*** tmoutd: this login has reached its age limit and ends in %s. ***\r\n",
                 left);
    else
        snprintf(text, sizeof text,
                 "\r\n\a*** tmoutd: no input for long; this terminal is hung up in %s. "
                 "Press Enter to stay. ***\r\n",
                 left);
    if (notice->fd < 0)
        notice->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    notice->end_ms = decision->end_ms;
    notice->reason = decision->reason;
    if (notice->fd < 0)
        return;
    if (write(notice->fd, text, strlen(text)) < 0) {
        /* A terminal that takes no output now is cut without. */
    }
    if (ioctl(notice->fd, FIONREAD, &notice->unread) != 0)
        notice->unread = 0;
}

bool notice_was_answered(struct notice *notice)
{
    int unread = 0;

    if (notice->fd < 0 || ioctl(notice->fd, FIONREAD, &unread) != 0)
        return false;
    const bool more = unread > notice->unread;
    notice->unread = unread;
    return more;
}

void notice_end(struct notice *notice)
{
    if (notice->fd >= 0)
        close(notice->fd);
    notice_clear(notice);
}
