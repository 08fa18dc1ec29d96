/* What in the system's shell files sets a limit besides our scripts, and what
 * that means. */
#ifndef TMOUT_TMOUTCTL_SHELLS_FINDINGS_H
#define TMOUT_TMOUTCTL_SHELLS_FINDINGS_H

#include "tools/tmoutctl/host/host.h"

#include <stdbool.h>
#include <stddef.h>

enum shell_finding_kind {
    SHELL_FINDING_BEFORE,          /* applies only where the policy sets no limit */
    SHELL_FINDING_READONLY,        /* comes first and cannot be changed: overrides the policy */
    SHELL_FINDING_READONLY_LARGER, /* the same, and is looser than any baseline allows */
    SHELL_FINDING_AFTER,   /* replaces the policy's limit, or fails where that is enforced */
    SHELL_FINDING_LITERAL, /* the number in our own script is larger than the policy's */
    SHELL_FINDING_CHANGED, /* our own script is not as packaged, and shells read this line */
    SHELL_FINDING_UNREAD   /* the same, and they don't */
};

struct shell_finding {
    enum shell_finding_kind kind;
    char *file;
    unsigned line;
    char *text;    /* the line's commands */
    bool csh;      /* in a file of tcsh's, where the limit is in minutes; else in seconds */
    long value;    /* in that unit; -1 where the line does not tell it as a number */
    bool readonly; /* the file makes the variable readonly */
};

/* Start with {0}; end with shell_findings_free(). */
struct shell_findings {
    struct shell_finding *item;
    size_t count;
};

/*
 * Finds every line of the system's shell files that gives TMOUT or tcsh's
 * autologout a value or unsets it, except in our own scripts. Files that cannot
 * be read are passed over. Returns 0, or -1: out of memory.
 */
int shell_findings_find(const struct host *host, struct shell_findings *findings);

/* Adds one, whose strings are copied. Returns 0, or -1: out of memory. */
int shell_findings_add(struct shell_findings *findings, const struct shell_finding *finding);

/* Should the line be removed because it defeats the policy? */
bool shell_finding_is_conflict(const struct shell_finding *finding);

/* What it means and what to do, for people. */
const char *shell_finding_advice(const struct shell_finding *finding);

void shell_findings_free(struct shell_findings *findings);

#endif
