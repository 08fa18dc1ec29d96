#include "tools/tmoutctl/shells/lines.h"

#include "tools/tmoutctl/shells/files.h"

#include <errno.h>
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

bool shell_lines_write(FILE *program, struct text_file *file, bool csh)
{
    const char *variable = shell_variable(csh);
    bool only = true, in_the_middle = false, first = true;

    for (struct text_line line = {0}; only && next_text_line(file, &line);) {
        const bool is_continued = line_is_continued(&line);
        const char *commands = shell_line_commands(file, &line);
        if (shell_next_use(commands, commands, variable) != NULL) {
            only = !in_the_middle && !is_continued && line_sets_limit_only(commands, csh);
            /* The colon keeps a branch valid that has no other command. The
             * variable's name is there so that nothing else is lost from a
             * file that has been edited in the meantime. */
            fprintf(program, "%s%us/.*%s/: # &/", first ? "" : ";", line.number, variable);
            first = false;
        }
        in_the_middle = is_continued;
    }
    return only && !first;
}

char *shell_lines_out(const struct host *host, const char *path, bool csh)
{
    struct text_file file;
    char *text = NULL;
    size_t size;

    if (shell_file_read(host, path, 0, &file) != 0)
        return errno == ENOMEM ? NULL : strdup("");
    FILE *program = open_memstream(&text, &size);
    const bool only = program != NULL && shell_lines_write(program, &file, csh);
    free(file.text);
    if (program == NULL)
        return NULL;
    if (fclose(program) != 0) {
        free(text);
        return NULL;
    }
    if (!only)
        text[0] = '\0';
    return text;
}
