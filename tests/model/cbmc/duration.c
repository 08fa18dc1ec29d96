/* lib/policy/duration.c, for all texts up to a length. */
#include "tests/model/cbmc/nondet.h"

#include <inttypes.h>
#include <stdio.h>

enum { SHORT = 6, DIGITS = 3, LONG = 20, FORMATTED = 16 };

enum { DIGITS_ALWAYS_ACCEPTED = 18 };

/* CBMC has no snprintf(). duration_format() calls it for "0", and for a number, which is
 * below 100 here, and a unit. */
static int put_zero(char *text, size_t size, const char *format)
{
    (void)format;
    claim(size >= 2);
    text[0] = '0';
    text[1] = '\0';
    return 1;
}

static int put_number(char *text, size_t size, const char *format, int64_t number, char unit)
{
    size_t length = 0;
    char tens = '0';

    (void)format;
    assume(number < 100);
    for (; number >= 10; number -= 10)
        tens++;
    claim(size > 3);
    if (tens > '0')
        text[length++] = tens;
    text[length++] = (char)('0' + number);
    text[length++] = unit;
    text[length] = '\0';
    return (int)length;
}

#define CHOOSE(one, two, three, name, ...) name
#define snprintf(text, size, ...)                                                                  \
    CHOOSE(__VA_ARGS__, put_number, , put_zero, )(text, size, __VA_ARGS__)

#include "lib/policy/duration.c" /* NOLINT(bugprone-suspicious-include) */

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

/* Digits, and perhaps a unit. Returns the number that the first of them are. */
static int64_t any_number(char *text, unsigned digits, unsigned max)
{
    int64_t number = 0;

    for (unsigned i = 0; i < max; i++) {
        const char digit = nondet_char();
        assume(digit >= '0' && digit <= '9');
        text[i] = digit;
        if (i < digits && i < DIGITS)
            number = number * 10 + (digit - '0');
    }
    assume(text[0] != '0');
    return number;
}

/* One number and perhaps a unit: exactly what it says. */
static void check_unit(char name, int64_t unit_sec)
{
    const unsigned digits = 1 + nondet_byte() % DIGITS;
    char text[DIGITS + 2];
    const int64_t number = any_number(text, digits, DIGITS);
    int64_t seconds = -1;

    text[digits] = name;
    text[digits + 1] = '\0';
    claim(duration_parse(text, &seconds) == NULL);
    claim(seconds == number * unit_sec);
}

void prove_number(void)
{
    switch (nondet_byte()) {
    case 0:
        check_unit('\0', 1);
        break;
    case 1:
        check_unit('m', 60);
        break;
    default:
        check_unit('w', 604800);
    }
}

/* Numbers that may be too large: an error, and not another number. */
void prove_large(void)
{
    const unsigned digits = LONG - nondet_byte() % 4;
    const char unit = nondet_bool() ? 'w' : '\0';
    char text[LONG + 2];
    int64_t seconds = -1;

    any_number(text, digits, LONG);
    text[digits] = unit;
    text[digits + 1] = '\0';
    const char *error = duration_parse(text, &seconds);
    claim(error != NULL || seconds > 0);
    if (digits <= DIGITS_ALWAYS_ACCEPTED && unit == '\0')
        claim(error == NULL);
    if (digits == LONG)
        claim(error != NULL);
}

/* What is written can be read. With all units, and with gaps, or it would take hours. */
void prove_both(void)
{
    const int64_t seconds = (nondet_bool() ? INT64_C(86400) : 0) +
                            (nondet_bool() ? INT64_C(36000) : 0) + nondet_byte() % 128;
    char text[FORMATTED];
    int64_t again = -1;

    duration_format(seconds, text, sizeof text);
    claim(duration_parse(text, &again) == NULL);
    claim(again == seconds);
}
