/* The processes of a login. */
#include "tests/unit/lib/sessions/family.h"

#include "lib/host/pidfd.h"
#include "lib/sessions/login_processes.h"

#include <poll.h>
#include <signal.h>

static void assert_processes(const struct session_record *login, const pid_t *expected,
                             ssize_t count)
{
    struct process *processes = NULL, now;

    assert_int_equal(login_connection(login), expected[0]);
    assert_int_equal(login_processes(login, &processes), count);
    for (ssize_t i = 0; i < count; i++) {
        assert_int_equal(processes[i].pid, expected[i]);
        assert_int_equal(process_read(expected[i], &now), 0);
        assert_true(processes[i].start_ticks == now.start_ticks);
        assert_int_equal(process_is_same(&processes[i]), 1);
        processes[i].start_ticks++;
        assert_int_equal(process_is_same(&processes[i]), 0);
    }
    free(processes);
}

/* For users other than root, the login begins with the monitor, which is not one
 * of them. */
static void processes_of_a_login(void **state)
{
    struct scene scene;
    pid_t pid[3];

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    scene_begin(&scene, family);
    family_pids(&scene.s, pid);
    assert_int_equal(pid[0], scene.s.pid);
    assert_processes(&scene.login, pid, 3);
    scene_end(&scene);
    scene_begin(&scene, family_of_a_monitor);
    family_pids(&scene.s, pid);
    assert_int_equal(pid[0], scene.s.pid);
    assert_processes(&scene.login, pid + 1, 2);
    scene_end(&scene);
}

/* It was killed, and the monitor has not waited for it: it does not stand in the way of
 * ending the monitor. */
static void a_connection_that_is_a_zombie(void **state)
{
    struct scene scene;
    struct process process;
    pid_t pid[3];

    NEEDS_OWN_ARCHITECTURE();
    need_pidfd();
    (void)state;
    scene_begin(&scene, family_of_a_monitor);
    family_pids(&scene.s, pid);
    const int connection = pidfd_of(pid[1]);
    assert_true(connection >= 0);
    kill(scene.s.pid, SIGSTOP);
    kill(pid[1], SIGKILL);
    assert_int_equal(poll(&(struct pollfd){.fd = connection, .events = POLLIN}, 1, -1), 1);
    close(connection);
    assert_int_equal(process_read(pid[1], &process), 0);
    assert_true(process_is_zombie(&process));
    assert_int_equal(login_connection(&scene.login), 0);
    kill(scene.s.pid, SIGCONT);
    scene_end(&scene);
}

/* The pid of the login was reused: the processes of another one must not end. */
static void processes_of_another_login(void **state)
{
    struct stand_in s;
    struct process *processes = NULL;

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    stand_in_begin(&s, family);
    struct session_record login = login_of(s.pid);
    tell(&s, 'c');
    login.start_ticks--;
    const ssize_t count = login_processes(&login, &processes);
    free(processes);
    stand_in_end(&s);
    assert_true(count <= 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_of_a_login),
        cmocka_unit_test(a_connection_that_is_a_zombie),
        cmocka_unit_test(processes_of_another_login),
    };

    return family_main(argc, argv) ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
