#include "tools/tmoutctl/editing/editor.h"

#include "lib/host/secure_path.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* Where only root installs programs. */
static const char search_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* --- which one ------------------------------------------------------------ */

int editor_split(const char *command, struct editor *editor, struct failure *failure)
{
    char *to = editor->words, *const end = editor->words + sizeof editor->words - 1;
    char quote = '\0';
    bool in_word = false;

    editor->count = 0;
    for (const char *c = command; *c != '\0'; c++) {
        const bool is_blank = quote == '\0' && (*c == ' ' || *c == '\t' || *c == '\n');
        if (is_blank && in_word)
            *to++ = '\0';
        if (is_blank) {
            in_word = false;
            continue;
        }
        if (!in_word && editor->count == EDITOR_WORDS_MAX - 2) {
            failure_set(failure, "has more than %d words", EDITOR_WORDS_MAX - 2);
            return -1;
        }
        if (!in_word)
            editor->argument[editor->count++] = to;
        in_word = true;
        if (quote == '\0' ? *c == '\'' || *c == '"' : *c == quote) {
            quote = quote == '\0' ? *c : '\0';
            continue;
        }
        if (*c == '\\' && quote != '\'' && c[1] != '\0')
            c++;
        if (to >= end - 1) {
            failure_set(failure, "is longer than %zu bytes", sizeof editor->words);
            return -1;
        }
        *to++ = *c;
    }
    *to = '\0';
    if (quote != '\0')
        failure_set(failure, "has a quotation mark without its end");
    else if (editor->count == 0)
        failure_set(failure, "names no program");
    return quote == '\0' && editor->count > 0 ? 0 : -1;
}

/* Only root can have put it there, and nobody else can replace it. */
static int check_program(const char *path, struct failure *failure)
{
    char copy[PATH_MAX], name[PATH_MAX];
    struct failure why = {""};
    struct stat st;
    int fd = -1;

    snprintf(copy, sizeof copy, "%s", path);
    snprintf(name, sizeof name, "%s", path);
    const int directory = secure_open_directory(dirname(copy), geteuid(), O_PATH, &why);
    if (directory >= 0) {
        fd = secure_open_file(directory, basename(name), geteuid(), &st, &why);
        close(directory);
    }
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && access(path, X_OK) == 0)
        return 0;
    failure_set(failure, "%s: %s", path, fd < 0 ? why.text : "is not executable");
    return -1;
}

/* Finds the file that a word names, behind all links. */
static bool locate(const char *word, char program[PATH_MAX])
{
    char candidate[PATH_MAX];

    if (word[0] == '/')
        return realpath(word, program) != NULL;
    if (strchr(word, '/') != NULL)
        return false;
    for (const char *at = search_path; *at != '\0';) {
        const size_t length = strcspn(at, ":");
        snprintf(candidate, sizeof candidate, "%.*s/%s", (int)length, at, word);
        if (realpath(candidate, program) != NULL)
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

/* Finds the program that a word names. Returns 0, or -1 with the reason. */
static int find_program(const char *word, char program[PATH_MAX], struct failure *failure)
{
    if (locate(word, program))
        return check_program(program, failure);
    if (word[0] != '/' && strchr(word, '/') != NULL)
        failure_set(failure, "%s is not an absolute path", word);
    else if (word[0] == '/')
        failure_set(failure, "%s: %s", word, failure_reason(errno));
    else
        failure_set(failure, "%s: no such program in %s", word, search_path);
    return -1;
}

int editor_find(struct editor *editor, struct failure *failure)
{
    static const char *const variables[] = {"SUDO_EDITOR", "VISUAL", "EDITOR"};
    static const char *const usual[] = {"editor", "vi", "vim", "nano"};
    struct failure why = {""};

    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *command = getenv(variables[i]);
        if (command == NULL || command[0] == '\0')
            continue;
        if (editor_split(command, editor, &why) == 0 &&
            find_program(editor->argument[0], editor->program, &why) == 0)
            return 0;
        failure_set(failure, "cannot use the editor that %s names: %s", variables[i], why.text);
        return -1;
    }
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (find_program(usual[i], editor->program, &why) == 0)
            return editor_split(usual[i], editor, failure);
    failure_set(failure, "no editor found: install one, or name one with EDITOR");
    return -1;
}

/* --- running it ----------------------------------------------------------- */

/* Those that a user at the terminal or a shutdown sends. SIGTTOU would stop us if we gave
 * the terminal its settings back from the background. */
static const int watched_signals[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGCHLD, SIGTTOU};

static void watched_set(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < sizeof watched_signals / sizeof *watched_signals; i++)
        sigaddset(set, watched_signals[i]);
}

int editor_watch_signals(void)
{
    sigset_t set;

    watched_set(&set);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The next one that has arrived, or 0. */
static int next_signal(int signal_fd)
{
    struct signalfd_siginfo info;

    return read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

enum { ENVIRONMENT_MAX = 32 };

/* Only what says how the terminal works and which language it speaks; never a path. */
static bool is_passed_on(const char *variable)
{
    static const char *const names[] = {"TERM=", "COLORTERM=", "NO_COLOR=", "LANG=", "LANGUAGE="};

    if (strchr(variable, '/') != NULL)
        return false;
    if (strncmp(variable, "LC_", 3) == 0)
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static void set_environment(char *home, size_t size, const char *environment[ENVIRONMENT_MAX])
{
    static char path[sizeof search_path + sizeof "PATH="];
    const struct passwd *own = getpwuid(geteuid());
    size_t count = 0;

    snprintf(home, size, "HOME=%s", own != NULL ? own->pw_dir : "/");
    snprintf(path, sizeof path, "PATH=%s", search_path);
    environment[count++] = home;
    environment[count++] = path;
    environment[count++] = "SHELL=/bin/sh";
    for (char **variable = environ; *variable != NULL && count < ENVIRONMENT_MAX - 1; variable++)
        if (is_passed_on(*variable))
            environment[count++] = *variable;
    environment[count] = NULL;
}

/* In the child. The current directory may be a user's, with settings for editors. */
static void execute(const struct editor *editor, const char *path)
{
    const char *environment[ENVIRONMENT_MAX];
    char *argument[EDITOR_WORDS_MAX], home[PATH_MAX], file[PATH_MAX];
    sigset_t set;

    memcpy(argument, editor->argument, sizeof argument);
    snprintf(file, sizeof file, "%s", path);
    argument[editor->count] = file;
    argument[editor->count + 1] = NULL;
    set_environment(home, sizeof home, environment);
    watched_set(&set);
    if (chdir("/") != 0 || sigprocmask(SIG_UNBLOCK, &set, NULL) != 0)
        return;
    execve(editor->program, argument, (char *const *)environment);
}

static enum editor_end judge(const struct editor *editor, int status, struct failure *failure)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return EDITOR_DONE;
    if (WIFSIGNALED(status))
        failure_set(failure, "%s was ended by signal %d", editor->program, WTERMSIG(status));
    else
        failure_set(failure, "%s failed with exit status %d", editor->program, WEXITSTATUS(status));
    return EDITOR_FAILED;
}

/* What the user types for the editor, such as Ctrl-C, arrives here as well. */
static enum editor_end await_editor(const struct editor *editor, pid_t child, int signal_fd,
                                    int *signal_number, struct failure *failure)
{
    int status;

    for (;;) {
        struct pollfd event = {.fd = signal_fd, .events = POLLIN};
        const pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child)
            return judge(editor, status, failure);
        if (ended < 0 && errno != EINTR) {
            failure_set(failure, "cannot wait for the editor: %s", failure_reason(errno));
            return EDITOR_FAILED;
        }
        (void)poll(&event, 1, -1);
        const int arrived = next_signal(signal_fd);
        if (arrived == SIGHUP || arrived == SIGTERM) {
            *signal_number = arrived;
            kill(child, arrived);
            return EDITOR_INTERRUPTED;
        }
    }
}

enum editor_end editor_run(const struct editor *editor, const char *path, int signal_fd,
                           int *signal_number, struct failure *failure)
{
    struct termios settings;
    const bool has_settings = tcgetattr(STDIN_FILENO, &settings) == 0;

    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        execute(editor, path);
        _exit(127);
    }
    if (child < 0) {
        failure_set(failure, "cannot start the editor: %s", failure_reason(errno));
        return EDITOR_FAILED;
    }
    const enum editor_end end = await_editor(editor, child, signal_fd, signal_number, failure);
    if (has_settings && end != EDITOR_INTERRUPTED)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &settings);
    return end;
}

/* --- asking --------------------------------------------------------------- */

/* Waits until the terminal has something to read. Returns 0, or -1 when told to end. */
static int await_terminal(int signal_fd, int *signal_number)
{
    struct pollfd events[] = {{.fd = signal_fd, .events = POLLIN},
                              {.fd = STDIN_FILENO, .events = POLLIN}};

    for (;;) {
        if (poll(events, 2, -1) < 0 && errno != EINTR)
            return -1;
        const int arrived = next_signal(signal_fd);
        if (arrived != 0 && arrived != SIGCHLD && arrived != SIGTTOU) {
            *signal_number = arrived;
            return -1;
        }
        if (arrived == 0 && events[1].revents != 0)
            return 0;
    }
}

int editor_read_answer(int signal_fd, char *text, size_t size, int *signal_number)
{
    size_t used = 0;
    char c = '\0';

    *signal_number = 0;
    while (c != '\n') {
        if (await_terminal(signal_fd, signal_number) != 0 || read(STDIN_FILENO, &c, 1) != 1)
            return -1;
        if (c != '\n' && used + 1 < size)
            text[used++] = c;
    }
    text[used] = '\0';
    return 0;
}
