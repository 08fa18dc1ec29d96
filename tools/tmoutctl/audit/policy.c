/* Is the policy that administrators wrote the one in force, and can its rules
 * have an effect here? */
#include "tools/tmoutctl/audit/audit.h"

#include "tools/tmoutctl/print_problems.h"
#include "lib/paths.h"

#include "lib/host/procfs.h"
#include "lib/policy/compile.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first mistake of the policy's text, if there is one. */
static void add_refused(struct audit *audit)
{
    const char *config = audit->context->config_path;
    struct policy policy = {0};
    struct source_set sources = {0};
    struct problems problems = {0};
    char summary[1024];

    policy_compile(config, geteuid(), &policy, &sources, &problems);
    const struct problem *first = problems_first_bad(&problems);
    if (first != NULL && first->file != NULL)
        snprintf(summary, sizeof summary, "%s", first->text);
    else
        summarize_problems(&problems, summary, sizeof summary);
    const char *file = first != NULL && first->file != NULL ? first->file : config;
    const unsigned line = first != NULL ? first->line : 0;
    audit_add(audit, AUDIT_FAIL, file, line, "the policy is refused: %s; %s", summary,
              audit->has_view ? "the last good one stays in force" : "none is in force");
    mend_by_hand(audit, file, line);
    problems_free(&problems);
    sources_free(&sources);
    policy_free(&policy);
}

static void check_in_force(struct audit *audit, const void *facts)
{
    const char *config = audit->context->config_path;

    (void)facts;
    if (!audit->has_view || audit->view.state == POLICY_REJECTED) {
        add_refused(audit);
    } else if (audit->view.state != POLICY_IN_FORCE) {
        char text[POLICY_VIEW_TEXT_MAX];
        policy_view_describe(&audit->view, text, sizeof text);
        audit_add(audit, AUDIT_FAIL, config, 0, "what is written is not in force: %s", text);
        audit_mend(audit, "tmoutctl apply");
    } else if (!snapshot_is_intact(&audit->view.snapshot)) {
        audit_add(audit, AUDIT_FAIL, NULL, 0, "%s/%s is damaged", audit->context->state_dir,
                  SNAPSHOT_POLICY_NAME);
        audit_mend(audit, "tmoutctl apply");
    }
}

/* 1: there is such a user or group, 0: there is none, -1: NSS can't tell. */
static int name_exists(const struct rule *rule)
{
    const void *entry;

    errno = 0;
    if (rule->kind == RULE_USER)
        entry = getpwnam(rule->name);
    else
        entry = getgrnam(rule->name);
    if (entry != NULL)
        return 1;
    return errno == 0 || errno == ENOENT || errno == ESRCH ? 0 : -1;
}

static void check_names(struct audit *audit, const void *facts)
{
    char title[RULE_TITLE_MAX], path[PATH_MAX];

    (void)facts;
    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule *rule = &audit->policy.rule[i];
        if (rule->kind == RULE_DEFAULT)
            continue;
        const int exists = name_exists(rule);
        if (exists == 1)
            continue;
        audit_add(audit, AUDIT_WARN, policy_file(audit, rule->file, path, sizeof path), rule->line,
                  exists == 0 ? "%s: no such %s on this host, so the rule has no effect"
                              : "%s: the name service cannot tell whether there is such a %s",
                  rule_title(rule, title, sizeof title), rule_kind_word(rule->kind));
        mend_by_hand(audit, path, rule->line);
    }
}

/* Is one of root's processes called tmoutd? The name alone anybody can have. */
static bool tmoutd_runs(void)
{
    DIR *directory = opendir("/proc");
    bool found = false;

    if (directory == NULL)
        return false;
    for (struct dirent *entry; !found && (entry = readdir(directory)) != NULL;) {
        char name[64];
        struct process process;
        const int pid = atoi(entry->d_name);
        found = pid > 0 && process_name(pid, name, sizeof name) && strcmp(name, "tmoutd") == 0 &&
                process_is_roots(pid) && process_read(pid, &process) == 0 &&
                !process_is_zombie(&process);
    }
    closedir(directory);
    return found;
}

static void check_tmoutd(struct audit *audit, const void *facts)
{
    static const enum setting_id needing[] = {SETTING_DISCONNECT, SETTING_DISCONNECT_NOTTY,
                                              SETTING_MAX_SESSION};

    (void)facts;
    for (size_t r = 0; r < audit->policy.count; r++) {
        for (size_t n = 0; n < sizeof needing / sizeof *needing; n++) {
            const struct rule_setting *setting = &audit->policy.rule[r].setting[needing[n]];
            char path[PATH_MAX];
            if (!setting->set || setting->value == SETTING_NONE)
                continue;
            if (tmoutd_runs())
                return;
            audit_add(audit, AUDIT_FAIL, policy_file(audit, setting->file, path, sizeof path),
                      setting->line, "%s needs tmoutd, which does not run",
                      settings[needing[n]].name);
            audit_mend(audit, "systemctl enable --now tmoutd");
            return;
        }
    }
}

static const struct audit_check checks[] = {
    {"policy-in-force", "the policy that is written is in force", check_in_force},
    {"policy-names", "the users and groups of the rules exist", check_names},
    {"policy-tmoutd", "tmoutd runs, or no rule needs it", check_tmoutd},
    {.id = NULL},
};

void audit_policy(struct audit *audit)
{
    audit_run(audit, checks, NULL);
}
