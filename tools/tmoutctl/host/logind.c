#include "tools/tmoutctl/host/logind.h"

#include "tools/tmoutctl/host/subprocess.h"
#include "tools/tmoutctl/host/text_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Both answer in milliseconds; a bus that hangs must not hang the audit. */
enum { ANSWER_TIMEOUT_MS = 10 * 1000 };

/* --- time spans ---------------------------------------------------------- */

static const struct unit {
    const char *names; /* between blanks */
    int64_t us;
} units[] = {
    {" us usec µs μs ", 1},
    {" ms msec ", 1000},
    {" s sec second seconds ", 1000000},
    {" m min minute minutes ", INT64_C(60) * 1000000},
    {" h hr hour hours ", INT64_C(3600) * 1000000},
    {" d day days ", INT64_C(86400) * 1000000},
    {" w week weeks ", INT64_C(7) * 86400 * 1000000},
    {" M month months ", INT64_C(2629800) * 1000000},
    {" y year years ", INT64_C(31557600) * 1000000},
};

static int64_t unit_us(const char *name, size_t length)
{
    char word[32];

    if (length == 0)
        return 1000000;
    if (length + 3 > sizeof word)
        return -1;
    snprintf(word, sizeof word, " %.*s ", (int)length, name);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strstr(units[i].names, word) != NULL)
            return units[i].us;
    return -1;
}

int time_span_parse(const char *text, int64_t *seconds)
{
    static const char digits[] = "0123456789", blanks[] = " \t";
    int64_t sum_us = 0;
    bool any = false;

    text += strspn(text, blanks);
    if (strncmp(text, "infinity", 8) == 0 && text[8 + strspn(text + 8, blanks)] == '\0') {
        *seconds = INT64_MAX;
        return 0;
    }
    while (*text != '\0') {
        char *end;
        errno = 0;
        const long long number = strtoll(text, &end, 10);
        if (strchr(digits, *text) == NULL || errno != 0)
            return -1;
        text = end;
        if (*text == '.') /* a fraction of the unit is ignored */
            text += 1 + strspn(text + 1, digits);
        text += strspn(text, blanks);
        const size_t length = strcspn(text, " \t0123456789");
        const int64_t us = unit_us(text, length);
        int64_t part_us;
        if (us < 0 || __builtin_mul_overflow(number, us, &part_us) ||
            __builtin_add_overflow(sum_us, part_us, &sum_us))
            return -1;
        text += length + strspn(text + length, blanks);
        any = true;
    }
    if (!any)
        return -1;
    *seconds = sum_us / 1000000 + (sum_us % 1000000 != 0);
    return 0;
}

/* --- its files ----------------------------------------------------------- */

/*
 * The path of a file that begins here: systemd-analyze prints it as a comment
 * in a line of its own, after an empty line unless the file before it lacks its
 * last newline. False if the line is something else.
 */
static bool is_file_header(const char *line, char *path, size_t size)
{
    static const char end[] = "/logind.conf";
    const size_t length = strlen(line);

    if (strncmp(line, "# /", 3) != 0 || strpbrk(line + 2, " \t") != NULL)
        return false;
    const bool is_main = length > sizeof end && strcmp(line + length + 1 - sizeof end, end) == 0;
    const bool is_drop_in = strstr(line, "/logind.conf.d/") != NULL;

    if (is_main || is_drop_in)
        snprintf(path, size, "%s", line + 2);
    return is_main || is_drop_in;
}

/* The value of `StopIdleSessionSec = value`, or NULL for any other line. */
static const char *idle_value(const char *line)
{
    static const char key[] = "StopIdleSessionSec";
    const char *rest = line + strlen(key);

    if (strncmp(line, key, strlen(key)) != 0)
        return NULL;
    rest += strspn(rest, " \t");
    return *rest == '=' ? rest + 1 + strspn(rest + 1, " \t") : NULL;
}

void logind_config_parse(const char *text, struct idle_session *idle)
{
    struct text_file all = {.text = (char *)(uintptr_t)text, .size = strlen(text)};
    char path[PATH_MAX] = "";
    unsigned header = 0;
    bool in_login = false;

    idle->file_sec = INT64_MAX;
    idle->file[0] = '\0';
    idle->line = 0;
    for (struct text_line line = {0}; next_text_line(&all, &line);) {
        char copy[PATH_MAX + 2];
        snprintf(copy, sizeof copy, "%.*s", (int)(line.end - line.start), line.start);
        copy[strcspn(copy, "\r")] = '\0';
        const char *start = copy + strspn(copy, " \t");
        if (is_file_header(copy, path, sizeof path)) {
            header = line.number;
            in_login = false;
        }
        if (*start == '[')
            in_login = strncmp(start, "[Login]", 7) == 0;
        const char *value = in_login ? idle_value(start) : NULL;
        int64_t limit_sec = INT64_MAX;
        if (value == NULL || (*value != '\0' && time_span_parse(value, &limit_sec) != 0))
            continue;
        /* An empty value and 0 both disable it. */
        idle->file_sec = limit_sec == 0 ? INT64_MAX : limit_sec;
        snprintf(idle->file, sizeof idle->file, "%s", path);
        idle->line = line.number - header;
    }
}

/* --- asking -------------------------------------------------------------- */

/* Runs a program of the host, argv[0] being its path there. Returns 0 if it
 * succeeded; result is to be freed either way. */
static int ask_host(const struct host *host, const char **argv, struct subprocess *result)
{
    char program[PATH_MAX];

    if (host_path(host, argv[0], program, sizeof program) != 0)
        return -1;
    argv[0] = program;
    if (subprocess_run(argv, ANSWER_TIMEOUT_MS, result) != 0)
        return -1;
    return subprocess_succeeded(result) ? 0 : -1;
}

/* The running logind's own value, printed by busctl as `t 600000000`. */
static int ask_bus(const struct host *host, int64_t *limit_sec)
{
    const char *argv[] = {"/usr/bin/busctl",
                          "--timeout=5",
                          "--auto-start=no",
                          "get-property",
                          "org.freedesktop.login1",
                          "/org/freedesktop/login1",
                          "org.freedesktop.login1.Manager",
                          "StopIdleSessionUSec",
                          NULL};
    struct subprocess result = {0};
    int outcome = -1;

    *limit_sec = INT64_MAX;
    if (ask_host(host, argv, &result) == 0 && result.text[SUBPROCESS_OUT] != NULL &&
        strncmp(result.text[SUBPROCESS_OUT], "t ", 2) == 0) {
        const uint64_t us = strtoull(result.text[SUBPROCESS_OUT] + 2, NULL, 10);
        if (us != 0 && us != UINT64_MAX) /* either: it ends none */
            *limit_sec = (int64_t)(us / 1000000 + (us % 1000000 != 0));
        outcome = 0;
    }
    subprocess_free(&result);
    return outcome;
}

static int ask_analyze(const struct host *host, struct idle_session *idle)
{
    const char *argv[] = {"/usr/bin/systemd-analyze", "cat-config", "systemd/logind.conf", NULL};
    struct subprocess result = {0};
    const int outcome = ask_host(host, argv, &result);

    if (outcome == 0)
        logind_config_parse(result.text[SUBPROCESS_OUT] != NULL ? result.text[SUBPROCESS_OUT] : "",
                            idle);
    subprocess_free(&result);
    return outcome;
}

static bool has_logind(const struct host *host)
{
    static const char *const places[] = {"/usr/lib/systemd/systemd-logind",
                                         "/lib/systemd/systemd-logind"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (host_path(host, places[i], path, sizeof path) == 0 && access(path, F_OK) == 0)
            return true;
    return false;
}

int idle_session_find(const struct host *host, struct idle_session *idle, struct failure *failure)
{
    *idle = (struct idle_session){.running_sec = INT64_MAX, .file_sec = INT64_MAX};
    if (!has_logind(host))
        return 0;
    const int bus = ask_bus(host, &idle->running_sec);
    if (ask_analyze(host, idle) == 0 || bus == 0)
        return 0;
    failure_set(failure, "neither busctl (StopIdleSessionUSec of org.freedesktop.login1) nor "
                         "`systemd-analyze cat-config systemd/logind.conf` answers");
    return -1;
}
