/* A compiled policy, or the record of a rejected one, as a snapshot's bytes. */
#ifndef TMOUT_POLICY_SNAPSHOT_WRITE_H
#define TMOUT_POLICY_SNAPSHOT_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/policy/rules.h"
#include "lib/policy/snapshot_format.h"
#include "lib/policy/source.h"

/* All of it belongs to the caller. */
struct snapshot_content {
    enum snapshot_kind kind;
    const struct source_set *sources;
    const struct policy *policy; /* may be NULL for SNAPSHOT_REJECTED */
    const char *message;         /* why it was rejected, else "" */
    int64_t created_sec;         /* of the wall clock */
};

/*
 * Encodes a snapshot to *image, which the caller frees. Returns 0, or -1 with
 * errno ENOMEM, or EFBIG if the policy is too large for the format.
 */
int snapshot_encode(const struct snapshot_content *content, unsigned char **image, size_t *size);

#endif
