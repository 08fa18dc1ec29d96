/*
 * /etc/security/tmout-fleet.conf: where the store is that the hosts of a fleet share, and how
 * to get there. Read by way of libconfuse, with the care of the policy: tmoutctl and
 * tmout-fleetd do, and never the module.
 */
#ifndef TMOUT_FLEET_CONF_H
#define TMOUT_FLEET_CONF_H

#include "lib/policy/problems.h"
#include "lib/policy/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A lease is longer than three renewals, and shorter than an attempt waits without progress. */
enum { FLEET_LEASE_MS = 8000 };

enum { FLEET_ENDPOINTS_MAX = 8, FLEET_TEXT_MAX = 256, FLEET_HOST_MAX = 65 };

#define FLEET_CONF_NAME "tmout-fleet.conf"

struct fleet_endpoint {
    char address[FLEET_TEXT_MAX]; /* numeric, or the path of a Unix socket */
    uint16_t port;                /* 0: a Unix socket */
};

struct fleet_conf {
    struct fleet_endpoint endpoint[FLEET_ENDPOINTS_MAX];
    size_t endpoints;
    bool tls;
    bool plain; /* tls = false: without it, the store is on this host */
    /* "" where not set; the files as files.h names them */
    char ca[FLEET_TEXT_MAX], cert[FLEET_TEXT_MAX], key[FLEET_TEXT_MAX], name[FLEET_TEXT_MAX];
    char acl_user[FLEET_TEXT_MAX], password_file[FLEET_TEXT_MAX];
    char sentinel[FLEET_TEXT_MAX]; /* the primary's name; then the endpoints are Sentinels */
    char prefix[33];
    char host_id[FLEET_HOST_MAX]; /* "": the host's name */
    int timeout_ms, hold_ms;
    int lease_ms; /* FLEET_LEASE_MS; no setting */
};

/*
 * Reads the file, or the draft that is to replace it (NULL: none), and looks at the files that it
 * names; owner as in secure_path.h. What is wrong is added to problems. Returns 0, 1 if the file is
 * invalid, 2 if there is none, or -1 if it could not be read.
 */
int fleet_conf_read(const char *path, uid_t owner, const struct source_draft *draft,
                    struct fleet_conf *conf, struct problems *problems);

/* Where it is beside the policy at config_path. Returns false if the path is too long. */
bool fleet_conf_path(const char *config_path, char *path, size_t size);

/* What this host is called in the store: its host_id or, where that is not set, nodename of
 * uname(2), with a - for each character that a name there cannot have. */
void fleet_host_name(const struct fleet_conf *conf, const char *nodename,
                     char host[FLEET_HOST_MAX]);

/* A Unix socket, or an address of loopback? */
bool fleet_endpoint_is_local(const struct fleet_endpoint *endpoint);

/* Can this build encrypt connections to the store? */
bool fleet_conf_has_tls(void);

#endif
