/* The notice on a terminal before it is hung up. */
#ifndef TMOUT_TMOUTD_NOTICE_H
#define TMOUT_TMOUTD_NOTICE_H

#include "lib/sessions/login_terminals.h"
#include "lib/sessions/schedule.h"
#include "tools/tmoutd/answer.h"

#include <sys/stat.h>

enum { NOTICE_TEXT_MAX = 256 };

/* What a notice says. left_ms is rounded up to whole seconds. Pure. */
void notice_text(enum watch_reason reason, int64_t left_ms, char text[NOTICE_TEXT_MAX]);

struct notice_question {
    struct session_record login;
    unsigned index;             /* of its terminal */
    char text[NOTICE_TEXT_MAX]; /* "": nothing is to be shown */
};

struct notice_answer {
    int unread;     /* bytes of input that no program has read, or 0 if that is not known */
    struct stat st; /* of the terminal after the notice */
};

/*
 * Runs in a helper. Opens the terminal if it is still this login's, and writes to
 * it without waiting: output may be stopped with Ctrl-S. A terminal that takes no
 * output now is hung up without a notice, and so is one whose output processing
 * is off (OPOST), which may be transferring data. The user can answer all the same.
 * input: struct notice_question. Answers with a struct notice_answer; GONE if the
 * terminal is.
 */
void notice_show(const void *input, int fd, struct answer *answer);

#endif
