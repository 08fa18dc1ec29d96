/*
 * tmoutctl apply: compiles the policy's text into a snapshot, the only way in
 * which a policy comes into force. Run by administrators, and with --quiet by
 * the module at the first login after a change.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "lib/attempts/ledger_remove.h"
#include "lib/host/atomic_file.h"
#include "lib/policy/compile.h"
#include "lib/policy/snapshot_read.h"
#include "lib/policy/snapshot_write.h"
#include "tools/tmoutctl/host/event_log.h"
#include "tools/tmoutctl/host/journal_stream.h"
#include "tools/tmoutctl/host/state_directory.h"
#include "tools/tmoutctl/host/user_attempts.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/print_problems.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum {
    LOCK_WAIT_SEC = 10,
    /* The longest tick with which a kernel stamps files (100 Hz), doubled. */
    TICK_NS = 20 * 1000 * 1000,
    SECOND_NS = 1000 * 1000 * 1000
};

/* What one run works with. */
struct application {
    const struct tmoutctl_context *context;
    int state_fd, lock_fd;
    struct source_set sources;
    struct policy policy;
    struct problems problems;
};

static void on_alarm(int signal_number)
{
    (void)signal_number; /* only interrupts flock() */
}

/* The state of another user is not for us; what else may fail is not about who we are. */
static enum report_kind state_report_kind(void)
{
    return geteuid() != 0 ? REPORT_PERMISSION : REPORT_FAILURE;
}

/* Waits until no other apply runs. The lock is released when the process ends. */
static int lock_state(struct application *a)
{
    const struct sigaction interrupt = {.sa_handler = on_alarm};
    int result;

    a->lock_fd = openat(a->state_fd, "apply.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (a->lock_fd < 0) {
        report_as(state_report_kind(),
                  "cannot apply the policy: %s/apply.lock: %s; see tmout-recovery(7)",
                  a->context->state_dir, failure_reason(errno));
        return -1;
    }
    sigaction(SIGALRM, &interrupt, NULL);
    alarm(LOCK_WAIT_SEC);
    result = flock(a->lock_fd, LOCK_EX);
    alarm(0);
    if (result != 0)
        report("%s/apply.lock: %s", a->context->state_dir,
               errno == EINTR ? "locked by another tmoutctl apply: try again when it has finished"
                              : failure_reason(errno));
    return result;
}

static int open_state(struct application *a)
{
    struct failure failure = {""};

    a->state_fd = state_directory_open(a->context->state_dir, &failure);
    if (a->state_fd < 0) {
        report_as(state_report_kind(), "%s; see tmout-recovery(7)", failure.text);
        return -1;
    }
    return lock_state(a);
}

/* Is there an intact record of this kind, made from the policy as it is now? */
static bool is_current(const struct application *a, enum snapshot_kind kind)
{
    struct snapshot snapshot;
    struct failure failure = {""};
    bool current;

    if (snapshot_open(a->context->state_dir, kind, geteuid(), &snapshot, &failure) != SNAPSHOT_OK)
        return false;
    current =
        snapshot_is_current(&snapshot, a->context->config_path) && snapshot_is_intact(&snapshot);
    snapshot_close(&snapshot);
    return current;
}

/*
 * Reads the sources. A file that was changed within the current clock tick
 * could be changed again with the same timestamp, unnoticed: then one tick is
 * waited out, and the sources are read again.
 */
static int read_sources(struct application *a)
{
    struct timespec now;

    if (sources_read(a->context->config_path, geteuid(), &a->sources, &a->problems) != 0)
        return -1;
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t newest_ns = sources_newest_change_ns(&a->sources);
    const int64_t age_ns = (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec - newest_ns;
    /* Some file systems store whole seconds only. */
    const int64_t tick_ns = newest_ns % SECOND_NS == 0 ? SECOND_NS : TICK_NS;
    if (age_ns < 0 || age_ns > tick_ns)
        return 0;
    const struct timespec rest = {.tv_sec = tick_ns / SECOND_NS,
                                  .tv_nsec = (long)(tick_ns % SECOND_NS)};
    nanosleep(&rest, NULL);
    return sources_read(a->context->config_path, geteuid(), &a->sources, &a->problems);
}

static int write_record(const struct application *a, enum snapshot_kind kind, const char *message)
{
    const char *name = kind == SNAPSHOT_POLICY ? SNAPSHOT_POLICY_NAME : SNAPSHOT_REJECTED_NAME;
    unsigned char *image = NULL;
    size_t size = 0;
    int result = -1;

    if (snapshot_encode(&(struct snapshot_content){kind, &a->sources,
                                                   kind == SNAPSHOT_POLICY ? &a->policy : NULL,
                                                   message, (int64_t)time(NULL)},
                        &image, &size) == 0)
        result = atomic_replace(a->state_fd, name, 0644, image, size);
    if (result != 0)
        report("%s/%s: cannot write: %s; see tmout-recovery(7)", a->context->state_dir, name,
               failure_reason(errno));
    free(image);
    return result;
}

/* Is there a policy in force, and since when? */
static bool find_in_force(const struct application *a, int64_t *since_sec)
{
    struct snapshot snapshot;
    struct failure failure = {""};

    if (snapshot_open(a->context->state_dir, SNAPSHOT_POLICY, geteuid(), &snapshot, &failure) !=
        SNAPSHOT_OK)
        return false;
    *since_sec = snapshot.created_sec;
    snapshot_close(&snapshot);
    return true;
}

/* Which policy applies to logins while the text is rejected. */
static const char *describe_policy_in_force(const struct application *a, char *text, size_t size)
{
    int64_t since_sec;
    char when[64];

    if (!find_in_force(a, &since_sec))
        return "no policy is in force";
    format_time(since_sec, when, sizeof when);
    snprintf(text, size, "the policy applied on %s stays in force", when);
    return text;
}

/* In the unit, standard error is the journal: there the line gets its MESSAGE_ID and
 * fields, instead of being printed. False: it has to be printed. */
static bool log_rejection(const struct application *a, const char *text)
{
    const struct problem *first = problems_first_bad(&a->problems);
    char rule[FAILURE_TEXT_MAX];
    struct log_entry entry;

    if (!is_journal_stream(STDERR_FILENO))
        return false;
    log_entry_begin(&entry, LOG_EVENT_POLICY_INVALID, LOG_ERR, "%s", text);
    log_entry_add_field(&entry, "policy", a->context->config_path);
    if (first != NULL && first->file != NULL) {
        snprintf(rule, sizeof rule, "%s:%u", first->file, first->line);
        log_entry_add_field(&entry, "rule", rule);
    }
    return event_to_journal(&entry);
}

static json_t *applied_json(const struct application *a, bool applied)
{
    int64_t since_sec = 0;
    const bool in_force = find_in_force(a, &since_sec);
    json_t *files = json_array();

    for (size_t i = 0; i < a->sources.count; i++)
        if (a->sources.item[i].identity.kind == SOURCE_FILE)
            files = json_add_row(files, json_text(a->sources.item[i].path));
    return json_pack("{s:b, s:o, s:I, s:o, s:o, s:o}", "applied", applied, "files", files, "rules",
                     (json_int_t)a->policy.count, "since",
                     in_force ? json_integer(since_sec) : json_null(), "since_time",
                     in_force ? json_time(since_sec) : json_null(), "problems",
                     problems_json(&a->problems));
}

static int reject_policy(struct application *a)
{
    char summary[1024], in_force[128], text[sizeof summary + sizeof in_force + 32];
    const char *stays = describe_policy_in_force(a, in_force, sizeof in_force);

    summarize_problems(&a->problems, summary, sizeof summary);
    report_keep_problems(&a->problems);
    if (a->context->quiet) {
        snprintf(text, sizeof text, "%s; %s; run \"tmoutctl check\"", summary, stays);
        if (!log_rejection(a, text))
            report("%s", text);
    } else {
        print_problems(stderr, &a->problems, false);
        report("policy not applied; %s", stays);
    }
    const int status =
        write_record(a, SNAPSHOT_REJECTED, summary) == 0 ? TMOUTCTL_NO : TMOUTCTL_FAILURE;
    return a->context->json ? print_json(applied_json(a, false), status) : status;
}

static int accept_policy(struct application *a)
{
    char in_force[128];

    if (write_record(a, SNAPSHOT_POLICY, "") != 0) {
        report("policy not applied; %s", describe_policy_in_force(a, in_force, sizeof in_force));
        return TMOUTCTL_FAILURE;
    }
    unlinkat(a->state_fd, SNAPSHOT_REJECTED_NAME, 0);
    ledger_remove_strays(a->context->state_dir, geteuid());
    if (a->context->json)
        return print_json(applied_json(a, true), TMOUTCTL_FINE);
    if (a->context->quiet)
        return TMOUTCTL_FINE;
    print_problems(stdout, &a->problems, true);
    printf("applied: %zu rule%s from %s\n", a->policy.count, a->policy.count == 1 ? "" : "s",
           a->context->config_path);
    return finish(TMOUTCTL_FINE);
}

static int compile_and_write(struct application *a)
{
    char summary[1024], in_force[128];

    if (read_sources(a) != 0) {
        report("out of memory");
        return TMOUTCTL_FAILURE;
    }
    switch (policy_compile_sources(&a->sources, &a->policy, &a->problems)) {
    case 0:
        return accept_policy(a);
    case 1:
        return reject_policy(a);
    default:
        summarize_problems(&a->problems, summary, sizeof summary);
        report("%s; %s", summary, describe_policy_in_force(a, in_force, sizeof in_force));
        return TMOUTCTL_FAILURE;
    }
}

static int apply_policy(const struct tmoutctl_context *context,
                        const struct verb_arguments *arguments)
{
    struct application a = {.context = context, .state_fd = -1, .lock_fd = -1};
    int status = TMOUTCTL_FAILURE;

    (void)arguments;
    if (is_others_state(context))
        return cli_must_be_root();
    /* A file size limit or a closed pipe must give an error, not kill the process
     * before it has cleaned up. */
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);

    if (open_state(&a) != 0)
        goto out;
    /* Of several logins at the same time, the first one compiles; a text that was
     * rejected is reported once. */
    const bool is_login = context->quiet && !context->json;
    if (is_login && is_current(&a, SNAPSHOT_POLICY))
        status = TMOUTCTL_FINE;
    else if (is_login && is_current(&a, SNAPSHOT_REJECTED))
        status = TMOUTCTL_NO;
    else
        status = compile_and_write(&a);

out:
    problems_free(&a.problems);
    policy_free(&a.policy);
    sources_free(&a.sources);
    if (a.lock_fd >= 0)
        close(a.lock_fd);
    if (a.state_fd >= 0)
        close(a.state_fd);
    return status;
}

const struct verb verb_apply = {
    .name = "apply",
    .usage = "[--quiet]",
    .summary = "check the policy and put it in force",
    .help = "Checks the policy and compiles it into the snapshot that logins read. If the\n"
            "policy has errors, all of them are printed, and the one in force stays. The\n"
            "first login after an edit does the same.",
    .json_version = 1,
    .run = apply_policy,
};
