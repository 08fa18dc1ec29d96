/* What is known about something that may not be looked at directly. */
#ifndef TMOUT_TMOUTD_ANSWER_H
#define TMOUT_TMOUTD_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum presence {
    PRESENT, /* what was asked for is there; the data say more */
    GONE,    /* it is certainly no longer there */
    UNKNOWN  /* it could not be determined, or not in time */
};

/* What a helper may do for a question, beyond what any process of uid 0 without
 * capabilities may; ored. */
enum power {
    MAY_NOTHING = 0,   /* asks the name service, and reads root's files */
    MAY_LOOK = 1 << 0, /* into every process, and at files of others */
    MAY_SIGNAL = 1 << 1,
    MAY_HANG_UP = 1 << 2 /* terminals, and open exclusive ones */
};

enum { ANSWER_DATA_MAX = 32 * 1024, ANSWER_FDS_MAX = 16 };

struct answer {
    enum presence presence;
    int error;        /* with UNKNOWN, the errno: ETIMEDOUT if no answer came in time */
    int64_t retry_ms; /* with UNKNOWN: do not ask the same again before this much time has passed */
    size_t size;      /* of data */
    int fd_count;     /* of fd: close-on-exec; the receiver closes them */
    int fd[ANSWER_FDS_MAX];
    unsigned char data[ANSWER_DATA_MAX] __attribute__((aligned(8)));
};

/* Runs in a helper, and may block. input is a copy of the question's, fd its
 * descriptor or -1. The answer is PRESENT without data to begin with. Must not
 * log. */
typedef void (*work_function)(const void *input, int fd, struct answer *answer);

/* What several works need, and share while it is new: a list of the host's processes, for
 * example. Runs in a helper before it begins with any of them, with MAY_LOOK. Nothing that
 * a user does may block it. */
typedef void (*prepare_function)(void);

/* PRESENT, with this struct. */
void answer_put(struct answer *answer, const void *data, size_t size);

/* The struct in an answer that is PRESENT, into *data; false if there is none of
 * this size. */
bool answer_get(const struct answer *answer, void *data, size_t size);

/* GONE or UNKNOWN, as this errno of reading /proc says. */
void answer_fail(struct answer *answer, int error);

/* Sends this descriptor along, and takes it over even if there is no room. */
void answer_put_fd(struct answer *answer, int fd);

/* Closes the descriptors that came along. */
void answer_close_fds(const struct answer *answer);

#endif
