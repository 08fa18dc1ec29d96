/*
 * Asking a shell which limit it takes, rather than reading its files: it is
 * started as an unprivileged user, in namespaces of its own, with nothing but a
 * decision of pam_tmout in its environment.
 */
#ifndef TMOUT_TMOUTCTL_SHELLS_ASK_H
#define TMOUT_TMOUTCTL_SHELLS_ASK_H

#include "tools/tmoutctl/shells/kinds.h"

#include "lib/host/failure.h"

#include <stdbool.h>
#include <stdint.h>

/* How it is started. Without a prompt there is no limit, and nothing to ask. */
enum shell_start { SHELL_START_INTERACTIVE, SHELL_START_LOGIN, SHELL_STARTS };

/* A shell, how it is started, and the decision that it gets. */
struct shell_run {
    const char *path;
    enum shell_kind kind;
    enum shell_start start;
    int64_t limit_sec;
    bool readonly;
};

struct shell_answer {
    int64_t limit_sec;   /* that its user gets; 0: none */
    bool readonly;       /* the user cannot change it */
    char complaint[256]; /* what it prints about the limit besides, such as an error, or "" */
};

/* "interactive" or "interactive login", for people. */
const char *shell_start_word(enum shell_start start);

/* Is a shell of this kind, started like that, to take the limit from our files? */
bool shell_start_counts(enum shell_kind kind, enum shell_start start);

/* Can shells be started here, in namespaces of their own? False with the reason. */
bool shell_can_be_asked(struct failure *failure);

/*
 * Starts the shell with PAM_TMOUT=limit_sec and "readonly" or "default",
 * for some seconds at most. Returns 0, or -1 with the reason: it does not answer.
 */
int shell_ask(const struct shell_run *run, struct shell_answer *answer, struct failure *failure);

/* The limit that a shell of this kind should have with this decision: some count
 * in minutes, or cannot have less than a minute. */
int64_t shell_expected_sec(enum shell_kind kind, int64_t limit_sec);

#endif
