/* What all logins have left behind, registered so that a restart forgets none. */
#ifndef TMOUT_TMOUTD_LEFTOVER_LIST_H
#define TMOUT_TMOUTD_LEFTOVER_LIST_H

#include "tools/tmoutd/leftover.h"

#include <limits.h>

LIST_HEAD(leftover_head, leftover);

struct leftover_list {
    struct loop *loop;
    struct map *by_index; /* see struct terminal_owner */
    struct leftover_head head;
    char directory[PATH_MAX]; /* with records as in the registry: of the logins that ended */
};

/* Opens the list of this registry, with what is left from before a restart. The loop
 * and the map must outlive it. */
void leftover_list_open(struct leftover_list *list, struct loop *loop, struct map *by_index,
                        const char *sessions_dir);
void leftover_list_close(struct leftover_list *list);

/* This login has ended: adds what it has left behind, unless its limits, in the
 * record, say that this is kept. */
void leftover_list_add(struct leftover_list *list, const struct session_record *record,
                       const struct login_trace *trace);

/* A terminal of this user's has appeared, and may be one of these. */
void leftover_list_look(struct leftover_list *list, uid_t uid);

#endif
