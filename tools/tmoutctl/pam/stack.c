#include "tools/tmoutctl/pam/stack.h"

#include "lib/host/array.h"
#include "tools/tmoutctl/host/vendor.h"
#include "tools/tmoutctl/pam/installed.h"
#include "tools/tmoutctl/pam/text.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const char blanks[] = " \t";

/* The service whose lines libpam takes where another has none of a type. */
#define FALLBACK_SERVICE "other"

/* How many inclusions a stack may have. Files that each include a few others, level
 * after level, are millions of them. */
enum { PAM_FILES_MAX = 1000 };

/* The state of reading a stack's files. */
struct reader {
    const struct host *host;
    const char *type;
    struct pam_stack stack;
    unsigned origin, origin_on_host;
    const char *open[PAM_LEVELS_MAX + 1]; /* the files being read, outermost first */
    bool knows_modules;                   /* pam_directory_is_known() */
    bool out_of_memory;
};

/* A file being read, and how it came to that. */
struct opened {
    const char *path;
    int depth;         /* inclusions so far */
    unsigned level;    /* substacks among them */
    bool is_requested; /* by a line of the reader's type: everything else in it is skipped */
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

static void free_pam_line(struct pam_line *line)
{
    free(line->control);
    free(line->module);
    free(line->arguments);
    free(line->file);
}

/* What a line of a file says. */
struct parsed {
    enum pam_line_kind kind;
    const char *control, *module, *arguments;
    bool bracketed;
};

static bool is_absent(const struct reader *reader, const char *module)
{
    return reader->knows_modules &&
           (pam_module_has_isa(module) || !pam_module_is_installed(reader->host, module));
}

static void add_pam_line(struct reader *reader, const struct parsed *parsed,
                         const struct opened *file, const struct pam_text_line *at)
{
    struct pam_stack *stack = &reader->stack;
    struct pam_line *grown = array_grow(stack->line, stack->count, sizeof *grown);
    struct pam_line line = {.kind = parsed->kind,
                            .line = at->line,
                            .last_line = at->last_line,
                            .on_host = at->on_host,
                            .origin = reader->origin,
                            .origin_on_host = reader->origin_on_host,
                            .level = file->level,
                            .may_be_absent = parsed->kind == PAM_LINE_MODULE &&
                                             is_absent(reader, parsed->module)};

    if (grown == NULL) {
        reader->out_of_memory = true;
        return;
    }
    stack->line = grown;
    if (asprintf(&line.control, parsed->bracketed ? "[%s]" : "%s", parsed->control) < 0)
        line.control = NULL;
    line.module = strdup(parsed->module);
    line.arguments = strdup(parsed->arguments);
    line.file = strdup(file->path);
    if (line.control == NULL || line.module == NULL || line.arguments == NULL ||
        line.file == NULL) {
        free_pam_line(&line);
        reader->out_of_memory = true;
        return;
    }
    if (parsed->kind != PAM_LINE_SUBSTACK && !pam_control_parse(parsed->control, line.action))
        set_problem(reader, file->path, at->line,
                    "has a malformed control, %s: libpam takes every result for a failure",
                    line.control);
    stack->line[stack->count++] = line;
}

static void add_must_fail(struct reader *reader, const struct opened *file,
                          const struct pam_text_line *at)
{
    add_pam_line(reader, &(struct parsed){PAM_LINE_MUST_FAIL, "required", "", "", false}, file, at);
}

static bool read_pam_file(struct reader *reader, const struct opened *file);

/* Finds the file of a service, or of what a line includes, and puts its path
 * on the host into path. Returns 0, or -1 if there is none. */
static int find_pam_file(const struct reader *reader, const char *name, char *path, size_t size)
{
    char real[PATH_MAX];
    struct stat status;

    for (const char *const *directory = pam_directories; *directory != NULL; directory++) {
        snprintf(path, size, "%s%s", name[0] == '/' ? "" : *directory, name);
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

/* Follows the inclusion in a line. Returns false if libpam cannot. */
static bool follow_include(struct reader *reader, const char *name, const struct opened *file,
                           const struct opened *next, unsigned number)
{
    struct opened included = *next;
    char path[PATH_MAX];

    if (name == NULL) {
        set_problem(reader, file->path, number, "include without a file name");
    } else if (included.depth >= PAM_LEVELS_MAX) {
        set_problem(reader, file->path, number, "includes %s, nested more than %d levels deep",
                    name, PAM_LEVELS_MAX);
    } else if (find_pam_file(reader, name, path, sizeof path) != 0) {
        set_problem(reader, file->path, number, "includes %s, which does not exist", name);
    } else if (is_open(reader, path, file->depth)) {
        set_problem(reader, file->path, number, "includes %s recursively", name);
    } else {
        included.path = path;
        return read_pam_file(reader, &included);
    }
    return false;
}

static bool is_type(const char *word)
{
    static const char *const types[] = {"auth", "account", "password", "session"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcasecmp(word, types[i]) == 0)
            return true;
    return false;
}

/* What follows the type in a line of the reader's type, or in one that libpam
 * takes for that although its type is unknown: then its module must fail. */
static void parse_control(struct reader *reader, char *rest, enum pam_line_kind kind,
                          const struct opened *file, const struct pam_text_line *at)
{
    struct opened next = {.depth = file->depth + 1, .level = file->level, .is_requested = true};
    struct parsed parsed = {.kind = kind, .module = "", .arguments = ""};
    const char *control = pam_next_word(&rest, &parsed.bracketed);
    const char *module = pam_next_word(&rest, NULL);

    if (control != NULL && strcasecmp(control, "include") == 0) {
        if (!follow_include(reader, module, file, &next, at->line))
            add_must_fail(reader, file, at);
    } else if (control != NULL && strcasecmp(control, "substack") == 0) {
        parsed.kind = PAM_LINE_SUBSTACK;
        parsed.control = control;
        next.level++;
        add_pam_line(reader, &parsed, file, at);
        if (!follow_include(reader, module, file, &next, at->line))
            add_must_fail(reader, file, at);
    } else if (control == NULL || module == NULL) {
        set_problem(reader, file->path, at->line,
                    "incomplete line: expected type, control and module");
        parsed.kind = PAM_LINE_MUST_FAIL;
        parsed.control = control != NULL ? control : "required";
        add_pam_line(reader, &parsed, file, at);
    } else {
        parsed.control = control;
        if (kind == PAM_LINE_MODULE) {
            parsed.module = module;
            parsed.arguments = rest + strspn(rest, blanks);
        }
        add_pam_line(reader, &parsed, file, at);
    }
}

static void parse_pam_line(struct reader *reader, const struct opened *file,
                           const struct pam_text_line *at)
{
    /* libpam takes a line that it does not understand for one of the type that
     * it is reading, or for auth. */
    const bool is_ours = file->is_requested || strcasecmp(reader->type, "auth") == 0;
    struct opened next = {
        .depth = file->depth + 1, .level = file->level, .is_requested = file->is_requested};
    char *rest = at->text;
    const char *type = pam_next_word(&rest, NULL);

    if (type == NULL) {
        if (is_ours)
            add_must_fail(reader, file, at);
        return;
    }
    /* The dash only keeps libpam from logging a missing module. */
    type += type[0] == '-';
    if (strcasecmp(type, "@include") == 0) {
        if (follow_include(reader, pam_next_word(&rest, NULL), file, &next, at->line))
            return;
        if (file->is_requested)
            add_must_fail(reader, file, at);
        else
            reader->stack.aborts = true;
        return;
    }
    if (!is_type(type)) {
        set_problem(reader, file->path, at->line, "\"%s\" is not a PAM type", type);
        if (is_ours)
            parse_control(reader, rest, PAM_LINE_MUST_FAIL, file, at);
    } else if (strcasecmp(type, reader->type) == 0) {
        parse_control(reader, rest, PAM_LINE_MODULE, file, at);
    }
}

static void check_text_line(struct reader *reader, const struct opened *file,
                            const struct pam_text_line *at)
{
    static const char *const faults[] = {
        [PAM_LINE_INTERRUPTED] = "has a blank line or a comment after a backslash: releases of "
                                 "libpam differ in what they make of it",
        [PAM_LINE_UNFINISHED] = "is continued by a backslash, but the file ends: libpam rejects "
                                "the whole file",
        [PAM_LINE_LONG] = "is longer than 1,023 bytes: libpam before 1.6 cuts it in two"};

    if (at->fault != PAM_LINE_SOUND)
        set_problem(reader, file->path, at->line, "%s", faults[at->fault]);
}

uint64_t pam_file_bit(const char *real)
{
    uint32_t sum = 0;

    while (*real != '\0')
        sum = sum * 31 + (unsigned char)*real++;
    return UINT64_C(1) << (sum % 64);
}

/* Notes that the file was read. */
static void add_file(struct reader *reader, const char *path)
{
    struct pam_stack *stack = &reader->stack;
    char full[PATH_MAX], real[PATH_MAX];

    if (host_path(reader->host, path, full, sizeof full) != 0 || realpath(full, real) == NULL)
        return; /* a new file, which no other service has */
    char **grown = array_grow(stack->file, stack->files, sizeof *grown);
    char *copy = strdup(real);
    if (grown != NULL)
        stack->file = grown;
    if (grown == NULL || copy == NULL) {
        free(copy);
        reader->out_of_memory = true;
        return;
    }
    stack->file[stack->files++] = copy;
    stack->file_bits |= pam_file_bit(real);
}

/* Returns false if libpam takes the file for unreadable. What came before the
 * error stays. */
static bool read_pam_file(struct reader *reader, const struct opened *file)
{
    struct pam_text text;
    struct pam_text_line line;
    bool is_sound = true;
    int more = 0;

    if (reader->stack.files >= PAM_FILES_MAX) {
        set_problem(reader, file->path, 0,
                    "is one of more than %d inclusions: the stack cannot be judged", PAM_FILES_MAX);
        return false;
    }
    if (pam_text_open(reader->host, file->path, &text) != 0) {
        reader->out_of_memory |= errno == ENOMEM;
        if (errno == EINVAL)
            set_problem(reader, file->path, 0,
                        "is not a regular file: logins that read it hang or fail");
        else
            set_problem(reader, file->path, 0, "cannot be read: %s", strerror(errno));
        return false;
    }
    reader->open[file->depth] = file->path;
    add_file(reader, file->path);
    while (is_sound && !reader->out_of_memory && (more = pam_text_next(&text, &line)) > 0) {
        check_text_line(reader, file, &line);
        if (file->depth == 0) {
            reader->origin = line.line;
            reader->origin_on_host = line.on_host;
        }
        is_sound = line.fault != PAM_LINE_UNFINISHED;
        if (is_sound)
            parse_pam_line(reader, file, &line);
        free(line.text);
    }
    reader->out_of_memory |= more < 0;
    reader->open[file->depth] = NULL;
    pam_text_close(&text);
    return is_sound;
}

/* Adds the lines of a service. Returns 0, or -1 if there is no such service. */
static int read_service(struct reader *reader, const char *service)
{
    char path[PATH_MAX];

    if (find_pam_file(reader, service, path, sizeof path) != 0)
        return -1;
    if (reader->stack.path == NULL && (reader->stack.path = strdup(path)) == NULL)
        reader->out_of_memory = true;
    else if (!read_pam_file(reader, &(struct opened){.path = path}))
        reader->stack.aborts = true;
    return 0;
}

enum pam_stack_status pam_stack_read(const struct host *host, const char *service, const char *type,
                                     struct pam_stack *stack)
{
    struct reader reader = {
        .host = host, .type = type, .knows_modules = pam_directory_is_known(host)};
    const int found = read_service(&reader, service);

    if (found == 0 && reader.stack.count == 0 && !reader.stack.aborts)
        reader.stack.is_other = read_service(&reader, FALLBACK_SERVICE) == 0;
    *stack = reader.stack;
    if (reader.out_of_memory)
        return PAM_STACK_FAILED;
    return found == 0 ? PAM_STACK_OK : PAM_STACK_ABSENT;
}

void pam_stack_free(struct pam_stack *stack)
{
    for (size_t i = 0; i < stack->count; i++)
        free_pam_line(&stack->line[i]);
    for (size_t i = 0; i < stack->files; i++)
        free(stack->file[i]);
    free(stack->file);
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

bool pam_next_argument(const char **at, struct pam_argument *argument)
{
    const char *start = *at + strspn(*at, blanks);
    const bool is_bracketed = start[0] == '[';

    argument->written = start;
    argument->text = start + is_bracketed;
    argument->length = strcspn(argument->text, is_bracketed ? "]" : blanks);
    *at = argument->text + argument->length;
    *at += is_bracketed && **at == ']';
    argument->written_length = (size_t)(*at - start);
    return start[0] != '\0';
}

/* The first argument that begins with start. False: there is none. */
static bool find_argument(const struct pam_line *line, const char *start,
                          struct pam_argument *argument)
{
    const size_t length = strlen(start);

    for (const char *at = line->arguments; pam_next_argument(&at, argument);)
        if (argument->length >= length && strncmp(argument->text, start, length) == 0)
            return true;
    return false;
}

bool pam_line_has(const struct pam_line *line, const char *word)
{
    struct pam_argument argument;

    for (const char *at = line->arguments; pam_next_argument(&at, &argument);)
        if (argument.length == strlen(word) && strncmp(argument.text, word, argument.length) == 0)
            return true;
    return false;
}

const char *pam_line_value(const struct pam_line *line, const char *name, size_t *length)
{
    struct pam_argument argument;

    if (!find_argument(line, name, &argument))
        return NULL;
    *length = argument.length - strlen(name);
    return argument.text + strlen(name);
}
