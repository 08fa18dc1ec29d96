/*
 * What time it is, for durations that state files keep: the boot clock, which
 * nobody can step and which counts sleep, with the boot it belongs to; and the
 * wall clock to get from one boot to the next.
 */
#ifndef TMOUT_HOST_CLOCK_H
#define TMOUT_HOST_CLOCK_H

#include "lib/host/failure.h"

#include <stdint.h>
#include <time.h>

enum { BOOT_ID_SIZE = 16 };

struct timestamp {
    unsigned char boot_id[BOOT_ID_SIZE];
    int64_t boot_ms; /* since that boot */
    int64_t wall_ms; /* since 1970 */
};

/* What one of the kernel's clocks shows, in milliseconds. */
int64_t clock_ms(clockid_t clock);

/* Returns 0, or -1 with the reason where the boot id cannot be read. */
int clock_now(struct timestamp *now, struct failure *failure);

/* The same for a process that knows an earlier moment of this boot, which no
 * process survives. */
void clock_now_same_boot(const struct timestamp *then, struct timestamp *now);

/*
 * Takes a time of an earlier moment's boot clock to the boot clock of now,
 * which differs only after a reboot: then what has passed in between is told
 * by the wall clock, but never less than this boot has lasted, and never a
 * negative time. The result may be negative.
 */
int64_t clock_translate_ms(int64_t boot_ms, const struct timestamp *then,
                           const struct timestamp *now);

#endif
