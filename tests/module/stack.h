/*
 * A PAM stack of one line, `session required pam_tmout.so`, on the real libpam:
 * a directory with the stack's file, a policy and a state directory. Needs no
 * root: when the module runs as the user who runs the test, it trusts that
 * user's files. Only root can refresh.
 */
#ifndef TMOUT_TESTS_MODULE_STACK_H
#define TMOUT_TESTS_MODULE_STACK_H

#include "tests/unit/check.h"

#include <security/pam_appl.h>
#include <sys/types.h>

struct stack {
    char *directory;
    char *config, *drop_ins, *state; /* paths in it */
    char *snapshot, *rejected;
};

/* cmocka's set-up and tear-down; *state is the struct stack. */
int stack_make(void **state);
int stack_remove(void **state);

#define WITH_STACK(test) cmocka_unit_test_setup_teardown(test, stack_make, stack_remove)

/* Writes a file by renaming a new one, as editors do. */
void write_file(const char *path, const char *text);

/* Writes the policy's main file. */
void stack_policy(const struct stack *stack, const char *text);

/* Runs `tmoutctl apply --quiet`; returns its exit status. */
int stack_apply(const struct stack *stack);

/* Writes the policy and compiles it. */
void stack_in_force(const struct stack *stack, const char *text);

/* How the user logs in. Defaults: an SSH login of the user who runs the test. */
struct login {
    const char *user;
    const char *arguments;      /* arguments after config= and state= on the PAM line */
    const char *all_arguments;  /* instead of config= and state= */
    const char *environment[4]; /* added to the PAM environment */
    const char *tty;
    bool local;           /* without SSH_CONNECTION */
    void (*before)(void); /* called right before pam_open_session() */
    void (*after)(void);  /* called right after it */
};

struct outcome {
    int status;        /* of pam_open_session() */
    int close_status;  /* of pam_close_session() */
    char limit[64];    /* PAM_TMOUT, "-" if not set */
    char exported[64]; /* TMOUT, likewise */
};

struct outcome stack_login(const struct stack *stack, const struct login *login);

/* Logs in over SSH and asserts success and the limit. */
void assert_limit(const struct stack *stack, const char *limit);

/* Logs in over SSH and asserts PAM_SESSION_ERR, with no limit set. */
void assert_no_session(const struct stack *stack);

/* The name of the user who runs the test. */
const char *own_name(void);

/*
 * Everything that was passed to syslog(3) in this process since log_clear().
 * The caller frees the result of log_text().
 */
void log_clear(void);
char *log_text(void);
size_t log_lines(void);
bool log_has(const char *text);

/* Runs body in a child and asserts that it succeeded. If an assertion fails in
 * the child, it is printed and the child exits with an error. */
void in_child(void (*body)(const struct stack *), const struct stack *stack);

/* The number of descriptors that this process has open. */
size_t open_descriptors(void);

#endif
