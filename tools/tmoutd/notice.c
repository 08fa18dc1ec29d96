#include "tools/tmoutd/notice.h"

#include "lib/host/procfs.h"
#include "lib/host/translation.h"
#include "lib/policy/duration.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

void notice_text(enum watch_reason reason, int64_t left_ms, const char *locale,
                 char text[NOTICE_TEXT_MAX])
{
    char left[64], sentence[NOTICE_TEXT_MAX - 32];

    duration_format((left_ms + 999) / 1000, left, sizeof left);
    if (reason == REASON_AGE)
        snprintf(sentence, sizeof sentence,
                 translation(locale, "this login has reached its maximum age and ends in %s."),
                 left);
    else
        snprintf(sentence, sizeof sentence,
                 translation(locale, "terminal idle, disconnecting in %s. "
                                     "Press Enter to stay connected."),
                 left);
    snprintf(text, NOTICE_TEXT_MAX, "\r\n\a*** tmoutd: %s ***\r\n", sentence);
}

/* The environment that a terminal's shell was started with. Its owner may have changed
 * it, or keep it from being read: then it is their own notice that does not appear. */
static void session_locale(const struct notice_question *question, char locale[LOCALE_NAME_MAX])
{
    static char environment[64 * 1024];
    const pid_t shell = login_terminal_session(&question->login, question->index);
    const ssize_t size =
        shell > 0 ? process_file(shell, "environ", environment, sizeof environment) : 0;

    locale_in_environment(environment, size > 0 ? (size_t)size : 0, locale);
}

static void write_notice(const struct notice_question *question, int terminal, bool is_utf8)
{
    char locale[LOCALE_NAME_MAX] = "C", text[NOTICE_TEXT_MAX];

    if (is_utf8)
        session_locale(question, locale);
    /* It would come before every locale, and it is the daemon's. */
    unsetenv("LANGUAGE");
    notice_text(question->reason, question->left_ms, locale, text);
    if (write(terminal, text, strlen(text)) < 0) {
        /* There is nothing else to try. */
    }
}

/* Without output processing, what a program writes is data as it is: a file that
 * is transferred, or the screen of a program that draws it itself. */
static bool shows_text(const struct termios *mode)
{
    return (mode->c_oflag & OPOST) != 0;
}

static void show(const struct notice_question *question, int terminal, struct answer *answer)
{
    struct notice_answer result = {0};
    struct termios mode;

    /* Before the notice: what comes after it is an answer, however quick. */
    if (ioctl(terminal, FIONREAD, &result.unread) != 0)
        result.unread = 0;
    if (!question->is_silent && tcgetattr(terminal, &mode) == 0 && shows_text(&mode))
        write_notice(question, terminal, (mode.c_iflag & IUTF8) != 0);
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
    show(question, terminal, answer);
    close(terminal);
}
