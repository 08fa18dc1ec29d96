/*
 * The records that the module sends to the kernel for auditd, as libaudit writes
 * them: they are taken down on their way to the audit socket. What auditd makes of
 * them is tested in a virtual machine: tests/soak/audit_records.t.
 */
#include "tests/module/attempts.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef HAVE_LIBAUDIT

#include <libaudit.h>

static char sent[4096]; /* "TYPE text", a line each */
static bool is_refused;

/* In the place of libc's: a program's own symbols take precedence for libaudit, too. */
__attribute__((visibility("default"))) ssize_t sendto(int fd, const void *data, size_t size,
                                                      int flags, const struct sockaddr *to,
                                                      socklen_t to_size);

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
               socklen_t to_size)
{
    const struct nlmsghdr *header = data;
    const size_t used = strlen(sent);

    if (size >= sizeof *header && header->nlmsg_type >= AUDIT_FIRST_USER_MSG2 &&
        header->nlmsg_type <= AUDIT_LAST_USER_MSG2) {
        snprintf(sent + used, sizeof sent - used, "%u %s\n", header->nlmsg_type,
                 (const char *)NLMSG_DATA(header));
        if (is_refused) {
            errno = ENOBUFS;
            return -1;
        }
    }
    return syscall(SYS_sendto, fd, data, size, flags, to, to_size);
}

static void lock(const struct stack *stack, const struct visitor *visitor, unsigned failures)
{
    sent[0] = '\0';
    for (unsigned i = 0; i < failures; i++) {
        assert_string_equal(sent, "");
        assert_int_equal(try_once(stack, visitor, "wrong"), PAM_AUTH_ERR);
    }
}

/* libaudit adds the program in between. */
static void assert_sent(unsigned type, const char *origin)
{
    char start[64], *lines = strdup(sent), *rest = lines, *line;
    bool found = false;

    snprintf(start, sizeof start, "%u op=pam_tmout suid=%u exe=", type, (unsigned)ALICE_UID);
    while ((line = strsep(&rest, "\n")) != NULL)
        found = found || (strncmp(line, start, strlen(start)) == 0 && strstr(line, origin) != NULL);
    free(lines);
    if (!found)
        fail_msg("not sent: %s... %s\nsent:\n%s", start, origin, sent);
}

static unsigned lines_sent(void)
{
    unsigned count = 0;

    for (const char *at = sent; (at = strchr(at, '\n')) != NULL; at++)
        count++;
    return count;
}

static const char policy[] = "default { max_attempts = 2 lock_time = 1h }\n";

static void a_lock_and_its_end(void **state)
{
    const struct visitor remote = {.address = "192.0.2.7", .tty = "ssh"};
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, policy);
    lock(stack, &remote, 2);
    assert_sent(AUDIT_ANOM_LOGIN_FAILURES, " hostname=? addr=192.0.2.7 terminal=ssh res=success");
    assert_sent(AUDIT_RESP_ACCT_LOCK, " hostname=? addr=192.0.2.7 terminal=ssh res=success");
    assert_int_equal(lines_sent(), 2);
    sent[0] = '\0';
    assert_int_equal(try_once(stack, &remote, "right"), PAM_AUTH_ERR); /* rejected: nothing new */
    assert_string_equal(sent, "");
    stack_in_force(stack, "default { max_attempts = 2 lock_time = 1 }\n");
    while (try_once(stack, &remote, "right") != PAM_SUCCESS)
        usleep(20000);
    assert_sent(AUDIT_RESP_ACCT_UNLOCK_TIMED,
                " hostname=? addr=192.0.2.7 terminal=ssh res=success");
    assert_int_equal(lines_sent(), 1);
    sent[0] = '\0';
    assert_int_equal(try_once(stack, &remote, "wrong"), PAM_AUTH_ERR);
    assert_int_equal(try_once(stack, &remote, "right"), PAM_SUCCESS);
    assert_string_equal(sent, "");
}

/* A host's name is passed on, and never looked up. */
static void names_and_local_attempts(void **state)
{
    const struct visitor named = {.service = "sshd", .rhost = "attacker.invalid res=failed"},
                         local = {.service = "su", .tty = "pts/1 res=failed"};
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, policy);
    lock(stack, &named, 2);
    assert_sent(AUDIT_RESP_ACCT_LOCK, " hostname=attacker.invalid addr=? ");
    lock(stack, &local, 2);
    assert_sent(AUDIT_RESP_ACCT_LOCK, " addr=? terminal=pts/1?res?failed res=success");
    assert_int_equal(lines_sent(), 2);
}

static void an_error_is_logged_once(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, policy);
    is_refused = true;
    lock(stack, &(struct visitor){0}, 2);
    is_refused = false;
    assert_int_equal(log_count_of("cannot send audit record: No buffer space available; see "
                                  "tmout-recovery(7) user=alice"),
                     1);
    assert_int_equal(try_once(stack, &(struct visitor){0}, "right"), PAM_AUTH_ERR); /* locked */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ATTEMPTS(a_lock_and_its_end),
        WITH_ATTEMPTS(names_and_local_attempts),
        WITH_ATTEMPTS(an_error_is_logged_once),
    };

    become_root();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void not_built(void **state)
{
    (void)state;
    LEFT_OUT("configured without libaudit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(not_built)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
