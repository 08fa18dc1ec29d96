/* What runs below a login's connection, and how it ends. */
#include "tests/unit/tools/tmoutd/busy_login.h"
#include "tests/unit/tools/tmoutd/few_descriptors.h"

#include "tools/tmoutd/ending.h"

#include "lib/host/proc_children.h"

static struct answer answer;
static struct ending_list list;

static enum presence take(work_function step, const void *input)
{
    answer = (struct answer){.presence = PRESENT};
    step(input, -1, &answer);
    return answer.presence;
}

static enum presence begin(const struct session_record *login)
{
    const enum presence presence = take(ending_begin, login);

    list.count = 0;
    memcpy(&list, answer.data, answer.size);
    assert_true(answer.size == 0 || answer.size == ending_list_size(&list));
    return presence;
}

static void all_below_the_connection(void **state)
{
    enum { CHILDREN = 3 };
    need_pidfd();
    int ready;
    const pid_t pid = begin_login(CHILDREN, &ready);
    const struct session_record login = login_of(pid);

    (void)state;
    assert_int_equal(begin(&login), PRESENT);
    assert_int_equal(list.count, 2 * CHILDREN);
    for (unsigned i = 0; i < list.count; i++) {
        assert_true(list.process[i].pid != pid);
        assert_int_equal(kill(list.process[i].pid, 0), 0);
    }
    assert_int_equal(take(ending_kill, &list), PRESENT);
    assert_all_end(ready);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* not the connection */
    end_process_of_login(pid, ready);
}

/* More than a list has room for: what is not in it has ended at once. */
static void more_than_a_list(void **state)
{
    enum { CHILDREN = ENDING_LIST_MAX / 2 + 10 };
    need_pidfd();
    int ready;

    (void)state;
    if (is_slow())
        LEFT_OUT("too many processes for valgrind");
    const pid_t pid = begin_login(CHILDREN, &ready);
    const struct session_record login = login_of(pid);
    assert_int_equal(begin(&login), PRESENT);
    assert_int_equal(list.count, ENDING_LIST_MAX);
    assert_int_equal(take(ending_kill, &list), PRESENT);
    assert_all_end(ready);
    end_process_of_login(pid, ready);
}

/* Only those that were seen, whoever has their numbers by now. */
static void not_a_later_process(void **state)
{
    need_pidfd();
    int ready;
    const pid_t pid = begin_login(1, &ready);
    const struct session_record login = login_of(pid);

    (void)state;
    assert_int_equal(begin(&login), PRESENT);
    assert_int_equal(list.count, 2);
    list.process[0].mark++;
    list.process[1].mark--;
    assert_int_equal(take(ending_kill, &list), PRESENT);
    assert_int_equal(kill(list.process[0].pid, 0), 0);
    assert_int_equal(kill(list.process[1].pid, 0), 0);
    kill(list.process[0].pid, SIGKILL);
    kill(list.process[1].pid, SIGKILL);
    assert_all_end(ready);
    end_process_of_login(pid, ready);
}

static void not_another_login(void **state)
{
    need_pidfd();
    int ready;
    const pid_t pid = begin_login(1, &ready);
    struct session_record login = login_of(pid);

    (void)state;
    login.start_ticks++;
    assert_int_equal(begin(&login), GONE);
    assert_int_equal(list.count, 0);
    end_process_of_login(pid, ready);
}

static void none_left(struct rlimit *before)
{
    struct rlimit few;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    few = *before;
    few.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

/* What cannot be read or killed is not passed over. */
static void without_descriptors(void **state)
{
    need_pidfd();
    struct rlimit before;
    int ready;
    const pid_t pid = begin_login(1, &ready);
    const struct session_record login = login_of(pid);

    (void)state;
    none_left(&before);
    const enum presence unseen = begin(&login);
    few_descriptors_end(&before);
    assert_int_equal(unseen, UNKNOWN);
    assert_int_equal(begin(&login), PRESENT);
    none_left(&before);
    const enum presence alive = take(ending_kill, &list);
    few_descriptors_end(&before);
    assert_int_equal(alive, UNKNOWN);
    assert_int_equal(answer.error, EMFILE);
    assert_int_equal(take(ending_kill, &list), PRESENT);
    assert_int_equal(take(ending_kill, &list), PRESENT); /* there is nobody any more */
    assert_all_end(ready);
    end_process_of_login(pid, ready);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_below_the_connection), cmocka_unit_test(more_than_a_list),
        cmocka_unit_test(not_a_later_process),      cmocka_unit_test(not_another_login),
        cmocka_unit_test(without_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
