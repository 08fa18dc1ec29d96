#include "tools/tmoutctl/host/user_attempts.h"

#include "lib/host/clock.h"
#include "lib/policy/duration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool attempts_are_ours(const struct tmoutctl_context *context)
{
    struct stat st;

    return geteuid() == 0 || (stat(context->state_dir, &st) == 0 && st.st_uid == geteuid());
}

static int open_view(const struct tmoutctl_context *context, uid_t uid, struct ledger *ledger,
                     struct timestamp *now, enum ledger_status *status, struct failure *failure)
{
    struct failure why = {""};

    if (clock_now(now, failure) != 0)
        return -1;
    *status = ledger_open_view(context->state_dir, uid, geteuid(), ledger, &why);
    if (*status != LEDGER_FAILED)
        return 0;
    failure_set(failure, "%s/" LEDGER_DIRECTORY "/%u: %s", context->state_dir, (unsigned)uid,
                why.text);
    return -1;
}

static bool has_something(const struct attempt_state *state)
{
    return state->failures > 0 || state->in_flight > 0 || state->lock_left_ms > 0;
}

/* Returns 0, -1 without memory; a damaged record is noted. */
static int look_at_all(const struct ledger *ledger, const struct timestamp *now,
                       struct user_attempts *attempts)
{
    attempts->count = calloc(ledger->record_count, sizeof *attempts->count);
    if (attempts->count == NULL)
        return -1;
    for (uint32_t i = 1; i < ledger->record_count; i++) {
        struct attempt_state *state = &attempts->count[attempts->count_size];
        const int found = ledger_look(ledger, i, &attempts->limits, now, state);
        if (found < 0)
            attempts->damaged = true;
        else if (found > 0 && has_something(state))
            attempts->count_size++;
    }
    return 0;
}

int user_attempts_find(const struct tmoutctl_context *context, uid_t uid,
                       const struct resolution *resolution, struct user_attempts *attempts)
{
    enum ledger_status status;
    struct ledger ledger;
    struct timestamp now;
    struct failure failure = {""};
    int result = 0;

    *attempts = (struct user_attempts){0};
    attempts->limited =
        resolution != NULL && attempt_limits_find(resolution, uid, &attempts->limits);
    if (!attempts->limited)
        return 0;
    if (open_view(context, uid, &ledger, &now, &status, &failure) != 0) {
        report("%s", failure.text);
        return -1;
    }
    attempts->damaged = status == LEDGER_DAMAGED;
    if (status != LEDGER_OK)
        return 0;
    result = look_at_all(&ledger, &now, attempts);
    if (result != 0)
        report("out of memory");
    ledger_close(&ledger);
    return result;
}

void user_attempts_free(struct user_attempts *attempts)
{
    free(attempts->count);
    *attempts = (struct user_attempts){0};
}

int attempt_state_find(const struct tmoutctl_context *context, uid_t uid,
                       const struct origin *origin, const struct attempt_limits *limits,
                       struct attempt_state *state, struct failure *failure)
{
    enum ledger_status status;
    struct ledger ledger;
    struct timestamp now;
    int result;

    *state = (struct attempt_state){.origin = *origin};
    if (open_view(context, uid, &ledger, &now, &status, failure) != 0)
        return -1;
    if (status == LEDGER_ABSENT)
        return 0;
    result = status == LEDGER_OK ? ledger_look_at(&ledger, origin, limits, &now, state) : -1;
    if (result != 0)
        failure_set(failure, "%s/" LEDGER_DIRECTORY "/%u: is damaged; run tmoutctl unlock",
                    context->state_dir, (unsigned)uid);
    if (status == LEDGER_OK)
        ledger_close(&ledger);
    return result;
}

void lock_state_format(int64_t lock_left_ms, char *text, size_t size)
{
    char left[64];

    if (lock_left_ms == 0) {
        snprintf(text, size, "not locked");
    } else if (lock_left_ms == SETTING_FOREVER) {
        snprintf(text, size, "locked until tmoutctl unlock");
    } else {
        duration_format((lock_left_ms + 999) / 1000, left, sizeof left);
        snprintf(text, size, "locked for %s", left);
    }
}

void set_lock_state(json_t *object, unsigned failures, unsigned in_flight, int64_t lock_left_ms)
{
    const bool ends = lock_left_ms > 0 && lock_left_ms != SETTING_FOREVER;

    json_object_set_new(object, "failures", json_integer(failures));
    json_object_set_new(object, "in_flight", json_integer(in_flight));
    json_object_set_new(object, "locked", json_boolean(lock_left_ms > 0));
    json_object_set_new(object, "unlock_in",
                        ends ? json_integer((lock_left_ms + 999) / 1000) : json_null());
}
