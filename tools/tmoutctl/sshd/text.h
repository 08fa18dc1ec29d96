/*
 * sshd's configuration as it is written, with Include followed as sshd does
 * it. For what `sshd -T` cannot tell: where a value stands, what a Match block
 * holds, and why sshd does not start at all.
 */
#ifndef TMOUT_TMOUTCTL_SSHD_TEXT_H
#define TMOUT_TMOUTCTL_SSHD_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct sshd_line {
    char *keyword;   /* as it is written; sshd does not mind the case */
    char *arguments; /* the rest, for sshd_next_word() */
    char *file;
    unsigned line;
    bool in_match;
};

struct sshd_text {
    struct sshd_line *line;
    size_t count;
    char *problem; /* the first file that cannot be read, or is included too deep; or NULL */
    char *problem_file;
    unsigned problem_line;
};

#define SSHD_CONFIG_PATH "/etc/ssh/sshd_config"

/*
 * Reads ROOT/etc/ssh/sshd_config and what it includes; root is "" but in
 * tests. Comments and empty lines are left out. Returns 0, or -1: no memory.
 * The caller frees, whatever the outcome.
 */
int sshd_text_read(const char *root, struct sshd_text *text);

void sshd_text_free(struct sshd_text *text);

/* The first line outside every Match block that has this keyword, whose value
 * counts for sshd; NULL: there is none. */
const struct sshd_line *sshd_text_first(const struct sshd_text *text, const char *keyword);

/* Takes the next word of *at, its quotes removed, into word. False: no more. */
bool sshd_next_word(const char **at, char *word, size_t size);

#endif
