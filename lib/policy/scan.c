#include "lib/policy/scan.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* No name or value is this long, and libconfuse takes a time that grows with
 * the square of a word's length: 26 s for one of 8 MB. */
enum { LONGEST_WORD_BYTES = 1024 };

/* What may come next, outside of comments: a section is KIND [NAME] { ... },
 * a setting is NAME = VALUE on one line. */
enum expected { SECTION, SETTING, EQUALS, VALUE };

struct scanner {
    char *text;
    size_t size, at;
    unsigned line;
    unsigned depth;
    unsigned open_line; /* of the brace that is open */
    enum expected expected;
    bool lost;          /* text was skipped: what follows may only seem wrong */
    unsigned words;     /* of the section's head so far */
    unsigned word_line; /* of the last word */
    size_t word;        /* where it begins: the section's kind, the setting's name */
    size_t previous;    /* the setting before it on the same line, or 0 */
    bool has_value;     /* the setting has got its value */
    const char *file;
    struct scan_pieces *pieces;
    size_t piece_start;
    unsigned piece_line; /* 0 until the piece has begun */
    bool out_of_memory;
    struct problems *problems;
};

#define WRONG(scanner, at_line, ...)                                                               \
    problem_add((scanner)->problems, PROBLEM_ERROR, (scanner)->file, (at_line), __VA_ARGS__)

/* Says so unless text was skipped before: then it may only seem wrong. */
#define COMPLAIN(scanner, at_line, ...)                                                            \
    do {                                                                                           \
        if (!(scanner)->lost)                                                                      \
            WRONG(scanner, at_line, __VA_ARGS__);                                                  \
    } while (0)

/* Characters of a word without quotes that libconfuse keeps as they are. */
#define WORD_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-%@"

static bool is_word(char c)
{
    return c != '\0' && strchr(WORD_CHARACTERS, c) != NULL;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static char peek(const struct scanner *s, size_t ahead)
{
    return s->at + ahead < s->size ? s->text[s->at + ahead] : '\0';
}

/* The word that begins at an offset, for messages; clipped. */
#define WORD_AT(s, offset)                                                                         \
    (int)strspn((s)->text + (offset), WORD_CHARACTERS "\"'"), (s)->text + (offset)

/* Is the word that begins a head or a setting this one? */
static bool word_is(const struct scanner *s, const char *kind)
{
    const size_t length = strlen(kind);

    return strncmp(s->text + s->word, kind, length) == 0 && !is_word(s->text[s->word + length]);
}

static void section_inside(struct scanner *s)
{
    COMPLAIN(s, s->line,
             "a section begins inside the one of line %u; is a } missing before this line?",
             s->open_line);
    s->lost = true;
}

/* A word where = should be: either that is missing, or a value before it was
 * written in two words. */
static void no_equals(struct scanner *s)
{
    if (word_is(s, "default") || word_is(s, "group") || word_is(s, "user"))
        section_inside(s);
    else if (s->previous != 0)
        COMPLAIN(s, s->word_line,
                 "the value of %.*s is followed by %.*s; a value is one word, as in 1h30m",
                 WORD_AT(s, s->previous), WORD_AT(s, s->word));
    else
        COMPLAIN(s, s->word_line, "%.*s is not followed by = and a value", WORD_AT(s, s->word));
}

/* A setting has its name, = and value on one line; so here it must be whole. */
static void end_setting(struct scanner *s)
{
    if (s->expected == EQUALS)
        no_equals(s);
    if (s->expected == VALUE)
        COMPLAIN(s, s->word_line, "%.*s has no value", WORD_AT(s, s->word));
    if (s->expected != SECTION)
        s->expected = SETTING;
    s->has_value = false;
}

static void blank(struct scanner *s)
{
    if (s->text[s->at] == '\n') {
        end_setting(s);
        s->line++;
    } else {
        s->text[s->at] = ' ';
    }
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

static void not_closed(struct scanner *s, char quote)
{
    WRONG(s, s->line, "the text that begins with %c is not closed on its line", quote);
    s->lost = true;
}

/* One character of a quoted text; false ends the quotation. */
static bool quoted_character(struct scanner *s, char quote)
{
    const char c = peek(s, 0), next = peek(s, 1);

    if (c == '\n' || (c == '\r' && next == '\n')) {
        not_closed(s, quote);
        return false;
    }
    if (is_control(c))
        WRONG(s, s->line, "the quoted text contains a control character (0x%02x); remove it",
              (unsigned)(unsigned char)c);
    if (quote == '"' && c == '$' && next == '{')
        WRONG(s, s->line,
              "${...} would be replaced from somebody's environment; put the "
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
        WRONG(s, s->line, "a word of %zu bytes; the most is %d", s->at - start, LONGEST_WORD_BYTES);
}

static void head_word(struct scanner *s)
{
    if (s->words++ == 0)
        s->word = s->at;
    s->word_line = s->line;
}

static void setting_word(struct scanner *s)
{
    s->previous = s->has_value ? s->word : 0;
    s->has_value = false;
    s->word = s->at;
    s->word_line = s->line;
    s->expected = EQUALS;
}

/* A word, quoted or not, is about to be read: what is it? */
static void begin_word(struct scanner *s)
{
    const bool quotes = !is_word(s->text[s->at]);

    if (quotes && (s->expected == SETTING || (s->expected == SECTION && s->words == 0)))
        COMPLAIN(s, s->line, "quotes are for names of users and groups, and for values");
    switch (s->expected) {
    case SECTION:
        head_word(s);
        break;
    case SETTING:
        setting_word(s);
        break;
    case EQUALS:
        no_equals(s);
        s->lost = true;
        break;
    case VALUE:
        s->has_value = true;
        s->expected = SETTING;
        break;
    }
}

static void word(struct scanner *s)
{
    const size_t start = s->at;

    begin_word(s);
    while (is_word(peek(s, 0)))
        s->at++;
    check_length(s, start);
}

static void quoted(struct scanner *s)
{
    const size_t start = s->at;

    begin_word(s);
    const char quote = s->text[s->at++];
    while (s->at < s->size) {
        if (!quoted_character(s, quote)) {
            check_length(s, start);
            return;
        }
    }
    not_closed(s, quote);
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

/* KIND [NAME] before a brace. Kinds that nobody knows are libconfuse's to
 * complain about. */
static void check_head(struct scanner *s)
{
    const bool nameless = word_is(s, "default");
    const bool named = word_is(s, "group") || word_is(s, "user");

    if (s->words == 0)
        COMPLAIN(s, s->line, "a { without a section's name before it");
    else if (nameless && s->words > 1)
        COMPLAIN(s, s->word_line, "default takes no name");
    else if (named && s->words != 2)
        COMPLAIN(s, s->word_line, "%.*s takes one name, in quotes if it is no plain word",
                 WORD_AT(s, s->word));
}

static void open_brace(struct scanner *s)
{
    s->at++;
    s->depth++;
    if (s->depth > 1) {
        section_inside(s);
        return;
    }
    check_head(s);
    s->open_line = s->line;
    s->expected = SETTING;
    s->has_value = false;
    s->words = 0;
}

static void close_brace(struct scanner *s)
{
    s->at++;
    if (s->depth == 0) {
        COMPLAIN(s, s->line, "a } closes nothing; is a { missing before it?");
        s->lost = true;
        return;
    }
    end_setting(s);
    if (--s->depth == 0) {
        s->expected = SECTION;
        end_piece(s);
    }
}

static void skip_line(struct scanner *s)
{
    while (s->at < s->size && s->text[s->at] != '\n')
        s->at++;
    s->lost = true;
}

static void equals(struct scanner *s)
{
    if (s->expected == EQUALS) {
        s->at++;
        s->expected = VALUE;
        return;
    }
    if (s->expected == SECTION && s->words > 1)
        COMPLAIN(s, s->line, "a setting outside of a section; is a { missing behind %.*s?",
                 WORD_AT(s, s->word));
    else if (s->expected == SECTION && s->words == 1)
        COMPLAIN(s, s->line, "%.*s stands outside of a section; put settings into default { ... }",
                 WORD_AT(s, s->word));
    else
        COMPLAIN(s, s->line, "a = without a setting's name before it");
    skip_line(s);
}

static const char *advice_for(char c)
{
    switch (c) {
    case ';':
        return "a line needs no ; at its end";
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
    case ',':
        return "one name or value at a time; write a section or a setting for each";
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
    else if (is_control(c))
        WRONG(s, s->line, "a control character (0x%02x); %s", (unsigned)(unsigned char)c,
              c == '\r' ? advice_for(c) : "remove it");
    else if ((unsigned char)c >= 0x80)
        WRONG(s, s->line,
              "a character outside ASCII (0x%02x): quotes and spaces must be the plain ones, and "
              "a name with such letters stands in quotes",
              (unsigned)(unsigned char)c);
    else
        WRONG(s, s->line, "unexpected character '%c': %s", c, advice_for(c));

    skip_line(s);
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
    else if (c == '=')
        equals(s);
    else if (c == ' ' || c == '\t')
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
    if (s.depth == 0 && s.words > 0)
        COMPLAIN(&s, s.word_line, "%.*s is not followed by a section's { ... }",
                 WORD_AT(&s, s.word));
    if (s.depth > 0)
        COMPLAIN(&s, s.open_line, "the section that begins here has no closing }");
    end_piece(&s);
    if (s.out_of_memory) {
        free(pieces->item);
        *pieces = (struct scan_pieces){0};
        return -1;
    }
    return 0;
}
