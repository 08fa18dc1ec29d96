#include "tools/tmoutctl/host/diff.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Lines of context. patch may ignore the outer ones (its fuzz, two lines if not
 * told otherwise), so that these do not count where a hunk has to be unique. */
enum { CONTEXT_LINES = 3, CONTEXT_LINES_MAX = 60, FUZZ_LINES = 2 };

/* --- the file that patch changes ------------------------------------------- */

/* Can the name stand in a diff as it is? patch understands quoted names, but
 * each program its own way. */
static bool is_plain_path(const char *path)
{
    for (const char *c = path; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f || *c == '"' || *c == '\\')
            return false;
    return true;
}

/* The real path of the file at full, where no such file exists; patch creates
 * directories that are missing, too. Returns 0, or -1. */
static int real_path_of_new(const char *full, char *real)
{
    char directory[PATH_MAX];
    size_t length = strlen(full);

    do {
        while (length > 0 && full[--length] != '/')
            ;
        snprintf(directory, sizeof directory, "%.*s", (int)length, full);
    } while (length > 0 && realpath(directory, real) == NULL && errno == ENOENT);
    if (length == 0)
        real[0] = '\0';
    else if (realpath(directory, real) == NULL)
        return -1;
    const size_t used = strlen(real), rest = strlen(full + length);
    if (used + rest >= PATH_MAX)
        return -1;
    memcpy(real + used, full + length, rest + 1);
    return 0;
}

const char *diff_target(const struct host *host, const char *path, char *real)
{
    const size_t root_length = strlen(host->root);
    char full[PATH_MAX], found[PATH_MAX];
    struct stat status;

    real[0] = '\0';
    if (host_path(host, path, full, sizeof full) != 0)
        return "its name is too long";
    if (realpath(full, found) == NULL) {
        if (errno != ENOENT || lstat(full, &status) == 0 || real_path_of_new(full, found) != 0)
            return "it cannot be accessed";
    } else if (stat(found, &status) != 0 || !S_ISREG(status.st_mode)) {
        return "it is not a regular file";
    } else if (status.st_nlink > 1) {
        return "it has more than one hard link";
    }
    if (strncmp(found, host->root, root_length) != 0 || found[root_length] != '/')
        return "it is a link that leads elsewhere";
    if (!is_plain_path(found))
        return "its name has characters that a diff cannot have";
    snprintf(real, PATH_MAX, "%s", found + root_length);
    return NULL;
}

/* --- hunks ---------------------------------------------------------------- */

/* Lines [first, end) of an edited text; the rest of it is unchanged. */
struct hunk {
    size_t first, end;
};

static bool is_of(const struct edited_line *line, enum edited_mark mark)
{
    return line->mark == EDITED_KEPT || line->mark == mark;
}

/* Lines of the hunk before its first change, or after its last one. */
static size_t context_before(const struct edited_text *edited, const struct hunk *hunk)
{
    size_t count = 0;

    while (edited->line[hunk->first + count].mark == EDITED_KEPT)
        count++;
    return count;
}

static size_t context_after(const struct edited_text *edited, const struct hunk *hunk)
{
    size_t count = 0;

    while (edited->line[hunk->end - 1 - count].mark == EDITED_KEPT)
        count++;
    return count;
}

/* What patch compares of a hunk where it ignores as much as it may. On the side
 * with less context it ignores less, and may look only at the file's start or
 * end (locate_hunk() of GNU patch). There is no more to compare than all. */
struct core {
    size_t first, end; /* as of a hunk */
    bool at_start, at_end;
};

static struct core core_of(const struct edited_text *edited, const struct hunk *hunk,
                           size_t fuzz_max)
{
    const size_t before = context_before(edited, hunk), after = context_after(edited, hunk);
    const size_t more = before > after ? before : after;
    const bool is_all = hunk->first == 0 && hunk->end == edited->count;
    const size_t fuzz = is_all ? 0 : (more < fuzz_max ? more : fuzz_max);
    struct core core = {hunk->first, hunk->end, before + fuzz < more, after + fuzz < more};

    if (!core.at_start)
        core.first += before + fuzz - more;
    if (!core.at_end)
        core.end -= after + fuzz - more;
    return core;
}

/* The next line from i on that is in the text with this mark, or the count. */
static size_t next_of(const struct edited_text *edited, size_t i, enum edited_mark mark)
{
    while (i < edited->count && !is_of(&edited->line[i], mark))
        i++;
    return i;
}

static bool is_same_text(const struct edited_text *edited, size_t one, size_t other)
{
    return edited->line[one].size == edited->line[other].size &&
           memcmp(edited->line[one].text, edited->line[other].text, edited->line[one].size) == 0;
}

/* Do the core's lines of one text (the old one for EDITED_REMOVED, the new one
 * for EDITED_ADDED) stand at `at` of the text `in`? */
static bool fits_at(const struct edited_text *edited, const struct core *core,
                    enum edited_mark mark, size_t at, enum edited_mark in)
{
    size_t here = at;

    if (core->at_start && at != next_of(edited, 0, in))
        return false;
    for (size_t i = next_of(edited, core->first, mark); i < core->end;
         i = next_of(edited, i + 1, mark), here = next_of(edited, here + 1, in)) {
        if (here == edited->count || !is_same_text(edited, i, here))
            return false;
    }
    return !core->at_end || next_of(edited, here, in) == edited->count;
}

/* Does the hunk fit only where it belongs: its old lines, for patch, and its new
 * ones, for patch -R? Neither may fit in the other text: a second run would
 * change it again. */
static bool is_unique(const struct edited_text *edited, const struct hunk *hunk, size_t fuzz_max)
{
    const enum edited_mark old = EDITED_REMOVED, new = EDITED_ADDED;
    const struct core core = core_of(edited, hunk, fuzz_max);
    const size_t old_at = next_of(edited, core.first, old);
    const size_t new_at = next_of(edited, core.first, new);

    for (size_t at = 0; at < edited->count; at++) {
        /* Few lines are like the first one. A core without lines fits anywhere. */
        if (old_at < core.end && new_at < core.end && !is_same_text(edited, at, old_at) &&
            !is_same_text(edited, at, new_at))
            continue;
        const bool in_old = is_of(&edited->line[at], old), in_new = is_of(&edited->line[at], new);
        if ((in_old && at != old_at && fits_at(edited, &core, old, at, old)) ||
            (in_new && at != new_at && fits_at(edited, &core, new, at, new)) ||
            (in_new && fits_at(edited, &core, old, at, new)) ||
            (in_old && fits_at(edited, &core, new, at, old)))
            return false;
    }
    return true;
}

/* The hunk of the first change from `from` on, with that many lines of context;
 * changes that share some are one hunk. False: there is none. */
static bool next_hunk(const struct edited_text *edited, size_t from, size_t width,
                      struct hunk *hunk)
{
    size_t kept = 0;

    while (from < edited->count && edited->line[from].mark == EDITED_KEPT)
        from++;
    if (from == edited->count)
        return false;
    hunk->first = from > width ? from - width : 0;
    for (hunk->end = from; hunk->end < edited->count && kept <= 2 * width; hunk->end++)
        kept = edited->line[hunk->end].mark == EDITED_KEPT ? kept + 1 : 0;
    hunk->end -= kept > width ? kept - width : 0;
    return true;
}

/* Are all hunks unique with that many lines of context? */
static bool are_unique(const struct edited_text *edited, size_t width, size_t fuzz_max)
{
    struct hunk hunk = {0, 0};

    while (next_hunk(edited, hunk.end, width, &hunk))
        if (!is_unique(edited, &hunk, fuzz_max))
            return false;
    return true;
}

/*
 * How many lines of context the hunks of this text need, so that each of them is
 * unique; 0: no number of lines is enough. patch removes a file that becomes
 * empty, with its owner and mode, and fills an empty one again and again.
 */
static size_t context_width(const struct edited_text *edited)
{
    if (next_of(edited, 0, EDITED_REMOVED) == edited->count ||
        next_of(edited, 0, EDITED_ADDED) == edited->count)
        return 0;
    for (size_t width = CONTEXT_LINES; width <= CONTEXT_LINES_MAX; width++) {
        if (are_unique(edited, width, FUZZ_LINES))
            return width;
        if (width >= edited->count)
            break;
    }
    /* In a short file a hunk may reach from start to end, and nothing ties it to
     * either: several with less context do. They are exact, without fuzz. */
    for (size_t width = CONTEXT_LINES; width > 0; width--)
        if (are_unique(edited, width, 0))
            return width;
    return 0;
}

/* --- printing ------------------------------------------------------------- */

/* The place of a hunk in one of the texts: its first line, or the one before it
 * where it has none, and how many they are. */
static void print_range(FILE *to, char sign, const struct edited_text *edited,
                        const struct hunk *hunk, enum edited_mark mark)
{
    size_t before = 0, count = 0;

    for (size_t i = 0; i < hunk->end; i++) {
        before += i < hunk->first && is_of(&edited->line[i], mark);
        count += i >= hunk->first && is_of(&edited->line[i], mark);
    }
    fprintf(to, "%c%zu", sign, count > 0 ? before + 1 : before);
    if (count != 1)
        fprintf(to, ",%zu", count);
}

static void print_line(FILE *to, char sign, const struct edited_line *line)
{
    fputc(sign, to);
    fwrite(line->text, 1, line->size, to);
    if (line->size == 0 || line->text[line->size - 1] != '\n')
        fputs("\n\\ No newline at end of file\n", to);
}

/* Of lines that change one after the other, those that are removed come first. */
static void print_hunk(FILE *to, const struct edited_text *edited, const struct hunk *hunk)
{
    fputs("@@ ", to);
    print_range(to, '-', edited, hunk, EDITED_REMOVED);
    fputc(' ', to);
    print_range(to, '+', edited, hunk, EDITED_ADDED);
    fputs(" @@\n", to);
    for (size_t i = hunk->first; i < hunk->end;) {
        const size_t first = i;
        if (edited->line[i].mark == EDITED_KEPT) {
            print_line(to, ' ', &edited->line[i++]);
            continue;
        }
        for (; i < hunk->end && edited->line[i].mark != EDITED_KEPT; i++)
            if (edited->line[i].mark == EDITED_REMOVED)
                print_line(to, '-', &edited->line[i]);
        for (size_t k = first; k < i; k++)
            if (edited->line[k].mark == EDITED_ADDED)
                print_line(to, '+', &edited->line[k]);
    }
}

/* The tab ends a name that may contain blanks; a new file gets the mode that
 * the configuration files of others have, whatever the umask is. */
static void print_names(FILE *to, const char *path, bool exists)
{
    const char *tab = strchr(path, ' ') != NULL ? "\t" : "";

    if (exists)
        fprintf(to, "--- a%s%s\n", path, tab);
    else
        fprintf(to, "diff --git a%s b%s\nnew file mode 100644\n--- /dev/null\n", path, path);
    fprintf(to, "+++ b%s%s\n", path, tab);
}

static int print_file(FILE *to, const struct host *host, const struct edits *edits,
                      const char *path)
{
    const struct host as_is = {.root = host->root};
    struct text_file file;
    struct edited_text edited = {0};
    struct hunk hunk = {0, 0};
    int result = host_read_text(&as_is, path, O_NOFOLLOW, TEXT_FILE_SIZE_MAX, &file);

    if (result != 0 && errno != ENOENT)
        return -1;
    result = edits_run(edits, host, path, &file, &edited);
    const size_t width = result == 0 && file.text != NULL ? context_width(&edited) : CONTEXT_LINES;
    if (result == 0 && edited.changed && width == 0) {
        errno = ENOTUNIQ;
        result = -1;
    }
    if (result == 0 && edited.changed)
        print_names(to, path, file.text != NULL);
    while (result == 0 && next_hunk(&edited, hunk.end, width, &hunk))
        print_hunk(to, &edited, &hunk);
    const int saved = errno;
    edited_text_free(&edited);
    free(file.text);
    errno = saved;
    return result;
}

static int compare_paths(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

int diff_print(FILE *to, const struct host *host, const struct edits *edits)
{
    const char **path = malloc((edits->count + 1) * sizeof *path);
    int result = 0;

    if (path == NULL)
        return -1;
    for (size_t i = 0; i < edits->count; i++)
        path[i] = edits->item[i].file;
    qsort(path, edits->count, sizeof *path, compare_paths);
    for (size_t i = 0; result == 0 && i < edits->count; i++)
        if (i == 0 || strcmp(path[i], path[i - 1]) != 0)
            result = print_file(to, host, edits, path[i]);
    free(path);
    return result;
}
