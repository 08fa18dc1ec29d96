/* The auth phase on the real libpam: what counts as an attempt and when it
 * settles, what the stack and the user are told, and that the process it
 * runs in notices nothing. Many attempts at once: test_attempts_parallel.c */
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

static int wrong(const struct stack *stack, const struct visitor *visitor)
{
    return try_once(stack, visitor, "wrong");
}

static int right(const struct stack *stack, const struct visitor *visitor)
{
    return try_once(stack, visitor, "right");
}

/* Refused without a password having reached the check. */
static void assert_refused(const struct stack *stack, const struct visitor *visitor, int status)
{
    const uint32_t before = passed_on();

    assert_int_equal(right(stack, visitor), status);
    assert_int_equal(passed_on(), before);
}

static void lock(const struct stack *stack, const struct visitor *visitor, unsigned failures)
{
    for (unsigned i = 0; i < failures; i++)
        assert_int_equal(wrong(stack, visitor), PAM_AUTH_ERR);
    assert_refused(stack, visitor, PAM_AUTH_ERR);
}

#define assert_failures(stack, visitor, number)                                                    \
    assert_int_equal(failures_told((stack), (visitor)), (number))

/* --- settling ------------------------------------------------------------------ */

static void failures_lock(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(wrong(stack, &alice), PAM_AUTH_ERR);
        assert_int_equal(counts->wrong, i);
    }
    assert_refused(stack, &alice, PAM_AUTH_ERR);
    assert_int_equal(right(stack, &bob), PAM_SUCCESS); /* who is not alice */
    /* counted apart: the network cannot lock the console, nor the other way */
    assert_int_equal(right(stack, &remote), PAM_SUCCESS);
    assert_refused(stack, &alice, PAM_AUTH_ERR);
}

static void a_success_clears(void **state)
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

static void many_tries_on_one_handle(void **state)
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
    /* its own function heard of every end, and is where it was */
    const void *item = NULL;
    assert_int_equal(host.delays, 8);
    assert_int_equal(pam_get_item(host.handle, PAM_FAIL_DELAY, &item), PAM_SUCCESS);
    assert_ptr_equal(item, own_delay);
    host_end(&host, PAM_SUCCESS);
}

static void two_lines_charge_once(void **state)
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

/* What the application says at pam_end(), or whether it gets there, proves
 * nothing either way. */
static void pam_end_proves_nothing(void **state)
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
    assert_failures(stack, &alice, 2); /* which locks */
    host_end(&host[1], PAM_SUCCESS);
    assert_refused(stack, &alice, PAM_AUTH_ERR);
    host_start(stack, &host[2], &bob);
    wrong(stack, &bob);
    assert_int_equal(host_try(&host[2], "right", 0), PAM_SUCCESS);
    assert_failures(stack, &bob, 0);
    host_end(&host[2], PAM_AUTH_ERR);
    assert_failures(stack, &bob, 1);
}

static void try_and_vanish(const struct stack *stack)
{
    static struct host host[2];

    for (int i = 0; i < 2; i++) {
        host_start(stack, &host[i], &alice);
        assert_int_equal(host_try(&host[i], "wrong", 0), PAM_AUTH_ERR);
    }
}

static void without_pam_end(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    in_child(try_and_vanish, stack);
    assert_failures(stack, &alice, 2);
}

static void killed_in_the_check(void **state)
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
    assert_refused(stack, &alice, PAM_AUTH_ERR);
}

/* A forked child returns through pam_authenticate() too, and ends its copy
 * of the handle, with the other verdict. */
static void fork_with(struct stack *stack, const char *childs, const char *password)
{
    const pid_t self = getpid();
    struct host host;
    char text[128];

    snprintf(text, sizeof text, "auth requisite TMOUT\nauth required CHECK fork=%s\n", childs);
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

static void forked_in_the_middle(void **state)
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

static void call_nobody(int status, unsigned delay_us, void *appdata)
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

static void the_applications_delay_function(void **state)
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
    pam_set_item(host.handle, PAM_FAIL_DELAY, (const void *)call_nobody);
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

/* libpam strews what modules ask for by a half. */
static void assert_delay_about(const struct host *host, unsigned delay_us)
{
    assert_in_range(host->delay_us, delay_us / 2, delay_us / 2 * 3);
}

static void another_modules_delay(void **state)
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
    /* pam_faildelay before ours, as in RHEL's stack */
    stack_service(stack, "slow",
                  "auth required pam_faildelay.so delay=600000000\nauth requisite TMOUT\n"
                  "auth required CHECK\n");
    host_start(stack, &host, &slow);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_delay_about(&host, 600000000);
    host_end(&host, PAM_SUCCESS);
    /* A rejection takes as long as pam_unix asks for. */
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

/* Without a function of the application's, a failure sleeps as in libpam,
 * and a success does not: it would be ten minutes. */
static void a_failure_sleeps_and_a_success_does_not(void **state)
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

static void a_delay_function_of_another_module(void **state)
{
    struct stack *stack = *state;
    const struct visitor odd = {.service = "odd"};
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    /* one that calls ours changes nothing */
    stack_service(stack, "odd", "auth requisite TMOUT\nauth required CHECK wrap\n");
    assert_int_equal(wrong(stack, &odd), PAM_AUTH_ERR);
    assert_failures(stack, &alice, 1);
    assert_int_equal(right(stack, &odd), PAM_SUCCESS);
    assert_failures(stack, &alice, 0);
    assert_int_equal(right(stack, &alice), PAM_SUCCESS);
    /* one that does not: nothing is heard of the end, and it counts */
    counts_clear();
    stack_service(stack, "odd", "auth requisite TMOUT\nauth required CHECK replace\n");
    host_start(stack, &host, &odd);
    for (int i = 0; i < 10; i++)
        assert_int_not_equal(host_try(&host, "wrong", 0), PAM_SUCCESS);
    assert_int_equal(counts->wrong, 3);
    host_end(&host, PAM_SUCCESS);
    assert_refused(stack, &alice, PAM_AUTH_ERR);
    /* not even a right one vouches then */
    host_start(stack, &host, &(struct visitor){.service = "odd", .user = "bob"});
    assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    host_end(&host, PAM_SUCCESS);
    assert_failures(stack, &bob, 1);
}

/* One that takes ours away and puts it back without having called it. */
static void a_delay_function_that_hides(void **state)
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

static void incomplete_and_resumed(void **state)
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
    /* and never resumed */
    assert_int_equal(host_try(&host, "right", 0), PAM_INCOMPLETE);
    host_end(&host, PAM_SUCCESS);
    assert_failures(stack, &alice, 2);
}

/* An application with one thread and many handles, which waits for answers to
 * a second question: each end belongs to the handle that it came on. */
static void interleaved_handles(void **state)
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

static void one_handle_inside_another(void **state)
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

static void an_abandoned_prompt(void **state)
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
    /* where another module asks, we cannot know */
    stack_service(stack, "asks", "auth requisite TMOUT noprompt\nauth required CHECK\n");
    assert_int_not_equal(try_once(stack, &asks, NULL), PAM_SUCCESS);
    assert_failures(stack, &alice, 1);
    assert_int_equal(right(stack, &asks), PAM_SUCCESS);
    assert_failures(stack, &alice, 0);
}

/* The conversation is not ready yet: nothing is taken until it is. */
static void a_conversation_that_comes_again(void **state)
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

static void empty_passwords(void **state)
{
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 4 }\n");
    assert_int_equal(try_once(stack, &alice, ""), PAM_AUTH_ERR);
    assert_failures(stack, &alice, 1);
    host_start(stack, &host, &remote);
    assert_int_equal(host_try(&host, "", PAM_DISALLOW_NULL_AUTHTOK), PAM_AUTH_ERR);
    assert_failures(stack, &remote, 1);
    for (int i = 0; i < 6; i++)
        assert_int_equal(host_try(&host, "", 0), PAM_AUTH_ERR);
    assert_failures(stack, &remote, 2);
    /* those six went no further: a module behind might have asked again */
    assert_int_equal(counts->wrong, 1 + 1 + 1 + 1 + 1);
    assert_int_equal(wrong(stack, &remote), PAM_AUTH_ERR);
    const uint32_t before = passed_on();
    assert_int_equal(host_try(&host, "", 0), PAM_AUTH_ERR);
    assert_int_equal(passed_on(), before);
    host_end(&host, PAM_SUCCESS);
}

static void the_fake_password_of_sshd(void **state)
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
    /* what only begins like it is a guess */
    assert_int_equal(host_try(&host, "\b\n\r\177INCORRECTx", 0), PAM_AUTH_ERR);
    assert_failures(stack, &remote, 2);
    const uint32_t before = passed_on();
    assert_int_equal(host_try(&host, "\b\n\r\177INCORRECT", 0), PAM_AUTH_ERR);
    assert_int_equal(passed_on(), before);
    host_end(&host, PAM_SUCCESS);
    assert_int_equal(try_once(stack, &alice, fake), PAM_AUTH_ERR);
    assert_failures(stack, &alice, 1);
    /* sshd says so by the terminal's name, too */
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
    assert_null(dlsym(module, "pam_sm_chauthtok"));
    dlclose(module);
}

static void a_lock_ends_in_time(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 3 lock_time = 1 attempt_window = 1h }\n");
    for (int i = 0; i < 3; i++)
        wrong(stack, &alice);
    log_clear();
    for (int tries = 0; right(stack, &alice) != PAM_SUCCESS; tries++)
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
    assert_refused(stack, &mapped, PAM_AUTH_ERR);
    assert_int_equal(right(stack, &other), PAM_SUCCESS);
    lock(stack, &six, 3);
    assert_refused(stack, &same_net, PAM_AUTH_ERR);
    assert_refused(stack, &remote, PAM_AUTH_ERR); /* a success clears its own */
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

static void a_wrong_password_is_never_admitted(void **state)
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
            fail_msg("%s: a wrong password is admitted", stacks[i].name);
        if (right(stack, &visitor) != PAM_SUCCESS)
            fail_msg("%s: a right password is not admitted", stacks[i].name);
        for (int k = 0; k < 3; k++)
            if (wrong(stack, &visitor) == PAM_SUCCESS)
                fail_msg("%s: a wrong password is admitted", stacks[i].name);
        /* locked */
        const bool goes_on = strstr(stacks[i].name, "ours too") != NULL;
        const uint32_t before = passed_on();
        if (right(stack, &visitor) == PAM_SUCCESS || wrong(stack, &visitor) == PAM_SUCCESS)
            fail_msg("%s: admitted while locked", stacks[i].name);
        if (!goes_on && passed_on() != before)
            fail_msg("%s: checked while locked", stacks[i].name);
    }
}

static void alone_it_vouches_for_nobody(void **state)
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

/* --- who is limited -------------------------------------------------------------- */

/* Passed on without having been asked by us. */
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

static void who_is_limited(void **state)
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

static void roots_own_rule(void **state)
{
    struct stack *stack = *state;
    const struct visitor root = {.user = "root"};

    NEEDS_ROOT();
    stack_in_force(stack, "user root { max_attempts = 2 }\n");
    lock(stack, &root, 2);
}

static void the_strictest_group(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 5 }\ngroup staffers { max_attempts = 2 }\n");
    lock(stack, &alice, 2);
    lock(stack, &bob, 5);
}

static void without_a_policy(void **state)
{
    struct stack *stack = *state;
    const struct visitor root = {.user = "root"}, ghost = {.user = "ghost"};

    NEEDS_ROOT();
    assert_refused(stack, &alice, PAM_SERVICE_ERR);
    assert_true(log_has("pam_tmout(sshd:auth): no policy is in force"));
    assert_int_equal(right(stack, &root), PAM_SUCCESS);
    assert_int_equal(wrong(stack, &root), PAM_AUTH_ERR);
    assert_int_equal(wrong(stack, &ghost), PAM_AUTH_ERR);
    stack_policy(stack, "default { max_attempts = 3x }\n");
    assert_refused(stack, &alice, PAM_SERVICE_ERR);
    assert_int_equal(right(stack, &root), PAM_SUCCESS);
    assert_no_ledgers(stack);
}

static void a_damaged_snapshot(void **state)
{
    struct stack *stack = *state;
    const struct visitor root = {.user = "root"};

    NEEDS_ROOT();
    stack_in_force(stack, three);
    wrong(stack, &alice);
    write_file(stack->snapshot, "nothing of the kind");
    /* rebuilt from a valid policy */
    assert_failures(stack, &alice, 1);
    stack_policy(stack, "default { max_attempts = 3x }\n");
    write_file(stack->snapshot, "nothing of the kind");
    assert_refused(stack, &alice, PAM_SERVICE_ERR);
    assert_int_equal(right(stack, &root), PAM_SUCCESS);
    stack_policy(stack, three);
    assert_failures(stack, &alice, 2);
}

/* A typo never switches enforcement off. */
static void a_typo_changes_nothing(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    wrong(stack, &alice);
    stack_policy(stack, "default { max_attempts = 3x }\n");
    lock(stack, &alice, 2);
    /* and a change is in force with the next login */
    stack_policy(stack, "default { max_attempts = 4 }\n");
    assert_int_equal(wrong(stack, &bob), PAM_AUTH_ERR);
    lock(stack, &bob, 3);
}

static void words_on_the_line(void **state)
{
    static const char *const words[] = {"nopromt", "noprompt=1",     "tell=", "state=relative",
                                        "config=", "max_attempts=3", "Tell"};
    struct stack *stack = *state;
    char text[256];

    NEEDS_ROOT();
    stack_in_force(stack, three);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        snprintf(text, sizeof text, "auth requisite TMOUT %s\nauth required CHECK\n", words[i]);
        stack_service(stack, "sshd", text);
        log_clear();
        assert_refused(stack, &alice, PAM_SERVICE_ERR);
        assert_refused(stack, &(struct visitor){.user = "root"}, PAM_SERVICE_ERR);
        assert_true(log_has(words[i]));
    }
    stack_service(stack, "sshd", "auth requisite TMOUT debug tell noprompt\nauth required CHECK\n");
    assert_int_equal(right(stack, &alice), PAM_SUCCESS);
    assert_true(log_has("max_attempts=3"));
}

static void the_name_service_is_silent(void **state)
{
    struct stack *stack = *state;
    const struct visitor broken = {.user = "broken"}, groupless = {.user = "groupless"};

    NEEDS_ROOT();
    stack_in_force(stack, three);
    assert_refused(stack, &broken, PAM_SERVICE_ERR);
    assert_int_equal(log_lines(), 1);
    assert_int_equal(right(stack, &groupless), PAM_SUCCESS);
    stack_in_force(stack, "group staffers { max_attempts = 3 }\n");
    log_clear();
    assert_refused(stack, &groupless, PAM_SERVICE_ERR);
    assert_int_equal(log_lines(), 1);
}

static void as_ordinary_user(const struct stack *stack)
{
    const char *const own = geteuid() == 0 ? "alice" : own_name();
    const char *const users[] = {own, "bob", "broken", "ghost"};
    struct host host[4];

    /* The module is loaded here, as root, who can read every directory. */
    for (size_t i = 0; i < 4; i++)
        host_start(stack, &host[i], &(struct visitor){.user = users[i], .service = "permit"});
    if (geteuid() == 0)
        assert_int_equal(setresuid(ALICE_UID, ALICE_UID, ALICE_UID), 0);
    assert_int_equal(host_try(&host[0], "wrong", 0), PAM_SUCCESS);
    assert_int_equal(host[0].prompts, 0);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(host_try(&host[i], "right", 0), PAM_AUTHINFO_UNAVAIL);
    assert_int_equal(log_lines(), 0);
    for (size_t i = 0; i < 4; i++)
        host_end(&host[i], PAM_SUCCESS);
}

/* Screen lockers and the like. */
static void without_root(void **state)
{
    struct stack *stack = *state;

    stack_in_force(stack, "default { max_attempts = 3 }\n");
    stack_service(stack, "permit", "auth requisite TMOUT\nauth required pam_permit.so\n");
    in_child(as_ordinary_user, stack);
    assert_no_ledgers(stack);
}

/* --- what is said --------------------------------------------------------------- */

static void the_user_is_told(void **state)
{
    struct stack *stack = *state;
    const struct visitor tells = {.service = "tells", .address = "192.0.2.1"};
    struct host host;

    NEEDS_ROOT();
    stack_service(stack, "tells", "auth requisite TMOUT tell\nauth required CHECK\n");
    stack_in_force(stack, "default { max_attempts = 3 lock_time = 1h }\n");
    host_start(stack, &host, &alice);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
        assert_string_equal(host.told, "");
    }
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    if (strncmp(host.told, "Account locked after 3 failed logins. Try again in 1h", 53) != 0 &&
        strncmp(host.told, "Account locked after 3 failed logins. Try again in 59m", 54) != 0)
        fail_msg("told: %s", host.told);
    assert_int_equal(host_try(&host, "wrong", PAM_SILENT), PAM_AUTH_ERR);
    assert_string_equal(host.told, "");
    stack_in_force(stack, "default { max_attempts = 3 lock_time = forever }\n");
    assert_int_equal(host_try(&host, "right", 0), PAM_AUTH_ERR);
    assert_string_equal(host.told,
                        "Account locked after 3 failed logins. Contact your administrator.\n");
    host_end(&host, PAM_SUCCESS);
    /* over the network only where the administrator wants it */
    lock(stack, &remote, 3);
    host_start(stack, &host, &remote);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_string_equal(host.told, "");
    host_end(&host, PAM_SUCCESS);
    host_start(stack, &host, &(struct visitor){.rhost = "somewhere.example"});
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_string_equal(host.told, "");
    host_end(&host, PAM_SUCCESS);
    host_start(stack, &host, &tells);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_string_equal(host.told,
                        "Account locked after 3 failed logins. Contact your administrator.\n");
    assert_int_equal(host_try(&host, "wrong", PAM_SILENT), PAM_AUTH_ERR);
    assert_string_equal(host.told, "");
    host_end(&host, PAM_SUCCESS);
}

#define assert_log(text)                                                                           \
    do {                                                                                           \
        char *logged = log_text();                                                                 \
        assert_string_equal(logged, (text));                                                       \
        free(logged);                                                                              \
        log_clear();                                                                               \
    } while (0)

static void one_line_for_each_event(void **state)
{
    struct stack *stack = *state;
    const struct visitor su = {.service = "su"};

    NEEDS_ROOT();
    stack_service(stack, "su", NULL);
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

/* One that another process left behind: once, whoever finds it. */
static void a_dead_attempt_is_logged_once(void **state)
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
    /* and not laid at the door of who finds it */
    assert_int_equal(log_count_of("address=198.51.100.7"), 1);
}

static void nobody_forges_a_line(void **state)
{
    static const char *const hosts[] = {
        "x\npam_tmout(sshd:auth): failed login user=root address=192.0.2.66",
        "x user=root address=192.0.2.66",
        "192.0.2.66\r\n",
        "=\"quoted\" \\ ",
        "\xff\xfe\x80\x1b[2J",
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
    for (size_t i = 0; i < 2 * COUNT_OF(hosts); i++) {
        const char *text = hosts[i % COUNT_OF(hosts)];
        const struct visitor visitor = {.rhost = i < COUNT_OF(hosts) ? text : NULL,
                                        .address = i < COUNT_OF(hosts) ? NULL : text};
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

/* Of a user's name, which a stranger chose, where the name service is ill. */
static void nobody_forges_a_line_by_his_name(void **state)
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

/* --- trouble with the ledger ------------------------------------------------------ */

static void directories_are_made(void **state)
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
    assert_refused(stack, &alice, PAM_SERVICE_ERR);
    assert_refused(stack, &bob, PAM_SERVICE_ERR);
    assert_true(log_has("rejecting passwords"));
}

static void read_only(const struct stack *stack)
{
    in_a_mount(stack, NULL, NULL, on_a_read_only_disk);
}

static void a_read_only_state(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    wrong(stack, &alice); /* has a ledger, bob has none */
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
    assert_refused(stack, &bob, PAM_SERVICE_ERR);
    assert_failures(stack, &alice, 1);
    lock(stack, &alice, 1);
}

static void full(const struct stack *stack)
{
    in_a_mount(stack, "tmpfs", "size=128k,mode=0755", on_a_full_disk);
}

static void a_full_disk(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    in_child(full, stack);
}

static void a_damaged_ledger(void **state)
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
        assert_refused(stack, &alice, PAM_AUTH_ERR);
        assert_int_equal(log_count_of("set aside"), 1);
        assert_int_equal(log_count_of("rejected: locked"), 1);
        assert_refused(stack, &remote, PAM_AUTH_ERR);
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

/* Damaged while it is in use: no right password passes for a moment. */
static void a_ledger_that_goes_bad_in_the_middle(void **state)
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
    assert_refused(stack, &alice, PAM_AUTH_ERR);
}

static void the_lock_is_held_for_ever(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    if (is_slow())
        LEFT_OUT("takes long under valgrind and shows nothing more");
    stack_in_force(stack, three);
    wrong(stack, &alice);
    const int fd = hold_ledger(stack, ALICE_UID, LOCK_LOCAL);
    log_clear();
    assert_refused(stack, &alice, PAM_SERVICE_ERR);
    assert_int_equal(log_count_of("rejecting passwords"), 1);
    assert_int_equal(right(stack, &remote), PAM_SUCCESS); /* has a lock of its own */
    close(fd);
    assert_failures(stack, &alice, 1);
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
    static const int items[] = {PAM_SERVICE, PAM_USER,  PAM_TTY,         PAM_RHOST,
                                PAM_CONV,    PAM_RUSER, PAM_USER_PROMPT, PAM_FAIL_DELAY};
    const void *had[COUNT_OF(items)], *has;
    static const char *const passwords[] = {"wrong", "right", "wrong", "wrong", "right"};
    struct host host;

    for (size_t try = 0; try < COUNT_OF(passwords); try++) {
        host_start(stack, &host, visitor);
        for (size_t i = 0; i < COUNT_OF(items); i++)
            pam_get_item(host.handle, items[i], &had[i]);
        const int status = host_try(&host, passwords[try], 0);
        assert_int_equal(status, try == 1 ? PAM_SUCCESS : PAM_AUTH_ERR); /* the last: locked */
        assert_int_equal(host.delays, 1);
        for (size_t i = 0; i < COUNT_OF(items); i++) {
            assert_int_equal(pam_get_item(host.handle, items[i], &has), PAM_SUCCESS);
            assert_ptr_equal(has, had[i]);
        }
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

    /* modules that pam_start() loads once stay */
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

static void the_host_notices_nothing(void **state)
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
    /* whatever a user puts there, su is local */
    assert_refused(stack, &(struct visitor){.address = "192.0.2.1", .tty = "ssh"}, PAM_AUTH_ERR);
    assert_refused(stack, &(struct visitor){.rhost = "192.0.2.1"}, PAM_AUTH_ERR);
    /* a saved id of the user's is no way in, either */
    assert_int_equal(setresuid(BOB_UID, 0, BOB_UID), 0);
    note_state(&before);
    assert_host_notices_nothing(stack, &(struct visitor){.user = "user2"}, &before);
    assert_int_equal(handled, 0);
}

/* One that root in a container cannot lift: it keeps a ledger from being made,
 * and none from being written. */
static void under_a_hard_limit(const struct stack *stack)
{
    const struct rlimit nothing = {0, 0};

    right(stack, &alice);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &nothing), 0);
    assert_int_equal(setresuid(BOB_UID, 0, 0), 0);
    assert_int_equal(wrong(stack, &alice), PAM_AUTH_ERR);
    assert_int_equal(right(stack, &alice), PAM_SUCCESS);
    lock(stack, &alice, 2);
    assert_int_not_equal(wrong(stack, &bob), PAM_SUCCESS);
}

static void a_setuid_host_notices_nothing(void **state)
{
    struct stack *stack = *state;

    NEEDS_PLAIN_BUILD();
    NEEDS_USERS();
    stack_in_force(stack, "default { max_attempts = 2 }\n");
    in_child(as_a_users_su, stack);
    assert_int_equal(unlink(ledger_of(stack, ALICE_UID)), 0);
    in_child(under_a_hard_limit, stack);
    stack_in_force(stack, "default { max_attempts = 9 }\n");
    assert_failures(stack, &remote, 0);
}

static void many_attempts_leave_nothing(void **state)
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
    const struct CMUnitTest anybody[] = {WITH_ATTEMPTS(without_root)};
    const struct CMUnitTest tests[] = {
        WITH_ATTEMPTS(failures_lock),
        WITH_ATTEMPTS(a_success_clears),
        WITH_ATTEMPTS(many_tries_on_one_handle),
        WITH_ATTEMPTS(two_lines_charge_once),
        WITH_ATTEMPTS(pam_end_proves_nothing),
        WITH_ATTEMPTS(without_pam_end),
        WITH_ATTEMPTS(killed_in_the_check),
        WITH_ATTEMPTS(forked_in_the_middle),
        WITH_ATTEMPTS(the_applications_delay_function),
        WITH_ATTEMPTS(another_modules_delay),
        WITH_ATTEMPTS(a_failure_sleeps_and_a_success_does_not),
        WITH_ATTEMPTS(a_delay_function_of_another_module),
        WITH_ATTEMPTS(a_delay_function_that_hides),
        WITH_ATTEMPTS(incomplete_and_resumed),
        WITH_ATTEMPTS(interleaved_handles),
        WITH_ATTEMPTS(one_handle_inside_another),
        WITH_ATTEMPTS(an_abandoned_prompt),
        WITH_ATTEMPTS(a_conversation_that_comes_again),
        WITH_ATTEMPTS(empty_passwords),
        WITH_ATTEMPTS(the_fake_password_of_sshd),
        WITH_ATTEMPTS(other_phases_change_nothing),
        WITH_ATTEMPTS(a_lock_ends_in_time),
        WITH_ATTEMPTS(counts_by_source),
        WITH_ATTEMPTS(a_wrong_password_is_never_admitted),
        WITH_ATTEMPTS(alone_it_vouches_for_nobody),
        WITH_ATTEMPTS(who_is_limited),
        WITH_ATTEMPTS(roots_own_rule),
        WITH_ATTEMPTS(the_strictest_group),
        WITH_ATTEMPTS(without_a_policy),
        WITH_ATTEMPTS(a_damaged_snapshot),
        WITH_ATTEMPTS(a_typo_changes_nothing),
        WITH_ATTEMPTS(words_on_the_line),
        WITH_ATTEMPTS(the_name_service_is_silent),
        WITH_ATTEMPTS(the_user_is_told),
        WITH_ATTEMPTS(one_line_for_each_event),
        WITH_ATTEMPTS(a_dead_attempt_is_logged_once),
        WITH_ATTEMPTS(nobody_forges_a_line),
        WITH_ATTEMPTS(nobody_forges_a_line_by_his_name),
        WITH_ATTEMPTS(directories_are_made),
        WITH_ATTEMPTS(a_read_only_state),
        WITH_ATTEMPTS(a_full_disk),
        WITH_ATTEMPTS(a_damaged_ledger),
        WITH_ATTEMPTS(a_ledger_that_goes_bad_in_the_middle),
        WITH_ATTEMPTS(the_lock_is_held_for_ever),
        WITH_ATTEMPTS(the_host_notices_nothing),
        WITH_ATTEMPTS(a_setuid_host_notices_nothing),
        WITH_ATTEMPTS(many_attempts_leave_nothing),
    };
    const int as_anybody = cmocka_run_group_tests(anybody, NULL, NULL);

    become_root();
    return as_anybody + cmocka_run_group_tests(tests, NULL, NULL);
}
