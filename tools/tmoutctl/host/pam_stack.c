#include "tools/tmoutctl/host/pam_stack.h"

#include "tools/tmoutctl/host/text_file.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* As deep as libpam follows (PAM_SUBSTACK_MAX_LEVEL of Linux-PAM), for both
 * kinds of inclusion; a loop ends there. */
enum { DEEPEST = 16 };

static const char blanks[] = " \t\r\f\v";

/* What the files of a stack are read with. */
struct reader {
    const char *root;
    const char *type;
    struct pam_stack *stack;
    unsigned origin;
    const char *open[DEEPEST + 1]; /* the files that are being read, outermost first */
    bool out_of_memory;
};

/* Remembers the first problem. */
static void problem(struct reader *reader, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void problem(struct reader *reader, const char *file, unsigned line, const char *format, ...)
{
    struct pam_stack *stack = reader->stack;
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
 * The next word of *at, with what is in brackets as one; it is ended with a
 * NUL and *at moved behind it. NULL: there is none.
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

/* The line that begins at *line, with what follows a backslash at its end, and
 * without a comment. The caller frees it; NULL: no memory. */
static char *whole_line(const struct text_file *file, struct text_line *line)
{
    char *whole = malloc((size_t)(file->text + file->size - line->start) + 2);
    size_t used = 0;

    if (whole == NULL)
        return NULL;
    for (;;) {
        size_t length = (size_t)(line->end - line->start);
        const char *comment = memchr(line->start, '#', length);
        if (comment != NULL)
            length = (size_t)(comment - line->start);
        memcpy(whole + used, line->start, length);
        used += length;
        if (comment != NULL || length == 0 || line->start[length - 1] != '\\')
            break;
        whole[used - 1] = ' ';
        if (!next_text_line(file, line))
            break;
    }
    /* libpam stops at a NUL; so does whoever reads this. */
    whole[used] = '\0';
    return whole;
}

static void add_line(struct reader *reader, const char *control, const char *module,
                     const char *arguments, const char *file, unsigned number)
{
    struct pam_stack *stack = reader->stack;
    struct pam_line *grown = reallocarray(stack->line, stack->count + 1, sizeof *grown);

    if (grown == NULL) {
        reader->out_of_memory = true;
        return;
    }
    stack->line = grown;
    struct pam_line *line = &stack->line[stack->count++];
    *line = (struct pam_line){.control = strdup(control),
                              .module = strdup(module),
                              .arguments = strdup(arguments),
                              .file = strdup(file),
                              .line = number,
                              .origin = reader->origin};
    reader->out_of_memory = line->control == NULL || line->module == NULL ||
                            line->arguments == NULL || line->file == NULL;
}

static void read_file(struct reader *reader, const char *path, int depth);

/* Finds the file of a service, or of what a line includes, into path, as it is
 * called below the root. 0, or -1 if there is none. */
static int find_file(const struct reader *reader, const char *name, char *path, size_t size)
{
    static const char *const directories[] = {"/etc/pam.d/", "/usr/lib/pam.d/"};
    char real[PATH_MAX];
    struct stat status;

    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        snprintf(path, size, "%s%s", name[0] == '/' ? "" : directories[i], name);
        snprintf(real, sizeof real, "%s%s", reader->root, path);
        if (stat(real, &status) == 0)
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

/* Follows an inclusion that stands in line number of file. */
static void include(struct reader *reader, const char *name, bool substack, const char *file,
                    unsigned number, int depth)
{
    const size_t first = reader->stack->count;
    char path[PATH_MAX];

    if (name == NULL) {
        problem(reader, file, number, "includes nothing: a file's name is missing");
    } else if (depth >= DEEPEST) {
        problem(reader, file, number, "includes %s more than %d levels deep", name, DEEPEST);
    } else if (find_file(reader, name, path, sizeof path) != 0) {
        problem(reader, file, number, "includes %s, which does not exist", name);
    } else if (is_open(reader, path, depth)) {
        problem(reader, file, number, "includes %s from within it: a loop", name);
    } else {
        read_file(reader, path, depth + 1);
    }
    for (size_t i = first; substack && i < reader->stack->count; i++)
        if (reader->stack->line[i].end == 0)
            reader->stack->line[i].end = reader->stack->count;
}

static bool is_type(const char *word)
{
    static const char *const types[] = {"auth", "account", "password", "session"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcasecmp(word, types[i]) == 0)
            return true;
    return false;
}

/* text is the line's, and cut into words. */
static void take_line(struct reader *reader, char *text, const char *file, unsigned number,
                      int depth)
{
    char *rest = text, *type = next_word(&rest);

    if (type == NULL)
        return;
    if (strcasecmp(type, "@include") == 0) {
        include(reader, next_word(&rest), false, file, number, depth);
        return;
    }
    /* A missing module is then not logged; it is missing all the same. */
    type += type[0] == '-';
    if (!is_type(type)) {
        problem(reader, file, number, "begins with \"%s\", which is no type of PAM", type);
        return;
    }
    if (strcasecmp(type, reader->type) != 0)
        return;
    char *control = next_word(&rest), *module = next_word(&rest);
    if (control != NULL &&
        (strcasecmp(control, "include") == 0 || strcasecmp(control, "substack") == 0))
        include(reader, module, strcasecmp(control, "substack") == 0, file, number, depth);
    else if (module == NULL)
        problem(reader, file, number, "is incomplete: type, control and module make a line");
    else
        add_line(reader, control, module, rest + strspn(rest, blanks), file, number);
}

static void read_file(struct reader *reader, const char *path, int depth)
{
    char real[PATH_MAX];
    struct text_file file;

    reader->open[depth] = path;
    snprintf(real, sizeof real, "%s%s", reader->root, path);
    if (read_text_file(real, 0, &file) != 0) {
        problem(reader, path, 0, "cannot be read: %s", strerror(errno));
        return;
    }
    for (struct text_line line = {0}; !reader->out_of_memory && next_text_line(&file, &line);) {
        const unsigned number = line.number;
        char *text = whole_line(&file, &line);
        if (depth == 0)
            reader->origin = number;
        if (text == NULL)
            reader->out_of_memory = true;
        else
            take_line(reader, text, path, number, depth);
        free(text);
    }
    free(file.text);
}

enum pam_stack_status pam_stack_read(const char *root, const char *service, const char *type,
                                     struct pam_stack *stack)
{
    struct reader reader = {.root = root, .type = type, .stack = stack};
    char path[PATH_MAX];

    *stack = (struct pam_stack){0};
    if (find_file(&reader, service, path, sizeof path) != 0)
        return PAM_STACK_ABSENT;
    stack->path = strdup(path);
    if (stack->path == NULL)
        return PAM_STACK_FAILED;
    read_file(&reader, path, 0);
    for (size_t i = 0; i < stack->count; i++)
        if (stack->line[i].end == 0)
            stack->line[i].end = stack->count;
    return reader.out_of_memory ? PAM_STACK_FAILED : PAM_STACK_OK;
}

void pam_stack_free(struct pam_stack *stack)
{
    for (size_t i = 0; i < stack->count; i++) {
        free(stack->line[i].control);
        free(stack->line[i].module);
        free(stack->line[i].arguments);
        free(stack->line[i].file);
    }
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

/* Where a word that begins with start begins among the arguments, or NULL. */
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
