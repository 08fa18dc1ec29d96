/* A fake PAM handle for functions that only query it: the test sets the items
 * and the environment. */
#ifndef TMOUT_TESTS_UNIT_PAM_MODULE_PAM_STUB_H
#define TMOUT_TESTS_UNIT_PAM_MODULE_PAM_STUB_H

#include <security/pam_modules.h>
#include <stddef.h>
#include <string.h>

struct pam_handle {
    const char *service, *tty, *remote_host, *display;
    const char *ssh_connection, *seat; /* in the PAM environment */
};

int pam_get_item(const pam_handle_t *pamh, int type, const void **value)
{
    *value = type == PAM_SERVICE    ? pamh->service
             : type == PAM_TTY      ? pamh->tty
             : type == PAM_RHOST    ? pamh->remote_host
             : type == PAM_XDISPLAY ? pamh->display
                                    : NULL;
    return PAM_SUCCESS;
}

const char *pam_getenv(pam_handle_t *pamh, const char *name)
{
    return strcmp(name, "SSH_CONNECTION") == 0 ? pamh->ssh_connection
           : strcmp(name, "XDG_SEAT") == 0     ? pamh->seat
                                               : NULL;
}

#endif
