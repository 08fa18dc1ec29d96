/* Helpers that a small process starts: whose they are, and what becomes of them without it. */
#include "tests/unit/check.h"

#include "tools/tmoutd/helper_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TOO_LARGE = 1024 * 1024, LONG_AGO_MS = 3600 * 1000 };

/* In whose memory is the helper's copy? */
static bool is_later;

struct found {
    bool is_later;
    unsigned char input, from_pipe;
    pid_t parent;
};

static void find(const void *input, int fd, struct answer *answer)
{
    struct found found = {.is_later = is_later, .parent = getppid()};

    memcpy(&found.input, input, 1);
    if (fd >= 0 && read(fd, &found.from_pipe, 1) != 1)
        _exit(1);
    answer_put(answer, &found, sizeof found);
}

static void begin(struct helper_starter *starter)
{
    is_later = false;
    *starter = (struct helper_starter){.socket = -1};
    helper_starter_begin(starter);
    assert_true(starter->socket >= 0);
    is_later = true;
}

/* The answer to the last of these jobs. The helper is this process's own child. */
static struct found ask_helper(struct helper_starter *starter, const struct job *job, size_t count)
{
    static struct answer answer;
    struct helper_process process;
    struct done_job done = {0};
    struct found found = {0};

    assert_int_equal(helper_process_start(starter, &process, job, count), 0);
    for (size_t received = 0; received < count;) {
        assert_int_equal(poll(&(struct pollfd){.fd = process.socket, .events = POLLIN}, 1, -1), 1);
        if (helper_process_receive(&process, &done, &answer) > 0)
            assert_int_equal(done.index, received++);
    }
    assert_true(answer_get(&answer, &found, sizeof found));
    assert_int_equal(found.parent, getpid());
    assert_int_equal(waitpid(process.pid, NULL, 0), process.pid);
    close(process.pidfd);
    close(process.socket);
    return found;
}

static bool is_from_starter(struct helper_starter *starter)
{
    const struct job job = {.work = find, .input = "a", .input_size = 1, .fd = -1};

    return !ask_helper(starter, &job, 1).is_later;
}

static void helpers_are_children_of_the_main_process(void **state)
{
    struct helper_starter starter;

    (void)state;
    begin(&starter);
    assert_true(is_from_starter(&starter));
    assert_true(is_from_starter(&starter));
    helper_starter_end(&starter);
}

static void each_job_has_its_input_and_its_descriptor(void **state)
{
    struct helper_starter starter;
    struct job job[3];
    int end[3][2];

    (void)state;
    begin(&starter);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pipe(end[i]), 0);
        assert_int_equal(write(end[i][1], &"xyz"[i], 1), 1);
        job[i] = (struct job){
            .work = find, .input = &"abc"[i], .input_size = 1, .fd = i == 1 ? -1 : end[i][0]};
    }
    const struct found found = ask_helper(&starter, job, 3);
    assert_false(found.is_later);
    assert_int_equal(found.input, 'c');
    assert_int_equal(found.from_pipe, 'z');
    for (size_t i = 0; i < 3; i++) {
        close(end[i][0]);
        close(end[i][1]);
    }
    helper_starter_end(&starter);
}

static void what_does_not_fit_is_forked_here(void **state)
{
    struct helper_starter starter;
    char *large = calloc(1, TOO_LARGE);
    const struct job job = {.work = find, .input = large, .input_size = TOO_LARGE, .fd = -1};

    (void)state;
    assert_non_null(large);
    begin(&starter);
    assert_true(ask_helper(&starter, &job, 1).is_later);
    assert_true(is_from_starter(&starter));
    helper_starter_end(&starter);
    free(large);
}

/* It is started again after a while, and helpers are forked here until then. */
static void one_that_ends_is_replaced(void **state)
{
    struct helper_starter starter;
    siginfo_t ended;

    (void)state;
    begin(&starter);
    kill(starter.pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)starter.pid, &ended, WEXITED | WNOWAIT), 0);
    assert_false(is_from_starter(&starter));
    assert_int_equal(starter.socket, -1);
    assert_false(is_from_starter(&starter));
    is_later = false;
    starter.started_ms -= LONG_AGO_MS;
    const struct job job = {.work = find, .input = "a", .input_size = 1, .fd = -1};
    ask_helper(&starter, &job, 1);
    is_later = true;
    assert_true(is_from_starter(&starter));
    helper_starter_end(&starter);
}

/* One that gets no processor, or is stopped, costs time and no helper. */
static void one_that_does_not_answer_is_given_up(void **state)
{
    struct helper_starter starter;
    siginfo_t ended;

    (void)state;
    begin(&starter);
    starter.answer_ms = 0;
    const pid_t pid = starter.pid;
    kill(pid, SIGSTOP);
    assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WSTOPPED), 0);
    assert_false(is_from_starter(&starter));
    assert_int_equal(starter.socket, -1);
    if (starter.pid != 0) /* it has not been waited for yet */
        assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
    helper_starter_end(&starter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(helpers_are_children_of_the_main_process),
        cmocka_unit_test(each_job_has_its_input_and_its_descriptor),
        cmocka_unit_test(what_does_not_fit_is_forked_here),
        cmocka_unit_test(one_that_does_not_answer_is_given_up),
        cmocka_unit_test(one_that_ends_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
