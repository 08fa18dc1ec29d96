/* The sources of a database in nsswitch.conf(5), to be asked one by one. */
#ifndef TMOUT_TMOUTCTL_HOST_NSS_SOURCES_H
#define TMOUT_TMOUTCTL_HOST_NSS_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

enum { NSS_SOURCES_MAX = 16, NSS_NAME_MAX = 32 };

struct nss_sources {
    char name[NSS_SOURCES_MAX][NSS_NAME_MAX];
    size_t count;
    char line[256]; /* as it is written, without the database */
};

/*
 * Reads the database's line out of the file's text. Returns 1, or 0 where it has
 * none, or -1 where its sources cannot be asked one by one: some answers are to end
 * the search, or the line is too long.
 */
int nss_sources_parse(const char *text, const char *database, struct nss_sources *sources);

/* The same for /etc/nsswitch.conf. Returns -1, too, where the C library has no such
 * thing. */
int nss_sources_read(const char *database, struct nss_sources *sources);

/* Is the library of this source installed? NSS skips it where it is not. */
bool nss_source_installed(const char *name);

/* From now on this process asks only these sources, as in "files" or sources.line. */
void nss_sources_select(const char *database, const char *sources);

#endif
