/*
 * The files that make a policy: /etc/security/tmout.conf and, from the
 * directory of the same name with ".d" added, every *.conf in C-locale order.
 */
#ifndef TMOUT_POLICY_SOURCE_H
#define TMOUT_POLICY_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/policy/problems.h"

enum source_kind {
    SOURCE_ABSENT = 0, /* nothing there */
    SOURCE_FILE = 1,
    SOURCE_DIRECTORY = 2,
    SOURCE_OTHER = 3, /* neither of these, or it cannot be inspected */
    SOURCE_PARENT = 4 /* a directory above: only its owner and mode count */
};

/* Identifies the version of a file that was read. An edit of the same size with
 * the old mtime restored shows in ctime, which nobody can set. */
struct source_identity {
    uint32_t kind;
    uint64_t inode;
    uint64_t size; /* of a file; of a parent its owner and mode */
    int64_t mtime_ns, ctime_ns;
};

/* A hundred times the largest policy in use; keeps a file that is there by
 * mistake, such as a log, from filling memory. */
#define SOURCE_MAX_BYTES (8 * 1024 * 1024)

struct source {
    char *path;
    struct source_identity identity; /* taken before the text was read */
    char *text;                      /* NUL-terminated; NULL if not a file or not readable */
    size_t size;
};

/* item[0] is the main file, item[1] the drop-in directory, then the
 * drop-ins; and if something could not be read, the directories above the main
 * file. Start with {0}; end with sources_free(). */
struct source_set {
    struct source *item;
    size_t count;
};

/* What is at path now, as a parent or as what it is. Never fails: what cannot be
 * inspected is OTHER. */
struct source_identity source_identity_now(const char *path, bool as_parent);

bool source_identity_equal(const struct source_identity *a, const struct source_identity *b);

/*
 * Reads the main file and its drop-ins; owner as in secure_path.h. What is wrong
 * with them (missing, insecure, too large, unreadable) is added to problems; the
 * identities are complete all the same, so that a rejection can be recorded.
 * Returns 0, or -1: out of memory.
 */
int sources_read(const char *config_path, uid_t owner, struct source_set *set,
                 struct problems *problems);

/* A text that is to replace one of the files, or to be a new one. */
struct source_draft {
    const char *path; /* the main file's, or that of a drop-in */
    const char *text;
    size_t size;
};

/* The same as if the draft were in its place, with the right owner and mode. */
int sources_read_with(const char *config_path, uid_t owner, const struct source_draft *draft,
                      struct source_set *set, struct problems *problems);

/*
 * Reads one file as the whole policy, to check its text before it is installed:
 * insecure permissions are a note, not an error. Otherwise as sources_read().
 */
int source_read_draft(const char *path, uid_t owner, struct source_set *set,
                      struct problems *problems);

/* Reads one file, or the draft that is to replace it (NULL: none), which then is the set's
 * last; otherwise as sources_read(). */
int source_read_one(const char *path, uid_t owner, const struct source_draft *draft,
                    struct source_set *set, struct problems *problems);

/* Do all of them still have their identity? */
bool sources_unchanged(const struct source_set *set);

/* When any of them last changed, in nanoseconds of the wall clock. */
int64_t sources_newest_change_ns(const struct source_set *set);

void sources_free(struct source_set *set);

#endif
