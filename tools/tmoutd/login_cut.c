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
#include <syslog.h>
#include <unistd.h>

enum {
    LOOK_MS = 3000, /* from the beginning to the end of the connection, or to its stop */
    STOPPED_MAX_MS = 60 * 1000, /* from the beginning to the end of one that is stopped */
    STOP_AGAIN_MS = 1000,       /* its user can let it go on */
    EXIT_MS = 1000,             /* from the signals to SIGKILL */
    CLOSE_MS = 2000,            /* from there to the end of this, for sshd to close the session */
    AGAIN_MS = 500,             /* from a question without an answer to the next one */
    KILLS_MAX = 10,             /* questions to kill the rest, with twice the pause each time */
    BEGIN_DEADLINE_MS = 20 * 1000
};

enum step { STEP_OPEN, STEP_LOOK, STEP_STOP, STEP_TERM, STEP_KILL, STEP_OVER };

struct login_cut {
    struct loop *loop;
    LIST_ENTRY(login_cut) link;
    struct session_record login;
    int pidfd, connection_pidfd; /* or -1 */
    enum step step;              /* the one that was taken last */
    struct alarm alarm;          /* for what comes first of these: */
    int64_t step_ms;             /* take the next step then, or NEVER_MS */
    int64_t again_ms;            /* ask again then, or NEVER_MS */
    int64_t begun_ms;            /* with looking for the rest */
    struct inquiry *opening, *looking, *killing;
    struct ending_list *rest; /* what is left to be killed */
    unsigned failed_looks, failed_kills;
    login_cut_function done;
    void *context;
};

static void close_descriptors(struct login_cut *cut)
{
    if (cut->pidfd >= 0)
        close(cut->pidfd);
    if (cut->connection_pidfd >= 0)
        close(cut->connection_pidfd);
    cut->pidfd = cut->connection_pidfd = -1;
}

static void login_cut_free(struct login_cut *cut)
{
    helpers_take_back(cut->opening);
    helpers_take_back(cut->looking);
    helpers_take_back(cut->killing);
    alarm_free(&cut->alarm);
    close_descriptors(cut);
    LIST_REMOVE(cut, link);
    free(cut->rest);
    free(cut);
}

static void set_cut_alarm(struct login_cut *cut)
{
    alarm_set(&cut->alarm, earlier_ms(cut->step_ms, cut->again_ms));
}

static void next_step_in(struct login_cut *cut, int64_t pause_ms)
{
    cut->step_ms = cut->loop->now.boot_ms + pause_ms;
    set_cut_alarm(cut);
}

static void ask_again_in(struct login_cut *cut, int64_t pause_ms)
{
    cut->again_ms = cut->loop->now.boot_ms + pause_ms;
    set_cut_alarm(cut);
}

/* No file that this reads can be blocked by a user. So the question is about this login
 * alone, and does not wait for others about the user that keep helpers busy. */
static struct inquiry *ask_helper(struct login_cut *cut, work_function work, const void *input,
                                  size_t size, answer_function done)
{
    const struct question question = {.about = about_login(cut->login.pid),
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
    if (signal_number != SIGSTOP)
        pidfd_signal(pidfd, SIGCONT);
}

/* --- the rest ------------------------------------------------------------------ */

static void free_if_over(struct login_cut *cut)
{
    if (cut->step == STEP_OVER && cut->looking == NULL && cut->killing == NULL && cut->rest == NULL)
        login_cut_free(cut);
}

static void forget_rest(struct login_cut *cut)
{
    free(cut->rest);
    cut->rest = NULL;
}

static void on_killed(void *context, const struct answer *answer);

/* Once the rest is known and has had its time. */
static void kill_rest(struct login_cut *cut)
{
    if (cut->rest == NULL || cut->killing != NULL || cut->step < STEP_KILL)
        return;
    if (cut->rest->count == 0) {
        forget_rest(cut);
        return;
    }
    cut->killing = ask_helper(cut, ending_kill, cut->rest, ending_list_size(cut->rest), on_killed);
    if (cut->killing == NULL)
        ask_again_in(cut, AGAIN_MS);
}

/* Whoever waits for a processor is asked again, less and less often. They are known by
 * more than their numbers, so it is never too late. */
static void on_killed(void *context, const struct answer *answer)
{
    struct login_cut *cut = context;
    const bool has_failed = answer->presence == UNKNOWN;

    loop_clock(cut->loop);
    cut->killing = NULL;
    if (has_failed && cut->failed_kills < KILLS_MAX) {
        ask_again_in(cut, (int64_t)AGAIN_MS << cut->failed_kills++);
        return;
    }
    if (has_failed)
        log_line(LOG_ERR,
                 "login terminated, but %u processes that ran below it cannot be killed: %s; they "
                 "may go on; see tmout-recovery(7) user=%s pid=%d",
                 (unsigned)cut->rest->count, strerror(answer->error), cut->login.user,
                 (int)cut->login.pid);
    forget_rest(cut);
    free_if_over(cut);
}

static void end_connection(struct login_cut *cut)
{
    cut->step = STEP_TERM;
    cut->again_ms = NEVER_MS;
    signal_connection(cut, SIGTERM);
    next_step_in(cut, EXIT_MS);
}

static void report_unknown_rest(const struct login_cut *cut, int error)
{
    log_line(LOG_ERR,
             "login terminated, but not all processes that ran below it are known: %s; unless "
             "leftovers = end, they may go on; see tmout-recovery(7) user=%s pid=%d",
             strerror(error), cut->login.user, (int)cut->login.pid);
}

static void on_looked(void *context, const struct answer *answer);

static void look_for_rest(struct login_cut *cut)
{
    cut->looking = ask_helper(cut, ending_begin, &cut->login, sizeof cut->login, on_looked);
    if (cut->looking == NULL)
        ask_again_in(cut, AGAIN_MS);
}

/* Once more at once, whatever the first question took; then only while the connection has
 * time. False if there is to be no other question. */
static bool look_again(struct login_cut *cut)
{
    const bool is_first = cut->failed_looks++ == 0;

    if (!is_first && later_ms(cut->loop->now.boot_ms, AGAIN_MS) >= later_ms(cut->begun_ms, LOOK_MS))
        return false;
    ask_again_in(cut, is_first ? 0 : AGAIN_MS);
    return true;
}

/* Returns 0 if there is nothing, or nothing more, to be known, or the errno. What has ended by
 * itself has left nothing behind that is to be ended here. */
static int take_rest(struct login_cut *cut, const struct answer *answer, bool is_ending)
{
    if (answer->presence == UNKNOWN)
        return answer->error;
    if (answer->presence == GONE)
        return is_ending ? 0 : ETIMEDOUT;
    cut->rest = answer->size > 0 ? malloc(answer->size) : NULL;
    if (cut->rest == NULL)
        return ENOMEM;
    memcpy(cut->rest, answer->data, answer->size);
    return cut->rest->error;
}

static void on_looked(void *context, const struct answer *answer)
{
    struct login_cut *cut = context;
    const bool is_ending = cut->step <= STEP_STOP;

    loop_clock(cut->loop);
    cut->looking = NULL;
    const int error = take_rest(cut, answer, is_ending);
    if (error != 0 && cut->rest == NULL && is_ending && look_again(cut))
        return;
    if (error != 0)
        report_unknown_rest(cut, error);
    if (is_ending)
        end_connection(cut);
    else
        kill_rest(cut);
    free_if_over(cut);
}

/* --- the connection ------------------------------------------------------------ */

static void login_cut_over(struct login_cut *cut)
{
    struct pollfd connection = {.fd = cut->connection_pidfd, .events = POLLIN};

    /* Only if that process did not even end for SIGKILL: else its parent may take
     * all the time that it needs to close the session. */
    if (cut->pidfd >= 0 && cut->connection_pidfd >= 0 && poll(&connection, 1, 0) == 0)
        pidfd_signal(cut->pidfd, SIGKILL);
    close_descriptors(cut);
    cut->step = STEP_OVER;
    cut->step_ms = NEVER_MS;
    set_cut_alarm(cut);
    if (cut->done != NULL)
        cut->done(cut->context);
    cut->done = NULL;
    free_if_over(cut);
}

/*
 * Nobody has looked at what runs below the connection. If that is because no helper has
 * got a processor yet, the connection only stops: nobody can work through it any more, but
 * its children remain its own, and can still be found.
 */
static void stop_connection(struct login_cut *cut)
{
    const int64_t now_ms = cut->loop->now.boot_ms;

    if (cut->looking == NULL || !cut->login.is_ssh ||
        now_ms >= later_ms(cut->begun_ms, STOPPED_MAX_MS)) {
        if (cut->looking == NULL)
            report_unknown_rest(cut, ENOMEM);
        end_connection(cut);
        return;
    }
    cut->step = STEP_STOP;
    signal_connection(cut, SIGSTOP);
    next_step_in(cut, STOP_AGAIN_MS);
}

static void take_next_step(struct login_cut *cut)
{
    switch (cut->step) {
    case STEP_OPEN: /* which has no time */
        break;
    case STEP_LOOK:
    case STEP_STOP:
        stop_connection(cut);
        break;
    case STEP_TERM:
        cut->step = STEP_KILL;
        signal_connection(cut, SIGKILL);
        next_step_in(cut, CLOSE_MS);
        kill_rest(cut);
        break;
    case STEP_KILL:
    case STEP_OVER:
    default:
        login_cut_over(cut);
    }
}

static void login_cut_on_alarm(void *context, int64_t late_ms)
{
    struct login_cut *cut = context;
    const int64_t now_ms = cut->loop->now.boot_ms;
    const bool is_time_to_ask = cut->again_ms <= now_ms;

    (void)late_ms;
    if (is_time_to_ask)
        cut->again_ms = NEVER_MS;
    if (is_time_to_ask && cut->step <= STEP_STOP)
        look_for_rest(cut);
    else if (is_time_to_ask)
        kill_rest(cut);
    set_cut_alarm(cut);
    if (cut->step_ms <= now_ms)
        take_next_step(cut);
}

static bool copy_descriptors(struct login_cut *cut, const int pidfds[2])
{
    cut->pidfd = descriptor_for_end(fcntl(pidfds[0], F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (pidfds[1] >= 0)
        cut->connection_pidfd =
            descriptor_for_end(fcntl(pidfds[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    return cut->pidfd >= 0 && (pidfds[1] < 0 || cut->connection_pidfd >= 0);
}

static void begin_to_look(struct login_cut *cut)
{
    cut->step = STEP_LOOK;
    cut->begun_ms = cut->loop->now.boot_ms;
    next_step_in(cut, LOOK_MS);
    look_for_rest(cut);
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
        begin_to_look(cut);
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

struct login_cut *login_cut_begin(struct loop *loop, const struct session_record *login,
                                  const int pidfds[2], login_cut_function done, void *context)
{
    struct login_cut *cut = calloc(1, sizeof *cut);
    int error;

    if (cut == NULL)
        return NULL;
    *cut = (struct login_cut){.loop = loop,
                              .login = *login,
                              .pidfd = -1,
                              .connection_pidfd = -1,
                              .step_ms = NEVER_MS,
                              .again_ms = NEVER_MS,
                              .done = done,
                              .context = context};
    LIST_INSERT_HEAD(&loop->login_cuts, cut, link);
    if (!alarm_init(&cut->alarm, loop, login_cut_on_alarm, cut))
        errno = ENOMEM;
    else if (pidfds[0] < 0) {
        if (open_processes(cut))
            return cut;
    } else if (copy_descriptors(cut, pidfds)) {
        begin_to_look(cut);
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
        if (cut->step == STEP_STOP)
            signal_connection(cut, SIGTERM);
        login_cut_free(cut);
    }
}
