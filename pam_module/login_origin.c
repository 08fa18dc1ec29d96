#include "pam_module/login_origin.h"

#include "lib/attempts/local_login.h"
#include "lib/sessions/registry.h"
#include "pam_module/log_name.h"
#include "pam_module/pam_item.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * SSH_CONNECTION in the PAM environment tells. But a pam_env line with
 * user_readenv before ours lets users remove it; sshd also sets the terminal's
 * name to "ssh", which users cannot change.
 */
bool login_is_ssh(pam_handle_t *pamh)
{
    const char *tty = pam_item(pamh, PAM_TTY);

    return pam_getenv(pamh, "SSH_CONNECTION") != NULL || (tty != NULL && strcmp(tty, "ssh") == 0);
}

/* The first word of text. */
static void copy_word(char *to, size_t size, const char *text)
{
    log_name(text, to, size < strcspn(text, " ") + 1 ? size : strcspn(text, " ") + 1);
}

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* SSH_CONNECTION, "" where there is none. In a set-uid program it may be the
 * user's own. */
static const char *ssh_connection(pam_handle_t *pamh, const struct module_args *args)
{
    return args->caller.real == 0 ? text_or_empty(pam_getenv(pamh, "SSH_CONNECTION")) : "";
}

/* What the application says of the remote side, as it stands. */
static const char *remote_side(pam_handle_t *pamh, const char *connection)
{
    return connection[0] != '\0' ? connection : text_or_empty(pam_item(pamh, PAM_RHOST));
}

void login_address(pam_handle_t *pamh, const struct module_args *args, char *text, size_t size)
{
    copy_word(text, size, remote_side(pamh, ssh_connection(pamh, args)));
}

/*
 * Who asks for the password to be checked. As a service for a socket
 * (polkit-agent-helper.socket, polkit 127), polkit's helper is root's, for whoever has
 * connected.
 */
static uid_t asking_uid(const char *service, const struct caller *caller)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (caller->real == 0 && strcmp(service, "polkit-1") == 0 &&
        getsockopt(STDIN_FILENO, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
        size == sizeof peer && peer.pid > 0)
        return peer.uid;
    return caller->real;
}

/* Is this process? Where that cannot be told, it is not. */
static bool is_in_login(const struct module_args *args)
{
    char directory[PATH_MAX];
    struct session_record login;

    return registry_directory(args->state_dir, directory, sizeof directory) &&
           registry_find_own(directory, args->caller.effective, &login) > 0;
}

static bool is_local(pam_handle_t *pamh, const struct module_args *args, const char *remote)
{
    const char *address = remote[0] == '\0' && login_is_ssh(pamh) ? "unknown" : remote;
    struct login_evidence evidence = {.service = text_or_empty(pam_item(pamh, PAM_SERVICE)),
                                      .address = address,
                                      .terminal = text_or_empty(pam_item(pamh, PAM_TTY)),
                                      .display = text_or_empty(pam_item(pamh, PAM_XDISPLAY)),
                                      .seat = text_or_empty(pam_getenv(pamh, "XDG_SEAT"))};

    if (args->origin != ORIGIN_BY_EVIDENCE)
        return args->origin == ORIGIN_SAID_LOCAL;
    evidence.caller = asking_uid(evidence.service, &args->caller);
    if (evidence.caller == args->caller.real && is_system_account(evidence.caller))
        evidence.is_in_login = is_in_login(args);
    return login_is_local(&evidence);
}

/* The host of a remote display, such as 192.0.2.7:0. lightdm names it nowhere else. */
static void copy_display_host(pam_handle_t *pamh, char *to, size_t size)
{
    const char *display = text_or_empty(pam_item(pamh, PAM_XDISPLAY));
    const char *colon = strrchr(display, ':');
    const size_t length = colon != NULL ? (size_t)(colon - display) : 0;

    log_name(display, to, size < length + 1 ? size : length + 1);
}

void login_origin_find(pam_handle_t *pamh, const struct module_args *args,
                       struct login_origin *login)
{
    const char *connection = ssh_connection(pamh, args);
    const char *remote = remote_side(pamh, connection);

    *login = (struct login_origin){.origin = {.kind = ORIGIN_LOCAL}, .address = "local"};
    if (is_local(pamh, args, remote))
        return;
    copy_word(login->address, sizeof login->address, remote);
    if (login->address[0] == '\0')
        copy_display_host(pamh, login->address, sizeof login->address);
    /* PAM_RHOST may be a name, which the attacker's name server chose: nothing is
     * counted by it, and it must not look like a local attempt. */
    login->origin = connection[0] != '\0' ? origin_of_address(login->address)
                                          : (struct origin){.kind = ORIGIN_NETWORK};
    if (login->address[0] == '\0' || strcmp(login->address, "local") == 0)
        snprintf(login->address, sizeof login->address, "unknown");
}
