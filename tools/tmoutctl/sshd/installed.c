#include "tools/tmoutctl/sshd/installed.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Nothing else is run, whatever PATH says. */
static const char *const places[] = {"/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"};

/* `sshd -T` takes some milliseconds and says some kilobytes. */
enum { PATIENCE_MS = 20 * 1000, PROMPT_ANSWER_MS = 500, ANSWER_SIZE_MAX = 1024 * 1024 };

/*
 * How long this process still waits for sshd, over all its questions: one that
 * hangs is waited for once, and not for each of some thousand users. Prompt
 * answers cost nothing of it.
 */
static int64_t patience_ms = PATIENCE_MS;

/*
 * A login from nowhere in particular: Match blocks about hosts and addresses
 * are the site's own business. RFC 5737 and 2606 keep these unused. Where a
 * Match block has a criterion that it was not told the answer to, sshd gives
 * up; it has known all these since OpenSSH 7.7, longer than it has included
 * files.
 */
#define TO_NOWHERE   "laddr=192.0.2.2,rdomain="
#define FROM_NOWHERE "host=nowhere.invalid,addr=192.0.2.1," TO_NOWHERE ",lport=22"

/* What no Match block is about: no user, and a port that nobody gives to sshd.
 * Measured with 9.2: a block about a port has to be answered here too. */
#define ABOUT_NOBODY TO_NOWHERE ",lport=1"

/* --- running it ---------------------------------------------------------- */

enum { STREAM_OUT, STREAM_ERR, STREAMS };

/* What a run of sshd said. Start with {0}; end with answer_free(). */
struct answer {
    char *text[STREAMS]; /* NUL-terminated */
    size_t size[STREAMS];
    int status; /* as of waitpid() */
};

static void answer_free(struct answer *answer)
{
    for (size_t i = 0; i < STREAMS; i++)
        free(answer->text[i]);
    *answer = (struct answer){0};
}

static const char *find_sshd(void)
{
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

/* Only what is safe between fork() and exec(). */
static void become_sshd(const char *program, char *const *argv, const int *write_fd)
{
    static char *const no_environment[] = {NULL};
    const int null_fd = open("/dev/null", O_RDONLY);

    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
        dup2(write_fd[STREAM_OUT], STDOUT_FILENO) < 0 ||
        dup2(write_fd[STREAM_ERR], STDERR_FILENO) < 0 || chdir("/") != 0)
        _exit(127);
    execve(program, argv, no_environment);
    _exit(127);
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Takes what is there. Returns 1, 0 at the end, -1 with errno. */
static int read_some(int fd, char **text, size_t *size)
{
    enum { CHUNK = 16 * 1024 };

    if (*size >= ANSWER_SIZE_MAX) {
        errno = EFBIG;
        return -1;
    }
    char *grown = realloc(*text, *size + CHUNK + 1);
    if (grown == NULL)
        return -1;
    *text = grown;
    const ssize_t n = read(fd, *text + *size, CHUNK);
    if (n > 0)
        *size += (size_t)n;
    (*text)[*size] = '\0';
    return n < 0 ? (errno == EINTR ? 1 : -1) : n > 0;
}

/* Reads both streams to their ends, while patience lasts. Returns 0, or -1 with
 * errno. */
static int read_answer(const int *read_fd, struct answer *answer)
{
    const int64_t deadline_ms = now_ms() + patience_ms;
    struct pollfd poll_fd[STREAMS];
    size_t open_streams = STREAMS;

    for (size_t i = 0; i < STREAMS; i++)
        poll_fd[i] = (struct pollfd){.fd = read_fd[i], .events = POLLIN};
    while (open_streams > 0) {
        const int64_t left_ms = deadline_ms - now_ms();
        const int ready = left_ms <= 0 ? 0 : poll(poll_fd, STREAMS, (int)left_ms);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0) {
            errno = ready == 0 ? ETIMEDOUT : errno;
            return -1;
        }
        for (size_t i = 0; i < STREAMS; i++) {
            if (poll_fd[i].fd < 0 || poll_fd[i].revents == 0)
                continue;
            const int more = read_some(read_fd[i], &answer->text[i], &answer->size[i]);
            if (more < 0)
                return -1;
            if (more == 0) {
                poll_fd[i].fd = -1;
                open_streams--;
            }
        }
    }
    return 0;
}

/* Runs program and waits for it. Returns 0, or -1 with errno; answer is to be
 * freed either way. */
static int run(const char *program, char *const *argv, struct answer *answer)
{
    const int64_t begun_ms = now_ms();
    int out[2] = {-1, -1}, err[2] = {-1, -1};
    int result = -1, saved;

    if (patience_ms <= 0) {
        errno = ETIMEDOUT;
        return -1;
    }
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
        goto out;
    const int write_fd[STREAMS] = {out[1], err[1]}, read_fd[STREAMS] = {out[0], err[0]};
    const pid_t child = fork();
    if (child < 0)
        goto out;
    if (child == 0)
        become_sshd(program, argv, write_fd);
    close(out[1]);
    close(err[1]);
    out[1] = err[1] = -1;
    result = read_answer(read_fd, answer);
    saved = errno;
    if (result != 0)
        kill(child, SIGKILL);
    while (waitpid(child, &answer->status, 0) < 0 && errno == EINTR)
        ;
    const int64_t took_ms = now_ms() - begun_ms;
    patience_ms -= took_ms > PROMPT_ANSWER_MS ? took_ms : 0;
    errno = saved;

out:
    saved = errno;
    for (size_t i = 0; i < 2; i++) {
        if (out[i] >= 0)
            close(out[i]);
        if (err[i] >= 0)
            close(err[i]);
    }
    errno = saved;
    return result;
}

/* --- what it says -------------------------------------------------------- */

/* The last line that sshd wrote on standard error, which is where it says why
 * it gives up; what a terminal would take for orders is left out. */
static void last_words(const struct answer *answer, char *text, size_t size)
{
    const char *end = answer->text[STREAM_ERR], *begin;
    size_t used = 0;

    if (end == NULL)
        end = "";
    begin = end;
    end += strlen(end);
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    for (const char *p = begin; p < end; p++)
        if (*p == '\n')
            begin = p + 1;
    for (; begin < end && used + 1 < size; begin++)
        if ((unsigned char)*begin >= ' ' && *begin != 0x7f)
            text[used++] = *begin;
    text[used] = '\0';
}

static int add_line(struct sshd_config *config, const char *line, size_t length)
{
    const char *space = memchr(line, ' ', length);
    const size_t name_length = space != NULL ? (size_t)(space - line) : length;

    if (length == 0)
        return 0;
    struct sshd_pair *grown = reallocarray(config->item, config->count + 1, sizeof *grown);
    if (grown == NULL)
        return -1;
    config->item = grown;
    struct sshd_pair *pair = &config->item[config->count++];
    pair->keyword = strndup(line, name_length);
    pair->value = space != NULL ? strndup(space + 1, length - name_length - 1) : strdup("");
    return pair->keyword != NULL && pair->value != NULL ? 0 : -1;
}

static int take_lines(const char *text, struct sshd_config *config)
{
    while (text != NULL && *text != '\0') {
        const size_t length = strcspn(text, "\n");
        if (add_line(config, text, length) != 0)
            return -1;
        text += length + (text[length] == '\n');
    }
    return 0;
}

/* `there is no sshd here, neither PLACE nor PLACE`, into reason. */
static void no_sshd(struct failure *failure)
{
    failure_set(failure, "there is no sshd here");
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        failure_append(failure, "%s %s", i == 0 ? ", neither" : " nor", places[i]);
}

bool sshd_is_installed(struct failure *failure)
{
    if (find_sshd() != NULL)
        return true;
    no_sshd(failure);
    return false;
}

/* As run(), for this host's sshd. Returns 0 if sshd ended by itself. */
static int ask(const char *const *arguments, struct answer *answer, struct failure *failure)
{
    const char *program = find_sshd();
    char *argv[8];
    size_t count = 0;

    if (program == NULL) {
        no_sshd(failure);
        return -1;
    }
    /* exec() changes none of them, though its type does not say so. */
    argv[count++] = (char *)(uintptr_t)program;
    while (*arguments != NULL && count + 1 < sizeof argv / sizeof argv[0])
        argv[count++] = (char *)(uintptr_t)*arguments++;
    argv[count] = NULL;
    if (run(program, argv, answer) != 0) {
        failure_set(failure, "%s cannot be asked: %s", program,
                    errno == ETIMEDOUT ? "it gives no answer" : strerror(errno));
        return -1;
    }
    if (WIFEXITED(answer->status) && WEXITSTATUS(answer->status) != 127)
        return 0;
    failure_set(failure, "%s cannot be run", program);
    return -1;
}

int sshd_effective(const char *user, struct sshd_config *config, struct failure *failure)
{
    struct answer answer = {0};
    char about[512], words[256];
    const char *arguments[] = {"-T", "-C", about, NULL};
    int result = -1;

    if (user != NULL && (strchr(user, ',') != NULL || strlen(user) > sizeof about / 2)) {
        failure_set(failure, "sshd -T cannot be asked about a name with a comma, or so long");
        return -1;
    }
    if (user == NULL)
        snprintf(about, sizeof about, ABOUT_NOBODY);
    else
        snprintf(about, sizeof about, "user=%s," FROM_NOWHERE, user);
    if (ask(arguments, &answer, failure) != 0)
        goto out;
    if (WEXITSTATUS(answer.status) != 0) {
        last_words(&answer, words, sizeof words);
        failure_set(failure, "sshd -T: %s", words[0] != '\0' ? words : "failed");
        goto out;
    }
    if (take_lines(answer.text[STREAM_OUT], config) != 0) {
        failure_set(failure, "out of memory");
        goto out;
    }
    result = 0;

out:
    answer_free(&answer);
    return result;
}

const char *sshd_config_value(const struct sshd_config *config, const char *keyword)
{
    for (size_t i = 0; i < config->count; i++)
        if (strcasecmp(config->item[i].keyword, keyword) == 0)
            return config->item[i].value;
    return NULL;
}

void sshd_config_free(struct sshd_config *config)
{
    for (size_t i = 0; i < config->count; i++) {
        free(config->item[i].keyword);
        free(config->item[i].value);
    }
    free(config->item);
    *config = (struct sshd_config){0};
}

int sshd_installed_version(struct sshd_version *version, struct failure *failure)
{
    static const char brand[] = "OpenSSH_";
    /* Before 9.2 there is no such option, and the version stands in the
     * complaint about it. */
    static const char *const arguments[] = {"-V", NULL};
    struct answer answer = {0};
    char number[32] = "";
    int result = -1;

    if (ask(arguments, &answer, failure) != 0)
        goto out;
    for (size_t i = 0; i < STREAMS && number[0] == '\0'; i++) {
        const char *found = answer.text[i] != NULL ? strstr(answer.text[i], brand) : NULL;
        if (found == NULL)
            continue;
        found += sizeof brand - 1;
        snprintf(number, sizeof number, "%.*s", (int)strspn(found, "0123456789.p"), found);
    }
    result = sshd_version_parse(number, version);
    if (result != 0)
        failure_set(failure, "sshd -V names no version of OpenSSH");

out:
    answer_free(&answer);
    return result;
}
