/*
 * Work that the user must not be able to stop or kill half-way. A program
 * like su runs with his real uid: he may send it signals, and has set its
 * limits.
 */
#ifndef TMOUT_PAM_MODULE_PROTECTED_H
#define TMOUT_PAM_MODULE_PROTECTED_H

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
 * Between the two, the process is root's in every respect, signals wait, and
 * files may be written. Nothing between may take long. Returns 0, or -1 with
 * errno and everything as before.
 */
int protect_begin(struct protection *before);
void protect_end(const struct protection *before);

#endif
