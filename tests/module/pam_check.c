/*
 * A PAM module in the place of pam_unix: it asks for the password as that one
 * does, counts in shared memory whether a right or a wrong one arrived, and
 * does to the application what a module may do, as its arguments on the PAM
 * line say:
 *
 *   right=WORD counter=FILE   the right password, and the file of struct check_counts
 *   delay_ms=N  gate          how long a check takes, or that it waits for the gate
 *   user=NAME                 the password is right for this user only
 *   kill  fork=right|wrong    sends itself SIGKILL; forks a child that returns this
 *                             result before the parent returns its own
 *   incomplete                returns PAM_INCOMPLETE on the first call
 *   otp                       asks one more question after the password
 *   code=TEXT                 the same, with this hidden prompt
 *   again=TEXT  times=N       after a wrong password asks for another with this prompt,
 *                             N times (1) until it is right, and checks it
 *   vary                      ends each of these prompts with another letter
 *   forget                    clears PAM_AUTHTOK before it asks again
 *   keep                      does not put what is entered then into PAM_AUTHTOK
 *   weak                      rejects every new password
 *   fail_delay=US             calls pam_fail_delay()
 *   replace  wrap  hide       sets PAM_FAIL_DELAY to a function that does not call the
 *                             previous one, that calls it, or that restores it without
 *                             calling it
 */
#include "tests/module/pam_check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

typedef void delay_function(int status, unsigned delay_us, void *appdata);

struct arguments {
    const char *right, *counter, *user, *fork, *again, *code;
    long delay_ms, times;
    unsigned fail_delay_us;
    bool gate, kill, incomplete, otp, replace, wrap, hide, forget, vary, keep, weak;
};

static const char *value_of(const char *word, const char *name)
{
    const size_t length = strlen(name);

    return strncmp(word, name, length) == 0 ? word + length : NULL;
}

static struct arguments parse_arguments(int argc, const char **argv)
{
    struct arguments arguments = {.right = "right", .times = 1};
    const char *value;

    for (int i = 0; i < argc; i++) {
        if ((value = value_of(argv[i], "right=")) != NULL)
            arguments.right = value;
        else if ((value = value_of(argv[i], "counter=")) != NULL)
            arguments.counter = value;
        else if ((value = value_of(argv[i], "user=")) != NULL)
            arguments.user = value;
        else if ((value = value_of(argv[i], "fork=")) != NULL)
            arguments.fork = value;
        else if ((value = value_of(argv[i], "again=")) != NULL)
            arguments.again = value;
        else if ((value = value_of(argv[i], "code=")) != NULL)
            arguments.code = value;
        else if ((value = value_of(argv[i], "times=")) != NULL)
            arguments.times = strtol(value, NULL, 10);
        else if ((value = value_of(argv[i], "delay_ms=")) != NULL)
            arguments.delay_ms = strtol(value, NULL, 10);
        else if ((value = value_of(argv[i], "fail_delay=")) != NULL)
            arguments.fail_delay_us = (unsigned)strtoul(value, NULL, 10);
        arguments.gate = arguments.gate || strcmp(argv[i], "gate") == 0;
        arguments.kill = arguments.kill || strcmp(argv[i], "kill") == 0;
        arguments.incomplete = arguments.incomplete || strcmp(argv[i], "incomplete") == 0;
        arguments.otp = arguments.otp || strcmp(argv[i], "otp") == 0;
        arguments.replace = arguments.replace || strcmp(argv[i], "replace") == 0;
        arguments.wrap = arguments.wrap || strcmp(argv[i], "wrap") == 0;
        arguments.hide = arguments.hide || strcmp(argv[i], "hide") == 0;
        arguments.forget = arguments.forget || strcmp(argv[i], "forget") == 0;
        arguments.vary = arguments.vary || strcmp(argv[i], "vary") == 0;
        arguments.keep = arguments.keep || strcmp(argv[i], "keep") == 0;
        arguments.weak = arguments.weak || strcmp(argv[i], "weak") == 0;
    }
    return arguments;
}

/* --- PAM_FAIL_DELAY ---------------------------------------------------------- */

static __thread delay_function *previous;
static __thread pam_handle_t *handle_of_thread;

static void call_none(int status, unsigned delay_us, void *appdata)
{
    (void)status;
    (void)delay_us;
    (void)appdata;
}

static void call_previous(int status, unsigned delay_us, void *appdata)
{
    if (previous != NULL)
        previous(status, delay_us, appdata);
}

static void restore_previous(int status, unsigned delay_us, void *appdata)
{
    (void)status;
    (void)delay_us;
    (void)appdata;
    pam_set_item(handle_of_thread, PAM_FAIL_DELAY, (const void *)previous);
}

static void set_delay_function(pam_handle_t *pamh, const struct arguments *arguments)
{
    delay_function *function = arguments->replace ? call_none
                               : arguments->wrap  ? call_previous
                               : arguments->hide  ? restore_previous
                                                  : NULL;
    const void *item = NULL;

    if (function == NULL)
        return;
    pam_get_item(pamh, PAM_FAIL_DELAY, &item);
    previous = (delay_function *)item;
    handle_of_thread = pamh;
    pam_set_item(pamh, PAM_FAIL_DELAY, (const void *)function);
}

/* --- the check --------------------------------------------------------------- */

static struct check_counts *map_counts(const char *path)
{
    void *mapped = MAP_FAILED;

    if (path == NULL)
        return NULL;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        mapped = mmap(NULL, sizeof(struct check_counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    }
    return mapped != MAP_FAILED ? mapped : NULL;
}

static void sleep_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000L};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static void wait_for_check(struct check_counts *counts, const struct arguments *arguments)
{
    uint32_t inside = __atomic_add_fetch(&counts->inside, 1, __ATOMIC_SEQ_CST);
    uint32_t most = __atomic_load_n(&counts->inside_max, __ATOMIC_SEQ_CST);

    while (inside > most && !__atomic_compare_exchange_n(&counts->inside_max, &most, inside, false,
                                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        continue;
    syscall(SYS_futex, &counts->inside, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    if (arguments->kill)
        raise(SIGKILL);
    if (arguments->delay_ms > 0)
        sleep_ms(arguments->delay_ms);
    while (arguments->gate && __atomic_load_n(&counts->open, __ATOMIC_SEQ_CST) == 0)
        syscall(SYS_futex, &counts->open, FUTEX_WAIT, 0, NULL, NULL, 0);
    __atomic_sub_fetch(&counts->inside, 1, __ATOMIC_SEQ_CST);
}

/* The child returns to pam_authenticate() with a result of its own; the parent
 * continues once the child has exited. */
static int fork_during_check(const char *child_result, int verdict)
{
    const pid_t pid = fork();

    if (pid == 0)
        return strcmp(child_result, "right") == 0 ? PAM_SUCCESS : PAM_AUTH_ERR;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return verdict;
}

/* Asks one more question, and throws the answer away. */
static int ask_more(pam_handle_t *pamh, int style, const char *prompt)
{
    char *more = NULL;
    const int result = pam_prompt(pamh, style, &more, "%s", prompt);

    free(more);
    return result == PAM_CONV_AGAIN ? PAM_INCOMPLETE : result;
}

static bool is_right(pam_handle_t *pamh, const struct arguments *arguments,
                     struct check_counts *counts, const char *password)
{
    const char *user = NULL;

    pam_get_user(pamh, &user, NULL);
    const bool right = strcmp(password, arguments->right) == 0 &&
                       (arguments->user == NULL || strcmp(arguments->user, user) == 0);
    if (counts != NULL) {
        __atomic_add_fetch(right ? &counts->right : &counts->wrong, 1, __ATOMIC_SEQ_CST);
        wait_for_check(counts, arguments);
    }
    return right;
}

/* Other passwords, as modules with try_first_pass ask for them. */
static int check_again(pam_handle_t *pamh, const struct arguments *arguments,
                       struct check_counts *counts)
{
    bool right = false;

    for (long i = 0; i < arguments->times && !right; i++) {
        char *password = NULL;
        if (arguments->forget)
            pam_set_item(pamh, PAM_AUTHTOK, NULL);
        const int result =
            arguments->vary
                ? pam_prompt(pamh, PAM_PROMPT_ECHO_OFF, &password, "%s %c: ", arguments->again,
                             (char)('a' + i))
                : pam_prompt(pamh, PAM_PROMPT_ECHO_OFF, &password, "%s", arguments->again);
        if (result != PAM_SUCCESS)
            return result;
        right = is_right(pamh, arguments, counts, password);
        if (!arguments->keep)
            pam_set_item(pamh, PAM_AUTHTOK, password);
        free(password);
    }
    return right ? PAM_SUCCESS : PAM_AUTH_ERR;
}

static int check(pam_handle_t *pamh, const struct arguments *arguments, struct check_counts *counts)
{
    const char *password = NULL;
    int result = pam_get_authtok(pamh, PAM_AUTHTOK, &password, NULL);

    if (result == PAM_SUCCESS && arguments->otp)
        result = ask_more(pamh, PAM_PROMPT_ECHO_ON, "Code: ");
    if (result == PAM_SUCCESS && arguments->code != NULL)
        result = ask_more(pamh, PAM_PROMPT_ECHO_OFF, arguments->code);
    if (result != PAM_SUCCESS)
        return result == PAM_CONV_AGAIN ? PAM_INCOMPLETE : result;
    if (is_right(pamh, arguments, counts, password))
        return PAM_SUCCESS;
    return arguments->again != NULL ? check_again(pamh, arguments, counts) : PAM_AUTH_ERR;
}

EXPORTED int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    const struct arguments arguments = parse_arguments(argc, argv);
    const void *seen = NULL;
    int verdict;

    (void)flags;
    if (arguments.incomplete &&
        (pam_get_data(pamh, "pam_check_seen", &seen) != PAM_SUCCESS || seen == NULL)) {
        pam_set_data(pamh, "pam_check_seen", pamh, NULL);
        return PAM_INCOMPLETE;
    }
    if (arguments.incomplete)
        pam_set_data(pamh, "pam_check_seen", NULL, NULL);
    struct check_counts *counts = map_counts(arguments.counter);
    if (arguments.fail_delay_us > 0)
        pam_fail_delay(pamh, arguments.fail_delay_us);
    set_delay_function(pamh, &arguments);
    verdict = check(pamh, &arguments, counts);
    if (arguments.fork != NULL)
        verdict = fork_during_check(arguments.fork, verdict);
    if (counts != NULL)
        munmap(counts, sizeof *counts);
    return verdict;
}

EXPORTED int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_SUCCESS;
}

EXPORTED int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_SUCCESS;
}

/* As pam_unix: the current password in the preliminary check, a new one in the
 * update. */
EXPORTED int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    const struct arguments arguments = parse_arguments(argc, argv);
    const bool is_update = ((unsigned)flags & PAM_UPDATE_AUTHTOK) != 0;
    const char *password = NULL;
    int result = pam_get_authtok(pamh, is_update ? PAM_AUTHTOK : PAM_OLDAUTHTOK, &password, NULL);

    if (result != PAM_SUCCESS)
        return result;
    if (is_update)
        return arguments.weak ? PAM_AUTHTOK_ERR : PAM_SUCCESS;
    struct check_counts *counts = map_counts(arguments.counter);
    result = is_right(pamh, &arguments, counts, password) ? PAM_SUCCESS : PAM_AUTH_ERR;
    if (result != PAM_SUCCESS && arguments.again != NULL)
        result = check_again(pamh, &arguments, counts);
    if (counts != NULL)
        munmap(counts, sizeof *counts);
    return result;
}
