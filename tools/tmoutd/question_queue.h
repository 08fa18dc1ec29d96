/*
 * Questions that wait for a helper, and whose turn it is.
 *
 * Each question waits in the lane of whoever it is about. A lane remembers how much
 * of the helpers' time its questions took. Lanes whose questions are answered at once
 * share helpers and take turns. One that took too long, by a single question or by
 * many, has helpers of its own for a while, one at a time; of those, the lane that
 * took least time comes first.
 */
#ifndef TMOUT_TMOUTD_QUESTION_QUEUE_H
#define TMOUT_TMOUTD_QUESTION_QUEUE_H

#include "lib/host/map.h"
#include "tools/tmoutd/helpers.h"

#include <sys/queue.h>

/* What takes long for one reason waits only for its like. */
enum kind {
    KIND_SHARED,  /* by several lanes; of the others each belongs to one */
    KIND_SUSPECT, /* was shared, until one question took longer than most */
    KIND_APART,   /* of those that took too long, and answered since */
    KIND_BLOCKED, /* and of those that did not */
    KIND_NAMES,   /* patient, about a name service */
    KIND_HOST,    /* patient, about the host */
    KIND_PATIENT, /* patient, about a user or a login */
    KIND_COUNT
};

TAILQ_HEAD(inquiries, inquiry);
TAILQ_HEAD(lanes, lane);

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
    unsigned level;             /* how often it was slow, of late */
    int64_t apart_until_ms;
    bool is_blocked;               /* the last question that was slow has not been answered */
    unsigned unanswered;           /* how many in a row were given up */
    int64_t spent_ms, spent_at_ms; /* of the helpers' time, as of then: lane_spent_ms() */
    unsigned running, pinned;      /* helpers */
};

struct question_queue {
    struct map lanes; /* by about */
    struct lanes all, ready;
    struct inquiries doomed;     /* to be answered UNKNOWN */
    void (*wake)(void *context); /* something is ready or doomed */
    void *context;
};

int64_t helpers_now_ms(void);

void queue_init(struct question_queue *queue, void (*wake)(void *context), void *context);

/* Forgets all questions and lanes, but for the questions that helpers have. */
void queue_free(struct question_queue *queue);

/* NULL without memory. */
struct inquiry *queue_add(struct question_queue *queue, const struct question *question);

/* One that was answered. */
void queue_drop(struct question_queue *queue, struct inquiry *inquiry);

/* One that a helper had and did not begin: it is next in its lane, and the lane in
 * front of all others. To be called from the last one of a batch to the first. */
void queue_give_back(struct question_queue *queue, struct inquiry *inquiry);

/* No helper gets it, or any of the lane's, any more: UNKNOWN, with this errno. */
void queue_doom(struct question_queue *queue, struct inquiry *inquiry, int error);
void queue_doom_lane(struct question_queue *queue, struct lane *lane, int error);

/* The same for all lanes with as many helpers that cannot be ended as they may have. */
void queue_doom_pinned(struct question_queue *queue);

/* Takes questions of the lanes that share helpers, from each in turn, so that nobody
 * with many is in front of everybody else. Returns how many are in the batch, of at
 * most `size`. */
size_t queue_take_shared(struct question_queue *queue, struct inquiry **batch, size_t size);

/* The same for the questions of one lane. */
size_t queue_take_own(struct question_queue *queue, struct lane *lane, struct inquiry **batch,
                      size_t size);

/* Of the lanes with questions of these kinds and without a helper, the one that took
 * least time; NULL if there is none. KIND_SHARED and KIND_SUSPECT are never allowed. */
struct lane *queue_own_lane(const struct question_queue *queue, const bool allowed[KIND_COUNT]);

/* The kind of its first question. */
enum kind lane_kind(const struct lane *lane, int64_t now_ms);

bool lane_is_apart(const struct lane *lane);

/* Its questions have taken too long: from now on it has helpers of its own. And, if
 * one is not answered: until one is, these are the helpers of those that block them. */
void lane_mark_slow(struct lane *lane);
void lane_mark_blocked(struct lane *lane);
void lane_mark_answered(struct lane *lane);

/* Its questions have taken so much more. Returns how much altogether; what is long
 * ago does not count. The host's lane, which is nobody's, has always taken nothing. */
int64_t lane_charge(struct lane *lane, int64_t took_ms);

/* Forgets a lane that has nothing to remember; and those that nobody asks about any
 * more, a few at each call. */
void queue_tidy_lane(struct question_queue *queue, struct lane *lane);
void queue_tidy_some(struct question_queue *queue);

#endif
