#include "tools/tmoutctl/host/logind.h"

#include "tools/tmoutctl/host/text_file.h"

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* logind.conf(5): of the main file the first counts; of drop-ins of one name
 * too; a later name beats an earlier one, whatever the directory. */
static const char *const directories[] = {"/etc/systemd", "/run/systemd", "/usr/local/lib/systemd",
                                          "/usr/lib/systemd", "/lib/systemd"};
enum { DIRECTORIES = sizeof directories / sizeof *directories };

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
        if (*text == '.') /* a fraction; less than one of the unit */
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

/* What one file says, if it says anything, replaces *idle. */
static void read_one(const char *root, const char *path, struct idle_session *idle)
{
    static const char key[] = "StopIdleSessionSec";
    char real[PATH_MAX];
    struct text_file file;
    bool in_login = false;

    snprintf(real, sizeof real, "%s%s", root, path);
    if (read_text_file(real, 0, &file) != 0)
        return;
    for (struct text_line line = {0}; next_text_line(&file, &line);) {
        char text[512];
        snprintf(text, sizeof text, "%.*s", (int)(line.end - line.start), line.start);
        text[strcspn(text, "\r")] = '\0';
        char *start = text + strspn(text, " \t");
        if (*start == '[')
            in_login = strncmp(start, "[Login]", 7) == 0;
        char *value = strchr(start, '=');
        if (!in_login || value == NULL || strncmp(start, key, strlen(key)) != 0 ||
            start + strlen(key) + strspn(start + strlen(key), " \t") != value)
            continue;
        int64_t limit_sec = INT64_MAX;
        value += 1 + strspn(value + 1, " \t");
        if (*value != '\0' && time_span_parse(value, &limit_sec) != 0)
            continue; /* systemd logs it and keeps what was */
        /* Both switch it off. */
        idle->limit_sec = limit_sec == 0 ? INT64_MAX : limit_sec;
        snprintf(idle->file, sizeof idle->file, "%s", path);
        idle->line = line.number;
    }
    free(file.text);
}

static int by_name(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;

    return strcmp(strrchr(*a, '/'), strrchr(*b, '/'));
}

/* Is there a drop-in of the same name in a directory that comes before? */
static bool is_masked(const char *root, const char *path, const char *full)
{
    const char *name = strrchr(path, '/');

    for (size_t i = 0; i < DIRECTORIES; i++) {
        char earlier[PATH_MAX];
        struct stat status;
        snprintf(earlier, sizeof earlier, "%s%s/logind.conf.d%s", root, directories[i], name);
        if (strcmp(earlier, full) == 0)
            return false;
        if (lstat(earlier, &status) == 0)
            return true;
    }
    return false;
}

static int read_drop_ins(const char *root, struct idle_session *idle)
{
    glob_t paths = {0};
    int result = 0;

    for (size_t i = 0; i < DIRECTORIES && result == 0; i++) {
        char pattern[PATH_MAX];
        snprintf(pattern, sizeof pattern, "%s%s/logind.conf.d/*.conf", root, directories[i]);
        if (glob(pattern, i > 0 ? GLOB_APPEND : 0, NULL, &paths) == GLOB_NOSPACE)
            result = -1;
    }
    if (paths.gl_pathc > 1)
        qsort(paths.gl_pathv, paths.gl_pathc, sizeof *paths.gl_pathv, by_name);
    for (size_t i = 0; i < paths.gl_pathc && result == 0; i++) {
        const char *full = paths.gl_pathv[i], *path = full + strlen(root);
        if (!is_masked(root, path, full))
            read_one(root, path, idle);
    }
    globfree(&paths);
    return result;
}

int idle_session_read(const char *root, struct idle_session *idle)
{
    *idle = (struct idle_session){.limit_sec = INT64_MAX};
    for (size_t i = 0; i < DIRECTORIES; i++) {
        char path[64], real[PATH_MAX];
        struct stat status;
        snprintf(path, sizeof path, "%s/logind.conf", directories[i]);
        snprintf(real, sizeof real, "%s%s", root, path);
        if (stat(real, &status) != 0)
            continue;
        read_one(root, path, idle);
        break;
    }
    return read_drop_ins(root, idle);
}
