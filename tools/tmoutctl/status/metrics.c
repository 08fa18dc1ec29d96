#include "tools/tmoutctl/status/metrics.h"

#include "lib/host/atomic_file.h"
#include "lib/host/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_head(FILE *to, const char *name, const char *help)
{
    fprintf(to, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void print_gauge(FILE *to, const char *name, const char *help, int64_t value)
{
    print_head(to, name, help);
    fprintf(to, "%s %" PRId64 "\n", name, value);
}

static void print_counter(FILE *to, const char *name, const char *help, uint64_t value)
{
    fprintf(to, "# HELP %s %s\n# TYPE %s counter\n%s_total %" PRIu64 "\n", name, help, name, name,
            value);
}

static void print_seconds(FILE *to, const char *name, const char *help, int64_t us)
{
    print_head(to, name, help);
    fprintf(to, "%s %.6f\n", name, (double)us / 1e6);
}

static void print_fleet_attempts(FILE *to, const struct fleet_state *state)
{
    print_counter(to, "tmout_fleet_asked", "Attempts that the fleet was asked for.", state->asked);
    print_counter(to, "tmout_fleet_admitted", "Attempts that the fleet has admitted.",
                  state->admitted);
    print_counter(to, "tmout_fleet_locked", "Attempts rejected because of a lock on all hosts.",
                  state->locked);
    print_counter(to, "tmout_fleet_away", "Attempts that did not get an answer of the store.",
                  state->away);
    print_counter(to, "tmout_fleet_alone", "Attempts that this host has admitted by itself.",
                  state->alone);
}

static void print_fleet_hosts(FILE *to, const struct fleet_view *view)
{
    int64_t present = 0, other = 0;

    for (size_t i = 0; i < view->hosts; i++) {
        const bool is_present = fleet_host_is_present(&view->host[i]);
        present += is_present;
        other += is_present && fleet_host_differs(view, &view->host[i]);
    }
    print_gauge(to, "tmout_fleet_hosts", "Hosts that have used the store in the last hour.",
                present);
    print_gauge(to, "tmout_fleet_hosts_other_policy",
                "Those of them that have other rules about failed logins.", other);
}

void fleet_print_metrics(FILE *to, const struct fleet_view *view, bool is_all)
{
    const struct fleet_state *state = &view->state;

    if (view->is_configured)
        print_gauge(to, "tmout_fleet_store_reached", "Whether the store can be reached.",
                    fleet_view_is_up(view));
    if (fleet_view_is_up(view)) {
        print_seconds(to, "tmout_fleet_latency_seconds", "Of the store's last answer.",
                      state->latency_us);
        print_seconds(to, "tmout_fleet_clock_ahead_seconds",
                      "How far the store's clock is ahead of this host's.",
                      state->clock_ahead_ms * 1000);
    }
    if (view->is_known) {
        print_seconds(to, "tmout_fleet_store_away_seconds",
                      "How long the store was away since tmout-fleetd was started.",
                      state->away_ms * 1000);
        print_fleet_attempts(to, state);
    }
    if (fleet_view_is_up(view))
        print_fleet_hosts(to, view);
    if (is_all)
        fputs("# EOF\n", to);
}

static void print_metric_findings(FILE *to, const struct status_facts *facts)
{
    static const char *const status[] = {
        [AUDIT_PASS] = "pass", [AUDIT_NOTE] = "note", [AUDIT_WARN] = "warn", [AUDIT_FAIL] = "fail"};

    print_head(to, "tmout_audit_findings", "Findings of tmoutctl audit.");
    for (size_t i = 0; i < sizeof status / sizeof *status; i++)
        fprintf(to, "tmout_audit_findings{status=\"%s\"} %zu\n", status[i], facts->found[i]);
}

void status_print_metrics(FILE *to, const struct status_facts *facts)
{
    const enum policy_state state = status_policy_state(facts);
    const struct policy_view *view = &facts->audit.view;

    print_gauge(to, "tmout_policy_in_force", "Whether a policy is in force.", view->has_applied);
    print_gauge(to, "tmout_policy_rejected", "Whether an edit of the policy is invalid.",
                state == POLICY_REJECTED || (state == POLICY_NONE && !view->has_applied));
    if (view->has_applied)
        print_gauge(to, "tmout_policy_applied_timestamp_seconds",
                    "When the policy in force was applied.", view->applied_sec);
    print_gauge(to, "tmout_daemon_running", "Whether tmoutd is running.",
                facts->audit.tmoutd_is_running);
    if (!facts->incomplete && facts->audit.has_view) {
        print_gauge(to, "tmout_logins", "Logins that are registered.", (int64_t)facts->logins);
        print_gauge(to, "tmout_locked_users", "Users who are locked after failed logins.",
                    (int64_t)facts->locked);
        print_gauge(to, "tmout_rejected_users",
                    "Users whose passwords are rejected because of a fault of their ledger.",
                    (int64_t)facts->rejected);
    }
    if (facts->next != NULL)
        print_gauge(to, "tmout_next_end_seconds",
                    "Until the next login is ended, if it stays idle.",
                    facts->next->left_ms / 1000);
    print_gauge(to, "tmout_passwords_rejected",
                "Whether passwords, of all users or of some, cannot be counted and are rejected.",
                facts->rejecting.text[0] != '\0' || facts->rejected > 0);
    print_metric_findings(to, facts);
    fleet_print_metrics(to, &facts->audit.fleet, false);
    fputs("# EOF\n", to);
}

/* Replaces the file at path. Returns 0, or -1 with errno. */
static int replace_metrics(const char *path, const char *text, size_t size)
{
    const char *const slash = strrchr(path, '/');
    const char *const name = slash != NULL ? slash + 1 : path;
    char *const directory = slash == NULL   ? strdup(".")
                            : slash == path ? strdup("/")
                                            : strndup(path, (size_t)(slash - path));
    int result = -1, fd = -1;

    if (directory != NULL)
        fd = fd_above_stdio(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd >= 0) {
        result = atomic_replace_unlocked(fd, name, 0644, text, size);
        const int error = errno;
        close(fd);
        errno = error;
    }
    free(directory);
    return result;
}

int status_write_metrics(const char *path, const struct status_facts *facts,
                         struct failure *failure)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    bool made = memory != NULL;
    int result = -1;

    if (made) {
        status_print_metrics(memory, facts);
        made = !ferror(memory);
        made = fclose(memory) == 0 && made;
    }
    if (!made)
        failure_set(failure, "out of memory");
    else if (replace_metrics(path, text, size) != 0)
        failure_set(failure, "%s: cannot write: %s", path, strerror(errno));
    else
        result = 0;
    free(text);
    return result;
}
