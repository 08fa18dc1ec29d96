/* The terminal that standard output goes to. */
#ifndef TMOUT_TMOUTCTL_HOST_SCREEN_H
#define TMOUT_TMOUTCTL_HOST_SCREEN_H

#include <stdbool.h>

struct screen {
    bool is_terminal;
    bool is_dumb;           /* TERM is dumb or not set: it only prints */
    bool has_color;         /* and the user has not asked for none: https://no-color.org */
    unsigned columns, rows; /* 0: no terminal, or it does not say */
};

/* Asks anew each time: terminals change their size. */
struct screen screen_find(void);

#endif
