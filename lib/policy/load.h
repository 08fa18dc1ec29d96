/*
 * Policy text to rules, by way of libconfuse. The only part that knows
 * libconfuse; not to be called by two threads at once, because libconfuse's
 * scanner keeps its state in global variables.
 */
#ifndef TMOUT_POLICY_LOAD_H
#define TMOUT_POLICY_LOAD_H

#include "lib/policy/problems.h"
#include "lib/policy/rules.h"
#include "lib/policy/source.h"

/*
 * Adds the rules of one source to policy, with file_index as their origin.
 * The source's text is changed (comments become spaces). Mistakes go to
 * problems; the rules that are free of them are added all the same, so that
 * later files can be checked too. Returns 0, or -1: out of memory.
 */
int load(const struct source *source, uint32_t file_index, struct policy *policy,
         struct problems *problems);

#endif
