/*
 * A login's record as bytes: the file in the registry, and the message to tmoutd.
 *
 * The version stands in front of the checksum, so that every version can tell
 * a record that a later one has written from a damaged one. Numbers are in the
 * host's byte order: a record never leaves its boot.
 *
 * Version 1, of pam_tmout 0.1, had neither the limits nor the uid. It is still
 * read: logins that are open during an upgrade keep theirs.
 */
#ifndef TMOUT_SESSIONS_REGISTRY_FORMAT_H
#define TMOUT_SESSIONS_REGISTRY_FORMAT_H

#include "lib/sessions/registry.h"

#define RECORD_MAGIC   "tmoutses"
#define RECORD_MAGIC_1 "tmoutse1"

enum { RECORD_VERSION = 2 };

/* What both versions store of the session. */
struct stored_session {
    int32_t pid;
    uint32_t is_ssh;
    uint64_t start_ticks;
    uint32_t audit_session;
    uint32_t source; /* 0 in version 1 */
    struct timestamp since;
    char user[256];
    char service[32];
    char address[64];
    char terminal[32];
};

struct stored_limits {
    uint64_t policy;
    int64_t terminal_ms[3], notty_ms[3]; /* idle, age, warn */
    uint32_t any_activity, only_client, leftovers;
    uint32_t unused;
    char rule[4][320]; /* by enum limit_rule */
};

struct stored_record_1 {
    char magic[8];
    uint64_t checksum; /* of everything below */
    struct stored_session session;
};

struct stored_record {
    char magic[8];
    uint32_t version;
    uint32_t size;     /* of all of it */
    uint64_t checksum; /* of everything below */
    struct stored_session session;
    uint32_t uid;
    uint32_t has_spare;
    struct stored_limits limits;
};

void record_encode(const struct session_record *record, struct stored_record *stored);

/*
 * Reads the record of this process from size bytes, of version 1 or 2. Returns
 * REGISTRY_OK, REGISTRY_NEWER, or REGISTRY_DAMAGED, which leave *record as it
 * was.
 */
enum registry_status record_decode(const void *bytes, size_t size, pid_t pid,
                                   struct session_record *record);

#endif
