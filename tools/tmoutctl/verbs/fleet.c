/*
 * tmoutctl fleet [--openmetrics]: how the store is that the hosts of a fleet share, as seen from
 * this one. docs/fleet-1.schema.json describes what --json prints.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "tools/tmoutctl/host/fleet_view.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/status/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- for people ----------------------------------------------------------- */

static void print_reached(const struct fleet_state *state)
{
    printf("latency   %.1f ms, lately %.1f ms at worst\n", (double)state->latency_us / 1000,
           (double)state->worst_us / 1000);
    printf("clock     %.1f s %s this host's\n", (double)llabs(state->clock_ahead_ms) / 1000,
           state->clock_ahead_ms < 0 ? "behind" : "ahead of");
    printf("replicas  %u\n", state->replicas);
}

static void print_asked(const struct fleet_state *state)
{
    char running[64], away[64];

    fleet_view_time(state->running_ms, running, sizeof running);
    fleet_view_time(state->away_ms, away, sizeof away);
    printf("running   %s, of which the store was away for %s\n", running, away);
    printf("asked     %" PRIu64 " attempts: %" PRIu64 " admitted, %" PRIu64 " locked, %" PRIu64
           " told that the store is away; %" PRIu64 " have waited\n",
           state->asked, state->admitted, state->locked, state->away, state->waited);
    printf("alone     %" PRIu64 " admitted by this host without the store\n", state->alone);
    printf("now       %u in progress; %u remembered for the store\n", state->clients,
           state->journal);
}

/* Those that were seen lately, or only those of them that have another policy. */
static void print_hosts(const struct fleet_view *view, bool that_differ, const char *heading)
{
    size_t count = 0;

    for (size_t i = 0; i < view->hosts; i++) {
        const struct fleet_host *host = &view->host[i];
        if (!fleet_host_is_present(host) || (that_differ && !fleet_host_differs(view, host)))
            continue;
        fputs(count++ == 0 ? heading : ", ", stdout);
        print_clean(host->name);
    }
    if (count > 0)
        putchar('\n');
}

static void print_fleet(const struct fleet_view *view)
{
    const struct fleet_state *state = &view->state;
    char text[FLEET_VIEW_TEXT_MAX];

    if (!view->is_configured) {
        puts("this host shares no login attempts: there is no tmout-fleet.conf");
        return;
    }
    fleet_view_describe(view, text, sizeof text);
    fputs("store     ", stdout);
    print_clean(text);
    putchar('\n');
    if (!view->is_known)
        return;
    fputs("endpoint  ", stdout);
    print_clean(state->endpoint[0] != '\0' ? state->endpoint : "-");
    puts(state->tls != 0 ? ", with TLS" : ", without TLS");
    fputs("host      ", stdout);
    print_clean(state->host);
    putchar('\n');
    if (fleet_view_is_up(view))
        print_reached(state);
    print_asked(state);
    print_hosts(view, false, "hosts     in the last hour: ");
    print_hosts(view, true, "policy    other rules about failed logins on: ");
}

/* --- for programs --------------------------------------------------------- */

static json_t *milliseconds_json(int64_t ms)
{
    return json_real((double)ms / 1000);
}

static json_t *counters_json(const struct fleet_state *state)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "asked", (json_int_t)state->asked,
                     "admitted", (json_int_t)state->admitted, "waited", (json_int_t)state->waited,
                     "locked", (json_int_t)state->locked, "away", (json_int_t)state->away, "alone",
                     (json_int_t)state->alone);
}

static json_t *store_json(const struct fleet_view *view)
{
    static const char *const word[] = {[FLEET_STORE_STARTING] = "starting",
                                       [FLEET_STORE_AWAY] = "away",
                                       [FLEET_STORE_MERGING] = "merging",
                                       [FLEET_STORE_UP] = "reached"};
    const struct fleet_state *state = &view->state;

    return json_pack(
        "{s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:I}", "state", word[state->store], "endpoint",
        json_text_or_null(state->endpoint[0] != '\0' ? state->endpoint : NULL), "tls",
        state->tls != 0, "since", milliseconds_json(state->since_ms), "reason",
        json_text_or_null(state->store == FLEET_STORE_AWAY ? state->why : NULL), "latency",
        fleet_view_is_up(view) ? json_real((double)state->latency_us / 1e6) : json_null(),
        "clock_ahead",
        fleet_view_is_up(view) ? milliseconds_json(state->clock_ahead_ms) : json_null(), "replicas",
        fleet_view_is_up(view) ? json_integer((json_int_t)state->replicas) : json_null(),
        "connections", (json_int_t)state->connections);
}

static json_t *daemon_json(const struct fleet_view *view)
{
    const struct fleet_state *state = &view->state;

    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:o}", "host", json_text(state->host), "running",
                     milliseconds_json(state->running_ms), "store_away",
                     milliseconds_json(state->away_ms), "in_progress", (json_int_t)state->clients,
                     "remembered", (json_int_t)state->journal, "attempts", counters_json(state));
}

static json_t *all_hosts_json(const struct fleet_view *view)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < view->hosts; i++)
        rows =
            json_add_row(rows, json_pack("{s:o, s:o, s:b}", "name", json_text(view->host[i].name),
                                         "seen", milliseconds_json(view->host[i].seen_ms),
                                         "differs", fleet_host_differs(view, &view->host[i])));
    return rows;
}

static json_t *fleet_view_json(const struct fleet_view *view)
{
    const bool unknown = view->is_configured && !view->is_known;

    return json_pack("{s:b, s:b, s:o, s:o, s:o, s:o}", "configured", view->is_configured, "fine",
                     !view->is_configured || fleet_view_is_up(view), "reason",
                     json_text_or_null(unknown ? view->why.text : NULL), "store",
                     view->is_known ? store_json(view) : json_null(), "daemon",
                     view->is_known ? daemon_json(view) : json_null(), "hosts",
                     all_hosts_json(view));
}

/* --- the command ---------------------------------------------------------- */

enum { OPTION_OPENMETRICS };

static const struct verb_option options[] = {
    [OPTION_OPENMETRICS] = {"openmetrics", NULL, "print metrics for node_exporter", 0},
    {0},
};

static int run_fleet(const struct tmoutctl_context *context, const struct verb_arguments *arguments)
{
    struct fleet_view view;

    if (geteuid() != 0 && context->host.root[0] == '\0')
        return cli_must_be_root();
    fleet_view_find(context, &view);
    const int status = !view.is_configured || fleet_view_is_up(&view) ? TMOUTCTL_FINE : TMOUTCTL_NO;
    if (context->json)
        return print_json(fleet_view_json(&view), status);
    if (arguments->option[OPTION_OPENMETRICS] != NULL)
        fleet_print_metrics(stdout, &view, true);
    else if (!context->quiet || status != TMOUTCTL_FINE)
        print_fleet(&view);
    return finish(status);
}

const struct verb verb_fleet = {
    .name = "fleet",
    .usage = "[--openmetrics]",
    .summary = "see how the store is that the hosts of a fleet share",
    .help = "Tells whether tmout-fleetd reaches the store, how fast it answers, how long it\n"
            "was away, what has become of the attempts that this host has asked for, and\n"
            "which hosts use the store and have other rules about failed logins. The exit\n"
            "status is 1 if the store cannot be reached. Must be run as root.",
    .options = options,
    .json_version = 1,
    .run = run_fleet,
};
