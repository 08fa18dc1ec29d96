/* Hang-ups: which processes they include, and what happens to these. */
#include "tests/unit/tools/tmoutd/shell.h"

#include "tools/tmoutd/hangup.h"

enum { TERMINAL = 34816, OTHER_TERMINAL = 34817, CONNECTION = 100, LEADER = 200 };

static void assert_claim(const struct hangup_target *target, const struct process *process,
                         bool possible, bool if_same_mounts, bool if_open)
{
    const struct hangup_claim claim = hangup_claim(target, process);

    assert_int_equal(claim.possible, possible);
    if (!possible)
        return;
    assert_int_equal(claim.if_same_mounts, if_same_mounts);
    assert_int_equal(claim.if_open, if_open);
}

static void claims(void **state)
{
    const struct hangup_target target = {TERMINAL, LEADER, CONNECTION};
    const struct process leader = {LEADER, CONNECTION, LEADER, 'S', TERMINAL, 1},
                         job = {201, LEADER, LEADER, 'S', TERMINAL, 1},
                         other = {300, 1, 300, 'S', OTHER_TERMINAL, 1},
                         same_number = {400, 1, 400, 'S', TERMINAL, 1},
                         daemon = {500, 1, 500, 'S', 0, 1},
                         hidden = {LEADER, CONNECTION, LEADER, 'S', 0, 1};

    (void)state;
    assert_claim(&target, &leader, true, false, false);
    assert_claim(&target, &job, true, false, true); /* not a nohup job */
    assert_claim(&target, &other, false, false, false);
    assert_claim(&target, &same_number, false, false, false); /* in a container */
    assert_claim(&target, &daemon, false, false, false);
    assert_claim(&target, &hidden, true, false, true);
}

/* The kernel does not say which session has the terminal. */
static void claims_without_a_session(void **state)
{
    const struct hangup_target target = {TERMINAL, -1, 0};
    const struct process leader = {LEADER, CONNECTION, LEADER, 'S', TERMINAL, 1},
                         job = {201, LEADER, LEADER, 'S', TERMINAL, 1},
                         orphan = {500, 0, 500, 'S', 0, 1};

    (void)state;
    assert_claim(&target, &leader, true, true, false);
    assert_claim(&target, &job, true, true, true);
    assert_claim(&target, &orphan, false, false, false);
}

static void begin(struct hangup *hangup, const struct shell *shell)
{
    const struct session_record login = own_login();
    struct process_list all = {0};

    assert_int_equal(hangup_terminal(hangup, &login, shell->index, &all, 1000), 0);
    assert_true(all.count > 0);
    process_list_free(&all);
    assert_true(hangup->next_ms == 1500);
}

static void a_shell_exits_on_sighup(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_PLAIN), bystander = shell_begin(SHELL_PLAIN);
    struct hangup hangup;

    (void)state;
    begin(&hangup, &shell);
    assert_int_equal(hangup.count, 1);
    assert_int_equal(shell_await_death(&shell), SIGHUP);
    assert_false(hangup_step(&hangup, 1500));
    assert_true(hangup.next_ms == 2500);
    assert_true(hangup_step(&hangup, 2500));
    hangup_free(&hangup);
    assert_true(shell_lives(&bystander));
    shell_end(&bystander);
    close(shell.master);
}

static void a_stopped_shell_is_woken(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_PLAIN);
    struct hangup hangup;

    (void)state;
    kill(shell.pid, SIGSTOP);
    assert_int_equal(waitpid(shell.pid, NULL, WUNTRACED), shell.pid);
    begin(&hangup, &shell);
    assert_int_equal(shell_await_death(&shell), SIGHUP);
    hangup_free(&hangup);
    close(shell.master);
}

static void a_deaf_one_is_killed(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_DEAF);
    struct hangup hangup;

    (void)state;
    begin(&hangup, &shell);
    assert_false(hangup_step(&hangup, 1500));
    assert_true(shell_lives(&shell));
    assert_true(hangup_step(&hangup, 2500));
    assert_int_equal(shell_await_death(&shell), SIGKILL);
    hangup_free(&hangup);
    close(shell.master);
}

/* It leads its session and has the terminal open, which is no session's
 * controlling terminal. */
static void a_hidden_one_is_killed(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_HIDDEN);
    struct hangup hangup;

    (void)state;
    begin(&hangup, &shell);
    assert_int_equal(hangup.count, 1);
    hangup_step(&hangup, 1500);
    assert_true(hangup_step(&hangup, 2500));
    assert_int_equal(shell_await_death(&shell), SIGKILL);
    hangup_free(&hangup);
    close(shell.master);
}

static void not_the_terminal_of_another_login(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    struct session_record login = own_login();
    struct process_list all = {0};
    struct hangup hangup;

    (void)state;
    login.start_ticks++;
    errno = 0;
    assert_int_equal(hangup_terminal(&hangup, &login, shell.index, &all, 1000), -1);
    assert_true(shell_lives(&shell));
    login.start_ticks--;
    assert_int_equal(hangup_terminal(&hangup, &login, 1048575, &all, 1000), -1);
    assert_int_equal(errno, ENOENT);
    process_list_free(&all);
    shell_end(&shell);
}

/* The two processes of a login without a terminal: in the place of sshd, and of
 * a command that ignores SIGHUP. Returns the first, once the second is ready. */
static pid_t begin_login(int *ready)
{
    int pipe_of_child[2];

    assert_int_equal(pipe(pipe_of_child), 0);
    const pid_t pid = child_begin();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGTERM, SIG_IGN);
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            signal(SIGHUP, SIG_IGN);
            send_byte(pipe_of_child[1], 'r');
            for (;;)
                pause();
        }
        close(pipe_of_child[1]);
        for (;;)
            pause();
    }
    close(pipe_of_child[1]);
    assert_int_equal(await_byte(pipe_of_child[0]), 'r');
    *ready = pipe_of_child[0];
    return pid;
}

static struct session_record login_of(pid_t pid)
{
    struct session_record login = {.pid = pid};
    struct process process;

    assert_int_equal(process_read(pid, &process), 0);
    login.start_ticks = process.start_ticks;
    return login;
}

static void a_login_without_a_terminal(void **state)
{
    need_pidfd();
    struct hangup hangup;
    char byte;
    int end, status;
    const pid_t pid = begin_login(&end);
    const struct session_record login = login_of(pid);

    (void)state;
    assert_int_equal(hangup_login(&hangup, &login, 1000), 0);
    assert_int_equal(hangup.count, 2);
    assert_true(hangup.next_ms == 2000);
    assert_int_equal(hangup.terminal_fd, -1);
    assert_true(hangup_step(&hangup, 2000));
    assert_int_equal(read(end, &byte, 1), 0); /* nobody has the pipe any more */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    hangup_free(&hangup);
    close(end);
}

static void not_another_login(void **state)
{
    need_pidfd();
    struct hangup hangup;
    int end;
    const pid_t pid = begin_login(&end);
    struct session_record login = login_of(pid);

    (void)state;
    login.start_ticks++;
    assert_int_equal(hangup_login(&hangup, &login, 1000), -1);
    assert_true(process_has_ended(errno));
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims),
        cmocka_unit_test(claims_without_a_session),
        cmocka_unit_test(a_shell_exits_on_sighup),
        cmocka_unit_test(a_stopped_shell_is_woken),
        cmocka_unit_test(a_deaf_one_is_killed),
        cmocka_unit_test(a_hidden_one_is_killed),
        cmocka_unit_test(not_the_terminal_of_another_login),
        cmocka_unit_test(a_login_without_a_terminal),
        cmocka_unit_test(not_another_login),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
