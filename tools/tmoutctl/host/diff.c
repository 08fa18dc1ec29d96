#include "tools/tmoutctl/host/diff.h"

#include "lib/attempts/ledger_access.h"
#include "lib/host/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

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

/* Is a regular file immutable or append-only? By statx(2), one would not have to open it, but
 * musl has had that only since 1.2.5. */
static bool is_immutable(const char *full)
{
    const int fd = open(full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    const bool found = fd >= 0 && ledger_is_immutable(fd);

    if (fd >= 0)
        close(fd);
    return found;
}

/* Why patch, which puts a new file in the place of the old one, would fail there or lose what
 * the old one has besides owner and mode; NULL: it would not. */
static const char *irreplaceable_because(const char *full)
{
    char directory[PATH_MAX];

    if (is_immutable(full))
        return "it is immutable or append-only";
    if (lgetxattr(full, "system.posix_acl_access", NULL, 0) > 0)
        return "patch would drop its access control list";
    snprintf(directory, sizeof directory, "%s", full);
    *strrchr(directory, '/') = '\0';
    if (lgetxattr(directory, "system.posix_acl_default", NULL, 0) > 0)
        return "its directory would give it another access control list";
    return NULL;
}

const char *diff_target(const struct host *host, const char *path, char *real)
{
    const size_t root_length = strlen(host->root);
    char full[PATH_MAX], found[PATH_MAX];
    const char *why;
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
    } else if ((why = irreplaceable_because(found)) != NULL) {
        return why;
    }
    if (strncmp(found, host->root, root_length) != 0 || found[root_length] != '/')
        return "it is a link that leads elsewhere";
    if (!is_plain_path(found))
        return "its name has characters that a diff cannot have";
    snprintf(real, PATH_MAX, "%s", found + root_length);
    return NULL;
}

/* --- lines that are equal -------------------------------------------------- */

/* One of the texts of an edited text: its lines, and where there are others like them. */
struct side {
    const struct edited_line **line;
    size_t count;
    size_t *before;  /* for each line of the edited text, and its end: lines of this side before */
    size_t *earlier; /* for each line: the number of the last one before it like it, plus one */
    size_t *among;   /* for each line: how many like it there are up to it */
    struct map last; /* by what lines are: the number of the last one, plus one */
};

static bool is_of(const struct edited_line *line, enum edited_mark mark)
{
    return line->mark == EDITED_KEPT || line->mark == mark;
}

static uint64_t line_key(const struct edited_line *line)
{
    return checksum(CHECKSUM_START, line->text, line->size);
}

static void side_free(struct side *side)
{
    free(side->line);
    free(side->before);
    free(side->earlier);
    free(side->among);
    map_free(&side->last);
    *side = (struct side){0};
}

/* The lines of the edited text that are kept or have this mark. Returns 0, or -1: out of
 * memory; side is to be freed either way. */
static int side_make(const struct edited_text *edited, enum edited_mark mark, struct side *side)
{
    const size_t size = edited->count + 1;

    *side = (struct side){.line = calloc(size, sizeof *side->line),
                          .before = calloc(size, sizeof *side->before),
                          .earlier = calloc(size, sizeof *side->earlier),
                          .among = calloc(size, sizeof *side->among)};
    if (side->line == NULL || side->before == NULL || side->earlier == NULL || side->among == NULL)
        return -1;
    for (size_t i = 0; i < edited->count; i++) {
        const struct edited_line *line = &edited->line[i];
        const size_t number = side->count;
        side->before[i] = number;
        if (!is_of(line, mark))
            continue;
        const uint64_t key = line_key(line);
        const size_t last = (size_t)(uintptr_t)map_find(&side->last, key);
        side->line[number] = line;
        side->earlier[number] = last;
        side->among[number] = last > 0 ? side->among[last - 1] + 1 : 1;
        if (!map_put(&side->last, key, (void *)(uintptr_t)++side->count))
            return -1;
    }
    side->before[edited->count] = side->count;
    return 0;
}

static bool is_same_text(const struct edited_line *one, const struct edited_line *other)
{
    return one->size == other->size && memcmp(one->text, other->text, one->size) == 0;
}

/* Lines [first, end) of a side that patch looks for. */
struct core {
    const struct side *of;
    size_t first, end;
    bool at_start, at_end; /* only there */
};

static bool fits_at(const struct core *core, const struct side *in, size_t at)
{
    const size_t count = core->end - core->first;

    if (at + count > in->count || (core->at_start && at > 0) ||
        (core->at_end && at + count < in->count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!is_same_text(core->of->line[core->first + i], in->line[at + i]))
            return false;
    return true;
}

#define NOWHERE SIZE_MAX

/* Do the lines stand anywhere in a text, but at `except`? Looks only where the one that is
 * the rarest there is. */
static bool fits_elsewhere(const struct core *core, const struct side *in, size_t except)
{
    size_t rarest = core->first, fewest = SIZE_MAX, candidate = 0;

    for (size_t i = core->first; i < core->end; i++) {
        const size_t last = (size_t)(uintptr_t)map_find(&in->last, line_key(core->of->line[i]));
        const size_t among = last > 0 ? in->among[last - 1] : 0;
        if (among < fewest) {
            rarest = i;
            fewest = among;
            candidate = last;
        }
    }
    for (; candidate > 0; candidate = in->earlier[candidate - 1]) {
        const size_t offset = rarest - core->first;
        if (candidate - 1 >= offset && candidate - 1 - offset != except &&
            fits_at(core, in, candidate - 1 - offset))
            return true;
    }
    return core->first == core->end; /* no lines fit anywhere */
}

/* --- hunks ---------------------------------------------------------------- */

/* A file as it is, for any number of diffs. */
struct diff_file {
    char *path;
    struct text_file file;
    struct edited_text lines; /* without any edit */
    struct side text;
    size_t *start; /* where each line starts, and where the last one ends */
};

/* What becomes of a part of a file, so large that no hunk sees its ends unless they are those
 * of the file. */
struct piece {
    const struct diff_file *file;
    size_t first; /* line of the file, from 0 */
    struct edited_text edited;
    struct side old, new;
};

/* Lines [first, end) of the piece's edited text; the rest of it is unchanged. */
struct hunk {
    size_t first, end;
};

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

/* What patch compares of a hunk where it ignores as much as it may, on one side. Where there is
 * less context it ignores less, and may look only at the file's start or end (locate_hunk() of
 * GNU patch). There is no more to compare than all. */
static struct core core_of(const struct piece *piece, const struct side *side,
                           const struct hunk *hunk, size_t fuzz_max)
{
    const struct edited_text *edited = &piece->edited;
    const size_t before = context_before(edited, hunk), after = context_after(edited, hunk);
    const size_t more = before > after ? before : after;
    const bool is_all = hunk->first == 0 && hunk->end == edited->count;
    const size_t fuzz = is_all ? 0 : (more < fuzz_max ? more : fuzz_max);
    struct core core = {side, side->before[hunk->first], side->before[hunk->end],
                        before + fuzz < more, after + fuzz < more};

    if (!core.at_start)
        core.first += before + fuzz - more;
    if (!core.at_end)
        core.end -= after + fuzz - more;
    return core;
}

/* Does the hunk fit only where it belongs: its old lines, for patch, and its new
 * ones, for patch -R? Neither may fit in the other text: a second run would
 * change it again. */
static bool is_unique(const struct piece *piece, const struct hunk *hunk, size_t fuzz_max)
{
    const struct core old = core_of(piece, &piece->old, hunk, fuzz_max);
    const struct core new = core_of(piece, &piece->new, hunk, fuzz_max);
    const struct side *text = &piece->file->text;

    /* Outside of the piece, both texts are as the file is. */
    return !fits_elsewhere(&old, text, piece->first + old.first) &&
           !fits_elsewhere(&new, text, NOWHERE) && !fits_elsewhere(&old, &piece->new, NOWHERE) &&
           !fits_elsewhere(&new, &piece->new, new.first);
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
static bool are_unique(const struct piece *piece, size_t width, size_t fuzz_max)
{
    struct hunk hunk = {0, 0};

    while (next_hunk(&piece->edited, hunk.end, width, &hunk))
        if (!is_unique(piece, &hunk, fuzz_max))
            return false;
    return true;
}

static void piece_free(struct piece *piece)
{
    edited_text_free(&piece->edited);
    side_free(&piece->old);
    side_free(&piece->new);
}

/* The lines that edits are about, from *first to *end, or those that they are before; both
 * within the file. Returns how many lines they add. */
static size_t edits_span(const struct diff_file *file, const struct edit *const *edit, size_t count,
                         size_t *first, size_t *end)
{
    const size_t lines = file->text.count;
    size_t added = 0;

    *first = lines;
    *end = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t at = edit[i]->line - 1U < lines ? edit[i]->line - 1U : lines;
        *first = at < *first ? at : *first;
        *end = at + 1 > *end ? at + 1 : *end;
        added++;
        for (const char *c = edit[i]->text; c != NULL && (c = strchr(c, '\n')) != NULL; c++)
            added++;
    }
    return added;
}

/* Runs the edits on as much of the file as hunks with that much context, and whatever they may
 * be taken for, reach. Returns 0, or -1 with errno; piece is to be freed either way. */
static int piece_make(const struct diff_file *file, const struct edit **edit, size_t count,
                      size_t width, struct piece *piece)
{
    size_t first, end;
    const size_t added = edits_span(file, edit, count, &first, &end);
    const size_t reach = added + (end - first) + 2 * width + 1;

    first = first > reach ? first - reach : 0;
    end = file->text.count - end > reach && end < file->text.count ? end + reach : file->text.count;
    *piece = (struct piece){.file = file, .first = first};
    const struct text_file lines = {
        .text = file->file.text != NULL ? file->file.text + file->start[first] : NULL,
        .size = file->start[end] - file->start[first]};
    if (edits_run_lines(edit, count, &lines, (unsigned)first, &piece->edited) != 0 ||
        side_make(&piece->edited, EDITED_REMOVED, &piece->old) != 0 ||
        side_make(&piece->edited, EDITED_ADDED, &piece->new) != 0)
        return -1;
    return 0;
}

/*
 * Runs the edits, and finds out how many lines of context their hunks need, so that each of
 * them is unique; 0: no number of lines is enough. patch removes a file that becomes empty,
 * with its owner and mode, and fills an empty one again and again. Returns 0, or -1 with errno;
 * piece is to be freed either way.
 */
static int find_hunks(const struct diff_file *file, const struct edit **edit, size_t count,
                      struct piece *piece, size_t *width)
{
    *piece = (struct piece){.file = file};
    for (*width = CONTEXT_LINES; *width <= CONTEXT_LINES_MAX; ++*width) {
        piece_free(piece);
        if (piece_make(file, edit, count, *width, piece) != 0)
            return -1;
        if (!piece->edited.changed || file->file.text == NULL)
            return 0;
        const bool is_all = piece->old.count == file->text.count;
        if (file->text.count == 0 || (is_all && piece->new.count == 0)) {
            *width = 0;
            return 0;
        }
        if (are_unique(piece, *width, FUZZ_LINES))
            return 0;
        if (is_all && *width >= piece->edited.count)
            break;
    }
    /* In a short file a hunk may reach from start to end, and nothing ties it to
     * either: several with less context do. They are exact, without fuzz. */
    for (*width = CONTEXT_LINES; *width > 0 && !are_unique(piece, *width, 0);)
        --*width;
    return 0;
}

/* --- printing ------------------------------------------------------------- */

/* The place of a hunk in one of the texts: its first line, or the one before it
 * where it has none, and how many they are. */
static void print_range(FILE *to, char sign, const struct piece *piece, const struct side *side,
                        const struct hunk *hunk)
{
    const size_t before = piece->first + side->before[hunk->first];
    const size_t count = side->before[hunk->end] - side->before[hunk->first];

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
static void print_hunk(FILE *to, const struct piece *piece, const struct hunk *hunk)
{
    const struct edited_text *edited = &piece->edited;

    fputs("@@ ", to);
    print_range(to, '-', piece, &piece->old, hunk);
    fputc(' ', to);
    print_range(to, '+', piece, &piece->new, hunk);
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

/* Prints what edits of one file change, which are sorted for it. */
static int print_file(FILE *to, const struct diff_file *file, const struct edit **edit,
                      size_t count)
{
    struct piece piece;
    struct hunk hunk = {0, 0};
    size_t width;
    int result = find_hunks(file, edit, count, &piece, &width);

    if (result == 0 && piece.edited.changed) {
        if (width == 0) {
            errno = ENOTUNIQ;
            result = -1;
        } else {
            print_names(to, file->path, file->file.text != NULL);
        }
    }
    while (result == 0 && next_hunk(&piece.edited, hunk.end, width, &hunk))
        print_hunk(to, &piece, &hunk);
    const int saved = errno;
    piece_free(&piece);
    errno = saved;
    return result;
}

/* --- files ---------------------------------------------------------------- */

static void file_free(void *freed)
{
    struct diff_file *file = freed;

    side_free(&file->text);
    edited_text_free(&file->lines);
    free(file->start);
    free(file->file.text);
    free(file->path);
    free(file);
}

/* Reads the rest of a file, whose path is set; it need not exist. Returns 0, or -1 with errno. */
static int file_read(const struct host *host, struct diff_file *file)
{
    const struct host as_is = {.root = host->root};

    if ((host_read_text(&as_is, file->path, O_NOFOLLOW, TEXT_FILE_SIZE_MAX, &file->file) != 0 &&
         errno != ENOENT) ||
        edits_run_lines(NULL, 0, &file->file, 0, &file->lines) != 0 ||
        side_make(&file->lines, EDITED_KEPT, &file->text) != 0)
        return -1;
    file->start = calloc(file->text.count + 1, sizeof *file->start);
    if (file->start == NULL)
        return -1;
    for (size_t i = 0; i < file->text.count; i++)
        file->start[i + 1] = file->start[i] + file->lines.line[i].size;
    return 0;
}

static int compare_paths(const void *left, const void *right)
{
    return strcmp(((const struct diff_file *)left)->path, ((const struct diff_file *)right)->path);
}

/* The file at a path, which is read if it was not. NULL with errno. */
static const struct diff_file *files_get(struct diff_files *files, const struct host *host,
                                         const char *path)
{
    const struct diff_file wanted = {.path = (char *)(uintptr_t)path};
    struct diff_file *const *found = tfind(&wanted, &files->by_path, compare_paths);
    struct diff_file *file = found == NULL ? calloc(1, sizeof *file) : *found;

    if (file == NULL || found != NULL)
        return file;
    file->path = strdup(path);
    if (file->path != NULL && file_read(host, file) == 0 &&
        tsearch(file, &files->by_path, compare_paths) != NULL)
        return file;
    const int saved = errno;
    file_free(file);
    errno = saved;
    return NULL;
}

const struct text_file *diff_files_read(struct diff_files *files, const struct host *host,
                                        const char *path)
{
    const struct diff_file *file = files_get(files, host, path);

    return file != NULL ? &file->file : NULL;
}

void diff_files_free(struct diff_files *files)
{
    tdestroy(files->by_path, file_free);
    files->by_path = NULL;
}

static int compare_files(const void *left, const void *right)
{
    return strcmp((*(const struct edit *const *)left)->file,
                  (*(const struct edit *const *)right)->file);
}

int diff_print(FILE *to, const struct host *host, const struct edits *edits,
               struct diff_files *files)
{
    const struct edit **edit = malloc((edits->count + 1) * sizeof *edit);
    int result = 0;

    if (edit == NULL)
        return -1;
    for (size_t i = 0; i < edits->count; i++)
        edit[i] = &edits->item[i];
    qsort(edit, edits->count, sizeof(struct edit *), compare_files);
    for (size_t first = 0, end; result == 0 && first < edits->count; first = end) {
        for (end = first; end < edits->count && compare_files(&edit[first], &edit[end]) == 0;)
            end++;
        const struct diff_file *file = files_get(files, host, edit[first]->file);
        result = file != NULL ? print_file(to, file, &edit[first], end - first) : -1;
    }
    free(edit);
    return result;
}
