/*
 * All processes of the host, in the order of a number that says whose they are, such as
 * that of their session. A list costs a walk through /proc. So those who ask for many
 * such numbers, one after the other, share a list for a moment.
 *
 * A process gets its number from its parent. So if none had it when the list was made,
 * none has it now, unless somebody outside gave it to one.
 */
#ifndef TMOUT_HOST_CENSUS_H
#define TMOUT_HOST_CENSUS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* For how long a list may be shared: and for as long again as it took to make it, several
 * times, so that making lists does not take most of the time where there are many
 * processes. */
enum { CENSUS_SHARED_MS = 100 };

struct census_entry {
    uint32_t number;
    pid_t pid;
};

struct census {
    uint32_t (*number_of)(pid_t pid); /* set by the caller; everything else is 0 */
    struct census_entry *entry;
    size_t count;
    int64_t taken_ms, took_ms;
};

/* Some of the entries of a list. They stay valid until the next call with the census. */
struct census_part {
    const struct census_entry *entry;
    size_t count;
};

/*
 * Finds the processes with this number, but for init, in a list that is at most
 * max_age_ms old, or somewhat more where there are many: 0 for a new one. Since then some may have
 * ended, and children may have come. Returns 0, or -1 with errno.
 */
int census_find(struct census *census, uint32_t number, int64_t max_age_ms,
                struct census_part *part);

/* Frees the list. The next call makes another. */
void census_forget(struct census *census);

#endif
