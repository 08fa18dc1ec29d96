/*
 * tmoutctl status [--openmetrics [--output FILE]]: does it work? What to look at first.
 * docs/status-1.schema.json describes what --json prints.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "lib/policy/duration.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/status/facts.h"
#include "tools/tmoutctl/status/metrics.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- for people ----------------------------------------------------------- */

static void print_policy(const struct status_facts *facts)
{
    const struct policy_view *view = &facts->audit.view;
    char text[POLICY_VIEW_TEXT_MAX], path[PATH_MAX];

    policy_view_describe(view, text, sizeof text);
    fputs("policy    ", stdout);
    print_clean(text);
    putchar('\n');
    for (uint32_t i = 0; facts->audit.has_view && i < view->snapshot.source_count; i++) {
        if (!snapshot_source_path(&view->snapshot, i, path, sizeof path))
            continue;
        fputs("            ", stdout);
        print_clean(path);
        putchar('\n');
    }
}

static void print_logins(const struct status_facts *facts)
{
    const struct session_row *next = facts->next;
    char left[64];

    if (!facts->audit.has_view) {
        puts("logins    not known without a policy");
        return;
    }
    printf("logins    %zu", facts->logins);
    if (facts->logins > 0 && !facts->enforced)
        fputs("; nothing ends them: tmoutd is not running", stdout);
    if (next != NULL) {
        duration_format(next->left_ms / 1000, left, sizeof left);
        printf("; next to end in %s if idle: ", left);
        print_clean(next->login.user);
        if (next->terminal[0] != '\0')
            printf(" on %s", next->terminal);
        printf(" (%s)", next->setting);
    }
    putchar('\n');
}

static void print_attempts(const struct status_facts *facts)
{
    if (!facts->audit.has_view) {
        puts("attempts  not known without a policy");
        return;
    }
    printf("attempts  %zu user%s locked", facts->locked, facts->locked == 1 ? "" : "s");
    if (facts->rejecting.text[0] != '\0') {
        fputs("; ", stdout);
        print_clean(facts->rejecting.text);
    } else if (facts->rejected > 0) {
        printf("; rejecting passwords of %zu user%s", facts->rejected,
               facts->rejected == 1 ? ", " : "s, first ");
        print_clean(facts->first_rejected);
        fputs(": ", stdout);
        print_clean(facts->first_fault.text);
        fputs("; see tmout-recovery(7)", stdout);
    }
    putchar('\n');
}

/* Each check once, however often it failed. */
static void print_failed_checks(const struct findings *findings)
{
    const char *separator = ": ";

    for (int check = 0; check < AUDIT_CHECKS; check++) {
        if (findings_first(findings, (enum audit_check)check, AUDIT_FAIL, SETTING_COUNT) == NULL)
            continue;
        printf("%s%s", separator, audit_checks[check].id);
        separator = ", ";
    }
}

static void print_audit_summary(const struct status_facts *facts)
{
    const size_t warnings = facts->found[AUDIT_WARN];

    printf("audit     %zu failed", facts->found[AUDIT_FAIL]);
    print_failed_checks(&facts->audit.findings);
    if (warnings > 0)
        printf("; %zu warning%s", warnings, warnings == 1 ? "" : "s");
    puts(facts->found[AUDIT_FAIL] + warnings > 0 ? " (tmoutctl audit explains)" : "");
}

static void print_store(const struct status_facts *facts)
{
    char text[FLEET_VIEW_TEXT_MAX];

    if (!facts->audit.fleet.is_configured)
        return;
    fleet_view_describe(&facts->audit.fleet, text, sizeof text);
    fputs("fleet     store ", stdout);
    print_clean(text);
    putchar('\n');
}

static void print_status(const struct status_facts *facts)
{
    const size_t pam = status_pam_failures(facts);

    print_policy(facts);
    if (pam == 0)
        puts("PAM       lines in place");
    else
        printf("PAM       %zu check%s failed\n", pam, pam == 1 ? "" : "s");
    printf("tmoutd    %s\n", facts->audit.tmoutd_is_running ? "running" : "not running");
    print_logins(facts);
    print_attempts(facts);
    print_store(facts);
    print_audit_summary(facts);
}

/* --- for programs --------------------------------------------------------- */

static json_t *policy_json(const struct status_facts *facts)
{
    const struct policy_view *view = &facts->audit.view;
    json_t *files = json_array();
    char path[PATH_MAX];

    for (uint32_t i = 0; facts->audit.has_view && i < view->snapshot.source_count; i++) {
        if (snapshot_source_path(&view->snapshot, i, path, sizeof path))
            files = json_add_row(files, json_text(path));
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "state",
                     facts->audit.has_view ? policy_state_word(view->state) : "none", "since",
                     view->has_applied ? json_integer(view->applied_sec) : json_null(),
                     "since_time", view->has_applied ? json_time(view->applied_sec) : json_null(),
                     "files", files, "reason",
                     json_text_or_null(view->reason.text[0] != '\0' ? view->reason.text : NULL));
}

static json_t *next_json(const struct session_row *next)
{
    if (next == NULL)
        return json_null();
    return json_pack("{s:o, s:o, s:I, s:s}", "user", json_text(next->login.user), "terminal",
                     json_text_or_null(next->terminal[0] != '\0' ? next->terminal : NULL), "left",
                     (json_int_t)(next->left_ms / 1000), "setting", next->setting);
}

static json_t *failed_json(const struct findings *findings)
{
    json_t *failed = json_array();

    for (size_t i = 0; i < findings->count; i++)
        if (findings->item[i]->status == AUDIT_FAIL)
            failed = json_add_row(
                failed, json_pack("{s:s, s:o}", "id", audit_checks[findings->item[i]->check].id,
                                  "message", json_text(findings->item[i]->message)));
    return failed;
}

/* Without a policy nothing is looked up. */
static json_t *counted_json(const struct status_facts *facts, size_t count)
{
    return facts->audit.has_view ? json_integer((json_int_t)count) : json_null();
}

static json_t *first_rejected_json(const struct status_facts *facts)
{
    if (facts->rejected == 0)
        return json_null();
    return json_pack("{s:o, s:o}", "user", json_text(facts->first_rejected), "reason",
                     json_text(facts->first_fault.text));
}

static json_t *fleet_state_json(const struct status_facts *facts)
{
    char text[FLEET_VIEW_TEXT_MAX];

    if (!facts->audit.fleet.is_configured)
        return json_null();
    fleet_view_describe(&facts->audit.fleet, text, sizeof text);
    return json_pack("{s:b, s:o}", "reached", fleet_view_is_up(&facts->audit.fleet), "store",
                     json_text(text));
}

static json_t *status_json(const struct status_facts *facts)
{
    const char *rejecting = facts->rejecting.text[0] != '\0' ? facts->rejecting.text : NULL;

    return json_pack(
        "{s:b, s:o, s:{s:I}, s:{s:b}, s:{s:o, s:o}, s:{s:o, s:o, s:o, s:o}, s:o, s:{s:I, s:I, "
        "s:o}}",
        "fine", status_is_fine(facts), "policy", policy_json(facts), "pam", "failed",
        (json_int_t)status_pam_failures(facts), "tmoutd", "running", facts->audit.tmoutd_is_running,
        "logins", "count", counted_json(facts, facts->logins), "next", next_json(facts->next),
        "attempts", "locked", counted_json(facts, facts->locked), "rejecting",
        json_text_or_null(rejecting), "rejected_users", counted_json(facts, facts->rejected),
        "first_rejected", first_rejected_json(facts), "fleet", fleet_state_json(facts), "audit",
        "failed", (json_int_t)facts->found[AUDIT_FAIL], "warnings",
        (json_int_t)facts->found[AUDIT_WARN], "findings", failed_json(&facts->audit.findings));
}

/* --- the command ---------------------------------------------------------- */

enum { OPTION_OPENMETRICS, OPTION_OUTPUT };

static const struct verb_option options[] = {
    [OPTION_OPENMETRICS] = {"openmetrics", NULL, "print metrics for node_exporter", 0},
    [OPTION_OUTPUT] = {"output", "FILE", "replace FILE with them, and print nothing", 0},
    {0},
};

/* Prints or writes the answer. Returns status, or TMOUTCTL_FAILURE after a message. */
static int answer_status(const struct tmoutctl_context *context,
                         const struct verb_arguments *arguments, const struct status_facts *facts,
                         int status)
{
    const char *const output = arguments->option[OPTION_OUTPUT];
    struct failure failure = {""};

    if (output != NULL && status_write_metrics(output, facts, &failure) != 0) {
        report("%s", failure.text);
        return TMOUTCTL_FAILURE;
    }
    if (context->json)
        return print_json(status_json(facts), status);
    if (output != NULL)
        return status;
    if (arguments->option[OPTION_OPENMETRICS] != NULL)
        status_print_metrics(stdout, facts);
    else if (!context->quiet || status != TMOUTCTL_FINE)
        print_status(facts);
    return finish(status);
}

static int run_status(const struct tmoutctl_context *context,
                      const struct verb_arguments *arguments)
{
    struct status_facts facts;

    if (arguments->option[OPTION_OUTPUT] != NULL && arguments->option[OPTION_OPENMETRICS] == NULL)
        return cli_usage_error(&verb_status, "option '--output' requires '--openmetrics'");
    if (geteuid() != 0 && context->host.root[0] == '\0')
        return cli_must_be_root();
    if (status_find(context, &facts) != 0)
        return TMOUTCTL_FAILURE;
    int status = status_is_fine(&facts) ? TMOUTCTL_FINE : TMOUTCTL_NO;
    if (facts.incomplete)
        status = TMOUTCTL_FAILURE;
    status = answer_status(context, arguments, &facts, status);
    status_free(&facts);
    return status;
}

const struct verb verb_status = {
    .name = "status",
    .usage = "[--openmetrics [--output FILE]]",
    .summary = "see at a glance whether it works",
    .help = "Tells whether a policy is in force, whether PAM and tmoutd do their part, how\n"
            "many logins there are and which will be ended next, how many users are locked,\n"
            "and what tmoutctl audit would fail. Must be run as root.",
    .options = options,
    .json_version = 1,
    .run = run_status,
};
