/*
 * tmoutctl shells [--install|--remove]: which of the installed shells take
 * the limit, and from which file; what else in the system's shell files sets
 * one; and the line in rc files that no package of ours may own.
 *
 * Two tables hold what differs from shell to shell: `kinds` and `rc_files`.
 * What is found is put into a JSON document, which is printed as it is or as
 * text, so that both say the same.
 */
#include "tmoutctl.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef TMOUT_SHELLS_DIR
#define TMOUT_SHELLS_DIR "/usr/share/tmout/shells"
#endif
#define PROFILE "/etc/profile"
#define PROFILE_DIR "/etc/profile.d"
#define PROFILE_SH PROFILE_DIR "/tmout.sh"
#define PROFILE_CSH PROFILE_DIR "/tmout.csh"

/* No shell file is this long; a larger one is not what it seems. */
#define FILE_SIZE_MAX (1024 * 1024)

/*
 * What a limit that stays whatever the policy says may be without being
 * called larger: the one that shells get without a policy, which is also the
 * strictest that the baselines ask for.
 */
#define LARGEST_SEC 600

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

/* System rc files, and our fragment for each. */
static const struct rc_file {
    const char *kind;
    const char *path;
    const char *fragment;
    bool create; /* read where it exists, and often doesn't */
} rc_files[] = {
    {"bash", "/etc/bash.bashrc", "bashrc", false}, /* Debian, SUSE, Arch */
    {"bash", "/etc/bashrc", "bashrc", false},      /* RHEL */
    {"zsh", "/etc/zsh/zshenv", "zshenv", true},
    {"zsh", "/etc/zshenv", "zshenv", false},
    {"ksh93", "/etc/ksh.kshrc", "kshrc", true},
    {"mksh", "/etc/mkshrc", "kshrc", false},
    {"tcsh", "/etc/csh.cshrc", "csh.cshrc", true},
};

/* Where a file's lines stand in relation to ours. */
enum place { BEFORE, AFTER, BY_NAME, BY_LINE };

/* Files that may set a limit too. */
static const struct other_file {
    const char *pattern;
    enum place place;
    bool csh;
} other_files[] = {
    {PROFILE, BY_LINE, false},
    {PROFILE_DIR "/*.sh", BY_NAME, false},
    {"/etc/bash.bashrc", BY_LINE, false},
    {"/etc/bashrc", BY_LINE, false},
    {"/etc/zsh/zshenv", BY_LINE, false},
    {"/etc/zshenv", BY_LINE, false},
    {"/etc/zsh/zprofile", AFTER, false},
    {"/etc/zsh/zshrc", AFTER, false},
    {"/etc/zsh/zlogin", AFTER, false},
    {"/etc/zprofile", AFTER, false},
    {"/etc/zshrc", AFTER, false},
    {"/etc/zlogin", AFTER, false},
    {"/etc/ksh.kshrc", BY_LINE, false},
    {"/etc/mkshrc", BY_LINE, false},
    {PROFILE_DIR "/*.csh", BY_NAME, true},
    {"/etc/csh/cshrc.d/*", BEFORE, true},
    {"/etc/csh.cshrc", BY_LINE, true},
    {"/etc/csh.login", AFTER, true},
    {"/etc/csh/login.d/*", AFTER, true},
};

/* --- files and their lines ----------------------------------------------- */

/* A file in memory; text ends with a NUL that size does not count. */
struct text {
    char *text;
    size_t size;
    struct stat status;
};

/*
 * Reads path whole, which must be a regular file of sensible size; flags are
 * added to open(2)'s. Returns 0, and the caller frees out->text; else -1 with
 * errno set, EFBIG or EINVAL for a file that is not what it should be.
 */
static int read_text(const char *path, int flags, struct text *out)
{
    *out = (struct text){0};
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

/* A line of a text: [start, end), next is where the following one starts. */
struct line {
    const char *start, *end, *next;
    unsigned number;
};

/* Goes to the first line (number 0 before) or the next. False: no more. */
static bool next_line(const struct text *file, struct line *line)
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

/* The line's commands, without a comment, as a string that the caller frees; NULL: no memory. */
static char *commands_of(const struct line *line)
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

/* The number of the last line whose commands contain what; 0: none does, or no such file. */
static unsigned line_with(const char *path, const char *what)
{
    struct text file;
    unsigned found = 0;
    if (read_text(path, 0, &file) < 0)
        return 0;
    for (struct line line = {0}; next_line(&file, &line);) {
        char *commands = commands_of(&line);
        if (commands && strstr(commands, what))
            found = line.number;
        free(commands);
    }
    free(file.text);
    return found;
}

/* --- which shells there are, and what they read -------------------------- */

static bool profile_script_is_ours(const char *path)
{
    return line_with(path, "PAM_TMOUT") > 0;
}

/*
 * The number of the line of an rc file that brings our script in: our own
 * line, or a loop over all of /etc/profile.d as in RHEL's files. 0: none.
 */
static unsigned hook_line(const struct rc_file *rc)
{
    char fragment[PATH_MAX];
    snprintf(fragment, sizeof fragment, "%s/%s", TMOUT_SHELLS_DIR, rc->fragment);
    unsigned loop = line_with(rc->path, PROFILE_DIR "/*");
    if (loop)
        return loop;
    return access(fragment, R_OK) == 0 ? line_with(rc->path, fragment) : 0;
}

/* The first of the kind's rc files that is hooked, or NULL. */
static const char *hooked_rc_file(const struct shell_kind *kind)
{
    const char *script = strcmp(kind->name, "tcsh") == 0 ? PROFILE_CSH : PROFILE_SH;
    if (!profile_script_is_ours(script))
        return NULL;
    for (size_t i = 0; i < sizeof rc_files / sizeof *rc_files; i++) {
        if (strcmp(rc_files[i].kind, kind->name) == 0 && hook_line(&rc_files[i]))
            return rc_files[i].path;
    }
    return NULL;
}

static const char *login_file(const struct shell_kind *kind)
{
    if (!kind->reads_profile)
        return hooked_rc_file(kind);
    bool hooked = profile_script_is_ours(PROFILE_SH) && line_with(PROFILE, PROFILE_DIR);
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

/* All shells of /etc/shells, and those with a known name; NULL: no memory. */
static json_t *list_shells(void)
{
    static const char *const names[] = {"bash", "zsh",     "ksh93", "ksh", "mksh",
                                        "lksh", "tcsh",    "csh",   "bsd-csh", "dash",
                                        "ash",  "busybox", "fish",  "yash", "posh"};
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

/* --- what else sets a limit ---------------------------------------------- */

/*
 * Is the word before a name, on the same line, one that makes it readonly?
 * before is the line up to the name.
 */
static bool makes_readonly(const char *before, bool csh)
{
    if (!csh && strstr(before, "readonly"))
        return true;
    static const char *const words[] = {"declare", "typeset", "set"};
    for (size_t i = csh ? 2 : 0; i < (csh ? 3u : 2u); i++) {
        const char *word = strstr(before, words[i]);
        const char *option = word ? strstr(word, " -") : NULL;
        if (option && strchr(option, 'r'))
            return true;
    }
    return false;
}

/* What a line does with the limit's variable. */
struct setting {
    bool assigns;  /* gives it a value, or takes it away */
    bool readonly; /* makes it readonly */
    long value;    /* -1: not a number that can be read off the line */
};

static bool is_name_character(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* The number at the start of text, quoted or not, if it is all of a word; else -1. */
static long literal(const char *text)
{
    text += strspn(text, " \t(\"'");
    char *end;
    errno = 0;
    long value = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;
    return value >= 0 && errno == 0 && (!*end || strchr(" \t;\"')}&|", *end)) ? value : -1;
}

/* Reads the settings off a line's commands. */
static struct setting read_setting(const char *commands, bool csh)
{
    const char *name = csh ? "autologout" : "TMOUT";
    struct setting setting = {.value = -1};
    char *before = strdup(commands);
    if (!before)
        return setting;
    for (const char *at = commands; (at = strstr(at, name)); at++) {
        const char *after = at + strlen(name);
        if (at > commands && (is_name_character(at[-1]) || at[-1] == '$'))
            continue;
        if (is_name_character(*after))
            continue;
        before[at - commands] = '\0';
        setting.readonly |= makes_readonly(before, csh);
        setting.assigns |= strstr(before, "unset") != NULL;
        before[at - commands] = *name;
        if (csh)
            after += strspn(after, " \t");
        else if (*after == ':')
            after++; /* ${TMOUT:=60} */
        if (*after == '=' && after[1] != '=' && after[1] != '~') {
            setting.assigns = true;
            setting.value = literal(after + 1);
        }
    }
    free(before);
    return setting;
}

/* What a setting means for the policy; sets *conflict if it should go. */
static const char *advice(struct setting setting, bool after, bool csh, bool *conflict)
{
    long largest = csh ? LARGEST_SEC / 60 : LARGEST_SEC;
    *conflict = true;
    if (after && csh)
        return "comes after ours: replaces a limit that is not enforced; where it is, tcsh gives "
               "up the rest of the rc files here. Remove the line, the policy covers it";
    if (after)
        return "comes after ours: replaces a limit that is not enforced; where it is, bash "
               "complains and ksh, mksh and zsh drop the rest of this file. Remove the line, "
               "the policy covers it";
    if (setting.readonly && (setting.value <= 0 || setting.value > largest))
        return "readonly before ours and larger: not lowered by us. Remove the line, the policy "
               "covers it";
    *conflict = false;
    if (setting.readonly)
        return "readonly before ours: stays, whatever the policy says. Remove the line, the "
               "policy covers it";
    return "before ours: holds only where the policy sets no limit";
}

/*
 * Adds what file sets to findings. split is the number of the line from which
 * on it comes after ours.
 */
static void add_findings(json_t *findings, const char *path, unsigned split, bool csh)
{
    struct text file;
    if (read_text(path, 0, &file) < 0)
        return;
    /* `TMOUT=900` and `readonly TMOUT` may stand on lines of their own. */
    bool readonly = false;
    for (struct line line = {0}; next_line(&file, &line);) {
        char *commands = commands_of(&line);
        readonly |= commands && read_setting(commands, csh).readonly;
        free(commands);
    }
    for (struct line line = {0}; next_line(&file, &line);) {
        char *commands = commands_of(&line);
        struct setting setting = commands ? read_setting(commands, csh) : (struct setting){0};
        if (setting.assigns) {
            bool conflict;
            setting.readonly = readonly;
            const char *meaning = advice(setting, line.number >= split, csh, &conflict);
            json_t *finding = json_object();
            set_text(finding, "file", path);
            json_object_set_new(finding, "line", json_integer(line.number));
            set_text(finding, "text", commands + strspn(commands, " \t"));
            json_object_set_new(finding, "value",
                                setting.value < 0 ? json_null() : json_integer(setting.value));
            json_object_set_new(finding, "readonly", json_boolean(readonly));
            json_object_set_new(finding, "conflict", json_boolean(conflict));
            set_text(finding, "meaning", meaning);
            json_array_append_new(findings, finding);
        }
        free(commands);
    }
    free(file.text);
}

/* The line of path from which on it comes after ours; UINT_MAX: none does. */
static unsigned split_of(const struct other_file *other, const char *path)
{
    const char *ours = other->csh ? PROFILE_CSH : PROFILE_SH;
    unsigned split = 0;
    switch (other->place) {
    case AFTER:
        return 0;
    case BEFORE:
        return UINT_MAX;
    case BY_NAME:
        return strcmp(path, ours) > 0 ? 0 : UINT_MAX;
    case BY_LINE:
        if (strcmp(path, PROFILE) == 0)
            split = line_with(PROFILE, PROFILE_DIR);
        for (size_t i = 0; i < sizeof rc_files / sizeof *rc_files; i++) {
            if (strcmp(rc_files[i].path, path) == 0)
                split = hook_line(&rc_files[i]);
        }
    }
    return split ? split : UINT_MAX;
}

/* Everything else that sets a limit; NULL: no memory. */
static json_t *list_findings(void)
{
    json_t *findings = json_array();
    for (size_t i = 0; i < sizeof other_files / sizeof *other_files; i++) {
        const struct other_file *other = &other_files[i];
        glob_t paths;
        if (glob(other->pattern, 0, NULL, &paths) != 0)
            continue;
        for (size_t p = 0; p < paths.gl_pathc; p++) {
            const char *path = paths.gl_pathv[p];
            bool ours = strcmp(path, other->csh ? PROFILE_CSH : PROFILE_SH) == 0;
            if (!ours || !profile_script_is_ours(path))
                add_findings(findings, path, split_of(other, path), other->csh);
        }
        globfree(&paths);
    }
    return findings;
}

static const char *text_of(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

static void print_shells(const json_t *shells)
{
    static const char format[] = "%-24s %-6s %-14s %-24s %s\n";
    printf(format, "SHELL", "KIND", "TAKES A LIMIT", "LOGIN SHELLS FROM", "OTHERS FROM");
    size_t i;
    const json_t *row;
    json_array_foreach (shells, i, row) {
        bool takes = json_is_string(json_object_get(row, "limit"));
        const char *missing = takes ? "missing" : "-";
        bool ok = json_is_true(json_object_get(row, "ok"));
        printf(format, text_of(row, "shell", ""), text_of(row, "kind", ""),
               text_of(row, "limit", "no timeout"), text_of(row, "login", missing),
               text_of(row, "rc", ok ? "-" : missing));
    }
}

static void print_findings(const json_t *findings)
{
    size_t i;
    const json_t *finding;
    json_array_foreach (findings, i, finding) {
        printf("%s%s:%d: %s\n    %s\n", i == 0 ? "\n" : "", text_of(finding, "file", ""),
               (int)json_integer_value(json_object_get(finding, "line")),
               text_of(finding, "text", ""), text_of(finding, "meaning", ""));
    }
}

/* The verb without an option. */
static int list(const struct tmoutctl_context *context)
{
    json_t *shells = list_shells(), *findings = list_findings();
    json_t *all = json_pack("{s:o*, s:o*}", "shells", shells, "findings", findings);
    if (!shells || !findings || !all) {
        report("out of memory");
        json_decref(all);
        return TMOUTCTL_FAILURE;
    }
    bool complete = true, clean = true;
    size_t i;
    const json_t *item;
    json_array_foreach (shells, i, item)
        complete = complete && json_is_true(json_object_get(item, "ok"));
    json_array_foreach (findings, i, item)
        clean = clean && !json_is_true(json_object_get(item, "conflict"));

    int status = complete && clean ? TMOUTCTL_FINE : TMOUTCTL_NO;
    if (context->json)
        return print_json(all, status);
    if (!context->quiet || !complete)
        print_shells(shells);
    if (!context->quiet || !clean)
        print_findings(findings);
    if (!complete)
        printf("\nWhere a file is missing, `tmoutctl shells --install` adds a line to it.\n");
    json_decref(all);
    return status;
}

/* --- the line in rc files ------------------------------------------------- */

/*
 * The end of our line says who wrote it and how the file ended before, so
 * that --remove can bring that back to the byte.
 */
#define MARK " # tmoutctl shells"
static const char *const marks[] = {
    MARK "\n",
    MARK " (no newline before)\n",
    MARK " (new file)\n",
};
enum { MARK_PLAIN, MARK_NEWLINE, MARK_NEW_FILE, MARKS };

/* What became of a file; --json says it in these words, too. */
static const char ADDED[] = "added", REMOVED[] = "removed", UNCHANGED[] = "unchanged",
                  FAILED[] = "failed";

/*
 * Copies the extended attributes, ACLs among them. A security label that
 * can't be set is the one that the directory gives anyway.
 */
static int copy_attributes(int from, int to)
{
    char names[4096], value[4096];
    ssize_t size = flistxattr(from, names, sizeof names);
    if (size < 0)
        return errno == ENOTSUP ? 0 : -1;
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        ssize_t length = fgetxattr(from, name, value, sizeof value);
        if (length < 0)
            return -1;
        if (fsetxattr(to, name, value, (size_t)length, 0) < 0 && strncmp(name, "security.", 9) != 0)
            return -1;
    }
    return 0;
}

/* Gives the new file fd the owner, attributes and mode of the one at path. */
static int take_after(int fd, const char *path, const struct stat *status)
{
    int old = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (old < 0)
        return -1;
    int result = fchown(fd, status->st_uid, status->st_gid);
    if (result == 0)
        result = copy_attributes(old, fd);
    if (result == 0)
        result = fchmod(fd, status->st_mode & 07777);
    int why = errno;
    close(old);
    errno = why;
    return result;
}

static int write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, text, size);
        if (put < 0 && errno != EINTR)
            return -1;
        if (put > 0) {
            text += put;
            size -= (size_t)put;
        }
    }
    return 0;
}

/* Makes a rename in the directory of path last. */
static int sync_directory(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

static bool is_unchanged(const char *path, const struct stat *before)
{
    struct stat now;
    return lstat(path, &now) == 0 && now.st_ino == before->st_ino && now.st_dev == before->st_dev &&
           now.st_size == before->st_size && now.st_ctim.tv_sec == before->st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == before->st_ctim.tv_nsec;
}

/*
 * Puts text in the place of the file at path, whose status was before; NULL:
 * where no file is. Readers find the old file or the new one, never a part.
 * Returns 0, or -1 with errno set, the old file untouched and nothing left.
 */
static int replace_file(const char *path, const struct stat *before, const char *text, size_t size)
{
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (write_all(fd, text, size) < 0)
        goto fail;
    if ((before ? take_after(fd, path, before) : fchmod(fd, 0644)) < 0)
        goto fail;
    if (fsync(fd) < 0)
        goto fail;
    errno = EAGAIN; /* somebody else has changed it */
    if (before && !is_unchanged(path, before))
        goto fail;
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, before ? 0 : RENAME_NOREPLACE) < 0)
        goto fail;
    close(fd);
    return sync_directory(path);

fail:;
    int why = errno;
    close(fd);
    unlink(temporary);
    errno = why;
    return -1;
}

/*
 * Where the file behind rc really is, in *path, as a symbolic link may say,
 * and its content in *file, whose text the caller frees; text is NULL where
 * no such file exists. Returns 0, or -1 after a message.
 */
static int open_rc_file(const struct rc_file *rc, char path[PATH_MAX], struct text *file)
{
    *file = (struct text){0};
    if (!realpath(rc->path, path)) {
        struct stat link;
        snprintf(path, PATH_MAX, "%s", rc->path);
        if (errno == ENOENT && lstat(rc->path, &link) < 0)
            return 0;
        report("%s: %s", rc->path, strerror(errno));
        return -1;
    }
    if (strncmp(path, "/etc/", 5) != 0) {
        report("%s: leads to %s, outside /etc: left alone", rc->path, path);
        return -1;
    }
    if (read_text(path, O_NOFOLLOW, file) < 0) {
        report("%s: %s", path, strerror(errno));
        return -1;
    }
    if (file->status.st_nlink > 1) {
        report("%s: has a second name, which would keep the old content: left alone", path);
        free(file->text);
        file->text = NULL;
        return -1;
    }
    return 0;
}

/* Our line for rc, which the caller frees; NULL: no memory. */
static char *our_line(const struct rc_file *rc, const char *mark)
{
    bool csh = strcmp(rc->kind, "tcsh") == 0;
    char *line = NULL;
    int length = asprintf(&line,
                          csh ? "if (-r %1$s/%2$s) source %1$s/%2$s%3$s"
                              : "if [[ -r %1$s/%2$s ]]; then . %1$s/%2$s; fi%3$s",
                          TMOUT_SHELLS_DIR, rc->fragment, mark);
    return length < 0 ? NULL : line;
}

/* Adds our line at the end of rc. Returns what became of it. */
static const char *add_line(const struct rc_file *rc)
{
    char path[PATH_MAX];
    struct text file;
    if (hook_line(rc))
        return UNCHANGED;
    if (open_rc_file(rc, path, &file) < 0)
        return FAILED;

    bool ends_well = file.size == 0 || file.text[file.size - 1] == '\n';
    const char *mark = marks[!file.text ? MARK_NEW_FILE : ends_well ? MARK_PLAIN : MARK_NEWLINE];
    char *line = our_line(rc, mark), *text = NULL;
    const char *result = FAILED;
    int size = line ? asprintf(&text, "%s%s%s", file.text ? file.text : "", ends_well ? "" : "\n",
                               line)
                    : -1;
    if (size < 0) {
        text = NULL;
        report("out of memory");
    } else if (file.text && strlen(file.text) != file.size) {
        report("%s: is no text: left alone", path);
    } else if (replace_file(path, file.text ? &file.status : NULL, text, (size_t)size) < 0) {
        report("%s: %s", path, strerror(errno));
    } else {
        result = ADDED;
    }
    free(text);
    free(line);
    free(file.text);
    return result;
}

/* Which of the marks ends line; MARKS: it is not ours. */
static size_t mark_of(const struct line *line)
{
    size_t length = (size_t)(line->next - line->start), mark;
    for (mark = 0; mark < MARKS; mark++) {
        size_t tail = strlen(marks[mark]);
        if (length > tail && memcmp(line->next - tail, marks[mark], tail) == 0 &&
            memmem(line->start, length, "/tmout/shells/", strlen("/tmout/shells/")))
            break;
    }
    return mark;
}

/* Takes our line out of rc again. Returns what became of it. */
static const char *remove_line(const struct rc_file *rc)
{
    char path[PATH_MAX];
    struct text file;
    if (open_rc_file(rc, path, &file) < 0)
        return FAILED;
    if (!file.text)
        return UNCHANGED;

    const char *result = UNCHANGED;
    bool created = false;
    size_t size = 0;
    char *text = malloc(file.size + 1);
    for (struct line line = {0}; text && next_line(&file, &line);) {
        size_t mark = mark_of(&line);
        if (mark == MARKS) {
            memcpy(text + size, line.start, (size_t)(line.next - line.start));
            size += (size_t)(line.next - line.start);
            continue;
        }
        result = REMOVED;
        created = mark == MARK_NEW_FILE;
        if (mark == MARK_NEWLINE && line.next == file.text + file.size && size > 0)
            size--; /* the newline came with our line */
    }
    int done = 0;
    if (!text) {
        errno = ENOMEM;
        done = -1;
    } else if (result == REMOVED && created && size == 0) {
        done = unlink(path) < 0 ? -1 : sync_directory(path);
    } else if (result == REMOVED) {
        done = replace_file(path, &file.status, text, size);
    }
    if (done < 0) {
        report("%s: %s", path, strerror(errno));
        result = FAILED;
    }
    free(text);
    free(file.text);
    return result;
}

static bool is_installed(const json_t *shells, const char *kind)
{
    size_t i;
    const json_t *row;
    json_array_foreach (shells, i, row) {
        if (strcmp(text_of(row, "kind", ""), kind) == 0)
            return true;
    }
    return false;
}

static bool exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

/* Is rc read on this host, that is: is it there, or its directory where we may create it? */
static bool belongs_here(const struct rc_file *rc)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", rc->path);
    return exists(rc->path) || (rc->create && exists(dirname(copy)));
}

/* --install checks that what the lines will read is there. */
static bool fragments_are_there(void)
{
    for (size_t i = 0; i < sizeof rc_files / sizeof *rc_files; i++) {
        char fragment[PATH_MAX];
        snprintf(fragment, sizeof fragment, "%s/%s", TMOUT_SHELLS_DIR, rc_files[i].fragment);
        if (access(fragment, R_OK) < 0) {
            report("%s: %s", fragment, strerror(errno));
            return false;
        }
    }
    return true;
}

/* The verb with an option. */
static int change(const struct tmoutctl_context *context, bool install)
{
    if (geteuid() != 0) {
        report("shells --%s: only root may change system files", install ? "install" : "remove");
        return TMOUTCTL_FAILURE;
    }
    if (install && !fragments_are_there())
        return TMOUTCTL_FAILURE;

    json_t *shells = install ? list_shells() : NULL, *files = json_array();
    int status = TMOUTCTL_FINE;
    for (size_t i = 0; i < sizeof rc_files / sizeof *rc_files; i++) {
        const struct rc_file *rc = &rc_files[i];
        if (!belongs_here(rc) || (install && !is_installed(shells, rc->kind)))
            continue;
        const char *result = install ? add_line(rc) : remove_line(rc);
        if (result == FAILED)
            status = TMOUTCTL_FAILURE;
        else if (!context->quiet && !context->json)
            printf("%s: %s\n", rc->path, result);
        json_array_append_new(files, json_pack("{s:s, s:s}", "file", rc->path, "result", result));
    }
    json_decref(shells);
    if (context->json)
        return print_json(json_pack("{s:o}", "files", files), status);
    json_decref(files);
    return status;
}

int verb_shells(const struct tmoutctl_context *context, int argc, char **argv)
{
    if (argc == 1)
        return list(context);
    if (argc == 2 && strcmp(argv[1], "--install") == 0)
        return change(context, true);
    if (argc == 2 && strcmp(argv[1], "--remove") == 0)
        return change(context, false);
    report("usage: tmoutctl shells [--install | --remove]");
    return TMOUTCTL_FAILURE;
}
