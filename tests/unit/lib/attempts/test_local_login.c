/* What counts as an attempt at this machine: only what strangers cannot reach. */
#include "tests/unit/check.h"

#include "lib/attempts/local_login.h"

#include <string.h>

enum { ROOT = 0, WEB_SERVER = 33, LAST_SYSTEM = 999, FIRST_USER = 1000, NOBODY = 65534 };

static struct login_evidence evidence(const char *service)
{
    return (struct login_evidence){
        .service = service, .address = "", .terminal = "", .display = "", .seat = ""};
}

static bool is_local(struct login_evidence given)
{
    return login_is_local(&given);
}

static bool on_terminal(const char *service, const char *terminal)
{
    struct login_evidence given = evidence(service);

    given.terminal = terminal;
    return is_local(given);
}

static bool by(uid_t caller, const char *service, const char *address)
{
    struct login_evidence given = evidence(service);

    given.caller = caller;
    given.address = address;
    return is_local(given);
}

/* Services that strangers use, whatever they say of a terminal. */
static void network_services(void **state)
{
    static const char *const services[] = {"sshd",        "cockpit", "vsftpd", "dovecot", "imap",
                                           "xrdp-sesman", "rstudio", "smtp",   "remote",  "samba",
                                           "other",       "unheard", ""};
    static const char *const terminals[] = {"", "ftp", "dovecot", "tty1", "/dev/tty1", ":0"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(services); i++)
        for (size_t j = 0; j < COUNT_OF(terminals); j++)
            if (on_terminal(services[i], terminals[j]))
                fail_msg("%s on \"%s\" is local", services[i], terminals[j]);
}

/* With or without a terminal, as in a pipe or behind polkit. */
static void personal_services(void **state)
{
    static const char *const services[] = {"su",     "su-l", "sudo",    "sudo-i",       "polkit-1",
                                           "passwd", "chsh", "doas",    "xscreensaver", "vlock",
                                           "i3lock", "kde",  "swaylock"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(services); i++) {
        assert_int_equal(service_kind_of(services[i]), SERVICE_PERSONAL);
        assert_true(by(ROOT, services[i], ""));
        assert_true(by(FIRST_USER, services[i], ""));
        assert_true(on_terminal(services[i], "pts/1"));
        assert_false(by(ROOT, services[i], "192.0.2.1"));
        assert_false(by(WEB_SERVER, services[i], "host"));
    }
}

/* JupyterHub and web terminals call themselves login, too. */
static void consoles_need_a_real_terminal(void **state)
{
    static const char *const services[] = {"login", "gdm-password", "lightdm", "lxdm", "xdm"};
    static const char *const real[] = {"tty1",         "/dev/tty63", "ttyS0", "/dev/ttyUSB0",
                                       "ttyAMA0",      "console",    "hvc0",  "tty0",
                                       "/dev/console", "lxc/tty1"};
    static const char *const others[] = {"",      "pts/0", "/dev/pts/12", "ssh",   "ttyp0",
                                         "ttyze", "tty",   "/dev/tty",    "web",   "ptmx",
                                         "/dev/", "Tty1",  "../tty1",     "xtty1", "/tmp/tty1"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(services); i++) {
        assert_int_equal(service_kind_of(services[i]), SERVICE_CONSOLE);
        for (size_t j = 0; j < COUNT_OF(real); j++)
            if (!on_terminal(services[i], real[j]))
                fail_msg("%s on \"%s\" is not local", services[i], real[j]);
        for (size_t j = 0; j < COUNT_OF(others); j++)
            if (on_terminal(services[i], others[j]))
                fail_msg("%s on \"%s\" is local", services[i], others[j]);
    }
}

static bool on_display(const char *display)
{
    struct login_evidence given = evidence("lightdm");

    given.display = display;
    return is_local(given) && on_terminal("lightdm", display);
}

static void displays_and_seats(void **state)
{
    struct login_evidence given = evidence("gdm-password");

    (void)state;
    assert_true(on_display(":0"));
    assert_true(on_display(":1.0"));
    assert_false(on_display(""));
    assert_false(on_display(":"));
    assert_false(on_display("host:0"));
    assert_false(on_display("localhost:10.0"));
    assert_false(on_display(":0x"));
    given.seat = "seat0";
    assert_true(is_local(given));
    given.address = "terminal.example.org"; /* XDMCP */
    assert_false(is_local(given));
    given = evidence("web");
    given.seat = "seat0";
    given.display = ":0";
    assert_false(is_local(given));
}

/* At their prompt they tell PAM neither terminal nor display nor seat. */
static void seats_only(void **state)
{
    static const char *const services[] = {"sddm",   "greetd",         "plasmalogin", "ly",
                                           "emptty", "cosmic-greeter", "lemurs"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(services); i++) {
        assert_int_equal(service_kind_of(services[i]), SERVICE_SEAT);
        assert_true(by(ROOT, services[i], ""));
        assert_true(on_terminal(services[i], "tty7"));
        assert_false(by(ROOT, services[i], "192.0.2.1"));
    }
}

/* A set-uid helper acts for whoever has started it. */
static void callers(void **state)
{
    (void)state;
    assert_true(by(FIRST_USER, "web", "192.0.2.1"));
    assert_true(by(FIRST_USER, "sshd", ""));
    assert_true(by(60001, "web", ""));
    assert_true(by(1234567, "web", ""));
    for (uid_t caller = ROOT; caller <= LAST_SYSTEM; caller++)
        assert_false(by(caller, "web", "192.0.2.1") || by(caller, "web", ""));
    assert_false(by(61184, "web", "")); /* of systemd's DynamicUser= */
    assert_false(by(65519, "web", ""));
    assert_false(by(NOBODY, "web", ""));
    assert_false(by(65535, "web", ""));
}

/* A web application that runs su for strangers, on a pseudo-terminal or not, is in no login;
 * who has become a service's account in their login is. */
static void system_accounts(void **state)
{
    static const uid_t accounts[] = {1, WEB_SERVER, LAST_SYSTEM, 61184, 65519, NOBODY, 65535};
    static const char *const services[] = {"su",    "sudo", "polkit-1", "passwd",  "doas",
                                           "vlock", "sddm", "login",    "lightdm", "schroot"};
    static const uid_t others[] = {ROOT, FIRST_USER, 60001, 65536};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(accounts); i++) {
        assert_true(is_system_account(accounts[i]));
        for (size_t j = 0; j < COUNT_OF(services); j++) {
            struct login_evidence given = evidence(services[j]);
            given.caller = accounts[i];
            given.terminal = "pts/1";
            assert_false(is_local(given));
            given.terminal = "tty1";
            assert_false(is_local(given));
            given.is_in_login = true;
            assert_true(is_local(given));
            given.address = "192.0.2.1";
            assert_false(is_local(given));
        }
        struct login_evidence unknown = evidence("web");
        unknown.caller = accounts[i];
        unknown.is_in_login = true;
        assert_false(is_local(unknown));
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_false(is_system_account(others[i]));
        assert_true(by(others[i], "su", ""));
    }
}

static void kinds(void **state)
{
    (void)state;
    assert_int_equal(service_kind_of("sshd"), SERVICE_NETWORK);
    assert_int_equal(service_kind_of("unheard"), SERVICE_UNKNOWN);
    assert_int_equal(service_kind_of(""), SERVICE_UNKNOWN);
    assert_int_equal(service_kind_of("SU"), SERVICE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_services),
        cmocka_unit_test(personal_services),
        cmocka_unit_test(consoles_need_a_real_terminal),
        cmocka_unit_test(displays_and_seats),
        cmocka_unit_test(seats_only),
        cmocka_unit_test(callers),
        cmocka_unit_test(system_accounts),
        cmocka_unit_test(kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
