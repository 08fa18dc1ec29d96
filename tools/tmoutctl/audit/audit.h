/*
 * What `tmoutctl audit` is made of: areas, each of which reads its part of the
 * host and runs a table of checks over it. A check that finds nothing passes.
 * Adding a check is adding a row.
 */
#ifndef TMOUT_TMOUTCTL_AUDIT_AUDIT_H
#define TMOUT_TMOUTCTL_AUDIT_AUDIT_H

#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/sshd/installed.h"
#include "tools/tmoutctl/cli.h"

#include "lib/policy/rules.h"

#include <stdbool.h>
#include <stddef.h>

enum audit_status { AUDIT_PASS, AUDIT_WARN, AUDIT_FAIL };

struct finding {
    enum audit_status status;
    const char *id; /* a stable short word */
    char *message;
    char *mend;    /* the command that puts it right, or NULL */
    char *file;    /* NULL where no file is concerned */
    unsigned line; /* 0: the file as a whole */
    char *control; /* of a baseline, or NULL */
};

struct audit {
    const struct tmoutctl_context *context;
    struct host host;
    struct sshd_program sshd;
    struct failure no_sshd; /* why it was not found, else "" */
    bool has_view;          /* is a policy in force, or valid on disk? */
    struct policy_view view;
    struct policy policy; /* all its rules */
    bool is_text;         /* they are read off the text, so its lines are theirs */
    const char *check;    /* the id of the one that runs */
    struct finding *finding;
    size_t count;
    bool out_of_memory;
};

/* facts is what the area has read. */
struct audit_check {
    const char *id;
    const char *passed; /* what is true where it finds nothing */
    void (*run)(struct audit *audit, const void *facts);
};

/* Runs checks[], which end with id == NULL. */
void audit_run(struct audit *audit, const struct audit_check *checks, const void *facts);

/*
 * Adds what a check has found. file may be NULL, and line 0. Texts are copied;
 * without memory audit->out_of_memory is set and the verb fails.
 */
void audit_add(struct audit *audit, enum audit_status status, const char *file, unsigned line,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Has the check that runs named this place already? */
bool audit_has(const struct audit *audit, const char *file, unsigned line);

/* The command that mends what was added last. One with characters that a
 * terminal does not show as they are is left out: what is pasted would not be
 * what was meant. */
void audit_mend(struct audit *audit, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What only a person can correct in the policy, in an editor, as the mend of
 * what was added last. */
void mend_by_hand(struct audit *audit, const char *file, unsigned line);

/* The baseline's name for what was added last; "": it has none. */
void audit_control(struct audit *audit, const char *control);

/* path as a word of a shell's command line, into text; text is returned. */
const char *shell_word(const char *path, char *text, size_t size);

/* Room for a rule's title: each character of the name may need a backslash. */
#define RULE_TITLE_MAX (2 * RULE_NAME_MAX + 32)

/* `group "ops"` or `default`, as it stands in a policy, into text; text is
 * returned. */
const char *rule_title(const struct rule *rule, char *text, size_t size);

/* What a rule says, or what it leaves to the default section or the code. */
int64_t rule_value(const struct audit *audit, const struct rule *rule, enum setting_id id);

/* Does any rule set this to something that is not none? */
bool any_rule_sets(const struct audit *audit, enum setting_id id);

/* The path of the file that a rule or setting of the policy stands in. */
const char *policy_file(const struct audit *audit, uint32_t file, char *path, size_t size);

/* The areas. */
void audit_policy(struct audit *audit);
void audit_pam(struct audit *audit);
void audit_sshd(struct audit *audit);
void audit_shells(struct audit *audit);
void audit_host(struct audit *audit);

/* Measures the policy, and what the areas before it have found of the host,
 * against the preset called name. Returns 0, or -1 after a message: there is
 * no such preset, or it cannot be read. */
int audit_baseline(struct audit *audit, const char *name);

#endif
