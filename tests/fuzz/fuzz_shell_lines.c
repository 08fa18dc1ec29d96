/*
 * Fuzzes the parsing of shell files, and the line that is added to them. The
 * input is the text of a file; it is parsed once as each kind of file that may
 * set the limit. Aborts unless
 * - a finding has a position in the file, names the variable, and has a value whose
 *   digits are in the line;
 * - the edits comment out only lines that contain the variable, among them
 *   all findings, and only lines that cannot run anything else;
 * - an rc file from which our line is removed again is unchanged, byte for byte;
 * - our numbers are found only where the text contains them.
 */
#include "tests/fuzz/tree.h"

#include "tools/tmoutctl/shells/files.h"
#include "tools/tmoutctl/shells/findings.h"
#include "tools/tmoutctl/shells/hooks.h"
#include "tools/tmoutctl/shells/lines.h"
#include "tools/tmoutctl/shells/literal.h"

static const char *const places[] = {"/etc/profile.d/x.sh", "/etc/zsh/zlogin", "/etc/csh.login"};
enum { PLACES = sizeof places / sizeof *places, CSH_PLACE = PLACES - 1 };

/* Returns the line with this number without its comment; NULL if there is none.
 * The caller frees it. */
static char *commands_of(const char *text, size_t size, unsigned number)
{
    struct text_file file = {.text = fuzz_text(text, size), .size = size};
    char *commands = NULL;

    for (struct text_line line = {0}; commands == NULL && next_text_line(&file, &line);)
        if (line.number == number)
            commands = strdup(shell_line_commands(&file, &line));
    free(file.text);
    return commands;
}

static void check_finding(const struct shell_finding *finding, const char *text, size_t size)
{
    char *commands = commands_of(text, size, finding->line), digits[32];

    MUST(commands != NULL);
    MUST(strstr(commands, finding->text) != NULL);
    MUST(strstr(finding->text, shell_variable(finding->csh)) != NULL);
    MUST(finding->value >= -1);
    snprintf(digits, sizeof digits, "%ld", finding->value);
    MUST(finding->value < 0 || strstr(finding->text, digits) != NULL);
    MUST(finding->kind != SHELL_FINDING_LITERAL);
    free(commands);
}

/* The line has nothing that a shell treats as another command, or expands to
 * one. */
static void check_line_out(const char *text, size_t size, unsigned number, bool csh)
{
    char *commands = commands_of(text, size, number);

    MUST(commands != NULL);
    MUST(strstr(commands, shell_variable(csh)) != NULL);
    MUST(strpbrk(commands, "`|&()<>{}[]*?!~\\") == NULL);
    free(commands);
}

/* Looks at the lines that are commented out; all findings must be among them. */
static void check_edits(const struct edits *edits, const struct shell_findings *findings, bool csh,
                        const char *text, size_t size)
{
    for (size_t i = 0; i < edits->count; i++) {
        MUST(edits->item[i].kind == EDIT_REPLACE && strncmp(edits->item[i].text, ": # ", 4) == 0);
        check_line_out(text, size, edits->item[i].line, csh);
    }
    for (size_t i = 0; edits->count > 0 && i < findings->count; i++) {
        bool found = false;
        for (size_t k = 0; k < edits->count; k++)
            found = found || edits->item[k].line == findings->item[i].line;
        MUST(found);
    }
}

static void check_place(const char *place, bool csh, const char *text, size_t size)
{
    struct shell_findings findings = {0};

    tree_put(place, text, size);
    MUST(shell_findings_find(&host, &findings) == 0);
    for (size_t i = 0; i < findings.count; i++) {
        MUST(strcmp(findings.item[i].file, place) == 0 && findings.item[i].csh == csh);
        check_finding(&findings.item[i], text, size);
    }
    struct edits edits = {0};
    MUST(shell_lines_out(&host, place, csh, &edits) == 0);
    check_edits(&edits, &findings, csh, text, size);
    edits_free(&edits);
    shell_findings_free(&findings);
    tree_unlink(place);
}

static void check_same(const char *name, const char *text, size_t size)
{
    struct text_file file;

    MUST(shell_file_read(&host, name, 0, &file) == 0);
    MUST(file.size == size && memcmp(file.text, text, size) == 0);
    free(file.text);
}

static void check_hook(const struct rc_file *rc, const char *text, size_t size)
{
    struct failure failure = {""};

    tree_put(rc->path, text, size);
    const enum shell_hook_result added = shell_hook_add(&host, rc, &failure);
    /* What is no text is not changed. That it reads our file already may show all the same. */
    const bool is_text = strlen(text) == size;
    MUST(is_text ? added != SHELL_HOOK_FAILED : added != SHELL_HOOK_ADDED);
    if (added == SHELL_HOOK_ADDED) {
        MUST(shell_rc_hook_line(&host, rc) > 0);
        MUST(shell_hook_remove(&host, rc, &failure) == SHELL_HOOK_REMOVED);
    }
    check_same(rc->path, text, size);
    tree_unlink(rc->path);
}

static void check_literals(const char *text, size_t size)
{
    struct shell_findings findings = {0};

    tree_put(PROFILE_SH, text, size);
    MUST(shell_literals_find(&host, 1, &findings) == 0);
    for (size_t i = 0; i < findings.count; i++) {
        char *commands = commands_of(text, size, findings.item[i].line);
        MUST(findings.item[i].kind == SHELL_FINDING_LITERAL && findings.item[i].value > 1);
        MUST(commands != NULL && strstr(commands, "TMOUT=") != NULL);
        free(commands);
    }
    shell_findings_free(&findings);
    tree_unlink(PROFILE_SH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);

    tree_make();
    for (size_t i = 0; i < PLACES; i++)
        check_place(places[i], i == CSH_PLACE, text, size);
    /* A line that looks like ours is removed as well. */
    if (memmem(text, size, "/tmout/shells/", strlen("/tmout/shells/")) == NULL) {
        tree_put(rc_files[0].fragment, "", 0);
        check_hook(&rc_files[0], text, size);
    }
    check_literals(text, size);
    free(text);
    return 0;
}
