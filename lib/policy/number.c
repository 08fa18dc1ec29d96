#include "lib/policy/number.h"

#include <stddef.h>

const char *number_parse(const char **at, int64_t *number)
{
    const char *p = *at;
    int64_t total = 0;

    if (!is_digit(*p))
        return "is not a whole number";
    if (p[0] == '0' && is_digit(p[1]))
        return "begins with a zero, which could be read as octal: remove the zero";
    for (; is_digit(*p); p++)
        if (__builtin_mul_overflow(total, 10, &total) ||
            __builtin_add_overflow(total, *p - '0', &total))
            return "is too large";
    *at = p;
    *number = total;
    return NULL;
}
