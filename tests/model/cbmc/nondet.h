/*
 * What the harnesses share. CBMC tries every value of what a function without a
 * body returns, and every path through the code under test, up to the bounds on
 * loops that tests/soak/cbmc.t sets.
 */
#ifndef TMOUT_TESTS_MODEL_CBMC_NONDET_H
#define TMOUT_TESTS_MODEL_CBMC_NONDET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint8_t nondet_byte(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
int64_t nondet_i64(void);
bool nondet_bool(void);
char nondet_char(void);

void __CPROVER_assume(bool condition);
void __CPROVER_assert(bool condition, const char *text);

#define assume(condition) __CPROVER_assume(condition)
#define claim(condition)  __CPROVER_assert(condition, #condition)

#endif
