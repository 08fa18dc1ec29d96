#include "tools/tmoutd/notice.h"

#include "lib/policy/duration.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

void notice_text(enum watch_reason reason, int64_t left_ms, char text[NOTICE_TEXT_MAX])
{
    char left[64];

    duration_format((left_ms + 999) / 1000, left, sizeof left);
    if (reason == REASON_AGE)
        snprintf(text, NOTICE_TEXT_MAX,
                 "\r\n\a*** tmoutd: this login has reached its maximum age and ends in %s. ***\r\n",
                 left);
    else
        snprintf(text, NOTICE_TEXT_MAX,
                 "\r\n\a*** tmoutd: terminal idle, disconnecting in %s. "
                 "Press Enter to stay connected. ***\r\n",
                 left);
}

static void open_terminal(struct notice *notice, const struct session_record *login, unsigned index)
{
    char path[64];

    terminal_path(login, index, path, sizeof path);
    notice->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    /* Checked after opening: from then on the number cannot be reused. */
    if (notice->fd >= 0 && !login_has_terminal(login, index))
        notice_close(notice);
}

/* Without output processing, what a program writes is data as it is: a file that
 * is transferred, or the screen of a program that draws it itself. */
static bool shows_text(int fd)
{
    struct termios mode;

    return tcgetattr(fd, &mode) == 0 && (mode.c_oflag & OPOST) != 0;
}

void notice_show(struct notice *notice, const struct session_record *login, unsigned index,
                 const char *text)
{
    if (notice->fd < 0)
        open_terminal(notice, login, index);
    if (notice->fd >= 0 && shows_text(notice->fd) && write(notice->fd, text, strlen(text)) < 0) {
        /* There is nothing else to try. */
    }
}

bool notice_is_out(const struct notice *notice)
{
    return notice->fd >= 0;
}

int notice_unread(const struct notice *notice)
{
    int unread = 0;

    return notice->fd >= 0 && ioctl(notice->fd, FIONREAD, &unread) == 0 ? unread : 0;
}

void notice_close(struct notice *notice)
{
    if (notice->fd >= 0)
        close(notice->fd);
    notice->fd = -1;
}
