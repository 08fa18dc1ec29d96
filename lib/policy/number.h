/* Whole numbers in a policy: digits only, without a sign. */
#ifndef TMOUT_POLICY_NUMBER_H
#define TMOUT_POLICY_NUMBER_H

#include "lib/host/ascii.h"

#include <stdint.h>

/*
 * Reads the digits at *at into *number and moves *at past them. Returns
 * NULL, or what is wrong as a static sentence fragment; both are then
 * untouched. A leading zero is wrong: 010 means 8 to some readers.
 */
const char *number_parse(const char **at, int64_t *number);

#endif
