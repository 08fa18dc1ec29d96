/*
 * Which settings a user has, and which rule gives each: user rules beat group
 * rules, which beat the default section, which beats the built-in default. Of
 * several groups the strictest value wins, of equal ones the first in the policy.
 * The module decides with this, and `tmoutctl show` explains with it.
 */
#ifndef TMOUT_POLICY_RESOLVE_H
#define TMOUT_POLICY_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/policy/snapshot_read.h"

struct resolved_setting {
    int64_t value;
    bool from_rule;      /* else the built-in default, and the rest is unset */
    enum rule_kind kind; /* of the rule that gave it */
    const char *name;    /* of that rule: the caller's string, or "" */
    uint32_t file, line; /* where; file is for snapshot_source_path() */
};

struct resolution {
    struct resolved_setting setting[SETTING_COUNT];
    char text[SETTING_TEXT_MAX]; /* of the one that is a SETTING_TEXT, else "" */
};

/* Returns 0, or -1 if the snapshot is damaged. user and group[] are names as
 * NSS returns them and must outlive the resolution. */
int resolve(const struct snapshot *snapshot, const char *user, const char *const *group,
            size_t group_count, struct resolution *resolution);

/* A setting's value as it would be written in a policy, or "unset"; size >=
 * SETTING_TEXT_MAX. */
void resolution_format(const struct resolution *resolution, enum setting_id id, char *text,
                       size_t size);

/* Does the policy apply to a login over SSH, or to another one? Decided by the
 * setting `sessions`. */
bool resolution_covers(const struct resolution *resolution, bool is_ssh);

/* Setting by setting, the stricter of the two becomes resolution's. */
void resolution_tighten(struct resolution *resolution, const struct resolution *other);

/* The longest text that resolution_limit() makes, with its NUL. */
#define LIMIT_TEXT_MAX 40

/* The value of PAM_TMOUT, for the shells' scripts: "900 readonly", "900 default"
 * or "none". size >= LIMIT_TEXT_MAX. */
void resolution_limit(const struct resolution *resolution, char *text, size_t size);

#endif
