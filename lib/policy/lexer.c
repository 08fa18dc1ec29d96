#include "lib/policy/lexer.h"

#include "lib/policy/settings.h"

#include <string.h>

/* Characters of a word without quotes that libconfuse keeps as they are. */
#define WORD_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-%@"

static void add_error(struct lexer *l, unsigned line, const char *text)
{
    problem_add(l->problems, PROBLEM_ERROR, l->file, line, "%s", text);
}

static char peek(const struct lexer *l, size_t ahead)
{
    return l->at + ahead < l->size ? l->text[l->at + ahead] : '\0';
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Does a line end here? */
static bool at_line_end(const struct lexer *l, size_t at)
{
    return at >= l->size || l->text[at] == '\n' ||
           (l->text[at] == '\r' && at + 1 < l->size && l->text[at + 1] == '\n');
}

static size_t line_end(const struct lexer *l, size_t at)
{
    while (!at_line_end(l, at))
        at++;
    return at;
}

/* The offset of the character on the same line; 0 if it is not there, since it
 * is never the first. */
static size_t find_on_line(const struct lexer *l, size_t at, char wanted)
{
    for (; !at_line_end(l, at); at++)
        if (l->text[at] == wanted)
            return at;
    return 0;
}

static size_t skip_blanks(const struct lexer *l, size_t at)
{
    while (at < l->size && is_one_of(l->text[at], " \t"))
        at++;
    return at;
}

/* Copies the plain word at an offset, clipped; returns its end. */
static size_t copy_plain(const struct lexer *l, size_t at, char *word, size_t size)
{
    size_t used = 0;

    for (; at < l->size && is_one_of(l->text[at], WORD_CHARACTERS); at++)
        if (used + 1 < size)
            word[used++] = l->text[at];
    word[used] = '\0';
    return at;
}

/* Is there a NAME = here, with the name of a setting? */
static bool setting_at(const struct lexer *l, size_t at)
{
    char word[64];
    const size_t end = skip_blanks(l, copy_plain(l, at, word, sizeof word));

    return end < l->size && l->text[end] == '=' && setting_find(word) != NULL;
}

/* --- spaces and comments -------------------------------------------------- */

/* Blanks out the text up to end, and moves there. */
static void blank(struct lexer *l, size_t end)
{
    for (; l->at < end; l->at++) {
        if (l->text[l->at] == '\n') {
            l->line++;
            l->line_start = l->at + 1;
            l->first_on_line = true;
        } else {
            l->text[l->at] = ' ';
        }
    }
}

/* Is there a section's head, a setting or the end of a section here? */
static bool looks_like_policy(const struct lexer *l, size_t at)
{
    char word[64];
    size_t end;

    if (at < l->size && l->text[at] == '}')
        return true;
    if (setting_at(l, at))
        return true;
    end = skip_blanks(l, copy_plain(l, at, word, sizeof word));
    return (strcmp(word, "default") == 0 || strcmp(word, "group") == 0 ||
            strcmp(word, "user") == 0) &&
           find_on_line(l, end, '{') != 0;
}

/*
 * To libconfuse an unterminated comment swallows the rest of the file. Here it
 * ends where something that looks like a policy follows, after its opening or
 * at the beginning of a later line, so that errors there are found.
 */
static void unterminated_comment(struct lexer *l)
{
    size_t at = skip_blanks(l, l->at + 2);

    add_error(l, l->line, "unterminated comment: close the /* that begins here with */");
    l->unsure = true;
    while (at < l->size && !looks_like_policy(l, at)) {
        at = line_end(l, at);
        while (at < l->size && is_one_of(l->text[at], " \t\r\n"))
            at++;
    }
    blank(l, at);
}

static void skip_comment(struct lexer *l)
{
    const char *end = NULL;

    if (l->text[l->at] == '#' || peek(l, 1) == '/') {
        blank(l, line_end(l, l->at));
        return;
    }
    /* After an unterminated comment there is no end for another one either. */
    if (!l->unsure)
        end = memmem(l->text + l->at + 2, l->size - l->at - 2, "*/", 2);
    if (end == NULL)
        unterminated_comment(l);
    else
        blank(l, (size_t)(end - l->text) + 2);
}

static bool at_comment(const struct lexer *l)
{
    return peek(l, 0) == '#' || (peek(l, 0) == '/' && is_one_of(peek(l, 1), "/*"));
}

static void carriage_return(struct lexer *l)
{
    if (peek(l, 1) != '\n') {
        if (!l->lone_return)
            add_error(l, l->line,
                      "the file has lines that end in a lone carriage return: convert it");
        l->lone_return = true;
        l->first_on_line = true;
    }
    blank(l, l->at + 1);
}

static void skip_space(struct lexer *l)
{
    for (;;) {
        if (at_comment(l))
            skip_comment(l);
        else if (peek(l, 0) == '\r')
            carriage_return(l);
        else if (peek(l, 0) == '\n')
            blank(l, l->at + 1);
        else if (is_one_of(peek(l, 0), " \t"))
            l->at++;
        else
            return;
    }
}

/* --- words without quotes ------------------------------------------------- */

static const char *advice_for(const struct lexer *l, char c)
{
    switch (c) {
    case '(':
    case ')':
        return l->has_lists ? "a setting takes a value, and no function"
                            : "a setting takes one value, and no function; put files to include "
                              "into tmout.conf.d/";
    case '+':
        return "settings are written with = alone";
    case '$':
        return "variables are not expanded here";
    case '|':
        return "put the setting into its section's braces";
    case '\\':
        return "quote a name with a backslash, and write \\\\ for it";
    case '/':
    case '*':
        return "quote names and values that contain it; a comment begins with #";
    default:
        return "quote names and values that contain it";
    }
}

static void add_stray(struct lexer *l, char c)
{
    if (c == '\0')
        add_error(l, l->line, "NUL character: this is not a text file");
    else if (is_control(c))
        problem_add(l->problems, PROBLEM_ERROR, l->file, l->line,
                    "control character (0x%02x): remove it", (unsigned)(unsigned char)c);
    else if ((unsigned char)c >= 0x80)
        problem_add(l->problems, PROBLEM_ERROR, l->file, l->line,
                    "character outside of ASCII (0x%02x): use plain quotes and spaces, and quote "
                    "names with such letters",
                    (unsigned)(unsigned char)c);
    else
        problem_add(l->problems, PROBLEM_ERROR, l->file, l->line, "unexpected character '%c': %s",
                    c, advice_for(l, c));
}

/* Moves past one stray character, with the rest of ${...} and (...): their
 * text is part of the same error. */
static void skip_stray(struct lexer *l)
{
    const char c = peek(l, 0);
    const char closing = c == '$' && peek(l, 1) == '{' ? '}' : c == '(' ? ')' : '\0';
    size_t end = 0;

    /* One failed search is enough, so that a line is not read over and over. */
    if (closing != '\0' && l->unclosed_line != l->line) {
        end = find_on_line(l, l->at, closing);
        if (end == 0)
            l->unclosed_line = l->line;
    }
    l->at = end != 0 ? end + 1 : l->at + 1;
}

/* Is there a +=, which adds to a list? */
static bool at_addition(const struct lexer *l)
{
    return l->has_lists && peek(l, 0) == '+' && peek(l, 1) == '=';
}

static void plain_word(struct lexer *l, struct token *token)
{
    while (l->at < l->size && !is_one_of(peek(l, 0), " \t\r\n{}=\"';,") && !at_comment(l) &&
           !at_addition(l)) {
        if (is_one_of(peek(l, 0), WORD_CHARACTERS) || (l->has_lists && peek(l, 0) == '/')) {
            l->at++;
            continue;
        }
        if (!token->bad)
            add_stray(l, peek(l, 0));
        token->bad = true;
        skip_stray(l);
    }
}

/* --- quotes --------------------------------------------------------------- */

/* Where the quoted string that begins at start ends on its line; 0: it does
 * not. */
static size_t closing_quote(const struct lexer *l, size_t start)
{
    const char quote = l->text[start];

    for (size_t at = start + 1; !at_line_end(l, at); at++) {
        if (l->text[at] == quote)
            return at;
        if (l->text[at] == '\\' && at + 1 < l->size &&
            (l->text[at + 1] == '\\' || l->text[at + 1] == quote))
            at++;
    }
    return 0;
}

/*
 * Where a quoted string that is open at the end of its line is closed on the
 * next one; 0: it is not. A closing quote has a word before it, or nothing but
 * a space or brace after it.
 */
static size_t closing_on_next_line(const struct lexer *l, size_t start)
{
    const size_t end = line_end(l, start), next = end + (end < l->size && l->text[end] == '\r') + 1;
    const size_t at = next < l->size ? find_on_line(l, next, l->text[start]) : 0;

    if (at == 0)
        return 0;
    const bool after_word = at > next && !is_one_of(l->text[at - 1], " \t={}");
    const bool before_blank = at_line_end(l, at + 1) || is_one_of(l->text[at + 1], " \t{}");
    return after_word || before_blank ? at : 0;
}

/* The quoted string may be meant to end before a brace, or before the next setting. */
static size_t probable_end(const struct lexer *l, size_t start)
{
    size_t at = start + 1;

    for (; !at_line_end(l, at); at++) {
        if (is_one_of(l->text[at], "{}") ||
            (is_one_of(l->text[at - 1], " \t") && setting_at(l, at)))
            return at;
    }
    return at;
}

static void unclosed(struct lexer *l, struct token *token)
{
    const size_t closing = closing_on_next_line(l, token->start);
    const bool again = l->unclosed_line == l->line;

    problem_add(l->problems, PROBLEM_ERROR, l->file, l->line,
                "the closing %c is missing on this line", l->text[token->start]);
    token->bad = true;
    l->unclosed_line = l->line;
    if (closing != 0) {
        l->at = closing + 1;
        l->line++;
        l->line_start = line_end(l, token->start) + 1;
    } else {
        /* A second one takes the rest, so that a line is not read over and over. */
        l->at = again ? line_end(l, token->start) : probable_end(l, token->start);
    }
}

/* Reports each kind of error in text[start, end) once. */
static bool check_quoted(struct lexer *l, char quote, size_t start, size_t end)
{
    bool control = false, variable = false, backslash = false;

    for (size_t at = start; at < end; at++) {
        const char c = l->text[at], next = at + 1 < l->size ? l->text[at + 1] : '\0';
        if (is_control(c) && !control) {
            problem_add(l->problems, PROBLEM_ERROR, l->file, l->line,
                        "control character (0x%02x) in quotes: remove it",
                        (unsigned)(unsigned char)c);
            control = true;
        }
        if (quote == '"' && c == '$' && next == '{' && !variable) {
            add_error(l, l->line,
                      "${...} in double quotes would be replaced from the environment: use single "
                      "quotes");
            variable = true;
        }
        if (c != '\\')
            continue;
        if (next == '\\' || next == quote) {
            at++;
        } else if (!backslash) {
            add_error(l, l->line, "single backslash in quotes: write \\\\ for one backslash");
            backslash = true;
        }
    }
    return !control && !variable && !backslash;
}

static void quoted_word(struct lexer *l, struct token *token)
{
    const size_t end = closing_quote(l, token->start);

    token->quoted = true;
    if (end == 0) {
        unclosed(l, token);
        return;
    }
    token->bad = !check_quoted(l, l->text[token->start], token->start + 1, end);
    l->at = end + 1;
}

/* --- tokens --------------------------------------------------------------- */

static void separator(struct lexer *l, struct token *token)
{
    token->kind = TOKEN_SEPARATOR;
    token->bad = l->text[l->at] == ';' || !l->has_lists;
    if (token->bad)
        add_error(l, l->line,
                  l->text[l->at] == ';'
                      ? "unexpected character ';': remove it, settings need no separator"
                      : "unexpected character ',': lists are not supported, write a section or a "
                        "setting for each");
    l->at++;
}

static void word(struct lexer *l, struct token *token)
{
    token->kind = TOKEN_WORD;
    if (is_one_of(l->text[l->at], "\"'"))
        quoted_word(l, token);
    else
        plain_word(l, token);
    token->size = l->at - token->start;
    if (token->size > WORD_SIZE_MAX && !token->bad) {
        problem_add(l->problems, PROBLEM_ERROR, l->file, token->line,
                    "word of %zu bytes is too long: the maximum is %d", token->size, WORD_SIZE_MAX);
        token->bad = true;
    }
}

void lexer_next(struct lexer *l, struct token *token)
{
    skip_space(l);
    *token = (struct token){.start = l->at,
                            .size = 1,
                            .line = l->line,
                            .column = l->at - l->line_start,
                            .first_on_line = l->first_on_line};
    l->first_on_line = false;
    if (l->at >= l->size) {
        *token = (struct token){.kind = TOKEN_END, .start = l->at, .line = l->line};
        return;
    }
    if (at_addition(l)) {
        token->kind = TOKEN_EQUALS;
        l->at += token->size = 2;
        return;
    }
    switch (l->text[l->at]) {
    case '{':
        token->kind = TOKEN_OPEN;
        break;
    case '}':
        token->kind = TOKEN_CLOSE;
        break;
    case '=':
        token->kind = TOKEN_EQUALS;
        break;
    case ';':
    case ',':
        separator(l, token);
        return;
    default:
        word(l, token);
        return;
    }
    l->at++;
}

void lexer_start(struct lexer *l, char *text, size_t size, const char *file,
                 struct problems *problems)
{
    *l = (struct lexer){.text = text,
                        .size = size,
                        .line = 1,
                        .first_on_line = true,
                        .file = file,
                        .problems = problems};
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        add_error(l, 1, "invisible byte order mark: save the file as plain UTF-8");
        blank(l, 3);
    } else if (size >= 2 &&
               (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
        /* Nothing in it can be read, and so there is one error. */
        add_error(l, 1, "the file is in UTF-16: save it as plain UTF-8");
        blank(l, size);
    }
}

void lexer_word(const struct lexer *l, const struct token *token, char word[WORD_SIZE_MAX + 1])
{
    const char *from = l->text + token->start, *end = from + token->size;
    const char quote = token->quoted ? *from++ : '\0';
    size_t used = 0;

    for (; from < end && used < WORD_SIZE_MAX; from++) {
        if (token->quoted && *from == quote)
            break;
        if (token->quoted && *from == '\\' && from + 1 < end)
            from++;
        word[used++] = *from;
    }
    word[used] = '\0';
}

bool lexer_is_plain(const char *word)
{
    return word[0] != '\0' && word[strspn(word, WORD_CHARACTERS)] == '\0';
}
