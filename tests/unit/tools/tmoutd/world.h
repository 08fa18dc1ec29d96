/*
 * A registry, a policy in force, and processes in the place of logins, below a
 * test's own directory.
 */
#ifndef TMOUT_TESTS_UNIT_TOOLS_TMOUTD_WORLD_H
#define TMOUT_TESTS_UNIT_TOOLS_TMOUTD_WORLD_H

#include "tests/unit/child.h"
#include "tests/unit/policy_text.h"
#include "tests/unit/temporary.h"

#include "lib/host/account.h"
#include "lib/policy/snapshot_write.h"
#include "lib/sessions/registry.h"

#include <signal.h>
#include <sys/prctl.h>

struct world {
    char state_dir[64], sessions_dir[64];
    char user[256]; /* of this process */
};

static inline void world_begin(struct world *world, const char *directory)
{
    char *user = account_name_of(geteuid());

    assert_non_null(user);
    snprintf(world->state_dir, sizeof world->state_dir, "%s/state", directory);
    snprintf(world->sessions_dir, sizeof world->sessions_dir, "%s/sessions", directory);
    snprintf(world->user, sizeof world->user, "%s", user);
    free(user);
    assert_int_equal(mkdir(world->state_dir, 0755), 0);
    assert_int_equal(mkdir(world->sessions_dir, 0755), 0);
}

/* Makes this the policy in force, as tmoutctl apply does: by rename(2). */
static inline void put_policy(const struct world *world, const char *text)
{
    struct compiled c;
    unsigned char *image = NULL;
    size_t size = 0;
    char *path = path_in(world->state_dir, "policy.v1"), *new = path_in(world->state_dir, "new");

    compile_text(&c, text);
    assert_int_equal(c.outcome, 0);
    assert_int_equal(
        snapshot_encode(&(struct snapshot_content){SNAPSHOT_POLICY, &c.sources, &c.policy, "", 1},
                        &image, &size),
        0);
    write_bytes(new, image, size);
    assert_int_equal(rename(new, path), 0);
    free(image);
    free(path);
    free(new);
    compiled_free(&c);
}

/* A process that does nothing, to be registered: the watch follows it by a pidfd. */
static inline pid_t begin_process(void)
{
    need_pidfd();
    const pid_t pid = child_begin();

    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL); /* the daemon blocks some */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return pid;
}

static inline void end_process(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Registers it as a login of this user over SSH that began ten seconds ago. */
static inline struct session_record put_login(const struct world *world, pid_t pid)
{
    struct session_record record;
    struct process process;
    struct failure failure = {""};

    memset(&record, 0, sizeof record);
    assert_int_equal(process_read(pid, &process), 0);
    record.pid = pid;
    record.is_ssh = true;
    record.start_ticks = process.start_ticks;
    record.audit_session = NO_AUDIT_SESSION;
    record.uid = NO_UID;
    assert_int_equal(clock_now(&record.since, &failure), 0);
    record.since.boot_ms -= 10 * 1000;
    strcpy(record.user, world->user);
    strcpy(record.service, "sshd");
    strcpy(record.address, "192.0.2.1");
    if (registry_put(world->sessions_dir, geteuid(), &record, &failure) != 0)
        fail_msg("%s", failure.text);
    return record;
}

static inline bool is_registered(const struct world *world, pid_t pid)
{
    struct session_record record;

    return registry_get(world->sessions_dir, geteuid(), pid, &record) == REGISTRY_OK;
}

#endif
