/*
 * The look at a policy's text before libconfuse sees it.
 *
 * libconfuse 3.3 accepts much that its author did not mean: it eats
 * characters it does not know, ends silently in an unterminated comment or
 * at a NUL, expands ${VAR} from the environment, counts lines wrongly after
 * comments, reaches into sections with a|b, and nests until the stack is
 * gone. The scan lets only text through that both read alike.
 */
#ifndef TMOUT_POLICY_SCAN_H
#define TMOUT_POLICY_SCAN_H

#include <stddef.h>

#include "lib/policy/problems.h"

/* One top-level piece of the text: a section up to and with its closing
 * brace, or what is left over behind the last one. */
struct scan_piece {
    size_t start, end; /* offsets; end is not part of it */
    unsigned line;     /* of its first character that is not a space */
};

struct scan_pieces {
    struct scan_piece *item;
    size_t count;
};

/*
 * Scans text[size] (a NUL must follow it) of the file called file. Comments
 * and carriage returns are overwritten with spaces, so that libconfuse's
 * line numbers hold; everything suspicious is added to problems. On 0 the
 * caller frees pieces->item; -1 means out of memory.
 */
int scan(char *text, size_t size, const char *file, struct scan_pieces *pieces,
         struct problems *problems);

#endif
