/*
 * Fuzzes the parsing of PAM stacks and of pam_faillock's file.
 *
 * The input is the service's file; a line #### begins the next file that it may
 * include: common-auth, then inner, then faillock.conf. Aborts unless
 * - every parsed line has its parts, and a position in an existing file;
 * - a line is at most one substack deeper than the one before;
 * - a stack whose modules all succeed or all fail has an end, and one that
 *   libpam gives up on lets nobody in;
 * - a file without inclusions has as many lines as a simple word count finds;
 * - pam_faillock counts as used exactly if a line of the stack calls it.
 */
#include "tests/fuzz/fuzz.h"

#include "tools/tmoutctl/host/faillock.h"
#include "tools/tmoutctl/pam/run.h"

#include <strings.h>
#include <sys/stat.h>

static const char NEXT_FILE[] = "\n####\n";
static const char blanks[] = " \t";

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

/* Runs the stack with this result of every line. */
static void check_run(const struct pam_stack *stack, int result)
{
    struct pam_run run;
    size_t before = 0;

    for (pam_run_start(stack, &run); run.at < stack->count;) {
        MUST(run.at >= before);
        before = run.at + 1;
        pam_run_return(stack, &run, PAM_CALL_FIRST, result, result);
    }
    MUST(!stack->aborts || pam_run_status(stack, &run) != PAM_SUCCESS);
}

static void check_stack(const struct pam_stack *stack)
{
    unsigned level = 0;

    MUST(strcmp(stack->path, names[0]) == 0);
    for (size_t i = 0; i < stack->count; i++) {
        const struct pam_line *line = &stack->line[i];
        MUST(line->control[0] == '[' || strpbrk(line->control, blanks) == NULL);
        MUST(line->kind == PAM_LINE_MODULE || line->module[0] == '\0');
        MUST(line->line > 0 && line->last_line >= line->line && line->on_host == line->line);
        MUST(line->origin > 0 && line->level <= level + 1 && line->level <= PAM_LEVELS_MAX);
        level = line->level;
        check_place(line->file, line->line);
    }
    check_run(stack, PAM_SUCCESS);
    check_run(stack, PAM_AUTH_ERR);
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
        /* What libpam does not understand is for auth. */
        const char *word_type = found > 0 ? words[0] + (words[0][0] == '-') : type;
        const bool is_known =
            strcasecmp(word_type, "auth") == 0 || strcasecmp(word_type, "account") == 0 ||
            strcasecmp(word_type, "password") == 0 || strcasecmp(word_type, "session") == 0;
        count += found > 0 && strcasecmp(is_known ? word_type : "auth", type) == 0;
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
