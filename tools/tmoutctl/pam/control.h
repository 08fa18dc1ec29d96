/*
 * What the control of a PAM line makes of each result of its module: a word
 * such as `requisite`, or `[result=action ...]`. Pure. Facts from
 * _pam_parse_control() of Linux-PAM 1.5.2 to 1.7.
 */
#ifndef TMOUT_TMOUTCTL_PAM_CONTROL_H
#define TMOUT_TMOUTCTL_PAM_CONTROL_H

#include <security/_pam_types.h>
#include <stdbool.h>

/* Results are numbered from 0, PAM_SUCCESS, to this, exclusive. */
enum { PAM_RESULTS = _PAM_RETURN_VALUES };

/* What is done with a result. A positive number jumps over as many lines. */
enum pam_action {
    ACTION_IGNORE = 0,
    ACTION_OK = -1,
    ACTION_DONE = -2,
    ACTION_BAD = -3,
    ACTION_DIE = -4,
    ACTION_RESET = -5
};

/*
 * Fills in the action for each result. control is as written, with or without
 * its brackets, which make no difference to libpam. False if it is malformed:
 * then every action is ACTION_BAD, as in libpam.
 */
bool pam_control_parse(const char *control, int action[PAM_RESULTS]);

/*
 * The text of a control with every jump over N lines made one over
 * moved(N, context) lines, and nothing else changed. The caller frees it; NULL:
 * out of memory.
 */
char *pam_control_move_jumps(const char *control, int (*moved)(int jump, const void *context),
                             const void *context);

/*
 * Does the login proceed, through the rest of the stack, whatever the module
 * returns? It does with `optional`, and where every failure is ignored and
 * success is ignored or ok.
 */
bool pam_control_never_blocks(const char *control);

/* Does every error that our auth line returns end the stack, and PAM_IGNORE
 * leave it alone? */
bool pam_control_rejects_at_once(const char *control);

#endif
