#include "tools/fleetd/announcer.h"

#include "lib/host/checksum.h"
#include "lib/host/clock.h"
#include "lib/paths.h"
#include "lib/policy/snapshot_read.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANNOUNCER_SLACK_USEC = 1000 * 1000 };

struct announcer {
    const struct fleet_conf *conf;
    const char *host;
    struct store *store;
    sd_event_source *timer;
};

/* Rules come in no particular order, so their numbers are added up. */
static int add_rule(void *context, enum rule_kind kind, const char *name,
                    const struct snapshot_rule *rule)
{
    static const enum setting_id about_attempts[] = {
        SETTING_MAX_ATTEMPTS, SETTING_ATTEMPT_WINDOW, SETTING_LOCK_TIME,
        SETTING_COUNT_BY,     SETTING_FLEET_ATTEMPTS, SETTING_FLEET_FALLBACK};
    uint64_t sum = checksum(CHECKSUM_START, &kind, sizeof kind), *policy = context;
    bool any = false;

    sum = checksum(sum, name, strlen(name));
    for (size_t i = 0; i < sizeof about_attempts / sizeof *about_attempts; i++) {
        const struct rule_setting *setting = &rule->setting[about_attempts[i]];
        if (!setting->set)
            continue;
        any = true;
        sum = checksum(sum, &i, sizeof i);
        sum = checksum(sum, &setting->value, sizeof setting->value);
    }
    if (any)
        *policy += sum;
    return 0;
}

uint64_t announced_policy(void)
{
    struct snapshot snapshot;
    struct failure ignored = {""};
    uint64_t policy = 0;

    if (snapshot_open(TMOUT_STATE_DIR, SNAPSHOT_POLICY, geteuid(), &snapshot, &ignored) !=
        SNAPSHOT_OK)
        return 0;
    if (snapshot_each_rule(&snapshot, add_rule, &policy) != 0)
        policy = 0;
    snapshot_close(&snapshot);
    return policy;
}

static void ignore_hosts(void *context, const redisReply *reply)
{
    (void)context;
    (void)reply;
}

void announcer_announce(struct announcer *announcer)
{
    const struct script_target target = {.prefix = announcer->conf->prefix,
                                         .host = announcer->host};
    struct script_call call;

    script_call_announce(&call, &target, announced_policy());
    store_ask(announcer->store, &call, ignore_hosts, NULL);
}

static int on_minute(sd_event_source *source, uint64_t usec, void *context)
{
    struct announcer *announcer = context;

    (void)usec;
    if (store_state(announcer->store) == STORE_UP)
        announcer_announce(announcer);
    sd_event_source_set_time(source, (uint64_t)(clock_ms(CLOCK_MONOTONIC) + ANNOUNCE_MS) * 1000);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

struct announcer *announcer_new(sd_event *event, const struct fleet_conf *conf, const char *host,
                                struct store *store)
{
    struct announcer *announcer = calloc(1, sizeof *announcer);

    if (announcer == NULL)
        return NULL;
    *announcer = (struct announcer){.conf = conf, .host = host, .store = store};
    if (sd_event_add_time_relative(event, &announcer->timer, CLOCK_MONOTONIC,
                                   (uint64_t)ANNOUNCE_MS * 1000, ANNOUNCER_SLACK_USEC, on_minute,
                                   announcer) < 0) {
        free(announcer);
        return NULL;
    }
    return announcer;
}

void announcer_free(struct announcer *announcer)
{
    if (announcer == NULL)
        return;
    sd_event_source_disable_unref(announcer->timer);
    free(announcer);
}
