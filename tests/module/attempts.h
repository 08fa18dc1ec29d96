/*
 * Login attempts on the real libpam: a stack with pam_tmout.so and, where a
 * host has pam_unix, pam_check.so. The users alice (of the group staffers),
 * bob and user0, user1, ... exist in these tests alone; of "broken..." the
 * name service cannot tell anything, nor of the groups of "groupless".
 *
 * The auth phase is root's. As a plain user the tests run in a user
 * namespace, where that is possible.
 */
#ifndef TMOUT_TESTS_MODULE_ATTEMPTS_H
#define TMOUT_TESTS_MODULE_ATTEMPTS_H

#include "tests/module/pam_check.h"
#include "tests/module/stack.h"

enum { ALICE_UID = 70001, BOB_UID = 70002, NUMBERED_UID = 80000 };

#define NEEDS_ROOT()                                                                               \
    do {                                                                                           \
        if (geteuid() != 0)                                                                        \
            LEFT_OUT("needs root, or user namespaces: without it the module counts nothing");      \
    } while (0)

/* Must not be instrumented: gcov writes files when the module is unloaded. */
#define NEEDS_PLAIN_BUILD()                                                                        \
    do {                                                                                           \
        if (getenv("TMOUT_COVERAGE") != NULL)                                                      \
            LEFT_OUT("not in a coverage build: gcov's own files are noticed");                     \
    } while (0)

/* Needs uids beside root's. */
#define NEEDS_USERS()                                                                              \
    do {                                                                                           \
        NEEDS_ROOT();                                                                              \
        if (is_in_namespace())                                                                     \
            LEFT_OUT("needs real root, to become other users");                                    \
    } while (0)

/* Makes a plain user root of a user namespace; nothing where it is not
 * permitted. For main(), once. */
void become_root(void);
bool is_in_namespace(void);

/* Under valgrind; for what takes long. */
bool is_slow(void);
bool is_soak(void);

/* cmocka's set-up and tear-down, as stack_make(). */
int attempts_make(void **state);
int attempts_remove(void **state);

#define WITH_ATTEMPTS(test) cmocka_unit_test_setup_teardown(test, attempts_make, attempts_remove)

/* What pam_check.so has counted in this test. */
extern struct check_counts *counts;
void counts_clear(void);
#define passed_on() (counts->right + counts->wrong)

/* Waits until so many are being checked. */
void await_inside(uint32_t how_many);
void open_gate(void);

/*
 * The stack of a service: TMOUT and CHECK in text are replaced by the
 * modules with what they need to know, which more words may follow, and HERE
 * by the directory of the stacks. NULL: these two lines, `requisite` and
 * `required`.
 */
void stack_service(const struct stack *stack, const char *service, const char *text);

/* An application with a handle. */
struct host {
    pam_handle_t *handle;
    const char *password; /* what it answers when asked; NULL: that it cannot */
    int prompt_status;    /* if not 0, what its conversation returns instead */
    unsigned prompts;
    char told[512]; /* all messages since host_try() */
    unsigned delays, delay_us;
    int delay_status; /* what its PAM_FAIL_DELAY function was called with */
};

/* Who is at it; what is not given: alice, locally, with the service "sshd". */
struct visitor {
    const char *user, *service, *address, *rhost, *tty;
    bool without_delay_function;
};

void host_start(const struct stack *stack, struct host *host, const struct visitor *visitor);
int host_try(struct host *host, const char *password, int flags);
void host_end(struct host *host, int status);
void own_delay(int status, unsigned delay_us, void *appdata);

/* All three in one. */
int try_once(const struct stack *stack, const struct visitor *visitor, const char *password);

/* The user's failures now, told by one more: what the log says of it. */
unsigned failures_told(const struct stack *stack, const struct visitor *visitor);

/* In how many lines of the log is this text? */
size_t log_count_of(const char *text);

/* The path of a user's ledger; static. */
const char *ledger_of(const struct stack *stack, unsigned uid);

/* Takes a lock of the ledger as a process in the middle of its work does,
 * until the descriptor is closed. */
int hold_ledger(const struct stack *stack, unsigned uid, int64_t byte);

#endif
