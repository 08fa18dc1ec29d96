#include "tools/tmoutd/login_cut.h"

#include "lib/host/pidfd.h"
#include "tools/tmoutd/descriptors.h"
#include "tools/tmoutd/ending.h"
#include "tools/tmoutd/look.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_MS = 3000,  /* from the beginning to the end of the connection, at the most */
    EXIT_MS = 1000,  /* from the signals to SIGKILL */
    CLOSE_MS = 2000, /* from there to the end of this, for sshd to close the session */
    BEGIN_DEADLINE_MS = 20 * 1000
};

enum step { STEP_OPEN, STEP_LOOK, STEP_TERM, STEP_KILL, STEP_OVER };

struct login_cut {
    struct loop *loop;
    LIST_ENTRY(login_cut) link;
    about_t about;
    struct session_record login;
    int pidfd, connection_pidfd; /* or -1 */
    enum step step;              /* the one that was taken last */
    struct alarm alarm;
    struct inquiry *opening, *looking, *killing;
    struct ending_list *rest; /* what is left to be killed */
    login_cut_function done;
    void *context;
};

static void login_cut_free(struct login_cut *cut)
{
    const int fds[] = {cut->pidfd, cut->connection_pidfd};

    helpers_take_back(cut->opening);
    helpers_take_back(cut->looking);
    helpers_take_back(cut->killing);
    alarm_free(&cut->alarm);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    LIST_REMOVE(cut, link);
    free(cut->rest);
    free(cut);
}

static struct inquiry *ask_helper(struct login_cut *cut, work_function work, const void *input,
                                  size_t size, answer_function done)
{
    const struct question question = {.about = cut->about,
                                      .work = work,
                                      .powers = MAY_LOOK | MAY_SIGNAL,
                                      .input = input,
                                      .input_size = size,
                                      .fd = -1,
                                      .deadline_ms = BEGIN_DEADLINE_MS,
                                      .done = done,
                                      .context = cut};

    return helpers_ask(cut->loop->helpers, &question);
}

static void signal_connection(const struct login_cut *cut, int signal_number)
{
    const int pidfd = cut->connection_pidfd >= 0 ? cut->connection_pidfd : cut->pidfd;

    pidfd_signal(pidfd, signal_number);
    pidfd_signal(pidfd, SIGCONT);
}

/* --- the rest ------------------------------------------------------------------ */

static void free_if_over(struct login_cut *cut)
{
    if (cut->step == STEP_OVER && cut->looking == NULL && cut->killing == NULL)
        login_cut_free(cut);
}

static void on_killed(void *context, const struct answer *answer)
{
    struct login_cut *cut = context;

    (void)answer;
    cut->killing = NULL;
    free_if_over(cut);
}

/* Once the rest is known and has had its time. */
static void kill_rest(struct login_cut *cut)
{
    if (cut->rest == NULL || cut->rest->count == 0 || cut->step < STEP_KILL)
        return;
    cut->killing = ask_helper(cut, ending_kill, cut->rest, ending_list_size(cut->rest), on_killed);
    free(cut->rest);
    cut->rest = NULL;
}

static void end_connection(struct login_cut *cut)
{
    cut->step = STEP_TERM;
    signal_connection(cut, SIGTERM);
    alarm_set(&cut->alarm, cut->loop->now.boot_ms + EXIT_MS);
}

static void on_looked(void *context, const struct answer *answer)
{
    struct login_cut *cut = context;

    loop_clock(cut->loop);
    cut->looking = NULL;
    if (answer->presence == PRESENT && answer->size > 0 &&
        (cut->rest = malloc(answer->size)) != NULL)
        memcpy(cut->rest, answer->data, answer->size);
    if (cut->step == STEP_LOOK) {
        end_connection(cut);
    } else {
        kill_rest(cut);
        free_if_over(cut);
    }
}

/* --- the connection ------------------------------------------------------------ */

static void login_cut_over(struct login_cut *cut)
{
    struct pollfd connection = {.fd = cut->connection_pidfd, .events = POLLIN};

    /* Only if that process did not even end for SIGKILL: else its parent may take
     * all the time that it needs to close the session. */
    if (cut->pidfd >= 0 && cut->connection_pidfd >= 0 && poll(&connection, 1, 0) == 0)
        pidfd_signal(cut->pidfd, SIGKILL);
    cut->step = STEP_OVER;
    if (cut->done != NULL)
        cut->done(cut->context);
    cut->done = NULL;
    free_if_over(cut);
}

static void login_cut_on_alarm(void *context, int64_t late_ms)
{
    struct login_cut *cut = context;

    (void)late_ms;
    switch (cut->step) {
    case STEP_OPEN: /* which sets no alarm */
        break;
    case STEP_LOOK:
        end_connection(cut);
        break;
    case STEP_TERM:
        cut->step = STEP_KILL;
        signal_connection(cut, SIGKILL);
        kill_rest(cut);
        alarm_set(&cut->alarm, cut->loop->now.boot_ms + CLOSE_MS);
        break;
    case STEP_KILL:
    case STEP_OVER:
    default:
        login_cut_over(cut);
    }
}

static bool copy_descriptors(struct login_cut *cut, const int pidfds[2])
{
    cut->pidfd = descriptor_for_end(fcntl(pidfds[0], F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (pidfds[1] >= 0)
        cut->connection_pidfd =
            descriptor_for_end(fcntl(pidfds[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    return cut->pidfd >= 0 && (pidfds[1] < 0 || cut->connection_pidfd >= 0);
}

static void look_for_rest(struct login_cut *cut)
{
    cut->step = STEP_LOOK;
    cut->looking = ask_helper(cut, ending_begin, &cut->login, sizeof cut->login, on_looked);
    alarm_set(&cut->alarm, cut->loop->now.boot_ms + (cut->looking != NULL ? LOOK_MS : 0));
}

/* Without the processes there is nothing that may be signalled. */
static void on_opened(void *context, const struct answer *answer)
{
    struct login_cut *cut = context;
    int fds[ANSWER_FDS_MAX];

    loop_clock(cut->loop);
    cut->opening = NULL;
    for (int i = 0; i < answer->fd_count; i++)
        fds[i] = descriptor_for_end(answer->fd[i]);
    if (answer->fd_count > 0)
        cut->pidfd = fds[0];
    if (answer->fd_count > 1)
        cut->connection_pidfd = fds[1];
    if (cut->pidfd < 0 || (answer->fd_count > 1 && cut->connection_pidfd < 0))
        login_cut_over(cut);
    else
        look_for_rest(cut);
}

/* The question is about this login alone, and about sshd's processes: nothing else
 * that its user does keeps it from being answered. */
static bool open_processes(struct login_cut *cut)
{
    const struct question question = {.about = about_login(cut->login.pid),
                                      .work = open_login,
                                      .powers = MAY_LOOK,
                                      .input = &cut->login,
                                      .input_size = sizeof cut->login,
                                      .fd = -1,
                                      .done = on_opened,
                                      .context = cut};

    cut->opening = helpers_ask(cut->loop->helpers, &question);
    if (cut->opening == NULL)
        errno = ENOMEM;
    return cut->opening != NULL;
}

struct login_cut *login_cut_begin(struct loop *loop, about_t about,
                                  const struct session_record *login, const int pidfds[2],
                                  login_cut_function done, void *context)
{
    struct login_cut *cut = calloc(1, sizeof *cut);
    int error;

    if (cut == NULL)
        return NULL;
    *cut = (struct login_cut){.loop = loop,
                              .about = about,
                              .login = *login,
                              .pidfd = -1,
                              .connection_pidfd = -1,
                              .done = done,
                              .context = context};
    LIST_INSERT_HEAD(&loop->login_cuts, cut, link);
    if (!alarm_init(&cut->alarm, loop, login_cut_on_alarm, cut))
        errno = ENOMEM;
    else if (pidfds[0] < 0) {
        if (open_processes(cut))
            return cut;
    } else if (copy_descriptors(cut, pidfds)) {
        look_for_rest(cut);
        return cut;
    }
    error = errno;
    login_cut_free(cut);
    errno = error;
    return NULL;
}

void login_cut_detach(struct login_cut *cut)
{
    cut->done = NULL;
}

void login_cuts_free(struct loop *loop)
{
    struct login_cut *cut, *next;

    for (cut = LIST_FIRST(&loop->login_cuts); cut != NULL; cut = next) {
        next = LIST_NEXT(cut, link);
        login_cut_free(cut);
    }
}
