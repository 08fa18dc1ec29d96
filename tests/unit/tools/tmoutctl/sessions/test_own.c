/* An ordinary user's own logins: this process stands for the one that opened the session,
 * and a child of it leads the session on a terminal. */
#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include "tools/tmoutctl/sessions/own.h"

#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

static void registered(const char *directory, pid_t pid)
{
    char name[32];

    snprintf(name, sizeof name, "%d", (int)pid);
    char *path = path_in(directory, name);
    write_text(path, "not for ordinary users");
    assert_int_equal(chmod(path, 0), 0);
    free(path);
}

static ssize_t find(const char *directory, uid_t uid, struct own_login **found)
{
    struct failure failure = {""};
    const ssize_t count = own_logins_find(directory, uid, found, &failure);

    assert_string_equal(failure.text, "");
    return count;
}

static void a_session_and_others(void **state)
{
    int master, slave, ready[2], hold[2];
    char name[64];
    struct own_login *found = NULL;

    assert_int_equal(openpty(&master, &slave, name, NULL, NULL), 0);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(hold), 0);
    const pid_t child = child_begin();
    if (child == 0) {
        char end;
        close(hold[1]);
        close(master);
        if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) != 0)
            _exit(1);
        send_byte(ready[1], 'r');
        _exit(read(hold[0], &end, 1) == 0 ? 0 : 1);
    }
    assert_int_equal(await_byte(ready[0]), 'r');
    /* Without a record it is none, nor is one of another user's. */
    assert_int_equal(find(*state, geteuid(), &found), 0);
    assert_null(found);
    registered(*state, getpid());
    assert_int_equal(find(*state, geteuid() + 12345, &found), 0);
    assert_int_equal(find(*state, geteuid(), &found), 1);
    assert_int_equal(found[0].login.pid, getpid());
    assert_int_equal(found[0].login.uid, geteuid());
    assert_string_equal(found[0].terminal, name + strlen("/dev/"));
    assert_string_equal(found[0].login.address, "local");
    assert_false(found[0].login.is_ssh);
    assert_true(found[0].login.since.boot_ms > 0);
    free(found);
    close(hold[1]);
    assert_true(child_end(child));
    close(hold[0]);
    close(ready[0]);
    close(ready[1]);
    close(master);
    close(slave);
}

static void no_registry(void **state)
{
    char *nowhere = path_in(*state, "nowhere");
    struct own_login *found = NULL;

    assert_int_equal(find(nowhere, geteuid(), &found), 0);
    free(nowhere);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(a_session_and_others),
        WITH_DIRECTORY(no_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
