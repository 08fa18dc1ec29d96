/* Where our lines take effect, in each service's stack. */
#include "tools/tmoutctl/audit/pam_facts.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* --- what they have in common -------------------------------------------- */

/* Files that several services share on Debian and on RHEL. */
static const char *const shared_files[] = {"common-auth", "common-session",
                                           "system-auth", "password-auth",
                                           "postlogin",   "common-session-noninteractive"};

enum audit_status pam_severity(const struct pam_facts *pam, const struct pam_service *service)
{
    return strcmp(service->name, pam->sshd) == 0 ? AUDIT_FAIL : AUDIT_WARN;
}

/* The line of ours that a flaw is about: the one after the first, if that is
 * reached twice. */
static const struct pam_line *our_line(const struct pam_diagnosis *diagnosis, enum pam_flaw flaw)
{
    const struct pam_example *example = &diagnosis->wiring.answer.flaw[flaw];
    const size_t at = flaw == PAM_FLAW_TWICE ? example->line : diagnosis->wiring.ours;

    return &diagnosis->stack.line[at];
}

/* The last line of ours, which counts if there are several. */
static const struct pam_line *last_of_ours(const struct pam_diagnosis *diagnosis)
{
    const struct pam_stack *stack = &diagnosis->stack;
    size_t last = diagnosis->wiring.ours;

    for (size_t i = last; i < stack->count; i = pam_find_kind(stack, PAM_KIND_OURS, i + 1))
        last = i;
    return &stack->line[last];
}

/* Has the stack a line of ours, and this flaw? */
static bool has(const struct pam_diagnosis *diagnosis, enum pam_flaw flaw)
{
    return diagnosis->wiring.ours < diagnosis->stack.count &&
           diagnosis->wiring.answer.flaw[flaw].found;
}

/* Is it about a stack that checks passwords? */
static bool is_check(const struct pam_diagnosis *diagnosis)
{
    return diagnosis->type != PAM_TYPE_SESSION;
}

/* What would be right, and the edits or the command for it. */
static void set_right(struct finding *finding, const struct pam_diagnosis *diagnosis,
                      const char *right)
{
    if (diagnosis->command != NULL)
        finding_set_command(finding, diagnosis->command);
    finding_add_edits(finding, &diagnosis->edits);
    if (diagnosis->why.text[0] != '\0')
        finding_set_remediation(finding, "%s; %s.", right, diagnosis->why.text);
    else
        finding_set_remediation(finding, "%s.", right);
}

/* Is there such a finding about the line, from another service, with all these edits? */
static bool is_reported(const struct audit *audit, enum audit_check check,
                        const struct pam_line *line, const struct edits *edits)
{
    const struct finding *found;
    size_t after = 0;

    while ((found = findings_next_at(&audit->findings, check, line->file, line->line, &after)) !=
           NULL)
        if (edits_include(&found->edits, edits))
            return true;
    return false;
}

/* Adds a finding about a line of ours, unless another service has led to the same;
 * NULL then. */
static struct finding *__attribute__((format(printf, 6, 7)))
add_about(struct audit *audit, const struct pam_diagnosis *diagnosis, enum audit_check check,
          enum audit_status status, const struct pam_line *line, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    if (is_reported(audit, check, line, &diagnosis->edits))
        return NULL;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct finding *finding = findings_add(&audit->findings, check, status, "%s", text);
    finding_set_place(finding, line->file, line->line);
    return finding;
}

/* Where a line is, for a message. */
struct place {
    char text[PATH_MAX + 64];
};

static const char *place_of(const struct pam_stack *stack, size_t at, struct place *place)
{
    const struct pam_line *line = &stack->line[at];

    snprintf(place->text, sizeof place->text, "%s (%s:%u)",
             line->module[0] != '\0' ? line->module : "the line", line->file, line->line);
    return place->text;
}

/* Kinds of users, for a message. */
struct kinds_text {
    char text[64];
    size_t count;
};

/* Those for whom a line leads around ours; or with `skipped` false, for whom ours comes
 * too late: "local and system". */
static void write_kinds(const struct pam_diagnosis *diagnosis, bool skipped, struct kinds_text *to)
{
    enum pam_user_kind kinds[PAM_USER_KINDS] = {0};
    size_t used = 0;

    *to = (struct kinds_text){.text = ""};
    for (enum pam_user_kind kind = 0; kind < PAM_USER_KINDS; kind++) {
        const struct pam_example *gap = &diagnosis->gaps.of[kind];
        if (gap->found && (gap->by != PAM_NO_LINE) == skipped)
            kinds[to->count++] = kind;
    }
    for (size_t i = 0; i < to->count; i++) {
        const char *link = i == 0 ? "" : i + 1 == to->count ? " and " : ", ";
        used += (size_t)snprintf(to->text + used, sizeof to->text - used, "%s%s", link,
                                 pam_user_kind_word(kinds[i]));
    }
}

/* --- lines that are missing ---------------------------------------------- */

/* Where else our line of this type is, for the end of a message; "" where it is
 * nowhere. text is returned. */
static const char *elsewhere_text(const struct audit *audit, enum pam_type type, char *text,
                                  size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < sizeof shared_files / sizeof *shared_files && text[0] == '\0'; i++) {
        struct pam_stack stack;
        if (pam_stack_read(audit->host, shared_files[i], pam_type_word(type), &stack) ==
                PAM_STACK_OK &&
            !stack.is_other) {
            const size_t ours = pam_find_kind(&stack, PAM_KIND_OURS, 0);
            if (ours < stack.count)
                snprintf(text, size, "; it is in %s:%u, which this service does not include",
                         stack.line[ours].file, stack.line[ours].line);
        }
        pam_stack_free(&stack);
    }
    return text;
}

/* Is there no line of ours where one belongs? */
static bool lacks_line(const struct pam_facts *pam, const struct pam_diagnosis *diagnosis,
                       enum pam_type type, bool in_sshd)
{
    return diagnosis->type == type && diagnosis->wiring.ours == diagnosis->stack.count &&
           !diagnosis->wiring.is_right &&
           (strcmp(diagnosis->service->name, pam->sshd) == 0) == in_sshd;
}

void check_pam_session_line(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    char where[PATH_MAX + 64];

    for (size_t i = 0; i < pam->diagnoses; i++) {
        const struct pam_diagnosis *diagnosis = &pam->diagnosis[i];
        if (!lacks_line(pam, diagnosis, PAM_TYPE_SESSION, true))
            continue;
        struct finding *finding =
            findings_add(&audit->findings, CHECK_PAM_SESSION_LINE, AUDIT_FAIL,
                         "has no session line for " PAM_OUR_MODULE ": SSH logins get no limit%s",
                         elsewhere_text(audit, PAM_TYPE_SESSION, where, sizeof where));
        finding_set_place(finding, diagnosis->stack.path, 0);
        set_right(finding, diagnosis,
                  "Let every session that opens call " PAM_OUR_MODULE ", after pam_env");
    }
}

/* What the stack checks, for a message. */
static const char *check_text(const struct pam_diagnosis *diagnosis)
{
    return diagnosis->wiring.check == PAM_KIND_CODE ? "one-time code" : "password";
}

/* Where the line belongs, and with which argument. */
static const char *right_auth_text(const struct pam_diagnosis *diagnosis)
{
    if (diagnosis->type == PAM_TYPE_PASSWORD)
        return "Put the password line before the module that checks the current password";
    return diagnosis->wiring.check == PAM_KIND_CODE
               ? "Put the auth line before the module that checks codes, with noprompt, since "
                 "nobody checks a password"
               : "Put the auth line before the module that checks passwords, and after those "
                 "that make one unnecessary";
}

void check_pam_auth_line(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;
    char where[PATH_MAX + 64];

    for (size_t i = 0; i < pam->diagnoses; i++) {
        const struct pam_diagnosis *diagnosis = &pam->diagnosis[i];
        if (!lacks_line(pam, diagnosis, PAM_TYPE_AUTH, true))
            continue;
        struct finding *finding = findings_add(
            &audit->findings, CHECK_PAM_AUTH_LINE, AUDIT_FAIL,
            "has no auth line for " PAM_OUR_MODULE
            ": max_attempts is not enforced, and %ss can be guessed%s",
            check_text(diagnosis), elsewhere_text(audit, PAM_TYPE_AUTH, where, sizeof where));
        finding_set_place(finding, diagnosis->stack.path, 0);
        set_right(finding, diagnosis, right_auth_text(diagnosis));
    }
}

static void add_other_session(struct audit *audit, const struct pam_diagnosis *diagnosis)
{
    const bool is_console = strcmp(diagnosis->service->name, "login") == 0;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_PAM_OTHER_SERVICES, AUDIT_WARN,
                     "has no session line for " PAM_OUR_MODULE ": %s",
                     is_console ? "console logins get no limit"
                                : "a shell of another user started in a login gets no limit");

    finding_set_place(finding, diagnosis->stack.path, 0);
    set_right(finding, diagnosis, "Let every session that opens call " PAM_OUR_MODULE);
}

static void add_other_auth(struct audit *audit, const struct pam_diagnosis *diagnosis)
{
    struct finding *finding =
        findings_add(&audit->findings, CHECK_PAM_OTHER_SERVICES, AUDIT_WARN,
                     "has no %s line for " PAM_OUR_MODULE ": unlimited %s guessing",
                     pam_type_word(diagnosis->type), check_text(diagnosis));

    finding_set_place(finding, diagnosis->stack.path, 0);
    set_right(finding, diagnosis, right_auth_text(diagnosis));
}

void check_pam_other_services(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t i = 0; i < pam->diagnoses; i++) {
        const struct pam_diagnosis *diagnosis = &pam->diagnosis[i];
        if (lacks_line(pam, diagnosis, PAM_TYPE_SESSION, false))
            add_other_session(audit, diagnosis);
        else if (lacks_line(pam, diagnosis, PAM_TYPE_AUTH, false) ||
                 lacks_line(pam, diagnosis, PAM_TYPE_PASSWORD, false))
            add_other_auth(audit, diagnosis);
    }
}

/* --- lines in the wrong place -------------------------------------------- */

/* The pam_env line that lets the user's environment come after ours. */
static size_t find_user_environment(const struct pam_stack *stack, size_t from)
{
    while (from < stack->count && !(pam_line_is(&stack->line[from], "pam_env.so") &&
                                    pam_line_has(&stack->line[from], "user_readenv=1")))
        from++;
    return from;
}

void check_pam_session_order(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t i = 0; i < pam->diagnoses; i++) {
        const struct pam_diagnosis *diagnosis = &pam->diagnosis[i];
        if (!has(diagnosis, PAM_FLAW_OVERRIDDEN))
            continue;
        const struct pam_line *ours = last_of_ours(diagnosis);
        const size_t theirs =
            find_user_environment(&diagnosis->stack, (size_t)(ours - diagnosis->stack.line));
        if (theirs == diagnosis->stack.count)
            continue;
        const struct pam_line *line = &diagnosis->stack.line[theirs];
        struct finding *finding = add_about(
            audit, diagnosis, CHECK_PAM_SESSION_ORDER, pam_severity(pam, diagnosis->service), ours,
            "precedes pam_env with user_readenv=1 (%s:%u): the user's "
            "~/.pam_environment can override the limit",
            line->file, line->line);
        if (finding != NULL)
            set_right(finding, diagnosis, "Move the session line behind every pam_env line");
    }
}

void check_pam_session_control(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t i = 0; i < pam->diagnoses; i++) {
        const struct pam_diagnosis *diagnosis = &pam->diagnosis[i];
        const size_t ours = diagnosis->wiring.ours;
        if (diagnosis->type != PAM_TYPE_SESSION || ours == diagnosis->stack.count ||
            pam_control_never_blocks(diagnosis->stack.line[ours].control))
            continue;
        const struct pam_line *line = &diagnosis->stack.line[ours];
        struct finding *finding =
            add_about(audit, diagnosis, CHECK_PAM_SESSION_CONTROL, AUDIT_WARN, line,
                      "the session line's control is \"%s\": without a valid policy, sessions of "
                      "%s are closed or later lines skipped; with `optional` they proceed, and it "
                      "is logged",
                      line->control, diagnosis->service->name);
        if (finding != NULL)
            set_right(finding, diagnosis, "Set the control of the session line to `optional`");
    }
}

void check_pam_auth_control(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t i = 0; i < pam->diagnoses; i++) {
        const struct pam_diagnosis *diagnosis = &pam->diagnosis[i];
        if (!is_check(diagnosis) || diagnosis->wiring.ours == diagnosis->stack.count)
            continue;
        const struct pam_line *line = our_line(diagnosis, PAM_FLAW_NOT_FINAL);
        if (pam_control_rejects_at_once(line->control))
            continue;
        struct finding *finding =
            add_about(audit, diagnosis, CHECK_PAM_AUTH_CONTROL, AUDIT_FAIL, line,
                      "the %s line's control for %s is \"%s\", not `requisite`: a locked user's "
                      "password is still checked",
                      pam_type_word(diagnosis->type), diagnosis->service->name, line->control);
        if (finding != NULL)
            set_right(finding, diagnosis, "Set the control of the auth line to `requisite`");
    }
}

/* Is the line that is checked without ours before it? Otherwise ours was skipped. */
static bool comes_after(const struct pam_diagnosis *diagnosis)
{
    const struct pam_example *flaw = &diagnosis->wiring.answer.flaw[PAM_FLAW_UNCOUNTED];

    return flaw->found && flaw->by == PAM_NO_LINE;
}

static void add_auth_order(struct audit *audit, const struct pam_diagnosis *diagnosis)
{
    const struct pam_answer *answer = &diagnosis->wiring.answer;
    const struct pam_line *ours = our_line(diagnosis, PAM_FLAW_UNCOUNTED);
    const char *service = diagnosis->service->name;
    struct finding *finding = NULL;
    struct place place = {""};
    struct kinds_text kinds;

    write_kinds(diagnosis, false, &kinds);
    const bool is_some = kinds.count > 0 && kinds.count < PAM_USER_KINDS;
    if (comes_after(diagnosis))
        finding =
            add_about(audit, diagnosis, CHECK_PAM_AUTH_ORDER, AUDIT_FAIL, ours,
                      "comes after %s for %s: %ss%s%s%s are checked before the attempt is counted",
                      place_of(&diagnosis->stack, answer->flaw[PAM_FLAW_UNCOUNTED].line, &place),
                      service, check_text(diagnosis), is_some ? " of " : "",
                      is_some ? kinds.text : "", is_some ? " users" : "");
    else if (answer->flaw[PAM_FLAW_NOT_FINAL].found && pam_control_rejects_at_once(ours->control) &&
             answer->flaw[PAM_FLAW_NOT_FINAL].line != PAM_NO_LINE)
        finding = add_about(
            audit, diagnosis, CHECK_PAM_AUTH_ORDER, AUDIT_FAIL, ours,
            "is in a substack that does not include %s: for %s, a rejection ends only the substack",
            place_of(&diagnosis->stack, answer->flaw[PAM_FLAW_NOT_FINAL].line, &place), service);
    if (finding != NULL)
        set_right(finding, diagnosis, right_auth_text(diagnosis));
}

/* Our line asks or rejects those who need no password. */
static void add_unneeded(struct audit *audit, const struct pam_diagnosis *diagnosis)
{
    const size_t line = diagnosis->wiring.answer.flaw[PAM_FLAW_UNNEEDED].line;
    struct place place = {""};
    struct finding *finding = add_about(
        audit, diagnosis, CHECK_PAM_AUTH_ORDER, AUDIT_WARN, our_line(diagnosis, PAM_FLAW_UNNEEDED),
        "comes before %s for %s: it also applies to those whom that lets in without a password",
        place_of(&diagnosis->stack, line, &place), diagnosis->service->name);

    if (finding != NULL)
        set_right(finding, diagnosis, right_auth_text(diagnosis));
}

void check_pam_auth_order(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t i = 0; i < pam->diagnoses; i++)
        if (is_check(&pam->diagnosis[i]) &&
            pam->diagnosis[i].wiring.ours < pam->diagnosis[i].stack.count)
            add_auth_order(audit, &pam->diagnosis[i]);
    for (size_t i = 0; i < pam->diagnoses; i++)
        if (is_check(&pam->diagnosis[i]) && has(&pam->diagnosis[i], PAM_FLAW_UNNEEDED))
            add_unneeded(audit, &pam->diagnosis[i]);
}

void check_pam_prompt(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t i = 0; i < pam->diagnoses; i++) {
        const struct pam_diagnosis *diagnosis = &pam->diagnosis[i];
        if (!has(diagnosis, PAM_FLAW_PROMPT))
            continue;
        struct place place = {""};
        const size_t line = diagnosis->wiring.answer.flaw[PAM_FLAW_PROMPT].line;
        struct finding *finding = add_about(
            audit, diagnosis, CHECK_PAM_PROMPT, AUDIT_WARN, our_line(diagnosis, PAM_FLAW_PROMPT),
            "asks for a password in %s, although %s asks for a %s itself", diagnosis->service->name,
            place_of(&diagnosis->stack, line, &place), check_text(diagnosis));
        if (finding != NULL)
            set_right(finding, diagnosis, "Add noprompt to the auth line");
    }
}

/* --- lines that lead around ours ------------------------------------------ */

/* A way around our line: of one of the kinds of users, or else of anybody; NULL: none. */
static const struct pam_example *find_way_around(const struct pam_diagnosis *diagnosis)
{
    const enum pam_flaw flaw = is_check(diagnosis) ? PAM_FLAW_UNCOUNTED : PAM_FLAW_MISSED;
    const struct pam_example *anybody = &diagnosis->wiring.answer.flaw[flaw];

    for (enum pam_user_kind kind = 0; kind < PAM_USER_KINDS; kind++)
        if (diagnosis->gaps.of[kind].found && diagnosis->gaps.of[kind].by != PAM_NO_LINE)
            return &diagnosis->gaps.of[kind];
    return anybody->found && anybody->by != PAM_NO_LINE ? anybody : NULL;
}

/* Where people's passwords are checked without a limit, it is a failure in every service. */
static void add_jump(struct audit *audit, const struct pam_facts *pam,
                     const struct pam_diagnosis *diagnosis, const struct pam_example *example)
{
    const struct pam_line *by = &diagnosis->stack.line[example->by];
    const struct pam_line *ours = &diagnosis->stack.line[diagnosis->wiring.ours];
    const bool checks = is_check(diagnosis);
    struct place place = {""};
    struct kinds_text kinds;
    char what[128] = "";

    write_kinds(diagnosis, true, &kinds);
    if (kinds.count > 0 && checks)
        snprintf(what, sizeof what, ": %ss of %s users are checked without being counted",
                 check_text(diagnosis), kinds.text);
    else if (kinds.count > 0)
        snprintf(what, sizeof what, ": sessions of %s users open without it", kinds.text);
    struct finding *finding =
        add_about(audit, diagnosis, CHECK_PAM_JUMP,
                  kinds.count > 0 && checks ? AUDIT_FAIL : pam_severity(pam, diagnosis->service),
                  ours, "is not reached for %s after some results of %s, whose control is %s%s",
                  diagnosis->service->name, place_of(&diagnosis->stack, example->by, &place),
                  by->control, what);

    if (finding != NULL)
        set_right(finding, diagnosis,
                  checks ? "Let every way to a password check lead through our line"
                         : "Let every session that opens call " PAM_OUR_MODULE);
}

void check_pam_jump(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t i = 0; i < pam->diagnoses; i++) {
        const struct pam_diagnosis *diagnosis = &pam->diagnosis[i];
        const struct pam_example *around = find_way_around(diagnosis);
        if (around != NULL && diagnosis->wiring.ours < diagnosis->stack.count)
            add_jump(audit, pam, diagnosis, around);
    }
}

void check_pam_twice(struct audit *audit, const void *facts)
{
    const struct pam_facts *pam = facts;

    for (size_t i = 0; i < pam->diagnoses; i++) {
        const struct pam_diagnosis *diagnosis = &pam->diagnosis[i];
        if (!has(diagnosis, PAM_FLAW_TWICE))
            continue;
        const struct pam_line *first = &diagnosis->stack.line[diagnosis->wiring.ours];
        struct finding *finding = add_about(
            audit, diagnosis, CHECK_PAM_TWICE, AUDIT_FAIL, our_line(diagnosis, PAM_FLAW_TWICE),
            "is the second %s line for " PAM_OUR_MODULE " in the stack of %s; the first is %s:%u",
            pam_type_word(diagnosis->type), diagnosis->service->name, first->file, first->line);
        if (finding != NULL)
            set_right(finding, diagnosis, "Keep one of the lines");
    }
}
