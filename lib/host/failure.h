/* Why something could not be done, as a sentence fragment for people: the
 * caller prints the file or user in front of it. */
#ifndef TMOUT_HOST_FAILURE_H
#define TMOUT_HOST_FAILURE_H

#include "lib/host/caller.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room for a path of usual length and an explanation. */
enum { FAILURE_TEXT_MAX = 512 };

struct failure {
    char text[FAILURE_TEXT_MAX]; /* always terminated; "" where nothing failed */
};

/*
 * strerror(3) for an access to our state. It belongs to root, whom no mode of a file
 * stops: what denies root an access is SELinux or another MAC policy.
 */
static inline const char *failure_reason(int error)
{
    return error == EACCES && caller_now().effective == 0
               ? "denied by SELinux or another MAC policy"
               : strerror(error);
}

/* Replaces the text, as snprintf(3) does; what is too long is cut off. */
static inline void failure_set(struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void failure_set(struct failure *failure, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
}

/* Adds to the text. */
static inline void failure_append(struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void failure_append(struct failure *failure, const char *format, ...)
{
    const size_t used = strlen(failure->text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(failure->text + used, sizeof failure->text - used, format, arguments);
    va_end(arguments);
}

#endif
