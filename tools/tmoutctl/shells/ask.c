#include "tools/tmoutctl/shells/ask.h"

#include "tools/tmoutctl/host/subprocess.h"

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

/* A site's scripts may be slow; a shell that waits for something is given up. */
enum { ANSWER_MS = 5 * 1000, CPU_SEC = 5, NOBODY = 65534, FAILED = 127 };

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

/* Nothing that the shell's files write survives. What cannot be mounted is not
 * writable for nobody, either. */
static int isolate_files(void)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=1m") != 0)
        return -1;
    (void)mount("none", "/var/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=1m");
    (void)mount("none", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    return chdir("/tmp");
}

static int become_nobody(void)
{
    const struct rlimit cpu = {CPU_SEC, CPU_SEC}, core = {0, 0}, file = {1 << 20, 1 << 20};

    if (setrlimit(RLIMIT_CPU, &cpu) != 0 || setrlimit(RLIMIT_CORE, &core) != 0 ||
        setrlimit(RLIMIT_FSIZE, &file) != 0 || setgroups(0, NULL) != 0 ||
        setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0)
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

static int isolate(const void *context)
{
    (void)context;
    setsid(); /* no terminal */
    if (unshare(CLONE_NEWNS | CLONE_NEWPID) != 0)
        return -1;
    return isolate_processes() == 0 ? become_nobody() : -1;
}

bool shell_can_be_asked(struct failure *failure)
{
    static const char *const argv[] = {"/bin/sh", "-c", "exit 0", NULL};
    const struct subprocess_start start = {.argv = argv, .prepare = isolate};
    struct subprocess answer = {0};
    const bool can =
        subprocess_run_with(&start, ANSWER_MS, &answer) == 0 && subprocess_succeeded(&answer);

    if (!can)
        failure_set(failure, "no process with namespaces of its own can be started");
    subprocess_free(&answer);
    return can;
}

/* --- the question ------------------------------------------------------------- */

#define LIMIT_MARK "tmout-limit:"

/* The question comes as typed at a prompt, for a shell that is told it with -c has no
 * limit. bash repeats what is typed, in which nobody shall find a complaint. */
static const char question[] = "QUESTION=echo \"" LIMIT_MARK "${TMOUT-}:\"\n"
                               "(unset TMOUT) 2>/dev/null && echo " LIMIT_MARK "free\n";
static const char typed[] = "eval \"$QUESTION\"\nexit\n";
static const char typed_csh[] =
    "if ($?autologout) echo " LIMIT_MARK "${autologout}:\n"
    "( unset autologout ) >& /dev/null && echo " LIMIT_MARK "free\nexit\n";

enum { ARGUMENTS_MAX = 4 };

/* The command line of a shell that is started like that. */
static void question_argv(const char *path, enum shell_kind kind, enum shell_start start,
                          const char *argv[ARGUMENTS_MAX])
{
    size_t count = 0;

    argv[count++] = path;
    if (start == SHELL_START_LOGIN)
        argv[count++] = "-l";
    /* tcsh takes no other option with -l, and has a prompt anyway. */
    if (start == SHELL_START_INTERACTIVE || kind != SHELL_TCSH)
        argv[count++] = "-i";
    argv[count] = NULL;
}

/* The first line of what a shell prints that is about the limit, besides the
 * answer. */
static void find_complaint(const struct subprocess *answer, bool csh, struct shell_answer *found)
{
    const char *text = answer->text[SUBPROCESS_ERR];
    const char *about = text != NULL ? strstr(text, csh ? "autologout" : "TMOUT") : NULL;

    if (about == NULL)
        return;
    while (about > text && about[-1] != '\n')
        about--;
    snprintf(found->complaint, sizeof found->complaint, "%.*s", (int)strcspn(about, "\r\n"), about);
}

/* What the answer says. Returns 0, or -1: there is none. */
static int read_answer(const struct subprocess *answer, enum shell_kind kind,
                       struct shell_answer *found)
{
    const bool csh = kind == SHELL_TCSH;
    const char *text = answer->text[SUBPROCESS_OUT];
    const char *limit = text != NULL ? strstr(text, LIMIT_MARK) : NULL;

    *found = (struct shell_answer){.readonly = true};
    if (limit == NULL)
        return -1;
    for (const char *mark = limit; mark != NULL; mark = strstr(mark + 1, LIMIT_MARK)) {
        const char *value = mark + strlen(LIMIT_MARK);
        if (strncmp(value, "free", 4) == 0)
            found->readonly = false;
        else if (strtoll(value, NULL, 10) > 0)
            found->limit_sec = strtoll(value, NULL, 10) * (csh ? 60 : 1);
    }
    if (kind == SHELL_KSH93 && found->limit_sec > 0)
        found->limit_sec += 60; /* it warns first */
    find_complaint(answer, csh, found);
    return 0;
}

int shell_ask(const struct shell_run *run, struct shell_answer *answer, struct failure *failure)
{
    char decision[64], shell[4200];
    const char *argv[ARGUMENTS_MAX];
    const char *const environment[] = {"HOME=/tmp",      "USER=nobody",
                                       "LOGNAME=nobody", "PATH=/usr/local/bin:/usr/bin:/bin",
                                       "TERM=dumb",      "SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22",
                                       decision,         shell,
                                       question,         NULL};
    const struct subprocess_start start = {.argv = argv,
                                           .environment = environment,
                                           .input = run->kind == SHELL_TCSH ? typed_csh : typed,
                                           .prepare = isolate};
    struct subprocess output = {0};

    snprintf(decision, sizeof decision, "PAM_TMOUT=%" PRId64 " %s", run->limit_sec,
             run->readonly ? "readonly" : "default");
    snprintf(shell, sizeof shell, "SHELL=%s", run->path);
    question_argv(run->path, run->kind, run->start, argv);
    int result = subprocess_run_with(&start, ANSWER_MS, &output);
    if (result != 0)
        failure_set(failure, "%s%s",
                    errno == ETIMEDOUT ? "does not come to its prompt"
                    : errno == EFBIG   ? "prints too much before its prompt"
                                       : "cannot be started: ",
                    errno == ETIMEDOUT || errno == EFBIG ? "" : strerror(errno));
    else if ((result = read_answer(&output, run->kind, answer)) != 0)
        failure_set(failure, "ends before its prompt");
    subprocess_free(&output);
    return result;
}

int64_t shell_expected_sec(enum shell_kind kind, int64_t limit_sec)
{
    if (kind == SHELL_TCSH)
        return limit_sec < 60 ? 60 : limit_sec / 60 * 60;
    return kind == SHELL_KSH93 && limit_sec <= 60 ? 61 : limit_sec;
}
