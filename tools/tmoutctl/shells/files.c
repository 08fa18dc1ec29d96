#include "tools/tmoutctl/shells/files.h"

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/host/vendor.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The same name in /etc and for the vendor. */
#define ETC(name) "/etc/" name, VENDOR_ETC "/" name

const struct rc_file rc_files[] = {
    /* Debian, SUSE, Arch */
    {SHELL_BASH, ETC("bash.bashrc"), SHELL_FRAGMENTS "/bashrc", false},
    /* RHEL */
    {SHELL_BASH, ETC("bashrc"), SHELL_FRAGMENTS "/bashrc", false},
    {SHELL_ZSH, ETC("zsh/zshenv"), SHELL_FRAGMENTS "/zshenv", true},
    {SHELL_ZSH, ETC("zshenv"), SHELL_FRAGMENTS "/zshenv", false},
    {SHELL_KSH93, ETC("ksh.kshrc"), SHELL_FRAGMENTS "/kshrc", true},
    {SHELL_MKSH, ETC("mkshrc"), SHELL_FRAGMENTS "/kshrc", false},
    {SHELL_TCSH, ETC("csh.cshrc"), SHELL_FRAGMENTS "/csh.cshrc", true},
    /* Gentoo, Alpine */
    {SHELL_BASH, ETC("bash/bashrc"), SHELL_FRAGMENTS "/bashrc", false},
    {.path = NULL},
};

int shell_file_read(const struct host *host, const char *path, int flags, struct text_file *file)
{
    return host_read_text(host, path, flags, TEXT_FILE_SIZE_MAX, file);
}

char *shell_line_commands(struct text_file *file, const struct text_line *line)
{
    char *commands = file->text + (line->start - file->text);

    commands[line->end - line->start] = '\0';
    for (char *c = commands; (c = strchr(c, '#')) != NULL; c++) {
        if (c == commands || strchr(" \t;", c[-1]) != NULL) {
            *c = '\0';
            break;
        }
    }
    return commands;
}

/* Do the commands contain what? A path does not count as part of a longer one:
 * /usr/etc/profile.d is not /etc/profile.d. */
static bool has_word(const char *commands, const char *what)
{
    const char *at = commands;

    while ((at = strstr(at, what)) != NULL) {
        if (what[0] != '/' || at == commands || !isalnum((unsigned char)at[-1]))
            return true;
        at++;
    }
    return false;
}

int shell_last_line_with(const struct host *host, const char *path, const char *what)
{
    struct text_file file;
    int found = 0;

    if (shell_file_read(host, path, 0, &file) != 0)
        return errno == ENOMEM ? -1 : 0;
    for (struct text_line line = {0}; next_text_line(&file, &line);)
        if (has_word(shell_line_commands(&file, &line), what))
            found = (int)line.number;
    free(file.text);
    return found;
}

const char *shell_rc_read(const struct host *host, const struct rc_file *rc)
{
    struct vendor_path place;

    return vendor_file(host, rc->path, &place) == rc->path ? rc->path : rc->vendor;
}

int shell_profile_hook_line(const struct host *host)
{
    struct vendor_path place;

    return shell_last_line_with(host, vendor_file(host, PROFILE, &place), PROFILE_DIR);
}

int shell_rc_hook_line(const struct host *host, const struct rc_file *rc)
{
    const char *path = shell_rc_read(host, rc);
    const int loop = shell_last_line_with(host, path, PROFILE_DIR "/*");
    char fragment[PATH_MAX];

    if (loop != 0)
        return loop;
    if (host_path(host, rc->fragment, fragment, sizeof fragment) != 0 ||
        access(fragment, R_OK) != 0)
        return 0;
    return shell_last_line_with(host, path, rc->fragment);
}

const char *shell_script(enum shell_kind kind)
{
    return kind == SHELL_TCSH ? PROFILE_CSH : PROFILE_SH;
}

int shell_script_is_ours(const struct host *host, const char *path)
{
    /* Ours avoid the name of the variable (profile.d/tmout.sh says why). */
    static const char *const marks[] = {"tmout_mode", "PAM_TMOUT"};
    int line = 0;

    for (size_t i = 0; line == 0 && i < sizeof marks / sizeof *marks; i++)
        line = shell_last_line_with(host, path, marks[i]);
    return line > 0 ? 1 : line;
}
