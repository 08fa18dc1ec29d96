/* The registered logins, terminal by terminal: how long each has been idle,
 * and which limit will end it when. Found by the code that tmoutd decides with. */
#ifndef TMOUT_TMOUTCTL_HOST_SESSION_TABLE_H
#define TMOUT_TMOUTCTL_HOST_SESSION_TABLE_H

#include "lib/sessions/registry.h"
#include "lib/sessions/watch_limits.h"
#include "tools/tmoutctl/host/policy_view.h"

/* Where the limits of a login come from. */
enum limits_state {
    LIMITS_IN_FORCE,   /* the policy that logins get now */
    LIMITS_KNOWN_LAST, /* its record: its user cannot be looked up now */
    LIMITS_UNKNOWN     /* that, and its record has none */
};

/* A terminal of a login, or a login without one. Times in ms, NEVER_MS for none. */
struct session_row {
    struct session_record login;
    bool is_own; /* seen by its user, who may not read its record: service and source are
                    not known, nor may the address be */
    enum limits_state limits_state;
    char terminal[64];   /* below /dev; "": the login has none, or they cannot be read */
    int64_t idle_ms;     /* NEVER_MS: only tmoutd knows */
    int64_t limit_ms;    /* that will end it */
    int64_t left_ms;     /* until then */
    const char *setting; /* the name of that limit, or NULL */
    char rule[320];      /* "FILE:LINE" of that limit */
};

/* Start with {0}; the caller frees row. */
struct session_table {
    struct session_row *row;
    size_t count;
    struct timestamp now;
};

/*
 * Fills in which limit ends this row first, and when: the last activity was
 * at active_ms on the boot clock, or NEVER_MS where it is not known. Login,
 * terminal and idle_ms stay as they are.
 */
void session_row_set_end(struct session_row *row, const struct user_limits *limits,
                         int64_t active_ms, const struct timestamp *now);

/*
 * Adds all live logins of the registry in directory, the one that ends first
 * first. Returns 0, or -1 where something about them could not be read, after a
 * message for each; what is known of them is in the table all the same.
 */
int session_table_find(const struct tmoutctl_context *context, const char *directory,
                       struct policy_view *view, struct session_table *table);

/* The same for the logins of an ordinary user, who may not read the registry: this
 * account's. */
int session_table_find_own(const struct tmoutctl_context *context, const char *directory,
                           struct account *account, struct policy_view *view,
                           struct session_table *table);

#endif
