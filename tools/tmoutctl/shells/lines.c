#include "tools/tmoutctl/shells/lines.h"

#include "tools/tmoutctl/shells/files.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t\r";

const char *shell_variable(bool csh)
{
    return csh ? "autologout" : "TMOUT";
}

static bool is_name_character(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

const char *shell_next_use(const char *commands, const char *from, const char *variable)
{
    for (const char *at = from; (at = strstr(at, variable)) != NULL; at++) {
        const bool longer = is_name_character(at[strlen(variable)]);
        if (!longer && (at == commands || (!is_name_character(at[-1]) && at[-1] != '$')))
            return at;
    }
    return NULL;
}

/* --- one command --------------------------------------------------------- */
static bool word_is(const char *word, size_t length, const char *text)
{
    return strlen(text) == length && strncmp(word, text, length) == 0;
}

static bool is_among_words(const char *word, size_t length, const char *const *list)
{
    for (; *list != NULL; list++)
        if (word_is(word, length, *list))
            return true;
    return false;
}

/* A number or a variable's value, quoted or not: nothing that runs a command. */
static bool is_value(const char *word, size_t length)
{
    return strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$\"'") >=
           length;
}

/* NAME or NAME=VALUE. */
static bool is_assignment(const char *word, size_t length, const char *variable)
{
    const size_t name = strlen(variable);

    return length >= name && strncmp(word, variable, name) == 0 &&
           (length == name || (word[name] == '=' && is_value(word + name + 1, length - name - 1)));
}

/* Does command[size], which may be empty, do nothing but set the limit, make it
 * readonly or unset it? Whatever is unknown counts as something else. */
static bool sets_limit_only(const char *command, size_t size, bool csh)
{
    static const char *const in_front[] = {"builtin", "command", NULL};
    static const char *const setting[] = {"readonly", "export",  "declare", "typeset",
                                          "local",    "integer", "unset",   NULL};
    static const char *const setting_csh[] = {"set", "unset", NULL};
    const char *const end = command + size, *variable = shell_variable(csh);
    bool may_set = !csh, has_name = false, value_follows = false;

    for (const char *word = command; (word += strspn(word, blanks)) < end;) {
        size_t length = strcspn(word, " \t\r");
        length = word + length > end ? (size_t)(end - word) : length;
        const bool is_keyword = is_among_words(word, length, csh ? setting_csh : setting);
        if (is_assignment(word, length, variable) && may_set)
            has_name = true;
        else if (csh && has_name && word_is(word, length, "="))
            value_follows = true;
        else if (value_follows && is_value(word, length))
            value_follows = false;
        else if (!has_name && (is_keyword || (!csh && is_among_words(word, length, in_front))))
            may_set = true;
        else if (has_name || word[0] != '-' || !is_value(word + 1, length - 1))
            return false;
        word += length;
    }
    return !value_follows;
}

/* The same for all of a line's commands. */
static bool line_sets_limit_only(const char *commands, bool csh)
{
    for (const char *command = commands;; command++) {
        const size_t size = strcspn(command, ";");
        if (!sets_limit_only(command, size, csh))
            return false;
        command += size;
        if (*command == '\0')
            return true;
    }
}

/* --- a file -------------------------------------------------------------- */

/* Does the line go on in the next one? */
static bool line_is_continued(const struct text_line *line)
{
    return line->end > line->start && line->end[-1] == '\\';
}

/* Does a line begin what may go on over the next ones: a here-document, or a
 * string? Then later lines may not be commands. */
static bool line_opens_text(const char *commands)
{
    size_t single = 0, twice = 0;

    for (const char *c = commands; *c != '\0'; c++) {
        single += *c == '\'';
        twice += *c == '"';
    }
    return single % 2 != 0 || twice % 2 != 0 || strstr(commands, "<<") != NULL;
}

/* The line, commented out. The colon keeps a branch valid that has no other
 * command. */
static int line_out(const char *path, const struct text_line *line, const char *text,
                    struct edits *edits)
{
    char *out = NULL;

    if (asprintf(&out, ": # %s", text) < 0)
        return -1;
    const int result =
        edits_add(edits, &(struct edit){EDIT_REPLACE, (char *)(uintptr_t)path, line->number, out});
    free(out);
    return result;
}

int shell_lines_edit(const char *path, struct text_file *file, bool csh, struct edits *edits)
{
    const char *variable = shell_variable(csh);
    bool only = true, in_the_middle = false, in_text = false;
    int result = 0;

    for (struct text_line line = {0}; result == 0 && only && next_text_line(file, &line);) {
        const bool is_continued = line_is_continued(&line);
        char *text = strndup(line.start, (size_t)(line.end - line.start));
        const char *commands = shell_line_commands(file, &line);
        if (text == NULL)
            return -1;
        text[strcspn(text, "\r")] = '\0';
        if (shell_next_use(commands, commands, variable) != NULL) {
            only =
                !in_text && !in_the_middle && !is_continued && line_sets_limit_only(commands, csh);
            result = only ? line_out(path, &line, text, edits) : 0;
        }
        in_the_middle = is_continued;
        in_text = in_text || line_opens_text(commands);
        free(text);
    }
    if (!only)
        edits_free(edits);
    return result;
}

int shell_lines_out(const struct host *host, const char *path, bool csh, struct edits *edits)
{
    struct text_file file;

    if (shell_file_read(host, path, 0, &file) != 0)
        return errno == ENOMEM ? -1 : 0;
    const int result = shell_lines_edit(path, &file, csh, edits);
    free(file.text);
    return result;
}
