/*
 * Reading snapshots. A snapshot is a policy compiled into a file that a login
 * searches instead of reading all of it, so that the cost does not depend on the
 * policy's size.
 *
 * The same format, under another name and magic, records a policy that was
 * rejected: the identities of its sources, and the reason.
 *
 * Read with pread() only: a file that is truncated under a mapping would kill
 * the host process with SIGBUS. Every part that is read has a checksum, and every
 * offset is checked before it is followed; what does not match counts as damaged,
 * never as "no rule".
 */
#ifndef TMOUT_POLICY_SNAPSHOT_READ_H
#define TMOUT_POLICY_SNAPSHOT_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/host/failure.h"
#include "lib/policy/rules.h"
#include "lib/policy/snapshot_format.h"

enum snapshot_status {
    SNAPSHOT_OK,
    SNAPSHOT_ABSENT,  /* no such file */
    SNAPSHOT_DENIED,  /* root is denied it by SELinux, for example */
    SNAPSHOT_UNUSABLE /* insecure, damaged, or not readable: the failure says which */
};

struct snapshot {
    int fd;
    uint64_t file_size;
    uint64_t body_checksum;
    int64_t created_sec; /* wall clock, for people */
    uint32_t bucket_offset, bucket_count;
    uint32_t rule_count[RULE_USER + 1]; /* by enum rule_kind */
    uint32_t source_count, message_size;
    unsigned char *block; /* the sources, then the message */
    size_t block_size;
    unsigned char *front; /* the file's first bytes, often all of it */
    size_t front_size;
};

/* A rule of the snapshot: the settings that it has; the rest is zero. */
struct snapshot_rule {
    struct rule_setting setting[SETTING_COUNT];
    char text[SETTING_TEXT_MAX]; /* of the one that is a SETTING_TEXT, else "" */
};

/*
 * Opens STATE_DIR/policy.v1 or rejected.v1; owner as in secure_path.h. On
 * SNAPSHOT_OK the caller closes with snapshot_close().
 */
enum snapshot_status snapshot_open(const char *state_dir, enum snapshot_kind kind, uid_t owner,
                                   struct snapshot *snapshot, struct failure *failure);

/* The same from an open file, which belongs to the snapshot on SNAPSHOT_OK. */
enum snapshot_status snapshot_open_fd(int fd, enum snapshot_kind kind, struct snapshot *snapshot,
                                      struct failure *failure);

void snapshot_close(struct snapshot *snapshot);

/* A number that differs from that of any other snapshot, and from 0. */
uint64_t snapshot_identity(const struct snapshot *snapshot);

/* Was it compiled from the policy at config_path as it is on disk now? */
bool snapshot_is_current(const struct snapshot *snapshot, const char *config_path);

/* Reads all of it: is no part damaged? A login reads only what it needs. */
bool snapshot_is_intact(const struct snapshot *snapshot);

/*
 * Looks up the rule of this kind and name. Returns 1 and fills *rule, 0 if
 * there is none, -1 if the snapshot is damaged.
 */
int snapshot_find(const struct snapshot *snapshot, enum rule_kind kind, const char *name,
                  struct snapshot_rule *rule);

/* Called with a rule's name, which is valid during the call only. */
typedef int snapshot_visit_name(void *context, const char *name, size_t length);

/*
 * Calls visit with the name of each group rule, in the order of their names,
 * until it returns another number than 0, which is then returned. -1 also means
 * that the snapshot is damaged. Does not read the rules for users.
 */
int snapshot_each_group(const struct snapshot *snapshot, snapshot_visit_name *visit, void *context);

/* Called for each rule; name and rule are valid during the call only. */
typedef int snapshot_visit_rule(void *context, enum rule_kind kind, const char *name,
                                const struct snapshot_rule *rule);

/*
 * Calls visit for all rules, in no particular order, until it returns another
 * number than 0, which is then returned. -1 also means that the snapshot is
 * damaged; visit may have been called before.
 */
int snapshot_each_rule(const struct snapshot *snapshot, snapshot_visit_rule *visit, void *context);

/* Copies the path of the source with this number to path, always terminated;
 * "?" if there is none. Returns whether it is a file that was read: the directory of
 * the drop-ins is a source, too. */
bool snapshot_source_path(const struct snapshot *snapshot, uint32_t number, char *path,
                          size_t size);

/* Copies the reason of a rejection to text, always terminated. */
void snapshot_message(const struct snapshot *snapshot, char *text, size_t size);

#endif
