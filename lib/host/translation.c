#include "lib/host/translation.h"

#include <langinfo.h>
#include <libintl.h>
#include <locale.h>
#include <string.h>

#define DOMAIN "pam_tmout"

/* The next conversion at or after text, and its size; NULL if there is none. */
static const char *next_conversion(const char *text, size_t *size)
{
    const char *found = strchr(text, '%');

    if (found != NULL)
        *size = 1 + strspn(found + 1, "0123456789$.*+- #'hljztLq") + 1;
    return found;
}

bool conversions_are_same(const char *one, const char *other)
{
    for (;;) {
        size_t one_size = 0, other_size = 0;

        one = next_conversion(one, &one_size);
        other = next_conversion(other, &other_size);
        if (one == NULL || other == NULL)
            return one == other;
        if (one_size != other_size || strncmp(one, other, one_size) != 0)
            return false;
        /* A text may end within a conversion. */
        one += strnlen(one, one_size);
        other += strnlen(other, other_size);
    }
}

/* NULL if it is not installed, or in another encoding. */
static locale_t open_locale(const char *name)
{
    locale_t locale = newlocale(LC_CTYPE_MASK | LC_MESSAGES_MASK, name, (locale_t)0);

    if (locale != (locale_t)0 && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") != 0) {
        freelocale(locale);
        locale = (locale_t)0;
    }
    return locale;
}

const char *translation_of_number(const char *locale_name, const char *one, const char *many,
                                  unsigned long number)
{
    const char *text = number == 1 ? one : many;
    const locale_t locale = open_locale(locale_name);

    if (locale == (locale_t)0)
        return text;
    const locale_t before = uselocale(locale);
    bindtextdomain(DOMAIN, DATADIR "/locale");
    const char *translated = dngettext(DOMAIN, one, many, number);
    uselocale(before);
    freelocale(locale);
    return conversions_are_same(text, translated) ? translated : text;
}

const char *translation(const char *locale, const char *text)
{
    return translation_of_number(locale, text, text, 1);
}

static bool is_locale_name(const char *name, size_t size)
{
    return size < LOCALE_NAME_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@-") ==
               size &&
           strstr(name, "..") == NULL;
}

/* The value of a variable in an environment, with its size; NULL if it is not set, or
 * empty, which is the same to setlocale(3). */
static const char *value_in(const char *bytes, size_t size, const char *name, size_t *value_size)
{
    const size_t name_size = strlen(name);
    const char *end = bytes + size;

    for (const char *line = bytes; line < end;) {
        const size_t length = strnlen(line, (size_t)(end - line));

        if (line + length == end)
            return NULL; /* cut off */
        if (length > name_size + 1 && strncmp(line, name, name_size) == 0 &&
            line[name_size] == '=') {
            *value_size = length - name_size - 1;
            return line + name_size + 1;
        }
        line += length + 1;
    }
    return NULL;
}

void locale_in_environment(const char *bytes, size_t size, char locale[LOCALE_NAME_MAX])
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    const char *value = NULL;
    size_t value_size = 0;

    locale[0] = '\0';
    for (size_t i = 0; value == NULL && i < sizeof names / sizeof names[0]; i++)
        value = value_in(bytes, size, names[i], &value_size);
    if (value != NULL && is_locale_name(value, value_size))
        memcpy(locale, value, value_size + 1);
}
