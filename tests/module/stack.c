#include "tests/module/stack.h"

#include "tests/module/no_conversation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#define MODULE TEST_BUILD "/pam_tmout.so"
#define CTL    TEST_BUILD "/../tmoutctl"

/* --- the log ------------------------------------------------------------- */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_buffer[256 * 1024];
static size_t log_used, log_count;

static void take_log(const char *format, va_list arguments)
{
    pthread_mutex_lock(&log_lock);
    if (log_used < sizeof log_buffer - 1) {
        const size_t room = sizeof log_buffer - log_used;
        const int n = vsnprintf(log_buffer + log_used, room, format, arguments);
        log_used += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
        if (log_used < sizeof log_buffer - 1)
            log_buffer[log_used++] = '\n';
        log_buffer[log_used] = '\0';
    }
    log_count++;
    pthread_mutex_unlock(&log_lock);
}

/* Intercepts libpam's calls of syslog(3): the program's own symbols take
 * precedence over the C library's. libpam may be built with or without
 * _FORTIFY_SOURCE. */
#undef syslog
__attribute__((visibility("default"))) void syslog(int priority, const char *format, ...);
__attribute__((visibility("default"))) void __syslog_chk(int priority, int flag, const char *format,
                                                         ...);

void syslog(int priority, const char *format, ...)
{
    va_list arguments;

    (void)priority;
    va_start(arguments, format);
    take_log(format, arguments);
    va_end(arguments);
}

void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list arguments;

    (void)priority;
    (void)flag;
    va_start(arguments, format);
    take_log(format, arguments);
    va_end(arguments);
}

void log_clear(void)
{
    pthread_mutex_lock(&log_lock);
    log_used = log_count = 0;
    log_buffer[0] = '\0';
    pthread_mutex_unlock(&log_lock);
}

char *log_text(void)
{
    pthread_mutex_lock(&log_lock);
    char *copy = strdup(log_buffer);
    pthread_mutex_unlock(&log_lock);
    assert_non_null(copy);
    return copy;
}

size_t log_lines(void)
{
    pthread_mutex_lock(&log_lock);
    const size_t count = log_count;
    pthread_mutex_unlock(&log_lock);
    return count;
}

bool log_has(const char *text)
{
    char *all = log_text();
    const bool found = strstr(all, text) != NULL;

    free(all);
    return found;
}

/* --- the stack ----------------------------------------------------------- */

static char *path_in(const char *directory, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

void write_file(const char *path, const char *text)
{
    char temporary[512];

    snprintf(temporary, sizeof temporary, "%s.written", path);
    const int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    assert_int_equal(rename(temporary, path), 0);
}

int stack_make(void **state)
{
    const char *above = getenv("TMOUT_TEST_DIRECTORY");
    char template[512];
    struct stack *stack = calloc(1, sizeof *stack);

    snprintf(template, sizeof template, "%s/tmout-test-XXXXXX", above != NULL ? above : "/tmp");
    umask(022);
    log_clear();
    if (stack == NULL || mkdtemp(template) == NULL || chmod(template, 0755) != 0)
        return -1;
    stack->directory = strdup(template);
    stack->config = path_in(template, "tmout.conf");
    stack->drop_ins = path_in(template, "tmout.conf.d");
    stack->state = path_in(template, "state");
    stack->snapshot = path_in(template, "state/policy.v1");
    stack->rejected = path_in(template, "state/rejected.v1");
    *state = stack;
    /* Without this file libpam would log that it is missing. */
    char *other = path_in(template, "other");
    write_file(other, "session required pam_deny.so\n");
    free(other);
    return mkdir(stack->state, 0755);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int stack_remove(void **state)
{
    struct stack *stack = *state;
    const int result = nftw(stack->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);

    free(stack->rejected);
    free(stack->snapshot);
    free(stack->state);
    free(stack->drop_ins);
    free(stack->config);
    free(stack->directory);
    free(stack);
    return result;
}

void stack_policy(const struct stack *stack, const char *text)
{
    write_file(stack->config, text);
}

int stack_apply(const struct stack *stack)
{
    int status;
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        execl(CTL, "tmoutctl", "apply", "--quiet", "--config", stack->config, "--state",
              stack->state, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void stack_in_force(const struct stack *stack, const char *text)
{
    stack_policy(stack, text);
    assert_int_equal(stack_apply(stack), 0);
}

static void note(pam_handle_t *handle, const char *name, char *text, size_t size)
{
    const char *value = pam_getenv(handle, name);

    snprintf(text, size, "%s", value != NULL ? value : "-");
}

/* Each stack's file has its own name, for threads that log in at once. */
static void write_line(const struct stack *stack, const struct login *login, char *service,
                       size_t size)
{
    static unsigned next;
    char path[512], line[2048];

    snprintf(service, size, "service%u", __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED));
    snprintf(path, sizeof path, "%s/%s", stack->directory, service);
    if (login->all_arguments != NULL)
        snprintf(line, sizeof line, "session required %s %s\n", MODULE, login->all_arguments);
    else
        snprintf(line, sizeof line, "session required %s config=%s state=%s %s\n", MODULE,
                 stack->config, stack->state, login->arguments != NULL ? login->arguments : "");
    write_file(path, line);
}

struct outcome stack_login(const struct stack *stack, const struct login *login)
{
    /* libpam reads the stack's file and loads modules here; only the module's
     * own work is to run in parallel. */
    static pthread_mutex_t pam_lock = PTHREAD_MUTEX_INITIALIZER;
    const struct pam_conv conversation = {.conv = no_conversation};
    struct outcome outcome = {0};
    pam_handle_t *handle = NULL;
    char service[32];

    write_line(stack, login, service, sizeof service);
    pthread_mutex_lock(&pam_lock);
    assert_int_equal(pam_start_confdir(service, login->user != NULL ? login->user : own_name(),
                                       &conversation, stack->directory, &handle),
                     PAM_SUCCESS);
    pthread_mutex_unlock(&pam_lock);
    if (!login->local)
        assert_int_equal(pam_putenv(handle, "SSH_CONNECTION=192.0.2.1 50000 192.0.2.2 22"),
                         PAM_SUCCESS);
    for (size_t i = 0; i < COUNT_OF(login->environment) && login->environment[i] != NULL; i++)
        assert_int_equal(pam_putenv(handle, login->environment[i]), PAM_SUCCESS);
    if (login->tty != NULL)
        assert_int_equal(pam_set_item(handle, PAM_TTY, login->tty), PAM_SUCCESS);
    if (login->before != NULL)
        login->before();
    outcome.status = pam_open_session(handle, 0);
    if (login->after != NULL)
        login->after();
    note(handle, "PAM_TMOUT", outcome.limit, sizeof outcome.limit);
    note(handle, "TMOUT", outcome.exported, sizeof outcome.exported);
    outcome.close_status = pam_close_session(handle, 0);
    pthread_mutex_lock(&pam_lock);
    pam_end(handle, outcome.status);
    pthread_mutex_unlock(&pam_lock);
    return outcome;
}

void assert_limit(const struct stack *stack, const char *limit)
{
    const struct outcome outcome = stack_login(stack, &(struct login){0});

    if (outcome.status != PAM_SUCCESS || strcmp(outcome.limit, limit) != 0) {
        char *log = log_text();
        fprintf(stderr, "status %d, limit %s instead of %s; the log:\n%s", outcome.status,
                outcome.limit, limit, log);
        free(log);
        fail();
    }
}

void assert_no_session(const struct stack *stack)
{
    const struct outcome outcome = stack_login(stack, &(struct login){0});

    assert_int_equal(outcome.status, PAM_SESSION_ERR);
    /* Set to empty, so that no value inherited from elsewhere applies. */
    assert_string_equal(outcome.limit, "");
    assert_string_equal(outcome.exported, "-");
}

const char *own_name(void)
{
    static char name[256];

    if (name[0] == '\0') {
        const struct passwd *entry = getpwuid(geteuid());
        assert_non_null(entry);
        snprintf(name, sizeof name, "%s", entry->pw_name);
    }
    return name;
}

void in_child(void (*body)(const struct stack *), const struct stack *stack)
{
    int status;

    fflush(stdout);
    fflush(stderr);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        /* Otherwise cmocka would run the remaining tests in the child, too. */
        setenv("CMOCKA_TEST_ABORT", "1", 1);
        body(stack);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with status 0x%x", (unsigned)status);
}

size_t open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}
