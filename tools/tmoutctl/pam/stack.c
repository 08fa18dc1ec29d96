#include "tools/tmoutctl/pam/stack.h"

#include "lib/host/array.h"
#include "tools/tmoutctl/host/edit.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* How deep libpam follows both kinds of inclusion (PAM_SUBSTACK_MAX_LEVEL of
 * Linux-PAM). */
enum { DEPTH_MAX = 16 };

static const char blanks[] = " \t\r\f\v";

/* The state of reading a stack's files. */
struct reader {
    const struct host *host;
    const char *type;
    struct pam_stack stack;
    unsigned origin;
    const char *open[DEPTH_MAX + 1]; /* the files being read, outermost first */
    bool out_of_memory;
};

/* Records the first problem. */
static void __attribute__((format(printf, 4, 5)))
set_problem(struct reader *reader, const char *file, unsigned line, const char *format, ...)
{
    struct pam_stack *stack = &reader->stack;
    va_list arguments;

    if (stack->problem != NULL)
        return;
    va_start(arguments, format);
    if (vasprintf(&stack->problem, format, arguments) < 0)
        stack->problem = NULL;
    va_end(arguments);
    stack->problem_file = strdup(file);
    stack->problem_line = line;
    if (stack->problem == NULL || stack->problem_file == NULL)
        reader->out_of_memory = true;
}

/*
 * The next word of *at, [...] being one word. It is terminated in place, and
 * *at moved past it. NULL if there is none.
 */
static char *next_word(char **at)
{
    char *word = *at + strspn(*at, blanks), *end;

    if (*word == '\0')
        return NULL;
    if (*word == '[') {
        for (end = word + 1; *end != '\0' && *end != ']'; end++)
            if (*end == '\\' && end[1] != '\0')
                end++;
        end += *end == ']';
    } else {
        end = word + strcspn(word, blanks);
    }
    *at = end + (*end != '\0');
    *end = '\0';
    return word;
}

/* The line that begins at *line, with the lines that continue it after a
 * backslash, and without a comment. The caller frees it; NULL: out of memory. */
static char *join_lines(const struct text_file *file, struct text_line *line)
{
    char *joined = malloc((size_t)(file->text + file->size - line->start) + 2);
    size_t used = 0;

    if (joined == NULL)
        return NULL;
    for (;;) {
        size_t length = (size_t)(line->end - line->start);
        const char *comment = memchr(line->start, '#', length);
        if (comment != NULL)
            length = (size_t)(comment - line->start);
        memcpy(joined + used, line->start, length);
        used += length;
        if (comment != NULL || length == 0 || line->start[length - 1] != '\\')
            break;
        joined[used - 1] = ' ';
        if (!next_text_line(file, line))
            break;
    }
    /* libpam stops at a NUL, and so do the callers. */
    joined[used] = '\0';
    return joined;
}

static void free_pam_line(struct pam_line *line)
{
    free(line->control);
    free(line->module);
    free(line->arguments);
    free(line->file);
}

static void add_pam_line(struct reader *reader, const char *control, const char *module,
                         const char *arguments, const char *file, unsigned number)
{
    struct pam_stack *stack = &reader->stack;
    struct pam_line *grown = array_grow(stack->line, stack->count, sizeof *grown);
    struct pam_line line = {.line = number, .origin = reader->origin};

    if (grown == NULL) {
        reader->out_of_memory = true;
        return;
    }
    stack->line = grown;
    line.control = strdup(control);
    line.module = strdup(module);
    line.arguments = strdup(arguments);
    line.file = strdup(file);
    if (line.control != NULL && line.module != NULL && line.arguments != NULL &&
        line.file != NULL) {
        stack->line[stack->count++] = line;
        return;
    }
    free_pam_line(&line);
    reader->out_of_memory = true;
}

static void read_pam_file(struct reader *reader, const char *path, int depth);

/* Finds the file of a service, or of what a line includes, and puts its path
 * on the host into path. Returns 0, or -1 if there is none. */
static int find_pam_file(const struct reader *reader, const char *name, char *path, size_t size)
{
    static const char *const directories[] = {"/etc/pam.d/", "/usr/lib/pam.d/"};
    char real[PATH_MAX];
    struct stat status;

    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        snprintf(path, size, "%s%s", name[0] == '/' ? "" : directories[i], name);
        if (host_path(reader->host, path, real, sizeof real) == 0 && stat(real, &status) == 0)
            return 0;
    }
    return -1;
}

static bool is_open(const struct reader *reader, const char *path, int depth)
{
    for (int i = 0; i <= depth; i++)
        if (strcmp(reader->open[i], path) == 0)
            return true;
    return false;
}

/* Follows the inclusion in a line of file. */
static void follow_include(struct reader *reader, const char *name, bool substack, const char *file,
                           unsigned number, int depth)
{
    const size_t first = reader->stack.count;
    char path[PATH_MAX];

    if (name == NULL) {
        set_problem(reader, file, number, "include without a file name");
    } else if (depth >= DEPTH_MAX) {
        set_problem(reader, file, number, "includes %s, nested more than %d levels deep", name,
                    DEPTH_MAX);
    } else if (find_pam_file(reader, name, path, sizeof path) != 0) {
        set_problem(reader, file, number, "includes %s, which does not exist", name);
    } else if (is_open(reader, path, depth)) {
        set_problem(reader, file, number, "includes %s recursively", name);
    } else {
        read_pam_file(reader, path, depth + 1);
    }
    for (size_t i = first; substack && i < reader->stack.count; i++)
        if (reader->stack.line[i].end == 0)
            reader->stack.line[i].end = reader->stack.count;
}

static bool is_type(const char *word)
{
    static const char *const types[] = {"auth", "account", "password", "session"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcasecmp(word, types[i]) == 0)
            return true;
    return false;
}

/* text is the line's own copy, and is cut into words. */
static void parse_pam_line(struct reader *reader, char *text, const char *file, unsigned number,
                           int depth)
{
    char *rest = text, *type = next_word(&rest);

    if (type == NULL)
        return;
    if (strcasecmp(type, "@include") == 0) {
        follow_include(reader, next_word(&rest), false, file, number, depth);
        return;
    }
    /* The dash only keeps libpam from logging a missing module. */
    type += type[0] == '-';
    if (!is_type(type)) {
        set_problem(reader, file, number, "\"%s\" is not a PAM type", type);
        return;
    }
    if (strcasecmp(type, reader->type) != 0)
        return;
    char *control = next_word(&rest), *module = next_word(&rest);
    if (control != NULL &&
        (strcasecmp(control, "include") == 0 || strcasecmp(control, "substack") == 0))
        follow_include(reader, module, strcasecmp(control, "substack") == 0, file, number, depth);
    else if (control == NULL || module == NULL)
        set_problem(reader, file, number, "incomplete line: expected type, control and module");
    else
        add_pam_line(reader, control, module, rest + strspn(rest, blanks), file, number);
}

static void read_pam_lines(struct reader *reader, const struct text_file *file, const char *path,
                           int depth)
{
    for (struct text_line line = {0}; !reader->out_of_memory && next_text_line(file, &line);) {
        const unsigned number = line.number;
        char *text = join_lines(file, &line);
        if (depth == 0)
            reader->origin = number;
        if (text == NULL)
            reader->out_of_memory = true;
        else
            parse_pam_line(reader, text, path, number, depth);
        free(text);
    }
}

static void read_pam_file(struct reader *reader, const char *path, int depth)
{
    struct text_file file;

    if (host_read_text(reader->host, path, 0, TEXT_FILE_SIZE_MAX, &file) != 0) {
        reader->out_of_memory |= errno == ENOMEM;
        set_problem(reader, path, 0, "cannot be read: %s", strerror(errno));
        return;
    }
    reader->open[depth] = path;
    read_pam_lines(reader, &file, path, depth);
    reader->open[depth] = NULL;
    free(file.text);
}

enum pam_stack_status pam_stack_read(const struct host *host, const char *service, const char *type,
                                     struct pam_stack *stack)
{
    struct reader reader = {.host = host, .type = type};
    char path[PATH_MAX];

    *stack = (struct pam_stack){0};
    if (find_pam_file(&reader, service, path, sizeof path) != 0)
        return PAM_STACK_ABSENT;
    reader.stack.path = strdup(path);
    if (reader.stack.path == NULL)
        return PAM_STACK_FAILED;
    read_pam_file(&reader, path, 0);
    for (size_t i = 0; i < reader.stack.count; i++)
        if (reader.stack.line[i].end == 0)
            reader.stack.line[i].end = reader.stack.count;
    *stack = reader.stack;
    return reader.out_of_memory ? PAM_STACK_FAILED : PAM_STACK_OK;
}

void pam_stack_free(struct pam_stack *stack)
{
    for (size_t i = 0; i < stack->count; i++)
        free_pam_line(&stack->line[i]);
    free(stack->line);
    free(stack->path);
    free(stack->problem);
    free(stack->problem_file);
    *stack = (struct pam_stack){0};
}

bool pam_line_is(const struct pam_line *line, const char *name)
{
    const char *slash = strrchr(line->module, '/');

    return strcmp(slash != NULL ? slash + 1 : line->module, name) == 0;
}

/* The first argument that begins with start, or NULL. */
static const char *find_argument(const struct pam_line *line, const char *start)
{
    const size_t length = strlen(start);

    for (const char *word = line->arguments; *(word += strspn(word, blanks)) != '\0';
         word += strcspn(word, blanks))
        if (strncmp(word, start, length) == 0)
            return word;
    return NULL;
}

bool pam_line_has(const struct pam_line *line, const char *word)
{
    const size_t length = strlen(word);
    const char *found = find_argument(line, word);

    return found != NULL && strcspn(found, blanks) == length;
}

const char *pam_line_value(const struct pam_line *line, const char *name)
{
    const char *found = find_argument(line, name);

    return found != NULL ? found + strlen(name) : NULL;
}
