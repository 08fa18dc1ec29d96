/* The side of turns.py that is measured. */
#ifndef BENCH_TURNS_H
#define BENCH_TURNS_H

/*
 * For each number N in the input, a line each, takes N turns and prints what
 * each of them gives: microseconds, or less than 0 if it failed, which ends
 * it all. Returns 0, or -1 after a turn that failed.
 */
int take_turns(double (*turn_us)(void *data), void *data);

#endif
