/* Parsing the files of /proc/PID. */
#include "tests/unit/check.h"

#include "lib/host/proc_text.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define REST_OF_STAT " -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 "

static void parses_stat_files(void **state)
{
    struct process process;

    (void)state;
    assert_true(proc_text_stat("7 (sh) S 6 7 5 34817" REST_OF_STAT "4711 99\n", &process));
    assert_int_equal(process.minor_faults, 1);
    assert_int_equal(process.pid, 7);
    assert_int_equal(process.parent, 6);
    assert_int_equal(process.session, 5);
    assert_int_equal(process.state, 'S');
    assert_int_equal(process.terminal, 34817);
    assert_true(process.start_ticks == 4711);
    /* The user chooses the process name. */
    assert_true(
        proc_text_stat("7 () R 1 1 1) Z 6 7 5 0" REST_OF_STAT "18446744073709551615\n", &process));
    assert_int_equal(process.state, 'Z');
    assert_true(process.start_ticks == UINT64_MAX);
}

static void rejects_other_texts_as_stat(void **state)
{
    static const char *const texts[] = {"",
                                        "7",
                                        "7 (sh",
                                        "7 (sh)",
                                        "x (sh) S 6 7 5 0" REST_OF_STAT "1",
                                        "7 (sh) S 6 7 5 0" REST_OF_STAT,
                                        "7 (sh) S 6 7 5",
                                        "7 (sh) S a 7 5 0" REST_OF_STAT "1"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct process process = {.pid = 42};
        if (proc_text_stat(texts[i], &process))
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(process.pid, 42);
    }
}

static void parses_uids(void **state)
{
    uid_t uid[4];

    (void)state;
    assert_true(
        proc_text_uids("Name:\tx\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGid:\t0\t0\t0\t0\n", uid));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(uid[i], i + 1);
    assert_false(proc_text_uids("Name:\tUid:\t0\t0\t0\t0\n", uid));
    assert_false(proc_text_uids("Name:\tx\nUid:\t1\t2\t3\n", uid));
    assert_false(proc_text_uids("", uid));
}

static void parses_what_a_process_gets_of_the_processors(void **state)
{
    static const char *const others[] = {"", "1", "1 2", "1 2 x", "x 2 3"};
    struct cpu_use use;

    (void)state;
    assert_true(proc_text_cpu_use("123456789012 2 3\n", &use));
    assert_true(use.ran_ns == 123456789012 && use.waited_ns == 2 && use.turns == 3);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(proc_text_cpu_use(others[i], &use));
    assert_true(use.turns == 3);
    assert_true(proc_text_is_runnable("Name:\tx\nUmask:\t0022\nState:\tR (running)\nTgid:\t1\n"));
    assert_false(proc_text_is_runnable("Name:\tx\nState:\tS (sleeping)\n"));
    assert_false(proc_text_is_runnable("Name:\tState:\tR\nState:\tD (disk sleep)\n"));
    assert_false(proc_text_is_runnable("Name:\tx\nState:"));
    assert_true(proc_text_is_moving("Name:\tx\nState:\tR (running)\n"));
    assert_true(proc_text_is_moving("Name:\tx\nState:\tS (sleeping)\n"));
    assert_true(proc_text_is_moving("Name:\tx\nState:\tZ (zombie)\n"));
    assert_false(proc_text_is_moving("Name:\tState:\tR\nState:\tT (stopped)\n"));
    assert_false(proc_text_is_moving("Name:\tx\nState:\tt (tracing stop)\n"));
    assert_false(proc_text_is_moving("Name:\tx\nState:\tD (disk sleep)\n"));
    assert_false(proc_text_is_moving("Name:\tx\n"));
}

static void parses_io(void **state)
{
    struct io_bytes bytes;

    (void)state;
    assert_true(proc_text_io("rchar: 100\nwchar: 23\nsyscr: 7\n", &bytes));
    assert_true(bytes.read == 100 && bytes.written == 23);
    assert_false(proc_text_io("rchar: 100\n", &bytes));
    assert_false(proc_text_io("wchar: 23\n", &bytes));
    assert_false(proc_text_io("rchar: x\nwchar: 23\n", &bytes));
    assert_false(proc_text_io("rchar: 1\nwchar: \n", &bytes));
}

static void parses_the_tty_index(void **state)
{
    unsigned index;

    (void)state;
    assert_true(proc_text_tty_index("pos:\t0\nflags:\t02\ntty-index:\t12\n", &index));
    assert_int_equal(index, 12);
    assert_false(proc_text_tty_index("pos:\t0\n", &index));
    assert_false(proc_text_tty_index("tty-index:\n", &index));
}

static void parses_audit_numbers(void **state)
{
    uint32_t number;

    (void)state;
    assert_true(proc_text_audit_number("0", &number));
    assert_int_equal(number, 0);
    assert_true(proc_text_audit_number("4294967294\n", &number));
    assert_true(number == 4294967294U);
    assert_false(proc_text_audit_number("4294967295", &number)); /* not set */
    assert_false(proc_text_audit_number("99999999999999999999999", &number));
    assert_false(proc_text_audit_number("", &number));
    assert_false(proc_text_audit_number("none", &number));
}

static void parses_children(void **state)
{
    char text[] = "12 345  6 \n", none[] = "", odd[] = "7 -8 9", large[] = "2147483648 1";
    char *rest = text;

    (void)state;
    assert_int_equal(proc_text_next_child(&rest), 12);
    assert_int_equal(proc_text_next_child(&rest), 345);
    assert_int_equal(proc_text_next_child(&rest), 6);
    assert_int_equal(proc_text_next_child(&rest), 0);
    rest = none;
    assert_int_equal(proc_text_next_child(&rest), 0);
    rest = odd;
    assert_int_equal(proc_text_next_child(&rest), 7);
    assert_int_equal(proc_text_next_child(&rest), 0);
    rest = large;
    assert_int_equal(proc_text_next_child(&rest), 0);
}

static void assert_terminal(unsigned major_number, unsigned minor_number, const char *expected)
{
    char name[32];

    terminal_name_of_stat(terminal_in_stat(makedev(major_number, minor_number)), name, sizeof name);
    assert_string_equal(name, expected);
}

/* Each of the two functions parses what the other formats. */
static void converts_terminals_both_ways(void **state)
{
    (void)state;
    assert_terminal(136, 0, "pts/0");
    assert_terminal(136, 255, "pts/255");
    assert_terminal(136, 256, "pts/256");
    assert_terminal(136, 0xfffff, "pts/1048575");
    assert_terminal(137, 0, "pts/1048576");
    assert_terminal(143, 1, "pts/7340033");
    assert_terminal(144, 1, "");
    assert_terminal(135, 1, "");
    assert_terminal(4, 1, "tty1");
    assert_terminal(4, 63, "tty63");
    assert_terminal(5, 1, "");
    assert_terminal(0, 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_stat_files),
        cmocka_unit_test(rejects_other_texts_as_stat),
        cmocka_unit_test(parses_uids),
        cmocka_unit_test(parses_io),
        cmocka_unit_test(parses_what_a_process_gets_of_the_processors),
        cmocka_unit_test(parses_the_tty_index),
        cmocka_unit_test(parses_audit_numbers),
        cmocka_unit_test(parses_children),
        cmocka_unit_test(converts_terminals_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
