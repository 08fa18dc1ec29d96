/* What the policy's settings are called in sshd_config, and how their values
 * are written there: one table. */
#ifndef TMOUT_TMOUTCTL_SSHD_KEYWORDS_H
#define TMOUT_TMOUTCTL_SSHD_KEYWORDS_H

#include "lib/policy/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of OpenSSH: 9.2. */
struct sshd_version {
    int major, minor;
};

struct sshd_keyword {
    enum setting_id id;
    const char *keyword;       /* as in sshd_config(5) */
    struct sshd_version since; /* the first version that has it */
};

/* In the order in which they are written. sshd accepts those that groups and
 * users may have in Match blocks. */
extern const struct sshd_keyword sshd_keywords[];
extern const size_t sshd_keyword_count;

/* Parses "9.2" or "9.2p1". Returns 0, or -1 if it is neither. */
int sshd_version_parse(const char *text, struct sshd_version *version);

bool sshd_version_before(const struct sshd_version *version, const struct sshd_version *other);

/*
 * A setting's value as it is written in sshd_config, into text; for a
 * SETTING_TEXT the value is in setting_text. size >= SETTING_TEXT_MAX.
 */
void sshd_value_format(enum setting_id id, int64_t value, const char *setting_text, char *text,
                       size_t size);

/*
 * Is this the value that sshd uses? printed is what `sshd -T` prints after the
 * keyword, NULL if it prints no such line.
 */
bool sshd_value_is(enum setting_id id, int64_t value, const char *setting_text,
                   const char *printed);

#endif
