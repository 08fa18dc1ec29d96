/* Lists of processes that are shared: what is in them, and how old they may be. */
#include "tests/unit/child.h"

#include "lib/host/census.h"

#include <signal.h>

/* A child that waits to be killed; in a session of its own, if it is to lead one. */
static pid_t sleeper_begin(bool is_leader)
{
    int ready[2];

    assert_int_equal(pipe(ready), 0);
    const pid_t pid = child_begin();
    if (pid == 0) {
        if (is_leader)
            setsid();
        send_byte(ready[1], 'r');
        for (;;)
            pause();
    }
    await_byte(ready[0]);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void sleeper_end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static uint32_t session_of(pid_t pid)
{
    return (uint32_t)getsid(pid);
}

static bool has(const struct census_part *part, pid_t pid)
{
    for (size_t i = 0; i < part->count; i++)
        if (part->entry[i].pid == pid)
            return true;
    return false;
}

static void those_with_a_number(void **state)
{
    struct census census = {.number_of = session_of};
    struct census_part part;
    const pid_t leader = sleeper_begin(true), member = sleeper_begin(false);

    (void)state;
    assert_int_equal(census_find(&census, (uint32_t)leader, 0, &part), 0);
    assert_int_equal(part.count, 1);
    assert_true(has(&part, leader));
    assert_int_equal(census_find(&census, (uint32_t)getsid(0), 0, &part), 0);
    assert_true(part.count >= 2 && has(&part, getpid()) && has(&part, member));
    assert_false(has(&part, leader) || has(&part, 1));
    sleeper_end(leader);
    sleeper_end(member);
    census_forget(&census);
}

static void a_list_is_shared(void **state)
{
    enum { AN_HOUR_MS = 3600 * 1000 };
    struct census census = {.number_of = session_of};
    struct census_part part;
    const pid_t leader = sleeper_begin(true);

    (void)state;
    assert_int_equal(census_find(&census, (uint32_t)leader, AN_HOUR_MS, &part), 0);
    assert_int_equal(part.count, 1);
    const pid_t later = sleeper_begin(true);
    assert_int_equal(census_find(&census, (uint32_t)later, AN_HOUR_MS, &part), 0);
    assert_int_equal(part.count, 0);
    sleeper_end(leader);
    assert_int_equal(census_find(&census, (uint32_t)leader, AN_HOUR_MS, &part), 0);
    assert_int_equal(part.count, 1);
    /* But not for longer than the caller allows, unless it took long to make. */
    census.taken_ms -= AN_HOUR_MS;
    census.took_ms = AN_HOUR_MS;
    assert_int_equal(census_find(&census, (uint32_t)later, 1, &part), 0);
    assert_int_equal(part.count, 0);
    census.took_ms = 0;
    assert_int_equal(census_find(&census, (uint32_t)later, 1, &part), 0);
    assert_int_equal(part.count, 1);
    assert_int_equal(census_find(&census, (uint32_t)leader, 0, &part), 0);
    assert_int_equal(part.count, 0);
    sleeper_end(later);
    census_forget(&census);
}

/* The one with the most processes, and one that none has. */
static void first_and_last(void **state)
{
    struct census census = {.number_of = session_of};
    struct census_part part;

    (void)state;
    assert_int_equal(census_find(&census, UINT32_MAX, 0, &part), 0);
    const size_t ended = part.count;
    assert_int_equal(census_find(&census, UINT32_MAX - 1, CENSUS_SHARED_MS, &part), 0);
    assert_int_equal(part.count, 0);
    size_t count = 0;
    for (size_t i = 0; i < census.count; i++)
        if (i == 0 || census.entry[i].number != census.entry[i - 1].number) {
            assert_int_equal(census_find(&census, census.entry[i].number, 1000 * 1000, &part), 0);
            assert_ptr_equal(part.entry, census.entry + i);
            count += part.count;
        }
    assert_int_equal(count, census.count);
    assert_true(ended <= count);
    census_forget(&census);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_with_a_number),
        cmocka_unit_test(a_list_is_shared),
        cmocka_unit_test(first_and_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
