/*
 * A login that is watched, with a clock of the test's own: real terminals and
 * processes, but no waiting.
 */
#include "tests/unit/tools/tmoutd/few_descriptors.h"
#include "tests/unit/tools/tmoutd/log_capture.h"
#include "tests/unit/tools/tmoutd/shell.h"

#include "lib/sessions/login_terminals.h"
#include "tools/tmoutd/login.h"
#include "tools/tmoutd/login_cut.h"
#include "tools/tmoutd/terminal_cut.h"

#include <errno.h>
#include <sys/stat.h>

enum { LIMIT_MS = 60 * 1000, WARN_MS = 10 * 1000 };

struct scene {
    struct loop loop;
    struct map terminals;
    struct login *login;
    bool is_gone;
};

static void set_limits(struct login *login, int64_t idle_ms, int64_t notty_ms, int64_t age_ms)
{
    struct user_limits limits;

    memset(&limits, 0, sizeof limits);
    limits.terminal = (struct watch_limits){idle_ms, age_ms, WARN_MS};
    limits.notty = (struct watch_limits){notty_ms, age_ms, 0};
    strcpy(limits.rule[RULE_OF_DISCONNECT], "a.conf:1");
    strcpy(limits.rule[RULE_OF_AGE], "a.conf:2");
    strcpy(limits.rule[RULE_OF_NOTTY], "a.conf:3");
    login_set_limits(login, &limits);
}

static void pass(struct scene *scene, int64_t ms)
{
    scene->loop.now.boot_ms += ms;
    scene->loop.now.wall_ms += ms;
}

static void on_gone(void *context, struct login *login)
{
    struct scene *scene = context;

    assert_ptr_equal(login, scene->login);
    login_free(login);
    scene->login = NULL;
    scene->is_gone = true;
}

/* All that is due by now. */
static void run_now(struct scene *scene)
{
    do {
        loop_ring(&scene->loop);
        helpers_answer_all(scene->loop.helpers);
    } while (loop_next_ms(&scene->loop) <= scene->loop.now.boot_ms);
}

/*
 * A login that begins with the next of the kernel's intervals of eight seconds:
 * whatever its terminals have read until now, their idle time begins then, too.
 */
static void scene_begin(struct scene *scene, const struct session_record *record)
{
    enum { INTERVAL_MS = 8000 };
    struct session_record now = *record;
    struct failure failure = {""};

    memset(scene, 0, sizeof *scene);
    assert_int_equal(loop_init(&scene->loop, NULL, &failure), 0);
    pass(scene, INTERVAL_MS - scene->loop.now.wall_ms % INTERVAL_MS);
    now.since = scene->loop.now;
    scene->login = login_new(&scene->loop, &scene->terminals, &now);
    assert_non_null(scene->login);
    scene->login->gone = on_gone;
    scene->login->context = scene;
    set_limits(scene->login, LIMIT_MS, NEVER_MS, NEVER_MS);
    log_clear();
}

static void scene_end(struct scene *scene)
{
    if (scene->login != NULL)
        login_free(scene->login);
    terminal_cuts_free(&scene->loop);
    login_cuts_free(&scene->loop);
    loop_free(&scene->loop);
    map_free(&scene->terminals);
}

/* Runs all that is due up to this much later. */
static void run_for(struct scene *scene, int64_t ms)
{
    const int64_t end_ms = scene->loop.now.boot_ms + ms;

    run_now(scene);
    while (loop_next_ms(&scene->loop) <= end_ms) {
        pass(scene, loop_next_ms(&scene->loop) - scene->loop.now.boot_ms);
        run_now(scene);
    }
    pass(scene, end_ms - scene->loop.now.boot_ms);
}

static struct terminal *watched_terminal(const struct scene *scene, const struct shell *shell)
{
    return map_find(&scene->terminals, shell->index);
}

/* --- terminals ------------------------------------------------------------- */

static void warned_and_hung_up(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record record = own_login();
    struct scene scene;
    char screen[1024], line[256];

    (void)state;
    scene_begin(&scene, &record);
    run_for(&scene, LIMIT_MS - WARN_MS - 1);
    assert_int_equal(scene.login->terminal_count, 1);
    shell_screen(&shell, screen);
    assert_string_equal(screen, "");
    run_for(&scene, 1);
    shell_screen(&shell, screen);
    assert_non_null(strstr(screen, "Press Enter"));
    assert_true(shell_lives(&shell));
    run_for(&scene, WARN_MS);
    assert_int_equal(shell_await_death(&shell), SIGHUP);
    snprintf(line, sizeof line,
             "disconnected, idle for too long user=kim address=192.0.2.1 service=sshd "
             "terminal=pts/%u idle=1m",
             shell.index);
    assert_logged(line, 1);
    assert_logged(" limit=1m setting=disconnect rule=a.conf:1\n", 1);
    run_for(&scene, 2000);
    close(shell.master);
    /* As the main loop does at the event. */
    terminal_vanished(watched_terminal(&scene, &shell));
    assert_int_equal(scene.login->terminal_count, 0);
    assert_null(watched_terminal(&scene, &shell));
    scene_end(&scene);
}

static void a_key_answers_the_notice(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record record = own_login();
    struct scene scene;
    char screen[1024];

    (void)state;
    scene_begin(&scene, &record);
    kill(shell.pid, SIGSTOP); /* nobody reads what is typed */
    assert_int_equal(waitpid(shell.pid, NULL, WUNTRACED), shell.pid);
    run_for(&scene, LIMIT_MS - WARN_MS);
    shell_screen(&shell, screen);
    assert_non_null(strstr(screen, "Press Enter"));
    assert_int_equal(write(shell.master, "\r", 1), 1);
    char path[64];
    terminal_path(&record, shell.index, path, sizeof path);
    const int slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct pollfd input = {.fd = slave, .events = POLLIN};
    assert_int_equal(poll(&input, 1, -1), 1);
    close(slave);
    run_for(&scene, LIMIT_MS - WARN_MS); /* counted from the sample after it */
    assert_true(shell_lives(&shell));
    shell_screen(&shell, screen);
    assert_string_equal(screen, "");
    run_for(&scene, 1000);
    shell_screen(&shell, screen);
    assert_non_null(strstr(screen, "Press Enter"));
    assert_logged("disconnected", 0);
    scene_end(&scene);
    shell_end(&shell);
}

/* A shell that survives: the hang-up's last step comes although the login is
 * not watched any more. */
static void hangups_outlive_the_login(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_DEAF);
    const struct session_record record = own_login();
    struct scene scene;

    (void)state;
    scene_begin(&scene, &record);
    run_for(&scene, LIMIT_MS);
    assert_logged("disconnected", 1);
    assert_true(shell_lives(&shell));
    login_free(scene.login);
    scene.login = NULL;
    run_for(&scene, 2000);
    assert_true(LIST_EMPTY(&scene.loop.terminal_cuts));
    assert_int_equal(shell_await_death(&shell), SIGKILL);
    scene_end(&scene);
    close(shell.master);
}

/* A shell that survives a hang-up, and helpers that fail. */
static void deaf_after_the_login(struct scene *scene, struct shell *shell, int64_t failing_ms)
{
    const struct session_record record = own_login();
    struct rlimit before, few;

    *shell = shell_begin(SHELL_DEAF);
    scene_begin(scene, &record);
    run_for(scene, LIMIT_MS);
    run_for(scene, 600); /* it is hung up */
    login_free(scene->login);
    scene->login = NULL;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    run_for(scene, failing_ms);
    few_descriptors_end(&before);
}

static void what_survives_is_killed_later(void **state)
{
    need_pidfd();
    struct shell shell;
    struct scene scene;

    (void)state;
    deaf_after_the_login(&scene, &shell, 30 * 1000);
    assert_true(shell_lives(&shell));
    run_for(&scene, 60 * 1000);
    assert_int_equal(shell_await_death(&shell), SIGKILL);
    assert_true(LIST_EMPTY(&scene.loop.terminal_cuts));
    assert_logged("may go on", 0);
    scene_end(&scene);
    close(shell.master);
}

static void what_survives_for_good_is_logged(void **state)
{
    need_pidfd();
    struct shell shell;
    struct scene scene;

    (void)state;
    deaf_after_the_login(&scene, &shell, 600 * 1000);
    assert_true(shell_lives(&shell));
    assert_true(LIST_EMPTY(&scene.loop.terminal_cuts));
    assert_logged_error("terminal hung up, but what ran there may go on: ", EMFILE,
                        "; see tmout-recovery(7) user=kim terminal=pts/", 1);
    scene_end(&scene);
    shell_end(&shell);
}

static void an_event_brings_the_next_sample_forward(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record record = own_login();
    struct scene scene;

    (void)state;
    scene_begin(&scene, &record);
    run_now(&scene);
    const int64_t found_ms = scene.loop.now.boot_ms;
    struct terminal *terminal = watched_terminal(&scene, &shell);
    assert_non_null(terminal);
    terminal_touched(terminal);
    assert_true(terminal->alarm.due_ms == found_ms + 1000);
    run_for(&scene, 5000);
    assert_true(terminal->alarm.due_ms == scene.loop.now.boot_ms + 45000);
    terminal_touched(terminal);
    assert_true(terminal->alarm.due_ms <= scene.loop.now.boot_ms);
    run_for(&scene, 0);
    terminal_reconsider(terminal);
    assert_true(terminal->alarm.due_ms == scene.loop.now.boot_ms);
    scene_end(&scene);
    shell_end(&shell);
}

/* A terminal whose limits are not known when it is found. */
static void limits_that_come_late(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record record = own_login();
    struct scene scene;

    (void)state;
    scene_begin(&scene, &record);
    scene.login->has_limits = false;
    run_for(&scene, LIMIT_MS - WARN_MS);
    assert_true(shell_lives(&shell));
    set_limits(scene.login, LIMIT_MS, NEVER_MS, NEVER_MS);
    run_for(&scene, WARN_MS);
    assert_logged("disconnected", 1);
    assert_int_equal(shell_await_death(&shell), SIGHUP);
    scene_end(&scene);
    close(shell.master);
}

/* When this process has stood still, the user gets time to show activity. */
static void after_a_stall(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record record = own_login();
    struct scene scene;

    (void)state;
    scene_begin(&scene, &record);
    run_for(&scene, 5000);
    pass(&scene, 10 * LIMIT_MS);
    run_now(&scene);
    run_for(&scene, STALL_GRACE_MS - 1);
    assert_logged("disconnected", 0);
    run_for(&scene, 1);
    assert_logged("disconnected", 1);
    assert_int_equal(shell_await_death(&shell), SIGHUP);
    scene_end(&scene);
    close(shell.master);
}

/* The host comes back from a suspend just before the user's time is over: no alarm is
 * late. */
static void after_a_suspend(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record record = own_login();
    struct scene scene;

    (void)state;
    scene_begin(&scene, &record);
    run_for(&scene, LIMIT_MS - 100);
    /* What two readings of the clocks may differ by is no suspend. */
    loop_note_suspended(&scene.loop, scene.loop.suspended_ms + STALL_MS);
    assert_true(scene.loop.not_before_ms <= scene.loop.now.boot_ms);
    loop_note_suspended(&scene.loop, scene.loop.suspended_ms + STALL_MS + 1);
    run_for(&scene, STALL_GRACE_MS - 1);
    assert_logged("disconnected", 0);
    run_for(&scene, 1);
    assert_logged("disconnected", 1);
    assert_int_equal(shell_await_death(&shell), SIGHUP);
    scene_end(&scene);
    close(shell.master);
}

static void forged_times_are_logged(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record record = own_login();
    const struct timespec times[2] = {{.tv_sec = 2000000000}, {.tv_sec = 2000000000}};
    struct stat before, after;
    struct scene scene;
    char path[64];

    (void)state;
    scene_begin(&scene, &record);
    run_for(&scene, 5000);
    terminal_path(&record, shell.index, path, sizeof path);
    assert_int_equal(stat(path, &before), 0);
    /* Its ctime moves with the kernel's clock ticks. */
    do {
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
        assert_int_equal(stat(path, &after), 0);
    } while (memcmp(&before.st_ctim, &after.st_ctim, sizeof before.st_ctim) == 0);
    terminal_touched(watched_terminal(&scene, &shell));
    run_for(&scene, 0);
    assert_logged("terminal times were forged; ignoring them user=kim address=192.0.2.1 "
                  "terminal=pts/",
                  1);
    scene_end(&scene);
    shell_end(&shell);
}

/* The age of a login ends its terminals one by one, and is logged once. */
static void too_old(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_PLAIN), second = shell_begin(SHELL_PLAIN);
    const struct session_record record = own_login();
    struct scene scene;
    char screen[1024];

    (void)state;
    scene_begin(&scene, &record);
    set_limits(scene.login, NEVER_MS, NEVER_MS, 100 * 1000);
    run_for(&scene, 90 * 1000);
    shell_screen(&shell, screen);
    assert_non_null(strstr(screen, "has reached its maximum age and ends in 10s"));
    run_for(&scene, 10 * 1000);
    assert_int_equal(shell_await_death(&shell), SIGHUP);
    assert_int_equal(shell_await_death(&second), SIGHUP);
    assert_logged("disconnected, the login has reached its maximum age user=kim", 1);
    assert_logged(" limit=1m40s setting=max_session rule=a.conf:2\n", 1);
    scene_end(&scene);
    close(shell.master);
    close(second.master);
}

/* --- login(1), and logins without a terminal -------------------------------- */

static void login_at_a_terminal(void **state)
{
    need_pidfd();
    struct shell shell = shell_begin(SHELL_PLAIN);
    struct session_record record = own_login();
    struct scene scene;

    (void)state;
    record.is_ssh = false;
    snprintf(record.terminal, sizeof record.terminal, "pts/%u", shell.index);
    scene_begin(&scene, &record);
    run_now(&scene);
    assert_int_equal(scene.login->terminal_count, 1);
    assert_non_null(watched_terminal(&scene, &shell));
    run_for(&scene, LIMIT_MS);
    assert_int_equal(shell_await_death(&shell), SIGHUP);
    scene_end(&scene);
    close(shell.master);
}

/* A terminal that is missing is tried again, and the login counts as one
 * without. */
static void a_terminal_that_is_not_there(void **state)
{
    struct session_record record = own_login();
    struct scene scene;

    (void)state;
    record.is_ssh = false;
    strcpy(record.terminal, "tty-nowhere");
    scene_begin(&scene, &record);
    run_now(&scene);
    assert_int_equal(scene.login->terminal_count, 0);
    assert_true(scene.login->look_ms == scene.loop.now.boot_ms + RETRY_MS);
    scene_end(&scene);
}

static pid_t begin_command(struct session_record *record)
{
    struct process process;
    const pid_t pid = child_begin();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    assert_int_equal(process_read(pid, &process), 0);
    *record = own_login();
    record->pid = pid;
    record->start_ticks = process.start_ticks;
    return pid;
}

static void without_a_terminal(void **state)
{
    need_pidfd();
    struct session_record record;
    const pid_t pid = begin_command(&record);
    struct scene scene;
    int status;

    (void)state;
    scene_begin(&scene, &record);
    set_limits(scene.login, NEVER_MS, 80 * 1000, NEVER_MS);
    run_now(&scene);
    assert_true(scene.login->judge_ms == scene.loop.now.boot_ms + 10 * 1000);
    run_for(&scene, 80 * 1000 - 1);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    run_for(&scene, 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_logged(" terminal=- idle=1m20s limit=1m20s setting=disconnect_notty rule=a.conf:3\n", 1);
    run_for(&scene, 5000);
    assert_logged("disconnected", 1);
    assert_true(scene.is_gone);
    scene_end(&scene);
}

/* A suspend that ends just before the login's time is over. */
static void without_a_terminal_after_a_suspend(void **state)
{
    need_pidfd();
    struct session_record record;
    const pid_t pid = begin_command(&record);
    struct scene scene;
    int status;

    (void)state;
    scene_begin(&scene, &record);
    set_limits(scene.login, NEVER_MS, 80 * 1000, NEVER_MS);
    run_for(&scene, 80 * 1000 - 100);
    loop_note_suspended(&scene.loop, scene.loop.suspended_ms + 60 * 1000);
    run_for(&scene, STALL_GRACE_MS - 1);
    assert_logged("disconnected", 0);
    run_for(&scene, 1);
    assert_logged("disconnected", 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    scene_end(&scene);
}

/* The process has ended, but the event is still to come. */
static void a_login_that_is_gone(void **state)
{
    need_pidfd();
    struct session_record record;
    const pid_t pid = begin_command(&record);
    struct scene scene;

    (void)state;
    scene_begin(&scene, &record);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    set_limits(scene.login, NEVER_MS, NEVER_MS, 10 * 1000);
    run_now(&scene);
    assert_true(scene.is_gone);
    assert_string_equal(logged, "");
    scene_end(&scene);
}

/* Another process has its pid: nothing is done to that one. */
static void a_pid_that_was_reused(void **state)
{
    need_pidfd();
    struct session_record record;
    const pid_t pid = begin_command(&record);
    struct scene scene;

    (void)state;
    record.start_ticks--;
    scene_begin(&scene, &record);
    set_limits(scene.login, NEVER_MS, 1000, 1000);
    run_for(&scene, 20 * 1000);
    assert_true(scene.is_gone);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    scene_end(&scene);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* --- more logins than there are descriptors for ------------------------------- */

static void a_login_that_is_not_held_is_ended(void **state)
{
    need_pidfd();
    struct session_record record;
    const pid_t pid = begin_command(&record);
    struct rlimit before;
    struct scene scene;
    int status;

    (void)state;
    few_descriptors_begin(0, &before);
    scene_begin(&scene, &record);
    set_limits(scene.login, NEVER_MS, 50 * 1000, NEVER_MS);
    run_for(&scene, 50 * 1000 - 1);
    assert_int_equal(scene.login->pidfd, -1);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    run_for(&scene, 1);
    assert_logged("disconnected", 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    run_for(&scene, 5000);
    assert_true(scene.is_gone);
    assert_logged("too many logins", 1);
    assert_logged("cannot ", 0);
    scene_end(&scene);
    few_descriptors_end(&before);
}

static void a_login_that_is_not_held_is_seen_to_end(void **state)
{
    struct session_record record;
    const pid_t pid = begin_command(&record);
    struct rlimit before;
    struct scene scene;

    (void)state;
    few_descriptors_begin(0, &before);
    scene_begin(&scene, &record);
    run_for(&scene, 1000);
    assert_false(scene.is_gone);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    run_for(&scene, RETRY_MS);
    assert_true(scene.is_gone);
    scene_end(&scene);
    few_descriptors_end(&before);
}

/* It is held as soon as there is a descriptor for it. */
static void a_login_is_held_later(void **state)
{
    need_pidfd();
    struct session_record record;
    const pid_t pid = begin_command(&record);
    struct rlimit before;
    struct scene scene;

    (void)state;
    few_descriptors_begin(0, &before);
    scene_begin(&scene, &record);
    run_for(&scene, 1000);
    assert_int_equal(scene.login->pidfd, -1);
    few_descriptors_end(&before);
    run_for(&scene, RETRY_MS);
    assert_true(scene.login->pidfd >= 0);
    assert_true(scene.login->is_confirmed);
    scene_end(&scene);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void note_cut(void *context)
{
    *(bool *)context = true;
}

/* Another process has got the pid before the login could be ended. */
static void what_is_not_held_is_checked_before_it_is_signalled(void **state)
{
    need_pidfd();
    struct session_record record, later;
    const pid_t pid = begin_command(&record);
    struct scene scene;
    bool is_over = false;
    int status;

    (void)state;
    scene_begin(&scene, &record);
    later = record;
    later.start_ticks--;
    assert_non_null(
        login_cut_begin(&scene.loop, &later, (const int[]){-1, -1}, note_cut, &is_over));
    run_for(&scene, 10 * 1000);
    assert_true(is_over);
    kill(pid, SIGUSR1); /* of two signals that end a process, the first counts */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    scene_end(&scene);
}

/* Ends have to wait for each other before they take what helpers need. */
static void too_many_ends_at_a_time(void **state)
{
    need_pidfd();
    struct session_record record;
    const pid_t pid = begin_command(&record);
    struct rlimit before, few;
    struct scene scene;

    (void)state;
    scene_begin(&scene, &record);
    set_limits(scene.login, NEVER_MS, NEVER_MS, 10 * 1000);
    run_for(&scene, 5000);
    few_descriptors_begin(0, &before);
    few = before;
    few.rlim_cur = DESCRIPTORS_FOR_HELPERS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    run_for(&scene, 10 * 1000);
    assert_logged("disconnected", 0);
    assert_logged("cannot terminate", 0);
    few_descriptors_end(&before);
    run_for(&scene, SETTLE_MS);
    assert_logged("disconnected", 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    run_for(&scene, 5000);
    assert_true(scene.is_gone);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warned_and_hung_up),
        cmocka_unit_test(a_key_answers_the_notice),
        cmocka_unit_test(hangups_outlive_the_login),
        cmocka_unit_test(what_survives_is_killed_later),
        cmocka_unit_test(what_survives_for_good_is_logged),
        cmocka_unit_test(an_event_brings_the_next_sample_forward),
        cmocka_unit_test(forged_times_are_logged),
        cmocka_unit_test(too_old),
        cmocka_unit_test(login_at_a_terminal),
        cmocka_unit_test(a_terminal_that_is_not_there),
        cmocka_unit_test(without_a_terminal),
        cmocka_unit_test(a_login_that_is_gone),
        cmocka_unit_test(a_pid_that_was_reused),
        cmocka_unit_test(a_login_that_is_not_held_is_ended),
        cmocka_unit_test(a_login_that_is_not_held_is_seen_to_end),
        cmocka_unit_test(a_login_is_held_later),
        cmocka_unit_test(what_is_not_held_is_checked_before_it_is_signalled),
        cmocka_unit_test(too_many_ends_at_a_time),
        cmocka_unit_test(limits_that_come_late),
        cmocka_unit_test(after_a_stall),
        cmocka_unit_test(after_a_suspend),
        cmocka_unit_test(without_a_terminal_after_a_suspend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
