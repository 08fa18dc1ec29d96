#include "tools/tmoutctl/sessions/watch.h"

#include "tools/tmoutctl/cli.h"
#include "tools/tmoutctl/print.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

static void on_resize(int signal_number)
{
    (void)signal_number; /* only ends ppoll() */
}

/* The screen is cleared first, and after a resize, when terminals break lines anew.
 * Otherwise each line overwrites its predecessor, without flicker. */
int watch(void (*draw)(const struct screen *screen, void *context), void *context)
{
    static const struct timespec pause = {.tv_sec = 2};
    const struct sigaction resize = {.sa_handler = on_resize};
    struct screen screen = screen_find(), last = {.is_terminal = false};
    sigset_t blocked, as_before;

    if (!screen.is_terminal || screen.is_dumb) {
        report(screen.is_terminal
                   ? "--watch needs a terminal that can be drawn on (TERM is dumb or not set)"
                   : "--watch needs a terminal: standard output is not one");
        return TMOUTCTL_FAILURE;
    }
    sigaction(SIGWINCH, &resize, NULL);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGWINCH);
    sigprocmask(SIG_BLOCK, &blocked, &as_before);
    sigdelset(&as_before, SIGWINCH);
    for (;;) {
        screen = screen_find();
        const bool resized = screen.columns != last.columns || screen.rows != last.rows;
        fputs(resized ? "\033[H\033[2J" : "\033[H", stdout);
        draw(&screen, context);
        fputs("\033[J", stdout);
        if (finish(TMOUTCTL_FINE) != TMOUTCTL_FINE)
            return TMOUTCTL_FAILURE;
        last = screen;
        (void)ppoll(NULL, 0, &pause, &as_before);
    }
}
