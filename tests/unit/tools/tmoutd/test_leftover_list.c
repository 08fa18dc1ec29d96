/* What many logins have left behind, with a clock of the test's own. */
#include "tests/unit/tools/tmoutd/log_capture.h"
#include "tests/unit/tools/tmoutd/shell.h"

#include "tools/tmoutd/leftover_list.h"
#include "tools/tmoutd/leftover_work.h"

#include <sys/mman.h>

static unsigned looks;

/* What helpers find: a process, and no terminal. */
static void count_look(const void *input, int fd, struct answer *answer)
{
    static const struct leftovers_view view = {.process_count = 1};

    (void)input;
    (void)fd;
    looks++;
    answer_put(answer, &view, sizeof view);
}

static const struct leftover_work counted = {.look = count_look};

static void add(struct leftover_list *list, uid_t uid)
{
    const struct login_trace trace = {.audit_session = 7, .uid = uid};
    struct session_record record = own_login();

    record.limits.terminal.age_ms = NEVER_MS;
    record.limits.leftovers = LEFTOVERS_WATCH;
    leftover_list_add(list, &record, &trace);
    LIST_FIRST(&list->head)->work = &counted;
}

/* All of that time, somebody opens terminals. */
static unsigned looks_in(struct loop *loop, struct leftover_list *list, uid_t uid, unsigned sec)
{
    enum { STEP_MS = 100, SEC_MS = 1000 };

    looks = 0;
    for (unsigned ms = 0; ms < sec * SEC_MS; ms += STEP_MS) {
        leftover_list_look(list, uid);
        loop_ring(loop);
        helpers_answer_all(loop->helpers);
        loop->now.boot_ms += STEP_MS;
        loop->now.wall_ms += STEP_MS;
    }
    return looks;
}

/* Who leaves much behind, and goes on to open terminals, keeps no processor busy. */
static void many_are_looked_at_seldom(void **state)
{
    enum { SEC = 60, MANY = 100, A_SECOND = 5 };
    struct map terminals = {0};
    struct leftover_list list = {.by_index = &terminals};
    struct failure failure = {""};
    struct loop loop;

    (void)state;
    assert_int_equal(loop_init(&loop, NULL, &failure), 0);
    list.loop = &loop;
    strcpy(list.directory, "/dev/null/leftovers");
    LIST_INIT(&list.head);
    for (unsigned i = 0; i < MANY; i++) {
        log_clear();
        add(&list, 1000);
    }
    /* And each of them at the end of its login, and after 30 seconds. */
    assert_in_range(looks_in(&loop, &list, 1000, SEC), MANY, 3 * MANY + A_SECOND * SEC);
    leftover_list_close(&list);
    loop_free(&loop);
    map_free(&terminals);
}

/* What helpers do, in memory that they share with this process. */
static struct steps {
    unsigned lists, ends;
} * steps;

static void note_list(void)
{
    __atomic_add_fetch(&steps->lists, 1, __ATOMIC_SEQ_CST);
}

/* Two processes that ignore SIGTERM: gone once they were killed. */
static void note_end(const void *input, int fd, struct answer *answer)
{
    static const struct leftovers_ended some = {.process_count = 2};

    (void)input;
    (void)fd;
    __atomic_add_fetch(&steps->ends, 1, __ATOMIC_SEQ_CST);
    answer_put(answer, &some, sizeof some);
}

static void note_last(const void *input, int fd, struct answer *answer)
{
    static const struct leftovers_ended none = {0};

    (void)input;
    (void)fd;
    __atomic_add_fetch(&steps->ends, 1, __ATOMIC_SEQ_CST);
    answer_put(answer, &none, sizeof none);
}

static const struct leftover_work shared = {
    .prepare = note_list, .terminate = note_end, .stop = note_end, .kill = note_last};

static void add_to_end(struct leftover_list *list, pid_t pid, uid_t uid)
{
    const struct login_trace trace = {.audit_session = (uint32_t)pid, .uid = uid};
    struct session_record record = own_login();

    record.pid = pid;
    record.limits.leftovers = LEFTOVERS_END;
    log_clear();
    leftover_list_add(list, &record, &trace);
    struct leftover *leftover = LIST_FIRST(&list->head);
    leftover->work = &shared;
    leftover->end_ms = list->loop->now.boot_ms;
    leftover_look(leftover, 0);
}

/* A list of the host's processes costs more the more there are, so there is not one for
 * each login: neither of one user's nor of as many users'. */
static void those_that_end_together_share_lists(void **state)
{
    enum { LOGINS = 200, STEPS = 3, BATCH_MIN = 20 };
    struct map terminals = {0};
    struct leftover_list list = {.by_index = &terminals};
    struct failure failure = {""};
    struct loop loop;
    sd_event *event;

    (void)state;
    steps = mmap(NULL, sizeof *steps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(steps, MAP_FAILED);
    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(loop_init(&loop, event, &failure), 0);
    list.loop = &loop;
    strcpy(list.directory, "/dev/null/leftovers");
    for (unsigned users = 1; users <= LOGINS; users += LOGINS - 1) {
        *steps = (struct steps){0};
        LIST_INIT(&list.head);
        for (unsigned i = 0; i < LOGINS; i++)
            add_to_end(&list, (pid_t)(1000 + i), (uid_t)(1000 + i % users));
        while (!LIST_EMPTY(&list.head)) {
            struct leftover *leftover;
            assert_true(sd_event_run(event, UINT64_MAX) >= 0);
            loop_clock(&loop);
            LIST_FOREACH(leftover, &list.head, link)
            if (leftover->inquiry == NULL && leftover->end_ms > loop.now.boot_ms) {
                leftover->end_ms = loop.now.boot_ms;
                leftover_look(leftover, 0);
            }
        }
        assert_int_equal(steps->ends, LOGINS * STEPS);
        assert_in_range(steps->lists, 1, LOGINS * STEPS / BATCH_MIN);
    }
    leftover_list_close(&list);
    loop_free(&loop);
    sd_event_unref(event);
    map_free(&terminals);
    munmap(steps, sizeof *steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_are_looked_at_seldom),
        cmocka_unit_test(those_that_end_together_share_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
