/* The notice on a terminal before it is hung up. */
#ifndef TMOUT_TMOUTD_NOTICE_H
#define TMOUT_TMOUTD_NOTICE_H

#include "lib/sessions/login_terminals.h"
#include "lib/sessions/schedule.h"

/* A notice that is out: the terminal is kept open, so that its number cannot
 * be reused. */
struct notice {
    int fd; /* the terminal, -1 if no notice is out */
};

enum { NOTICE_TEXT_MAX = 256 };

/* What a notice says. left_ms is rounded up to whole seconds. Pure. */
void notice_text(enum watch_reason reason, int64_t left_ms, char text[NOTICE_TEXT_MAX]);

/* Opens the terminal if it is still this login's, and writes to it without ever
 * waiting: output may be stopped with Ctrl-S. A terminal that takes no output
 * now is hung up without a notice, and so is one whose output processing is off
 * (OPOST), which may be transferring data. The user can answer all the same. */
void notice_show(struct notice *notice, const struct session_record *login, unsigned index,
                 const char *text);

bool notice_is_out(const struct notice *notice);

/* How many bytes of input wait in the terminal that no program has read; 0 if
 * that is not known. */
int notice_unread(const struct notice *notice);

void notice_close(struct notice *notice);

#endif
