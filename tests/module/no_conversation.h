/* The conversation of an application that cannot ask. */
#ifndef TMOUT_TESTS_MODULE_NO_CONVERSATION_H
#define TMOUT_TESTS_MODULE_NO_CONVERSATION_H

#include <security/pam_appl.h>

static inline int no_conversation(int count, const struct pam_message **message,
                                  struct pam_response **response, void *appdata)
{
    (void)count;
    (void)message;
    (void)response;
    (void)appdata;
    return PAM_CONV_ERR;
}

#endif
