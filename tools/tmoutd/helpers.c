#include "tools/tmoutd/helpers.h"

#include "lib/host/clock.h"
#include "lib/host/map.h"
#include "tools/tmoutd/helper_process.h"
#include "tools/tmoutd/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <syslog.h>
#include <unistd.h>

enum {
    SHARE_OF_LANE = 16,       /* in a batch, if others wait too */
    APART_MIN_MS = 60 * 1000, /* after the first delay; twice as long after each other one */
    LEVEL_MAX = 6,
    RETRY_MIN_MS = 1000, /* doubles as well */
    COLLECT_MS = 10,     /* from the first question of a batch to its fork */
    ACCURACY_US = 1000,
    PRIORITY_ANSWERS = -10 /* before the timers, which may have expired in the same turn */
};

/* What takes long for one reason waits only for its like. */
enum kind {
    KIND_SHARED, /* by several lanes; of the others each belongs to one */
    KIND_APART,
    KIND_NAMES,   /* patient, about a name service */
    KIND_HOST,    /* patient, about the host */
    KIND_PATIENT, /* patient, about a user or a login */
    KIND_COUNT
};

static const unsigned running_max[KIND_COUNT] = {[KIND_SHARED] = HELPERS_RUNNING_MAX,
                                                 [KIND_APART] = HELPERS_APART_MAX,
                                                 [KIND_NAMES] = HELPERS_RUNNING_MAX,
                                                 [KIND_HOST] = HELPERS_RUNNING_MAX,
                                                 [KIND_PATIENT] = HELPERS_PATIENT_MAX};

TAILQ_HEAD(inquiries, inquiry);
TAILQ_HEAD(lanes, lane);
LIST_HEAD(helper_list, helper);

struct inquiry {
    TAILQ_ENTRY(inquiry) link;
    struct lane *lane;
    int error;                /* of one that no helper gets any more */
    struct question question; /* its input is the one below; no done: it was taken back */
    unsigned char input[] __attribute__((aligned(8)));
};

/* The questions about one user, and what came of earlier ones. */
struct lane {
    TAILQ_ENTRY(lane) all;
    TAILQ_ENTRY(lane) link; /* with is_ready: in the list of those with questions */
    bool is_ready;
    about_t about;
    struct inquiries questions; /* that wait for a helper */
    size_t inquiry_count;       /* these, and those that a helper has */
    unsigned level;             /* how often one kept a helper waiting, of late */
    int64_t apart_until_ms;
    unsigned running, pinned; /* helpers */
};

struct helper {
    struct helpers *helpers;
    LIST_ENTRY(helper) link;
    struct helper_process process;
    sd_event_source *answers, *end, *timer;
    enum kind kind;
    struct lane *lane; /* of all of its questions, or NULL */
    struct inquiry *batch[HELPER_JOBS_MAX];
    size_t count, at; /* the one that it works on */
    int64_t begun_ms; /* with that one */
    bool is_slow;     /* has been noticed, and only this question is left */
    bool is_over;     /* it works for nobody any more */
    bool is_pinned;   /* it was given up, and has not ended yet */
};

struct helpers {
    sd_event *event;
    struct helpers_timing timing;
    struct map lanes; /* by about */
    struct lanes all, ready;
    sd_event_source *dispatch;
    bool is_dispatch_set;
    unsigned running[KIND_COUNT], pinned;
    struct helper_list helper;
    unsigned endless;        /* how many are over, and without an event for their end */
    struct inquiries doomed; /* to be answered UNKNOWN */
    bool cannot_start;       /* which is logged once */
    struct answer answer;    /* the one that is being handled */
};

static int64_t helpers_now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

/* A moment later, so that questions that are asked at the same time share a fork. */
static void dispatch_soon(struct helpers *helpers)
{
    if (helpers->is_dispatch_set || helpers->dispatch == NULL)
        return;
    helpers->is_dispatch_set = true;
    sd_event_source_set_time(helpers->dispatch, (uint64_t)(helpers_now_ms() + COLLECT_MS) * 1000);
    sd_event_source_set_enabled(helpers->dispatch, SD_EVENT_ONESHOT);
}

/* --- lanes ------------------------------------------------------------------- */

static struct lane *lane_of(struct helpers *helpers, about_t about)
{
    struct lane *lane = map_find(&helpers->lanes, about);

    if (lane != NULL)
        return lane;
    lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->about = about;
    TAILQ_INIT(&lane->questions);
    if (!map_put(&helpers->lanes, about, lane)) {
        free(lane);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&helpers->all, lane, all);
    return lane;
}

static void set_ready(struct helpers *helpers, struct lane *lane)
{
    const bool is_ready = !TAILQ_EMPTY(&lane->questions);

    if (is_ready && !lane->is_ready)
        TAILQ_INSERT_TAIL(&helpers->ready, lane, link);
    if (!is_ready && lane->is_ready)
        TAILQ_REMOVE(&helpers->ready, lane, link);
    lane->is_ready = is_ready;
    if (is_ready)
        dispatch_soon(helpers);
}

/* Forgets a lane that has nothing to remember. */
static void tidy_lane(struct helpers *helpers, struct lane *lane)
{
    if (lane->inquiry_count > 0 || lane->running > 0 || lane->pinned > 0 ||
        (lane->level > 0 && helpers_now_ms() < lane->apart_until_ms))
        return;
    map_remove(&helpers->lanes, lane->about);
    TAILQ_REMOVE(&helpers->all, lane, all);
    free(lane);
}

/* Those that nobody asks about any more are forgotten one by one. */
static void tidy_some_lanes(struct helpers *helpers)
{
    enum { AT_ONCE = 2 };
    struct lane *lane;

    for (int i = 0; i < AT_ONCE && (lane = TAILQ_FIRST(&helpers->all)) != NULL; i++) {
        TAILQ_REMOVE(&helpers->all, lane, all);
        TAILQ_INSERT_TAIL(&helpers->all, lane, all);
        tidy_lane(helpers, lane);
    }
}

/* One of its questions keeps a helper waiting. */
static void mark_slow(struct lane *lane)
{
    const int64_t now_ms = helpers_now_ms();

    if (now_ms > lane->apart_until_ms + ((int64_t)APART_MIN_MS << LEVEL_MAX))
        lane->level = 0;
    if (lane->level < LEVEL_MAX)
        lane->level++;
    lane->apart_until_ms = now_ms + ((int64_t)APART_MIN_MS << lane->level);
}

static enum kind kind_of(const struct lane *lane)
{
    const struct inquiry *first = TAILQ_FIRST(&lane->questions);

    if (first->question.is_patient)
        return is_about_host(lane->about)           ? KIND_HOST
               : is_about_name_service(lane->about) ? KIND_NAMES
                                                    : KIND_PATIENT;
    return helpers_now_ms() < lane->apart_until_ms ? KIND_APART : KIND_SHARED;
}

/* --- answers ----------------------------------------------------------------- */

static void inquiry_free(struct helpers *helpers, struct inquiry *inquiry)
{
    struct lane *lane = inquiry->lane;

    free(inquiry);
    lane->inquiry_count--;
    tidy_lane(helpers, lane);
}

/* Hands the answer to whoever asked; the question may have been taken back. */
static void inquiry_done(struct helpers *helpers, struct inquiry *inquiry,
                         const struct answer *answer)
{
    const answer_function done = inquiry->question.done;
    void *context = inquiry->question.context;

    inquiry_free(helpers, inquiry);
    if (done != NULL)
        done(context, answer);
    else
        answer_close_fds(answer);
}

static void doom(struct helpers *helpers, struct inquiry *inquiry, int error)
{
    inquiry->error = error;
    TAILQ_INSERT_TAIL(&helpers->doomed, inquiry, link);
    dispatch_soon(helpers);
}

static void doom_lane(struct helpers *helpers, struct lane *lane, int error)
{
    struct inquiry *inquiry;

    while ((inquiry = TAILQ_FIRST(&lane->questions)) != NULL) {
        TAILQ_REMOVE(&lane->questions, inquiry, link);
        doom(helpers, inquiry, error);
    }
    set_ready(helpers, lane);
}

static void answer_doomed(struct helpers *helpers)
{
    struct answer *answer = &helpers->answer;
    struct inquiry *inquiry;

    while ((inquiry = TAILQ_FIRST(&helpers->doomed)) != NULL) {
        TAILQ_REMOVE(&helpers->doomed, inquiry, link);
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
    for (size_t i = helper->count; i-- > helper->at + 1;) {
        struct inquiry *inquiry = helper->batch[i];
        TAILQ_INSERT_HEAD(&inquiry->lane->questions, inquiry, link);
        set_ready(helper->helpers, inquiry->lane);
    }
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
        tidy_lane(helpers, lane);
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
    /* One that was slow has questions left that were given back. */
    if (given_up_for != NULL || helper->is_slow)
        helper_process_signal(&helper->process, helpers->timing.kill_signal);
    if (given_up_for != NULL) {
        helper->is_pinned = true;
        helpers->pinned++;
        given_up_for->pinned++;
    }
    helper->lane = given_up_for;
    if (lane != NULL) {
        lane->running--;
        tidy_lane(helpers, lane);
    }
    /* Others may have waited for their turn. */
    if (!TAILQ_EMPTY(&helpers->ready))
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

/* Only what shares a helper with others is in anybody's way. */
static int64_t helper_patience_ms(const struct helper *helper)
{
    const int64_t deadline_ms = question_deadline_ms(helper);
    const int64_t slow_ms = helper->helpers->timing.slow_ms;

    return helper->kind != KIND_SHARED || helper->is_slow || deadline_ms < slow_ms ? deadline_ms
                                                                                   : slow_ms;
}

static void set_helper_timer(struct helper *helper)
{
    const int64_t due_ms = helper->begun_ms + helper_patience_ms(helper);

    sd_event_source_set_time(helper->timer, (uint64_t)due_ms * 1000);
    sd_event_source_set_enabled(helper->timer, SD_EVENT_ONESHOT);
}

static void begin_next(struct helper *helper)
{
    helper->at++;
    helper->begun_ms = helpers_now_ms();
    if (helper->at < helper->count)
        set_helper_timer(helper);
}

/* A helper that stalls a batch becomes one that only its question is left to. */
static void set_apart(struct helper *helper)
{
    struct lane *lane = helper->batch[helper->at]->lane;
    struct helpers *helpers = helper->helpers;

    mark_slow(lane);
    helpers->running[helper->kind]--;
    helpers->running[KIND_APART]++;
    helper->kind = KIND_APART;
    helper->is_slow = true;
    helper->lane = lane;
    lane->running++;
    give_back(helper);
    set_helper_timer(helper);
}

/* There is no answer to the question that it is at. */
static void give_up(struct helper *helper, int error)
{
    struct helpers *helpers = helper->helpers;
    struct inquiry *inquiry = helper->batch[helper->at];
    struct lane *lane = inquiry->lane;
    const bool is_patient = inquiry->question.is_patient;

    if (!helper->is_slow)
        mark_slow(lane);
    give_back(helper);
    doom(helpers, inquiry, error);
    helper_finish(helper, lane);
    /* What follows in the lane would most likely wait as long. */
    if (is_patient)
        doom_lane(helpers, lane, error);
}

static int on_helper_timer(sd_event_source *source, uint64_t due_us, void *userdata)
{
    struct helper *helper = userdata;
    const int64_t late_ms = helpers_now_ms() - (int64_t)(due_us / 1000);

    (void)source;
    /* When this process has stood still, its helpers probably have, too. */
    if (late_ms > helper->helpers->timing.slow_ms) {
        helper->begun_ms = helpers_now_ms();
        set_helper_timer(helper);
    } else if (helper->kind == KIND_SHARED) {
        set_apart(helper);
    } else {
        give_up(helper, ETIMEDOUT);
    }
    return 0;
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct helper *helper = userdata;
    struct helpers *helpers = helper->helpers;
    uint32_t index;
    int received;

    (void)source;
    (void)fd;
    (void)events;
    while ((received = helper_process_receive(&helper->process, &index, &helpers->answer)) > 0) {
        if (index != helper->at) {
            received = -1;
            errno = EPROTO;
            break;
        }
        struct inquiry *inquiry = helper->batch[helper->at];
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

    for (size_t i = 0; i < helper->count; i++)
        job[i] = (struct job){.work = helper->batch[i]->question.work,
                              .input = helper->batch[i]->input,
                              .powers = helper->batch[i]->question.powers,
                              .fd = helper->batch[i]->question.fd};
    if (helper_process_start(&helper->process, job, helper->count) != 0)
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
    helper->begun_ms = helpers_now_ms();
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

/* True if more are left in the lane, which is forgotten if it is not needed. */
static bool take_questions(struct helper *helper, struct lane *lane, size_t most)
{
    struct helpers *helpers = helper->helpers;
    struct inquiry *inquiry;

    lane->running++; /* keeps it */
    while (most > 0 && helper->count < HELPER_JOBS_MAX &&
           (inquiry = TAILQ_FIRST(&lane->questions)) != NULL) {
        TAILQ_REMOVE(&lane->questions, inquiry, link);
        if (inquiry->question.done == NULL) {
            inquiry_free(helpers, inquiry);
        } else {
            helper->batch[helper->count++] = inquiry;
            most--;
        }
    }
    set_ready(helpers, lane);
    const bool is_ready = lane->is_ready;
    lane->running--;
    tidy_lane(helpers, lane);
    return is_ready;
}

/* From each lane in turn, so that nobody with many questions is in front of
 * everybody else. False if there was none to take. */
static bool take_round(struct helper *helper)
{
    struct helpers *helpers = helper->helpers;
    struct lane *lane = TAILQ_FIRST(&helpers->ready), *next;
    struct lane *last = TAILQ_LAST(&helpers->ready, lanes);
    const size_t before = helper->count;

    for (bool is_last = false; lane != NULL && !is_last && helper->count < HELPER_JOBS_MAX;
         lane = next) {
        next = TAILQ_NEXT(lane, link);
        is_last = lane == last;
        if (kind_of(lane) == KIND_SHARED && lane->pinned < HELPERS_PINNED_MAX &&
            take_questions(helper, lane, SHARE_OF_LANE)) {
            TAILQ_REMOVE(&helpers->ready, lane, link);
            TAILQ_INSERT_TAIL(&helpers->ready, lane, link);
        }
    }
    return helper->count > before;
}

/* Starts it with the questions that it was given. Frees it if there are none, or
 * if it cannot be started. */
static void begin_helper(struct helpers *helpers, struct helper *helper)
{
    size_t count = helper->count;
    int result = 0;

    if (count > 0)
        result = helper_start(helper);
    if (log_begins(&helpers->cannot_start, result < 0))
        log_line(LOG_ERR, "cannot start a helper process: %s; logins are not watched for now",
                 strerror(-result));
    if (result < 0)
        for (size_t i = 0; i < count; i++)
            doom(helpers, helper->batch[i], -result);
    if (count == 0 || (result < 0 && !helper->is_over))
        helper_free(helper);
}

/* Starts helpers for those that do not share theirs. */
static void begin_own(struct helpers *helpers)
{
    struct lane *lane = TAILQ_FIRST(&helpers->ready), *next;

    for (; lane != NULL; lane = next) {
        const enum kind kind = kind_of(lane);
        next = TAILQ_NEXT(lane, link);
        if (lane->pinned >= HELPERS_PINNED_MAX) {
            doom_lane(helpers, lane, ETIMEDOUT);
            continue;
        }
        if (kind == KIND_SHARED || lane->running > 0 || helpers->running[kind] >= running_max[kind])
            continue;
        struct helper *helper = helper_new(helpers, kind, lane);
        if (helper == NULL) {
            doom_lane(helpers, lane, ENOMEM);
            continue;
        }
        take_questions(helper, lane, HELPER_JOBS_MAX);
        begin_helper(helpers, helper);
    }
}

/* Starts a helper for those that share theirs. False if none is needed. */
static bool begin_shared(struct helpers *helpers)
{
    struct helper *helper = helper_new(helpers, KIND_SHARED, NULL);

    if (helper == NULL)
        return false;
    while (helper->count < HELPER_JOBS_MAX && take_round(helper))
        ;
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
    tidy_some_lanes(helpers);
    begin_own(helpers);
    while (helpers->running[KIND_SHARED] < running_max[KIND_SHARED] && begin_shared(helpers))
        ;
    answer_doomed(helpers);
    return 0;
}

/* --- the interface ----------------------------------------------------------- */

struct helpers *helpers_new(sd_event *event, const struct helpers_timing *timing)
{
    static const struct helpers_timing usual = {HELPERS_DEADLINE_MS, HELPERS_SLOW_MS, SIGKILL};
    struct helpers *helpers = calloc(1, sizeof *helpers);

    if (helpers == NULL)
        return NULL;
    helpers->event = event;
    helpers->timing = timing != NULL ? *timing : usual;
    TAILQ_INIT(&helpers->all);
    TAILQ_INIT(&helpers->ready);
    TAILQ_INIT(&helpers->doomed);
    LIST_INIT(&helpers->helper);
    if (event == NULL)
        return helpers;
    if (sd_event_add_time(event, &helpers->dispatch, CLOCK_MONOTONIC, 0, ACCURACY_US, on_dispatch,
                          helpers) < 0) {
        helpers_free(helpers);
        return NULL;
    }
    sd_event_source_set_enabled(helpers->dispatch, SD_EVENT_OFF);
    return helpers;
}

static void inquiries_free(struct inquiries *inquiries)
{
    struct inquiry *inquiry = TAILQ_FIRST(inquiries), *next;

    for (; inquiry != NULL; inquiry = next) {
        next = TAILQ_NEXT(inquiry, link);
        free(inquiry);
    }
}

void helpers_free(struct helpers *helpers)
{
    struct helper *helper, *next_helper;
    struct lane *lane, *next_lane;

    if (helpers == NULL)
        return;
    for (helper = LIST_FIRST(&helpers->helper); helper != NULL; helper = next_helper) {
        next_helper = LIST_NEXT(helper, link);
        helper_process_signal(&helper->process, SIGKILL);
        for (size_t i = helper->at; !helper->is_over && i < helper->count; i++)
            free(helper->batch[i]);
        helper_free(helper);
    }
    inquiries_free(&helpers->doomed);
    for (lane = TAILQ_FIRST(&helpers->all); lane != NULL; lane = next_lane) {
        next_lane = TAILQ_NEXT(lane, all);
        inquiries_free(&lane->questions);
        free(lane);
    }
    map_free(&helpers->lanes);
    sd_event_source_disable_unref(helpers->dispatch);
    free(helpers);
}

struct inquiry *helpers_ask(struct helpers *helpers, const struct question *question)
{
    struct lane *lane = lane_of(helpers, question->about);
    struct inquiry *inquiry = malloc(sizeof *inquiry + question->input_size);

    if (lane == NULL || inquiry == NULL) {
        free(inquiry);
        if (lane != NULL)
            tidy_lane(helpers, lane);
        return NULL;
    }
    *inquiry = (struct inquiry){.lane = lane, .question = *question};
    if (question->input_size > 0)
        memcpy(inquiry->input, question->input, question->input_size);
    lane->inquiry_count++;
    TAILQ_INSERT_TAIL(&lane->questions, inquiry, link);
    set_ready(helpers, lane);
    return inquiry;
}

void helpers_take_back(struct inquiry *inquiry)
{
    if (inquiry != NULL)
        inquiry->question.done = NULL;
}

void helpers_answer_all(struct helpers *helpers)
{
    struct lane *lane;

    while ((lane = TAILQ_FIRST(&helpers->ready)) != NULL) {
        struct inquiry *inquiry = TAILQ_FIRST(&lane->questions);
        TAILQ_REMOVE(&lane->questions, inquiry, link);
        set_ready(helpers, lane);
        helpers->answer.presence = PRESENT;
        helpers->answer.fd_count = 0;
        helpers->answer.size = 0;
        if (inquiry->question.done != NULL)
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
