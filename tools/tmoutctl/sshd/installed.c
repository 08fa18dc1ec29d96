#include "tools/tmoutctl/sshd/installed.h"

#include "lib/host/array.h"
#include "lib/host/clock.h"
#include "tools/tmoutctl/host/subprocess.h"
#include "tools/tmoutctl/sshd/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

/* Nothing else is run, whatever PATH says. */
static const char *const sshd_places[] = {"/usr/sbin/sshd", "/usr/bin/sshd",
                                          "/usr/local/sbin/sshd"};

/* `sshd -T` takes some milliseconds. */
enum { QUERY_BUDGET_MS = 20 * 1000, PROMPT_ANSWER_MS = 500 };

/*
 * A login from nowhere in particular: Match blocks about hosts and addresses
 * are the site's own business. RFC 5737 and 2606 keep these unused. Where a
 * Match block has a criterion that the query does not answer, sshd gives up; it
 * has had all of these since OpenSSH 7.7, for longer than Include.
 */
#define TO_NOWHERE   "laddr=192.0.2.2,rdomain="
#define FROM_NOWHERE "host=nowhere.invalid,addr=192.0.2.1," TO_NOWHERE ",lport=22"

/* What no Match block applies to: no user, and a port that nobody gives to
 * sshd. Measured with 9.2: a block about a port has to be answered here too. */
#define ABOUT_NOBODY TO_NOWHERE ",lport=1"

/* --- running it ----------------------------------------------------------- */

static int find_blocking_file(const struct host *host, struct sshd_program *program,
                              struct failure *failure)
{
    struct sshd_text text = {0};
    const int result = sshd_text_read(host, &text);

    failure_set(&program->blocks, "%s", "");
    if (result != 0)
        failure_set(failure, "out of memory");
    else if (text.blocking_file != NULL)
        failure_set(&program->blocks, "cannot query %s: %s is not a regular file", program->path,
                    text.blocking_file);
    sshd_text_free(&text);
    return result;
}

int sshd_find(const struct host *host, struct sshd_program *program, struct failure *failure)
{
    const size_t count = sizeof sshd_places / sizeof sshd_places[0];
    const char *config = sshd_config_path(host);

    program->query_budget_ms = QUERY_BUDGET_MS;
    program->config[0] = '\0';
    /* Where only the vendor has one, an sshd that runs reads that: SUSE's by itself,
     * another because it was started with -f. */
    if (strcmp(config, SSHD_CONFIG_PATH) != 0 &&
        host_path(host, config, program->config, sizeof program->config) != 0)
        program->config[0] = '\0';
    for (size_t i = 0; i < count; i++)
        if (host_path(host, sshd_places[i], program->path, sizeof program->path) == 0 &&
            access(program->path, X_OK) == 0)
            return find_blocking_file(host, program, failure);
    failure_set(failure, "sshd is not installed:");
    for (size_t i = 0; i < count; i++)
        failure_append(failure, " %s %s", i == 0 ? "neither" : "nor", sshd_places[i]);
    failure_append(failure, " exists");
    return -1;
}

/* As subprocess_run(), within what is left of the budget. */
static int sshd_run(struct sshd_program *program, const char *const *argv,
                    struct subprocess *answer)
{
    const int64_t start_ms = clock_ms(CLOCK_MONOTONIC);

    if (program->query_budget_ms <= 0) {
        errno = ETIMEDOUT;
        return -1;
    }
    const int result = subprocess_run(argv, program->query_budget_ms, answer);
    const int saved = errno;
    const int64_t took_ms = clock_ms(CLOCK_MONOTONIC) - start_ms;
    if (result != 0 && saved == ETIMEDOUT)
        program->query_budget_ms = 0;
    else if (took_ms > PROMPT_ANSWER_MS)
        program->query_budget_ms -= took_ms;
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

/* --- what it prints ------------------------------------------------------- */

/* The line that begins at *text, without its end, into line; what a terminal
 * would take as commands is left out. Goes on to the next. False: no more. */
static bool sshd_next_message(const char **text, char *line, size_t size)
{
    const char *at = *text;
    size_t used = 0;

    if (at == NULL || *at == '\0')
        return false;
    for (; *at != '\0' && *at != '\n'; at++)
        if ((unsigned char)*at >= ' ' && *at != 0x7f && used + 1 < size)
            line[used++] = *at;
    line[used] = '\0';
    *text = at + (*at == '\n');
    return true;
}

static int sshd_add_bad_option(struct sshd_config *config, const struct sshd_bad_option *option)
{
    struct sshd_bad_option *grown = array_grow(config->bad, config->bad_count, sizeof *grown);

    if (grown == NULL)
        return -1;
    config->bad = grown;
    config->bad[config->bad_count++] = *option;
    return 0;
}

/* Adds the option that sshd names in a message as
 * "FILE: line N: Bad configuration option: KEYWORD". Returns 1, 0 if it is
 * another message, or -1: out of memory. */
static int sshd_read_bad_option(const char *message, struct sshd_config *config)
{
    static const char at_line[] = ": line ", bad[] = ": Bad configuration option: ";
    const char *line = strstr(message, at_line);
    char *end;

    if (line == NULL)
        return 0;
    const unsigned long number = strtoul(line + strlen(at_line), &end, 10);
    if (strncmp(end, bad, strlen(bad)) != 0)
        return 0;
    struct sshd_bad_option option = {.keyword = strdup(end + strlen(bad)),
                                     .file = strndup(message, (size_t)(line - message)),
                                     .line = (unsigned)number};
    if (option.keyword != NULL && option.file != NULL && sshd_add_bad_option(config, &option) == 0)
        return 1;
    free(option.keyword);
    free(option.file);
    return -1;
}

/* Why sshd gives up: the first option that it does not know, else the last line
 * of its standard error. Those options go into config->bad. */
static void sshd_explain(const struct subprocess *answer, struct sshd_config *config,
                         struct failure *failure)
{
    const char *text = answer->text[SUBPROCESS_ERR];
    char message[256];

    failure_set(failure, "sshd -T: failed");
    while (sshd_next_message(&text, message, sizeof message)) {
        const bool is_first = config->bad_count == 0;
        const int is_bad = sshd_read_bad_option(message, config);
        if (is_bad < 0) {
            failure_set(failure, "out of memory");
            return;
        }
        if (message[0] != '\0' && is_first)
            failure_set(failure, "sshd -T: %s", message);
    }
}

static int sshd_add_pair(struct sshd_config *config, const char *line, size_t length)
{
    const char *space = memchr(line, ' ', length);
    const size_t name_length = space != NULL ? (size_t)(space - line) : length;

    if (length == 0)
        return 0;
    struct sshd_pair *grown = array_grow(config->item, config->count, sizeof *grown);
    if (grown == NULL)
        return -1;
    config->item = grown;
    const struct sshd_pair pair = {
        .keyword = strndup(line, name_length),
        .value = space != NULL ? strndup(space + 1, length - name_length - 1) : strdup(""),
    };
    if (pair.keyword == NULL || pair.value == NULL) {
        free(pair.keyword);
        free(pair.value);
        return -1;
    }
    config->item[config->count++] = pair;
    return 0;
}

static int sshd_read_pairs(const char *text, struct sshd_config *config)
{
    while (text != NULL && *text != '\0') {
        const size_t length = strcspn(text, "\n");
        if (sshd_add_pair(config, text, length) != 0)
            return -1;
        text += length + (text[length] == '\n');
    }
    return 0;
}

/* Runs it with these arguments, to print its configuration. */
static int sshd_ask_config(struct sshd_program *program, const char *const *arguments,
                           struct sshd_config *config, struct failure *failure)
{
    struct subprocess answer = {0};
    int result = sshd_ask(program, arguments, &answer, failure);

    if (result == 0 && WEXITSTATUS(answer.status) != 0) {
        sshd_explain(&answer, config, failure);
        result = -1;
    } else if (result == 0 && sshd_read_pairs(answer.text[SUBPROCESS_OUT], config) != 0) {
        failure_set(failure, "out of memory");
        sshd_config_free(config);
        result = -1;
    }
    subprocess_free(&answer);
    return result;
}

int sshd_effective(struct sshd_program *program, const char *user, struct sshd_config *config,
                   struct failure *failure)
{
    char about[512];
    const char *const arguments[] = {
        "-T", "-C", about, program->config[0] != '\0' ? "-f" : NULL, program->config, NULL};

    if (user != NULL && (strchr(user, ',') != NULL || strlen(user) > sizeof about / 2)) {
        failure_set(failure, "cannot query sshd -T for a user name that has a comma or is this "
                             "long");
        return -1;
    }
    if (program->blocks.text[0] != '\0') {
        *failure = program->blocks;
        return -1;
    }
    if (user == NULL)
        snprintf(about, sizeof about, ABOUT_NOBODY);
    else
        snprintf(about, sizeof about, "user=%s," FROM_NOWHERE, user);
    return sshd_ask_config(program, arguments, config, failure);
}

int sshd_builtin(struct sshd_program *program, struct sshd_config *config, struct failure *failure)
{
    static const char *const arguments[] = {"-T", "-f", "/dev/null", NULL};

    return sshd_ask_config(program, arguments, config, failure);
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
    for (size_t i = 0; i < config->bad_count; i++) {
        free(config->bad[i].keyword);
        free(config->bad[i].file);
    }
    free(config->item);
    free(config->bad);
    *config = (struct sshd_config){0};
}

/* --- its version ---------------------------------------------------------- */

int sshd_installed_version(struct sshd_program *program, struct sshd_version *version,
                           struct failure *failure)
{
    static const char brand[] = "OpenSSH_";
    /* Before 9.2 there is no such option, and the error message about it has
     * the version. */
    static const char *const arguments[] = {"-V", NULL};
    struct subprocess answer = {0};
    char number[32] = "";
    int result = sshd_ask(program, arguments, &answer, failure);

    for (size_t i = 0; result == 0 && i < SUBPROCESS_STREAMS && number[0] == '\0'; i++) {
        const char *found = answer.text[i] != NULL ? strstr(answer.text[i], brand) : NULL;
        if (found == NULL)
            continue;
        found += strlen(brand);
        snprintf(number, sizeof number, "%.*s", (int)strspn(found, "0123456789.p"), found);
    }
    if (result == 0 && sshd_version_parse(number, version) != 0) {
        failure_set(failure, "sshd -V does not print an OpenSSH version");
        result = -1;
    }
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
