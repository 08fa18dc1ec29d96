/*
 * What the control of a PAM line makes of the module's results: a word such as
 * `requisite`, or `[result=action ...]`. libpam takes a result that [...] does
 * not name, in a line without `default`, for bad. Pure.
 */
#ifndef TMOUT_TMOUTCTL_HOST_PAM_CONTROL_H
#define TMOUT_TMOUTCTL_HOST_PAM_CONTROL_H

#include <stdbool.h>

/*
 * Does the login proceed, through the rest of the stack, whatever the module
 * returns? It does with `optional`, and where every failure is ignored and
 * success is ignored or ok.
 */
bool pam_control_never_blocks(const char *control);

/* Does a rejection end the stack, and PAM_IGNORE leave it alone? */
bool pam_control_rejects_at_once(const char *control);

/*
 * Can the module's success end the stack, so that later lines do not run?
 * `done` does so unless the stack has failed already; a `die` does not matter,
 * since it ends the login (_pam_dispatch_aux() of Linux-PAM).
 */
bool pam_control_ends_on_success(const char *control);

/* The most lines that an action of `[result=N ...]` skips; 0: none skips any. */
unsigned long pam_control_jump(const char *control);

#endif
