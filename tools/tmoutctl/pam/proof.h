/*
 * What an edit of a stack changes, over all results of its modules: the stack
 * before and the one after run side by side, and each line that is in both
 * returns the same to both. Pure. Nothing that the proof does not find can
 * happen; what it finds can, as far as the modules may return anything (a
 * condition that is asked twice has one answer, pam_deny never succeeds, and
 * modules.h says who asks for a password). What is about the edit must hold both if
 * modules that may be absent are there and if they are not.
 */
#ifndef TMOUT_TMOUTCTL_PAM_PROOF_H
#define TMOUT_TMOUTCTL_PAM_PROOF_H

#include "tools/tmoutctl/pam/stack.h"
#include "tools/tmoutctl/pam/users.h"

#include <stdbool.h>
#include <stddef.h>

/* What can go wrong. Those up to PAM_FLAW_LOSES are about the edit, the others about
 * the stack after it. */
enum pam_flaw {
    PAM_FLAW_REFUSES,    /* somebody is refused who got in before */
    PAM_FLAW_ADMITS,     /* somebody gets in who was refused before */
    PAM_FLAW_ASKS_MORE,  /* somebody is asked for more passwords or codes than before */
    PAM_FLAW_SECOND,     /* pam_setcred() or pam_close_session() returns something else */
    PAM_FLAW_LOSES,      /* a check or a session that came after our line no longer does */
    PAM_FLAW_BAD_JUMP,   /* a jump goes past the end */
    PAM_FLAW_UNCOUNTED,  /* auth, password: something is checked that was not counted */
    PAM_FLAW_NOT_FINAL,  /* auth: after our rejection something is checked, or they get in */
    PAM_FLAW_NEEDLESS,   /* auth: our line is reached, but nothing is checked */
    PAM_FLAW_UNNEEDED,   /* auth: our line comes before what makes a password unnecessary */
    PAM_FLAW_PROMPT,     /* auth: our line asks, and a later module does not take the answer */
    PAM_FLAW_MISSED,     /* session: it opens without our line */
    PAM_FLAW_OVERRIDDEN, /* session: the user's own environment comes after our line */
    PAM_FLAW_TWICE,      /* our line is reached twice */
    PAM_FLAWS
};

/* "No line." */
#define PAM_NO_LINE ((size_t)-1)

/* One way to a flaw, in lines of the stack after the edit. */
struct pam_example {
    bool found;
    size_t line; /* where it shows: the check, the second call, or what makes a password
                    unnecessary; or PAM_NO_LINE: at the end */
    size_t by;   /* the line that leads around ours, or PAM_NO_LINE */
};

struct pam_question {
    const struct pam_stack *before, *after; /* the same, to look at a stack as it is */
    bool is_session;                        /* else auth or password */
    const struct pam_user *user;            /* whose login it is, or NULL: anybody's */
};

struct pam_answer {
    struct pam_example flaw[PAM_FLAWS];
};

enum pam_proof_status {
    PAM_PROOF_DONE,
    PAM_PROOF_TOO_LARGE, /* too many lines or states */
    PAM_PROOF_UNLIKE,    /* the stacks do not have the same lines but for ours */
    PAM_PROOF_FAILED     /* out of memory */
};

enum pam_proof_status pam_prove(const struct pam_question *question, struct pam_answer *answer);

#endif
