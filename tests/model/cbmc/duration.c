/* lib/policy/duration.c, for all texts up to a length. */
#include "tests/model/cbmc/nondet.h"

#include "lib/policy/duration.h"

#include <stdarg.h>

enum { SHORT = 6, LONG = 21, FORMATTED = 24 };

enum { SECONDS_MAX = 1 << 18 };

/* CBMC has no body for it. As duration_format() uses it: "0", or a number and a unit. */
int snprintf(char *text, size_t size, const char *format, ...)
{
    char digits[20];
    size_t count = 0, length = 0;
    va_list arguments;

    va_start(arguments, format);
    if (format[0] == '0') {
        digits[count++] = '0';
    } else {
        int64_t number = va_arg(arguments, int64_t);
        for (; number > 0; number /= 10)
            digits[count++] = (char)('0' + number % 10);
    }
    while (count > 0 && length + 1 < size)
        text[length++] = digits[--count];
    if (format[0] != '0' && length + 1 < size)
        text[length++] = (char)va_arg(arguments, int);
    va_end(arguments);
    if (size > 0)
        text[length] = '\0';
    return (int)length;
}

/* Any bytes: nothing is read behind the end, and the result is not negative. */
void prove_text(void)
{
    char text[SHORT + 1];
    const int64_t untouched = nondet_i64();
    int64_t seconds = untouched;

    for (unsigned i = 0; i < SHORT; i++)
        text[i] = nondet_char();
    text[SHORT] = '\0';
    if (duration_parse(text, &seconds) != NULL)
        claim(seconds == untouched);
    else
        claim(seconds >= 0 && text[0] >= '0' && text[0] <= '9');
}

/* One number and perhaps a unit: exactly what it says, or too large. */
void prove_number(void)
{
    static const struct {
        char name;
        unsigned seconds;
    } units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    const unsigned unit = nondet_byte() % 6, digits = 1 + nondet_byte() % (LONG - 1);
    char text[LONG + 2];
    unsigned __int128 exact = 0;
    int64_t seconds = -1;

    for (unsigned i = 0; i < LONG; i++) {
        const char digit = nondet_char();
        assume(digit >= '0' && digit <= '9');
        text[i] = digit;
        if (i < digits)
            exact = exact * 10 + (unsigned)(digit - '0');
    }
    assume(text[0] != '0');
    text[digits] = units[unit].name;
    text[digits + 1] = '\0';
    exact *= units[unit].seconds;
    if (duration_parse(text, &seconds) == NULL)
        claim(seconds >= 0 && (unsigned __int128)seconds == exact);
    else
        claim(exact > INT64_MAX);
}

/* What is written can be read. */
void prove_both(void)
{
    const int64_t seconds = nondet_u32() % SECONDS_MAX;
    char text[FORMATTED];
    int64_t again = -1;

    duration_format(seconds, text, sizeof text);
    claim(duration_parse(text, &again) == NULL);
    claim(again == seconds);
}
