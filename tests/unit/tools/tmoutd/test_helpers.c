/* Questions to helper processes: real ones, in a real event loop. Whatever they
 * are to answer has a deadline that is never reached; what blocks, one that is
 * reached at once. */
#include "tests/unit/child.h"
#include "tests/unit/tools/tmoutd/log_capture.h"

#include "tools/tmoutd/helpers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NEVER_REACHED_MS = 3600 * 1000, AT_ONCE_MS = 1, ASKED_MAX = 500 };

struct scene {
    sd_event *event;
    struct helpers *helpers;
    unsigned expected, answered;
};

struct asked {
    struct scene *scene;
    unsigned order; /* of the answer, from 1 */
    enum presence presence;
    int error, fd;
    int64_t retry_ms;
    uint32_t number;
};

static struct asked asked[ASKED_MAX];

static void scene_begin_timed(struct scene *scene, const struct helpers_timing *timing)
{
    memset(asked, 0, sizeof asked);
    log_clear();
    *scene = (struct scene){0};
    assert_true(sd_event_new(&scene->event) >= 0);
    scene->helpers = helpers_new(scene->event, timing);
    assert_non_null(scene->helpers);
}

static void scene_begin(struct scene *scene, int kill_signal)
{
    const struct helpers_timing timing = {NEVER_REACHED_MS, 20, 2, kill_signal};

    scene_begin_timed(scene, &timing);
}

static void scene_end(struct scene *scene)
{
    helpers_free(scene->helpers);
    sd_event_unref(scene->event);
}

static void on_answered(void *context, const struct answer *answer)
{
    struct asked *this = context;
    struct scene *scene = this->scene;

    assert_int_equal(this->order, 0);
    this->order = ++scene->answered;
    this->presence = answer->presence;
    this->error = answer->error;
    this->retry_ms = answer->retry_ms;
    this->fd = answer->fd_count > 0 ? answer->fd[0] : -1;
    if (!answer_get(answer, &this->number, sizeof this->number))
        this->number = 0;
}

static struct inquiry *ask(struct scene *scene, unsigned at, about_t about, work_function work,
                           int64_t deadline_ms)
{
    const uint32_t number = at;
    const struct question question = {.about = about,
                                      .work = work,
                                      .input = &number,
                                      .input_size = sizeof number,
                                      .fd = -1,
                                      .deadline_ms = deadline_ms,
                                      .done = on_answered,
                                      .context = &asked[at]};

    asked[at].scene = scene;
    scene->expected++;
    struct inquiry *inquiry = helpers_ask(scene->helpers, &question);
    assert_non_null(inquiry);
    return inquiry;
}

static void run(struct scene *scene)
{
    while (scene->answered < scene->expected)
        assert_true(sd_event_run(scene->event, UINT64_MAX) >= 0);
}

/* --- what helpers do ------------------------------------------------------- */

static void square(const void *input, int fd, struct answer *answer)
{
    uint32_t number;

    assert_int_equal(fd, -1);
    memcpy(&number, input, sizeof number);
    number *= number;
    answer_put(answer, &number, sizeof number);
}

static void block(const void *input, int fd, struct answer *answer)
{
    (void)input;
    (void)fd;
    (void)answer;
    for (;;)
        pause();
}

static void crash(const void *input, int fd, struct answer *answer)
{
    (void)input;
    (void)fd;
    (void)answer;
    _exit(3);
}

static void find_gone(const void *input, int fd, struct answer *answer)
{
    (void)input;
    (void)fd;
    answer_fail(answer, ESRCH);
}

static void send_pipe(const void *input, int fd, struct answer *answer)
{
    int end[2];

    (void)fd;
    if (pipe(end) != 0 || write(end[1], input, 1) != 1)
        _exit(1);
    close(end[1]);
    answer_put_fd(answer, end[0]);
}

/* Longer than a hesitation. */
static void take_note(const void *input, int fd, struct answer *answer)
{
    const struct timespec pause = {.tv_nsec = 6 * 1000 * 1000};

    (void)input;
    if (write(fd, "x", 1) != 1)
        _exit(1);
    nanosleep(&pause, NULL);
    answer_put(answer, "", 0);
}

/* How many descriptors are open besides the standard ones and that of the
 * directory; its own is one of them. */
static void count_descriptors(const void *input, int fd, struct answer *answer)
{
    uint32_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;

    (void)input;
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) > STDERR_FILENO &&
            atoi(entry->d_name) != dirfd(directory))
            count++;
    closedir(directory);
    if (fd >= 0 && read(fd, &(char){0}, 1) != 1)
        count = 1000;
    answer_put(answer, &count, sizeof count);
}

/* --- tests ----------------------------------------------------------------- */

static void all_are_answered(void **state)
{
    struct scene scene;

    (void)state;
    scene_begin(&scene, SIGKILL);
    for (unsigned i = 0; i < ASKED_MAX; i++)
        ask(&scene, i, about_user(i % 3), i == 7 ? find_gone : square, NEVER_REACHED_MS);
    run(&scene);
    for (unsigned i = 0; i < ASKED_MAX; i++) {
        assert_int_equal(asked[i].presence, i == 7 ? GONE : PRESENT);
        assert_int_equal(asked[i].number, i == 7 ? 0 : i * i);
    }
    assert_int_equal(helpers_count(scene.helpers).running, 0);
    assert_int_equal(helpers_count(scene.helpers).pinned, 0);
    scene_end(&scene);
}

static void descriptors_come_along(void **state)
{
    struct scene scene;
    char byte;

    (void)state;
    scene_begin(&scene, SIGKILL);
    ask(&scene, 5, about_host(), send_pipe, NEVER_REACHED_MS);
    run(&scene);
    assert_true(asked[5].fd > STDERR_FILENO);
    assert_int_equal(read(asked[5].fd, &byte, 1), 1);
    assert_int_equal(byte, 5);
    close(asked[5].fd);
    scene_end(&scene);
}

/* A helper that cannot be ended must not keep a terminal open, for example. */
static void keeps_only_the_descriptor_of_a_question(void **state)
{
    struct scene scene;
    int end[2];

    (void)state;
    if (is_slow())
        LEFT_OUT("valgrind has descriptors of its own");
    assert_int_equal(pipe(end), 0);
    assert_int_equal(write(end[1], "x", 1), 1);
    scene_begin(&scene, SIGKILL);
    ask(&scene, 0, about_host(), count_descriptors, NEVER_REACHED_MS);
    const struct question question = {.about = about_user(1),
                                      .work = count_descriptors,
                                      .fd = end[0],
                                      .done = on_answered,
                                      .context = &asked[1]};
    asked[1].scene = &scene;
    scene.expected++;
    assert_non_null(helpers_ask(scene.helpers, &question));
    run(&scene);
    assert_int_equal(asked[0].number, 2); /* the socket, and that of the other one */
    assert_int_equal(asked[1].number, 2);
    close(end[0]);
    close(end[1]);
    scene_end(&scene);
}

static void capabilities(struct __user_cap_data_struct set[_LINUX_CAPABILITY_U32S_3])
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

    assert_int_equal(syscall(SYS_capget, &header, set), 0);
}

static void effective(const void *input, int fd, struct answer *answer)
{
    struct __user_cap_data_struct set[_LINUX_CAPABILITY_U32S_3];

    (void)input;
    (void)fd;
    capabilities(set);
    answer_put(answer, &set[0].effective, sizeof set[0].effective);
}

static void permitted(const void *input, int fd, struct answer *answer)
{
    struct __user_cap_data_struct set[_LINUX_CAPABILITY_U32S_3];

    (void)input;
    (void)fd;
    capabilities(set);
    /* None of these is used for anything. */
    set[0].permitted |= set[0].inheritable | set[1].permitted | set[1].effective;
    answer_put(answer, &set[0].permitted, sizeof set[0].permitted);
}

/* In one batch: each has what it needs in effect, and may get back only what those
 * behind it need. As another user, there is nothing to drop. */
static void only_the_capabilities_that_are_needed(void **state)
{
    const uint32_t look = 1U << CAP_SYS_PTRACE | 1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH,
                   kill = 1U << CAP_KILL, hang_up = 1U << CAP_SYS_ADMIN | 1U << CAP_SYS_TTY_CONFIG;
    const struct {
        unsigned powers;
        work_function work;
        uint32_t expected;
    } step[] = {
        {MAY_LOOK | MAY_SIGNAL | MAY_HANG_UP, effective, look | kill | hang_up},
        {MAY_NOTHING, effective, 0},
        {MAY_NOTHING, permitted, look | kill | hang_up},
        {MAY_LOOK | MAY_HANG_UP, effective, look | hang_up},
        {MAY_SIGNAL, permitted, look | kill},
        {MAY_LOOK | MAY_SIGNAL, effective, look | kill},
        {MAY_LOOK, effective, look},
        {MAY_NOTHING, effective, 0},
        {MAY_NOTHING, permitted, 0},
    };
    struct __user_cap_data_struct own[_LINUX_CAPABILITY_U32S_3];
    struct scene scene;

    (void)state;
    capabilities(own);
    scene_begin(&scene, SIGKILL);
    for (unsigned i = 0; i < COUNT_OF(step); i++) {
        const struct question question = {.about = about_user(1),
                                          .work = step[i].work,
                                          .powers = step[i].powers,
                                          .fd = -1,
                                          .done = on_answered,
                                          .context = &asked[i]};
        asked[i].scene = &scene;
        scene.expected++;
        assert_non_null(helpers_ask(scene.helpers, &question));
    }
    run(&scene);
    for (unsigned i = 0; i < COUNT_OF(step); i++)
        assert_int_equal(asked[i].number, step[i].expected & own[0].permitted);
    scene_end(&scene);
}

/* The first one in the batch blocks; the others' answers come all the same, and
 * do not wait for its deadline. */
static void who_blocks_is_unknown(void **state)
{
    struct scene scene;

    (void)state;
    scene_begin(&scene, SIGKILL);
    /* Far more than the others take, even if valgrind runs them on a busy machine. */
    ask(&scene, 0, about_user(1), block, is_slow() ? 10000 : 1000);
    for (unsigned i = 1; i < 100; i++)
        ask(&scene, i, about_user(i % 4), square, NEVER_REACHED_MS);
    run(&scene);
    assert_int_equal(asked[0].presence, UNKNOWN);
    assert_int_equal(asked[0].error, ETIMEDOUT);
    assert_true(asked[0].retry_ms > 0);
    for (unsigned i = 1; i < 100; i++) {
        assert_int_equal(asked[i].presence, PRESENT);
        if (i % 4 != 1)
            assert_true(asked[i].order < asked[0].order);
    }
    scene_end(&scene);
}

/* Two in a row are enough to know about the rest, however many the user has. */
static void what_follows_two_without_an_answer(void **state)
{
    enum { MANY = 20 }; /* in one batch */
    struct scene scene;

    (void)state;
    scene_begin(&scene, SIGKILL);
    for (unsigned i = 0; i < MANY; i++)
        ask(&scene, i, about_user(1), block, i < 2 ? AT_ONCE_MS : NEVER_REACHED_MS);
    run(&scene);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(asked[i].presence, UNKNOWN);
    /* which does not mean that nothing is asked later */
    ask(&scene, MANY, about_user(1), square, NEVER_REACHED_MS);
    run(&scene);
    assert_int_equal(asked[MANY].presence, PRESENT);
    scene_end(&scene);
}

static void repeated_delays_are_asked_less_often(void **state)
{
    struct scene scene;

    (void)state;
    scene_begin(&scene, SIGKILL);
    ask(&scene, 0, about_user(1), block, AT_ONCE_MS);
    run(&scene);
    ask(&scene, 1, about_user(1), block, AT_ONCE_MS);
    run(&scene);
    assert_true(asked[1].retry_ms > asked[0].retry_ms);
    scene_end(&scene);
}

static void a_crash_costs_one_answer(void **state)
{
    struct scene scene;

    (void)state;
    scene_begin(&scene, SIGKILL);
    for (unsigned i = 0; i < 20; i++)
        ask(&scene, i, about_user(i), i % 10 == 3 ? crash : square, NEVER_REACHED_MS);
    run(&scene);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(asked[i].presence, i % 10 == 3 ? UNKNOWN : PRESENT);
    assert_int_equal(asked[3].error, EPIPE);
    scene_end(&scene);
}

/* Signal 0 ends nobody, as SIGKILL ends no process that waits for certain file
 * systems. */
static void helpers_that_cannot_be_ended_are_bounded(void **state)
{
    struct scene scene;

    (void)state;
    scene_begin(&scene, 0);
    for (unsigned i = 0; i < 10; i++) {
        ask(&scene, i, about_user(1), block, AT_ONCE_MS);
        run(&scene);
        assert_int_equal(asked[i].presence, UNKNOWN);
        assert_int_equal(helpers_count(scene.helpers).pinned,
                         i + 1 < HELPERS_PINNED_MAX ? i + 1 : HELPERS_PINNED_MAX);
    }
    /* Not even what would be answered is asked any more; others' questions are. */
    ask(&scene, 10, about_user(1), square, NEVER_REACHED_MS);
    ask(&scene, 11, about_user(2), square, NEVER_REACHED_MS);
    run(&scene);
    assert_int_equal(asked[10].presence, UNKNOWN);
    assert_int_equal(asked[11].presence, PRESENT);
    scene_end(&scene);
}

/* Many users block all helpers that they can get; the rest goes on. */
static void blockers_leave_room_for_others(void **state)
{
    enum { BLOCKERS = 30 };
    struct scene scene;

    (void)state;
    scene_begin(&scene, SIGKILL);
    for (unsigned i = 0; i < BLOCKERS; i++)
        ask(&scene, i, about_user(1000 + i), block, NEVER_REACHED_MS);
    scene.expected = 0;
    for (unsigned i = BLOCKERS; i < BLOCKERS + 50; i++)
        ask(&scene, i, about_user(i), square, NEVER_REACHED_MS);
    run(&scene);
    for (unsigned i = BLOCKERS; i < BLOCKERS + 50; i++)
        assert_int_equal(asked[i].presence, PRESENT);
    scene_end(&scene);
}

/* Nobody is slow yet: a suspicion is enough. */
static void suspects_leave_room_for_others(void **state)
{
    enum { BLOCKERS = HELPERS_SUSPECT_MAX, OTHERS = 50 };
    const struct helpers_timing timing = {NEVER_REACHED_MS, NEVER_REACHED_MS, 2, SIGKILL};
    struct scene scene;

    (void)state;
    scene_begin_timed(&scene, &timing);
    for (unsigned i = 0; i < BLOCKERS; i++)
        ask(&scene, i, about_user(1000 + i), block, NEVER_REACHED_MS);
    scene.expected = 0;
    for (unsigned i = BLOCKERS; i < BLOCKERS + OTHERS; i++)
        ask(&scene, i, about_user(i), square, NEVER_REACHED_MS);
    run(&scene);
    for (unsigned i = BLOCKERS; i < BLOCKERS + OTHERS; i++)
        assert_int_equal(asked[i].presence, PRESENT);
    scene_end(&scene);
}

/* By 400 users, or 400 times by one: others are answered, and there are never more
 * helpers than there may be. Those of the blockers end for no signal. */
static void hundreds_of_blockers(void **state)
{
    enum { BLOCKERS = 400, OTHERS = 50 };
    static const struct {
        unsigned users, running_max;
    } row[] = {{BLOCKERS, HELPERS_RUNNING_MAX + HELPERS_SUSPECT_MAX + HELPERS_BLOCKED_MAX},
               {1, 2 * HELPERS_RUNNING_MAX + 1}};
    struct scene scene;

    need_pidfd(); /* the ends of so many are looked for now and then without it */
    (void)state;
    for (unsigned r = 0; r < COUNT_OF(row); r++) {
        scene_begin(&scene, 0);
        for (unsigned i = 0; i < BLOCKERS; i++)
            ask(&scene, i, about_user(1000 + i % row[r].users), block, NEVER_REACHED_MS);
        scene.expected = 0;
        for (unsigned i = BLOCKERS; i < BLOCKERS + OTHERS; i++)
            ask(&scene, i, about_user(i), square, NEVER_REACHED_MS);
        while (scene.answered < scene.expected) {
            assert_true(sd_event_run(scene.event, UINT64_MAX) >= 0);
            assert_true(helpers_count(scene.helpers).running <= row[r].running_max);
        }
        for (unsigned i = BLOCKERS; i < BLOCKERS + OTHERS; i++)
            assert_int_equal(asked[i].presence, PRESENT);
        scene_end(&scene);
    }
}

static void take_a_while(const void *input, int fd, struct answer *answer)
{
    const struct timespec while_ = {.tv_nsec = 3 * 1000 * 1000};

    nanosleep(&while_, NULL);
    square(input, fd, answer);
}

/* No question of this user's is slow: all together are, and all are answered. */
static void slow_by_many_questions(void **state)
{
    const struct helpers_timing timing = {NEVER_REACHED_MS, 500, NEVER_REACHED_MS, SIGKILL};
    enum { MANY = 200 };
    struct scene scene;

    (void)state;
    scene_begin_timed(&scene, &timing);
    for (unsigned i = 0; i < MANY; i++)
        ask(&scene, i, about_user(1), take_a_while, NEVER_REACHED_MS);
    run(&scene);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(asked[i].number, i * i);
    /* By now they have a helper of their own. Nobody else waits for it. */
    ask(&scene, MANY, about_user(1), block, NEVER_REACHED_MS);
    for (unsigned i = 1; i < 8; i++)
        ask(&scene, MANY + i, about_user(1), block, NEVER_REACHED_MS);
    scene.expected = scene.answered + 1;
    ask(&scene, MANY + 8, about_user(2), square, NEVER_REACHED_MS);
    scene.expected = scene.answered + 1;
    run(&scene);
    assert_int_equal(asked[MANY + 8].presence, PRESENT);
    assert_int_equal(helpers_count(scene.helpers).running, 1);
    scene_end(&scene);
}

static void answer_late(const void *input, int fd, struct answer *answer)
{
    const struct timespec late = {.tv_nsec = 200 * 1000 * 1000};

    nanosleep(&late, NULL);
    square(input, fd, answer);
}

/* Whose questions take too long but are answered waits for no one whose are not,
 * however many those are. */
static void who_answers_late_waits_for_no_blocker(void **state)
{
    enum { BLOCKERS = 100 };
    struct scene scene;

    (void)state;
    scene_begin(&scene, SIGKILL);
    ask(&scene, BLOCKERS, about_user(1), answer_late, NEVER_REACHED_MS);
    run(&scene);
    assert_int_equal(asked[BLOCKERS].presence, PRESENT);
    for (unsigned i = 0; i < BLOCKERS; i++)
        ask(&scene, i, about_user(1000 + i), block, NEVER_REACHED_MS);
    while (helpers_count(scene.helpers).running < HELPERS_BLOCKED_MAX)
        assert_true(sd_event_run(scene.event, UINT64_MAX) >= 0);
    ask(&scene, BLOCKERS + 1, about_user(1), square, NEVER_REACHED_MS);
    scene.expected = scene.answered + 1;
    run(&scene);
    assert_int_equal(asked[BLOCKERS + 1].presence, PRESENT);
    scene_end(&scene);
}

/* A helper that was left alone with one question does no work that another does, but
 * for a question that it begins in the same moment. */
static void nothing_is_done_twice(void **state)
{
    enum { QUESTIONS = 40 };
    struct scene scene;
    int end[2];
    char byte;
    unsigned done = 0;

    (void)state;
    scene_begin(&scene, SIGKILL);
    assert_int_equal(pipe2(end, O_NONBLOCK), 0);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        const struct question question = {.about = about_user(i),
                                          .work = take_note,
                                          .fd = end[1],
                                          .done = on_answered,
                                          .context = &asked[i]};
        asked[i].scene = &scene;
        scene.expected++;
        assert_non_null(helpers_ask(scene.helpers, &question));
    }
    run(&scene);
    while (read(end[0], &byte, 1) == 1)
        done++;
    assert_in_range(done, QUESTIONS, QUESTIONS + QUESTIONS / 4);
    close(end[0]);
    close(end[1]);
    scene_end(&scene);
}

static bool is_prepared;

/* Longer than a hesitation, and than what is slow. */
static void prepare(void)
{
    const struct timespec pause = {.tv_nsec = 60 * 1000 * 1000};

    nanosleep(&pause, NULL);
    is_prepared = true;
}

static void use_prepared(const void *input, int fd, struct answer *answer)
{
    const uint32_t number = is_prepared;

    (void)input;
    (void)fd;
    answer_put(answer, &number, sizeof number);
}

/* However long it takes, it is nobody's fault, and what others ask does not go to another
 * helper. */
static void what_many_share_is_prepared_first(void **state)
{
    enum { QUESTIONS = 40 };
    struct scene scene;

    (void)state;
    scene_begin(&scene, SIGKILL);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        const struct question question = {.about = about_user(i),
                                          .work = i % 2 == 0 ? use_prepared : square,
                                          .prepare = i % 2 == 0 ? prepare : NULL,
                                          .input = &i,
                                          .input_size = sizeof i,
                                          .fd = -1,
                                          .done = on_answered,
                                          .context = &asked[i]};
        asked[i].scene = &scene;
        scene.expected++;
        assert_non_null(helpers_ask(scene.helpers, &question));
    }
    while (scene.answered == 0) {
        assert_true(sd_event_run(scene.event, UINT64_MAX) >= 0);
        assert_true(helpers_count(scene.helpers).running <= 1);
    }
    run(&scene);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        assert_int_equal(asked[i].presence, PRESENT);
        assert_int_equal(asked[i].number, i % 2 == 0 ? 1 : i * i);
    }
    scene_end(&scene);
}

/* Somebody was slow once, which may happen to anybody on a busy host. */
static void blockers_leave_room_for_who_was_slow(void **state)
{
    enum { BLOCKERS = HELPERS_BLOCKED_MAX - 2 };
    struct scene scene;

    (void)state;
    scene_begin(&scene, SIGKILL);
    ask(&scene, BLOCKERS, about_user(1), block, AT_ONCE_MS);
    run(&scene);
    for (unsigned i = 0; i < BLOCKERS; i++) {
        ask(&scene, i, about_user(1000 + i), block, AT_ONCE_MS);
        run(&scene);
    }
    for (unsigned i = 0; i < BLOCKERS; i++) {
        asked[i] = (struct asked){0};
        ask(&scene, i, about_user(1000 + i), block, 1000);
    }
    ask(&scene, BLOCKERS + 1, about_user(1), square, NEVER_REACHED_MS);
    scene.expected = scene.answered + 1;
    run(&scene);
    assert_int_equal(asked[BLOCKERS + 1].presence, PRESENT);
    assert_int_equal(asked[BLOCKERS + 1].order, scene.answered);
    scene_end(&scene);
}

static void ask_patiently(struct scene *scene, unsigned at, about_t about, work_function work,
                          int64_t deadline_ms)
{
    const struct question question = {.about = about,
                                      .work = work,
                                      .input = &at,
                                      .input_size = sizeof at,
                                      .fd = -1,
                                      .is_patient = true,
                                      .deadline_ms = deadline_ms,
                                      .done = on_answered,
                                      .context = &asked[at]};

    asked[at].scene = scene;
    assert_non_null(helpers_ask(scene->helpers, &question));
}

/* Whatever takes as long as it may, the other kinds go on. */
static void no_kind_of_patience_waits_for_another(void **state)
{
    static const struct {
        about_t blocked, other[2];
    } row[] = {{(about_t)2 << 32, {(about_t)3 << 32, 7}},
               {1000, {(about_t)3 << 32, (about_t)2 << 32}}};
    enum { BLOCKERS = 50 };
    struct scene scene;

    (void)state;
    for (unsigned r = 0; r < sizeof row / sizeof row[0]; r++) {
        scene_begin(&scene, SIGKILL);
        for (unsigned i = 0; i < BLOCKERS; i++)
            ask_patiently(&scene, i, row[r].blocked + i, block, 2000);
        for (unsigned i = 0; i < 2; i++)
            ask_patiently(&scene, BLOCKERS + i, row[r].other[i], square, NEVER_REACHED_MS);
        scene.expected = 2;
        run(&scene);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(asked[BLOCKERS + i].presence, PRESENT);
        assert_int_equal(asked[BLOCKERS].order + asked[BLOCKERS + 1].order, 3);
        scene_end(&scene);
    }
}

static void patient_questions_wait_by_themselves(void **state)
{
    struct scene scene;
    struct question question = {.about = about_name_service(1),
                                .work = block,
                                .fd = -1,
                                .is_patient = true,
                                .deadline_ms = 300,
                                .done = on_answered};

    (void)state;
    scene_begin(&scene, SIGKILL);
    for (unsigned i = 0; i < 3; i++) {
        question.context = &asked[i];
        asked[i].scene = &scene;
        scene.expected++;
        assert_non_null(helpers_ask(scene.helpers, &question));
    }
    ask(&scene, 3, about_user(1), square, NEVER_REACHED_MS);
    run(&scene);
    assert_int_equal(asked[3].order, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(asked[i].presence, UNKNOWN);
    scene_end(&scene);
}

static void what_was_taken_back_is_not_answered(void **state)
{
    struct scene scene;
    struct inquiry *inquiry;

    (void)state;
    scene_begin(&scene, SIGKILL);
    inquiry = ask(&scene, 0, about_user(1), square, NEVER_REACHED_MS);
    helpers_take_back(inquiry);
    helpers_take_back(NULL);
    scene.expected = 0;
    ask(&scene, 1, about_user(1), square, NEVER_REACHED_MS);
    run(&scene);
    assert_int_equal(asked[0].order, 0);
    assert_int_equal(asked[1].presence, PRESENT);
    scene_end(&scene);
}

static void without_descriptors(void **state)
{
    struct scene scene;
    struct rlimit limit, none;

    (void)state;
    if (is_slow())
        LEFT_OUT("valgrind has descriptors of its own");
    scene_begin(&scene, SIGKILL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    for (unsigned i = 0; i < 2; i++)
        ask(&scene, i, about_user(i), square, NEVER_REACHED_MS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    run(&scene);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(asked[0].presence, UNKNOWN);
    assert_int_equal(asked[1].error, EMFILE);
    assert_logged("cannot start a helper process", 1);
    ask(&scene, 2, about_user(1), square, NEVER_REACHED_MS);
    run(&scene);
    assert_int_equal(asked[2].presence, PRESENT);
    scene_end(&scene);
}

static void ended_in_the_middle(void **state)
{
    struct scene scene;

    (void)state;
    scene_begin(&scene, SIGKILL);
    ask(&scene, 0, about_user(1), block, NEVER_REACHED_MS);
    ask(&scene, 1, about_user(1), square, NEVER_REACHED_MS);
    while (helpers_count(scene.helpers).running == 0)
        assert_true(sd_event_run(scene.event, UINT64_MAX) >= 0);
    ask(&scene, 2, about_user(2), square, NEVER_REACHED_MS);
    scene_end(&scene);
}

static void without_an_event_loop(void **state)
{
    struct scene scene = {.helpers = helpers_new(NULL, NULL)};

    (void)state;
    memset(asked, 0, sizeof asked);
    scene.expected = UINT32_MAX / 2;
    ask(&scene, 3, about_user(1), square, NEVER_REACHED_MS);
    ask(&scene, 4, about_user(2), find_gone, NEVER_REACHED_MS);
    assert_int_equal(asked[3].order, 0);
    helpers_answer_all(scene.helpers);
    assert_int_equal(asked[3].number, 9);
    assert_int_equal(asked[4].presence, GONE);
    helpers_free(scene.helpers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_answered),
        cmocka_unit_test(descriptors_come_along),
        cmocka_unit_test(keeps_only_the_descriptor_of_a_question),
        cmocka_unit_test(only_the_capabilities_that_are_needed),
        cmocka_unit_test(who_blocks_is_unknown),
        cmocka_unit_test(what_follows_two_without_an_answer),
        cmocka_unit_test(repeated_delays_are_asked_less_often),
        cmocka_unit_test(a_crash_costs_one_answer),
        cmocka_unit_test(helpers_that_cannot_be_ended_are_bounded),
        cmocka_unit_test(blockers_leave_room_for_others),
        cmocka_unit_test(suspects_leave_room_for_others),
        cmocka_unit_test(hundreds_of_blockers),
        cmocka_unit_test(slow_by_many_questions),
        cmocka_unit_test(nothing_is_done_twice),
        cmocka_unit_test(what_many_share_is_prepared_first),
        cmocka_unit_test(who_answers_late_waits_for_no_blocker),
        cmocka_unit_test(blockers_leave_room_for_who_was_slow),
        cmocka_unit_test(no_kind_of_patience_waits_for_another),
        cmocka_unit_test(patient_questions_wait_by_themselves),
        cmocka_unit_test(what_was_taken_back_is_not_answered),
        cmocka_unit_test(without_descriptors),
        cmocka_unit_test(ended_in_the_middle),
        cmocka_unit_test(without_an_event_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
