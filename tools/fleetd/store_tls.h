/*
 * TLS to the store, for connections of hiredis. The store's certificate has to be of the CA, and
 * for the name, or, where none is configured, for the address. hiredis checks no name by itself,
 * so OpenSSL is set up here. Where this build has no TLS, the configuration asks for none.
 */
#ifndef TMOUT_FLEETD_STORE_TLS_H
#define TMOUT_FLEETD_STORE_TLS_H

#include "lib/fleet/conf.h"
#include "lib/host/failure.h"
#include "tools/fleetd/client_library.h"

#include <stdbool.h>
#include <stddef.h>

struct store_tls;

/* Reads the files that the configuration, which is at conf_path and lasts as long, names. Returns
 * NULL with the reason. */
struct store_tls *store_tls_new(const struct fleet_conf *conf, const char *conf_path,
                                struct failure *failure);
void store_tls_free(struct store_tls *tls);

/* Encrypts a connection that has just been begun. connection->err tells if that has failed. */
void store_tls_begin(struct store_tls *tls, redisAsyncContext *connection,
                     const struct fleet_endpoint *endpoint);

/* When a connection has ended: before it could be used, the store has closed it or the time was
 * up; later. */
enum tls_end { TLS_NOT_CONNECTED, TLS_CLOSED, TLS_LATE, TLS_WAS_IN_USE };

/* Says why the last connection has ended; returns false if that had nothing to do with TLS. */
bool store_tls_explain(struct store_tls *tls, enum tls_end end, char *why, size_t size);

#endif
