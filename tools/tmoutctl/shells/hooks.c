#include "tools/tmoutctl/shells/hooks.h"

#include "tools/tmoutctl/host/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool shell_fragments_installed(const struct host *host, struct failure *failure)
{
    char fragment[PATH_MAX];

    for (const struct rc_file *rc = rc_files; rc->path != NULL; rc++) {
        if (host_path(host, rc->fragment, fragment, sizeof fragment) != 0 ||
            access(fragment, R_OK) != 0) {
            failure_set(failure, "%s: %s", rc->fragment, strerror(errno));
            return false;
        }
    }
    return true;
}

static bool hook_path_exists(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0;
}

bool shell_rc_file_applies(const struct host *host, const struct rc_file *rc)
{
    const bool has_vendors = shell_rc_read(host, rc) == rc->vendor;
    char path[PATH_MAX];

    if (host_path(host, rc->path, path, sizeof path) != 0)
        return false;
    return hook_path_exists(path) ||
           ((rc->create || has_vendors) && hook_path_exists(dirname(path)));
}

/* --- the file behind an rc file's path ------------------------------------ */

struct hook_target {
    char path[PATH_MAX];   /* symbolic links resolved */
    struct text_file file; /* text is NULL where no file exists */
};

static int hook_failed(struct failure *failure, const char *path)
{
    failure_set(failure, "%s: %s", path, strerror(errno));
    return -1;
}

/* Resolves and reads it. Returns 0, and the caller frees target->file.text, or
 * -1 with the reason. */
static int hook_open(const struct host *host, const struct rc_file *rc, struct hook_target *target,
                     struct failure *failure)
{
    const size_t root_length = strlen(host->root);
    char path[PATH_MAX];

    target->file = (struct text_file){0};
    if (host_path(host, rc->path, path, sizeof path) != 0)
        return hook_failed(failure, rc->path);
    if (realpath(path, target->path) == NULL) {
        const int saved = errno;
        snprintf(target->path, sizeof target->path, "%s", path);
        if (saved == ENOENT && !hook_path_exists(path))
            return 0;
        errno = saved;
        return hook_failed(failure, rc->path);
    }
    const char *inside = target->path + root_length;
    if (strncmp(target->path, host->root, root_length) != 0 ||
        strncmp(inside, "/etc/", strlen("/etc/")) != 0) {
        failure_set(failure, "%s: leads to %s, outside /etc; not changed", rc->path, target->path);
        return -1;
    }
    if (read_text_file(target->path, O_NOFOLLOW, &target->file) != 0)
        return hook_failed(failure, inside);
    if (target->file.status.st_nlink == 1)
        return 0;
    failure_set(failure, "%s: has more than one hard link; not changed", inside);
    free(target->file.text);
    target->file.text = NULL;
    return -1;
}

/* --- our line ------------------------------------------------------------- */

/*
 * The end of our line tells who wrote it and how the file ended before, so that
 * removing it restores the file byte for byte.
 */
#define MARK " # tmoutctl shells"
enum hook_mark { MARK_PLAIN, MARK_NEWLINE, MARK_NEW_FILE, MARKS };
static const char *const hook_marks[] = {
    [MARK_PLAIN] = MARK "\n",
    [MARK_NEWLINE] = MARK " (no newline before)\n",
    [MARK_NEW_FILE] = MARK " (new file)\n",
};

/* A command that reads a file if there is one, in the shell's language. */
struct hook_command {
    char text[2 * PATH_MAX + 64];
};

static void hook_read_command(enum shell_kind kind, const char *path, struct hook_command *command)
{
    snprintf(command->text, sizeof command->text,
             kind == SHELL_TCSH ? "if (-r %1$s) source %1$s" : "if [[ -r %1$s ]]; then . %1$s; fi",
             path);
}

/* The rc file's text with our line at its end; the caller frees it. A new file takes the
 * place of the vendor's: so it reads that first. NULL: out of memory. */
static char *hook_text(const struct host *host, const struct rc_file *rc,
                       const struct text_file *file, size_t *size)
{
    const bool ends_well = file->size == 0 || file->text[file->size - 1] == '\n';
    const enum hook_mark mark =
        file->text == NULL ? MARK_NEW_FILE : (ends_well ? MARK_PLAIN : MARK_NEWLINE);
    const bool reads_vendors = file->text == NULL && shell_rc_read(host, rc) == rc->vendor;
    struct hook_command vendors = {""}, ours = {""};
    char *text = NULL;

    if (reads_vendors)
        hook_read_command(rc->kind, rc->vendor, &vendors);
    hook_read_command(rc->kind, rc->fragment, &ours);
    const int length =
        asprintf(&text, "%s%s%s%s%s%s", file->text != NULL ? file->text : "", ends_well ? "" : "\n",
                 vendors.text, reads_vendors ? "; " : "", ours.text, hook_marks[mark]);
    if (length < 0)
        return NULL;
    *size = (size_t)length;
    return text;
}

/* Which of the marks is at the end of the line; MARKS: it is not ours. */
static enum hook_mark hook_mark_of(const struct text_line *line)
{
    static const char fragments[] = "/tmout/shells/";
    const size_t length = (size_t)(line->next - line->start);
    enum hook_mark mark = MARK_PLAIN;

    for (; mark < MARKS; mark++) {
        const size_t tail = strlen(hook_marks[mark]);
        if (length > tail && memcmp(line->next - tail, hook_marks[mark], tail) == 0 &&
            memmem(line->start, length, fragments, strlen(fragments)) != NULL)
            break;
    }
    return mark;
}

enum shell_hook_result shell_hook_add(const struct host *host, const struct rc_file *rc,
                                      struct failure *failure)
{
    enum shell_hook_result result = SHELL_HOOK_FAILED;
    struct hook_target target;
    size_t size = 0;

    const int line = shell_rc_hook_line(host, rc);
    if (line > 0)
        return SHELL_HOOK_UNCHANGED;
    if (line < 0) {
        failure_set(failure, "%s: out of memory", rc->path);
        return SHELL_HOOK_FAILED;
    }
    if (hook_open(host, rc, &target, failure) != 0)
        return SHELL_HOOK_FAILED;
    const struct text_file *file = &target.file;
    char *text = hook_text(host, rc, file, &size);
    if (text == NULL)
        failure_set(failure, "%s: out of memory", rc->path);
    else if (file->text != NULL && strlen(file->text) != file->size)
        failure_set(failure, "%s: not a text file; not changed", rc->path);
    else if (replace_host_file(target.path, file->text != NULL ? &file->status : NULL, text,
                               size) != 0)
        hook_failed(failure, rc->path);
    else
        result = SHELL_HOOK_ADDED;
    free(text);
    free(target.file.text);
    return result;
}

/* What is left of a file without our lines. */
struct hook_rest {
    char *text; /* as long as the file, or shorter */
    size_t size;
    bool had_line; /* any of ours */
    bool created;  /* the file was created by us */
};

/* Returns 0, and the caller frees rest->text, or -1: out of memory. */
static int hook_strip(const struct text_file *file, struct hook_rest *rest)
{
    *rest = (struct hook_rest){.text = malloc(file->size + 1)};
    if (rest->text == NULL)
        return -1;
    for (struct text_line line = {0}; next_text_line(file, &line);) {
        const size_t length = (size_t)(line.next - line.start);
        const enum hook_mark mark = hook_mark_of(&line);
        if (mark == MARKS) {
            memcpy(rest->text + rest->size, line.start, length);
            rest->size += length;
            continue;
        }
        rest->had_line = true;
        rest->created = mark == MARK_NEW_FILE;
        if (mark == MARK_NEWLINE && line.next == file->text + file->size && rest->size > 0)
            rest->size--; /* the newline that came with our line */
    }
    return 0;
}

enum shell_hook_result shell_hook_remove(const struct host *host, const struct rc_file *rc,
                                         struct failure *failure)
{
    enum shell_hook_result result = SHELL_HOOK_REMOVED;
    struct hook_target target;
    struct hook_rest rest;

    if (hook_open(host, rc, &target, failure) != 0)
        return SHELL_HOOK_FAILED;
    if (target.file.text == NULL)
        return SHELL_HOOK_UNCHANGED;
    int changed = hook_strip(&target.file, &rest);
    if (changed == 0 && !rest.had_line)
        result = SHELL_HOOK_UNCHANGED;
    else if (changed == 0 && rest.created && rest.size == 0)
        changed = unlink_host_file(target.path, &target.file.status);
    else if (changed == 0)
        changed = replace_host_file(target.path, &target.file.status, rest.text, rest.size);
    if (changed != 0) {
        hook_failed(failure, rc->path);
        result = SHELL_HOOK_FAILED;
    }
    free(rest.text);
    free(target.file.text);
    return result;
}
