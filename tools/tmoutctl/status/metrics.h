/* The facts of `tmoutctl status` as metrics. */
#ifndef TMOUT_TMOUTCTL_STATUS_METRICS_H
#define TMOUT_TMOUTCTL_STATUS_METRICS_H

#include "tools/tmoutctl/status/facts.h"

/* Prints them as OpenMetrics, which the textfile collector of node_exporter reads as
 * it is. What is not known is left out. */
void status_print_metrics(const struct status_facts *facts);

#endif
