/* Who writes a host's PAM files: what a tool generates is not to be edited. What
 * is no tool of PAM's is in host/generated.h. */
#ifndef TMOUT_TMOUTCTL_PAM_GENERATED_H
#define TMOUT_TMOUTCTL_PAM_GENERATED_H

#include "tools/tmoutctl/host/host.h"

/* Why a file is not to be edited, and what to do instead: "is written by
 * authselect" and so on, halves of a sentence, static. */
struct pam_lock {
    const char *because, *instead;
};

/*
 * May the host's file at path be edited, by a patch? path is absolute; symbolic
 * links are followed. Returns NULL if it may, else why it may not; static. With
 * errno ENOMEM it is not known.
 */
const struct pam_lock *pam_file_lock(const struct host *host, const char *path);

#endif
