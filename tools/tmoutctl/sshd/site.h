/*
 * The site's own Match blocks: they come after what the policy's default
 * section has in the drop-in, and beat it.
 */
#ifndef TMOUT_TMOUTCTL_SSHD_SITE_H
#define TMOUT_TMOUTCTL_SSHD_SITE_H

#include "tools/tmoutctl/sshd/keywords.h"
#include "tools/tmoutctl/sshd/text.h"

/* Where the output of `tmoutctl sshd-config` belongs. */
#define SSHD_DROP_IN "/etc/ssh/sshd_config.d/00-tmout.conf"

/* What a line of theirs says of a setting that is the policy's, too. */
struct sshd_site_value {
    const struct sshd_keyword *keyword;
    char text[64]; /* as the site has written it */
    int64_t value;
};

/* False: it is none of theirs, or no such setting. Pure. */
bool sshd_site_read(const struct sshd_line *line, struct sshd_site_value *site);

/* Is what sshd reads as a number or a time 0, however it is written? It takes
 * 00, +0 and 0m0s, too. */
bool sshd_is_zero(const char *value);

#endif
