/* tmoutctl apply: a valid policy comes into force, an invalid one is recorded and
 * leaves the last one where it is. */
#include "tests/unit/child.h"
#include "tests/unit/tools/tmoutctl/captured.h"

#include "lib/policy/snapshot_read.h"
#include "tools/tmoutctl/verbs/verbs.h"

#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>

static const char GOOD[] = "default { tmout = 5m }\n";
static const char BAD[] = "default { tmuot = 5m tmout = 0 }\n";

static ino_t inode_of(const struct verb_place *place, const char *name)
{
    char *path = path_in(place->state, name);
    struct stat st = {0};

    const ino_t inode = stat(path, &st) == 0 ? st.st_ino : 0;
    free(path);
    return inode;
}

static int apply(const struct verb_place *place, struct captured *captured)
{
    return verb_run(&verb_apply, &place->context, NULL, captured);
}

static void assert_apply(const struct verb_place *place, int status, const char *out,
                         const char *err)
{
    struct captured captured;

    const int got = apply(place, &captured);
    assert_contains(captured.out, out);
    assert_contains(captured.err, err);
    assert_int_equal(captured.out[0] == '\0', out[0] == '\0');
    assert_int_equal(captured.err[0] == '\0', err[0] == '\0');
    assert_int_equal(got, status);
    captured_free(&captured);
}

/* The tmout of the default section that is in force. */
static int64_t tmout_in_force(const struct verb_place *place)
{
    struct snapshot snapshot;
    struct snapshot_rule rule;
    struct failure failure;

    assert_int_equal(snapshot_open(place->state, SNAPSHOT_POLICY, geteuid(), &snapshot, &failure),
                     SNAPSHOT_OK);
    assert_int_equal(snapshot_find(&snapshot, RULE_DEFAULT, "", &rule), 1);
    snapshot_close(&snapshot);
    return rule.setting[SETTING_TMOUT].value;
}

static void comes_into_force(void **state)
{
    struct verb_place place;
    struct stat st;

    umask(077); /* the directory and the snapshot are for everybody to read */
    place_open(&place, *state, GOOD);
    assert_apply(&place, TMOUTCTL_FINE, "applied: 1 rule from ", "");
    umask(022);
    assert_int_equal(tmout_in_force(&place), 300);
    assert_int_equal(stat(place.state, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    char *lock = path_in(place.state, "apply.lock");
    assert_int_equal(stat(lock, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    free(lock);
    assert_int_equal(alarm(0), 0); /* none is left that would kill the process */
    char *policy = path_in(place.state, SNAPSHOT_POLICY_NAME);
    assert_int_equal(stat(policy, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    free(policy);

    write_text(place.config, "default { tmout = 6m }\nuser \"kim\" { }\n");
    assert_apply(&place, TMOUTCTL_FINE, "applied: 2 rules from ", "");
    assert_int_equal(tmout_in_force(&place), 360);
    place_close(&place);
}

/* How often the policy's file was opened since the last call. Equal events in a row
 * would be one, so that there are others between them. */
static size_t count_opens(int inotify_fd)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    size_t count = 0;

    const ssize_t size = read(inotify_fd, events, sizeof events);
    for (const char *at = events; size > 0 && at < events + size;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
        count += event->mask == IN_OPEN;
        at += sizeof *event + event->len;
    }
    return count;
}

/* A file that was changed just now is read again after the clock's next tick. A
 * busy machine may let the tick pass before the first time. */
static void reads_fresh_files_twice(void **state)
{
    struct verb_place place;
    size_t opens = 0;
    const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    place_open(&place, *state, GOOD);
    assert_true(inotify_add_watch(fd, place.config, IN_OPEN | IN_CLOSE_NOWRITE) >= 0);
    for (int i = 0; i < 100 && opens < 2; i++) {
        write_text(place.config, GOOD);
        count_opens(fd);
        assert_apply(&place, TMOUTCTL_FINE, "applied", "");
        opens = count_opens(fd);
    }
    assert_int_equal(opens, 2);
    close(fd);
    place_close(&place);
}

static void prints_notes(void **state)
{
    char *drop_ins = path_in(*state, "tmout.conf.d"), *drop_in = path_in(drop_ins, "a.conf");
    struct verb_place place;

    place_open(&place, *state, GOOD);
    assert_int_equal(mkdir(drop_ins, 0755), 0);
    write_text(drop_in, "default { tmout = 7m }\n");
    assert_apply(&place, TMOUTCTL_FINE, "/tmout.conf:1 (note)\napplied: 1 rule", "");
    place.context.quiet = true;
    write_text(drop_in, "default { tmout = 8m }\n");
    assert_apply(&place, TMOUTCTL_FINE, "", "");
    assert_int_equal(tmout_in_force(&place), 480);
    place_close(&place);
    free(drop_ins);
    free(drop_in);
}

static void keeps_the_last_valid_one(void **state)
{
    struct verb_place place;
    struct snapshot snapshot;
    struct failure failure;
    char message[1024], *expected = NULL;

    place_open(&place, *state, BAD);
    assert_apply(&place, TMOUTCTL_NO, "", "tmoutctl: policy not applied; no policy is in force\n");
    write_text(place.config, GOOD);
    assert_apply(&place, TMOUTCTL_FINE, "applied", "");
    assert_int_equal(inode_of(&place, SNAPSHOT_REJECTED_NAME), 0);

    write_text(place.config, BAD);
    assert_apply(&place, TMOUTCTL_NO, "", "did you mean \"tmout\"?\n");
    assert_apply(&place, TMOUTCTL_NO, "", "is too short");
    assert_apply(&place, TMOUTCTL_NO, "", "policy not applied; the policy applied on 20");
    assert_int_equal(tmout_in_force(&place), 300);

    assert_int_equal(snapshot_open(place.state, SNAPSHOT_REJECTED, geteuid(), &snapshot, &failure),
                     SNAPSHOT_OK);
    snapshot_message(&snapshot, message, sizeof message);
    assert_true(snapshot_is_current(&snapshot, place.config));
    snapshot_close(&snapshot);
    assert_true(asprintf(&expected,
                         "%s:1: unknown setting \"tmuot\"; did you mean \"tmout\"? (and 1 more "
                         "error)",
                         place.config) > 0);
    assert_string_equal(message, expected);
    free(expected);
    place_close(&place);
}

/* As the module runs it: one line about an error, once, and nothing is compiled
 * twice. */
static void quietly(void **state)
{
    struct verb_place place;

    place_open(&place, *state, GOOD);
    place.context.quiet = true;
    assert_apply(&place, TMOUTCTL_FINE, "", "");
    const ino_t first = inode_of(&place, SNAPSHOT_POLICY_NAME);
    assert_apply(&place, TMOUTCTL_FINE, "", "");
    assert_int_equal(inode_of(&place, SNAPSHOT_POLICY_NAME), first);
    place.context.quiet = false;
    assert_apply(&place, TMOUTCTL_FINE, "applied", "");
    assert_int_not_equal(inode_of(&place, SNAPSHOT_POLICY_NAME), first);

    place.context.quiet = true;
    write_text(place.config, BAD);
    assert_apply(&place, TMOUTCTL_NO, "", "(and 1 more error); the policy applied on 20");
    assert_apply(&place, TMOUTCTL_NO, "", "");
    /* damaged, it is compiled again */
    char *rejected = path_in(place.state, SNAPSHOT_REJECTED_NAME);
    write_text(rejected, "damaged");
    assert_apply(&place, TMOUTCTL_NO, "", "(and 1 more error)");
    free(rejected);
    write_text(place.config, GOOD);
    assert_apply(&place, TMOUTCTL_FINE, "", "");
    assert_int_equal(inode_of(&place, SNAPSHOT_REJECTED_NAME), 0);
    place_close(&place);
}

static void without_a_policy(void **state)
{
    struct verb_place place;

    place_open(&place, *state, NULL);
    assert_apply(&place, TMOUTCTL_NO, "", "/tmout.conf: is missing;");
    assert_int_not_equal(inode_of(&place, SNAPSHOT_REJECTED_NAME), 0);
    place_close(&place);
}

static void unusable_state(void **state)
{
    struct verb_place place;
    char *lock, *policy, *inside;

    place_open(&place, *state, GOOD);
    lock = path_in(place.state, "apply.lock");
    policy = path_in(place.state, SNAPSHOT_POLICY_NAME);
    inside = path_in(policy, "file");

    assert_int_equal(symlink("state", place.state), 0);
    assert_apply(&place, TMOUTCTL_FAILURE, "", "cannot use the state directory: ");
    assert_int_equal(unlink(place.state), 0);
    assert_int_equal(mkdir(place.state, 0755), 0);
    assert_int_equal(chmod(place.state, 0777), 0);
    assert_apply(&place, TMOUTCTL_FAILURE, "", "cannot use the state directory: ");
    assert_int_equal(chmod(place.state, 0755), 0);
    assert_int_equal(mkdir(lock, 0755), 0);
    assert_apply(&place, TMOUTCTL_FAILURE, "", "cannot apply the policy: ");
    assert_int_equal(rmdir(lock), 0);
    assert_int_equal(symlink("elsewhere", lock), 0); /* is not followed */
    assert_apply(&place, TMOUTCTL_FAILURE, "", "cannot apply the policy: ");
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(mkdir(policy, 0755), 0);
    write_text(inside, "");
    assert_apply(&place, TMOUTCTL_FAILURE, "", "/policy.v1: cannot write: ");
    assert_apply(&place, TMOUTCTL_FAILURE, "", "policy not applied; no policy is in force");
    place_close(&place);
    free(inside);
    free(policy);
    free(lock);
}

static void on_signal(int number)
{
    (void)number;
}

/* While another process holds the lock it waits, until an alarm interrupts it.
 * Here a child sends the alarm, again and again, until it has taken effect. */
static void locked_by_another(void **state)
{
    const struct sigaction action = {.sa_handler = on_signal};
    struct verb_place place;
    struct captured captured;

    place_open(&place, *state, GOOD);
    assert_int_equal(mkdir(place.state, 0755), 0);
    char *lock = path_in(place.state, "apply.lock");
    const int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    sigaction(SIGALRM, &action, NULL);
    const pid_t parent = getpid(), child = child_begin();
    if (child == 0)
        while (kill(parent, SIGALRM) == 0)
            sched_yield();
    const int status = apply(&place, &captured);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(status, TMOUTCTL_FAILURE);
    assert_contains(captured.err, "apply.lock: locked by another tmoutctl apply: try again");
    captured_free(&captured);
    close(fd);
    assert_apply(&place, TMOUTCTL_FINE, "applied", "");
    free(lock);
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(comes_into_force),
        WITH_DIRECTORY(prints_notes),
        WITH_DIRECTORY(reads_fresh_files_twice),
        WITH_DIRECTORY(keeps_the_last_valid_one),
        WITH_DIRECTORY(quietly),
        WITH_DIRECTORY(without_a_policy),
        WITH_DIRECTORY(unusable_state),
        WITH_DIRECTORY(locked_by_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
