#include "tests/bench/remote_login.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int is_question(const struct pam_message *message)
{
    return message->msg_style == PAM_PROMPT_ECHO_OFF || message->msg_style == PAM_PROMPT_ECHO_ON;
}

static int give_password(int count, const struct pam_message **message,
                         struct pam_response **response, void *data)
{
    const struct remote_login *login = data;
    struct pam_response *answer;

    if (login->password == NULL)
        return PAM_CONV_ERR;
    answer = calloc((size_t)count, sizeof *answer);
    if (answer == NULL)
        return PAM_BUF_ERR;
    for (int i = 0; i < count; i++)
        if (is_question(message[i]))
            answer[i].resp = strdup(login->password);
    *response = answer; /* libpam frees it */
    return PAM_SUCCESS;
}

static void no_delay(int status, unsigned delay_us, void *data)
{
    (void)status;
    (void)delay_us;
    (void)data;
}

int remote_login_start(const struct remote_login *login, pam_handle_t **pamh)
{
    const struct pam_conv conversation = {.conv = give_password, .appdata_ptr = (void *)login};
    const int status =
        pam_start_confdir(login->service, login->user, &conversation, login->confdir, pamh);

    if (status != PAM_SUCCESS)
        return status;
    pam_set_item(*pamh, PAM_TTY, "ssh");
    pam_set_item(*pamh, PAM_FAIL_DELAY, (const void *)no_delay);
    return pam_putenv(*pamh, "SSH_CONNECTION=192.0.2.1 40000 192.0.2.2 22");
}
