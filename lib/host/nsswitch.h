/* The sources of a name service's database, as nsswitch.conf(5) lists them. */
#ifndef TMOUT_HOST_NSSWITCH_H
#define TMOUT_HOST_NSSWITCH_H

#include <stdbool.h>
#include <stddef.h>

enum { NSS_SOURCES_MAX = 16, NSS_NAME_MAX = 32 };

/* Answers of a source, as bits. */
enum {
    NSS_SUCCESS = 1,
    NSS_NOTFOUND = 2,
    NSS_UNAVAIL = 4,
    NSS_TRYAGAIN = 8,
    NSS_ANSWERS = NSS_SUCCESS | NSS_NOTFOUND | NSS_UNAVAIL | NSS_TRYAGAIN
};

struct nss_source {
    char name[NSS_NAME_MAX];
    unsigned ends; /* the answers after which no further source is asked */
};

struct nss_sources {
    struct nss_source source[NSS_SOURCES_MAX];
    size_t count;
    char line[256]; /* as it is written, without the database */
};

enum { NSSWITCH_BYTES_MAX = 16 * 1024 };

/*
 * Reads the database's line out of the file's text. Returns 1, or 0 where it has
 * none, or -1 where this does not understand the line.
 */
int nsswitch_parse(const char *text, const char *database, struct nss_sources *sources);

/* Reads /etc/nsswitch.conf, or else the vendor's, into text, which is empty where there is no file.
 * Returns 0, or -1 where it cannot be read, or where the C library does not use it. */
int nsswitch_read(char text[NSSWITCH_BYTES_MAX]);

#endif
