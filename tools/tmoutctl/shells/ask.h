/*
 * Asking a shell which limit it takes, rather than reading its files: it is
 * started as an unprivileged user, at a terminal and in namespaces of its own, with
 * nothing in its environment but what sshd sets, and a decision of pam_tmout.
 */
#ifndef TMOUT_TMOUTCTL_SHELLS_ASK_H
#define TMOUT_TMOUTCTL_SHELLS_ASK_H

#include "tools/tmoutctl/shells/kinds.h"

#include "lib/host/failure.h"

#include <stdbool.h>
#include <stddef.h>
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
    bool traced;     /* it prints where each of its commands is (shells/trace.h) */
    bool is_hurried; /* it is given up sooner: another one has not come to its prompt */
};

struct shell_answer {
    int64_t limit_sec; /* that its user gets; 0: none */
    bool readonly;     /* the user cannot change it */
    char *printed;     /* all that it printed, to be freed */
};

/* "interactive" or "interactive login", for people. */
const char *shell_start_word(enum shell_start start);

/* Is a shell of this kind, started like that, to take the limit from our files? */
bool shell_start_counts(enum shell_kind kind, enum shell_start start);

/* Can shells be started here, in namespaces of their own? False with the reason. */
bool shell_can_be_asked(struct failure *failure);

/*
 * Starts the shell with PAM_TMOUT=limit_sec and "readonly" or "default", for some
 * seconds at most, at a terminal where the question is typed, with the home of a new
 * user (/etc/skel). Returns 0, or -1 with the reason: it does not answer.
 * answer->printed is to be freed in either case.
 */
int shell_ask(const struct shell_run *run, struct shell_answer *answer, struct failure *failure);

/*
 * What a shell prints about its limit where it is enforced, and not where it is not: an
 * error. It goes into text; "" if there is nothing.
 */
void shell_complaint(enum shell_kind kind, const struct shell_answer *enforced,
                     const struct shell_answer *other, char *text, size_t size);

/* The limit that a shell of this kind should have with this decision: some count
 * in minutes, or cannot have less than a minute. */
int64_t shell_expected_sec(enum shell_kind kind, int64_t limit_sec);

#endif
