/*
 * Login attempts on the real libpam: a stack with pam_tmout.so and
 * pam_check.so, which takes the place of a host's pam_unix. The users alice (in
 * the group staffers), bob, crowded (in crowd0, crowd1, ...) and user0, user1, ... exist only in
 * these tests; looking up "broken..." fails in the name service, as does looking up the groups of
 * "groupless".
 *
 * The auth phase needs root. As a plain user the tests run in a user namespace
 * if that is possible.
 */
#ifndef TMOUT_TESTS_MODULE_ATTEMPTS_H
#define TMOUT_TESTS_MODULE_ATTEMPTS_H

#include "tests/module/pam_check.h"
#include "tests/module/stack.h"

enum { ALICE_UID = 70001, BOB_UID = 70002, NUMBERED_UID = 80000 };
enum { CROWD_GID = 75000, CROWDED_GROUPS = 60 };

/* How often a user or group was asked for. */
extern unsigned name_service_calls, group_file_reads;

#define NEEDS_ROOT()                                                                               \
    do {                                                                                           \
        if (geteuid() != 0)                                                                        \
            LEFT_OUT("needs root or user namespaces: otherwise the module counts nothing");        \
    } while (0)

/* The module must not be instrumented: gcov writes files when it is unloaded. */
#define NEEDS_PLAIN_BUILD()                                                                        \
    do {                                                                                           \
        if (getenv("TMOUT_COVERAGE") != NULL)                                                      \
            LEFT_OUT("not in a coverage build: gcov's own files would be noticed");                \
    } while (0)

/* Needs uids other than root's. */
#define NEEDS_USERS()                                                                              \
    do {                                                                                           \
        NEEDS_ROOT();                                                                              \
        if (is_in_namespace())                                                                     \
            LEFT_OUT("needs real root to become other users");                                     \
    } while (0)

/* Makes a plain user root in a user namespace; does nothing where that is not
 * permitted. To be called once, from main(). */
void become_root(void);
bool is_in_namespace(void);

/* cmocka set-up and tear-down, like stack_make(). */
int attempts_make(void **state);
int attempts_remove(void **state);

#define WITH_ATTEMPTS(test) cmocka_unit_test_setup_teardown(test, attempts_make, attempts_remove)

/* What pam_check.so has counted in this test. */
extern struct check_counts *counts;
void counts_clear(void);
#define passed_on() (counts->right + counts->wrong)

/* Waits until this many passwords are being checked. */
void await_inside(uint32_t how_many);
void open_gate(void);

/*
 * Writes the stack of a service. In text, TMOUT and CHECK are replaced by the
 * modules with the arguments they always need (more arguments may follow), and
 * HERE by the directory of the stacks. NULL: these two modules, `requisite` and
 * `required`.
 */
void stack_service(const struct stack *stack, const char *service, const char *text);

/* An application with a PAM handle. */
struct host {
    pam_handle_t *handle;
    const char *password;      /* the answer to each prompt; NULL: the conversation fails */
    const char *then;          /* if not NULL: the answer to all prompts but the first */
    int prompt_status;         /* if not 0, the conversation returns this instead */
    unsigned prompts, answers; /* all, and since host_try() */
    char messages[512];        /* all messages since host_try() */
    unsigned delays, delay_us;
    int delay_status; /* what its PAM_FAIL_DELAY function was called with */
};

/* Who logs in. Defaults: alice, through the service "sshd", without an address:
 * from the network. Local are those of the service "su". */
struct visitor {
    const char *user, *service, *address, *rhost, *tty, *display;
    bool without_delay_function;
};

void host_start(const struct stack *stack, struct host *host, const struct visitor *visitor);
int host_try(struct host *host, const char *password, int flags);
/* pam_chauthtok(), with the current password. */
int host_change(struct host *host, const char *password, int flags);
void host_end(struct host *host, int status);
void own_delay(int status, unsigned delay_us, void *appdata);

/* host_start(), host_try() and host_end() in one. */
int try_once(const struct stack *stack, const struct visitor *visitor, const char *password);

/* Returns the user's failures now. Makes one more and takes the number from its
 * log line. */
unsigned probe_failures(const struct stack *stack, const struct visitor *visitor);

/* Returns how many lines of the log contain this text. */
size_t log_count_of(const char *text);

/* The path of a user's ledger; static. */
const char *ledger_of(const struct stack *stack, unsigned uid);

/* Takes a lock of the ledger, as a process in the middle of its work does,
 * until the descriptor is closed. */
int hold_ledger(const struct stack *stack, unsigned uid, int64_t byte);

#endif
