/*
 * Login attempts in a ledger, as told on standard input, for the comparison with the
 * fleet's script. The caller sets the clock. One line of output for each line of input:
 *
 *     limits MAX_ATTEMPTS WINDOW_MS LOCK_MS BY_SOURCE    ok (-1: forever)
 *     new DIRECTORY              ok: the ledger is in this directory from now on
 *     admit N ADDRESS NOW_MS     STATUS FAILURES IN_FLIGHT LOCK_LEFT_MS
 *     settle N OUTCOME NOW_MS    the same
 *     die N                      ok: attempt N loses its process
 *     forget NOW_MS              FAILURES LOCKED
 *     look NOW_MS                ORIGIN|FAILURES|IN_FLIGHT|LOCK_LEFT_MS;...
 *     tag ADDRESS                what tells the address in records that are shared
 */
#include "lib/attempts/ledger.h"
#include "lib/attempts/ledger_unlock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { USER = 4711, ATTEMPTS = 4096 };

static struct ledger attempt[ATTEMPTS];
static bool is_open[ATTEMPTS];
static struct attempt_limits limits;
static char directory[256];

static struct timestamp at(int64_t ms)
{
    return (struct timestamp){.boot_id = {1}, .boot_ms = ms, .wall_ms = 1000000000 + ms};
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "ledger_driver: %s: %s\n", what, why);
    exit(1);
}

static int64_t left_ms(int64_t ms)
{
    return ms == SETTING_FOREVER ? -1 : ms;
}

static void close_attempt(unsigned n)
{
    if (is_open[n])
        ledger_close(&attempt[n]);
    is_open[n] = false;
}

static void print_report(const struct attempt_report *report)
{
    static const int status[] = {[ADMITTED] = 0, [REJECTED_BUSY] = 1, [REJECTED_LOCKED] = 2};

    printf("%d %u %u %" PRId64 "\n", status[report->admission], report->failures, report->in_flight,
           left_ms(report->lock_left_ms));
}

static void admit(unsigned n, const char *address, int64_t ms)
{
    const struct origin origin = origin_of_address(address);
    const struct timestamp now = at(ms);
    struct attempt_report report;
    struct failure failure = {""};

    close_attempt(n);
    if (ledger_open(directory, USER, geteuid(), &now, &attempt[n], &failure) != LEDGER_OK ||
        ledger_admit(&attempt[n], &origin, &limits, &now, &report, &failure) != LEDGER_OK)
        fail("admit", failure.text);
    is_open[n] = true;
    if (report.admission != ADMITTED)
        close_attempt(n);
    print_report(&report);
}

static void settle(unsigned n, int outcome, int64_t ms)
{
    const struct timestamp now = at(ms);
    struct attempt_report report;
    struct failure failure = {""};

    if (!is_open[n] || ledger_settle(&attempt[n], (enum attempt_outcome)outcome, &limits, &now,
                                     &report, &failure) != LEDGER_OK)
        fail("settle", failure.text);
    close_attempt(n);
    print_report(&report);
}

static void forget(int64_t ms)
{
    const struct ledger_unlocking unlocking = {.state_dir = directory,
                                               .uid = USER,
                                               .owner = geteuid(),
                                               .now = at(ms),
                                               .until_ms = UNLOCK_ALL};
    struct ledger_unlocked unlocked = {0};
    struct failure failure = {""};

    if (ledger_unlock(&unlocking, &unlocked, &failure) == LEDGER_FAILED)
        fail("forget", failure.text);
    printf("%u %d\n", unlocked.failures, unlocked.locked);
}

static void look(int64_t ms)
{
    const struct timestamp now = at(ms);
    struct failure failure = {""};
    struct attempt_state state;
    struct ledger view;

    if (ledger_open_view(directory, USER, geteuid(), &view, &failure) == LEDGER_OK) {
        for (uint32_t i = 1; i < view.record_count; i++) {
            char text[ORIGIN_TEXT_MAX];
            if (ledger_look(&view, i, &limits, &now, &state) != 1 ||
                (state.failures == 0 && state.in_flight == 0 && state.lock_left_ms == 0))
                continue;
            origin_format(&state.origin, text, sizeof text);
            printf("%s|%u|%u|%" PRId64 ";", text, state.failures, state.in_flight,
                   left_ms(state.lock_left_ms));
        }
        ledger_close(&view);
    }
    printf("\n");
}

static void obey(const char *line)
{
    char address[64];
    unsigned n, by_source;
    int outcome;
    int64_t ms, window, lock;

    if (sscanf(line, "limits %u %" SCNd64 " %" SCNd64 " %u", &n, &window, &lock, &by_source) == 4) {
        limits = (struct attempt_limits){.max_attempts = n,
                                         .window_ms = window,
                                         .lock_ms = lock < 0 ? SETTING_FOREVER : lock,
                                         .by_source = by_source != 0};
        printf("ok\n");
    } else if (sscanf(line, "new %255s", directory) == 1) {
        for (n = 0; n < ATTEMPTS; n++)
            close_attempt(n);
        printf("ok\n");
    } else if (sscanf(line, "admit %u %63s %" SCNd64, &n, address, &ms) == 3 && n < ATTEMPTS) {
        admit(n, address, ms);
    } else if (sscanf(line, "settle %u %d %" SCNd64, &n, &outcome, &ms) == 3 && n < ATTEMPTS) {
        settle(n, outcome, ms);
    } else if (sscanf(line, "die %u", &n) == 1 && n < ATTEMPTS) {
        close_attempt(n);
        printf("ok\n");
    } else if (sscanf(line, "forget %" SCNd64, &ms) == 1) {
        forget(ms);
    } else if (sscanf(line, "look %" SCNd64, &ms) == 1) {
        look(ms);
    } else if (sscanf(line, "tag %63s", address) == 1) {
        const struct origin origin = origin_of_address(address);
        printf("%u\n", origin_tag(&origin));
    } else {
        fail("unknown command", line);
    }
}

int main(void)
{
    char line[512];

    umask(022);
    while (fgets(line, sizeof line, stdin) != NULL) {
        obey(line);
        fflush(stdout);
    }
    return 0;
}
