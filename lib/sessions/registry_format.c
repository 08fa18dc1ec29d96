#include "lib/sessions/registry_format.h"

#include "lib/host/checksum.h"

#include <string.h>

_Static_assert(sizeof(struct stored_record_1) == 456 && sizeof(struct stored_session) == 440,
               "the layout of version 1 is fixed");
_Static_assert(sizeof(struct stored_record) == 1824 && LIMIT_RULE_COUNT == 4,
               "another layout is another version");

/* --- to bytes -------------------------------------------------------------- */

static void store_session(const struct session_record *record, struct stored_session *session)
{
    session->pid = record->pid;
    session->is_ssh = record->is_ssh;
    session->start_ticks = record->start_ticks;
    session->audit_session = record->audit_session;
    session->source = record->source;
    session->since = record->since;
    memcpy(session->user, record->user, sizeof session->user);
    memcpy(session->service, record->service, sizeof session->service);
    memcpy(session->address, record->address, sizeof session->address);
    memcpy(session->terminal, record->terminal, sizeof session->terminal);
}

static void store_watch_limits(const struct watch_limits *limits, int64_t stored_ms[3])
{
    stored_ms[0] = limits->idle_ms;
    stored_ms[1] = limits->age_ms;
    stored_ms[2] = limits->warn_ms;
}

static void store_limits(const struct session_record *record, struct stored_limits *stored)
{
    stored->policy = record->policy;
    store_watch_limits(&record->limits.terminal, stored->terminal_ms);
    store_watch_limits(&record->limits.notty, stored->notty_ms);
    stored->any_activity = record->limits.any_activity;
    stored->only_client = record->limits.only_client;
    stored->leftovers = record->limits.leftovers;
    memcpy(stored->rule, record->limits.rule, sizeof stored->rule);
}

void record_encode(const struct session_record *record, struct stored_record *stored)
{
    memset(stored, 0, sizeof *stored); /* the padding, too: it is part of the checksum */
    memcpy(stored->magic, RECORD_MAGIC, sizeof stored->magic);
    stored->version = RECORD_VERSION;
    stored->size = sizeof *stored;
    store_session(record, &stored->session);
    stored->uid = record->uid;
    stored->has_spare = record->has_spare;
    if (record->policy != 0)
        store_limits(record, &stored->limits);
    stored->checksum = CHECKSUM_WORDS_OF(CHECKSUM_START, *stored);
}

/* --- from bytes ------------------------------------------------------------ */

static bool is_terminated(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static bool session_is_valid(const struct stored_session *session, pid_t pid)
{
    return session->pid == pid && session->source < LOGIN_SOURCE_COUNT &&
           is_terminated(session->user, sizeof session->user) &&
           is_terminated(session->service, sizeof session->service) &&
           is_terminated(session->address, sizeof session->address) &&
           is_terminated(session->terminal, sizeof session->terminal);
}

static bool limits_are_valid(const struct stored_limits *limits)
{
    if (limits->leftovers > LEFTOVERS_END)
        return false;
    for (size_t i = 0; i < sizeof limits->rule / sizeof limits->rule[0]; i++)
        if (!is_terminated(limits->rule[i], sizeof limits->rule[i]))
            return false;
    for (size_t i = 0; i < sizeof limits->terminal_ms / sizeof limits->terminal_ms[0]; i++)
        if (limits->terminal_ms[i] < 0 || limits->notty_ms[i] < 0)
            return false;
    return true;
}

static void load_session(const struct stored_session *session, struct session_record *record)
{
    memset(record, 0, sizeof *record);
    record->pid = session->pid;
    record->is_ssh = session->is_ssh != 0;
    record->start_ticks = session->start_ticks;
    record->audit_session = session->audit_session;
    record->source = (enum login_source)session->source;
    record->uid = NO_UID;
    record->since = session->since;
    memcpy(record->user, session->user, sizeof record->user);
    memcpy(record->service, session->service, sizeof record->service);
    memcpy(record->address, session->address, sizeof record->address);
    memcpy(record->terminal, session->terminal, sizeof record->terminal);
}

static void load_limits(const struct stored_limits *stored, struct session_record *record)
{
    record->policy = stored->policy;
    record->limits.terminal = (struct watch_limits){stored->terminal_ms[0], stored->terminal_ms[1],
                                                    stored->terminal_ms[2]};
    record->limits.notty =
        (struct watch_limits){stored->notty_ms[0], stored->notty_ms[1], stored->notty_ms[2]};
    record->limits.any_activity = stored->any_activity != 0;
    record->limits.only_client = stored->only_client != 0;
    record->limits.leftovers = (enum leftovers)stored->leftovers;
    memcpy(record->limits.rule, stored->rule, sizeof record->limits.rule);
}

static enum registry_status decode_version_1(const void *bytes, size_t size, pid_t pid,
                                             struct session_record *record)
{
    struct stored_record_1 stored;

    if (size != sizeof stored)
        return REGISTRY_DAMAGED;
    memcpy(&stored, bytes, sizeof stored);
    if (CHECKSUM_OF(CHECKSUM_START, stored) != stored.checksum ||
        !session_is_valid(&stored.session, pid))
        return REGISTRY_DAMAGED;
    load_session(&stored.session, record);
    return REGISTRY_OK;
}

static enum registry_status decode_version_2(const void *bytes, size_t size, pid_t pid,
                                             struct session_record *record)
{
    struct stored_record stored;

    if (size != sizeof stored)
        return REGISTRY_DAMAGED;
    memcpy(&stored, bytes, sizeof stored);
    if (stored.size != sizeof stored ||
        CHECKSUM_WORDS_OF(CHECKSUM_START, stored) != stored.checksum ||
        !session_is_valid(&stored.session, pid) || !limits_are_valid(&stored.limits))
        return REGISTRY_DAMAGED;
    load_session(&stored.session, record);
    record->uid = (uid_t)stored.uid;
    record->has_spare = stored.has_spare != 0;
    if (stored.limits.policy != 0)
        load_limits(&stored.limits, record);
    return REGISTRY_OK;
}

enum registry_status record_decode(const void *bytes, size_t size, pid_t pid,
                                   struct session_record *record)
{
    const size_t magic_size = sizeof RECORD_MAGIC - 1;
    uint32_t version;

    if (size < offsetof(struct stored_record, size))
        return REGISTRY_DAMAGED;
    if (memcmp(bytes, RECORD_MAGIC_1, magic_size) == 0)
        return decode_version_1(bytes, size, pid, record);
    if (memcmp(bytes, RECORD_MAGIC, magic_size) != 0)
        return REGISTRY_DAMAGED;
    memcpy(&version, (const char *)bytes + offsetof(struct stored_record, version), sizeof version);
    if (version > RECORD_VERSION)
        return REGISTRY_NEWER;
    return version == RECORD_VERSION ? decode_version_2(bytes, size, pid, record)
                                     : REGISTRY_DAMAGED;
}
