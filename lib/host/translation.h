/*
 * Texts for people who only logged in, in their language: gettext's domain
 * pam_tmout, from po/. What administrators read stays English.
 */
#ifndef TMOUT_HOST_TRANSLATION_H
#define TMOUT_HOST_TRANSLATION_H

#include <stdbool.h>
#include <stddef.h>

/* Longer than any locale's name, such as de_DE.UTF-8. */
enum { LOCALE_NAME_MAX = 64 };

/*
 * The translation of a text, or of the form of it that belongs to this number, which
 * uses the same conversions of printf(3). locale is a locale's name, or "" for what
 * the environment of this process says. Returns the text itself if that locale is
 * not installed, is not in UTF-8, or has no usable translation: it is ASCII. Valid
 * as long as the process. Another thread's locale stays as it is. `make po` collects
 * the texts, which must be literals here.
 */
const char *translation(const char *locale, const char *text) __attribute__((format_arg(2)));
const char *translation_of_number(const char *locale, const char *one, const char *many,
                                  unsigned long number)
    __attribute__((format_arg(2), format_arg(3)));

/* Do both have the same conversions of printf(3), in this order? A catalog is a
 * file, and a setuid program's user may choose which. Pure. */
bool conversions_are_same(const char *one, const char *other);

/*
 * The name of the locale for messages in an environment as /proc/PID/environ shows it:
 * LC_ALL, else LC_MESSAGES, else LANG. "" if it names none, or one with characters
 * that no locale has: a user controls it. Pure.
 */
void locale_in_environment(const char *bytes, size_t size, char locale[LOCALE_NAME_MAX]);

#endif
