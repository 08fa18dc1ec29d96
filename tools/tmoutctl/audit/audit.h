/*
 * What every area of an audit works with: the host, the policy, and the list
 * of findings. An area (areas.h) reads its part of the host and runs a table
 * of checks over it.
 */
#ifndef TMOUT_TMOUTCTL_AUDIT_AUDIT_H
#define TMOUT_TMOUTCTL_AUDIT_AUDIT_H

#include "tools/tmoutctl/audit/findings.h"
#include "tools/tmoutctl/host/diff.h"
#include "tools/tmoutctl/host/fleet_view.h"
#include "tools/tmoutctl/host/host.h"
#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/sshd/copy.h"
#include "tools/tmoutctl/sshd/installed.h"
#include "tools/tmoutctl/cli.h"

#include "lib/policy/rules.h"

#include <stddef.h>
#include <sys/types.h>
#include <time.h>

/* The policy as the patch would make it: see audit_baseline_plan(). */
struct policy_plan {
    bool is_made;
    struct policy_view view;
    struct policy policy;
    bool *absent;
};

/* Start with the first four fields; end with audit_free(). */
struct audit {
    const struct host *host;
    uid_t owner;                            /* who must own our files: root, but in tests */
    const struct tmoutctl_context *context; /* its paths are not below the host's root */
    struct timespec started; /* edits of files that change later are dropped; 0: they are not */
    struct sshd_program sshd;
    struct failure no_sshd;  /* why sshd was not found, else "" */
    struct failure no_names; /* why the name service is not asked any more, else "" */
    struct sshd_copy copy;   /* of its configuration, where that is not this host's own */
    bool tmoutd_is_running;  /* once audit_policy() has looked */
    struct fleet_view fleet; /* once audit_fleet() has asked */
    bool has_view;           /* is a policy in force, or valid on disk? */
    struct policy_view view;
    struct policy policy; /* all its rules */
    bool *absent;         /* for each: it names a user or group whom this host lacks; or NULL */
    bool is_text;         /* they were read from the text, so its line numbers are theirs */
    struct policy_plan plan;
    struct findings findings;
    struct diff_files files; /* that the patch is about */
};

/* Finds sshd, the policy that `tmoutctl show` uses, and its rules: in the text
 * or, where that is rejected, in the snapshot. What is missing is for the
 * areas to report. */
void audit_start(struct audit *audit);

void audit_free(struct audit *audit);

/* Exchanges the policy for the planned one, if there is one, or back: what the areas find
 * in between is about the host with that one. */
void audit_swap_policy(struct audit *audit);

/* What would be right where the name service cannot be asked. */
#define ASK_AGAIN "Make the sources in /etc/nsswitch.conf answer, and audit again."

/* Would these questions to the name service come back, and did all earlier ones?
 * ask(context) asks them in a child; a call that does not come back in time sets
 * audit->no_names. */
bool audit_names_answer(struct audit *audit, void (*ask)(void *context), void *context);

/* A check and the function that runs it; facts is what the area has read. */
struct audit_step {
    enum audit_check check;
    void (*run)(struct audit *audit, const void *facts);
};

/* Runs steps[count]. A check that adds no finding passes. */
void audit_run(struct audit *audit, const struct audit_step *steps, size_t count,
               const void *facts);

/* Room for a rule's title: each character of the name may need a backslash. */
#define RULE_TITLE_MAX (2 * RULE_NAME_MAX + 32)

/* `group "ops"` or `default`, as it is written in a policy, into text; text is
 * returned. */
const char *rule_title(const struct rule *rule, char *text, size_t size);

/* The rule of this kind and name, or NULL. */
const struct rule *rule_find(const struct policy *policy, enum rule_kind kind, const char *name);

/* The value of a setting for a rule: its own, else that of the default section
 * or of the code. */
int64_t rule_value(const struct audit *audit, const struct rule *rule, enum setting_id id);

/* Does tmoutd enforce this setting, and nothing else? */
bool needs_tmoutd(enum setting_id id);

/* Does any rule set this to something other than none? */
bool any_rule_sets(const struct audit *audit, enum setting_id id);

/* The path of the file that a rule or setting of the policy is in. */
const char *policy_file(const struct audit *audit, uint32_t file, char *path, size_t size);

#endif
