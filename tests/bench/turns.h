/* The measured side of turns.py. */
#ifndef BENCH_TURNS_H
#define BENCH_TURNS_H

/*
 * For each number N in the input, one per line, takes N turns and prints what
 * each of them returns: microseconds, or a negative value if it failed, which
 * ends the measurement. Returns 0, or -1 after a failed turn.
 */
int take_turns(double (*turn_us)(void *data), void *data);

#endif
