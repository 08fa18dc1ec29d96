#include "tests/bench/turns.h"

#include <stdio.h>
#include <stdlib.h>

int take_turns(double (*turn_us)(void *data), void *data)
{
    char line[64];

    while (fgets(line, sizeof line, stdin) != NULL) {
        for (long left = strtol(line, NULL, 10); left > 0; left--) {
            const double taken_us = turn_us(data);
            if (taken_us < 0)
                return -1;
            printf("%.1f\n", taken_us);
        }
        fflush(stdout);
    }
    return 0;
}
