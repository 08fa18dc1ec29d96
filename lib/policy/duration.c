#include "lib/policy/duration.h"

#include "lib/policy/number.h"

#include <inttypes.h>
#include <stdio.h>

static const char NOT_A_DURATION[] =
    "is not a duration: use seconds (600) or units (10m, 1h30m, 2d)";
static const char TOO_LARGE[] = "is too large";

/* Seconds of one unit, 0 for any other character. */
static int64_t unit_sec(char unit)
{
    switch (unit) {
    case 's':
    case 'S':
        return 1;
    case 'm':
    case 'M':
        return 60;
    case 'h':
    case 'H':
        return 3600;
    case 'd':
    case 'D':
        return 86400;
    case 'w':
    case 'W':
        return 604800;
    default:
        return 0;
    }
}

const char *duration_parse(const char *text, int64_t *seconds)
{
    int64_t total = 0;
    const char *p = text;

    if (!is_digit(*p))
        return NOT_A_DURATION;
    if (p[0] == '0' && is_digit(p[1]))
        return "begins with a zero, which could be read as octal: remove the zero";
    while (*p != '\0') {
        int64_t number = 0, unit = 1, part;

        if (!is_digit(*p))
            return NOT_A_DURATION;
        for (; is_digit(*p); p++)
            if (__builtin_mul_overflow(number, 10, &number) ||
                __builtin_add_overflow(number, *p - '0', &number))
                return TOO_LARGE;
        if (*p != '\0') {
            unit = unit_sec(*p++);
            if (unit == 0)
                return NOT_A_DURATION;
        }
        if (__builtin_mul_overflow(number, unit, &part) ||
            __builtin_add_overflow(total, part, &total))
            return TOO_LARGE;
    }
    *seconds = total;
    return NULL;
}

void duration_format(int64_t seconds, char *text, size_t size)
{
    static const char units[] = "dhms";
    size_t used = 0;

    if (seconds == 0)
        snprintf(text, size, "0");
    for (const char *u = units; *u != '\0' && seconds > 0; u++) {
        const int64_t number = seconds / unit_sec(*u);
        if (number == 0)
            continue;
        seconds -= number * unit_sec(*u);
        const int n = snprintf(text + used, size - used, "%" PRId64 "%c", number, *u);
        if (n < 0 || (size_t)n >= size - used)
            return;
        used += (size_t)n;
    }
}
