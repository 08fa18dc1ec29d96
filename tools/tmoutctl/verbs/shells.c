/*
 * tmoutctl shells [--install | --remove | --literal]: which of the installed
 * shells take the limit, and from which file; what else in the system's shell
 * files sets one (shell_findings.h); the line in rc files (shell_hooks.h); and
 * the number in our scripts (shell_literal.h).
 *
 * What is found is put into a JSON document, which is printed as it is or as
 * text, so that both say the same.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/shells/files.h"
#include "tools/tmoutctl/shells/findings.h"
#include "tools/tmoutctl/shells/hooks.h"
#include "tools/tmoutctl/shells/list.h"
#include "tools/tmoutctl/shells/literal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

static void print_shells(const json_t *shells)
{
    static const char format[] = "%-24s %-6s %-14s %-24s %s\n";
    printf(format, "SHELL", "KIND", "TAKES A LIMIT", "LOGIN SHELLS FROM", "OTHERS FROM");
    size_t i;
    const json_t *row;
    json_array_foreach (shells, i, row) {
        bool takes = json_is_string(json_object_get(row, "limit"));
        const char *missing = takes ? "missing" : "-";
        bool ok = json_is_true(json_object_get(row, "ok"));
        printf(format, text_of(row, "shell", ""), text_of(row, "kind", ""),
               text_of(row, "limit", "no timeout"), text_of(row, "login", missing),
               text_of(row, "rc", ok ? "-" : missing));
    }
}

static void print_findings(const json_t *findings)
{
    size_t i;
    const json_t *finding;
    json_array_foreach (findings, i, finding) {
        printf("%s%s:%d: %s\n    %s\n", i == 0 ? "\n" : "", text_of(finding, "file", ""),
               (int)json_integer_value(json_object_get(finding, "line")),
               text_of(finding, "text", ""), text_of(finding, "meaning", ""));
    }
}

/* The verb without an option. */
static int list(const struct tmoutctl_context *context)
{
    json_t *shells = list_shells(), *findings = list_shell_findings();
    json_t *all = json_pack("{s:o*, s:o*}", "shells", shells, "findings", findings);
    if (!shells || !findings || !all) {
        report("out of memory");
        json_decref(all);
        return TMOUTCTL_FAILURE;
    }
    add_literal_findings(context, findings);
    bool complete = true, clean = true;
    size_t i;
    const json_t *item;
    json_array_foreach (shells, i, item)
        complete = complete && json_is_true(json_object_get(item, "ok"));
    json_array_foreach (findings, i, item)
        clean = clean && !json_is_true(json_object_get(item, "conflict"));

    int status = complete && clean ? TMOUTCTL_FINE : TMOUTCTL_NO;
    if (context->json)
        return print_json(all, status);
    if (!context->quiet || !complete)
        print_shells(shells);
    if (!context->quiet || !clean)
        print_findings(findings);
    if (!complete)
        printf("\nWhere a file is missing, `tmoutctl shells --install` adds a line to it.\n");
    json_decref(all);
    return finish(status);
}

/* What became of an rc file, in words for people and for --json. */
static const char *const result_words[] = {
    [SHELL_HOOK_ADDED] = "added",
    [SHELL_HOOK_REMOVED] = "removed",
    [SHELL_HOOK_UNCHANGED] = "unchanged",
    [SHELL_HOOK_FAILED] = "failed",
};

static bool is_installed(const json_t *shells, const char *kind)
{
    size_t i;
    const json_t *row;
    json_array_foreach (shells, i, row) {
        if (strcmp(text_of(row, "kind", ""), kind) == 0)
            return true;
    }
    return false;
}

/* The verb with an option. */
static int change(const struct tmoutctl_context *context, bool install)
{
    if (geteuid() != 0) {
        report("must be run as root");
        return TMOUTCTL_FAILURE;
    }
    if (install && !shell_fragments_are_there())
        return TMOUTCTL_FAILURE;

    json_t *shells = install ? list_shells() : NULL, *files = json_array();
    int status = TMOUTCTL_FINE;
    if (install && !shells) {
        report("out of memory");
        json_decref(files);
        return TMOUTCTL_FAILURE;
    }
    for (const struct rc_file *rc = rc_files; rc->path; rc++) {
        if (!rc_file_belongs_here(rc) || (install && !is_installed(shells, rc->kind)))
            continue;
        enum shell_hook_result result = install ? add_shell_hook(rc) : remove_shell_hook(rc);
        const char *word = result_words[result];
        if (result == SHELL_HOOK_FAILED)
            status = TMOUTCTL_FAILURE;
        else if (!context->quiet && !context->json)
            printf("%s: %s\n", rc->path, word);
        json_array_append_new(files, json_pack("{s:s, s:s}", "file", rc->path, "result", word));
    }
    json_decref(shells);
    if (context->json)
        return print_json(json_pack("{s:o}", "files", files), status);
    json_decref(files);
    return finish(status);
}

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
    if (arguments->option[OPTION_INSTALL] != NULL)
        return change(context, true);
    if (arguments->option[OPTION_REMOVE] != NULL)
        return change(context, false);
    if (arguments->option[OPTION_LITERAL] != NULL)
        return change_literals(context);
    return list(context);
}

const struct verb verb_shells = {
    .name = "shells",
    .usage = "[--install | --remove | --literal]",
    .summary = "list which shells take the limit, and from which file",
    .help = "Lists the installed shells, whether they take the limit and from which file, and\n"
            "which other scripts of the system set one. The options change system files, and\n"
            "must be run as root.",
    .options = options,
    .run = run_shells,
};
