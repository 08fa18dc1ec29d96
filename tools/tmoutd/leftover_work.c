#include "tools/tmoutd/leftover_work.h"

#include "lib/host/pidfd.h"

#include <errno.h>

void look_at_leftovers(const void *input, int fd, struct answer *answer)
{
    static struct leftovers_view view;
    struct leftovers_found found;

    (void)fd;
    if (leftovers_find(input, view.terminal, &found) != 0) {
        answer_fail(answer, errno);
        return;
    }
    view.process_count = found.process_count;
    view.terminal_count = found.terminal_count;
    const int pidfd = found.process_count > 0 ? pidfd_of(found.witness) : -1;
    if (pidfd >= 0)
        answer_put_fd(answer, pidfd);
    answer_put(answer, &view, sizeof view);
}

static void answer_ended(ssize_t count, size_t moving, struct answer *answer)
{
    const struct leftovers_ended ended = {(uint64_t)count, moving};

    if (count < 0)
        answer_fail(answer, errno);
    else
        answer_put(answer, &ended, sizeof ended);
}

void terminate_leftovers(const void *input, int fd, struct answer *answer)
{
    (void)fd;
    answer_ended(leftovers_terminate(input), 0, answer);
}

void stop_leftovers(const void *input, int fd, struct answer *answer)
{
    size_t moving = 0;

    (void)fd;
    const ssize_t count = leftovers_stop(input, &moving);
    answer_ended(count, moving, answer);
}

void kill_leftovers(const void *input, int fd, struct answer *answer)
{
    (void)fd;
    answer_ended(leftovers_kill(input), 0, answer);
}
