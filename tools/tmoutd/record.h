/* What becomes of a record in the registry whose file is damaged. */
#ifndef TMOUT_TMOUTD_RECORD_H
#define TMOUT_TMOUTD_RECORD_H

#include "lib/sessions/login_search.h"
#include "tools/tmoutd/answer.h"

enum record_verdict {
    RECORD_REBUILD, /* a login: it says who has logged in */
    RECORD_REMOVE,  /* certainly no login */
    RECORD_KEEP,    /* another process of root's: ignore the record */
    RECORD_RETRY    /* not everything could be read now */
};

/* What to do about a damaged record, by what /proc says about its process; for
 * RECORD_REBUILD also the uid of the user. Only a process that login_search.h
 * would find counts as a login, whatever the file is called. Pure. */
enum record_verdict record_judge(const struct login_evidence *evidence, uid_t *uid);

struct record_question {
    pid_t pid;
    struct timestamp now;
};

struct record_finding {
    enum record_verdict verdict;
    struct session_record record; /* with RECORD_REBUILD */
};

/* Runs in a helper. Looks at the process of a damaged record. input: struct
 * record_question. Answers with a struct record_finding. */
void record_look(const void *input, int fd, struct answer *answer);

/* Does what follows, and logs it: a record that is rebuilt is written, and one of no
 * login is removed. */
void record_settle(const char *sessions_dir, pid_t pid, const struct record_finding *finding);

#endif
