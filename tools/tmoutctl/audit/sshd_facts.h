/* What the checks of sshd work with: its files, and what it answers. */
#ifndef TMOUT_TMOUTCTL_AUDIT_SSHD_FACTS_H
#define TMOUT_TMOUTCTL_AUDIT_SSHD_FACTS_H

#include "tools/tmoutctl/audit/audit.h"
#include "tools/tmoutctl/sshd/named.h"
#include "tools/tmoutctl/sshd/text.h"

/* sshd's effective configuration, for a configuration with certain edits. Start
 * with {0}; end with sshd_answers_free(). */
struct sshd_answers {
    bool complete;             /* sshd starts, and has answered all questions */
    struct failure failure;    /* why not */
    struct sshd_config global; /* for logins to which no Match block applies */
    struct sshd_config *user;  /* for facts->named.user[] */
    size_t user_count;
};

/* Start with {0}; end with sshd_facts_free(). */
struct sshd_facts {
    struct sshd_text text;
    struct sshd_named named;
    struct sshd_config effective; /* empty where sshd cannot be asked */
    struct failure failure;       /* why it cannot, else "" */
    bool has_version;
    struct sshd_version version;
    struct failure no_version;   /* why it has none */
    struct sshd_config bad;      /* the options that keep it from starting, in all files */
    struct sshd_config builtin;  /* sshd's own values, if there are such options */
    struct edits without_bad;    /* takes these out */
    struct sshd_answers answers; /* with what is left */
};

/* Reads and asks. Returns 0, or -1: out of memory. */
int sshd_facts_find(struct audit *audit, struct sshd_facts *facts);

void sshd_facts_free(struct sshd_facts *facts);

/* Asks sshd about all named users, as if the edits had been made. */
void sshd_answers_find(struct audit *audit, const struct sshd_facts *facts,
                       const struct edits *edits, struct sshd_answers *answers);

void sshd_answers_free(struct sshd_answers *answers);

#endif
