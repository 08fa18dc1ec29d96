#include "lib/host/census.h"

#include "lib/host/array.h"
#include "lib/host/clock.h"
#include "lib/host/proc_directory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

void census_forget(struct census *census)
{
    free(census->entry);
    census->entry = NULL;
    census->count = 0;
}

static int census_add(struct census *census, pid_t pid)
{
    struct census_entry *grown = array_grow(census->entry, census->count, sizeof *grown);

    if (grown == NULL)
        return -1;
    census->entry = grown;
    census->entry[census->count++] = (struct census_entry){census->number_of(pid), pid};
    return 0;
}

/* Of what a list took to make: one may be made in so many times of that. */
enum { SHARED_TIMES = 10 };

static int compare_entries(const void *a, const void *b)
{
    const struct census_entry *left = a, *right = b;

    if (left->number != right->number)
        return left->number < right->number ? -1 : 1;
    return (left->pid > right->pid) - (left->pid < right->pid);
}

static int census_take(struct census *census)
{
    const char *name;
    int result = 0;
    DIR *directory = opendir("/proc");

    census_forget(census);
    if (directory == NULL)
        return -1;
    census->taken_ms = clock_ms(CLOCK_MONOTONIC);
    while (result == 0 && (name = proc_directory_next(directory)) != NULL) {
        const pid_t pid = (pid_t)strtol(name, NULL, 10);
        if (pid > 1)
            result = census_add(census, pid);
    }
    proc_directory_close(directory);
    if (result != 0 || errno != 0) {
        const int error = errno;
        census_forget(census);
        errno = error;
        return -1;
    }
    census->took_ms = clock_ms(CLOCK_MONOTONIC) - census->taken_ms;
    if (census->count > 0)
        qsort(census->entry, census->count, sizeof *census->entry, compare_entries);
    return 0;
}

/* The first entry whose number is not below this one. */
static size_t first_from(const struct census *census, uint64_t number)
{
    size_t low = 0, high = census->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (census->entry[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int census_find(struct census *census, uint32_t number, int64_t max_age_ms,
                struct census_part *part)
{
    const int64_t age_ms = clock_ms(CLOCK_MONOTONIC) - census->taken_ms;

    *part = (struct census_part){0};
    const bool is_old = max_age_ms == 0 || age_ms > max_age_ms + SHARED_TIMES * census->took_ms;
    if ((census->entry == NULL || is_old) && census_take(census) != 0)
        return -1;
    const size_t first = first_from(census, number);
    part->entry = census->entry + first;
    part->count = first_from(census, (uint64_t)number + 1) - first;
    return 0;
}
