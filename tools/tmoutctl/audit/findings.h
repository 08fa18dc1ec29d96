/*
 * What an audit has found: a list, and the table of the checks that it refers
 * to. Adding a check is adding a row to both enum audit_check and
 * audit_checks[], and the function that runs it to its area.
 */
#ifndef TMOUT_TMOUTCTL_AUDIT_FINDINGS_H
#define TMOUT_TMOUTCTL_AUDIT_FINDINGS_H

#include "lib/policy/settings.h"
#include "lib/host/map.h"
#include "tools/tmoutctl/host/edit.h"

#include <stdbool.h>
#include <stddef.h>

enum audit_check {
    CHECK_POLICY_IN_FORCE,
    CHECK_POLICY_NAMES,
    CHECK_POLICY_GROUPS,
    CHECK_POLICY_TMOUTD,
    CHECK_PAM_STACK,
    CHECK_PAM_BAD_JUMP,
    CHECK_PAM_MODULE,
    CHECK_PAM_MISSING_MODULE,
    CHECK_PAM_SESSION_LINE,
    CHECK_PAM_SESSION_ORDER,
    CHECK_PAM_SESSION_CONTROL,
    CHECK_PAM_AUTH_LINE,
    CHECK_PAM_AUTH_ORDER,
    CHECK_PAM_AUTH_CONTROL,
    CHECK_PAM_PROMPT,
    CHECK_PAM_JUMP,
    CHECK_PAM_TWICE,
    CHECK_PAM_ARGUMENTS,
    CHECK_PAM_OTHER_SERVICES,
    CHECK_SSHD_INSTALLED,
    CHECK_SSHD_CONFIG,
    CHECK_SSHD_KEYWORD,
    CHECK_SSHD_USE_PAM,
    CHECK_SSHD_USER_ENVIRONMENT,
    CHECK_SSHD_ACCEPT_ENV,
    CHECK_SSHD_SET_ENV,
    CHECK_SSHD_CLIENT_ALIVE,
    CHECK_SSHD_CLIENT_ALIVE_COUNT,
    CHECK_SSHD_MAX_AUTH_TRIES,
    CHECK_SSHD_MATCH,
    CHECK_SSHD_CHANNEL_TIMEOUT,
    CHECK_SSHD_DROP_IN,
    CHECK_SHELLS_HOOKS,
    CHECK_SHELLS_SCRIPTS,
    CHECK_SHELLS_LIMIT,
    CHECK_SHELLS_OTHERS,
    CHECK_SHELLS_USERS,
    CHECK_SHELLS_RULES,
    CHECK_HOST_FILES,
    CHECK_HOST_STATE,
    CHECK_HOST_MAC,
    CHECK_HOST_FAILLOCK,
    CHECK_HOST_LOGIND,
    CHECK_HOST_TIOCSTI,
    CHECK_ATTEMPTS_ORIGIN,
    CHECK_ATTEMPTS_AGAIN,
    CHECK_ATTEMPTS_SANDBOX,
    CHECK_FLEET_CONFIG,
    CHECK_FLEET_PASSWORD,
    CHECK_FLEET_ENCRYPTION,
    CHECK_FLEET_STORE,
    CHECK_FLEET_ACL,
    CHECK_FLEET_EVICTION,
    CHECK_FLEET_REPLICAS,
    CHECK_FLEET_CLOCK,
    CHECK_FLEET_AWAY,
    CHECK_FLEET_POLICY,
    CHECK_BASELINE,
    AUDIT_CHECKS
};

/* id is a word that scripts rely on; passed is what is true where the check
 * finds nothing. */
extern const struct audit_check_row {
    const char *id, *passed;
} audit_checks[AUDIT_CHECKS];

/* A note needs no action: the host differs from the policy, but to the strict side. */
enum audit_status { AUDIT_PASS, AUDIT_NOTE, AUDIT_WARN, AUDIT_FAIL };

/* "PASS", "NOTE", "WARN" or "FAIL". */
const char *audit_status_word(enum audit_status status);

struct findings;

struct finding {
    struct findings *list; /* that it is in */
    enum audit_check check;
    enum audit_status status;
    char *message;           /* what is wrong, or what has passed */
    char *remediation;       /* what would be right; NULL where it has passed */
    struct edits edits;      /* what the patch changes for it; none: nothing */
    char *diff;              /* of these edits alone, once the patch is made; or NULL */
    const char *command;     /* to run, whether once or twice; static, or NULL */
    char *file;              /* NULL where no file is concerned */
    unsigned line;           /* 0: the file as a whole */
    char *control;           /* of a baseline, or NULL */
    enum setting_id setting; /* the setting concerned; SETTING_COUNT: no particular one */
};

/* A finding that has a place, and the one before it whose place has the same key; 0: none. */
struct finding_place {
    struct finding *finding;
    size_t earlier; /* its number, plus one */
};

/* Start with {0}; end with findings_free(). */
struct findings {
    struct finding **item;
    size_t count;
    struct finding_place *place;
    size_t places;
    struct map by_place; /* the number of the last place with a key, plus one */
    bool out_of_memory;  /* the list is incomplete, and must not be relied on */
    struct finding lost; /* what was to be added when memory ran out */
};

/*
 * Adds a finding, and returns it for its place, fix and control to be set. It
 * belongs to the list and stays where it is when others are added. Never
 * NULL: without memory, out_of_memory is set and nothing is added.
 */
struct finding *findings_add(struct findings *findings, enum audit_check check,
                             enum audit_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The file, which may be NULL, and the line, which may be 0. Texts that
 * findings are given are copied. */
void finding_set_place(struct finding *finding, const char *file, unsigned line);

/* One sentence on what would be right. */
void finding_set_remediation(struct finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * What the patch is to change for it; edit is copied. Only what has been proven
 * to do no harm: not in generated files, nor where a drop-in or a tool would do.
 * All edits of a finding are made, or none (patch_settle()).
 */
void finding_add_edit(struct finding *finding, const struct edit *edit);

/* The same for all of a list. */
void finding_add_edits(struct finding *finding, const struct edits *edits);

/* A command that does the same however often it runs, as `tmoutctl apply`. It is
 * static, so that nothing from the host becomes part of it. */
void finding_set_command(struct finding *finding, const char *command);

/* The control of a baseline that asks for it; "" for none. */
void finding_set_control(struct finding *finding, const char *control);

/* The next finding of a check about a place; *after is 0 before the first. NULL: no more. */
const struct finding *findings_next_at(const struct findings *findings, enum audit_check check,
                                       const char *file, unsigned line, size_t *after);

/* Has this check reported this place already? */
bool findings_have(const struct findings *findings, enum audit_check check, const char *file,
                   unsigned line);

/* The first finding of a check, or with AUDIT_CHECKS of any, that is at least
 * this bad, and about this setting unless it is SETTING_COUNT; NULL if there is
 * none. */
const struct finding *findings_first(const struct findings *findings, enum audit_check check,
                                     enum audit_status at_least, enum setting_id setting);

/* Drops the findings of all other checks. id is that of a check. */
void findings_keep(struct findings *findings, const char *id);

void findings_free(struct findings *findings);

#endif
