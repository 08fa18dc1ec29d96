#include "tools/tmoutctl/shells/literal.h"

#include "tools/tmoutctl/shells/files.h"
#include "tools/tmoutctl/host/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The limit in the scripts as installed. */
enum { INSTALLED_SEC = 600 };

enum { LITERALS_MAX = 3 };

/*
 * The scripts, and what comes before the number on those lines that end with
 * it. Each such line must occur exactly once: otherwise the script is not one
 * that we know how to change.
 */
static const struct literal_script {
    const char *path;
    int unit_sec; /* of its numbers, of which 1 is the smallest */
    const char *before[LITERALS_MAX];
} literal_scripts[SHELL_SCRIPTS] = {
    {PROFILE_SH, 1, {"tmout_limit=", "declare -xr TMOUT=", "TMOUT="}},
    {PROFILE_CSH, 60, {"set tmout_minutes = "}},
};

/* The numbers of one script, in the order in which they occur. */
struct literals {
    struct text_file file; /* text is NULL if there is no such script */
    struct literal {
        const char *start, *end; /* of its digits */
        const char *before;
        unsigned line;
        long value;
    } found[LITERALS_MAX];
    size_t count;
};

/* --- reading -------------------------------------------------------------- */

/* What follows `before` on a line that has nothing else but a number; NULL if
 * it is another line. */
static const char *literal_after(const struct text_line *line, const char *before)
{
    const size_t length = strlen(before);
    const char *at = line->start;

    while (at < line->end && (*at == ' ' || *at == '\t'))
        at++;
    if ((size_t)(line->end - at) <= length || memcmp(at, before, length) != 0)
        return NULL;
    at += length;
    for (const char *digit = at; digit < line->end; digit++)
        if (*digit < '0' || *digit > '9')
            return NULL;
    return line->end - at <= 9 ? at : NULL; /* no limit has more digits */
}

/* Finds the numbers in a script's text. False if it does not look like ours. */
static bool literals_locate(const struct literal_script *script, struct literals *literals)
{
    unsigned seen[LITERALS_MAX] = {0};

    for (struct text_line line = {0}; next_text_line(&literals->file, &line);) {
        for (size_t i = 0; i < LITERALS_MAX && script->before[i] != NULL; i++) {
            const char *start = literal_after(&line, script->before[i]);
            if (start == NULL)
                continue;
            if (seen[i]++ > 0)
                return false;
            literals->found[literals->count++] = (struct literal){.start = start,
                                                                  .end = line.end,
                                                                  .before = script->before[i],
                                                                  .line = line.number,
                                                                  .value = strtol(start, NULL, 10)};
        }
    }
    for (size_t i = 0; i < LITERALS_MAX && script->before[i] != NULL; i++)
        if (seen[i] == 0)
            return false;
    return true;
}

/* Sets the reason why a script that has been read cannot be changed. Returns 0
 * if there is none, else -1. */
static int literals_examine(const struct host *host, const struct literal_script *script,
                            struct literals *literals, struct failure *failure)
{
    const int is_ours = shell_script_is_ours(host, script->path);

    if (is_ours < 0)
        failure_set(failure, "%s: out of memory", script->path);
    else if (is_ours == 0)
        failure_set(failure,
                    "%s: is not pam_tmout's script, since it does not mention PAM_TMOUT or "
                    "tmout_mode; not changed",
                    script->path);
    else if (literals->file.status.st_nlink > 1)
        failure_set(failure, "%s: has more than one hard link; not changed", script->path);
    else if (!literals_locate(script, literals))
        failure_set(failure,
                    "%s: has been edited, so the numbers to change cannot be identified; not "
                    "changed. Reinstall the script",
                    script->path);
    else
        return 0;
    errno = is_ours < 0 ? ENOMEM : EINVAL;
    return -1;
}

/* Reads a script and finds its numbers. Returns 0, and the caller frees
 * literals->file.text, or -1 with the reason and errno, ENOMEM if memory ran
 * out. */
static int literals_read(const struct host *host, const struct literal_script *script,
                         struct literals *literals, struct failure *failure)
{
    *literals = (struct literals){0};
    if (shell_file_read(host, script->path, O_NOFOLLOW, &literals->file) != 0) {
        if (errno == ENOENT && strcmp(script->path, PROFILE_SH) != 0)
            return 0; /* a site without tcsh may have removed it */
        const int saved = errno;
        failure_set(failure, "%s: %s", script->path, strerror(errno));
        errno = saved;
        return -1;
    }
    if (literals_examine(host, script, literals, failure) == 0)
        return 0;
    const int saved = errno;
    free(literals->file.text);
    literals->file.text = NULL;
    errno = saved;
    return -1;
}

/* The number that a script should have with this default. */
static long literal_target(const struct literal_script *script, int64_t default_sec)
{
    const long target_sec = default_sec < INSTALLED_SEC ? (long)default_sec : INSTALLED_SEC;

    return target_sec < script->unit_sec ? 1 : target_sec / script->unit_sec;
}

/* --- comparing ------------------------------------------------------------ */

static int literals_compare(const struct literal_script *script, const struct literals *literals,
                            long target, struct shell_findings *findings)
{
    const struct literal *largest = NULL;
    char text[64];

    for (size_t i = 0; i < literals->count; i++)
        if (largest == NULL || literals->found[i].value >= largest->value)
            largest = &literals->found[i];
    if (largest == NULL || largest->value <= target)
        return 0;
    snprintf(text, sizeof text, "%s%ld", largest->before, largest->value);
    const struct shell_finding finding = {
        .kind = SHELL_FINDING_LITERAL,
        .file = (char *)(uintptr_t)script->path,
        .line = largest->line,
        .text = text,
        .csh = script->unit_sec == 60,
        .value = largest->value,
    };
    return shell_findings_add(findings, &finding);
}

int shell_literals_find(const struct host *host, int64_t default_sec,
                        struct shell_findings *findings)
{
    struct failure failure = {""};
    int result = 0;

    for (size_t i = 0; result == 0 && i < SHELL_SCRIPTS; i++) {
        struct literals literals;
        if (literals_read(host, &literal_scripts[i], &literals, &failure) != 0) {
            /* Otherwise the list of shells shows that the script is missing. */
            result = errno == ENOMEM ? -1 : 0;
            continue;
        }
        result = literals_compare(&literal_scripts[i], &literals,
                                  literal_target(&literal_scripts[i], default_sec), findings);
        free(literals.file.text);
    }
    return result;
}

/* --- writing -------------------------------------------------------------- */

/* The script's text with value in place of all its numbers; the caller frees
 * it. NULL: out of memory. */
static char *literals_text(const struct literals *literals, long value, size_t *size)
{
    const char *from = literals->file.text, *end = literals->file.text + literals->file.size;
    char *text = NULL;
    FILE *to = open_memstream(&text, size);

    if (to == NULL)
        return NULL;
    for (size_t i = 0; i < literals->count; i++) {
        const struct literal *literal = &literals->found[i];
        fwrite(from, 1, (size_t)(literal->start - from), to);
        fprintf(to, "%ld", value);
        from = literal->end;
    }
    fwrite(from, 1, (size_t)(end - from), to);
    const bool failed = ferror(to) != 0;
    if (fclose(to) == 0 && !failed)
        return text;
    free(text);
    errno = ENOMEM;
    return NULL;
}

static bool literals_are(const struct literals *literals, long value)
{
    for (size_t i = 0; i < literals->count; i++)
        if (literals->found[i].value != value)
            return false;
    return true;
}

/* Writes value over all the script's numbers. */
static enum shell_literal_result literals_replace(const struct host *host,
                                                  const struct literal_script *script,
                                                  const struct literals *literals, long value,
                                                  struct failure *failure)
{
    char path[PATH_MAX], *text = NULL;
    size_t size = 0;
    int result = -1;

    if (literals_are(literals, value))
        return SHELL_LITERAL_UNCHANGED;
    if (host_path(host, script->path, path, sizeof path) == 0 &&
        (text = literals_text(literals, value, &size)) != NULL)
        result = replace_host_file(path, &literals->file.status, text, size);
    if (result != 0)
        failure_set(failure, "%s: %s", script->path, strerror(errno));
    free(text);
    return result == 0 ? SHELL_LITERAL_CHANGED : SHELL_LITERAL_FAILED;
}

int shell_literals_write(const struct host *host, int64_t default_sec,
                         struct shell_literal literals[SHELL_SCRIPTS])
{
    struct literals found[SHELL_SCRIPTS];
    int result = 0;

    /* All are read before the first is changed. */
    for (size_t i = 0; i < SHELL_SCRIPTS; i++) {
        literals[i] = (struct shell_literal){.path = literal_scripts[i].path};
        if (literals_read(host, &literal_scripts[i], &found[i], &literals[i].failure) != 0)
            result = -1;
    }
    for (size_t i = 0; result == 0 && i < SHELL_SCRIPTS; i++) {
        const struct literal_script *script = &literal_scripts[i];
        const long value = literal_target(script, default_sec);
        if (found[i].file.text == NULL)
            continue;
        literals[i].limit_sec = (int64_t)value * script->unit_sec;
        literals[i].result = literals_replace(host, script, &found[i], value, &literals[i].failure);
        if (literals[i].result == SHELL_LITERAL_FAILED)
            result = -1;
    }
    for (size_t i = 0; i < SHELL_SCRIPTS; i++)
        free(found[i].file.text);
    return result;
}
