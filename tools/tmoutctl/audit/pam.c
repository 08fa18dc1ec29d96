/* Can libpam read the stacks, and load what they name? Our lines in them are
 * judged in pam_lines.c. */
#include "tools/tmoutctl/audit/areas.h"
#include "tools/tmoutctl/audit/pam_facts.h"
#include "tools/tmoutctl/audit/patch.h"

#include "tools/tmoutctl/host/users_open.h"
#include "tools/tmoutctl/pam/installed.h"
#include "tools/tmoutctl/pam/rewrite.h"
#include "tools/tmoutctl/pam/run.h"
#include "tools/tmoutctl/pam/unit.h"

#include "lib/host/array.h"
#include "lib/host/secure_path.h"
#include "lib/paths.h"
#include "lib/policy/module_args.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char audit_module_path[] = PAMDIR "/" PAM_OUR_MODULE;

/* Services whose sessions the policy covers, besides sshd's. */
static const char *const shells[] = {"su", "su-l", "sudo", "sudo-i"};
static const char *const consoles[] = {"login", "remote"};

/* Their programs never call pam_authenticate(), whatever lines they have for it. */
static const char *const never_ask[] = {"cron",         "crond",   "atd",
                                        "systemd-user", "runuser", "runuser-l"};

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Service number i of those in which a line is looked at. sshd's is the first: a line that
 * several read is reported once, and as serious as it is there. */
static const struct pam_service *service_at(const struct pam_facts *pam, size_t i)
{
    const size_t sshd = pam->sshd_service;

    if (sshd == pam->services.count || i > sshd)
        return &pam->services.item[i];
    return &pam->services.item[i == 0 ? sshd : i - 1];
}

/* Calls `look` for each line of all stacks, with the service that it is found in. */
static void each_line(struct audit *audit, const struct pam_facts *pam,
                      void (*look)(struct audit *, const struct pam_facts *,
                                   const struct pam_service *, const struct pam_line *))
{
    for (size_t i = 0; i < pam->services.count; i++) {
        const struct pam_service *service = service_at(pam, i);
        for (int type = 0; type < PAM_TYPES && !service->is_fragment; type++)
            for (size_t k = 0; k < service->stack[type].count; k++)
                look(audit, pam, service, &service->stack[type].line[k]);
    }
}

/* --- what libpam reads ---------------------------------------------------- */

static void add_stack_problem(struct audit *audit, const struct pam_stack *stack)
{
    if (stack->problem == NULL ||
        findings_have(&audit->findings, CHECK_PAM_STACK, stack->problem_file, stack->problem_line))
        return;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_PAM_STACK, AUDIT_FAIL, "%s", stack->problem);
    finding_set_place(finding, stack->problem_file, stack->problem_line);
    finding_set_remediation(finding, "Correct the line, or the file that it includes.");
}

/* sshd's service has no file, or something else in its place. */
static void add_missing_stack(struct audit *audit, const struct pam_facts *pam)
{
    char path[PATH_MAX], full[PATH_MAX];
    struct stat status;

    snprintf(path, sizeof path, "/etc/pam.d/%s", pam->sshd);
    const bool exists = host_path(audit->host, path, full, sizeof full) == 0 &&
                        stat(full, &status) == 0 && !S_ISREG(status.st_mode);
    struct finding *finding =
        findings_add(&audit->findings, CHECK_PAM_STACK, AUDIT_FAIL, "%s",
                     exists ? "is not a regular file: sshd's logins hang or fail"
                            : "does not exist: sshd falls back to the service \"other\", which "
                              "usually rejects all logins");
    finding_set_place(finding, path, 0);
    finding_set_remediation(finding, exists
                                         ? "Put a regular file with sshd's stack in its place."
                                         : "Reinstall the package that contains sshd, or correct "
                                           "PAMServiceName in sshd_config.");
}

static void check_pam_stack(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    /* Without sshd, audit_sshd() reports that. */
    if (pam_services_find(&pam->services, pam->sshd) == NULL && audit->no_sshd.text[0] == '\0')
        add_missing_stack(audit, pam);
    for (size_t i = 0; i < pam->services.count; i++) {
        const struct pam_service *service = &pam->services.item[i];
        for (int type = 0; type < PAM_TYPES && !service->is_fragment; type++)
            add_stack_problem(audit, &service->stack[type]);
    }
    for (size_t i = 0; i < pam->diagnoses; i++) {
        const struct pam_diagnosis *diagnosis = &pam->diagnosis[i];
        if (diagnosis->wiring.status == PAM_PROOF_DONE || diagnosis->stack.problem != NULL)
            continue;
        struct finding *finding =
            findings_add(&audit->findings, CHECK_PAM_STACK, AUDIT_WARN,
                         "has an %s stack with too many ways to follow: it cannot be judged",
                         pam_type_word(diagnosis->type));
        finding_set_place(finding, diagnosis->stack.path, 0);
        finding_set_remediation(finding, "Shorten the stack.");
    }
}

/* A jump that goes past the end, whether or not its result is likely. */
static void look_for_bad_jumps(struct audit *audit, const struct pam_facts *pam,
                               const struct pam_service *service, const struct pam_stack *stack)
{
    for (size_t i = 0; i < stack->count; i++) {
        const struct pam_line *line = &stack->line[i];
        bool past = false;
        for (int result = 0; result < PAM_RESULTS && !past; result++)
            if (line->kind == PAM_LINE_MODULE && line->action[result] > 0 &&
                !pam_line_is(line, PAM_OUR_MODULE)) /* its control is judged with the line */
                pam_run_jump(stack, i, line->action[result], &past);
        if (!past || findings_have(&audit->findings, CHECK_PAM_BAD_JUMP, line->file, line->line))
            continue;
        struct finding *finding =
            findings_add(&audit->findings, CHECK_PAM_BAD_JUMP, pam_severity(pam, service),
                         "jumps past the end of the stack of %s (%s %s): libpam rejects everybody "
                         "who gets there",
                         service->name, line->control, line->module);
        finding_set_place(finding, line->file, line->line);
        finding_set_remediation(finding,
                                "Let the jump lead to the line that was meant. Which one that "
                                "is cannot be told from the stack, so no edit is offered.");
    }
}

static void check_pam_bad_jump(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t i = 0; i < pam->services.count; i++) {
        const struct pam_service *service = service_at(pam, i);
        for (int type = 0; type < PAM_TYPES && !service->is_fragment; type++)
            look_for_bad_jumps(audit, pam, service, &service->stack[type]);
    }
}

/* --- what it loads -------------------------------------------------------- */

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
static void check_module_path(struct audit *audit, const struct pam_facts *pam,
                              const struct pam_service *service, const struct pam_line *line)
{
    char path[PATH_MAX];
    struct failure failure = {""};

    (void)pam;
    (void)service;
    if (!pam_line_is(line, PAM_OUR_MODULE) || strchr(line->module, '/') == NULL ||
        findings_have(&audit->findings, CHECK_PAM_MODULE, line->file, line->line))
        return;
    /* libpam looks for a relative path below its own directory
     * (_pam_load_module() of Linux-PAM). */
    snprintf(path, sizeof path, "%s%s", line->module[0] == '/' ? "" : PAMDIR "/", line->module);
    const char *wrong = pam_module_has_isa(line->module) ? "not every libpam finds"
                                                         : module_wrong(audit, path, &failure);
    if (wrong == NULL)
        return;
    struct finding *finding = findings_add(&audit->findings, CHECK_PAM_MODULE, AUDIT_FAIL,
                                           "loads %s, which %s", path, wrong);
    finding_set_place(finding, line->file, line->line);
    finding_set_remediation(finding, "Name " PAM_OUR_MODULE " without a path.");
}

/* A line of ours of type account: the module has no such function, and libpam takes
 * that for a module that it does not know (_pam_dispatch_aux() of Linux-PAM). */
static void check_account_line(struct audit *audit, const struct pam_facts *pam,
                               const struct pam_service *service, const struct pam_line *line)
{
    const int action = line->action[PAM_MODULE_UNKNOWN];
    const bool rejects = action == ACTION_BAD || action == ACTION_DIE;

    if (line->kind != PAM_LINE_MODULE || !pam_line_is(line, PAM_OUR_MODULE) ||
        findings_have(&audit->findings, CHECK_PAM_MODULE, line->file, line->line))
        return;
    struct finding *finding = findings_add(
        &audit->findings, CHECK_PAM_MODULE, rejects ? pam_severity(pam, service) : AUDIT_WARN,
        rejects ? PAM_OUR_MODULE " does nothing for account: %s rejects everybody who gets there"
                : PAM_OUR_MODULE " does nothing for account: libpam logs an error at each login "
                                 "through %s",
        service->name);
    finding_set_place(finding, line->file, line->line);
    finding_set_remediation(finding, "Take the line out: " PAM_OUR_MODULE
                                     " is for auth, session and password.");
}

/* One that su and sudo cannot load: libpam passes over it, and nothing is limited. */
static void check_module_refused(struct audit *audit)
{
    if (audit->host->root[0] != '\0' || !users_open_is_refused(audit_module_path))
        return;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_PAM_MODULE, AUDIT_FAIL,
                     "su and sudo cannot open it, as fapolicyd or something like it does not trust "
                     "it: they have "
                     "no limit, and let nobody in where the line lacks module_unknown=ignore");
    finding_set_place(finding, audit_module_path, 0);
    finding_set_remediation(finding,
                            "Have fapolicyd trust it, " TMOUT_CTL_PATH " and " TMOUT_DAEMON_PATH
                            ": add each file, then run fapolicyd-cli --update.");
    finding_set_command(finding, "fapolicyd-cli --file add \"$(realpath " PAMDIR "/" PAM_OUR_MODULE
                                 ")\" --trust-file tmout");
}

static void check_pam_module(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    char full[PATH_MAX];
    struct stat status;

    each_line(audit, facts, check_module_path);
    for (size_t i = 0; i < pam->services.count; i++) {
        const struct pam_service *service = service_at(pam, i);
        const struct pam_stack *account = &service->stack[PAM_TYPE_ACCOUNT];
        for (size_t k = 0; k < account->count && !service->is_fragment; k++)
            check_account_line(audit, pam, service, &account->line[k]);
    }
    if (host_path(audit->host, audit_module_path, full, sizeof full) == 0 &&
        stat(full, &status) == 0 && S_ISREG(status.st_mode)) {
        check_module_refused(audit);
        return;
    }
    struct finding *finding =
        findings_add(&audit->findings, CHECK_PAM_MODULE, AUDIT_FAIL,
                     "is missing: logins get no limit, and an auth line rejects every password");
    finding_set_place(finding, audit_module_path, 0);
    finding_set_remediation(finding, "Reinstall pam_tmout.");
}

/* A line that fails because its module is not there. */
static void check_missing_module(struct audit *audit, const struct pam_facts *pam,
                                 const struct pam_service *service, const struct pam_line *line)
{
    const int action = line->action[PAM_MODULE_UNKNOWN];

    if (line->kind != PAM_LINE_MODULE || (action != ACTION_BAD && action != ACTION_DIE) ||
        pam_line_is(line, PAM_OUR_MODULE) || pam_module_is_installed(audit->host, line->module) ||
        findings_have(&audit->findings, CHECK_PAM_MISSING_MODULE, line->file, line->line))
        return;
    const bool has_cr = strchr(line->module, '\r') != NULL;
    struct finding *finding = findings_add(
        &audit->findings, CHECK_PAM_MISSING_MODULE, pam_severity(pam, service),
        has_cr ? "%.*s is not found, because the line ends with a carriage return: %s rejects "
                 "everybody who gets there"
               : "%.*s is not installed: %s rejects everybody who gets there",
        (int)strcspn(line->module, "\r"), line->module, service->name);
    finding_set_place(finding, line->file, line->line);
    finding_set_remediation(finding, has_cr ? "Give the file Unix line endings."
                                            : "Install the package that has the module, or take "
                                              "the line out.");
}

static void check_pam_missing_module(struct audit *audit, const void *facts)
{
    /* Where libpam's own modules are not, we do not know where it looks. */
    if (pam_directory_is_known(audit->host))
        each_line(audit, facts, check_missing_module);
}

/* --- our arguments -------------------------------------------------------- */

/* Is the path that begins at word[length]'s value another one than the audit's own? */
static bool is_other_path(const char *word, size_t length, const char *value, const char *path)
{
    const size_t size = (size_t)(word + length - value);

    return strlen(path) != size || strncmp(value, path, size) != 0;
}

static bool is_accepted(const char *word, size_t length)
{
    struct failure failure = {""};
    const char *value;

    return module_arg_find(word, length, &value, &failure) >= 0;
}

/* Takes what the module does not accept from the line, and nothing else. */
static void fix_arguments(struct audit *audit, struct finding *finding, const struct pam_line *line)
{
    struct edits edits = {0};

    finding_set_remediation(finding, "Keep only arguments that are in pam_tmout(8).");
    if (pam_replace_arguments(audit->host, &edits, line, is_accepted, NULL) == 0)
        finding_add_edits(finding, &edits);
    edits_free(&edits);
}

/* One argument of our line, word[length]. */
static void check_argument(struct audit *audit, const struct pam_line *line, const char *word,
                           size_t length)
{
    struct failure failure = {""};
    const char *value = NULL;
    const int id = module_arg_find(word, length, &value, &failure);

    if (id < 0) {
        struct finding *finding =
            findings_add(&audit->findings, CHECK_PAM_ARGUMENTS, AUDIT_FAIL,
                         "has an argument that " PAM_OUR_MODULE " rejects: %.*s: %s", (int)length,
                         word, failure.text);
        finding_set_place(finding, line->file, line->line);
        fix_arguments(audit, finding, line);
        return;
    }
    if ((id != MODULE_ARG_CONFIG ||
         !is_other_path(word, length, value, audit->context->config_path)) &&
        (id != MODULE_ARG_STATE || !is_other_path(word, length, value, audit->context->state_dir)))
        return;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_PAM_ARGUMENTS, AUDIT_WARN,
                     "uses a different %s from this audit: %.*s",
                     id == MODULE_ARG_CONFIG ? "policy" : "state directory", (int)length, word);
    finding_set_place(finding, line->file, line->line);
    finding_set_remediation(finding, "Let the module and tmoutctl use the same policy and state.");
}

static void check_line_arguments(struct audit *audit, const struct pam_facts *pam,
                                 const struct pam_service *service, const struct pam_line *line)
{
    (void)pam;
    (void)service;
    if (!pam_line_is(line, PAM_OUR_MODULE) ||
        findings_have(&audit->findings, CHECK_PAM_ARGUMENTS, line->file, line->line))
        return;
    struct pam_argument argument;
    for (const char *at = line->arguments; pam_next_argument(&at, &argument);)
        check_argument(audit, line, argument.text, argument.length);
}

static void check_pam_arguments(struct audit *audit, const void *facts)
{
    each_line(audit, facts, check_line_arguments);
}

/* --- facts ---------------------------------------------------------------- */

/* Does a rule cover console logins? */
static bool covers_console(const struct audit *audit)
{
    for (size_t i = 0; i < audit->policy.count; i++)
        if (rule_value(audit, &audit->policy.rule[i], SETTING_SESSIONS) == SESSIONS_ALL)
            return true;
    return false;
}

/* The service that sshd names: PAMServiceName, from OpenSSH 9.8 on. */
static void find_sshd_service(struct audit *audit, struct pam_facts *pam)
{
    struct sshd_config config = {0};
    struct failure failure = {""};
    const char *name = NULL;

    if (audit->no_sshd.text[0] == '\0' &&
        sshd_effective(&audit->sshd, NULL, &config, &failure) == 0)
        name = sshd_config_value(&config, "pamservicename");
    snprintf(pam->sshd, sizeof pam->sshd, "%s", name != NULL ? name : "sshd");
    sshd_config_free(&config);
}

/* Does our line belong into the service's stack? */
static bool is_judged(const struct pam_facts *pam, const struct pam_service *service,
                      enum pam_type type)
{
    const struct pam_stack *stack = &service->stack[type];
    const bool is_sshd = strcmp(service->name, pam->sshd) == 0;

    if (service->is_fragment)
        return false;
    if (type == PAM_TYPE_SESSION)
        return is_sshd || is_among(service->name, shells, sizeof shells / sizeof *shells) ||
               is_among(service->name, consoles, sizeof consoles / sizeof *consoles);
    /* passwd(1) checks the current password with its lines for changing it. */
    if (type == PAM_TYPE_PASSWORD)
        return strcmp(service->name, "passwd") == 0 && !stack->is_other;
    /* The lines of "other" are judged once, there. */
    return is_sshd || (!stack->is_other &&
                       !is_among(service->name, never_ask, sizeof never_ask / sizeof *never_ask));
}

/* Is a service without a line of ours right as it is? */
static bool needs_line(const struct pam_facts *pam, const struct pam_diagnosis *diagnosis)
{
    if (diagnosis->type != PAM_TYPE_SESSION)
        return pam->limits_attempts && diagnosis->wiring.check != PAM_KIND_OTHER;
    return pam->covers_console ||
           !is_among(diagnosis->service->name, consoles, sizeof consoles / sizeof *consoles);
}

/* Does a tool put our lines into a file that the stack reads? Then it is named,
 * and nothing else is offered. */
static const char *tool_for(const struct audit *audit, const struct pam_diagnosis *diagnosis)
{
    static const char *const files[] = {[PAM_TYPE_AUTH] = "/etc/pam.d/common-auth",
                                        [PAM_TYPE_SESSION] = "/etc/pam.d/common-session",
                                        [PAM_TYPE_PASSWORD] = "/etc/pam.d/common-password"};
    const struct pam_stack *stack = &diagnosis->stack;
    struct text_file file;
    bool is_its = false;

    if (!host_has(audit->host, "/usr/share/pam-configs/tmout"))
        return NULL;
    for (size_t i = 0; i < stack->count && !is_its; i++)
        if (strncmp(stack->line[i].file, files[diagnosis->type], strlen(files[diagnosis->type])) ==
                0 &&
            host_read_text(audit->host, stack->line[i].file, 0, TEXT_FILE_SIZE_MAX, &file) == 0) {
            is_its = strstr(file.text, "# end of pam-auth-update config") != NULL;
            free(file.text);
        }
    return is_its ? "pam-auth-update --enable tmout" : NULL;
}

/* Gives a diagnosis those of the edits so far that are about files which its stack
 * reads. Returns 0, or -1: out of memory. */
static int share_edits(const struct pam_facts *pam, struct pam_diagnosis *diagnosis)
{
    const struct edits *edits = &pam->services.edits;
    const struct pam_stack *stack = &diagnosis->stack;

    for (size_t i = 0; i < edits->count; i++)
        for (size_t k = 0; k < stack->count; k++)
            if (strcmp(stack->line[k].file, edits->item[i].file) == 0 &&
                edits_add(&diagnosis->edits, &edits->item[i]) != 0)
                return -1;
    return 0;
}

/* Would our first line in the service reject everybody? Then says what has to be
 * done before, and returns true. */
static bool is_blocked(const struct audit *audit, struct pam_diagnosis *diagnosis)
{
    const struct pam_service *service = diagnosis->service;
    char unit[UNIT_PATH_MAX];

    if (!service->is_blocked || diagnosis->type == PAM_TYPE_SESSION ||
        diagnosis->wiring.ours < diagnosis->stack.count ||
        !unit_find_blocking(audit->host, service->name, audit->context->state_dir, unit,
                            sizeof unit))
        return false;
    failure_set(&diagnosis->why,
                "no edit is offered, because attempts cannot be counted in the sandbox of %s, and "
                "every password would be rejected: first give it a drop-in with "
                "ReadWritePaths=%s and ProcSubset=all",
                unit, audit->context->state_dir);
    return true;
}

/* Looks for the edits that put our lines right. */
static int find_remedy(struct audit *audit, struct pam_facts *pam, struct pam_diagnosis *diagnosis)
{
    struct pam_wiring wiring;
    size_t first;

    /* The edits for another service may have done it, in a file that both read. */
    pam_wiring_look(&diagnosis->service->stack[diagnosis->type], diagnosis->type, &wiring);
    if (wiring.is_right)
        return share_edits(pam, diagnosis);
    if (is_blocked(audit, diagnosis))
        return 0;
    if (diagnosis->wiring.ours == diagnosis->stack.count)
        diagnosis->command = tool_for(audit, diagnosis);
    if (diagnosis->command != NULL)
        return 0;
    const enum pam_offer offer = pam_propose(&pam->services, diagnosis->service->name,
                                             diagnosis->type, &first, &diagnosis->why);
    if (offer == PAM_OFFER_FAILED)
        return -1;
    for (size_t i = first; offer == PAM_OFFERED && i < pam->services.edits.count; i++)
        if (edits_add(&diagnosis->edits, &pam->services.edits.item[i]) != 0)
            return -1;
    return 0;
}

static int diagnose(struct audit *audit, struct pam_facts *pam, size_t number, enum pam_type type)
{
    const struct pam_service *service = &pam->services.item[number];

    if (!is_judged(pam, service, type))
        return 0;
    struct pam_diagnosis *grown = array_grow(pam->diagnosis, pam->diagnoses, sizeof *grown);
    if (grown == NULL)
        return -1;
    pam->diagnosis = grown;
    struct pam_diagnosis *diagnosis = &grown[pam->diagnoses];
    *diagnosis = (struct pam_diagnosis){.service = service, .type = type};
    if (pam_stack_read(audit->host, service->name, pam_type_word(type), &diagnosis->stack) !=
        PAM_STACK_OK)
        return -1;
    pam->diagnoses++;
    pam_wiring_look(&diagnosis->stack, type, &diagnosis->wiring);
    struct pam_user user = {.uids = pam->uids,
                            .service = diagnosis->stack.is_other ? NULL : service->name};
    if (diagnosis->wiring.status == PAM_PROOF_FAILED ||
        pam_gaps_look(&diagnosis->stack, type, &diagnosis->wiring, &user, &diagnosis->gaps) != 0)
        return -1;
    if (diagnosis->wiring.ours == diagnosis->stack.count && !needs_line(pam, diagnosis))
        diagnosis->wiring.is_right = true;
    return diagnosis->wiring.is_right || diagnosis->wiring.status != PAM_PROOF_DONE
               ? 0
               : find_remedy(audit, pam, diagnosis);
}

/* sshd's service, or all others. sshd's comes first: if its edit has to go into a file
 * that others share, they need none of their own. */
static int diagnose_all(struct audit *audit, struct pam_facts *pam, bool is_sshd)
{
    for (size_t i = 0; i < pam->services.count; i++) {
        if ((strcmp(pam->services.item[i].name, pam->sshd) == 0) != is_sshd)
            continue;
        for (enum pam_type type = 0; type <= PAM_TYPE_PASSWORD; type++)
            if (diagnose(audit, pam, i, type) != 0)
                return -1;
    }
    return 0;
}

static int read_facts(struct audit *audit, struct pam_facts *pam)
{
    char unit[UNIT_PATH_MAX];

    pam->limits_attempts = any_rule_sets(audit, SETTING_MAX_ATTEMPTS);
    pam->covers_console = covers_console(audit);
    find_sshd_service(audit, pam);
    pam_uids_read(audit->host, &pam->uids);
    if (pam_services_read(audit->host, &pam->services) != 0)
        return -1;
    pam->sshd_service = pam->services.count;
    for (size_t i = 0; i < pam->services.count; i++) {
        struct pam_service *service = &pam->services.item[i];
        if (strcmp(service->name, pam->sshd) == 0)
            pam->sshd_service = i;
        service->is_blocked = unit_find_blocking(audit->host, service->name,
                                                 audit->context->state_dir, unit, sizeof unit);
    }
    if (diagnose_all(audit, pam, true) != 0 || diagnose_all(audit, pam, false) != 0)
        return -1;
    /* The checks report the host as it is. */
    return pam_services_drop_edits(&pam->services);
}

static void free_facts(struct pam_facts *pam)
{
    for (size_t i = 0; i < pam->diagnoses; i++) {
        pam_stack_free(&pam->diagnosis[i].stack);
        edits_free(&pam->diagnosis[i].edits);
    }
    free(pam->diagnosis);
    pam_services_free(&pam->services);
}

/* Each edit was proven together with those before it. If some cannot be made after
 * all, the others are proven again, or none is offered. */
static int settle(struct audit *audit, struct pam_facts *pam, size_t first)
{
    struct edits edits = {0};

    patch_settle(audit, first);
    if (patch_collect(&audit->findings, first, &edits) != 0) {
        edits_free(&edits);
        return -1;
    }
    const bool is_safe = edits.count == 0 || pam_edits_are_safe(&pam->services, &edits);
    edits_free(&edits);
    for (size_t i = first; i < audit->findings.count && !is_safe; i++)
        if (audit->findings.item[i]->edits.count > 0)
            patch_withdraw(audit->findings.item[i], "No edit is offered, because not all that "
                                                    "belong together can be made.");
    return 0;
}

static const struct audit_step pam_steps[] = {
    {CHECK_PAM_STACK, check_pam_stack},
    {CHECK_PAM_BAD_JUMP, check_pam_bad_jump},
    {CHECK_PAM_MODULE, check_pam_module},
    {CHECK_PAM_MISSING_MODULE, check_pam_missing_module},
    {CHECK_PAM_SESSION_LINE, check_pam_session_line},
    {CHECK_PAM_SESSION_ORDER, check_pam_session_order},
    {CHECK_PAM_SESSION_CONTROL, check_pam_session_control},
    {CHECK_PAM_AUTH_LINE, check_pam_auth_line},
    {CHECK_PAM_AUTH_ORDER, check_pam_auth_order},
    {CHECK_PAM_AUTH_CONTROL, check_pam_auth_control},
    {CHECK_PAM_PROMPT, check_pam_prompt},
    {CHECK_PAM_JUMP, check_pam_jump},
    {CHECK_PAM_TWICE, check_pam_twice},
    {CHECK_PAM_ARGUMENTS, check_pam_arguments},
    {CHECK_PAM_OTHER_SERVICES, check_pam_other_services},
};

void audit_pam(struct audit *audit)
{
    struct pam_facts pam = {.limits_attempts = false};
    const size_t first = audit->findings.count;

    if (read_facts(audit, &pam) == 0) {
        audit_run(audit, pam_steps, sizeof pam_steps / sizeof *pam_steps, &pam);
        audit->findings.out_of_memory |= settle(audit, &pam, first) != 0;
    } else {
        audit->findings.out_of_memory = true;
    }
    free_facts(&pam);
}
