/* What in the system's shell files sets a limit besides us, and what that means. */
#ifndef TMOUT_TMOUTCTL_SHELLS_FINDINGS_H
#define TMOUT_TMOUTCTL_SHELLS_FINDINGS_H

#include <jansson.h>

/*
 * Every line of those files that gives TMOUT or tcsh's autologout a value or
 * takes it away, except in our own scripts:
 * [{"file","line","text","unit","value","readonly","conflict","meaning"}]. value
 * is the number in seconds or, in tcsh's files, minutes, as unit says, or null
 * if it can't be read off the line;
 * conflict is true where the line should go; meaning is advice for people.
 * Files that can't be read are passed over. The caller releases the array;
 * NULL: no memory.
 */
json_t *list_shell_findings(void);

#endif
