#include "tests/module/pam_stub.h"

#include <security/pam_appl.h>
#include <security/pam_modules.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

/* The number behind name, as auth=7, or 0. */
static int number(int argc, const char **argv, const char *name)
{
    const size_t length = strlen(name);

    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], name, length) == 0)
            return atoi(argv[i] + length);
    return PAM_SUCCESS;
}

static int called(pam_handle_t *pamh, int argc, const char **argv, const char *name)
{
    const struct pam_conv *conversation = NULL;

    if (pam_get_item(pamh, PAM_CONV, (const void **)&conversation) != PAM_SUCCESS)
        abort();
    struct stub_calls *calls = conversation->appdata_ptr;
    if (calls->count < STUB_CALLS_MAX)
        calls->id[calls->count++] = number(argc, argv, "id=");
    return number(argc, argv, name);
}

EXPORTED int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    return called(pamh, argc, argv, "auth=");
}

EXPORTED int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    return called(pamh, argc, argv, "cred=");
}

EXPORTED int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    return called(pamh, argc, argv, "auth=");
}

EXPORTED int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    return called(pamh, argc, argv, "auth=");
}

EXPORTED int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    return called(pamh, argc, argv, "cred=");
}
