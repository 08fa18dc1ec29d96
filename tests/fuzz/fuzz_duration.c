/*
 * Fuzzes the values of settings: durations, words, and the suggestion for a
 * mistyped word. The input is the text of a value; its first eight bytes also
 * serve as a number to be formatted and parsed again.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/policy/duration.h"
#include "lib/policy/settings.h"

#include <stdbool.h>

static const int64_t UNTOUCHED = INT64_MIN;

/* The same sum computed differently: from right to left, in floating point. */
static long double seconds_of(const char *text)
{
    long double total = 0, unit = 1, scale = 1;

    for (size_t i = strlen(text); i > 0; i--) {
        switch (text[i - 1] | 0x20) {
        case 's':
            unit = 1;
            break;
        case 'm':
            unit = 60;
            break;
        case 'h':
            unit = 3600;
            break;
        case 'd':
            unit = 86400;
            break;
        case 'w':
            unit = 604800;
            break;
        default:
            total += (text[i - 1] - '0') * scale * unit;
            scale *= 10;
            continue;
        }
        scale = 1;
    }
    return total;
}

static void write_and_read_duration(int64_t seconds)
{
    char text[SETTING_TEXT_MAX];
    int64_t again = UNTOUCHED;

    duration_format(seconds, text, sizeof text);
    MUST(strlen(text) < sizeof text - 1);
    MUST(duration_parse(text, &again) == NULL);
    MUST(again == seconds);
}

static void check_duration(const char *text)
{
    int64_t seconds = UNTOUCHED;
    const char *wrong = duration_parse(text, &seconds);

    if (wrong != NULL) {
        MUST(wrong[0] != '\0');
        MUST(seconds == UNTOUCHED);
        return;
    }
    MUST(seconds >= 0);
    MUST(text[0] >= '0' && text[0] <= '9');
    MUST(strspn(text, "0123456789smhdwSMHDW") == strlen(text));
    MUST(!(text[0] == '0' && text[1] >= '0' && text[1] <= '9'));
    MUST(seconds_of(text) == (long double)seconds);
    write_and_read_duration(seconds);
}

static void write_and_read_setting(const struct setting *setting, int64_t value)
{
    char text[SETTING_TEXT_MAX];
    int64_t again = UNTOUCHED;

    if (setting->type == SETTING_TEXT) {
        MUST(value > 0 && value < SETTING_TEXT_MAX);
        return;
    }
    setting_format(setting, value, text, sizeof text);
    MUST(setting_parse(setting, text, &again) == NULL);
    MUST(again == value);
}

static void check_settings(const char *text, int64_t number)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        int64_t value = UNTOUCHED;
        const char *wrong = setting_parse(&settings[i], text, &value);

        if (wrong != NULL) {
            MUST(wrong[0] != '\0');
            MUST(value == UNTOUCHED);
        } else {
            MUST(setting_value_valid(&settings[i], value));
            write_and_read_setting(&settings[i], value);
        }
        if (settings[i].type != SETTING_TEXT && setting_value_valid(&settings[i], number))
            write_and_read_setting(&settings[i], number);
        MUST(!setting_stricter(&settings[i], number, number));
    }
}

static void check_nearest(const char *text)
{
    const char *name[SETTING_COUNT];

    for (size_t i = 0; i < SETTING_COUNT; i++)
        name[i] = settings[i].name;
    const char *nearest = nearest_word(text, name, SETTING_COUNT);
    MUST(nearest == NULL || setting_find(nearest) != NULL);
    if (setting_find(text) != NULL)
        MUST(nearest == setting_find(text)->name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    int64_t number = 0;

    memcpy(&number, data, size < sizeof number ? size : sizeof number);
    if (number >= 0)
        write_and_read_duration(number);
    check_duration(text);
    check_settings(text, number);
    check_nearest(text);
    free(text);
    return 0;
}
