/* Printing for terminals and for programs: nothing that came from a file or
 * over the network may control a terminal or break a JSON document. */
#ifndef TMOUT_TMOUTCTL_PRINT_H
#define TMOUT_TMOUTCTL_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The end of a command that printed something: status, or TMOUTCTL_FAILURE
 * after a message if standard output could not take it. */
int finish(int status);

/*
 * Prints value and a newline on standard output and releases it. Returns
 * status, or TMOUTCTL_FAILURE if value is NULL (out of memory) or standard
 * output could not take it.
 */
int print_json(json_t *value, int status);

/* text as a JSON string; each byte that is not UTF-8 becomes U+FFFD. */
json_t *json_text(const char *text);

/* The same, and null for NULL. */
json_t *json_text_or_null(const char *text);

/*
 * Appends row to rows and returns rows; NULL where memory ran out now or
 * before, with both released. So a list is complete, or print_json() fails.
 */
json_t *json_add_row(json_t *rows, json_t *row);

/* Does a terminal show all of text as it is: no control characters, none that
 * turn the direction of writing or cannot be seen, and valid UTF-8? */
bool is_clean_text(const char *text);

/* Prints text on standard output, with a ? for each character that a terminal
 * would not show as it is. */
void print_clean(const char *text);

/* Prints the lines of text in the same way, each behind an indent; tabs are kept. */
void print_clean_lines(const char *indent, const char *text);

/* Local date and time for people. */
void format_time(int64_t wall_clock_sec, char *text, size_t size);

/* The same for programs, with the offset from UTC: RFC 3339. */
void format_time_rfc3339(int64_t wall_clock_sec, char *text, size_t size);

#endif
