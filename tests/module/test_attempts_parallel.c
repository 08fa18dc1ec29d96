/* Many login attempts at once, by processes and by threads: no more wrong
 * passwords reach the check than the policy allows, and no correct one is
 * rejected because others are in flight. Stopping or killing processes does not
 * change that. */
#include "tests/module/attempts.h"

#include "lib/attempts/ledger_format.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARRIVALS_MAX = 400 };

/* --- arrivals ------------------------------------------------------------------ */

struct arrival {
    uint32_t gate; /* a futex: 1 when it may continue */
    bool right, known;
    pid_t pid;
    int status; /* of pam_authenticate(), valid if known */
};

/* Shared with all the children. */
struct shared {
    struct arrival arrival[ARRIVALS_MAX];
    uint32_t ready; /* a futex: number waiting at their gates */
    unsigned many, max;
    uid_t real_uid;
    const char *user;
    uint64_t random;
    const struct stack *stack;
    unsigned char wait_before[64];
};

static struct shared *shared;

static void wake(uint32_t *futex)
{
    syscall(SYS_futex, futex, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void await(uint32_t *futex, uint32_t least)
{
    uint32_t now;

    while ((now = __atomic_load_n(futex, __ATOMIC_SEQ_CST)) < least)
        syscall(SYS_futex, futex, FUTEX_WAIT, now, NULL, NULL, 0);
}

/* xorshift64: the same on every machine, from a seed that a failure prints. */
static unsigned random_below(unsigned below)
{
    shared->random ^= shared->random << 13;
    shared->random ^= shared->random >> 7;
    shared->random ^= shared->random << 17;
    return (unsigned)(shared->random >> 33) % below;
}

static uint64_t seed_from_clock(void)
{
    struct timespec now;
    const char *given = getenv("TMOUT_TEST_SEED");

    if (given != NULL)
        return strtoull(given, NULL, 10) | 1;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_sec * 1000000007U + (uint64_t)now.tv_nsec) | 1;
}

/* Why an attempt had a result that it must not have. */
static void tell_log(int status)
{
    char *log = log_text();

    print_error("ERROR: status %d, and the log: %s\n", status, log);
    free(log);
}

static void arrive(struct arrival *arrival)
{
    struct host host;

    host_start(shared->stack, &host, &(struct visitor){.user = shared->user});
    if (shared->real_uid != 0 && setresuid(shared->real_uid, 0, 0) != 0)
        _exit(2);
    __atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
    wake(&shared->ready);
    await(&arrival->gate, 1);
    arrival->status = host_try(&host, arrival->right ? "right" : "wrong", 0);
    if (arrival->status != PAM_SUCCESS && arrival->status != PAM_AUTH_ERR)
        tell_log(arrival->status);
    /* Whoever is killed in between has no status, and has not succeeded. */
    __atomic_store_n(&arrival->known, true, __ATOMIC_SEQ_CST);
    host_end(&host, PAM_SUCCESS);
}

static void *arrive_in_thread(void *arrival)
{
    arrive(arrival);
    return NULL;
}

/* The first `rights` passwords are right; the gates decide the order. */
static void prepare(const struct stack *stack, unsigned many, unsigned rights, unsigned max)
{
    memset(shared->arrival, 0, sizeof shared->arrival);
    shared->stack = stack;
    shared->many = many;
    shared->max = max;
    shared->ready = 0;
    counts_clear();
    for (unsigned i = 0; i < many; i++)
        shared->arrival[i].right = i < rights;
}

static void fork_all(void)
{
    fflush(stdout);
    fflush(stderr);
    for (unsigned i = 0; i < shared->many; i++) {
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            setenv("CMOCKA_TEST_ABORT", "1", 1);
            arrive(&shared->arrival[i]);
            _exit(0);
        }
        shared->arrival[i].pid = pid;
    }
}

/* Opens the gates in random order. */
static void open_gates(void)
{
    unsigned order[ARRIVALS_MAX];

    await(&shared->ready, shared->many);
    for (unsigned i = 0; i < shared->many; i++) {
        const unsigned k = random_below(i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    for (unsigned i = 0; i < shared->many; i++) {
        __atomic_store_n(&shared->arrival[order[i]].gate, 1, __ATOMIC_SEQ_CST);
        wake(&shared->arrival[order[i]].gate);
        if (random_below(8) == 0)
            sched_yield();
    }
}

static void by_processes(void)
{
    fork_all();
    open_gates();
    for (unsigned i = 0; i < shared->many; i++)
        assert_int_equal(waitpid(shared->arrival[i].pid, NULL, 0), shared->arrival[i].pid);
}

static void by_threads(void)
{
    static pthread_t thread[ARRIVALS_MAX];

    for (unsigned i = 0; i < shared->many; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, arrive_in_thread, &shared->arrival[i]),
                         0);
    open_gates();
    for (unsigned i = 0; i < shared->many; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
}

struct tally {
    unsigned succeeded, right_rejected, unknown, odd;
};

static struct tally tally(void)
{
    struct tally tally = {0};

    for (unsigned i = 0; i < shared->many; i++) {
        const struct arrival *arrival = &shared->arrival[i];
        if (!arrival->known)
            tally.unknown++;
        else if (arrival->status == PAM_SUCCESS)
            tally.succeeded += arrival->right ? 1 : 0;
        else if (arrival->right)
            tally.right_rejected++;
        if (arrival->known && arrival->status != PAM_SUCCESS && arrival->status != PAM_AUTH_ERR)
            tally.odd++;
        if (arrival->known && arrival->status == PAM_SUCCESS && !arrival->right)
            tally.odd += 1000;
    }
    return tally;
}

/* --- both halves of the guarantee ----------------------------------------------- */

struct crowd {
    const char *how;
    void (*run)(void);
};

static const struct crowd processes = {"processes", by_processes},
                          threads = {"threads", by_threads};

static void new_round(struct stack *stack, unsigned max, unsigned delay_ms)
{
    static unsigned users;
    static char user[32];
    char text[256];

    snprintf(user, sizeof user, "user%u", users++);
    shared->user = user;
    snprintf(text, sizeof text, "default { max_attempts = %u }\n", max);
    stack_in_force(stack, text);
    snprintf(text, sizeof text, "auth requisite TMOUT\nauth required CHECK delay_ms=%u\n",
             delay_ms);
    stack_service(stack, "sshd", text);
}

static void assert_round(const struct crowd *crowd, unsigned many, unsigned rights, unsigned max,
                         unsigned delay_ms)
{
    const uint64_t seed = shared->random;

    prepare(shared->stack, many, rights, max);
    log_clear();
    crowd->run();
    const struct tally t = tally();
    const unsigned wrongs = many - rights;
    const char *failed = NULL;

    if (t.odd != 0 || t.unknown != 0)
        failed = "unexpected results";
    else if (counts->inside_max > max)
        failed = "more checked at once than max_attempts";
    else if (counts->wrong > max * (t.succeeded + 1))
        failed = "too many wrong passwords checked";
    else if (counts->right != t.succeeded)
        failed = "a right password reached the check but did not succeed";
    else if (rights == 0 && counts->wrong != (wrongs < max ? wrongs : max))
        failed = "the number of wrong passwords checked is not max_attempts";
    else if (wrongs < max && (t.right_rejected != 0 || counts->wrong != wrongs))
        failed = "rejected although the wrong ones are fewer than max_attempts";
    else if (t.right_rejected != 0 && counts->wrong < max)
        failed = "correct passwords rejected without a lock";
    if (crowd == &threads && failed == NULL && rights == 0 && wrongs > max &&
        (log_count_of("failed login") != max || log_count_of("locked after") != 1 ||
         log_count_of("rejected: locked") != many - max || log_lines() != many + 1))
        failed = "not one line for each event";
    if (failed != NULL)
        fail_msg("%s: %u %s, %u of them right, %u ms, max_attempts %u, seed %llu: right %u, "
                 "wrong %u, at once %u; succeeded %u, correct rejected %u, unknown %u, odd %u",
                 failed, many, crowd->how, rights, delay_ms, max, (unsigned long long)seed,
                 counts->right, counts->wrong, counts->inside_max, t.succeeded, t.right_rejected,
                 t.unknown, t.odd);
}

/* Would the right logins, of which at most max run at once, take too long? */
static bool takes_too_long(unsigned many, unsigned max, unsigned delay_ms)
{
    const unsigned least_ms = many * delay_ms / max;

    return !is_soak() && least_ms > 1500;
}

static const unsigned manys[] = {20, 100, 400}, maxes[] = {1, 3, 5}, delays[] = {0, 20, 100};

static void all_combinations(struct stack *stack, const struct crowd *crowd,
                             void (*one)(struct stack *, const struct crowd *, unsigned, unsigned,
                                         unsigned))
{
    shared->stack = stack;
    for (size_t n = 0; n < COUNT_OF(manys); n++)
        for (size_t m = 0; m < COUNT_OF(maxes); m++)
            for (size_t d = 0; d < COUNT_OF(delays); d++)
                if (!is_slow() || (manys[n] == 20 && maxes[m] != 1 && delays[d] != 100))
                    one(stack, crowd, manys[n], maxes[m], delays[d]);
}

static void wrong_round(struct stack *stack, const struct crowd *crowd, unsigned many, unsigned max,
                        unsigned delay_ms)
{
    new_round(stack, max, delay_ms);
    assert_round(crowd, many, 0, max, delay_ms);
    /* the lock persists */
    assert_int_equal(try_once(stack, &(struct visitor){.user = shared->user}, "right"),
                     PAM_AUTH_ERR);
}

static void right_round(struct stack *stack, const struct crowd *crowd, unsigned many, unsigned max,
                        unsigned delay_ms)
{
    if (takes_too_long(many, max, delay_ms))
        return;
    new_round(stack, max, delay_ms);
    assert_round(crowd, many, many, max, delay_ms);
}

static void few_wrong_round(struct stack *stack, const struct crowd *crowd, unsigned many,
                            unsigned max, unsigned delay_ms)
{
    if (max == 1 || takes_too_long(many, max, delay_ms) || (delay_ms == 100 && !is_soak()))
        return;
    new_round(stack, max, delay_ms);
    assert_round(crowd, many, many - (max - 1), max, delay_ms);
}

static void mixed_round(struct stack *stack, const struct crowd *crowd, unsigned many, unsigned max,
                        unsigned delay_ms)
{
    const int rounds = is_soak() ? 10 : 1;

    if (takes_too_long(many, max, delay_ms) || (delay_ms == 100 && !is_soak()))
        return;
    for (int i = 0; i < rounds; i++) {
        new_round(stack, max, delay_ms);
        assert_round(crowd, many,
                     many - 1 - random_below(random_below(2) == 0 ? many / 2 : 2 * max), max,
                     delay_ms);
    }
}

static void processes_with_wrong_passwords_only(void **state)
{
    NEEDS_ROOT();
    all_combinations(*state, &processes, wrong_round);
}

static void processes_with_right_passwords_only(void **state)
{
    NEEDS_ROOT();
    all_combinations(*state, &processes, right_round);
}

static void processes_with_fewer_wrong_passwords_than_the_limit(void **state)
{
    NEEDS_ROOT();
    all_combinations(*state, &processes, few_wrong_round);
}

static void processes_with_mixed_passwords(void **state)
{
    NEEDS_ROOT();
    all_combinations(*state, &processes, mixed_round);
}

static void threads_with_wrong_passwords_only(void **state)
{
    NEEDS_ROOT();
    all_combinations(*state, &threads, wrong_round);
}

static void threads_with_right_passwords_only(void **state)
{
    NEEDS_ROOT();
    all_combinations(*state, &threads, right_round);
}

static void threads_with_fewer_wrong_passwords_than_the_limit(void **state)
{
    NEEDS_ROOT();
    all_combinations(*state, &threads, few_wrong_round);
}

static void threads_with_mixed_passwords(void **state)
{
    NEEDS_ROOT();
    all_combinations(*state, &threads, mixed_round);
}

/* Wrong passwords are in the check and take all slots: a right one waits for
 * them, and is admitted as soon as one has settled without locking. */
static void right_password_waits_for_wrong_ones(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    shared->stack = stack;
    new_round(stack, 3, 0);
    stack_service(stack, "sshd", "auth requisite TMOUT\nauth required CHECK gate\n");
    prepare(stack, 6, 6, 3);
    fork_all();
    open_gates();
    await_inside(3);
    usleep(300000); /* the others have most likely arrived; if not, the test is weaker */
    assert_int_equal(counts->inside, 3);
    open_gate();
    for (unsigned i = 0; i < 6; i++)
        waitpid(shared->arrival[i].pid, NULL, 0);
    assert_int_equal(tally().succeeded, 6);
    assert_int_equal(counts->inside_max, 3);
}

/* --- killed at any moment ----------------------------------------------------------- */

/* The ledger that is left works: after enough wrong passwords the user is locked. */
static void assert_locks(const struct stack *stack, uint64_t seed)
{
    const struct visitor visitor = {.user = shared->user};
    int status = PAM_SUCCESS;

    counts->wrong = 0;
    log_clear();
    for (int i = 0; i < 4; i++)
        status = try_once(stack, &visitor, "wrong");
    const int last = try_once(stack, &visitor, "right");
    if (status == PAM_AUTH_ERR && counts->wrong <= 3 && last == PAM_AUTH_ERR)
        return;
    tell_log(last);
    fail_msg("seed %llu: not locked: the last wrong one %d, %u of them in the check",
             (unsigned long long)seed, status, counts->wrong);
}

static void survives_kills_at_random_moments(void **state)
{
    struct stack *stack = *state;
    const unsigned rounds = is_slow() ? 2 : is_soak() ? 500 : 50, many = is_slow() ? 10 : 24;

    NEEDS_ROOT();
    shared->stack = stack;
    for (unsigned round = 0; round < rounds; round++) {
        const uint64_t seed = shared->random;
        new_round(stack, 3, 1);
        prepare(stack, many, round % 2 == 0 ? 0 : many / 2, 3);
        fork_all();
        open_gates();
        for (unsigned left = many; left > 0;) {
            const unsigned i = random_below(many);
            if (shared->arrival[i].pid == 0)
                continue;
            usleep(random_below(300));
            if (random_below(4) != 0)
                kill(shared->arrival[i].pid, SIGKILL);
            assert_int_equal(waitpid(shared->arrival[i].pid, NULL, 0), shared->arrival[i].pid);
            shared->arrival[i].pid = 0;
            left--;
        }
        const struct tally t = tally();
        /* an attempt that was killed after it had settled leaves no result */
        const unsigned settled = t.succeeded + (round % 2 == 0 ? 0 : t.unknown);
        if (counts->wrong > 3 * (settled + 1) || t.odd != 0)
            fail_msg("seed %llu: %u wrong in the check, %u succeeded, %u without a result, odd %u",
                     (unsigned long long)seed, counts->wrong, t.succeeded, t.unknown, t.odd);
        assert_locks(stack, seed);
    }
}

/* --- a user's own su ---------------------------------------------------------------- */

/* Stops, continues and kills them as their user, for as long as this process
 * lives. */
static void hammer(void)
{
    static const int signals[] = {SIGSTOP, SIGCONT, SIGSTOP, SIGCONT, SIGSTOP,
                                  SIGCONT, SIGSTOP, SIGCONT, SIGKILL};

    if (setresuid(ALICE_UID, ALICE_UID, ALICE_UID) != 0)
        _exit(2);
    for (;;) {
        const pid_t pid =
            __atomic_load_n(&shared->arrival[random_below(shared->many)].pid, __ATOMIC_SEQ_CST);
        if (pid == 0)
            continue;
        const unsigned which = random_below(8 * COUNT_OF(signals));
        kill(pid, signals[which < COUNT_OF(signals) ? which : which % (COUNT_OF(signals) - 1)]);
    }
}

static void assert_only_root_owns(const struct stack *stack, unsigned uid)
{
    char path[512];

    snprintf(path, sizeof path, "%s.damaged", ledger_of(stack, uid));
    assert_int_equal(access(path, F_OK), -1);
    /* no lock is left behind */
    for (int i = 0; i < 2; i++) {
        struct flock lock = {.l_type = F_WRLCK,
                             .l_whence = SEEK_SET,
                             .l_start = i == 0 ? LOCK_LOCAL : LOCK_NETWORK,
                             .l_len = 1};
        const int fd = open(ledger_of(stack, uid), O_RDWR | O_CLOEXEC);
        if (fd < 0)
            continue; /* all were killed before they opened it */
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        close(fd);
    }
}

static void users_cannot_disturb_their_own_attempts(void **state)
{
    struct stack *stack = *state;
    const unsigned rounds = is_slow() ? 1 : is_soak() ? 100 : 12, many = is_slow() ? 8 : 40;

    NEEDS_USERS();
    shared->stack = stack;
    for (unsigned round = 0; round < rounds; round++) {
        const uint64_t seed = shared->random;
        const unsigned rights = round % 3 == 0 ? 0 : many / 2;
        unsigned uid = 0;
        new_round(stack, 5, 1);
        assert_int_equal(sscanf(shared->user, "user%u", &uid), 1);
        prepare(stack, many, rights, 5);
        shared->real_uid = ALICE_UID;
        fork_all();
        await(&shared->ready, many);
        const pid_t hammering = fork();
        if (hammering == 0)
            hammer();
        open_gates();
        for (unsigned i = 0; i < many; i++) {
            int status;
            const pid_t pid = shared->arrival[i].pid;
            while (waitpid(pid, &status, WNOHANG) == 0) {
                kill(pid, SIGCONT);
                usleep(200);
            }
            __atomic_store_n(&shared->arrival[i].pid, 0, __ATOMIC_SEQ_CST);
        }
        kill(hammering, SIGKILL);
        waitpid(hammering, NULL, 0);
        shared->real_uid = 0;
        const struct tally t = tally();
        const unsigned settled = t.succeeded + (rights == 0 ? 0 : t.unknown);
        if (counts->wrong > 5 * (settled + 1) || t.odd != 0)
            fail_msg("seed %llu: %u wrong in the check, %u succeeded, %u without a result, odd %u",
                     (unsigned long long)seed, counts->wrong, t.succeeded, t.unknown, t.odd);
        assert_only_root_owns(stack, NUMBERED_UID + uid);
    }
}

/* Deterministic: at the beginning and at the end, while the process waits for
 * the ledger's lock or holds it, its user cannot signal it. */
static bool can_be_killed_by(pid_t pid, uid_t uid)
{
    int status;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(setresuid(uid, uid, uid) != 0 ? 2 : kill(pid, 0) == 0 ? 1 : 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 1;
}

static void users_cannot_signal_processes_at_the_ledger(void **state)
{
    struct stack *stack = *state;
    unsigned number = 0;

    NEEDS_USERS();
    shared->stack = stack;
    new_round(stack, 3, 0);
    assert_int_equal(sscanf(shared->user, "user%u", &number), 1);
    assert_int_equal(try_once(stack, &(struct visitor){.user = shared->user}, "right"),
                     PAM_SUCCESS);
    stack_service(stack, "sshd", "auth requisite TMOUT\nauth required CHECK gate\n");
    prepare(stack, 1, 0, 3);
    shared->real_uid = ALICE_UID;
    fork_all();
    const pid_t pid = shared->arrival[0].pid;
    await(&shared->ready, 1);
    assert_true(can_be_killed_by(pid, ALICE_UID));
    int held = hold_ledger(stack, NUMBERED_UID + number, LOCK_LOCAL);
    open_gates();
    while (can_be_killed_by(pid, ALICE_UID)) /* the loop ends only if the process is protected */
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    close(held);
    await_inside(1);
    assert_true(
        can_be_killed_by(pid, ALICE_UID)); /* during the check its user can signal it again */
    held = hold_ledger(stack, NUMBERED_UID + number, LOCK_LOCAL);
    open_gate();
    while (can_be_killed_by(pid, ALICE_UID))
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    close(held);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    shared->real_uid = 0;
    assert_int_equal(shared->arrival[0].status, PAM_AUTH_ERR);
    open_gate();
    assert_int_equal(
        probe_failures(stack, &(struct visitor){.user = shared->user, .service = "su"}), 1);
}

static int map_shared(void **state)
{
    struct rlimit files;

    (void)state;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -1;
    shared->random = seed_from_clock();
    /* threads share one descriptor table: two descriptors each */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ATTEMPTS(processes_with_wrong_passwords_only),
        WITH_ATTEMPTS(processes_with_right_passwords_only),
        WITH_ATTEMPTS(processes_with_fewer_wrong_passwords_than_the_limit),
        WITH_ATTEMPTS(processes_with_mixed_passwords),
        WITH_ATTEMPTS(threads_with_wrong_passwords_only),
        WITH_ATTEMPTS(threads_with_right_passwords_only),
        WITH_ATTEMPTS(threads_with_fewer_wrong_passwords_than_the_limit),
        WITH_ATTEMPTS(threads_with_mixed_passwords),
        WITH_ATTEMPTS(right_password_waits_for_wrong_ones),
        WITH_ATTEMPTS(survives_kills_at_random_moments),
        WITH_ATTEMPTS(users_cannot_disturb_their_own_attempts),
        WITH_ATTEMPTS(users_cannot_signal_processes_at_the_ledger),
    };

    become_root();
    return cmocka_run_group_tests(tests, map_shared, NULL);
}
