/*
 * sshd's configuration as it is written, with Include followed as sshd does.
 * For what `sshd -T` cannot tell: where a value is set, what a Match block has,
 * and why sshd does not start at all.
 */
#ifndef TMOUT_TMOUTCTL_SSHD_TEXT_H
#define TMOUT_TMOUTCTL_SSHD_TEXT_H

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/host/vendor.h"

#include <stdbool.h>
#include <stddef.h>

struct sshd_line {
    char *text;      /* all of it, without the newline */
    char *keyword;   /* as it is written; sshd ignores case */
    char *arguments; /* the rest, for sshd_next_word() */
    char *file;
    unsigned line;
    bool in_match;
    size_t match; /* in a block: the index of its Match line */
};

struct sshd_text {
    struct sshd_line *line;
    size_t count;
    /* The first file that cannot be read, or is included too deep or in a loop;
     * NULL if there is none. */
    char *problem;
    char *problem_file;
    unsigned problem_line; /* of the Include; 0: the file as a whole */
    char *blocking_file; /* not a regular one, as a FIFO: sshd may wait for it for ever; or NULL */
};

#define SSHD_CONFIG_PATH   "/etc/ssh/sshd_config"
#define SSHD_CONFIG_VENDOR VENDOR_PREFIX SSHD_CONFIG_PATH

/* The file that sshd reads: SSHD_CONFIG_PATH or, where that does not exist and
 * the distribution has its own elsewhere, as SUSE, that one; static. */
const char *sshd_config_path(const struct host *host);

/*
 * Reads the host's sshd_config and what it includes, without comments and empty
 * lines. Returns 0, or -1: out of memory. The caller frees the text either way.
 */
int sshd_text_read(const struct host *host, struct sshd_text *text);

void sshd_text_free(struct sshd_text *text);

/* The first line outside of every Match block that has this keyword, in
 * whatever case: sshd uses its value. NULL if there is none. */
const struct sshd_line *sshd_text_first(const struct sshd_text *text, const char *keyword);

/* The pattern of an Include as an absolute one, into full. */
void sshd_include_pattern(const char *pattern, char *full, size_t size);

/*
 * Finds the files that an Include with this pattern reads, in sshd's order.
 * Returns 0, or -1: out of memory. paths is to be freed either way.
 */
int sshd_include_paths(const struct host *host, const char *pattern, struct host_paths *paths);

/* The keyword of the line at text, into *length; *rest is what follows. NULL: it
 * is empty or a comment. */
const char *sshd_line_keyword(const char *text, size_t *length, const char **rest);

/* The comment at the end of a line, with the blanks before it; "" if there is
 * none. */
const char *sshd_line_comment(const char *text);

/* Takes the next word of *at, without its quotes, into word; what is too long
 * is cut off. False: no more. */
bool sshd_next_word(const char **at, char *word, size_t size);

#endif
