#include "pam_module/limited_user.h"

#include "pam_module/known_users.h"
#include "pam_module/user_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <security/pam_ext.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

/* More than any decision needs. */
enum { AMPLE_DESCRIPTORS = 32, AMPLE_BYTES = 64 * 1024 * 1024 };

/* May prompt for the name, and get no answer. */
static int get_user(pam_handle_t *pamh, const char **name)
{
    const int result = pam_get_user(pamh, name, NULL);

    return result == PAM_CONV_AGAIN ? PAM_INCOMPLETE : result;
}

static bool has_descriptors(void)
{
    int fd[AMPLE_DESCRIPTORS], count = 0;

    while (count < AMPLE_DESCRIPTORS &&
           (fd[count] = openat(AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0)) >= 0)
        count++;
    const int error = errno;
    for (int i = 0; i < count; i++)
        close(fd[i]);
    errno = error;
    return count == AMPLE_DESCRIPTORS;
}

static bool has_memory(void)
{
    void *const mapped = mmap(NULL, AMPLE_BYTES, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return mapped != MAP_FAILED && munmap(mapped, AMPLE_BYTES) == 0;
}

/*
 * Whoever starts a set-uid program sets its limits, and so could make us fail at
 * will: to guess root's password in su, for example, without being counted.
 */
static bool may_be_callers_doing(pam_handle_t *pamh, uid_t real)
{
    if (real == 0 || (has_descriptors() && has_memory()))
        return false;
    pam_syslog(pamh, LOG_ERR,
               "rejecting password: %s: the limits of uid %u may have caused the error; raise "
               "them (ulimit -n, -v, -d) and try again; see tmout-recovery(7)",
               strerror(errno), (unsigned)real);
    return true;
}

static bool can_fix_it(pam_handle_t *pamh, const char *name)
{
    const uid_t real = caller_now().real;

    if (may_be_callers_doing(pamh, real))
        return false;
    struct known_user *user = known_user(pamh, name);
    const enum account_status status = user != NULL ? known_user_look_up(user) : ACCOUNT_ERROR;

    if (status == ACCOUNT_FOUND)
        return user->account.uid == 0 || (real != 0 && user->account.uid == real);
    return status == ACCOUNT_ERROR && strcmp(name, "root") == 0;
}

int undecided(pam_handle_t *pamh)
{
    const char *name = NULL;
    const int result = get_user(pamh, &name);

    if (result != PAM_SUCCESS)
        return result;
    return can_fix_it(pamh, name) ? PAM_IGNORE : PAM_SERVICE_ERR;
}

/* A screen locker, for example, runs as its user and cannot read root's state. Exim and
 * Apache check other users' passwords in processes that are not root's. */
static int without_root(pam_handle_t *pamh, const char *name, const struct module_args *args)
{
    struct known_user *user = known_user(pamh, name);
    char safe_name[LOG_NAME_MAX];

    log_name(name, safe_name, sizeof safe_name);
    if (user != NULL && known_user_look_up(user) == ACCOUNT_FOUND &&
        user->account.uid == args->caller.effective) {
        if (args->debug)
            pam_syslog(pamh, LOG_DEBUG, "not running as root: not counting attempts user=%s",
                       safe_name);
        return PAM_IGNORE;
    }
    pam_syslog(pamh, LOG_ERR,
               "rejecting password: the program runs as uid %u, and only root can count other "
               "users' attempts: let it use a helper that runs as root, such as saslauthd; see "
               "tmout-recovery(7) user=%s",
               (unsigned)args->caller.effective, safe_name);
    return PAM_AUTHINFO_UNAVAIL;
}

int limited_user_find(pam_handle_t *pamh, const struct module_args *args,
                      enum attempt_purpose purpose, struct attempt_request *request)
{
    struct user_settings user;
    const char *name = NULL;
    const int result = get_user(pamh, &name);

    if (result != PAM_SUCCESS)
        return result;
    if (args->caller.effective != 0)
        return without_root(pamh, name, args);
    switch (user_settings_find(pamh, args, FOR_ATTEMPTS, &user)) {
    case USER_SETTINGS_FOUND:
        break;
    case USER_SETTINGS_UNKNOWN_USER:
        return PAM_IGNORE; /* no state for unknown users; the next module rejects them */
    case USER_SETTINGS_FAILED:
    default:
        return undecided(pamh);
    }
    *request = (struct attempt_request){
        .purpose = purpose, .user = user.account->name, .uid = user.account->uid};
    if (!attempt_limits_find(&user.resolution, request->uid, &request->limits))
        return PAM_IGNORE;
    fleet_limits_find(&user.resolution, &request->fleet);
    log_name(request->user, request->log_name, sizeof request->log_name);
    login_origin_find(pamh, args, &request->login);
    return PAM_SUCCESS;
}
