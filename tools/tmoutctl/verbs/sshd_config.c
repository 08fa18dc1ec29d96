/*
 * tmoutctl sshd-config: the policy's settings for sshd as a drop-in for
 * /etc/ssh/sshd_config.d; with --check, whether sshd has them in effect.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "tools/tmoutctl/host/policy_view.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/sshd/check.h"
#include "tools/tmoutctl/sshd/dropin.h"
#include "tools/tmoutctl/sshd/installed.h"
#include "tools/tmoutctl/sshd/keywords.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int collect_rules(const struct tmoutctl_context *context, const struct policy_view *view,
                         struct dropin *dropin)
{
    struct failure failure = {"out of memory"};

    if (dropin_collect(&view->snapshot, dropin) == 0)
        return 0;
    if (errno == EBADMSG)
        policy_view_damaged(context, &failure);
    report("%s", failure.text);
    return -1;
}

/* Reports all rules whose name cannot be written in sshd_config. */
static int check_names(const struct dropin *dropin)
{
    int result = 0;

    for (size_t i = 0; i < dropin->count; i++) {
        const struct dropin_rule *rule = &dropin->rule[i];
        const char *problem = rule->kind == RULE_DEFAULT ? NULL : dropin_name_problem(rule->name);
        const struct rule_setting *first = NULL;
        if (problem == NULL)
            continue;
        for (size_t k = 0; first == NULL && k < sshd_keyword_count; k++)
            if (rule->content.setting[sshd_keywords[k].id].set)
                first = &rule->content.setting[sshd_keywords[k].id];
        if (first == NULL)
            continue;
        report_as(REPORT_POLICY,
                  "%s:%u: %s \"%s\" cannot be written in sshd_config: the name %s; remove the "
                  "settings for sshd from this rule",
                  first->file < dropin->path_count ? dropin->path[first->file] : "?", first->line,
                  rule_kind_word(rule->kind), rule->name, problem);
        result = -1;
    }
    return result;
}

/* The sshd that the drop-in is for. */
struct target {
    struct host host;
    struct sshd_program program; /* found unless a version was given */
    bool known[SETTING_COUNT];   /* of sshd_keywords[] */
};

/* Finds out which keywords it has; version is NULL for the installed sshd. */
static int find_target(const struct sshd_version *version, struct target *target)
{
    struct sshd_config effective = {0};
    struct sshd_version installed;
    struct failure failure = {""};

    if (version == NULL) {
        if (sshd_find(&target->host, &target->program, &failure) != 0 ||
            sshd_installed_version(&target->program, &installed, &failure) != 0) {
            report("%s; use --openssh to name the OpenSSH version that the file is for",
                   failure.text);
            return -1;
        }
        if (sshd_effective(&target->program, NULL, &effective, &failure) != 0)
            sshd_config_free(&effective);
        version = &installed;
    }
    sshd_find_known(version, &effective, target->known);
    sshd_config_free(&effective);
    return 0;
}

static void warn_unknown(const struct dropin *dropin, const bool *known)
{
    for (size_t i = 0; i < sshd_keyword_count; i++)
        if (!known[i] && dropin_sets(dropin, sshd_keywords[i].id))
            report("%s has no effect: this sshd has no %s (new in OpenSSH %d.%d)",
                   settings[sshd_keywords[i].id].name, sshd_keywords[i].keyword,
                   sshd_keywords[i].since.major, sshd_keywords[i].since.minor);
}

/* The settings that this sshd does not have: {"setting", "keyword", "since"}. */
static json_t *unknown_json(const struct dropin *dropin, const bool *known)
{
    json_t *list = json_array();

    for (size_t i = 0; i < sshd_keyword_count; i++) {
        const struct sshd_keyword *keyword = &sshd_keywords[i];
        char since[32];
        if (known[i] || !dropin_sets(dropin, keyword->id))
            continue;
        snprintf(since, sizeof since, "%d.%d", keyword->since.major, keyword->since.minor);
        list =
            json_add_row(list, json_pack("{s:s, s:s, s:s}", "setting", settings[keyword->id].name,
                                         "keyword", keyword->keyword, "since", since));
    }
    return list;
}

/* Prints all of it or nothing, since the output becomes a file that sshd reads. */
static int print_dropin(const struct dropin *dropin, const bool *known, bool json)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    int status = TMOUTCTL_FAILURE;

    bool made = memory != NULL && dropin_print(memory, dropin, known) == 0;
    made = memory != NULL && fclose(memory) == 0 && made;
    if (made && json) {
        status = print_json(json_pack("{s:o, s:o}", "text", json_text(text), "left_out",
                                      unknown_json(dropin, known)),
                            TMOUTCTL_FINE);
    } else if (made) {
        fwrite(text, 1, size, stdout);
        status = finish(TMOUTCTL_FINE);
    } else {
        report("out of memory");
    }
    free(text);
    return status;
}

/* --- --check -------------------------------------------------------------- */

static json_t *differences_json(const struct sshd_check *check)
{
    json_t *list = json_array();

    for (size_t i = 0; i < check->difference_count; i++) {
        const struct sshd_difference *difference = &check->difference[i];
        char rule[1024];
        sshd_difference_rule(difference, rule, sizeof rule);
        list = json_add_row(
            list, json_pack("{s:o, s:s, s:o, s:o, s:o}", "user",
                            json_text_or_null(difference->user), "keyword",
                            difference->keyword->keyword, "sshd", json_text(difference->effective),
                            "policy", json_text(difference->policy), "rule", json_text(rule)));
    }
    return list;
}

static json_t *looser_json(const struct sshd_check *check)
{
    json_t *list = json_array();

    for (size_t i = 0; i < check->looser_count; i++) {
        const struct sshd_looser *looser = &check->looser[i];
        list = json_add_row(
            list, json_pack("{s:o, s:I, s:s, s:o, s:o}", "file", json_text(looser->file), "line",
                            (json_int_t)looser->line, "keyword", looser->keyword->keyword, "sshd",
                            json_text(looser->effective), "policy", json_text(looser->policy)));
    }
    return list;
}

static void print_differences(const struct sshd_check *check, bool quiet)
{
    char rule[1024];

    for (size_t i = 0; i < check->difference_count; i++) {
        const struct sshd_difference *difference = &check->difference[i];
        sshd_difference_rule(difference, rule, sizeof rule);
        printf("%s%s: %s is %s, the policy has %s (%s)\n", difference->user != NULL ? "user " : "",
               difference->user != NULL ? difference->user : "global settings",
               difference->keyword->keyword, difference->effective, difference->policy, rule);
    }
    for (size_t i = 0; !quiet && i < check->looser_count; i++) {
        const struct sshd_looser *looser = &check->looser[i];
        printf("%s:%u: %s %s in a Match block of this site overrides the policy's default, %s\n",
               looser->file, looser->line, looser->keyword->keyword, looser->effective,
               looser->policy);
    }
    if (check->difference_count > 0)
        report("sshd's effective configuration differs from the policy: %zu difference%s; check "
               "that the drop-in is in place and up to date, and that no earlier line overrides it",
               check->difference_count, check->difference_count == 1 ? "" : "s");
    else if (!quiet)
        printf("sshd's effective configuration matches the policy (global settings and %zu "
               "user%s)\n",
               check->user_count, check->user_count == 1 ? "" : "s");
}

static int check_sshd(const struct tmoutctl_context *context, const struct policy_view *view,
                      const struct dropin *dropin, struct target *target)
{
    const struct sshd_check_input input = {&target->host, &target->program, &view->snapshot,
                                           dropin,        target->known,    NULL};
    struct sshd_check check = {0};
    struct failure failure = {""};
    int status = TMOUTCTL_FAILURE;

    if (sshd_check(&input, &check, &failure) != 0) {
        report("%s", failure.text);
    } else {
        const bool agrees = check.difference_count == 0;
        status = agrees ? TMOUTCTL_FINE : TMOUTCTL_NO;
        if (context->json) {
            status = print_json(json_pack("{s:b, s:I, s:o, s:o}", "agrees", agrees, "users",
                                          (json_int_t)check.user_count, "differences",
                                          differences_json(&check), "looser", looser_json(&check)),
                                status);
        } else {
            print_differences(&check, context->quiet);
            status = finish(status);
        }
    }
    sshd_check_free(&check);
    return status;
}

/* --- the command line ----------------------------------------------------- */

enum { OPTION_CHECK, OPTION_OPENSSH, OPTION_VERSION };

/* --version X.Y was the name of --openssh. */
static const struct verb_option options[] = {
    [OPTION_CHECK] = {"check", NULL, "compare with what sshd has in its configuration", 1},
    [OPTION_OPENSSH] = {"openssh", "X.Y", "write for this version of OpenSSH", 1},
    [OPTION_VERSION] = {"version", "X.Y", NULL, 1},
    {0},
};

/* The version that --openssh names into *version. Returns 1, 0 where it is not
 * given, or -1 after a message. */
static int parse_version(const struct verb_arguments *arguments, struct sshd_version *version)
{
    const bool old = arguments->option[OPTION_VERSION] != NULL;
    const char *text = arguments->option[old ? OPTION_VERSION : OPTION_OPENSSH];

    if (text == NULL)
        return 0;
    if (sshd_version_parse(text, version) == 0)
        return 1;
    cli_usage_error(&verb_sshd_config,
                    "invalid argument '%s' for '--%s': not a version of OpenSSH such as 9.2", text,
                    options[old ? OPTION_VERSION : OPTION_OPENSSH].name);
    return -1;
}

/* Of an ordinary user, sshd -T says that it has no host keys: those that it may not read. */
static bool may_ask_sshd(const struct tmoutctl_context *context)
{
    return geteuid() == 0 || context->host.root[0] != '\0';
}

static int run_sshd_config(const struct tmoutctl_context *context,
                           const struct verb_arguments *arguments)
{
    const bool check = arguments->option[OPTION_CHECK] != NULL;
    struct sshd_version version;
    struct policy_view view = {0};
    struct dropin dropin = {0};
    struct target target = {.host = context->host};
    struct failure failure = {""};
    int status = TMOUTCTL_FAILURE;

    const int has_version = parse_version(arguments, &version);
    if (has_version < 0)
        return status;
    if (check && !may_ask_sshd(context))
        return cli_must_be_root();
    if (policy_view_find(context, &view, &failure) != 0)
        return report_as(REPORT_POLICY, "%s", failure.text);
    if (collect_rules(context, &view, &dropin) != 0)
        goto out;
    if (find_target(has_version > 0 ? &version : NULL, &target) != 0)
        goto out;
    if (!context->quiet)
        warn_unknown(&dropin, target.known);
    if (check)
        status = check_sshd(context, &view, &dropin, &target);
    else if (check_names(&dropin) != 0)
        status = TMOUTCTL_NO;
    else
        status = print_dropin(&dropin, target.known, context->json);

out:
    dropin_free(&dropin);
    policy_view_close(&view);
    return status;
}

const struct verb verb_sshd_config = {
    .name = "sshd-config",
    .usage = "[--check | --openssh X.Y]",
    .summary = "print the policy's sshd settings, or check that sshd has them",
    .help = "Prints the policy's settings for sshd as a file for /etc/ssh/sshd_config.d.\n"
            "With --check, compares the policy with what sshd reads from its files, and\n"
            "must be run as root.",
    .options = options,
    .json_version = 1,
    .run = run_sshd_config,
};
