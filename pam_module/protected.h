/*
 * Work that the user must not be able to stop or kill half-way. A program such
 * as su runs with the user's real uid: the user can send it signals, and has set
 * its limits.
 */
#ifndef TMOUT_PAM_MODULE_PROTECTED_H
#define TMOUT_PAM_MODULE_PROTECTED_H

#include "lib/host/failure.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

struct protection {
    uid_t real, effective, saved;
    struct rlimit file_size;
    sigset_t signals;
    bool has_other_ids, has_file_size, has_other_file_size;
};

/*
 * Between these two calls all of the process's uids are 0, signals are blocked,
 * and the file size limit is lifted. Keep the work between them short. Returns
 * 0, or -1 with a reason and everything as before.
 */
int protect_begin(struct protection *before, struct failure *failure);
void protect_end(const struct protection *before);

#endif
