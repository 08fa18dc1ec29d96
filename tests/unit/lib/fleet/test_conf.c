/* /etc/security/tmout-fleet.conf: what it may contain, and every message about it. */
#include "tests/unit/temporary.h"

#include "lib/fleet/conf.h"

#include <errno.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static struct fleet_conf conf;
static char messages[4096]; /* of the last reading: LINE: TEXT, one after the other */

static int read_conf(const char *directory, const char *text)
{
    char *path = path_in(directory, FLEET_CONF_NAME);
    struct problems problems = {0};
    size_t used = 0;

    write_text(path, text);
    const int result = fleet_conf_read(path, geteuid(), NULL, &conf, &problems);
    messages[0] = '\0';
    problems_sort(&problems);
    for (size_t i = 0; i < problems.count; i++)
        used += (size_t)snprintf(messages + used, sizeof messages - used, "%s%u: %s",
                                 i > 0 ? "\n" : "", problems.item[i].line, problems.item[i].text);
    problems_free(&problems);
    free(path);
    return result;
}

/* Returns the path of a file in the directory beside the configuration; the caller frees it. */
static char *put_file(const char *directory, const char *name, const char *text, mode_t mode)
{
    char *files = path_in(directory, "tmout-fleet");
    char *path = path_in(files, name);

    assert_true(mkdir(files, 0700) == 0 || errno == EEXIST);
    write_text(path, text);
    assert_int_equal(chmod(path, mode), 0);
    free(files);
    return path;
}

static void reads_everything(void **state)
{
    free(put_file(*state, "password", "right\n", 0600));
    free(put_file(*state, "ca.crt", "", 0644));
    const int result =
        read_conf(*state, "# comment\n"
                          "endpoints = {\"/run/valkey/socket\", \"127.0.0.1:6379\", \"[::1]:7\"}\n"
                          "acl_user = h1\npassword_file = \"/etc/security/tmout-fleet/password\"\n"
                          "ca = ca.crt\nsentinel = store\n"
                          "prefix = site-1\nhost_id = bastion1.example\ntimeout = 250ms hold = 5s\n"
                          "tls = false\n");

    assert_string_equal(messages, "");
    assert_int_equal(result, 0);
    assert_int_equal(conf.endpoints, 3);
    assert_string_equal(conf.endpoint[0].address, "/run/valkey/socket");
    assert_int_equal(conf.endpoint[0].port, 0);
    assert_string_equal(conf.endpoint[1].address, "127.0.0.1");
    assert_int_equal(conf.endpoint[1].port, 6379);
    assert_string_equal(conf.endpoint[2].address, "::1");
    assert_int_equal(conf.endpoint[2].port, 7);
    assert_string_equal(conf.acl_user, "h1");
    assert_string_equal(conf.password_file, "password");
    assert_string_equal(conf.ca, "ca.crt");
    assert_string_equal(conf.prefix, "site-1");
    assert_string_equal(conf.host_id, "bastion1.example");
    assert_int_equal(conf.timeout_ms, 250);
    assert_int_equal(conf.hold_ms, 5000);
    assert_false(conf.tls);
    assert_true(conf.plain);
    assert_string_equal(conf.sentinel, "store");
}

/* As other editors and other systems write it. */
static void reads_any_text(void **state)
{
    const int result =
        read_conf(*state, "# M\303\274ller\r\nendpoints = {/run/a, // one\r\n'/run/b'}\r\n"
                          "endpoints += {\"[::1]:7\"} /* \001 */ prefix = a/* \303\274 */\r\n"
                          "host_id=b");

    assert_string_equal(messages, "");
    assert_int_equal(result, 0);
    assert_int_equal(conf.endpoints, 3);
    assert_string_equal(conf.endpoint[0].address, "/run/a");
    assert_string_equal(conf.endpoint[1].address, "/run/b");
    assert_string_equal(conf.prefix, "a");
    assert_string_equal(conf.host_id, "b");
}

static void has_defaults(void **state)
{
    assert_int_equal(read_conf(*state, "endpoints = {\"/run/valkey/socket\"}"), 0);
    assert_string_equal(conf.prefix, "tmout");
    assert_string_equal(conf.host_id, "");
    assert_int_equal(conf.timeout_ms, 500);
    assert_int_equal(conf.hold_ms, 3000);
    assert_false(conf.tls);
    assert_false(conf.plain);
    assert_string_equal(conf.sentinel, "");
}

static void holds_long_enough(void **state)
{
    static const char note[] =
        ": hold is not longer than timeout by two seconds: after a restart of the store, somebody "
        "may be admitted before all hosts have told it what they know";

    assert_int_equal(read_conf(*state, "endpoints = {/a}\ntimeout = 1s\nhold = 3s\n"), 0);
    assert_string_equal(messages, "");
    assert_int_equal(read_conf(*state, "endpoints = {/a}\ntimeout = 1s\nhold = 2999ms\n"), 0);
    assert_int_equal(messages[0], '3');
    assert_string_equal(messages + 1, note);
    assert_int_equal(read_conf(*state, "endpoints = {/a}\ntimeout = 2s\n"), 0);
    assert_int_equal(messages[0], '2');
    assert_string_equal(messages + 1, note);
}

static void absent(void **state)
{
    struct problems problems = {0};
    char *path = path_in(*state, "nothing");

    assert_int_equal(fleet_conf_read(path, geteuid(), NULL, &conf, &problems), 2);
    assert_int_equal(problems.count, 0);
    free(path);
}

/* Others could have written it. */
static void insecure(void **state)
{
    struct problems problems = {0};
    char *path = path_in(*state, FLEET_CONF_NAME);

    write_text(path, "endpoints = {\"/run/valkey/socket\"}");
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(fleet_conf_read(path, geteuid(), NULL, &conf, &problems), 1);
    assert_int_equal(problems.errors, 1);
    problems_free(&problems);
    free(path);
}

/* The draft of an editor. */
static void draft(void **state)
{
    char *path = path_in(*state, FLEET_CONF_NAME);
    const struct source_draft text = {path, "endpoint = 1\n", 13};
    struct problems problems = {0};

    assert_int_equal(fleet_conf_read(path, geteuid(), &text, &conf, &problems), 1);
    assert_string_equal(problems.item[0].text,
                        "unknown setting \"endpoint\"; did you mean \"endpoints\"?");
    problems_free(&problems);
    free(path);
}

static void errors(void **state)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"", "0: has no endpoints: write endpoints = {\"/run/valkey/socket\"}, for example"},
        {"endpoints = {}\n", "0: has no endpoints: write endpoints = {\"/run/valkey/socket\"}, for "
                             "example"},
        {"\nfleet = 1\n", "2: unknown setting \"fleet\""},
        {"timout = 1s\n", "1: unknown setting \"timout\"; did you mean \"timeout\"?"},
        {"timeout = 10ms\nhold = 61s\n",
         "1: timeout = \"10ms\" is too short\n2: hold = \"61s\" is too long"},
        {"timeout = 1\nhold = 1m\n",
         "1: timeout = \"1\" is no time in milliseconds or seconds, such as 500ms or 2s\n"
         "2: hold = \"1m\" is no time in milliseconds or seconds, such as 500ms or 2s"},
        {"tls = maybe\n", "1: tls = \"maybe\" is neither true nor false"},
        {"prefix = a\n\nprefix = b\n", "3: prefix is already set, on line 1"},
        {"endpoints = {\"/a\", \"/b\"}\nendpoints = {\"/c\"}\n",
         "2: endpoints is already set, on line 1"},
        {"prefix = \"a b\"\n",
         "1: prefix = \"a b\" has a character other than letters, digits, and _ . -"},
        {"prefix = \"\"\n", "1: prefix = \"\" is empty"},
        {"prefix = 123456789012345678901234567890123\n",
         "1: prefix = \"123456789012345678901234567890123\" is too long"},
        {"password_file = \"/etc/secret\"\n",
         "1: password_file = \"/etc/secret\" is not in /etc/security/tmout-fleet: put the file "
         "there, as tmout-fleetd gets no others, and write its name"},
        {"ca = \"/etc/security/tmout-fleet/sub/ca\"\nkey = \"../key\"\ncert = \"..\"\n",
         "1: ca = \"/etc/security/tmout-fleet/sub/ca\" is not in /etc/security/tmout-fleet: put "
         "the file there, as tmout-fleetd gets no others, and write its name\n"
         "2: key = \"../key\" is not in /etc/security/tmout-fleet: put the file there, as "
         "tmout-fleetd gets no others, and write its name\n"
         "3: cert = \"..\" begins with a dot"},
        {"endpoints = {localhost}\n",
         "1: endpoints = \"localhost\" is neither ADDRESS:PORT nor the path of a Unix socket"},
        {"endpoints = {\"valkey.example:6379\"}\n",
         "1: endpoints = \"valkey.example:6379\" has no numeric address, as in 192.0.2.1:6379 or "
         "[2001:db8::1]:6379"},
        {"endpoints = {\"127.0.0.1:0\"}\n",
         "1: endpoints = \"127.0.0.1:0\" has no port from 1 to 65535 behind its last colon"},
        {"endpoints = {\"127.0.0.1:65536\"}\n",
         "1: endpoints = \"127.0.0.1:65536\" has no port from 1 to 65535 behind its last colon"},
        {"endpoints = {\"::1:6379\"}\n",
         "1: endpoints = \"::1:6379\" has no numeric address, as in 192.0.2.1:6379 or "
         "[2001:db8::1]:6379"},
        {"endpoints = {/1, /2, /3, /4, /5, /6, /7, /8, /9}\n",
         "1: endpoints = \"/9\" is one too many: the maximum is 8"},
        {"endpoints = {/1}\nacl_user = h1\n", "2: acl_user requires password_file"},
        {"endpoints = {/1}\ntls = false\ncert = c\n", "3: cert requires key"},
        {"endpoints = {/1}\ntls = false\nkey = k\n", "3: key requires cert"},
        {"endpoints = {/1}\nca = c\nname = n\n", "2: ca has no effect without tls = true\n"
                                                 "3: name has no effect without tls = true"},
        {"prefix = \"${HOME}\"\n", "1: ${...} in double quotes would be replaced from the "
                                   "environment: use single quotes"},
        {"prefix = ${HOME}\n", "1: unexpected character '$': variables are not expanded here"},
        {"prefix = a\x01\n", "1: control character (0x01): remove it"},
        {"prefix = a;\n", "1: unexpected character ';': remove it, settings need no separator"},
        {"include(\"/etc/passwd\")\n",
         "1: unexpected character '(': a setting takes a value, and no function"},
        {"\357\273\277prefix = a\n", "1: invisible byte order mark: save the file as plain UTF-8"},
        {"\nprefix = \"a\n", "2: the closing \" is missing on this line"},
        {"\nendpoints = {\"/1\",\n\"/2\"\n",
         "2: the list that begins here is not closed: } is missing"},
        {"endpoints = {\"/run/\303\244\"}\nprefix = \"\303\244\"\n",
         "2: prefix = \"\303\244\" has a character other than letters, digits, and _ . -"},
        {"prefix { }\n", "1: missing equal sign after option 'prefix'"},
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(read_conf(*state, wrong[i].text), 1);
        assert_string_equal(messages, wrong[i].message);
    }
}

static void with_files(void **state, const char *setting, const char *message)
{
    char text[256];

    snprintf(text, sizeof text, "endpoints = {/1} tls = false\n%s\n", setting);
    assert_int_equal(read_conf(*state, text), message == NULL ? 0 : 1);
    if (message != NULL && strstr(messages, message) == NULL)
        fail_msg("%s: %s", messages, message);
}

static void files(void **state)
{
    char *password = put_file(*state, "password", "right\n", 0644);

    with_files(state, "password_file = password",
               "/tmout-fleet/password: others than root can read it: run chmod 600 on it, and make "
               "a new one");
    assert_int_equal(chmod(password, 0600), 0);
    with_files(state, "password_file = password", NULL);
    write_text(password, "\nright\n");
    with_files(state, "password_file = password",
               "2: password_file: password: its first line is empty: write the password there");
    with_files(state, "password_file = secret", "/tmout-fleet/secret: No such file or directory");
    with_files(state, "ca = ca", "ca: /");
    free(put_file(*state, "ca", "", 0644));
    with_files(state, "ca = ca", NULL);
    free(put_file(*state, "ca", "", 0666));
    with_files(state, "ca = ca", "is writable by group or others");
    free(put_file(*state, "key", "", 0640));
    with_files(state, "cert = ca key = key", "key: /");
    free(password);
}

static void encryption_with_tls(const char *directory)
{
    assert_int_equal(read_conf(directory, "endpoints = {\"192.0.2.1:6379\"}\n"), 1);
    assert_string_equal(messages,
                        "1: 192.0.2.1 is beyond loopback: set tls = true and ca, or tls = "
                        "false to send the password and all users' names unencrypted");
    assert_int_equal(read_conf(directory, "endpoints = {\"192.0.2.1:6379\"} tls = false\n"), 0);
    assert_true(conf.plain);
    assert_int_equal(read_conf(directory, "endpoints = {\"127.0.0.1:6379\"}\ntls = true\n"), 1);
    assert_string_equal(messages, "2: tls = true requires ca: the CA that has signed the store's "
                                  "certificate");
    free(put_file(directory, "ca", "", 0644));
    assert_int_equal(read_conf(directory, "endpoints = {\"192.0.2.1:6379\"}\ntls = true ca = ca\n"),
                     0);
    assert_true(conf.tls);
}

static void encryption(void **state)
{
    static const char beyond[] =
        "1: 192.0.2.1 is beyond loopback, and this build has no TLS: use a Unix socket or an "
        "address of 127.0.0.0/8, for example of stunnel";

    if (fleet_conf_has_tls()) {
        encryption_with_tls(*state);
        return;
    }
    assert_int_equal(read_conf(*state, "endpoints = {\"192.0.2.1:6379\"}\n"), 1);
    assert_string_equal(messages, beyond);
    assert_int_equal(read_conf(*state, "endpoints = {\"192.0.2.1:6379\"} tls = false\n"), 1);
    assert_string_equal(messages, beyond);
    assert_int_equal(read_conf(*state, "endpoints = {\"127.0.0.1:6379\"}\ntls = true\n"), 1);
    assert_string_equal(messages,
                        "2: tls = true is not possible: this build has no TLS, so the store must "
                        "be a Unix socket or on loopback, for example behind stunnel");
}

/* A host may have any name, and none: the store takes only some characters. */
static void host_names(void **state)
{
    static const struct {
        const char *id, *nodename, *expected;
    } names[] = {
        {"", "bastion1.example", "bastion1.example"},
        {"b_1", "other", "b_1"},
        {"", "(none)", "-none-"},
        {"", "a b:c{d}\n\303\244", "a-b-c-d----"},
        {"", "", "-"},
    };
    char host[FLEET_HOST_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(conf.host_id, sizeof conf.host_id, "%s", names[i].id);
        fleet_host_name(&conf, names[i].nodename, host);
        assert_string_equal(host, names[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(reads_everything),
        WITH_DIRECTORY(reads_any_text),
        WITH_DIRECTORY(has_defaults),
        WITH_DIRECTORY(holds_long_enough),
        WITH_DIRECTORY(absent),
        WITH_DIRECTORY(insecure),
        WITH_DIRECTORY(draft),
        WITH_DIRECTORY(errors),
        WITH_DIRECTORY(encryption),
        WITH_DIRECTORY(files),
        cmocka_unit_test(host_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
