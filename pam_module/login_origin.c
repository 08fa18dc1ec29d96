#include "pam_module/login_origin.h"

#include "pam_module/log_name.h"
#include "pam_module/pam_item.h"

#include <stdio.h>
#include <string.h>
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

void login_origin_find(pam_handle_t *pamh, struct login_origin *login)
{
    const char *connection = pam_getenv(pamh, "SSH_CONNECTION");
    const char *host = pam_item(pamh, PAM_RHOST);

    *login = (struct login_origin){.origin = {.kind = ORIGIN_LOCAL}, .address = "local"};
    if (getuid() != 0)
        return;
    if (connection != NULL && connection[0] != '\0') {
        copy_word(login->address, sizeof login->address, connection);
        login->origin = origin_of_address(login->address);
    } else if (host != NULL && host[0] != '\0') {
        /* May be a name, which the attacker's name server chose. */
        copy_word(login->address, sizeof login->address, host);
        login->origin.kind = ORIGIN_NETWORK;
    } else if (login_is_ssh(pamh)) {
        snprintf(login->address, sizeof login->address, "unknown");
        login->origin.kind = ORIGIN_NETWORK;
    }
}
