#include "tools/tmoutctl/shells/packaged.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PACKAGED_SH  PACKAGED_SCRIPTS "/tmout.sh"
#define PACKAGED_CSH PACKAGED_SCRIPTS "/tmout.csh"

/* The text before a number that may differ, at the start of a line. */
static const char *const literals[] = {
    "tmout_limit=", "declare -xr TMOUT=", "TMOUT=", "set tmout_minutes = "};

/* What a line has before its digits, if nothing else follows and they may differ;
 * else all of it. */
static size_t fixed_length(const struct text_line *line)
{
    size_t length = (size_t)(line->end - line->start), fixed = length;
    const char *start = line->start;

    while (fixed > 0 && line->start[fixed - 1] >= '0' && line->start[fixed - 1] <= '9')
        fixed--;
    while (start < line->end && (*start == ' ' || *start == '\t'))
        start++;
    for (size_t i = 0; fixed < length && i < sizeof literals / sizeof *literals; i++) {
        const size_t before = (size_t)(line->start + fixed - start);
        if (before == strlen(literals[i]) && strncmp(start, literals[i], before) == 0)
            return fixed;
    }
    return length;
}

static bool is_same_line(const struct text_line *one, const struct text_line *other)
{
    const size_t length = fixed_length(one);

    return length == fixed_length(other) && memcmp(one->start, other->start, length) == 0;
}

int shell_script_changed_line(const struct host *host, const char *path)
{
    struct text_line ours = {0}, theirs = {0};
    struct text_file packaged, file = {0};
    bool more = true, same = true;
    int line = 0;

    if (shell_file_read(host, strcmp(path, PROFILE_SH) == 0 ? PACKAGED_SH : PACKAGED_CSH, 0,
                        &packaged) != 0 ||
        shell_file_read(host, path, 0, &file) != 0) {
        line = errno == ENOMEM ? -1 : 0;
    } else {
        while (more && same) {
            more = next_text_line(&packaged, &ours);
            same =
                next_text_line(&file, &theirs) == more && (!more || is_same_line(&ours, &theirs));
        }
        if (!same)
            line = (int)(theirs.number > ours.number ? theirs.number : ours.number);
    }
    free(file.text);
    free(packaged.text);
    return line;
}

/* Adds a line of a script of ours that has been changed. */
static int change_add(const struct host *host, const char *path, unsigned number,
                      struct shell_findings *findings)
{
    const bool csh = strcmp(path, PROFILE_CSH) == 0;
    const int end = shell_last_line_with(host, path, csh ? "exit 0" : "return 0");
    struct text_file file;
    int result = 0;

    if (end < 0 || shell_file_read(host, path, 0, &file) != 0)
        return end < 0 || errno == ENOMEM ? -1 : 0;
    struct shell_finding finding = {
        .kind = end > 0 && number > (unsigned)end ? SHELL_FINDING_UNREAD : SHELL_FINDING_CHANGED,
        .file = (char *)(uintptr_t)path,
        .line = number,
        .text = "",
        .csh = csh,
        .value = -1,
    };
    for (struct text_line line = {0}; next_text_line(&file, &line);)
        if (line.number == number)
            finding.text = shell_line_commands(&file, &line);
    result = shell_findings_add(findings, &finding);
    free(file.text);
    return result;
}

int shell_changes_find(const struct host *host, struct shell_findings *findings)
{
    static const char *const scripts[] = {PROFILE_SH, PROFILE_CSH};
    int result = 0;

    for (size_t i = 0; result == 0 && i < sizeof scripts / sizeof *scripts; i++) {
        const int line = shell_script_changed_line(host, scripts[i]);
        const int is_ours = line > 0 ? shell_script_is_ours(host, scripts[i]) : 0;
        if (line < 0 || is_ours < 0)
            result = -1;
        else if (is_ours > 0)
            result = change_add(host, scripts[i], (unsigned)line, findings);
    }
    return result;
}
