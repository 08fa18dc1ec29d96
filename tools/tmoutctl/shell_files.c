#include "shell_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No shell file is this long; a larger one is not what it seems. */
#define FILE_SIZE_MAX (1024 * 1024)

const struct rc_file rc_files[] = {
    {"bash", "/etc/bash.bashrc", "bashrc", false}, /* Debian, SUSE, Arch */
    {"bash", "/etc/bashrc", "bashrc", false},      /* RHEL */
    {"zsh", "/etc/zsh/zshenv", "zshenv", true},
    {"zsh", "/etc/zshenv", "zshenv", false},
    {"ksh93", "/etc/ksh.kshrc", "kshrc", true},
    {"mksh", "/etc/mkshrc", "kshrc", false},
    {"tcsh", "/etc/csh.cshrc", "csh.cshrc", true},
    /* the end */
    {.path = NULL},
};

unsigned rc_hook_line(const struct rc_file *rc)
{
    char fragment[PATH_MAX];
    snprintf(fragment, sizeof fragment, "%s/%s", SHELL_FRAGMENTS, rc->fragment);
    unsigned loop = last_line_with(rc->path, PROFILE_DIR "/*");
    if (loop)
        return loop;
    return access(fragment, R_OK) == 0 ? last_line_with(rc->path, fragment) : 0;
}

bool profile_script_is_ours(const char *path)
{
    return last_line_with(path, "PAM_TMOUT") > 0;
}

int read_shell_text(const char *path, int flags, struct shell_text *out)
{
    *out = (struct shell_text){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
    if (fd < 0)
        return -1;
    if (fstat(fd, &out->status) < 0)
        goto fail;
    errno = S_ISREG(out->status.st_mode) ? EFBIG : EINVAL;
    if (errno == EINVAL || out->status.st_size > FILE_SIZE_MAX)
        goto fail;
    size_t expected = (size_t)out->status.st_size;
    out->text = malloc(expected + 1);
    if (!out->text)
        goto fail;
    while (out->size < expected) {
        ssize_t got = read(fd, out->text + out->size, expected - out->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            goto fail;
        if (got == 0)
            break;
        out->size += (size_t)got;
    }
    out->text[out->size] = '\0';
    close(fd);
    return 0;

fail:;
    int why = errno;
    free(out->text);
    out->text = NULL;
    close(fd);
    errno = why;
    return -1;
}

bool next_shell_line(const struct shell_text *file, struct shell_line *line)
{
    const char *file_end = file->text + file->size;
    line->start = line->number ? line->next : file->text;
    if (line->start >= file_end)
        return false;
    const char *newline = memchr(line->start, '\n', (size_t)(file_end - line->start));
    line->end = newline ? newline : file_end;
    line->next = newline ? newline + 1 : file_end;
    line->number++;
    return true;
}

char *shell_commands_of(const struct shell_line *line)
{
    char *commands = strndup(line->start, (size_t)(line->end - line->start));
    if (!commands)
        return NULL;
    for (char *c = commands; *c; c++) {
        if (*c == '#' && (c == commands || strchr(" \t;", c[-1]))) {
            *c = '\0';
            break;
        }
    }
    return commands;
}

unsigned last_line_with(const char *path, const char *what)
{
    struct shell_text file;
    unsigned found = 0;
    if (read_shell_text(path, 0, &file) < 0)
        return 0;
    for (struct shell_line line = {0}; next_shell_line(&file, &line);) {
        char *commands = shell_commands_of(&line);
        if (commands && strstr(commands, what))
            found = line.number;
        free(commands);
    }
    free(file.text);
    return found;
}
