/* Does the limit reach the shells, and does nothing there undo it? */
#include "tools/tmoutctl/audit/areas.h"
#include "tools/tmoutctl/audit/policy_fix.h"

#include "tools/tmoutctl/shells/ask.h"
#include "tools/tmoutctl/shells/files.h"
#include "tools/tmoutctl/shells/findings.h"
#include "tools/tmoutctl/shells/lines.h"
#include "tools/tmoutctl/shells/list.h"
#include "tools/tmoutctl/shells/packaged.h"
#include "tools/tmoutctl/shells/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What came of asking shells for their limits; the worst of several answers counts. */
enum asked { ASKED_NOT, ASKED_RIGHT, ASKED_STRICTER, ASKED_LOOSER, ASKED_IN_VAIN };

/* What shells have answered. */
struct shell_verdict {
    enum asked worst[2];      /* those that read the same files: by whether these are tcsh's */
    struct shell_place place; /* the last one found at fault; line 0: none */
    bool hangs;               /* one has not come to its prompt */
    bool stricter;            /* one had a stricter limit */
};

struct shell_facts {
    struct shell_list shells;
    struct shell_findings findings;
    struct login_shells login_shells;
    struct shell_verdict *verdict; /* of check_shells_limit(), for check_shells_others() */
};

static void add_missing_limit(struct audit *audit, const struct shell *shell)
{
    struct finding *finding =
        findings_add(&audit->findings, CHECK_SHELLS_HOOKS, AUDIT_FAIL,
                     "this %s gets no limit from %s", shell_traits[shell->kind].name,
                     shell->login_file != NULL ? "its rc file" : "the files of login shells");

    finding_set_place(finding, shell->path, 0);
    finding_set_remediation(finding, "Let its rc files read our script.");
    finding_set_command(finding, "tmoutctl shells --install");
}

static void add_foreign_script(struct audit *audit, const char *script)
{
    struct finding *finding = findings_add(&audit->findings, CHECK_SHELLS_HOOKS, AUDIT_FAIL,
                                           "is missing, or not pam_tmout's");

    finding_set_place(finding, script, 0);
    finding_set_remediation(finding, "Reinstall pam_tmout.");
}

static void check_shells_hooks(struct audit *audit, const void *facts)
{
    const struct shell_facts *shells = facts;

    for (size_t i = 0; i < shells->shells.count; i++) {
        const struct shell *shell = &shells->shells.shell[i];
        const char *script = shell_script(shell->kind);
        if (shell->complete)
            continue;
        const int is_ours = shell_script_is_ours(audit->host, script);
        if (is_ours < 0)
            audit->findings.out_of_memory = true;
        else if (is_ours > 0)
            add_missing_limit(audit, shell);
        else if (!findings_have(&audit->findings, CHECK_SHELLS_HOOKS, script, 0))
            add_foreign_script(audit, script);
    }
}

static void check_shells_scripts(struct audit *audit, const void *facts)
{
    static const char *const scripts[] = {PROFILE_SH, PROFILE_CSH};

    (void)facts;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        const int line = shell_script_changed_line(audit->host, scripts[i]);
        if (line < 0)
            audit->findings.out_of_memory = true;
        if (line <= 0 || shell_script_is_ours(audit->host, scripts[i]) == 0)
            continue;
        struct finding *finding = findings_add(&audit->findings, CHECK_SHELLS_SCRIPTS, AUDIT_WARN,
                                               "has been changed: this line is not as packaged");
        finding_set_place(finding, scripts[i], (unsigned)line);
        finding_set_remediation(finding, "Copy the script back from " PACKAGED_SCRIPTS
                                         ", and keep the site's own in a file of its own.");
    }
}

/* --- what the shells themselves say ------------------------------------------ */

/* The smallest limit of all rules, so that any larger one shows; SETTING_NONE. */
static int64_t smallest_limit(const struct audit *audit)
{
    int64_t smallest = SETTING_NONE;

    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule_setting *setting = &audit->policy.rule[i].setting[SETTING_TMOUT];
        if (setting->set && setting->value < smallest)
            smallest = setting->value;
    }
    return smallest;
}

/* Asks a shell again with a trace of its commands, where it can make one, and finds the one
 * that is at fault: the last of all if it does not come to its prompt. */
static bool trace_limit(const struct shell_run *asked, bool is_answered, struct shell_place *place)
{
    struct shell_run traced = *asked;
    struct shell_answer answer;
    struct failure failure = {""};

    traced.traced = true;
    traced.is_hurried = !is_answered;
    if (shell_trace_prompt(asked->kind) == NULL)
        return false;
    (void)shell_ask(&traced, &answer, &failure);
    const bool found = answer.printed != NULL &&
                       shell_trace_find(answer.printed, asked->path, !is_answered, place);
    free(answer.printed);
    return found;
}

/* The line with which a file that is known sets this limit. */
static bool find_limit(const struct shell_facts *shells, const struct shell_run *asked,
                       int64_t limit_sec, struct shell_place *place)
{
    const bool csh = asked->kind == SHELL_TCSH;
    const int64_t value =
        csh ? limit_sec / 60 : (asked->kind == SHELL_KSH93 ? limit_sec - 60 : limit_sec);

    for (size_t i = 0; i < shells->findings.count; i++) {
        const struct shell_finding *found = &shells->findings.item[i];
        if (found->csh != csh || found->value != value)
            continue;
        snprintf(place->file, sizeof place->file, "%s", found->file);
        place->line = found->line;
        return true;
    }
    return false;
}

/* The line that may be at fault: as the shell itself traces it; else as its files' text,
 * our script, or another shell that has read the same files has it. limit_sec is -1 where
 * it has not answered. */
static void place_limit(struct audit *audit, struct finding *finding,
                        const struct shell_facts *shells, const struct shell_run *asked,
                        int64_t limit_sec)
{
    const bool csh = asked->kind == SHELL_TCSH;
    const char *script = shell_script(asked->kind);
    const int changed = shell_script_changed_line(audit->host, script);
    struct shell_place *place = &shells->verdict->place;

    const bool found = trace_limit(asked, limit_sec >= 0, place) ||
                       (limit_sec >= 0 && find_limit(shells, asked, limit_sec, place));
    const bool is_shared = !csh && shell_traits[asked->kind].reads_profile && place->line > 0;

    if (found || (changed <= 0 && is_shared))
        finding_set_place(finding, place->file, place->line);
    else
        finding_set_place(finding, changed > 0 ? script : asked->path,
                          changed > 0 ? (unsigned)changed : 0);
}

static void add_limit(struct audit *audit, const struct shell_facts *shells,
                      const struct shell_run *asked, const struct shell_answer *answer)
{
    const int64_t expected_sec = shell_expected_sec(asked->kind, asked->limit_sec);
    const bool is_stricter = answer->limit_sec > 0 && answer->limit_sec < expected_sec;
    char taken[48] = "no limit";

    if (answer->limit_sec > 0)
        snprintf(taken, sizeof taken, "the limit %" PRId64 " s", answer->limit_sec);
    struct finding *finding =
        findings_add(&audit->findings, CHECK_SHELLS_LIMIT, is_stricter ? AUDIT_NOTE : AUDIT_FAIL,
                     "%s, as an %s shell, has %s where pam_tmout gives %" PRId64 " s%s",
                     asked->path, shell_start_word(asked->start), taken, expected_sec,
                     asked->readonly ? " and makes it readonly" : "");
    place_limit(audit, finding, shells, asked, answer->limit_sec);
    finding_set_remediation(finding, "Take what sets the limit out of the site's own files; the "
                                     "policy has it.");
}

/* An enforced limit is in place, but something prints an error about it, or undoes it. */
static void add_enforced(struct audit *audit, const struct shell_facts *shells,
                         const struct shell_run *asked, const char *complaint)
{
    struct finding *finding =
        findings_add(&audit->findings, CHECK_SHELLS_LIMIT,
                     complaint[0] != '\0' && shells->verdict->stricter ? AUDIT_NOTE : AUDIT_FAIL,
                     complaint[0] != '\0' ? "%s prints at each login with an enforced limit: %s"
                                          : "%s lets its user change a limit that is enforced",
                     asked->path, complaint);

    place_limit(audit, finding, shells, asked, 0);
    finding_set_remediation(finding, "Take what sets the limit out of the site's own files; the "
                                     "policy has it.");
}

/* Asks one shell in one way; says so if it does not answer. */
static enum asked ask_shell(struct audit *audit, const struct shell_facts *shells,
                            struct shell_run *asked, struct shell_answer *answer)
{
    const int64_t expected_sec = shell_expected_sec(asked->kind, asked->limit_sec);
    struct failure failure = {""};

    asked->is_hurried = shells->verdict->hangs;
    if (shell_ask(asked, answer, &failure) == 0) {
        if (answer->limit_sec == expected_sec)
            return ASKED_RIGHT;
        return answer->limit_sec > 0 && answer->limit_sec < expected_sec ? ASKED_STRICTER
                                                                         : ASKED_LOOSER;
    }
    shells->verdict->hangs = true;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_SHELLS_LIMIT, AUDIT_WARN,
                     "%s could not be asked for its limit as an %s shell: it %s", asked->path,
                     shell_start_word(asked->start), failure.text);
    place_limit(audit, finding, shells, asked, -1);
    finding_set_remediation(finding, "Find out what its files do here.");
    return ASKED_IN_VAIN;
}

/* Asks a shell for its limit where it is enforced, as `other` has it where it is not. */
static enum asked ask_enforced(struct audit *audit, const struct shell_facts *shells,
                               struct shell_run *asked, const struct shell_answer *other)
{
    struct shell_answer answer = {0};
    char complaint[256];

    asked->readonly = true;
    enum asked came = ask_shell(audit, shells, asked, &answer);
    if (came == ASKED_LOOSER)
        add_limit(audit, shells, asked, &answer);
    if (came == ASKED_RIGHT || came == ASKED_STRICTER) {
        shell_complaint(asked->kind, &answer, other, complaint, sizeof complaint);
        if (!answer.readonly || complaint[0] != '\0') {
            add_enforced(audit, shells, asked, answer.readonly ? complaint : "");
            came = answer.readonly && shells->verdict->stricter ? ASKED_STRICTER : ASKED_LOOSER;
        }
    }
    free(answer.printed);
    return came;
}

static enum asked worse(enum asked one, enum asked other)
{
    return one > other ? one : other;
}

/* Asks a shell in all ways that count, up to the first wrong answer. Returns the worst. */
static enum asked ask_in_all_ways(struct audit *audit, const struct shell_facts *shells,
                                  const struct shell *shell, int64_t limit_sec)
{
    enum asked worst = ASKED_RIGHT;

    for (size_t start = 0; worst <= ASKED_STRICTER && start < SHELL_STARTS; start++) {
        const char *file = start == SHELL_START_INTERACTIVE ? shell->rc_file : shell->login_file;
        struct shell_run asked = {.path = shell->path,
                                  .kind = shell->kind,
                                  .start = (enum shell_start)start,
                                  .limit_sec = limit_sec};
        struct shell_answer answer = {0};
        /* check_shells_hooks() reports the others. */
        if (file == NULL || !shell_start_counts(shell->kind, asked.start))
            continue;
        enum asked came = ask_shell(audit, shells, &asked, &answer);
        if (came == ASKED_STRICTER || came == ASKED_LOOSER)
            add_limit(audit, shells, &asked, &answer);
        shells->verdict->stricter |= came == ASKED_STRICTER;
        worst = worse(worst, came);
        if (came <= ASKED_STRICTER)
            worst = worse(worst, ask_enforced(audit, shells, &asked, &answer));
        free(answer.printed);
    }
    return worst;
}

static void check_shells_limit(struct audit *audit, const void *facts)
{
    const struct shell_facts *shells = facts;
    const int64_t limit_sec = smallest_limit(audit);
    struct failure failure = {""};
    unsigned asked = 0;

    if (limit_sec == SETTING_NONE || audit->host->root[0] != '\0')
        return;
    if (!shell_can_be_asked(&failure)) {
        findings_add(&audit->findings, CHECK_SHELLS_LIMIT, AUDIT_NOTE,
                     "the shells could not be asked for their limit (%s); what is said of them "
                     "comes from reading their files",
                     failure.text);
        return;
    }
    /* Shells of one kind read the same files. */
    for (size_t i = 0; i < shells->shells.count; i++) {
        const struct shell *shell = &shells->shells.shell[i];
        const unsigned kind = 1U << (unsigned)shell->kind;
        if ((asked & kind) == 0 && shell_traits[shell->kind].timeout != SHELL_NO_TIMEOUT) {
            const bool csh = shell_traits[shell->kind].timeout == SHELL_TIMEOUT_MINUTES;
            enum asked *worst = &shells->verdict->worst[csh];
            *worst = worse(*worst, ask_in_all_ways(audit, shells, shell, limit_sec));
            *worst = worse(*worst, shell->complete ? ASKED_RIGHT : ASKED_LOOSER);
        }
        asked |= kind;
    }
}

/* --- what the files say ------------------------------------------------------- */

/* The limit of users without a rule of their own. */
static int64_t default_limit(const struct audit *audit)
{
    const struct rule nothing = {.kind = RULE_DEFAULT};

    return rule_value(audit, &nothing, SETTING_TMOUT);
}

/* Does it set a limit larger than the policy's default, or one although the
 * policy has none? */
static bool is_larger(const struct audit *audit, const struct shell_finding *found)
{
    const int64_t limit_sec = default_limit(audit), unit_sec = found->csh ? 60 : 1;

    return found->value >= 0 && (limit_sec == SETTING_NONE || found->value > limit_sec / unit_sec);
}

/* Is it stricter than any limit of the policy, though not the policy's? */
static bool is_strictest(const struct audit *audit, const struct shell_finding *found)
{
    const int64_t limit_sec = smallest_limit(audit), unit_sec = found->csh ? 60 : 1;

    return found->value > 0 && limit_sec != SETTING_NONE && found->value < limit_sec / unit_sec;
}

/* The edits of the script that the last finding was about. */
struct script {
    const char *file;
    struct edits edits; /* in the order of their lines */
    size_t next;        /* after those of the last finding */
};

/* Comments out the lines of a script that set the limit, if they do nothing else: all of them
 * for its first finding, so that what belongs together goes, and its own line for each other. */
static void fix_script(const struct audit *audit, struct finding *finding,
                       const struct shell_finding *found, struct script *script)
{
    finding_set_remediation(finding, "Take the limit out of this file; the policy has it.");
    if (script->file == NULL || strcmp(script->file, found->file) != 0) {
        edits_free(&script->edits);
        *script = (struct script){.file = found->file};
        if (shell_lines_out(audit->host, found->file, found->csh, &script->edits) != 0)
            finding->list->out_of_memory = true;
        finding_add_edits(finding, &script->edits);
        return;
    }
    while (script->next < script->edits.count &&
           script->edits.item[script->next].line < found->line)
        script->next++;
    if (script->next < script->edits.count && script->edits.item[script->next].line == found->line)
        finding_add_edit(finding, &script->edits.item[script->next]);
}

static void check_shells_others(struct audit *audit, const void *facts)
{
    const struct shell_facts *shells = facts;
    const int64_t limit_sec = default_limit(audit);
    char limit[SETTING_TEXT_MAX], than[SETTING_TEXT_MAX + 80];
    struct script script = {.file = NULL};

    setting_format(&settings[SETTING_TMOUT], limit_sec, limit, sizeof limit);
    snprintf(than, sizeof than,
             limit_sec == SETTING_NONE ? "; the policy's default is %s"
                                       : "; it is larger than the policy's default (%s)",
             limit);
    for (size_t i = 0; i < shells->findings.count; i++) {
        const struct shell_finding *found = &shells->findings.item[i];
        const enum asked worst = shells->verdict->worst[found->csh];
        /* Users without a limit would not call any stricter. */
        const bool stricter =
            limit_sec != SETTING_NONE && (worst == ASKED_STRICTER || is_strictest(audit, found));
        const bool conflict = !stricter && shell_finding_is_conflict(found);
        const bool larger = !conflict && !stricter && is_larger(audit, found);
        if (!conflict && !larger && !found->readonly && !stricter)
            continue;
        /* What the shells say counts, whatever the text looks like: it may be a here-document's.
         * They were asked with a limit, which says nothing of users without one. */
        if (worst == ASKED_RIGHT && (conflict || limit_sec != SETTING_NONE)) {
            finding_set_place(findings_add(&audit->findings, CHECK_SHELLS_OTHERS, AUDIT_NOTE,
                                           "%s: looks like a limit of its own, but all shells "
                                           "that were asked have the policy's",
                                           found->text),
                              found->file, found->line);
            continue;
        }
        struct finding *finding =
            findings_add(&audit->findings, CHECK_SHELLS_OTHERS,
                         conflict ? AUDIT_FAIL : (larger ? AUDIT_WARN : AUDIT_NOTE), "%s: %s%s",
                         found->text, shell_finding_advice(found), larger ? than : "");
        finding_set_place(finding, found->file, found->line);
        if (conflict || larger)
            fix_script(audit, finding, found, &script);
    }
    edits_free(&script.edits);
}

/* Can the shell be run, although it has no timeout? */
static bool is_loose(const struct audit *audit, const char *shell)
{
    char path[PATH_MAX];

    return host_path(audit->host, shell, path, sizeof path) == 0 && access(path, X_OK) == 0 &&
           shell_timeout_of(audit->host, shell) == SHELL_NO_TIMEOUT;
}

static void add_unknown_limit(struct audit *audit, const char *user, const char *why)
{
    finding_set_remediation(findings_add(&audit->findings, CHECK_SHELLS_USERS, AUDIT_WARN,
                                         "the limit of user \"%s\" could not be asked for: %s",
                                         user, why),
                            ASK_AGAIN);
}

static void add_unknown_limits(struct audit *audit)
{
    finding_set_remediation(findings_add(&audit->findings, CHECK_SHELLS_USERS, AUDIT_WARN,
                                         "the users' limits could not be asked for: %s",
                                         audit->no_names.text),
                            ASK_AGAIN);
}

/* Does the user have tmout but no disconnect? If so, *found has the rule. */
static bool is_unprotected(struct audit *audit, const char *user, struct resolution *found)
{
    struct account account = {0};
    struct failure failure = {""};
    bool unprotected = false;

    const enum account_status status = account_lookup(user, false, &account);
    if (status == ACCOUNT_UNKNOWN)
        return false;
    if (status == ACCOUNT_ERROR)
        add_unknown_limit(audit, user, strerror(errno));
    else if (policy_view_resolve(audit->context, &audit->view, &account, found, &failure) != 0)
        add_unknown_limit(audit, user, failure.text);
    else
        unprotected = found->setting[SETTING_TMOUT].value != SETTING_NONE &&
                      found->setting[SETTING_DISCONNECT].value == SETTING_NONE;
    account_free(&account);
    return unprotected;
}

static void check_user_shell(struct audit *audit, const struct login_shells *login_shells,
                             const struct passwd *user)
{
    /* An empty field means /bin/sh. */
    const char *shell = user->pw_shell[0] != '\0' ? user->pw_shell : "/bin/sh";
    struct resolution resolution;
    char path[PATH_MAX];

    if (!login_shells_have(login_shells, shell) || !is_loose(audit, shell) ||
        !is_unprotected(audit, user->pw_name, &resolution))
        return;
    const struct resolved_setting *limit = &resolution.setting[SETTING_TMOUT];
    struct finding *finding =
        findings_add(&audit->findings, CHECK_SHELLS_USERS, AUDIT_FAIL,
                     "the limit of user \"%s\" has no effect: the login shell %s has no timeout, "
                     "and no disconnect backs the limit",
                     user->pw_name, shell);
    finding_set_place(finding, policy_file(audit, limit->file, path, sizeof path), limit->line);
    finding_set_remediation(finding, "Give the user disconnect, or a shell with a timeout.");
}

/* Looks at the users of /etc/passwd. */
struct user_check {
    struct audit *audit;
    const struct login_shells *login_shells;
    FILE *passwd;
};

static void check_user_shells(void *context)
{
    const struct user_check *check = context;

    rewind(check->passwd);
    for (struct passwd *user; (user = fgetpwent(check->passwd)) != NULL;)
        check_user_shell(check->audit, check->login_shells, user);
}

static void check_shells_users(struct audit *audit, const void *facts)
{
    const struct shell_facts *shells = facts;
    char path[PATH_MAX];

    if (!audit->has_view || host_path(audit->host, "/etc/passwd", path, sizeof path) != 0)
        return;
    struct user_check check = {audit, &shells->login_shells, fopen(path, "re")};
    if (check.passwd == NULL)
        return;
    if (audit_names_answer(audit, check_user_shells, &check))
        check_user_shells(&check);
    else
        add_unknown_limits(audit);
    fclose(check.passwd);
}

/* A shell of /etc/shells without a timeout, which users may choose with chsh or
 * simply start; NULL if there is none. */
static const char *loose_shell(const struct audit *audit, const struct login_shells *shells)
{
    for (size_t i = 0; i < shells->count; i++)
        if (is_loose(audit, shells->path[i]))
            return shells->path[i];
    return NULL;
}

static void check_shells_rules(struct audit *audit, const void *facts)
{
    const struct shell_facts *shells = facts;
    const char *shell = loose_shell(audit, &shells->login_shells);
    char path[PATH_MAX], title[RULE_TITLE_MAX];
    struct policy_wishes wishes = {0};

    if (shell == NULL)
        return;
    for (size_t i = 0; i < audit->policy.count; i++) {
        const struct rule *rule = &audit->policy.rule[i];
        const struct rule_setting *limit = &rule->setting[SETTING_TMOUT];
        if (!limit->set || limit->value == SETTING_NONE ||
            rule_value(audit, rule, SETTING_DISCONNECT) != SETTING_NONE)
            continue;
        struct policy_wish wish = {findings_add(&audit->findings, CHECK_SHELLS_RULES, AUDIT_WARN,
                                                "%s has tmout but no disconnect, and shells like "
                                                "%s (/etc/shells) have no timeout",
                                                rule_title(rule, title, sizeof title), shell),
                                   rule->kind, rule->name, SETTING_DISCONNECT, ""};
        policy_file(audit, limit->file, path, sizeof path);
        finding_set_place(wish.finding, path, limit->line);
        setting_format(&settings[SETTING_TMOUT], limit->value, wish.value, sizeof wish.value);
        finding_set_remediation(wish.finding, "Set disconnect to %s, and apply the policy.",
                                wish.value);
        if (policy_wishes_add(&wishes, &wish) != 0)
            audit->findings.out_of_memory = true;
    }
    policy_wishes_grant(audit, &wishes);
    policy_wishes_free(&wishes);
}

static const struct audit_step shells_steps[] = {
    {CHECK_SHELLS_HOOKS, check_shells_hooks}, {CHECK_SHELLS_SCRIPTS, check_shells_scripts},
    {CHECK_SHELLS_LIMIT, check_shells_limit}, {CHECK_SHELLS_OTHERS, check_shells_others},
    {CHECK_SHELLS_USERS, check_shells_users}, {CHECK_SHELLS_RULES, check_shells_rules},
};

void audit_shells(struct audit *audit)
{
    struct shell_verdict verdict = {.place = {.line = 0}};
    struct shell_facts facts = {.verdict = &verdict};

    if (shell_list_find(audit->host, &facts.shells) != 0 ||
        shell_findings_find(audit->host, &facts.findings) != 0 ||
        login_shells_read(audit->host, &facts.login_shells) != 0)
        audit->findings.out_of_memory = true;
    else
        audit_run(audit, shells_steps, sizeof shells_steps / sizeof *shells_steps, &facts);
    shell_list_free(&facts.shells);
    shell_findings_free(&facts.findings);
    login_shells_free(&facts.login_shells);
}
