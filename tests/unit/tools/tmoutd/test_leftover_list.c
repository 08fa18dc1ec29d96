/* What many logins have left behind, with a clock of the test's own. */
#include "tests/unit/tools/tmoutd/log_capture.h"
#include "tests/unit/tools/tmoutd/shell.h"

#include "tools/tmoutd/leftover_list.h"
#include "tools/tmoutd/leftover_work.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_are_looked_at_seldom),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
