/*
 * Prints the settings table of tmout.conf(5) in mdoc(7), so that the manual
 * always agrees with the code.
 */
#include "lib/policy/settings.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The longest line that mandoc(1) accepts without a remark. */
enum { LINE_MAX_LENGTH = 80 };

/* Prints a text with a full stop, in lines. */
static void print_lines(const char *text)
{
    for (size_t column = 0; *text != '\0'; text += strspn(text, " ")) {
        const size_t length = strcspn(text, " ");
        const bool fits = column + 1 + length < LINE_MAX_LENGTH;
        if (column > 0)
            putchar(fits ? ' ' : '\n');
        printf("%.*s", (int)length, text);
        column = fits ? column + 1 + length : length;
        text += length;
    }
    puts(".");
}

/* Describes which of several groups' values wins. */
static const char *winner(const struct setting *setting, char *text, size_t size)
{
    int64_t value = 0;

    if (setting->type == SETTING_DURATION)
        return setting->strictest == STRICTEST_SMALLEST ? "the shortest" : "the longest";
    if (setting->type == SETTING_NUMBER)
        return setting->strictest == STRICTEST_SMALLEST ? "the smallest" : "the largest";
    for (const struct setting_word *w = setting->words; w->word != NULL; w++)
        if (w == setting->words || setting_stricter(setting, w->value, value))
            value = w->value;
    setting_format(setting, value, text, size);
    return text;
}

static void print_help(const char *help)
{
    char text[LINE_MAX_LENGTH * 8];

    snprintf(text, sizeof text, "%c%s", toupper((unsigned char)help[0]), help + 1);
    printf(".br\n");
    print_lines(text);
}

int main(void)
{
    for (const struct setting *s = settings; s < settings + SETTING_COUNT; s++) {
        char default_text[SETTING_TEXT_MAX], strictest[SETTING_TEXT_MAX];
        setting_format(s, s->default_value, default_text, sizeof default_text);
        printf(".It Cm %s\nValues: %s.\nDefault:\n.Cm %s .\n", s->name, s->values, default_text);
        if (s->default_only != NULL) {
            printf("Only in the\n.Ic default\nsection:\n");
            print_lines(s->default_only);
        } else {
            printf("Of several groups' values, %s wins.\n", winner(s, strictest, sizeof strictest));
        }
        print_help(s->help);
    }
    return ferror(stdout) != 0;
}
