#include "lib/host/clock.h"

#include "lib/host/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

int64_t clock_ms(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The kernel writes it as 32 hexadecimal digits with hyphens between. */
static int parse_boot_id(const char *text, size_t size, unsigned char *boot_id)
{
    size_t digits = 0;

    memset(boot_id, 0, BOOT_ID_SIZE);
    for (size_t i = 0; i < size && digits < 2 * (size_t)BOOT_ID_SIZE; i++) {
        const int digit = hex_digit(text[i]);
        if (digit < 0)
            continue;
        boot_id[digits / 2] = (unsigned char)(boot_id[digits / 2] << 4 | digit);
        digits++;
    }
    return digits == 2 * (size_t)BOOT_ID_SIZE ? 0 : -1;
}

static int read_boot_id(unsigned char *boot_id)
{
    char text[64];
    const int fd = fd_open_at(AT_FDCWD, BOOT_ID_FILE, O_RDONLY | O_NOCTTY);
    int error;

    if (fd < 0)
        return -1;
    const ssize_t size = read(fd, text, sizeof text);
    error = size < 0 ? errno : EINVAL;
    close(fd);
    if (size > 0 && parse_boot_id(text, (size_t)size, boot_id) == 0)
        return 0;
    errno = error;
    return -1;
}

int clock_now(struct timestamp *now, struct failure *failure)
{
    *now = (struct timestamp){.boot_ms = clock_ms(CLOCK_BOOTTIME),
                              .wall_ms = clock_ms(CLOCK_REALTIME)};
    if (read_boot_id(now->boot_id) == 0)
        return 0;
    failure_set(failure, "cannot read the boot id from " BOOT_ID_FILE ": %s%s", strerror(errno),
                errno == ENOENT ? "; if the service's unit has ProcSubset=pid, remove that" : "");
    return -1;
}

void clock_now_same_boot(const struct timestamp *then, struct timestamp *now)
{
    *now = *then;
    now->boot_ms = clock_ms(CLOCK_BOOTTIME);
    now->wall_ms = clock_ms(CLOCK_REALTIME);
}

/* Times on disk may be absurd. INT64_MIN is left out, for it means "never". */
static int64_t add_bounded(int64_t a, int64_t b)
{
    int64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return a < 0 ? INT64_MIN + 1 : INT64_MAX;
    return sum > INT64_MIN ? sum : INT64_MIN + 1;
}

int64_t clock_elapsed_ms(int64_t from_ms, int64_t to_ms)
{
    return add_bounded(to_ms, from_ms > INT64_MIN ? -from_ms : INT64_MAX);
}

int64_t clock_translate_ms(int64_t boot_ms, const struct timestamp *then,
                           const struct timestamp *now)
{
    int64_t between_ms;

    if (memcmp(then->boot_id, now->boot_id, sizeof then->boot_id) == 0)
        return boot_ms;
    if (__builtin_sub_overflow(now->wall_ms, then->wall_ms, &between_ms) ||
        between_ms < now->boot_ms)
        between_ms = now->boot_ms;
    return add_bounded(clock_elapsed_ms(then->boot_ms, boot_ms),
                       clock_elapsed_ms(between_ms, now->boot_ms));
}
