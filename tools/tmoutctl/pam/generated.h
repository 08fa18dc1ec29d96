/* Who writes a host's PAM files: what a tool generates is not to be edited. */
#ifndef TMOUT_TMOUTCTL_PAM_GENERATED_H
#define TMOUT_TMOUTCTL_PAM_GENERATED_H

#include "tools/tmoutctl/host/host.h"

enum pam_author {
    PAM_AUTHOR_PERSON, /* or a package, as a configuration file to be edited */
    PAM_AUTHOR_AUTHSELECT,
    PAM_AUTHOR_AUTHCONFIG,
    PAM_AUTHOR_PAM_AUTH_UPDATE,
    PAM_AUTHOR_PAM_CONFIG,
    PAM_AUTHOR_VENDOR, /* a package, in /usr: an update replaces it */
    PAM_AUTHOR_UNKNOWN /* it cannot be read */
};

/* path is that of the host's file, absolute; symbolic links are followed. */
enum pam_author pam_author_of(const struct host *host, const char *path);

/* "is written by authselect" and so on, and what to do instead of editing it:
 * halves of a sentence. */
const char *pam_author_text(enum pam_author author);
const char *pam_author_remedy(enum pam_author author);

#endif
