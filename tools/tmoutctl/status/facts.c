#include "tools/tmoutctl/status/facts.h"

#include "lib/host/clock.h"
#include "lib/sessions/registry.h"
#include "tools/tmoutctl/audit/areas.h"
#include "tools/tmoutctl/host/daemon.h"
#include "tools/tmoutctl/host/ledger_holders.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare_pids(const void *one, const void *other)
{
    const pid_t left = *(const pid_t *)one, right = *(const pid_t *)other;

    return left < right ? -1 : left > right;
}

/* A login has a row for each of its terminals. */
static int count_logins(struct status_facts *facts)
{
    const struct session_table *table = &facts->sessions;
    pid_t *pid = calloc(table->count + 1, sizeof *pid);

    if (pid == NULL)
        return -1;
    for (size_t i = 0; i < table->count; i++)
        pid[i] = table->row[i].login.pid;
    qsort(pid, table->count, sizeof *pid, compare_pids);
    for (size_t i = 0; i < table->count; i++)
        facts->logins += i == 0 || pid[i] != pid[i - 1];
    free(pid);
    return 0;
}

static int find_logins(const struct tmoutctl_context *context, struct status_facts *facts)
{
    struct session_table *table = &facts->sessions;
    struct failure failure = {""};
    char directory[PATH_MAX];

    if (!registry_directory(context->state_dir, directory, sizeof directory)) {
        failure_set(&failure, "%s: path too long", context->state_dir);
    } else if (clock_now(&table->now, &failure) == 0) {
        facts->incomplete |= session_table_find(context, directory, &facts->audit.view, table) != 0;
        if (table->count > 0 && table->row[0].left_ms != NEVER_MS && facts->enforced)
            facts->next = &table->row[0];
        return count_logins(facts);
    }
    report("%s", failure.text);
    facts->incomplete = true;
    return 0;
}

/* What is counted of all users who have a ledger. */
struct ledger_count {
    const struct tmoutctl_context *context;
    struct status_facts *facts;
    struct mac_ledgers labels;
};

static void count_ledger(void *context, struct account *account, struct user_attempts *attempts,
                         const char *unread)
{
    struct ledger_count *count = context;
    struct status_facts *facts = count->facts;
    bool is_locked = attempts->damaged;

    for (size_t i = 0; i < attempts->count_size; i++)
        is_locked = is_locked || attempts->count[i].lock_left_ms != 0;
    facts->locked += is_locked;
    if (attempts->limited && unread == NULL && attempts->fault.text[0] == '\0')
        find_wrong_label(count->context, account->uid, &count->labels, &attempts->fault);
    if (attempts->fault.text[0] == '\0' || facts->rejected++ > 0)
        return;
    snprintf(facts->first_rejected, sizeof facts->first_rejected, "%s", account->name);
    facts->first_fault = attempts->fault;
}

static void count_ledgers(const struct tmoutctl_context *context, struct status_facts *facts)
{
    struct ledger_count count = {.context = context, .facts = facts};

    mac_ledgers_begin(&count.labels, &context->host, &mac_running_kernel, context->state_dir);
    find_rejecting(context, NOBODYS_UID, false, &count.labels, &facts->rejecting);
    if (ledger_holders_each(context, &facts->audit.view, count_ledger, &count) != 0)
        facts->incomplete = true;
}

int status_find(const struct tmoutctl_context *context, struct status_facts *facts)
{
    struct failure unused = {""};
    int result = 0;

    *facts = (struct status_facts){
        .audit = {.host = &context->host, .owner = geteuid(), .context = context}};
    (void)audit_areas(&facts->audit, NULL, &unused);
    for (size_t i = 0; i < facts->audit.findings.count; i++)
        facts->found[facts->audit.findings.item[i]->status]++;
    facts->enforced = tmoutd_ends_logins_of(context->state_dir);
    if (facts->audit.has_view) {
        result = find_logins(context, facts);
        count_ledgers(context, facts);
    }
    if (result == 0 && !facts->audit.findings.out_of_memory)
        return 0;
    report("out of memory");
    status_free(facts);
    return -1;
}

void status_free(struct status_facts *facts)
{
    free(facts->sessions.row);
    facts->sessions = (struct session_table){0};
    audit_free(&facts->audit);
}

enum policy_state status_policy_state(const struct status_facts *facts)
{
    return facts->audit.has_view ? facts->audit.view.state : POLICY_NONE;
}

bool status_is_fine(const struct status_facts *facts)
{
    return facts->found[AUDIT_FAIL] == 0 && facts->rejecting.text[0] == '\0' &&
           facts->rejected == 0;
}

size_t status_pam_failures(const struct status_facts *facts)
{
    const struct findings *findings = &facts->audit.findings;
    size_t count = 0;

    for (size_t i = 0; i < findings->count; i++)
        count += findings->item[i]->status == AUDIT_FAIL &&
                 strncmp(audit_checks[findings->item[i]->check].id, "pam-", 4) == 0;
    return count;
}
