/*
 * tmoutctl audit [--baseline NAME] [--check ID] [--patch]: does the host enforce the policy?
 * Inspects the host as it is and changes nothing. docs/audit-1.schema.json
 * describes what --json prints.
 */
#include "tools/tmoutctl/audit/areas.h"
#include "tools/tmoutctl/audit/patch.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/verbs/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- for people ----------------------------------------------------------- */

static const char indent[] = "      ";

/* Prints "LABEL: text" below a finding, if there is a text. */
static void print_below(const char *label, const char *text)
{
    if (text == NULL)
        return;
    printf("%s%s: ", indent, label);
    print_clean(text);
    putchar('\n');
}

static void print_finding(const struct finding *finding)
{
    printf("%s  %-23s ", audit_status_word(finding->status), audit_checks[finding->check].id);
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
    print_below("fix", finding->remediation);
    print_below("run", finding->command);
    if (finding->diff != NULL)
        print_clean_lines(indent, finding->diff);
}

/* --- for programs --------------------------------------------------------- */

/* What somebody may apply: null rather than with other bytes, which patch(1) would take
 * with fuzz. */
static json_t *json_patch(const char *patch)
{
    json_t *value = json_text_or_null(patch);

    if (!json_is_string(value) || strcmp(json_string_value(value), patch) == 0)
        return value;
    json_decref(value);
    return json_null();
}

static json_t *finding_json(const struct finding *finding)
{
    return json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", audit_checks[finding->check].id,
        "status", audit_status_word(finding->status), "message", json_text(finding->message),
        "remediation", json_text_or_null(finding->remediation), "patch", json_patch(finding->diff),
        "command", json_text_or_null(finding->command), "file", json_text_or_null(finding->file),
        "line", finding->line > 0 ? json_integer(finding->line) : json_null(), "control",
        json_text_or_null(finding->control));
}

static json_t *findings_json(const struct findings *findings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < findings->count; i++)
        list = json_add_row(list, finding_json(findings->item[i]));
    return list;
}

static json_t *audit_json(const struct findings *findings, const char *patch)
{
    return json_pack("{s:o, s:o}", "findings", findings_json(findings), "patch", json_patch(patch));
}

/* --- all of it ------------------------------------------------------------ */

static void print_findings(const struct findings *findings, bool quiet)
{
    size_t number[AUDIT_FAIL + 1] = {0};

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = findings->item[i];
        number[finding->status]++;
        if (!quiet || finding->status >= AUDIT_WARN)
            print_finding(finding);
    }
    if (quiet)
        return;
    printf("\n%zu failed, %zu warning%s, ", number[AUDIT_FAIL], number[AUDIT_WARN],
           number[AUDIT_WARN] == 1 ? "" : "s");
    if (number[AUDIT_NOTE] > 0)
        printf("%zu note%s, ", number[AUDIT_NOTE], number[AUDIT_NOTE] == 1 ? "" : "s");
    printf("%zu passed\n", number[AUDIT_PASS]);
}

enum { OPTION_BASELINE, OPTION_CHECK, OPTION_PATCH };

static const struct verb_option options[] = {
    [OPTION_BASELINE] = {"baseline", "NAME", "also compare with this preset", 0},
    [OPTION_CHECK] = {"check", "ID", "run this check only: host-mac, for example", 0},
    [OPTION_PATCH] = {"patch", NULL, "print the fixes as one patch, for patch -p1 -d /", 0},
    {0},
};

static int print_audit(const struct audit *audit, const char *patch, bool only_patch)
{
    const int status = findings_first(&audit->findings, AUDIT_CHECKS, AUDIT_FAIL, SETTING_COUNT)
                           ? TMOUTCTL_NO
                           : TMOUTCTL_FINE;

    if (audit->context->json)
        return print_json(audit_json(&audit->findings, patch), status);
    if (only_patch)
        fputs(patch, stdout);
    else
        print_findings(&audit->findings, audit->context->quiet);
    return finish(status);
}

static int run_audit(const struct tmoutctl_context *context, const struct verb_arguments *arguments)
{
    struct audit audit = {.host = &context->host, .owner = geteuid(), .context = context};
    struct failure failure = {""};
    int status = TMOUTCTL_FAILURE;

    /* No file that was changed before has a later time: those of files lag up to a tick. */
    clock_gettime(CLOCK_REALTIME, &audit.started);
    if (geteuid() != 0 && context->host.root[0] == '\0')
        return cli_must_be_root();
    const char *check = arguments->option[OPTION_CHECK];
    if ((check != NULL ? audit_one_check(&audit, check, &failure)
                       : audit_areas(&audit, arguments->option[OPTION_BASELINE], &failure)) != 0) {
        report("%s", failure.text);
    } else {
        char *patch = patch_make(&audit);
        if (patch == NULL || audit.findings.out_of_memory)
            report("out of memory");
        else
            status = print_audit(&audit, patch, arguments->option[OPTION_PATCH] != NULL);
        free(patch);
    }
    audit_free(&audit);
    return status;
}

const struct verb verb_audit = {
    .name = "audit",
    .usage = "[--baseline NAME] [--check ID] [--patch]",
    .summary = "check that the host enforces the policy",
    .help = "Checks that the host enforces the policy: PAM, sshd, shells and files as they\n"
            "are now. Changes nothing, and says what would be right; where an edit is proven\n"
            "to do no harm, it shows the edit. Must be run as root.",
    .options = options,
    .json_version = 1,
    .run = run_audit,
};
