#include "lib/attempts/local_login.h"

#include <stddef.h>
#include <string.h>

enum {
    SYSTEM_UID_MAX = 999,
    /* systemd's DynamicUser= ... nobody, and the 16-bit -1. */
    DYNAMIC_UID_MIN = 61184,
    DYNAMIC_UID_MAX = 65535
};

static const char *const personal_services[] = {
    "su", "su-l", "sudo", "sudo-i", "runuser", "runuser-l", "doas", "polkit-1", "schroot", "passwd",
    "chsh", "chfn", "config-util", "userhelper",
    /* only for root, or without a password */
    "cron", "crond", "atd", "systemd-user", "chpasswd", "newusers", "useradd", "userdel", "usermod",
    "groupadd", "groupdel", "groupmod", "groupmems", "chgpasswd",
    /* screen lockers */
    "screen", "vlock", "physlock", "xlock", "xscreensaver", "xsecurelock", "i3lock", "swaylock",
    "gtklock", "waylock", "hyprlock", "light-locker", "kcheckpass", "kde", "kde-fingerprint",
    "kde-smartcard", "kscreensaver", "gnome-screensaver", "mate-screensaver",
    "cinnamon-screensaver", "xfce4-screensaver", "ukui-screensaver", "dde-lock", NULL};

static const char *const console_services[] = {"login",
                                               "gdm",
                                               "gdm-password",
                                               "gdm-fingerprint",
                                               "gdm-smartcard",
                                               "gdm-pin",
                                               "gdm-autologin",
                                               "gdm-launch-environment",
                                               "gdm3",
                                               "lightdm",
                                               "lightdm-greeter",
                                               "lightdm-autologin",
                                               "lxdm",
                                               "xdm",
                                               "kdm",
                                               "wdm",
                                               "slim",
                                               NULL};

/* They know no remote displays, and most of them name their terminal only when the
 * session is opened: sddm 0.21, greetd 0.10, lemurs 0.4. */
static const char *const seat_services[] = {"sddm",        "sddm-greeter",   "sddm-autologin",
                                            "greetd",      "greetd-greeter", "cosmic-greeter",
                                            "plasmalogin", "nodm",           "ly",
                                            "emptty",      "lemurs",         NULL};

static const char *const network_services[] = {"sshd",
                                               "dropbear",
                                               "remote",
                                               "rlogin",
                                               "rsh",
                                               "rexec",
                                               "telnet",
                                               "cockpit",
                                               "xrdp-sesman",
                                               "xrdp",
                                               "gnome-remote-desktop",
                                               "vncserver",
                                               "tigervnc",
                                               "x11vnc",
                                               "nx",
                                               "nxserver",
                                               "guacd",
                                               "shellinabox",
                                               "rstudio",
                                               "jupyterhub",
                                               "webmin",
                                               "usermin",
                                               "pwauth",
                                               "httpd",
                                               "apache2",
                                               "nginx",
                                               "php",
                                               "squid",
                                               "sogo",
                                               "ftp",
                                               "vsftpd",
                                               "proftpd",
                                               "pure-ftpd",
                                               "smtp",
                                               "smtpd",
                                               "submission",
                                               "imap",
                                               "imap4",
                                               "pop",
                                               "pop3",
                                               "sieve",
                                               "dovecot",
                                               "mail",
                                               "courier",
                                               "exim",
                                               "exim4",
                                               "xmpp",
                                               "ejabberd",
                                               "prosody",
                                               "ldap",
                                               "slapd",
                                               "mysql",
                                               "mariadb",
                                               "postgresql",
                                               "samba",
                                               "netatalk",
                                               "cups",
                                               "openvpn",
                                               "ocserv",
                                               "ppp",
                                               "radiusd",
                                               "freeradius",
                                               "uucp",
                                               "vmware-authd",
                                               NULL};

static bool is_among(const char *service, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(service, *names) == 0)
            return true;
    return false;
}

enum service_kind service_kind_of(const char *service)
{
    return is_among(service, personal_services)  ? SERVICE_PERSONAL
           : is_among(service, console_services) ? SERVICE_CONSOLE
           : is_among(service, seat_services)    ? SERVICE_SEAT
           : is_among(service, network_services) ? SERVICE_NETWORK
                                                 : SERVICE_UNKNOWN;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* ttyp0 and its like, from before /dev/pts. */
static bool is_old_pseudo_terminal(const char *name)
{
    return strlen(name) == 5 && starts_with(name, "tty") &&
           strchr("pqrstuvwxyzabcde", name[3]) != NULL &&
           strchr("0123456789abcdef", name[4]) != NULL;
}

/* Of this machine, not of a program: a pseudo-terminal may be anybody's. By name,
 * for containers have pseudo-terminals called console and tty1. */
static bool is_real_terminal(const char *terminal)
{
    static const char *const names[] = {"tty",       "console", "hvc",  "xvc", "vport",
                                        "sclp_line", "3270/",   "lxc/", NULL};
    const char *name = starts_with(terminal, "/dev/") ? terminal + 5 : terminal;

    if (strcmp(name, "tty") == 0 || is_old_pseudo_terminal(name))
        return false;
    for (size_t i = 0; names[i] != NULL; i++)
        if (starts_with(name, names[i]))
            return true;
    return false;
}

/* ":0", and not "host:0" or "localhost:10.0", which SSH forwards. */
static bool is_local_display(const char *display)
{
    return display[0] == ':' && display[1] != '\0' &&
           display[1 + strspn(display + 1, "0123456789.")] == '\0';
}

bool is_system_account(uid_t uid)
{
    return uid != 0 &&
           (uid <= SYSTEM_UID_MAX || (uid >= DYNAMIC_UID_MIN && uid <= DYNAMIC_UID_MAX));
}

bool login_is_local(const struct login_evidence *evidence)
{
    if (evidence->caller != 0 && !is_system_account(evidence->caller))
        return true;
    if (evidence->address[0] != '\0')
        return false;
    if (evidence->caller != 0 && !evidence->is_in_login)
        return false;
    switch (service_kind_of(evidence->service)) {
    case SERVICE_PERSONAL:
    case SERVICE_SEAT:
        return true;
    case SERVICE_CONSOLE:
        return is_real_terminal(evidence->terminal) || is_local_display(evidence->terminal) ||
               is_local_display(evidence->display) || evidence->seat[0] != '\0';
    case SERVICE_UNKNOWN:
    case SERVICE_NETWORK:
    default:
        return false;
    }
}
