/* Messages with descriptors: all of one, or nothing. */
#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include "tools/tmoutd/message.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

enum { FDS = 3, TEXT_SIZE = 8 };

static int pair[2];

static void begin(void)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void end(void)
{
    close(pair[0]);
    close(pair[1]);
}

static void send_text(char *text, int *fd, size_t fd_count)
{
    struct message message = {
        .part = {{text, 4}, {text + 4, TEXT_SIZE - 4}}, .fd = fd, .fd_count = fd_count};

    assert_int_equal(message_send(pair[0], &message, 0), 0);
}

static ssize_t receive_text(char *text, size_t size, int *fd, size_t *fd_count)
{
    struct message message = {.part = {{text, size}}, .fd = fd, .fd_count = *fd_count};
    const ssize_t received = message_receive(pair[1], &message, MSG_DONTWAIT);

    *fd_count = message.fd_count;
    return received;
}

/* The number that the next descriptor gets: the same as before if none was left open. */
static int next_fd(void)
{
    const int fd = dup(pair[0]);

    close(fd);
    return fd;
}

static void whole(void **state)
{
    char text[TEXT_SIZE] = "a text.", got[TEXT_SIZE];
    int sent[FDS], fd[FDS];
    size_t count = FDS;

    (void)state;
    begin();
    for (int i = 0; i < FDS; i++)
        assert_true((sent[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
    send_text(text, sent, FDS);
    send_text(text, NULL, 0);
    assert_int_equal(receive_text(got, sizeof got, fd, &count), TEXT_SIZE);
    assert_string_equal(got, text);
    assert_int_equal(count, FDS);
    for (int i = 0; i < FDS; i++) {
        assert_true((fcntl(fd[i], F_GETFD) & FD_CLOEXEC) != 0);
        close(fd[i]);
        close(sent[i]);
    }
    count = FDS;
    assert_int_equal(receive_text(got, sizeof got, fd, &count), TEXT_SIZE);
    assert_int_equal(count, 0);
    assert_int_equal(receive_text(got, sizeof got, fd, &count), -1);
    assert_int_equal(errno, EAGAIN);
    end();
}

/* Neither for the text, nor for the descriptors. */
static void no_room(void **state)
{
    char text[TEXT_SIZE] = "a text.", got[TEXT_SIZE];
    int fd[FDS];

    (void)state;
    begin();
    const int before = next_fd();
    for (size_t less = 1; less <= 2; less++) {
        size_t count = less == 1 ? FDS : FDS - 1;
        send_text(text, (int[]){pair[0], pair[1], pair[0]}, FDS);
        assert_int_equal(receive_text(got, less == 1 ? TEXT_SIZE - 1 : TEXT_SIZE, fd, &count), -1);
        assert_int_equal(errno, EMSGSIZE);
        assert_int_equal(count, 0);
        assert_int_equal(next_fd(), before);
    }
    end();
}

/* The other side is gone: an error, and no signal. */
static void nobody_there(void **state)
{
    char text[TEXT_SIZE] = "a text.";
    size_t count = 0;

    (void)state;
    begin();
    close(pair[1]);
    struct message message = {.part = {{text, TEXT_SIZE}}};
    assert_int_equal(message_send(pair[0], &message, 0), -1);
    assert_int_equal(errno, EPIPE);
    pair[1] = dup(pair[0]);
    assert_int_equal(receive_text(text, sizeof text, NULL, &count), 0);
    end();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(no_room),
        cmocka_unit_test(nobody_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
