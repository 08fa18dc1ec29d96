#include "tools/tmoutctl/shells/packaged.h"

#include <errno.h>
#include <stdbool.h>
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
