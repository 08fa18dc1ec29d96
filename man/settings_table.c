/*
 * Prints the settings table of tmout.conf(5) in mdoc(7), so that the manual
 * always agrees with the code.
 */
#include "lib/policy/settings.h"

#include <ctype.h>
#include <stdio.h>

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

int main(void)
{
    for (const struct setting *s = settings; s < settings + SETTING_COUNT; s++) {
        char default_text[SETTING_TEXT_MAX], strictest[SETTING_TEXT_MAX];
        setting_format(s, s->default_value, default_text, sizeof default_text);
        printf(".It Cm %s\nValues: %s.\nDefault:\n.Cm %s .\n", s->name, s->values, default_text);
        if (s->default_only != NULL)
            printf("Only in the\n.Ic default\nsection: %s.\n", s->default_only);
        else
            printf("Of several groups' values, %s wins.\n", winner(s, strictest, sizeof strictest));
        printf(".br\n%c%s.\n", toupper((unsigned char)s->help[0]), s->help + 1);
    }
    return ferror(stdout) != 0;
}
