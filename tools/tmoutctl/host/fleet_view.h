/* What tmout-fleetd tells of the fleet: how the store is, and a user's counts there. */
#ifndef TMOUT_TMOUTCTL_HOST_FLEET_VIEW_H
#define TMOUT_TMOUTCTL_HOST_FLEET_VIEW_H

#include "lib/attempts/ledger.h"
#include "lib/fleet/query.h"
#include "tools/tmoutctl/host/fleet_mark.h"
#include "tools/tmoutctl/host/policy_view.h"

struct fleet_view {
    bool is_configured;       /* there is a tmout-fleet.conf */
    bool is_known;            /* tmout-fleetd has answered */
    struct fleet_state state; /* then */
    struct failure why;       /* else why not, where configured */
    /* That the store has seen in the last month, if it can be reached. */
    struct fleet_host host[FLEET_HOSTS_MAX];
    size_t hosts;
};

/* Asks only where the fleet is configured. */
void fleet_view_find(const struct tmoutctl_context *context, struct fleet_view *view);

/* Can the store be reached? */
bool fleet_view_is_up(const struct fleet_view *view);

/* Has this host of the view told in the last hour that it is there? */
bool fleet_host_is_present(const struct fleet_host *host);

/* Has it other rules about failed logins than the host that asks? Not known is no. */
bool fleet_host_differs(const struct fleet_view *view, const struct fleet_host *host);

/* How long, for people: "0s", "less than 1s", or as duration_format(). */
void fleet_view_time(int64_t time_ms, char *text, size_t size);

/* "reached for 2h3m", "away for 5s: REASON", "tmout-fleetd does not run: REASON". */
void fleet_view_describe(const struct fleet_view *view, char *text, size_t size);

/* Room for fleet_view_describe(). */
enum { FLEET_VIEW_TEXT_MAX = FAILURE_TEXT_MAX + 128 };

/* A user's counts in the store. */
struct fleet_counts {
    bool shared;             /* the policy gives the user fleet_attempts; else nothing was asked */
    unsigned max_attempts;   /* this host's limit; 0: none */
    unsigned fleet_attempts; /* where shared */
    int64_t penalty_ms;      /* locked for so long because of damage in the store */
    struct fleet_count *count;
    size_t size;
};

/* Those of a user with these settings. Returns 0, and the caller frees with fleet_counts_free(),
 * or -1 with the reason; counts->shared is then set, too. */
int fleet_counts_find(const struct tmoutctl_context *context, const struct account *account,
                      const struct resolution *resolution, struct fleet_counts *counts,
                      struct failure *failure);

void fleet_counts_free(struct fleet_counts *counts);

/* The worst of them: each has the limit to itself, so failures do not add up. in_flight is of
 * all. */
struct attempt_state fleet_counts_worst(const struct fleet_counts *counts);

/* Where a count's logins came from: its origin_format(). */
void fleet_count_from(const struct fleet_count *count, char *text, uint32_t size);

/* Tells all hosts that the user was unlocked just now. Returns 0, or -1 with the reason. */
int fleet_tell_unlocked(const struct tmoutctl_context *context, const char *user,
                        struct failure *failure);

/* ahead_ms: how far the mark is in the future, or 0. Such a mark would forget what fails until
 * then. */
typedef void fleet_unlock_callback(void *with, const struct fleet_mark *mark, int64_t ahead_ms);

/*
 * Calls unlock for each user whom another host, or this one, has unlocked on all hosts in the
 * last day, if the mark was made with this key. Returns how many marks were not, by a wrong key or
 * a hostile store; or -1 with the reason, if the fleet cannot be asked.
 */
int fleet_each_unlocked(const struct tmoutctl_context *context, const struct fleet_unlock_key *key,
                        fleet_unlock_callback *unlock, void *with, struct failure *failure);

struct fleet_cleared {
    bool asked; /* the user's attempts are shared, as far as the policy can be read */
    bool done, was_locked;
    unsigned failures;
};

/* Makes the fleet forget the user's failures, as far as the store is concerned. Returns 0, or
 * -1 with the reason; whether the policy can be read does not matter. */
int fleet_clear_user(const struct tmoutctl_context *context, const char *user,
                     struct fleet_cleared *cleared, struct failure *failure);

#endif
