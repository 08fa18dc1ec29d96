/* The entry points that libpam calls, and nothing else. */

#include "module_args.h"
#include "session.h"

#include <security/pam_modules.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    struct module_args args;

    (void)flags;
    if (module_args_parse(pamh, argc, argv, &args) != 0)
        return PAM_SESSION_ERR;
    return session_open(pamh, &args);
}

EXPORTED int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_SUCCESS;
}
