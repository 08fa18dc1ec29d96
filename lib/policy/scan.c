#include "scan.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* No name or value is this long, and libconfuse takes a time that grows with
 * the square of a word's length: 26 s for one of 8 MB. */
enum { LONGEST_WORD_BYTES = 1024 };

struct scanner {
    char *text;
    size_t size, at;
    unsigned line;
    unsigned depth;
    unsigned open_line; /* of the brace that is open */
    const char *file;
    struct scan_pieces *pieces;
    size_t piece_start;
    unsigned piece_line; /* 0 until the piece has begun */
    bool out_of_memory;
    struct problems *problems;
};

#define WRONG(scanner, at_line, ...)                                                               \
    problem_add((scanner)->problems, PROBLEM_ERROR, (scanner)->file, (at_line), __VA_ARGS__)

/* Characters of a word without quotes that libconfuse keeps as they are. */
static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_.:-%@", c) != NULL);
}

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static char peek(const struct scanner *s, size_t ahead)
{
    return s->at + ahead < s->size ? s->text[s->at + ahead] : '\0';
}

static void blank(struct scanner *s)
{
    if (s->text[s->at] == '\n')
        s->line++;
    else
        s->text[s->at] = ' ';
    s->at++;
}

static void line_comment(struct scanner *s)
{
    while (s->at < s->size && s->text[s->at] != '\n')
        blank(s);
}

static void block_comment(struct scanner *s)
{
    const unsigned first_line = s->line;

    blank(s);
    blank(s);
    while (s->at < s->size) {
        if (peek(s, 0) == '*' && peek(s, 1) == '/') {
            blank(s);
            blank(s);
            return;
        }
        blank(s);
    }
    WRONG(s, first_line, "the comment that begins here with /* has no end; write */ behind it");
}

/* One character of a quoted text; false ends the quotation. */
static bool quoted_character(struct scanner *s, char quote)
{
    const char c = peek(s, 0), next = peek(s, 1);

    if (c == '\n') {
        WRONG(s, s->line, "the text that begins with %c is not closed on its line", quote);
        return false;
    }
    if (is_control(c))
        WRONG(s, s->line, "the quoted text contains a control character (0x%02x); remove it",
              (unsigned)(unsigned char)c);
    if (quote == '"' && c == '$' && next == '{')
        WRONG(s, s->line, "${...} would be replaced from somebody's environment; put the "
                          "text into single quotes");
    if (c == '\\') {
        if (next != '\\' && next != quote) {
            WRONG(s, s->line, "a backslash stands alone; write \\\\ for one backslash");
        } else {
            s->at += 2;
            return true;
        }
    }
    s->at++;
    return c != quote;
}

static void check_length(struct scanner *s, size_t start)
{
    if (s->at - start > LONGEST_WORD_BYTES)
        WRONG(s, s->line, "a word of %zu bytes; the most is %d", s->at - start,
              LONGEST_WORD_BYTES);
}

static void word(struct scanner *s)
{
    const size_t start = s->at;

    while (is_word(peek(s, 0)))
        s->at++;
    check_length(s, start);
}

static void quoted(struct scanner *s)
{
    const size_t start = s->at;
    const char quote = s->text[s->at++];
    const unsigned first_line = s->line;

    while (s->at < s->size) {
        if (!quoted_character(s, quote)) {
            check_length(s, start);
            return;
        }
    }
    WRONG(s, first_line, "the text that begins with %c is not closed on its line", quote);
}

static void end_piece(struct scanner *s)
{
    struct scan_piece *grown = NULL;
    const size_t count = s->pieces->count;

    if (s->piece_line == 0)
        return;
    /* Doubling, at the powers of two. */
    if ((count & (count - 1)) == 0) {
        grown = realloc(s->pieces->item, (count == 0 ? 1 : 2 * count) * sizeof *grown);
        if (grown == NULL) {
            s->out_of_memory = true;
            return;
        }
        s->pieces->item = grown;
    }
    s->pieces->item[s->pieces->count++] =
        (struct scan_piece){.start = s->piece_start, .end = s->at, .line = s->piece_line};

    s->piece_line = 0;
}

static void open_brace(struct scanner *s)
{
    s->at++;
    s->depth++;
    if (s->depth == 2)
        WRONG(s, s->line,
              "a section begins inside the one of line %u; is a } missing before this line?",
              s->open_line);
    if (s->depth == 1)
        s->open_line = s->line;
}

static void close_brace(struct scanner *s)
{
    s->at++;
    if (s->depth == 0) {
        WRONG(s, s->line, "a } closes nothing; remove it");
        return;
    }
    if (--s->depth == 0)
        end_piece(s);
}

static const char *advice_for(char c)
{
    switch (c) {
    case ';':
        return "a line needs no ; at its end";
    case ',':
    case '(':
    case ')':
        return "a setting takes one value, without lists or functions; a file to include goes "
               "into tmout.conf.d/";
    case '+':
        return "a setting is given with = alone";
    case '$':
        return "variables are not expanded here";
    case '|':
        return "write the setting inside its section's braces";
    case '\\':
        return "put a name with a backslash into quotes, and write \\\\ for it";
    case '/':
    case '*':
        return "put a text that contains it into quotes; a comment begins with #";
    case '\r':
        return "the file has lines that end in a lone carriage return; convert it";
    default:
        return "put names and values that contain it into quotes";
    }
}

static void stray(struct scanner *s)
{
    const char c = s->text[s->at];

    if (c == '\0')
        WRONG(s, s->line, "a NUL character: this is not a text file");
    else if ((unsigned char)c == 0xef && (unsigned char)peek(s, 1) == 0xbb &&
             (unsigned char)peek(s, 2) == 0xbf)
        WRONG(s, s->line, "an invisible byte order mark; save the file as plain UTF-8");
    else if (is_control(c) || (unsigned char)c >= 0x80)
        WRONG(s, s->line, "unexpected character 0x%02x: %s", (unsigned)(unsigned char)c,
              advice_for(c));
    else
        WRONG(s, s->line, "unexpected character '%c': %s", c, advice_for(c));

    /* One message for a run of them is enough: the rest of the line. */
    while (s->at < s->size && s->text[s->at] != '\n')
        s->at++;
}

/* One step outside of comments and quotes. */
static void step(struct scanner *s)
{
    const char c = s->text[s->at];
    const bool comment = c == '#' || (c == '/' && (peek(s, 1) == '/' || peek(s, 1) == '*'));

    if (!comment && s->piece_line == 0 && c != ' ' && c != '\t' && c != '\n' && c != '\r') {
        s->piece_start = s->at;
        s->piece_line = s->line;
    }

    if (comment && peek(s, 1) == '*' && c == '/')
        block_comment(s);
    else if (comment)
        line_comment(s);
    else if (c == '\n' || (c == '\r' && peek(s, 1) == '\n'))
        blank(s);
    else if (c == '"' || c == '\'')
        quoted(s);
    else if (c == '{')
        open_brace(s);
    else if (c == '}')
        close_brace(s);
    else if (is_word(c))
        word(s);
    else if (c == ' ' || c == '\t' || c == '=')
        s->at++;
    else
        stray(s);
}

int scan(char *text, size_t size, const char *file, struct scan_pieces *pieces,
         struct problems *problems)
{
    struct scanner s = {.text = text,
                        .size = size,
                        .line = 1,
                        .file = file,
                        .pieces = pieces,
                        .problems = problems};

    *pieces = (struct scan_pieces){0};
    while (s.at < size && !s.out_of_memory)
        step(&s);
    if (s.depth > 0)
        WRONG(&s, s.open_line, "the section that begins here has no closing }");
    end_piece(&s);
    if (s.out_of_memory) {
        free(pieces->item);
        *pieces = (struct scan_pieces){0};
        return -1;
    }
    return 0;
}
