/*
 * tmoutctl audit [--baseline NAME]: does the host enforce the policy? Inspects
 * the host as it is, changes nothing, and prints a fix for each finding.
 */
#include "tools/tmoutctl/audit/areas.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/verbs/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
    if (finding->fix != NULL) {
        fputs("      fix: ", stdout);
        print_clean(finding->fix);
        putchar('\n');
    }
}

/* "mend" is the former name of "remediation", and stays for one release. */
static json_t *finding_json(const struct finding *finding)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                     audit_checks[finding->check].id, "status", audit_status_word(finding->status),
                     "message", json_text(finding->message), "remediation",
                     json_text_or_null(finding->fix), "mend", json_text_or_null(finding->fix),
                     "file", json_text_or_null(finding->file), "line",
                     finding->line > 0 ? json_integer(finding->line) : json_null(), "control",
                     json_text_or_null(finding->control));
}

static json_t *findings_json(const struct findings *findings)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < findings->count; i++) {
        json_t *entry = finding_json(findings->item[i]);
        if (entry == NULL || json_array_append_new(list, entry) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static int print_findings(const struct tmoutctl_context *context, const struct findings *findings)
{
    size_t number[AUDIT_FAIL + 1] = {0};

    for (size_t i = 0; i < findings->count; i++)
        number[findings->item[i]->status]++;
    const int status = number[AUDIT_FAIL] > 0 ? TMOUTCTL_NO : TMOUTCTL_FINE;

    if (context->json)
        return print_json(findings_json(findings), status);
    for (size_t i = 0; i < findings->count; i++)
        if (!context->quiet || findings->item[i]->status != AUDIT_PASS)
            print_finding(findings->item[i]);
    if (!context->quiet)
        printf("\n%zu failed, %zu warning%s, %zu passed\n", number[AUDIT_FAIL], number[AUDIT_WARN],
               number[AUDIT_WARN] == 1 ? "" : "s", number[AUDIT_PASS]);
    return finish(status);
}

static int audit_all(struct audit *audit, const char *baseline)
{
    struct failure failure = {""};

    audit_start(audit);
    audit_policy(audit);
    audit_pam(audit);
    audit_sshd(audit);
    audit_shells(audit);
    audit_host(audit);
    if (baseline != NULL && audit_baseline(audit, baseline, &failure) != 0) {
        report("%s", failure.text);
        return TMOUTCTL_FAILURE;
    }
    if (!audit->findings.out_of_memory)
        return print_findings(audit->context, &audit->findings);
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
    struct audit audit = {.host = &context->host, .owner = geteuid(), .context = context};

    if (geteuid() != 0 && context->host.root[0] == '\0') {
        report("must be run as root");
        return TMOUTCTL_FAILURE;
    }
    const int status = audit_all(&audit, arguments->option[OPTION_BASELINE]);
    audit_free(&audit);
    return status;
}

const struct verb verb_audit = {
    .name = "audit",
    .usage = "[--baseline NAME]",
    .summary = "check that the host enforces the policy",
    .help = "Checks that the host enforces the policy: PAM, sshd, shells and files as they\n"
            "are now. Changes nothing, and prints a command that fixes each finding. Must\n"
            "be run as root.",
    .options = options,
    .run = run_audit,
};
