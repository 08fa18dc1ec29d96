#include "tools/tmoutctl/audit/sshd_facts.h"

#include "lib/host/array.h"
#include "tools/tmoutctl/sshd/copy.h"

#include <stdlib.h>
#include <string.h>

/* More than anybody misspells. */
enum { BAD_FILES_MAX = 50 };

/* --- asking ----------------------------------------------------------------- */

static int ask_all(struct sshd_program *program, const struct sshd_facts *facts,
                   struct sshd_answers *answers)
{
    answers->user = calloc(facts->named.count + 1, sizeof *answers->user);
    if (answers->user == NULL) {
        failure_set(&answers->failure, "out of memory");
        return -1;
    }
    if (sshd_effective(program, NULL, &answers->global, &answers->failure) != 0)
        return -1;
    for (; answers->user_count < facts->named.count; answers->user_count++)
        if (sshd_effective(program, facts->named.user[answers->user_count].name,
                           &answers->user[answers->user_count], &answers->failure) != 0)
            return -1;
    return 0;
}

/* As audit->sshd, into *program, but for a copy of the configuration with these
 * edits. Returns 0, or -1 with the reason; copy is to be removed either way. */
static int program_for(const struct audit *audit, const struct edits *edits, struct sshd_copy *copy,
                       struct sshd_program *program, struct failure *failure)
{
    const struct host host = {.root = audit->host->root, .edits = edits};

    *program = audit->sshd;
    if (sshd_copy_make(&host, copy, failure) != 0)
        return -1;
    sshd_copy_path(copy, program->config, sizeof program->config);
    return 0;
}

/* Makes a part of a sentence of what sshd has said of a copy. */
static void quote_failure(const struct sshd_copy *copy, struct failure *failure)
{
    sshd_copy_name_origins(copy, failure);
    for (size_t length = strlen(failure->text); length > 0 && failure->text[length - 1] == '.';)
        failure->text[--length] = '\0';
}

void sshd_answers_find(struct audit *audit, const struct sshd_facts *facts,
                       const struct edits *edits, struct sshd_answers *answers)
{
    struct sshd_copy copy = {0};
    struct sshd_program program;

    answers->complete = program_for(audit, edits, &copy, &program, &answers->failure) == 0 &&
                        ask_all(&program, facts, answers) == 0;
    audit->sshd.query_budget_ms = program.query_budget_ms;
    quote_failure(&copy, &answers->failure);
    sshd_copy_remove(&copy);
}

void sshd_answers_free(struct sshd_answers *answers)
{
    sshd_config_free(&answers->global);
    for (size_t i = 0; answers->user != NULL && i <= answers->user_count; i++)
        sshd_config_free(&answers->user[i]);
    free(answers->user);
    *answers = (struct sshd_answers){0};
}

/* --- options that sshd does not know ------------------------------------------ */

/* Adds one that sshd has named in a copy, and takes it out. Returns 0 or -1: out
 * of memory. */
static int facts_add_bad(struct sshd_facts *facts, const struct sshd_copy *copy,
                         const struct sshd_bad_option *named)
{
    const char *origin = sshd_copy_origin(copy, named->file);
    const char *file = origin != NULL ? origin : named->file;

    for (size_t i = 0; i < facts->bad.bad_count; i++)
        if (facts->bad.bad[i].line == named->line && strcmp(facts->bad.bad[i].file, file) == 0)
            return 0;
    struct sshd_bad_option *grown = array_grow(facts->bad.bad, facts->bad.bad_count, sizeof *grown);
    if (grown == NULL)
        return -1;
    facts->bad.bad = grown;
    const struct sshd_bad_option bad = {
        .keyword = strdup(named->keyword), .file = strdup(file), .line = named->line};
    facts->bad.bad[facts->bad.bad_count++] = bad;
    if (bad.keyword == NULL || bad.file == NULL)
        return -1;
    return edits_add(&facts->without_bad, &(struct edit){EDIT_REPLACE, bad.file, bad.line, "#"});
}

/* sshd gives up at the end of the first file with such an option: it is asked
 * again without those that it has named. */
static int facts_find_bad(struct audit *audit, struct sshd_facts *facts)
{
    int result = 0;
    size_t before;

    do {
        struct sshd_copy copy = {0};
        struct sshd_program program;
        struct sshd_config config = {0};
        struct failure failure;
        before = facts->bad.bad_count;
        if (program_for(audit, &facts->without_bad, &copy, &program, &failure) == 0)
            (void)sshd_effective(&program, NULL, &config, &failure);
        for (size_t i = 0; result == 0 && i < config.bad_count; i++)
            result = facts_add_bad(facts, &copy, &config.bad[i]);
        sshd_config_free(&config);
        sshd_copy_remove(&copy);
    } while (result == 0 && facts->bad.bad_count > before && before < BAD_FILES_MAX);
    return result;
}

/* --- all of it ---------------------------------------------------------------- */

static void rehearse_named(void *context)
{
    const struct sshd_named_question *question = context;
    struct sshd_named named = {0};
    struct failure failure;

    (void)sshd_named_find(question, &named, &failure);
    sshd_named_free(&named);
}

static int facts_find_named(struct audit *audit, struct sshd_facts *facts, struct failure *failure)
{
    struct sshd_named_question question = {&facts->text, &audit->policy, audit->absent};

    if (audit_names_answer(audit, rehearse_named, &question))
        return sshd_named_find(&question, &facts->named, failure);
    *failure = audit->no_names;
    return -1;
}

int sshd_facts_find(struct audit *audit, struct sshd_facts *facts)
{
    int result = sshd_text_read(audit->host, &facts->text);

    if (sshd_effective(&audit->sshd, NULL, &facts->effective, &facts->failure) == 0)
        facts->failure.text[0] = '\0';
    facts->has_version =
        sshd_installed_version(&audit->sshd, &facts->version, &facts->no_version) == 0;
    if (result == 0 && facts->effective.bad_count > 0) {
        struct failure failure;
        result = facts_find_bad(audit, facts);
        /* Without them the suggestions are only fewer. */
        (void)sshd_builtin(&audit->sshd, &facts->builtin, &failure);
    }
    if (result != 0)
        return -1;
    if (facts_find_named(audit, facts, &facts->answers.failure) == 0)
        sshd_answers_find(audit, facts, &facts->without_bad, &facts->answers);
    return 0;
}

void sshd_facts_free(struct sshd_facts *facts)
{
    sshd_answers_free(&facts->answers);
    sshd_named_free(&facts->named);
    sshd_config_free(&facts->effective);
    sshd_config_free(&facts->bad);
    sshd_config_free(&facts->builtin);
    edits_free(&facts->without_bad);
    sshd_text_free(&facts->text);
}
