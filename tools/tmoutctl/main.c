#include "tools/tmoutctl/cli.h"

#include "lib/paths.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef TMOUT_VERSION
#define TMOUT_VERSION "unknown"
#endif

static const struct {
    const char *name;
    tmoutctl_verb *run;
    const char *arguments;
    const char *help;
} verbs[] = {
    {"apply", verb_apply, "", "compile the policy and put it in force"},
    {"attempts", verb_attempts, "[USER]", "failed logins that count now, and locks"},
    {"audit", verb_audit, "[--baseline NAME]", "does the host do what the policy says?"},
    {"check", verb_check, "[FILE]", "look for mistakes in the policy, or in a draft"},
    {"preset", verb_preset, "[NAME]", "a baseline's policy, or the list of them"},
    {"sessions", verb_sessions, "", "who is logged in, idle how long, and what will happen"},
    {"shells", verb_shells, "[--install|--remove|--literal]",
     "which shells take the limit, and from where"},
    {"show", verb_show, "USER [--from ADDR] [--local]",
     "a user's settings, and the rule behind each"},
    {"sshd-config", verb_sshd_config, "[--version X.Y|--check]",
     "the policy's part of sshd_config, or whether sshd goes by it"},
    {"unlock", verb_unlock, "USER", "forget his failed logins, and lift his locks"},
};

enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

void report(const char *format, ...)
{
    va_list arguments;

    fputs("tmoutctl: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    report("cannot write to standard output");
    return TMOUTCTL_FAILURE;
}

int print_json(json_t *value, int status)
{
    if (value == NULL) {
        report("out of memory");
        return TMOUTCTL_FAILURE;
    }
    json_dumpf(value, stdout, JSON_INDENT(2));
    json_decref(value);
    putchar('\n');
    return finish(status);
}

size_t utf8_length(const unsigned char *text)
{
    const size_t length = text[0] < 0x80                       ? 1
                          : text[0] >= 0xc2 && text[0] <= 0xdf ? 2
                          : text[0] >= 0xe0 && text[0] <= 0xef ? 3
                          : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4
                                                               : 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

json_t *json_text(const char *text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    json_t *value = json_string(text);

    if (value != NULL)
        return value;
    /* jansson is stricter than the test below in rare cases (surrogates,
     * overlong forms); then nothing is left of the text but its length. */
    char *clean = malloc(3 * strlen(text) + 1), *to = clean;
    if (clean == NULL)
        return NULL;
    for (const unsigned char *from = (const unsigned char *)text; *from != '\0';) {
        const size_t length = utf8_length(from);
        if (length > 0) {
            memcpy(to, from, length);
            to += length;
            from += length;
        } else {
            memcpy(to, replacement, sizeof replacement - 1);
            to += sizeof replacement - 1;
            from++;
        }
    }
    *to = '\0';
    value = json_string(clean);
    if (value == NULL)
        value = json_string(replacement);
    free(clean);
    return value;
}

void format_time(int64_t wall_clock_sec, char *text, size_t size)
{
    const time_t when = (time_t)wall_clock_sec;
    struct tm broken_down;

    if (localtime_r(&when, &broken_down) == NULL ||
        strftime(text, size, "%Y-%m-%d %H:%M:%S", &broken_down) == 0)
        snprintf(text, size, "an unknown time");
}

static void print_usage(FILE *to)
{
    fputs("usage: tmoutctl VERB [ARGUMENTS] [--json] [--quiet] [--config PATH] [--state DIR]\n\n",
          to);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        char call[64];
        snprintf(call, sizeof call, "%s %s", verbs[i].name, verbs[i].arguments);
        fprintf(to, "  %-36s %s\n", call, verbs[i].help);
    }
    fputs("\nExit status: 0 fine, 1 the answer is no, 2 wrong usage or failure.\n", to);
}

/* Takes NAME VALUE or NAME=VALUE out of argv at *i. Returns 1 if it was
 * there, 0 if not, -1 if its value is missing. */
static int take_value(int argc, char **argv, int *i, const char *name, const char **value)
{
    const size_t length = strlen(name);

    if (strncmp(argv[*i], name, length) != 0)
        return 0;
    if (argv[*i][length] == '=') {
        *value = argv[*i] + length + 1;
        return 1;
    }
    if (argv[*i][length] != '\0')
        return 0;
    if (*i + 1 >= argc) {
        report("%s needs a value", name);
        return -1;
    }
    *value = argv[++*i];
    return 1;
}

/* The module, which names the same places, gets them without a directory
 * to start from. */
static int check_absolute(const struct tmoutctl_context *context)
{
    if (context->config_path[0] == '/' && context->state_dir[0] == '/')
        return 0;
    report("--config and --state take a path that begins with /");
    return -1;
}

/* Takes the options that all verbs share out of argv; returns what is left
 * of argc, or -1 after a message. */
static int take_options(int argc, char **argv, struct tmoutctl_context *context)
{
    int left = 0;

    for (int i = 0; i < argc; i++) {
        int taken = 1;
        if (strcmp(argv[i], "--json") == 0)
            context->json = true;
        else if (strcmp(argv[i], "--quiet") == 0)
            context->quiet = true;
        else if ((taken = take_value(argc, argv, &i, "--config", &context->config_path)) == 0)
            taken = take_value(argc, argv, &i, "--state", &context->state_dir);
        if (taken < 0)
            return -1;
        if (taken == 0)
            argv[left++] = argv[i];
    }
    argv[left] = NULL;
    return left;
}

int main(int argc, char **argv)
{
    struct tmoutctl_context context = {.config_path = TMOUT_CONFIG_PATH,
                                       .state_dir = TMOUT_STATE_DIR};

    argc = take_options(argc - 1, argv + 1, &context);
    if (argc < 0 || check_absolute(&context) != 0)
        return TMOUTCTL_FAILURE;
    argv++;
    if (argc == 0) {
        print_usage(stderr);
        return TMOUTCTL_FAILURE;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "help") == 0) {
        print_usage(stdout);
        return finish(TMOUTCTL_FINE);
    }
    if (strcmp(argv[0], "--version") == 0) {
        puts("tmoutctl " TMOUT_VERSION);
        return finish(TMOUTCTL_FINE);
    }
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(argv[0], verbs[i].name) == 0)
            return verbs[i].run(&context, argc, argv);
    report("there is no verb \"%s\"", argv[0]);
    print_usage(stderr);
    return TMOUTCTL_FAILURE;
}
