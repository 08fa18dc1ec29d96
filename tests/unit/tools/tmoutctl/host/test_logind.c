/* How long logind lets a session be idle: its own answer, its files, and time spans. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/host/logind.h"

static void time_spans(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"30", 30},        {"30min", 1800}, {"1h 30min", 5400},      {"1h30m", 5400},
        {"2 hours", 7200}, {"500ms", 1},    {"infinity", INT64_MAX}, {"1.5h", 3600},
        {"1d", 86400},     {" 0 ", 0},
    };
    static const char *const wrong[] = {"", "abc", "-1", "1x", "99999999999999999999", "1 y2k"};
    int64_t seconds;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(time_span_parse(cases[i].text, &seconds), 0);
        assert_int_equal(seconds, cases[i].seconds);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(time_span_parse(wrong[i], &seconds), -1);
}

static void assert_config(const char *text, int64_t limit_sec, const char *file, unsigned line)
{
    struct idle_session idle;

    logind_config_parse(text, &idle);
    assert_int_equal(idle.file_sec, limit_sec);
    assert_string_equal(idle.file, file);
    assert_int_equal(idle.line, line);
}

#define MAIN_FILE "/etc/systemd/logind.conf"
#define DROP_IN   "/usr/lib/systemd/logind.conf.d/50.conf"

/* As systemd-analyze prints the files, each after a comment with its path. */
static void the_last_assignment_counts(void **state)
{
    (void)state;
    assert_config("", INT64_MAX, "", 0);
    assert_config("# " MAIN_FILE "\n[Login]\nStopIdleSessionSec=1h\n", 3600, MAIN_FILE, 2);
    assert_config("# " MAIN_FILE "\n[Other]\nStopIdleSessionSec=7\n[Login]\n"
                  "#StopIdleSessionSec=8\nStopIdleSessionSecs=9\nStopIdleSessionSec\n",
                  INT64_MAX, "", 0);
    assert_config("# " MAIN_FILE "\n[Login]\nStopIdleSessionSec=1h\n\n# " DROP_IN
                  "\n[Login]\n\nStopIdleSessionSec = 20min\r\n",
                  1200, DROP_IN, 3);
    /* A section ends with its file, and a header need not follow an empty line. */
    assert_config("# " MAIN_FILE "\n[Login]\nStopIdleSessionSec=1h\n# " DROP_IN
                  "\nStopIdleSessionSec=5\n",
                  3600, MAIN_FILE, 2);
    assert_config("# " MAIN_FILE "\n[Login]\nStopIdleSessionSec=1h\nStopIdleSessionSec=wrong\n",
                  3600, MAIN_FILE, 2);
    assert_config("# " MAIN_FILE "\n[Login]\nStopIdleSessionSec=1h\nStopIdleSessionSec=\n",
                  INT64_MAX, MAIN_FILE, 3);
    assert_config("# " MAIN_FILE "\n# /etc/systemd/other\n# /a b/logind.conf\n[Login]\n"
                  "StopIdleSessionSec=0\n",
                  INT64_MAX, MAIN_FILE, 4);
}

/* --- asking the host -------------------------------------------------------- */

/* A program of the host that is a script. */
static void put_script(const char *root, const char *path, const char *script)
{
    char *full = path_in(root, path + 1);

    put(root, path, script);
    assert_int_equal(chmod(full, 0755), 0);
    free(full);
}

static void put_logind(const char *root)
{
    put(root, "/usr/lib/systemd/systemd-logind", "");
}

#define ANALYZE "/usr/bin/systemd-analyze"
#define BUSCTL  "/usr/bin/busctl"
#define CAT_CONFIG                                                                                 \
    "#!/bin/sh\n[ \"$*\" = 'cat-config systemd/logind.conf' ] || exit 1\n"                         \
    "printf '# %s\\n[Login]\\nStopIdleSessionSec=10min\\n' " MAIN_FILE "\n"

static void assert_found(const char *root, int64_t running_sec, int64_t file_sec)
{
    const struct host host = {.root = root};
    struct idle_session idle;
    struct failure failure = {""};

    assert_int_equal(idle_session_find(&host, &idle, &failure), 0);
    assert_int_equal(idle.running_sec, running_sec);
    assert_int_equal(idle.file_sec, file_sec);
}

static void without_logind_nothing_is_asked(void **state)
{
    put_script(*state, BUSCTL, "#!/bin/sh\necho t 5000000\n");
    put_script(*state, ANALYZE, CAT_CONFIG);
    assert_found(*state, INT64_MAX, INT64_MAX);
}

static void the_running_logind(void **state)
{
    static const struct {
        const char *answer;
        int64_t limit_sec;
    } cases[] = {{"t 600000000", 600},
                 {"t 1", 1},
                 {"t 0", INT64_MAX},
                 {"t 18446744073709551615", INT64_MAX}};

    put_logind(*state);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char script[256];
        snprintf(script, sizeof script,
                 "#!/bin/sh\ncase \"$*\" in *org.freedesktop.login1.Manager\\ StopIdleSessionUSec) "
                 "echo %s;; *) exit 1;; esac\n",
                 cases[i].answer);
        put_script(*state, BUSCTL, script);
        assert_found(*state, cases[i].limit_sec, INT64_MAX);
    }
    put_script(*state, ANALYZE, CAT_CONFIG);
    assert_found(*state, INT64_MAX, 600);
}

static void without_a_bus_the_files_count(void **state)
{
    put_logind(*state);
    put_script(*state, ANALYZE, CAT_CONFIG);
    assert_found(*state, INT64_MAX, 600);
    put_script(*state, BUSCTL, "#!/bin/sh\necho Failed to connect to bus >&2\nexit 1\n");
    assert_found(*state, INT64_MAX, 600);
}

static void when_nothing_answers(void **state)
{
    const struct host host = {.root = *state};
    struct idle_session idle;
    struct failure failure = {""};

    put_logind(*state);
    assert_int_equal(idle_session_find(&host, &idle, &failure), -1);
    assert_non_null(strstr(failure.text, "busctl"));
    put_script(*state, BUSCTL, "#!/bin/sh\necho s unexpected\n");
    put_script(*state, ANALYZE, "#!/bin/sh\nexit 1\n");
    assert_int_equal(idle_session_find(&host, &idle, &failure), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_spans),
        cmocka_unit_test(the_last_assignment_counts),
        WITH_DIRECTORY(without_logind_nothing_is_asked),
        WITH_DIRECTORY(the_running_logind),
        WITH_DIRECTORY(without_a_bus_the_files_count),
        WITH_DIRECTORY(when_nothing_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
