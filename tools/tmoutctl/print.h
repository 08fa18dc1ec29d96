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

/* Names the command whose documents follow: its name, NULL for the program's own
 * errors, and the version of their form. None is printed yet. */
void json_begin(const char *command, int version);

/*
 * Prints value as the command's document on standard output and releases it. An
 * object gets the version in front. With TMOUTCTL_FAILURE, and with TMOUTCTL_NO where
 * the policy is invalid, "error" is added: what was reported, docs/error-1.schema.json.
 * An array without entries is then such an object; one that has some stays what it is,
 * as programs know it. Returns status, or TMOUTCTL_FAILURE if value is NULL (out of
 * memory) or standard output could not take it.
 */
int print_json(json_t *value, int status);

/* Prints the errors as a document of their own unless the command has printed one.
 * Returns status, or as print_json(). */
int json_end(int status);

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

/* The same for programs, with the offset from UTC: RFC 3339; "" where it has no form
 * for the year. */
void format_time_rfc3339(int64_t wall_clock_sec, char *text, size_t size);

/* That as JSON, or null. */
json_t *json_time(int64_t wall_clock_sec);

#endif
