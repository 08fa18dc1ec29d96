/* Notices on a terminal. */
#include "tests/unit/tools/tmoutd/shell.h"

#include "tools/tmoutd/notice.h"

#include <sched.h>

static void texts(void **state)
{
    char text[NOTICE_TEXT_MAX];

    (void)state;
    notice_text(REASON_IDLE, 60000, text);
    assert_string_equal(text, "\r\n\a*** tmoutd: terminal idle, disconnecting in 1m. Press Enter "
                              "to stay connected. ***\r\n");
    notice_text(REASON_IDLE, 2001, text);
    assert_non_null(strstr(text, " in 3s."));
    notice_text(REASON_AGE, 30000, text);
    assert_string_equal(text, "\r\n\a*** tmoutd: this login has reached its maximum age and ends "
                              "in 30s. ***\r\n");
}

static void shown_and_closed(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record login = own_login();
    struct notice notice = {.fd = -1};
    char screen[1024];

    (void)state;
    assert_false(notice_is_out(&notice));
    notice_show(&notice, &login, shell.index, "hello");
    assert_true(notice_is_out(&notice));
    shell_screen(&shell, screen);
    assert_string_equal(screen, "hello");
    notice_show(&notice, &login, shell.index, " again");
    shell_screen(&shell, screen);
    assert_string_equal(screen, " again");
    notice_close(&notice);
    assert_false(notice_is_out(&notice));
    notice_close(&notice);
    shell_end(&shell);
}

static void unread_input(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record login = own_login();
    struct notice notice = {.fd = -1};

    (void)state;
    kill(shell.pid, SIGSTOP);
    assert_int_equal(waitpid(shell.pid, NULL, WUNTRACED), shell.pid);
    assert_int_equal(notice_unread(&notice), 0); /* not known */
    notice_show(&notice, &login, shell.index, "hello");
    assert_int_equal(notice_unread(&notice), 0);
    assert_int_equal(write(shell.master, "xyz", 3), 3);
    /* The kernel passes it to the terminal after a while. */
    while (notice_unread(&notice) != 3)
        sched_yield();
    notice_close(&notice);
    shell_end(&shell);
}

/* Output that is stopped must not block the daemon. */
static void a_terminal_that_takes_no_output(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record login = own_login();
    struct notice notice = {.fd = -1};

    (void)state;
    notice_show(&notice, &login, shell.index, "first");
    assert_int_equal(ioctl(notice.fd, TCXONC, TCOOFF), 0);
    for (int i = 0; i < 5000; i++)
        notice_show(&notice, &login, shell.index, "hello, hello, hello, hello, hello");
    assert_true(notice_is_out(&notice));
    notice_close(&notice);
    shell_end(&shell);
}

static void set_output_mode(const struct shell *shell, tcflag_t flags)
{
    struct termios mode;

    assert_int_equal(tcgetattr(shell->master, &mode), 0);
    mode.c_oflag = flags;
    assert_int_equal(tcsetattr(shell->master, TCSANOW, &mode), 0);
}

/* Without output processing it may be data that somebody saves. Whether there is
 * an answer shows all the same. */
static void a_data_stream(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record login = own_login();
    struct notice notice = {.fd = -1};
    char screen[1024];

    (void)state;
    set_output_mode(&shell, ONLCR);
    notice_show(&notice, &login, shell.index, "hello");
    assert_true(notice_is_out(&notice));
    shell_screen(&shell, screen);
    assert_string_equal(screen, "");
    set_output_mode(&shell, OPOST | ONLCR);
    notice_show(&notice, &login, shell.index, "hello");
    shell_screen(&shell, screen);
    assert_string_equal(screen, "hello");
    notice_close(&notice);
    shell_end(&shell);
}

/* Nothing is written to the terminal of another login, or to none. */
static void another_login(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    struct session_record login = own_login();
    struct notice notice = {.fd = -1};
    char screen[1024];

    (void)state;
    login.start_ticks++;
    notice_show(&notice, &login, shell.index, "hello");
    assert_false(notice_is_out(&notice));
    login.start_ticks--;
    notice_show(&notice, &login, 1048575, "hello");
    assert_false(notice_is_out(&notice));
    shell_screen(&shell, screen);
    assert_string_equal(screen, "");
    shell_end(&shell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),         cmocka_unit_test(shown_and_closed),
        cmocka_unit_test(unread_input),  cmocka_unit_test(a_terminal_that_takes_no_output),
        cmocka_unit_test(another_login), cmocka_unit_test(a_data_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
