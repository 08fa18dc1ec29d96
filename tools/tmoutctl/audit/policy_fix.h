/*
 * Edits of the policy's own text: a setting of a rule gets a value. Each is tried
 * in memory: the policy must compile, and differ in this setting only.
 */
#ifndef TMOUT_TMOUTCTL_AUDIT_POLICY_FIX_H
#define TMOUT_TMOUTCTL_AUDIT_POLICY_FIX_H

#include "tools/tmoutctl/audit/audit.h"

/* A value that a finding asks for. */
struct policy_wish {
    struct finding *finding;
    enum rule_kind kind; /* of the rule, which may not exist yet */
    const char *name;
    enum setting_id id;
    char value[SETTING_TEXT_MAX]; /* as in a policy, without quotes */
};

/* Start with {0}; end with policy_wishes_free(). The strings are the caller's. */
struct policy_wishes {
    struct policy_wish *item;
    size_t count;
};

/* Returns 0, or -1: out of memory. */
int policy_wishes_add(struct policy_wishes *wishes, const struct policy_wish *wish);

/*
 * Gives each finding the edit that grants its wish: in place where a line has the
 * setting, else on a line after another one of its section, else in a new section
 * at the end of the main file, which findings share. A finding gets none where the
 * text is not in force, or not as expected. Where the value needs tmoutd, which does
 * not run, it gets the command that starts it instead, and the wish is dropped.
 */
void policy_wishes_grant(struct audit *audit, struct policy_wishes *wishes);

/* Gives audit->plan the policy with these edits; nothing where there are none, or they
 * have no place in the text. Without memory, findings.out_of_memory is set. */
void policy_plan_make(struct audit *audit, const struct edits *edits);

void policy_wishes_free(struct policy_wishes *wishes);

#endif
