/*
 * /etc/group, line by line, as the source "files" of nsswitch.conf(5) reads it:
 * one pass answers what NSS would read the file for again and again.
 */
#ifndef TMOUT_HOST_GROUP_FILE_H
#define TMOUT_HOST_GROUP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct group_file {
    int fd; /* -1: there is no such file, which has no groups */
    char *text;
    size_t room, next, end; /* text[next..end) has been read and not been used */
    off_t dropped;          /* bytes in front of text[0] */
    bool skips_empty;       /* set by the caller: groups without members are left out */
};

/* The texts are in the file's memory, until the next call, and have no NUL. */
struct group_line {
    const char *name;
    size_t name_length;
    gid_t gid;
    const char *members; /* separated by commas */
    size_t members_length;
};

/* Returns 0, and the caller closes it; or -1 with errno. */
int group_file_open(struct group_file *file, const char *path);

/* Returns 1 and the next group, 0 at the end, -1 with errno. Skips what is no
 * group: malformed lines, comments, and the + and - lines of compat. */
int group_file_next(struct group_file *file, struct group_line *line);

/* Starts at the beginning again. */
void group_file_rewind(struct group_file *file);

void group_file_close(struct group_file *file);

/* Is the user named among the members? */
bool group_line_has(const struct group_line *line, const char *user);

#endif
