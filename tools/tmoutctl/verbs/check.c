/* tmoutctl check [FILE]: reports every error in the policy, or in a draft. */
#include "tools/tmoutctl/verbs/verbs.h"

#include "lib/fleet/conf.h"
#include "lib/policy/compile.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/print_problems.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool shares_attempts(const struct policy *policy)
{
    for (size_t i = 0; i < policy->count; i++) {
        const struct rule_setting *fleet = &policy->rule[i].setting[SETTING_FLEET_ATTEMPTS];
        if (fleet->set && fleet->value != SETTING_NONE)
            return true;
    }
    return false;
}

/* The file beside the policy that says how to reach the fleet, if there is one. Returns
 * the outcome of both. */
static int check_fleet(const char *config_path, const struct policy *policy, int outcome,
                       struct problems *problems)
{
    char path[PATH_MAX];
    struct fleet_conf conf;

    if (!fleet_conf_path(config_path, path, sizeof path))
        return outcome;
    const int result = fleet_conf_read(path, geteuid(), NULL, &conf, problems);
    if (result == 2 && shares_attempts(policy))
        problem_add(problems, PROBLEM_NOTE, path, 0,
                    "is missing, so fleet_attempts has no store: each host admits fleet_fallback "
                    "attempts");
    problems_sort(problems);
    if (result == 2 || outcome < 0)
        return outcome;
    return result < 0 ? result : outcome | result;
}

/* Is it that file, or a draft of it? */
static bool is_fleet_conf(const char *path)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;

    return path != NULL && strcmp(slash != NULL ? slash + 1 : path, FLEET_CONF_NAME) == 0;
}

/* Compiles the draft alone, or the policy with its drop-ins; as policy_compile(). */
static int compile_checked(const char *draft, const char *config_path, struct policy *policy,
                           struct source_set *sources, struct problems *problems)
{
    struct fleet_conf conf;

    if (is_fleet_conf(draft)) {
        const int result = fleet_conf_read(draft, geteuid(), NULL, &conf, problems);
        if (result == 2)
            problem_add(problems, PROBLEM_FAILURE, draft, 0, "%s", strerror(ENOENT));
        return result == 2 ? -1 : result;
    }
    if (draft == NULL)
        return check_fleet(config_path, policy,
                           policy_compile(config_path, geteuid(), policy, sources, problems),
                           problems);
    if (source_read_draft(draft, geteuid(), sources, problems) != 0) {
        problem_add(problems, PROBLEM_FAILURE, draft, 0, "out of memory");
        return -1;
    }
    return policy_compile_sources(sources, policy, problems);
}

/* outcome as of policy_compile(): what could not be read has not been found invalid. */
static json_t *check_json(int outcome, const struct policy *policy,
                          const struct source_set *sources, const struct problems *problems)
{
    json_t *files = json_array();

    for (size_t i = 0; i < sources->count; i++)
        if (sources->item[i].identity.kind == SOURCE_FILE)
            files = json_add_row(files, json_text(sources->item[i].path));
    return json_pack("{s:o, s:o, s:I, s:I, s:o}", "valid",
                     outcome < 0 ? json_null() : json_boolean(outcome == 0), "files", files,
                     "rules", (json_int_t)policy->count, "errors",
                     (json_int_t)problems->errors + (json_int_t)problems->failures, "problems",
                     problems_json(problems));
}

/* Whose errors these are: of the policy at path, or only of the file beside it. */
static const char *invalid_file(const char *path, const struct problems *problems)
{
    const char *found = path;

    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->item[i];
        if (problem->severity != PROBLEM_ERROR)
            continue;
        if (!is_fleet_conf(problem->file))
            return path;
        found = problem->file;
    }
    return found;
}

static void print_check(const char *path, bool quiet, bool valid, bool missing,
                        const struct policy *policy, const struct problems *problems)
{
    print_problems(stderr, problems, !quiet);
    if (valid && !quiet && is_fleet_conf(path))
        printf("%s: valid\n", path);
    else if (valid && !quiet)
        printf("%s: valid, %zu rule%s\n", path, policy->count, policy->count == 1 ? "" : "s");
    else if (!valid && !missing && problems->failures == 0)
        report("%s: invalid: %zu error%s", invalid_file(path, problems), problems->errors,
               problems->errors == 1 ? "" : "s");
}

static int run_check(const struct tmoutctl_context *context, const struct verb_arguments *arguments)
{
    /* The policy itself, named, is not a draft. */
    const bool named =
        arguments->operand != NULL && strcmp(arguments->operand, context->config_path) != 0;
    const char *draft = named ? arguments->operand : NULL;
    struct policy policy = {0};
    struct source_set sources = {0};
    struct problems problems = {0};
    int status;

    const int outcome = compile_checked(draft, context->config_path, &policy, &sources, &problems);
    const bool missing = sources.count > 0 && sources.item[0].identity.kind == SOURCE_ABSENT;

    status = outcome == 0              ? TMOUTCTL_FINE
             : outcome > 0 && !missing ? TMOUTCTL_NO
                                       : TMOUTCTL_FAILURE;
    if (context->json) {
        if (outcome != 0)
            report_keep_problems(&problems);
        status = print_json(check_json(outcome, &policy, &sources, &problems), status);
    } else {
        print_check(draft != NULL ? draft : context->config_path, context->quiet, outcome == 0,
                    missing, &policy, &problems);
        status = finish(status);
    }
    problems_free(&problems);
    policy_free(&policy);
    sources_free(&sources);
    return status;
}

const struct verb verb_check = {
    .name = "check",
    .usage = "[FILE]",
    .summary = "report errors in the policy, or in a draft",
    .help = "Reports every error in the policy, and what in it may surprise: settings of\n"
            "one file that override those of another. With FILE, checks that file alone, as\n"
            "a draft.",
    .operand = "FILE",
    .json_version = 1,
    .run = run_check,
};
