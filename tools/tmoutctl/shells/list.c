#include "tools/tmoutctl/shells/list.h"

#include "lib/host/array.h"
#include "tools/tmoutctl/host/vendor.h"
#include "tools/tmoutctl/shells/files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- /etc/shells --------------------------------------------------------- */

static int login_shells_add(struct login_shells *shells, const char *path, size_t length)
{
    char *copy = strndup(path, length);
    char **grown = copy != NULL ? array_grow(shells->path, shells->count, sizeof *grown) : NULL;

    if (grown == NULL) {
        free(copy);
        return -1;
    }
    shells->path = grown;
    shells->path[shells->count++] = copy;
    return 0;
}

/* As getusershell(3) does. */
static int login_shells_fall_back(struct login_shells *shells)
{
    static const char *const defaults[] = {"/bin/sh", "/bin/csh"};

    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (login_shells_add(shells, defaults[i], strlen(defaults[i])) != 0)
            return -1;
    return 0;
}

int login_shells_read(const struct host *host, struct login_shells *shells)
{
    struct vendor_path place;
    struct text_file file;
    int result = 0;

    if (shell_file_read(host, vendor_file(host, "/etc/shells", &place), 0, &file) != 0)
        return errno == ENOMEM ? -1 : login_shells_fall_back(shells);
    for (struct text_line line = {0}; result == 0 && next_text_line(&file, &line);) {
        const char *path = shell_line_commands(&file, &line);
        path += strcspn(path, "/#");
        if (path[0] == '/' && path[1] != '\0')
            result = login_shells_add(shells, path, strcspn(path, " \t\r\v\f#"));
    }
    free(file.text);
    return result;
}

bool login_shells_have(const struct login_shells *shells, const char *path)
{
    for (size_t i = 0; i < shells->count; i++)
        if (strcmp(shells->path[i], path) == 0)
            return true;
    return false;
}

void login_shells_free(struct login_shells *shells)
{
    for (size_t i = 0; i < shells->count; i++)
        free(shells->path[i]);
    free(shells->path);
    *shells = (struct login_shells){0};
}

/* --- the files that give a shell its limit -------------------------------- */

/* The first rc file of this kind of shell that reads our script, into *file;
 * NULL if there is none. Returns 0, or -1: out of memory. */
static int list_rc_file(const struct host *host, enum shell_kind kind, const char **file)
{
    int found = shell_script_is_ours(host, shell_script(kind));

    *file = NULL;
    if (found <= 0)
        return found;
    found = 0;
    for (const struct rc_file *rc = rc_files; found == 0 && rc->path != NULL; rc++) {
        if (rc->kind != kind)
            continue;
        found = shell_rc_hook_line(host, rc);
        if (found > 0)
            *file = shell_rc_read(host, rc);
    }
    return found < 0 ? -1 : 0;
}

/* The same for the file that login shells get the limit from. */
static int list_login_file(const struct host *host, enum shell_kind kind, const char **file)
{
    if (!shell_traits[kind].reads_profile)
        return list_rc_file(host, kind, file);
    int found = shell_script_is_ours(host, PROFILE_SH);
    if (found > 0)
        found = shell_profile_hook_line(host);
    *file = found > 0 ? PROFILE_SH : NULL;
    return found < 0 ? -1 : 0;
}

/* --- the programs --------------------------------------------------------- */

/* The host's program behind path, links resolved, as a path below the root.
 * Returns it in full, or NULL. */
static const char *list_program(const struct host *host, const char *path, char full[PATH_MAX])
{
    char start[PATH_MAX];

    if (host_path(host, path, start, sizeof start) != 0 || realpath(start, full) == NULL ||
        strncmp(full, host->root, strlen(host->root)) != 0)
        return NULL;
    return full + strlen(host->root);
}

enum shell_timeout shell_timeout_of(const struct host *host, const char *path)
{
    char full[PATH_MAX];
    const char *program = list_program(host, path, full);

    return program != NULL ? shell_traits[shell_kind_of(strrchr(program, '/') + 1)].timeout
                           : SHELL_NO_TIMEOUT;
}

static bool list_has(const struct host *host, const struct shell_list *list,
                     const struct stat *status)
{
    char full[PATH_MAX];
    struct stat other;

    for (size_t i = 0; i < list->count; i++)
        if (host_path(host, list->shell[i].path, full, sizeof full) == 0 &&
            stat(full, &other) == 0 && other.st_dev == status->st_dev &&
            other.st_ino == status->st_ino)
            return true;
    return false;
}

/* Adds the shell at path, unless it cannot be run or is known by another name. */
static int list_add(const struct host *host, struct shell_list *list, const char *path)
{
    char full[PATH_MAX];
    struct stat status;
    const char *program = list_program(host, path, full);

    if (program == NULL || access(full, X_OK) != 0 || stat(full, &status) != 0 ||
        !S_ISREG(status.st_mode) || list_has(host, list, &status))
        return 0;
    struct shell shell = {.kind = shell_kind_of(strrchr(program, '/') + 1)};
    const struct shell_traits *traits = &shell_traits[shell.kind];
    if (traits->timeout != SHELL_NO_TIMEOUT &&
        (list_login_file(host, shell.kind, &shell.login_file) != 0 ||
         list_rc_file(host, shell.kind, &shell.rc_file) != 0))
        return -1;
    shell.complete =
        traits->timeout == SHELL_NO_TIMEOUT ||
        (shell.login_file != NULL && (shell.rc_file != NULL || traits->rc_is_the_users));
    struct shell *grown = array_grow(list->shell, list->count, sizeof *grown);
    if (grown == NULL)
        return -1;
    list->shell = grown;
    shell.path = strdup(program);
    if (shell.path == NULL)
        return -1;
    list->shell[list->count++] = shell;
    return 0;
}

/* Adds the programs that have a shell's name, whether /etc/shells has them or not. */
static int list_add_known(const struct host *host, struct shell_list *list)
{
    static const char *const names[] = {
        "bash", "zsh",     "ksh93", "ksh",  "mksh", "lksh", "tcsh",   "csh", "bsd-csh", "dash",
        "ash",  "busybox", "fish",  "yash", "posh", "osh",  "elvish", "nu",  "pwsh"};
    static const char *const directories[] = {"/bin", "/usr/bin", "/usr/local/bin"};

    for (size_t d = 0; d < sizeof directories / sizeof *directories; d++) {
        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            char path[64];
            snprintf(path, sizeof path, "%s/%s", directories[d], names[n]);
            if (list_add(host, list, path) != 0)
                return -1;
        }
    }
    return 0;
}

int shell_list_find(const struct host *host, struct shell_list *list)
{
    struct login_shells listed = {0};
    int result = login_shells_read(host, &listed);

    for (size_t i = 0; result == 0 && i < listed.count; i++)
        result = list_add(host, list, listed.path[i]);
    login_shells_free(&listed);
    return result == 0 ? list_add_known(host, list) : -1;
}

void shell_list_free(struct shell_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->shell[i].path);
    free(list->shell);
    *list = (struct shell_list){0};
}
