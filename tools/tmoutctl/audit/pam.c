/* Is our line in the PAM stacks, and where it takes effect? */
#include "tools/tmoutctl/audit/areas.h"

#include "tools/tmoutctl/pam/control.h"
#include "tools/tmoutctl/pam/stack.h"
#include "tools/tmoutctl/sshd/installed.h"

#include "lib/host/secure_path.h"
#include "lib/policy/module_args.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PAMDIR
#define PAMDIR "/usr/lib/security"
#endif

const char audit_module_path[] = PAMDIR "/pam_tmout.so";

#define OUR_MODULE   "pam_tmout.so"
#define AUTH_LINE    "auth       requisite    " OUR_MODULE
#define SESSION_LINE "session    optional     " OUR_MODULE

/* Services whose sessions or passwords the policy covers; sshd is the one that
 * must have our lines. */
static const char *const services[] = {"sshd", "login", "su", "sudo"};
enum { SSHD, LOGIN, SERVICES = sizeof services / sizeof *services };

/* Files that several services share on Debian and on RHEL. */
static const char *const shared_files[] = {"common-auth", "common-session",
                                           "system-auth", "password-auth",
                                           "postlogin",   "common-session-noninteractive"};

/* Modules that check a password. */
static const char *const password_modules[] = {
    "pam_unix.so",        "pam_sss.so",          "pam_ldap.so",    "pam_krb5.so",
    "pam_winbind.so",     "pam_systemd_home.so", "pam_pwdfile.so", "pam_userdb.so",
    "pam_radius_auth.so", "pam_tacplus.so"};

struct pam_facts {
    struct pam_stack auth[SERVICES], session[SERVICES];
    bool present[SERVICES];
    bool limits_attempts; /* some rule sets max_attempts */
};

/* The first line from `from` on that is ours, or stack->count. */
static size_t find_ours(const struct pam_stack *stack, size_t from)
{
    while (from < stack->count && !pam_line_is(&stack->line[from], OUR_MODULE))
        from++;
    return from;
}

static bool checks_passwords(const struct pam_line *line)
{
    for (size_t i = 0; i < sizeof password_modules / sizeof *password_modules; i++)
        if (pam_line_is(line, password_modules[i]))
            return true;
    return false;
}

/* The first line that checks passwords, or stack->count. */
static size_t find_password(const struct pam_stack *stack)
{
    size_t i = 0;

    while (i < stack->count && !checks_passwords(&stack->line[i]))
        i++;
    return i;
}

/* The index after the last line of the substack that a line is in, or the number
 * of lines: a rejection that ends the stack at once ends the lines before that. */
static size_t end_of_level(const struct pam_stack *stack, size_t of)
{
    size_t end = of + 1;

    while (end < stack->count && stack->line[end].level >= stack->line[of].level)
        end++;
    return end;
}

/* --- are the lines there ------------------------------------------------- */

static void add_stack_problem(struct audit *audit, const struct pam_stack *stack)
{
    if (stack->problem != NULL &&
        !findings_have(&audit->findings, CHECK_PAM_STACK, stack->problem_file, stack->problem_line))
        finding_set_place(
            findings_add(&audit->findings, CHECK_PAM_STACK, AUDIT_FAIL, "%s", stack->problem),
            stack->problem_file, stack->problem_line);
}

static void check_pam_stack(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    /* Without sshd, audit_sshd() reports that. */
    if (!pam->present[SSHD] && audit->no_sshd.text[0] == '\0')
        finding_set_place(findings_add(&audit->findings, CHECK_PAM_STACK, AUDIT_FAIL,
                                       "does not exist: sshd falls back to the service \"other\", "
                                       "which rejects all logins; reinstall the package that "
                                       "contains sshd"),
                          "/etc/pam.d/sshd", 0);
    for (size_t i = 0; i < SERVICES; i++) {
        const size_t before = audit->findings.count;
        add_stack_problem(audit, &pam->auth[i]);
        if (audit->findings.count == before)
            add_stack_problem(audit, &pam->session[i]);
    }
}

/*
 * Can libpam load what is at path, and can only root have written it? NULL if
 * so, else what is wrong, in failure or static. Symbolic links are followed, as
 * libpam follows them.
 */
static const char *module_wrong(const struct audit *audit, const char *path,
                                struct failure *failure)
{
    char full[PATH_MAX], real[PATH_MAX], *slash;
    struct stat status;

    if (host_path(audit->host, path, full, sizeof full) != 0 || realpath(full, real) == NULL)
        return errno == ENOENT ? "does not exist" : "cannot be accessed";
    slash = strrchr(real, '/');
    *slash = '\0';
    const int directory =
        secure_open_directory(slash == real ? "/" : real, audit->owner, O_PATH, failure);
    if (directory < 0)
        return failure->text;
    const int found = fstatat(directory, slash + 1, &status, AT_SYMLINK_NOFOLLOW);
    close(directory);
    if (found != 0 || !S_ISREG(status.st_mode))
        return "is not a regular file";
    return insecure_because(&status, audit->owner);
}

/* A line of ours that names the module by a path. */
static void check_module_path(struct audit *audit, const struct pam_line *line)
{
    char path[PATH_MAX], word[PATH_MAX];
    struct failure failure = {""};

    /* libpam looks for a relative path below its own directory
     * (_pam_load_module() of Linux-PAM). */
    snprintf(path, sizeof path, "%s%s", line->module[0] == '/' ? "" : PAMDIR "/", line->module);
    const char *wrong = module_wrong(audit, path, &failure);
    if (wrong == NULL || findings_have(&audit->findings, CHECK_PAM_MODULE, line->file, line->line))
        return;
    struct finding *finding = findings_add(&audit->findings, CHECK_PAM_MODULE, AUDIT_FAIL,
                                           "loads %s, which %s", path, wrong);
    finding_set_place(finding, line->file, line->line);
    finding_set_fix(finding, "sed -i '%us|[^[:space:]]*/pam_tmout\\.so|" OUR_MODULE "|' %s",
                    line->line, shell_word(line->file, word, sizeof word));
}

static void check_module_paths(struct audit *audit, const struct pam_stack *stack)
{
    for (size_t i = find_ours(stack, 0); i < stack->count; i = find_ours(stack, i + 1))
        if (strchr(stack->line[i].module, '/') != NULL)
            check_module_path(audit, &stack->line[i]);
}

static void check_pam_module(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    char full[PATH_MAX];
    struct stat status;

    for (size_t s = 0; s < SERVICES; s++) {
        check_module_paths(audit, &pam->auth[s]);
        check_module_paths(audit, &pam->session[s]);
    }
    if (host_path(audit->host, audit_module_path, full, sizeof full) == 0 &&
        stat(full, &status) == 0 && S_ISREG(status.st_mode))
        return;
    finding_set_place(findings_add(&audit->findings, CHECK_PAM_MODULE, AUDIT_FAIL,
                                   "is missing: logins get no limit, and an auth line rejects "
                                   "every password; reinstall pam_tmout"),
                      audit_module_path, 0);
}

/* Where else our line of this type is, for the end of a message; "" where it is
 * nowhere. text is returned. */
static const char *elsewhere_text(const struct audit *audit, const char *type, char *text,
                                  size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < sizeof shared_files / sizeof *shared_files && text[0] == '\0'; i++) {
        struct pam_stack stack;
        if (pam_stack_read(audit->host, shared_files[i], type, &stack) == PAM_STACK_OK) {
            const size_t ours = find_ours(&stack, 0);
            if (ours < stack.count)
                snprintf(text, size, "; it is in %s:%u, which this service does not include",
                         stack.line[ours].file, stack.line[ours].line);
        }
        pam_stack_free(&stack);
    }
    return text;
}

static void check_pam_session_line(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    const struct pam_stack *stack = &pam->session[SSHD];
    char where[PATH_MAX + 64], word[PATH_MAX];

    if (!pam->present[SSHD] || find_ours(stack, 0) < stack->count)
        return;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_PAM_SESSION_LINE, AUDIT_FAIL,
                     "has no session line for " OUR_MODULE ": SSH logins get no limit%s",
                     elsewhere_text(audit, "session", where, sizeof where));
    finding_set_place(finding, stack->path, 0);
    finding_set_fix(finding, "sed -i '$a " SESSION_LINE "' %s",
                    shell_word(stack->path, word, sizeof word));
}

/* The command that inserts our auth line before the stack's line number next,
 * which may be stack->count, and removes the one at wrong, which may be NULL. */
static void fix_auth(struct finding *finding, const struct pam_stack *stack, size_t next,
                     const struct pam_line *wrong)
{
    const char *file = stack->path;
    unsigned before = next < stack->count ? stack->line[next].origin : 1;
    char word[PATH_MAX], other[PATH_MAX];

    if (wrong != NULL && next < stack->count && strcmp(wrong->file, stack->line[next].file) == 0) {
        file = wrong->file;
        before = stack->line[next].line;
    }
    shell_word(file, word, sizeof word);
    if (wrong == NULL)
        finding_set_fix(finding, "sed -i '%ui " AUTH_LINE "' %s", before, word);
    else if (strcmp(wrong->file, file) != 0)
        finding_set_fix(finding, "sed -i %ud %s && sed -i '%ui " AUTH_LINE "' %s", wrong->line,
                        shell_word(wrong->file, other, sizeof other), before, word);
    else if (wrong->line == before)
        finding_set_fix(finding, "sed -i '%uc " AUTH_LINE "' %s", before, word);
    else
        finding_set_fix(finding, "sed -i -e '%ui " AUTH_LINE "' -e %ud %s", before, wrong->line,
                        word);
}

static void check_pam_auth_line(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    const struct pam_stack *stack = &pam->auth[SSHD];
    char where[PATH_MAX + 64];

    if (!pam->present[SSHD] || !pam->limits_attempts || find_ours(stack, 0) < stack->count)
        return;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_PAM_AUTH_LINE, AUDIT_FAIL,
                     "has no auth line for " OUR_MODULE ": max_attempts is not enforced%s",
                     elsewhere_text(audit, "auth", where, sizeof where));
    finding_set_place(finding, stack->path, 0);
    fix_auth(finding, stack, find_password(stack), NULL);
}

/* --- their order and control --------------------------------------------- */

/* The first line from `from` on that lets a user's ~/.pam_environment replace
 * what was set before, or stack->count. */
static size_t find_user_environment(const struct pam_stack *stack, size_t from)
{
    size_t i = from;

    while (i < stack->count && (!pam_line_is(&stack->line[i], "pam_env.so") ||
                                !pam_line_has(&stack->line[i], "user_readenv=1")))
        i++;
    return i;
}

static void check_pam_session_order(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    const struct pam_stack *stack = &pam->session[SSHD];
    size_t ours = find_ours(stack, 0);
    char word[PATH_MAX];

    /* If there are several, the last one counts. */
    for (size_t i = ours; i < stack->count; i = find_ours(stack, i + 1))
        ours = i;
    const size_t theirs = find_user_environment(stack, ours);
    if (theirs == stack->count)
        return;
    const struct pam_line *wrong = &stack->line[ours], *line = &stack->line[theirs];
    struct finding *finding =
        findings_add(&audit->findings, CHECK_PAM_SESSION_ORDER, AUDIT_FAIL,
                     "precedes pam_env with user_readenv=1 (%s:%u): the user's "
                     "~/.pam_environment can override the limit",
                     line->file, line->line);
    finding_set_place(finding, wrong->file, wrong->line);
    shell_word(stack->path, word, sizeof word);
    if (strcmp(wrong->file, stack->path) == 0)
        finding_set_fix(finding, "sed -i -e %ud -e '$a " SESSION_LINE "' %s", wrong->line, word);
    else /* other services may need the line where it is */
        finding_set_fix(finding, "sed -i '$a " SESSION_LINE "' %s", word);
}

static void check_pam_session_control(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    const struct pam_stack *stack = &pam->session[SSHD];
    const size_t ours = find_ours(stack, 0);
    char word[PATH_MAX];

    if (ours == stack->count || pam_control_never_blocks(stack->line[ours].control))
        return;
    const struct pam_line *line = &stack->line[ours];
    struct finding *finding = findings_add(
        &audit->findings, CHECK_PAM_SESSION_CONTROL, AUDIT_WARN,
        "the session line's control is \"%s\": without a valid policy, SSH logins are "
        "closed or later lines skipped; with `optional` they proceed, and it is logged",
        line->control);
    finding_set_place(finding, line->file, line->line);
    finding_set_fix(finding, "sed -i '%uc " SESSION_LINE "' %s", line->line,
                    shell_word(line->file, word, sizeof word));
}

static void check_pam_auth_control(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t s = 0; s < SERVICES; s++) {
        const struct pam_stack *stack = &pam->auth[s];
        const size_t ours = find_ours(stack, 0);
        if (ours == stack->count || pam_control_rejects_at_once(stack->line[ours].control))
            continue;
        const struct pam_line *line = &stack->line[ours];
        char word[PATH_MAX];
        if (findings_have(&audit->findings, CHECK_PAM_AUTH_CONTROL, line->file, line->line))
            continue;
        struct finding *finding =
            findings_add(&audit->findings, CHECK_PAM_AUTH_CONTROL, AUDIT_FAIL,
                         "the auth line's control for %s is \"%s\", not `requisite`: a locked "
                         "user's password is still checked",
                         services[s], line->control);
        finding_set_place(finding, line->file, line->line);
        finding_set_fix(finding, "sed -i '%uc " AUTH_LINE "' %s", line->line,
                        shell_word(line->file, word, sizeof word));
    }
}

/* Is our line where a password can be checked before the attempt is counted? */
static void check_auth_order_in(struct audit *audit, const struct pam_stack *stack,
                                const char *service)
{
    const size_t ours = find_ours(stack, 0), password = find_password(stack);
    struct finding *finding;

    if (ours == stack->count || password == stack->count)
        return;
    const struct pam_line *wrong = &stack->line[ours], *line = &stack->line[password];
    if (findings_have(&audit->findings, CHECK_PAM_AUTH_ORDER, wrong->file, wrong->line))
        return;
    if (password < ours)
        finding = findings_add(&audit->findings, CHECK_PAM_AUTH_ORDER, AUDIT_FAIL,
                               "comes after %s (%s:%u) for %s: passwords are checked before the "
                               "attempt is counted",
                               line->module, line->file, line->line, service);
    else if (password >= end_of_level(stack, ours))
        finding = findings_add(&audit->findings, CHECK_PAM_AUTH_ORDER, AUDIT_FAIL,
                               "is in a substack that does not include %s (%s:%u): for %s, a "
                               "rejection ends only the substack",
                               line->module, line->file, line->line, service);
    else
        return;
    finding_set_place(finding, wrong->file, wrong->line);
    fix_auth(finding, stack, password, wrong);
}

static void check_pam_auth_order(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t s = 0; s < SERVICES; s++)
        check_auth_order_in(audit, &pam->auth[s], services[s]);
}

/* --- lines that lead around ours ------------------------------------------ */

/* Can the line's success keep later lines from running? pam_deny never
 * succeeds. */
static bool ends_stack(const struct pam_line *line)
{
    return !pam_line_is(line, "pam_deny.so") &&
           (line->action[PAM_SUCCESS] == ACTION_DONE || line->action[PAM_IGNORE] == ACTION_DONE);
}

/* The most lines that an action of the line skips. */
static size_t longest_jump(const struct pam_line *line)
{
    int longest = 0;

    for (int i = 0; i < PAM_RESULTS; i++)
        longest = line->action[i] > longest ? line->action[i] : longest;
    return (size_t)longest;
}

/* May a success of this line keep ours from running? In auth it may for root in
 * su, who needs no password. check_auth_order_in() reports modules that check
 * passwords before ours. */
static bool may_end_auth(const struct pam_line *line, const char *service)
{
    return checks_passwords(line) ||
           (strcmp(service, "su") == 0 && pam_line_is(line, "pam_rootok.so"));
}

/* A service's stack of one type, and the lines around ours in it. */
struct bypass {
    const struct pam_stack *stack;
    const char *service;
    bool is_auth;
    const struct pam_line *ours;
    size_t by; /* the number of the line that leads around ours */
};

static void add_ending(struct audit *audit, const struct bypass *bypass)
{
    const struct pam_line *line = &bypass->stack->line[bypass->by];
    const bool is_sshd = strcmp(bypass->service, services[SSHD]) == 0;
    char word[PATH_MAX];
    struct finding *finding = findings_add(
        &audit->findings, CHECK_PAM_JUMP, is_sshd ? AUDIT_FAIL : AUDIT_WARN,
        "is never reached for %s if %s (%s:%u) succeeds: its control, %s, ends the stack",
        bypass->service, line->module, line->file, line->line, line->control);

    finding_set_place(finding, bypass->ours->file, bypass->ours->line);
    if (bypass->is_auth)
        fix_auth(finding, bypass->stack, bypass->by, bypass->ours);
    else
        finding_set_fix(finding, "sed -i '%us/sufficient/optional/I;%us/=done/=ok/g' %s",
                        line->line, line->line, shell_word(line->file, word, sizeof word));
}

/* Jumps count a substack as one line; one that leads over a substack is taken
 * for shorter than it is. */
static void check_jump_in(struct audit *audit, const struct pam_stack *stack, const char *service,
                          bool is_auth)
{
    const size_t ours = find_ours(stack, 0);

    for (size_t i = 0; i < ours && ours < stack->count; i++) {
        const struct pam_line *line = &stack->line[i], *jumped = &stack->line[ours];
        /* A line in a substack can end only the substack. */
        if (end_of_level(stack, i) <= ours ||
            findings_have(&audit->findings, CHECK_PAM_JUMP, jumped->file, jumped->line))
            continue;
        if (ends_stack(line) && !(is_auth && may_end_auth(line, service)))
            add_ending(audit, &(struct bypass){stack, service, is_auth, jumped, i});
        else if (i + longest_jump(line) >= ours)
            finding_set_place(findings_add(&audit->findings, CHECK_PAM_JUMP, AUDIT_WARN,
                                           "is skipped for %s if %s (%s:%u) jumps over it: its "
                                           "control is %s",
                                           service, line->module, line->file, line->line,
                                           line->control),
                              jumped->file, jumped->line);
    }
}

static void check_pam_jump(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t s = 0; s < SERVICES; s++) {
        check_jump_in(audit, &pam->auth[s], services[s], true);
        check_jump_in(audit, &pam->session[s], services[s], false);
    }
}

static void check_twice_in(struct audit *audit, const struct pam_stack *stack, const char *service,
                           const char *type)
{
    const size_t first = find_ours(stack, 0);
    const size_t second = first < stack->count ? find_ours(stack, first + 1) : stack->count;
    char word[PATH_MAX];

    if (second == stack->count)
        return;
    const struct pam_line *line = &stack->line[second];
    if (findings_have(&audit->findings, CHECK_PAM_TWICE, line->file, line->line))
        return;
    /* The second one restores what pam_env may have replaced. */
    if (find_user_environment(stack, first) < second)
        return;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_PAM_TWICE, AUDIT_FAIL,
                     "is the second %s line for " OUR_MODULE " in the stack of %s; the first is "
                     "%s:%u",
                     type, service, stack->line[first].file, stack->line[first].line);
    finding_set_place(finding, line->file, line->line);
    finding_set_fix(finding, "sed -i %ud %s", line->line,
                    shell_word(line->file, word, sizeof word));
}

static void check_pam_twice(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t s = 0; s < SERVICES; s++) {
        check_twice_in(audit, &pam->auth[s], services[s], "auth");
        check_twice_in(audit, &pam->session[s], services[s], "session");
    }
}

/* --- arguments, other services ------------------------------------------- */

/* Is the path that begins at word[length]'s value another one than the audit's own? */
static bool is_other_path(const char *word, size_t length, const char *value, const char *path)
{
    const size_t size = (size_t)(word + length - value);

    return strlen(path) != size || strncmp(value, path, size) != 0;
}

/* One argument of our line, word[length]. */
static void check_argument(struct audit *audit, const struct pam_line *line, const char *word,
                           size_t length)
{
    struct failure failure = {""};
    const char *value = NULL;
    char file[PATH_MAX];
    const int id = module_arg_find(word, length, &value, &failure);

    if (id < 0) {
        struct finding *finding =
            findings_add(&audit->findings, CHECK_PAM_ARGUMENTS, AUDIT_FAIL,
                         "has an argument that " OUR_MODULE " rejects: %.*s: %s", (int)length, word,
                         failure.text);
        finding_set_place(finding, line->file, line->line);
        finding_set_fix(finding, "sed -i '%us/\\(pam_tmout\\.so\\).*/\\1/' %s", line->line,
                        shell_word(line->file, file, sizeof file));
        return;
    }
    if ((id == MODULE_ARG_CONFIG &&
         is_other_path(word, length, value, audit->context->config_path)) ||
        (id == MODULE_ARG_STATE && is_other_path(word, length, value, audit->context->state_dir)))
        finding_set_place(findings_add(&audit->findings, CHECK_PAM_ARGUMENTS, AUDIT_WARN,
                                       "uses a different %s from this audit: %.*s",
                                       id == MODULE_ARG_CONFIG ? "policy" : "state directory",
                                       (int)length, word),
                          line->file, line->line);
}

static void check_arguments_in(struct audit *audit, const struct pam_stack *stack)
{
    for (size_t i = find_ours(stack, 0); i < stack->count; i = find_ours(stack, i + 1)) {
        const struct pam_line *line = &stack->line[i];
        if (findings_have(&audit->findings, CHECK_PAM_ARGUMENTS, line->file, line->line))
            continue;
        for (const char *word = line->arguments; *(word += strspn(word, " \t\r")) != '\0';
             word += strcspn(word, " \t\r"))
            check_argument(audit, line, word, strcspn(word, " \t\r"));
    }
}

static void check_pam_arguments(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t s = 0; s < SERVICES; s++) {
        check_arguments_in(audit, &pam->auth[s]);
        check_arguments_in(audit, &pam->session[s]);
    }
}

/* Does a rule cover console logins? */
static bool covers_console(const struct audit *audit)
{
    for (size_t i = 0; i < audit->policy.count; i++)
        if (rule_value(audit, &audit->policy.rule[i], SETTING_SESSIONS) == SESSIONS_ALL)
            return true;
    return false;
}

static void check_other_session(struct audit *audit, const struct pam_stack *stack, bool is_login)
{
    char word[PATH_MAX];

    if (find_ours(stack, 0) < stack->count || (is_login && !covers_console(audit)))
        return;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_PAM_OTHER_SERVICES, AUDIT_WARN,
                     "has no session line for " OUR_MODULE ": %s",
                     is_login ? "console logins get no limit"
                              : "a shell of another user started in a login gets no limit");
    finding_set_place(finding, stack->path, 0);
    finding_set_fix(finding, "sed -i '$a " SESSION_LINE "' %s",
                    shell_word(stack->path, word, sizeof word));
}

static void check_pam_other_services(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t s = LOGIN; s < SERVICES; s++) {
        const struct pam_stack *auth = &pam->auth[s];
        if (!pam->present[s])
            continue;
        check_other_session(audit, &pam->session[s], s == LOGIN);
        if (!pam->limits_attempts || find_ours(auth, 0) < auth->count)
            continue;
        struct finding *finding =
            findings_add(&audit->findings, CHECK_PAM_OTHER_SERVICES, AUDIT_WARN,
                         "has no auth line for " OUR_MODULE ": unlimited password guessing");
        finding_set_place(finding, auth->path, 0);
        fix_auth(finding, auth, find_password(auth), NULL);
    }
}

static const struct audit_step pam_steps[] = {
    {CHECK_PAM_STACK, check_pam_stack},
    {CHECK_PAM_MODULE, check_pam_module},
    {CHECK_PAM_SESSION_LINE, check_pam_session_line},
    {CHECK_PAM_SESSION_ORDER, check_pam_session_order},
    {CHECK_PAM_SESSION_CONTROL, check_pam_session_control},
    {CHECK_PAM_AUTH_LINE, check_pam_auth_line},
    {CHECK_PAM_AUTH_ORDER, check_pam_auth_order},
    {CHECK_PAM_AUTH_CONTROL, check_pam_auth_control},
    {CHECK_PAM_JUMP, check_pam_jump},
    {CHECK_PAM_TWICE, check_pam_twice},
    {CHECK_PAM_ARGUMENTS, check_pam_arguments},
    {CHECK_PAM_OTHER_SERVICES, check_pam_other_services},
};

void audit_pam(struct audit *audit)
{
    struct pam_facts pam = {.limits_attempts = any_rule_sets(audit, SETTING_MAX_ATTEMPTS)};
    bool failed = false;

    for (size_t s = 0; s < SERVICES; s++) {
        const enum pam_stack_status auth =
            pam_stack_read(audit->host, services[s], "auth", &pam.auth[s]);
        const enum pam_stack_status session =
            pam_stack_read(audit->host, services[s], "session", &pam.session[s]);
        pam.present[s] = auth == PAM_STACK_OK && session == PAM_STACK_OK;
        failed = failed || auth == PAM_STACK_FAILED || session == PAM_STACK_FAILED;
    }
    if (failed)
        audit->findings.out_of_memory = true;
    else
        audit_run(audit, pam_steps, sizeof pam_steps / sizeof *pam_steps, &pam);
    for (size_t s = 0; s < SERVICES; s++) {
        pam_stack_free(&pam.auth[s]);
        pam_stack_free(&pam.session[s]);
    }
}
