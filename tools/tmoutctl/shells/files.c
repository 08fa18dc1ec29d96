#include "tools/tmoutctl/shells/files.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

char *shell_commands_of(const struct text_line *line)
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
    struct text_file file;
    unsigned found = 0;
    if (read_text_file(path, 0, &file) < 0)
        return 0;
    for (struct text_line line = {0}; next_text_line(&file, &line);) {
        char *commands = shell_commands_of(&line);
        if (commands && strstr(commands, what))
            found = line.number;
        free(commands);
    }
    free(file.text);
    return found;
}
