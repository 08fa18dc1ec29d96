#include "tools/tmoutd/helpers.h"

#include "tools/tmoutd/descriptors.h"
#include "tools/tmoutd/helper_process.h"
#include "tools/tmoutd/log.h"
#include "tools/tmoutd/question_queue.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

enum {
    RETRY_MIN_MS = 1000, /* doubles with each delay */
    UNANSWERED_MAX = 2,  /* in a row: then none that wait behind them are asked */
    COLLECT_MS = 10,     /* from the first question of a batch to its fork */
    ACCURACY_US = 1000,
    PRIORITY_ANSWERS = -10 /* before the timers, which may have expired in the same turn */
};

static const unsigned running_max[KIND_COUNT] = {
    [KIND_SHARED] = HELPERS_RUNNING_MAX, [KIND_SUSPECT] = HELPERS_SUSPECT_MAX,
    [KIND_APART] = HELPERS_APART_MAX,    [KIND_BLOCKED] = HELPERS_BLOCKED_MAX,
    [KIND_NAMES] = HELPERS_RUNNING_MAX,  [KIND_HOST] = HELPERS_RUNNING_MAX,
    [KIND_PATIENT] = HELPERS_PATIENT_MAX};

LIST_HEAD(helper_list, helper);

struct helper {
    struct helpers *helpers;
    LIST_ENTRY(helper) link;
    struct helper_process process;
    sd_event_source *answers, *end, *timer;
    enum kind kind;
    struct lane *lane; /* of all of its questions, or NULL */
    struct inquiry *batch[HELPER_JOBS_MAX];
    size_t count, at;  /* the one that it works on */
    int64_t begun_ms;  /* with that one */
    int64_t waited_ms; /* since then, for a processor */
    bool is_preparing; /* has not begun with any */
    bool is_alone;     /* it was shared, and only this question is left */
    bool is_slow;      /* has been noticed */
    bool is_over;      /* it works for nobody any more */
    bool is_pinned;    /* it was given up, and has not ended yet */
};

struct helpers {
    sd_event *event;
    struct helpers_timing timing;
    struct helper_starter starter;
    struct question_queue queue;
    sd_event_source *dispatch;
    bool is_dispatch_set;
    unsigned running[KIND_COUNT], pinned;
    struct helper_list helper;
    unsigned endless;     /* how many are over, and without an event for their end */
    bool cannot_start;    /* which is logged once */
    struct answer answer; /* the one that is being handled */
};

/* A moment later, so that questions that are asked at the same time share a fork. */
static void dispatch_soon(void *context)
{
    struct helpers *helpers = context;

    if (helpers->is_dispatch_set || helpers->dispatch == NULL)
        return;
    helpers->is_dispatch_set = true;
    sd_event_source_set_time(helpers->dispatch, (uint64_t)(helpers_now_ms() + COLLECT_MS) * 1000);
    sd_event_source_set_enabled(helpers->dispatch, SD_EVENT_ONESHOT);
}

/* --- answers ----------------------------------------------------------------- */

/* Hands the answer to whoever asked; the question may have been taken back. */
static void inquiry_done(struct helpers *helpers, struct inquiry *inquiry,
                         const struct answer *answer)
{
    const answer_function done = inquiry->question.done;
    void *context = inquiry->question.context;

    queue_drop(&helpers->queue, inquiry);
    if (done != NULL)
        done(context, answer);
    else
        answer_close_fds(answer);
}

static void answer_doomed(struct helpers *helpers)
{
    struct inquiries *doomed = &helpers->queue.doomed;
    struct answer *answer = &helpers->answer;
    struct inquiry *inquiry;

    while ((inquiry = TAILQ_FIRST(doomed)) != NULL) {
        TAILQ_REMOVE(doomed, inquiry, link);
        answer->presence = UNKNOWN;
        answer->error = inquiry->error;
        answer->retry_ms = (int64_t)RETRY_MIN_MS << inquiry->lane->level;
        answer->size = 0;
        answer->fd_count = 0;
        inquiry_done(helpers, inquiry, answer);
    }
}

/* --- helpers ----------------------------------------------------------------- */

static void helper_free(struct helper *helper)
{
    LIST_REMOVE(helper, link);
    sd_event_source_disable_unref(helper->answers);
    sd_event_source_disable_unref(helper->end);
    sd_event_source_disable_unref(helper->timer);
    if (helper->process.pidfd >= 0)
        close(helper->process.pidfd);
    if (helper->process.socket >= 0)
        close(helper->process.socket);
    free(helper);
}

/* Gives the questions that it has not begun with back to their lanes. */
static void give_back(struct helper *helper)
{
    for (size_t i = helper->count; i-- > helper->at + 1;)
        queue_give_back(&helper->helpers->queue, helper->batch[i]);
    if (helper->count > helper->at + 1)
        helper->count = helper->at + 1;
}

static void helper_ended(struct helper *helper)
{
    struct helpers *helpers = helper->helpers;
    struct lane *lane = helper->lane;

    if (helper->is_pinned) {
        helpers->pinned--;
        lane->pinned--;
        queue_tidy_lane(&helpers->queue, lane);
    }
    helper_free(helper);
}

/* Looks for the end of those that have no event for it. */
static void reap_endless(struct helpers *helpers)
{
    struct helper *helper, *next;

    for (helper = LIST_FIRST(&helpers->helper); helper != NULL && helpers->endless > 0;
         helper = next) {
        next = LIST_NEXT(helper, link);
        if (helper->is_over && helper->end == NULL && helper_process_reap(&helper->process)) {
            helpers->endless--;
            helper_ended(helper);
        }
    }
}

/* As many as users like may be left that cannot be ended. */
static void spare_descriptor(struct helper *helper)
{
    if (helper->process.pidfd < 0 || !descriptor_is_among_last(helper->process.pidfd))
        return;
    helper->end = sd_event_source_disable_unref(helper->end);
    close(helper->process.pidfd);
    helper->process.pidfd = -1;
}

/*
 * It works for nobody any more. Until it has ended, it counts against the lane
 * whose question it was given up for, if any.
 */
static void helper_finish(struct helper *helper, struct lane *given_up_for)
{
    struct helpers *helpers = helper->helpers;
    struct lane *lane = helper->lane;

    helper->is_over = true;
    helper->answers = sd_event_source_disable_unref(helper->answers);
    helper->timer = sd_event_source_disable_unref(helper->timer);
    close(helper->process.socket);
    helper->process.socket = -1;
    helpers->running[helper->kind]--;
    if (given_up_for != NULL || helper->is_alone)
        helper_process_signal(&helper->process, helpers->timing.kill_signal);
    if (given_up_for != NULL) {
        helper->is_pinned = true;
        helpers->pinned++;
        given_up_for->pinned++;
        spare_descriptor(helper);
    }
    helper->lane = given_up_for;
    if (lane != NULL) {
        lane->running--;
        queue_tidy_lane(&helpers->queue, lane);
    }
    /* Others may have waited for their turn. */
    if (!TAILQ_EMPTY(&helpers->queue.ready))
        dispatch_soon(helpers);
    if (helper->end != NULL)
        sd_event_source_set_enabled(helper->end, SD_EVENT_ON);
    else
        helpers->endless++;
}

static int on_helper_end(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct helper *helper = userdata;

    (void)fd;
    (void)events;
    /* While it is at work, the end of its answers says so. */
    if (!helper->is_over)
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
    else if (helper_process_reap(&helper->process))
        helper_ended(helper);
    return 0;
}

/* --- progress ---------------------------------------------------------------- */

static int64_t question_deadline_ms(const struct helper *helper)
{
    const struct question *question = &helper->batch[helper->at]->question;

    return question->deadline_ms > 0 ? question->deadline_ms : helper->helpers->timing.deadline_ms;
}

/* How long it may take for this question before something follows: for what keeps
 * others waiting, that is soon. */
static int64_t helper_patience_ms(const struct helper *helper)
{
    const struct helpers *helpers = helper->helpers;
    const int64_t deadline_ms = question_deadline_ms(helper);
    int64_t patience_ms = deadline_ms;

    if (helper->is_preparing)
        return deadline_ms;
    if (helper->kind == KIND_SHARED && helpers->running[KIND_SUSPECT] < HELPERS_SUSPECT_MAX)
        patience_ms = helpers->timing.hesitation_ms;
    else if (helper->kind == KIND_SHARED || helper->kind == KIND_SUSPECT)
        patience_ms = helpers->timing.slow_ms;
    return patience_ms < deadline_ms ? patience_ms : deadline_ms;
}

static void set_helper_timer(struct helper *helper)
{
    const int64_t due_ms = helper->begun_ms + helper->waited_ms + helper_patience_ms(helper);

    sd_event_source_set_time(helper->timer, (uint64_t)due_ms * 1000);
    sd_event_source_set_enabled(helper->timer, SD_EVENT_ONESHOT);
}

static void begin_question(struct helper *helper)
{
    helper->begun_ms = helpers_now_ms();
    helper->waited_ms = 0;
}

static void begin_next(struct helper *helper)
{
    helper->at++;
    begin_question(helper);
    if (helper->at < helper->count)
        set_helper_timer(helper);
}

/* A helper that waits for a processor is not in its user's hands. */
static int64_t took_ms(const struct helper *helper)
{
    return helpers_now_ms() - helper->begun_ms - helper->waited_ms;
}

static void change_kind(struct helper *helper, enum kind kind)
{
    helper->helpers->running[helper->kind]--;
    helper->helpers->running[kind]++;
    helper->kind = kind;
}

/* Only the question that it is at is left to it: the others need not wait. */
static void leave_alone(struct helper *helper)
{
    if (helper->is_alone)
        return;
    helper->is_alone = true;
    helper->lane = helper->batch[helper->at]->lane;
    helper->lane->running++;
    if (helper->count > helper->at + 1)
        helper_process_stop_after(&helper->process, (uint32_t)helper->at);
    give_back(helper);
}

/* There is no answer to the question that it is at. */
static void give_up(struct helper *helper, int error)
{
    struct helpers *helpers = helper->helpers;
    struct inquiry *inquiry = helper->batch[helper->at];
    struct lane *lane = inquiry->lane;
    const bool is_patient = inquiry->question.is_patient;

    if (!helper->is_slow)
        lane_mark_blocked(lane);
    lane_charge(lane, took_ms(helper));
    give_back(helper);
    queue_doom(&helpers->queue, inquiry, error);
    helper_finish(helper, lane);
    /* What follows in the lane would most likely wait as long. */
    if (is_patient || ++lane->unanswered >= UNANSWERED_MAX)
        queue_doom_lane(&helpers->queue, lane, error);
}

/* Its lane is one of those that block helpers. If they have all that they may have,
 * the question has to wait for its turn among them. */
static void set_blocked(struct helper *helper)
{
    struct helpers *helpers = helper->helpers;
    struct inquiry *inquiry = helper->batch[helper->at];
    struct lane *lane = inquiry->lane;

    lane_mark_blocked(lane);
    helper->is_slow = true;
    leave_alone(helper);
    if (helpers->running[KIND_BLOCKED] < HELPERS_BLOCKED_MAX) {
        change_kind(helper, KIND_BLOCKED);
        set_helper_timer(helper);
        return;
    }
    lane_charge(lane, took_ms(helper));
    queue_give_back(&helpers->queue, inquiry);
    helper_finish(helper, lane);
}

static void lose_patience(struct helper *helper)
{
    struct helpers *helpers = helper->helpers;

    if (took_ms(helper) >= question_deadline_ms(helper)) {
        give_up(helper, ETIMEDOUT);
        return;
    }
    if (took_ms(helper) >= helpers->timing.slow_ms) {
        set_blocked(helper);
        return;
    }
    if (helper->kind == KIND_SHARED && helpers->running[KIND_SUSPECT] < HELPERS_SUSPECT_MAX) {
        change_kind(helper, KIND_SUSPECT);
        leave_alone(helper);
    }
    set_helper_timer(helper);
}

static int on_helper_timer(sd_event_source *source, uint64_t due_us, void *userdata)
{
    struct helper *helper = userdata;
    const int64_t late_ms = helpers_now_ms() - (int64_t)(due_us / 1000);
    /* When this process has stood still, its helpers probably have, too. */
    const bool stood_still = late_ms > helper->helpers->timing.slow_ms;

    (void)source;
    if (stood_still)
        begin_question(helper);
    else
        helper->waited_ms += helper_process_waited_ms(&helper->process, helper->begun_ms);
    if (took_ms(helper) < helper_patience_ms(helper) || helper_process_has_answer(&helper->process))
        set_helper_timer(helper); /* an answer is received before it expires */
    else
        lose_patience(helper);
    return 0;
}

/* A lane may take so much of shared helpers by single questions, and by all together. */
static void charge(const struct helper *helper, struct lane *lane, uint32_t took)
{
    const int64_t spent_ms = lane_charge(lane, took);
    const bool is_shared = helper->kind == KIND_SHARED || helper->kind == KIND_SUSPECT;

    if (is_shared && spent_ms > helper->helpers->timing.slow_ms && !lane_is_apart(lane))
        lane_mark_slow(lane);
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct helper *helper = userdata;
    struct helpers *helpers = helper->helpers;
    struct done_job job;
    int received;

    (void)source;
    (void)fd;
    (void)events;
    while ((received = helper_process_receive(&helper->process, &job, &helpers->answer)) > 0) {
        if (job.index == JOBS_PREPARED && helper->is_preparing) {
            helper->is_preparing = false;
            begin_question(helper);
            set_helper_timer(helper);
            continue;
        }
        if (job.index != helper->at) {
            received = -1;
            errno = EPROTO;
            break;
        }
        struct inquiry *inquiry = helper->batch[helper->at];
        charge(helper, inquiry->lane, job.took_ms);
        lane_mark_answered(inquiry->lane);
        begin_next(helper);
        const bool is_last = helper->at == helper->count;
        if (is_last)
            helper_finish(helper, NULL);
        inquiry_done(helpers, inquiry, &helpers->answer);
        if (is_last)
            return 0;
    }
    if (received == 0 || errno != EAGAIN)
        give_up(helper, received == 0 ? EPIPE : errno);
    return 0;
}

/* --- start ------------------------------------------------------------------- */

static int add_sources(struct helper *helper)
{
    sd_event *event = helper->helpers->event;
    int result;

    result = sd_event_add_io(event, &helper->answers, helper->process.socket, EPOLLIN, on_answer,
                             helper);
    if (result >= 0)
        result = sd_event_source_set_priority(helper->answers, PRIORITY_ANSWERS);
    if (result >= 0)
        result = sd_event_add_time(event, &helper->timer, CLOCK_MONOTONIC, UINT64_MAX, ACCURACY_US,
                                   on_helper_timer, helper);
    /* Without this one, its end is looked for now and then. */
    if (helper->process.pidfd >= 0)
        sd_event_add_io(event, &helper->end, helper->process.pidfd, EPOLLIN, on_helper_end, helper);
    return result;
}

static int helper_start(struct helper *helper)
{
    struct job job[HELPER_JOBS_MAX];

    for (size_t i = 0; i < helper->count; i++) {
        job[i] = (struct job){.work = helper->batch[i]->question.work,
                              .prepare = helper->batch[i]->question.prepare,
                              .input = helper->batch[i]->input,
                              .input_size = helper->batch[i]->question.input_size,
                              .powers = helper->batch[i]->question.powers,
                              .fd = helper->batch[i]->question.fd};
        helper->is_preparing = helper->is_preparing || job[i].prepare != NULL;
    }
    if (helper_process_start(&helper->helpers->starter, &helper->process, job, helper->count) != 0)
        return -errno;
    helper->helpers->running[helper->kind]++;
    if (helper->lane != NULL)
        helper->lane->running++;
    const int result = add_sources(helper);
    if (result < 0) {
        helper_process_signal(&helper->process, SIGKILL);
        helper_finish(helper, NULL);
        return result;
    }
    begin_question(helper);
    set_helper_timer(helper);
    return 0;
}

static struct helper *helper_new(struct helpers *helpers, enum kind kind, struct lane *lane)
{
    struct helper *helper = calloc(1, sizeof *helper);

    if (helper == NULL)
        return NULL;
    helper->helpers = helpers;
    helper->kind = kind;
    helper->lane = kind == KIND_SHARED ? NULL : lane;
    helper->process = (struct helper_process){.pidfd = -1, .socket = -1};
    LIST_INSERT_HEAD(&helpers->helper, helper, link);
    return helper;
}

/* Starts it with the questions that it was given. Frees it if there are none, or
 * if it cannot be started. */
static void begin_helper(struct helpers *helpers, struct helper *helper)
{
    size_t count = helper->count;
    int result = 0;

    if (count > 0)
        result = helper_start(helper);
    if (count > 0 && log_begins(&helpers->cannot_start, result < 0))
        log_line(LOG_ERR,
                 "cannot start a helper process: %s; logins are not watched for now; see "
                 "tmout-recovery(7)",
                 strerror(-result));
    if (result < 0)
        for (size_t i = 0; i < count; i++)
            queue_doom(&helpers->queue, helper->batch[i], -result);
    if (count == 0 || (result < 0 && !helper->is_over))
        helper_free(helper);
}

/* Of which kinds another helper may be started. */
static void find_allowed(const struct helpers *helpers, bool allowed[KIND_COUNT])
{
    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        allowed[kind] = kind != KIND_SHARED && kind != KIND_SUSPECT &&
                        helpers->running[kind] < running_max[kind];
}

/* Starts helpers for those that do not share theirs. */
static void begin_own(struct helpers *helpers)
{
    bool allowed[KIND_COUNT];
    struct lane *lane;

    for (;;) {
        find_allowed(helpers, allowed);
        lane = queue_own_lane(&helpers->queue, allowed);
        if (lane == NULL)
            return;
        struct helper *helper = helper_new(helpers, lane_kind(lane, helpers_now_ms()), lane);
        if (helper == NULL) {
            queue_doom_lane(&helpers->queue, lane, ENOMEM);
            continue;
        }
        helper->count = queue_take_own(&helpers->queue, lane, helper->batch, HELPER_JOBS_MAX);
        begin_helper(helpers, helper);
    }
}

/* Starts a helper for those that share theirs. False if none is needed. */
static bool begin_shared(struct helpers *helpers)
{
    struct helper *helper = helper_new(helpers, KIND_SHARED, NULL);

    if (helper == NULL)
        return false;
    helper->count = queue_take_shared(&helpers->queue, helper->batch, HELPER_JOBS_MAX);
    const bool is_needed = helper->count > 0;
    begin_helper(helpers, helper);
    return is_needed;
}

static int on_dispatch(sd_event_source *source, uint64_t due_us, void *userdata)
{
    struct helpers *helpers = userdata;

    (void)source;
    (void)due_us;
    helpers->is_dispatch_set = false;
    reap_endless(helpers);
    queue_tidy_some(&helpers->queue);
    queue_doom_pinned(&helpers->queue);
    begin_own(helpers);
    while (helpers->running[KIND_SHARED] < running_max[KIND_SHARED] && begin_shared(helpers))
        ;
    answer_doomed(helpers);
    return 0;
}

/* --- the interface ----------------------------------------------------------- */

struct helpers *helpers_new(sd_event *event, const struct helpers_timing *timing)
{
    static const struct helpers_timing usual = {HELPERS_DEADLINE_MS, HELPERS_SLOW_MS,
                                                HELPERS_HESITATION_MS, SIGKILL};
    struct helpers *helpers = calloc(1, sizeof *helpers);

    if (helpers == NULL)
        return NULL;
    helpers->event = event;
    helpers->starter = (struct helper_starter){.socket = -1};
    helpers->timing = timing != NULL ? *timing : usual;
    queue_init(&helpers->queue, dispatch_soon, helpers);
    LIST_INIT(&helpers->helper);
    if (event == NULL)
        return helpers;
    helper_starter_begin(&helpers->starter);
    if (sd_event_add_time(event, &helpers->dispatch, CLOCK_MONOTONIC, 0, ACCURACY_US, on_dispatch,
                          helpers) < 0) {
        helpers_free(helpers);
        return NULL;
    }
    sd_event_source_set_enabled(helpers->dispatch, SD_EVENT_OFF);
    return helpers;
}

void helpers_free(struct helpers *helpers)
{
    struct helper *helper, *next_helper;

    if (helpers == NULL)
        return;
    for (helper = LIST_FIRST(&helpers->helper); helper != NULL; helper = next_helper) {
        next_helper = LIST_NEXT(helper, link);
        helper_process_signal(&helper->process, SIGKILL);
        for (size_t i = helper->at; !helper->is_over && i < helper->count; i++)
            free(helper->batch[i]);
        helper_free(helper);
    }
    helper_starter_end(&helpers->starter);
    queue_free(&helpers->queue);
    sd_event_source_disable_unref(helpers->dispatch);
    free(helpers);
}

struct inquiry *helpers_ask(struct helpers *helpers, const struct question *question)
{
    return queue_add(&helpers->queue, question);
}

void helpers_take_back(struct inquiry *inquiry)
{
    if (inquiry != NULL)
        inquiry->question.done = NULL;
}

void helpers_answer_all(struct helpers *helpers)
{
    struct lane *lane;

    while ((lane = TAILQ_FIRST(&helpers->queue.ready)) != NULL) {
        struct inquiry *inquiry;
        if (queue_take_own(&helpers->queue, lane, &inquiry, 1) == 0)
            continue;
        helpers->answer.presence = PRESENT;
        helpers->answer.fd_count = 0;
        helpers->answer.size = 0;
        inquiry->question.work(inquiry->input, inquiry->question.fd, &helpers->answer);
        inquiry_done(helpers, inquiry, &helpers->answer);
    }
}

struct helpers_count helpers_count(const struct helpers *helpers)
{
    struct helpers_count count = {.pinned = helpers->pinned};

    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        count.running += helpers->running[kind];
    return count;
}
