/*
 * Policy text to rules, by way of libconfuse. The only part that knows
 * libconfuse; not to be called by two threads at once, because libconfuse's
 * scanner keeps its state in global variables.
 */
#ifndef TMOUT_POLICY_LOAD_H
#define TMOUT_POLICY_LOAD_H

#include "lib/host/failure.h"
#include "lib/policy/problems.h"
#include "lib/policy/rules.h"
#include "lib/policy/source.h"

/*
 * Adds the rules of one source to policy, with file_index as their origin.
 * The source's text is changed (comments become spaces). Errors go to
 * problems; sections without any are added all the same, so that later files
 * can be checked too. Returns 0, or -1: out of memory.
 */
int load_source(const struct source *source, uint32_t file_index, struct policy *policy,
                struct problems *problems);

/*
 * Lets libconfuse read text, which holds one section and passed the scan, and
 * compares what it finds with expected, the rule that the scan found: only
 * what both agree on comes into force. Returns 0, or -1 with a failure: they
 * differ, or there was no memory.
 */
int load_check_section(const char *text, const struct rule *expected, struct failure *failure);

#endif
