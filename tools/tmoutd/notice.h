/* The notice on a terminal before it is hung up, and what answers it. */
#ifndef TMOUT_TMOUTD_NOTICE_H
#define TMOUT_TMOUTD_NOTICE_H

#include "lib/sessions/login_processes.h"
#include "lib/sessions/schedule.h"

struct notice {
    int fd;          /* the terminal, -1 while none is out */
    int unread_most; /* bytes seen waiting in it since the last known read */
    int64_t end_ms;  /* the end that was announced, or NEVER_MS */
    enum watch_reason reason;
};

void notice_clear(struct notice *notice);

/* Writes it, without ever waiting: output may be stopped with Ctrl-S. Only to
 * a terminal that is still this login's. */
void notice_give(struct notice *notice, const struct session_record *login, unsigned index,
                 const struct watch_decision *decision, int64_t now_ms);

bool notice_is_open(const struct notice *notice);

/*
 * Has somebody typed since? Seen even where no program reads it: as unread
 * input, that is a line, or a key where the program in front takes keys. More
 * than ever before: how much of it the kernel counts, a program that changes
 * between lines and keys decides.
 */
bool notice_was_answered(struct notice *notice);

/* A program has read: what waits from now on is new. */
void notice_forget_unread(struct notice *notice);

/* It has lost its meaning; the next one is given anew. */
void notice_end(struct notice *notice);

#endif
