/* The list of logins for people. */
#ifndef TMOUT_TMOUTCTL_SESSIONS_TEXT_H
#define TMOUT_TMOUTCTL_SESSIONS_TEXT_H

#include "tools/tmoutctl/host/session_table.h"

struct session_layout {
    unsigned columns;     /* of the terminal, 0: as many as it takes */
    unsigned rows;        /* the same; 0: all logins are shown */
    bool has_color;       /* what ends within a minute is red, within five yellow */
    const char *line_end; /* behind each line, with its newline */
};

/*
 * Prints a heading and the rows. Where they are too wide, the columns that say least are
 * left out: who, where, how long idle and until its end come first. What is still too
 * wide is cut off. Where there are too many rows, those that end last are counted only.
 */
void print_session_table(const struct session_table *table, const struct session_layout *layout);

#endif
