#include "tools/tmoutd/notice.h"

#include "lib/policy/duration.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void notice_clear(struct notice *notice)
{
    *notice = (struct notice){.fd = -1, .end_ms = NEVER_MS, .unread_most = notice->unread_most};
}

bool notice_is_open(const struct notice *notice)
{
    return notice->fd >= 0;
}

static void notice_text(const struct watch_decision *decision, int64_t now_ms, char *text,
                        size_t size)
{
    char left[64];

    duration_format((decision->end_ms - now_ms + 999) / 1000, left, sizeof left);
    if (decision->reason == REASON_AGE)
        snprintf(text, size,
                 "\r\n\a*** tmoutd: this login has reached its age limit and ends in %s. ***\r\n",
                 left);
    else
        snprintf(text, size,
                 "\r\n\a*** tmoutd: no input for long; this terminal is hung up in %s. "
                 "Press Enter to stay. ***\r\n",
                 left);
}

static void open_terminal(struct notice *notice, const struct session_record *login, unsigned index)
{
    char path[64];

    terminal_path(login, index, path, sizeof path);
    notice->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    /* Opened first: from here on the number cannot go to somebody else. */
    if (notice->fd >= 0 && !login_has_terminal(login, index)) {
        close(notice->fd);
        notice->fd = -1;
    }
}

void notice_give(struct notice *notice, const struct session_record *login, unsigned index,
                 const struct watch_decision *decision, int64_t now_ms)
{
    char text[256];

    notice_text(decision, now_ms, text, sizeof text);
    if (notice->fd < 0)
        open_terminal(notice, login, index);
    notice->end_ms = decision->end_ms;
    notice->reason = decision->reason;
    if (notice->fd < 0)
        return;
    if (write(notice->fd, text, strlen(text)) < 0) {
        /* A terminal that takes no output now is cut without. */
    }
    notice_was_answered(notice); /* what waits already is no answer */
}

bool notice_was_answered(struct notice *notice)
{
    int unread = 0;

    if (notice->fd < 0 || ioctl(notice->fd, FIONREAD, &unread) != 0 ||
        unread <= notice->unread_most)
        return false;
    notice->unread_most = unread;
    return true;
}

void notice_forget_unread(struct notice *notice)
{
    notice->unread_most = 0;
}

void notice_end(struct notice *notice)
{
    if (notice->fd >= 0)
        close(notice->fd);
    notice_clear(notice);
}
