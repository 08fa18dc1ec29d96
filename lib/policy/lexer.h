/*
 * The text of a policy, or of another file that libconfuse reads, as tokens.
 *
 * libconfuse 3.3 accepts much that the author did not mean: it skips characters
 * that it does not know, ends silently in an unterminated comment or at a NUL,
 * and expands ${VAR} from the environment. The lexer reports all of this, and
 * carries on after it, so that the rest of the text is checked as well.
 */
#ifndef TMOUT_POLICY_LEXER_H
#define TMOUT_POLICY_LEXER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/policy/problems.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,     /* a name or value, with or without quotes */
    TOKEN_OPEN,     /* { */
    TOKEN_CLOSE,    /* } */
    TOKEN_EQUALS,   /* =, or += where there are lists */
    TOKEN_SEPARATOR /* ; or , which are errors, and bad, but for the , of a list */
};

struct token {
    enum token_kind kind;
    size_t start, size; /* in the text, including the quotes */
    unsigned line;      /* in which it begins */
    size_t column;      /* bytes before it on its line */
    bool first_on_line;
    bool quoted;
    bool bad; /* an error in it was reported: it is not what was meant */
};

/* No name or value is longer than this, and libconfuse's time grows with the
 * square of a word's length: 26 s for one of 8 MB. */
enum { WORD_SIZE_MAX = 1024 };

struct lexer {
    char *text; /* size bytes, and a NUL after them */
    size_t size, at;
    unsigned line;
    size_t line_start; /* offset */
    bool first_on_line;
    bool has_lists;         /* set by the caller: values may be lists, and words paths */
    bool lone_return;       /* one was reported, for the whole file */
    unsigned unclosed_line; /* the last with an unclosed quote or bracket */
    bool unsure;            /* a comment is unterminated: structure may only seem wrong */
    const char *file;
    struct problems *problems;
};

/*
 * Starts at the beginning of text[size], which belongs to the caller and is
 * changed: comments, carriage returns and a byte order mark are overwritten
 * with spaces, so that libconfuse's line numbers hold. A NUL must follow it.
 */
void lexer_start(struct lexer *lexer, char *text, size_t size, const char *file,
                 struct problems *problems);

/* The next token, with TOKEN_END again and again at the end. */
void lexer_next(struct lexer *lexer, struct token *token);

/* What the author wrote, without quotes and backslashes, clipped to fit. */
void lexer_word(const struct lexer *lexer, const struct token *token, char word[WORD_SIZE_MAX + 1]);

/* Is this a word that needs no quotes? */
bool lexer_is_plain(const char *word);

#endif
