#include "tools/tmoutctl/host/fleet_view.h"

#include "lib/attempts/limits.h"
#include "lib/fleet/client.h"
#include "lib/fleet/conf.h"
#include "lib/host/clock.h"
#include "lib/policy/duration.h"
#include "tools/tmoutctl/host/fleet_mark.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long an unlocking is remembered for hosts that have not told yet, where the policy does
 * not say for how long failures count. */
enum { UNLOCK_MS = 24 * 60 * 60 * 1000, PRESENT_MS = 60 * 60 * 1000 };

/* So far ahead may another host's clock be. */
enum { CLOCKS_APART_MS = 60 * 1000 };

static bool is_configured(const struct tmoutctl_context *context)
{
    char path[PATH_MAX];

    return fleet_conf_path(context->config_path, path, sizeof path) && access(path, F_OK) == 0;
}

/* Sets query up to ask at the host's socket; path has room for PATH_MAX. */
static int aim(const struct tmoutctl_context *context, char *path, struct fleet_query *query,
               struct failure *failure)
{
    *query = (struct fleet_query){.path = path, .owner = geteuid()};
    if (host_path(&context->host, FLEET_SOCKET, path, PATH_MAX) == 0)
        return 0;
    failure_set(failure, "path too long");
    return -1;
}

void fleet_view_find(const struct tmoutctl_context *context, struct fleet_view *view)
{
    struct failure ignored = {""};
    struct fleet_query query;
    char path[PATH_MAX];

    *view = (struct fleet_view){.is_configured = is_configured(context)};
    if (!view->is_configured)
        return;
    view->is_known = aim(context, path, &query, &view->why) == 0 &&
                     fleet_query_status(&query, &view->state, &view->why) == 0;
    if (!fleet_view_is_up(view))
        return;
    const int hosts = fleet_query_hosts(&query, view->host, &ignored);
    view->hosts = hosts > 0 ? (size_t)hosts : 0;
}

bool fleet_host_is_present(const struct fleet_host *host)
{
    return host->seen_ms <= PRESENT_MS;
}

bool fleet_host_differs(const struct fleet_view *view, const struct fleet_host *host)
{
    for (size_t i = 0; i < view->hosts; i++)
        if (strcmp(view->host[i].name, view->state.host) == 0)
            return view->host[i].policy != 0 && view->host[i].policy != host->policy;
    return false;
}

void fleet_view_time(int64_t time_ms, char *text, size_t size)
{
    if (time_ms >= 1000)
        duration_format(time_ms / 1000, text, size);
    else
        snprintf(text, size, time_ms > 0 ? "less than 1s" : "0s");
}

bool fleet_view_is_up(const struct fleet_view *view)
{
    return view->is_known && view->state.store == FLEET_STORE_UP;
}

void fleet_view_describe(const struct fleet_view *view, char *text, size_t size)
{
    const struct fleet_state *state = &view->state;
    char since[64];

    if (!view->is_known) {
        snprintf(text, size, "tmout-fleetd cannot be asked: %s", view->why.text);
        return;
    }
    fleet_view_time(state->since_ms, since, sizeof since);
    switch ((enum fleet_store)state->store) {
    case FLEET_STORE_UP:
        snprintf(text, size, "reached for %s", since);
        break;
    case FLEET_STORE_AWAY:
        snprintf(text, size, "away for %s: %s", since, state->why);
        break;
    case FLEET_STORE_MERGING:
        snprintf(text, size, "reached, and is being told what this host knows");
        break;
    case FLEET_STORE_STARTING:
    default:
        snprintf(text, size, "not reached yet");
    }
}

/* --- a user's counts -------------------------------------------------------------------- */

static struct fleet_request request_of(const char *user, const struct attempt_limits *limits,
                                       unsigned fleet_attempts)
{
    struct fleet_request request = {.origin = {.kind = ORIGIN_NETWORK}, .limits = *limits};

    request.limits.max_attempts = fleet_attempts;
    snprintf(request.user, sizeof request.user, "%s", user);
    return request;
}

/* Returns whether the user's attempts are shared, and then what to ask; *max_attempts is this
 * host's limit, 0 for none. */
static bool find_request(const struct account *account, const struct resolution *resolution,
                         struct fleet_request *request, unsigned *max_attempts)
{
    struct attempt_limits limits;
    struct fleet_limits fleet;

    *max_attempts = 0;
    if (!attempt_limits_find(resolution, account->uid, &limits))
        return false;
    *max_attempts = limits.max_attempts;
    fleet_limits_find(resolution, &fleet);
    if (fleet.attempts == 0)
        return false;
    *request = request_of(account->name, &limits, fleet.attempts);
    return true;
}

int fleet_counts_find(const struct tmoutctl_context *context, const struct account *account,
                      const struct resolution *resolution, struct fleet_counts *counts,
                      struct failure *failure)
{
    struct fleet_request request;
    struct fleet_query query;
    char path[PATH_MAX];

    *counts = (struct fleet_counts){.shared = false};
    counts->shared = find_request(account, resolution, &request, &counts->max_attempts);
    if (!counts->shared)
        return 0;
    counts->fleet_attempts = request.limits.max_attempts;
    counts->count = calloc(FLEET_COUNTS_MAX, sizeof *counts->count);
    if (counts->count == NULL) {
        failure_set(failure, "out of memory");
        return -1;
    }
    const int found =
        aim(context, path, &query, failure) != 0
            ? -1
            : fleet_query_look(&query, &request, counts->count, &counts->penalty_ms, failure);
    if (found < 0) {
        fleet_counts_free(counts);
        return -1;
    }
    counts->size = (size_t)found;
    return 0;
}

void fleet_counts_free(struct fleet_counts *counts)
{
    free(counts->count);
    counts->count = NULL;
    counts->size = 0;
}

struct attempt_state fleet_counts_worst(const struct fleet_counts *counts)
{
    struct attempt_state worst = {.lock_left_ms = counts->penalty_ms};

    for (size_t i = 0; i < counts->size; i++) {
        const struct fleet_count *count = &counts->count[i];
        if (count->failures > worst.failures)
            worst.failures = count->failures;
        if (count->lock_left_ms > worst.lock_left_ms)
            worst.lock_left_ms = count->lock_left_ms;
        worst.in_flight += count->in_flight;
    }
    return worst;
}

/* An address in hexadecimal digits. Returns how many bytes it has, or 0. */
static size_t take_digits(const char *digits, unsigned char address[16])
{
    const size_t size = strlen(digits) / 2;

    if (strlen(digits) % 2 != 0 || size > 8 || strspn(digits, "0123456789abcdef") != 2 * size)
        return 0;
    for (size_t i = 0; i < size; i++)
        if (sscanf(digits + 2 * i, "%2hhx", &address[i]) != 1)
            return 0;
    return size;
}

void fleet_count_from(const struct fleet_count *count, char *text, uint32_t size)
{
    static const uint32_t network[] = {
        [4] = ORIGIN_IPV6_32, [6] = ORIGIN_IPV6_48, [7] = ORIGIN_IPV6_56, [8] = ORIGIN_IPV6};
    const char *name = count->name;
    struct origin origin = {.kind = ORIGIN_NETWORK};

    if (strcmp(name, "o4") == 0 || strcmp(name, "o6") == 0) {
        origin.kind = name[1] == '4' ? ORIGIN_OTHER_IPV4 : ORIGIN_OTHER_IPV6;
    } else if (name[0] == '4' || name[0] == '6') {
        const size_t bytes = take_digits(name + 1, origin.address);
        if (name[0] == '4' && bytes == 4)
            origin.kind = ORIGIN_IPV4;
        else if (name[0] == '6' && bytes < sizeof network / sizeof *network && network[bytes] != 0)
            origin.kind = network[bytes];
        else
            memset(origin.address, 0, sizeof origin.address);
    }
    origin_format(&origin, text, size);
}

/* --- unlocking ---------------------------------------------------------------------------- */

/* Under the user's own limits. Whatever of the policy cannot be read, they are unlocked: then
 * *shared says whether there is a fleet at all. */
static struct fleet_request clearing_request(const struct tmoutctl_context *context,
                                             const char *user, bool *shared)
{
    const struct attempt_limits widest = {
        .max_attempts = 1, .window_ms = UNLOCK_MS, .lock_ms = UNLOCK_MS};
    struct fleet_request request = request_of(user, &widest, ATTEMPTS_MAX), own;
    struct failure ignored = {""};
    struct resolution resolution;
    struct policy_view view;
    struct account account;
    unsigned max_attempts;

    *shared = false;
    if (find_account(user, &account, &ignored) != 0)
        return request;
    *shared = is_configured(context);
    snprintf(request.user, sizeof request.user, "%s", account.name);
    if (policy_view_find(context, &view, &ignored) == 0) {
        if (policy_view_resolve(context, &view, &account, &resolution, &ignored) == 0) {
            *shared = find_request(&account, &resolution, &own, &max_attempts);
            request = *shared ? own : request;
        }
        policy_view_close(&view);
    }
    account_free(&account);
    return request;
}

int fleet_clear_user(const struct tmoutctl_context *context, const char *user,
                     struct fleet_cleared *cleared, struct failure *failure)
{
    struct fleet_request request;
    struct fleet_query query;
    char path[PATH_MAX];

    *cleared = (struct fleet_cleared){.asked = false};
    request = clearing_request(context, user, &cleared->asked);
    if (!cleared->asked)
        return 0;
    const int locked = aim(context, path, &query, failure) != 0
                           ? -1
                           : fleet_query_clear(&query, &request, &cleared->failures, failure);
    cleared->done = locked >= 0;
    cleared->was_locked = locked > 0;
    return cleared->done ? 0 : -1;
}

/* --- unlocking on all hosts ----------------------------------------------------------------- */

/* The name in the mark is the one that the account has, as attempts are counted by it. */
static int name_user(const char *user, struct fleet_mark *mark, struct failure *failure)
{
    struct account account;

    if (find_account(user, &account, failure) != 0)
        return -1;
    const int length = snprintf(mark->user, sizeof mark->user, "%s", account.name);
    account_free(&account);
    if (length > 0 && (size_t)length < sizeof mark->user)
        return 0;
    failure_set(failure, "the name is too long");
    return -1;
}

int fleet_tell_unlocked(const struct tmoutctl_context *context, const char *user,
                        struct failure *failure)
{
    struct fleet_mark mark = {.unlocked_ms = clock_ms(CLOCK_REALTIME)};
    struct fleet_unlock_key key;
    struct fleet_query query;
    char path[PATH_MAX];
    int result = -1;

    if (name_user(user, &mark, failure) != 0 || aim(context, path, &query, failure) != 0 ||
        fleet_unlock_key_read(context, &key, failure) != 0)
        return -1;
    if (fleet_mark_sign(&key, &mark, failure) == 0)
        result = fleet_query_mark(&query, &mark, failure);
    fleet_unlock_key_wipe(&key);
    return result;
}

int fleet_each_unlocked(const struct tmoutctl_context *context, const struct fleet_unlock_key *key,
                        fleet_unlock_callback *unlock, void *with, struct failure *failure)
{
    struct fleet_mark mark[FLEET_MARKS_MAX];
    struct fleet_query query;
    char path[PATH_MAX];
    int wrong = 0;

    if (aim(context, path, &query, failure) != 0)
        return -1;
    const int found = fleet_query_marks(&query, mark, failure);
    for (int i = 0; i < found; i++) {
        const int64_t ahead_ms = mark[i].unlocked_ms - clock_ms(CLOCK_REALTIME);
        if (fleet_mark_is_genuine(key, &mark[i]))
            unlock(with, &mark[i], ahead_ms > CLOCKS_APART_MS ? ahead_ms : 0);
        else
            wrong++;
    }
    return found < 0 ? -1 : wrong;
}
