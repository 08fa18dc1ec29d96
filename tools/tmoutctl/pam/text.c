#include "tools/tmoutctl/pam/text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Between words, and at the end of a line that is continued (_pam_tokenize() and
 * _pam_line_assemble() of Linux-PAM). */
static const char blanks[] = " \n\t";

/* What the older releases take (BUF_SIZE of Linux-PAM 1.5). */
enum { LINE_BYTES_MAX = 1023 };

int pam_text_open(const struct host *host, const char *path, struct pam_text *text)
{
    static const struct edits none;
    char full[PATH_MAX];
    struct text_file file = {0};

    *text = (struct pam_text){0};
    if (host_path(host, path, full, sizeof full) != 0)
        return -1;
    if (read_text_file(full, 0, &file) != 0 && (errno != ENOENT || host->edits == NULL))
        return -1;
    const bool is_absent = file.text == NULL;
    const int result =
        edits_run(host->edits != NULL ? host->edits : &none, host, path, &file, &text->edited);
    const int saved = result != 0 ? errno : ENOENT;
    free(file.text);
    if (result == 0 && !(is_absent && !text->edited.changed))
        return 0;
    pam_text_close(text);
    errno = saved;
    return -1;
}

void pam_text_close(struct pam_text *text)
{
    edited_text_free(&text->edited);
}

/* Moves on to the next physical line that is there after the edits; NULL at the
 * end. *on_host is its number without them, or that of the line that it
 * replaces, or 0. */
static const struct edited_line *next_physical(struct pam_text *text, unsigned *on_host)
{
    *on_host = 0;
    for (; text->at < text->edited.count; text->at++) {
        const struct edited_line *line = &text->edited.line[text->at];
        text->number_on_host += line->mark != EDITED_ADDED;
        if (line->mark != EDITED_ADDED)
            *on_host = text->number_on_host;
        if (line->mark == EDITED_REMOVED)
            continue;
        text->at++;
        text->number++;
        return line;
    }
    return NULL;
}

/* Adds one physical line to the one being joined, and says whether the next
 * belongs to it, too. */
static bool join_physical(struct pam_text_line *joined, size_t *used,
                          const struct edited_line *line)
{
    const char *start = line->text + strspn(line->text, blanks);
    const char *comment = strchr(start, '#');
    size_t length = comment != NULL ? (size_t)(comment - start) : strlen(start);
    bool continues = false;

    if (comment == NULL) {
        size_t end = length;
        while (end > 0 && strchr(blanks, start[end - 1]) != NULL)
            end--;
        continues = end > 0 && start[end - 1] == '\\';
        length = end;
    }
    if (length == 0 && *used > 0)
        joined->fault = PAM_LINE_INTERRUPTED;
    memcpy(joined->text + *used, start, length);
    *used += length;
    if (continues)
        joined->text[*used - 1] = ' ';
    joined->text[*used] = '\0';
    if (*used > LINE_BYTES_MAX && joined->fault == PAM_LINE_SOUND)
        joined->fault = PAM_LINE_LONG;
    return continues;
}

int pam_text_next(struct pam_text *text, struct pam_text_line *line)
{
    const struct edited_line *physical;
    unsigned on_host;
    size_t used = 0;

    *line = (struct pam_text_line){0};
    while ((physical = next_physical(text, &on_host)) != NULL) {
        char *grown = realloc(line->text, used + physical->size + 1);
        if (grown == NULL) {
            free(line->text);
            return -1;
        }
        line->text = grown;
        if (used == 0) {
            line->line = text->number;
            line->on_host = on_host;
        }
        line->last_line = text->number;
        if (join_physical(line, &used, physical))
            continue;
        if (used > 0)
            return 1;
    }
    if (used > 0) {
        line->fault = PAM_LINE_UNFINISHED;
        return 1;
    }
    free(line->text);
    line->text = NULL;
    return 0;
}

char *pam_next_word(char **at, bool *bracketed)
{
    char *word = *at + strspn(*at, blanks), *end;
    const bool is_bracketed = *word == '[';

    if (bracketed != NULL)
        *bracketed = is_bracketed;
    if (*word == '\0')
        return NULL;
    if (is_bracketed) {
        char *to = ++word;
        for (end = word; *end != '\0' && *end != ']'; end++) {
            end += end[0] == '\\' && end[1] == ']';
            *to++ = *end;
        }
        *at = end + (*end != '\0');
        *to = '\0';
        return word;
    }
    end = word + strcspn(word, blanks);
    *at = end + (*end != '\0');
    *end = '\0';
    return word;
}
