/* The auth phase on the real libpam: what counts as an attempt and when it
 * settles, what the stack and the user get to see, and that the module leaves
 * its process unchanged. For many attempts at once see
 * test_attempts_parallel.c. */
#include "tests/module/attempts.h"

#include "lib/attempts/ledger_format.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <security/pam_modules.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char three[] = "default { max_attempts = 3 }\n";
static const struct visitor alice = {0}, bob = {.user = "bob"}, remote = {.address = "192.0.2.1"};
static const struct visitor local = {.service = "su"};

static int wrong(const struct stack *stack, const struct visitor *visitor)
{
    return try_once(stack, visitor, "wrong");
}

static int right(const struct stack *stack, const struct visitor *visitor)
{
    return try_once(stack, visitor, "right");
}

/* Rejected without a password having reached the check. */
static void assert_rejected(const struct stack *stack, const struct visitor *visitor, int status)
{
    const uint32_t before = passed_on();

    assert_int_equal(right(stack, visitor), status);
    assert_int_equal(passed_on(), before);
}

static void lock(const struct stack *stack, const struct visitor *visitor, unsigned failures)
{
    for (unsigned i = 0; i < failures; i++)
        assert_int_equal(wrong(stack, visitor), PAM_AUTH_ERR);
    assert_rejected(stack, visitor, PAM_AUTH_ERR);
}

#define assert_failures(stack, visitor, number)                                                    \
    assert_int_equal(probe_failures((stack), (visitor)), (number))

/* --- settling ------------------------------------------------------------------ */

static void locks_after_max_attempts_failures(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(wrong(stack, &local), PAM_AUTH_ERR);
        assert_int_equal(counts->wrong, i);
    }
    assert_rejected(stack, &local, PAM_AUTH_ERR);
    assert_int_equal(right(stack, &bob), PAM_SUCCESS); /* other users are unaffected */
    /* counted separately: the network cannot lock the console, nor vice versa */
    assert_int_equal(right(stack, &remote), PAM_SUCCESS);
    assert_rejected(stack, &local, PAM_AUTH_ERR);
}

static void success_clears_failures(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    for (int i = 0; i < 4; i++) {
        wrong(stack, &alice);
        wrong(stack, &alice);
        assert_int_equal(right(stack, &alice), PAM_SUCCESS);
    }
    assert_failures(stack, &alice, 0);
    assert_failures(stack, &alice, 1);
    lock(stack, &alice, 1);
}

static void each_try_on_one_handle_counts(void **state)
{
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    host_start(stack, &host, &alice);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(counts->wrong, 5);
    assert_int_equal(host_try(&host, "right", 0), PAM_AUTH_ERR);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(passed_on(), 6);
    /* the application's own function was called each time and is set again */
    const void *item = NULL;
    assert_int_equal(host.delays, 8);
    assert_int_equal(pam_get_item(host.handle, PAM_FAIL_DELAY, &item), PAM_SUCCESS);
    assert_ptr_equal(item, own_delay);
    host_end(&host, PAM_SUCCESS);
}

static void two_auth_lines_count_once(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    stack_service(stack, "sshd",
                  "auth requisite TMOUT\nauth requisite TMOUT\nauth required CHECK\n");
    assert_int_equal(wrong(stack, &alice), PAM_AUTH_ERR);
    assert_failures(stack, &alice, 1);
    assert_int_equal(right(stack, &alice), PAM_SUCCESS);
    assert_failures(stack, &alice, 0);
}

/* Neither the status that the application passes to pam_end() nor a missing
 * pam_end() proves anything. */
static void ignores_the_status_of_pam_end(void **state)
{
    struct stack *stack = *state;
    struct host host[3];

    NEEDS_ROOT();
    stack_in_force(stack, three);
    host_start(stack, &host[0], &alice);
    assert_int_equal(host_try(&host[0], "wrong", 0), PAM_AUTH_ERR);
    host_end(&host[0], PAM_SUCCESS);
    host_start(stack, &host[1], &alice);
    assert_int_equal(host_try(&host[1], "wrong", 0), PAM_AUTH_ERR);
    assert_failures(stack, &alice, 2); /* this locks */
    host_end(&host[1], PAM_SUCCESS);
    assert_rejected(stack, &alice, PAM_AUTH_ERR);
    host_start(stack, &host[2], &bob);
    wrong(stack, &bob);
    assert_int_equal(host_try(&host[2], "right", 0), PAM_SUCCESS);
    assert_failures(stack, &bob, 0);
    host_end(&host[2], PAM_AUTH_ERR);
    assert_failures(stack, &bob, 1);
}

static void try_without_pam_end(const struct stack *stack)
{
    static struct host host[2];

    for (int i = 0; i < 2; i++) {
        host_start(stack, &host[i], &alice);
        assert_int_equal(host_try(&host[i], "wrong", 0), PAM_AUTH_ERR);
    }
}

static void counts_without_pam_end(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    in_child(try_without_pam_end, stack);
    assert_failures(stack, &alice, 2);
}

static void counts_when_killed_during_the_check(void **state)
{
    struct stack *stack = *state;
    int status;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    stack_service(stack, "dies", "auth requisite TMOUT\nauth required CHECK kill\n");
    for (uint32_t i = 0; i < 6; i++) {
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            try_once(stack, &(struct visitor){.service = "dies"}, i % 2 != 0 ? "right" : "wrong");
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(i < 3 ? WIFSIGNALED(status) : WIFEXITED(status));
        assert_int_equal(passed_on(), i < 3 ? i + 1 : 3);
    }
    log_clear();
    assert_rejected(stack, &alice, PAM_AUTH_ERR);
}

/* A forked child also returns through pam_authenticate() and ends its copy of
 * the handle, with the opposite result. */
static void fork_with(struct stack *stack, const char *child_result, const char *password)
{
    const pid_t self = getpid();
    struct host host;
    char text[128];

    snprintf(text, sizeof text, "auth requisite TMOUT\nauth required CHECK fork=%s\n",
             child_result);
    stack_service(stack, "forks", text);
    host_start(stack, &host, &(struct visitor){.service = "forks"});
    const int status = host_try(&host, password, 0);
    if (getpid() != self) {
        host_end(&host, PAM_SUCCESS);
        _exit(0);
    }
    assert_int_equal(status, strcmp(password, "right") == 0 ? PAM_SUCCESS : PAM_AUTH_ERR);
    host_end(&host, status);
}

static void ignores_the_result_of_a_forked_child(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 5 }\n");
    fork_with(stack, "right", "wrong");
    assert_failures(stack, &alice, 1);
    fork_with(stack, "wrong", "wrong");
    assert_failures(stack, &alice, 3);
    fork_with(stack, "wrong", "right");
    assert_failures(stack, &alice, 0);
    fork_with(stack, "right", "right");
    assert_failures(stack, &alice, 0);
}

static void call_none(int status, unsigned delay_us, void *appdata)
{
    ((struct host *)appdata)->delays += 100;
    (void)status;
    (void)delay_us;
}

static const void *delay_function_of(const struct host *host)
{
    const void *item = host;

    assert_int_equal(pam_get_item(host->handle, PAM_FAIL_DELAY, &item), PAM_SUCCESS);
    return item;
}

static void calls_the_applications_delay_function(void **state)
{
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 6 }\n");
    host_start(stack, &host, &(struct visitor){.without_delay_function = true});
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_null(delay_function_of(&host));
    pam_set_item(host.handle, PAM_FAIL_DELAY, (const void *)own_delay);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(host.delays, 1);
    assert_int_equal(host.delay_status, PAM_AUTH_ERR);
    assert_ptr_equal(delay_function_of(&host), own_delay);
    pam_set_item(host.handle, PAM_FAIL_DELAY, (const void *)call_none);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(host.delays, 101);
    pam_set_item(host.handle, PAM_FAIL_DELAY, NULL);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_null(delay_function_of(&host));
    assert_int_equal(host.delays, 101);
    assert_failures(stack, &alice, 4);
    pam_set_item(host.handle, PAM_FAIL_DELAY, (const void *)own_delay);
    assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    assert_int_equal(host.delays, 102);
    assert_int_equal(host.delay_status, PAM_SUCCESS);
    host_end(&host, PAM_SUCCESS);
    assert_failures(stack, &alice, 0);
}

/* libpam randomizes the delay that modules request by up to half of it. */
static void assert_delay_about(const struct host *host, unsigned delay_us)
{
    assert_in_range(host->delay_us, delay_us / 2, delay_us / 2 * 3);
}

static void keeps_the_delay_of_another_module(void **state)
{
    struct stack *stack = *state;
    const struct visitor slow = {.service = "slow"};
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    stack_service(stack, "slow",
                  "auth requisite TMOUT\nauth required CHECK fail_delay=600000000\n");
    host_start(stack, &host, &slow);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_delay_about(&host, 600000000);
    assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    assert_delay_about(&host, 600000000);
    assert_int_equal(host.delay_status, PAM_SUCCESS);
    host_end(&host, PAM_SUCCESS);
    /* pam_faildelay before pam_tmout, as in RHEL's stack */
    stack_service(stack, "slow",
                  "auth required pam_faildelay.so delay=600000000\nauth requisite TMOUT\n"
                  "auth required CHECK\n");
    host_start(stack, &host, &slow);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_delay_about(&host, 600000000);
    host_end(&host, PAM_SUCCESS);
    /* A rejection takes as long as pam_unix requests. */
    stack_service(stack, "slow", NULL);
    lock(stack, &alice, 2);
    host_start(stack, &host, &slow);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_delay_about(&host, 2000000);
    host_end(&host, PAM_SUCCESS);
}

static int64_t milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* If the application has no delay function, a failure sleeps as libpam does,
 * and a success does not: the test would take ten minutes. */
static void sleeps_after_failure_not_after_success(void **state)
{
    struct stack *stack = *state;
    const struct visitor slow = {.service = "slow", .without_delay_function = true};

    NEEDS_ROOT();
    stack_in_force(stack, three);
    stack_service(stack, "slow",
                  "auth requisite TMOUT\nauth required CHECK fail_delay=600000000\n");
    alarm(300);
    assert_int_equal(right(stack, &slow), PAM_SUCCESS);
    alarm(0);
    stack_service(stack, "slow", "auth requisite TMOUT\nauth required CHECK fail_delay=200000\n");
    const int64_t before = milliseconds();
    assert_int_equal(wrong(stack, &slow), PAM_AUTH_ERR);
    assert_true(milliseconds() - before >= 100);
}

static void copes_with_another_modules_delay_function(void **state)
{
    struct stack *stack = *state;
    const struct visitor odd = {.service = "odd"};
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    /* one that calls the module's changes nothing */
    stack_service(stack, "odd", "auth requisite TMOUT\nauth required CHECK wrap\n");
    assert_int_equal(wrong(stack, &odd), PAM_AUTH_ERR);
    assert_failures(stack, &alice, 1);
    assert_int_equal(right(stack, &odd), PAM_SUCCESS);
    assert_failures(stack, &alice, 0);
    assert_int_equal(right(stack, &alice), PAM_SUCCESS);
    /* one that does not hides the end from the module, and the attempt counts */
    counts_clear();
    stack_service(stack, "odd", "auth requisite TMOUT\nauth required CHECK replace\n");
    host_start(stack, &host, &odd);
    for (int i = 0; i < 10; i++)
        assert_int_not_equal(host_try(&host, "wrong", 0), PAM_SUCCESS);
    assert_int_equal(counts->wrong, 3);
    host_end(&host, PAM_SUCCESS);
    assert_rejected(stack, &alice, PAM_AUTH_ERR);
    /* then even a right password does not clear the failures */
    host_start(stack, &host, &(struct visitor){.service = "odd", .user = "bob"});
    assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    host_end(&host, PAM_SUCCESS);
    assert_failures(stack, &bob, 1);
}

/* Another module removes the delay function and restores it without having
 * called it. */
static void counts_when_another_module_hides_the_end(void **state)
{
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    stack_service(stack, "odd", "auth requisite TMOUT\nauth required CHECK hide\n");
    host_start(stack, &host, &(struct visitor){.service = "odd"});
    for (int i = 0; i < 10; i++)
        assert_int_not_equal(host_try(&host, "wrong", 0), PAM_SUCCESS);
    assert_in_range(counts->wrong, 0, 3);
    host_end(&host, PAM_SUCCESS);
}

static void counts_once_when_resumed_after_incomplete(void **state)
{
    struct stack *stack = *state;
    const struct visitor odd = {.service = "odd"};
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    stack_service(stack, "odd", "auth requisite TMOUT\nauth required CHECK incomplete\n");
    host_start(stack, &host, &odd);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_INCOMPLETE);
    assert_int_equal(host.delays, 0);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(host.delays, 1);
    assert_failures(stack, &alice, 1);
    assert_int_equal(host_try(&host, "right", 0), PAM_INCOMPLETE);
    assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    assert_failures(stack, &alice, 0);
    /* an attempt that is never resumed */
    assert_int_equal(host_try(&host, "right", 0), PAM_INCOMPLETE);
    host_end(&host, PAM_SUCCESS);
    assert_failures(stack, &alice, 2);
}

/* An application with one thread and many handles, waiting for answers to a
 * second question: each end is assigned to the handle on which it occurred. */
static void settles_interleaved_handles_separately(void **state)
{
    struct stack *stack = *state;
    struct host first, second;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    stack_service(stack, "odd", "auth requisite TMOUT\nauth required CHECK incomplete\n");
    wrong(stack, &alice);
    wrong(stack, &bob);
    host_start(stack, &first, &(struct visitor){.service = "odd"});
    host_start(stack, &second, &(struct visitor){.service = "odd", .user = "bob"});
    assert_int_equal(host_try(&first, "right", 0), PAM_INCOMPLETE);
    assert_int_equal(host_try(&second, "wrong", 0), PAM_INCOMPLETE);
    assert_int_equal(host_try(&first, "right", 0), PAM_SUCCESS);
    assert_int_equal(host_try(&second, "wrong", 0), PAM_AUTH_ERR);
    host_end(&first, PAM_SUCCESS);
    host_end(&second, PAM_SUCCESS);
    assert_failures(stack, &alice, 0);
    assert_failures(stack, &bob, 2);
}

static int at_the_second_question(const struct stack *stack)
{
    struct host outer, inner;

    host_start(stack, &outer, &(struct visitor){.service = "odd"});
    assert_int_equal(host_try(&outer, "wrong", 0), PAM_INCOMPLETE);
    host_start(stack, &inner, &bob);
    assert_int_equal(host_try(&inner, "right", 0), PAM_SUCCESS);
    host_end(&inner, PAM_SUCCESS);
    const int status = host_try(&outer, "wrong", 0);
    host_end(&outer, PAM_SUCCESS);
    return status;
}

static void settles_nested_handles_separately(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    stack_service(stack, "odd", "auth requisite TMOUT\nauth required CHECK incomplete\n");
    wrong(stack, &bob);
    assert_int_equal(at_the_second_question(stack), PAM_AUTH_ERR);
    assert_failures(stack, &alice, 1);
    assert_failures(stack, &bob, 0);
}

static void does_not_count_abandoned_prompts(void **state)
{
    struct stack *stack = *state;
    const struct visitor asks = {.service = "asks"};
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    host_start(stack, &host, &alice);
    for (int i = 0; i < 6; i++) {
        host.prompt_status = i % 2 == 0 ? PAM_CONV_ERR : PAM_BUF_ERR;
        assert_int_not_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    }
    assert_int_equal(host.prompts, 6);
    assert_int_equal(access(ledger_of(stack, ALICE_UID), F_OK), -1);
    assert_false(log_has("user="));
    host_end(&host, PAM_SUCCESS);
    assert_failures(stack, &alice, 0);
    assert_int_equal(right(stack, &alice), PAM_SUCCESS);
    /* if another module prompts, an abandoned prompt cannot be recognized */
    stack_service(stack, "asks", "auth requisite TMOUT noprompt\nauth required CHECK\n");
    assert_int_not_equal(try_once(stack, &asks, NULL), PAM_SUCCESS);
    assert_failures(stack, &alice, 1);
    assert_int_equal(right(stack, &asks), PAM_SUCCESS);
    assert_failures(stack, &alice, 0);
}

/* The conversation returns PAM_CONV_AGAIN: nothing counts until it is ready. */
static void counts_nothing_while_the_conversation_is_not_ready(void **state)
{
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    host_start(stack, &host, &alice);
    for (int i = 0; i < 5; i++) {
        host.prompt_status = PAM_CONV_AGAIN;
        const int status = host_try(&host, "right", 0);
        assert_true(status != PAM_SUCCESS);
    }
    assert_int_equal(passed_on(), 0);
    host.prompt_status = 0;
    assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    host_end(&host, PAM_SUCCESS);
    assert_failures(stack, &alice, 0);
}

static void counts_only_typed_empty_passwords(void **state)
{
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 4 }\n");
    assert_int_equal(try_once(stack, &local, ""), PAM_AUTH_ERR);
    assert_failures(stack, &local, 1);
    host_start(stack, &host, &remote);
    assert_int_equal(host_try(&host, "", PAM_DISALLOW_NULL_AUTHTOK), PAM_AUTH_ERR);
    assert_failures(stack, &remote, 1);
    for (int i = 0; i < 6; i++)
        assert_int_equal(host_try(&host, "", 0), PAM_AUTH_ERR);
    assert_failures(stack, &remote, 2);
    /* those six did not reach the next module, which might have prompted again */
    assert_int_equal(counts->wrong, 1 + 1 + 1 + 1 + 1);
    assert_int_equal(wrong(stack, &remote), PAM_AUTH_ERR);
    const uint32_t before = passed_on();
    assert_int_equal(host_try(&host, "", 0), PAM_AUTH_ERR);
    assert_int_equal(passed_on(), before);
    host_end(&host, PAM_SUCCESS);
}

static void does_not_count_the_fake_password_of_sshd(void **state)
{
    static const char fake[] = "\b\n\r\177INCORRECT\b\n\r\177INCO";
    struct stack *stack = *state;
    struct host host;
    char cut[sizeof fake];

    NEEDS_ROOT();
    stack_in_force(stack, three);
    host_start(stack, &host, &remote);
    for (size_t length = 1; length < sizeof fake; length++) {
        snprintf(cut, sizeof cut, "%.*s", (int)length, fake);
        assert_int_equal(host_try(&host, cut, PAM_DISALLOW_NULL_AUTHTOK), PAM_AUTH_ERR);
    }
    assert_failures(stack, &remote, 0);
    /* a password that only begins like the fake one is a guess */
    assert_int_equal(host_try(&host, "\b\n\r\177INCORRECTx", 0), PAM_AUTH_ERR);
    assert_failures(stack, &remote, 2);
    const uint32_t before = passed_on();
    assert_int_equal(host_try(&host, "\b\n\r\177INCORRECT", 0), PAM_AUTH_ERR);
    /* and takes as long as a wrong password */
    assert_delay_about(&host, 2000000);
    assert_int_equal(passed_on(), before);
    host_end(&host, PAM_SUCCESS);
    assert_int_equal(try_once(stack, &local, fake), PAM_AUTH_ERR);
    assert_failures(stack, &local, 1);
    /* the terminal's name identifies sshd, too */
    const struct visitor by_tty = {.tty = "ssh", .user = "bob"};
    assert_int_equal(try_once(stack, &by_tty, "\b\n\r\177INCORRECT"), PAM_AUTH_ERR);
    assert_failures(stack, &by_tty, 0);
}

static void other_phases_change_nothing(void **state)
{
    struct stack *stack = *state;
    int (*setcred)(pam_handle_t *, int, int, const char **);
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    host_start(stack, &host, &alice);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    for (int i = 0; i < 3; i++) {
        pam_setcred(host.handle, PAM_ESTABLISH_CRED);
        pam_setcred(host.handle, PAM_REINITIALIZE_CRED);
        assert_int_equal(pam_acct_mgmt(host.handle, 0), PAM_SUCCESS);
        pam_open_session(host.handle, 0);
        pam_close_session(host.handle, 0);
        pam_setcred(host.handle, PAM_DELETE_CRED);
    }
    assert_failures(stack, &alice, 1);
    host_end(&host, PAM_SUCCESS);
    void *module = dlopen(TEST_BUILD "/pam_tmout.so", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(module);
    *(void **)&setcred = dlsym(module, "pam_sm_setcred");
    assert_non_null(setcred);
    assert_int_equal(setcred(NULL, 0, 0, NULL), PAM_IGNORE);
    assert_null(dlsym(module, "pam_sm_acct_mgmt"));
    dlclose(module);
}

static void lock_expires(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 3 lock_time = 1 attempt_window = 1h }\n");
    for (int i = 0; i < 3; i++)
        wrong(stack, &alice);
    log_clear();
    while (right(stack, &alice) != PAM_SUCCESS)
        usleep(20000);
    assert_int_equal(log_count_of("lock expired"), 1);
    assert_failures(stack, &alice, 0);
}

static void counts_by_source(void **state)
{
    struct stack *stack = *state;
    const struct visitor other = {.address = "192.0.2.9"}, six = {.address = "2001:db8::1"},
                         same_net = {.address = "2001:db8::ffff"},
                         mapped = {.address = "::ffff:192.0.2.1"};

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 3 count_by = source }\n");
    lock(stack, &remote, 3);
    assert_rejected(stack, &mapped, PAM_AUTH_ERR);
    assert_int_equal(right(stack, &other), PAM_SUCCESS);
    lock(stack, &six, 3);
    assert_rejected(stack, &same_net, PAM_AUTH_ERR);
    assert_rejected(stack, &remote, PAM_AUTH_ERR); /* a success clears its own source only */
    assert_int_equal(right(stack, &alice), PAM_SUCCESS);
}

/* --- stacks -------------------------------------------------------------------- */

struct written_stack {
    const char *name, *text;
};

#define DEBIAN_BLOCK                                                                               \
    "auth [success=1 default=ignore] CHECK\nauth requisite pam_deny.so\n"                          \
    "auth required pam_permit.so\n"

static const struct written_stack stacks[] = {
    {"Debian's common-auth", "auth requisite TMOUT\n" DEBIAN_BLOCK "auth optional pam_permit.so\n"},
    {"Debian's, with pam_nologin before and a line between",
     "auth required pam_env.so\nauth requisite TMOUT\nauth optional pam_faildelay.so "
     "delay=0\n" DEBIAN_BLOCK},
    {"RHEL's password-auth",
     "auth required pam_env.so\nauth required pam_faildelay.so delay=0\nauth requisite TMOUT\n"
     "auth sufficient CHECK\nauth required pam_deny.so\n"},
    {"sufficient and nothing behind it", "auth requisite TMOUT\nauth sufficient CHECK\n"},
    {"two sufficient and nothing behind them",
     "auth requisite TMOUT\nauth sufficient CHECK right=another\nauth sufficient CHECK\n"},
    {"required", "auth requisite TMOUT\nauth required CHECK\n"},
    {"required, ours too", "auth required TMOUT\nauth required CHECK\n"},
    {"include", "auth requisite TMOUT\nauth include HERE/common\n"},
    {"substack", "auth requisite TMOUT\nauth substack HERE/common\n"},
    {"ours included", "auth include HERE/ours\nauth substack HERE/common\n"},
    {"behind pam_faillock's place", "auth required pam_env.so\nauth requisite TMOUT\n"
                                    "auth [success=1 default=bad] CHECK\nauth [default=die] "
                                    "pam_deny.so\nauth sufficient pam_permit.so\n"},
};

static void no_stack_admits_a_wrong_password(void **state)
{
    struct stack *stack = *state;
    const struct visitor visitor = {.service = "stack"};

    NEEDS_ROOT();
    if (access("/etc/security/pam_env.conf", F_OK) != 0)
        fprintf(stderr, "pam_env has no configuration here\n");
    stack_service(stack, "common", DEBIAN_BLOCK);
    stack_service(stack, "ours", "auth requisite TMOUT\n");
    for (size_t i = 0; i < COUNT_OF(stacks); i++) {
        char policy[128];
        snprintf(policy, sizeof policy, "user alice { max_attempts = 3 }\n");
        stack_in_force(stack, policy);
        stack_service(stack, "stack", stacks[i].text);
        unlink(ledger_of(stack, ALICE_UID));
        counts_clear();
        log_clear();
        /* unlimited */
        const struct visitor unlimited = {.service = "stack", .user = "bob"};
        if (wrong(stack, &unlimited) == PAM_SUCCESS || right(stack, &unlimited) != PAM_SUCCESS)
            fail_msg("%s: unlimited", stacks[i].name);
        /* admitted */
        if (wrong(stack, &visitor) == PAM_SUCCESS || wrong(stack, &visitor) == PAM_SUCCESS)
            fail_msg("%s: a wrong password was admitted", stacks[i].name);
        if (right(stack, &visitor) != PAM_SUCCESS)
            fail_msg("%s: a right password was not admitted", stacks[i].name);
        for (int k = 0; k < 3; k++)
            if (wrong(stack, &visitor) == PAM_SUCCESS)
                fail_msg("%s: a wrong password was admitted", stacks[i].name);
        /* locked */
        const bool continues = strstr(stacks[i].name, "ours too") != NULL;
        const uint32_t before = passed_on();
        if (right(stack, &visitor) == PAM_SUCCESS || wrong(stack, &visitor) == PAM_SUCCESS)
            fail_msg("%s: admitted while locked", stacks[i].name);
        if (!continues && passed_on() != before)
            fail_msg("%s: checked while locked", stacks[i].name);
    }
}

static void never_authenticates_anyone_by_itself(void **state)
{
    static const char *const lines[] = {
        "requisite", "required", "sufficient", "optional",
        "[success=ok new_authtok_reqd=ok ignore=ignore default=die]"};
    struct stack *stack = *state;
    const struct visitor visitors[] = {
        {.user = "alice"}, {.user = "bob"},    {.user = "ghost"},
        {.user = "root"},  {.user = "broken"}, {.user = "alice", .address = "192.0.2.1"}};
    char text[256];

    NEEDS_ROOT();
    stack_in_force(stack, "user alice { max_attempts = 3 }\n");
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        snprintf(text, sizeof text, "auth %s TMOUT\n", lines[i]);
        stack_service(stack, "sshd", text);
        for (size_t k = 0; k < COUNT_OF(visitors); k++)
            for (int tries = 0; tries < 2; tries++)
                assert_int_not_equal(right(stack, &visitors[k]), PAM_SUCCESS);
    }
}

/* --- limited users --------------------------------------------------------------- */

/* The module passes on without having prompted. */
static void assert_unlimited(const struct stack *stack, const char *user)
{
    const struct visitor visitor = {.user = user, .service = "permit"};
    struct host host;

    stack_service(stack, "permit", "auth requisite TMOUT\nauth required pam_permit.so\n");
    host_start(stack, &host, &visitor);
    for (int i = 0; i < 4; i++)
        assert_int_equal(host_try(&host, "wrong", 0), PAM_SUCCESS);
    assert_int_equal(host.prompts, 0);
    host_end(&host, PAM_SUCCESS);
}

static void assert_limited(const struct stack *stack, const char *user)
{
    const struct visitor visitor = {.user = user, .service = "permit"};
    struct host host;

    stack_service(stack, "permit", "auth requisite TMOUT\nauth required pam_permit.so\n");
    host_start(stack, &host, &visitor);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_SUCCESS);
    assert_int_equal(host.prompts, 1);
    host_end(&host, PAM_SUCCESS);
}

static void assert_no_ledgers(const struct stack *stack)
{
    char path[512];

    snprintf(path, sizeof path, "%s/attempts", stack->state);
    assert_true(rmdir(path) == 0 || errno == ENOENT);
}

static void limits_the_users_that_the_policy_names(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m }\n");
    assert_unlimited(stack, "alice");
    stack_in_force(stack, "default { max_attempts = 3 }\nuser alice { max_attempts = none }\n");
    assert_unlimited(stack, "alice");
    assert_unlimited(stack, "ghost");
    assert_unlimited(stack, "root");
    stack_in_force(stack, "default { max_attempts = 3 }\ngroup root { max_attempts = 2 }\n");
    assert_unlimited(stack, "root");
    assert_unlimited(stack, "ghost");
    stack_in_force(stack, "group staffers { max_attempts = 2 }\n");
    assert_unlimited(stack, "bob");
    assert_no_ledgers(stack);
    assert_int_equal(log_lines(), 0);
    assert_limited(stack, "alice");
    stack_in_force(stack, "user root { max_attempts = 2 }\n");
    assert_limited(stack, "root");
    stack_in_force(stack, "default { max_attempts = 3 }\n");
    assert_limited(stack, "bob");
}

static void limits_root_by_a_rule_of_its_own(void **state)
{
    struct stack *stack = *state;
    const struct visitor root = {.user = "root"};

    NEEDS_ROOT();
    stack_in_force(stack, "user root { max_attempts = 2 }\n");
    lock(stack, &root, 2);
}

static void strictest_group_wins(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 5 }\ngroup staffers { max_attempts = 2 }\n");
    lock(stack, &alice, 2);
    lock(stack, &bob, 5);
}

static void rejects_without_a_policy(void **state)
{
    struct stack *stack = *state;
    const struct visitor root = {.user = "root"}, ghost = {.user = "ghost"};

    NEEDS_ROOT();
    assert_rejected(stack, &alice, PAM_SERVICE_ERR);
    assert_true(log_has("pam_tmout(sshd:auth): no policy is in force"));
    assert_int_equal(right(stack, &root), PAM_SUCCESS);
    assert_int_equal(wrong(stack, &root), PAM_AUTH_ERR);
    assert_int_equal(wrong(stack, &ghost), PAM_AUTH_ERR);
    stack_policy(stack, "default { max_attempts = 3x }\n");
    assert_rejected(stack, &alice, PAM_SERVICE_ERR);
    assert_int_equal(right(stack, &root), PAM_SUCCESS);
    assert_no_ledgers(stack);
}

static void rebuilds_a_damaged_snapshot(void **state)
{
    struct stack *stack = *state;
    const struct visitor root = {.user = "root"};

    NEEDS_ROOT();
    stack_in_force(stack, three);
    wrong(stack, &alice);
    write_file(stack->snapshot, "nothing of the kind");
    /* a valid policy is compiled again */
    assert_failures(stack, &alice, 1);
    stack_policy(stack, "default { max_attempts = 3x }\n");
    write_file(stack->snapshot, "nothing of the kind");
    assert_rejected(stack, &alice, PAM_SERVICE_ERR);
    assert_int_equal(right(stack, &root), PAM_SUCCESS);
    stack_policy(stack, three);
    assert_failures(stack, &alice, 2);
}

/* A typo never switches enforcement off. */
static void keeps_the_last_policy_after_a_typo(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    wrong(stack, &alice);
    stack_policy(stack, "default { max_attempts = 3x }\n");
    lock(stack, &alice, 2);
    /* a change takes effect with the next login */
    stack_policy(stack, "default { max_attempts = 4 }\n");
    assert_int_equal(wrong(stack, &bob), PAM_AUTH_ERR);
    lock(stack, &bob, 3);
}

static void rejects_wrong_arguments(void **state)
{
    static const char *const invalid[] = {"nopromt", "noprompt=1",     "tell=", "state=relative",
                                          "config=", "max_attempts=3", "Tell"};
    const struct visitor root = {.user = "root"};
    struct stack *stack = *state;
    char text[256];

    NEEDS_ROOT();
    stack_in_force(stack, three);
    for (size_t i = 0; i < COUNT_OF(invalid); i++) {
        snprintf(text, sizeof text, "auth requisite TMOUT %s\nauth required CHECK\n", invalid[i]);
        stack_service(stack, "sshd", text);
        log_clear();
        assert_rejected(stack, &alice, PAM_SERVICE_ERR);
        assert_true(log_has(invalid[i]));
        assert_int_equal(right(stack, &root), PAM_SUCCESS);
        assert_int_equal(wrong(stack, &root), PAM_AUTH_ERR);
    }
    stack_service(stack, "sshd", "auth requisite TMOUT debug tell noprompt\nauth required CHECK\n");
    assert_int_equal(right(stack, &alice), PAM_SUCCESS);
    assert_true(log_has("max_attempts=3"));
}

static void rejects_when_the_name_service_fails(void **state)
{
    struct stack *stack = *state;
    const struct visitor broken = {.user = "broken"}, groupless = {.user = "groupless"};

    NEEDS_ROOT();
    stack_in_force(stack, three);
    assert_rejected(stack, &broken, PAM_SERVICE_ERR);
    assert_int_equal(log_lines(), 1);
    assert_int_equal(right(stack, &groupless), PAM_SUCCESS);
    stack_in_force(stack, "group staffers { max_attempts = 3 }\n");
    log_clear();
    assert_rejected(stack, &groupless, PAM_SERVICE_ERR);
    assert_int_equal(log_lines(), 1);
}

/* Three passwords and a session: a directory server is asked as if it was one. */
static void asks_name_services_once_per_handle(void **state)
{
    static const struct {
        const char *policy;
        unsigned reads;
    } cases[] = {
        {"default { max_attempts = 9 tmout = 5m }\n", 0},
        {"default { max_attempts = 9 tmout = 5m }\nuser bob { tmout = 1m }\n", 0},
        {"default { max_attempts = 9 tmout = 9m }\n"
         "group crowd7 { tmout = 5m }\ngroup other { tmout = 1m }\n",
         1},
    };
    const struct visitor crowded = {.user = "crowded"};
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_service(stack, "sshd",
                  "auth requisite TMOUT\nauth required CHECK\nsession required TMOUT\n");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        stack_in_force(stack, cases[i].policy);
        host_start(stack, &host, &crowded);
        assert_int_equal(pam_putenv(host.handle, "SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22"),
                         PAM_SUCCESS);
        name_service_calls = group_file_reads = 0;
        assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
        assert_int_equal(name_service_calls, 1); /* the user */
        assert_int_equal(group_file_reads, cases[i].reads);
        assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
        assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
        assert_int_equal(pam_open_session(host.handle, 0), PAM_SUCCESS);
        assert_string_equal(pam_getenv(host.handle, "PAM_TMOUT"), "300 default");
        assert_int_equal(name_service_calls, 1); /* the user */
        assert_int_equal(group_file_reads, cases[i].reads);
        host_end(&host, PAM_SUCCESS);
    }
    /* each handle asks anew: somebody may have been moved to another group */
    host_start(stack, &host, &crowded);
    assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    assert_int_equal(name_service_calls, 2);
    assert_int_equal(group_file_reads, 2);
    host_end(&host, PAM_SUCCESS);
}

/* One handle, another user: pam_set_item(3) lets applications change PAM_USER. */
static void tells_the_users_of_a_handle_apart(void **state)
{
    const struct visitor crowded = {.user = "crowded"};
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = none }\nuser alice { max_attempts = 1 }\n");
    host_start(stack, &host, &crowded);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    assert_int_equal(pam_set_item(host.handle, PAM_USER, "alice"), PAM_SUCCESS);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(host_try(&host, "right", 0), PAM_AUTH_ERR);
    assert_int_equal(pam_set_item(host.handle, PAM_USER, "crowded"), PAM_SUCCESS);
    assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    host_end(&host, PAM_SUCCESS);
}

static void as_ordinary_user(const struct stack *stack)
{
    const char *const own = geteuid() == 0 ? "alice" : own_name();
    const char *const users[] = {own, "bob", "broken", "ghost"};
    struct host host[4];

    /* The module is loaded here, while still root, who can read every directory. */
    for (size_t i = 0; i < 4; i++)
        host_start(stack, &host[i], &(struct visitor){.user = users[i], .service = "permit"});
    if (geteuid() == 0)
        assert_int_equal(setresuid(ALICE_UID, ALICE_UID, ALICE_UID), 0);
    assert_int_equal(host_try(&host[0], "wrong", 0), PAM_SUCCESS);
    assert_int_equal(host[0].prompts, 0);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(host_try(&host[i], "right", 0), PAM_AUTHINFO_UNAVAIL);
    assert_int_equal(log_lines(), 3);
    assert_true(log_has("only root can count other users' attempts"));
    for (size_t i = 0; i < 4; i++)
        host_end(&host[i], PAM_SUCCESS);
}

/* Screen lockers, for example, run without root. */
static void does_not_count_without_root(void **state)
{
    struct stack *stack = *state;

    stack_in_force(stack, "default { max_attempts = 3 }\n");
    stack_service(stack, "permit", "auth requisite TMOUT\nauth required pam_permit.so\n");
    in_child(as_ordinary_user, stack);
    assert_no_ledgers(stack);
}

/* --- messages and log ----------------------------------------------------------- */

static void tells_the_user(void **state)
{
    struct stack *stack = *state;
    const struct visitor tells = {.service = "tells", .address = "192.0.2.1"};
    struct host host;

    NEEDS_ROOT();
    stack_service(stack, "tells", "auth requisite TMOUT tell\nauth required CHECK\n");
    stack_in_force(stack, "default { max_attempts = 3 lock_time = 1h }\n");
    host_start(stack, &host, &local);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
        assert_string_equal(host.messages, "");
    }
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    if (strncmp(host.messages, "Account locked after 3 failed logins. Try again in 1h", 53) != 0 &&
        strncmp(host.messages, "Account locked after 3 failed logins. Try again in 59m", 54) != 0)
        fail_msg("messages: %s", host.messages);
    assert_int_equal(host_try(&host, "wrong", PAM_SILENT), PAM_AUTH_ERR);
    assert_string_equal(host.messages, "");
    stack_in_force(stack, "default { max_attempts = 3 lock_time = forever }\n");
    assert_int_equal(host_try(&host, "right", 0), PAM_AUTH_ERR);
    assert_string_equal(host.messages,
                        "Account locked after 3 failed logins. Contact your administrator.\n");
    host_end(&host, PAM_SUCCESS);
    /* over the network only if the administrator chose it */
    lock(stack, &remote, 3);
    host_start(stack, &host, &remote);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_string_equal(host.messages, "");
    host_end(&host, PAM_SUCCESS);
    host_start(stack, &host, &(struct visitor){.rhost = "somewhere.example"});
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_string_equal(host.messages, "");
    host_end(&host, PAM_SUCCESS);
    host_start(stack, &host, &tells);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_string_equal(host.messages,
                        "Account locked after 3 failed logins. Contact your administrator.\n");
    assert_int_equal(host_try(&host, "wrong", PAM_SILENT), PAM_AUTH_ERR);
    assert_string_equal(host.messages, "");
    host_end(&host, PAM_SUCCESS);
}

#define assert_log(text)                                                                           \
    do {                                                                                           \
        char *logged = log_text();                                                                 \
        assert_string_equal(logged, (text));                                                       \
        free(logged);                                                                              \
        log_clear();                                                                               \
    } while (0)

static void logs_one_line_per_event(void **state)
{
    struct stack *stack = *state;
    const struct visitor su = {.service = "su"};

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 2 lock_time = forever }\n");
    wrong(stack, &remote);
    assert_log("pam_tmout(sshd:auth): failed login user=alice address=192.0.2.1 service=sshd "
               "failures=1 max_attempts=2\n");
    wrong(stack, &remote);
    assert_log("pam_tmout(sshd:auth): failed login user=alice address=192.0.2.1 service=sshd "
               "failures=2 max_attempts=2\n"
               "pam_tmout(sshd:auth): locked after too many failed attempts user=alice "
               "address=192.0.2.1 service=sshd failures=2 max_attempts=2 lock_time=forever\n");
    for (int i = 0; i < 2; i++) {
        right(stack, &remote);
        assert_log("pam_tmout(sshd:auth): rejected: locked user=alice address=192.0.2.1 "
                   "service=sshd failures=2 max_attempts=2 unlock_in=forever\n");
    }
    wrong(stack, &su);
    assert_log("pam_tmout(su:auth): failed login user=alice address=local service=su failures=1 "
               "max_attempts=2\n");
    right(stack, &su);
    right(stack, &bob);
    assert_log("");
    stack_in_force(stack, "default { max_attempts = 2 lock_time = 1 }\n");
    while (right(stack, &remote) != PAM_SUCCESS) {
        log_clear();
        usleep(20000);
    }
    assert_log("pam_tmout(sshd:auth): lock expired user=alice address=192.0.2.1 "
               "service=sshd failures=0 max_attempts=2\n");
}

/* An attempt that another process left behind is logged once, by whichever
 * login finds it. */
static void logs_an_abandoned_attempt_once(void **state)
{
    struct stack *stack = *state;
    const struct visitor other = {.address = "198.51.100.7"};
    int status;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    stack_service(stack, "dies", "auth requisite TMOUT\nauth required CHECK kill\n");
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        try_once(stack, &(struct visitor){.service = "dies", .address = "192.0.2.1"}, "wrong");
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(wrong(stack, &other), PAM_AUTH_ERR);
    assert_int_equal(log_count_of("login attempt abandoned, counted as failed"), 1);
    assert_int_equal(log_lines(), 2);
    /* and its line does not blame the address of the login that found it */
    assert_int_equal(log_count_of("address=198.51.100.7"), 1);
}

/* As lightdm tells it: the same display as terminal and display, and no host. */
static void display_managers(void **state)
{
    static const struct {
        const char *service, *display, *address;
    } logins[] = {{"lightdm", ":0", "local"},
                  {"lightdm", "192.0.2.7:0", "192.0.2.7"},
                  {"lightdm", "terminal.example.org:0.1", "terminal.example.org"},
                  {"lightdm", "2001:db8::7:0", "2001:db8::7"},
                  {"lightdm", "user=root address=192.0.2.1:0", "user?root?address?192.0.2.1"},
                  {"lightdm", "local:0", "unknown"},
                  {"lightdm", "", "unknown"},
                  {"lightdm", NULL, "unknown"},
                  {"sddm", NULL, "local"},
                  {"greetd", NULL, "local"}};
    struct stack *stack = *state;
    char expected[128];

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 64 }\n");
    for (size_t i = 0; i < COUNT_OF(logins); i++) {
        stack_service(stack, logins[i].service, NULL);
        log_clear();
        wrong(stack, &(struct visitor){.service = logins[i].service,
                                       .tty = logins[i].display,
                                       .display = logins[i].display});
        snprintf(expected, sizeof expected, " address=%s service=%s ", logins[i].address,
                 logins[i].service);
        if (log_count_of(expected) != 1)
            fail_msg("%s, not%s", log_text(), expected);
    }
}

static void log_lines_cannot_be_forged(void **state)
{
    static const char *const hosts[] = {
        "x\npam_tmout(sshd:auth): failed login user=root address=192.0.2.66",
        "x user=root address=192.0.2.66",
        "192.0.2.66\r\n",
        "=\"quoted\" \\ ",
        "\xff\xfe\x80\x1b[2j",
        "user=root",
        " ",
        "%s%n%d",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "a"};
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 64 }\n");
    for (size_t i = 0; i < 3 * COUNT_OF(hosts); i++) {
        const char *text = hosts[i % COUNT_OF(hosts)];
        struct visitor visitor = {.user = NULL};
        if (i < COUNT_OF(hosts))
            visitor.rhost = text;
        else if (i < 2 * COUNT_OF(hosts))
            visitor.address = text;
        else
            visitor.service = text; /* as saslauthd's clients choose it */
        if (visitor.service != NULL)
            stack_service(stack, text, "auth requisite TMOUT\nauth required CHECK\n");
        log_clear();
        wrong(stack, &visitor);
        assert_int_equal(log_lines(), 1);
        char *log = log_text(), *word;
        assert_int_equal(strcspn(log, "\n"), strlen(log) - 1); /* one line */
        for (char *c = log; *c != '\0'; c++)
            assert_true(*c == '\n' || (*c >= ' ' && *c < 0x7f));
        unsigned equal_signs = 0;
        for (char *c = log; *c != '\0'; c++)
            equal_signs += *c == '=';
        assert_int_equal(equal_signs, 5);
        word = strstr(log, " user=");
        assert_int_equal(strncmp(word, " user=alice address=", 20), 0);
        free(log);
    }
}

/* The user name, chosen by a stranger, while the name service fails. */
static void log_lines_cannot_be_forged_by_a_user_name(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    wrong(stack, &(struct visitor){.user = "broken\npam_tmout(sshd:auth): user=root",
                                   .address = "192.0.2.1"});
    char *log = log_text();
    const size_t length = strlen(log), first_line = strcspn(log, "\n");
    free(log);
    assert_int_equal(first_line, length - 1);
}

/* --- errors of the ledger --------------------------------------------------------- */

static void creates_directories(void **state)
{
    struct stack *stack = *state;
    struct stat st;
    char path[512];

    NEEDS_ROOT();
    stack_in_force(stack, three);
    umask(0777);
    wrong(stack, &alice);
    umask(022);
    snprintf(path, sizeof path, "%s/attempts", stack->state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(stat(ledger_of(stack, ALICE_UID), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_failures(stack, &alice, 1);
}

static void in_a_mount(const struct stack *stack, const char *kind, const char *options,
                       void (*body)(const struct stack *))
{
    char path[512];

    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount("", "/", "", MS_REC | MS_PRIVATE, ""), 0);
    snprintf(path, sizeof path, "%s/attempts", stack->state);
    if (kind == NULL) {
        assert_int_equal(mount(stack->state, stack->state, "", MS_BIND, ""), 0);
        assert_int_equal(mount("", stack->state, "", MS_BIND | MS_REMOUNT | MS_RDONLY, ""), 0);
    } else {
        assert_int_equal(mkdir(path, 0755), 0);
        assert_int_equal(mount("full", path, kind, 0, options), 0);
    }
    body(stack);
}

static void on_a_read_only_disk(const struct stack *stack)
{
    assert_rejected(stack, &alice, PAM_SERVICE_ERR);
    assert_rejected(stack, &bob, PAM_SERVICE_ERR);
    assert_int_equal(log_count_of("rejecting passwords"), 2);
    /* as in a unit with ProtectSystem=strict; tmoutctl could not repair that */
    assert_int_equal(log_count_of(": add \"ReadWritePaths="), 2);
    assert_false(log_has("tmoutctl unlock"));
}

static void read_only(const struct stack *stack)
{
    in_a_mount(stack, NULL, NULL, on_a_read_only_disk);
}

static void rejects_new_users_on_a_read_only_state(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    wrong(stack, &alice); /* alice has a ledger, bob does not */
    in_child(read_only, stack);
    assert_failures(stack, &alice, 1);
}

static void on_a_full_disk(const struct stack *stack)
{
    static char page[4096];
    char path[512];

    assert_int_equal(wrong(stack, &alice), PAM_AUTH_ERR);
    snprintf(path, sizeof path, "%s/attempts/filler", stack->state);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, page, sizeof page) > 0)
        continue;
    assert_int_equal(errno, ENOSPC);
    close(fd);
    log_clear();
    assert_rejected(stack, &bob, PAM_SERVICE_ERR);
    assert_int_equal(log_count_of("rejecting passwords; free up space on the file system of "), 1);
    assert_false(log_has("tmoutctl unlock"));
    assert_failures(stack, &alice, 1);
    lock(stack, &alice, 1);
}

static void full(const struct stack *stack)
{
    in_a_mount(stack, "tmpfs", "size=128k,mode=0755", on_a_full_disk);
}

static void rejects_new_users_on_a_full_disk(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    in_child(full, stack);
}

static void locks_after_ledger_damage(void **state)
{
    struct stack *stack = *state;
    char path[512];

    NEEDS_ROOT();
    for (int kind = 0; kind < 4; kind++) {
        stack_in_force(stack, "default { max_attempts = 3 lock_time = 1h }\n");
        counts_clear();
        wrong(stack, &alice);
        const char *ledger = ledger_of(stack, ALICE_UID);
        const int fd = open(ledger, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        if (kind == 0)
            assert_int_equal(truncate(ledger, 100), 0);
        else if (kind == 1)
            assert_int_equal(truncate(ledger, 0), 0);
        else if (kind == 2)
            for (off_t at = 0; at < (off_t)(3 * sizeof(struct file_record)); at += 24)
                assert_int_equal(pwrite(fd, "x", 1, at), 1);
        else
            assert_int_equal(fchmod(fd, 0666), 0);
        close(fd);
        log_clear();
        assert_rejected(stack, &alice, PAM_AUTH_ERR);
        assert_int_equal(log_count_of("set aside"), 1);
        assert_int_equal(log_count_of("rejected: locked"), 1);
        assert_rejected(stack, &remote, PAM_AUTH_ERR);
        assert_int_equal(log_count_of("set aside"), 1);
        snprintf(path, sizeof path, "%s.damaged", ledger);
        assert_int_equal(access(path, F_OK), 0);
        assert_int_equal(right(stack, &bob), PAM_SUCCESS);
        stack_in_force(stack, "default { max_attempts = 3 lock_time = 1 }\n");
        while (right(stack, &alice) != PAM_SUCCESS)
            usleep(20000);
        assert_int_equal(unlink(path), 0);
    }
}

/* Damaged while in use: not even a right password is accepted at any point. */
static void rejects_when_the_ledger_is_damaged_during_the_attempt(void **state)
{
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    stack_service(stack, "odd", "auth requisite TMOUT\nauth required CHECK incomplete\n");
    host_start(stack, &host, &(struct visitor){.service = "odd"});
    assert_int_equal(host_try(&host, "wrong", 0), PAM_INCOMPLETE);
    const int fd = open(ledger_of(stack, ALICE_UID), O_RDWR | O_CLOEXEC);
    for (off_t at = 0; at < (off_t)(3 * sizeof(struct file_record)); at += 24)
        assert_int_equal(pwrite(fd, "x", 1, at), 1);
    close(fd);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_true(log_has("counting the attempt as failed"));
    host_end(&host, PAM_SUCCESS);
    assert_rejected(stack, &alice, PAM_AUTH_ERR);
}

static void goes_on_with_a_copy_if_the_ledger_lock_is_never_released(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    if (is_slow())
        LEFT_OUT("takes long under valgrind and would show nothing new");
    stack_in_force(stack, three);
    wrong(stack, &local);
    const int fd = hold_ledger(stack, ALICE_UID, LOCK_LOCAL);
    log_clear();
    assert_int_equal(right(stack, &remote), PAM_SUCCESS); /* the network has its own lock */
    assert_int_equal(log_count_of("replaced by a copy"), 0);
    assert_int_equal(wrong(stack, &local), PAM_AUTH_ERR);
    assert_int_equal(log_count_of("was locked for 5 s by a process that does not continue: "
                                  "replaced by a copy; see tmout-recovery(7) user=alice"),
                     1);
    assert_int_equal(wrong(stack, &local), PAM_AUTH_ERR);
    assert_rejected(stack, &local, PAM_AUTH_ERR); /* three failures, before and after */
    assert_int_equal(log_count_of("rejected: locked"), 1);
    assert_int_equal(log_count_of("replaced by a copy"), 1);
    close(fd);
}

/* --- the host process --------------------------------------------------------------- */

static volatile sig_atomic_t handled;

static void count_signal(int number)
{
    (void)number;
    handled++;
}

struct host_state {
    uid_t uid[3];
    gid_t gid[3];
    sigset_t blocked, pending;
    struct sigaction action[32];
    struct rlimit limit[RLIM_NLIMITS];
    size_t descriptors;
    mode_t mask;
};

static void note_state(struct host_state *now)
{
    memset(now, 0, sizeof *now);
    getresuid(&now->uid[0], &now->uid[1], &now->uid[2]);
    getresgid(&now->gid[0], &now->gid[1], &now->gid[2]);
    sigprocmask(SIG_SETMASK, NULL, &now->blocked);
    sigpending(&now->pending);
    for (int i = 1; i < 32; i++)
        sigaction(i, NULL, &now->action[i]);
    for (unsigned i = 0; i < RLIM_NLIMITS; i++)
        getrlimit(i, &now->limit[i]);
    now->descriptors = open_descriptors();
    now->mask = umask(0);
    umask(now->mask);
}

static void assert_same(const struct host_state *before)
{
    struct host_state now;

    note_state(&now);
    assert_memory_equal(now.uid, before->uid, sizeof now.uid);
    assert_memory_equal(now.gid, before->gid, sizeof now.gid);
    for (int i = 1; i < 32; i++) {
        assert_int_equal(sigismember(&now.blocked, i), sigismember(&before->blocked, i));
        assert_int_equal(sigismember(&now.pending, i), sigismember(&before->pending, i));
        assert_ptr_equal(now.action[i].sa_handler, before->action[i].sa_handler);
        assert_int_equal(now.action[i].sa_flags, before->action[i].sa_flags);
    }
    assert_memory_equal(now.limit, before->limit, sizeof now.limit);
    assert_int_equal(now.descriptors, before->descriptors);
    assert_int_equal(now.mask, before->mask);
    assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
    assert_int_equal(errno, ECHILD);
}

static void assert_host_notices_nothing(const struct stack *stack, const struct visitor *visitor,
                                        const struct host_state *before)
{
    static const int items[] = {PAM_SERVICE, PAM_USER,        PAM_TTY,       PAM_RHOST,
                                PAM_RUSER,   PAM_USER_PROMPT, PAM_FAIL_DELAY};
    const void *had[COUNT_OF(items)], *has;
    static const char *const passwords[] = {"wrong", "right", "wrong", "wrong", "right"};
    struct host host;

    for (size_t try = 0; try < COUNT_OF(passwords); try++) {
        host_start(stack, &host, visitor);
        for (size_t i = 0; i < COUNT_OF(items); i++)
            pam_get_item(host.handle, items[i], &had[i]);
        const int status = host_try(&host, passwords[try], 0);
        assert_int_equal(status,
                         try == 1 ? PAM_SUCCESS : PAM_AUTH_ERR); /* the last one is locked */
        assert_int_equal(host.delays, 1);
        for (size_t i = 0; i < COUNT_OF(items); i++) {
            assert_int_equal(pam_get_item(host.handle, items[i], &has), PAM_SUCCESS);
            assert_ptr_equal(has, had[i]);
        }
        /* libpam has a copy of it */
        assert_int_equal(pam_get_item(host.handle, PAM_CONV, &has), PAM_SUCCESS);
        assert_ptr_equal(((const struct pam_conv *)has)->appdata_ptr, &host);
        assert_ptr_not_equal(((const struct pam_conv *)has)->conv, NULL);
        char **environment = pam_getenvlist(host.handle);
        assert_null(environment[0]);
        free(environment);
        host_end(&host, status);
        assert_same(before);
    }
}

static void odd_state(const struct stack *stack)
{
    const struct sigaction action = {.sa_handler = count_signal};
    const struct rlimit small = {4096, RLIM_INFINITY};
    struct host_state before;
    sigset_t set;

    /* modules that pam_start() has loaded remain loaded */
    assert_int_equal(right(stack, &(struct visitor){.user = "user1"}), PAM_SUCCESS);
    for (int i = 1; i < 32; i++)
        if (i != SIGKILL && i != SIGSTOP)
            assert_int_equal(sigaction(i, &action, NULL), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    assert_int_equal(sigprocmask(SIG_SETMASK, &set, NULL), 0);
    raise(SIGUSR1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    umask(0177);
    note_state(&before);
    assert_host_notices_nothing(stack, &alice, &before);
    assert_int_equal(handled, 0);
}

static void leaves_the_host_process_unchanged(void **state)
{
    struct stack *stack = *state;

    NEEDS_PLAIN_BUILD();
    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 2 }\n");
    in_child(odd_state, stack);
}

static void as_a_users_su(const struct stack *stack)
{
    const struct sigaction action = {.sa_handler = count_signal};
    const struct rlimit nothing = {0, RLIM_INFINITY};
    struct host_state before;
    sigset_t none;

    assert_int_equal(right(stack, &(struct visitor){.user = "user1"}), PAM_SUCCESS);
    sigemptyset(&none);
    assert_int_equal(sigprocmask(SIG_SETMASK, &none, NULL), 0);
    assert_int_equal(sigaction(SIGXFSZ, &action, NULL), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &nothing), 0);
    assert_int_equal(setresuid(BOB_UID, 0, 0), 0);
    note_state(&before);
    assert_host_notices_nothing(stack, &alice, &before);
    /* whatever a user sets, su is local */
    assert_rejected(stack, &(struct visitor){.address = "192.0.2.1", .tty = "ssh"}, PAM_AUTH_ERR);
    assert_rejected(stack, &(struct visitor){.rhost = "192.0.2.1"}, PAM_AUTH_ERR);
    /* nor does a saved uid help, if the user has one */
    assert_int_equal(setresuid(BOB_UID, 0, BOB_UID), 0);
    note_state(&before);
    assert_host_notices_nothing(stack, &(struct visitor){.user = "user2"}, &before);
    assert_int_equal(handled, 0);
}

/* A limit that root in a container cannot raise: nothing can be counted, so nobody is
 * let in; and nothing that was counted is lost. */
static void under_a_hard_limit(const struct stack *stack)
{
    const struct rlimit nothing = {0, 0};

    right(stack, &alice);
    assert_int_equal(wrong(stack, &alice), PAM_AUTH_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &nothing), 0);
    assert_int_equal(setresuid(BOB_UID, 0, 0), 0);
    assert_int_equal(wrong(stack, &alice), PAM_SERVICE_ERR);
    assert_int_equal(right(stack, &alice), PAM_SERVICE_ERR);
    assert_int_not_equal(wrong(stack, &bob), PAM_SUCCESS);
}

static void leaves_a_setuid_host_unchanged(void **state)
{
    struct stack *stack = *state;

    NEEDS_PLAIN_BUILD();
    NEEDS_USERS();
    stack_in_force(stack, "default { max_attempts = 2 }\n");
    in_child(as_a_users_su, stack);
    assert_int_equal(unlink(ledger_of(stack, ALICE_UID)), 0);
    in_child(under_a_hard_limit, stack);
    stack_in_force(stack, "default { max_attempts = 9 }\n");
    assert_failures(stack, &remote, 1);
}

static void many_attempts_leak_nothing(void **state)
{
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 3 }\n");
    right(stack, &alice);
    host_start(stack, &host, &alice);
    host_try(&host, "right", 0);
    const size_t before = open_descriptors();
    for (int i = 0; i < (is_slow() ? 20 : 200); i++)
        assert_int_equal(host_try(&host, i % 3 == 0 ? "right" : "wrong", 0),
                         i % 3 == 0 ? PAM_SUCCESS : PAM_AUTH_ERR);
    assert_int_equal(open_descriptors(), before);
    host_end(&host, PAM_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest anybody[] = {WITH_ATTEMPTS(does_not_count_without_root)};
    const struct CMUnitTest tests[] = {
        WITH_ATTEMPTS(locks_after_max_attempts_failures),
        WITH_ATTEMPTS(success_clears_failures),
        WITH_ATTEMPTS(each_try_on_one_handle_counts),
        WITH_ATTEMPTS(two_auth_lines_count_once),
        WITH_ATTEMPTS(ignores_the_status_of_pam_end),
        WITH_ATTEMPTS(counts_without_pam_end),
        WITH_ATTEMPTS(counts_when_killed_during_the_check),
        WITH_ATTEMPTS(ignores_the_result_of_a_forked_child),
        WITH_ATTEMPTS(calls_the_applications_delay_function),
        WITH_ATTEMPTS(keeps_the_delay_of_another_module),
        WITH_ATTEMPTS(sleeps_after_failure_not_after_success),
        WITH_ATTEMPTS(copes_with_another_modules_delay_function),
        WITH_ATTEMPTS(counts_when_another_module_hides_the_end),
        WITH_ATTEMPTS(counts_once_when_resumed_after_incomplete),
        WITH_ATTEMPTS(settles_interleaved_handles_separately),
        WITH_ATTEMPTS(settles_nested_handles_separately),
        WITH_ATTEMPTS(does_not_count_abandoned_prompts),
        WITH_ATTEMPTS(counts_nothing_while_the_conversation_is_not_ready),
        WITH_ATTEMPTS(counts_only_typed_empty_passwords),
        WITH_ATTEMPTS(does_not_count_the_fake_password_of_sshd),
        WITH_ATTEMPTS(other_phases_change_nothing),
        WITH_ATTEMPTS(lock_expires),
        WITH_ATTEMPTS(counts_by_source),
        WITH_ATTEMPTS(no_stack_admits_a_wrong_password),
        WITH_ATTEMPTS(never_authenticates_anyone_by_itself),
        WITH_ATTEMPTS(limits_the_users_that_the_policy_names),
        WITH_ATTEMPTS(asks_name_services_once_per_handle),
        WITH_ATTEMPTS(tells_the_users_of_a_handle_apart),
        WITH_ATTEMPTS(limits_root_by_a_rule_of_its_own),
        WITH_ATTEMPTS(strictest_group_wins),
        WITH_ATTEMPTS(rejects_without_a_policy),
        WITH_ATTEMPTS(rebuilds_a_damaged_snapshot),
        WITH_ATTEMPTS(keeps_the_last_policy_after_a_typo),
        WITH_ATTEMPTS(rejects_wrong_arguments),
        WITH_ATTEMPTS(rejects_when_the_name_service_fails),
        WITH_ATTEMPTS(tells_the_user),
        WITH_ATTEMPTS(logs_one_line_per_event),
        WITH_ATTEMPTS(logs_an_abandoned_attempt_once),
        WITH_ATTEMPTS(display_managers),
        WITH_ATTEMPTS(log_lines_cannot_be_forged),
        WITH_ATTEMPTS(log_lines_cannot_be_forged_by_a_user_name),
        WITH_ATTEMPTS(creates_directories),
        WITH_ATTEMPTS(rejects_new_users_on_a_read_only_state),
        WITH_ATTEMPTS(rejects_new_users_on_a_full_disk),
        WITH_ATTEMPTS(locks_after_ledger_damage),
        WITH_ATTEMPTS(rejects_when_the_ledger_is_damaged_during_the_attempt),
        WITH_ATTEMPTS(goes_on_with_a_copy_if_the_ledger_lock_is_never_released),
        WITH_ATTEMPTS(leaves_the_host_process_unchanged),
        WITH_ATTEMPTS(leaves_a_setuid_host_unchanged),
        WITH_ATTEMPTS(many_attempts_leak_nothing),
    };
    const int as_anybody = cmocka_run_group_tests(anybody, NULL, NULL);

    become_root();
    return as_anybody + cmocka_run_group_tests(tests, NULL, NULL);
}
