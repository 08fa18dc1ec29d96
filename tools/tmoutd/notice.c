#include "tools/tmoutd/notice.h"

#include "lib/policy/duration.h"

#include <errno.h>
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

/* Without output processing, what a program writes is data as it is: a file that
 * is transferred, or the screen of a program that draws it itself. */
static bool shows_text(int fd)
{
    struct termios mode;

    return tcgetattr(fd, &mode) == 0 && (mode.c_oflag & OPOST) != 0;
}

static void show(int terminal, const char *text, struct answer *answer)
{
    const size_t size = strlen(text);
    struct notice_answer result = {0};

    if (size > 0 && shows_text(terminal) && write(terminal, text, size) < 0) {
        /* There is nothing else to try. */
    }
    if (ioctl(terminal, FIONREAD, &result.unread) != 0)
        result.unread = 0;
    if (fstat(terminal, &result.st) != 0)
        answer_fail(answer, errno);
    else
        answer_put(answer, &result, sizeof result);
}

void notice_show(const void *input, int fd, struct answer *answer)
{
    const struct notice_question *question = input;
    const int terminal = login_terminal_open(&question->login, question->index);

    (void)fd;
    if (terminal < 0) {
        answer_fail(answer, errno);
        return;
    }
    show(terminal, question->text, answer);
    close(terminal);
}
