#include "tools/tmoutctl/host/edit.h"

#include "lib/host/array.h"
#include "lib/host/checksum.h"
#include "tools/tmoutctl/host/host.h"

#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the list ------------------------------------------------------------ */

static bool edit_is(const struct edit *one, const struct edit *other)
{
    return one->kind == other->kind && one->line == other->line &&
           strcmp(one->file, other->file) == 0 &&
           (one->text == NULL ? other->text == NULL
                              : other->text != NULL && strcmp(one->text, other->text) == 0);
}

/* Changes of one line have the same key, whatever they do to it; insertions each their own,
 * as thousands may be for the same place. */
static uint64_t edit_key(const struct edit *edit)
{
    uint64_t key = checksum(CHECKSUM_START, edit->file, strlen(edit->file) + 1);

    key = checksum(key, &edit->line, sizeof edit->line);
    return edit->kind == EDIT_INSERT ? checksum(key, edit->text, strlen(edit->text)) : key;
}

/* The number of the list's last edit with this key, plus one; 0: none. Those before it follow
 * in target[].earlier. */
static size_t edits_last(const struct edits *edits, uint64_t key)
{
    return (size_t)(uintptr_t)map_find(&edits->by_key, key);
}

/* Adds a copy, whether or not the list has an equal one. */
static int edits_append(struct edits *edits, const struct edit *edit, uint64_t key)
{
    struct edit copy = {.kind = edit->kind, .line = edit->line, .file = strdup(edit->file)};
    struct edit *grown = array_grow(edits->item, edits->count, sizeof *grown);
    struct edit_target *target = array_grow(edits->target, edits->count, sizeof *target);
    const size_t earlier = edits_last(edits, key);

    if (grown != NULL)
        edits->item = grown;
    if (target != NULL)
        edits->target = target;
    if (edit->text != NULL)
        copy.text = strdup(edit->text);
    if (grown == NULL || target == NULL || copy.file == NULL ||
        (edit->text != NULL && copy.text == NULL) ||
        !map_put(&edits->by_key, key, (void *)(uintptr_t)(edits->count + 1))) {
        free(copy.file);
        free(copy.text);
        return -1;
    }
    edits->target[edits->count] =
        (struct edit_target){.path_length = strlen(copy.file), .earlier = earlier};
    edits->item[edits->count++] = copy;
    return 0;
}

static bool edits_have(const struct edits *edits, const struct edit *edit, uint64_t key)
{
    for (size_t i = edits_last(edits, key); i > 0; i = edits->target[i - 1].earlier)
        if (edit_is(&edits->item[i - 1], edit))
            return true;
    return false;
}

bool edits_include(const struct edits *edits, const struct edits *others)
{
    for (size_t i = 0; i < others->count; i++)
        if (!edits_have(edits, &others->item[i], edit_key(&others->item[i])))
            return false;
    return true;
}

int edits_add(struct edits *edits, const struct edit *edit)
{
    const uint64_t key = edit_key(edit);

    return edits_have(edits, edit, key) ? 0 : edits_append(edits, edit, key);
}

int edits_add_all(struct edits *edits, const struct edits *added)
{
    for (size_t i = 0; i < added->count; i++)
        if (edits_add(edits, &added->item[i]) != 0)
            return -1;
    return 0;
}

static bool edit_conflicts(const struct edit *one, const struct edit *other)
{
    return one->kind != EDIT_INSERT && other->kind != EDIT_INSERT && one->line == other->line &&
           strcmp(one->file, other->file) == 0 && !edit_is(one, other);
}

bool edits_conflict(const struct edits *edits, const struct edit *edit)
{
    for (size_t i = edits_last(edits, edit_key(edit)); i > 0; i = edits->target[i - 1].earlier)
        if (edit_conflicts(&edits->item[i - 1], edit))
            return true;
    return false;
}

void edits_free(struct edits *edits)
{
    for (size_t i = 0; i < edits->count; i++) {
        free(edits->item[i].file);
        free(edits->item[i].text);
    }
    free(edits->item);
    free(edits->target);
    map_free(&edits->by_key);
    *edits = (struct edits){0};
}

/* --- running them -------------------------------------------------------- */

/* The edits of one file, and what becomes of it. */
struct edit_run {
    const struct edit **edit, **end; /* those to come, in the order of their lines */
    const char *ending; /* of the line at hand or, at the end, of the last: "\n" or "\r\n" */
    struct edited_text *edited;
    size_t used; /* of edited->old */
};

/* Room for text[size], its ending and a NUL: of its own for a line that is added, and shared
 * by all lines of the file. NULL: out of memory. */
static char *run_room(struct edit_run *run, enum edited_mark mark, size_t size)
{
    char *room = run->edited->old + run->used;

    if (mark == EDITED_ADDED)
        return malloc(size);
    run->used += size;
    return room;
}

/* Adds text[size] with an ending. Returns 0, or -1: out of memory. */
static int run_add(struct edit_run *run, enum edited_mark mark, const char *text, size_t size)
{
    struct edited_text *edited = run->edited;
    const size_t ending_size = strlen(run->ending);
    struct edited_line *grown = array_grow(edited->line, edited->count, sizeof *grown);

    if (grown == NULL)
        return -1;
    edited->line = grown;
    char *copy = run_room(run, mark, size + ending_size + 1);
    if (copy == NULL)
        return -1;
    memcpy(copy, text, size);
    memcpy(copy + size, run->ending, ending_size + 1);
    edited->changed |= mark != EDITED_KEPT;
    struct edited_line *line = &edited->line[edited->count++];
    line->mark = mark;
    line->text = copy;
    line->size = size + ending_size;
    return 0;
}

static int run_add_new(struct edit_run *run, const char *text)
{
    for (;; text++) {
        const size_t size = strcspn(text, "\n");
        if (run_add(run, EDITED_ADDED, text, size) != 0)
            return -1;
        text += size;
        if (*text == '\0')
            return 0;
    }
}

static int run_inserts(struct edit_run *run, unsigned line)
{
    for (; run->edit < run->end && (*run->edit)->kind == EDIT_INSERT && (*run->edit)->line == line;
         run->edit++)
        if (run_add_new(run, (*run->edit)->text) != 0)
            return -1;
    return 0;
}

/* The edit that replaces or deletes the line, into *change, or NULL. Returns 0,
 * or -1 with errno if there are two. */
static int run_find_change(struct edit_run *run, unsigned line, const struct edit **change)
{
    *change = run->edit < run->end && (*run->edit)->line == line ? *run->edit++ : NULL;
    if (*change == NULL || run->edit == run->end || (*run->edit)->line != line)
        return 0;
    errno = ERANGE;
    return -1;
}

static int run_line(struct edit_run *run, const struct text_line *line)
{
    size_t size = (size_t)(line->end - line->start);
    const bool has_cr = size > 0 && line->start[size - 1] == '\r';
    const struct edit *change;

    size -= has_cr;
    /* An open last line takes after the one before it. */
    if (line->next > line->end || has_cr)
        run->ending = has_cr ? "\r\n" : "\n";
    if (run_inserts(run, line->number) != 0 || run_find_change(run, line->number, &change) != 0)
        return -1;
    if (change != NULL && change->kind == EDIT_REPLACE && strlen(change->text) == size &&
        memcmp(change->text, line->start, size) == 0)
        change = NULL;
    if (run_add(run, change == NULL ? EDITED_KEPT : EDITED_REMOVED, line->start, size) != 0)
        return -1;
    return change != NULL && change->kind == EDIT_REPLACE ? run_add_new(run, change->text) : 0;
}

static void cut_end(struct edited_line *line, size_t size)
{
    line->size -= size;
    line->text[line->size] = '\0';
}

/* The old text ended without `missing` bytes of the ending of its last line,
 * which is at `old`: so does the new one, if it has another last line. */
static int run_open_end(struct edit_run *run, size_t old, size_t missing)
{
    struct edited_text *edited = run->edited;
    const size_t last = edited->count - 1;

    if (old < last && edited->line[old].mark == EDITED_KEPT) {
        const struct edited_line kept = edited->line[old];
        if (run_add(run, EDITED_ADDED, kept.text, kept.size - strlen(run->ending)) != 0)
            return -1;
        const struct edited_line again = edited->line[last + 1];
        memmove(&edited->line[old + 2], &edited->line[old + 1], (last - old) * sizeof again);
        edited->line[old + 1] = again;
        edited->line[old].mark = EDITED_REMOVED;
    }
    cut_end(&edited->line[old], missing);
    struct edited_line *end = &edited->line[edited->count - 1];
    if (end->mark != EDITED_ADDED)
        return 0;
    cut_end(end, missing);
    if (end->size == 0) { /* an empty line without its newline is none */
        free(end->text);
        edited->count--;
    }
    return 0;
}

/* Makes room for the lines of the file: each with a NUL, and the last with an ending. */
static int run_make_room(struct edit_run *run, const struct text_file *before)
{
    size_t lines = 1;

    for (size_t i = 0; before->text != NULL && i < before->size; i++)
        lines += before->text[i] == '\n';
    run->edited->old = malloc((before->text != NULL ? before->size : 0) + lines + sizeof "\r\n");
    return run->edited->old != NULL ? 0 : -1;
}

/* By line; what is inserted before a line comes before what becomes of the line, in the order
 * in which it was added. */
static int edits_compare(const void *left, const void *right)
{
    const struct edit *one = *(const struct edit *const *)left;
    const struct edit *other = *(const struct edit *const *)right;
    const unsigned line = one->line - 1, other_line = other->line - 1; /* EDIT_END: the largest */
    const bool is_change = one->kind != EDIT_INSERT, is_other_change = other->kind != EDIT_INSERT;

    if (line != other_line)
        return line < other_line ? -1 : 1;
    if (is_change != is_other_change)
        return is_change ? 1 : -1;
    return (one > other) - (one < other);
}

int edits_run_lines(const struct edit **edit, size_t count, const struct text_file *lines,
                    unsigned before, struct edited_text *edited)
{
    struct edit_run run = {.edit = edit, .end = edit + count, .ending = "\n", .edited = edited};
    struct text_line line = {0};
    size_t last = 0, missing = 0;

    if (count > 1)
        qsort(edit, count, sizeof(struct edit *), edits_compare);
    if (run_make_room(&run, lines) != 0)
        return -1;
    while (lines->text != NULL && next_text_line(lines, &line)) {
        struct text_line here = line;
        here.number += before;
        if (run_line(&run, &here) != 0)
            return -1;
        if (line.next == line.end) /* no newline, but perhaps the \r before it */
            missing = line.end[-1] == '\r' ? 1 : strlen(run.ending);
    }
    for (size_t i = 0; i < edited->count; i++)
        if (edited->line[i].mark != EDITED_ADDED)
            last = i;
    if (run_inserts(&run, EDIT_END) != 0)
        return -1;
    if (run.edit < run.end) { /* about a line that is not there */
        errno = ERANGE;
        return -1;
    }
    return missing > 0 ? run_open_end(&run, last, missing) : 0;
}

/* Is edit number i about the file at path[length], of which this is the status? Each edit's file
 * is looked up once: a host may have thousands of files with edits. */
static bool is_about(const struct edits *edits, size_t i, const struct host *host, const char *path,
                     size_t length, const struct text_file *file)
{
    struct edit_target *target = &edits->target[i];
    char full[PATH_MAX];
    struct stat status;

    if (target->path_length == length && memcmp(edits->item[i].file, path, length) == 0)
        return true;
    if (file->text == NULL)
        return false;
    if (!target->is_known && host_path(host, edits->item[i].file, full, sizeof full) == 0 &&
        stat(full, &status) == 0)
        *target = (struct edit_target){target->path_length, target->earlier, true, status.st_dev,
                                       status.st_ino};
    return target->is_known && target->inode == file->status.st_ino &&
           target->device == file->status.st_dev;
}

int edits_run(const struct edits *edits, const struct host *host, const char *path,
              const struct text_file *before, struct edited_text *edited)
{
    const size_t length = strlen(path);
    const struct edit **edit = malloc((edits->count + 1) * sizeof *edit);
    size_t count = 0;

    if (edit == NULL)
        return -1;
    for (size_t i = 0; i < edits->count; i++)
        if (is_about(edits, i, host, path, length, before))
            edit[count++] = &edits->item[i];
    const int result = edits_run_lines(edit, count, before, 0, edited);
    free(edit);
    return result;
}

void edited_text_free(struct edited_text *edited)
{
    for (size_t i = 0; i < edited->count; i++)
        if (edited->line[i].mark == EDITED_ADDED)
            free(edited->line[i].text);
    free(edited->old);
    free(edited->line);
    *edited = (struct edited_text){0};
}

/* --- the file as it would be --------------------------------------------- */

int edited_text_take(const struct edited_text *edited, struct text_file *file)
{
    size_t size = 0;

    for (size_t i = 0; i < edited->count; i++)
        size += edited->line[i].mark != EDITED_REMOVED ? edited->line[i].size : 0;
    char *text = malloc(size + 1);
    if (text == NULL)
        return -1;
    free(file->text);
    file->text = text;
    file->size = size;
    for (size_t i = 0; i < edited->count; i++) {
        if (edited->line[i].mark == EDITED_REMOVED)
            continue;
        memcpy(text, edited->line[i].text, edited->line[i].size);
        text += edited->line[i].size;
    }
    *text = '\0';
    return 0;
}

int host_read_text(const struct host *host, const char *path, int flags, size_t size_max,
                   struct text_file *file)
{
    char full[PATH_MAX];
    struct edited_text edited = {0};

    *file = (struct text_file){0};
    if (host_path(host, path, full, sizeof full) != 0)
        return -1;
    const int result = read_large_text_file(full, flags, size_max, file);
    if (host->edits == NULL || (result != 0 && errno != ENOENT))
        return result;
    const int no_file = errno;
    int edited_result = edits_run(host->edits, host, path, file, &edited);
    if (edited_result == 0 && edited.changed)
        edited_result = edited_text_take(&edited, file);
    const int saved = edited_result != 0 ? errno : no_file;
    edited_text_free(&edited);
    if (edited_result != 0) {
        free(file->text);
        file->text = NULL;
    }
    errno = saved;
    return file->text != NULL ? 0 : -1;
}

/* --- files by a pattern ---------------------------------------------------- */

int host_paths_add(struct host_paths *paths, const char *path)
{
    for (size_t i = 0; i < paths->count; i++)
        if (strcmp(paths->item[i], path) == 0)
            return 0;
    char *copy = strdup(path);
    char **grown = copy != NULL ? array_grow(paths->item, paths->count, sizeof *grown) : NULL;
    if (grown == NULL) {
        free(copy);
        return -1;
    }
    paths->item = grown;
    paths->item[paths->count++] = copy;
    return 0;
}

static int paths_compare(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

int host_find_paths(const struct host *host, const char *pattern, struct host_paths *paths)
{
    char full[2 * PATH_MAX];
    glob_t found;
    int result = 0;

    snprintf(full, sizeof full, "%s%s", host->root, pattern);
    const int globbed = glob(full, 0, NULL, &found);
    if (globbed == GLOB_NOSPACE)
        return -1;
    for (size_t i = 0; globbed == 0 && result == 0 && i < found.gl_pathc; i++)
        result = host_paths_add(paths, found.gl_pathv[i] + strlen(host->root));
    if (globbed == 0)
        globfree(&found);
    for (size_t i = 0; host->edits != NULL && result == 0 && i < host->edits->count; i++)
        if (fnmatch(pattern, host->edits->item[i].file, FNM_PATHNAME | FNM_PERIOD) == 0)
            result = host_paths_add(paths, host->edits->item[i].file);
    if (paths->count > 1)
        qsort(paths->item, paths->count, sizeof *paths->item, paths_compare);
    return result;
}

void host_paths_free(struct host_paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free(paths->item[i]);
    free(paths->item);
    *paths = (struct host_paths){0};
}
