/*
 * One login that is watched: its terminals, its traffic while it has none, and its
 * age. Carries out what decide_login.h decides.
 */
#ifndef TMOUT_TMOUTD_LOGIN_H
#define TMOUT_TMOUTD_LOGIN_H

#include "lib/sessions/leftovers.h"
#include "lib/sessions/login_traffic.h"
#include "lib/sessions/watch_limits.h"
#include "tools/tmoutd/decide_login.h"
#include "tools/tmoutd/log.h"
#include "tools/tmoutd/terminal.h"

struct user;

struct login {
    LIST_ENTRY(login) link; /* of the same user */
    struct user *user;      /* whose login it is, by whoever keeps the logins */
    struct session_record record;
    struct loop *loop;
    int pidfd;                /* of the process that opened the session, or -1 */
    int connection_pidfd;     /* of the one that talks to the client, or -1 if that is the same */
    bool lacks_connection;    /* it is another one, but there was no descriptor for it */
    sd_event_source *end;     /* pidfd's event */
    struct login_trace trace; /* what it leaves behind will be known by */
    bool is_confirmed;        /* the process was seen to be the one in the record */
    bool has_limits;          /* the login is judged once it has them */
    struct user_limits limits;
    struct terminal_owner owner;
    struct terminal_list terminals;
    unsigned terminal_count;
    struct alarm alarm;
    int64_t look_ms;  /* look for terminals then */
    int64_t judge_ms; /* judge the login as a whole then */
    struct traffic_state traffic;
    struct client_evidence evidence; /* as of the last sample of what the client sends */
    int64_t not_before_ms;           /* no end before then */
    int64_t asked_ms;                /* when the traffic was asked for */
    enum traffic_kind asked_kind;
    int64_t withheld_until_ms; /* its own processes kept its traffic from being measured */
    bool is_age_reported;      /* that its age has ended it is logged once */
    bool is_end_reported;
    unsigned ends; /* how often it was ended in vain */
    struct repeated_failure look_failure, end_failure;
    struct inquiry *looking, *measuring;
    struct login_cut *cut;
    /* It has ended: called outside of any function of this header. Set by the caller of
     * login_new(). */
    void (*gone)(void *context, struct login *login);
    void *context;
};

/* A login that is watched from now on, once it has limits. by_index: see struct
 * terminal_owner. NULL without memory. */
struct login *login_new(struct loop *loop, struct map *by_index,
                        const struct session_record *record);

/* It has ended. Hang-ups of its terminals go on without it. */
void login_free(struct login *login);

/* Its limits; about: whom questions about it are about. */
void login_set_limits(struct login *login, const struct user_limits *limits);
void login_set_about(struct login *login, about_t about);

/* Looks for its terminals then. */
void login_look(struct login *login, int64_t at_ms);

#endif
