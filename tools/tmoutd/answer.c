#include "tools/tmoutd/answer.h"

#include "lib/host/procfs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void answer_put(struct answer *answer, const void *data, size_t size)
{
    if (size > sizeof answer->data) {
        answer_fail(answer, EMSGSIZE);
        return;
    }
    answer->presence = PRESENT;
    answer->size = size;
    memcpy(answer->data, data, size);
}

bool answer_get(const struct answer *answer, void *data, size_t size)
{
    if (answer->presence != PRESENT || answer->size != size)
        return false;
    memcpy(data, answer->data, size);
    return true;
}

void answer_fail(struct answer *answer, int error)
{
    answer->presence = process_has_ended(error) ? GONE : UNKNOWN;
    answer->error = error;
    answer->size = 0;
}

void answer_put_fd(struct answer *answer, int fd)
{
    if (answer->fd_count < ANSWER_FDS_MAX)
        answer->fd[answer->fd_count++] = fd;
    else
        close(fd);
}

void answer_close_fds(const struct answer *answer)
{
    for (int i = 0; i < answer->fd_count; i++)
        close(answer->fd[i]);
}
