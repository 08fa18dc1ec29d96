/* Whether a login moves data. */
#include "tests/unit/lib/sessions/family.h"

#include "lib/host/pidfd.h"
#include "lib/sessions/login_traffic.h"

#include <errno.h>

/* Old kernels can't copy descriptors, and neither can some tools that run
 * programs. */
static bool has_pidfd_getfd(void)
{
    const int self = pidfd_of(getpid());
    const int copy = pidfd_copy_descriptor(self, 0);

    if (self >= 0)
        close(self);
    if (copy >= 0)
        close(copy);
    return copy >= 0;
}

static uint64_t bytes_of(const struct session_record *login)
{
    uint64_t bytes = 0;

    assert_int_equal(login_bytes_moved(login, &bytes), 0);
    return bytes;
}

/* About this many bytes: commands count, too, and so does what a tool that runs
 * the test may read. */
static void assert_moves(const struct stand_in *s, const struct session_record *login, char letter,
                         bool counts)
{
    const uint64_t before = bytes_of(login);

    tell(s, letter);
    const int64_t moved = (int64_t)(bytes_of(login) - before);
    if (counts ? moved < CHUNK : moved >= CHUNK || moved <= -CHUNK)
        fail_msg("%c moved %lld bytes", letter, (long long)moved);
}

/* What the client and sshd exchange does not count; what sshd relays does, whether
 * the connection is still open or not. */
static void assert_only_data_counts(const struct scene *scene)
{
    const struct stand_in *s = &scene->s;

    for (int i = 0; i < 3; i++) {
        write_whole(scene->client);
        assert_moves(s, &scene->login, 'k', false);
    }
    const uint64_t before = bytes_of(&scene->login);
    write_whole(scene->client);
    assert_true(bytes_of(&scene->login) == before); /* sshd has not read it yet */
    assert_moves(s, &scene->login, 'f', false);
    assert_moves(s, &scene->login, 'l', false);
    write_whole(scene->client);
    assert_moves(s, &scene->login, 'k', false);
    assert_moves(s, &scene->login, 'F', true);
    assert_moves(s, &scene->login, 't', true);
}

/* A login of root, in which one process does everything. */
static void a_family(void **state)
{
    struct scene scene;

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    if (!has_pidfd_getfd())
        LEFT_OUT("pidfd_getfd(2) does not work here");
    scene_begin(&scene, family);
    const uint64_t before = bytes_of(&scene.login);
    assert_true(bytes_of(&scene.login) == before);
    assert_moves(&scene.s, &scene.login, 'a', true);
    assert_moves(&scene.s, &scene.login, 'b', true);
    assert_moves(&scene.s, &scene.login, 'c', true);
    assert_only_data_counts(&scene);
    scene_end(&scene);
}

/* A login of any other user: the monitor, and the connection below it. The traffic
 * of the monitor is subtracted, since the two talk to each other. */
static void a_family_with_a_monitor(void **state)
{
    struct scene scene;

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    if (!has_pidfd_getfd())
        LEFT_OUT("pidfd_getfd(2) does not work here");
    scene_begin(&scene, family_of_a_monitor);
    const uint64_t before = bytes_of(&scene.login);
    assert_true(bytes_of(&scene.login) == before);
    assert_moves(&scene.s, &scene.login, 'b', true);
    assert_moves(&scene.s, &scene.login, 'c', true);
    assert_only_data_counts(&scene);
    scene_end(&scene);
}

/* Bytes are exact only if no tool is between the process and the kernel: what it
 * reads would count as well. */
#define NEEDS_EXACT_COUNTS()                                                                       \
    do {                                                                                           \
        NEEDS_OWN_ARCHITECTURE();                                                                  \
        if (is_slow())                                                                             \
            LEFT_OUT("what the tool that runs the test reads counts as well");                     \
        if (!has_pidfd_getfd())                                                                    \
            LEFT_OUT("pidfd_getfd(2) does not work here");                                         \
    } while (0)

static void to_the_byte(void **state)
{
    struct scene scene;

    (void)state;
    NEEDS_EXACT_COUNTS();
    scene_begin(&scene, family);
    uint64_t before = bytes_of(&scene.login);
    tell(&scene.s, 'c');
    /* c and the answer, and c passed on twice: read and written each time */
    assert_int_equal(bytes_of(&scene.login) - before, CHUNK + 2 + 4);
    before = bytes_of(&scene.login);
    write_whole(scene.client);
    tell(&scene.s, 'k');
    assert_int_equal(bytes_of(&scene.login) - before, 2);
    scene_end(&scene);
    scene_begin(&scene, family_of_a_monitor);
    before = bytes_of(&scene.login);
    write_whole(scene.client);
    tell(&scene.s, 'k');
    assert_int_equal(bytes_of(&scene.login) - before, 0);
    scene_end(&scene);
}

/* A queue counts while the client takes bytes out of it, and only then. */
static void a_queue(void **state)
{
    struct scene scene;
    char buffer[CHUNK];
    uint64_t before;

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    if (!has_pidfd_getfd())
        LEFT_OUT("pidfd_getfd(2) does not work here");
    scene_begin(&scene, family_of_a_monitor);
    tell(&scene.s, 'w');
    /* The last acknowledgement may be late. */
    do
        before = bytes_of(&scene.login);
    while (bytes_of(&scene.login) != before);
    while (bytes_of(&scene.login) == before)
        assert_true(recv(scene.client, buffer, sizeof buffer, MSG_DONTWAIT) > 0);
    scene_end(&scene);
}

/* If the client does not come over TCP, everything counts: it is better to miss an
 * idle login than to cut off a transfer. */
static void not_over_tcp(void **state)
{
    struct stand_in s;

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    stand_in_begin(&s, family);
    const struct session_record login = login_of(s.pid);
    tell(&s, 'c');
    assert_moves(&s, &login, 'a', true);
    assert_moves(&s, &login, 'c', true);
    stand_in_end(&s);
}

static struct client_evidence evidence_of(const struct session_record *login)
{
    struct client_evidence evidence;

    assert_int_equal(login_client_evidence(login, &evidence), 0);
    return evidence;
}

/* What each command makes of the evidence. The connection reads the command and
 * answers it, or passes it on, which are a byte each; with a monitor, it reads and
 * writes as much. */
static void assert_evidence(const struct scene *scene, char letter, uint64_t written,
                            uint64_t bytes_read)
{
    const struct client_evidence before = evidence_of(&scene->login);
    const uint64_t command_bytes = connection_level == 0;

    tell(&scene->s, letter);
    const struct client_evidence after = evidence_of(&scene->login);
    assert_int_equal(after.written - before.written, written + command_bytes);
    assert_int_equal(after.read - before.read, bytes_read + command_bytes);
    assert_true(after.sessions == before.sessions);
}

static void assert_only_the_client_counts(const struct scene *scene)
{
    for (int i = 0; i < 3; i++) {
        write_whole(scene->client);
        assert_evidence(scene, 'k', 0, 0);
    }
    assert_evidence(scene, 'c', 0, 0); /* noise on the host */
    assert_evidence(scene, 'o', 0, CHUNK);
    assert_evidence(scene, 'f', 0, 0);
    assert_evidence(scene, 'F', CHUNK, 0);
    assert_evidence(scene, 't', CHUNK, 0);
    /* sshd has not read it yet */
    const struct client_evidence before = evidence_of(&scene->login);
    write_whole(scene->client);
    const struct client_evidence after = evidence_of(&scene->login);
    assert_memory_equal(&before, &after, sizeof before);
}

static void what_the_client_sent(void **state)
{
    struct scene scene;

    (void)state;
    NEEDS_EXACT_COUNTS();
    scene_begin(&scene, family);
    assert_only_the_client_counts(&scene);
    scene_end(&scene);
    connection_level = 1;
    scene_begin(&scene, family_of_a_monitor);
    assert_only_the_client_counts(&scene);
    scene_end(&scene);
    connection_level = 0;
}

/* A session that begins shows before anything is sent to it. */
static void sessions_that_begin(void **state)
{
    struct stand_in s;

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    stand_in_begin(&s, family);
    const struct session_record login = login_of(s.pid);
    tell(&s, 'c');
    const struct client_evidence before = evidence_of(&login);
    tell(&s, 'n');
    struct client_evidence after = evidence_of(&login);
    client_evidence_follow(&before, &after);
    assert_true(after.sessions != before.sessions);
    stand_in_end(&s);
}

/* A program gives sshd more children, by which nobody has begun a session. */
static void children_that_are_no_sessions(void **state)
{
    struct stand_in s;
    uint64_t before, after;
    struct client_evidence evidence = {0};

    NEEDS_EXACT_COUNTS();
    (void)state;
    stand_in_begin(&s, family);
    const struct session_record login = login_of(s.pid);
    /* What it has never done before takes pages that it has not used before. */
    for (int i = 0; i < 3; i++)
        tell(&s, 's');
    assert_int_equal(login_traffic_mark(&login, true, &evidence, &before), 0);
    const uint64_t sessions = evidence_of(&login).sessions, written = evidence.written;
    tell(&s, 's');
    assert_true(evidence_of(&login).sessions != sessions);
    assert_int_equal(login_traffic_mark(&login, true, &evidence, &after), 0);
    /* The commands are bytes, which count. */
    evidence.written = written;
    assert_true(client_evidence_mark(&evidence) == before);
    /* A session that begins later is one nevertheless. */
    tell(&s, 'n');
    assert_int_equal(login_traffic_mark(&login, true, &evidence, &after), 0);
    evidence.written = written;
    assert_true(client_evidence_mark(&evidence) != before);
    stand_in_end(&s);
}

static void evidence_that_follows(void **state)
{
    static const struct client_evidence before = {10, 20, 30, 40};
    static const struct {
        struct client_evidence now;
        uint64_t sessions;
    } cases[] = {
        {{10, 20, 30, 40}, 30}, {{10, 20, 31, 40}, 30}, {{11, 21, 31, 40}, 30},
        {{10, 20, 31, 41}, 31}, {{10, 20, 30, 41}, 30},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct client_evidence now = cases[i].now;
        client_evidence_follow(&before, &now);
        if (now.sessions != cases[i].sessions || now.written != cases[i].now.written ||
            now.read != cases[i].now.read || now.minor_faults != cases[i].now.minor_faults)
            fail_msg("case %zu", i);
    }
}

static void marks(void **state)
{
    static const struct client_evidence start = {10, 2 * WINDOW_BYTES, 7, 0};
    static const struct {
        struct client_evidence evidence;
        bool is_same;
    } cases[] = {
        {{10, 2 * WINDOW_BYTES, 7, 0}, true},     {{11, 2 * WINDOW_BYTES, 7, 0}, false},
        {{10, 2 * WINDOW_BYTES, 8, 0}, false},    {{10, 2 * WINDOW_BYTES + 1, 7, 0}, true},
        {{10, 3 * WINDOW_BYTES - 1, 7, 0}, true}, {{10, 3 * WINDOW_BYTES, 7, 0}, false},
        {{7, 2 * WINDOW_BYTES, 10, 0}, false},    {{10, 2 * WINDOW_BYTES, 7, 1}, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if ((client_evidence_mark(&cases[i].evidence) == client_evidence_mark(&start)) !=
            cases[i].is_same)
            fail_msg("case %zu", i);
}

/* What programs on the host do counts or not, as the policy says. */
static void noise_on_the_host(void **state)
{
    struct scene scene;
    struct client_evidence evidence = {0};
    uint64_t before, after;

    (void)state;
    NEEDS_EXACT_COUNTS();
    connection_level = 1;
    scene_begin(&scene, family_of_a_monitor);
    for (int i = 0; i < 2; i++) {
        const bool only_client = i == 1;
        assert_int_equal(login_traffic_mark(&scene.login, only_client, &evidence, &before), 0);
        tell(&scene.s, 'c');
        assert_int_equal(login_traffic_mark(&scene.login, only_client, &evidence, &after), 0);
        assert_true((after == before) == only_client);
    }
    scene_end(&scene);
    connection_level = 0;
}

static void bytes_of_an_ended_login(void **state)
{
    struct stand_in s;
    uint64_t bytes;

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    stand_in_begin(&s, wait_for_the_end);
    struct session_record login = login_of(s.pid);
    assert_int_equal(login_bytes_moved(&login, &bytes), 0);
    stand_in_end(&s);
    struct client_evidence evidence;
    assert_int_equal(login_bytes_moved(&login, &bytes), -1);
    assert_true(process_has_ended(errno));
    assert_int_equal(login_client_evidence(&login, &evidence), -1);
    assert_true(process_has_ended(errno));
}

/* The pid was reused: another process is not the login. */
static void bytes_of_a_reused_pid(void **state)
{
    struct stand_in s;
    uint64_t bytes;

    NEEDS_OWN_ARCHITECTURE();
    (void)state;
    stand_in_begin(&s, family);
    struct session_record login = login_of(s.pid);
    tell(&s, 'c');
    login.start_ticks--;
    const int moved = login_bytes_moved(&login, &bytes);
    stand_in_end(&s);
    assert_int_equal(moved, -1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family),
        cmocka_unit_test(a_family_with_a_monitor),
        cmocka_unit_test(to_the_byte),
        cmocka_unit_test(a_queue),
        cmocka_unit_test(not_over_tcp),
        cmocka_unit_test(what_the_client_sent),
        cmocka_unit_test(sessions_that_begin),
        cmocka_unit_test(children_that_are_no_sessions),
        cmocka_unit_test(evidence_that_follows),
        cmocka_unit_test(marks),
        cmocka_unit_test(noise_on_the_host),
        cmocka_unit_test(bytes_of_an_ended_login),
        cmocka_unit_test(bytes_of_a_reused_pid),
    };

    return family_main(argc, argv) ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
