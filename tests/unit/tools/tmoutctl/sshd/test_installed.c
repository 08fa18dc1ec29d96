/* Asking a host's sshd. */
#include "tests/unit/tools/tmoutctl/sshd/fake_sshd.h"

#include "tools/tmoutctl/sshd/installed.h"

static void find(const char *root, struct sshd_program *program)
{
    const struct host host = {.root = root};
    struct failure failure = {""};

    if (sshd_find(&host, program, &failure) != 0)
        fail_msg("%s", failure.text);
}

static void where_it_is(void **state)
{
    const struct host host = {.root = *state};
    struct sshd_program program;
    struct failure failure = {""};
    char *expected = path_in(*state, "usr/local/sbin/sshd");

    put(*state, "/usr/bin/sshd", "not executable");
    assert_int_equal(sshd_find(&host, &program, &failure), -1);
    assert_string_equal(failure.text, "sshd is not installed: neither /usr/sbin/sshd nor "
                                      "/usr/bin/sshd nor /usr/local/sbin/sshd exists");
    put_program(*state, "/usr/local/sbin/sshd", "#!/bin/sh\n");
    assert_int_equal(sshd_find(&host, &program, &failure), 0);
    assert_string_equal(program.path, expected);
    free(expected);
}

/* sshd would wait for whoever writes to the FIFO, and so would we. */
static void a_file_to_wait_for(void **state)
{
    static const char *const places[] = {"etc/ssh/sshd_config", "etc/ssh/sshd_config.d/a.conf"};
    struct sshd_program program;
    struct sshd_config config = {0};
    struct failure failure = {""};

    put_program(*state, "/usr/sbin/sshd", "#!/bin/sh\necho port 22\n");
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        char *path = path_in(*state, places[i]);
        put(*state, "/etc/ssh/sshd_config.d/b.conf", "Port 22\n");
        put(*state, "/etc/ssh/sshd_config", "Include sshd_config.d/*.conf\n");
        unlink(path);
        assert_int_equal(mkfifo(path, 0600), 0);
        find(*state, &program);
        assert_int_equal(sshd_effective(&program, NULL, &config, &failure), -1);
        assert_non_null(strstr(failure.text, places[i]));
        assert_non_null(strstr(failure.text, "is not a regular file"));
        unlink(path);
        free(path);
    }
    put(*state, "/etc/ssh/sshd_config", "Port 22\n");
    find(*state, &program);
    assert_int_equal(sshd_effective(&program, NULL, &config, &failure), 0);
    sshd_config_free(&config);
}

static void effective_values(void **state)
{
    struct sshd_program program;
    struct sshd_config config = {0};
    struct failure failure = {""};
    size_t size;

    put_fake_sshd(*state);
    put(*state, "/global", "port 22\nport 2222\nmaxsessions 5\nbanner \nnovalue\n\nlast x y");
    put(*state, "/user", "maxsessions 3\n");
    put(*state, "/builtin", "maxsessions 10\n");
    find(*state, &program);

    assert_int_equal(sshd_effective(&program, NULL, &config, &failure), 0);
    assert_int_equal(config.count, 6);
    assert_int_equal(config.bad_count, 0);
    assert_string_equal(sshd_config_value(&config, "Port"), "22");
    assert_string_equal(sshd_config_value(&config, "MaxSessions"), "5");
    assert_string_equal(sshd_config_value(&config, "banner"), "");
    assert_string_equal(sshd_config_value(&config, "novalue"), "");
    assert_string_equal(sshd_config_value(&config, "last"), "x y");
    assert_null(sshd_config_value(&config, "missing"));
    sshd_config_free(&config);

    assert_int_equal(sshd_effective(&program, "kim", &config, &failure), 0);
    assert_string_equal(sshd_config_value(&config, "MaxSessions"), "3");
    sshd_config_free(&config);
    assert_int_equal(sshd_builtin(&program, &config, &failure), 0);
    assert_string_equal(sshd_config_value(&config, "MaxSessions"), "10");
    sshd_config_free(&config);

    /* Every criterion of a Match block is answered. */
    char *path = path_in(*state, "asked"), *asked = read_bytes(path, &size);
    assert_string_equal(asked, "-T -C laddr=192.0.2.2,rdomain=,lport=1\n"
                               "-T -C user=kim,host=nowhere.invalid,addr=192.0.2.1,laddr=192.0.2.2,"
                               "rdomain=,lport=22\n"
                               "-T -f /dev/null\n");
    free(asked);
    free(path);
}

static void unsupported_user_names(void **state)
{
    struct sshd_program program;
    struct sshd_config config = {0};
    struct failure failure = {""};
    char name[300];

    put_fake_sshd(*state);
    find(*state, &program);
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(sshd_effective(&program, name, &config, &failure), -1);
    assert_int_equal(sshd_effective(&program, "a,b", &config, &failure), -1);
    assert_non_null(strstr(failure.text, "comma"));
    char *asked = path_in(*state, "asked");
    assert_int_not_equal(access(asked, F_OK), 0);
    free(asked);
}

static void assert_fails(const char *root, const char *message, const char *reason, size_t bad)
{
    struct sshd_program program;
    struct sshd_config config = {0};
    struct failure failure = {""};

    put_failing_sshd(root, message);
    find(root, &program);
    assert_int_equal(sshd_effective(&program, NULL, &config, &failure), -1);
    assert_string_equal(failure.text, reason);
    assert_int_equal(config.count, 0);
    assert_int_equal(config.bad_count, bad);
    sshd_config_free(&config);
}

static void reasons_of_failures(void **state)
{
    assert_fails(*state, "", "sshd -T: failed", 0);
    assert_fails(*state, "a warning\n/etc/ssh/x line 2: invalid time value.\r\n",
                 "sshd -T: /etc/ssh/x line 2: invalid time value.", 0);
    assert_fails(*state, "\x1b[31mred\x07\n\n", "sshd -T: [31mred", 0);
    assert_fails(*state,
                 "/etc/x: line 1: Bad configuration option: Foo\r\n"
                 "/etc/x line 2: Deprecated option UsePrivilegeSeparation\r\n"
                 "/etc/x: line 7: Bad configuration option: Bar\r\n"
                 "/etc/x: terminating, 2 bad configuration options\r\n",
                 "sshd -T: /etc/x: line 1: Bad configuration option: Foo", 2);
    assert_fails(*state, "/etc/x: line 1: Bad configuration option\n",
                 "sshd -T: /etc/x: line 1: Bad configuration option", 0);
}

static void bad_options(void **state)
{
    struct sshd_program program;
    struct sshd_config config = {0};
    struct failure failure = {""};

    put_failing_sshd(*state, "/etc/a: line b: line 12: Bad configuration option: Foo\n"
                             "/etc/ssh/sshd_config: line 7: Bad configuration option: Bar\n");
    find(*state, &program);
    assert_int_equal(sshd_effective(&program, NULL, &config, &failure), -1);
    assert_int_equal(config.bad_count, 1);
    assert_string_equal(config.bad[0].keyword, "Bar");
    assert_string_equal(config.bad[0].file, "/etc/ssh/sshd_config");
    assert_int_equal(config.bad[0].line, 7);
    sshd_config_free(&config);
}

static void one_that_cannot_be_run(void **state)
{
    struct sshd_program program;
    struct sshd_config config = {0};
    struct failure failure = {""};
    struct sshd_version version;

    put_program(*state, FAKE_SSHD, "#!/no/such/interpreter\n");
    find(*state, &program);
    /* Some versions of valgrind end a program whose exec() fails. */
    if (!is_slow()) {
        assert_int_equal(sshd_effective(&program, NULL, &config, &failure), -1);
        assert_non_null(strstr(failure.text, "cannot run "));
    }
    put_program(*state, FAKE_SSHD, "#!/bin/sh\nkill -9 $$\n");
    assert_int_equal(sshd_effective(&program, NULL, &config, &failure), -1);
    assert_non_null(strstr(failure.text, "cannot run "));
    assert_int_equal(sshd_installed_version(&program, &version, &failure), -1);
}

/* Once the budget is used up, it is not even started. */
static void one_that_does_not_answer(void **state)
{
    struct sshd_program program;
    struct sshd_config config = {0};
    struct failure failure = {""};

    put_program(*state, FAKE_SSHD, "#!/bin/sh\nexec sleep infinity\n");
    find(*state, &program);
    program.query_budget_ms = 1;
    assert_int_equal(sshd_effective(&program, NULL, &config, &failure), -1);
    assert_non_null(strstr(failure.text, "it does not answer"));
    assert_int_equal(program.query_budget_ms, 0);
    put_fake_sshd(*state);
    put(*state, "/global", "port 22\n");
    assert_int_equal(sshd_effective(&program, NULL, &config, &failure), -1);
    assert_non_null(strstr(failure.text, "it does not answer"));
    char *asked = path_in(*state, "asked");
    assert_int_not_equal(access(asked, F_OK), 0);
    free(asked);
}

static void assert_version(const char *root, const char *script, int major, int minor)
{
    struct sshd_program program;
    struct failure failure = {""};
    struct sshd_version version = {0};

    put_program(root, FAKE_SSHD, script);
    find(root, &program);
    assert_int_equal(sshd_installed_version(&program, &version, &failure), major > 0 ? 0 : -1);
    assert_int_equal(version.major, major);
    assert_int_equal(version.minor, minor);
}

static void versions(void **state)
{
    assert_version(*state, "#!/bin/sh\necho 'OpenSSH_10.2p1 Debian, OpenSSL' >&2\n", 10, 2);
    assert_version(*state, "#!/bin/sh\necho OpenSSH_9.2\n", 9, 2);
    assert_version(*state, "#!/bin/sh\necho 'unknown option -- V\nOpenSSH_8.4p1, O' >&2; exit 1\n",
                   8, 4);
    assert_version(*state, "#!/bin/sh\necho dropbear\n", 0, 0);
    assert_version(*state, "#!/bin/sh\n", 0, 0);
}

static void known_keywords(void **state)
{
    const struct sshd_version old = {8, 9}, new = {9, 2};
    char keyword[] = "unusedconnectiontimeout", value[] = "none";
    struct sshd_pair pair = {keyword, value};
    const struct sshd_config none = {0}, backported = {.item = &pair, .count = 1};
    bool known[SETTING_COUNT];

    (void)state;
    sshd_find_known(&new, &none, known);
    for (size_t i = 0; i < sshd_keyword_count; i++)
        assert_true(known[i]);
    sshd_find_known(&old, &none, known);
    for (size_t i = 0; i < sshd_keyword_count; i++)
        assert_int_equal(known[i], sshd_keywords[i].since.major == 0);
    sshd_find_known(&old, &backported, known);
    for (size_t i = 0; i < sshd_keyword_count; i++)
        assert_int_equal(known[i], sshd_keywords[i].since.major == 0 ||
                                       sshd_keywords[i].id == SETTING_UNUSED_CONNECTION_TIMEOUT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(where_it_is),
        WITH_DIRECTORY(a_file_to_wait_for),
        WITH_DIRECTORY(effective_values),
        WITH_DIRECTORY(unsupported_user_names),
        WITH_DIRECTORY(reasons_of_failures),
        WITH_DIRECTORY(bad_options),
        WITH_DIRECTORY(one_that_cannot_be_run),
        WITH_DIRECTORY(one_that_does_not_answer),
        WITH_DIRECTORY(versions),
        cmocka_unit_test(known_keywords),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
