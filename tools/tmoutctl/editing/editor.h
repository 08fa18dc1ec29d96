/*
 * The administrator's editor: which one, and running it.
 *
 * It runs as root, on behalf of whoever may become root through sudo. Whoever may run
 * "tmoutctl edit" as root can do anything, as with visudo: what is guarded against here
 * is everybody else. So the program must be one that only root can replace, it is looked
 * for in fixed directories, and it gets an environment of its own with root's home: a
 * file in a user's home could make an editor run commands.
 */
#ifndef TMOUT_TMOUTCTL_EDITING_EDITOR_H
#define TMOUT_TMOUTCTL_EDITING_EDITOR_H

#include "lib/host/failure.h"

#include <limits.h>

enum { EDITOR_WORDS_MAX = 64 };

struct editor {
    char program[PATH_MAX];           /* what is executed: no link leads to it */
    char words[4096];                 /* of argument[] */
    char *argument[EDITOR_WORDS_MAX]; /* argument[0] is its name; room for two more */
    int count;
};

/*
 * Takes the words of a command apart: at blanks, outside of quotes and not behind a
 * backslash. Nothing else is special, as no shell runs it. Returns 0, or -1 with the
 * reason.
 */
int editor_split(const char *command, struct editor *editor, struct failure *failure);

/* The one that SUDO_EDITOR, VISUAL, or EDITOR names, or else the host's. Returns 0, or
 * -1 with the reason. */
int editor_find(struct editor *editor, struct failure *failure);

/*
 * Signals while a file is edited. They are blocked from editor_watch_signals() on, and
 * read from the descriptor that it returns, so that none of them comes between two
 * steps. -1 with errno on failure.
 */
int editor_watch_signals(void);

/* What ended an editor. */
enum editor_end {
    EDITOR_DONE,       /* exit status 0 */
    EDITOR_FAILED,     /* any other one, or it could not be run; with the reason */
    EDITOR_INTERRUPTED /* it goes on, but we were told to end by *signal_number */
};

/* Runs it on a file, and gives the terminal back the settings that it had before. */
enum editor_end editor_run(const struct editor *editor, const char *path, int signal_fd,
                           int *signal_number, struct failure *failure);

/*
 * Reads a line of the terminal into text, without its newline. Returns 0, or -1 at its
 * end or when we are told to end, by *signal_number if not 0: Ctrl-C, or a hang-up.
 */
int editor_read_answer(int signal_fd, char *text, size_t size, int *signal_number);

#endif
