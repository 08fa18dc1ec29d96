/* The session phase on the real libpam: what it returns, what it puts into the
 * environment, and that it leaves its process unchanged. */
#include "tests/module/stack.h"
#include "tests/unit/check.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEEDS_ROOT()                                                                               \
    do {                                                                                           \
        if (getuid() != 0)                                                                         \
            LEFT_OUT("needs root: the module compiles a changed policy only as root");             \
    } while (0)

static const char five[] = "default { tmout = 5m }\n";

static char *contents(const char *path, size_t *size)
{
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    char *bytes = malloc((size_t)st.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
    *size = (size_t)st.st_size;
    close(fd);
    return bytes;
}

/* Overwrites the file in place: the inode stays the same. */
static void put_contents(const char *path, const char *bytes, size_t size)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

/* --- the limit for the shells -------------------------------------------- */

static void sets_the_limit_of_the_policy(void **state)
{
    struct stack *stack = *state;
    char text[512];

    stack_in_force(stack, "default { }");
    assert_limit(stack, "none");
    stack_in_force(stack, "default { tmout = 15m }");
    assert_limit(stack, "900 default");
    stack_in_force(stack, "default { tmout = 15m enforce = true }");
    assert_limit(stack, "900 readonly");
    snprintf(text, sizeof text, "default { tmout = 15m }\nuser \"%s\" { tmout = none }\n",
             own_name());
    stack_in_force(stack, text);
    assert_limit(stack, "none");
    snprintf(text, sizeof text, "default { enforce = true }\nuser \"%s\" { tmout = 1h30m }\n",
             own_name());
    stack_in_force(stack, text);
    assert_limit(stack, "5400 readonly");
    stack_in_force(stack, "default { tmout = 15m }\nuser \"somebody else\" { tmout = 5m }\n");
    assert_limit(stack, "900 default");
    assert_int_equal(log_lines(), 0);
}

static void applies_the_rules_of_the_users_groups(void **state)
{
    struct stack *stack = *state;
    const struct group *group;
    char text[512];

    group = getgrgid(getegid());
    if (group == NULL)
        LEFT_OUT("the user who runs the tests has a group without a name");
    snprintf(text, sizeof text, "default { tmout = 15m }\ngroup \"%s\" { tmout = 7m }\n",
             group->gr_name);
    stack_in_force(stack, text);
    assert_limit(stack, "420 default");
    snprintf(text, sizeof text, "default { tmout = 15m }\ngroup \"%s \" { tmout = 7m }\n",
             group->gr_name);
    stack_in_force(stack, text);
    assert_limit(stack, "900 default");
}

static void sets_no_limit_for_local_logins(void **state)
{
    struct stack *stack = *state;
    struct outcome o;

    stack_in_force(stack, "default { tmout = 5m export = true }");
    o = stack_login(stack, &(struct login){.local = true});
    assert_int_equal(o.status, PAM_SUCCESS);
    assert_string_equal(o.limit, "-");
    assert_string_equal(o.exported, "-");
    static const char *const ttys[] = {"/dev/pts/3", "pts/3", "tty1", "ssh0",
                                       "sshd",       "",      ":0",   "SSH"};
    for (size_t i = 0; i < COUNT_OF(ttys); i++) {
        o = stack_login(stack, &(struct login){.local = true, .tty = ttys[i]});
        assert_int_equal(o.status, PAM_SUCCESS);
        assert_string_equal(o.limit, "-");
    }
    /* A pam_env line with user_readenv may have unset SSH_CONNECTION, but only
     * sshd calls its terminal "ssh". */
    o = stack_login(stack, &(struct login){.local = true, .tty = "ssh"});
    assert_int_equal(o.status, PAM_SUCCESS);
    assert_string_equal(o.limit, "300 default");
    /* ... or set it to an empty string */
    o = stack_login(stack, &(struct login){.environment = {"SSH_CONNECTION="}});
    assert_string_equal(o.limit, "300 default");
    o = stack_login(stack, &(struct login){.tty = "tty1"});
    assert_string_equal(o.limit, "300 default");
}

static void ignores_the_environment_of_the_process(void **state)
{
    struct stack *stack = *state;
    struct outcome o;

    stack_in_force(stack, "default { tmout = 5m export = true }");
    setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22", 1);
    setenv("PAM_TMOUT", "none", 1);
    setenv("TMOUT", "7", 1);
    o = stack_login(stack, &(struct login){.local = true});
    assert_int_equal(o.status, PAM_SUCCESS);
    assert_string_equal(o.limit, "-");
    assert_string_equal(o.exported, "-");
    o = stack_login(stack, &(struct login){0});
    assert_string_equal(o.limit, "300 default");
    assert_string_equal(o.exported, "300");
    assert_string_equal(getenv("PAM_TMOUT"), "none");
    assert_string_equal(getenv("TMOUT"), "7");
    unsetenv("SSH_CONNECTION");
    unsetenv("PAM_TMOUT");
    unsetenv("TMOUT");
}

static void sets_the_limit_of_every_login_with_sessions_all(void **state)
{
    struct stack *stack = *state;
    char text[512];
    struct outcome o;

    stack_in_force(stack, "default { tmout = 5m sessions = all }");
    o = stack_login(stack, &(struct login){.local = true, .tty = "/dev/tty1"});
    assert_int_equal(o.status, PAM_SUCCESS);
    assert_string_equal(o.limit, "300 default");
    assert_limit(stack, "300 default");
    snprintf(text, sizeof text,
             "default { tmout = 5m sessions = all }\nuser \"%s\" { sessions = ssh }", own_name());
    stack_in_force(stack, text);
    o = stack_login(stack, &(struct login){.local = true});
    assert_string_equal(o.limit, "-");
    assert_limit(stack, "300 default");
}

static void sets_tmout_only_with_export(void **state)
{
    struct stack *stack = *state;
    struct outcome o;

    stack_in_force(stack, "default { tmout = 5m enforce = true }");
    o = stack_login(stack, &(struct login){0});
    assert_string_equal(o.exported, "-");
    stack_in_force(stack, "default { tmout = 5m export = true }");
    o = stack_login(stack, &(struct login){0});
    assert_string_equal(o.limit, "300 default");
    assert_string_equal(o.exported, "300");
    stack_in_force(stack, "default { tmout = none export = true }");
    o = stack_login(stack, &(struct login){0});
    assert_string_equal(o.limit, "none");
    assert_string_equal(o.exported, "-");
}

/* An earlier line of the stack, or the user through it, has set the variables. */
static void overrides_variables_that_the_user_set(void **state)
{
    struct stack *stack = *state;
    struct outcome o;

    stack_in_force(stack, "default { tmout = 5m enforce = true export = true }");
    o = stack_login(stack, &(struct login){.environment = {"PAM_TMOUT=none", "TMOUT=0"}});
    assert_string_equal(o.limit, "300 readonly");
    assert_string_equal(o.exported, "300");
}

static void closing_succeeds(void **state)
{
    struct stack *stack = *state;

    stack_in_force(stack, five);
    assert_int_equal(stack_login(stack, &(struct login){0}).close_status, PAM_SUCCESS);
}

/* --- arguments and users --------------------------------------------------- */

static void rejects_wrong_arguments(void **state)
{
    static const char *const unknown[] = {
        "quiet",  "Debug",   "debug=1",       "config",    "config=",       "config=tmout.conf",
        "state=", "state=x", "debug nodebug", "user=root", "Config=/etc/x", "statedir=/x",
        "[a]",
    };
    struct stack *stack = *state;
    struct outcome o;

    stack_in_force(stack, five);
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        log_clear();
        o = stack_login(stack, &(struct login){.arguments = unknown[i]});
        if (o.status != PAM_SESSION_ERR)
            fail_msg("\"%s\": status %d", unknown[i], o.status);
        assert_string_equal(o.limit, "");
        assert_int_equal(log_lines(), 1);
    }
    o = stack_login(stack, &(struct login){.arguments = "quiet"});
    assert_true(log_has("quiet"));

    log_clear();
    o = stack_login(stack, &(struct login){.arguments = "debug"});
    assert_int_equal(o.status, PAM_SUCCESS);
    assert_string_equal(o.limit, "300 default");
    char rule[512];
    snprintf(rule, sizeof rule, "rule=%s:1", stack->config);
    assert_true(log_has(rule));
    assert_true(log_has("pam_tmout("));
    assert_true(log_has(":session)"));
}

static void rejects_unknown_users(void **state)
{
    static const char *const users[] = {"no-such-user", "", "root:x", "../root", "a b", "%s%n"};
    struct stack *stack = *state;

    stack_in_force(stack, "default { tmout = 5m sessions = all }\ngroup \"x\" { tmout = 6m }\n");
    for (size_t i = 0; i < COUNT_OF(users); i++) {
        log_clear();
        const struct outcome o = stack_login(stack, &(struct login){.user = users[i]});
        if (o.status != PAM_SESSION_ERR)
            fail_msg("\"%s\": status %d", users[i], o.status);
        assert_string_equal(o.limit, "");
        assert_int_equal(log_lines(), 1);
    }
}

/* --- missing or untrusted policies ----------------------------------------- */

/* Root's process compiles a snapshot, a plain user's does not. */
static void compiles_a_missing_snapshot_as_root(void **state)
{
    struct stack *stack = *state;

    stack_policy(stack, five);
    if (getuid() == 0) {
        assert_limit(stack, "300 default");
        assert_int_equal(log_lines(), 0);
    } else {
        assert_no_session(stack);
        assert_int_equal(log_lines(), 1);
        assert_int_equal(access(stack->snapshot, F_OK), -1);
    }
}

static void fails_without_a_snapshot_if_the_policy_is_invalid(void **state)
{
    struct stack *stack = *state;
    char place[512];

    stack_policy(stack, "# one\ndefault { tmout = 3abc }\n");
    snprintf(place, sizeof place, "%s:2: ", stack->config);
    for (int round = 0; round < 3; round++) {
        log_clear();
        assert_no_session(stack);
        assert_true(log_lines() > 0);
        if (getuid() == 0)
            assert_true(log_has(place));
    }
}

static void fails_without_policy_and_snapshot(void **state)
{
    struct stack *stack = *state;

    assert_no_session(stack);
    assert_true(log_lines() > 0);
    assert_int_equal(rmdir(stack->state) == 0 || errno == ENOTEMPTY, 1);
    log_clear();
    assert_no_session(stack);
    assert_true(log_lines() > 0);
}

static void creates_the_state_directory_as_root(void **state)
{
    struct stack *stack = *state;
    struct stat st;

    stack_policy(stack, five);
    assert_int_equal(rmdir(stack->state), 0);
    if (getuid() != 0) {
        assert_no_session(stack);
        return;
    }
    assert_limit(stack, "300 default");
    assert_int_equal(stat(stack->state, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(stat(stack->snapshot, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

/* Whichever byte of the snapshot is damaged, the limit is never wrong; and if
 * the process runs as root and may compile a new snapshot, the login works. */
static void damaged_snapshots_never_yield_a_wrong_limit(void **state)
{
    struct stack *stack = *state;
    size_t size;

    stack_in_force(stack, "default { tmout = 5m }\nuser \"somebody\" { tmout = 6m }\n");
    char *whole = contents(stack->snapshot, &size);
    char *copy = malloc(size);
    assert_non_null(copy);
    size_t rejected = 0, first = 0;
    for (size_t at = 0; at < size; at += is_slow() ? 15 : 3) {
        memcpy(copy, whole, size);
        copy[at] ^= 0x41;
        put_contents(stack->snapshot, copy, size);
        const struct outcome o = stack_login(stack, &(struct login){0});
        if (o.status == PAM_SUCCESS) {
            assert_string_equal(o.limit, "300 default");
            continue;
        }
        assert_int_equal(o.status, PAM_SESSION_ERR);
        assert_string_equal(o.limit, "");
        first = rejected == 0 ? at : first;
        rejected++;
    }
    free(copy);
    free(whole);
    if (getuid() == 0 && rejected > 0)
        fail_msg("%zu damaged snapshots were not rebuilt, the first with byte %zu of %zu changed",
                 rejected, first, size);
}

static void truncated_snapshots_never_yield_a_wrong_limit(void **state)
{
    struct stack *stack = *state;
    size_t size;

    stack_in_force(stack, five);
    char *whole = contents(stack->snapshot, &size);
    for (size_t length = 0; length < size; length += 1 + length / 4) {
        log_clear();
        put_contents(stack->snapshot, whole, length);
        if (getuid() == 0) {
            assert_limit(stack, "300 default");
        } else {
            assert_no_session(stack);
            assert_true(log_lines() > 0);
        }
    }
    free(whole);
}

static void does_not_use_a_snapshot_that_others_can_write(void **state)
{
    static const mode_t modes[] = {0666, 0664, 0646, 0777};
    struct stack *stack = *state;
    struct stat st;

    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        stack_in_force(stack, five);
        assert_int_equal(chmod(stack->snapshot, modes[i]), 0);
        if (getuid() != 0) {
            assert_no_session(stack);
            assert_int_equal(unlink(stack->snapshot), 0);
            continue;
        }
        assert_limit(stack, "300 default");
        assert_int_equal(stat(stack->snapshot, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
    }
}

static void does_not_use_a_snapshot_of_another_owner(void **state)
{
    struct stack *stack = *state;
    struct stat st;

    NEEDS_ROOT();
    stack_in_force(stack, five);
    assert_int_equal(chown(stack->snapshot, 1000, 1000), 0);
    assert_limit(stack, "300 default");
    assert_int_equal(stat(stack->snapshot, &st), 0);
    assert_int_equal(st.st_uid, 0);
    /* and if the policy text cannot replace it, it is not used */
    stack_policy(stack, "default { tmout = 6m\n");
    assert_limit(stack, "300 default");
    assert_int_equal(chown(stack->snapshot, 1000, 1000), 0);
    assert_no_session(stack);
}

static void does_not_use_a_snapshot_that_is_not_a_regular_file(void **state)
{
    struct stack *stack = *state;

    for (int kind = 0; kind < 3; kind++) {
        stack_in_force(stack, five);
        assert_int_equal(unlink(stack->snapshot), 0);
        if (kind == 0)
            assert_int_equal(mkfifo(stack->snapshot, 0600), 0);
        else if (kind == 1)
            assert_int_equal(symlink("/etc/passwd", stack->snapshot), 0);
        else
            assert_int_equal(mkdir(stack->snapshot, 0755), 0);
        const struct outcome o = stack_login(stack, &(struct login){0});
        if (o.status == PAM_SUCCESS) {
            assert_int_equal(getuid(), 0);
            assert_string_equal(o.limit, "300 default");
        } else {
            assert_int_equal(o.status, PAM_SESSION_ERR);
            assert_string_equal(o.limit, "");
        }
        assert_true(access("/etc/passwd", R_OK) == 0);
        if (kind == 2)
            assert_int_equal(rmdir(stack->snapshot), 0);
        else if (o.status != PAM_SUCCESS)
            assert_int_equal(unlink(stack->snapshot), 0);
    }
}

/* --- a changed policy ------------------------------------------------------ */

static void notices_an_edit(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, five);
    assert_limit(stack, "300 default");
    stack_policy(stack, "default { tmout = 6m }\n");
    assert_limit(stack, "360 default");
    put_contents(stack->config, "default { tmout = 7m }\n", 23);
    assert_limit(stack, "420 default");
    assert_int_equal(mkdir(stack->drop_ins, 0755), 0);
    assert_limit(stack, "420 default");
    char path[512];
    snprintf(path, sizeof path, "%s/10-a.conf", stack->drop_ins);
    write_file(path, "default { tmout = 8m }\n");
    assert_limit(stack, "480 default");
    put_contents(path, "default { tmout = 9m }\n", 23);
    assert_limit(stack, "540 default");
    assert_int_equal(unlink(path), 0);
    assert_limit(stack, "420 default");
    assert_int_equal(rmdir(stack->drop_ins), 0);
    assert_limit(stack, "420 default");
    assert_int_equal(log_lines(), 0);
}

/* The same size and inode, and the old mtime restored. */
static void notices_an_edit_with_the_old_size_and_mtime(void **state)
{
    struct stack *stack = *state;
    struct stat st;

    NEEDS_ROOT();
    stack_in_force(stack, five);
    for (char digit = '6'; digit <= '9'; digit++) {
        char text[] = "default { tmout = 5m }\n", limit[32];
        text[18] = digit;
        assert_int_equal(stat(stack->config, &st), 0);
        put_contents(stack->config, text, strlen(text));
        const struct timespec times[] = {st.st_atim, st.st_mtim};
        assert_int_equal(utimensat(AT_FDCWD, stack->config, times, 0), 0);
        snprintf(limit, sizeof limit, "%d default", (digit - '0') * 60);
        assert_limit(stack, limit);
    }
}

/* Two edits in a row, with no time for the clock to advance. */
static void notices_edits_in_quick_succession(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, five);
    for (int round = 0; round < 20; round++) {
        for (char digit = '1'; digit <= '3'; digit++) {
            char text[] = "default { tmout = 0m }\n", limit[32];
            text[18] = digit;
            put_contents(stack->config, text, strlen(text));
            snprintf(limit, sizeof limit, "%d default", (digit - '0') * 60);
            assert_limit(stack, limit);
        }
    }
}

static void keeps_the_last_policy_after_a_typo(void **state)
{
    struct stack *stack = *state;
    char place[512];

    NEEDS_ROOT();
    stack_in_force(stack, "default { tmout = 5m enforce = true }\n");
    stack_policy(stack, "default {\n tmout = 5m\n tmuot = 6m\n}\n");
    assert_limit(stack, "300 readonly");
    snprintf(place, sizeof place, "%s:3: ", stack->config);
    assert_true(log_has(place));
    assert_true(log_has("tmuot"));
    assert_int_equal(log_lines(), 1);

    /* The rejected policy is neither compiled nor reported again ... */
    struct stat before, now;
    assert_int_equal(stat(stack->rejected, &before), 0);
    log_clear();
    for (int i = 0; i < 5; i++)
        assert_limit(stack, "300 readonly");
    assert_int_equal(log_lines(), 0);
    assert_int_equal(stat(stack->rejected, &now), 0);
    assert_int_equal(now.st_ino, before.st_ino);

    /* ... but another error is reported, and a corrected policy applies at
     * once. */
    stack_policy(stack, "default {\n\n\n tmout = 010\n}\n");
    assert_limit(stack, "300 readonly");
    assert_int_equal(log_lines(), 1);
    stack_policy(stack, "default { tmout = 6m }\n");
    assert_limit(stack, "360 default");
    assert_int_equal(access(stack->rejected, F_OK), -1);
}

static void keeps_the_last_policy_if_the_file_is_not_trusted(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    for (int kind = 0; kind < 7; kind++) {
        char other[512];
        snprintf(other, sizeof other, "%s/elsewhere", stack->directory);
        stack_in_force(stack, five);
        stack_policy(stack, "default { tmout = 6m }\n");
        log_clear();
        if (kind == 0)
            assert_int_equal(chmod(stack->config, 0666), 0);
        else if (kind == 1)
            assert_int_equal(chown(stack->config, 1000, 0), 0);
        else
            assert_int_equal(rename(stack->config, other), 0);
        if (kind == 2)
            assert_int_equal(symlink(other, stack->config), 0);
        else if (kind == 3)
            assert_int_equal(mkfifo(stack->config, 0600), 0);
        else if (kind == 4)
            assert_int_equal(mkdir(stack->config, 0755), 0);
        else if (kind == 5)
            assert_int_equal(symlink("nowhere", stack->config), 0);
        /* 6: the file is gone */
        assert_limit(stack, "300 default");
        assert_int_equal(log_lines(), 1);
        assert_true(log_has(stack->config));
        for (int i = 0; i < 3; i++)
            assert_limit(stack, "300 default");
        assert_int_equal(log_lines(), 1);
        assert_true(remove(stack->config) == 0 || kind == 6);
    }
}

/* A directory above the policy that others can write: its repair is noticed
 * although the policy itself has not changed. */
static void notices_that_a_directory_has_been_repaired(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, five);
    stack_policy(stack, "default { tmout = 6m }\n");
    assert_int_equal(chmod(stack->directory, 0777), 0);
    /* The login cannot be registered there either, but the limit applies
     * nevertheless. */
    assert_string_equal(stack_login(stack, &(struct login){0}).limit, "300 default");
    assert_string_equal(stack_login(stack, &(struct login){0}).limit, "300 default");
    assert_int_equal(chmod(stack->directory, 0755), 0);
    assert_limit(stack, "360 default");
}

static void keeps_the_old_snapshot_if_no_new_one_can_be_written(void **state)
{
    struct stack *stack = *state;
    char path[512];

    NEEDS_ROOT();
    stack_in_force(stack, five);
    snprintf(path, sizeof path, "%s/policy.v1.new", stack->state);
    assert_int_equal(mkdir(path, 0755), 0);
    stack_policy(stack, "default { tmout = 6m }\n");
    assert_limit(stack, "300 default");
    assert_true(log_lines() > 0);
    assert_int_equal(rmdir(path), 0);
    assert_limit(stack, "360 default");
    /* a file that a killed process left behind does not interfere */
    write_file(path, "half of one");
    stack_policy(stack, "default { tmout = 7m }\n");
    assert_limit(stack, "420 default");
    assert_int_equal(access(path, F_OK), -1);
}

/* Another tmoutctl holds the lock and never exits: the login continues with the
 * existing snapshot, and the tmoutctl that it started is gone. */
static void times_out_if_tmoutctl_hangs(void **state)
{
    struct stack *stack = *state;
    char path[512];

    NEEDS_ROOT();
    stack_in_force(stack, five);
    snprintf(path, sizeof path, "%s/apply.lock", stack->state);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    stack_policy(stack, "default { tmout = 6m }\n");
    const size_t before = open_descriptors();
    assert_limit(stack, "300 default");
    assert_true(log_has("timed out")); /* the module's time-out, not tmoutctl's */
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
    assert_int_equal(errno, ECHILD);
    close(fd);
    assert_limit(stack, "360 default");
}

/* --- the host process ------------------------------------------------------ */

static volatile sig_atomic_t handled;

static void count_signal(int number)
{
    (void)number;
    handled++;
}

static void assert_no_child(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
    assert_int_equal(errno, ECHILD);
}

static void with_a_handler(const struct stack *stack)
{
    const struct sigaction action = {.sa_handler = count_signal};
    struct sigaction now;

    assert_int_equal(sigaction(SIGCHLD, &action, NULL), 0);
    assert_limit(stack, "360 default");
    assert_no_child();
    assert_int_equal(handled, 0);
    assert_int_equal(sigaction(SIGCHLD, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, count_signal);
    assert_int_equal(log_lines(), 0);
}

static void works_with_a_sigchld_handler(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, five);
    stack_policy(stack, "default { tmout = 6m }\n");
    in_child(with_a_handler, stack);
}

static void with_sigchld_ignored(const struct stack *stack)
{
    assert_ptr_not_equal(signal(SIGCHLD, SIG_IGN), SIG_ERR);
    assert_limit(stack, "360 default");
    assert_int_equal(log_lines(), 0);
    assert_ptr_equal(signal(SIGCHLD, SIG_DFL), SIG_IGN);
    assert_no_child();
}

static void works_with_sigchld_ignored(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, five);
    stack_policy(stack, "default { tmout = 6m }\n");
    in_child(with_sigchld_ignored, stack);
}

static void with_no_child_wait(const struct stack *stack)
{
    const struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_NOCLDWAIT};

    assert_int_equal(sigaction(SIGCHLD, &action, NULL), 0);
    assert_limit(stack, "360 default");
    assert_int_equal(log_lines(), 0);
    assert_int_equal(handled, 0);
}

static void works_with_sa_nocldwait(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, five);
    stack_policy(stack, "default { tmout = 6m }\n");
    in_child(with_no_child_wait, stack);
}

static void *wait_for_any(void *argument)
{
    pid_t *reaped = argument;

    do
        *reaped = waitpid(-1, NULL, 0);
    while (*reaped < 0 && errno == EINTR);
    return NULL;
}

/* A thread of the application that waits for any child only gets the
 * application's own. */
static void with_a_waiting_thread(const struct stack *stack)
{
    pid_t reaped = 0;
    pthread_t waiter;
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const pid_t own = fork();
    assert_true(own >= 0);
    if (own == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    assert_int_equal(pthread_create(&waiter, NULL, wait_for_any, &reaped), 0);
    for (char digit = '1'; digit <= '9'; digit++) {
        char text[] = "default { tmout = 0m }\n", limit[32];
        text[18] = digit;
        stack_policy(stack, text);
        snprintf(limit, sizeof limit, "%d default", (digit - '0') * 60);
        assert_limit(stack, limit);
    }
    assert_int_equal(log_lines(), 0);
    close(ends[1]);
    assert_int_equal(pthread_join(waiter, NULL), 0);
    assert_int_equal(reaped, own);
}

static void leaves_the_applications_children_to_its_own_wait(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, five);
    in_child(with_a_waiting_thread, stack);
}

/* Everything in the process that a careless module might change. */
static void leaves_the_process_unchanged(void **state)
{
    struct stack *stack = *state;
    struct sigaction before[NSIG], now;
    sigset_t mask_before, mask_now;
    char cwd_before[4096], cwd_now[4096];
    struct rlimit limit_before, limit_now;

    stack_in_force(stack, five);
    if (getuid() == 0)
        stack_policy(stack, "default { tmout = 6m }\n");
    for (int i = 1; i < NSIG; i++)
        sigaction(i, NULL, &before[i]);
    sigemptyset(&mask_before);
    sigaddset(&mask_before, SIGUSR2);
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
    assert_non_null(getcwd(cwd_before, sizeof cwd_before));
    const pid_t session = getsid(0), group = getpgrp();
    const mode_t mask = umask(0137);
    getrlimit(RLIMIT_FSIZE, &limit_before);

    assert_limit(stack, getuid() == 0 ? "360 default" : "300 default");

    assert_int_equal(umask(mask), 0137);
    for (int i = 1; i < NSIG; i++) {
        if (sigaction(i, NULL, &now) != 0)
            continue;
        assert_ptr_equal(now.sa_handler, before[i].sa_handler);
        assert_int_equal(now.sa_flags, before[i].sa_flags);
    }
    sigprocmask(SIG_SETMASK, NULL, &mask_now);
    for (int i = 1; i < NSIG; i++)
        assert_int_equal(sigismember(&mask_now, i), sigismember(&mask_before, i));
    sigemptyset(&mask_now);
    sigprocmask(SIG_SETMASK, &mask_now, NULL);
    assert_non_null(getcwd(cwd_now, sizeof cwd_now));
    assert_string_equal(cwd_now, cwd_before);
    assert_int_equal(getsid(0), session);
    assert_int_equal(getpgrp(), group);
    getrlimit(RLIMIT_FSIZE, &limit_now);
    assert_true(limit_now.rlim_cur == limit_before.rlim_cur);
    assert_int_equal(alarm(0), 0);
    assert_no_child();
}

static void many_sessions_leak_nothing(void **state)
{
    struct stack *stack = *state;
    size_t size;

    stack_in_force(stack, five);
    char *whole = contents(stack->snapshot, &size);
    assert_limit(stack, "300 default");
    const size_t before = open_descriptors();
    for (int i = 0; i < (is_slow() ? 40 : 200); i++) {
        /* occasionally the code paths that lead to an error */
        if (i % 10 == 3)
            put_contents(stack->snapshot, whole, size / 2);
        else if (i % 10 == 5)
            put_contents(stack->snapshot, "", 0);
        else if (i % 10 == 7)
            assert_int_equal(chmod(stack->snapshot, 0666), 0);
        stack_login(stack, &(struct login){.user = i % 10 == 9 ? "no-such-user" : NULL});
        if (getuid() != 0) {
            put_contents(stack->snapshot, whole, size);
            assert_int_equal(chmod(stack->snapshot, 0644), 0);
        }
        assert_int_equal(open_descriptors(), before);
    }
    assert_limit(stack, "300 default");
    free(whole);
}

/* --- hostile surroundings -------------------------------------------------- */

/* Can hard limits be raised again? Root in a container often cannot. */
static bool has_sys_resource(void)
{
    enum { CAP_SYS_RESOURCE_BIT = 24 };
    unsigned long long effective = 0;
    char line[256];
    FILE *status = fopen("/proc/self/status", "re");

    assert_non_null(status);
    while (fgets(line, sizeof line, status) != NULL)
        sscanf(line, "CapEff: %llx", &effective);
    fclose(status);
    return (effective >> CAP_SYS_RESOURCE_BIT & 1) != 0;
}

/* Sets the soft and the hard limit, or only the soft one if the hard one could
 * not be restored. */
static void set_limit(__rlimit_resource_t resource, rlim_t value)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(resource, &limit), 0);
    if (has_sys_resource())
        limit.rlim_max = value;
    limit.rlim_cur = value < limit.rlim_max ? value : limit.rlim_max;
    assert_int_equal(setrlimit(resource, &limit), 0);
}

static void no_file_size(void)
{
    set_limit(RLIMIT_FSIZE, 0);
}

/* So that the test itself can write files again. */
static void any_file_size(void)
{
    set_limit(RLIMIT_FSIZE, RLIM_INFINITY);
}

static void no_processes(void)
{
    set_limit(RLIMIT_NPROC, 0);
}

static void little_cpu_time(void)
{
    set_limit(RLIMIT_CPU, 1);
}

static void few_descriptors(void)
{
    set_limit(RLIMIT_NOFILE, 64);
}

static void no_stack(void)
{
    set_limit(RLIMIT_STACK, 64 * 1024);
}

static void all_signals_blocked(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

static void all_signals_ignored(void)
{
    for (int i = 1; i < NSIG; i++)
        if (i != SIGABRT && i != SIGCHLD)
            signal(i, SIG_IGN);
}

static void umask_0777(void)
{
    umask(0777);
}

static void umask_0(void)
{
    umask(0);
}

static void in_a_deleted_directory(void)
{
    char template[] = "/tmp/tmout-test-XXXXXX";

    assert_non_null(mkdtemp(template));
    assert_int_equal(chdir(template), 0);
    assert_int_equal(rmdir(template), 0);
}

static void standard_files_closed(void)
{
    for (int fd = 0; fd < 3; fd++)
        close(fd);
}

static void standard_files_reopened(void)
{
    for (int fd = 0; fd < 3; fd++)
        open("/dev/null", O_RDWR);
}

static void stderr_closed(void)
{
    close(2);
}

static void many_files_open(void)
{
    while (dup(0) >= 0)
        if (open_descriptors() > 500)
            break;
}

static void a_hostile_environment(void)
{
    setenv("LD_PRELOAD", "/nonexistent.so", 1);
    setenv("LD_LIBRARY_PATH", "/nonexistent", 1);
    setenv("PATH", "/nonexistent", 1);
    setenv("MALLOC_PERTURB_", "85", 1);
    setenv("TMOUT_CONFIG", "/nonexistent", 1);
    setenv("HOME", "/nonexistent", 1);
    setenv("TZ", "/nonexistent", 1);
}

static void (*hostile_before)(void), (*hostile_after)(void);

static void in_hostile_surroundings(const struct stack *stack)
{
    const struct outcome o =
        stack_login(stack, &(struct login){.before = hostile_before, .after = hostile_after});

    assert_int_equal(o.status, PAM_SUCCESS);
    assert_string_equal(o.limit, "360 default");
}

static void sets_the_limit_in_hostile_surroundings(void **state)
{
    static const struct {
        const char *name;
        void (*before)(void), (*after)(void);
    } cases[] = {
        {"RLIMIT_FSIZE", no_file_size, any_file_size},
        {"RLIMIT_NPROC", no_processes, NULL},
        {"RLIMIT_CPU", little_cpu_time, NULL},
        {"RLIMIT_NOFILE", few_descriptors, NULL},
        {"RLIMIT_STACK", no_stack, NULL},
        {"signals blocked", all_signals_blocked, NULL},
        {"signals ignored", all_signals_ignored, NULL},
        {"umask 0777", umask_0777, NULL},
        {"umask 0", umask_0, NULL},
        {"deleted working directory", in_a_deleted_directory, NULL},
        {"no standard files", standard_files_closed, standard_files_reopened},
        {"no standard error", stderr_closed, standard_files_reopened},
        {"many files open", many_files_open, NULL},
        {"environment", a_hostile_environment, NULL},
    };
    struct stack *stack = *state;
    struct stat st;

    NEEDS_ROOT();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        stack_in_force(stack, five);
        stack_policy(stack, "default { tmout = 6m }\n");
        fprintf(stderr, "# %s\n", cases[i].name);
        hostile_before = cases[i].before;
        hostile_after = cases[i].after;
        in_child(in_hostile_surroundings, stack);
        assert_int_equal(stat(stack->snapshot, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        assert_int_equal(st.st_uid, 0);
    }
}

static void become_setuid_program(void)
{
    assert_int_equal(setresuid(1000, 0, 0), 0);
}

static void started_by_a_user(const struct stack *stack)
{
    struct stat before, now;
    const struct login login = {.before = become_setuid_program};

    assert_int_equal(stat(stack->snapshot, &before), 0);
    const struct outcome o = stack_login(stack, &login);
    assert_int_equal(o.status, PAM_SUCCESS);
    assert_string_equal(o.limit, "300 default");
    assert_int_equal(stat(stack->snapshot, &now), 0);
    assert_int_equal(now.st_ino, before.st_ino);
    assert_int_equal(access(stack->rejected, F_OK), -1);
}

/* A setuid program that a user started runs with that user's signals and
 * limits: it does not compile the policy but uses the last good one. */
static void setuid_program_uses_the_last_good_policy(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_in_force(stack, five);
    stack_policy(stack, "default { tmout = 6m }\n");
    in_child(started_by_a_user, stack);
    stack_policy(stack, "default { tmout = 6m ;\n");
    in_child(started_by_a_user, stack);
    assert_int_equal(unlink(stack->config), 0);
    in_child(started_by_a_user, stack);
}

static void started_by_a_user_without_snapshot(const struct stack *stack)
{
    const struct outcome o = stack_login(stack, &(struct login){.before = become_setuid_program});

    assert_int_equal(o.status, PAM_SESSION_ERR);
    assert_string_equal(o.limit, "");
    assert_true(log_lines() > 0);
    assert_int_equal(access(stack->snapshot, F_OK), -1);
}

static void setuid_program_fails_without_a_snapshot(void **state)
{
    struct stack *stack = *state;

    NEEDS_ROOT();
    stack_policy(stack, five);
    in_child(started_by_a_user_without_snapshot, stack);
}

/* --- threads --------------------------------------------------------------- */

enum { THREADS = 8 };

struct many {
    const struct stack *stack;
    int rounds;
    unsigned wrong; /* atomic: sessions with an unexpected result */
    unsigned done;
};

static void *log_in_repeatedly(void *argument)
{
    struct many *many = argument;

    for (int i = 0; i < many->rounds; i++) {
        const struct outcome o = stack_login(many->stack, &(struct login){0});
        if (o.status != PAM_SUCCESS ||
            (strcmp(o.limit, "300 default") != 0 && strcmp(o.limit, "360 default") != 0))
            __atomic_fetch_add(&many->wrong, 1, __ATOMIC_RELAXED);
    }
    __atomic_fetch_add(&many->done, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* One process opens sessions in eight threads while the policy changes between
 * valid and invalid. */
static void sessions_in_threads_while_the_policy_changes(void **state)
{
    struct stack *stack = *state;
    struct many many = {.stack = stack, .rounds = is_slow() ? 3 : 25};
    pthread_t thread[THREADS];

    NEEDS_ROOT();
    stack_in_force(stack, five);
    const size_t before = open_descriptors();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, log_in_repeatedly, &many), 0);
    for (unsigned turn = 0; __atomic_load_n(&many.done, __ATOMIC_ACQUIRE) < THREADS; turn++) {
        stack_policy(stack, turn % 3 == 0   ? "default { tmout = 6m }\n"
                            : turn % 3 == 1 ? "default { tmout = 7x }\n"
                                            : five);
        stack_login(stack, &(struct login){0});
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(many.wrong, 0);
    assert_int_equal(open_descriptors(), before);
    assert_no_child();
    char *log = log_text();
    if (strstr(log, "no policy is in force") != NULL ||
        strstr(log, "terminated by a signal") != NULL)
        fail_msg("%s", log);
    free(log);
    stack_policy(stack, "default { tmout = 8m }\n");
    assert_limit(stack, "480 default");
}

/* --- exported symbols ------------------------------------------------------- */

static void exports_only_the_pam_functions(void **state)
{
    static const char *const own[] = {"session_open", "resolve",       "snapshot_open",
                                      "checksum",     "settings",      "account_lookup",
                                      "run_apply",    "duration_parse"};
    void *module = dlopen(TEST_BUILD "/pam_tmout.so", RTLD_NOW | RTLD_LOCAL);

    (void)state;
    if (module == NULL)
        fail_msg("%s", dlerror());
    assert_non_null(dlsym(module, "pam_sm_open_session"));
    assert_non_null(dlsym(module, "pam_sm_close_session"));
    for (size_t i = 0; i < COUNT_OF(own); i++)
        assert_null(dlsym(module, own[i]));
    /* neither policy text nor JSON is parsed in a login's process */
    assert_null(dlsym(module, "cfg_init"));
    assert_null(dlsym(module, "json_object"));
    dlclose(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STACK(sets_the_limit_of_the_policy),
        WITH_STACK(applies_the_rules_of_the_users_groups),
        WITH_STACK(sets_no_limit_for_local_logins),
        WITH_STACK(ignores_the_environment_of_the_process),
        WITH_STACK(sets_the_limit_of_every_login_with_sessions_all),
        WITH_STACK(sets_tmout_only_with_export),
        WITH_STACK(overrides_variables_that_the_user_set),
        WITH_STACK(closing_succeeds),
        WITH_STACK(rejects_wrong_arguments),
        WITH_STACK(rejects_unknown_users),
        WITH_STACK(compiles_a_missing_snapshot_as_root),
        WITH_STACK(fails_without_a_snapshot_if_the_policy_is_invalid),
        WITH_STACK(fails_without_policy_and_snapshot),
        WITH_STACK(creates_the_state_directory_as_root),
        WITH_STACK(damaged_snapshots_never_yield_a_wrong_limit),
        WITH_STACK(truncated_snapshots_never_yield_a_wrong_limit),
        WITH_STACK(does_not_use_a_snapshot_that_others_can_write),
        WITH_STACK(does_not_use_a_snapshot_of_another_owner),
        WITH_STACK(does_not_use_a_snapshot_that_is_not_a_regular_file),
        WITH_STACK(notices_an_edit),
        WITH_STACK(notices_an_edit_with_the_old_size_and_mtime),
        WITH_STACK(notices_edits_in_quick_succession),
        WITH_STACK(keeps_the_last_policy_after_a_typo),
        WITH_STACK(keeps_the_last_policy_if_the_file_is_not_trusted),
        WITH_STACK(notices_that_a_directory_has_been_repaired),
        WITH_STACK(keeps_the_old_snapshot_if_no_new_one_can_be_written),
        WITH_STACK(times_out_if_tmoutctl_hangs),
        WITH_STACK(works_with_a_sigchld_handler),
        WITH_STACK(works_with_sigchld_ignored),
        WITH_STACK(works_with_sa_nocldwait),
        WITH_STACK(leaves_the_applications_children_to_its_own_wait),
        WITH_STACK(leaves_the_process_unchanged),
        WITH_STACK(many_sessions_leak_nothing),
        WITH_STACK(sets_the_limit_in_hostile_surroundings),
        WITH_STACK(setuid_program_uses_the_last_good_policy),
        WITH_STACK(setuid_program_fails_without_a_snapshot),
        WITH_STACK(sessions_in_threads_while_the_policy_changes),
        cmocka_unit_test(exports_only_the_pam_functions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
