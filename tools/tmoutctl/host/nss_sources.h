/* Asking the sources of a database in nsswitch.conf(5) one by one. */
#ifndef TMOUT_TMOUTCTL_HOST_NSS_SOURCES_H
#define TMOUT_TMOUTCTL_HOST_NSS_SOURCES_H

#include "lib/host/nsswitch.h"

/* The sources of /etc/nsswitch.conf. Returns false where they cannot be asked one by
 * one: a failure is to end the search, or, and then there are none in sources, the line
 * is not understood, or the C library has no such thing. */
bool nss_sources_read(const char *database, struct nss_sources *sources);

/* Is what /etc/passwd, or the like, says of somebody final? It may be where the sources
 * cannot be asked one by one. */
bool nss_file_comes_first(const struct nss_sources *sources);

/* Is the library of this source installed? NSS skips it where it is not. */
bool nss_source_installed(const char *name);

/* From now on this process asks only these sources, as in "files" or sources.line. */
void nss_sources_select(const char *database, const char *sources);

#endif
