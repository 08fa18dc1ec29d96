#include "tools/tmoutd/terminal_cut.h"

#include "tools/tmoutd/hangup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

enum {
    EXIT_MS = 500,   /* time for a shell to write its history */
    HANGUP_MS = 500, /* time for programs to notice that the terminal is gone */
    /* Where nobody would begin anew, the last step is tried again, with twice the pause
     * each time. */
    AGAIN_MS = 1000,
    TRIES_MAX = 6
};

enum step { STEP_BEGIN, STEP_LINE, STEP_KILL, STEP_KILL_ALL, STEP_DONE };

struct terminal_cut {
    struct loop *loop;
    LIST_ENTRY(terminal_cut) link;
    about_t about;
    struct hangup_target target;
    enum step step; /* that was asked for last */
    struct alarm alarm;
    struct inquiry *inquiry;
    enum cut_result result; /* so far */
    int error;
    unsigned tries;             /* of the last step, in vain */
    terminal_cut_function done; /* NULL: the login has ended */
    void *context;
};

static void cut_free(struct terminal_cut *cut)
{
    helpers_take_back(cut->inquiry);
    alarm_free(&cut->alarm);
    LIST_REMOVE(cut, link);
    free(cut);
}

static void cut_end(struct terminal_cut *cut, enum cut_result result, int error)
{
    const terminal_cut_function done = cut->done;
    void *context = cut->context;

    cut_free(cut);
    if (done != NULL)
        done(context, result, error);
}

static void cut_on_answer(void *context, const struct answer *answer);
static void kill_again(struct terminal_cut *cut, int error);

static bool cut_ask(struct terminal_cut *cut, enum step step)
{
    static const work_function work[] = {[STEP_BEGIN] = hangup_begin,
                                         [STEP_LINE] = hangup_line,
                                         [STEP_KILL] = hangup_kill,
                                         [STEP_KILL_ALL] = hangup_kill_all};
    const struct question question = {.about = cut->about,
                                      .work = work[step],
                                      .prepare = step >= STEP_KILL ? hangup_prepare : NULL,
                                      .powers = MAY_LOOK | MAY_SIGNAL | MAY_HANG_UP,
                                      .input = &cut->target,
                                      .input_size = sizeof cut->target,
                                      .fd = -1,
                                      .done = cut_on_answer,
                                      .context = cut};

    cut->step = step;
    cut->inquiry = helpers_ask(cut->loop->helpers, &question);
    return cut->inquiry != NULL;
}

static void cut_take_step(struct terminal_cut *cut, enum step step)
{
    if (cut_ask(cut, step))
        return;
    if (step >= STEP_KILL && cut->done == NULL)
        kill_again(cut, ENOMEM);
    else
        cut_end(cut, CUT_FAILED, ENOMEM);
}

static void cut_on_alarm(void *context, int64_t late_ms)
{
    struct terminal_cut *cut = context;

    (void)late_ms;
    cut_take_step(cut, cut->step + 1);
}

enum cut_result cut_result_of(const struct answer *answer)
{
    if (answer->presence == GONE)
        return CUT_GONE;
    return answer->error == ETIMEDOUT ? CUT_BLOCKED : CUT_FAILED;
}

static void after_begin(struct terminal_cut *cut, const struct answer *answer)
{
    if (answer_get(answer, &cut->target.terminal, sizeof cut->target.terminal))
        alarm_set(&cut->alarm, cut->loop->now.boot_ms + EXIT_MS);
    else
        cut_end(cut, cut_result_of(answer), answer->error);
}

/* Even if the line is gone, or cannot be hung up, there may be somebody to kill. */
static void after_line(struct terminal_cut *cut, const struct answer *answer)
{
    if (answer->presence == UNKNOWN) {
        cut->result = cut_result_of(answer);
        cut->error = answer->error;
    }
    alarm_set(&cut->alarm, cut->loop->now.boot_ms + HANGUP_MS);
}

/* The login has ended, so its terminal will not be hung up again: what has survived the
 * hang-up would go on. */
static void kill_again(struct terminal_cut *cut, int error)
{
    if (cut->tries == TRIES_MAX) {
        log_line(LOG_ERR,
                 "terminal hung up, but what ran there may go on: %s; see tmout-recovery(7) "
                 "user=%s terminal=pts/%u",
                 strerror(error), cut->target.login.user, cut->target.index);
        cut_end(cut, CUT_FAILED, error);
        return;
    }
    cut->step--;
    alarm_set(&cut->alarm, cut->loop->now.boot_ms + ((int64_t)AGAIN_MS << cut->tries++));
}

static void after_kill(struct terminal_cut *cut, const struct answer *answer)
{
    if (answer->presence != UNKNOWN) {
        cut_end(cut, cut->result, cut->error);
    } else if (cut->step == STEP_KILL && cut_result_of(answer) == CUT_BLOCKED) {
        /* Who does not let it be seen what they have open has the terminal open. */
        cut_take_step(cut, STEP_KILL_ALL);
    } else if (cut->done == NULL) {
        kill_again(cut, answer->error);
    } else {
        cut_end(cut, cut_result_of(answer), answer->error);
    }
}

static void cut_on_answer(void *context, const struct answer *answer)
{
    struct terminal_cut *cut = context;

    loop_clock(cut->loop);
    cut->inquiry = NULL;
    switch (cut->step) {
    case STEP_BEGIN:
        after_begin(cut, answer);
        break;
    case STEP_LINE:
        after_line(cut, answer);
        break;
    case STEP_KILL:
    case STEP_KILL_ALL:
    case STEP_DONE:
    default:
        after_kill(cut, answer);
    }
}

struct terminal_cut *terminal_cut_begin(struct loop *loop, about_t about,
                                        const struct session_record *login, unsigned index,
                                        terminal_cut_function done, void *context)
{
    struct terminal_cut *cut = calloc(1, sizeof *cut);

    if (cut == NULL)
        return NULL;
    cut->loop = loop;
    cut->about = about;
    cut->target.login = *login;
    cut->target.index = index;
    LIST_INSERT_HEAD(&loop->terminal_cuts, cut, link);
    if (!alarm_init(&cut->alarm, loop, cut_on_alarm, cut)) {
        cut_free(cut);
        return NULL;
    }
    if (!cut_ask(cut, STEP_BEGIN)) {
        cut_free(cut);
        return NULL;
    }
    cut->done = done;
    cut->context = context;
    return cut;
}

void terminal_cut_detach(struct terminal_cut *cut)
{
    cut->done = NULL;
}

void terminal_cuts_free(struct loop *loop)
{
    struct terminal_cut *cut, *next;

    for (cut = LIST_FIRST(&loop->terminal_cuts); cut != NULL; cut = next) {
        next = LIST_NEXT(cut, link);
        cut_free(cut);
    }
}
