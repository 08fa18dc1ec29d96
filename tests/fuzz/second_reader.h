/*
 * A second reader of policy text, written from the manual and independent of
 * lib/: the product, with its scan and libconfuse, must read the same. If they
 * differ, libconfuse has dropped, expanded or guessed something that the scan
 * should have rejected.
 *
 *     text    = { section }
 *     section = ( "default" | "group" NAME | "user" NAME ) "{" { NAME "=" VALUE } "}"
 *
 * Names and values are words of letters, digits and _.:-%@, or quoted with
 * '...' or "..." on one line, where \\ means \ and \' or \" means the quote
 * that encloses it. Comments are # and // to the end of the line, and
 * slash-star to star-slash.
 */
#ifndef TMOUT_TESTS_FUZZ_SECOND_READER_H
#define TMOUT_TESTS_FUZZ_SECOND_READER_H

#include "tests/fuzz/fuzz.h"

#include "lib/policy/rules.h"

#include <stdbool.h>

/* One assignment or, with setting == SETTING_COUNT, the section itself. */
struct fact {
    uint32_t file, line;
    enum rule_kind kind;
    char *name;
    enum setting_id setting;
    int64_t value;
};

struct facts {
    struct fact *item;
    size_t count;
    bool valid;
};

enum token { TOKEN_END, TOKEN_WORD, TOKEN_SIGN, TOKEN_WRONG };

struct reader {
    const char *at, *end;
    unsigned line;
    enum token token;
    char sign;        /* of TOKEN_SIGN */
    char *word;       /* of TOKEN_WORD; as long as the text, reused */
    size_t word_size; /* its length */
    bool quoted;      /* it was quoted */
};

static inline char reader_peek(const struct reader *r, size_t ahead)
{
    return (size_t)(r->end - r->at) > ahead ? r->at[ahead] : '\0';
}

/* Skips up to and including the stop text; returns false if there is none. */
static inline bool reader_skip(struct reader *r, const char *stop, size_t stop_size)
{
    for (; (size_t)(r->end - r->at) >= stop_size; r->at++) {
        if (memcmp(r->at, stop, stop_size) == 0) {
            r->at += stop_size;
            return true;
        }
        r->line += *r->at == '\n';
    }
    return false;
}

/* Skips spaces and comments; returns false in an unterminated comment. */
static inline bool reader_skip_blank(struct reader *r)
{
    for (;;) {
        const char c = reader_peek(r, 0), next = reader_peek(r, 1);
        if (r->at == r->end)
            return true;
        if (c == '\n' || c == ' ' || c == '\t' || (c == '\r' && next == '\n')) {
            r->line += c == '\n';
            r->at++;
        } else if (c == '#' || (c == '/' && next == '/')) {
            while (r->at < r->end && *r->at != '\n')
                r->at++;
        } else if (c == '/' && next == '*') {
            r->at += 2;
            if (!reader_skip(r, "*/", 2))
                return false;
        } else {
            return true;
        }
    }
}

static inline bool reader_quoted(struct reader *r, char quote)
{
    for (r->at++; r->at < r->end; r->at++) {
        const unsigned char c = (unsigned char)*r->at;
        if (c == (unsigned char)quote) {
            r->at++;
            return true;
        }
        if (c < 0x20 || c == 0x7f)
            return false;
        if (quote == '"' && c == '$' && reader_peek(r, 1) == '{')
            return false;
        if (c == '\\' && reader_peek(r, 1) != '\\' && reader_peek(r, 1) != quote)
            return false;
        if (c == '\\')
            r->at++;
        r->word[r->word_size++] = *r->at;
    }
    return false;
}

static inline bool reader_is_word(char c)
{
    return c != '\0' && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "_.:-%@",
                               c) != NULL;
}

/* Including its quotes, if it has any. */
enum { READER_WORD_MAX = 1024 };

static inline void reader_next(struct reader *r)
{
    const char *begin;

    r->token = TOKEN_WRONG;
    r->word_size = 0;
    if (!reader_skip_blank(r))
        return;
    begin = r->at;
    r->quoted = false;
    const char c = reader_peek(r, 0);
    if (r->at == r->end) {
        r->token = TOKEN_END;
    } else if (c == '{' || c == '}' || c == '=') {
        r->at++;
        r->sign = c;
        r->token = TOKEN_SIGN;
    } else if (c == '"' || c == '\'') {
        r->quoted = true;
        if (reader_quoted(r, c))
            r->token = TOKEN_WORD;
    } else if (reader_is_word(c)) {
        while (reader_is_word(reader_peek(r, 0)))
            r->word[r->word_size++] = *r->at++;
        r->token = TOKEN_WORD;
    }
    if (r->token == TOKEN_WORD && r->at - begin > READER_WORD_MAX)
        r->token = TOKEN_WRONG;
    r->word[r->word_size] = '\0';
}

static inline bool reader_is_sign(const struct reader *r, char sign)
{
    return r->token == TOKEN_SIGN && r->sign == sign;
}

static inline void facts_add(struct facts *facts, const struct fact *fact)
{
    facts->item = realloc(facts->item, (facts->count + 1) * sizeof *facts->item);
    MUST(facts->item != NULL);
    facts->item[facts->count] = *fact;
    facts->item[facts->count++].name = fuzz_text(fact->name, strlen(fact->name));
}

/* Finds the fact about the same thing in the same file, or in any file. */
static inline const struct fact *facts_find(const struct facts *facts, const struct fact *like,
                                            bool any_file)
{
    const struct fact *last = NULL;

    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *f = &facts->item[i];
        if (f->kind == like->kind && f->setting == like->setting &&
            strcmp(f->name, like->name) == 0 && (any_file || f->file == like->file))
            last = f;
    }
    return last;
}

/* Adds a fact that may occur only once in a file. */
static inline bool facts_add_once(struct facts *facts, const struct fact *fact)
{
    if (facts_find(facts, fact, false) != NULL)
        return false;
    facts_add(facts, fact);
    return true;
}

/* The reader is at the token after the opening brace. */
static inline bool read_assignments(struct reader *r, struct fact section, struct facts *facts)
{
    for (; r->token == TOKEN_WORD; reader_next(r)) {
        const struct setting *setting = r->quoted ? NULL : setting_find(r->word);
        if (setting == NULL)
            return false;
        section.line = r->line;
        section.setting = (enum setting_id)(setting - settings);
        reader_next(r);
        if (!reader_is_sign(r, '='))
            return false;
        reader_next(r);
        if (r->token != TOKEN_WORD || r->line != section.line ||
            setting_parse(setting, r->word, &section.value) != NULL ||
            (setting->default_only != NULL && section.kind != RULE_DEFAULT) ||
            !facts_add_once(facts, &section))
            return false;
    }
    return reader_is_sign(r, '}');
}

/* The reader is at the section's first token. */
static inline bool read_section(struct reader *r, uint32_t file, struct facts *facts)
{
    struct fact section = {.file = file, .line = r->line, .setting = SETTING_COUNT};
    bool good = false;

    if (r->token != TOKEN_WORD || r->quoted)
        return false;
    if (strcmp(r->word, "group") == 0)
        section.kind = RULE_GROUP;
    else if (strcmp(r->word, "user") == 0)
        section.kind = RULE_USER;
    else if (strcmp(r->word, "default") != 0)
        return false;
    section.name = fuzz_text("", 0);
    if (section.kind != RULE_DEFAULT) {
        reader_next(r);
        if (r->token != TOKEN_WORD || r->word_size == 0 || r->word_size > RULE_NAME_MAX)
            goto out;
        free(section.name);
        section.name = fuzz_text(r->word, r->word_size);
    }
    reader_next(r);
    if (!reader_is_sign(r, '{') || !facts_add_once(facts, &section))
        goto out;
    reader_next(r);
    good = read_assignments(r, section, facts);

out:
    free(section.name);
    return good;
}

/* Reads one file's text and adds its facts; sets facts->valid to false at an
 * error. */
static inline void second_read(const char *text, size_t size, uint32_t file, struct facts *facts)
{
    struct reader r = {.at = text, .end = text + size, .line = 1, .word = fuzz_text(text, size)};

    for (reader_next(&r); r.token != TOKEN_END && facts->valid; reader_next(&r))
        facts->valid = read_section(&r, file, facts);
    free(r.word);
}

static inline void facts_free(struct facts *facts)
{
    for (size_t i = 0; i < facts->count; i++)
        free(facts->item[i].name);
    free(facts->item);
}

#endif
