/*
 * What one login has left behind, from its end on: its terminals are watched, and
 * it is ended at once or when the login would have reached its maximum age, as the
 * policy says (leftovers = watch, end).
 *
 * All terminals count as one: who types at one pane of tmux is not idle in the
 * others.
 */
#ifndef TMOUT_TMOUTD_LEFTOVER_H
#define TMOUT_TMOUTD_LEFTOVER_H

#include "lib/sessions/leftovers.h"
#include "tools/tmoutd/terminal.h"

LIST_HEAD(holder_list, holder);

/* What helpers do for it: leftover_work.h, but in tests. */
struct leftover_work {
    prepare_function prepare;
    work_function look, terminate, stop, kill;
};

enum leftover_step { LEFTOVER_WATCHED, LEFTOVER_TERMINATED, LEFTOVER_STOPPED, LEFTOVER_KILLED };

struct leftover {
    LIST_ENTRY(leftover) link; /* for whoever keeps them */
    struct loop *loop;
    struct map *by_index;         /* see struct terminal_owner */
    struct session_record record; /* of the login, with the limits known last */
    struct login_trace trace;
    const struct leftover_work *work;
    about_t about;
    bool has_limits;            /* always: for terminals */
    struct holder_list holders; /* processes with terminals */
    struct alarm alarm;
    int64_t look_ms; /* look for processes and terminals then */
    int64_t end_ms;  /* take the next step towards its end then */
    int64_t seen_ms; /* when a look was answered last */
    enum leftover_step step;
    enum watch_reason reason;
    bool is_end_reported;
    unsigned stops; /* in a row, each of which found something that moved */
    unsigned kills; /* in vain */
    struct inquiry *inquiry;
    int witness; /* a pidfd: when that ends, there may be nothing left; or -1 */
    sd_event_source *witness_end;
    struct repeated_failure failure;
    /* Nothing is left: called outside of any function of this header. Set by the caller
     * of leftover_new(). */
    void (*gone)(void *context, struct leftover *leftover);
    /* From an event to a look; NULL: SETTLE_MS. */
    int64_t (*pause_ms)(void *context, const struct leftover *leftover);
    void *context;
};

/* The login of this record has ended. NULL without memory. */
struct leftover *leftover_new(struct loop *loop, struct map *by_index,
                              const struct session_record *record, const struct login_trace *trace);
void leftover_free(struct leftover *leftover);

/* A terminal has appeared that may be one of these: looks after this time. */
void leftover_look(struct leftover *leftover, int64_t pause_ms);

#endif
