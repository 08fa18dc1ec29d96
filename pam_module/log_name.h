/* Untrusted names, made safe for a line in the log. */
#ifndef TMOUT_PAM_MODULE_LOG_NAME_H
#define TMOUT_PAM_MODULE_LOG_NAME_H

#include <stddef.h>

#define LOG_NAME_MAX 128

/*
 * Copies name into text[size], with a question mark for each character that could
 * look like another line or another key=value: blanks, control characters,
 * non-ASCII bytes, = and ". What is too long is cut off.
 */
void log_name(const char *name, char *text, size_t size);

#endif
