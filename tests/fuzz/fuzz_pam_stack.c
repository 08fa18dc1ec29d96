/*
 * Fuzzes the parsing of PAM stacks and of pam_faillock's file.
 *
 * The input is the service's file; a line #### begins the next file that it may
 * include: common-auth, then inner, then faillock.conf. Aborts unless
 * - every parsed line has its parts, and a position in an existing file;
 * - a substack's lines end where the substack does, and lie within the stack;
 * - a file without inclusions has as many lines as a simple word count finds;
 * - pam_faillock counts as used exactly if a line of the stack calls it.
 */
#include "tests/fuzz/fuzz.h"

#include "tools/tmoutctl/host/faillock.h"
#include "tools/tmoutctl/pam/stack.h"

#include <strings.h>
#include <sys/stat.h>

static const char NEXT_FILE[] = "\n####\n";
static const char blanks[] = " \t\r\f\v";

static const char *const names[] = {"/etc/pam.d/sshd", "/etc/pam.d/common-auth", "/etc/pam.d/inner",
                                    "/etc/security/faillock.conf"};
enum { FILES = sizeof names / sizeof *names };

static struct host host;

/* A tree of this process's own, created once, in memory if possible. */
static void make_tree(void)
{
    static char in_memory[] = "/dev/shm/fuzz-pam-stack-XXXXXX",
                root[] = "/tmp/fuzz-pam-stack-XXXXXX";
    static const char *const directories[] = {"/etc", "/etc/pam.d", "/etc/security"};
    char path[128];

    if (host.root != NULL)
        return;
    host.root = mkdtemp(in_memory) != NULL ? in_memory : mkdtemp(root);
    MUST(host.root != NULL);
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        snprintf(path, sizeof path, "%s%s", host.root, directories[i]);
        MUST(mkdir(path, 0755) == 0);
    }
}

static void remove_tree(void)
{
    static const char *const directories[] = {"/etc/security", "/etc/pam.d", "/etc", ""};
    char path[128];

    for (size_t i = 0; host.root != NULL && i < FILES; i++) {
        snprintf(path, sizeof path, "%s%s", host.root, names[i]);
        unlink(path);
    }
    for (size_t i = 0; host.root != NULL && i < sizeof directories / sizeof *directories; i++) {
        snprintf(path, sizeof path, "%s%s", host.root, directories[i]);
        rmdir(path);
    }
}

static void put_file(const char *name, const char *data, size_t size)
{
    char path[128];

    snprintf(path, sizeof path, "%s%s", host.root, name);
    FILE *file = fopen(path, "we");
    MUST(file != NULL);
    MUST(fwrite(data, 1, size, file) == size);
    MUST(fclose(file) == 0);
}

/* Writes the files that the input represents, and returns their number. */
static size_t put_files(const char *data, size_t size)
{
    const char *const end = data + size;
    size_t count = 0;

    for (; count < FILES; count++) {
        const char *next = memmem(data, (size_t)(end - data), NEXT_FILE, sizeof NEXT_FILE - 1);
        const char *stop = next != NULL && count + 1 < FILES ? next : end;
        put_file(names[count], data, (size_t)(stop - data));
        if (stop == end)
            break;
        data = stop + sizeof NEXT_FILE - 1;
    }
    for (size_t i = count + 1; i < FILES; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", host.root, names[i]);
        unlink(path);
    }
    return count + 1;
}

static void check_place(const char *file, unsigned line)
{
    char path[4200];

    MUST(file != NULL && file[0] == '/');
    MUST(line < 1u << 20);
    MUST(host_path(&host, file, path, sizeof path) == 0 && access(path, F_OK) == 0);
}

static void check_stack(const struct pam_stack *stack)
{
    MUST(strcmp(stack->path, names[0]) == 0);
    for (size_t i = 0; i < stack->count; i++) {
        const struct pam_line *line = &stack->line[i];
        MUST(line->control[0] != '\0' && line->module[0] != '\0');
        MUST(line->control[0] == '[' || strpbrk(line->control, blanks) == NULL);
        MUST(line->module[0] == '[' || strpbrk(line->module, blanks) == NULL);
        MUST(line->line > 0 && line->origin > 0);
        MUST(line->end > i && line->end <= stack->count);
        check_place(line->file, line->line);
    }
    if (stack->problem != NULL)
        check_place(stack->problem_file, stack->problem_line);
}

/* Counts the lines of a type in a file without inclusions, in a different way. */
static size_t count_lines(const char *text, const char *type)
{
    size_t count = 0;
    char *copy = strdup(text), *rest = copy, *line;

    MUST(copy != NULL);
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *word, *at = line, *words[3] = {NULL};
        size_t found = 0;
        line[strcspn(line, "#")] = '\0';
        while (found < 3 && (word = strtok_r(at, blanks, &at)) != NULL)
            words[found++] = word;
        count += found == 3 && strcasecmp(words[0] + (words[0][0] == '-'), type) == 0;
    }
    free(copy);
    return count;
}

static void check_type(const char *text, size_t size, size_t files, const char *type)
{
    struct pam_stack stack;
    struct faillock faillock;
    bool calls_faillock = false;

    MUST(pam_stack_read(&host, "sshd", type, &stack) == PAM_STACK_OK);
    check_stack(&stack);
    /* What the count does not understand: inclusions, [...], continued lines. */
    if (files == 1 && strlen(text) == size && strpbrk(text, "@[]\\") == NULL &&
        strcasestr(text, "include") == NULL && strcasestr(text, "substack") == NULL)
        MUST(stack.count == count_lines(text, type));
    for (size_t i = 0; i < stack.count; i++)
        calls_faillock = calls_faillock || pam_line_is(&stack.line[i], "pam_faillock.so");
    faillock_read(&host, &stack, &faillock);
    MUST(faillock.used == calls_faillock);
    pam_stack_free(&stack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);

    if (host.root == NULL)
        atexit(remove_tree);
    make_tree();
    const size_t files = put_files(text, size);
    check_type(text, size, files, "auth");
    check_type(text, size, files, "session");
    free(text);
    return 0;
}
