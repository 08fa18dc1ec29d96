/* The list of logins, drawn again and again in the same place. */
#ifndef TMOUT_TMOUTCTL_SESSIONS_WATCH_H
#define TMOUT_TMOUTCTL_SESSIONS_WATCH_H

#include "tools/tmoutctl/host/screen.h"

/*
 * Calls draw() every two seconds, and at once when the terminal has another size, with
 * the cursor at the top of the screen and the terminal as it is then. draw() ends each of
 * its lines with WATCH_LINE_END and prints at most screen.rows of them. Returns
 * TMOUTCTL_FAILURE, after a message, where standard output cannot be drawn on, or no
 * longer; Ctrl-C ends the process, and nothing about the terminal has to be put right.
 */
int watch(void (*draw)(const struct screen *screen, void *context), void *context);

/* Clears the rest of the line. */
#define WATCH_LINE_END "\033[K\n"

#endif
