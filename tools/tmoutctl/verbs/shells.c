/*
 * tmoutctl shells [--install | --remove | --literal]: which of the installed
 * shells take the limit, and from which file; what else in the system's shell
 * files sets one (shells/findings.h); the line in rc files (shells/hooks.h); and
 * the number in our scripts (shells/literal.h).
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "lib/policy/duration.h"
#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/shells/findings.h"
#include "tools/tmoutctl/shells/hooks.h"
#include "tools/tmoutctl/shells/list.h"
#include "tools/tmoutctl/shells/literal.h"
#include "tools/tmoutctl/shells/packaged.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int out_of_memory(void)
{
    report("out of memory");
    return TMOUTCTL_FAILURE;
}

/* The limit of the policy's default section, SETTING_NONE where it has none.
 * Returns 0, or -1 after a message. */
static int find_default_limit(const struct tmoutctl_context *context, int64_t *limit_sec)
{
    struct policy_view view = {0};
    struct snapshot_rule rule;
    struct failure failure = {""};

    if (policy_view_find(context, &view, &failure) != 0) {
        report_as(REPORT_POLICY, "%s", failure.text);
        return -1;
    }
    const int found = snapshot_find(&view.snapshot, RULE_DEFAULT, "", &rule);
    policy_view_close(&view);
    if (found < 0) {
        policy_view_damaged(context, &failure);
        report("%s", failure.text);
        return -1;
    }
    *limit_sec = found > 0 && rule.setting[SETTING_TMOUT].set ? rule.setting[SETTING_TMOUT].value
                                                              : SETTING_NONE;
    return 0;
}

/* --- without an option ---------------------------------------------------- */

static const char *const timeout_words[] = {
    [SHELL_NO_TIMEOUT] = "no timeout",
    [SHELL_TIMEOUT_SECONDS] = "yes",
    [SHELL_TIMEOUT_SECONDS_PLUS_60] = "yes, +60 s",
    [SHELL_TIMEOUT_MINUTES] = "whole minutes",
};

/* As wide as its longest text. */
struct shell_columns {
    int path, login_file;
};

static struct shell_columns measure_shells(const struct shell_list *list)
{
    struct shell_columns width = {strlen("SHELL"), strlen("LOGIN SHELLS FROM")};

    for (size_t i = 0; i < list->count; i++) {
        const struct shell *shell = &list->shell[i];
        const int path = (int)strlen(shell->path);
        const int login_file = shell->login_file != NULL ? (int)strlen(shell->login_file) : 0;
        width.path = path > width.path ? path : width.path;
        width.login_file = login_file > width.login_file ? login_file : width.login_file;
    }
    return width;
}

static void print_shells(const struct shell_list *list)
{
    static const char format[] = "%-*s  %-6s  %-13s  %-*s  %s\n";
    const struct shell_columns width = measure_shells(list);

    printf(format, width.path, "SHELL", "KIND", "TAKES A LIMIT", width.login_file,
           "LOGIN SHELLS FROM", "OTHERS FROM");
    for (size_t i = 0; i < list->count; i++) {
        const struct shell *shell = &list->shell[i];
        const struct shell_traits *traits = &shell_traits[shell->kind];
        const char *login = traits->timeout != SHELL_NO_TIMEOUT ? "missing" : "-";
        const char *rc = shell->complete ? "-" : "missing";
        printf(format, width.path, shell->path, traits->name, timeout_words[traits->timeout],
               width.login_file, shell->login_file != NULL ? shell->login_file : login,
               shell->rc_file != NULL ? shell->rc_file : rc);
    }
}

static void print_shell_findings(const struct shell_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct shell_finding *finding = &findings->item[i];
        printf("%s%s:%u: ", i == 0 ? "\n" : "", finding->file, finding->line);
        print_clean(finding->text);
        printf("\n    %s\n", shell_finding_advice(finding));
    }
}

static json_t *shells_json(const struct shell_list *list)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < list->count; i++) {
        const struct shell *shell = &list->shell[i];
        const struct shell_traits *traits = &shell_traits[shell->kind];
        const char *limit =
            traits->timeout != SHELL_NO_TIMEOUT ? timeout_words[traits->timeout] : NULL;
        rows =
            json_add_row(rows, json_pack("{s:o, s:s, s:s?, s:o, s:o, s:b}", "shell",
                                         json_text(shell->path), "kind", traits->name, "limit",
                                         limit, "login", json_text_or_null(shell->login_file), "rc",
                                         json_text_or_null(shell->rc_file), "ok", shell->complete));
    }
    return rows;
}

static json_t *shell_findings_json(const struct shell_findings *findings)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < findings->count; i++) {
        const struct shell_finding *finding = &findings->item[i];
        rows = json_add_row(
            rows,
            json_pack("{s:o, s:I, s:o, s:s, s:o, s:b, s:b, s:s}", "file", json_text(finding->file),
                      "line", (json_int_t)finding->line, "text", json_text(finding->text), "unit",
                      finding->csh ? "minutes" : "seconds", "value",
                      finding->value < 0 ? json_null() : json_integer(finding->value), "readonly",
                      finding->readonly, "conflict", shell_finding_is_conflict(finding), "meaning",
                      shell_finding_advice(finding)));
    }
    return rows;
}

static int print_list(const struct tmoutctl_context *context, const struct shell_list *list,
                      const struct shell_findings *findings)
{
    bool complete = true, clean = true;

    for (size_t i = 0; i < list->count; i++)
        complete = complete && list->shell[i].complete;
    for (size_t i = 0; i < findings->count; i++)
        clean = clean && !shell_finding_is_conflict(&findings->item[i]);
    const int status = complete && clean ? TMOUTCTL_FINE : TMOUTCTL_NO;
    if (context->json)
        return print_json(json_pack("{s:o, s:o}", "shells", shells_json(list), "findings",
                                    shell_findings_json(findings)),
                          status);
    if (!context->quiet || !complete)
        print_shells(list);
    if (!context->quiet || !clean)
        print_shell_findings(findings);
    if (!complete)
        printf("\nWhere a file is missing, \"tmoutctl shells --install\" adds a line to it.\n");
    return finish(status);
}

static int list_shells(const struct tmoutctl_context *context)
{
    struct shell_list list = {0};
    struct shell_findings findings = {0};
    int64_t default_sec;
    int status;

    int found = shell_list_find(&context->host, &list);
    if (found == 0)
        found = shell_findings_find(&context->host, &findings);
    if (found == 0)
        found = shell_changes_find(&context->host, &findings);
    if (found == 0 && find_default_limit(context, &default_sec) == 0)
        found = shell_literals_find(&context->host, default_sec, &findings);
    status = found == 0 ? print_list(context, &list, &findings) : out_of_memory();
    shell_list_free(&list);
    shell_findings_free(&findings);
    return status;
}

/* --- --install, --remove -------------------------------------------------- */

static const char *const hook_words[] = {
    [SHELL_HOOK_ADDED] = "added",
    [SHELL_HOOK_REMOVED] = "removed",
    [SHELL_HOOK_UNCHANGED] = "unchanged",
    [SHELL_HOOK_FAILED] = "failed",
};

static bool has_kind(const struct shell_list *list, enum shell_kind kind)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->shell[i].kind == kind)
            return true;
    return false;
}

/* Adds or removes the line of one rc file, and adds the result to files. */
static int change_rc_file(const struct tmoutctl_context *context, const struct rc_file *rc,
                          bool install, json_t **files)
{
    struct failure failure = {""};
    const enum shell_hook_result result = install ? shell_hook_add(&context->host, rc, &failure)
                                                  : shell_hook_remove(&context->host, rc, &failure);

    if (result == SHELL_HOOK_FAILED)
        report("%s", failure.text);
    else if (!context->quiet && !context->json)
        printf("%s: %s\n", rc->path, hook_words[result]);
    *files = json_add_row(
        *files, json_pack("{s:o, s:s}", "file", json_text(rc->path), "result", hook_words[result]));
    return result == SHELL_HOOK_FAILED ? TMOUTCTL_FAILURE : TMOUTCTL_FINE;
}

static int change_rc_files(const struct tmoutctl_context *context, bool install)
{
    struct shell_list list = {0};
    struct failure failure = {""};
    int status = TMOUTCTL_FINE;

    if (install && !shell_fragments_installed(&context->host, &failure)) {
        report("%s", failure.text);
        return TMOUTCTL_FAILURE;
    }
    if (install && shell_list_find(&context->host, &list) != 0) {
        shell_list_free(&list);
        return out_of_memory();
    }
    json_t *files = json_array();
    for (const struct rc_file *rc = rc_files; rc->path != NULL; rc++)
        if (shell_rc_file_applies(&context->host, rc) && (!install || has_kind(&list, rc->kind)) &&
            change_rc_file(context, rc, install, &files) != TMOUTCTL_FINE)
            status = TMOUTCTL_FAILURE;
    shell_list_free(&list);
    if (context->json)
        return print_json(json_pack("{s:o}", "files", files), status);
    json_decref(files);
    return finish(status);
}

/* --- --literal ------------------------------------------------------------ */

static const char *const literal_words[] = {
    [SHELL_LITERAL_UNCHANGED] = "unchanged",
    [SHELL_LITERAL_CHANGED] = "changed",
    [SHELL_LITERAL_FAILED] = "failed",
};

static void print_literal(const struct tmoutctl_context *context,
                          const struct shell_literal *literal)
{
    char limit[SETTING_TEXT_MAX];

    if (literal->failure.text[0] != '\0') {
        report("%s", literal->failure.text);
    } else if (literal->result != SHELL_LITERAL_SKIPPED && !context->quiet && !context->json) {
        duration_format(literal->limit_sec, limit, sizeof limit);
        printf("%s: %s, %s\n", literal->path, limit, literal_words[literal->result]);
    }
}

static int change_literals(const struct tmoutctl_context *context)
{
    struct shell_literal literals[SHELL_SCRIPTS];
    int64_t default_sec;

    if (find_default_limit(context, &default_sec) != 0)
        return TMOUTCTL_FAILURE;
    const int written = shell_literals_write(&context->host, default_sec, literals);
    const int status = written == 0 ? TMOUTCTL_FINE : TMOUTCTL_FAILURE;
    json_t *files = json_array();
    for (size_t i = 0; i < SHELL_SCRIPTS; i++) {
        const struct shell_literal *literal = &literals[i];
        print_literal(context, literal);
        if (literal->result != SHELL_LITERAL_SKIPPED)
            files =
                json_add_row(files, json_pack("{s:o, s:s, s:I}", "file", json_text(literal->path),
                                              "result", literal_words[literal->result], "seconds",
                                              (json_int_t)literal->limit_sec));
    }
    if (context->json)
        return print_json(json_pack("{s:o}", "files", files), status);
    json_decref(files);
    return finish(status);
}

/* --- the command ---------------------------------------------------------- */

enum { OPTION_INSTALL, OPTION_REMOVE, OPTION_LITERAL };

static const struct verb_option options[] = {
    [OPTION_INSTALL] = {"install", NULL, "add one line to the rc files of shells that need it", 1},
    [OPTION_REMOVE] = {"remove", NULL, "remove that line again", 1},
    [OPTION_LITERAL] = {"literal", NULL, "write the policy's limit into our /etc/profile.d scripts",
                        1},
    {0},
};

static int run_shells(const struct tmoutctl_context *context,
                      const struct verb_arguments *arguments)
{
    const bool install = arguments->option[OPTION_INSTALL] != NULL;
    const bool remove = arguments->option[OPTION_REMOVE] != NULL;
    const bool literal = arguments->option[OPTION_LITERAL] != NULL;

    if (!install && !remove && !literal)
        return list_shells(context);
    if (geteuid() != 0 && context->host.root[0] == '\0')
        return cli_must_be_root();
    return literal ? change_literals(context) : change_rc_files(context, install);
}

const struct verb verb_shells = {
    .name = "shells",
    .usage = "[--install | --remove | --literal]",
    .summary = "list which shells take the limit, and from which file",
    .help = "Lists the installed shells, whether they take the limit and from which file,\n"
            "and which other scripts of the system set one. The options change system\n"
            "files, and must be run as root.",
    .options = options,
    .json_version = 1,
    .run = run_shells,
};
