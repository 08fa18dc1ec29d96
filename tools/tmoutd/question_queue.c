#include "tools/tmoutd/question_queue.h"

#include "lib/host/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHARE_OF_LANE = 16,       /* in a batch, if others wait too */
    APART_MIN_MS = 60 * 1000, /* after the first delay; twice as long after each other one */
    LEVEL_MAX = 6,
    /* A lane is forgiven one part in so many of the time that goes by: no more than
     * that it may take of shared helpers for good. */
    SPENT_SHARE = 200
};

int64_t helpers_now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

void queue_init(struct question_queue *queue, void (*wake)(void *context), void *context)
{
    *queue = (struct question_queue){.wake = wake, .context = context};
    TAILQ_INIT(&queue->all);
    TAILQ_INIT(&queue->ready);
    TAILQ_INIT(&queue->doomed);
}

static void free_inquiries(struct inquiries *inquiries)
{
    struct inquiry *inquiry = TAILQ_FIRST(inquiries), *next;

    for (; inquiry != NULL; inquiry = next) {
        next = TAILQ_NEXT(inquiry, link);
        free(inquiry);
    }
}

void queue_free(struct question_queue *queue)
{
    struct lane *lane, *next;

    free_inquiries(&queue->doomed);
    for (lane = TAILQ_FIRST(&queue->all); lane != NULL; lane = next) {
        next = TAILQ_NEXT(lane, all);
        free_inquiries(&lane->questions);
        free(lane);
    }
    map_free(&queue->lanes);
}

/* --- lanes ------------------------------------------------------------------- */

static struct lane *lane_of(struct question_queue *queue, about_t about)
{
    struct lane *lane = map_find(&queue->lanes, about);

    if (lane != NULL)
        return lane;
    lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->about = about;
    TAILQ_INIT(&lane->questions);
    if (!map_put(&queue->lanes, about, lane)) {
        free(lane);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&queue->all, lane, all);
    return lane;
}

static void set_ready(struct question_queue *queue, struct lane *lane)
{
    const bool is_ready = !TAILQ_EMPTY(&lane->questions);

    if (is_ready && !lane->is_ready)
        TAILQ_INSERT_TAIL(&queue->ready, lane, link);
    if (!is_ready && lane->is_ready)
        TAILQ_REMOVE(&queue->ready, lane, link);
    lane->is_ready = is_ready;
    if (is_ready)
        queue->wake(queue->context);
}

static int64_t lane_spent_ms(const struct lane *lane, int64_t now_ms)
{
    const int64_t left_ms = lane->spent_ms - (now_ms - lane->spent_at_ms) / SPENT_SHARE;

    return left_ms > 0 ? left_ms : 0;
}

int64_t lane_charge(struct lane *lane, int64_t took_ms)
{
    const int64_t now_ms = helpers_now_ms();

    if (is_about_host(lane->about) || took_ms <= 0)
        return lane_spent_ms(lane, now_ms);
    lane->spent_ms = lane_spent_ms(lane, now_ms) + took_ms;
    lane->spent_at_ms = now_ms;
    return lane->spent_ms;
}

void queue_tidy_lane(struct question_queue *queue, struct lane *lane)
{
    if (lane->inquiry_count > 0 || lane->running > 0 || lane->pinned > 0)
        return;
    if (lane->level > 0 || lane->spent_ms > 0) {
        const int64_t now_ms = helpers_now_ms();
        if (now_ms < lane->apart_until_ms || lane_spent_ms(lane, now_ms) > 0)
            return;
    }
    map_remove(&queue->lanes, lane->about);
    TAILQ_REMOVE(&queue->all, lane, all);
    free(lane);
}

void queue_tidy_some(struct question_queue *queue)
{
    enum { AT_ONCE = 2 };
    struct lane *lane;

    for (int i = 0; i < AT_ONCE && (lane = TAILQ_FIRST(&queue->all)) != NULL; i++) {
        TAILQ_REMOVE(&queue->all, lane, all);
        TAILQ_INSERT_TAIL(&queue->all, lane, all);
        queue_tidy_lane(queue, lane);
    }
}

void lane_mark_slow(struct lane *lane)
{
    const int64_t now_ms = helpers_now_ms();

    if (now_ms > lane->apart_until_ms + ((int64_t)APART_MIN_MS << LEVEL_MAX))
        lane->level = 0;
    if (lane->level < LEVEL_MAX)
        lane->level++;
    lane->apart_until_ms = now_ms + ((int64_t)APART_MIN_MS << lane->level);
}

void lane_mark_blocked(struct lane *lane)
{
    lane_mark_slow(lane);
    lane->is_blocked = true;
}

void lane_mark_answered(struct lane *lane)
{
    lane->is_blocked = false;
    lane->unanswered = 0;
}

bool lane_is_apart(const struct lane *lane)
{
    return helpers_now_ms() < lane->apart_until_ms;
}

enum kind lane_kind(const struct lane *lane, int64_t now_ms)
{
    const struct inquiry *first = TAILQ_FIRST(&lane->questions);

    if (first->question.is_patient)
        return is_about_host(lane->about)           ? KIND_HOST
               : is_about_name_service(lane->about) ? KIND_NAMES
                                                    : KIND_PATIENT;
    if (now_ms >= lane->apart_until_ms)
        return KIND_SHARED;
    return lane->is_blocked ? KIND_BLOCKED : KIND_APART;
}

/* --- questions --------------------------------------------------------------- */

struct inquiry *queue_add(struct question_queue *queue, const struct question *question)
{
    struct lane *lane = lane_of(queue, question->about);
    struct inquiry *inquiry = malloc(sizeof *inquiry + question->input_size);

    if (lane == NULL || inquiry == NULL) {
        free(inquiry);
        if (lane != NULL)
            queue_tidy_lane(queue, lane);
        return NULL;
    }
    *inquiry = (struct inquiry){.lane = lane, .question = *question};
    if (question->input_size > 0)
        memcpy(inquiry->input, question->input, question->input_size);
    lane->inquiry_count++;
    TAILQ_INSERT_TAIL(&lane->questions, inquiry, link);
    set_ready(queue, lane);
    return inquiry;
}

void queue_drop(struct question_queue *queue, struct inquiry *inquiry)
{
    struct lane *lane = inquiry->lane;

    free(inquiry);
    lane->inquiry_count--;
    queue_tidy_lane(queue, lane);
}

void queue_give_back(struct question_queue *queue, struct inquiry *inquiry)
{
    struct lane *lane = inquiry->lane;

    TAILQ_INSERT_HEAD(&lane->questions, inquiry, link);
    set_ready(queue, lane);
    TAILQ_REMOVE(&queue->ready, lane, link);
    TAILQ_INSERT_HEAD(&queue->ready, lane, link);
}

void queue_doom(struct question_queue *queue, struct inquiry *inquiry, int error)
{
    inquiry->error = error;
    TAILQ_INSERT_TAIL(&queue->doomed, inquiry, link);
    queue->wake(queue->context);
}

void queue_doom_lane(struct question_queue *queue, struct lane *lane, int error)
{
    struct inquiry *inquiry;

    while ((inquiry = TAILQ_FIRST(&lane->questions)) != NULL) {
        TAILQ_REMOVE(&lane->questions, inquiry, link);
        queue_doom(queue, inquiry, error);
    }
    set_ready(queue, lane);
}

void queue_doom_pinned(struct question_queue *queue)
{
    struct lane *lane = TAILQ_FIRST(&queue->ready), *next;

    for (; lane != NULL; lane = next) {
        next = TAILQ_NEXT(lane, link);
        if (lane->pinned >= HELPERS_PINNED_MAX)
            queue_doom_lane(queue, lane, ETIMEDOUT);
    }
}

/* --- whose turn it is -------------------------------------------------------- */

/* Those that were taken back are dropped. The lane may be gone afterwards, unless
 * questions are left in it. */
size_t queue_take_own(struct question_queue *queue, struct lane *lane, struct inquiry **batch,
                      size_t size)
{
    struct inquiry *inquiry;
    size_t count = 0;

    lane->running++; /* keeps it */
    while (count < size && (inquiry = TAILQ_FIRST(&lane->questions)) != NULL) {
        TAILQ_REMOVE(&lane->questions, inquiry, link);
        if (inquiry->question.done == NULL)
            queue_drop(queue, inquiry);
        else
            batch[count++] = inquiry;
    }
    set_ready(queue, lane);
    lane->running--;
    queue_tidy_lane(queue, lane);
    return count;
}

/* One turn of each lane. */
static size_t take_round(struct question_queue *queue, struct inquiry **batch, size_t size)
{
    struct lane *lane = TAILQ_FIRST(&queue->ready), *next;
    const struct lane *last = TAILQ_LAST(&queue->ready, lanes);
    const int64_t now_ms = helpers_now_ms();
    size_t count = 0;

    for (bool is_last = false; lane != NULL && !is_last && count < size; lane = next) {
        const size_t share = size - count < SHARE_OF_LANE ? size - count : SHARE_OF_LANE;
        next = TAILQ_NEXT(lane, link);
        is_last = lane == last;
        /* What is suspected keeps no second helper waiting. */
        if (lane_kind(lane, now_ms) != KIND_SHARED || lane->running > 0)
            continue;
        /* Behind the others, if anything is left in it. */
        TAILQ_REMOVE(&queue->ready, lane, link);
        TAILQ_INSERT_TAIL(&queue->ready, lane, link);
        count += queue_take_own(queue, lane, batch + count, share);
    }
    return count;
}

size_t queue_take_shared(struct question_queue *queue, struct inquiry **batch, size_t size)
{
    size_t count = 0, taken;

    while (count < size && (taken = take_round(queue, batch + count, size - count)) > 0)
        count += taken;
    return count;
}

struct lane *queue_own_lane(const struct question_queue *queue, const bool allowed[KIND_COUNT])
{
    const int64_t now_ms = helpers_now_ms();
    struct lane *lane, *best = NULL;
    int64_t best_ms = 0;

    for (lane = TAILQ_FIRST(&queue->ready); lane != NULL; lane = TAILQ_NEXT(lane, link)) {
        const int64_t spent_ms = lane_spent_ms(lane, now_ms);
        if (lane->running > 0 || !allowed[lane_kind(lane, now_ms)] ||
            (best != NULL && spent_ms >= best_ms))
            continue;
        best = lane;
        best_ms = spent_ms;
    }
    return best;
}
