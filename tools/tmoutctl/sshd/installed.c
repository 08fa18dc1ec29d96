#include "tools/tmoutctl/sshd/installed.h"

#include "tools/tmoutctl/host/subprocess.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Nothing else is run, whatever PATH says. */
static const char *const places[] = {"/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"};

/* `sshd -T` takes some milliseconds. */
enum { QUERY_BUDGET_MS = 20 * 1000, PROMPT_ANSWER_MS = 500 };

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

int sshd_find(const struct host *host, struct sshd_program *program, struct failure *failure)
{
    program->query_budget_ms = QUERY_BUDGET_MS;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (host_path(host, places[i], program->path, sizeof program->path) == 0 &&
            access(program->path, X_OK) == 0)
            return 0;
    failure_set(failure, "sshd is not installed:");
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        failure_append(failure, " %s %s", i == 0 ? "neither" : "nor", places[i]);
    failure_append(failure, " exists");
    return -1;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* As subprocess_run(), within what is left of the budget. */
static int sshd_run(struct sshd_program *program, const char *const *argv,
                    struct subprocess *answer)
{
    const int64_t start_ms = now_ms();

    if (program->query_budget_ms <= 0) {
        errno = ETIMEDOUT;
        return -1;
    }
    const int result = subprocess_run(argv, program->query_budget_ms, answer);
    const int saved = errno;
    const int64_t took_ms = now_ms() - start_ms;
    program->query_budget_ms -= took_ms > PROMPT_ANSWER_MS ? took_ms : 0;
    errno = saved;
    return result;
}

/* The same with a reason. Returns 0 if sshd exited, with whatever status. */
static int sshd_ask(struct sshd_program *program, const char *const *arguments,
                    struct subprocess *answer, struct failure *failure)
{
    const char *argv[8];
    size_t count = 0;

    argv[count++] = program->path;
    while (*arguments != NULL && count + 1 < sizeof argv / sizeof argv[0])
        argv[count++] = *arguments++;
    argv[count] = NULL;
    if (sshd_run(program, argv, answer) != 0) {
        failure_set(failure, "cannot query %s: %s", program->path,
                    errno == ETIMEDOUT ? "it does not answer" : strerror(errno));
        return -1;
    }
    if (WIFEXITED(answer->status) && WEXITSTATUS(answer->status) != 127)
        return 0;
    failure_set(failure, "cannot run %s", program->path);
    return -1;
}

/* --- what it says -------------------------------------------------------- */

/* The last line that sshd wrote on standard error, which is where it says why
 * it gives up; what a terminal would take for orders is left out. */
static void last_words(const struct subprocess *answer, char *text, size_t size)
{
    const char *end = answer->text[SUBPROCESS_ERR], *begin;
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

int sshd_effective(struct sshd_program *program, const char *user, struct sshd_config *config,
                   struct failure *failure)
{
    struct subprocess answer = {0};
    char about[512], words[256];
    const char *arguments[] = {"-T", "-C", about, NULL};
    int result = -1;

    if (user != NULL && (strchr(user, ',') != NULL || strlen(user) > sizeof about / 2)) {
        failure_set(failure,
                    "cannot query sshd -T for a user name that has a comma or is this long");
        return -1;
    }
    if (user == NULL)
        snprintf(about, sizeof about, ABOUT_NOBODY);
    else
        snprintf(about, sizeof about, "user=%s," FROM_NOWHERE, user);
    if (sshd_ask(program, arguments, &answer, failure) != 0)
        goto out;
    if (WEXITSTATUS(answer.status) != 0) {
        last_words(&answer, words, sizeof words);
        failure_set(failure, "sshd -T: %s", words[0] != '\0' ? words : "failed");
        goto out;
    }
    if (take_lines(answer.text[SUBPROCESS_OUT], config) != 0) {
        failure_set(failure, "out of memory");
        goto out;
    }
    result = 0;

out:
    subprocess_free(&answer);
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

int sshd_installed_version(struct sshd_program *program, struct sshd_version *version,
                           struct failure *failure)
{
    static const char brand[] = "OpenSSH_";
    /* Before 9.2 there is no such option, and the version stands in the
     * complaint about it. */
    static const char *const arguments[] = {"-V", NULL};
    struct subprocess answer = {0};
    char number[32] = "";
    int result = -1;

    if (sshd_ask(program, arguments, &answer, failure) != 0)
        goto out;
    for (size_t i = 0; i < SUBPROCESS_STREAMS && number[0] == '\0'; i++) {
        const char *found = answer.text[i] != NULL ? strstr(answer.text[i], brand) : NULL;
        if (found == NULL)
            continue;
        found += sizeof brand - 1;
        snprintf(number, sizeof number, "%.*s", (int)strspn(found, "0123456789.p"), found);
    }
    result = sshd_version_parse(number, version);
    if (result != 0)
        failure_set(failure, "sshd -V does not print an OpenSSH version");

out:
    subprocess_free(&answer);
    return result;
}

void sshd_find_known(const struct sshd_version *version, const struct sshd_config *effective,
                     bool *known)
{
    for (size_t i = 0; i < sshd_keyword_count; i++)
        known[i] = !sshd_version_before(version, &sshd_keywords[i].since) ||
                   sshd_config_value(effective, sshd_keywords[i].keyword) != NULL;
}
