/* The entry points that libpam calls, and nothing else. */

#include "pam_module/auth.h"
#include "pam_module/module_args.h"
#include "pam_module/session.h"

#include <security/pam_modules.h>
#include <stddef.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    struct module_args args;

    if (module_args_parse(pamh, argc, argv, &args) != 0)
        return PAM_SERVICE_ERR;
    return authenticate(pamh, flags, &args);
}

/* libpam wants one beside every pam_sm_authenticate(). */
EXPORTED int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_IGNORE;
}

EXPORTED int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    struct module_args args;

    (void)flags;
    if (module_args_parse(pamh, argc, argv, &args) == 0)
        return session_open(pamh, &args);
    pam_putenv(pamh, "PAM_TMOUT="); /* as session_open() does where it fails */
    return PAM_SESSION_ERR;
}

EXPORTED int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    struct module_args args;

    (void)flags;
    if (module_args_parse(NULL, argc, argv, &args) != 0)
        return PAM_SESSION_ERR;
    session_close(pamh, &args);
    return PAM_SUCCESS;
}
