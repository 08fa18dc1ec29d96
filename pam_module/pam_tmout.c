/* The entry points that libpam calls, and nothing else. */

#include "lib/policy/module_args.h"
#include "pam_module/auth.h"
#include "pam_module/limited_user.h"
#include "pam_module/password.h"
#include "pam_module/session.h"

#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stddef.h>
#include <syslog.h>

#define EXPORTED __attribute__((visibility("default")))

static bool parse_args(pam_handle_t *pamh, int argc, const char **argv, const char *phase,
                       struct module_args *args)
{
    struct failure failure = {""};
    const int valid = module_args_parse(argc, argv, args, &failure);

    args->phase = phase;
    args->caller = caller_now();
    if (valid < argc)
        pam_syslog(pamh, LOG_ERR,
                   "invalid argument on the PAM line: %s; run \"tmoutctl audit --check "
                   "pam-arguments\" argument=\"%s\"",
                   failure.text, argv[valid]);
    return valid == argc;
}

EXPORTED int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    struct module_args args;

    if (!parse_args(pamh, argc, argv, "auth", &args))
        return undecided(pamh);
    return authenticate(pamh, flags, &args);
}

EXPORTED int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    struct module_args args;

    if (parse_args(pamh, argc, argv, "chauthtok", &args))
        return change_password(pamh, flags, &args);
    return change_is_no_attempt(pamh, flags) ? PAM_IGNORE : undecided(pamh);
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
    if (parse_args(pamh, argc, argv, "session", &args))
        return session_open(pamh, &args);
    pam_putenv(pamh, "PAM_TMOUT="); /* as session_open() does when it fails */
    return PAM_SESSION_ERR;
}

EXPORTED int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    struct failure failure = {""}; /* open_session has logged it */
    struct module_args args;

    (void)flags;
    if (module_args_parse(argc, argv, &args, &failure) < argc)
        return PAM_SESSION_ERR;
    args.caller = caller_now();
    session_close(pamh, &args);
    return PAM_SUCCESS;
}
