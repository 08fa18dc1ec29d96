#include "tools/tmoutctl/shells/hooks.h"

#include "tools/tmoutctl/shells/replace.h"
#include "tools/tmoutctl/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool shell_fragments_are_there(void)
{
    for (const struct rc_file *rc = rc_files; rc->path; rc++) {
        char fragment[PATH_MAX];
        snprintf(fragment, sizeof fragment, "%s/%s", SHELL_FRAGMENTS, rc->fragment);
        if (access(fragment, R_OK) < 0) {
            report("%s: %s", fragment, strerror(errno));
            return false;
        }
    }
    return true;
}

static bool exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

bool rc_file_belongs_here(const struct rc_file *rc)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", rc->path);
    return exists(rc->path) || (rc->create && exists(dirname(copy)));
}

/*
 * Where the file behind rc really is, in *path, as a symbolic link may say,
 * and its content in *file, whose text the caller frees; text is NULL where
 * no such file exists. Returns 0, or -1 after a message.
 */
static int open_rc_file(const struct rc_file *rc, char path[PATH_MAX], struct text_file *file)
{
    *file = (struct text_file){0};
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
    if (read_text_file(path, O_NOFOLLOW, file) < 0) {
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

/* Our line for rc, which the caller frees; NULL: no memory. */
static char *our_line(const struct rc_file *rc, const char *mark)
{
    bool csh = strcmp(rc->kind, "tcsh") == 0;
    char *line = NULL;
    int length = asprintf(&line,
                          csh ? "if (-r %1$s/%2$s) source %1$s/%2$s%3$s"
                              : "if [[ -r %1$s/%2$s ]]; then . %1$s/%2$s; fi%3$s",
                          SHELL_FRAGMENTS, rc->fragment, mark);
    return length < 0 ? NULL : line;
}

enum shell_hook_result add_shell_hook(const struct rc_file *rc)
{
    char path[PATH_MAX];
    struct text_file file;
    if (rc_hook_line(rc))
        return SHELL_HOOK_UNCHANGED;
    if (open_rc_file(rc, path, &file) < 0)
        return SHELL_HOOK_FAILED;

    bool ends_well = file.size == 0 || file.text[file.size - 1] == '\n';
    const char *mark = marks[!file.text ? MARK_NEW_FILE : ends_well ? MARK_PLAIN : MARK_NEWLINE];
    char *line = our_line(rc, mark), *text = NULL;
    enum shell_hook_result result = SHELL_HOOK_FAILED;
    int size =
        line ? asprintf(&text, "%s%s%s", file.text ? file.text : "", ends_well ? "" : "\n", line)
             : -1;
    if (size < 0) {
        text = NULL;
        report("out of memory");
    } else if (file.text && strlen(file.text) != file.size) {
        report("%s: is no text: left alone", path);
    } else if (replace_shell_file(path, file.text ? &file.status : NULL, text, (size_t)size) < 0) {
        report("%s: %s", path, strerror(errno));
    } else {
        result = SHELL_HOOK_ADDED;
    }
    free(text);
    free(line);
    free(file.text);
    return result;
}

/* Which of the marks ends line; MARKS: it is not ours. */
static size_t mark_of(const struct text_line *line)
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

enum shell_hook_result remove_shell_hook(const struct rc_file *rc)
{
    char path[PATH_MAX];
    struct text_file file;
    if (open_rc_file(rc, path, &file) < 0)
        return SHELL_HOOK_FAILED;
    if (!file.text)
        return SHELL_HOOK_UNCHANGED;

    enum shell_hook_result result = SHELL_HOOK_UNCHANGED;
    bool created = false;
    size_t size = 0;
    char *text = malloc(file.size + 1);
    for (struct text_line line = {0}; text && next_text_line(&file, &line);) {
        size_t mark = mark_of(&line);
        if (mark == MARKS) {
            memcpy(text + size, line.start, (size_t)(line.next - line.start));
            size += (size_t)(line.next - line.start);
            continue;
        }
        result = SHELL_HOOK_REMOVED;
        created = mark == MARK_NEW_FILE;
        if (mark == MARK_NEWLINE && line.next == file.text + file.size && size > 0)
            size--; /* the newline came with our line */
    }
    int done = 0;
    if (!text) {
        errno = ENOMEM;
        done = -1;
    } else if (result == SHELL_HOOK_REMOVED && created && size == 0) {
        done = unlink_shell_file(path, &file.status);
    } else if (result == SHELL_HOOK_REMOVED) {
        done = replace_shell_file(path, &file.status, text, size);
    }
    if (done < 0) {
        report("%s: %s", path, strerror(errno));
        result = SHELL_HOOK_FAILED;
    }
    free(text);
    free(file.text);
    return result;
}
