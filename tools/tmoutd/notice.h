/* The notice on a terminal before it is hung up, and what answers it. */
#ifndef TMOUTD_NOTICE_H
#define TMOUTD_NOTICE_H

#include "../../lib/sessions/schedule.h"

struct notice {
    int fd;         /* the terminal, -1 while none is out */
    int unread;     /* bytes that waited in it then */
    int64_t end_ms; /* the end that was announced, or NEVER_MS */
    enum watch_reason reason;
};

void notice_clear(struct notice *notice);

/* Writes it, without ever waiting: output may be stopped with Ctrl-S. */
void notice_give(struct notice *notice, const char *path, const struct watch_decision *decision,
                 int64_t now_ms);

bool notice_is_open(const struct notice *notice);

/*
 * Has somebody typed since? Seen even where no program reads it: as unread
 * input, that is a line, or a key where the program in front takes keys.
 */
bool notice_was_answered(struct notice *notice);

/* It has lost its meaning; the next one is given anew. */
void notice_end(struct notice *notice);

#endif
