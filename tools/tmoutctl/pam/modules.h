/*
 * What the modules of others do that matters to our line: who checks something
 * that can be guessed, and who asks for it. Facts from the modules' manuals and
 * sources, as of 2026; a module that is not in the table is PAM_KIND_OTHER.
 */
#ifndef TMOUT_TMOUTCTL_PAM_MODULES_H
#define TMOUT_TMOUTCTL_PAM_MODULES_H

#include "tools/tmoutctl/pam/stack.h"

#include <stdbool.h>

#define PAM_OUR_MODULE "pam_tmout.so"

enum pam_kind {
    PAM_KIND_OTHER,
    PAM_KIND_OURS,
    PAM_KIND_PASSWORD,  /* checks a password */
    PAM_KIND_CODE,      /* checks a one-time code, or asks a second device */
    PAM_KIND_PRESENCE,  /* a key, finger, ticket or agent: there is nothing to guess */
    PAM_KIND_PRIVILEGE, /* who is asking decides, as root in su */
    PAM_KIND_CONDITION, /* a property of the user, the host or the time */
    PAM_KIND_DENY,      /* never succeeds */
    PAM_KIND_PERMIT     /* succeeds for everybody */
};

enum pam_asking {
    PAM_ASKS_NOTHING,
    PAM_ASKS_ONCE,  /* unless a module before it has asked: then it takes that answer */
    PAM_ASKS_ITSELF /* whatever was asked before */
};

struct pam_traits {
    enum pam_kind kind;
    enum pam_asking asks; /* for a password, or a code if it is PAM_KIND_CODE */
    bool needs_answer;    /* use_first_pass: fails where no module has asked */
    bool shares;          /* modules after it may take the answer */
    bool repeats;         /* the same line gives the same result for the same login */
    bool decides;         /* never returns PAM_IGNORE */
};

struct pam_traits pam_traits_of(const struct pam_line *line);

/* The index of the first line of this kind, from `from` on, or stack->count. */
size_t pam_find_kind(const struct pam_stack *stack, enum pam_kind kind, size_t from);

#endif
