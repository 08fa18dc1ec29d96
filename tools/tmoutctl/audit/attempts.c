/* Whether attempts count as what they are, and can be counted at all, in each
 * service with our auth line. */
#include "tools/tmoutctl/audit/areas.h"
#include "tools/tmoutctl/pam/modules.h"
#include "tools/tmoutctl/pam/services.h"
#include "tools/tmoutctl/pam/unit.h"

#include "lib/attempts/local_login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct attempts_facts {
    bool limits_attempts; /* some rule sets max_attempts */
    struct pam_services services;
};

/* The first line of ours in a service that a program names, or the stack's end. */
static size_t counting_line(const struct attempts_facts *facts, const struct pam_service *service)
{
    const struct pam_stack *auth = &service->stack[PAM_TYPE_AUTH];

    if (!facts->limits_attempts || service->is_fragment || auth->is_other ||
        strcmp(service->name, "other") == 0)
        return auth->count;
    return pam_find_kind(auth, PAM_KIND_OURS, 0);
}

static void check_attempts_origin(struct audit *audit, const void *facts)
{
    const struct attempts_facts *attempts = facts;

    for (size_t i = 0; i < attempts->services.count; i++) {
        const struct pam_service *service = &attempts->services.item[i];
        const struct pam_stack *auth = &service->stack[PAM_TYPE_AUTH];
        const size_t ours = counting_line(attempts, service);
        size_t length;
        if (ours == auth->count || service_kind_of(service->name) != SERVICE_UNKNOWN ||
            pam_line_value(&auth->line[ours], "origin=", &length) != NULL)
            continue;
        struct finding *finding = findings_add(
            &audit->findings, CHECK_ATTEMPTS_ORIGIN, AUDIT_NOTE,
            "%s is not known to be local or from the network: its attempts count as from the "
            "network",
            service->name);
        finding_set_place(finding, auth->path, 0);
        finding_set_remediation(finding,
                                "Give this file an auth line with origin=network; or with "
                                "origin=local if only people at this machine can reach %s.",
                                service->name);
    }
}

/* Does the module ask for another password after a wrong one? */
static bool asks_again(const struct pam_line *line)
{
    static const char *const modules[] = {"pam_krb5.so",    "pam_ldap.so",  "pam_radius_auth.so",
                                          "pam_winbind.so", "pam_mysql.so", "pam_pgsql.so",
                                          "pam_tacplus.so"};
    const struct pam_traits traits = pam_traits_of(line);

    if (traits.kind != PAM_KIND_PASSWORD)
        return false;
    if (traits.asks == PAM_ASKS_ITSELF)
        return true;
    size_t length;
    const char *retry = pam_line_value(line, "retry=", &length);
    if (pam_line_is(line, "pam_sss.so"))
        return retry != NULL && retry[0] != '0';
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (pam_line_is(line, modules[i]))
            return pam_line_has(line, "try_first_pass");
    return false;
}

static void check_attempts_again(struct audit *audit, const void *facts)
{
    const struct attempts_facts *attempts = facts;

    for (size_t i = 0; i < attempts->services.count; i++) {
        const struct pam_service *service = &attempts->services.item[i];
        const struct pam_stack *auth = &service->stack[PAM_TYPE_AUTH];
        for (size_t k = counting_line(attempts, service); k < auth->count; k++) {
            const struct pam_line *line = &auth->line[k];
            if (!asks_again(line) ||
                findings_have(&audit->findings, CHECK_ATTEMPTS_AGAIN, line->file, line->line))
                continue;
            struct finding *finding = findings_add(
                &audit->findings, CHECK_ATTEMPTS_AGAIN, AUDIT_NOTE,
                "%s asks for a password of its own: after a wrong one, that is one more attempt",
                line->module);
            finding_set_place(finding, line->file, line->line);
            finding_set_remediation(
                finding,
                "Add use_first_pass: the module then takes the password that was entered.");
        }
    }
}

static void look_at_unit(struct audit *audit, const struct pam_service *service, const char *unit)
{
    const char *state_dir = audit->context->state_dir;
    struct unit_sandbox sandbox;

    if (unit_sandbox_read(audit->host, unit, state_dir, &sandbox) == 0 ||
        !unit_sandbox_blocks(&sandbox) ||
        findings_have(&audit->findings, CHECK_ATTEMPTS_SANDBOX, sandbox.path, 0))
        return;
    struct finding *finding = findings_add(
        &audit->findings, CHECK_ATTEMPTS_SANDBOX, AUDIT_FAIL, "%s of %s: passwords are rejected",
        sandbox.is_read_only ? "attempts cannot be written in the sandbox"
                             : "ProcSubset=pid hides the boot id from the module in the sandbox",
        service->name);
    finding_set_place(finding, sandbox.path, 0);
    if (sandbox.is_read_only)
        finding_set_remediation(
            finding,
            "Write a drop-in /etc/systemd/system/%s.d/tmout.conf with [Service] and "
            "ReadWritePaths=%s%s.",
            unit, state_dir, sandbox.hides_boot_id ? " and ProcSubset=all" : "");
    else
        finding_set_remediation(
            finding,
            "Write a drop-in /etc/systemd/system/%s.d/tmout.conf with [Service] and "
            "ProcSubset=all.",
            unit);
}

static void check_attempts_sandbox(struct audit *audit, const void *facts)
{
    const struct attempts_facts *attempts = facts;

    for (size_t i = 0; i < attempts->services.count; i++) {
        const struct pam_service *service = &attempts->services.item[i];
        char unit[UNIT_PATH_MAX];
        if (counting_line(attempts, service) == service->stack[PAM_TYPE_AUTH].count)
            continue;
        for (size_t k = 0; unit_of_service(service->name, k, unit, sizeof unit); k++)
            look_at_unit(audit, service, unit);
    }
}

static const struct audit_step attempts_steps[] = {
    {CHECK_ATTEMPTS_ORIGIN, check_attempts_origin},
    {CHECK_ATTEMPTS_AGAIN, check_attempts_again},
    {CHECK_ATTEMPTS_SANDBOX, check_attempts_sandbox},
};

void audit_attempts(struct audit *audit)
{
    struct attempts_facts facts = {.limits_attempts = any_rule_sets(audit, SETTING_MAX_ATTEMPTS)};

    if (pam_services_read(audit->host, &facts.services) == 0)
        audit_run(audit, attempts_steps, sizeof attempts_steps / sizeof *attempts_steps, &facts);
    else
        audit->findings.out_of_memory = true;
    pam_services_free(&facts.services);
}
