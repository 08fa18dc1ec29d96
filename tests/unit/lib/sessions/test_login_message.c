/* Logins that are sent to tmoutd: whole, from root, about the sender. */
#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include "lib/sessions/login_message.h"
#include "lib/sessions/registry_format.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

static int listen_in(const char *registry)
{
    struct failure failure = {""};
    const int fd = login_message_listen(registry, geteuid(), &failure);

    if (fd < 0)
        fail_msg("%s", failure.text);
    return fd;
}

static struct session_record own_record(void)
{
    struct session_record record = {
        .pid = getpid(), .uid = 1000, .start_ticks = 7, .is_ssh = true, .user = "kim", .policy = 9};

    return record;
}

static void sent_and_received(void **state)
{
    char *registry = path_in(*state, "sessions"), *path = path_in(*state, "sessions.socket");
    struct session_record record = own_record(), found;
    struct stat st;
    const int fd = listen_in(registry);

    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFSOCK | 0600);
    assert_int_equal(login_message_receive(fd, geteuid(), &found), LOGIN_MESSAGE_NONE);
    assert_int_equal(login_message_send(registry, geteuid(), &record), 0);
    assert_int_equal(login_message_receive(fd, geteuid(), &found), LOGIN_MESSAGE_RECORD);
    record.source = LOGIN_FROM_MESSAGE;
    assert_int_equal(found.pid, getpid());
    assert_int_equal(found.source, LOGIN_FROM_MESSAGE);
    assert_int_equal(found.uid, 1000);
    assert_int_equal(found.policy, 9);
    assert_true(found.is_ssh);
    assert_string_equal(found.user, "kim");
    assert_int_equal(login_message_receive(fd, geteuid(), &found), LOGIN_MESSAGE_NONE);
    close(fd);
    free(path);
    free(registry);
}

/* Neither without a tmoutd nor with one that does not read. */
static void the_sender_never_waits(void **state)
{
    char *registry = path_in(*state, "sessions");
    const struct session_record record = own_record();
    unsigned sent = 0;

    assert_int_equal(login_message_send(registry, geteuid(), &record), -1);
    assert_int_equal(errno, ENOENT);
    int fd = listen_in(registry);
    while (login_message_send(registry, geteuid(), &record) == 0)
        sent++;
    assert_int_equal(errno, EAGAIN);
    assert_true(sent > 0);
    close(fd);
    assert_int_equal(login_message_send(registry, geteuid(), &record), -1);
    assert_int_equal(errno, ECONNREFUSED);
    /* a new tmoutd takes the place of one that was killed */
    fd = listen_in(registry);
    assert_int_equal(login_message_send(registry, geteuid(), &record), 0);
    close(fd);
    assert_int_equal(login_message_send("no-slash", geteuid(), &record), -1);
    free(registry);
}

static void send_bytes(const char *path, const void *bytes, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_true(fd >= 0);
    assert_int_equal(sendto(fd, bytes, size, 0, (const struct sockaddr *)&address, sizeof address),
                     (ssize_t)size);
    close(fd);
}

static void what_cannot_be_trusted(void **state)
{
    char *registry = path_in(*state, "sessions"), *path = path_in(*state, "sessions.socket");
    struct session_record record = own_record(), found;
    struct stored_record stored;
    const int fd = listen_in(registry);

    send_bytes(path, "nonsense", 8);
    assert_int_equal(login_message_receive(fd, geteuid(), &found), LOGIN_MESSAGE_REJECTED);
    assert_int_equal(found.pid, getpid());
    send_bytes(path, "", 0);
    assert_int_equal(login_message_receive(fd, geteuid(), &found), LOGIN_MESSAGE_REJECTED);
    /* about another process */
    record.pid = getppid();
    assert_int_equal(login_message_send(registry, geteuid(), &record), 0);
    assert_int_equal(login_message_receive(fd, geteuid(), &found), LOGIN_MESSAGE_REJECTED);
    /* of a later version */
    record.pid = getpid();
    record_encode(&record, &stored);
    stored.version++;
    send_bytes(path, &stored, sizeof stored);
    assert_int_equal(login_message_receive(fd, geteuid(), &found), LOGIN_MESSAGE_NEWER);
    assert_int_equal(found.pid, getpid());
    /* from a user, who would have to get past the mode first */
    if (geteuid() == 0) {
        assert_int_equal(chmod(path, 0666), 0);
        assert_int_equal(chmod(*state, 0755), 0);
        const pid_t child = child_begin();
        if (child == 0) {
            assert_int_equal(setresuid(65534, 65534, 65534), 0);
            record.pid = getpid();
            record_encode(&record, &stored);
            send_bytes(path, &stored, sizeof stored);
            _exit(0);
        }
        assert_true(child_end(child));
        assert_int_equal(login_message_receive(fd, geteuid(), &found), LOGIN_MESSAGE_REJECTED);
    }
    close(fd);
    assert_int_equal(login_message_receive(fd, geteuid(), &found), LOGIN_MESSAGE_FAILED);
    free(path);
    free(registry);
}

/* Descriptors that were sent along are not kept. */
static void descriptors_are_closed(void **state)
{
    char *registry = path_in(*state, "sessions"), *path = path_in(*state, "sessions.socket");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct session_record found;
    const int fd = listen_in(registry), from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char byte = 'x';
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union {
        char room[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control = {.room = ""};
    struct msghdr message = {.msg_name = &address,
                             .msg_namelen = sizeof address,
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    const int sent[] = {0, 0, 0};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(sizeof sent);
    memcpy(CMSG_DATA(first), sent, sizeof sent);
    const int before = dup(0);
    close(before);
    assert_int_equal(sendmsg(from, &message, 0), 1);
    assert_int_equal(login_message_receive(fd, geteuid(), &found), LOGIN_MESSAGE_REJECTED);
    const int after = dup(0);
    assert_int_equal(after, before);
    close(after);
    close(from);
    close(fd);
    free(path);
    free(registry);
}

/* A socket's address is short, a state directory's path may be long. */
static void a_long_path(void **state)
{
    const struct session_record record = own_record();
    struct session_record found;
    char name[200];

    memset(name, 'd', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    char *above = path_in(*state, name), *registry = path_in(above, "sessions");
    assert_int_equal(mkdir(above, 0755), 0);
    const int fd = listen_in(registry);
    assert_int_equal(login_message_send(registry, geteuid(), &record), 0);
    assert_int_equal(login_message_receive(fd, geteuid(), &found), LOGIN_MESSAGE_RECORD);
    close(fd);
    free(registry);
    free(above);
}

static void where_others_can_write(void **state)
{
    char *registry = path_in(*state, "sessions");
    const struct session_record record = own_record();
    struct failure failure = {""};
    const int fd = listen_in(registry);

    assert_int_equal(chmod(*state, 0777), 0);
    assert_int_equal(login_message_send(registry, geteuid(), &record), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(login_message_listen(registry, geteuid(), &failure), -1);
    assert_non_null(strstr(failure.text, "is writable by group or others"));
    close(fd);
    free(registry);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(sent_and_received),
        WITH_DIRECTORY(the_sender_never_waits),
        WITH_DIRECTORY(what_cannot_be_trusted),
        WITH_DIRECTORY(descriptors_are_closed),
        WITH_DIRECTORY(a_long_path),
        WITH_DIRECTORY(where_others_can_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
