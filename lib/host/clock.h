/*
 * What time it is, for the durations in state files: the boot clock, which
 * nobody can set and which includes suspend, with the id of the boot; and the
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

/* The time on one of the kernel's clocks, in milliseconds. */
int64_t clock_ms(clockid_t clock);

/* Returns 0, or -1 with the reason where the boot id cannot be read. */
int clock_now(struct timestamp *now, struct failure *failure);

/* The same for a process that knows an earlier moment of this boot: no process
 * outlives its boot, so the id is the same. */
void clock_now_same_boot(const struct timestamp *then, struct timestamp *now);

/*
 * Translates a time on the boot clock of then, an earlier moment, to the boot
 * clock of now. They differ only after a reboot: the wall clock tells how much
 * time has passed in between, but never less than this boot has lasted, nor a
 * negative time. The result may be negative; what no int64_t could hold, as
 * only a corrupt file contains it, becomes INT64_MAX or INT64_MIN + 1.
 */
int64_t clock_translate_ms(int64_t boot_ms, const struct timestamp *then,
                           const struct timestamp *now);

/* How long a moment of the same boot clock is past: to_ms - from_ms, within the
 * same bounds. */
int64_t clock_elapsed_ms(int64_t from_ms, int64_t to_ms);

#endif
