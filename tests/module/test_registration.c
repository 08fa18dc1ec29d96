/* Logins are put into the registry, and sessions started inside a login find it
 * there: the session phase again, with the module called as sshd, login, su and
 * others call it. */
#include "tests/module/stack.h"

#include "lib/host/checksum.h"
#include "lib/sessions/registry_format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NEEDS_ROOT()                                                                               \
    do {                                                                                           \
        if (getuid() != 0)                                                                         \
            LEFT_OUT("needs root: only root's processes register logins");                         \
    } while (0)

/* Users that every system has, and that nobody runs the tests as. */
#define USER       "daemon"
#define OTHER_USER "bin"

/* --- sessions ---------------------------------------------------------------- */

/* The application's side of a PAM conversation. */
struct session {
    const char *service, *user;
    const char *tty, *host;     /* or NULL */
    const char *environment[3]; /* the PAM environment, e.g. SSH_CONNECTION */
    uid_t real_uid;             /* of the user who started a setuid program */
    pam_handle_t *handle;
    int status;
    char limit[64]; /* PAM_TMOUT, "-" if not set */
};

#define OVER_SSH .tty = "ssh", .environment = {"SSH_CONNECTION=192.0.2.1 50000 192.0.2.2 22"}

static const struct session as_sshd = {.service = "sshd", .user = USER, OVER_SSH};
static const struct session as_login = {.service = "login", .user = USER, .tty = "/dev/tty1"};

static void session_open(const struct stack *stack, struct session *s)
{
    static const struct pam_conv nobody = {0};
    char path[512], line[2048];
    const char *limit;

    snprintf(path, sizeof path, "%s/%s", stack->directory, s->service);
    snprintf(line, sizeof line, "session required %s/pam_tmout.so config=%s state=%s\n", TEST_BUILD,
             stack->config, stack->state);
    write_file(path, line);
    assert_int_equal(pam_start_confdir(s->service, s->user, &nobody, stack->directory, &s->handle),
                     PAM_SUCCESS);
    if (s->tty != NULL)
        assert_int_equal(pam_set_item(s->handle, PAM_TTY, s->tty), PAM_SUCCESS);
    if (s->host != NULL)
        assert_int_equal(pam_set_item(s->handle, PAM_RHOST, s->host), PAM_SUCCESS);
    for (size_t i = 0; i < COUNT_OF(s->environment) && s->environment[i] != NULL; i++)
        assert_int_equal(pam_putenv(s->handle, s->environment[i]), PAM_SUCCESS);
    if (s->real_uid != 0)
        assert_int_equal(setresuid(s->real_uid, 0, 0), 0);
    s->status = pam_open_session(s->handle, 0);
    limit = pam_getenv(s->handle, "PAM_TMOUT");
    snprintf(s->limit, sizeof s->limit, "%s", limit != NULL ? limit : "-");
}

static void session_close(struct session *s)
{
    const int status = pam_close_session(s->handle, 0);

    /* libpam fails to close a session that was not opened */
    if (s->status == PAM_SUCCESS)
        assert_int_equal(status, PAM_SUCCESS);
    assert_int_equal(pam_end(s->handle, PAM_SUCCESS), PAM_SUCCESS);
}

/* --- the registry ------------------------------------------------------------- */

static void record_path(const struct stack *stack, pid_t pid, char *path, size_t size)
{
    snprintf(path, size, "%s-sessions/%d", stack->state, (int)pid);
}

/* The number of names in it, not counting . and .. */
static int registered(const struct stack *stack)
{
    char path[512];
    int count = 0;

    snprintf(path, sizeof path, "%s-sessions", stack->state);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        assert_int_equal(errno, ENOENT);
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static struct stored_record record_file(const struct stack *stack)
{
    struct stored_record file;
    char path[512];

    record_path(stack, getpid(), path, sizeof path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, &file, sizeof file), (ssize_t)sizeof file);
    close(fd);
    return file;
}

/* Overwrites the file in place, which keeps its mode. */
static void put_record(const struct stack *stack, pid_t pid, const void *bytes, size_t size)
{
    char path[512];

    record_path(stack, pid, path, sizeof path);
    const int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

static void damage(const struct stack *stack, pid_t pid)
{
    put_record(stack, pid, "damaged", 7);
}

/* --- registration ---------------------------------------------------------------- */

static void registers_ssh_logins(void **state)
{
    struct stack *stack = *state;
    struct session s = as_sshd;
    struct stat st;
    char path[512];

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m }\n");
    session_open(stack, &s);
    assert_int_equal(s.status, PAM_SUCCESS);
    assert_string_equal(s.limit, "300 default");
    assert_int_equal(registered(stack), 1);
    const struct stored_record file = record_file(stack);
    assert_memory_equal(file.magic, RECORD_MAGIC, 8);
    assert_true(file.checksum == CHECKSUM_WORDS_OF(CHECKSUM_START, file));
    assert_int_equal(file.session.pid, getpid());
    assert_true(file.session.is_ssh);
    assert_true(file.session.start_ticks > 0);
    assert_true(file.session.since.boot_ms > 0);
    assert_true(file.session.since.wall_ms > file.session.since.boot_ms);
    assert_string_equal(file.session.user, USER);
    assert_string_equal(file.session.service, "sshd");
    assert_string_equal(file.session.address, "192.0.2.1");
    assert_string_equal(file.session.terminal, "");
    record_path(stack, getpid(), path, sizeof path);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    session_close(&s);
    assert_int_equal(registered(stack), 0);
    assert_int_equal(log_lines(), 0);
}

static void registers_with_any_umask(void **state)
{
    static const mode_t masks[] = {0, 077, 0777};
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m }\n");
    for (size_t i = 0; i < COUNT_OF(masks); i++) {
        struct session s = as_sshd;
        struct stat st;
        char path[512];

        snprintf(path, sizeof path, "%s-sessions", stack->state);
        assert_true(rmdir(path) == 0 || errno == ENOENT);
        const mode_t before = umask(masks[i]);
        /* the stack's own file is created with this umask, too, but root can
         * read it */
        session_open(stack, &s);
        assert_int_equal(umask(before), masks[i]);
        assert_int_equal(s.status, PAM_SUCCESS);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0755);
        record_path(stack, getpid(), path, sizeof path);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        session_close(&s);
    }
}

static void registers_terminal_logins(void **state)
{
    static const struct {
        const char *tty, *host, *service, *terminal, *address;
    } cases[] = {
        {"/dev/tty1", NULL, "login", "tty1", "local"},
        {"tty1", NULL, "login", "tty1", "local"},
        {"/dev/ttyS0", NULL, "login", "ttyS0", "local"},
        {"/dev/pts/7", "192.0.2.9", "remote", "pts/7", "192.0.2.9"},
        {"pts/7", "host.example", "login", "pts/7", "host.example"},
        {NULL, NULL, "login", "", "local"},
    };
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m }\n");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct session s = {
            .service = cases[i].service, .user = USER, .tty = cases[i].tty, .host = cases[i].host};
        session_open(stack, &s);
        assert_int_equal(s.status, PAM_SUCCESS);
        assert_string_equal(s.limit, "-");
        const struct stored_record file = record_file(stack);
        assert_false(file.session.is_ssh);
        assert_string_equal(file.session.service, cases[i].service);
        assert_string_equal(file.session.terminal, cases[i].terminal);
        assert_string_equal(file.session.address, cases[i].address);
        session_close(&s);
        assert_int_equal(registered(stack), 0);
    }
}

/* A later policy also governs logins that already exist, including one that was
 * opened when there was no policy or none that covered it. */
static void registers_logins_that_no_policy_covers(void **state)
{
    struct stack *stack = *state;
    struct session s = as_sshd;

    NEEDS_ROOT();
    session_open(stack, &s);
    assert_int_equal(s.status, PAM_SESSION_ERR);
    assert_string_equal(s.limit, "");
    assert_int_equal(registered(stack), 1);
    session_close(&s);
    assert_int_equal(registered(stack), 0);
    stack_in_force(stack, "default { }\n");
    session_open(stack, &s);
    assert_int_equal(s.status, PAM_SUCCESS);
    assert_int_equal(registered(stack), 1);
    session_close(&s);
}

static const char *const inner_services[] = {
    "su", "su-l",         "sudo",    "sudo-i",    "cron", "crond",    "atd",
    "at", "systemd-user", "runuser", "runuser-l", "doas", "polkit-1", "sshd-like",
};

/* The environment of the process, which its user controls, makes no difference. */
static void does_not_register_inner_sessions(void **state)
{
    static const char *const ttys[] = {NULL, "", "/dev/pts/3", "tty1", "cron", ":0"};
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m }\n");
    setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22", 1);
    setenv("SSH_TTY", "/dev/pts/3", 1);
    setenv("PAM_TMOUT", "none", 1);
    for (size_t i = 0; i < COUNT_OF(inner_services); i++) {
        for (size_t k = 0; k < COUNT_OF(ttys); k++) {
            struct session s = {.service = inner_services[i], .user = USER, .tty = ttys[k]};
            session_open(stack, &s);
            if (s.status != PAM_SUCCESS || strcmp(s.limit, "-") != 0 || registered(stack) != 0)
                fail_msg("%s: status %d, limit %s, %d registered", s.service, s.status, s.limit,
                         registered(stack));
            session_close(&s);
        }
    }
    unsetenv("SSH_CONNECTION");
    unsetenv("SSH_TTY");
    unsetenv("PAM_TMOUT");
    assert_int_equal(log_lines(), 0);
}

/* If a site runs pam_env with user_readenv for these services, too, the
 * contents of a file of the user's end up in the PAM environment. */
static void does_not_register_inner_sessions_because_of_pam_env(void **state)
{
    static const char *const services[] = {"su", "sudo", "cron", "atd", "systemd-user"};
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m }\n");
    for (size_t i = 0; i < COUNT_OF(services); i++) {
        struct session s = {.service = services[i],
                            .user = USER,
                            .tty = "/dev/pts/3",
                            .environment = {"SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22"}};
        session_open(stack, &s);
        const int count = registered(stack);
        session_close(&s);
        if (count != 0)
            fail_msg("%s is registered as a login", s.service);
    }
}

static void opened_by_a_user(const struct stack *stack)
{
    struct session s = as_sshd;

    s.real_uid = 1;
    session_open(stack, &s);
    assert_int_equal(registered(stack), 0);
    session_close(&s);
}

static void does_not_register_setuid_programs(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m }\n");
    in_child(opened_by_a_user, stack);
}

/* --- closing --------------------------------------------------------------------- */

static struct session *opened;

static void closed_in_another_process(const struct stack *stack)
{
    (void)stack;
    pam_close_session(opened->handle, 0);
}

static void open_and_close_su(const struct stack *stack)
{
    struct session s = {.service = "su", .user = OTHER_USER};

    session_open(stack, &s);
    session_close(&s);
}

/* Only the process that opened a login removes it. */
static void only_the_opening_process_removes_a_login(void **state)
{
    struct stack *stack = *state;
    struct session s = as_sshd;

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m }\n");
    session_open(stack, &s);
    opened = &s;
    in_child(closed_in_another_process, stack);
    assert_int_equal(registered(stack), 1);
    in_child(open_and_close_su, stack);
    open_and_close_su(stack);
    assert_int_equal(registered(stack), 1);
    /* a login of a later process with our pid must not be removed */
    struct stored_record file = record_file(stack);
    file.session.start_ticks++;
    file.checksum = CHECKSUM_WORDS_OF(CHECKSUM_START, file);
    put_record(stack, getpid(), &file, sizeof file);
    assert_int_equal(pam_close_session(s.handle, 0), PAM_SUCCESS);
    assert_int_equal(registered(stack), 1);
    file.session.start_ticks--;
    file.checksum = CHECKSUM_WORDS_OF(CHECKSUM_START, file);
    put_record(stack, getpid(), &file, sizeof file);
    session_close(&s);
    assert_int_equal(registered(stack), 0);
    /* closing again, or when the record is already gone, succeeds */
    session_open(stack, &s);
    assert_int_equal(pam_close_session(s.handle, 0), PAM_SUCCESS);
    session_close(&s);
}

static void replaces_the_record_of_a_killed_process(void **state)
{
    struct stack *stack = *state;
    struct session s = as_sshd;

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m }\n");
    session_open(stack, &s);
    struct stored_record file = record_file(stack);
    snprintf(file.session.user, sizeof file.session.user, "somebody before");
    file.session.start_ticks -= 100;
    file.checksum = CHECKSUM_WORDS_OF(CHECKSUM_START, file);
    put_record(stack, getpid(), &file, sizeof file);
    pam_end(s.handle, PAM_SUCCESS);
    session_open(stack, &s);
    assert_string_equal(record_file(stack).session.user, USER);
    session_close(&s);
    assert_int_equal(registered(stack), 0);
}

/* --- errors of the registry ------------------------------------------------------ */

/* The shell's limit applies nevertheless. */
static void assert_not_registered(const struct stack *stack, const char *what)
{
    struct session s = as_sshd;

    log_clear();
    session_open(stack, &s);
    if (s.status != PAM_SESSION_ERR || strcmp(s.limit, "300 readonly") != 0 || log_lines() != 1 ||
        !log_has(USER))
        fail_msg("%s: status %d, limit %s, %zu lines", what, s.status, s.limit, log_lines());
    session_close(&s);
}

static void applies_the_limit_when_the_registry_fails(void **state)
{
    struct stack *stack = *state;
    char path[512], record[512];

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m enforce = true }\n");
    snprintf(path, sizeof path, "%s-sessions", stack->state);
    record_path(stack, getpid(), record, sizeof record);
    write_file(path, "");
    assert_not_registered(stack, "a file in place of the directory");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/nonexistent/tmout", path), 0);
    assert_not_registered(stack, "a dangling link");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(chmod(path, 0775), 0);
    assert_not_registered(stack, "writable by others");
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(chown(path, 1000, 1000), 0);
    assert_not_registered(stack, "another owner");
    assert_int_equal(chown(path, 0, 0), 0);
    assert_int_equal(mkdir(record, 0755), 0);
    assert_not_registered(stack, "a directory in place of the record");
    assert_int_equal(rmdir(record), 0);
    struct session s = as_sshd;
    session_open(stack, &s);
    assert_int_equal(s.status, PAM_SUCCESS);
    session_close(&s);
}

/* tmoutd is told directly, and then the login is as good as registered. */
static void sends_what_it_cannot_write(void **state)
{
    struct stack *stack = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct session s = as_sshd;
    struct stored_record sent;
    char path[512];
    const int tmoutd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m disconnect = 7m }\n");
    snprintf(path, sizeof path, "%s-sessions", stack->state);
    write_file(path, ""); /* in place of the directory */
    snprintf(address.sun_path, sizeof address.sun_path, "%s-sessions.socket", stack->state);
    assert_int_equal(bind(tmoutd, (const struct sockaddr *)&address, sizeof address), 0);
    log_clear();
    session_open(stack, &s);
    assert_int_equal(s.status, PAM_SUCCESS);
    assert_string_equal(s.limit, "300 default");
    assert_int_equal(log_lines(), 1);
    assert_true(log_has("; tmoutd was sent it instead; see tmout-recovery(7) user=" USER));
    assert_int_equal(recv(tmoutd, &sent, sizeof sent, MSG_DONTWAIT), (ssize_t)sizeof sent);
    assert_true(sent.checksum == CHECKSUM_WORDS_OF(CHECKSUM_START, sent));
    assert_int_equal(sent.session.pid, getpid());
    assert_string_equal(sent.session.user, USER);
    assert_int_equal(sent.limits.terminal_ms[0], 7 * 60 * 1000);
    session_close(&s);
    assert_int_equal(recv(tmoutd, &sent, sizeof sent, MSG_DONTWAIT), -1);
    /* It is never waited for: the queue is soon full. */
    for (s.status = PAM_SUCCESS; s.status == PAM_SUCCESS;) {
        log_clear();
        s = as_sshd;
        session_open(stack, &s);
        pam_close_session(s.handle, 0);
        pam_end(s.handle, PAM_SUCCESS);
    }
    assert_int_equal(s.status, PAM_SESSION_ERR);
    assert_true(log_has("; and tmoutd does not answer: Resource temporarily unavailable; see "
                        "tmout-recovery(7) user="));
    close(tmoutd);
    assert_int_equal(unlink(path), 0);
}

/* What tmoutd is to enforce: it needs to ask no name service. */
static void records_the_limits(void **state)
{
    struct stack *stack = *state;
    struct session s = as_sshd;

    NEEDS_ROOT();
    stack_in_force(stack, "default { disconnect = 10m\n disconnect_notty = 20m\n warn = 1m }\n"
                          "user \"" USER "\" { max_session = 8h\n activity = any }\n");
    session_open(stack, &s);
    struct stored_record file = record_file(stack);
    assert_int_equal(file.session.source, 0);
    assert_int_equal(file.uid, 1);
    assert_true(file.limits.policy != 0);
    assert_int_equal(file.limits.terminal_ms[0], 10 * 60 * 1000);
    assert_int_equal(file.limits.terminal_ms[1], 8 * 60 * 60 * 1000);
    assert_int_equal(file.limits.terminal_ms[2], 60 * 1000);
    assert_int_equal(file.limits.notty_ms[0], 20 * 60 * 1000);
    assert_true(file.limits.any_activity);
    assert_non_null(strstr(file.limits.rule[0], "tmout.conf:1"));
    assert_non_null(strstr(file.limits.rule[1], "tmout.conf:4"));
    const uint64_t policy = file.limits.policy;
    session_close(&s);
    /* another login under the same policy, and one under the next */
    s = as_sshd;
    session_open(stack, &s);
    assert_true(record_file(stack).limits.policy == policy);
    session_close(&s);
    stack_in_force(stack, "default { disconnect = 10m }\n");
    s = as_sshd;
    session_open(stack, &s);
    file = record_file(stack);
    assert_true(file.limits.policy != policy && file.limits.policy != 0);
    /* a policy without rules for users asks no name service, even here */
    assert_int_equal(file.uid, UINT32_MAX);
    session_close(&s);
    /* a login at a terminal that the policy does not cover */
    s = as_login;
    session_open(stack, &s);
    file = record_file(stack);
    assert_true(file.limits.policy != 0);
    assert_true(file.limits.terminal_ms[0] == INT64_MAX);
    session_close(&s);
}

static void records_that_no_limits_are_known(void **state)
{
    struct stack *stack = *state;
    struct session s = as_sshd;

    NEEDS_ROOT();
    session_open(stack, &s);
    assert_int_equal(s.status, PAM_SESSION_ERR);
    const struct stored_record file = record_file(stack);
    assert_true(file.limits.policy == 0);
    assert_int_equal(file.uid, UINT32_MAX);
    session_close(&s);
}

/* --- sessions inside a login --------------------------------------------------------- */

static struct {
    const char *service, *user;
    uid_t real_uid;
    const char *limit; /* NULL: PAM_SESSION_ERR */
} inner;

static void open_inner(const struct stack *stack)
{
    struct session s = {.service = inner.service,
                        .user = inner.user,
                        .real_uid = inner.real_uid,
                        .tty = "/dev/pts/3"};

    log_clear();
    session_open(stack, &s);
    if (inner.limit == NULL) {
        assert_int_equal(s.status, PAM_SESSION_ERR);
        assert_string_equal(s.limit, "");
        assert_int_equal(log_lines(), 1);
    } else {
        if (s.status != PAM_SUCCESS || strcmp(s.limit, inner.limit) != 0) {
            char *log = log_text();
            fail_msg("status %d, limit %s instead of %s: %s", s.status, s.limit, inner.limit, log);
        }
        assert_int_equal(log_lines(), 0);
    }
    session_close(&s);
}

static void open_inner_far_below(const struct stack *stack)
{
    assert_true(setsid() > 0);
    in_child(open_inner, stack);
}

/* As a user and as root, in a child and in a more distant descendant, with each
 * service. */
static void assert_inner(const struct stack *stack, const char *user, const char *limit)
{
    static const char *const services[] = {"su", "sudo-i", "su-l", "sudo", "systemd-user"};
    /* Fewer repetitions under valgrind. */
    const size_t count = is_slow() ? 1 : COUNT_OF(services);

    for (size_t i = 0; i < count; i++) {
        inner.service = services[i];
        inner.user = user;
        inner.limit = limit;
        for (uid_t uid = 0; uid < 2; uid++) {
            inner.real_uid = uid;
            in_child(open_inner, stack);
            in_child(open_inner_far_below, stack);
        }
    }
}

/* Asserts the limit of a su to OTHER_USER inside a login of USER. */
static void assert_inside(const struct stack *stack, const struct session *outer,
                          const char *policy, const char *limit)
{
    struct session s = *outer;

    stack_in_force(stack, policy);
    session_open(stack, &s);
    assert_int_equal(s.status, PAM_SUCCESS);
    assert_inner(stack, OTHER_USER, limit);
    session_close(&s);
}

static void inner_session_in_an_ssh_login_gets_the_stricter_limit(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    assert_inside(stack, &as_sshd, "user \"daemon\" { tmout = 5m }\nuser \"bin\" { tmout = 10m }\n",
                  "300 default");
    assert_inside(stack, &as_sshd, "user \"daemon\" { tmout = 10m }\nuser \"bin\" { tmout = 5m }\n",
                  "300 default");
    assert_inside(stack, &as_sshd, "user \"daemon\" { tmout = 10m }\n", "600 default");
    assert_inside(stack, &as_sshd, "user \"bin\" { tmout = 10m }\n", "600 default");
    assert_inside(stack, &as_sshd, "default { }\n", "none");
    assert_inside(stack, &as_sshd, "default { tmout = 7m enforce = true }\n", "420 readonly");
    /* each setting separately */
    assert_inside(stack, &as_sshd,
                  "user \"daemon\" { tmout = 10m enforce = true }\n"
                  "user \"bin\" { tmout = 5m enforce = false }\n",
                  "300 readonly");
    assert_inside(stack, &as_sshd,
                  "user \"daemon\" { tmout = none enforce = true }\nuser \"bin\" { tmout = 5m }\n",
                  "300 readonly");
    /* a rule that covers local sessions also covers this one */
    assert_inside(stack, &as_sshd,
                  "user \"daemon\" { tmout = 5m sessions = all }\n"
                  "user \"bin\" { tmout = 10m sessions = ssh }\n",
                  "300 default");
    assert_inside(stack, &as_sshd,
                  "user \"daemon\" { tmout = 10m sessions = ssh }\n"
                  "user \"bin\" { tmout = 5m sessions = all }\n",
                  "300 default");
}

static void inner_session_in_a_local_login(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    assert_inside(stack, &as_login, "default { tmout = 5m }\n", "-");
    assert_inside(stack, &as_login, "default { tmout = 5m sessions = all }\n", "300 default");
    assert_inside(stack, &as_login,
                  "default { sessions = all }\nuser \"daemon\" { tmout = 5m }\n"
                  "user \"bin\" { tmout = 10m }\n",
                  "300 default");
    assert_inside(stack, &as_login,
                  "default { sessions = all }\nuser \"daemon\" { tmout = 10m }\n"
                  "user \"bin\" { tmout = 5m }\n",
                  "300 default");
    /* only the rule that covers local logins applies */
    assert_inside(stack, &as_login,
                  "user \"daemon\" { tmout = 10m sessions = all }\nuser \"bin\" { tmout = 5m }\n",
                  "600 default");
    assert_inside(stack, &as_login,
                  "user \"daemon\" { tmout = 5m }\nuser \"bin\" { tmout = 10m sessions = all }\n",
                  "600 default");
}

static void session_outside_of_any_login(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22", 1);
    setenv("SSH_CLIENT", "192.0.2.1 1 22", 1);
    setenv("PAM_TMOUT", "1 readonly", 1);
    stack_in_force(stack, "default { tmout = 5m }\n");
    assert_inner(stack, OTHER_USER, "-");
    stack_in_force(stack, "default { tmout = 5m sessions = all }\n");
    assert_inner(stack, OTHER_USER, "300 default");
    unsetenv("SSH_CONNECTION");
    unsetenv("SSH_CLIENT");
    unsetenv("PAM_TMOUT");
}

/* A user's su, with its environment cleared or filled with arbitrary values. */
static void environment_does_not_hide_the_login(void **state)
{
    static const char policy[] = "user \"daemon\" { tmout = 5m }\nuser \"bin\" { tmout = none }\n";
    struct stack *stack = *state;

    NEEDS_ROOT();
    setenv("SSH_CONNECTION", "", 1);
    setenv("PAM_TMOUT", "none", 1);
    setenv("TMOUT", "0", 1);
    assert_inside(stack, &as_sshd, policy, "300 default");
    unsetenv("SSH_CONNECTION");
    unsetenv("PAM_TMOUT");
    unsetenv("TMOUT");
    assert_inside(stack, &as_sshd, policy, "300 default");
}

static void rejects_inner_sessions_of_a_damaged_record(void **state)
{
    struct stack *stack = *state;
    struct session s = as_sshd;
    char path[512];

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m sessions = all }\n");
    session_open(stack, &s);
    damage(stack, getpid());
    assert_inner(stack, OTHER_USER, NULL);
    record_path(stack, getpid(), path, sizeof path);
    assert_int_equal(unlink(path), 0);
    /* once the record is gone, there is no login around the session */
    assert_inner(stack, OTHER_USER, "300 default");
    snprintf(path, sizeof path, "%s-sessions", stack->state);
    assert_int_equal(chmod(path, 0777), 0);
    assert_inner(stack, OTHER_USER, NULL);
    assert_int_equal(chmod(path, 0755), 0);
    session_close(&s);
}

/* The user of the outer login no longer exists, so the login's limit cannot be
 * found. */
static void rejects_inner_sessions_of_an_unknown_user(void **state)
{
    struct stack *stack = *state;
    struct session s = as_sshd;

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m }\nuser \"bin\" { tmout = none }\n");
    session_open(stack, &s);
    struct stored_record file = record_file(stack);
    snprintf(file.session.user, sizeof file.session.user, "no-such-user");
    file.checksum = CHECKSUM_WORDS_OF(CHECKSUM_START, file);
    put_record(stack, getpid(), &file, sizeof file);
    assert_inner(stack, OTHER_USER, NULL);
    session_close(&s);
}

/* su inside su, while another user is logged in elsewhere. */
static void assert_limits_inside_su(const struct stack *stack)
{
    struct session su = {.service = "su", .user = OTHER_USER};

    session_open(stack, &su);
    assert_string_equal(su.limit, "300 default");
    /* back to a user with a longer limit: the login's limit still applies */
    assert_inner(stack, "root", "300 default");
    session_close(&su);
}

static void su_inside_su_gets_the_limit_of_the_login(void **state)
{
    struct stack *stack = *state;
    struct session s = as_sshd;

    NEEDS_ROOT();
    stack_in_force(stack, "user \"daemon\" { tmout = 5m }\nuser \"bin\" { tmout = 10m }\n"
                          "user \"root\" { tmout = none }\n");
    session_open(stack, &s);
    in_child(assert_limits_inside_su, stack);
    session_close(&s);
}

static void many_sessions_leak_nothing(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m }\n");
    open_and_close_su(stack);
    const size_t before = open_descriptors();
    for (int i = 0; i < 100; i++) {
        struct session s = as_sshd;
        session_open(stack, &s);
        if (i % 3 == 0)
            damage(stack, getpid());
        open_and_close_su(stack);
        session_close(&s);
        assert_int_equal(open_descriptors(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STACK(registers_ssh_logins),
        WITH_STACK(registers_with_any_umask),
        WITH_STACK(registers_terminal_logins),
        WITH_STACK(registers_logins_that_no_policy_covers),
        WITH_STACK(does_not_register_inner_sessions),
        WITH_STACK(does_not_register_inner_sessions_because_of_pam_env),
        WITH_STACK(does_not_register_setuid_programs),
        WITH_STACK(only_the_opening_process_removes_a_login),
        WITH_STACK(replaces_the_record_of_a_killed_process),
        WITH_STACK(applies_the_limit_when_the_registry_fails),
        WITH_STACK(sends_what_it_cannot_write),
        WITH_STACK(records_the_limits),
        WITH_STACK(records_that_no_limits_are_known),
        WITH_STACK(inner_session_in_an_ssh_login_gets_the_stricter_limit),
        WITH_STACK(inner_session_in_a_local_login),
        WITH_STACK(session_outside_of_any_login),
        WITH_STACK(environment_does_not_hide_the_login),
        WITH_STACK(rejects_inner_sessions_of_a_damaged_record),
        WITH_STACK(rejects_inner_sessions_of_an_unknown_user),
        WITH_STACK(su_inside_su_gets_the_limit_of_the_login),
        WITH_STACK(many_sessions_leak_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
