/* One attempt is one password: modules that ask again, and changes of the
 * password, on the real libpam. */
#include "tests/module/attempts.h"

#include <security/pam_modules.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char three[] = "default { max_attempts = 3 }\n";
static const struct visitor alice = {0};

#define assert_failures(stack, visitor, number)                                                    \
    assert_int_equal(probe_failures((stack), (visitor)), (number))

/* --- modules that ask again ------------------------------------------------------ */

/* What each of these stacks does with a wrong password and `then` after it. */
static int try_two(const struct stack *stack, const char *check, const char *first,
                   const char *then)
{
    struct host host;
    char text[256];

    snprintf(text, sizeof text, "auth requisite TMOUT\nauth required CHECK %s\n", check);
    stack_service(stack, "again", text);
    host_start(stack, &host, &(struct visitor){.service = "again"});
    host.then = then;
    const int status = host_try(&host, first, 0);
    host_end(&host, status);
    return status;
}

static void another_password_is_another_attempt(void **state)
{
    static const char *const asks[] = {"[again=Password: ]", "[again=LDAP password: ]",
                                       "[again=PASSWORD]", "[again=Enter passphrase: ]",
                                       "forget [again=Enter it: ]"};
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 9 }\n");
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        assert_int_equal(try_two(stack, asks[i], "wrong", "wrong, too"), PAM_AUTH_ERR);
        if (probe_failures(stack, &alice) != 2)
            fail_msg("%s: not two failures", asks[i]);
        /* the second one was right: nothing is left of the first */
        assert_int_equal(try_two(stack, asks[i], "wrong", "right"), PAM_SUCCESS);
        assert_failures(stack, &alice, 0);
        assert_int_equal(try_once(stack, &alice, "right"), PAM_SUCCESS);
    }
}

/* However often one module asks, no more wrong passwords reach the check. */
static void modules_that_ask_again_cannot_exceed_the_limit(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    assert_int_equal(try_two(stack, "times=9 [again=Password: ]", "wrong", "wrong"), PAM_CONV_ERR);
    assert_int_equal(counts->wrong, 3);
    assert_int_equal(log_count_of("failed login "), 3);
    assert_int_equal(log_count_of("locked after"), 1);
    assert_int_equal(log_count_of("rejected: locked"), 1);
    assert_int_equal(try_once(stack, &alice, "right"), PAM_AUTH_ERR);
    assert_int_equal(passed_on(), 3);
    /* with one attempt left, the second password is not checked, even the right one */
    stack_in_force(stack, "default { max_attempts = 1 lock_time = 1 }\n");
    while (try_once(stack, &alice, "right") != PAM_SUCCESS)
        usleep(20000);
    stack_in_force(stack, "default { max_attempts = 1 }\n");
    counts_clear();
    assert_int_equal(try_two(stack, "[again=Password: ]", "wrong", "right"), PAM_CONV_ERR);
    assert_int_equal(counts->wrong, 1);
    assert_int_equal(counts->right, 0);
}

/* Nor by how the prompts are worded, nor by where the module keeps what is entered. */
static void prompts_cannot_hide_passwords(void **state)
{
    static const struct {
        const char *check;
        unsigned wrong; /* checked at the first login */
    } cases[] = {
        {"times=9 vary [again=Secret]", 3},
        {"times=9 vary keep [again=Secret]", 3},
        {"times=9 keep [again=Secret]", 3},
        {"times=9 vary forget [again=Secret]", 3},
        {"times=9 vary forget [again=PIN]", 3},
        {"times=9 vary keep [again=Passwort]", 3},
        {"[code=PIN: ] times=9 keep [again=PIN: ]", 3},
        /* second factors, as far as there are so many of them */
        {"times=9 vary [again=Code]", 5},
        {"times=9 vary keep [again=Code]", 6},
    };
    struct stack *stack = *state;

    NEEDS_ROOT();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        stack_in_force(stack, three);
        counts_clear();
        assert_int_equal(try_two(stack, cases[i].check, "wrong", "wrong, too"), PAM_CONV_ERR);
        if (counts->wrong != cases[i].wrong)
            fail_msg("%s: %u were checked", cases[i].check, counts->wrong);
        assert_int_equal(try_once(stack, &alice, "right"), PAM_AUTH_ERR);
        assert_int_equal(counts->right, 0);
        stack_in_force(stack, "default { max_attempts = 3 lock_time = 1 }\n");
        while (try_once(stack, &alice, "right") != PAM_SUCCESS)
            usleep(20000);
    }
}

/* What the line says is a second factor is one; without that, the log says what to do. */
static void the_line_names_second_factors(void **state)
{
    static const char check[] = "auth required CHECK [code=Antwort: ]\n";
    struct stack *stack = *state;
    struct host host;
    char text[256];

    NEEDS_ROOT();
    for (int is_named = 0; is_named < 2; is_named++) {
        stack_in_force(stack, "default { max_attempts = 1 lock_time = 1 }\n");
        log_clear();
        snprintf(text, sizeof text, "auth requisite TMOUT%s\n%s",
                 is_named ? " second_factor=frage,antwort" : "", check);
        stack_service(stack, "factor", text);
        host_start(stack, &host, &(struct visitor){.service = "factor"});
        assert_int_equal(host_try(&host, "right", 0), is_named ? PAM_SUCCESS : PAM_CONV_ERR);
        host_end(&host, PAM_SUCCESS);
        assert_int_equal(log_count_of("prompt=Antwort:"), !is_named);
        while (try_once(stack, &alice, "right") != PAM_SUCCESS)
            usleep(20000);
    }
}

static void another_modules_prompt_counts(void **state)
{
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    stack_service(stack, "two",
                  "auth requisite TMOUT\nauth sufficient CHECK\n"
                  "auth required CHECK [again=Password: ] right=other\n");
    host_start(stack, &host, &(struct visitor){.service = "two"});
    host.then = "other";
    assert_int_equal(host_try(&host, "wrong", 0), PAM_SUCCESS);
    assert_failures(stack, &alice, 0);
    host.then = "wrong";
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(log_count_of("failed login "), 3);
    host_end(&host, PAM_SUCCESS);
}

/* A second factor is part of the attempt. */
static void codes_are_no_passwords(void **state)
{
    static const char *const checks[] = {"otp", "[code=Verification code: ]",
                                         "[code=One-time password (OATH) for `alice': ]",
                                         "[code=Enter OTP password: ]"};
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 1 lock_time = 1 }\n");
    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        counts_clear();
        assert_int_equal(try_two(stack, checks[i], "right", "123456"), PAM_SUCCESS);
        assert_int_equal(counts->right, 1);
        log_clear();
        assert_int_equal(try_two(stack, checks[i], "wrong", "123456"), PAM_AUTH_ERR);
        assert_int_equal(log_count_of("failed login "), 1);
        while (try_once(stack, &alice, "right") != PAM_SUCCESS)
            usleep(20000);
    }
}

/* A repeated prompt is another try at the same secret, whatever it is. */
static void repeated_prompts_count(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, three);
    assert_int_equal(try_two(stack, "[code=Token: ] [again=Token: ]", "wrong", "wrong"),
                     PAM_AUTH_ERR);
    assert_failures(stack, &alice, 2);
}

static void noprompt_counts_each_password(void **state)
{
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 9 }\n");
    stack_service(stack, "asks",
                  "auth requisite TMOUT noprompt\nauth requisite TMOUT noprompt\n"
                  "auth required CHECK [again=Password: ]\n");
    host_start(stack, &host, &(struct visitor){.service = "asks"});
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(counts->wrong, 2);
    assert_failures(stack, &alice, 2);
    assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    assert_failures(stack, &alice, 0);
    host_end(&host, PAM_SUCCESS);
}

/* A code that is asked for first, with `noprompt`, is not yet the password. */
/* One that passes no conversation function gets an error from libpam, and from us. */
static void applications_that_cannot_converse(void **state)
{
    struct stack *stack = *state;
    const struct pam_conv none = {0};
    pam_handle_t *handle;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 9 }\n");
    stack_service(stack, "asks", "auth requisite TMOUT noprompt\nauth required CHECK\n");
    assert_int_equal(pam_start_confdir("asks", "alice", &none, stack->directory, &handle),
                     PAM_SUCCESS);
    assert_int_not_equal(pam_authenticate(handle, 0), PAM_SUCCESS);
    assert_int_equal(pam_end(handle, PAM_AUTH_ERR), PAM_SUCCESS);
    assert_int_equal(passed_on(), 0);
    assert_failures(stack, &alice, 1);
}

static void noprompt_after_a_code(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 1 }\n");
    stack_service(stack, "code",
                  "auth requisite TMOUT noprompt\n"
                  "auth required CHECK [code=Verification code: ]\n");
    assert_int_equal(try_once(stack, &(struct visitor){.service = "code"}, "right"), PAM_SUCCESS);
    assert_int_equal(counts->right, 1);
}

/* Where the end of an attempt was hidden, the next one on the handle is its own,
 * whatever memory its password lies in. */
static void hidden_ends_leave_nothing_behind(void **state)
{
    static const char *const stacks[] = {
        "auth requisite TMOUT\nauth requisite TMOUT\nauth required CHECK hide\n",
        "auth optional CHECK\nauth requisite TMOUT\nauth required CHECK hide\n"};
    static const char *const passwords[] = {"wrong", "wrong", "other", "wrong", "wrongwrong"};
    struct stack *stack = *state;
    struct host host;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 20 }\n");
    for (size_t i = 0; i < COUNT_OF(stacks); i++) {
        stack_service(stack, "hides", stacks[i]);
        host_start(stack, &host, &(struct visitor){.service = "hides"});
        for (size_t j = 0; j < COUNT_OF(passwords); j++)
            assert_int_equal(host_try(&host, passwords[j], 0), PAM_AUTH_ERR);
        host_end(&host, PAM_SUCCESS);
        assert_failures(stack, &alice, COUNT_OF(passwords));
        assert_int_equal(try_once(stack, &alice, "right"), PAM_SUCCESS);
    }
    assert_int_equal(counts->wrong, 3 * COUNT_OF(passwords) + COUNT_OF(stacks));
}

/* --- changes of the password --------------------------------------------------------- */

static const struct visitor changes = {.service = "passwd"}, local = {.service = "su"};

static void passwd_stack(const struct stack *stack, const char *ours, const char *check)
{
    char text[256];

    snprintf(text, sizeof text, "password requisite TMOUT %s\npassword required CHECK %s\n", ours,
             check);
    stack_service(stack, "passwd", text);
}

static void become_alice(void)
{
    if (setresuid(ALICE_UID, 0, 0) != 0)
        fail_msg("cannot become alice");
}

static int change_once(const struct stack *stack, const char *current, int flags)
{
    struct host host;

    host_start(stack, &host, &changes);
    host.then = "new";
    const int status = host_change(&host, current, flags);
    host_end(&host, status);
    return status;
}

static void as_passwd(const struct stack *stack)
{
    become_alice();
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(change_once(stack, "wrong", 0), PAM_AUTH_ERR);
        assert_int_equal(counts->wrong, i);
    }
    assert_int_equal(log_count_of("pam_tmout(passwd:chauthtok): failed password change user=alice "
                                  "address=local service=passwd"),
                     3);
    assert_int_equal(change_once(stack, "right", 0), PAM_AUTH_ERR);
    assert_int_equal(passed_on(), 3);
    assert_int_equal(log_count_of("rejected: locked"), 1);
}

static void wrong_current_passwords_count(void **state)
{
    struct stack *stack = *state;

    NEEDS_USERS();
    stack_in_force(stack, three);
    passwd_stack(stack, "", "");
    in_child(as_passwd, stack);
    /* the same count as su's, and not the network's */
    assert_int_equal(try_once(stack, &local, "right"), PAM_AUTH_ERR);
    assert_int_equal(try_once(stack, &alice, "right"), PAM_SUCCESS);
}

static void with_right_passwords(const struct stack *stack)
{
    become_alice();
    assert_int_equal(change_once(stack, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(change_once(stack, "right", 0), PAM_SUCCESS);
    assert_failures(stack, &local, 0);
    /* a new password that is not good enough is not a wrong one */
    passwd_stack(stack, "", "weak");
    for (int i = 0; i < 5; i++)
        assert_int_equal(change_once(stack, "right", 0), PAM_AUTHTOK_ERR);
    assert_failures(stack, &local, 0);
}

static void right_current_passwords_clear_the_count(void **state)
{
    struct stack *stack = *state;

    NEEDS_USERS();
    stack_in_force(stack, three);
    passwd_stack(stack, "", "");
    in_child(with_right_passwords, stack);
}

static void two_password_lines(const struct stack *stack)
{
    become_alice();
    assert_int_equal(change_once(stack, "right", 0), PAM_SUCCESS);
    assert_int_equal(change_once(stack, "wrong", 0), PAM_AUTH_ERR);
    assert_failures(stack, &local, 1);
}

static void two_password_lines_count_once(void **state)
{
    struct stack *stack = *state;

    NEEDS_USERS();
    stack_in_force(stack, "default { max_attempts = 2 }\n");
    stack_service(stack, "passwd",
                  "password requisite TMOUT\npassword requisite TMOUT\npassword required CHECK\n");
    in_child(two_password_lines, stack);
}

static void asking_again(const struct stack *stack)
{
    become_alice();
    assert_int_equal(change_once(stack, "wrong", 0), PAM_AUTH_ERR);
    assert_failures(stack, &local, 2);
}

static void another_current_password_counts(void **state)
{
    struct stack *stack = *state;

    NEEDS_USERS();
    stack_in_force(stack, "default { max_attempts = 9 }\n");
    passwd_stack(stack, "", "[again=Current Kerberos password: ]");
    in_child(asking_again, stack);
}

/* Modules before ours that ask for the new password in the update. */
static void new_password_first(const struct stack *stack)
{
    become_alice();
    assert_int_equal(change_once(stack, "right", 0), PAM_SUCCESS);
    assert_int_equal(log_count_of("failed"), 0);
}

static void prompts_for_the_new_password_do_not_count(void **state)
{
    struct stack *stack = *state;

    NEEDS_USERS();
    stack_in_force(stack, "default { max_attempts = 1 }\n");
    stack_service(stack, "passwd", "password required CHECK\npassword requisite TMOUT\n");
    in_child(new_password_first, stack);
}

static void with_the_flag_of_expiry(const struct stack *stack)
{
    become_alice();
    for (int i = 0; i < 5; i++)
        assert_int_equal(change_once(stack, "wrong", PAM_CHANGE_EXPIRED_AUTHTOK), PAM_AUTH_ERR);
    assert_int_equal(counts->wrong, 3);
}

/* `passwd -k` is no login, though it sets the flag of one. */
static void the_flag_of_expiry_proves_nothing(void **state)
{
    struct stack *stack = *state;

    NEEDS_USERS();
    stack_in_force(stack, three);
    passwd_stack(stack, "", "");
    in_child(with_the_flag_of_expiry, stack);
}

static void expired_in_su(const struct stack *stack)
{
    struct host host;

    become_alice();
    host_start(stack, &host, &changes);
    host.then = "new";
    assert_int_equal(host_change(&host, "wrong", PAM_CHANGE_EXPIRED_AUTHTOK), PAM_AUTH_ERR);
    assert_int_equal(host_try(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_int_equal(host_change(&host, "wrong", PAM_CHANGE_EXPIRED_AUTHTOK), PAM_AUTH_ERR);
    assert_failures(stack, &local, 3);
    assert_int_equal(host_try(&host, "right", 0), PAM_SUCCESS);
    for (int i = 0; i < 5; i++)
        assert_int_equal(host_change(&host, "wrong", PAM_CHANGE_EXPIRED_AUTHTOK), PAM_AUTH_ERR);
    assert_failures(stack, &local, 0);
    /* without the flag it is a change like any other */
    assert_int_equal(host_change(&host, "wrong", 0), PAM_AUTH_ERR);
    assert_failures(stack, &local, 2);
    host_end(&host, PAM_SUCCESS);
}

static void expired_passwords_at_a_login_are_no_attempts(void **state)
{
    struct stack *stack = *state;

    NEEDS_USERS();
    stack_in_force(stack, "default { max_attempts = 9 }\n");
    stack_service(stack, "passwd",
                  "auth requisite TMOUT\nauth required CHECK\n"
                  "password requisite TMOUT\npassword required CHECK\n");
    in_child(expired_in_su, stack);
}

/* root is not asked for the current password, and login(1) runs as root. */
static void roots_changes_are_no_attempts(void **state)
{
    static const char *const lines[] = {"", "wrong_argument"};
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { max_attempts = 1 }\n");
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        passwd_stack(stack, lines[i], "");
        for (int j = 0; j < 3; j++)
            assert_int_equal(change_once(stack, "wrong", 0), PAM_AUTH_ERR);
        assert_int_equal(change_once(stack, "wrong", PAM_CHANGE_EXPIRED_AUTHTOK), PAM_AUTH_ERR);
        assert_int_equal(change_once(stack, "right", 0), PAM_SUCCESS);
    }
    assert_int_not_equal(access(ledger_of(stack, ALICE_UID), F_OK), 0);
}

/* --- undecided ----------------------------------------------------------------------- */

static void as_sudo(const struct stack *stack)
{
    const struct visitor self = {.service = "su"}, other = {.service = "su", .user = "bob"};

    become_alice();
    assert_int_equal(try_once(stack, &self, "right"), PAM_SUCCESS);
    assert_int_equal(try_once(stack, &self, "wrong"), PAM_AUTH_ERR);
    assert_int_equal(try_once(stack, &(struct visitor){.service = "su", .user = "root"}, "right"),
                     PAM_SUCCESS);
    assert_int_equal(try_once(stack, &other, "right"), PAM_SERVICE_ERR);
    assert_int_equal(try_once(stack, &(struct visitor){.service = "su", .user = "broken"}, "right"),
                     PAM_SERVICE_ERR);
}

/* Recovery does not depend on what is broken: an administrator who has logged in
 * by key can use sudo. */
static void sudo_works_while_nothing_is_decided(void **state)
{
    struct stack *stack = *state;

    NEEDS_USERS();
    in_child(as_sudo, stack); /* no policy */
    stack_in_force(stack, three);
    stack_service(stack, "su", "auth requisite TMOUT wrong_argument\nauth required CHECK\n");
    in_child(as_sudo, stack);
    assert_int_equal(try_once(stack, &local, "right"), PAM_SERVICE_ERR);
}

/* Tries a right password where no more memory can be had, or only one descriptor,
 * which libpam needs for auditing. */
static int try_within(const struct stack *stack, const struct visitor *visitor,
                      __rlimit_resource_t resource)
{
    struct rlimit before, small;
    struct host host;

    host_start(stack, &host, visitor);
    const int next_fd = dup(STDERR_FILENO);
    close(next_fd);
    assert_int_equal(getrlimit(resource, &before), 0);
    small = before;
    small.rlim_cur = resource == RLIMIT_NOFILE ? (rlim_t)next_fd + 1 : 1;
    assert_int_equal(setrlimit(resource, &small), 0);
    const int status = host_try(&host, "right", 0);
    assert_int_equal(setrlimit(resource, &before), 0);
    host_end(&host, status);
    return status;
}

static void as_su_with_small_limits(const struct stack *stack)
{
    const __rlimit_resource_t resources[] = {RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_DATA};
    const struct visitor self = {.service = "su"}, root = {.service = "su", .user = "root"};

    become_alice();
    for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++) {
        assert_int_equal(try_within(stack, &root, resources[i]), PAM_SERVICE_ERR);
        assert_int_equal(try_within(stack, &self, resources[i]), PAM_SERVICE_ERR);
    }
    assert_true(log_count_of("the limits of uid 70001 may have caused the error") >= 2);
    assert_int_equal(try_once(stack, &root, "right"), PAM_SUCCESS);
}

/* Root has no reason to deceive itself. */
static void as_root_with_small_limits(const struct stack *stack)
{
    const struct visitor root = {.service = "su", .user = "root"};

    assert_int_equal(try_within(stack, &root, RLIMIT_NOFILE), PAM_SUCCESS);
}

/* What decides nothing may be an error that the caller has brought about. */
static void small_limits_are_no_way_past_the_count(void **state)
{
    struct stack *stack = *state;

    NEEDS_PLAIN_BUILD();
    NEEDS_USERS();
    if (is_slow())
        LEFT_OUT("valgrind has limits of its own");
    stack_in_force(stack, three);
    stack_service(stack, "su",
                  "auth requisite TMOUT wrong_argument\nauth required pam_permit.so\n");
    in_child(as_su_with_small_limits, stack);
    in_child(as_root_with_small_limits, stack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ATTEMPTS(another_password_is_another_attempt),
        WITH_ATTEMPTS(modules_that_ask_again_cannot_exceed_the_limit),
        WITH_ATTEMPTS(prompts_cannot_hide_passwords),
        WITH_ATTEMPTS(the_line_names_second_factors),
        WITH_ATTEMPTS(another_modules_prompt_counts),
        WITH_ATTEMPTS(codes_are_no_passwords),
        WITH_ATTEMPTS(repeated_prompts_count),
        WITH_ATTEMPTS(noprompt_counts_each_password),
        WITH_ATTEMPTS(applications_that_cannot_converse),
        WITH_ATTEMPTS(noprompt_after_a_code),
        WITH_ATTEMPTS(hidden_ends_leave_nothing_behind),
        WITH_ATTEMPTS(wrong_current_passwords_count),
        WITH_ATTEMPTS(right_current_passwords_clear_the_count),
        WITH_ATTEMPTS(two_password_lines_count_once),
        WITH_ATTEMPTS(another_current_password_counts),
        WITH_ATTEMPTS(prompts_for_the_new_password_do_not_count),
        WITH_ATTEMPTS(the_flag_of_expiry_proves_nothing),
        WITH_ATTEMPTS(expired_passwords_at_a_login_are_no_attempts),
        WITH_ATTEMPTS(roots_changes_are_no_attempts),
        WITH_ATTEMPTS(sudo_works_while_nothing_is_decided),
        WITH_ATTEMPTS(small_limits_are_no_way_past_the_count),
    };

    become_root();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
