/* The notice on a terminal before it is hung up. */
#ifndef TMOUT_TMOUTD_NOTICE_H
#define TMOUT_TMOUTD_NOTICE_H

#include "lib/sessions/login_terminals.h"
#include "lib/sessions/schedule.h"
#include "tools/tmoutd/answer.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum { NOTICE_TEXT_MAX = 512 };

/* What a notice says, in the language of this locale, which is a name, "" for the
 * host's, or "C". left_ms is rounded up to whole seconds. */
void notice_text(enum watch_reason reason, int64_t left_ms, const char *locale,
                 char text[NOTICE_TEXT_MAX]);

struct notice_question {
    struct session_record login;
    unsigned index; /* of its terminal */
    bool is_silent; /* nothing is to be shown, only asked */
    enum watch_reason reason;
    int64_t left_ms;
};

struct notice_answer {
    /* Bytes of input that no program had read before the notice; 0 if that is not known. */
    int unread;
    struct stat st; /* of the terminal after the notice */
};

/*
 * Runs in a helper. Opens the terminal if it is still this login's, and writes to
 * it without waiting: output may be stopped with Ctrl-S. A terminal that takes no
 * output now is hung up without a notice, and so is one whose output processing
 * is off (OPOST), which may be transferring data. The user can answer all the same.
 * The notice is in the language of the terminal's shell, or else the host's, and in
 * English where the terminal is not in UTF-8 (IUTF8).
 * input: struct notice_question. Answers with a struct notice_answer; GONE if the
 * terminal is.
 */
void notice_show(const void *input, int fd, struct answer *answer);

#endif
