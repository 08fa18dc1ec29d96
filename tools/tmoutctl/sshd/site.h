/*
 * The site's own Match blocks: they come after the policy's default section in
 * the drop-in, and take precedence over it.
 */
#ifndef TMOUT_TMOUTCTL_SSHD_SITE_H
#define TMOUT_TMOUTCTL_SSHD_SITE_H

#include "tools/tmoutctl/sshd/keywords.h"
#include "tools/tmoutctl/sshd/text.h"

/* Where the output of `tmoutctl sshd-config` goes. */
#define SSHD_DROP_IN "/etc/ssh/sshd_config.d/00-tmout.conf"

/* A value in such a block of a setting that the policy has, too. */
struct sshd_site_value {
    const struct sshd_keyword *keyword;
    char text[64]; /* as the site has written it */
    int64_t value;
};

/* False if the line is not in such a block, or has no such setting. Pure. */
bool sshd_site_read(const struct sshd_line *line, struct sshd_site_value *site);

/* Is a value of a setting at least as strict as the one that is asked for? */
bool setting_is_enough(const struct setting *setting, int64_t actual, int64_t asked);

/* Is a value that sshd prints stricter than another one that is written as in
 * sshd_config? Not where one of them cannot be compared. */
bool sshd_value_is_stricter(enum setting_id id, const char *printed, const char *written);

/* Does sshd read this number or time as 0? It accepts 00, +0 and 0m0s, too. */
bool sshd_is_zero(const char *value);

#endif
