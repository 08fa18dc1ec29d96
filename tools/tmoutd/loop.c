#include "tools/tmoutd/loop.h"

#include <stddef.h>

/* Far below what a second of a user's idle time means to anybody. */
enum { ACCURACY_USEC = 10 * 1000 };

/* The boot clock goes on during a suspend, the monotonic one does not. */
static int64_t suspended_by_now_ms(const struct loop *loop)
{
    return loop->now.boot_ms - clock_ms(CLOCK_MONOTONIC);
}

int loop_init(struct loop *loop, sd_event *event, struct failure *failure)
{
    *loop = (struct loop){.event = event};
    LIST_INIT(&loop->alarms);
    LIST_INIT(&loop->terminal_cuts);
    LIST_INIT(&loop->login_cuts);
    loop->helpers = helpers_new(event, NULL);
    if (loop->helpers == NULL) {
        failure_set(failure, "out of memory");
        return -1;
    }
    const int result = clock_now(&loop->now, failure);
    loop->suspended_ms = suspended_by_now_ms(loop);
    return result;
}

void loop_free(struct loop *loop)
{
    helpers_free(loop->helpers);
}

void loop_clock(struct loop *loop)
{
    const struct timestamp then = loop->now;

    if (loop->event == NULL)
        return;
    clock_now_same_boot(&then, &loop->now);
    loop_note_suspended(loop, suspended_by_now_ms(loop));
}

void loop_note_suspended(struct loop *loop, int64_t suspended_ms)
{
    if (suspended_ms - loop->suspended_ms > STALL_MS)
        loop->not_before_ms = loop->now.boot_ms + STALL_GRACE_MS;
    loop->suspended_ms = suspended_ms;
}

static int on_alarm(sd_event_source *source, uint64_t due_usec, void *userdata)
{
    struct alarm *alarm = userdata;

    (void)source;
    (void)due_usec;
    loop_clock(alarm->loop);
    const int64_t late_ms = clock_elapsed_ms(alarm->due_ms, alarm->loop->now.boot_ms);
    alarm->due_ms = NEVER_MS;
    alarm->ring(alarm->context, late_ms);
    return 0;
}

bool alarm_init(struct alarm *alarm, struct loop *loop, alarm_function ring, void *context)
{
    *alarm = (struct alarm){.loop = loop, .due_ms = NEVER_MS, .ring = ring, .context = context};
    LIST_INSERT_HEAD(&loop->alarms, alarm, link);
    if (loop->event == NULL)
        return true;
    if (sd_event_add_time(loop->event, &alarm->source, CLOCK_BOOTTIME, 0, ACCURACY_USEC, on_alarm,
                          alarm) < 0)
        return false;
    return sd_event_source_set_enabled(alarm->source, SD_EVENT_OFF) >= 0;
}

void alarm_free(struct alarm *alarm)
{
    if (alarm->loop == NULL)
        return;
    LIST_REMOVE(alarm, link);
    sd_event_source_disable_unref(alarm->source);
    *alarm = (struct alarm){0};
}

void alarm_set(struct alarm *alarm, int64_t due_ms)
{
    /* What was due in the past is not late yet. */
    if (due_ms < alarm->loop->now.boot_ms)
        due_ms = alarm->loop->now.boot_ms;
    if (alarm->due_ms == due_ms)
        return;
    alarm->due_ms = due_ms;
    if (alarm->source == NULL)
        return;
    if (due_ms != NEVER_MS)
        sd_event_source_set_time(alarm->source, due_ms > 0 ? (uint64_t)due_ms * 1000 : 0);
    sd_event_source_set_enabled(alarm->source,
                                due_ms != NEVER_MS ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static struct alarm *next_alarm(const struct loop *loop)
{
    struct alarm *alarm, *next = NULL;

    for (alarm = LIST_FIRST(&loop->alarms); alarm != NULL; alarm = LIST_NEXT(alarm, link))
        if (next == NULL || alarm->due_ms < next->due_ms)
            next = alarm;
    return next;
}

int64_t loop_next_ms(const struct loop *loop)
{
    const struct alarm *next = next_alarm(loop);

    return next != NULL ? next->due_ms : NEVER_MS;
}

void loop_ring(struct loop *loop)
{
    while (loop_next_ms(loop) <= loop->now.boot_ms)
        on_alarm(NULL, 0, next_alarm(loop));
}
