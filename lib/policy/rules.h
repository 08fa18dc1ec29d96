/*
 * A policy in memory: the rules of all its files, merged. Only tmoutctl has
 * one; logins use its compiled form, the snapshot.
 */
#ifndef TMOUT_POLICY_RULES_H
#define TMOUT_POLICY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/policy/settings.h"

/* Written into snapshots as numbers: append only, never reorder. */
enum rule_kind { RULE_DEFAULT = 0, RULE_GROUP = 1, RULE_USER = 2 };

/* The longest name of a user or group that a rule can have, in bytes. */
#define RULE_NAME_MAX 255

struct rule_setting {
    bool set;
    int64_t value;
    uint32_t file; /* index into the source set */
    uint32_t line;
};

struct rule {
    enum rule_kind kind;
    char *name; /* "" for the default section */
    char *text; /* of the one setting that is a SETTING_TEXT, or NULL */
    uint32_t file, line;
    struct rule_setting setting[SETTING_COUNT];
};

/* Start with {0}; end with policy_free(). */
struct policy {
    struct rule *rule; /* sorted by kind and name once merged */
    size_t count;
};

/* The word that begins a rule of this kind in a policy. */
const char *rule_kind_word(enum rule_kind kind);

/* Appends a rule and takes ownership of its name and text. Returns 0, or -1: out
 * of memory, and both stay the caller's. */
int policy_append(struct policy *policy, const struct rule *rule);

void policy_free(struct policy *policy);

#endif
