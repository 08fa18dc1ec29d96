/* Is our line in the PAM stacks, where it has an effect? */
#include "tools/tmoutctl/audit/audit.h"

#include "tools/tmoutctl/host/pam_stack.h"
#include "tools/tmoutctl/sshd/installed.h"

#include "lib/host/secure_path.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PAMDIR
#define PAMDIR "/usr/lib/security"
#endif

#define OUR_MODULE   "pam_tmout.so"
#define AUTH_LINE    "auth       requisite    " OUR_MODULE
#define SESSION_LINE "session    optional     " OUR_MODULE

/* Services whose sessions or passwords the policy is about; the first is the
 * one that has to have our lines. */
static const char *const services[] = {"sshd", "login", "su", "sudo"};
enum { SSHD, LOGIN, SERVICES = sizeof services / sizeof *services };

/* What several services share on Debian and on RHEL. */
static const char *const shared[] = {"common-auth", "common-session",
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
    bool limits_attempts; /* some rule says max_attempts */
};

/* The first line from `from` on that is ours; stack->count: there is none. */
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

/* The first line that checks passwords; stack->count: there is none. */
static size_t find_password(const struct pam_stack *stack)
{
    size_t i = 0;

    while (i < stack->count && !checks_passwords(&stack->line[i]))
        i++;
    return i;
}

/* --- the lines' being there --------------------------------------------- */

static void check_stack_problem(struct audit *audit, const struct pam_stack *stack)
{
    if (stack->problem != NULL && !audit_has(audit, stack->problem_file, stack->problem_line))
        audit_add(audit, AUDIT_FAIL, stack->problem_file, stack->problem_line, "%s",
                  stack->problem);
}

static void check_readable(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    /* audit_sshd() says so where there is no sshd. */
    if (!pam->present[SSHD] && audit->no_sshd.text[0] == '\0') {
        audit_add(audit, AUDIT_FAIL, "/etc/pam.d/sshd", 0,
                  "does not exist: sshd uses the service \"other\", which refuses everybody. "
                  "Install the package that sshd comes from again");
    }
    for (size_t i = 0; i < SERVICES; i++) {
        const size_t before = audit->count;
        check_stack_problem(audit, &pam->auth[i]);
        if (audit->count == before)
            check_stack_problem(audit, &pam->session[i]);
    }
}

/*
 * Can libpam load what is at path, and can only root have put it there? NULL
 * if so, else what is wrong, in reason or static. Links are followed to where
 * they lead, as libpam does it.
 */
static const char *module_wrong(const char *path, struct failure *failure)
{
    char real[PATH_MAX], *slash;
    struct stat status;

    if (realpath(path, real) == NULL)
        return errno == ENOENT ? "does not exist" : "cannot be reached";
    slash = strrchr(real, '/');
    *slash = '\0';
    const int directory = secure_open_directory(slash == real ? "/" : real, 0, 0, failure);
    if (directory < 0)
        return failure->text;
    const int found = fstatat(directory, slash + 1, &status, AT_SYMLINK_NOFOLLOW);
    close(directory);
    if (found != 0 || !S_ISREG(status.st_mode))
        return "is no regular file";
    return insecure_because(&status, 0);
}

/* A line of ours that names the module by a path. */
static void check_module_path(struct audit *audit, const struct pam_line *line)
{
    char path[PATH_MAX], word[PATH_MAX];
    struct failure failure = {""};

    /* libpam takes a path that does not begin at the root from its own
     * directory (_pam_load_module() of Linux-PAM). */
    snprintf(path, sizeof path, "%s%s", line->module[0] == '/' ? "" : PAMDIR "/", line->module);
    const char *wrong = module_wrong(path, &failure);
    if (wrong == NULL || audit_has(audit, line->file, line->line))
        return;
    audit_add(audit, AUDIT_FAIL, line->file, line->line, "loads %s, which %s", path, wrong);
    audit_mend(audit, "sed -i '%us|[^[:space:]]*/pam_tmout\\.so|" OUR_MODULE "|' %s", line->line,
               shell_word(line->file, word, sizeof word));
}

static void check_module_paths(struct audit *audit, const struct pam_stack *stack)
{
    for (size_t i = find_ours(stack, 0); i < stack->count; i = find_ours(stack, i + 1))
        if (strchr(stack->line[i].module, '/') != NULL)
            check_module_path(audit, &stack->line[i]);
}

static void check_module(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    struct stat status;

    for (size_t s = 0; s < SERVICES; s++) {
        check_module_paths(audit, &pam->auth[s]);
        check_module_paths(audit, &pam->session[s]);
    }
    if (stat(PAMDIR "/" OUR_MODULE, &status) == 0 && S_ISREG(status.st_mode))
        return;
    audit_add(audit, AUDIT_FAIL, PAMDIR "/" OUR_MODULE, 0,
              "is not there: no limit is set at login, and an auth line refuses every password. "
              "Install pam_tmout again");
}

/* Where else our line of this type stands; "" into text: nowhere. */
static const char *elsewhere(const char *type, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < sizeof shared / sizeof *shared && text[0] == '\0'; i++) {
        struct pam_stack stack;
        if (pam_stack_read("", shared[i], type, &stack) == PAM_STACK_OK) {
            const size_t ours = find_ours(&stack, 0);
            if (ours < stack.count)
                snprintf(text, size, "; it is in %s:%u, which this service does not bring in",
                         stack.line[ours].file, stack.line[ours].line);
        }
        pam_stack_free(&stack);
    }
    return text;
}

static void check_session_line(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    const struct pam_stack *stack = &pam->session[SSHD];
    char where[PATH_MAX + 64], word[PATH_MAX];

    if (!pam->present[SSHD] || find_ours(stack, 0) < stack->count)
        return;
    audit_add(audit, AUDIT_FAIL, stack->path, 0,
              "has no session line of " OUR_MODULE ": logins over SSH get no limit%s",
              elsewhere("session", where, sizeof where));
    audit_mend(audit, "sed -i '$a " SESSION_LINE "' %s",
               shell_word(stack->path, word, sizeof word));
}

/* The command that puts our auth line before the stack's line number next,
 * which may be stack->count, and takes out the one at wrong, which may be NULL. */
static void mend_auth(struct audit *audit, const struct pam_stack *stack, size_t next,
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
        audit_mend(audit, "sed -i '%ui " AUTH_LINE "' %s", before, word);
    else if (strcmp(wrong->file, file) != 0)
        audit_mend(audit, "sed -i %ud %s && sed -i '%ui " AUTH_LINE "' %s", wrong->line,
                   shell_word(wrong->file, other, sizeof other), before, word);
    else if (wrong->line == before)
        audit_mend(audit, "sed -i '%uc " AUTH_LINE "' %s", before, word);
    else
        audit_mend(audit, "sed -i -e '%ui " AUTH_LINE "' -e %ud %s", before, wrong->line, word);
}

static void check_auth_line(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    const struct pam_stack *stack = &pam->auth[SSHD];
    char where[PATH_MAX + 64];

    if (!pam->present[SSHD] || !pam->limits_attempts || find_ours(stack, 0) < stack->count)
        return;
    audit_add(audit, AUDIT_FAIL, stack->path, 0,
              "has no auth line of " OUR_MODULE ", so max_attempts is not in force%s",
              elsewhere("auth", where, sizeof where));
    mend_auth(audit, stack, find_password(stack), NULL);
}

/* --- their order and control --------------------------------------------- */

/* The line from which on a user's ~/.pam_environment replaces what was set;
 * stack->count: there is none. */
static size_t find_user_environment(const struct pam_stack *stack, size_t from)
{
    size_t i = from;

    while (i < stack->count && (!pam_line_is(&stack->line[i], "pam_env.so") ||
                                !pam_line_has(&stack->line[i], "user_readenv=1")))
        i++;
    return i;
}

static void check_session_order(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    const struct pam_stack *stack = &pam->session[SSHD];
    size_t ours = find_ours(stack, 0);
    char word[PATH_MAX];

    /* Of several the last one counts. */
    for (size_t i = ours; i < stack->count; i = find_ours(stack, i + 1))
        ours = i;
    const size_t theirs = find_user_environment(stack, ours);
    if (theirs == stack->count)
        return;
    const struct pam_line *wrong = &stack->line[ours], *line = &stack->line[theirs];
    audit_add(audit, AUDIT_FAIL, wrong->file, wrong->line,
              "comes before pam_env with user_readenv=1 (%s:%u): the user's own "
              "~/.pam_environment replaces the limit",
              line->file, line->line);
    shell_word(stack->path, word, sizeof word);
    if (strcmp(wrong->file, stack->path) == 0)
        audit_mend(audit, "sed -i -e %ud -e '$a " SESSION_LINE "' %s", wrong->line, word);
    else /* where other services have it, too */
        audit_mend(audit, "sed -i '$a " SESSION_LINE "' %s", word);
}

/*
 * Does the login go on whatever the module returns, and with it the stack? So
 * it is with `optional`, and where every failure is ignored, success being
 * ignored or ok. What [...] does not name is bad to libpam.
 */
static bool holds_nobody_up(const char *control)
{
    bool ignores_rest = false;

    if (control[0] != '[')
        return strcasecmp(control, "optional") == 0;
    for (const char *c = control + 1; *(c += strspn(c, " \t")) != '\0' && *c != ']';
         c += strcspn(c, " \t]")) {
        const int length = (int)strcspn(c, " \t]");
        char pair[64];
        snprintf(pair, sizeof pair, "%.*s", length, c);
        const char *equals = strchr(pair, '=');
        if (strcmp(pair, "success=ok") == 0 || strcmp(pair, "new_authtok_reqd=ok") == 0)
            continue;
        if (equals == NULL || strcmp(equals, "=ignore") != 0)
            return false;
        ignores_rest = ignores_rest || strcmp(pair, "default=ignore") == 0;
    }
    return ignores_rest;
}

static void check_session_control(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    const struct pam_stack *stack = &pam->session[SSHD];
    const size_t ours = find_ours(stack, 0);
    char word[PATH_MAX];

    if (ours == stack->count || holds_nobody_up(stack->line[ours].control))
        return;
    const struct pam_line *line = &stack->line[ours];
    audit_add(audit, AUDIT_WARN, line->file, line->line,
              "the session line's control is \"%s\": without a policy SSH logins close at once, "
              "or what follows is left out; `optional` lets them in and logs it",
              line->control);
    audit_mend(audit, "sed -i '%uc " SESSION_LINE "' %s", line->line,
               shell_word(line->file, word, sizeof word));
}

/* What `[result=action ...]` says for a result, or for default; "" if neither
 * is there. */
static void action_for(const char *control, const char *result, char *action, size_t size)
{
    const size_t length = strlen(result);

    action[0] = '\0';
    for (const char *c = control + 1; *c != '\0' && *c != ']'; c += strcspn(c, " \t]")) {
        c += strspn(c, " \t");
        if (strncmp(c, result, length) == 0 && c[length] == '=') {
            snprintf(action, size, "%.*s", (int)strcspn(c + length + 1, " \t]"), c + length + 1);
            return;
        }
    }
    if (strcmp(result, "default") != 0)
        action_for(control, "default", action, size);
}

/* Does a refusal end the stack, and does everything else leave it alone? */
static bool refuses_at_once(const char *control)
{
    char refused[16], broken[16], ignored[16];

    if (control[0] != '[')
        return strcasecmp(control, "requisite") == 0;
    action_for(control, "auth_err", refused, sizeof refused);
    action_for(control, "service_err", broken, sizeof broken);
    action_for(control, "ignore", ignored, sizeof ignored);
    return strcmp(refused, "die") == 0 && strcmp(broken, "die") == 0 &&
           strcmp(ignored, "ignore") == 0;
}

static void check_auth_control(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t s = 0; s < SERVICES; s++) {
        const struct pam_stack *stack = &pam->auth[s];
        const size_t ours = find_ours(stack, 0);
        if (ours == stack->count || refuses_at_once(stack->line[ours].control))
            continue;
        const struct pam_line *line = &stack->line[ours];
        char word[PATH_MAX];
        if (audit_has(audit, line->file, line->line))
            continue;
        audit_add(audit, AUDIT_FAIL, line->file, line->line,
                  "the auth line's control for %s is \"%s\" and not `requisite`: a locked user's "
                  "password is checked all the same",
                  services[s], line->control);
        audit_mend(audit, "sed -i '%uc " AUTH_LINE "' %s", line->line,
                   shell_word(line->file, word, sizeof word));
    }
}

static void check_auth_order(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t s = 0; s < SERVICES; s++) {
        const struct pam_stack *stack = &pam->auth[s];
        const size_t ours = find_ours(stack, 0), password = find_password(stack);
        if (ours == stack->count || password == stack->count)
            continue;
        const struct pam_line *wrong = &stack->line[ours], *line = &stack->line[password];
        if (audit_has(audit, wrong->file, wrong->line))
            continue;
        if (password < ours)
            audit_add(audit, AUDIT_FAIL, wrong->file, wrong->line,
                      "comes behind %s (%s:%u) for %s: passwords are checked before they are "
                      "counted",
                      line->module, line->file, line->line, services[s]);
        else if (password >= wrong->end)
            audit_add(audit, AUDIT_FAIL, wrong->file, wrong->line,
                      "is in a substack that %s (%s:%u) is not in: a refusal ends no more than "
                      "the substack for %s",
                      line->module, line->file, line->line, services[s]);
        else
            continue;
        mend_auth(audit, stack, password, wrong);
    }
}

/* How many lines an action of `[result=N ...]` leaves out at most; 0: none. */
static unsigned long jump_of(const char *control)
{
    unsigned long most = 0;

    if (control[0] != '[')
        return 0;
    for (const char *equals = control; (equals = strchr(equals, '=')) != NULL; equals++) {
        const unsigned long jump =
            isdigit((unsigned char)equals[1]) ? strtoul(equals + 1, NULL, 10) : 0;
        most = jump > most ? jump : most;
    }
    return most;
}

/*
 * Can the line's success end its stack, so that what follows is not asked?
 * `done` does so where the result is none that fails the whole; a `die` does
 * not matter: the login ends with it (_pam_dispatch_aux() of Linux-PAM).
 */
static bool ends_stack(const struct pam_line *line)
{
    static const char *const results[] = {"success", "ignore"};
    char action[16];

    if (pam_line_is(line, "pam_deny.so"))
        return false;
    if (line->control[0] != '[')
        return strcasecmp(line->control, "sufficient") == 0;
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        action_for(line->control, results[i], action, sizeof action);
        if (strcmp(action, "done") == 0)
            return true;
    }
    return false;
}

/* Is it right that who passes this line never comes to ours? In auth that is
 * so for root in su, who needs no password; a module that checks passwords
 * before they are counted is what check_auth_order() is about. */
static bool may_end_auth(const struct pam_line *line, const char *service)
{
    return checks_passwords(line) ||
           (strcmp(service, "su") == 0 && pam_line_is(line, "pam_rootok.so"));
}

static void add_ending(struct audit *audit, const struct pam_stack *stack, size_t ending,
                       const struct pam_line *ours, const char *service, bool is_auth)
{
    const struct pam_line *line = &stack->line[ending];
    char word[PATH_MAX];

    audit_add(audit, strcmp(service, services[SSHD]) == 0 ? AUDIT_FAIL : AUDIT_WARN, ours->file,
              ours->line,
              "is never reached for %s where %s (%s:%u) succeeds: its control is %s, which ends "
              "the stack",
              service, line->module, line->file, line->line, line->control);
    if (is_auth)
        mend_auth(audit, stack, ending, ours);
    else
        audit_mend(audit, "sed -i '%us/sufficient/optional/I;%us/=done/=ok/g' %s", line->line,
                   line->line, shell_word(line->file, word, sizeof word));
}

/* Jumps count a substack as one line; one that leads over it is taken for
 * shorter than it is. */
static void check_jump_in(struct audit *audit, const struct pam_stack *stack, const char *service,
                          bool is_auth)
{
    const size_t ours = find_ours(stack, 0);

    for (size_t i = 0; i < ours && ours < stack->count; i++) {
        const struct pam_line *line = &stack->line[i], *jumped = &stack->line[ours];
        /* What a line of a substack does ends with it. */
        if (line->end <= ours || audit_has(audit, jumped->file, jumped->line))
            continue;
        if (ends_stack(line) && !(is_auth && may_end_auth(line, service)))
            add_ending(audit, stack, i, jumped, service, is_auth);
        else if (i + jump_of(line->control) >= ours)
            audit_add(audit, AUDIT_WARN, jumped->file, jumped->line,
                      "is left out for %s where %s (%s:%u) says so: its control is %s", service,
                      line->module, line->file, line->line, line->control);
    }
}

static void check_jump(struct audit *audit, const void *facts)
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
    if (audit_has(audit, line->file, line->line))
        return;
    /* Set once more, behind what may have replaced it. */
    if (find_user_environment(stack, first) < second)
        return;
    audit_add(audit, AUDIT_FAIL, line->file, line->line,
              "is the second %s line of " OUR_MODULE " for %s; the first is %s:%u", type, service,
              stack->line[first].file, stack->line[first].line);
    audit_mend(audit, "sed -i %ud %s", line->line, shell_word(line->file, word, sizeof word));
}

static void check_twice(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t s = 0; s < SERVICES; s++) {
        check_twice_in(audit, &pam->auth[s], services[s], "auth");
        check_twice_in(audit, &pam->session[s], services[s], "session");
    }
}

/* --- arguments, other services ------------------------------------------- */

/* Is it name with another path than the audit's own? */
static bool is_other_path(const char *word, size_t length, const char *name, const char *path)
{
    const size_t start = strlen(name);

    return strlen(path) != length - start || strncmp(word + start, path, length - start) != 0;
}

/* One argument of our line, word[length]; what it may be is in module_args.c. */
static void check_argument(struct audit *audit, const struct pam_line *line, const char *word,
                           size_t length)
{
    static const char *const plain[] = {"debug", "noprompt", "tell"};
    static const char config[] = "config=", state[] = "state=";
    const bool is_config = strncmp(word, "config=/", sizeof config) == 0;
    const bool is_state = strncmp(word, "state=/", sizeof state) == 0;
    char file[PATH_MAX];

    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strlen(plain[i]) == length && strncmp(word, plain[i], length) == 0)
            return;
    if (!is_config && !is_state) {
        audit_add(audit, AUDIT_FAIL, line->file, line->line,
                  "has an argument that " OUR_MODULE " refuses: %.*s", (int)length, word);
        audit_mend(audit, "sed -i '%us/\\(pam_tmout\\.so\\).*/\\1/' %s", line->line,
                   shell_word(line->file, file, sizeof file));
        return;
    }
    if (is_config ? is_other_path(word, length, config, audit->context->config_path)
                  : is_other_path(word, length, state, audit->context->state_dir))
        audit_add(audit, AUDIT_WARN, line->file, line->line,
                  "uses another %s than this audit: %.*s", is_config ? "policy" : "state",
                  (int)length, word);
}

static void check_arguments_in(struct audit *audit, const struct pam_stack *stack)
{
    for (size_t i = find_ours(stack, 0); i < stack->count; i = find_ours(stack, i + 1)) {
        const struct pam_line *line = &stack->line[i];
        if (audit_has(audit, line->file, line->line))
            continue;
        for (const char *word = line->arguments; *(word += strspn(word, " \t\r")) != '\0';
             word += strcspn(word, " \t\r"))
            check_argument(audit, line, word, strcspn(word, " \t\r"));
    }
}

static void check_arguments(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t s = 0; s < SERVICES; s++) {
        check_arguments_in(audit, &pam->auth[s]);
        check_arguments_in(audit, &pam->session[s]);
    }
}

/* Does some rule want console logins covered? */
static bool covers_console(const struct audit *audit)
{
    for (size_t i = 0; i < audit->policy.count; i++)
        if (rule_value(audit, &audit->policy.rule[i], SETTING_SESSIONS) == SESSIONS_ALL)
            return true;
    return false;
}

static void check_other_services(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    char word[PATH_MAX];

    for (size_t s = LOGIN; s < SERVICES; s++) {
        const struct pam_stack *auth = &pam->auth[s], *session = &pam->session[s];
        if (!pam->present[s])
            continue;
        if (find_ours(session, 0) == session->count && (s != LOGIN || covers_console(audit))) {
            audit_add(audit, AUDIT_WARN, session->path, 0,
                      s == LOGIN ? "has no session line of " OUR_MODULE
                                   ": logins at the console get no limit"
                                 : "has no session line of " OUR_MODULE
                                   ": a shell of another user inside a login has no limit");
            audit_mend(audit, "sed -i '$a " SESSION_LINE "' %s",
                       shell_word(session->path, word, sizeof word));
        }
        if (pam->limits_attempts && find_ours(auth, 0) == auth->count) {
            audit_add(audit, AUDIT_WARN, auth->path, 0,
                      "has no auth line of " OUR_MODULE ": passwords can be guessed there without "
                      "end");
            mend_auth(audit, auth, find_password(auth), NULL);
        }
    }
}

static const struct audit_check checks[] = {
    {"pam-stack", "libpam can follow the stacks of sshd, login, su and sudo", check_readable},
    {"pam-module", "the module is where libpam looks for it", check_module},
    {"pam-session-line", "sshd's sessions come to the module", check_session_line},
    {"pam-session-order", "no pam_env line puts the user's variables over the limit",
     check_session_order},
    {"pam-session-control", "a login does not depend on the session line", check_session_control},
    {"pam-auth-line", "the passwords of sshd come to the module where attempts are limited",
     check_auth_line},
    {"pam-auth-order", "no password is checked before it is counted", check_auth_order},
    {"pam-auth-control", "a refusal of the auth line is final", check_auth_control},
    {"pam-jump", "no other line leads around the module", check_jump},
    {"pam-twice", "no stack has the module twice", check_twice},
    {"pam-arguments", "the module understands its arguments", check_arguments},
    {"pam-other-services", "login, su and sudo have the lines that the policy needs",
     check_other_services},
    {.id = NULL},
};

void audit_pam(struct audit *audit)
{
    struct pam_facts pam = {.limits_attempts = any_rule_sets(audit, SETTING_MAX_ATTEMPTS)};

    for (size_t s = 0; s < SERVICES; s++) {
        const enum pam_stack_status auth = pam_stack_read("", services[s], "auth", &pam.auth[s]);
        const enum pam_stack_status session =
            pam_stack_read("", services[s], "session", &pam.session[s]);
        pam.present[s] = auth == PAM_STACK_OK && session == PAM_STACK_OK;
        if (auth == PAM_STACK_FAILED || session == PAM_STACK_FAILED)
            audit->out_of_memory = true;
    }
    if (!audit->out_of_memory)
        audit_run(audit, checks, &pam);
    for (size_t s = 0; s < SERVICES; s++) {
        pam_stack_free(&pam.auth[s]);
        pam_stack_free(&pam.session[s]);
    }
}
