/* An attempt whose process is killed at each of its system calls, before and behind it:
 * whatever it leaves behind, no more wrong passwords reach the check than the policy
 * allows, and the ledger goes on working. */
#include "tests/module/attempts.h"

#include "lib/attempts/ledger_format.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ATTEMPTS = 3, STOPS_MAX = 2000 };

/* What there is before the attempt. */
enum before { NOTHING, A_LEDGER, REVOKED, DAMAGED };

struct scenario {
    const char *name;
    enum before before;
    unsigned failures;  /* that have been counted before */
    unsigned in_flight; /* other attempts with wrong passwords, until this one is dead */
    bool right;
};

/* The tests need a user for each stop. */
static unsigned users;
static char user[32];

static const struct visitor *visitor(void)
{
    static struct visitor visitor;

    visitor.user = user;
    return &visitor;
}

/* In the check, these wait for the gate. */
static const struct visitor *gated_visitor(void)
{
    static struct visitor visitor = {.service = "gated"};

    visitor.user = user;
    return &visitor;
}

static unsigned uid(void)
{
    return NUMBERED_UID + users;
}

/* Starts an attempt in a child, which stops in front of it if it is traced. */
static pid_t start(const struct stack *stack, const struct visitor *who, const char *password,
                   bool traced)
{
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid != 0)
        return pid;
    struct host host;
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    host_start(stack, &host, who);
    if (traced && (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGSTOP) != 0))
        _exit(2);
    const int status = host_try(&host, password, 0);
    _exit(status == PAM_SUCCESS || status == PAM_AUTH_ERR ? 0 : 2);
}

/* Lets a traced child run up to this stop, of which each system call has two, and kills
 * it there. Returns false if it has ended before. */
static bool kill_at(pid_t pid, unsigned stop)
{
    int status, signal = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(
        ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
    for (unsigned seen = 0; seen < stop; seen += signal == 0) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, (uintptr_t)signal), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return false;
        }
        assert_true(WIFSTOPPED(status));
        signal = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return true;
}

static void damage(const struct stack *stack)
{
    const int fd = open(ledger_of(stack, uid()), O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "damage", 6, ledger_record_offset(RECORD_NETWORK)), 6);
    assert_int_equal(
        pwrite(fd, "damage", 6, ledger_record_offset(RECORD_NETWORK) + (int64_t)BANK_SIZE), 6);
    close(fd);
}

static void set_up(const struct stack *stack, const struct scenario *scenario)
{
    snprintf(user, sizeof user, "user%u", ++users);
    counts_clear();
    if (scenario->before != NOTHING)
        assert_int_equal(try_once(stack, visitor(), "right"), PAM_SUCCESS);
    for (unsigned i = 0; i < scenario->failures; i++)
        assert_int_equal(try_once(stack, visitor(), "wrong"), PAM_AUTH_ERR);
    if (scenario->before == DAMAGED)
        damage(stack);
}

/* Tries wrong passwords until the user is locked, and returns how many were checked. */
static unsigned wrong_until_locked(const struct stack *stack)
{
    const uint32_t before = counts->wrong;

    for (unsigned i = 0; i <= MAX_ATTEMPTS; i++)
        assert_int_equal(try_once(stack, visitor(), "wrong"), PAM_AUTH_ERR);
    return counts->wrong - before;
}

/* Returns false if the attempt ends before this stop. */
static bool one_stop(const struct stack *stack, const struct scenario *scenario, unsigned stop)
{
    pid_t other[MAX_ATTEMPTS];
    char aside[512];

    set_up(stack, scenario);
    for (unsigned i = 0; i < scenario->in_flight; i++)
        other[i] = start(stack, gated_visitor(), "wrong", false);
    await_inside(scenario->in_flight);
    if (scenario->before == REVOKED)
        assert_int_equal(chmod(ledger_of(stack, uid()), 0600 | LEDGER_REVOKED), 0);
    const pid_t pid = start(stack, visitor(), scenario->right ? "right" : "wrong", true);
    const bool killed = kill_at(pid, stop);
    open_gate();
    for (unsigned i = 0; i < scenario->in_flight; i++)
        assert_int_equal(waitpid(other[i], NULL, 0), other[i]);
    const unsigned counted = scenario->failures + scenario->in_flight;
    const unsigned checked = counts->wrong, more = wrong_until_locked(stack);
    const bool locked = scenario->before == DAMAGED;
    /* A right one that was settled has cleared the failures. */
    const unsigned most = scenario->right ? counted + MAX_ATTEMPTS : MAX_ATTEMPTS;
    const unsigned least = locked ? checked : MAX_ATTEMPTS - 1;
    if (checked + more > most || checked + more < least || (locked && more != 0))
        fail_msg("%s, stop %u: %u wrong passwords checked, then %u", scenario->name, stop, checked,
                 more);
    if (try_once(stack, visitor(), "right") != PAM_AUTH_ERR)
        fail_msg("%s, stop %u: not locked", scenario->name, stop);
    snprintf(aside, sizeof aside, "%s.damaged", ledger_of(stack, uid()));
    if (!locked && access(aside, F_OK) == 0)
        fail_msg("%s, stop %u: a ledger was set aside", scenario->name, stop);
    return killed;
}

static void all_stops(void **state, const struct scenario *scenario)
{
    struct stack *stack = *state;
    unsigned stop = 0;
    /* Each of them in soak tests; else every few, and other ones at each run. */
    const unsigned step = is_soak() ? 1 : 7;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 3 }\n");
    stack_service(stack, "gated", "auth requisite TMOUT\nauth required CHECK gate\n");
    for (stop = (unsigned)getpid() % step; one_stop(stack, scenario, stop); stop += step)
        assert_true(stop < STOPS_MAX);
    print_message("# %s: killed at up to %u stops\n", scenario->name, stop);
}

static void first_wrong_one(void **state)
{
    all_stops(state, &(struct scenario){.name = __func__, .before = NOTHING});
}

static void first_right_one(void **state)
{
    all_stops(state, &(struct scenario){.name = __func__, .before = NOTHING, .right = true});
}

static void the_one_that_locks(void **state)
{
    all_stops(state, &(struct scenario){.name = __func__, .before = A_LEDGER, .failures = 2});
}

static void right_one_after_failures(void **state)
{
    all_stops(state, &(struct scenario){
                         .name = __func__, .before = A_LEDGER, .failures = 2, .right = true});
}

static void wrong_one_beside_others(void **state)
{
    all_stops(state, &(struct scenario){.name = __func__, .before = A_LEDGER, .in_flight = 2});
}

static void right_one_beside_others(void **state)
{
    all_stops(state, &(struct scenario){
                         .name = __func__, .before = A_LEDGER, .in_flight = 2, .right = true});
}

static void wrong_one_that_replaces_the_ledger(void **state)
{
    all_stops(state, &(struct scenario){
                         .name = __func__, .before = REVOKED, .failures = 1, .in_flight = 1});
}

static void right_one_that_replaces_the_ledger(void **state)
{
    all_stops(
        state,
        &(struct scenario){
            .name = __func__, .before = REVOKED, .failures = 1, .in_flight = 1, .right = true});
}

static void one_that_finds_a_damaged_ledger(void **state)
{
    all_stops(state, &(struct scenario){
                         .name = __func__, .before = DAMAGED, .failures = 1, .right = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ATTEMPTS(first_wrong_one),
        WITH_ATTEMPTS(first_right_one),
        WITH_ATTEMPTS(the_one_that_locks),
        WITH_ATTEMPTS(right_one_after_failures),
        WITH_ATTEMPTS(wrong_one_beside_others),
        WITH_ATTEMPTS(right_one_beside_others),
        WITH_ATTEMPTS(wrong_one_that_replaces_the_ledger),
        WITH_ATTEMPTS(right_one_that_replaces_the_ledger),
        WITH_ATTEMPTS(one_that_finds_a_damaged_ledger),
    };

    become_root();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
