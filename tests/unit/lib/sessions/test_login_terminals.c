/* The terminals of a login, with a process in sshd's place that holds the
 * master sides of some. */
#include "tests/unit/lib/sessions/stand_in.h"

#include "lib/sessions/login_terminals.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/* Returns the master, and the terminal's number. */
static int open_master(unsigned *index)
{
    const int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, TIOCGPTN, index), 0);
    return fd;
}

/* Like screen(1), a child holds the master of a terminal of its own, and a slave.
 * It ends with its parent. */
static void hold_a_terminal_below(void)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    if (fork() == 0) {
        unsigned index;
        char byte;
        open_master(&index);
        close(ends[1]);
        answer_number(index);
        _exit(read(ends[0], &byte, 1) != 0);
    }
    close(ends[0]);
}

/* m: one more terminal; d: a second descriptor for the last one; s: its slave
 * side; c: close the first; b: one that a child holds. */
static void hold_terminals(void)
{
    unsigned index = 0;
    int first = -1, last = -1;
    char path[64];
    char letter;

    while ((letter = command(TO_FD)) != '\0') {
        switch (letter) {
        case 'm':
            last = open_master(&index);
            first = first < 0 ? last : first;
            answer_number(index);
            continue;
        case 'd':
            assert_true(dup(last) >= 0);
            break;
        case 's':
            assert_int_equal(grantpt(last), 0);
            assert_int_equal(unlockpt(last), 0);
            assert_int_equal(ptsname_r(last, path, sizeof path), 0);
            assert_true(open(path, O_RDWR | O_NOCTTY) >= 0);
            break;
        case 'c':
            close(first);
            break;
        case 'b':
            hold_a_terminal_below();
            continue;
        default:
            break;
        }
        send_byte(FROM_FD, letter);
    }
}

static unsigned told_number(const struct stand_in *s, char letter)
{
    send_byte(s->to, letter);
    return await_number(s);
}

static void assert_terminals(const struct session_record *login, const unsigned *expected,
                             int count)
{
    unsigned index[LOGIN_TERMINALS_MAX];
    const int found = login_terminals(login, index);

    assert_int_equal(found, count);
    for (int i = 0; i < count; i++) {
        int times = 0;
        for (int k = 0; k < found; k++)
            times += index[k] == expected[i];
        if (times != 1)
            fail_msg("terminal %u is there %d times", expected[i], times);
    }
}

static bool has_terminals(void)
{
    const int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void terminals_of_a_login(void **state)
{
    struct stand_in s;
    unsigned index[8];

    (void)state;
    if (!has_terminals())
        LEFT_OUT("no pseudo terminal is available");
    stand_in_begin(&s, hold_terminals);
    const struct session_record login = login_of(s.pid);
    tell(&s, '-');
    assert_terminals(&login, NULL, 0);
    index[0] = told_number(&s, 'm');
    assert_terminals(&login, index, 1);
    index[1] = told_number(&s, 'm');
    index[2] = told_number(&s, 'm');
    assert_terminals(&login, index, 3);
    tell(&s, 'd');
    tell(&s, 's');
    assert_terminals(&login, index, 3);
    told_number(&s, 'b');
    assert_terminals(&login, index, 3);
    for (int i = 3; i < 8; i++)
        index[i] = told_number(&s, 'm');
    assert_terminals(&login, index, 8);
    tell(&s, 'c');
    stand_in_end(&s);
}

/* A terminal that was closed is gone, even if a child still has it. */
static void a_terminal_is_closed(void **state)
{
    struct stand_in s;
    unsigned index[2];

    (void)state;
    if (!has_terminals())
        LEFT_OUT("no pseudo terminal is available");
    stand_in_begin(&s, hold_terminals);
    const struct session_record login = login_of(s.pid);
    index[0] = told_number(&s, 'm');
    index[1] = told_number(&s, 'm');
    told_number(&s, 'b');
    tell(&s, 'c');
    assert_terminals(&login, index + 1, 1);
    stand_in_end(&s);
}

static void a_login_at_a_terminal(void **state)
{
    struct session_record login = login_of(getpid());
    unsigned index[LOGIN_TERMINALS_MAX];
    char path[64];

    (void)state;
    login.is_ssh = false;
    assert_int_equal(login_terminals(&login, index), 0);
    snprintf(login.terminal, sizeof login.terminal, "tty1");
    assert_int_equal(login_terminals(&login, index), 1);
    terminal_path(&login, index[0], path, sizeof path);
    assert_string_equal(path, "/dev/tty1");
    login.is_ssh = true;
    terminal_path(&login, 4711, path, sizeof path);
    assert_string_equal(path, "/dev/pts/4711");
}

static void assert_gone(const struct session_record *login)
{
    unsigned index[LOGIN_TERMINALS_MAX];

    errno = 0;
    assert_int_equal(login_terminals(login, index), -1);
    assert_true(errno == ENOENT || errno == ESRCH);
}

/* The login has ended, or its pid was reused. */
static void terminals_of_an_ended_login(void **state)
{
    struct stand_in s;

    (void)state;
    stand_in_begin(&s, wait_for_the_end);
    struct session_record login = login_of(s.pid);
    assert_terminals(&login, NULL, 0);
    login.start_ticks++;
    assert_gone(&login);
    login.start_ticks--;
    stand_in_end(&s);
    assert_gone(&login);
}

static void a_terminal_of_an_ended_login(void **state)
{
    struct stand_in s;

    (void)state;
    stand_in_begin(&s, wait_for_the_end);
    struct session_record login = login_of(s.pid);
    login.is_ssh = false;
    snprintf(login.terminal, sizeof login.terminal, "tty1");
    stand_in_end(&s);
    assert_gone(&login);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terminals_of_a_login),
        cmocka_unit_test(a_terminal_is_closed),
        cmocka_unit_test(a_login_at_a_terminal),
        cmocka_unit_test(terminals_of_an_ended_login),
        cmocka_unit_test(a_terminal_of_an_ended_login),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
