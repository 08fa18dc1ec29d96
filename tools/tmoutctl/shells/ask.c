#include "tools/tmoutctl/shells/ask.h"

#include "tools/tmoutctl/host/typed_run.h"
#include "tools/tmoutctl/shells/trace.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A site's scripts may be slow, and so may the host; a shell that waits for something is
 * given up. */
enum { ANSWER_MS = 10 * 1000, HURRIED_MS = 3 * 1000 };

enum { CPU_SEC = 5, PROCESSES_MAX = 512, NOBODY = 65534, FAILED = 127 };

static const char *const start_words[] = {
    [SHELL_START_INTERACTIVE] = "interactive",
    [SHELL_START_LOGIN] = "interactive login",
};

const char *shell_start_word(enum shell_start start)
{
    return start_words[start];
}

bool shell_start_counts(enum shell_kind kind, enum shell_start start)
{
    if (shell_traits[kind].timeout == SHELL_NO_TIMEOUT)
        return false;
    return start != SHELL_START_INTERACTIVE || !shell_traits[kind].rc_is_the_users;
}

/* --- namespaces ------------------------------------------------------------- */

/* Waits for a child and ends as it did. */
static void __attribute__((noreturn)) end_like(pid_t child)
{
    int status = 0;

    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : FAILED);
}

/* A new user's files are read, too, but cannot be changed. */
static const char *shell_home(void)
{
    return access("/etc/skel", X_OK) == 0 ? "/etc/skel" : "/tmp";
}

/* Nothing that the shell's files write survives. What cannot be mounted is not
 * writable for nobody, either. */
static int isolate_files(void)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=1m") != 0)
        return -1;
    (void)mount("none", "/var/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=1m");
    (void)mount("none", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    return chdir(shell_home());
}

/* Lowers a limit; one that is lower stays, since not every root may raise it. */
static int lower_limit(unsigned resource, rlim_t most)
{
    struct rlimit limit;

    if (getrlimit(resource, &limit) != 0)
        return -1;
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > most)
        limit.rlim_max = most;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(resource, &limit);
}

static int become_nobody(void)
{
    if (lower_limit(RLIMIT_CPU, CPU_SEC) != 0 || lower_limit(RLIMIT_CORE, 0) != 0 ||
        lower_limit(RLIMIT_FSIZE, 1 << 20) != 0 || lower_limit(RLIMIT_NPROC, PROCESSES_MAX) != 0 ||
        setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) != 0)
        return -1;
    /* No set-user-ID program of these files' becomes root. */
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* The first process of the new pid namespace; when it ends, all in there do. */
static int isolate_processes(void)
{
    const pid_t first = fork();

    if (first < 0)
        return -1;
    if (first > 0)
        end_like(first);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || isolate_files() != 0)
        _exit(FAILED);
    const pid_t shell = fork();
    if (shell < 0)
        _exit(FAILED);
    if (shell > 0)
        end_like(shell);
    return 0;
}

static int isolate(int terminal_fd)
{
    /* Its programs may open it again, as `mesg n` does. */
    if (fchown(terminal_fd, NOBODY, (gid_t)-1) != 0 || unshare(CLONE_NEWNS | CLONE_NEWPID) != 0)
        return -1;
    return isolate_processes() == 0 ? become_nobody() : -1;
}

/* --- the question ------------------------------------------------------------- */

#define LIMIT_MARK "tmout-limit:"
#define ENDED      LIMIT_MARK "end"

/* What is typed at the prompt, which alone has a limit, is repeated there; so the question
 * is in the environment, and says nothing that it would answer where a shell traces it. */
static const char question[] = "QUESTION=echo tmout-li''mit:${TMOUT-}:; "
                               "(TMOUT=1) 2>/dev/null && echo tmout-li''mit:free; "
                               "echo tmout-li''mit:end";
static const char question_csh[] =
    "QUESTION=if ($?autologout) echo tmout-li''mit:${autologout}:; "
    "( set autologout = 1 ) >& /dev/null && echo tmout-li''mit:free; echo tmout-li''mit:end";

bool shell_can_be_asked(struct failure *failure)
{
    static const char *const argv[] = {"/bin/sh", "-c", "echo " ENDED, NULL};
    static const char *const environment[] = {NULL};
    const struct typed_run run = {
        .argv = argv, .environment = environment, .typed = "", .until = ENDED, .prepare = isolate};
    char *printed;
    const bool can = typed_run(&run, ANSWER_MS, &printed) == 0;

    if (!can)
        failure_set(failure, "no process with namespaces and a terminal of its own can be started");
    free(printed);
    return can;
}

enum { ARGUMENTS_MAX = 5 };

/* The command line of a shell that is started like that. */
static void question_argv(const struct shell_run *run, const char *argv[ARGUMENTS_MAX])
{
    size_t count = 0;

    argv[count++] = run->path;
    if (run->start == SHELL_START_LOGIN)
        argv[count++] = "-l";
    /* tcsh takes no other option with -l, and has a prompt anyway. */
    if (run->start == SHELL_START_INTERACTIVE || run->kind != SHELL_TCSH)
        argv[count++] = "-i";
    if (run->traced)
        argv[count++] = "-x";
    argv[count] = NULL;
}

/* What the shell has answered. */
static void read_answer(enum shell_kind kind, struct shell_answer *answer)
{
    answer->readonly = true;
    for (const char *mark = answer->printed; (mark = strstr(mark, LIMIT_MARK)) != NULL;) {
        mark += strlen(LIMIT_MARK);
        if (strncmp(mark, "free", 4) == 0)
            answer->readonly = false;
        else if (strtoll(mark, NULL, 10) > 0)
            answer->limit_sec = strtoll(mark, NULL, 10) * (kind == SHELL_TCSH ? 60 : 1);
    }
    if (kind == SHELL_KSH93 && answer->limit_sec > 0)
        answer->limit_sec += 60; /* it warns first */
}

int shell_ask(const struct shell_run *run, struct shell_answer *answer, struct failure *failure)
{
    char decision[64], shell[4200], home[32];
    const char *argv[ARGUMENTS_MAX];
    const char *const environment[] = {home,
                                       "USER=nobody",
                                       "LOGNAME=nobody",
                                       "PATH=/usr/local/bin:/usr/bin:/bin",
                                       "TERM=xterm",
                                       "SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22",
                                       "SSH_CLIENT=192.0.2.1 1 22",
                                       decision,
                                       shell,
                                       run->kind == SHELL_TCSH ? question_csh : question,
                                       run->traced ? shell_trace_prompt(run->kind) : NULL,
                                       NULL};
    const struct typed_run typed = {.argv = argv,
                                    .environment = environment,
                                    .typed = "eval \"$QUESTION\"\r",
                                    .until = ENDED,
                                    .has_ssh_tty = true,
                                    .prepare = isolate};

    snprintf(decision, sizeof decision, "PAM_TMOUT=%" PRId64 " %s", run->limit_sec,
             run->readonly ? "readonly" : "default");
    snprintf(shell, sizeof shell, "SHELL=%s", run->path);
    snprintf(home, sizeof home, "HOME=%s", shell_home());
    question_argv(run, argv);
    *answer = (struct shell_answer){0};
    if (typed_run(&typed, run->is_hurried ? HURRIED_MS : ANSWER_MS, &answer->printed) == 0) {
        read_answer(run->kind, answer);
        return 0;
    }
    failure_set(failure, "%s%s",
                errno == ETIMEDOUT ? "does not come to its prompt"
                : errno == EFBIG   ? "prints too much before its prompt"
                : errno == EIO     ? "ends before its prompt"
                                   : "cannot be started: ",
                errno == ETIMEDOUT || errno == EFBIG || errno == EIO ? "" : strerror(errno));
    return -1;
}

void shell_complaint(enum shell_kind kind, const struct shell_answer *enforced,
                     const struct shell_answer *other, char *text, size_t size)
{
    const char *variable = kind == SHELL_TCSH ? "autologout" : "TMOUT";

    text[0] = '\0';
    for (const char *line = enforced->printed; line[0] != '\0' && text[0] == '\0';) {
        const size_t length = strcspn(line, "\r\n");
        snprintf(text, size, "%.*s", (int)length, line);
        if (strstr(text, variable) == NULL || strstr(other->printed, text) != NULL)
            text[0] = '\0';
        line += length;
        line += strspn(line, "\r\n");
    }
}

int64_t shell_expected_sec(enum shell_kind kind, int64_t limit_sec)
{
    if (kind == SHELL_TCSH)
        return limit_sec < 60 ? 60 : limit_sec / 60 * 60;
    return kind == SHELL_KSH93 && limit_sec <= 60 ? 61 : limit_sec;
}
