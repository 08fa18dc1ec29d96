/*
 * A PAM module in the place of pam_unix: it asks for the password like that
 * one, notes in a shared counter which kind has reached it, and does to the
 * host what a module may do, as its words on the PAM line say:
 *
 *   right=WORD counter=FILE   the password, and struct check_counts
 *   delay_ms=N  gate          how long a check takes; or until the gate opens
 *   user=NAME                 the password is right for this user only
 *   kill  fork=right|wrong    SIGKILL to itself; a child that comes back with
 *                             an end of its own, before the parent does
 *   incomplete                PAM_INCOMPLETE when it is called first
 *   otp                       one question more, behind the password
 *   fail_delay=US             calls pam_fail_delay()
 *   replace  wrap  hide       sets PAM_FAIL_DELAY: to a function that calls
 *                             nobody; that calls the one before; that puts
 *                             the one before back without a call
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

struct words {
    const char *right, *counter, *user, *fork;
    long delay_ms;
    unsigned fail_delay_us;
    bool gate, kill, incomplete, otp, replace, wrap, hide;
};

static const char *value_of(const char *word, const char *name)
{
    const size_t length = strlen(name);

    return strncmp(word, name, length) == 0 ? word + length : NULL;
}

static struct words read_words(int argc, const char **argv)
{
    struct words words = {.right = "right"};
    const char *value;

    for (int i = 0; i < argc; i++) {
        if ((value = value_of(argv[i], "right=")) != NULL)
            words.right = value;
        else if ((value = value_of(argv[i], "counter=")) != NULL)
            words.counter = value;
        else if ((value = value_of(argv[i], "user=")) != NULL)
            words.user = value;
        else if ((value = value_of(argv[i], "fork=")) != NULL)
            words.fork = value;
        else if ((value = value_of(argv[i], "delay_ms=")) != NULL)
            words.delay_ms = strtol(value, NULL, 10);
        else if ((value = value_of(argv[i], "fail_delay=")) != NULL)
            words.fail_delay_us = (unsigned)strtoul(value, NULL, 10);
        words.gate = words.gate || strcmp(argv[i], "gate") == 0;
        words.kill = words.kill || strcmp(argv[i], "kill") == 0;
        words.incomplete = words.incomplete || strcmp(argv[i], "incomplete") == 0;
        words.otp = words.otp || strcmp(argv[i], "otp") == 0;
        words.replace = words.replace || strcmp(argv[i], "replace") == 0;
        words.wrap = words.wrap || strcmp(argv[i], "wrap") == 0;
        words.hide = words.hide || strcmp(argv[i], "hide") == 0;
    }
    return words;
}

/* --- PAM_FAIL_DELAY ---------------------------------------------------------- */

static __thread delay_function *before;
static __thread pam_handle_t *handle_of_thread;

static void call_nobody(int status, unsigned delay_us, void *appdata)
{
    (void)status;
    (void)delay_us;
    (void)appdata;
}

static void call_the_one_before(int status, unsigned delay_us, void *appdata)
{
    if (before != NULL)
        before(status, delay_us, appdata);
}

static void put_the_one_before_back(int status, unsigned delay_us, void *appdata)
{
    (void)status;
    (void)delay_us;
    (void)appdata;
    pam_set_item(handle_of_thread, PAM_FAIL_DELAY, (const void *)before);
}

static void set_delay_function(pam_handle_t *pamh, const struct words *words)
{
    delay_function *function = words->replace ? call_nobody
                               : words->wrap  ? call_the_one_before
                               : words->hide  ? put_the_one_before_back
                                              : NULL;
    const void *item = NULL;

    if (function == NULL)
        return;
    pam_get_item(pamh, PAM_FAIL_DELAY, &item);
    before = (delay_function *)item;
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

static void take_time(struct check_counts *counts, const struct words *words)
{
    uint32_t inside = __atomic_add_fetch(&counts->inside, 1, __ATOMIC_SEQ_CST);
    uint32_t most = __atomic_load_n(&counts->inside_most, __ATOMIC_SEQ_CST);

    while (inside > most && !__atomic_compare_exchange_n(&counts->inside_most, &most, inside, false,
                                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        continue;
    syscall(SYS_futex, &counts->inside, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    if (words->kill)
        raise(SIGKILL);
    if (words->delay_ms > 0)
        sleep_ms(words->delay_ms);
    while (words->gate && __atomic_load_n(&counts->open, __ATOMIC_SEQ_CST) == 0)
        syscall(SYS_futex, &counts->open, FUTEX_WAIT, 0, NULL, NULL, 0);
    __atomic_sub_fetch(&counts->inside, 1, __ATOMIC_SEQ_CST);
}

/* The child is back in pam_authenticate() with a verdict of its own; the
 * parent goes on when it has ended. */
static int fork_in_the_middle(const char *childs, int verdict)
{
    const pid_t pid = fork();

    if (pid == 0)
        return strcmp(childs, "right") == 0 ? PAM_SUCCESS : PAM_AUTH_ERR;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return verdict;
}

static int check(pam_handle_t *pamh, const struct words *words, struct check_counts *counts)
{
    const char *password = NULL, *user = NULL;
    char *more = NULL;
    int result = pam_get_authtok(pamh, PAM_AUTHTOK, &password, NULL);

    if (result != PAM_SUCCESS)
        return result == PAM_CONV_AGAIN ? PAM_INCOMPLETE : result;
    pam_get_user(pamh, &user, NULL);
    if (words->otp) {
        result = pam_prompt(pamh, PAM_PROMPT_ECHO_ON, &more, "Code: ");
        free(more);
        if (result != PAM_SUCCESS)
            return result == PAM_CONV_AGAIN ? PAM_INCOMPLETE : result;
    }
    const bool right = strcmp(password, words->right) == 0 &&
                       (words->user == NULL || strcmp(words->user, user) == 0);
    if (counts != NULL) {
        __atomic_add_fetch(right ? &counts->right : &counts->wrong, 1, __ATOMIC_SEQ_CST);
        take_time(counts, words);
    }
    return right ? PAM_SUCCESS : PAM_AUTH_ERR;
}

EXPORTED int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    const struct words words = read_words(argc, argv);
    const void *seen = NULL;
    int verdict;

    (void)flags;
    if (words.incomplete &&
        (pam_get_data(pamh, "pam_check_seen", &seen) != PAM_SUCCESS || seen == NULL)) {
        pam_set_data(pamh, "pam_check_seen", pamh, NULL);
        return PAM_INCOMPLETE;
    }
    if (words.incomplete)
        pam_set_data(pamh, "pam_check_seen", NULL, NULL);
    struct check_counts *counts = map_counts(words.counter);
    if (words.fail_delay_us > 0)
        pam_fail_delay(pamh, words.fail_delay_us);
    set_delay_function(pamh, &words);
    verdict = check(pamh, &words, counts);
    if (words.fork != NULL)
        verdict = fork_in_the_middle(words.fork, verdict);
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
