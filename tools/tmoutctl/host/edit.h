/*
 * Changes to a host's text files, line by line: what a patch would do. Nothing
 * here writes to the host.
 */
#ifndef TMOUT_TMOUTCTL_HOST_EDIT_H
#define TMOUT_TMOUTCTL_HOST_EDIT_H

#include "lib/host/map.h"
#include "tools/tmoutctl/host/text_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct host;

enum edit_kind {
    EDIT_REPLACE, /* the line */
    EDIT_INSERT,  /* before the line; EDIT_END: after the last one */
    EDIT_DELETE   /* the line */
};

/* The line number for what goes after the last line, or into a new file. */
#define EDIT_END 0U

/*
 * One change. All edits of a file count its lines as they are on the host now,
 * whatever the others do. Of a line that is continued on the next (a backslash
 * at its end), each physical line is replaced or deleted by itself.
 */
struct edit {
    enum edit_kind kind;
    char *file;    /* of the host: an absolute path below its root */
    unsigned line; /* from 1 */
    char *text;    /* one line or more, without the last newline; NULL to delete */
};

/* Which file an edit is about, once that was looked up: on the host, as it is. */
struct edit_target {
    size_t path_length; /* of the edit's own name for it */
    size_t earlier;     /* the edit before it with the same key, as in by_key; 0: none */
    bool is_known;
    dev_t device;
    ino_t inode;
};

/* Start with {0}; end with edits_free(). */
struct edits {
    struct edit *item;
    struct edit_target *target; /* of item[], for edits_run() */
    size_t count;
    struct map by_key; /* the number of the last edit with a key, plus one */
};

/*
 * Adds a copy of a change, unless the list has an equal one: several findings
 * may ask for the same. Insertions before the same line keep their order.
 * Returns 0, or -1: out of memory.
 */
int edits_add(struct edits *edits, const struct edit *edit);

/* The same for all of another list. */
int edits_add_all(struct edits *edits, const struct edits *added);

/* Has the list all changes of another one? */
bool edits_include(const struct edits *edits, const struct edits *others);

/* Does the list replace or delete the same line in another way, so that both cannot be made?
 * The path that each has for the file counts; links are not followed. */
bool edits_conflict(const struct edits *edits, const struct edit *edit);

void edits_free(struct edits *edits);

/* A line of a file before or after its edits. */
enum edited_mark { EDITED_KEPT, EDITED_REMOVED, EDITED_ADDED };
struct edited_line {
    enum edited_mark mark;
    char *text; /* size bytes with the line ending, if the line has one */
    size_t size;
};

/* The lines in their order, a removed one before what replaces it. Start with
 * {0}; end with edited_text_free(). */
struct edited_text {
    struct edited_line *line;
    size_t count;
    char *old;    /* the texts of lines that are not added */
    bool changed; /* has it a line that is removed or added? */
};

/*
 * Runs those edits that are about the host's file at path, whose text is in
 * before (text is NULL where there is no such file). Symbolic links are
 * followed: an edit may know the file by another name. A line that is replaced
 * keeps its own ending, a new one gets that of its neighbor, and a file without
 * a newline at its end stays one. Returns 0, or -1 with errno: ENOMEM, or ERANGE
 * for a line that the file does not have, or that two edits change differently.
 * edited is to be freed either way.
 */
int edits_run(const struct edits *edits, const struct host *host, const char *path,
              const struct text_file *before, struct edited_text *edited);

/* The same for edits of one file, items of one list, which are sorted for it; and for a part
 * of the file: whole lines after those `before`. */
int edits_run_lines(const struct edit **edit, size_t count, const struct text_file *lines,
                    unsigned before, struct edited_text *edited);

/* Puts the new text in the place of the file's, which is freed. Returns 0, or -1
 * with errno: out of memory. */
int edited_text_take(const struct edited_text *edited, struct text_file *file);

void edited_text_free(struct edited_text *edited);

/* Paths of a host's files. Start with {0}; end with host_paths_free(). */
struct host_paths {
    char **item;
    size_t count;
};

/* Adds a copy of a path unless it is there. Returns 0, or -1: out of memory. */
int host_paths_add(struct host_paths *paths, const char *path);

/*
 * Finds the host's files that match a pattern of glob(7), as absolute paths below
 * its root in the order of their bytes; with host->edits, also the files that
 * these would create. Returns 0, or -1: out of memory.
 */
int host_find_paths(const struct host *host, const char *pattern, struct host_paths *paths);

void host_paths_free(struct host_paths *paths);

/*
 * Reads the host's file at path, as read_large_text_file(), with host->edits
 * applied if there are any: the file as it would be. status is that of the
 * file on the host, or all zero for a new one.
 */
int host_read_text(const struct host *host, const char *path, int flags, size_t size_max,
                   struct text_file *file);

#endif
