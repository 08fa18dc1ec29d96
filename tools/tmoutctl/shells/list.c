#include "tools/tmoutctl/shells/list.h"

#include "tools/tmoutctl/shells/files.h"
#include "tools/tmoutctl/print.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct shell_kind {
    const char *name;
    const char *programs; /* patterns of program names, separated by blanks */
    const char *limit;    /* how it takes one; NULL: it has no timeout */
    bool reads_profile;   /* its login shells read /etc/profile */
    bool rc_is_the_users; /* only a user's file reads its system rc file */
} kinds[] = {
    {"bash", "bash* rbash", "yes", true, false},
    {"zsh", "zsh* rzsh", "yes", false, false},
    {"ksh93", "ksh ksh93* rksh*", "yes, +60 s", true, false},
    {"mksh", "mksh* lksh", "yes", true, true},
    {"tcsh", "tcsh*", "whole minutes", false, false},
    {"csh", "csh bsd-csh", NULL, false, false},
    {"dash", "dash", NULL, false, false},
    {"ash", "ash busybox", NULL, false, false},
    {"fish", "fish", NULL, false, false},
    {"yash", "yash", NULL, false, false},
    {"posh", "posh", NULL, false, false},
    {"other", "*", NULL, false, false},
};

/* The first of the kind's rc files that is hooked, or NULL. */
static const char *hooked_rc_file(const struct shell_kind *kind)
{
    const char *script = strcmp(kind->name, "tcsh") == 0 ? PROFILE_CSH : PROFILE_SH;
    if (!profile_script_is_ours(script))
        return NULL;
    for (const struct rc_file *rc = rc_files; rc->path; rc++) {
        if (strcmp(rc->kind, kind->name) == 0 && rc_hook_line(rc))
            return rc->path;
    }
    return NULL;
}

static const char *login_file(const struct shell_kind *kind)
{
    if (!kind->reads_profile)
        return hooked_rc_file(kind);
    bool hooked = profile_script_is_ours(PROFILE_SH) && last_line_with(PROFILE, PROFILE_DIR);
    return hooked ? PROFILE_SH : NULL;
}

static const struct shell_kind *kind_of(const char *program)
{
    const struct shell_kind *kind = kinds;
    for (;; kind++) {
        char patterns[64], *rest = patterns, *pattern;
        snprintf(patterns, sizeof patterns, "%s", kind->programs);
        while ((pattern = strsep(&rest, " "))) {
            if (fnmatch(pattern, program, 0) == 0)
                return kind; /* the last row matches everything */
        }
    }
}

const char *shell_limit(const char *path)
{
    char program[PATH_MAX];
    if (!realpath(path, program))
        return NULL;
    return kind_of(strrchr(program, '/') + 1)->limit;
}

/* What the list of shells collects; each program once, whatever its names. */
struct shell_list {
    json_t *rows;
    struct {
        dev_t device;
        ino_t inode;
    } seen[64];
    size_t count;
};

static void set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, text ? json_text(text) : json_null());
}

/* Adds the shell at path unless it is none, or known already. */
static void add_shell(struct shell_list *list, const char *path)
{
    struct stat status;
    char program[PATH_MAX];
    if (access(path, X_OK) < 0 || stat(path, &status) < 0 || !S_ISREG(status.st_mode) ||
        !realpath(path, program) || list->count == sizeof list->seen / sizeof *list->seen)
        return;
    for (size_t i = 0; i < list->count; i++) {
        if (list->seen[i].device == status.st_dev && list->seen[i].inode == status.st_ino)
            return;
    }
    list->seen[list->count].device = status.st_dev;
    list->seen[list->count++].inode = status.st_ino;

    const struct shell_kind *kind = kind_of(strrchr(program, '/') + 1);
    const char *login = kind->limit ? login_file(kind) : NULL;
    const char *rc = kind->limit ? hooked_rc_file(kind) : NULL;
    bool ok = !kind->limit || (login && (rc || kind->rc_is_the_users));
    json_t *row = json_object();
    set_text(row, "shell", program);
    set_text(row, "kind", kind->name);
    set_text(row, "limit", kind->limit);
    set_text(row, "login", login);
    set_text(row, "rc", rc);
    json_object_set_new(row, "ok", json_boolean(ok));
    json_array_append_new(list->rows, row);
}

json_t *list_shells(void)
{
    static const char *const names[] = {"bash", "zsh",     "ksh93", "ksh",     "mksh",
                                        "lksh", "tcsh",    "csh",   "bsd-csh", "dash",
                                        "ash",  "busybox", "fish",  "yash",    "posh"};
    static const char *const directories[] = {"/bin", "/usr/bin", "/usr/local/bin"};
    struct shell_list list = {.rows = json_array()};
    setusershell();
    for (const char *path; (path = getusershell());)
        add_shell(&list, path);
    endusershell();
    for (size_t d = 0; d < sizeof directories / sizeof *directories; d++) {
        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            char path[64];
            snprintf(path, sizeof path, "%s/%s", directories[d], names[n]);
            add_shell(&list, path);
        }
    }
    return list.rows;
}
