/* The module's end of the connection to tmout-fleetd, with a daemon of the test's own that
 * answers, is silent, hangs up, or sends something else. */
#include "tests/unit/temporary.h"

#include "lib/fleet/client.h"

#include <dirent.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static const struct fleet_request a_request = {
    .operation = FLEET_ADMIT,
    .origin = {.kind = ORIGIN_NETWORK},
    .limits = {.max_attempts = 10, .window_ms = 900000, .lock_ms = 600000},
    .user = "anna"};

struct scene {
    char *path;
    int listener, peer; /* -1: not accepted yet */
    struct fleet_client client;
    struct fleet_answer answer;
    struct failure failure;
};

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void begin(struct scene *s, const char *directory)
{
    *s = (struct scene){.path = path_in(directory, "fleet.sock"), .peer = -1};
    s->listener = listen_at(s->path);
}

static void begin_asked(struct scene *s, const char *directory)
{
    begin(s, directory);
    if (fleet_client_ask(&s->client, s->path, geteuid(), &a_request, &s->failure) != 0)
        fail_msg("asked: %s", s->failure.text);
    s->peer = accept(s->listener, NULL, NULL);
    assert_true(s->peer >= 0);
}

static void finish(struct scene *s)
{
    fleet_client_close(&s->client);
    close(s->listener);
    if (s->peer >= 0)
        close(s->peer);
    free(s->path);
}

static struct fleet_request received(int fd)
{
    unsigned char packet[FLEET_REQUEST_SIZE + 1];
    struct fleet_request request = {.operation = FLEET_ADMIT};
    const ssize_t size = recv(fd, packet, sizeof packet, 0);

    assert_true(size > 0 && fleet_request_decode(packet, (size_t)size, &request));
    return request;
}

static void reply(int fd, enum fleet_status status)
{
    unsigned char packet[FLEET_ANSWER_SIZE];

    fleet_answer_encode(&(struct fleet_answer){.status = status}, packet);
    assert_int_equal(send(fd, packet, sizeof packet, 0), sizeof packet);
}

static int wait_now(struct scene *s)
{
    return fleet_client_wait(&s->client, 0, &s->answer, &s->failure);
}

static void asks_and_settles(void **state)
{
    struct scene s;

    begin_asked(&s, *state);
    const struct fleet_request asked = received(s.peer);
    assert_int_equal(asked.operation, FLEET_ADMIT);
    assert_string_equal(asked.user, "anna");
    assert_int_equal(wait_now(&s), 0);
    reply(s.peer, FLEET_WAITING);
    reply(s.peer, FLEET_ADMITTED);
    assert_int_equal(wait_now(&s), 1);
    assert_int_equal(s.answer.status, FLEET_WAITING);
    assert_int_equal(wait_now(&s), 1);
    assert_int_equal(s.answer.status, FLEET_ADMITTED);
    fleet_client_settle(&s.client, s.path, geteuid(), FLEET_SETTLE, ATTEMPT_SUCCEEDED);
    assert_int_equal(s.client.fd, -1);
    const struct fleet_request settled = received(s.peer);
    assert_int_equal(settled.operation, FLEET_SETTLE);
    assert_int_equal(settled.outcome, ATTEMPT_SUCCEEDED);
    assert_memory_equal(settled.id, asked.id, sizeof asked.id);
    finish(&s);
}

/* Under the same id: the store may have admitted it although the daemon has no answer. */
static void reports(void **state)
{
    struct scene s;

    begin_asked(&s, *state);
    const struct fleet_request asked = received(s.peer);
    reply(s.peer, FLEET_AWAY);
    assert_int_equal(wait_now(&s), 1);
    fleet_client_settle(&s.client, s.path, geteuid(), FLEET_REPORT, ATTEMPT_FAILED);
    const struct fleet_request reported = received(s.peer);
    assert_int_equal(reported.operation, FLEET_REPORT);
    assert_int_equal(reported.outcome, ATTEMPT_FAILED);
    assert_memory_equal(reported.id, asked.id, sizeof asked.id);
    finish(&s);
}

static void ids_differ(void **state)
{
    struct fleet_request one, other;
    struct scene s;

    begin_asked(&s, *state);
    one = received(s.peer);
    fleet_client_close(&s.client);
    close(s.peer);
    assert_int_equal(fleet_client_ask(&s.client, s.path, geteuid(), &a_request, &s.failure), 0);
    s.peer = accept(s.listener, NULL, NULL);
    other = received(s.peer);
    assert_memory_not_equal(one.id, other.id, sizeof one.id);
    finish(&s);
}

/* The daemon was restarted while the password was checked. */
static void settles_on_a_new_connection(void **state)
{
    struct scene s;

    begin_asked(&s, *state);
    const struct fleet_request asked = received(s.peer);
    close(s.peer);
    fleet_client_settle(&s.client, s.path, geteuid(), FLEET_SETTLE, ATTEMPT_FAILED);
    s.peer = accept(s.listener, NULL, NULL);
    const struct fleet_request settled = received(s.peer);
    assert_int_equal(settled.outcome, ATTEMPT_FAILED);
    assert_memory_equal(settled.id, asked.id, sizeof asked.id);
    finish(&s);
}

static void is_away(struct scene *s, const char *why)
{
    assert_int_equal(wait_now(s), -1);
    assert_string_equal(s->failure.text, why);
    assert_int_equal(s->client.fd, -1);
    finish(s);
}

static void a_closed_connection_is_away(void **state)
{
    struct scene s;

    begin_asked(&s, *state);
    received(s.peer);
    close(s.peer);
    s.peer = -1;
    is_away(&s, "the connection was closed");
}

/* Of another size, empty, or of the right size but no answer. */
static void a_malformed_answer_is_away(void **state)
{
    static const size_t sizes[] = {1, FLEET_ANSWER_SIZE - 1, FLEET_ANSWER_SIZE,
                                   FLEET_ANSWER_SIZE + 1, 4096};
    static const unsigned char bytes[4096];

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct scene s;
        begin_asked(&s, *state);
        assert_int_equal(send(s.peer, bytes, sizes[i], 0), sizes[i]);
        unlink(s.path);
        is_away(&s, "the answer is not of this version");
    }
}

static void ask_fails(struct scene *s, const char *why)
{
    assert_int_equal(fleet_client_ask(&s->client, s->path, geteuid(), &a_request, &s->failure), -1);
    assert_string_equal(s->failure.text, why);
    assert_int_equal(s->client.fd, -1);
}

static void no_daemon_is_away(void **state)
{
    struct scene s;

    begin(&s, *state);
    close(s.listener);
    ask_fails(&s, "cannot connect: Connection refused");
    unlink(s.path);
    ask_fails(&s, "cannot connect: No such file or directory");
    s.listener = -1;
    write_bytes(s.path, "", 0);
    ask_fails(&s, "cannot connect: Connection refused");
    free(s.path);
}

/* A daemon that does not accept: the queue gets full, and nobody waits for it. */
static void a_full_queue_is_away(void **state)
{
    struct fleet_client client[16];
    struct scene s;
    int i = 0;

    begin(&s, *state);
    while (fleet_client_ask(&client[i], s.path, geteuid(), &a_request, &s.failure) == 0)
        assert_true(++i < 16);
    assert_string_equal(s.failure.text, "cannot connect: Resource temporarily unavailable");
    while (i-- > 0)
        fleet_client_close(&client[i]);
    close(s.listener);
    free(s.path);
}

/* Anybody may have made the socket, were it not in root's directory. */
static void another_users_socket_is_away(void **state)
{
    struct scene s;
    int status;

    if (geteuid() != 0)
        LEFT_OUT("needs root");
    assert_int_equal(chmod(*state, 0777), 0);
    s = (struct scene){.path = path_in(*state, "fleet.sock"), .listener = -1, .peer = -1};
    const pid_t pid = fork();
    if (pid == 0) {
        if (setresuid(65534, 65534, 65534) != 0)
            _exit(1);
        listen_at(s.path);
        raise(SIGSTOP);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(fleet_client_ask(&s.client, s.path, 0, &a_request, &s.failure), -1);
    assert_string_equal(s.failure.text, "belongs to uid 65534, not to root");
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    free(s.path);
}

static void a_long_path_is_away(void **state)
{
    char path[200];
    struct scene s = {.path = path};

    (void)state;
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    ask_fails(&s, "path too long");
}

static unsigned open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void settling_without_a_daemon_leaks_nothing(void **state)
{
    struct scene s;
    const unsigned before = open_descriptors();

    begin_asked(&s, *state);
    close(s.peer);
    close(s.listener);
    fleet_client_settle(&s.client, s.path, geteuid(), FLEET_SETTLE, ATTEMPT_FAILED);
    assert_int_equal(s.client.fd, -1);
    assert_int_equal(open_descriptors(), before);
    free(s.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(asks_and_settles),
        WITH_DIRECTORY(reports),
        WITH_DIRECTORY(ids_differ),
        WITH_DIRECTORY(settles_on_a_new_connection),
        WITH_DIRECTORY(a_closed_connection_is_away),
        WITH_DIRECTORY(a_malformed_answer_is_away),
        WITH_DIRECTORY(no_daemon_is_away),
        WITH_DIRECTORY(a_full_queue_is_away),
        WITH_DIRECTORY(another_users_socket_is_away),
        WITH_DIRECTORY(a_long_path_is_away),
        WITH_DIRECTORY(settling_without_a_daemon_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
