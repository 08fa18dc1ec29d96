/*
 * One section of a policy, as its parts are found: checks names and values,
 * reports what is wrong with them, and keeps the rest as a rule.
 */
#ifndef TMOUT_POLICY_SECTION_H
#define TMOUT_POLICY_SECTION_H

#include <stdbool.h>

#include "lib/policy/problems.h"
#include "lib/policy/rules.h"

struct section {
    const char *file; /* for messages */
    struct problems *problems;
    struct rule rule;                   /* its name and text belong to the section */
    bool has_kind;                      /* rule.kind is known */
    bool has_name;                      /* rule.name is, "" for default */
    size_t errors;                      /* found in it */
    bool no_memory;                     /* something could not be kept */
    unsigned first_line[SETTING_COUNT]; /* where each setting was given first, or 0 */
};

/* Begins a section in this line; file_index is the rule's origin. */
void section_begin(struct section *section, const char *file, uint32_t file_index, unsigned line,
                   struct problems *problems);

void section_free(struct section *section);

/* Reports an error in the section. */
void section_error(struct section *section, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Is this the word of a kind: default, group or user? */
bool section_find_kind(const char *word, enum rule_kind *kind);

/* The section's first word; one that is no kind is an error. */
void section_set_kind(struct section *section, unsigned line, const char *word);

/* The name of its user or group. */
void section_set_name(struct section *section, unsigned line, const char *name);

/* The setting called name, or NULL after an error. *meant is the same, or the
 * setting with a name like it, or NULL. */
const struct setting *section_find_setting(struct section *section, unsigned line, const char *name,
                                           const struct setting **meant);

/* Takes note of a setting without a value that could be read. Given again it
 * is an error. Returns whether this is the first time. */
bool section_note_setting(struct section *section, unsigned line, const struct setting *setting);

/* Takes a setting's value, as section_note_setting(). */
void section_set_value(struct section *section, unsigned line, const struct setting *setting,
                       const char *text);

#endif
