/*
 * sshd's configuration as it is written, with Include followed as sshd does.
 * For what `sshd -T` cannot tell: where a value is set, what a Match block has,
 * and why sshd does not start at all.
 */
#ifndef TMOUT_TMOUTCTL_SSHD_TEXT_H
#define TMOUT_TMOUTCTL_SSHD_TEXT_H

#include "tools/tmoutctl/host/host.h"

#include <stdbool.h>
#include <stddef.h>

struct sshd_line {
    char *keyword;   /* as it is written; sshd ignores case */
    char *arguments; /* the rest, for sshd_next_word() */
    char *file;
    unsigned line;
    bool in_match;
};

struct sshd_text {
    struct sshd_line *line;
    size_t count;
    /* The first file that cannot be read, or is included too deep or in a loop;
     * NULL if there is none. */
    char *problem;
    char *problem_file;
    unsigned problem_line; /* of the Include; 0: the file as a whole */
};

#define SSHD_CONFIG_PATH "/etc/ssh/sshd_config"

/*
 * Reads the host's sshd_config and what it includes, without comments and empty
 * lines. Returns 0, or -1: out of memory. The caller frees the text either way.
 */
int sshd_text_read(const struct host *host, struct sshd_text *text);

void sshd_text_free(struct sshd_text *text);

/* The first line outside of every Match block that has this keyword, in
 * whatever case: sshd uses its value. NULL if there is none. */
const struct sshd_line *sshd_text_first(const struct sshd_text *text, const char *keyword);

/* Takes the next word of *at, without its quotes, into word; what is too long
 * is cut off. False: no more. */
bool sshd_next_word(const char **at, char *word, size_t size);

#endif
