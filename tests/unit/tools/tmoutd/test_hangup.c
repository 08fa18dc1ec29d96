/* Hang-ups: which processes they include, and what happens to these. */
#include "tests/unit/tools/tmoutd/shell.h"

#include "tools/tmoutd/hangup.h"

#include <errno.h>
#include <sys/resource.h>

/* Takes a step, as a helper does. Returns what came of it. */
static enum presence take(work_function step, const struct hangup_target *target,
                          struct answer *answer)
{
    *answer = (struct answer){.presence = PRESENT};
    step(target, -1, answer);
    return answer->presence;
}

static struct answer answer;

static struct hangup_target begin(const struct shell *shell)
{
    struct hangup_target target = {.login = own_login(), .index = shell->index};

    assert_int_equal(take(hangup_begin, &target, &answer), PRESENT);
    assert_true(answer_get(&answer, &target.terminal, sizeof target.terminal));
    return target;
}

static void a_shell_exits_on_sighup(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_PLAIN), bystander = shell_begin(SHELL_PLAIN);

    (void)state;
    const struct hangup_target target = begin(&shell);
    assert_int_equal(target.terminal.session, shell.pid);
    assert_int_equal(shell_await_death(&shell), SIGHUP);
    assert_int_equal(take(hangup_line, &target, &answer), PRESENT);
    assert_int_equal(take(hangup_kill, &target, &answer), PRESENT);
    assert_true(shell_lives(&bystander));
    shell_end(&bystander);
    close(shell.master);
}

static void a_stopped_shell_is_woken(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_PLAIN);

    (void)state;
    kill(shell.pid, SIGSTOP);
    assert_int_equal(waitpid(shell.pid, NULL, WUNTRACED), shell.pid);
    begin(&shell);
    assert_int_equal(shell_await_death(&shell), SIGHUP);
    close(shell.master);
}

static void a_deaf_one_is_killed(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_DEAF);

    (void)state;
    const struct hangup_target target = begin(&shell);
    assert_int_equal(take(hangup_line, &target, &answer), PRESENT);
    assert_true(shell_lives(&shell));
    assert_int_equal(take(hangup_kill, &target, &answer), PRESENT);
    assert_int_equal(shell_await_death(&shell), SIGKILL);
    close(shell.master);
}

/* It leads its session and has the terminal open, which is no session's
 * controlling terminal. */
static void a_hidden_one_is_killed(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_HIDDEN);

    (void)state;
    const struct hangup_target target = begin(&shell);
    assert_int_equal(target.terminal.session, 0);
    take(hangup_line, &target, &answer);
    assert_int_equal(take(hangup_kill, &target, &answer), PRESENT);
    assert_int_equal(shell_await_death(&shell), SIGKILL);
    close(shell.master);
}

/* The terminal can be opened, but then there is no descriptor left to see whose it is. */
static void what_cannot_be_read_is_not_gone(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct hangup_target target = {.login = own_login(), .index = shell.index};
    struct rlimit before, few;

    (void)state;
    const int next = dup(STDERR_FILENO);
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (few = before, few.rlim_cur = (rlim_t)next; few.rlim_cur <= (rlim_t)next + 1;
         few.rlim_cur++) {
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        const enum presence begun = take(hangup_begin, &target, &answer);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(begun, UNKNOWN);
        assert_int_equal(answer.error, EMFILE);
    }
    assert_true(shell_lives(&shell));
    shell_end(&shell);
}

static void not_the_terminal_of_another_login(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    struct hangup_target target = {.login = own_login(), .index = shell.index};

    (void)state;
    target.login.start_ticks++;
    assert_int_equal(take(hangup_begin, &target, &answer), GONE);
    assert_int_equal(take(hangup_line, &target, &answer), GONE);
    assert_true(shell_lives(&shell));
    target.login.start_ticks--;
    target.index = 1048575;
    assert_int_equal(take(hangup_begin, &target, &answer), GONE);
    shell_end(&shell);
}

/* The number has become that of another session's terminal. */
static void not_the_terminal_of_another_session(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_DEAF);
    struct hangup_target target = {.login = own_login(), .index = shell.index};

    (void)state;
    target.terminal.session = getpid() == 1 ? 2 : 1;
    assert_int_equal(take(hangup_line, &target, &answer), GONE);
    assert_int_equal(take(hangup_kill, &target, &answer), PRESENT);
    assert_true(shell_lives(&shell));
    shell_end(&shell);
}

/* What a member of the session has open is not asked any more. */
static void all_members(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_DEAF), bystander = shell_begin(SHELL_DEAF);

    (void)state;
    const struct hangup_target target = begin(&shell);
    assert_int_equal(take(hangup_kill_all, &target, &answer), PRESENT);
    assert_int_equal(shell_await_death(&shell), SIGKILL);
    assert_true(shell_lives(&bystander));
    shell_end(&bystander);
    close(shell.master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shell_exits_on_sighup),
        cmocka_unit_test(a_stopped_shell_is_woken),
        cmocka_unit_test(a_deaf_one_is_killed),
        cmocka_unit_test(a_hidden_one_is_killed),
        cmocka_unit_test(what_cannot_be_read_is_not_gone),
        cmocka_unit_test(not_the_terminal_of_another_login),
        cmocka_unit_test(not_the_terminal_of_another_session),
        cmocka_unit_test(all_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
