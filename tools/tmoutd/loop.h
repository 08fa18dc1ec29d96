/*
 * What everything in tmoutd's main process shares: the time, alarms at points
 * in time, and helpers. Nothing here waits.
 */
#ifndef TMOUT_TMOUTD_LOOP_H
#define TMOUT_TMOUTD_LOOP_H

#include "lib/host/clock.h"
#include "lib/sessions/schedule.h"
#include "tools/tmoutd/helpers.h"
#include "tools/tmoutd/log.h"

#include <sys/queue.h>

enum {
    STALL_MS = 1500,      /* an alarm that rings this much too late: this process stood still */
    STALL_GRACE_MS = 3000 /* for users to show activity after that */
};

LIST_HEAD(alarm_list, alarm);
LIST_HEAD(terminal_cut_list, terminal_cut);
LIST_HEAD(login_cut_list, login_cut);

struct loop {
    sd_event *event; /* NULL in unit tests, which set the clock and ring the alarms */
    struct helpers *helpers;
    struct timestamp now;  /* when what is being handled happened */
    int64_t suspended_ms;  /* for how long the host was, since boot */
    int64_t not_before_ms; /* nobody is cut before then: it was, until a moment ago */
    struct alarm_list alarms;
    struct terminal_cut_list terminal_cuts; /* that are in progress */
    struct login_cut_list login_cuts;
    struct repeated_failure few_descriptors; /* to hold what is watched */
};

/* late_ms: how much too late it rings. */
typedef void (*alarm_function)(void *context, int64_t late_ms);

/* Something to do at a point in time on the boot clock. */
struct alarm {
    struct loop *loop; /* NULL before alarm_init() */
    sd_event_source *source;
    int64_t due_ms; /* or NEVER_MS */
    alarm_function ring;
    void *context;
    LIST_ENTRY(alarm) link;
};

/* Returns 0, or -1 with the reason; free in either case. */
int loop_init(struct loop *loop, sd_event *event, struct failure *failure);
void loop_free(struct loop *loop);

/* Reads the clock: at the beginning of each callback, and after what takes long. */
void loop_clock(struct loop *loop);

/* For how long the host has been suspended by now, since boot. If that has grown, even if
 * no alarm is late: whoever comes back to it gets time to show activity. */
void loop_note_suspended(struct loop *loop, int64_t suspended_ms);

/* When whoever was not to be cut before own_ms may be cut. */
static inline int64_t loop_not_before_ms(const struct loop *loop, int64_t own_ms)
{
    return own_ms > loop->not_before_ms ? own_ms : loop->not_before_ms;
}

/* False without memory. alarm_free() in either case. */
bool alarm_init(struct alarm *alarm, struct loop *loop, alarm_function ring, void *context);
void alarm_free(struct alarm *alarm);

/* Rings once then, at once for a time that has passed, or never. */
void alarm_set(struct alarm *alarm, int64_t due_ms);

/* For unit tests: when the next alarm is due, and ringing those that are. */
int64_t loop_next_ms(const struct loop *loop);
void loop_ring(struct loop *loop);

#endif
