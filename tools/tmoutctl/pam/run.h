/*
 * Runs a stack as libpam's dispatcher does: which line comes next, and what the
 * application gets in the end, for the results that the caller chooses. Pure.
 * Facts from _pam_dispatch_aux() of Linux-PAM 1.5.2 to 1.7, and compared with
 * the real libpam by tests/module/test_pam_stacks.
 */
#ifndef TMOUT_TMOUTCTL_PAM_RUN_H
#define TMOUT_TMOUTCTL_PAM_RUN_H

#include "tools/tmoutctl/pam/stack.h"

#include <stdbool.h>
#include <stddef.h>

/* What the lines so far amount to. */
enum pam_impression { IMPRESSION_NONE, IMPRESSION_GOOD, IMPRESSION_BAD };

struct pam_verdict {
    enum pam_impression impression;
    int status; /* that of the application, unless the impression changes */
};

/* Has no padding that matters and no pointers: two equal states compare equal. */
struct pam_run {
    size_t at; /* the line to be called, or the number of lines */
    struct pam_verdict verdict;
    struct pam_verdict saved[PAM_LEVELS_MAX + 1]; /* where each substack began */
    unsigned level;                               /* of the line before */
    bool bad_jump;                                /* a jump went past the end */
};

/*
 * Which call of the application runs the stack. pam_setcred() and
 * pam_close_session() take the way that pam_authenticate() and
 * pam_open_session() took. On it, upstream's libpam counts a result that jumps
 * like one that is ok; Debian's ignores it (its patch "jump_is_ignore").
 */
enum pam_call { PAM_CALL_FIRST, PAM_CALL_SECOND, PAM_CALL_SECOND_DEBIAN };

/* At the first line to be called. A stack without lines is at its end. */
void pam_run_start(const struct pam_stack *stack, struct pam_run *run);

/*
 * The line at run->at has returned `result`. `decided` chooses the action: the
 * same result, but in a second call what the line returned in the first, if it
 * was called there.
 */
void pam_run_return(const struct pam_stack *stack, struct pam_run *run, enum pam_call call,
                    int decided, int result);

/* What the application gets, once run->at is the number of lines. */
int pam_run_status(const struct pam_stack *stack, const struct pam_run *run);

/* The index of the line that a jump over `jump` lines from line `from` leads to,
 * up to the number of lines; *past says whether it goes past the end of the
 * stack or substack that it is in. */
size_t pam_run_jump(const struct pam_stack *stack, size_t from, int jump, bool *past);

#endif
