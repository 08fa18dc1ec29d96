/* What tmoutctl asks of the daemon: its state, and a user's counts in the store. */
#ifndef TMOUT_FLEETD_QUERIES_H
#define TMOUT_FLEETD_QUERIES_H

#include "tools/fleetd/clients.h"

/* The parts of the daemon that an answer is about. They last longer than the store's answers. */
struct query_about {
    struct store *store;
    struct journal *journal;
    const struct fleet_conf *conf;
    const char *host;
    const struct clients *clients;
};

/* Answers the request on fd, now or when the store has answered, and closes it. Never waits for
 * whoever asks. */
void query_answer(const struct query_about *about, int fd, const struct fleet_request *request);

#endif
