/* Where a login comes from, according to what the application set in PAM. */
#include "tests/unit/check.h"
#include "tests/unit/pam_module/pam_stub.h"
#include "tests/unit/temporary.h"

#include "lib/sessions/registry.h"
#include "pam_module/login_origin.h"

#include <string.h>

/* Who has started the program: root, unless a test says otherwise. */
static uid_t caller;

/* The state directory, with the registry of logins beside it: there is none in this test. */
static const char *state_dir = "/nowhere";

static int call_as_root(void **state)
{
    (void)state;
    caller = 0;
    return 0;
}

static struct login_origin find_with(enum origin_choice origin, struct pam_handle handle)
{
    const struct module_args args = {.state_dir = state_dir,
                                     .origin = origin,
                                     .caller = {.real = caller, .effective = geteuid()}};
    struct login_origin login;

    memset(&login, 0xa5, sizeof login);
    login_origin_find(&handle, &args, &login);
    return login;
}

#define FIND(...) find_with(ORIGIN_BY_EVIDENCE, (struct pam_handle){__VA_ARGS__})

/* What sshd sets. */
static struct login_origin find(const char *connection, const char *host, const char *tty)
{
    return FIND(.service = "sshd", .tty = tty, .remote_host = host, .ssh_connection = connection);
}

static void assert_login(struct login_origin login, enum origin_kind kind, const char *address)
{
    assert_int_equal(login.origin.kind, kind);
    assert_string_equal(login.address, address);
}

static void uses_the_ssh_connection(void **state)
{
    (void)state;
    assert_login(find("192.0.2.7 51234 192.0.2.1 22", "x", "ssh"), ORIGIN_IPV4, "192.0.2.7");
    assert_login(find("192.0.2.7", NULL, NULL), ORIGIN_IPV4, "192.0.2.7");
    assert_login(find("2001:db8::7 1 2001:db8::1 22", NULL, NULL), ORIGIN_IPV6, "2001:db8::7");
    assert_login(find("fe80::1%eth0 1 fe80::2 22", NULL, NULL), ORIGIN_IPV6, "fe80::1%eth0");
    assert_login(find("::ffff:192.0.2.7 1 ::1 22", NULL, NULL), ORIGIN_IPV4, "::ffff:192.0.2.7");
    /* what sshd sets behind a proxy command */
    assert_login(find("UNKNOWN 65535 UNKNOWN 65535", NULL, "ssh"), ORIGIN_NETWORK, "UNKNOWN");
    assert_login(find("", NULL, "ssh"), ORIGIN_NETWORK, "unknown");
    assert_login(find(NULL, NULL, "ssh"), ORIGIN_NETWORK, "unknown");
}

/* The owner of a host name chose it: attempts are never counted by a name, even
 * if it looks like an address. */
static void does_not_count_by_host_name(void **state)
{
    (void)state;
    assert_login(find(NULL, "host.example.org", "pts/1"), ORIGIN_NETWORK, "host.example.org");
    assert_login(find(NULL, "192.0.2.7", NULL), ORIGIN_NETWORK, "192.0.2.7");
    assert_login(find(NULL, "a b", NULL), ORIGIN_NETWORK, "a");
    assert_login(find(NULL, " b", NULL), ORIGIN_NETWORK, "unknown");
    /* a name must not make it look local either */
    assert_login(find(NULL, "local", NULL), ORIGIN_NETWORK, "unknown");
    assert_login(find(NULL, "local b", NULL), ORIGIN_NETWORK, "unknown");
    assert_login(FIND(.service = "login", .tty = "tty1", .remote_host = " "), ORIGIN_NETWORK,
                 "unknown");
    assert_login(find(NULL, "a\nuser=root", NULL), ORIGIN_NETWORK, "a?user?root");
    /* a connection takes precedence */
    assert_login(find("192.0.2.7 1", "other.example.org", NULL), ORIGIN_IPV4, "192.0.2.7");
}

/* A daemon of root's that says nothing of the remote side. */
static void local_needs_evidence(void **state)
{
    (void)state;
    assert_login(FIND(.service = "login", .remote_host = "", .tty = "/dev/tty1"), ORIGIN_LOCAL,
                 "local");
    assert_login(FIND(.service = "login", .tty = "pts/3"), ORIGIN_NETWORK, "unknown");
    assert_login(FIND(.service = "login"), ORIGIN_NETWORK, "unknown");
    assert_login(FIND(.service = "imap"), ORIGIN_NETWORK, "unknown");
    assert_login(FIND(.tty = "tty1"), ORIGIN_NETWORK, "unknown");
    assert_login(FIND(.service = "gdm-password", .seat = "seat0"), ORIGIN_LOCAL, "local");
    assert_login(FIND(.service = "lightdm", .display = ":0"), ORIGIN_LOCAL, "local");
    assert_login(FIND(.service = "su"), ORIGIN_LOCAL, "local");
    assert_login(FIND(.service = "su", .tty = "ssh"), ORIGIN_NETWORK, "unknown");
    assert_login(FIND(.service = "su", .remote_host = "192.0.2.7"), ORIGIN_NETWORK, "192.0.2.7");
}

static void the_pam_line_decides(void **state)
{
    const struct pam_handle web = {.service = "web", .remote_host = "192.0.2.7"};

    (void)state;
    assert_login(find_with(ORIGIN_SAID_LOCAL, web), ORIGIN_LOCAL, "local");
    assert_login(find_with(ORIGIN_SAID_NETWORK, web), ORIGIN_NETWORK, "192.0.2.7");
    assert_login(find_with(ORIGIN_SAID_NETWORK, (struct pam_handle){.service = "su"}),
                 ORIGIN_NETWORK, "unknown");
    assert_login(find_with(ORIGIN_SAID_NETWORK,
                           (struct pam_handle){.service = "sshd", .ssh_connection = "192.0.2.7 1"}),
                 ORIGIN_IPV4, "192.0.2.7");
}

static void truncates_long_texts(void **state)
{
    char text[500], expected[64];

    (void)state;
    memset(text, '1', sizeof text);
    text[sizeof text - 1] = '\0';
    memset(expected, '1', sizeof expected);
    expected[sizeof expected - 1] = '\0';
    assert_login(find(text, NULL, NULL), ORIGIN_NETWORK, expected);
    assert_login(find(NULL, text, NULL), ORIGIN_NETWORK, expected);
}

enum { SYSTEM_ACCOUNT = 33, ORDINARY_USER = 1000, NOBODY = 65534 };

/* su and sudo: the user controls the PAM environment, so it is ignored. */
static void setuid_programs_of_users_are_local(void **state)
{
    const struct pam_handle helper = {.service = "web", .remote_host = "192.0.2.7"};

    (void)state;
    caller = ORDINARY_USER;
    assert_login(find("192.0.2.7 1", "x", "ssh"), ORIGIN_LOCAL, "local");
    assert_login(find_with(ORIGIN_BY_EVIDENCE, helper), ORIGIN_LOCAL, "local");
    /* what the user says of an address is not believed even then */
    assert_login(find_with(ORIGIN_SAID_NETWORK, (struct pam_handle){.ssh_connection = "192.0.2.7"}),
                 ORIGIN_NETWORK, "unknown");
}

/* A web server's helper, for example. */
static void setuid_programs_of_services_are_not(void **state)
{
    static const uid_t accounts[] = {SYSTEM_ACCOUNT, NOBODY};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(accounts); i++) {
        caller = accounts[i];
        assert_login(FIND(.service = "web", .remote_host = "192.0.2.7"), ORIGIN_NETWORK,
                     "192.0.2.7");
        assert_login(FIND(.service = "web"), ORIGIN_NETWORK, "unknown");
        assert_login(FIND(.service = "web", .ssh_connection = "192.0.2.7"), ORIGIN_NETWORK,
                     "unknown");
        assert_login(FIND(.service = "su"), ORIGIN_NETWORK, "unknown");
        assert_login(FIND(.service = "su", .tty = "pts/1"), ORIGIN_NETWORK, "unknown");
    }
}

/* An administrator who has become postgres, for example. */
static void service_accounts_in_a_login(void **state)
{
    struct session_record login = {.audit_session = NO_AUDIT_SESSION, .uid = NO_UID};
    struct process self;
    struct failure failure = {""};
    char sessions[4096];
    char *const directory = path_in(*state, "state");

    caller = SYSTEM_ACCOUNT;
    state_dir = directory;
    assert_true(registry_directory(directory, sessions, sizeof sessions));
    assert_int_equal(process_read(0, &self), 0);
    login.pid = self.pid;
    login.start_ticks = self.start_ticks;
    assert_int_equal(clock_now(&login.since, &failure), 0);
    assert_int_equal(registry_put(sessions, geteuid(), &login, &failure), 0);
    assert_login(FIND(.service = "su"), ORIGIN_LOCAL, "local");
    assert_login(FIND(.service = "web"), ORIGIN_NETWORK, "unknown");
    assert_login(FIND(.service = "su", .remote_host = "192.0.2.7"), ORIGIN_NETWORK, "192.0.2.7");
    login.start_ticks++; /* of another process, which had the same pid */
    assert_int_equal(registry_put(sessions, geteuid(), &login, &failure), 0);
    assert_login(FIND(.service = "su"), ORIGIN_NETWORK, "unknown");
    state_dir = "/nowhere";
    free(directory);
}

static void recognizes_ssh(void **state)
{
    struct pam_handle handle = {0};

    (void)state;
    assert_false(login_is_ssh(&handle));
    handle.tty = "sshd";
    assert_false(login_is_ssh(&handle));
    handle.tty = "ssh";
    assert_true(login_is_ssh(&handle));
    handle = (struct pam_handle){.ssh_connection = ""};
    assert_true(login_is_ssh(&handle));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(uses_the_ssh_connection, call_as_root),
        cmocka_unit_test_setup(does_not_count_by_host_name, call_as_root),
        cmocka_unit_test_setup(local_needs_evidence, call_as_root),
        cmocka_unit_test_setup(the_pam_line_decides, call_as_root),
        cmocka_unit_test_setup(truncates_long_texts, call_as_root),
        cmocka_unit_test_setup(recognizes_ssh, call_as_root),
        cmocka_unit_test_setup(setuid_programs_of_users_are_local, call_as_root),
        cmocka_unit_test_setup(setuid_programs_of_services_are_not, call_as_root),
        WITH_DIRECTORY(service_accounts_in_a_login),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
