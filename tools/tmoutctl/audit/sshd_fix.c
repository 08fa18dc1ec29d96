#include "tools/tmoutctl/audit/sshd_fix.h"

#include "tools/tmoutctl/audit/patch.h"
#include "tools/tmoutctl/sshd/site.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where values of the site's own go; it comes right after the policy's file. */
#define SITE_DROP_IN    "/etc/ssh/sshd_config.d/01-site.conf"
#define INCLUDE_DROP_IN "Include /etc/ssh/sshd_config.d/*.conf"

/* --- edits ---------------------------------------------------------------- */

void sshd_fix_line(struct finding *finding, const struct sshd_line *line, const char *text)
{
    const size_t indent = strspn(line->text, " \t");
    char *whole = NULL;

    /* A carriage return at the end is part of the line's ending. */
    const size_t length = strcspn(line->text, "\r");
    const char *comment = sshd_line_comment(line->text);
    if (text != NULL ? asprintf(&whole, "%.*s%s%.*s", (int)indent, line->text, text,
                                (int)strcspn(comment, "\r"), comment) < 0
                     : asprintf(&whole, "# %.*s", (int)length, line->text) < 0) {
        finding->list->out_of_memory = true;
        return;
    }
    finding_add_edit(finding, &(struct edit){EDIT_REPLACE, line->file, line->line, whole});
    free(whole);
}

/* Would a line with this keyword in a drop-in come before the one that sets it
 * now, which may be NULL? Reads the files as if it were there. */
static bool drop_in_is_first(const struct audit *audit, const char *keyword, const char *text)
{
    struct edits edits = {0};
    const struct host host = {.root = audit->host->root, .edits = &edits};
    struct sshd_text with = {0};
    bool is_first = false;

    if (edits_add(&edits, &(struct edit){EDIT_INSERT, SITE_DROP_IN, EDIT_END,
                                         (char *)(uintptr_t)text}) == 0 &&
        sshd_text_read(&host, &with) == 0) {
        const struct sshd_line *first = sshd_text_first(&with, keyword);
        is_first = first != NULL && strcmp(first->file, SITE_DROP_IN) == 0;
    }
    sshd_text_free(&with);
    edits_free(&edits);
    return is_first;
}

/* Puts a line before all others of sshd_config. */
static void insert_first(const struct audit *audit, struct finding *finding,
                         const struct sshd_text *text, const char *line)
{
    const char *path = sshd_config_path(audit->host);
    unsigned number = EDIT_END;

    for (size_t i = 0; number == EDIT_END && i < text->count; i++)
        if (strcmp(text->line[i].file, path) == 0)
            number = text->line[i].line;
    finding_add_edit(finding, &(struct edit){EDIT_INSERT, (char *)(uintptr_t)path, number,
                                             (char *)(uintptr_t)line});
}

void sshd_fix_value(const struct audit *audit, struct finding *finding,
                    const struct sshd_line *line, const char *keyword, const char *value)
{
    const bool is_in_place =
        line != NULL && (line->in_match || strcmp(line->file, SITE_DROP_IN) == 0);
    struct sshd_text all = {0};
    char text[256];

    snprintf(text, sizeof text, "%s %s", keyword, value);
    finding_set_remediation(finding, "Set %s.", text);
    if (!is_in_place && drop_in_is_first(audit, keyword, text))
        finding_add_edit(finding, &(struct edit){EDIT_INSERT, SITE_DROP_IN, EDIT_END, text});
    else if (line != NULL)
        sshd_fix_line(finding, line, text);
    else if (sshd_text_read(audit->host, &all) == 0)
        insert_first(audit, finding, &all, text);
    else
        finding->list->out_of_memory = true;
    sshd_text_free(&all);
}

bool sshd_includes(const struct sshd_text *text, const char *path)
{
    char word[PATH_MAX], full[2 * PATH_MAX];

    for (size_t i = 0; i < text->count; i++) {
        const struct sshd_line *line = &text->line[i];
        if (line->in_match || strcasecmp(line->keyword, "include") != 0)
            continue;
        for (const char *rest = line->arguments; sshd_next_word(&rest, word, sizeof word);) {
            sshd_include_pattern(word, full, sizeof full);
            if (fnmatch(full, path, FNM_PATHNAME) == 0)
                return true;
        }
    }
    return false;
}

void sshd_fix_include(const struct audit *audit, struct finding *finding,
                      const struct sshd_text *text)
{
    insert_first(audit, finding, text, INCLUDE_DROP_IN);
}

/* --- proof ---------------------------------------------------------------- */

/* What findings are about, besides the policy's keywords. */
static const struct {
    enum audit_check check;
    const char *keyword;
} subjects[] = {
    {CHECK_SSHD_USER_ENVIRONMENT, "permituserenvironment"},
    {CHECK_SSHD_ACCEPT_ENV, "acceptenv"},
    {CHECK_SSHD_SET_ENV, "setenv"},
};

struct proof {
    struct audit *audit;
    const struct sshd_facts *facts;
    size_t first;                                     /* finding */
    bool subject[sizeof subjects / sizeof *subjects]; /* which of them have edits */
};

/* May the patch change this keyword's value? */
static bool may_differ(const struct proof *proof, const char *keyword)
{
    for (size_t i = 0; i < sshd_keyword_count; i++)
        if (strcasecmp(sshd_keywords[i].keyword, keyword) == 0)
            return true;
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        if (proof->subject[i] && strcasecmp(subjects[i].keyword, keyword) == 0)
            return true;
    return false;
}

/* The next value from i on that may not differ, or config->count. */
static size_t next_fixed(const struct proof *proof, const struct sshd_config *config, size_t i)
{
    while (i < config->count && may_differ(proof, config->item[i].keyword))
        i++;
    return i;
}

/* sshd prints its values in the same order each time. */
static bool is_same(const struct proof *proof, const struct sshd_config *before,
                    const struct sshd_config *after)
{
    size_t i = next_fixed(proof, before, 0), k = next_fixed(proof, after, 0);

    while (i < before->count && k < after->count &&
           strcmp(before->item[i].keyword, after->item[k].keyword) == 0 &&
           strcmp(before->item[i].value, after->item[k].value) == 0) {
        i = next_fixed(proof, before, i + 1);
        k = next_fixed(proof, after, k + 1);
    }
    return i == before->count && k == after->count;
}

/* Collects the edits of the findings up to number `end`, notes what they are
 * about, and takes out the options without which sshd would start. Returns 0, or
 * -1: out of memory. */
static int proof_collect(struct proof *proof, size_t end, struct edits *edits)
{
    const struct findings *findings = &proof->audit->findings;
    const struct edits *without_bad = &proof->facts->without_bad;

    memset(proof->subject, 0, sizeof proof->subject);
    for (size_t i = proof->first; i < end; i++) {
        const struct finding *finding = findings->item[i];
        for (size_t s = 0; s < sizeof subjects / sizeof *subjects; s++)
            proof->subject[s] |= finding->edits.count > 0 && subjects[s].check == finding->check;
        if (edits_add_all(edits, &finding->edits) != 0)
            return -1;
    }
    for (size_t i = 0; i < without_bad->count; i++)
        if (!edits_conflict(edits, &without_bad->item[i]) &&
            edits_add(edits, &without_bad->item[i]) != 0)
            return -1;
    return 0;
}

static bool has_lines_of(const struct sshd_text *text, const char *file)
{
    for (size_t i = 0; i < text->count; i++)
        if (strcmp(text->line[i].file, file) == 0)
            return true;
    return false;
}

/* Do the edits let sshd read Match blocks of the site that it does not read now, as an
 * Include does? Those may be about users, addresses and ports that sshd was not asked
 * about. */
static bool reveals_match(const struct proof *proof, const struct edits *edits)
{
    const struct host host = {.root = proof->audit->host->root, .edits = edits};
    struct sshd_text after = {0};
    bool reveals = sshd_text_read(&host, &after) != 0;

    for (size_t i = 0; !reveals && i < after.count; i++)
        reveals = strcasecmp(after.line[i].keyword, "match") == 0 &&
                  strcmp(after.line[i].file, SSHD_DROP_IN) != 0 &&
                  !has_lines_of(&proof->facts->text, after.line[i].file);
    sshd_text_free(&after);
    return reveals;
}

/* Are the edits of the findings up to number `end` proven? */
static bool is_proven(struct proof *proof, size_t end)
{
    const struct sshd_answers *before = &proof->facts->answers;
    struct sshd_answers after = {0};
    struct edits edits = {0};

    if (proof_collect(proof, end, &edits) != 0)
        proof->audit->findings.out_of_memory = true;
    sshd_answers_find(proof->audit, proof->facts, &edits, &after);
    bool proven = after.complete && is_same(proof, &before->global, &after.global) &&
                  !reveals_match(proof, &edits);
    for (size_t i = 0; proven && i < before->user_count; i++)
        proven = is_same(proof, &before->user[i], &after.user[i]);
    sshd_answers_free(&after);
    edits_free(&edits);
    return proven;
}

static bool has_edits(const struct findings *findings, size_t first, size_t end)
{
    while (first < end && findings->item[first]->edits.count == 0)
        first++;
    return first < end;
}

/* Withdraws the edits of those findings from number `first` to `end` that are not proven
 * together with all before them. Halves, since each proof asks sshd about everybody. */
static void prove_from(struct proof *proof, size_t first, size_t end)
{
    if (!has_edits(&proof->audit->findings, first, end) || is_proven(proof, end))
        return;
    if (end - first == 1) {
        patch_withdraw(proof->audit->findings.item[first],
                       "There is no patch, since sshd would not start, or would treat somebody "
                       "differently in other ways, too.");
        return;
    }
    const size_t middle = first + (end - first) / 2;
    prove_from(proof, first, middle);
    prove_from(proof, middle, end);
}

void sshd_prove(struct audit *audit, const struct sshd_facts *facts, size_t first)
{
    struct proof proof = {.audit = audit, .facts = facts, .first = first};

    if (facts->answers.complete) {
        prove_from(&proof, first, audit->findings.count);
        return;
    }
    for (size_t i = first; i < audit->findings.count; i++)
        if (audit->findings.item[i]->edits.count > 0)
            patch_withdraw(audit->findings.item[i],
                           "There is no patch, since sshd cannot be asked what it would do: %s.",
                           facts->answers.failure.text);
}
