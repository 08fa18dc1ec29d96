/*
 * Durations in the format of sshd_config(5), "TIME FORMATS": a sequence of
 * numbers that are added up, each followed by s, m, h, d or w in either case,
 * or by nothing for seconds: 600, 10m, 1h30m.
 *
 * Stricter than sshd in one point, because people read policies: a leading zero
 * is rejected (010 means 8 to some readers).
 */
#ifndef TMOUT_POLICY_DURATION_H
#define TMOUT_POLICY_DURATION_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads the whole of text into *seconds (0 or more). Returns NULL, or what
 * is wrong as a static sentence fragment; *seconds is then untouched.
 */
const char *duration_parse(const char *text, int64_t *seconds);

/* The shortest text that duration_parse() reads back as seconds (>= 0),
 * largest unit first, weeks left out: 90 gives "1m30s". */
void duration_format(int64_t seconds, char *text, size_t size);

#endif
