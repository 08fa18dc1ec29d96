/* Whether the store that the hosts of a fleet share is safe, and can be reached. */
#include "tools/tmoutctl/audit/areas.h"

#include "lib/fleet/conf.h"
#include "lib/fleet/files.h"
#include "lib/policy/duration.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CLOCK_AHEAD_MAX_MS = 10000, AWAY_PERCENT_MAX = 1, AWAY_MAX_MS = 60000, ROOTS_PORTS = 1024 };

struct fleet_facts {
    bool is_used; /* some rule sets fleet_attempts */
    char path[PATH_MAX];
    int result; /* of fleet_conf_read() */
    struct fleet_conf conf;
    struct problems problems;
    const struct fleet_state *state; /* NULL: tmout-fleetd could not be asked */
};

static struct finding *add_about_file(struct audit *audit, const struct fleet_facts *facts,
                                      enum audit_check check, enum audit_status status,
                                      const char *message)
{
    struct finding *finding = findings_add(&audit->findings, check, status, "%s", message);

    finding_set_place(finding, facts->path, 0);
    return finding;
}

static void check_fleet_config(struct audit *audit, const void *context)
{
    const struct fleet_facts *facts = context;

    if (facts->result == 2 && facts->is_used)
        finding_set_remediation(
            add_about_file(audit, facts, CHECK_FLEET_CONFIG, AUDIT_FAIL,
                           "is missing, so no attempts are shared: each host admits "
                           "fleet_fallback attempts"),
            "Write the file, as in tmout-fleetd(8); or take fleet_attempts out of the policy.");
    for (size_t i = 0; i < facts->problems.count; i++) {
        const struct problem *problem = &facts->problems.item[i];
        struct finding *finding =
            findings_add(&audit->findings, CHECK_FLEET_CONFIG, AUDIT_FAIL, "%s", problem->text);
        finding_set_place(finding, problem->file, problem->line);
        finding_set_remediation(finding, "Correct the file: tmout-fleetd does not start with it.");
    }
}

/* A file of this name that others can read. The configuration is invalid with it, which
 * CHECK_FLEET_CONFIG says: here it is about the secret, which has to be replaced. */
static void check_secret(struct audit *audit, const struct fleet_facts *facts, const char *name,
                         const char *remediation)
{
    char path[PATH_MAX];
    struct stat st;

    if (name[0] == '\0' || !fleet_file_path(facts->path, name, path, sizeof path) ||
        stat(path, &st) != 0 ||
        ((st.st_mode & 077) == 0 && (st.st_uid == 0 || st.st_uid == audit->owner)))
        return;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_FLEET_PASSWORD, AUDIT_FAIL,
                     "others than root can read it, and be this host for the store");
    finding_set_place(finding, path, 0);
    finding_set_remediation(finding, "%s", remediation);
}

static void check_fleet_password(struct audit *audit, const void *context)
{
    const struct fleet_facts *facts = context;

    check_secret(audit, facts, facts->conf.password_file,
                 "Make it root's, with mode 0600, and give the ACL user another password.");
    check_secret(audit, facts, facts->conf.key,
                 "Make it root's, with mode 0600, and replace key and certificate.");
    if (facts->result == 0 && facts->conf.password_file[0] == '\0')
        finding_set_remediation(
            add_about_file(audit, facts, CHECK_FLEET_PASSWORD, AUDIT_WARN,
                           "has no password_file: whoever reaches the store may do anything there"),
            "Give each host an ACL user of its own, and set acl_user and password_file.");
}

static void check_fleet_encryption(struct audit *audit, const void *context)
{
    const struct fleet_facts *facts = context;

    for (size_t i = 0; facts->result == 0 && i < facts->conf.endpoints; i++) {
        const struct fleet_endpoint *endpoint = &facts->conf.endpoint[i];
        struct finding *finding = NULL;
        if (endpoint->port == 0 || (facts->conf.tls && fleet_conf_has_tls()))
            continue;
        if (!fleet_endpoint_is_local(endpoint)) {
            finding = findings_add(
                &audit->findings, CHECK_FLEET_ENCRYPTION, AUDIT_FAIL,
                "%s is reached without TLS: whoever is on the way learns the password and the "
                "users, and can answer in the store's place",
                endpoint->address);
            finding_set_remediation(finding, "Set tls = true, ca and name.");
        } else if (endpoint->port >= ROOTS_PORTS) {
            finding = findings_add(
                &audit->findings, CHECK_FLEET_ENCRYPTION, AUDIT_WARN,
                "any user of this host can listen at port %u while nobody else does, and learns "
                "the store's password",
                (unsigned)endpoint->port);
            finding_set_remediation(finding, "Use a Unix socket in a folder that only root or the "
                                             "store's user can write, or a port below 1024.");
        }
        if (finding != NULL)
            finding_set_place(finding, facts->path, 0);
    }
}

static void check_fleet_store(struct audit *audit, const void *context)
{
    const struct fleet_facts *facts = context;
    char text[FLEET_VIEW_TEXT_MAX];

    if (fleet_view_is_up(&audit->fleet))
        return;
    fleet_view_describe(&audit->fleet, text, sizeof text);
    struct finding *finding =
        findings_add(&audit->findings, CHECK_FLEET_STORE, facts->is_used ? AUDIT_FAIL : AUDIT_WARN,
                     "%s%s", facts->state != NULL ? "the store is not reached: " : "", text);
    finding_set_remediation(
        finding, facts->state != NULL
                     ? "See tmout-recovery(7); until then hosts admit fleet_fallback attempts."
                     : "Start tmout-fleetd.socket, and see its journal.");
}

static void check_fleet_acl(struct audit *audit, const void *context)
{
    const struct fleet_facts *facts = context;

    if (facts->state == NULL || facts->state->overprivileged == 0)
        return;
    struct finding *finding = findings_add(
        &audit->findings, CHECK_FLEET_ACL, AUDIT_FAIL,
        "the store lets this host read its configuration, or keys of others: whoever owns this "
        "host owns the store");
    finding_set_remediation(finding, "Give the host an ACL user with the rights that "
                                     "docs/FLEET.md lists, and no others.");
}

static void check_fleet_eviction(struct audit *audit, const void *context)
{
    const struct fleet_facts *facts = context;

    if (facts->state == NULL || facts->state->eviction[0] == '\0' ||
        strcmp(facts->state->eviction, "noeviction") == 0)
        return;
    struct finding *finding =
        findings_add(&audit->findings, CHECK_FLEET_EVICTION, AUDIT_FAIL,
                     "maxmemory-policy of the store is %s: when its memory is full, it forgets "
                     "failed logins and locks",
                     facts->state->eviction);
    finding_set_remediation(finding, "Set maxmemory-policy noeviction on the store.");
}

static void check_fleet_replicas(struct audit *audit, const void *context)
{
    const struct fleet_facts *facts = context;

    if (facts->state == NULL || !fleet_view_is_up(&audit->fleet) || facts->state->replicas > 0)
        return;
    struct finding *finding = findings_add(
        &audit->findings, CHECK_FLEET_REPLICAS, AUDIT_WARN,
        "the store had no replica when tmout-fleetd connected to it: while it is down, each host "
        "admits fleet_fallback attempts");
    finding_set_remediation(finding, "Give it a replica, and Sentinels, as docs/FLEET.md says; or "
                                     "accept that.");
}

static void check_fleet_clock(struct audit *audit, const void *context)
{
    const struct fleet_facts *facts = context;
    const int64_t ahead_ms =
        facts->state != NULL && fleet_view_is_up(&audit->fleet) ? facts->state->clock_ahead_ms : 0;
    char amount[64];

    if (ahead_ms >= -CLOCK_AHEAD_MAX_MS && ahead_ms <= CLOCK_AHEAD_MAX_MS)
        return;
    duration_format((ahead_ms < 0 ? -ahead_ms : ahead_ms) / 1000, amount, sizeof amount);
    struct finding *finding =
        findings_add(&audit->findings, CHECK_FLEET_CLOCK, AUDIT_WARN,
                     "the store's clock is %s %s this host's: after a failover to another clock, "
                     "locks end early or late",
                     amount, ahead_ms < 0 ? "behind" : "ahead of");
    finding_set_remediation(finding, "Keep the clocks of all nodes of the store, and of this host, "
                                     "right with NTP.");
}

static void check_fleet_away(struct audit *audit, const void *context)
{
    const struct fleet_facts *facts = context;
    char away[64], running[64];

    if (facts->state == NULL || facts->state->away_ms < AWAY_MAX_MS ||
        facts->state->away_ms * 100 < facts->state->running_ms * AWAY_PERCENT_MAX)
        return;
    duration_format(facts->state->away_ms / 1000, away, sizeof away);
    duration_format(facts->state->running_ms / 1000, running, sizeof running);
    struct finding *finding = findings_add(
        &audit->findings, CHECK_FLEET_AWAY, AUDIT_WARN,
        "the store was away for %s of the %s since tmout-fleetd was started; this host "
        "has admitted %llu attempts by itself",
        away, running, (unsigned long long)facts->state->alone);
    finding_set_remediation(finding, "The journal of tmout-fleetd says when and why.");
}

static void check_fleet_policy(struct audit *audit, const void *context)
{
    const struct fleet_view *view = &audit->fleet;

    (void)context;
    for (size_t i = 0; i < view->hosts; i++) {
        const struct fleet_host *host = &view->host[i];
        if (!fleet_host_is_present(host) || !fleet_host_differs(view, host))
            continue;
        struct finding *finding = findings_add(
            &audit->findings, CHECK_FLEET_POLICY, AUDIT_WARN,
            "%s has other rules about failed logins than this host: where they meet, the "
            "strictest ones apply on all hosts",
            host->name);
        finding_set_remediation(finding, "Give all hosts of the fleet the same policy, and apply "
                                         "it: tmoutctl status says on each which is in force.");
    }
}

static const struct audit_step fleet_steps[] = {
    {CHECK_FLEET_CONFIG, check_fleet_config},
    {CHECK_FLEET_PASSWORD, check_fleet_password},
    {CHECK_FLEET_ENCRYPTION, check_fleet_encryption},
    {CHECK_FLEET_STORE, check_fleet_store},
    {CHECK_FLEET_ACL, check_fleet_acl},
    {CHECK_FLEET_EVICTION, check_fleet_eviction},
    {CHECK_FLEET_REPLICAS, check_fleet_replicas},
    {CHECK_FLEET_CLOCK, check_fleet_clock},
    {CHECK_FLEET_AWAY, check_fleet_away},
    {CHECK_FLEET_POLICY, check_fleet_policy},
};

void audit_fleet(struct audit *audit)
{
    struct fleet_facts facts = {.is_used = any_rule_sets(audit, SETTING_FLEET_ATTEMPTS),
                                .result = 2};

    fleet_view_find(audit->context, &audit->fleet);
    if (fleet_conf_path(audit->context->config_path, facts.path, sizeof facts.path))
        facts.result =
            fleet_conf_read(facts.path, audit->owner, NULL, &facts.conf, &facts.problems);
    if (audit->fleet.is_known)
        facts.state = &audit->fleet.state;
    /* Of a host that shares nothing there is nothing to say, and without the file only that. */
    if (facts.is_used || facts.result != 2)
        audit_run(audit, fleet_steps,
                  facts.result == 2 ? 1 : sizeof fleet_steps / sizeof *fleet_steps, &facts);
    problems_free(&facts.problems);
}
