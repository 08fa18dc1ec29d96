#include "tools/tmoutctl/pam/rewrite.h"

#include "tools/tmoutctl/host/text_file.h"
#include "tools/tmoutctl/pam/modules.h"
#include "tools/tmoutctl/pam/run.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t";

/* A line's own text and where its parts are in it. */
struct raw_line {
    char *text;
    char *control, *control_end;
    char *arguments; /* behind the module */
    char *end;       /* before a comment or blanks at the end */
};

static char *skip_blanks(char *at)
{
    return at + strspn(at, blanks);
}

/* The end of the word at `at`. */
static char *end_of_word(char *at)
{
    char *close = at[0] == '[' ? strchr(at, ']') : NULL;

    return close != NULL ? close + 1 : at + strcspn(at, blanks);
}

static bool find_parts(struct raw_line *raw)
{
    char *type = skip_blanks(raw->text);

    raw->end = raw->text + strcspn(raw->text, "#\r\n");
    while (raw->end > raw->text && strchr(blanks, raw->end[-1]) != NULL)
        raw->end--;
    raw->control = skip_blanks(end_of_word(type));
    raw->control_end = end_of_word(raw->control);
    raw->arguments = end_of_word(skip_blanks(raw->control_end));
    return raw->control_end > raw->control && raw->arguments <= raw->end;
}

/* Reads the line from the host, without its edits. The caller frees raw->text,
 * which is NULL if this fails. */
static int read_raw(const struct host *host, const struct pam_line *line, struct raw_line *raw)
{
    const struct host bare = {.root = host->root};
    struct text_file file;

    *raw = (struct raw_line){0};
    if (line->on_host == 0 || line->last_line != line->line ||
        host_read_text(&bare, line->file, 0, TEXT_FILE_SIZE_MAX, &file) != 0)
        return -1;
    for (struct text_line at = {0}; raw->text == NULL && next_text_line(&file, &at);)
        if (at.number == line->on_host)
            raw->text = strndup(at.start, (size_t)(at.end - at.start));
    free(file.text);
    if (raw->text == NULL)
        return -1;
    raw->text[strcspn(raw->text, "\r")] = '\0';
    if (find_parts(raw))
        return 0;
    free(raw->text);
    raw->text = NULL;
    return -1;
}

static int add_replacement(struct edits *edits, const struct pam_line *line, const char *text)
{
    /* edits_add() copies it. */
    const struct edit edit = {EDIT_REPLACE, line->file, line->on_host, (char *)(uintptr_t)text};

    return edits_add(edits, &edit);
}

int pam_delete_line(struct edits *edits, const struct pam_line *line)
{
    if (line->on_host == 0)
        return -1;
    for (unsigned i = 0; i <= line->last_line - line->line; i++) {
        const struct edit edit = {EDIT_DELETE, line->file, line->on_host + i, NULL};
        if (edits_add(edits, &edit) != 0)
            return -1;
    }
    return 0;
}

int pam_replace_control(const struct host *host, struct edits *edits, const struct pam_line *line,
                        const char *control)
{
    struct raw_line raw;
    char *text = NULL;
    int result = -1;

    if (read_raw(host, line, &raw) != 0)
        return -1;
    if (asprintf(&text, "%.*s%s%s", (int)(raw.control - raw.text), raw.text, control,
                 raw.control_end) >= 0) {
        result = add_replacement(edits, line, text);
        free(text);
    }
    free(raw.text);
    return result;
}

int pam_replace_arguments(const struct host *host, struct edits *edits, const struct pam_line *line,
                          bool (*keep)(const char *word, size_t length), const char *word)
{
    struct raw_line raw;
    char *text = NULL;
    size_t size = 0;
    int result = -1;

    if (read_raw(host, line, &raw) != 0)
        return -1;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        goto cleanup;
    fwrite(raw.text, 1, (size_t)(raw.arguments - raw.text), out);
    for (char *at = raw.arguments, *next; at < raw.end; at = next) {
        const char *behind = at;
        struct pam_argument argument;
        pam_next_argument(&behind, &argument);
        next = behind < raw.end ? at + (behind - at) : raw.end;
        if (argument.text + argument.length > raw.end)
            argument.length = (size_t)(raw.end - argument.text);
        if (keep(argument.text, argument.length))
            fwrite(at, 1, (size_t)(next - at), out);
    }
    if (word != NULL)
        fprintf(out, " %s", word);
    fputs(raw.end, out);
    if (fclose(out) == 0)
        result = add_replacement(edits, line, text);

cleanup:
    free(text);
    free(raw.text);
    return result;
}

/* --- jumps --------------------------------------------------------------- */

/* A line with jumps in both stacks. */
struct jumper {
    const struct pam_stack *before, *after;
    size_t from_before, from_after;
};

/* How many lines that are not ours come before index. */
static size_t rank(const struct pam_stack *stack, size_t index)
{
    size_t count = 0;

    for (size_t i = 0; i < index; i++)
        count += !pam_line_is(&stack->line[i], PAM_OUR_MODULE);
    return count;
}

/* Does a jump over `count` lines lead after to where one over `jump` lines led
 * before? */
static bool leads_there(const struct jumper *jumper, int jump, int count)
{
    bool past_before, past_after;
    const size_t before = pam_run_jump(jumper->before, jumper->from_before, jump, &past_before);
    const size_t after = pam_run_jump(jumper->after, jumper->from_after, count, &past_after);

    return past_before == past_after && rank(jumper->before, before) == rank(jumper->after, after);
}

static int corrected(int jump, const void *context)
{
    const struct jumper *jumper = context;

    if (leads_there(jumper, jump, jump))
        return jump;
    for (int count = 1; count <= (int)jumper->after->count + 1; count++)
        if (leads_there(jumper, jump, count))
            return count;
    return jump;
}

static int correct_line(const struct host *host, const struct jumper *jumper, struct edits *edits)
{
    const struct pam_line *line = &jumper->after->line[jumper->from_after];
    char *control = pam_control_move_jumps(line->control, corrected, jumper);
    int result = 0;

    if (control == NULL)
        return -1;
    if (strcmp(control, line->control) != 0)
        result = pam_replace_control(host, edits, line, control);
    free(control);
    return result;
}

int pam_correct_jumps(const struct host *host, const struct pam_stack *before,
                      const struct pam_stack *after, struct edits *edits)
{
    struct jumper jumper = {.before = before, .after = after};
    size_t *b = &jumper.from_before, *a = &jumper.from_after;

    for (;; (*b)++, (*a)++) {
        while (*b < before->count && pam_line_is(&before->line[*b], PAM_OUR_MODULE))
            (*b)++;
        while (*a < after->count && pam_line_is(&after->line[*a], PAM_OUR_MODULE))
            (*a)++;
        if (*b >= before->count || *a >= after->count)
            return 0;
        if (before->line[*b].kind != PAM_LINE_SUBSTACK && correct_line(host, &jumper, edits) != 0)
            return -1;
    }
}
