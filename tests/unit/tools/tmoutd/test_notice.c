/* Notices on a terminal. */
#include "tests/unit/tools/tmoutd/shell.h"

#include "tools/tmoutd/notice.h"

#include <sched.h>

static void texts(void **state)
{
    char text[NOTICE_TEXT_MAX];

    (void)state;
    notice_text(REASON_IDLE, 60000, "C", text);
    assert_string_equal(text, "\r\n\a*** tmoutd: terminal idle, disconnecting in 1m. Press Enter "
                              "to stay connected. ***\r\n");
    notice_text(REASON_IDLE, 2001, "no such locale", text);
    assert_non_null(strstr(text, " in 3s."));
    notice_text(REASON_AGE, 30000, "C", text);
    assert_string_equal(text, "\r\n\a*** tmoutd: this login has reached its maximum age and ends "
                              "in 30s. ***\r\n");
}

enum { SILENT = 0 };

/* As a helper does. Returns what is known of the terminal. */
static enum presence show(const struct session_record *login, unsigned index, int64_t left_ms,
                          struct notice_answer *shown)
{
    const struct notice_question question = {.login = *login,
                                             .index = index,
                                             .is_silent = left_ms == SILENT,
                                             .reason = REASON_IDLE,
                                             .left_ms = left_ms};
    static struct answer answer;

    answer = (struct answer){.presence = PRESENT};
    notice_show(&question, -1, &answer);
    assert_int_equal(answer_get(&answer, shown, sizeof *shown), answer.presence == PRESENT);
    return answer.presence;
}

static void shown(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record login = own_login();
    struct notice_answer answer;
    char screen[1024];

    (void)state;
    assert_int_equal(show(&login, shell.index, 5000, &answer), PRESENT);
    assert_true(S_ISCHR(answer.st.st_mode));
    shell_screen(&shell, screen);
    assert_non_null(strstr(screen, "disconnecting in 5s."));
    assert_int_equal(show(&login, shell.index, 7000, &answer), PRESENT);
    shell_screen(&shell, screen);
    assert_non_null(strstr(screen, "disconnecting in 7s."));
    assert_int_equal(show(&login, shell.index, SILENT, &answer), PRESENT);
    shell_screen(&shell, screen);
    assert_string_equal(screen, "");
    shell_end(&shell);
}

static void unread_input(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record login = own_login();
    struct notice_answer answer;

    (void)state;
    kill(shell.pid, SIGSTOP);
    assert_int_equal(waitpid(shell.pid, NULL, WUNTRACED), shell.pid);
    show(&login, shell.index, 5000, &answer);
    assert_int_equal(answer.unread, 0);
    assert_int_equal(write(shell.master, "xyz", 3), 3);
    /* The kernel passes it to the terminal after a while. */
    do
        sched_yield();
    while (show(&login, shell.index, SILENT, &answer) == PRESENT && answer.unread != 3);
    assert_int_equal(answer.unread, 3);
    shell_end(&shell);
}

/* Output that is stopped is not waited for. */
static void a_terminal_that_takes_no_output(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    const struct session_record login = own_login();
    struct notice_answer answer;
    char path[64];

    (void)state;
    terminal_path(&login, shell.index, path, sizeof path);
    const int slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_int_equal(ioctl(slave, TCXONC, TCOOFF), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(show(&login, shell.index, 5000, &answer), PRESENT);
    close(slave);
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
    struct notice_answer answer;
    char screen[1024];

    (void)state;
    set_output_mode(&shell, ONLCR);
    assert_int_equal(show(&login, shell.index, 5000, &answer), PRESENT);
    shell_screen(&shell, screen);
    assert_string_equal(screen, "");
    set_output_mode(&shell, OPOST | ONLCR);
    assert_int_equal(show(&login, shell.index, 5000, &answer), PRESENT);
    shell_screen(&shell, screen);
    assert_non_null(strstr(screen, "disconnecting in 5s."));
    shell_end(&shell);
}

/* Nothing is written to the terminal of another login, or to none. */
static void another_login(void **state)
{
    struct shell shell = shell_begin(SHELL_PLAIN);
    struct session_record login = own_login();
    struct notice_answer answer;
    char screen[1024];

    (void)state;
    login.start_ticks++;
    assert_int_equal(show(&login, shell.index, 5000, &answer), GONE);
    login.start_ticks--;
    assert_int_equal(show(&login, 1048575, 5000, &answer), GONE);
    shell_screen(&shell, screen);
    assert_string_equal(screen, "");
    shell_end(&shell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),         cmocka_unit_test(shown),
        cmocka_unit_test(unread_input),  cmocka_unit_test(a_terminal_that_takes_no_output),
        cmocka_unit_test(a_data_stream), cmocka_unit_test(another_login),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
