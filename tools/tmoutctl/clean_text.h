/* What a terminal shows as it is. */
#ifndef TMOUT_TMOUTCTL_CLEAN_TEXT_H
#define TMOUT_TMOUTCTL_CLEAN_TEXT_H

#include <stddef.h>

/*
 * The length of the UTF-8 character at text, 0 if a terminal would not show it
 * as it is: it is none, or one that controls the terminal, turns the direction
 * of writing, or cannot be seen.
 */
size_t clean_length(const char *text);

#endif
