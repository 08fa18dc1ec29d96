/* The registered logins, terminal by terminal: how long each has been idle,
 * and which limit will end it when. Found by the code that tmoutd decides with. */
#ifndef TMOUT_TMOUTCTL_HOST_SESSION_TABLE_H
#define TMOUT_TMOUTCTL_HOST_SESSION_TABLE_H

#include "lib/sessions/registry.h"
#include "lib/sessions/watch_limits.h"
#include "tools/tmoutctl/host/policy_view.h"

/* A terminal of a login, or a login without one. Times in ms, NEVER_MS for none. */
struct session_row {
    struct session_record login;
    char terminal[64];   /* below /dev; "": the login has none */
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
 * first. Returns 0, or -1 where some are missing, after a message for each.
 */
int session_table_find(const struct tmoutctl_context *context, const char *directory,
                       struct policy_view *view, struct session_table *table);

#endif
