#include "lib/policy/scan.h"

#include "lib/host/array.h"
#include "lib/policy/lexer.h"
#include "lib/policy/section.h"

#include <stdlib.h>
#include <string.h>

/* The head of a section that was seen, to find duplicates. */
struct seen_head {
    enum rule_kind kind;
    char *name;
    unsigned line;
};

struct scanner {
    const struct scan_input *input;
    struct lexer lexer;
    struct token token, next, after; /* the current one, and the two after it */
    struct section section;          /* the one that is being read */
    struct token head;               /* its first word */
    size_t end;                      /* just past the last token that was taken */
    size_t nested;                   /* that others interrupted, whose } is still to come */
    bool outside;                    /* of any section: settings are noted */
    struct token *stray;             /* their names */
    size_t stray_count;
    struct seen_head *seen;
    size_t seen_count;
    scan_take_section *take;
    void *context;
    bool no_memory;
    struct problems *problems;
};

/* A token's text for messages, as it was written; clipped. */
#define TOKEN_TEXT(s, token)                                                                       \
    (int)((token)->size < 64 ? (token)->size : 64), (s)->lexer.text + (token)->start

static void start_section(struct scanner *s)
{
    section_begin(&s->section, s->input->file, s->input->file_index, s->token.line, s->problems);
    s->head = s->token;
}

/* Goes to the next token. One that is bad was reported by the lexer. */
static struct token take(struct scanner *s)
{
    const struct token taken = s->token;

    s->section.errors += taken.bad;
    s->end = taken.start + taken.size;
    s->token = s->next;
    s->next = s->after;
    lexer_next(&s->lexer, &s->after);
    return taken;
}

/* Is this the name of a setting, without quotes? */
static bool is_setting_name(const struct scanner *s, const struct token *token)
{
    char word[WORD_SIZE_MAX + 1];

    lexer_word(&s->lexer, token, word);
    return !token->quoted && setting_find(word) != NULL;
}

static bool is_kind(const struct scanner *s, const struct token *token)
{
    char word[WORD_SIZE_MAX + 1];
    enum rule_kind kind;

    if (token->kind != TOKEN_WORD || token->quoted)
        return false;
    lexer_word(&s->lexer, token, word);
    return section_find_kind(word, &kind);
}

/* Is there a section's head here, inside another section? */
static bool at_head(const struct scanner *s)
{
    const bool before_brace = s->next.kind == TOKEN_OPEN ||
                              (s->next.kind == TOKEN_WORD && s->next.line == s->token.line &&
                               s->after.kind == TOKEN_OPEN);

    if (s->token.kind != TOKEN_WORD || s->token.quoted)
        return false;
    if (is_kind(s, &s->token) && s->token.first_on_line)
        return s->next.kind != TOKEN_EQUALS;
    return before_brace && !is_setting_name(s, &s->token);
}

/* Is there a setting here, outside any section? */
static bool at_setting(const struct scanner *s)
{
    if (s->token.kind != TOKEN_WORD || is_kind(s, &s->token))
        return false;
    return s->next.kind == TOKEN_EQUALS
               ? s->after.kind != TOKEN_OPEN
               : s->next.kind != TOKEN_OPEN && is_setting_name(s, &s->token);
}

/* --- settings ------------------------------------------------------------- */

/* NAME = VALUE, or what there is of it. */
struct assignment {
    struct token name, value;
    bool has_equals, has_value;
    bool one_line; /* all of it is on the name's line */
    bool bad;      /* a token in it is, which may explain what is missing */
};

/* The =, and whatever is wrongly before it. */
static void take_equals(struct scanner *s, struct assignment *a)
{
    while (s->token.kind == TOKEN_WORD && s->token.bad && s->token.line == a->name.line &&
           s->next.kind == TOKEN_EQUALS) {
        take(s);
        a->bad = true;
    }
    if (s->token.kind != TOKEN_EQUALS)
        return;
    a->has_equals = true;
    a->one_line = take(s).line == a->name.line;
    if (s->token.kind == TOKEN_EQUALS)
        section_error(&s->section, s->token.line,
                      "%.*s is followed by more than one =", TOKEN_TEXT(s, &a->name));
    while (s->token.kind == TOKEN_EQUALS)
        take(s);
}

/* { ... } where a value should be. Another setting in it shows that its } is
 * missing, or another section. */
static void take_braces(struct scanner *s, struct assignment *a)
{
    section_error(&s->section, s->token.line, "%.*s takes one value, without braces",
                  TOKEN_TEXT(s, &a->name));
    a->bad = true;
    take(s);
    while (s->token.kind == TOKEN_SEPARATOR ||
           (s->token.kind == TOKEN_WORD && s->next.kind != TOKEN_EQUALS && !at_head(s)))
        take(s);
    if (s->token.kind == TOKEN_CLOSE)
        take(s);
}

/* Is the current word the value of an assignment, and not the next name? */
static bool at_value(const struct scanner *s, const struct assignment *a)
{
    const bool same_line = s->token.line == a->name.line;

    if (s->token.kind != TOKEN_WORD || at_head(s))
        return false;
    if (is_setting_name(s, &s->token) && (s->next.kind == TOKEN_EQUALS || !a->has_equals))
        return false;
    if (a->has_equals && same_line)
        return true;
    return (a->has_equals || same_line) && s->next.kind != TOKEN_EQUALS &&
           !(is_setting_name(s, &s->token) && !same_line);
}

static void take_value(struct scanner *s, struct assignment *a)
{
    if (s->token.kind == TOKEN_OPEN && a->has_equals) {
        take_braces(s, a);
        return;
    }
    a->has_value = at_value(s, a);
    if (!a->has_value)
        return;
    a->value = take(s);
    a->one_line = a->one_line && a->value.line == a->name.line;
    a->bad = a->bad || a->value.bad;
}

/* Words after the value that do not begin another setting. */
static void take_surplus(struct scanner *s, struct assignment *a)
{
    struct token first = {0};

    while (a->has_value && s->token.kind == TOKEN_WORD && s->token.line == a->value.line &&
           !s->token.first_on_line && s->next.kind != TOKEN_EQUALS && !at_head(s) &&
           !is_setting_name(s, &s->token)) {
        const struct token word = take(s);
        if (first.size == 0)
            first = word;
        a->bad = a->bad || word.bad;
    }
    if (first.size > 0 && !a->bad && a->has_equals)
        section_error(&s->section, first.line,
                      "unexpected %.*s after the value of %.*s: a value is one word, as in 1h30m",
                      TOKEN_TEXT(s, &first), TOKEN_TEXT(s, &a->name));
}

/* The setting that an assignment names, or seems to name; NULL: none known. */
static const struct setting *find_named(struct scanner *s, const struct assignment *a,
                                        const struct setting **meant)
{
    char word[WORD_SIZE_MAX + 1];
    size_t length;

    *meant = NULL;
    lexer_word(&s->lexer, &a->name, word);
    if (a->name.quoted && !a->name.bad)
        section_error(&s->section, a->name.line,
                      "only values and the names of users and groups can be in quotes");
    length = strlen(word);
    if (!a->has_equals && length > 1 && word[length - 1] == ':')
        word[length - 1] = '\0';
    /* Without a = it may be no setting at all. */
    if (a->name.bad || (a->bad && !a->has_equals) || !lexer_is_plain(word))
        return NULL;
    return section_find_setting(&s->section, a->name.line, word, meant);
}

static void check_assignment(struct scanner *s, const struct assignment *a)
{
    char text[WORD_SIZE_MAX + 1];
    const unsigned line = a->name.line;
    const struct setting *meant, *setting = find_named(s, a, &meant);

    if (!a->has_equals && !a->bad && meant != NULL)
        section_error(&s->section, line, "%.*s is not followed by = and a value",
                      TOKEN_TEXT(s, &a->name));
    else if (a->has_equals && !a->has_value && !a->bad)
        section_error(&s->section, line, "%.*s has no value", TOKEN_TEXT(s, &a->name));
    else if (a->has_equals && a->has_value && !a->one_line)
        section_error(&s->section, line, "%.*s, its = and its value must be on one line",
                      TOKEN_TEXT(s, &a->name));
    if (setting == NULL)
        return;
    if (!a->has_value || a->value.bad) {
        section_note_setting(&s->section, line, setting);
        return;
    }
    lexer_word(&s->lexer, &a->value, text);
    section_set_value(&s->section, line, setting, text);
}

static void note_outside(struct scanner *s, const struct token *name)
{
    struct token *grown = array_grow(s->stray, s->stray_count, sizeof *grown);

    if (grown == NULL) {
        s->no_memory = true;
        return;
    }
    s->stray = grown;
    s->stray[s->stray_count++] = *name;
}

static void read_setting(struct scanner *s)
{
    struct assignment a = {.name = take(s)};

    if (s->outside && !a.name.bad)
        note_outside(s, &a.name);
    a.bad = a.name.bad;
    take_equals(s, &a);
    take_value(s, &a);
    take_surplus(s, &a);
    check_assignment(s, &a);
}

/* --- what is out of place ------------------------------------------------- */

static void stray_equals(struct scanner *s)
{
    section_error(&s->section, s->token.line, "unexpected =: the name of a setting is missing");
    while (s->token.kind == TOKEN_EQUALS)
        take(s);
    if (s->token.kind == TOKEN_WORD && !s->token.first_on_line && s->next.kind != TOKEN_EQUALS &&
        !at_head(s))
        take(s);
}

/* A comma begins a list, whose words are not settings. */
static void stray_separator(struct scanner *s)
{
    const bool list = s->lexer.text[take(s).start] == ',';

    while (list && s->token.kind == TOKEN_WORD && !s->token.first_on_line &&
           s->next.kind != TOKEN_EQUALS && !at_head(s))
        take(s);
}

/* Returns how many { there are. */
static size_t stray_open(struct scanner *s, bool reported)
{
    size_t count = 0;

    if (!reported)
        section_error(&s->section, s->token.line, "unexpected {: this section is open already");
    for (; s->token.kind == TOKEN_OPEN; count++)
        take(s);
    return count;
}

static void stray_close(struct scanner *s)
{
    if (s->nested > 0)
        s->nested--;
    else if (!s->lexer.unsure)
        section_error(&s->section, s->token.line, "unexpected }: no section is open");
    take(s);
}

/* --- sections ------------------------------------------------------------- */

/* The head of another section while one is open. If it is indented, it is meant
 * to be inside, and a } for the outer one will come. */
static void interrupt_section(struct scanner *s)
{
    const unsigned open_line = s->section.rule.line;

    if (s->token.first_on_line && s->token.column <= s->head.column) {
        section_error(&s->section, s->token.line,
                      "a } is missing before this line: the section on line %u is not closed",
                      open_line);
    } else {
        section_error(&s->section, s->token.line,
                      "sections cannot be nested: the section on line %u is not closed", open_line);
        s->nested++;
    }
}

/* Reads settings up to the } of the section. Returns whether it was there.
 * It can be missing only from a section that was opened. */
static bool read_body(struct scanner *s, bool opened)
{
    size_t surplus = 0; /* { beyond the section's own */

    for (;;) {
        const bool complete = !opened || surplus > 0 || s->lexer.unsure;
        switch (s->token.kind) {
        case TOKEN_END:
            if (!complete)
                section_error(&s->section, s->section.rule.line,
                              "the section that begins here is not closed: } is missing");
            return false;
        case TOKEN_CLOSE:
            take(s);
            if (surplus == 0)
                return true;
            surplus--;
            break;
        case TOKEN_OPEN:
            surplus += stray_open(s, !opened);
            break;
        case TOKEN_EQUALS:
            stray_equals(s);
            break;
        case TOKEN_SEPARATOR:
            stray_separator(s);
            break;
        case TOKEN_WORD:
            if (at_head(s)) {
                if (!complete)
                    interrupt_section(s);
                return false;
            }
            read_setting(s);
            break;
        }
    }
}

static void keep_head(struct scanner *s)
{
    struct seen_head *grown = array_grow(s->seen, s->seen_count, sizeof *grown);

    if (grown == NULL) {
        s->no_memory = true;
        return;
    }
    s->seen = grown;
    s->seen[s->seen_count++] = (struct seen_head){
        .kind = s->section.rule.kind, .name = s->section.rule.name, .line = s->section.rule.line};
    s->section.rule.name = NULL;
}

static void end_section(struct scanner *s, bool closed)
{
    const struct section *section = &s->section;
    const bool has_head = section->has_kind && section->has_name;
    const struct scan_section found = {
        .start = s->head.start, .end = s->end, .rule = &section->rule};

    s->no_memory = s->no_memory || section->no_memory;
    if (!s->no_memory && closed && has_head && section->errors == 0 &&
        s->take(s->context, &found) != 0)
        s->no_memory = true;
    if (!s->no_memory && has_head)
        keep_head(s);
    section_free(&s->section);
}

/* A word of a head that is already complete, or one that begins another? */
static bool begins_head(const struct scanner *s, unsigned words)
{
    char kind[WORD_SIZE_MAX + 1];

    lexer_word(&s->lexer, &s->head, kind);
    const bool complete = words > 1 || strcmp(kind, rule_kind_word(RULE_DEFAULT)) == 0;
    if (s->token.quoted)
        return false;
    /* `user group { }` is a rule for a user called group. */
    if (is_kind(s, &s->token))
        return complete || s->next.kind == TOKEN_WORD;
    return s->token.first_on_line && (complete || !is_kind(s, &s->head));
}

static void check_head(struct scanner *s, const struct token *name, unsigned words, bool bad)
{
    struct section *section = &s->section;
    char word[WORD_SIZE_MAX + 1];

    if (s->head.bad)
        return;
    if (s->head.quoted)
        section_error(section, s->head.line,
                      "only values and the names of users and groups can be in quotes");
    lexer_word(&s->lexer, &s->head, word);
    section_set_kind(section, s->head.line, word);
    if (!section->has_kind)
        return;
    if (section->rule.kind == RULE_DEFAULT) {
        if (words > 1 && !bad)
            section_error(section, s->head.line, "default takes no name");
        section_set_name(section, s->head.line, "");
    } else if (words == 2 && !name->bad) {
        lexer_word(&s->lexer, name, word);
        section_set_name(section, name->line, word);
    } else if (!bad) {
        section_error(section, s->head.line,
                      words == 1 ? "%s needs a name"
                                 : "%s takes one name: quote a name with spaces",
                      rule_kind_word(section->rule.kind));
    }
}

/* Reads KIND [NAME]. Returns whether a token in it was bad. */
static bool read_head(struct scanner *s)
{
    struct token name = {0};
    unsigned words = 0;
    bool bad = false;

    for (;;) {
        if (s->token.kind == TOKEN_EQUALS && words > 0) {
            if (!bad)
                section_error(&s->section, s->token.line, "unexpected = in a section header");
            bad = true;
            take(s);
        } else if (s->token.kind == TOKEN_SEPARATOR) {
            bad = true;
            take(s);
        } else if (s->token.kind == TOKEN_WORD &&
                   (words == 0 || ((s->next.kind != TOKEN_EQUALS || s->after.kind == TOKEN_OPEN) &&
                                   !begins_head(s, words)))) {
            const struct token word = take(s);
            bad = bad || word.bad;
            if (++words == 2)
                name = word;
        } else {
            break;
        }
    }
    check_head(s, &name, words, bad);
    return bad;
}

/* KIND [NAME] { ... }, or what there is of it. */
static void read_section(struct scanner *s)
{
    bool closed = false;

    start_section(s);
    const size_t head_start = s->token.start;
    const bool bad = read_head(s);
    const size_t head_size = s->end - head_start;
    const bool opened = s->token.kind == TOKEN_OPEN;

    if (opened)
        take(s);
    else if (!bad && s->section.has_kind)
        section_error(&s->section, s->head.line, "a { is missing after %.*s",
                      (int)(head_size < 64 ? head_size : 64), s->lexer.text + head_start);
    if (opened || s->token.kind == TOKEN_CLOSE || at_setting(s))
        closed = read_body(s, opened);
    end_section(s, closed && opened);
}

/*
 * Settings without a section, up to a } or the next section. If there is a },
 * they were in one whose { or head is missing, which is one error; otherwise
 * each of them is one. They are no errors if they belong to a section that
 * another one interrupted.
 */
static void read_outside(struct scanner *s)
{
    const bool interrupted = s->nested > 0;

    start_section(s);
    s->outside = true;
    const bool closed = read_body(s, false);
    s->outside = false;
    for (size_t i = 0; i < s->stray_count && !interrupted && !s->lexer.unsure; i++) {
        char word[WORD_SIZE_MAX + 1];
        lexer_word(&s->lexer, &s->stray[i], word);
        if (strcmp(word, "include") != 0 && (i == 0 || !closed))
            section_error(&s->section, s->stray[i].line,
                          "%.*s is outside of any section: put settings into default { ... }",
                          TOKEN_TEXT(s, &s->stray[i]));
    }
    s->stray_count = 0;
    s->nested -= interrupted && closed;
    end_section(s, false);
}

static void read_nameless(struct scanner *s)
{
    start_section(s);
    section_error(&s->section, s->token.line,
                  "unexpected {: a section begins with default, group \"NAME\" or user \"NAME\"");
    take(s);
    read_body(s, false);
    end_section(s, false);
}

static void read_top(struct scanner *s)
{
    switch (s->token.kind) {
    case TOKEN_OPEN:
        read_nameless(s);
        break;
    case TOKEN_CLOSE:
        stray_close(s);
        break;
    case TOKEN_EQUALS:
        stray_equals(s);
        break;
    case TOKEN_SEPARATOR:
        stray_separator(s);
        break;
    case TOKEN_WORD:
        if (at_setting(s))
            read_outside(s);
        else
            read_section(s);
        break;
    case TOKEN_END:
        break;
    }
}

/* --- sections that come twice --------------------------------------------- */

static int compare_heads(const void *left, const void *right)
{
    const struct seen_head *a = left, *b = right;
    const int names = strcmp(a->name, b->name);

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (names != 0)
        return names;
    return a->line < b->line ? -1 : a->line > b->line;
}

static void check_twice(struct scanner *s)
{
    const struct seen_head *first = s->seen;

    if (s->seen_count > 1)
        qsort(s->seen, s->seen_count, sizeof *s->seen, compare_heads);
    for (size_t i = 1; i < s->seen_count; i++) {
        const struct seen_head *head = &s->seen[i];
        if (head->kind != first->kind || strcmp(head->name, first->name) != 0) {
            first = head;
            continue;
        }
        const char *quote = head->kind == RULE_DEFAULT ? "" : "\"";
        section_error(&s->section, head->line,
                      "%s%s%s%s%s is already defined on line %u: merge the two sections",
                      rule_kind_word(head->kind), quote[0] != '\0' ? " " : "", quote, head->name,
                      quote, first->line);
    }
}

/* {"default": ... would give an error for nearly every word. */
static bool is_json(const struct scanner *s)
{
    return s->token.kind == TOKEN_OPEN && s->next.quoted && s->after.kind == TOKEN_WORD &&
           s->lexer.text[s->after.start] == ':';
}

int scan(const struct scan_input *input, scan_take_section *take_section, void *context,
         struct problems *problems)
{
    struct scanner s = {
        .input = input, .take = take_section, .context = context, .problems = problems};

    lexer_start(&s.lexer, input->text, input->size, input->file, problems);
    lexer_next(&s.lexer, &s.token);
    lexer_next(&s.lexer, &s.next);
    lexer_next(&s.lexer, &s.after);
    start_section(&s);
    if (is_json(&s))
        section_error(&s.section, s.token.line,
                      "the file is in JSON: write a section as default { "
                      "NAME = VALUE }");
    else
        while (s.token.kind != TOKEN_END && !s.no_memory)
            read_top(&s);
    check_twice(&s);
    for (size_t i = 0; i < s.seen_count; i++)
        free(s.seen[i].name);
    free(s.seen);
    free(s.stray);
    return s.no_memory ? -1 : 0;
}
