#include "tools/tmoutctl/sshd/text.h"

#include "tools/tmoutctl/host/text_file.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* As deep as sshd follows (SERVCONF_MAX_DEPTH of OpenSSH). */
enum { DEEPEST = 16 };

/*
 * More than any site has, and than `tmoutctl sshd-config` prints: of a policy's
 * file, 8 MiB at most, each 16 bytes may be a setting of some group, and that
 * is a block of two lines with its origin. Files that each include two others
 * double with each level: so there has to be an end.
 */
enum { MOST_LINES = 1024 * 1024, FILE_SIZE_MAX = 128 * 1024 * 1024 };

static const char blanks[] = " \t\r\f\v";

struct reader {
    const char *root;
    struct sshd_text *text;
    const char *open[DEEPEST + 1]; /* the files that are being read, outermost first */
    bool out_of_memory;
};

static void problem(struct reader *reader, const char *file, unsigned line, const char *what)
{
    struct sshd_text *text = reader->text;

    if (text->problem != NULL)
        return;
    text->problem = strdup(what);
    text->problem_file = strdup(file);
    text->problem_line = line;
    if (text->problem == NULL || text->problem_file == NULL)
        reader->out_of_memory = true;
}

bool sshd_next_word(const char **at, char *word, size_t size)
{
    const char *c = *at + strspn(*at, blanks);
    char quote = '\0';
    size_t used = 0;

    word[0] = '\0';
    if (*c == '\0' || *c == '#')
        return false;
    for (; *c != '\0' && (quote != '\0' || strchr(blanks, *c) == NULL); c++) {
        if (quote == '\0' && (*c == '"' || *c == '\'')) {
            quote = *c;
            continue;
        }
        if (quote != '\0' && *c == quote) {
            quote = '\0';
            continue;
        }
        if (*c == '\\' && (c[1] == '\\' || c[1] == '"' || c[1] == '\''))
            c++;
        if (used + 1 < size)
            word[used++] = *c;
    }
    word[used] = '\0';
    *at = c;
    return true;
}

static void read_file(struct reader *reader, const char *path, bool in_match, int depth);

static bool is_open(const struct reader *reader, const char *path, int depth)
{
    for (int i = 0; i <= depth; i++)
        if (strcmp(reader->open[i], path) == 0)
            return true;
    return false;
}

/* Follows one pattern of an Include. What a Match block of an included file
 * begins ends with that file. */
static void include(struct reader *reader, const struct sshd_line *from, const char *pattern,
                    int depth)
{
    const size_t root_length = strlen(reader->root);
    char full[2 * PATH_MAX];
    glob_t paths;

    if (depth >= DEEPEST) {
        problem(reader, from->file, from->line, "includes files too deep");
        return;
    }
    snprintf(full, sizeof full, "%s%s%s", reader->root, pattern[0] == '/' ? "" : "/etc/ssh/",
             pattern);
    if (glob(full, 0, NULL, &paths) != 0)
        return; /* nothing matches: sshd goes on, too */
    for (size_t i = 0; i < paths.gl_pathc; i++) {
        const char *path = paths.gl_pathv[i] + root_length;
        if (is_open(reader, path, depth))
            problem(reader, from->file, from->line, "includes a file from within it: a loop");
        else
            read_file(reader, path, from->in_match, depth + 1);
    }
    globfree(&paths);
}

/* Takes text[length], which is a line without its newline, apart. False: it
 * has no keyword, or there is no memory. */
static bool parse_line(struct reader *reader, const char *text, size_t length,
                       struct sshd_line *line)
{
    char *copy = strndup(text, length);

    if (copy == NULL) {
        reader->out_of_memory = true;
        return false;
    }
    char *keyword = copy + strspn(copy, blanks);
    if (*keyword == '\0' || *keyword == '#') {
        free(copy);
        return false;
    }
    const bool quoted = *keyword == '"';
    keyword += quoted;
    char *end = keyword + strcspn(keyword, quoted ? "\"" : " \t\r\f\v=");
    const char *rest = end + (quoted && *end == '"');
    rest += strspn(rest, blanks);
    rest += *rest == '=';
    line->arguments = strdup(rest);
    line->keyword = strndup(keyword, (size_t)(end - keyword));
    free(copy);
    if (line->arguments != NULL && line->keyword != NULL)
        return true;
    free(line->arguments);
    free(line->keyword);
    reader->out_of_memory = true;
    return false;
}

/* Takes the line over. */
static void add_line(struct reader *reader, const struct sshd_line *line)
{
    struct sshd_text *text = reader->text;

    /* Doubling, at the powers of two. */
    if ((text->count & (text->count - 1)) == 0) {
        const size_t room = text->count == 0 ? 1 : 2 * text->count;
        struct sshd_line *grown = reallocarray(text->line, room, sizeof *grown);
        if (grown == NULL) {
            free(line->keyword);
            free(line->arguments);
            free(line->file);
            reader->out_of_memory = true;
            return;
        }
        text->line = grown;
    }
    text->line[text->count++] = *line;
}

static void read_file(struct reader *reader, const char *path, bool in_match, int depth)
{
    char real[PATH_MAX], pattern[PATH_MAX];
    struct text_file file;

    reader->open[depth] = path;
    snprintf(real, sizeof real, "%s%s", reader->root, path);
    if (read_large_text_file(real, 0, FILE_SIZE_MAX, &file) != 0) {
        char what[256];
        snprintf(what, sizeof what, "cannot be read: %s", strerror(errno));
        problem(reader, path, 0, what);
        return;
    }
    for (struct text_line at = {0}; !reader->out_of_memory && next_text_line(&file, &at);) {
        struct sshd_line line = {.line = at.number, .in_match = in_match};
        if (reader->text->count >= MOST_LINES) {
            problem(reader, path, at.number, "comes after too many lines of included files");
            break;
        }
        if (!parse_line(reader, at.start, (size_t)(at.end - at.start), &line))
            continue;
        if (strcasecmp(line.keyword, "match") == 0)
            in_match = line.in_match = true;
        line.file = strdup(path);
        if (line.file == NULL)
            reader->out_of_memory = true;
        add_line(reader, &line);
        if (strcasecmp(line.keyword, "include") == 0 && !reader->out_of_memory)
            for (const char *rest = line.arguments; sshd_next_word(&rest, pattern, sizeof pattern);)
                include(reader, &line, pattern, depth);
    }
    free(file.text);
}

int sshd_text_read(const char *root, struct sshd_text *text)
{
    struct reader reader = {.root = root, .text = text};

    *text = (struct sshd_text){0};
    read_file(&reader, SSHD_CONFIG_PATH, false, 0);
    return reader.out_of_memory ? -1 : 0;
}

void sshd_text_free(struct sshd_text *text)
{
    for (size_t i = 0; i < text->count; i++) {
        free(text->line[i].keyword);
        free(text->line[i].arguments);
        free(text->line[i].file);
    }
    free(text->line);
    free(text->problem);
    free(text->problem_file);
    *text = (struct sshd_text){0};
}

const struct sshd_line *sshd_text_first(const struct sshd_text *text, const char *keyword)
{
    for (size_t i = 0; i < text->count; i++)
        if (!text->line[i].in_match && strcasecmp(text->line[i].keyword, keyword) == 0)
            return &text->line[i];
    return NULL;
}
