/* The facts of `tmoutctl status` and `tmoutctl fleet` as metrics. */
#ifndef TMOUT_TMOUTCTL_STATUS_METRICS_H
#define TMOUT_TMOUTCTL_STATUS_METRICS_H

#include "tools/tmoutctl/status/facts.h"

#include <stdio.h>

/* Prints them as OpenMetrics, which the textfile collector of node_exporter reads as
 * it is. What is not known is left out. */
void status_print_metrics(FILE *to, const struct status_facts *facts);

/* Those of the fleet, where it is configured; is_all: nothing follows. */
void fleet_print_metrics(FILE *to, const struct fleet_view *view, bool is_all);

/*
 * Puts them into the file at path, with mode 0644, in one step: who reads it finds
 * the old metrics or the new ones. A temporary file beside it, whose name begins with
 * its own and ends in .new and a number, is what a killed process leaves behind.
 * Returns 0, or -1 with the reason.
 */
int status_write_metrics(const char *path, const struct status_facts *facts,
                         struct failure *failure);

#endif
