/*
 * tmoutctl audit [--baseline NAME]: does the host do what the policy says?
 * Reads the real thing, changes nothing, and names a command for each fault.
 */
#include "tools/tmoutctl/audit/audit.h"

#include "lib/policy/compile.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/verbs/verbs.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const status_words[] = {
    [AUDIT_PASS] = "PASS", [AUDIT_WARN] = "WARN", [AUDIT_FAIL] = "FAIL"};

/* --- collecting --------------------------------------------------------- */

static struct finding *new_finding(struct audit *audit)
{
    struct finding *grown = reallocarray(audit->finding, audit->count + 1, sizeof *audit->finding);

    if (grown == NULL) {
        audit->out_of_memory = true;
        return NULL;
    }
    audit->finding = grown;
    audit->finding[audit->count] = (struct finding){.id = audit->check};
    return &audit->finding[audit->count++];
}

void audit_add(struct audit *audit, enum audit_status status, const char *file, unsigned line,
               const char *format, ...)
{
    struct finding *finding = new_finding(audit);
    va_list arguments;

    if (finding == NULL)
        return;
    finding->status = status;
    finding->line = line;
    va_start(arguments, format);
    if (vasprintf(&finding->message, format, arguments) < 0)
        finding->message = NULL;
    va_end(arguments);
    if (file != NULL)
        finding->file = strdup(file);
    if (finding->message == NULL || (file != NULL && finding->file == NULL))
        audit->out_of_memory = true;
}

bool audit_has(const struct audit *audit, const char *file, unsigned line)
{
    for (size_t i = 0; i < audit->count; i++) {
        const struct finding *f = &audit->finding[i];
        if (f->id == audit->check && f->line == line && f->file != NULL &&
            strcmp(f->file, file) == 0)
            return true;
    }
    return false;
}

void audit_mend(struct audit *audit, const char *format, ...)
{
    va_list arguments;
    char *mend = NULL;

    if (audit->out_of_memory || audit->count == 0)
        return;
    va_start(arguments, format);
    if (vasprintf(&mend, format, arguments) < 0) {
        audit->out_of_memory = true;
        mend = NULL;
    }
    va_end(arguments);
    if (mend != NULL && !is_clean_text(mend)) {
        free(mend);
        mend = NULL;
    }
    audit->finding[audit->count - 1].mend = mend;
}

void audit_control(struct audit *audit, const char *control)
{
    if (audit->out_of_memory || audit->count == 0 || control[0] == '\0')
        return;
    audit->finding[audit->count - 1].control = strdup(control);
    audit->out_of_memory = audit->finding[audit->count - 1].control == NULL;
}

void audit_run(struct audit *audit, const struct audit_check *checks, const void *facts)
{
    for (const struct audit_check *check = checks; check->id != NULL; check++) {
        const size_t before = audit->count;
        audit->check = check->id;
        check->run(audit, facts);
        if (audit->count == before)
            audit_add(audit, AUDIT_PASS, NULL, 0, "%s", check->passed);
    }
}

const char *shell_word(const char *path, char *text, size_t size)
{
    static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "/._-+@%,:";
    size_t used = 1;

    snprintf(text, size, "%s", path);
    if (path[0] != '\0' && path[strspn(path, harmless)] == '\0')
        return text;
    text[0] = '\'';
    for (const char *c = path; *c != '\0' && used + 6 < size; c++) {
        if (*c == '\'') {
            memcpy(text + used, "'\\''", 4);
            used += 4;
        } else {
            text[used++] = *c;
        }
    }
    text[used++] = '\'';
    text[used] = '\0';
    return text;
}

/* --- the policy, as all areas need it ----------------------------------- */

/* In single quotes, which tmout.conf(5) has for all that double ones would
 * read otherwise, a backslash stands before itself and before the quote. */
const char *rule_title(const struct rule *rule, char *text, size_t size)
{
    const bool single = strpbrk(rule->name, "\"\\") != NULL || strstr(rule->name, "${") != NULL;

    if (rule->kind == RULE_DEFAULT || !single) {
        const char *quote = rule->kind == RULE_DEFAULT ? "" : "\"";
        snprintf(text, size, "%s%s%s%s%s", rule_kind_word(rule->kind), quote[0] != '\0' ? " " : "",
                 quote, rule->name, quote);
        return text;
    }
    size_t used = (size_t)snprintf(text, size, "%s '", rule_kind_word(rule->kind));
    for (const char *c = rule->name; *c != '\0' && used + 4 < size; c++) {
        if (*c == '\'' || *c == '\\')
            text[used++] = '\\';
        text[used++] = *c;
    }
    text[used++] = '\'';
    text[used] = '\0';
    return text;
}

void mend_by_hand(struct audit *audit, const char *file, unsigned line)
{
    char word[PATH_MAX];

    audit_mend(audit, "vi +%u %s && tmoutctl check && tmoutctl apply", line > 0 ? line : 1,
               shell_word(file, word, sizeof word));
}

int64_t rule_value(const struct audit *audit, const struct rule *rule, enum setting_id id)
{
    const struct policy *policy = &audit->policy;

    if (rule->setting[id].set)
        return rule->setting[id].value;
    for (size_t i = 0; i < policy->count; i++)
        if (policy->rule[i].kind == RULE_DEFAULT && policy->rule[i].setting[id].set)
            return policy->rule[i].setting[id].value;
    return settings[id].default_value;
}

bool any_rule_sets(const struct audit *audit, enum setting_id id)
{
    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule_setting *setting = &audit->policy.rule[i].setting[id];
        if (setting->set && setting->value != SETTING_NONE)
            return true;
    }
    return false;
}

const char *policy_file(const struct audit *audit, uint32_t file, char *path, size_t size)
{
    snapshot_source_path(&audit->view.snapshot, file, path, size);
    return path;
}

/* --- saying ------------------------------------------------------------- */

static void print_finding(const struct finding *finding)
{
    printf("%s  %-23s ", status_words[finding->status], finding->id);
    if (finding->control != NULL) {
        print_clean(finding->control);
        fputs(": ", stdout);
    }
    if (finding->file != NULL) {
        print_clean(finding->file);
        if (finding->line > 0)
            printf(":%u", finding->line);
        fputs(": ", stdout);
    }
    print_clean(finding->message);
    putchar('\n');
    if (finding->mend != NULL) {
        fputs("      mend: ", stdout);
        print_clean(finding->mend);
        putchar('\n');
    }
}

static json_t *findings_json(const struct audit *audit)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < audit->count; i++) {
        const struct finding *f = &audit->finding[i];
        json_t *entry = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "id", f->id, "status",
                                  status_words[f->status], "message", json_text(f->message), "mend",
                                  json_text_or_null(f->mend), "file", json_text_or_null(f->file),
                                  "line", f->line > 0 ? json_integer(f->line) : json_null(),
                                  "control", json_text_or_null(f->control));
        if (entry == NULL || json_array_append_new(list, entry) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static int print_findings(const struct audit *audit)
{
    size_t number[AUDIT_FAIL + 1] = {0};

    for (size_t i = 0; i < audit->count; i++)
        number[audit->finding[i].status]++;
    const int status = number[AUDIT_FAIL] > 0 ? TMOUTCTL_NO : TMOUTCTL_FINE;

    if (audit->context->json)
        return print_json(findings_json(audit), status);
    for (size_t i = 0; i < audit->count; i++)
        if (!audit->context->quiet || audit->finding[i].status != AUDIT_PASS)
            print_finding(&audit->finding[i]);
    if (!audit->context->quiet)
        printf("\n%zu failed, %zu warnings, %zu passed\n", number[AUDIT_FAIL], number[AUDIT_WARN],
               number[AUDIT_PASS]);
    return finish(status);
}

/* --- the verb ----------------------------------------------------------- */

/* A rule of the snapshot as if it had been read from the text. Where it begins
 * the snapshot does not know: its first setting stands in. */
static int take_rule(void *context, enum rule_kind kind, const char *name,
                     const struct snapshot_rule *says)
{
    struct policy *policy = context;
    struct rule rule = {.kind = kind, .name = strdup(name)};

    memcpy(rule.setting, says->setting, sizeof rule.setting);
    for (size_t i = SETTING_COUNT; i-- > 0;) {
        if (rule.setting[i].set && (rule.line == 0 || rule.setting[i].line < rule.line)) {
            rule.file = rule.setting[i].file;
            rule.line = rule.setting[i].line;
        }
    }
    if (says->text[0] != '\0')
        rule.text = strdup(says->text);
    if (rule.name != NULL && (says->text[0] == '\0' || rule.text != NULL) &&
        policy_append(policy, &rule) == 0)
        return 0;
    free(rule.name);
    free(rule.text);
    return 1;
}

/* Finds the policy that `show` speaks of, too, and its rules: in the text, or
 * where that is refused in the snapshot. None is a finding, and no failure. */
static void find_policy(struct audit *audit)
{
    struct source_set sources = {0};
    struct problems problems = {0};
    struct failure failure = {""};

    audit->has_view = policy_view_find(audit->context, &audit->view, &failure) == 0;
    if (!audit->has_view)
        return;
    audit->is_text = audit->view.state == POLICY_IN_FORCE || audit->view.state == POLICY_PENDING;
    if (audit->is_text)
        policy_compile(audit->context->config_path, geteuid(), &audit->policy, &sources, &problems);
    else if (snapshot_each_rule(&audit->view.snapshot, take_rule, &audit->policy) > 0)
        audit->out_of_memory = true;
    sources_free(&sources);
    problems_free(&problems);
}

static void free_audit(struct audit *audit)
{
    for (size_t i = 0; i < audit->count; i++) {
        free(audit->finding[i].message);
        free(audit->finding[i].mend);
        free(audit->finding[i].file);
        free(audit->finding[i].control);
    }
    free(audit->finding);
    policy_free(&audit->policy);
    if (audit->has_view)
        snapshot_close(&audit->view.snapshot);
}

static int audit_all(struct audit *audit, const char *baseline)
{
    if (sshd_find(&audit->host, &audit->sshd, &audit->no_sshd) == 0)
        audit->no_sshd.text[0] = '\0';
    find_policy(audit);
    audit_policy(audit);
    audit_pam(audit);
    audit_sshd(audit);
    audit_shells(audit);
    audit_host(audit);
    if (baseline != NULL && audit_baseline(audit, baseline) != 0)
        return TMOUTCTL_FAILURE;
    if (!audit->out_of_memory)
        return print_findings(audit);
    report("out of memory");
    return TMOUTCTL_FAILURE;
}

enum { OPTION_BASELINE };

static const struct verb_option options[] = {
    [OPTION_BASELINE] = {"baseline", "NAME", "also compare with this preset", 0},
    {0},
};

static int run_audit(const struct tmoutctl_context *context, const struct verb_arguments *arguments)
{
    struct audit audit = {.context = context, .host = {""}};

    if (geteuid() != 0) {
        report("must be run as root");
        return TMOUTCTL_FAILURE;
    }
    const int status = audit_all(&audit, arguments->option[OPTION_BASELINE]);
    free_audit(&audit);
    return status;
}

const struct verb verb_audit = {
    .name = "audit",
    .usage = "[--baseline NAME]",
    .summary = "check that the host does what the policy says",
    .help = "Checks that the host does what the policy says: PAM, sshd, shells and files as\n"
            "they are now. Changes nothing, and prints a command that fixes each finding. Must\n"
            "be run as root.",
    .options = options,
    .run = run_audit,
};
