#include "tools/tmoutctl/sshd/text.h"

#include "lib/host/array.h"
#include "tools/tmoutctl/host/edit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* As deep as sshd follows Include (SERVCONF_MAX_DEPTH of OpenSSH). */
enum { DEPTH_MAX = 16 };

/*
 * More lines than any site has, and than `tmoutctl sshd-config` prints: in a
 * policy file, 8 MiB at most, every 16 bytes may be a setting of some group,
 * which becomes a block of two lines with its origin. Files that each include
 * two others double with each level, so there has to be a limit.
 */
enum { LINES_MAX = 1024 * 1024, FILE_SIZE_MAX = 128 * 1024 * 1024 };

static const char blanks[] = " \t\r\f\v";

struct text_reader {
    const struct host *host;
    struct sshd_text text;
    const char *open[DEPTH_MAX + 1]; /* the files that are being read, outermost first */
    bool out_of_memory;
};

/* Notes a problem, unless there has been one before. */
static void text_problem(struct text_reader *reader, const char *file, unsigned line,
                         const char *what)
{
    struct sshd_text *text = &reader->text;

    if (text->problem != NULL)
        return;
    text->problem = strdup(what);
    text->problem_file = strdup(file);
    text->problem_line = line;
    if (text->problem == NULL || text->problem_file == NULL)
        reader->out_of_memory = true;
}

/* Notes the first file for which sshd might wait. */
static void text_blocks(struct text_reader *reader, const char *path)
{
    if (reader->text.blocking_file != NULL)
        return;
    reader->text.blocking_file = strdup(path);
    reader->out_of_memory |= reader->text.blocking_file == NULL;
}

/* --- one line ------------------------------------------------------------- */

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

const char *sshd_line_comment(const char *text)
{
    char word[512];
    size_t length;
    const char *rest;

    if (sshd_line_keyword(text, &length, &rest) == NULL)
        return "";
    while (sshd_next_word(&rest, word, sizeof word))
        ;
    const char *comment = rest + strspn(rest, blanks);
    return *comment == '#' ? rest : "";
}

static void line_free(struct sshd_line *line)
{
    free(line->text);
    free(line->keyword);
    free(line->arguments);
    free(line->file);
}

const char *sshd_line_keyword(const char *text, size_t *length, const char **rest)
{
    const char *keyword = text + strspn(text, blanks);

    if (*keyword == '\0' || *keyword == '#')
        return NULL;
    const bool quoted = *keyword == '"';
    keyword += quoted;
    *length = strcspn(keyword, quoted ? "\"" : " \t\r\f\v=");
    const char *end = keyword + *length;
    *rest = end + (quoted && *end == '"');
    *rest += strspn(*rest, blanks);
    *rest += **rest == '=';
    return keyword;
}

/* Adds the line, whose strings become the text's. Returns 0, or -1 with them
 * released: out of memory. */
static int text_add_line(struct sshd_text *text, struct sshd_line *line)
{
    struct sshd_line *grown = NULL;

    if (line->text != NULL && line->keyword != NULL && line->arguments != NULL &&
        line->file != NULL)
        grown = array_grow(text->line, text->count, sizeof *grown);
    if (grown == NULL) {
        line_free(line);
        return -1;
    }
    grown[text->count++] = *line;
    text->line = grown;
    return 0;
}

/* --- files ---------------------------------------------------------------- */

static void text_read_file(struct text_reader *reader, const char *path,
                           const struct sshd_line *from, int depth);

static bool text_is_open(const struct text_reader *reader, const char *path, int depth)
{
    for (int i = 0; i <= depth; i++)
        if (strcmp(reader->open[i], path) == 0)
            return true;
    return false;
}

void sshd_include_pattern(const char *pattern, char *full, size_t size)
{
    snprintf(full, size, "%s%s", pattern[0] == '/' ? "" : "/etc/ssh/", pattern);
}

int sshd_include_paths(const struct host *host, const char *pattern, struct host_paths *paths)
{
    char full[2 * PATH_MAX];

    sshd_include_pattern(pattern, full, sizeof full);
    return host_find_paths(host, full, paths);
}

/* Follows one pattern of an Include; where nothing matches, sshd goes on, too. A
 * Match block that begins in an included file ends with that file. */
static void text_include_pattern(struct text_reader *reader, const struct sshd_line *from,
                                 const char *pattern, int depth)
{
    struct host_paths paths = {0};

    if (depth >= DEPTH_MAX) {
        text_problem(reader, from->file, from->line, "includes files too deep");
        return;
    }
    reader->out_of_memory |= sshd_include_paths(reader->host, pattern, &paths) != 0;
    for (size_t i = 0; i < paths.count && !reader->out_of_memory; i++) {
        if (text_is_open(reader, paths.item[i], depth))
            text_problem(reader, from->file, from->line, "includes a file from within it: a loop");
        else
            text_read_file(reader, paths.item[i], from, depth + 1);
    }
    host_paths_free(&paths);
}

static void text_include(struct text_reader *reader, const struct sshd_line *from, int depth)
{
    char pattern[PATH_MAX];

    for (const char *rest = from->arguments;
         !reader->out_of_memory && sshd_next_word(&rest, pattern, sizeof pattern);)
        text_include_pattern(reader, from, pattern, depth);
}

/* Adds the line that begins at text, and what it includes. */
static void text_read_line(struct text_reader *reader, const char *text, struct sshd_line *line,
                           int depth)
{
    const char *file = reader->open[depth], *rest;
    size_t length;
    const char *keyword = sshd_line_keyword(text, &length, &rest);

    if (keyword == NULL)
        return;
    if (reader->text.count >= LINES_MAX) {
        text_problem(reader, file, line->line, "comes after too many lines of included files");
        return;
    }
    line->text = strdup(text);
    line->keyword = strndup(keyword, length);
    line->arguments = strdup(rest);
    line->file = strdup(file);
    if (line->keyword != NULL && strcasecmp(line->keyword, "match") == 0) {
        line->in_match = true;
        line->match = reader->text.count;
    }
    if (text_add_line(&reader->text, line) != 0) {
        reader->out_of_memory = true;
        return;
    }
    if (strcasecmp(line->keyword, "include") == 0)
        text_include(reader, line, depth);
}

/* from is the Include, or NULL. */
static void text_read_file(struct text_reader *reader, const char *path,
                           const struct sshd_line *from, int depth)
{
    bool in_match = from != NULL && from->in_match;
    size_t match = from != NULL ? from->match : 0;
    char what[256];
    struct text_file file;

    reader->open[depth] = path;
    if (host_read_text(reader->host, path, 0, FILE_SIZE_MAX, &file) != 0) {
        reader->out_of_memory |= errno == ENOMEM;
        if (errno == EINVAL) {
            text_blocks(reader, path);
            snprintf(what, sizeof what, "cannot be read: it is not a regular file");
        } else {
            snprintf(what, sizeof what, "cannot be read: %s", strerror(errno));
        }
        text_problem(reader, path, 0, what);
        return;
    }
    for (struct text_line at = {0}; !reader->out_of_memory && next_text_line(&file, &at);) {
        struct sshd_line line = {.line = at.number, .in_match = in_match, .match = match};
        file.text[at.end - file.text] = '\0'; /* in place of the newline */
        text_read_line(reader, at.start, &line, depth);
        in_match = line.in_match;
        match = line.match;
    }
    free(file.text);
}

const char *sshd_config_path(const struct host *host)
{
    struct vendor_path place;

    return vendor_file(host, SSHD_CONFIG_PATH, &place) == place.text ? SSHD_CONFIG_VENDOR
                                                                     : SSHD_CONFIG_PATH;
}

int sshd_text_read(const struct host *host, struct sshd_text *text)
{
    struct text_reader reader = {.host = host};

    text_read_file(&reader, sshd_config_path(host), NULL, 0);
    *text = reader.text;
    return reader.out_of_memory ? -1 : 0;
}

void sshd_text_free(struct sshd_text *text)
{
    for (size_t i = 0; i < text->count; i++)
        line_free(&text->line[i]);
    free(text->line);
    free(text->problem);
    free(text->problem_file);
    free(text->blocking_file);
    *text = (struct sshd_text){0};
}

const struct sshd_line *sshd_text_first(const struct sshd_text *text, const char *keyword)
{
    for (size_t i = 0; i < text->count; i++)
        if (!text->line[i].in_match && strcasecmp(text->line[i].keyword, keyword) == 0)
            return &text->line[i];
    return NULL;
}
