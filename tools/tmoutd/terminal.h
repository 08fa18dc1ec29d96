/*
 * One terminal of a login that is watched: sampled when that is due, and hung up
 * as decide_terminal.h decides. Only stat(2) is called for it here; whatever else
 * needs it is asked of a helper.
 */
#ifndef TMOUT_TMOUTD_TERMINAL_H
#define TMOUT_TMOUTD_TERMINAL_H

#include "lib/host/map.h"
#include "lib/sessions/registry.h"
#include "tools/tmoutd/decide_terminal.h"
#include "tools/tmoutd/log.h"
#include "tools/tmoutd/log_text.h"
#include "tools/tmoutd/loop.h"

enum {
    RETRY_MS = 30 * 1000, /* after an error, until the next try */
    SETTLE_MS = 1000      /* from an event to what it leads to, so that many events cost one look */
};

struct terminal;

/* What a terminal needs of its login, and tells it. */
struct terminal_owner {
    struct loop *loop;
    struct map *by_index; /* all terminals in /dev/pts that are watched */
    const struct session_record *record;
    const struct user_limits *limits;
    const bool *has_limits; /* no terminal is judged before */
    about_t about;
    void *login;
    /* It is gone, or should be looked for again. */
    void (*lost)(void *login);
    /* It has vanished from /dev/pts. */
    void (*vanished)(void *login, struct terminal *terminal);
    /* When its user was last active elsewhere, as far as that counts for this terminal,
     * too. NULL: nowhere. */
    int64_t (*activity_elsewhere)(void *login, const struct terminal *terminal);
    /* It cannot be hung up: end the login. */
    void (*end_login)(void *login, enum watch_reason reason);
    /* It is about to be disconnected. */
    void (*log_disconnect)(void *login, const struct disconnect *disconnect);
};

LIST_HEAD(terminal_list, terminal);

struct terminal {
    LIST_ENTRY(terminal) link;
    const struct terminal_owner *owner;
    unsigned index;
    bool found; /* by the look in progress */
    int64_t found_ms;
    struct alarm alarm;
    struct terminal_state state;
    struct terminal_decision decision; /* the last one */
    bool notice_is_out;
    bool is_end_reported; /* logged since the last activity */
    int64_t not_before_ms;
    unsigned failed_cuts; /* in a row */
    struct repeated_failure failure;
    struct inquiry *inquiry;
    struct terminal_cut *cut;
};

/* NULL if it is gone already, or without memory: with errno. */
struct terminal *terminal_new(const struct terminal_owner *owner, unsigned index);

/* The one with this index, or NULL. */
struct terminal *terminal_find(const struct terminal_list *list, unsigned index);

/* A hang-up in progress goes on without it. */
void terminal_free(struct terminal *terminal);

/* It has vanished from /dev/pts: its owner frees it. */
void terminal_vanished(struct terminal *terminal);

/* When its user was last active there, by what the terminal shows now. */
int64_t terminal_active_ms(struct terminal *terminal);

/* Its times or mode were changed, or its limits. */
void terminal_touched(struct terminal *terminal);
void terminal_reconsider(struct terminal *terminal);

#endif
